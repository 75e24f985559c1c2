//! What a command prints when it has done what it was asked: a text for people, or the service's JSON for
//! scripts.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use latchkey_key_feed::UnixMillis;
use serde_json::Value;

use crate::cli::CommandFailed;

pub(super) use crate::model::moment::date;

/// What was done, in both forms.
#[derive(Debug)]
pub(super) struct Report {
    /// The service's answer, as it came.
    pub(super) json: String,
    /// The same for people, with the end of its last line.
    pub(super) text: String,
}

/// Rows under a line of headings, every column as wide as its widest cell.
#[derive(Debug)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

/// Names and values, one pair a line.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pairs: Vec<(&'static str, String)>,
}

/// What stands where there is nothing.
const NOTHING: &str = "-";

impl Report {
    pub(super) fn print(&self, as_json: bool) -> Result<(), CommandFailed> {
        let mut text = if as_json { self.json.clone() } else { self.text.clone() };
        if !text.ends_with('\n') {
            text.push('\n');
        }
        write_out(text.as_bytes())
    }
}

/// Writes to stdout. That nobody reads to the end, as in `latchkey key list | head`, is no failure.
pub(super) fn write_out(bytes: &[u8]) -> Result<(), CommandFailed> {
    let mut stdout = io::stdout();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CommandFailed::new(format!("could not write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes to stderr what is said besides the output. That nobody reads it is no failure.
pub(super) fn write_err(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

impl Table {
    pub(super) fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|&heading| heading.to_owned()).collect()] }
    }

    /// Adds a row. Cells may hold anything: what would confuse a terminal is escaped.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let shown = |cell: String| if cell.is_empty() { NOTHING.to_owned() } else { harmless(&cell) };
        self.rows.push(cells.into_iter().map(shown).collect());
    }

    pub(super) fn into_text(self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
        };
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                let _ = write!(line, "{cell:width$}  ");
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

impl Fields {
    /// Adds a pair, unless there is no value.
    pub(super) fn add(&mut self, name: &'static str, value: impl Into<String>) {
        let value = value.into();
        if !value.is_empty() {
            self.pairs.push((name, value));
        }
    }

    /// Indented, as a block under a first line.
    pub(super) fn into_text(self) -> String {
        let width = self.pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let mut text = String::new();
        for (name, value) in self.pairs {
            // The lines of a long value stand under each other.
            let indented = harmless(&value).replace('\n', &format!("\n  {:width$}  ", ""));
            let _ = writeln!(text, "  {name:width$}  {indented}");
        }
        text
    }
}

/// The text with everything escaped by which it could move the cursor, change colours or turn the direction
/// of what follows.
pub(super) fn harmless(text: &str) -> String {
    let is_harmful = |letter: char| {
        (letter.is_control() && letter != '\n')
            || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_harmful(letter) {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// The text in a field of an answer; nothing when there is none.
pub(super) fn text(object: &Value, field: &str) -> String {
    object.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The number in a field of an answer; 0 when there is none.
pub(super) fn number(object: &Value, field: &str) -> u64 {
    object.get(field).and_then(Value::as_u64).unwrap_or_default()
}

/// The items of the list in a field of an answer; none when there is no list.
pub(super) fn items<'a>(object: &'a Value, field: &str) -> &'a [Value] {
    object.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The texts of the list in a field of an answer, with commas between them.
pub(super) fn texts(object: &Value, field: &str) -> String {
    items(object, field).iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
}

/// `1 key`, `2 keys`.
pub(super) fn counted(keys: usize) -> String {
    format!("{keys} key{}", if keys == 1 { "" } else { "s" })
}

/// A moment as [`date`] shows it, without the date if it is that of `now`.
pub(super) fn time_of_day(unix_ms: u64, now: UnixMillis) -> String {
    let (moment, today) = (date(unix_ms), date(now.0));
    match (moment.split_once('T'), today.split_once('T')) {
        (Some((day, time)), Some((today, _))) if day == today => time.to_owned(),
        _ => moment,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligns_columns_and_leaves_no_spaces_at_the_end() {
        let mut table = Table::new(&["NAME", "OWNER"]);
        table.row(["a long name".to_owned(), "é".to_owned()]);
        table.row([String::new(), "alice".to_owned()]);
        assert_eq!(table.into_text(), "NAME         OWNER\na long name  é\n-            alice\n");
    }

    #[test]
    fn leaves_fields_without_a_value_out() {
        let mut fields = Fields::default();
        fields.add("id", "7");
        fields.add("expires", "");
        fields.add("metadata", "{\n}");
        assert_eq!(fields.into_text(), "  id        7\n  metadata  {\n            }\n");
    }

    #[test]
    fn writes_nothing_that_a_terminal_obeys() {
        assert_eq!(harmless("a\u{1b}[31mb\u{9b}c\u{202e}d\té"), "a\\u{1b}[31mb\\u{9b}c\\u{202e}d\\té");
    }

    #[test]
    fn writes_moments_as_dates() {
        for (unix_ms, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_767_225_600_999, "2026-01-01T00:00:00Z"),
            (253_402_207_200_000, "9999-12-30T22:00:00Z"),
            (1_000_000_000_000_000, "after the year 9999"),
            (u64::MAX, "after the year 9999"),
        ] {
            assert_eq!(date(unix_ms), expected);
        }
    }
}

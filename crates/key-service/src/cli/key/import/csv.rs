//! A list in CSV (RFC 4180). The first line names the columns.
//!
//! ```text
//! key,owner,name,roles,expiration,metadata
//! 5f0f3b0c-55aa-4c1f-9a4e-6b1d2a7c8e90,alice,billing,reader;writer,2027-01-31,"{""team"":""red""}"
//! ```

use serde_json::Value;
use zeroize::Zeroizing;

use super::draft::{Draft, Mistake, expiration};

/// What a column may be called.
const COLUMNS: [&str; 6] = ["key", "owner", "name", "roles", "expiration", "metadata"];

/// What separates roles in a cell. A comma does in a cell in quotes.
const ROLES_SEPARATORS: [char; 2] = [';', ','];

/// The cells of a row, and the line where it begins.
struct Row {
    line: u64,
    cells: Vec<String>,
}

pub(super) fn read(text: &str, mistakes: &mut Vec<Mistake>) -> Vec<Draft> {
    let mut rows = rows(text, mistakes).into_iter();
    let Some(Row { line, cells: columns }) = rows.next() else { return Vec::new() };
    let before = mistakes.len();
    for (place, column) in columns.iter().enumerate() {
        let column = column.trim();
        let problem = match column {
            _ if !COLUMNS.contains(&column) => {
                format!("names the column {column}, and there are {}", COLUMNS.join(", "))
            }
            _ if columns.iter().take(place).any(|other| other.trim() == column) => {
                format!("names the column {column} twice")
            }
            _ => continue,
        };
        mistakes.push(Mistake { line, problem });
    }
    if !columns.iter().any(|column| column.trim() == "key") {
        mistakes.push(Mistake {
            line,
            problem: "does not name the column key: the first line names the columns".to_owned(),
        });
    }
    if mistakes.len() > before {
        // Without columns nothing else can be understood.
        return Vec::new();
    }
    rows.map(|row| row.draft(&columns, mistakes)).collect()
}

impl Row {
    fn draft(self, columns: &[String], mistakes: &mut Vec<Mistake>) -> Draft {
        let Self { line, cells } = self;
        let mut draft = Draft { line, ..Draft::default() };
        let mut complain = |problem: String| mistakes.push(Mistake { line, problem });
        if cells.len() != columns.len() {
            complain(format!("has {} cells, and there are {} columns", cells.len(), columns.len()));
            return draft;
        }
        for (column, cell) in columns.iter().zip(cells) {
            let cell = Zeroizing::new(cell);
            let text = cell.trim();
            if text.is_empty() {
                continue;
            }
            match column.trim() {
                "key" => draft.key = Zeroizing::new(text.to_owned()),
                "owner" => draft.owner = Some(text.to_owned()),
                "name" => draft.name = Some(text.to_owned()),
                "roles" => {
                    let roles = text.split(ROLES_SEPARATORS).map(str::trim);
                    draft.roles = roles.filter(|role| !role.is_empty()).map(str::to_owned).collect();
                }
                "expiration" => match expiration(text) {
                    Ok(end) => draft.expiration = Some(end),
                    Err(problem) => complain(problem),
                },
                _ => match serde_json::from_str(text) {
                    Ok(Value::Object(metadata)) => draft.metadata = Some(metadata),
                    _ => complain("has metadata that is no JSON object".to_owned()),
                },
            }
        }
        if draft.key.is_empty() {
            complain("has no key".to_owned());
        }
        draft
    }
}

/// The rows that are not empty. A cell in quotes may hold commas, quotes that are doubled, and ends of lines.
fn rows(text: &str, mistakes: &mut Vec<Mistake>) -> Vec<Row> {
    let mut rows = Vec::new();
    let (mut line, mut begun) = (1, 1);
    let (mut cells, mut cell, mut in_quotes, mut was_quoted) = (Vec::new(), String::new(), false, false);
    let mut letters = text.strip_prefix('\u{feff}').unwrap_or(text).chars().peekable();
    loop {
        let letter = letters.next();
        line += u64::from(letter == Some('\n'));
        match letter {
            Some('"') if in_quotes && letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            Some('"') if in_quotes => in_quotes = false,
            Some('"') if cell.is_empty() && !was_quoted => (in_quotes, was_quoted) = (true, true),
            Some(letter) if in_quotes => cell.push(letter),
            Some(',') => {
                cells.push(std::mem::take(&mut cell));
                was_quoted = false;
            }
            Some('\r') if letters.peek() == Some(&'\n') => {}
            Some('\n') | None => {
                if in_quotes {
                    mistakes.push(Mistake {
                        line: begun,
                        problem: "opens a quote that nothing closes".to_owned(),
                    });
                    return rows;
                }
                if !(cells.is_empty() && cell.trim().is_empty() && !was_quoted) {
                    cells.push(std::mem::take(&mut cell));
                    rows.push(Row { line: begun, cells: std::mem::take(&mut cells) });
                }
                (cell, was_quoted, begun) = (String::new(), false, line);
                if letter.is_none() {
                    return rows;
                }
            }
            Some(letter) => cell.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drafts(text: &str) -> (Vec<Draft>, Vec<String>) {
        let mut mistakes = Vec::new();
        let drafts = read(text, &mut mistakes);
        (drafts, mistakes.into_iter().map(|it| format!("{}: {}", it.line, it.problem)).collect())
    }

    #[test]
    fn a_row_is_a_key_by_the_names_of_the_columns() {
        let text = "\u{feff}name,key,roles,metadata,expiration,owner\r\n\
                    billing,k1,\"reader; writer,auditor,\",\"{\"\"a\"\":\n\"\"b,c\"\"}\",30d,alice\r\n\r\n\
                    \"two, three\",k2,,,never,";
        let (drafts, mistakes) = drafts(text);
        assert_eq!(mistakes, Vec::<String>::new());
        let [one, two] = drafts.as_slice() else { panic!("two keys") };
        assert_eq!((one.line, one.key.as_str(), one.owner.as_deref()), (2, "k1", Some("alice")));
        assert_eq!(one.roles, ["reader", "writer", "auditor"]);
        assert_eq!(one.metadata.as_ref().unwrap()["a"], "b,c");
        assert_eq!(one.expiration, Some(serde_json::json!("30d")));
        assert_eq!((two.line, two.name.as_deref(), two.owner.as_deref()), (5, Some("two, three"), None));
        assert_eq!(two.expiration, Some(Value::Null));
    }

    #[test]
    fn every_mistake_is_told_with_its_line() {
        let (_, mistakes) =
            drafts("key,name,metadata,expiration\nk1,a\n,b,,\nk3,c,[1],soon\nk4,d,{},\"2026-01");
        let expected = [
            "2: has 2 cells",
            "3: has no key",
            "4: has metadata",
            "4: has an expiration",
            "5: opens a quote",
        ];
        let mut mistakes = mistakes;
        mistakes.sort();
        assert_eq!(mistakes.len(), expected.len(), "{mistakes:?}");
        for (mistake, expected) in mistakes.iter().zip(expected) {
            assert!(mistake.starts_with(expected) || expected.starts_with("4:"), "{mistake}");
        }
        for (text, words) in [
            ("secret,name\nk,n", "the column secret"),
            ("key,key\nk,n", "twice"),
            ("name\nn", "does not name the column key"),
        ] {
            let (found, mistakes) = drafts(text);
            assert!(
                found.is_empty() && mistakes.iter().any(|mistake| mistake.contains(words)),
                "{mistakes:?}"
            );
        }
    }
}

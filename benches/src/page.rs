//! `docs/performance.md`: prose that people write, tables that only a run writes.
//!
//! A table stands between two marks, and is replaced as a whole:
//!
//! ```text
//! <!-- table: Title -->
//! …
//! <!-- end -->
//! ```

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

use crate::report::Table;

const BEGIN: &str = "<!-- table: ";
const BEGIN_END: &str = " -->";
const END: &str = "<!-- end -->";

/// Puts the tables of this run into the page at `path`.
///
/// # Errors
///
/// When the page wants a table that the run does not have, or has no place for one: then it is left as it is.
/// Also when it cannot be read or written.
pub fn fill(path: &Path, tables: &[Table]) -> Result<()> {
    let page = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let filled = filled(&page, tables).with_context(|| path.display().to_string())?;
    fs::write(path, filled).with_context(|| format!("writing {}", path.display()))
}

fn filled(page: &str, tables: &[Table]) -> Result<String> {
    let (mut filled, mut lines, mut placed) = (String::new(), page.lines(), Vec::new());
    while let Some(line) = lines.next() {
        filled.push_str(line);
        filled.push('\n');
        let Some(title) = line.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(BEGIN_END)) else {
            continue;
        };
        let table = tables.iter().find(|table| table.title() == title);
        let table = table.with_context(|| format!("the run has no table {title:?}"))?;
        filled.push_str(&table.markdown());
        filled.push_str(END);
        filled.push('\n');
        placed.push(title);
        ensure!(lines.any(|line| line == END), "the table {title:?} has no end");
    }
    match tables.iter().find(|table| !placed.contains(&table.title())) {
        Some(table) => bail!("there is no place for the table {:?}", table.title()),
        None => Ok(filled),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new("Costs", &["Filter", "CPU"]);
        table.row("ours", ["2 µs".to_owned()]);
        table
    }

    const BEFORE: &str = "Some prose.\n<!-- table: Costs -->\nold\n<!-- end -->\nMore.\n";
    const AFTER: &str = "Some prose.\n<!-- table: Costs -->\n| Filter | CPU |\n|---|---:|\n| ours | 2 µs |\n<!-- end -->\nMore.\n";

    #[test]
    fn a_run_replaces_its_tables_and_leaves_the_prose() {
        assert_eq!(filled(BEFORE, &[table()]).unwrap(), AFTER);
        assert_eq!(filled(AFTER, &[table()]).unwrap(), AFTER);
    }

    #[test]
    fn the_documentation_shows_tables_and_charts_of_a_run() {
        let docs = latchkey_local_stack::places::repository().join("docs");
        let page = fs::read_to_string(docs.join("performance.md")).unwrap();
        for (at, line) in page.lines().enumerate().filter(|(_, line)| line.starts_with(BEGIN)) {
            let rows = page.lines().skip(at + 1).take_while(|line| *line != END).count();
            assert!(rows > 2, "{line} has no rows");
        }
        let charts: Vec<_> =
            page.split("](charts/").skip(1).filter_map(|rest| rest.split(')').next()).collect();
        assert!(!charts.is_empty());
        for chart in charts {
            assert!(docs.join("charts").join(chart).is_file(), "{chart} was never drawn");
        }
    }

    #[test]
    fn a_page_is_filled_whole_or_not_at_all() {
        let refused = |page: &str, tables: &[Table]| format!("{:#}", filled(page, tables).unwrap_err());
        assert_eq!(refused(BEFORE, &[]), "the run has no table \"Costs\"");
        assert_eq!(refused("No tables.\n", &[table()]), "there is no place for the table \"Costs\"");
        assert_eq!(refused("<!-- table: Costs -->\nold\n", &[table()]), "the table \"Costs\" has no end");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("page.md");
        fs::write(&path, BEFORE).unwrap();
        assert!(fill(&path, &[]).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), BEFORE);
    }
}

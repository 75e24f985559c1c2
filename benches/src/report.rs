//! What a run found: tables for people, figures for programs, charts for both.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::chart::Chart;
use crate::figure::Figure;

/// A table as Markdown has it.
#[derive(Clone, Debug)]
pub struct Table {
    title: String,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// Everything that was found so far.
#[derive(Debug, Default)]
pub struct Report {
    figures: Vec<Figure>,
    tables: Vec<Table>,
    charts: Vec<Chart>,
}

/// The shape of `results.json`.
#[derive(Serialize)]
struct Results<'a> {
    machine: &'a str,
    commit: &'a str,
    figures: &'a [Figure],
}

impl Table {
    /// An empty table; the first column says what a row is about.
    #[must_use]
    pub fn new(title: impl Into<String>, columns: &[&str]) -> Self {
        let columns = columns.iter().map(|&column| column.to_owned()).collect();
        Self { title: title.into(), columns, rows: Vec::new() }
    }

    /// One more row: what it is about, then a cell a column.
    pub fn row(&mut self, about: impl Into<String>, cells: impl IntoIterator<Item = String>) {
        let mut row = vec![about.into()];
        row.extend(cells);
        self.rows.push(row);
    }

    /// What it is called.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The table without its title, as Markdown has it.
    #[must_use]
    pub fn markdown(&self) -> String {
        let ruler = self.columns.iter().enumerate().map(|(at, _)| if at == 0 { "---" } else { "---:" });
        let ruler = format!("|{}|\n", ruler.collect::<Vec<_>>().join("|"));
        let line = |cells: &Vec<String>| format!("| {} |\n", cells.join(" | "));
        [line(&self.columns), ruler].into_iter().chain(self.rows.iter().map(line)).collect()
    }
}

impl Report {
    /// Adds a figure, and gives it back for a table.
    pub fn add(&mut self, figure: Figure) -> Figure {
        self.figures.push(figure.clone());
        figure
    }

    /// Adds a table.
    pub fn table(&mut self, table: Table) {
        self.tables.push(table);
    }

    /// Adds a chart.
    pub fn chart(&mut self, chart: Chart) {
        self.charts.push(chart);
    }

    /// The tables, and last one of every figure that has a target.
    #[must_use]
    pub fn tables(&self) -> Vec<Table> {
        [self.tables.as_slice(), &[self.targets()]].concat()
    }

    /// The number that was measured under that name.
    ///
    /// # Errors
    ///
    /// When there is none in this run.
    pub fn value(&self, name: &str) -> Result<f64> {
        let figure = self.figures.iter().find(|figure| figure.name() == name);
        figure.map(Figure::value).with_context(|| format!("{name} was not measured in this run"))
    }

    /// The figures so far.
    #[must_use]
    pub fn figures(&self) -> &[Figure] {
        &self.figures
    }

    /// Prints [`Self::tables`].
    ///
    /// # Errors
    ///
    /// When `out` cannot be written.
    pub fn print(&self, out: &mut impl Write) -> Result<()> {
        for table in self.tables() {
            write!(out, "\n### {}\n\n{}", table.title, table.markdown())?;
        }
        Ok(out.flush()?)
    }

    /// How many figures have a target, and how many of those meet it.
    #[must_use]
    pub fn judged(&self) -> (usize, usize) {
        let judged = self.figures.iter().filter_map(Figure::judgement);
        judged.fold((0, 0), |(all, met), (_, is_met)| (all + 1, met + usize::from(is_met)))
    }

    fn targets(&self) -> Table {
        let mut table = Table::new("Targets", &["Figure", "Measured", "Target", "Met"]);
        for figure in &self.figures {
            if let Some((target, met)) = figure.judgement() {
                let met = if met { "yes" } else { "no" };
                table.row(figure.name(), [figure.shown(), target, met.to_owned()]);
            }
        }
        table
    }

    /// Writes `results.json` into `directory`.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn write_results(&self, directory: &Path, machine: &str, commit: &str) -> Result<()> {
        let results = Results { machine, commit, figures: &self.figures };
        let text = serde_json::to_string_pretty(&results)?;
        let path = directory.join("results.json");
        fs::write(&path, text + "\n").with_context(|| format!("writing {}", path.display()))
    }

    /// Writes every chart into `directory`.
    ///
    /// # Errors
    ///
    /// When one cannot be written.
    pub fn write_charts(&self, directory: &Path) -> Result<()> {
        fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
        for chart in &self.charts {
            let path = directory.join(chart.file_name());
            fs::write(&path, chart.drawn()).with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::figure::Target;

    fn report() -> Report {
        let mut report = Report::default();
        let mut table = Table::new("Costs", &["Filter", "CPU"]);
        let cpu = report.add(Figure::new("a/cpu", "µs", 2.0).with_target(Target::AtMost(1.0)));
        table.row("a", [cpu.shown()]);
        report.add(Figure::new("a/size", "bytes", 10.0).with_target(Target::AtMost(10.0)));
        report.add(Figure::new("a/other", "", 1.0));
        report.table(table);
        report.chart(Chart::new("costs", "Costs", "µs").bar("a", &cpu));
        report
    }

    #[test]
    fn tables_are_markdown_and_end_with_the_targets() {
        let mut out = Vec::new();
        report().print(&mut out).unwrap();
        let printed = String::from_utf8(out).unwrap();
        let expected = "\n### Costs\n\n| Filter | CPU |\n|---|---:|\n| a | 2.00 µs |\n\n### Targets\n\n\
            | Figure | Measured | Target | Met |\n|---|---:|---:|---:|\n\
            | a/cpu | 2.00 µs | at most 1.00 µs | no |\n| a/size | 10.0 bytes | at most 10.0 bytes | yes |\n";
        assert_eq!(printed, expected);
        assert_eq!(report().judged(), (2, 1));
    }

    #[test]
    fn results_have_the_promised_shape() {
        let directory = tempfile::tempdir().unwrap();
        report().write_results(directory.path(), "a machine", "abc").unwrap();
        let text = fs::read_to_string(directory.path().join("results.json")).unwrap();
        let results: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&results["machine"], &results["commit"]), (&json!("a machine"), &json!("abc")));
        let figures = results["figures"].as_array().unwrap();
        assert_eq!(figures.len(), 3);
        for figure in figures {
            let mut fields: Vec<_> = figure.as_object().unwrap().keys().map(String::as_str).collect();
            fields.sort_unstable();
            assert_eq!(fields, ["met", "name", "spread", "target", "unit", "value"]);
        }
    }

    #[test]
    fn charts_are_files() {
        let directory = tempfile::tempdir().unwrap();
        report().write_charts(&directory.path().join("charts")).unwrap();
        let drawn = fs::read_to_string(directory.path().join("charts/costs.svg")).unwrap();
        assert!(drawn.starts_with("<svg"));
    }
}

//! Bars, as SVG that reads in light and in dark pages.

use std::fmt::Write as _;

use crate::figure::{Figure, rounded};

const WIDTH: f64 = 760.0;
/// Where bars begin: left of it stand their names.
const BARS_LEFT: f64 = 250.0;
/// Room right of the longest bar for its number.
const NUMBER_WIDTH: f64 = 110.0;
const TOP: f64 = 44.0;
const ROW_HEIGHT: f64 = 26.0;
const BAR_HEIGHT: f64 = 16.0;
/// What the longest bar is taken for at least, so that a chart of zeros has a scale too.
const SHORTEST: f64 = 1e-9;

/// Colours that are told apart on white and on black.
const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#24292f}.title{font-weight:600}.bar{fill:#8c959f}\
    .ours{fill:#0969da}.spread{stroke:#24292f}\
    @media(prefers-color-scheme:dark){text{fill:#e6edf3}.bar{fill:#6e7681}.ours{fill:#4493f8}.spread{stroke:#e6edf3}}";

/// Figures of one unit beside each other.
#[derive(Clone, Debug)]
pub struct Chart {
    file: String,
    title: String,
    unit: &'static str,
    bars: Vec<Bar>,
}

#[derive(Clone, Debug)]
struct Bar {
    label: String,
    value: f64,
    spread: f64,
    is_ours: bool,
}

impl Chart {
    /// An empty chart; `file` is the name of its file without `.svg`.
    #[must_use]
    pub fn new(file: &str, title: &str, unit: &'static str) -> Self {
        Self { file: file.to_owned(), title: title.to_owned(), unit, bars: Vec::new() }
    }

    /// With one more bar.
    #[must_use]
    pub fn bar(self, label: &str, figure: &Figure) -> Self {
        self.with(label, figure, false)
    }

    /// With one more bar that stands out.
    #[must_use]
    pub fn our_bar(self, label: &str, figure: &Figure) -> Self {
        self.with(label, figure, true)
    }

    fn with(mut self, label: &str, figure: &Figure, is_ours: bool) -> Self {
        let spread = figure.spread().unwrap_or(0.0);
        self.bars.push(Bar { label: label.to_owned(), value: figure.value(), spread, is_ours });
        self
    }

    /// The name of its file.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}.svg", self.file)
    }

    /// The SVG.
    #[must_use]
    pub fn drawn(&self) -> String {
        let height = TOP + ROW_HEIGHT * self.bars.len() as f64 + 8.0;
        let longest = self.bars.iter().map(|bar| bar.value + bar.spread).fold(SHORTEST, f64::max);
        let scale = (WIDTH - BARS_LEFT - NUMBER_WIDTH) / longest;
        let title = escaped(&format!("{} ({})", self.title, self.unit));
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
             height=\"{height}\" role=\"img\"><title>{title}</title><style>{STYLE}</style>\n\
             <text class=\"title\" x=\"8\" y=\"24\">{title}</text>\n"
        );
        for (row, bar) in self.bars.iter().enumerate() {
            bar.draw(TOP + ROW_HEIGHT * row as f64, scale, &mut svg);
        }
        svg.push_str("</svg>\n");
        svg
    }
}

impl Bar {
    /// Name, bar, a line over the spread, and the number.
    fn draw(&self, top: f64, scale: f64, svg: &mut String) {
        let length = (self.value * scale).max(0.0);
        let class = if self.is_ours { "ours" } else { "bar" };
        let (text_y, spread_y) = (top + BAR_HEIGHT - 3.0, top + BAR_HEIGHT / 2.0);
        let (from, to) = (BARS_LEFT + length - self.spread * scale, BARS_LEFT + length + self.spread * scale);
        let (label, number, number_x) = (escaped(&self.label), rounded(self.value), to + 6.0);
        // Writing into a string does not fail.
        let _ = writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{text_y:.1}\" text-anchor=\"end\">{label}</text>\
             <rect class=\"{class}\" x=\"{BARS_LEFT}\" y=\"{top:.1}\" width=\"{length:.1}\" height=\"{BAR_HEIGHT}\"/>\
             <line class=\"spread\" x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{spread_y:.1}\" y2=\"{spread_y:.1}\"/>\
             <text x=\"{number_x:.1}\" y=\"{text_y:.1}\">{number}</text>",
            BARS_LEFT - 8.0
        );
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_fills_the_room_and_others_are_in_proportion() {
        let chart = Chart::new("cost", "Cost", "µs")
            .bar("slow", &Figure::new("slow", "µs", 40.0))
            .our_bar("fast", &Figure::new("fast", "µs", 10.0));
        let drawn = chart.drawn();
        assert!(drawn.contains("class=\"bar\" x=\"250\" y=\"44.0\" width=\"400.0\""), "{drawn}");
        assert!(drawn.contains("class=\"ours\" x=\"250\" y=\"70.0\" width=\"100.0\""), "{drawn}");
        assert!(drawn.contains(">40.0</text>") && drawn.contains(">Cost (µs)</text>"), "{drawn}");
        assert_eq!(chart.file_name(), "cost.svg");
    }

    #[test]
    fn names_cannot_break_the_drawing() {
        let drawn = Chart::new("x", "a < b & c", "").bar("<b>", &Figure::new("x", "", 0.0)).drawn();
        assert!(drawn.contains("a &lt; b &amp; c") && drawn.contains("&lt;b&gt;"), "{drawn}");
        assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
    }
}

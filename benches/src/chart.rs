//! Bars, as SVG that can be read on light and on dark pages.

use std::fmt::Write as _;

use crate::figure::{Figure, rounded};

/// The picture is at least this wide.
const WIDTH_MIN: f64 = 760.0;
/// Space at every edge of the picture.
const MARGIN: f64 = 12.0;
/// Space between a name and its bar, and between a bar and its number.
const GAP: f64 = 8.0;
/// The bars have at least this much of the width.
const BARS_WIDTH_MIN: f64 = 320.0;
const TOP: f64 = 48.0;
const ROW_HEIGHT: f64 = 26.0;
const BAR_HEIGHT: f64 = 16.0;
/// What the longest bar is taken for at least, so that a chart of zeros has a scale too.
const SHORTEST: f64 = 1e-9;
const FONT_SIZE: f64 = 12.0;
/// The width of a character. The font has one width for all: without that, nobody knows here how long a text
/// is. In all usual fonts of this kind it is 0.6 of the height or less.
const CHARACTER_WIDTH: f64 = FONT_SIZE * 0.61;

/// The picture has a ground of its own, so it can be read on a light and on a dark page, whichever the reader
/// has asked for.
const STYLE: &str = "text{font:12px ui-monospace,Menlo,Consolas,monospace;fill:#24292f}.title{font-weight:600}\
    .ground{fill:#ffffff}.bar{fill:#8c959f}.ours{fill:#0969da}.spread,.zero{stroke:#24292f}\
    @media(prefers-color-scheme:dark){text{fill:#e6edf3}.ground{fill:#0d1117}.bar{fill:#6e7681}.ours{fill:#4493f8}\
    .spread,.zero{stroke:#e6edf3}}";

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
        let height = TOP + ROW_HEIGHT * self.bars.len() as f64 + MARGIN;
        let title = format!("{} ({})", self.title, self.unit);
        let scale = Scale::of(&self.bars, &title);
        let (width, title) = (scale.width, escaped(&title));
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
             height=\"{height:.0}\" role=\"img\"><title>{title}</title><style>{STYLE}</style>\n\
             <rect class=\"ground\" width=\"{width:.0}\" height=\"{height:.0}\" rx=\"6\"/>\n\
             <text class=\"title\" x=\"{MARGIN}\" y=\"26\">{title}</text>\n\
             <line class=\"zero\" x1=\"{zero:.1}\" x2=\"{zero:.1}\" y1=\"{TOP}\" y2=\"{bottom:.1}\"/>\n",
            zero = scale.zero,
            bottom = height - MARGIN,
        );
        for (row, bar) in self.bars.iter().enumerate() {
            bar.draw(TOP + ROW_HEIGHT * row as f64, &scale, &mut svg);
        }
        svg.push_str("</svg>\n");
        svg
    }
}

/// Where things are from left to right: names, bars with their spreads, numbers.
struct Scale {
    width: f64,
    /// Where names end.
    names_end: f64,
    /// Where bars begin. Left of it there is space for costs that were lost in the noise and seem to be below
    /// nothing.
    zero: f64,
    per_unit: f64,
}

impl Scale {
    fn of(bars: &[Bar], title: &str) -> Self {
        let widest =
            |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0) as f64 * CHARACTER_WIDTH;
        let names = widest(&mut bars.iter().map(|bar| bar.label.chars().count()));
        let numbers = widest(&mut bars.iter().map(|bar| rounded(bar.value).chars().count()));
        let names_end = MARGIN + names;
        let beside_bars = names_end + GAP + GAP + numbers + MARGIN;
        let titled = widest(&mut [title.chars().count()].into_iter()) + 2.0 * MARGIN;
        let width = WIDTH_MIN.max(beside_bars + BARS_WIDTH_MIN).max(titled);
        let most = bars.iter().map(|bar| bar.value + bar.spread).fold(SHORTEST, f64::max);
        let least = bars.iter().map(|bar| bar.value - bar.spread).fold(0.0, f64::min);
        let per_unit = (width - beside_bars) / (most - least);
        Self { width, names_end, zero: names_end + GAP - least * per_unit, per_unit }
    }

    fn x(&self, value: f64) -> f64 {
        self.zero + value * self.per_unit
    }
}

impl Bar {
    /// Name, bar, a line over the spread, and the number right of both.
    fn draw(&self, top: f64, scale: &Scale, svg: &mut String) {
        let class = if self.is_ours { "ours" } else { "bar" };
        let (text_y, spread_y) = (top + BAR_HEIGHT - 4.0, top + BAR_HEIGHT / 2.0);
        let (left, right) = (scale.x(self.value.min(0.0)), scale.x(self.value.max(0.0)));
        let (from, to) = (scale.x(self.value - self.spread), scale.x(self.value + self.spread));
        let (label, number) = (escaped(&self.label), rounded(self.value));
        // Writing into a string does not fail.
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{text_y:.1}\" text-anchor=\"end\">{label}</text>\
             <rect class=\"{class}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{BAR_HEIGHT}\"/>\
             <line class=\"spread\" x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{spread_y:.1}\" y2=\"{spread_y:.1}\"/>\
             <text x=\"{:.1}\" y=\"{text_y:.1}\">{number}</text>",
            scale.names_end,
            right - left,
            right.max(to) + GAP,
        );
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests;

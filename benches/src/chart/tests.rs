use super::*;
use crate::samples::Samples;

/// A figure with that median and that spread.
fn figure(value: f64, spread: f64) -> Figure {
    let samples = Samples::new(vec![value - spread, value, value + spread]).unwrap();
    Figure::of("x", "µs", &samples)
}

/// The number that an attribute of an element has.
fn attribute(element: &str, name: &str) -> f64 {
    let (_, rest) =
        element.split_once(&format!(" {name}=\"")).unwrap_or_else(|| panic!("{name} in {element}"));
    rest.split('"').next().unwrap().parse().unwrap()
}

/// Every element of that name.
fn elements<'a>(drawn: &'a str, name: &str) -> Vec<&'a str> {
    drawn.split('<').filter(|element| element.starts_with(&format!("{name} "))).collect()
}

/// Where a text begins and ends, from left to right.
fn extent(text: &str) -> (f64, f64) {
    let (_, shown) = text.split_once('>').unwrap();
    let shown = shown.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">");
    let (x, width) = (attribute(text, "x"), shown.chars().count() as f64 * CHARACTER_WIDTH);
    if text.contains("text-anchor=\"end\"") { (x - width, x) } else { (x, x + width) }
}

/// A chart as unfriendly as those of a run on a noisy machine.
fn unfriendly() -> String {
    Chart::new(
        "cost",
        "A title that is longer than the chart would be without it: what a request costs that was asked for",
        "µs",
    )
    .our_bar(
        "Latchkey, headers, and the id in filter state, and rules of which the last one matches",
        &figure(17.7, 2.9),
    )
    .bar("short", &figure(1_234_567.0, 600_000.0))
    .bar("lost in the noise", &figure(-250_000.0, 1_900_000.0))
    .drawn()
}

#[test]
fn the_longest_bar_fills_the_width_and_others_are_in_proportion() {
    let drawn = Chart::new("cost", "Cost", "µs")
        .bar("slow", &Figure::new("slow", "µs", 40.0))
        .our_bar("fast", &Figure::new("fast", "µs", 10.0))
        .drawn();
    let bars = elements(&drawn, "rect");
    let [_, slow, fast] = bars.as_slice() else { panic!("{drawn}") };
    assert!(slow.contains("class=\"bar\"") && fast.contains("class=\"ours\""), "{drawn}");
    assert!(attribute(slow, "width") >= BARS_WIDTH_MIN, "{drawn}");
    assert!((attribute(slow, "width") / attribute(fast, "width") - 4.0).abs() < 0.01, "{drawn}");
    assert!(drawn.contains(">40.0</text>") && drawn.contains(">Cost (µs)</text>"), "{drawn}");
}

#[test]
fn no_text_leaves_the_picture() {
    let drawn = unfriendly();
    let width = attribute(elements(&drawn, "svg")[0], "width");
    let texts = elements(&drawn, "text");
    assert_eq!(texts.len(), 7, "{drawn}");
    for text in texts {
        let (from, to) = extent(text);
        assert!(from >= 0.0 && to <= width, "{from} to {to} of {width}: {text}");
    }
}

#[test]
fn the_line_of_a_spread_crosses_neither_name_nor_number() {
    let drawn = unfriendly();
    let texts = elements(&drawn, "text");
    let spreads: Vec<_> =
        elements(&drawn, "line").into_iter().filter(|line| line.contains("spread")).collect();
    assert_eq!(spreads.len(), 3, "{drawn}");
    for (row, spread) in spreads.into_iter().enumerate() {
        let (name, number) = (extent(texts[1 + 2 * row]), extent(texts[2 + 2 * row]));
        let (from, to) = (attribute(spread, "x1"), attribute(spread, "x2"));
        assert!(name.1 < from && to < number.0, "{name:?} {from} {to} {number:?}");
    }
}

#[test]
fn the_picture_has_a_ground_of_its_own_for_light_and_for_dark() {
    let drawn = unfriendly();
    let ground = elements(&drawn, "rect")[0];
    assert!(ground.contains("class=\"ground\""), "{drawn}");
    assert_eq!(attribute(ground, "width"), attribute(elements(&drawn, "svg")[0], "width"));
    assert_eq!(drawn.matches(".ground{fill:").count(), 2, "one for light, one for dark: {drawn}");
}

#[test]
fn names_cannot_break_the_drawing() {
    let drawn = Chart::new("x", "a < b & c", "").bar("<b>", &Figure::new("x", "", 0.0)).drawn();
    assert!(drawn.contains("a &lt; b &amp; c") && drawn.contains("&lt;b&gt;"), "{drawn}");
    assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
    assert_eq!(Chart::new("cost", "Cost", "µs").file_name(), "cost.svg");
}

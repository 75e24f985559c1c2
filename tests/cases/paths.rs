//! How a path may be spelled, and what a gate with one rule for `/orders/**` makes of it.
//!
//! Each row holds whether the filter's own code reads it or a whole proxy does. This file needs nothing but
//! the language, so any test may include it.

/// What becomes of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The rule decides.
    Ruled,
    /// No rule matches.
    Free,
    /// It can be read in several ways, and is refused.
    Ambiguous,
}

/// Name of the case, path, outcome.
pub(crate) type Case = (&'static str, &'static [u8], Outcome);

use Outcome::{Ambiguous, Free, Ruled};

/// The cases.
pub(crate) const CASES: &[Case] = &[
    ("the path itself", b"/orders", Ruled),
    ("a slash at the end", b"/orders/", Ruled),
    ("below", b"/orders/1", Ruled),
    ("far below", b"/orders/1/items/2", Ruled),
    ("with a query", b"/orders/1?a=/../b", Ruled),
    ("an empty query", b"/orders?", Ruled),
    ("another path", b"/customers/1", Free),
    ("another path that begins alike", b"/orders2", Free),
    ("another case", b"/Orders/1", Free),
    ("the root", b"/", Free),
    ("the path in a query", b"/?x=/orders/1", Free),
    ("a letter that is encoded", b"/%6Frders/1", Ruled),
    ("every letter encoded, in lower case", b"/%6f%72%64%65%72%73/1", Ruled),
    ("an encoded space", b"/orders/a%20b", Ruled),
    ("encoded UTF-8", b"/orders/k%C3%A4se", Ruled),
    ("an encoded space at the end of a segment", b"/orders%20/1", Free),
    ("an encoded question mark", b"/orders%3Fa", Free),
    ("an encoded question mark further down", b"/orders/a%3Fb", Ruled),
    ("an encoded question mark before a query", b"/orders/a%3fb?c", Ruled),
    ("an encoded number sign", b"/orders%23a", Free),
    ("an encoded number sign further down", b"/orders/a%23b", Ruled),
    ("an encoded percent sign", b"/orders/100%25", Ruled),
    ("a dot at the end of a segment", b"/orders./1", Free),
    ("a dot at the end of a segment further down", b"/orders/1./items", Ruled),
    ("three dots", b"/orders/...", Ruled),
    // What could be read in several ways.
    ("an empty segment first", b"//orders/1", Ambiguous),
    ("an empty segment", b"/orders//1", Ambiguous),
    ("an empty segment at the end", b"/orders//", Ambiguous),
    ("a dot segment", b"/./orders/1", Ambiguous),
    ("a dot segment at the end", b"/orders/.", Ambiguous),
    ("two dots", b"/public/../orders/1", Ambiguous),
    ("two dots at the end", b"/orders/1/..", Ambiguous),
    ("a dot encoded", b"/%2e/orders/1", Ambiguous),
    ("two dots encoded", b"/public/%2E%2e/orders/1", Ambiguous),
    ("an encoded dot at the end of a segment", b"/orders/1%2E", Ambiguous),
    ("two dots, half encoded", b"/public/.%2e/orders/1", Ambiguous),
    ("a slash encoded", b"/orders%2F1", Ambiguous),
    ("a slash encoded, in lower case", b"/public%2f..%2forders", Ambiguous),
    ("a backslash", b"/public\\..\\orders", Ambiguous),
    ("a backslash encoded", b"/orders%5C1", Ambiguous),
    ("a path parameter", b"/orders;a=b/1", Ambiguous),
    ("a path parameter of two dots", b"/public/..;/orders/1", Ambiguous),
    ("a semicolon encoded", b"/orders%3B/1", Ambiguous),
    ("encoded twice", b"/public/%252e%252e/orders/1", Ambiguous),
    ("a letter encoded twice", b"/%256Frders/1", Ambiguous),
    ("a letter encoded twice, with its digits encoded too", b"/%25%36%46rders/1", Ambiguous),
    ("a letter encoded twice, with one digit encoded too", b"/%256%66rders/1", Ambiguous),
    ("a percent sign alone", b"/orders/100%", Ambiguous),
    ("a percent sign before no hexadecimal digits", b"/%orders", Ambiguous),
    ("a zero byte encoded", b"/orders%00/1", Ambiguous),
    ("a line break encoded", b"/orders%0A/1", Ambiguous),
    ("DEL encoded", b"/orders%7F", Ambiguous),
    ("a control character of Latin-1 encoded", b"/orders%C2%85", Ambiguous),
    ("not UTF-8, encoded", b"/orders/%FF", Ambiguous),
    ("overlong UTF-8 of a slash, encoded", b"/orders%C0%AF1", Ambiguous),
    ("not UTF-8", b"/orders/\xFF", Ambiguous),
    ("a fragment", b"/orders#/1", Ambiguous),
    ("a fragment in the query", b"/public?#/orders", Ambiguous),
    ("a control character", b"/orders\x01", Ambiguous),
];

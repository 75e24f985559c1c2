//! The cases that hold at a whole proxy too.

use super::{decided, rule, rules};
use crate::headers::HeaderPairs;

#[path = "../../../tests/cases/paths.rs"]
mod paths;

use paths::{CASES, Outcome};

#[test]
fn no_spelling_of_a_path_leads_around_a_rule() {
    let rules = rules(vec![rule("orders", &[], &["/orders/**"], &[])]);
    for (name, path, outcome) in CASES {
        let line: [(&str, &[u8]); 3] = [(":method", b"GET"), (":authority", b"edge.test"), (":path", path)];
        let expected = match outcome {
            Outcome::Ruled => "orders",
            Outcome::Free => "none",
            Outcome::Ambiguous => "path_ambiguous",
        };
        assert_eq!(decided(&rules, &HeaderPairs::from_iter(line)), expected, "{name}");
    }
}

//! Both pages that say of each header whether it is a fact or a claim say the same, of every header.

use std::collections::BTreeMap;
use std::fs;

use latchkey_filter::identity::{IdentityField, SHADOW_HEADER};

use crate::root;

#[test]
fn each_header_is_a_fact_or_a_claim_and_both_pages_say_which() {
    let guide = headers("docs/configuration.md");
    assert_eq!(headers("SECURITY.md"), guide);
    let named: String = guide.keys().map(String::as_str).collect();
    let fields = IdentityField::ALL.map(IdentityField::default_header);
    for header in fields.into_iter().chain([SHADOW_HEADER]) {
        assert!(named.contains(&format!("`{header}`")), "no page says what {header} is");
    }
    for (header, kind) in &guide {
        assert!(["fact", "claim"].contains(&kind.as_str()), "{header} is {kind}");
    }
    assert_eq!(guide["`x-api-key-name`"], "claim");
}

/// What the page's table says of each header: the first cell of a row, and the last.
fn headers(page: &str) -> BTreeMap<String, String> {
    let text = fs::read_to_string(root().join(page)).unwrap();
    let rows = text
        .lines()
        .skip_while(|line| !(line.starts_with("| Header |") && line.ends_with("Fact or claim |")));
    let rows = rows.skip(2).take_while(|line| line.starts_with('|'));
    let cells = rows.filter_map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        Some(((*cells.first()?).to_owned(), (*cells.last()?).to_owned()))
    });
    // Filter state without a header is the guide's business alone.
    cells.filter(|(header, _)| header != "none").collect()
}

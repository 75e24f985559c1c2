//! The body of a request in YAML or CBOR.

use latchkey_elastic::content::Node;
use latchkey_key_service::fuzzing::read_other_formats;

use crate::allocation::within;

/// What a body may cost for each of its bytes, besides what a short one costs.
const COST_PER_BYTE: usize = 512;

/// What a body may cost however short it is.
const COST_BASE: usize = 1024 * 1024;

/// * What is read is written as JSON, and read again to the same values.
/// * A refusal says something and its place.
/// * It costs memory in proportion to its bytes, whatever lengths and aliases it names.
pub fn body_formats(data: &[u8]) {
    let bytes_max = COST_PER_BYTE * data.len() + COST_BASE;
    for read in within(bytes_max, || read_other_formats(data)) {
        match read {
            Ok(Some(node)) => {
                let written = node.to_compact_json();
                let again = Node::parse_required(written.as_bytes()).expect("what was written");
                assert_eq!(again.to_value(), node.to_value());
            }
            Ok(None) => assert!(data.is_empty()),
            Err(refusal) => assert!(refusal.reason().starts_with('['), "{refusal}"),
        }
    }
}

//! What the two shells of the filter do not have in common. Every other case holds for both.

use latchkey_local_stack::places;
use latchkey_local_stack::shell::Shell;

/// What the native module lacks or has no use for. `docs/native.md` tells each by this name.
const ONLY_IN_WASM: [&str; 6] = [
    "capability_restriction_config",
    "change stamp",
    "filter state as a text in CEL",
    "node id",
    "route_metadata",
    "vm_id",
];

/// Whether the shell at work lacks this.
#[track_caller]
pub(crate) fn lacks(what: &str) -> bool {
    assert!(ONLY_IN_WASM.contains(&what), "{what} is no exception");
    is_native()
}

/// Whether the native module is at work.
pub(crate) fn is_native() -> bool {
    Shell::chosen() == Shell::Module
}

#[test]
fn every_exception_is_told_in_the_guide() {
    let guide = std::fs::read_to_string(places::repository().join("docs/native.md")).unwrap();
    let told: Vec<_> = guide
        .lines()
        .filter_map(|line| {
            line.strip_prefix("| **")?.split_once("** |").map(|(name, _)| name.replace('`', ""))
        })
        .collect();
    assert_eq!(told, ONLY_IN_WASM);
}

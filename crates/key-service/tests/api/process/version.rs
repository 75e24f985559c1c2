use std::fs;

use latchkey_build_info::{COMMIT, VERSION};
use tempfile::tempdir;

use super::{latchkey, told};

#[test]
fn the_version_is_told_with_the_commit_in_two_ways() {
    let expected = format!("latchkey {VERSION} (commit {COMMIT})\n");
    assert_eq!(told(&mut latchkey(), &["version"], ""), expected);
    assert_eq!(told(&mut latchkey(), &["--version"], ""), expected);
}

#[test]
fn every_verb_has_a_manual_page() {
    let scratch = tempdir().unwrap();
    let pages = scratch.path().join("man1");
    told(&mut latchkey(), &["man-pages", pages.to_str().unwrap()], "");
    let text = |name: &str| fs::read_to_string(pages.join(name)).unwrap();
    let version = format!("latchkey {VERSION} (commit {COMMIT})").replace('-', "\\-");
    assert!(text("latchkey.1").contains(&version), "{}", text("latchkey.1"));
    for (page, word) in [
        ("latchkey-serve.1", "LATCHKEY_CONFIG"),
        ("latchkey-key-invalidate.1", "wait\\-for\\-edges"),
        ("latchkey-user-passwd.1", "passwd"),
    ] {
        assert!(text(page).contains(word), "{page} does not say {word}");
    }
}

//! Passes the commit on that `tools/release` names.

use std::env;

/// Longest name of a commit, in bytes: a SHA-256, and `-dirty`.
const COMMIT_LEN_MAX: usize = 80;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=LATCHKEY_COMMIT");
    let commit = env::var("LATCHKEY_COMMIT").unwrap_or_else(|_| "unknown".to_owned());
    // It becomes part of a header, of the names of metrics and of lines of the log.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if (1..=COMMIT_LEN_MAX).contains(&commit.len()) && commit.bytes().all(is_plain) {
        println!("cargo::rustc-env=LATCHKEY_COMMIT={commit}");
    } else {
        println!(
            "cargo::error=LATCHKEY_COMMIT must be 1 to {COMMIT_LEN_MAX} letters, digits and hyphens: {commit:?}"
        );
    }
}

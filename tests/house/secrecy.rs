//! Whatever a test starts is searched for secrets.

use crate::code;

/// What runs a process by itself.
const STARTS: [&str; 2] = [".spawn()", ".output()"];

/// What says that its output is searched.
const SEARCHES: &str = "secrecy::search";

/// Where tests are that start services, proxies and commands.
const TESTS: [&str; 6] = [
    "crates/key-service/tests/",
    "crates/local-stack/src/",
    "crates/local-stack/tests/",
    "crates/soak/src/",
    "tests/deploy/",
    "tests/edge/",
];

/// Who starts something else, or what is to show a secret.
const OTHERS: [(&str, &str); 6] = [
    ("crates/local-stack/src/places.rs", "asks where an Envoy is"),
    ("crates/local-stack/src/postgres.rs", "PostgreSQL's own programs; its log is that of a `ChildProcess`"),
    ("crates/local-stack/tests/command.rs", "what `make demo` and `make run` print is for whoever runs them"),
    ("crates/local-stack/tests/first_hour/main.rs", "what the first hour prints is for whoever follows it"),
    ("crates/local-stack/tests/first_hour/release.rs", "likewise, after another installation"),
    ("tests/deploy/main.rs", "programs that check manifests"),
];

#[test]
fn whoever_starts_a_process_searches_what_it_writes() {
    let mut others: Vec<&str> = OTHERS.iter().map(|(path, _)| *path).collect();
    for (path, text) in code() {
        let path = path.display().to_string();
        let starts = STARTS.iter().any(|start| text.contains(start));
        if !starts || !TESTS.iter().any(|tests| path.starts_with(tests)) || path.ends_with("src/secrecy.rs") {
            continue;
        }
        if let Some(place) = others.iter().position(|other| *other == path) {
            others.remove(place);
            continue;
        }
        assert!(text.contains(SEARCHES), "{path} starts a process and searches nothing: {SEARCHES}…");
    }
    assert_eq!(others, [""; 0], "these start nothing any more");
}

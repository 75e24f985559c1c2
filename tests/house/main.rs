//! The rules of the house that no linter knows, read off the tree.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a failing test may panic")]

mod compatibility;
mod facts_and_claims;
mod faults;
mod impls;
mod limits_page;
mod metrics;
mod readme;
mod rooms;
mod screenshots;
mod secrecy;
mod tools;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Longest file of code, in lines: what one can keep in mind.
const FILE_LINES_MAX: usize = 400;

#[test]
fn only_the_proxy_room_speaks_to_the_host() {
    let of_host = ["proxy_wasm", "wasm_import_module", "extern \"C\"", "unsafe_code"];
    for (path, text) in code().filter(|(path, _)| path.starts_with("src") && !path.starts_with("src/proxy")) {
        for word in of_host {
            assert!(!text.contains(word), "{} has {word}", path.display());
        }
        let may_know_target = path == Path::new("src/lib.rs");
        assert!(may_know_target || !text.contains("target_arch"), "{} looks at the target", path.display());
    }
}

#[test]
fn only_the_store_names_the_database() {
    for (path, text) in code().filter(|(path, _)| path.starts_with("crates/key-service")) {
        let may = path.starts_with("crates/key-service/src/store") || path.ends_with("src/store.rs");
        assert!(may || !text.contains("sqlx"), "{} names sqlx", path.display());
    }
}

#[test]
fn no_file_of_code_is_too_long() {
    for (path, text) in code() {
        let lines = text.lines().count();
        assert!(lines <= FILE_LINES_MAX, "{} has {lines} lines", path.display());
    }
}

#[test]
fn modules_have_names_of_their_own() {
    for (path, _) in code() {
        assert!(!path.ends_with("mod.rs"), "{}: name the file after the module", path.display());
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let vague = ["util", "utils", "helper", "helpers", "common", "manager", "misc"];
        assert!(!vague.contains(&stem.as_str()), "{} says nothing of what it holds", path.display());
    }
}

#[test]
fn nothing_is_left_to_do() {
    // In two halves, so that this file does not find itself.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];
    for (path, text) in code() {
        for mark in marks {
            // As the beginning of a word: Java's date patterns end in the third mark.
            let found =
                text.split(|letter: char| !letter.is_alphanumeric()).any(|word| word.starts_with(mark));
            assert!(!found, "{} has a {mark}", path.display());
        }
    }
}

#[test]
fn every_page_that_is_cited_is_in_the_repository() {
    let is_page = |path: &Path| path.extension().is_some_and(|extension| extension == "md");
    let pages: Vec<_> = tracked().map(|(path, _)| path).filter(|path| is_page(path)).collect();
    let is_of_path = |letter: char| letter.is_alphanumeric() || "._-/".contains(letter);
    for (path, text) in tracked() {
        let is_code = path.extension().is_some_and(|extension| extension == "rs");
        let prose = text.lines().filter(|line| !is_code || line.trim_start().starts_with("//"));
        let words = prose.flat_map(|line| line.split(|letter| !is_of_path(letter))).map(Path::new);
        for cited in words.filter(|word| is_page(word)) {
            let exists = pages.iter().any(|page| page.file_name() == cited.file_name());
            assert!(exists, "{} cites {}, which is not in the repository", path.display(), cited.display());
        }
    }
}

#[test]
fn pages_about_the_code_name_files_that_exist() {
    // ARCHITECTURE.md leaves out the way to the two large crates.
    let houses = ["", "src", "crates/key-service/src"];
    for page in ["docs/glossary.md", "ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let text = fs::read_to_string(root().join(page)).unwrap();
        let named: Vec<_> =
            text.split('`').filter(|text| text.ends_with(".rs") && !text.contains(' ')).collect();
        assert!(named.len() > 3, "{page} names only {}", named.len());
        for name in named {
            let exists = houses.iter().any(|house| root().join(house).join(name).is_file());
            assert!(exists, "{page} names {name}, which does not exist");
        }
    }
}

#[test]
fn rules_are_said_and_not_cited_by_number() {
    // In two halves, so that this file does not find itself. A page that is known by a number is not in the
    // repository.
    let pages = [concat!("con", "tract"), concat!("des", "ign")];
    for (path, text) in tracked() {
        let text = text.to_lowercase();
        let words: Vec<_> = text
            .split(|letter: char| !letter.is_alphanumeric() && letter != '.')
            .filter(|word| !word.is_empty())
            .collect();
        let cited = words.windows(3).find(|three| {
            let number = if three[1].starts_with("section") { three[2] } else { three[1] };
            pages.contains(&three[0]) && number.starts_with(|letter: char| letter.is_ascii_digit())
        });
        assert!(cited.is_none(), "{} cites {cited:?}: say the rule itself", path.display());
    }
}

#[test]
fn every_sample_configuration_is_loaded_by_a_test() {
    let tests: String = code()
        .filter(|(path, _)| path.starts_with("tests") && !path.starts_with("tests/house"))
        .map(|(_, text)| text)
        .collect();
    let samples = tracked()
        .filter(|(path, _)| path.starts_with("envoy") && path.extension().is_some_and(|e| e == "yaml"));
    for (path, _) in samples {
        let name = path.display().to_string();
        assert!(tests.contains(&name), "{name} is loaded by no test");
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every tracked file of Rust.
fn code() -> impl Iterator<Item = (PathBuf, String)> {
    tracked().filter(|(path, _)| path.extension().is_some_and(|extension| extension == "rs"))
}

/// Every text file under version control that is there, by its path from the root.
fn tracked() -> impl Iterator<Item = (PathBuf, String)> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(listed.status.success(), "git does not list the files");
    let names = String::from_utf8(listed.stdout).unwrap();
    let paths: Vec<_> = names.lines().map(PathBuf::from).collect();
    paths.into_iter().filter_map(|path| Some((path.clone(), fs::read_to_string(root().join(&path)).ok()?)))
}

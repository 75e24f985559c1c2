//! The pictures of the console show the pages as they are.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::{root, tracked};

/// What the pages are made of.
const SOURCES: [&str; 2] = ["crates/console/assets", "crates/console/templates"];

/// Of what the pictures were made: a checksum and a file in each line (`sha256sum`). `make screenshots` writes it with them.
const MADE_OF: &str = "docs/console/screenshots.txt";

#[test]
fn the_pictures_of_the_console_are_of_the_pages_as_they_are() {
    let text = fs::read_to_string(root().join(MADE_OF)).unwrap();
    let pictured: BTreeMap<String, String> = text
        .lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(checksum, file)| (file.to_owned(), checksum.to_owned()))
        .collect();
    let is_source = |path: &Path| SOURCES.iter().any(|directory| path.starts_with(directory));
    let now: BTreeMap<String, String> = tracked()
        .filter(|(path, _)| is_source(path))
        .map(|(path, text)| (path.display().to_string(), checksum(&text)))
        .collect();
    assert!(now.len() > 10, "only {} files make the pages", now.len());
    assert_eq!(
        pictured, now,
        "the pages have changed since their pictures were made: run `make screenshots`"
    );
}

#[test]
fn every_picture_that_the_page_shows_is_there() {
    let page = fs::read_to_string(root().join("docs/console.md")).unwrap();
    let shown: Vec<_> = page.split('"').filter(|text| text.ends_with(".png")).collect();
    assert!(shown.len() >= 2, "the page shows {shown:?}");
    for picture in shown {
        assert!(
            root().join("docs").join(picture).is_file(),
            "{picture} is not there: run `make screenshots`"
        );
    }
}

fn checksum(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

//! The pictures of the pages in the documentation (`make screenshots`).

use std::fs;
use std::path::PathBuf;

use latchkey_local_stack::scratch_directory::ScratchDirectory;

use crate::browser::{SCREENSHOTS_VARIABLE, Scenario, Service};

/// How a file in PNG begins (RFC 2083, section 12.11).
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

#[test]
fn every_page_has_its_picture_in_both_colour_schemes() {
    let service = Service::start().process;
    let scratch = ScratchDirectory::new("latchkey-pictures-").unwrap();
    let asked = std::env::var_os(SCREENSHOTS_VARIABLE).map(PathBuf::from);
    let directory = asked.unwrap_or_else(|| scratch.path().to_owned());
    Scenario::new("screenshots", &service).with_pictures_in(directory.clone()).play();
    for page in ["login", "keys", "new-key", "key", "edges", "audit"] {
        for scheme in ["light", "dark"] {
            let picture = directory.join(format!("{page}-{scheme}.png"));
            let bytes = fs::read(&picture).unwrap_or_else(|error| panic!("{}: {error}", picture.display()));
            assert!(bytes.starts_with(PNG), "{}", picture.display());
        }
    }
}

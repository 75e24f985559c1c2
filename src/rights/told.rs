//! Privileges as the upstream reads them.

use std::fmt::Write as _;
use std::rc::Rc;

use latchkey_privileges::permission::HeldPrivileges;

use crate::limits::TOLD_PRIVILEGES_LEN_MAX;

/// The privileges and where they are held, as JSON in visible ASCII and spaces; `None` when it is too long
/// for a header.
pub(super) fn json(held: &[HeldPrivileges<'_>]) -> Option<Rc<str>> {
    let mut json = String::from("[");
    for block in held {
        json.push_str(if json.len() > 1 { ",{\"privileges\":[" } else { "{\"privileges\":[" });
        push_texts(&mut json, &block.privileges);
        json.push_str("],\"resources\":[");
        push_texts(&mut json, &block.resources);
        json.push_str("]}");
    }
    json.push(']');
    (json.len() <= TOLD_PRIVILEGES_LEN_MAX).then(|| json.into())
}

fn push_texts(json: &mut String, texts: &[&str]) {
    for (place, text) in texts.iter().enumerate() {
        json.push_str(if place == 0 { "\"" } else { ",\"" });
        for char in text.chars() {
            match char {
                '"' | '\\' => json.extend(['\\', char]),
                ' '..='~' => json.push(char),
                // A JSON string may hold any character so (RFC 8259, section 7), and a header no other way.
                _ => {
                    for unit in char.encode_utf16(&mut [0; 2]) {
                        // Writing to a text does not fail.
                        let _ = write!(json, "\\u{unit:04x}");
                    }
                }
            }
        }
        json.push('"');
    }
}

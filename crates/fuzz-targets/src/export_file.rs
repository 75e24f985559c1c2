//! The file of an export: as it is, and each of its lines in a file of its own.

use latchkey_key_service::fuzzing;

use crate::allocation::within;
use crate::json::{Json, Value, value};

/// How many times its bytes a file may cost, and what it may cost however short it is.
const COST_PER_BYTE: usize = 64;
const COST_BASE: usize = 64 * 1024;

/// The kinds of entries, and what the last line calls their number.
const KINDS: [(&str, &str); 5] = [
    ("user", "users"),
    ("reserved_user", "reserved_users"),
    ("role", "roles"),
    ("application_privilege", "application_privileges"),
    ("api_key", "api_keys"),
];

/// * What is read is written so that it is read the same, byte for byte.
/// * A file that is cut off is refused, and no refusal quotes a line.
/// * Whatever a second reader takes for no JSON is no line.
pub fn export_file(data: &[u8]) {
    check(data);
    for line in data.split(|byte| *byte == b'\n') {
        if let Some((_, counted)) = kind_of(line) {
            let end: Vec<String> = KINDS
                .iter()
                .map(|(_, name)| format!(r#""{name}":{}"#, u8::from(*name == *counted)))
                .collect();
            let header = r#"{"format":"latchkey-export","version":2,"epoch":"e","at":1767225600000}"#;
            let end = format!("{{\"end\":{{{}}}}}", end.join(","));
            check(&[header.as_bytes(), line, end.as_bytes(), b""].join(&b'\n'));
        }
    }
}

fn check(file: &[u8]) {
    let read = within(COST_PER_BYTE * file.len() + COST_BASE, || fuzzing::export_again(file));
    let written = match read {
        Ok(written) => written,
        Err(complaint) => return check_complaint(&complaint, file),
    };
    let lines = file.split(|byte| *byte == b'\n');
    assert!(lines.filter(|line| !line.is_empty()).all(|line| !Json::is_malformed(line)), "no JSON is read");
    assert_eq!(fuzzing::export_again(&written).as_ref(), Ok(&written), "it is written as something else");
    assert!(fuzzing::export_again(&written[..written.len() - 1]).is_err(), "a file is taken that is cut off");
}

/// A complaint names a line and a kind of mistake. No word of the file is in it but those of the format.
fn check_complaint(complaint: &str, file: &[u8]) {
    assert!(complaint.starts_with("line "), "{complaint}");
    let is_secret = |word: &&[u8]| word.len() >= 6 && word.iter().all(u8::is_ascii_digit);
    for word in file.split(|byte| !byte.is_ascii_alphanumeric()).filter(is_secret) {
        let word = std::str::from_utf8(word).expect("digits");
        let column = complaint.rsplit(' ').next().unwrap_or_default();
        assert!(!complaint.contains(word) || column == word || complaint.contains("version"), "{complaint}");
    }
}

/// Of which kind the entry of a line is.
fn kind_of(line: &[u8]) -> Option<&'static (&'static str, &'static str)> {
    let json = Json::read(line)?;
    let fields = json.fields()?;
    KINDS.iter().find(|(kind, _)| matches!(value(fields, kind), Value::Once(_)))
}

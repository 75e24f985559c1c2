use super::*;
use crate::config::duration;
use crate::limits::{METADATA_HEADERS_MAX, RULES_MAX};

const DOCUMENT: &str = include_str!("../../../docs/configuration.md");

/// The document's table: the cells of each row.
fn documented() -> Vec<Vec<&'static str>> {
    let table = DOCUMENT.split("\n## ").find(|section| section.starts_with("Fields")).unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

#[test]
fn the_document_lists_every_field_with_its_default_and_bounds() {
    let rows = documented();
    assert_eq!(rows.len(), FIELDS.len());
    for (row, field) in rows.iter().zip(&FIELDS) {
        let (takes, default) = match field {
            Field::Choice(field) => (field.words.to_owned(), Some(field.default.to_owned())),
            Field::Rules(_) => (format!("list of at most {RULES_MAX} rules"), Some("[]".to_owned())),
            Field::CredentialSources(_) => (
                "list of one to eight sources".to_owned(),
                Some("[{\"authorization\": [\"ApiKey\"]}]".to_owned()),
            ),
            Field::Status(_) => ("503, 429, 500, 502 or 504".to_owned(), Some("503".to_owned())),
            Field::Flag(field) => ("true or false".to_owned(), Some(field.default.to_string())),
            Field::Header(field) => {
                // Privileges are told where an application is named.
                let is_told = field.tells.is_told_by_default() || field.tells == IdentityField::Privileges;
                let default = if is_told { field.tells.default_header() } else { "null" };
                ("header name, or null".to_owned(), Some(default.to_owned()))
            }
            Field::FilterState(_) => {
                ("true, false, or a list of identity fields".to_owned(), Some("true".to_owned()))
            }
            Field::MetadataHeaders(_) => (
                format!("object of at most {METADATA_HEADERS_MAX} header names and metadata paths"),
                Some("{}".to_owned()),
            ),
            Field::Duration(field) => (
                format!("duration, `{}` to `{}`", duration::write(field.min), duration::write(field.max)),
                Some(duration::write(field.default)),
            ),
            Field::Text(field) => (format!("text: {}", field.words), field.default.map(str::to_owned)),
        };
        assert_eq!(row[0], format!("`{}`", field.path()));
        assert_eq!(row[1], takes, "{}", field.path());
        match default {
            Some(default) => assert_eq!(row[2], format!("`{default}`"), "{}", field.path()),
            None => assert!(!row[2].contains('`'), "{}", field.path()),
        }
        assert!(row.len() == 4 && row[3].ends_with('.'), "{}", field.path());
    }
}

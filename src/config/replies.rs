//! Reads how refusals look.

use super::Problem;
use super::config_reader::ConfigReader;
use super::fields::{REALM, REPLY_FORMAT, REPLY_TEXTS, TABLE_ABSENT_STATUS, TABLE_ABSENT_STATUSES};
use super::json::JsonValue;
use crate::credential::CredentialSources;
use crate::reply::{Replies, ReplyChoices};

/// What the operator wants; where something is wrong, the default.
pub(super) fn read(reader: &mut ConfigReader<'_, '_>, sources: &CredentialSources) -> Replies {
    let mut texts = Vec::new();
    for (status, field) in &REPLY_TEXTS {
        texts.extend(reader.text(field).map(|text| (*status, text)));
    }
    let choices = ReplyChoices {
        format: reader.choice(&REPLY_FORMAT).unwrap_or_default(),
        texts,
        realm: reader.text(&REALM),
        table_absent_status: table_absent_status(reader),
    };
    Replies::new(choices, sources.schemes())
}

fn table_absent_status(reader: &mut ConfigReader<'_, '_>) -> Option<u32> {
    let status = match reader.value(TABLE_ABSENT_STATUS)? {
        JsonValue::Number((number, _)) => number.parse().ok(),
        _ => None,
    };
    let status = status.filter(|status| TABLE_ABSENT_STATUSES.contains(status));
    if status.is_none() {
        reader.note(TABLE_ABSENT_STATUS, Problem::IsNot("503, 429, 500, 502 or 504"));
    }
    status
}

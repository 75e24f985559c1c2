//! One answer of the change feed, as a follower reads it.

use latchkey_filter::table::{Changes, RecordShape, RecordText};
use latchkey_key_feed::format_limits::{EPOCH_LEN_MAX, RECORD_LEN_MAX};
use latchkey_key_feed::{
    Cursor, FeedHead, FeedPage, FeedPageWithRights, FeedVersion, InvalidFeedPage, KeyId, Salt, SecretDigest,
    UnwritablePage, WireState,
};

use crate::allocation::within;
use crate::json::{Fields, Json, Value, value};

/// How many times its bytes an answer may cost, and what it may cost however short it is.
const COST_PER_BYTE: usize = 8;
const COST_BASE: usize = 8 * RECORD_LEN_MAX;

/// The applications whose privileges the table of the test keeps.
const APPLICATION: &str = "shop";

/// What is read of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Live,
    Removed,
    Unusable,
}

type Row = (u64, String, State);

/// * Of an answer of version 1 a second reader finds the same rows, or the same mistake.
/// * An answer that is read is written so that it is read the same.
/// * Records cost memory in proportion to the answer; there is one for each row, and their places ascend.
pub fn feed_answer(data: &[u8]) {
    let after = Cursor(if data.len().is_multiple_of(2) { 0 } else { 3 });
    let mut rows = Vec::new();
    let read = FeedHead::read(data, after, &mut |row| {
        let state = match row.state {
            WireState::Live(_) => State::Live,
            WireState::Removed => State::Removed,
            WireState::Unusable => State::Unusable,
        };
        rows.push((row.seq.0, row.id.into_owned(), state));
        Ok(())
    });
    if let Some(expected) = Json::read(data).as_ref().and_then(|json| expected(json, after)) {
        let found = read.as_ref().map(|_| &rows).map_err(name_of);
        assert_eq!(found, expected.as_ref().map_err(|name| *name));
    }
    let texts = [RecordText::Name, RecordText::Roles, RecordText::ClaimedRoles, RecordText::LimitedBy];
    let paths =
        ["team", "team.name"].map(|path| RecordText::Metadata { path: path.to_owned(), claims: true });
    let shape = RecordShape::of(texts.into_iter().chain(paths).collect());
    check_changes(data, after, &shape, &rows);
    check_changes(data, after, &shape.with_rights(vec![APPLICATION.to_owned()]), &rows);
    check_round_trip(data, after);
}

fn check_changes(data: &[u8], after: Cursor, shape: &RecordShape, rows: &[Row]) {
    let read = within(COST_PER_BYTE * data.len() + COST_BASE, || Changes::read(data, after, shape));
    let Ok((head, changes)) = read else { return };
    if head.version == FeedVersion::V1 {
        // By what opaque keys are found is no row.
        let found =
            changes.iter().filter(|change| change.kind != latchkey_filter::table::ChangeKind::Constant);
        let found = found.map(|change| (change.seq.0, change.id.to_owned()));
        let expected = rows.iter().map(|(seq, id, _)| (*seq, id.clone()));
        assert!(found.eq(expected), "a row without a record");
        assert_eq!(changes.count(), rows.len());
    }
    let unusable = rows.iter().filter(|(_, _, state)| *state == State::Unusable).count();
    assert!(changes.set_aside().count >= unusable);
    let rights = |change: &latchkey_filter::table::RecordChange<'_>| {
        change.kind == latchkey_filter::table::ChangeKind::Constant
    };
    let mut last = after;
    for change in changes.iter().filter(|change| !rights(change) && KeyId::try_from(change.id).is_ok()) {
        assert!(change.seq > last || head.reset, "a change goes back");
        last = change.seq;
    }
}

fn check_round_trip(data: &[u8], after: Cursor) {
    if let Ok(page) = FeedPage::parse(data, after) {
        match page.to_json() {
            Ok(written) => assert_eq!(FeedPage::parse(&written, after).expect("what was written"), page),
            Err(unwritable) => assert_eq!(unwritable, UnwritablePage::MetadataMalformed),
        }
    }
    if let Ok(page) = FeedPageWithRights::parse(data, after) {
        match page.to_json() {
            Ok(written) => {
                let again = FeedPageWithRights::parse(&written, after).expect("what was written");
                assert_eq!(again, page);
            }
            Err(unwritable) => assert_eq!(unwritable, UnwritablePage::MetadataMalformed),
        }
    }
}

fn name_of(invalid: &InvalidFeedPage) -> &'static str {
    match invalid {
        InvalidFeedPage::CursorBehindRows => "cursor",
        InvalidFeedPage::Malformed { .. } => "malformed",
        InvalidFeedPage::NoProgress => "progress",
        InvalidFeedPage::ResetWithRows => "reset",
        InvalidFeedPage::RowsOutOfOrder => "order",
    }
}

/// What an answer of version 1 says; `None` for other versions.
fn expected(json: &Json, after: Cursor) -> Option<Result<Vec<Row>, &'static str>> {
    let Some(fields) = json.fields() else { return Some(Err("malformed")) };
    match value(fields, "version") {
        Value::Absent => {}
        Value::Once(version) if version.u64() == Some(1) => {}
        _ => return None,
    }
    Some(expected_rows(fields, after))
}

fn expected_rows(fields: &Fields, after: Cursor) -> Result<Vec<Row>, &'static str> {
    let once = |name| match value(fields, name) {
        Value::Once(value) => Ok(value),
        Value::Absent | Value::Twice => Err("malformed"),
    };
    let number = |name| once(name)?.u64().ok_or("malformed");
    let flag = |name| once(name)?.bool().ok_or("malformed");
    let epoch = once("epoch")?.text().ok_or("malformed")?;
    let cursor = number("cursor")?;
    let (more, reset) = (flag("more")?, flag("reset")?);
    number("purged").and(number("total"))?;
    let is_epoch = (1..=EPOCH_LEN_MAX).contains(&epoch.len());
    if !is_epoch || !is_absent_or(fields, "ended", |ended| ended.bool().is_some()) {
        return Err("malformed");
    }
    let rows = once("keys")?.list().ok_or("malformed")?;
    let rows = rows.iter().map(row).collect::<Option<Vec<Row>>>().ok_or("malformed")?;
    let mut last = after.0;
    let ascends = rows.iter().all(|(seq, ..)| *seq > std::mem::replace(&mut last, *seq));
    match () {
        () if reset && !rows.is_empty() => Err("reset"),
        () if reset => Ok(rows),
        () if !ascends => Err("order"),
        () if cursor < last => Err("cursor"),
        () if more && cursor == after.0 => Err("progress"),
        () => Ok(rows),
    }
}

fn is_absent_or(fields: &Fields, name: &str, is_right: impl Fn(&Json) -> bool) -> bool {
    match value(fields, name) {
        Value::Absent => true,
        Value::Once(value) => is_right(value),
        Value::Twice => false,
    }
}

/// A row; `None` when it does not say which key it is about.
fn row(json: &Json) -> Option<Row> {
    let fields = json.fields()?;
    let (Value::Once(seq), Value::Once(id)) = (value(fields, "seq"), value(fields, "id")) else {
        return None;
    };
    let id = KeyId::try_from(id.text()?).ok()?;
    let removals: Vec<bool> =
        fields.iter().filter(|(name, _)| name == "removed").filter_map(|(_, value)| value.bool()).collect();
    // Of a row that is wrong otherwise, it still counts.
    if removals.len() > 1 {
        return None;
    }
    let state = match removals.first() {
        Some(true) => State::Removed,
        _ if is_key(fields) => State::Live,
        _ => State::Unusable,
    };
    Some((seq.u64()?, id.as_str().to_owned(), state))
}

fn is_previous_secret(json: &Json) -> bool {
    let fields = json.fields().unwrap_or_default();
    let is_once = |name, is_right: fn(&Json) -> bool| matches!(value(fields, name), Value::Once(value) if is_right(value));
    is_once("until", |json| json.u64().is_some()) && is_once("digest", is_digest)
}

fn is_digest(json: &Json) -> bool {
    json.text().is_some_and(|text| SecretDigest::try_from(text).is_ok())
}

fn is_key(fields: &Fields) -> bool {
    let is_once = |name, is_right: fn(&Json) -> bool| matches!(value(fields, name), Value::Once(value) if is_right(value));
    let is_text = |json: &Json| json.text().is_some();
    let are_texts = |json: &Json| json.list().is_some_and(|list| list.iter().all(|it| it.text().is_some()));
    is_once("salt", |json| json.text().is_some_and(|text| Salt::try_from(text).is_ok()))
        && is_once("digest", is_digest)
        && is_once("name", is_text)
        && is_once("owner", |json| {
            let is_once = |name| {
                let fields = json.fields().unwrap_or_default();
                matches!(value(fields, name), Value::Once(Json::Text(_)))
            };
            is_once("username") && is_once("realm")
        })
        && ["roles", "vouched_roles", "limited_by"].into_iter().all(|it| is_absent_or(fields, it, are_texts))
        && is_absent_or(fields, "removed", |json| json.bool().is_some())
        && is_absent_or(fields, "expiration", |json| *json == Json::Null || json.u64().is_some())
        && is_absent_or(fields, "metadata", |json| json.fields().is_some())
        && is_absent_or(fields, "metadata_vouched", |json| json.bool().is_some())
        && is_absent_or(fields, "previous", is_previous_secret)
}

//! Keys to put into a table, for tests.

use std::collections::BTreeMap;

use latchkey_key_feed::{
    Cursor, Epoch, FeedApplication, FeedPage, FeedPageWithRights, FeedRow, KeptSecrets, KeyId, KeyRecord,
    KeySecret, MonotonicMillis, Owner, Salt, SecretDigest, UnixMillis,
};

use super::{
    Build, Changes, ContentId, FeedTable as _, Page, PagedRecord, Progress, RecordShape, RecordText, Refresh,
    TableRecord as _, TableWriter, text_in,
};
use crate::clock::Moment;
use crate::testing::FakeSharedData;

/// That moment by both clocks, which are far apart.
pub(crate) fn at(monotonic: MonotonicMillis) -> Moment {
    Moment { monotonic, wall: UnixMillis(1_700_000_000_000).plus_millis(monotonic.0) }
}

/// A refresh at that moment, by which keys may be admitted for a day.
pub(crate) fn refreshed_at(at: Moment) -> Refresh {
    Refresh { at, serves_ms: 24 * 60 * 60 * 1_000 }
}

/// The secret of every key made here is `secret of <id>`.
pub(crate) fn secret_of(id: &str) -> KeySecret {
    KeySecret::presented(format!("secret of {id}").into_bytes())
}

/// A key that never expires.
pub(crate) fn key(id: &str) -> KeyRecord {
    let salt = Salt::from_bytes([5; 16]);
    KeyRecord {
        id: KeyId::try_from(id).unwrap(),
        secrets: KeptSecrets::one(salt, SecretDigest::of(&salt, &secret_of(id))),
        expiration: None,
        name: format!("name-of-{id}"),
        owner: Owner { username: "alice".to_owned(), realm: "native".to_owned() },
        roles: vec!["reader".to_owned()],
        vouched_roles: vec!["reader".to_owned()],
        limited_by: vec!["ops".to_owned()],
        metadata: "{}".to_owned(),
        metadata_vouched: true,
    }
}

pub(crate) fn live(seq: u64, record: KeyRecord) -> FeedRow {
    FeedRow::Live { seq: Cursor(seq), record: Box::new(record) }
}

pub(crate) fn removed(seq: u64, id: &str) -> FeedRow {
    FeedRow::Removed { seq: Cursor(seq), id: KeyId::try_from(id).unwrap() }
}

/// What the records of all these tests hold.
pub(crate) fn shape() -> RecordShape {
    use RecordText::{ClaimedRoles, LimitedBy, Metadata, Name, Owner, OwnerRealm, Roles};
    let vouched = |path: &str| Metadata { path: path.to_owned(), claims: false };
    let claims = |path: &str| Metadata { path: path.to_owned(), claims: true };
    let metadata = [vouched("field"), claims("field"), vouched("team.name"), vouched("team.ids")];
    RecordShape::of(
        [vec![Name, Owner, OwnerRealm, Roles, ClaimedRoles, LimitedBy], metadata.to_vec()].concat(),
    )
}

/// The application that the tests ask about.
pub(crate) const APPLICATION: &str = "shop";

/// The same with the rights of keys.
pub(crate) fn shape_with_rights() -> RecordShape {
    shape().with_rights(vec![APPLICATION.to_owned()])
}

/// The answer of version 2 with these rows, what their keys may do, and what the application has registered,
/// with the place of its change.
pub(crate) fn answer_with_rights(
    cursor: u64,
    rows: &[FeedRow],
    rights: BTreeMap<KeyId, String>,
    registered: Option<(u64, Option<String>)>,
) -> Vec<u8> {
    let page = FeedPage {
        epoch: Epoch::try_from("epoch.2".to_owned()).unwrap(),
        cursor: Cursor(cursor),
        purged: Cursor(0),
        total: rows.len() as u64,
        more: false,
        reset: false,
        ended: false,
        keys: rows.to_vec(),
    };
    let applications = registered.map(|(seq, privileges)| FeedApplication {
        seq: Cursor(seq),
        application: APPLICATION.to_owned(),
        privileges,
    });
    let page = FeedPageWithRights { applications: applications.into_iter().collect(), rights, page };
    page.to_json().unwrap()
}

/// One of some sets of rights.
pub(crate) fn rights_of(set: u32) -> String {
    format!(r#"{{"limited_by":{{"cluster":["set-{set}"]}}}}"#)
}

/// The set of rights that a record of [`shape_with_rights`] names.
pub(crate) fn rights_in(record: &PagedRecord) -> Option<ContentId> {
    ContentId::read(record.text(|text| *text == RecordText::Rights)?)
}

/// What the page holds of a key; `None` when it is not a key's with all of its texts.
pub(crate) fn text_of(page: &Page, id: &str, text: &RecordText) -> Option<String> {
    let record = page.find(&KeyId::try_from(id).unwrap()).unwrap().key()?;
    let place = shape().position_of(|other| other == text).unwrap();
    text_in(record.texts()?, place).map(str::to_owned)
}

/// The rows as an answer of the feed brings them.
pub(crate) fn changes(rows: &[FeedRow]) -> Changes {
    changes_after_forgetting(0, rows)
}

/// The same of a service that has forgotten everything up to a change.
pub(crate) fn changes_after_forgetting(purged: u64, rows: &[FeedRow]) -> Changes {
    Changes::read(&answer(purged, rows), Cursor(0), &shape()).unwrap().1
}

/// The answer with these rows, of a service that has forgotten everything up to a change.
pub(crate) fn answer(purged: u64, rows: &[FeedRow]) -> Vec<u8> {
    let page = FeedPage {
        epoch: Epoch::try_from("epoch".to_owned()).unwrap(),
        cursor: rows.last().map_or(Cursor(0), FeedRow::seq),
        purged: Cursor(purged),
        total: rows.len() as u64,
        more: false,
        reset: false,
        ended: false,
        keys: rows.to_vec(),
    };
    page.to_json().unwrap()
}

/// A generation of these rows, ready to be published.
pub(crate) fn build(writer: &TableWriter<FakeSharedData>, rows: &[FeedRow]) -> Build {
    let mut build = writer.begin(rows.len() as u64, 7).unwrap();
    writer.collect(&mut build, &changes(rows)).unwrap();
    while writer.lay_out(&mut build).unwrap() == Progress::Continues {}
    build
}

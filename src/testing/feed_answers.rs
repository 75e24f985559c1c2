//! Answers of the feed, and the keys in them, for tables of tests.

use std::collections::BTreeMap;

use latchkey_key_feed::{
    Cursor, Epoch, FeedApplication, FeedPage, FeedPageWithRights, FeedRow, KeptSecrets, KeyId, KeyRecord,
    KeySecret, OpaqueKeyPepper, Owner, Salt, SecretDigest,
};

use crate::table::{Changes, FeedIdentity, RecordShape, RecordText, SharedNames};

/// The names of a table whose records hold the name, the owner and the rights of keys.
#[must_use]
pub fn table_names() -> SharedNames {
    let shape = RecordShape::of(vec![RecordText::Name, RecordText::Owner]);
    let feed = FeedIdentity::of("key_service", "key_service", "/_latchkey/feed");
    SharedNames::of(&feed, shape.with_rights(vec!["shop".to_owned()]))
}

/// A key whose secret is `secret of <id>`, whose name says by which change it came.
#[must_use]
pub fn row(seq: u64, id: &str) -> FeedRow {
    let salt = Salt::from_bytes([5; 16]);
    let secret = KeySecret::presented(format!("secret of {id}").into_bytes());
    let record = KeyRecord {
        id: key_id(id),
        secrets: KeptSecrets::one(salt, SecretDigest::of(&salt, &secret)),
        expiration: None,
        name: format!("as of {seq}"),
        owner: Owner { username: "alice".to_owned(), realm: "native".to_owned() },
        roles: vec![],
        vouched_roles: vec![],
        limited_by: vec![],
        metadata: "{}".to_owned(),
        metadata_vouched: true,
    };
    FeedRow::Live { seq: Cursor(seq), record: Box::new(record) }
}

/// A key that was removed.
#[must_use]
pub fn gone(seq: u64, id: &str) -> FeedRow {
    FeedRow::Removed { seq: Cursor(seq), id: key_id(id) }
}

/// An answer of the feed.
#[derive(Default)]
pub struct Answer {
    /// The rows, in the order of their changes.
    pub rows: Vec<FeedRow>,
    /// What keys may do, as JSON.
    pub rights: BTreeMap<KeyId, String>,
    /// What the application has registered, as JSON, and by which change.
    pub registered: Option<(u64, String)>,
    /// By what opaque keys are found.
    pub pepper: Option<OpaqueKeyPepper>,
    /// Up to which change the service has forgotten removed keys.
    pub purged: u64,
    /// What it was asked for.
    pub after: u64,
}

impl Answer {
    /// An answer with these rows.
    #[must_use]
    pub fn of(rows: &[FeedRow]) -> Self {
        Self { rows: rows.to_vec(), ..Self::default() }
    }

    /// As it is sent.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let registered = self.registered.iter().map(|(seq, json)| FeedApplication {
            seq: Cursor(*seq),
            application: "shop".to_owned(),
            privileges: Some(json.clone()),
        });
        let applications: Vec<_> = registered.collect();
        let last = self.rows.iter().map(FeedRow::seq).chain(applications.iter().map(|it| it.seq)).max();
        let page = FeedPage {
            epoch: epoch(),
            cursor: last.unwrap_or(Cursor(self.after)),
            purged: Cursor(self.purged),
            total: self.rows.iter().filter(|row| matches!(row, FeedRow::Live { .. })).count() as u64,
            more: false,
            reset: false,
            ended: false,
            keys: self.rows.clone(),
        };
        let answer = FeedPageWithRights { applications, rights: self.rights.clone(), page };
        answer.to_json_with(self.pepper.as_ref()).unwrap_or_default()
    }

    /// As it is read.
    #[must_use]
    pub fn changes(&self) -> Changes {
        let read = Changes::read(&self.to_json(), Cursor(self.after), table_names().shape());
        read.map(|(_, changes)| changes).unwrap_or_default()
    }
}

/// The epoch of every answer.
#[must_use]
pub fn epoch() -> Epoch {
    "epoch.2".to_owned().try_into().unwrap_or_else(|_| unreachable!("an epoch"))
}

/// That id.
#[must_use]
pub fn key_id(text: &str) -> KeyId {
    KeyId::try_from(text).unwrap_or_else(|_| unreachable!("an id"))
}

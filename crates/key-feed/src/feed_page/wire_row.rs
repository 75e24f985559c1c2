//! A row as it stands in an answer, read in place: texts are borrowed from the answer wherever they hold no escapes.

use std::borrow::Cow;

use hifijson::token::Lex as _;
use hifijson::{SliceLexer, value};
use serde_json::{Map, Number, Value};

use super::reading::{boolean, list, number, object, once, text, value_at};
use super::{Cursor, FeedRow};
use crate::{KeyId, KeyRecord, Owner, Salt, SecretDigest, UnixMillis, key_id};

/// A JSON value of an answer. Numbers are the text that stood there.
pub type JsonValue<'a> = value::Value<&'a str, Cow<'a, str>>;

/// The bytes are not of the expected shape. Where this was noticed is known to the lexer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// The latest state of one key, as an answer has it.
#[derive(Debug)]
pub struct WireRow<'a> {
    /// Sequence number of its latest change.
    pub seq: Cursor,
    /// Which key; what [`KeyId`] allows.
    pub id: Cow<'a, str>,
    /// What it looks like now; `None` once it has been removed.
    pub key: Option<WireKey<'a>>,
}

/// A key that has not been removed; the fields are those of [`KeyRecord`].
#[derive(Debug)]
pub struct WireKey<'a> {
    /// The salt of the digest.
    pub salt: Salt,
    /// The digest of the secret.
    pub digest: SecretDigest,
    /// When the key ends; `None` is never.
    pub expiration: Option<UnixMillis>,
    /// The name its maker gave it.
    pub name: Cow<'a, str>,
    /// The username of its owner.
    pub username: Cow<'a, str>,
    /// The realm of its owner.
    pub realm: Cow<'a, str>,
    /// Names of the key's own role descriptors.
    pub roles: Vec<Cow<'a, str>>,
    /// Those of `roles` that somebody vouches for.
    pub vouched_roles: Vec<Cow<'a, str>>,
    /// Names of the roles its owner had.
    pub limited_by: Vec<Cow<'a, str>>,
    /// Whatever its maker attached to it, in the order of the answer.
    pub metadata: Vec<(Cow<'a, str>, JsonValue<'a>)>,
    /// Whether somebody vouches for the metadata.
    pub metadata_vouched: bool,
}

/// The fields of a row as they come. Those of a live key are absent from a removed one.
#[derive(Default)]
struct Fields<'a> {
    seq: Option<u64>,
    id: Option<Cow<'a, str>>,
    removed: Option<bool>,
    salt: Option<Salt>,
    digest: Option<SecretDigest>,
    expiration: Option<Option<UnixMillis>>,
    name: Option<Cow<'a, str>>,
    owner: Option<(Cow<'a, str>, Cow<'a, str>)>,
    roles: Option<Vec<Cow<'a, str>>>,
    vouched_roles: Option<Vec<Cow<'a, str>>>,
    limited_by: Option<Vec<Cow<'a, str>>>,
    metadata_vouched: Option<bool>,
    metadata: Option<Vec<(Cow<'a, str>, JsonValue<'a>)>>,
}

impl<'a> WireRow<'a> {
    pub(super) fn read(next: u8, lexer: &mut SliceLexer<'a>) -> Result<Self, Malformed> {
        let mut fields = Fields::default();
        object(next, lexer, &mut |name, next, lexer| fields.read(name, next, lexer))?;
        let id = fields.id.ok_or(Malformed)?;
        key_id::check(&id).map_err(|_| Malformed)?;
        let seq = Cursor(fields.seq.ok_or(Malformed)?);
        if fields.removed == Some(true) {
            return Ok(Self { seq, id, key: None });
        }
        let (username, realm) = fields.owner.ok_or(Malformed)?;
        let key = WireKey {
            salt: fields.salt.ok_or(Malformed)?,
            digest: fields.digest.ok_or(Malformed)?,
            expiration: fields.expiration.flatten(),
            name: fields.name.ok_or(Malformed)?,
            username,
            realm,
            roles: fields.roles.unwrap_or_default(),
            vouched_roles: fields.vouched_roles.unwrap_or_default(),
            limited_by: fields.limited_by.unwrap_or_default(),
            metadata: fields.metadata.unwrap_or_default(),
            metadata_vouched: fields.metadata_vouched.unwrap_or_default(),
        };
        Ok(Self { seq, id, key: Some(key) })
    }
}

impl<'a> Fields<'a> {
    fn read(&mut self, name: &str, next: u8, lexer: &mut SliceLexer<'a>) -> Result<(), Malformed> {
        match name {
            "seq" => once(&mut self.seq, number(next, lexer)?),
            "id" => once(&mut self.id, text(next, lexer)?),
            "removed" => once(&mut self.removed, boolean(lexer)?),
            "salt" => once(&mut self.salt, Salt::try_from(&*text(next, lexer)?).map_err(|_| Malformed)?),
            "digest" => {
                once(&mut self.digest, SecretDigest::try_from(&*text(next, lexer)?).map_err(|_| Malformed)?)
            }
            "expiration" => once(&mut self.expiration, expiration(next, lexer)?),
            "name" => once(&mut self.name, text(next, lexer)?),
            "owner" => once(&mut self.owner, owner(next, lexer)?),
            "roles" => once(&mut self.roles, list(next, lexer)?),
            "vouched_roles" => once(&mut self.vouched_roles, list(next, lexer)?),
            "limited_by" => once(&mut self.limited_by, list(next, lexer)?),
            "metadata_vouched" => once(&mut self.metadata_vouched, boolean(lexer)?),
            "metadata" => match value_at(next, lexer)? {
                JsonValue::Object(fields) => once(&mut self.metadata, fields),
                _ => Err(Malformed),
            },
            _ => value_at(next, lexer).map(drop),
        }
    }
}

fn expiration(next: u8, lexer: &mut SliceLexer<'_>) -> Result<Option<UnixMillis>, Malformed> {
    if next == b'n' {
        return if lexer.null_or_bool() == Some(None) { Ok(None) } else { Err(Malformed) };
    }
    number(next, lexer).map(|millis| Some(UnixMillis(millis)))
}

fn owner<'a>(next: u8, lexer: &mut SliceLexer<'a>) -> Result<(Cow<'a, str>, Cow<'a, str>), Malformed> {
    let (mut username, mut realm) = (None, None);
    object(next, lexer, &mut |name, next, lexer| match name {
        "username" => once(&mut username, text(next, lexer)?),
        "realm" => once(&mut realm, text(next, lexer)?),
        _ => value_at(next, lexer).map(drop),
    })?;
    username.zip(realm).ok_or(Malformed)
}

impl TryFrom<WireRow<'_>> for FeedRow {
    type Error = Malformed;

    fn try_from(row: WireRow<'_>) -> Result<Self, Malformed> {
        let id = KeyId::try_from(&*row.id).map_err(|_| Malformed)?;
        let Some(key) = row.key else { return Ok(Self::Removed { seq: row.seq, id }) };
        let owned = |texts: Vec<Cow<'_, str>>| texts.into_iter().map(Cow::into_owned).collect();
        let record = KeyRecord {
            id,
            salt: key.salt,
            digest: key.digest,
            expiration: key.expiration,
            name: key.name.into_owned(),
            owner: Owner { username: key.username.into_owned(), realm: key.realm.into_owned() },
            roles: owned(key.roles),
            vouched_roles: owned(key.vouched_roles),
            limited_by: owned(key.limited_by),
            metadata: fields_of(key.metadata)?,
            metadata_vouched: key.metadata_vouched,
        };
        Ok(Self::Live { seq: row.seq, record: Box::new(record) })
    }
}

fn fields_of(fields: Vec<(Cow<'_, str>, JsonValue<'_>)>) -> Result<Map<String, Value>, Malformed> {
    fields.into_iter().map(|(name, value)| Ok((name.into_owned(), owned_value(value)?))).collect()
}

/// Recurses no deeper than `JSON_DEPTH_MAX`, because reading does not.
fn owned_value(value: JsonValue<'_>) -> Result<Value, Malformed> {
    Ok(match value {
        JsonValue::Null => Value::Null,
        JsonValue::Bool(truth) => Value::Bool(truth),
        JsonValue::Number((text, _)) => Value::Number(text.parse::<Number>().map_err(|_| Malformed)?),
        JsonValue::String(text) => Value::String(text.into_owned()),
        JsonValue::Array(items) => items.into_iter().map(owned_value).collect::<Result<_, _>>()?,
        JsonValue::Object(fields) => Value::Object(fields_of(fields)?),
    })
}

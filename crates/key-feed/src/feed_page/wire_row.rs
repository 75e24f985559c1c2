//! A row as it stands in an answer, read in place: texts are borrowed from the answer wherever they hold no
//! escapes.

use std::borrow::Cow;

use hifijson::SliceLexer;
use hifijson::token::Lex as _;

use super::Cursor;
use super::reading::{boolean, number, object, once, text};
use super::skipping::skip;
use super::wire_texts::{WireObject, WireTexts};
use crate::{KeptSecrets, PreviousSecret, Salt, SecretDigest, UnixMillis, key_id};

/// The field that says which rights a key has, in version 2.
pub(super) const RIGHTS: &str = "rights";

/// The bytes are not of the expected shape. Where this was noticed is known to the lexer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// The latest state of one key, as an answer has it.
#[derive(Debug)]
pub struct WireRow<'a> {
    /// Sequence number of its latest change.
    pub seq: Cursor,
    /// Which key; what [`KeyId`](crate::KeyId) allows.
    pub id: Cow<'a, str>,
    /// What it looks like now.
    pub state: WireState<'a>,
}

/// What a row says of its key.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "a row lives for a moment, and nearly all are live: a box would be an allocation each"
)]
pub enum WireState<'a> {
    /// The key exists.
    Live(WireKey<'a>),
    /// The key has been removed.
    Removed,
    /// The key exists, and the rest of the row is not what a key's is: a field is missing, stands twice, or
    /// holds something else.
    Unusable,
}

/// A key that has not been removed; the fields are those of [`KeyRecord`](crate::KeyRecord).
#[derive(Debug)]
pub struct WireKey<'a> {
    /// What is kept of its secrets.
    pub secrets: KeptSecrets,
    /// When the key ends; `None` is never.
    pub expiration: Option<UnixMillis>,
    /// The name its maker gave it.
    pub name: Cow<'a, str>,
    /// The username of its owner.
    pub username: Cow<'a, str>,
    /// The realm of its owner.
    pub realm: Cow<'a, str>,
    /// Names of the key's own role descriptors.
    pub roles: WireTexts<'a>,
    /// Those of `roles` that somebody vouches for.
    pub vouched_roles: WireTexts<'a>,
    /// Names of the roles its owner had.
    pub limited_by: WireTexts<'a>,
    /// Whatever its maker attached to it.
    pub metadata: WireObject<'a>,
    /// Whether somebody vouches for the metadata.
    pub metadata_vouched: bool,
    /// Which of the rights in the answer are those of the key. `None` when nobody can say what it may do, and
    /// in version 1.
    pub rights: Option<u32>,
}

/// The fields of a row as they come. Those of a live key are absent from a removed one.
#[derive(Default)]
struct RowFields<'a> {
    seq: Option<u64>,
    id: Option<Cow<'a, str>>,
    removed: Option<bool>,
    salt: Option<Salt>,
    digest: Option<SecretDigest>,
    previous: Option<PreviousSecret>,
    expiration: Option<Option<UnixMillis>>,
    name: Option<Cow<'a, str>>,
    owner: Option<(Cow<'a, str>, Cow<'a, str>)>,
    roles: Option<WireTexts<'a>>,
    vouched_roles: Option<WireTexts<'a>>,
    limited_by: Option<WireTexts<'a>>,
    metadata_vouched: Option<bool>,
    metadata: Option<WireObject<'a>>,
    rights: Option<Option<u64>>,
}

/// The rights that stand before the rows: whether each is of use. `None` in version 1.
pub(super) type KnownRights<'r> = Option<&'r [bool]>;

impl<'a> WireRow<'a> {
    /// Reads a row. One that has a sequence number and an id is a row, whatever else is wrong with it: the
    /// feed goes on behind it.
    pub(super) fn read(
        next: u8,
        lexer: &mut SliceLexer<'a>,
        known: KnownRights<'_>,
    ) -> Result<Self, Malformed> {
        let start = lexer.as_slice();
        Self::read_whole(next, lexer, known).or_else(|Malformed| {
            *lexer = SliceLexer::new(start);
            Self::read_unusable(next, lexer)
        })
    }

    fn read_whole(next: u8, lexer: &mut SliceLexer<'a>, known: KnownRights<'_>) -> Result<Self, Malformed> {
        let mut fields = RowFields::default();
        object(next, lexer, &mut |name, next, lexer| match name {
            RIGHTS if known.is_some() => once(&mut fields.rights, number_or_null(next, lexer)?),
            _ => fields.read(name, next, lexer),
        })?;
        let (seq, id) = place(fields.seq, fields.id)?;
        if fields.removed == Some(true) {
            return Ok(Self { seq, id, state: WireState::Removed });
        }
        let (username, realm) = fields.owner.ok_or(Malformed)?;
        let key = WireKey {
            secrets: KeptSecrets {
                salt: fields.salt.ok_or(Malformed)?,
                current: fields.digest.ok_or(Malformed)?,
                previous: fields.previous,
            },
            expiration: fields.expiration.flatten(),
            name: fields.name.ok_or(Malformed)?,
            username,
            realm,
            roles: fields.roles.unwrap_or_default(),
            vouched_roles: fields.vouched_roles.unwrap_or_default(),
            limited_by: fields.limited_by.unwrap_or_default(),
            metadata: fields.metadata.unwrap_or_default(),
            metadata_vouched: fields.metadata_vouched.unwrap_or_default(),
            rights: fields.rights.flatten().map(|index| known_rights(index, known)).transpose()?.flatten(),
        };
        Ok(Self { seq, id, state: WireState::Live(key) })
    }

    /// Reads of a row what says which key it is, and whether that has been removed.
    fn read_unusable(next: u8, lexer: &mut SliceLexer<'a>) -> Result<Self, Malformed> {
        let (mut seq, mut id, mut removed) = (None, None, None);
        object(next, lexer, &mut |name, next, lexer| match name {
            "seq" => once(&mut seq, number(next, lexer)?),
            "id" => once(&mut id, text(next, lexer)?),
            "removed" if matches!(next, b't' | b'f') => once(&mut removed, boolean(lexer)?),
            _ => skip(next, lexer),
        })?;
        let (seq, id) = place(seq, id)?;
        let state = if removed == Some(true) { WireState::Removed } else { WireState::Unusable };
        Ok(Self { seq, id, state })
    }
}

fn place<'a>(seq: Option<u64>, id: Option<Cow<'a, str>>) -> Result<(Cursor, Cow<'a, str>), Malformed> {
    let id = id.ok_or(Malformed)?;
    key_id::check(&id).map_err(|_| Malformed)?;
    Ok((Cursor(seq.ok_or(Malformed)?), id))
}

impl<'a> RowFields<'a> {
    fn read(&mut self, name: &str, next: u8, lexer: &mut SliceLexer<'a>) -> Result<(), Malformed> {
        match name {
            "seq" => once(&mut self.seq, number(next, lexer)?),
            "id" => once(&mut self.id, text(next, lexer)?),
            "removed" => once(&mut self.removed, boolean(lexer)?),
            "salt" => once(&mut self.salt, Salt::try_from(&*text(next, lexer)?).map_err(|_| Malformed)?),
            "digest" => once(&mut self.digest, digest(next, lexer)?),
            "previous" => once(&mut self.previous, previous(next, lexer)?),
            "expiration" => once(&mut self.expiration, number_or_null(next, lexer)?.map(UnixMillis)),
            "name" => once(&mut self.name, text(next, lexer)?),
            "owner" => once(&mut self.owner, owner(next, lexer)?),
            "roles" => once(&mut self.roles, WireTexts::read(next, lexer)?),
            "vouched_roles" => once(&mut self.vouched_roles, WireTexts::read(next, lexer)?),
            "limited_by" => once(&mut self.limited_by, WireTexts::read(next, lexer)?),
            "metadata_vouched" => once(&mut self.metadata_vouched, boolean(lexer)?),
            "metadata" => once(&mut self.metadata, WireObject::read(next, lexer)?),
            _ => skip(next, lexer),
        }
    }
}

/// The place of rights before the rows; `None` for rights that are of no use.
fn known_rights(index: u64, known: KnownRights<'_>) -> Result<Option<u32>, Malformed> {
    let index = u32::try_from(index).map_err(|_| Malformed)?;
    let place = usize::try_from(index).map_err(|_| Malformed)?;
    let is_known = known.and_then(|known| known.get(place)).ok_or(Malformed)?;
    Ok(is_known.then_some(index))
}

fn digest(next: u8, lexer: &mut SliceLexer<'_>) -> Result<SecretDigest, Malformed> {
    SecretDigest::try_from(&*text(next, lexer)?).map_err(|_| Malformed)
}

fn previous(next: u8, lexer: &mut SliceLexer<'_>) -> Result<PreviousSecret, Malformed> {
    let (mut of_secret, mut until) = (None, None);
    object(next, lexer, &mut |name, next, lexer| match name {
        "digest" => once(&mut of_secret, digest(next, lexer)?),
        "until" => once(&mut until, number(next, lexer)?),
        _ => skip(next, lexer),
    })?;
    let (digest, until) = of_secret.zip(until).ok_or(Malformed)?;
    Ok(PreviousSecret { digest, until: UnixMillis(until) })
}

fn number_or_null(next: u8, lexer: &mut SliceLexer<'_>) -> Result<Option<u64>, Malformed> {
    if next == b'n' {
        return if lexer.null_or_bool() == Some(None) { Ok(None) } else { Err(Malformed) };
    }
    number(next, lexer).map(Some)
}

fn owner<'a>(next: u8, lexer: &mut SliceLexer<'a>) -> Result<(Cow<'a, str>, Cow<'a, str>), Malformed> {
    let (mut username, mut realm) = (None, None);
    object(next, lexer, &mut |name, next, lexer| match name {
        "username" => once(&mut username, text(next, lexer)?),
        "realm" => once(&mut realm, text(next, lexer)?),
        _ => skip(next, lexer),
    })?;
    username.zip(realm).ok_or(Malformed)
}

//! Reading an answer row by row, without a tree of it in between: a follower of a million keys reads one row
//! after the other.

use std::borrow::Cow;

use hifijson::SliceLexer;
use hifijson::num::LexWrite as _;
use hifijson::str::LexAlloc as _;
use hifijson::token::{Expect, Lex as _};

use super::parts::{PartOrder, TakePart, WirePart, applications, rights};
use super::skipping::skip;
use super::wire_row::{KnownRights, Malformed, RIGHTS, WireRow};
use super::{Cursor, Epoch, InvalidFeedPage};
use crate::{FeedVersion, OpaqueKeyPepper};

/// What an answer says besides its rows; the fields are those of [`FeedPage`](super::FeedPage).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedHead {
    /// Which feed this is.
    pub epoch: Epoch,
    /// Which version of the feed.
    pub version: FeedVersion,
    /// How far one has read after applying this page.
    pub cursor: Cursor,
    /// The highest change that the service has forgotten; 0 when it has forgotten none.
    pub purged: Cursor,
    /// How many keys the feed holds that are not removed, as of this answer.
    pub total: u64,
    /// Whether more rows wait after `cursor`.
    pub more: bool,
    /// Whether the cursor asked for is useless, and the follower must load again from 0.
    pub reset: bool,
    /// Whether the key that asked has ended: nothing after `cursor` is for it.
    pub ended: bool,
}

/// Takes one row, or says that it is none.
type TakeRow<'t, 'a> = &'t mut dyn FnMut(WireRow<'a>) -> Result<(), Malformed>;

/// Reads the value of a field that begins with the byte, or says that it is none.
type ReadField<'f, 'a> = &'f mut dyn FnMut(&str, u8, &mut SliceLexer<'a>) -> Result<(), Malformed>;

/// The field that holds the rows.
const ROWS: &str = "keys";

/// The field that holds what applications have registered.
pub(super) const APPLICATIONS: &str = "applications";

/// The field that holds by what opaque keys are found.
pub(super) const OPAQUE_KEY_PEPPER: &str = "opaque_key_pepper";

/// The other fields of an answer as they come.
#[derive(Default)]
struct HeadFields {
    epoch: Option<Epoch>,
    version: Option<FeedVersion>,
    cursor: Option<u64>,
    purged: Option<u64>,
    total: Option<u64>,
    more: Option<bool>,
    reset: Option<bool>,
    ended: Option<bool>,
}

/// What has been read besides the other fields.
#[derive(Default)]
struct Lists {
    applications: Option<PartOrder>,
    /// Whether each of the rights is of use.
    rights: Option<Vec<bool>>,
    rows: Option<PartOrder>,
    /// Whether it was said by what opaque keys are found.
    opaque_key_pepper: Option<()>,
}

impl FeedHead {
    /// Reads the answer to a request for everything after `after`, and passes each row to `take`.
    ///
    /// # Errors
    ///
    /// [`InvalidFeedPage`] when the bytes are not such an answer. Rows that were passed before that are not
    /// to be applied either.
    pub fn read<'a>(bytes: &'a [u8], after: Cursor, take: TakeRow<'_, 'a>) -> Result<Self, InvalidFeedPage> {
        Self::read_parts(bytes, after, &mut |part| match part {
            WirePart::Row(row) => take(row),
            WirePart::Application(_) | WirePart::OpaqueKeyPepper(_) | WirePart::Rights { .. } => Ok(()),
        })
    }

    /// The same, and passes what stands before the rows too: by what opaque keys are found, applications, then
    /// rights, then rows. An answer of version 1 has neither applications nor rights.
    ///
    /// # Errors
    ///
    /// As of [`read`](Self::read).
    pub fn read_parts<'a>(
        bytes: &'a [u8],
        after: Cursor,
        take: TakePart<'_, 'a>,
    ) -> Result<Self, InvalidFeedPage> {
        let mut lexer = SliceLexer::new(bytes);
        let (mut fields, mut lists) = (HeadFields::default(), Lists::default());
        let read = lexer.exactly_one(SliceLexer::ws_peek, |next, lexer| {
            object(next, lexer, &mut |name, next, lexer| {
                let version = fields.version.unwrap_or_default();
                match lists.read(name, next, lexer, (version, after), take)? {
                    true => Ok(()),
                    false => fields.read(name, next, lexer),
                }
            })
        });
        let head = read.and_then(|()| fields.into_head()?.zip_lists(lists));
        let malformed = |_| InvalidFeedPage::Malformed { offset: bytes.len() - lexer.as_slice().len() };
        let (head, applications, rows) = head.map_err(malformed)?;
        head.check(after, applications, rows)?;
        Ok(head)
    }

    /// What an answer says before its rows, when it says everything there, as the key service does. Nothing
    /// is checked: whoever looks ahead still has to [`read`](Self::read).
    #[must_use]
    pub fn peek(bytes: &[u8]) -> Option<Self> {
        let mut lexer = SliceLexer::new(bytes);
        let mut fields = HeadFields::default();
        let next = lexer.ws_peek()?;
        // Ends with a mistake, which is none: the rows are not read.
        let _ = object(next, &mut lexer, &mut |name, next, lexer| match name {
            ROWS => Err(Malformed),
            APPLICATIONS | RIGHTS if fields.version == Some(FeedVersion::V2) => Err(Malformed),
            _ => fields.read(name, next, lexer),
        });
        fields.into_head().ok()
    }

    /// Version 2 has all three lists, version 1 only rows.
    fn zip_lists(self, lists: Lists) -> Result<(Self, PartOrder, PartOrder), Malformed> {
        let rows = lists.rows.ok_or(Malformed)?;
        let applications = match self.version {
            FeedVersion::V1 => PartOrder::after(Cursor::default()),
            FeedVersion::V2 => lists.rights.and(lists.applications).ok_or(Malformed)?,
        };
        Ok((self, applications, rows))
    }

    fn check(&self, after: Cursor, applications: PartOrder, rows: PartOrder) -> Result<(), InvalidFeedPage> {
        if self.reset {
            let is_empty = rows.count == 0 && applications.count == 0;
            return if is_empty { Ok(()) } else { Err(InvalidFeedPage::ResetWithRows) };
        }
        if !rows.ascends || !applications.ascends {
            return Err(InvalidFeedPage::RowsOutOfOrder);
        }
        if self.cursor < rows.last || self.cursor < applications.last {
            return Err(InvalidFeedPage::CursorBehindRows);
        }
        if self.more && self.cursor == after {
            return Err(InvalidFeedPage::NoProgress);
        }
        Ok(())
    }
}

impl Lists {
    /// Reads a list, or by what opaque keys are found. Says whether the field is one: of lists, version 1 has
    /// only rows.
    fn read<'a>(
        &mut self,
        name: &str,
        next: u8,
        lexer: &mut SliceLexer<'a>,
        (version, after): (FeedVersion, Cursor),
        take: TakePart<'_, 'a>,
    ) -> Result<bool, Malformed> {
        // Rows name rights, and what has changed in an application may be what a key is refused by.
        let is_late = self.rows.is_some();
        match (name, version) {
            (ROWS, FeedVersion::V1) => once(&mut self.rows, rows(next, lexer, after, None, take)?)?,
            (ROWS, FeedVersion::V2) => {
                let known = self.rights.as_deref().unwrap_or_default();
                once(&mut self.rows, rows(next, lexer, after, Some(known), take)?)?;
            }
            (OPAQUE_KEY_PEPPER, _) if is_late => return Err(Malformed),
            (OPAQUE_KEY_PEPPER, _) => {
                let pepper = OpaqueKeyPepper::from_base64(&text(next, lexer)?).ok_or(Malformed)?;
                once(&mut self.opaque_key_pepper, ())?;
                take(WirePart::OpaqueKeyPepper(pepper))?;
            }
            (APPLICATIONS | RIGHTS, FeedVersion::V2) if is_late => return Err(Malformed),
            (APPLICATIONS, FeedVersion::V2) => {
                once(&mut self.applications, applications(next, lexer, after, take)?)?;
            }
            (RIGHTS, FeedVersion::V2) => once(&mut self.rights, rights(next, lexer, take)?)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl HeadFields {
    fn read(&mut self, name: &str, next: u8, lexer: &mut SliceLexer<'_>) -> Result<(), Malformed> {
        match name {
            "epoch" => {
                let epoch = Epoch::try_from(text(next, lexer)?.into_owned()).map_err(|_| Malformed)?;
                once(&mut self.epoch, epoch)
            }
            "version" => {
                let version = FeedVersion::of_number(number(next, lexer)?).ok_or(Malformed)?;
                once(&mut self.version, version)
            }
            "cursor" => once(&mut self.cursor, number(next, lexer)?),
            "purged" => once(&mut self.purged, number(next, lexer)?),
            "total" => once(&mut self.total, number(next, lexer)?),
            "more" => once(&mut self.more, boolean(lexer)?),
            "reset" => once(&mut self.reset, boolean(lexer)?),
            "ended" => once(&mut self.ended, boolean(lexer)?),
            _ => skip(next, lexer),
        }
    }

    fn into_head(self) -> Result<FeedHead, Malformed> {
        Ok(FeedHead {
            epoch: self.epoch.ok_or(Malformed)?,
            version: self.version.unwrap_or_default(),
            cursor: Cursor(self.cursor.ok_or(Malformed)?),
            purged: Cursor(self.purged.ok_or(Malformed)?),
            total: self.total.ok_or(Malformed)?,
            more: self.more.ok_or(Malformed)?,
            reset: self.reset.ok_or(Malformed)?,
            ended: self.ended.unwrap_or_default(),
        })
    }
}

fn rows<'a>(
    next: u8,
    lexer: &mut SliceLexer<'a>,
    after: Cursor,
    known: KnownRights<'_>,
    take: TakePart<'_, 'a>,
) -> Result<PartOrder, Malformed> {
    let mut order = PartOrder::after(after);
    items(next, lexer, &mut |next, lexer| {
        let row = WireRow::read(next, lexer, known)?;
        order.note(row.seq);
        take(WirePart::Row(row))
    })?;
    Ok(order)
}

/// Reads an object field by field. A name that stands twice is for the caller to refuse, with [`once`].
pub(super) fn object<'a>(
    next: u8,
    lexer: &mut SliceLexer<'a>,
    read: ReadField<'_, 'a>,
) -> Result<(), Malformed> {
    if next != b'{' {
        return Err(Malformed);
    }
    lexer.discarded().seq(b'}', SliceLexer::ws_peek, |next, lexer| {
        let name = text(next, lexer)?;
        lexer.expect(SliceLexer::ws_peek, b':').ok_or(Malformed)?;
        read(&name, lexer.ws_peek().ok_or(Malformed)?, lexer)
    })
}

/// Reads a list item by item.
pub(super) fn items<'a>(
    next: u8,
    lexer: &mut SliceLexer<'a>,
    read: &mut dyn FnMut(u8, &mut SliceLexer<'a>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    if next != b'[' {
        return Err(Malformed);
    }
    lexer.discarded().seq(b']', SliceLexer::ws_peek, read)
}

pub(super) fn text<'a>(next: u8, lexer: &mut SliceLexer<'a>) -> Result<Cow<'a, str>, Malformed> {
    if next != b'"' {
        return Err(Malformed);
    }
    lexer.discarded().str_string().map_err(|_| Malformed)
}

/// A number without sign, fraction and exponent.
pub(super) fn number(next: u8, lexer: &mut SliceLexer<'_>) -> Result<u64, Malformed> {
    if !next.is_ascii_digit() {
        return Err(Malformed);
    }
    let (digits, _) = lexer.num_string().validated().map_err(|_| Malformed)?;
    digits.parse().map_err(|_| Malformed)
}

pub(super) fn boolean(lexer: &mut SliceLexer<'_>) -> Result<bool, Malformed> {
    lexer.null_or_bool().flatten().ok_or(Malformed)
}

/// Keeps the value of a field. One that stands twice has no meaning that two readers would agree on.
pub(super) fn once<T>(field: &mut Option<T>, value: T) -> Result<(), Malformed> {
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err(Malformed),
    }
}

impl From<Expect> for Malformed {
    fn from(_: Expect) -> Self {
        Self
    }
}

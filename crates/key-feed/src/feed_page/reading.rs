//! Reading an answer row by row, without a tree of it in between: a follower of a million keys reads one row
//! after the other.

use std::borrow::Cow;

use hifijson::SliceLexer;
use hifijson::num::LexWrite as _;
use hifijson::str::LexAlloc as _;
use hifijson::token::{Expect, Lex as _};

use super::skipping::skip;
use super::wire_row::{Malformed, WireRow};
use super::{Cursor, Epoch, InvalidFeedPage};

/// What an answer says besides its rows; the fields are those of [`FeedPage`](super::FeedPage).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedHead {
    /// Which feed this is.
    pub epoch: Epoch,
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

/// The other fields of an answer as they come.
#[derive(Default)]
struct HeadFields {
    epoch: Option<Epoch>,
    cursor: Option<u64>,
    purged: Option<u64>,
    total: Option<u64>,
    more: Option<bool>,
    reset: Option<bool>,
    ended: Option<bool>,
}

/// What there is to say of the order of the rows.
#[derive(Clone, Copy)]
struct RowOrder {
    last: Cursor,
    count: usize,
    ascends: bool,
}

impl FeedHead {
    /// Reads the answer to a request for everything after `after`, and passes each row to `take`.
    ///
    /// # Errors
    ///
    /// [`InvalidFeedPage`] when the bytes are not such an answer. Rows that were passed before that are not
    /// to be applied either.
    pub fn read<'a>(bytes: &'a [u8], after: Cursor, take: TakeRow<'_, 'a>) -> Result<Self, InvalidFeedPage> {
        let mut lexer = SliceLexer::new(bytes);
        let (mut fields, mut order) = (HeadFields::default(), None);
        let read = lexer.exactly_one(SliceLexer::ws_peek, |next, lexer| {
            object(next, lexer, &mut |name, next, lexer| match name {
                ROWS => once(&mut order, rows(next, lexer, after, take)?),
                _ => fields.read(name, next, lexer),
            })
        });
        let head = read.and_then(|()| fields.into_head()?.zip_rows(order));
        let malformed = |_| InvalidFeedPage::Malformed { offset: bytes.len() - lexer.as_slice().len() };
        let (head, rows) = head.map_err(malformed)?;
        head.check(after, rows)?;
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
            _ => fields.read(name, next, lexer),
        });
        fields.into_head().ok()
    }

    fn zip_rows(self, order: Option<RowOrder>) -> Result<(Self, RowOrder), Malformed> {
        order.map(|order| (self, order)).ok_or(Malformed)
    }

    fn check(&self, after: Cursor, rows: RowOrder) -> Result<(), InvalidFeedPage> {
        if self.reset {
            return if rows.count == 0 { Ok(()) } else { Err(InvalidFeedPage::ResetWithRows) };
        }
        if !rows.ascends {
            return Err(InvalidFeedPage::RowsOutOfOrder);
        }
        if self.cursor < rows.last {
            return Err(InvalidFeedPage::CursorBehindRows);
        }
        if self.more && self.cursor == after {
            return Err(InvalidFeedPage::NoProgress);
        }
        Ok(())
    }
}

impl HeadFields {
    fn read(&mut self, name: &str, next: u8, lexer: &mut SliceLexer<'_>) -> Result<(), Malformed> {
        match name {
            "epoch" => {
                let epoch = Epoch::try_from(text(next, lexer)?.into_owned()).map_err(|_| Malformed)?;
                once(&mut self.epoch, epoch)
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
    take: TakeRow<'_, 'a>,
) -> Result<RowOrder, Malformed> {
    let mut order = RowOrder { last: after, count: 0, ascends: true };
    items(next, lexer, &mut |next, lexer| {
        let row = WireRow::read(next, lexer)?;
        order.ascends &= row.seq > order.last;
        order.last = row.seq;
        order.count += 1;
        take(row)
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

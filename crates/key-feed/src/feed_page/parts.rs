//! What an answer of version 2 has before its rows: what applications have registered, and sets of rights.

use std::borrow::Cow;

use hifijson::SliceLexer;

use super::Cursor;
use super::reading::{items, number, object, once, text};
use super::skipping::{raw, skip};
use super::wire_row::{Malformed, WireRow};
use super::wire_texts::WireObject;
use crate::OpaqueKeyPepper;
use crate::format_limits::{APPLICATION_PRIVILEGES_LEN_MAX, RIGHTS_LEN_MAX};

/// A piece of an answer, in the order in which they stand there.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a piece lives for a moment, and nearly all are rows")]
pub enum WirePart<'a> {
    /// What an application has registered has changed.
    Application(WireApplication<'a>),
    /// By what opaque keys are found. Every answer says it, if there are such keys.
    OpaqueKeyPepper(OpaqueKeyPepper),
    /// Rights that keys of this answer have.
    Rights {
        /// By which rows name them.
        index: u32,
        /// The rights: a JSON object of at most [`RIGHTS_LEN_MAX`] bytes.
        json: &'a [u8],
    },
    /// The latest state of a key.
    Row(WireRow<'a>),
}

/// What one application has registered.
#[derive(Debug)]
pub struct WireApplication<'a> {
    /// Sequence number of its latest change.
    pub seq: Cursor,
    /// The name of the application.
    pub application: Cow<'a, str>,
    /// Lists of actions by the names of privileges; `None` when that is more than
    /// [`APPLICATION_PRIVILEGES_LEN_MAX`] bytes, so that nobody knows them.
    pub privileges: Option<WireObject<'a>>,
}

/// What there is to say of the order of rows, or of applications.
#[derive(Clone, Copy)]
pub(super) struct PartOrder {
    pub(super) last: Cursor,
    pub(super) count: usize,
    pub(super) ascends: bool,
}

/// Takes one piece, or says that it is none.
pub(super) type TakePart<'t, 'a> = &'t mut dyn FnMut(WirePart<'a>) -> Result<(), Malformed>;

impl PartOrder {
    /// Of what comes after this position.
    pub(super) fn after(after: Cursor) -> Self {
        Self { last: after, count: 0, ascends: true }
    }

    pub(super) fn note(&mut self, seq: Cursor) {
        self.ascends &= seq > self.last;
        self.last = seq;
        self.count += 1;
    }
}

impl<'a> WireApplication<'a> {
    fn read(next: u8, lexer: &mut SliceLexer<'a>) -> Result<Self, Malformed> {
        let (mut seq, mut application, mut privileges) = (None, None, None);
        object(next, lexer, &mut |name, next, lexer| match name {
            "seq" => once(&mut seq, number(next, lexer)?),
            "application" => once(&mut application, text(next, lexer)?),
            "privileges" => once(&mut privileges, object_up_to(APPLICATION_PRIVILEGES_LEN_MAX, next, lexer)?),
            _ => skip(next, lexer),
        })?;
        Ok(Self {
            seq: Cursor(seq.ok_or(Malformed)?),
            application: application.ok_or(Malformed)?,
            privileges: privileges.ok_or(Malformed)?,
        })
    }
}

/// Reads a list of applications.
pub(super) fn applications<'a>(
    next: u8,
    lexer: &mut SliceLexer<'a>,
    after: Cursor,
    take: TakePart<'_, 'a>,
) -> Result<PartOrder, Malformed> {
    let mut order = PartOrder::after(after);
    items(next, lexer, &mut |next, lexer| {
        let application = WireApplication::read(next, lexer)?;
        order.note(application.seq);
        take(WirePart::Application(application))
    })?;
    Ok(order)
}

/// Reads a list of rights. Says of each whether it is of use: one that is longer than it may be is not.
pub(super) fn rights<'a>(
    next: u8,
    lexer: &mut SliceLexer<'a>,
    take: TakePart<'_, 'a>,
) -> Result<Vec<bool>, Malformed> {
    let mut are_known = Vec::new();
    items(next, lexer, &mut |next, lexer| {
        let index = u32::try_from(are_known.len()).map_err(|_| Malformed)?;
        let json = object_up_to(RIGHTS_LEN_MAX, next, lexer)?;
        are_known.push(json.is_some());
        match json {
            Some(json) => take(WirePart::Rights { index, json: json.as_json() }),
            None => Ok(()),
        }
    })?;
    Ok(are_known)
}

/// Reads an object; nothing for `null` and for one that is too long.
fn object_up_to<'a>(
    len_max: usize,
    next: u8,
    lexer: &mut SliceLexer<'a>,
) -> Result<Option<WireObject<'a>>, Malformed> {
    if next == b'n' {
        return if raw(next, lexer)? == b"null" { Ok(None) } else { Err(Malformed) };
    }
    let object = WireObject::read(next, lexer)?;
    Ok((object.as_json().len() <= len_max).then_some(object))
}

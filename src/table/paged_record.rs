//! A record with the page it stands in.

use std::rc::Rc;

use latchkey_key_feed::{Salt, SecretDigest, UnixMillis};

use super::key_table::{TableRecord, Texts};
use super::page::{Page, Place};
use super::record::{RecordView, are_texts, text_in};
use super::record_shape::{RecordShape, RecordText};

/// A key of a page.
#[derive(Debug)]
pub struct PagedRecord {
    /// The page the key was found in; its texts are read in place.
    page: Rc<Page>,
    /// Where they are, so that the record is looked for once a request; `None` when they were too long to
    /// keep.
    texts: Option<Place>,
    /// Which texts they are.
    shape: Rc<RecordShape>,
    salt: Salt,
    digest: SecretDigest,
    expiration: Option<UnixMillis>,
}

/// Where the parts of a record are, and what needs no place.
pub(super) struct PagedParts {
    texts: Option<Place>,
    salt: Salt,
    digest: SecretDigest,
    expiration: Option<UnixMillis>,
}

impl PagedParts {
    /// The parts of a record of that page.
    pub(super) fn of(page: &Page, record: RecordView<'_>) -> Self {
        Self {
            texts: record.texts().map(|texts| page.place_of(texts)),
            salt: *record.salt(),
            digest: *record.digest(),
            expiration: record.expiration(),
        }
    }

    /// The record, with its page.
    pub(super) fn in_page(self, page: Rc<Page>, shape: &Rc<RecordShape>) -> PagedRecord {
        let Self { texts, salt, digest, expiration } = self;
        PagedRecord { page, texts, shape: Rc::clone(shape), salt, digest, expiration }
    }
}

impl TableRecord for PagedRecord {
    fn salt(&self) -> &Salt {
        &self.salt
    }

    fn digest(&self) -> &SecretDigest {
        &self.digest
    }

    fn expiration(&self) -> Option<UnixMillis> {
        self.expiration
    }

    fn texts(&self) -> Texts {
        match self.texts {
            None => Texts::SetAside,
            Some(place) if are_texts(self.page.bytes_at(place), self.shape.texts().len()) => Texts::Whole,
            Some(_) => Texts::Unreadable,
        }
    }

    fn text(&self, is_meant: impl Fn(&RecordText) -> bool) -> Option<&str> {
        text_in(self.page.bytes_at(self.texts?), self.shape.place_of(is_meant)?)
    }
}

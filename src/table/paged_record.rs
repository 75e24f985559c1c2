//! A record with the page it stands in.

use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use latchkey_key_feed::{KeptSecrets, UnixMillis};

use super::key_table::{TableRecord, Texts};
use super::page::Page;
use super::record::{RecordView, are_texts, text_in};
use super::record_shape::{RecordShape, RecordText};

/// A key of a page.
#[derive(Debug)]
pub struct PagedRecord {
    /// The page the key was found in; its texts are read in place.
    page: Rc<Page>,
    /// Where they are, so that the record is looked for once a request; `None` when they were too long to
    /// keep.
    texts: Option<Range<usize>>,
    /// Which texts they are.
    shape: Arc<RecordShape>,
    secrets: KeptSecrets,
    expiration: Option<UnixMillis>,
}

impl PagedRecord {
    /// A record of that page.
    pub(super) fn of(page: &Rc<Page>, record: RecordView<'_>, shape: &Arc<RecordShape>) -> Self {
        Self {
            page: Rc::clone(page),
            texts: record.texts().map(|texts| page.range_of(texts)),
            shape: Arc::clone(shape),
            secrets: *record.secrets(),
            expiration: record.expiration(),
        }
    }
}

impl TableRecord for PagedRecord {
    fn secrets(&self) -> &KeptSecrets {
        &self.secrets
    }

    fn expiration(&self) -> Option<UnixMillis> {
        self.expiration
    }

    fn texts(&self) -> Texts {
        match &self.texts {
            None => Texts::SetAside,
            Some(range) if are_texts(self.page.bytes_at(range), self.shape.texts().len()) => Texts::Whole,
            Some(_) => Texts::Unreadable,
        }
    }

    fn text(&self, is_meant: impl Fn(&RecordText) -> bool) -> Option<&str> {
        text_in(self.page.bytes_at(self.texts.as_ref()?), self.shape.position_of(is_meant)?)
    }
}

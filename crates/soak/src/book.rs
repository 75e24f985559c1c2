//! What all threads of a run share: the model, what is asked about, and what has happened.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use latchkey_local_stack::key_service::CreatedKey;

use crate::counts::Counts;
use crate::deck::Deck;
use crate::limits::TOLD_WRONGS_MAX;
use crate::model::edge::Edge;
use crate::model::history::{KeyHistory, State};
use crate::model::{Answer, Asked, At, KeyNumber, Model};
use crate::telling::tell;

/// The book of a run.
#[derive(Debug)]
pub(crate) struct Book {
    began: Instant,
    pages: Mutex<Pages>,
    next_key: AtomicU64,
    stops: AtomicBool,
}

/// What is in it.
#[derive(Debug)]
pub(crate) struct Pages {
    pub(crate) model: Model,
    pub(crate) deck: Deck,
    pub(crate) counts: Counts,
    /// How often something was wrong, by what it was.
    pub(crate) wrongs: BTreeMap<&'static str, u64>,
}

impl Book {
    pub(crate) fn new(model: Model) -> Self {
        let (deck, counts, wrongs) = (Deck::default(), Counts::default(), BTreeMap::new());
        let pages = Pages { model, deck, counts, wrongs };
        Self {
            began: Instant::now(),
            pages: Mutex::new(pages),
            next_key: AtomicU64::new(1),
            stops: AtomicBool::new(false),
        }
    }

    /// The time since the run began.
    pub(crate) fn now(&self) -> At {
        self.began.elapsed()
    }

    pub(crate) fn open(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn next_key(&self) -> KeyNumber {
        self.next_key.fetch_add(1, Ordering::Relaxed)
    }

    /// All threads end what they are at, and no more.
    pub(crate) fn stop(&self) {
        self.stops.store(true, Ordering::Relaxed);
    }

    pub(crate) fn stops(&self) -> bool {
        self.stops.load(Ordering::Relaxed)
    }
}

impl Pages {
    /// A key was made.
    pub(crate) fn is_made(&mut self, number: KeyNumber, key: CreatedKey, history: KeyHistory) {
        self.model.add(number, history);
        self.deck.add(number, key);
        self.counts.created += 1;
    }

    /// Changes of keys are about to be asked for.
    pub(crate) fn is_asked(&mut self, numbers: &[KeyNumber], state: State, at: At) {
        for number in numbers {
            if let Some(key) = self.model.key(*number) {
                key.is_asked(state, at);
            }
            self.deck.has_changed(*number);
        }
    }

    /// They were answered. With `acknowledged` no edge goes by anything before.
    pub(crate) fn is_answered(&mut self, numbers: &[KeyNumber], acknowledged: bool, at: At) {
        for number in numbers {
            if let Some(key) = self.model.key(*number) {
                key.is_answered(at);
                if acknowledged {
                    key.is_acknowledged(at);
                }
            }
            self.deck.has_changed(*number);
            if acknowledged {
                self.deck.is_acknowledged(*number);
            }
        }
    }

    /// Keys are dead.
    pub(crate) fn bury(&mut self, numbers: &[KeyNumber]) {
        for number in numbers {
            if let Some(forgotten) = self.deck.bury(*number) {
                self.model.forget(forgotten);
            }
        }
    }

    /// Judges an answer, counts it, and tells of it if it is wrong.
    pub(crate) fn judge(&mut self, asked: Asked, answer: &Answer) {
        self.counts.answered(answer);
        if let Err(wrong) = self.model.judge(asked, answer) {
            self.is_wrong(wrong.why, &wrong.to_string());
        }
    }

    /// Something that must not be.
    pub(crate) fn is_wrong(&mut self, what: &'static str, details: &str) {
        self.counts.wrong += 1;
        let count = self.wrongs.entry(what).or_default();
        *count += 1;
        if *count <= TOLD_WRONGS_MAX {
            tell(&format!("wrong: {what}\n    {details}"));
        }
    }

    /// Something is about to be done to the way between these edges and the service, or has been.
    pub(crate) fn connections(
        &mut self,
        edges: &[Edge],
        happens: impl Fn(&mut crate::model::connection::Connection),
    ) {
        for edge in edges {
            happens(self.model.connection(*edge));
        }
    }
}

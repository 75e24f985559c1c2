//! What became of one key, and which of its states an edge may answer by.

use std::fmt;

use crate::model::At;
use crate::model::edge::{Edge, PerEdge};

/// What a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Nobody has made it yet.
    Absent,
    /// It is good, and its metadata has this version.
    Valid { version: u64 },
    /// It was invalidated.
    Ended,
}

/// All that has been done to a key. Whoever changes it does so one change after the other.
#[derive(Clone, Debug)]
pub(crate) struct KeyHistory {
    id: String,
    changes: Vec<Change>,
    expires: Option<At>,
    /// From when on no edge may answer by anything before a change, because the service said so.
    acknowledged: Option<Floor>,
    /// The same for an edge that has answered by that change itself.
    shown: PerEdge<Option<Floor>>,
}

#[derive(Clone, Copy, Debug)]
struct Change {
    state: State,
    /// It cannot be in force before.
    sent: At,
    /// It is in force by then.
    answered: Option<At>,
}

/// No state before this one is possible for a request that was sent after `since`.
#[derive(Clone, Copy, Debug)]
struct Floor {
    number: usize,
    since: At,
}

/// A state that an edge may answer by, and its number; 0 is before the key was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Possible {
    pub(crate) number: usize,
    pub(crate) state: State,
}

impl KeyHistory {
    /// A key that was asked for and given.
    pub(crate) fn made(id: String, sent: At, answered: At, expires: Option<At>) -> Self {
        let made = Change { state: State::Valid { version: 0 }, sent, answered: Some(answered) };
        Self { id, changes: vec![made], expires, acknowledged: None, shown: PerEdge::default() }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn expires(&self) -> Option<At> {
        self.expires
    }

    /// A change is about to be asked for.
    pub(crate) fn is_asked(&mut self, state: State, sent: At) {
        self.changes.push(Change { state, sent, answered: None });
    }

    /// The change that was asked for last has been answered.
    pub(crate) fn is_answered(&mut self, answered: At) {
        if let Some(change) = self.changes.last_mut() {
            change.answered.get_or_insert(answered);
        }
    }

    /// The service has said that no edge goes by anything before the latest change.
    pub(crate) fn is_acknowledged(&mut self, at: At) {
        self.acknowledged = Some(Floor { number: self.changes.len(), since: at });
    }

    /// An edge has answered by this state, or a later one.
    pub(crate) fn is_shown(&mut self, edge: Edge, number: usize, at: At) {
        let shown = self.shown.of_mut(edge);
        if shown.is_none_or(|floor| floor.number < number) {
            *shown = Some(Floor { number, since: at });
        }
    }

    /// What the key is once every change is in force; `None` if nobody knows whether the last one is.
    pub(crate) fn latest(&self) -> Option<State> {
        let last = self.changes.last()?;
        last.answered.map(|_| last.state)
    }

    /// Whether what is asked about was acknowledged before.
    pub(crate) fn was_acknowledged(&self, sent: At) -> bool {
        self.acknowledged.is_some_and(|floor| floor.since < sent)
    }

    /// The states by which an edge may answer a request that was sent and answered then, if it knows at least the
    /// state of the moment `knows`.
    pub(crate) fn possible(&self, edge: Edge, knows: At, sent: At, answered: At) -> Vec<Possible> {
        let floors = [self.acknowledged, *self.shown.of(edge)];
        let floor = floors.into_iter().flatten().filter(|floor| floor.since < sent);
        let least = floor.map(|floor| floor.number).max().unwrap_or(0);
        let states = std::iter::once((State::Absent, At::ZERO));
        let states = states.chain(self.changes.iter().map(|change| (change.state, change.sent)));
        // A state ends with the change after it.
        let ends = self.changes.iter().map(|change| change.answered).chain([None]);
        let all = states.zip(ends).enumerate();
        let possible = all.filter(|(number, ((_, begins), ends))| {
            *number >= least && *begins <= answered && ends.is_none_or(|ends| ends >= knows)
        });
        possible.map(|(number, ((state, _), _))| Possible { number, state }).collect()
    }
}

impl fmt::Display for KeyHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "    key {}", self.id)?;
        for (number, Change { state, sent, answered }) in self.changes.iter().enumerate() {
            let number = number + 1;
            writeln!(f, "    {number}. {state:?}: asked for at {sent:.3?}, answered at {answered:.3?}")?;
        }
        writeln!(f, "    expires: {:.3?}", self.expires)?;
        writeln!(f, "    acknowledged: {:.3?}", self.acknowledged)?;
        write!(f, "    shown: {:.3?}", self.shown)
    }
}

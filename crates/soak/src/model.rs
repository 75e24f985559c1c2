//! What answers of the edges are right: a pure function of what was asked for, what was answered, and when.
//!
//! * An edge that reaches the service answers by a state that the key had at some moment within the propagation
//!   bound, or has since. After an outage the bound begins anew; during one, the edge goes by what it had.
//! * Once the service has said that no edge goes by anything before a change (`wait_for_edges`), none does.
//! * An edge never goes back: what it has answered by, or something later, it answers by from then on.
//! * A table that is older than `refuse_after` admits nobody, and only then is 503 an answer.
//! * Who never had a key is never admitted, and what the upstream is told is of the key and of that state.

pub(crate) mod connection;
pub(crate) mod edge;
pub(crate) mod history;

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use crate::model::connection::{Bounds, Connection};
use crate::model::edge::{Edge, PerEdge};
use crate::model::history::{KeyHistory, State};

/// A moment: the time since the run began.
pub(crate) type At = Duration;

/// The number of a key in a run.
pub(crate) type KeyNumber = u64;

/// What answers are held against.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    bounds: Bounds,
    connections: PerEdge<Connection>,
    keys: HashMap<KeyNumber, KeyHistory>,
}

/// Which credential was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// That of a key.
    Key(KeyNumber),
    /// One that was never given: another secret, or an id that nobody has.
    Forged,
    /// None.
    Nothing,
}

/// A request and when it was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) edge: Edge,
    pub(crate) shown: Shown,
    pub(crate) sent: At,
    pub(crate) answered: At,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The upstream answered, and was told this.
    Admitted(Identity),
    /// 401.
    Refused,
    /// 503.
    Unavailable,
    /// Something else: another status, or none.
    Other(String),
}

/// What the upstream read, each header as often as it stood there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) ids: Vec<String>,
    pub(crate) versions: Vec<String>,
    pub(crate) credentials: Vec<String>,
}

/// An answer that no state of the key explains.
#[derive(Clone, Debug)]
pub(crate) struct Wrong {
    pub(crate) why: &'static str,
    asked: Asked,
    answer: Answer,
    knows: At,
    history: Option<String>,
}

impl Model {
    pub(crate) fn new(bounds: Bounds) -> Self {
        let connections = PerEdge::new(Connection::new(bounds), Connection::new(bounds));
        Self { bounds, connections, keys: HashMap::new() }
    }

    pub(crate) fn connection(&mut self, edge: Edge) -> &mut Connection {
        self.connections.of_mut(edge)
    }

    pub(crate) fn add(&mut self, number: KeyNumber, key: KeyHistory) {
        self.keys.insert(number, key);
    }

    pub(crate) fn key(&mut self, number: KeyNumber) -> Option<&mut KeyHistory> {
        self.keys.get_mut(&number)
    }

    pub(crate) fn forget(&mut self, number: KeyNumber) {
        self.keys.remove(&number);
    }

    /// Whether the answer is right, and what it tells of the edge.
    pub(crate) fn judge(&mut self, asked: Asked, answer: &Answer) -> Result<(), Box<Wrong>> {
        let Asked { edge, shown, sent, answered } = asked;
        let connection = self.connections.of(edge);
        let knows = connection.knows(sent);
        let judged = match answer {
            Answer::Other(_) => Err("no answer that a gate gives"),
            Answer::Unavailable if connection.may_be_too_old(answered) => Ok(()),
            Answer::Unavailable => Err("503, and the table cannot be too old"),
            Answer::Admitted(_) if connection.is_too_old(sent, answered) => {
                Err("admitted by a table that is too old")
            }
            Answer::Admitted(identity) => self.judge_admission(asked, knows, identity),
            Answer::Refused => self.judge_refusal(asked, knows),
        };
        judged.map_err(|why| {
            let history = match shown {
                Shown::Key(number) => self.keys.get(&number).map(ToString::to_string),
                Shown::Forged | Shown::Nothing => None,
            };
            Box::new(Wrong { why, asked, answer: answer.clone(), knows, history })
        })
    }

    /// Whether the answer is that of the latest state of a key, once nothing changes any more.
    pub(crate) fn is_latest(&self, asked: Asked, answer: &Answer) -> bool {
        let Shown::Key(number) = asked.shown else { return true };
        let Some(key) = self.keys.get(&number) else { return true };
        let expires = key.expires().is_some_and(|expires| expires <= asked.answered + self.bounds.slack);
        let latest = key.latest().filter(|_| !expires);
        let Some(latest) = latest else { return matches!(answer, Answer::Admitted(_) | Answer::Refused) };
        match (answer, latest) {
            (Answer::Admitted(identity), State::Valid { version }) => {
                identity.versions == [version.to_string()]
            }
            (Answer::Refused, State::Ended | State::Absent) => true,
            _ => false,
        }
    }

    fn judge_admission(&mut self, asked: Asked, knows: At, identity: &Identity) -> Result<(), &'static str> {
        let Asked { edge, shown, sent, answered } = asked;
        let Shown::Key(number) = shown else { return Err("admitted without a key") };
        let Some(key) = self.keys.get_mut(&number) else { return Ok(()) };
        if identity.ids != [key.id()] || !identity.credentials.is_empty() {
            return Err("the upstream was not told of this key alone");
        }
        if key.expires().is_some_and(|expires| sent > expires + self.bounds.slack) {
            return Err("admitted after its end");
        }
        let told = |version: u64| identity.versions == [version.to_string()];
        let possible = key.possible(edge, knows, sent, answered);
        let by = possible.iter().find(|by| matches!(by.state, State::Valid { version } if told(version)));
        match by {
            Some(by) => {
                key.is_shown(edge, by.number, answered);
                Ok(())
            }
            None if key.was_acknowledged(sent) => Err("admitted by a state that the service said is gone"),
            None => Err("admitted by a state that the key does not have any more, or never had"),
        }
    }

    fn judge_refusal(&mut self, asked: Asked, knows: At) -> Result<(), &'static str> {
        let Asked { edge, shown, sent, answered } = asked;
        let Shown::Key(number) = shown else { return Ok(()) };
        let Some(key) = self.keys.get_mut(&number) else { return Ok(()) };
        if key.expires().is_some_and(|expires| answered + self.bounds.slack >= expires) {
            return Ok(());
        }
        let possible = key.possible(edge, knows, sent, answered);
        let mut by = possible.iter().filter(|by| !matches!(by.state, State::Valid { .. }));
        let Some(first) = by.next() else { return Err("401 for a key that is good") };
        key.is_shown(edge, first.number, answered);
        Ok(())
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asked: Asked { edge, shown, sent, answered }, answer, knows, history, .. } = self;
        let edge = edge.name();
        write!(f, "{edge} was shown {shown:?} at {sent:.3?} and answered at {answered:.3?}: ")?;
        write!(f, "{answer:?}\n    it knows at least the state of {knows:.3?}")?;
        history.as_ref().map_or(Ok(()), |history| write!(f, "\n{history}"))
    }
}

#[cfg(test)]
mod tests;

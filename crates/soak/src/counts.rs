//! How much has been done.

use std::fmt;

use crate::model::Answer;

/// Counts since the run began.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) admitted: u64,
    pub(crate) refused: u64,
    pub(crate) unavailable: u64,
    pub(crate) created: u64,
    pub(crate) updated: u64,
    pub(crate) invalidated: u64,
    /// Of these: those of one request for many.
    pub(crate) in_bulk: u64,
    /// Changes of which the service said that every edge goes by them.
    pub(crate) acknowledged: u64,
    pub(crate) restarts: u64,
    pub(crate) listener_updates: u64,
    pub(crate) cuts: u64,
    pub(crate) wrong: u64,
}

impl Counts {
    pub(crate) fn answered(&mut self, answer: &Answer) {
        match answer {
            Answer::Admitted(_) => self.admitted += 1,
            Answer::Refused => self.refused += 1,
            Answer::Unavailable => self.unavailable += 1,
            Answer::Other(_) => {}
        }
    }

    pub(crate) fn requests(&self) -> u64 {
        self.admitted + self.refused + self.unavailable
    }

    pub(crate) fn changes(&self) -> u64 {
        self.created + self.updated + self.invalidated
    }

    /// What a run has not tried, and so has not shown.
    pub(crate) fn untried(&self) -> Vec<&'static str> {
        let tried = [
            (self.admitted, "no request was admitted"),
            (self.refused, "no request was refused"),
            (self.created, "no key was made"),
            (self.updated, "no key was updated"),
            (self.invalidated, "no key was invalidated"),
            (self.in_bulk, "no keys were invalidated in bulk"),
            (self.acknowledged, "no change was acknowledged by all edges"),
            (self.restarts, "the service was not restarted"),
            (self.listener_updates, "no listener was updated"),
            (self.cuts, "no edge was cut off"),
        ];
        tried.into_iter().filter(|(count, _)| *count == 0).map(|(_, what)| what).collect()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (requests, changes) = (self.requests(), self.changes());
        let Self { admitted, refused, unavailable, created, updated, invalidated, in_bulk, .. } = self;
        let Self { acknowledged, restarts, listener_updates, cuts, wrong, .. } = self;
        write!(
            f,
            "{requests} requests ({admitted} admitted, {refused} refused, {unavailable} unavailable), "
        )?;
        write!(
            f,
            "{changes} key changes ({created} created, {updated} updated, {invalidated} invalidated, "
        )?;
        write!(
            f,
            "{in_bulk} of them in bulk; {acknowledged} acknowledged by all edges), {restarts} restarts, "
        )?;
        write!(f, "{listener_updates} listener updates, {cuts} cuts, {wrong} wrong")
    }
}

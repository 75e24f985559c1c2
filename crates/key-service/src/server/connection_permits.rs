//! Permits for connections: who gets one, and which connection is closed for a new one.
//!
//! The number of permits is fixed. When all are taken, a new connection gets that of one on which nothing
//! goes on: first of one that has not asked anything yet, the oldest of them, then of one that was answered
//! and has been idle for longest. So no number of clients that say nothing, that begin a handshake or half a
//! head, keeps others out. A connection whose request is being answered, or waits for the feed, is never
//! closed for another, unless its client has taken nothing of an answer for long.
//!
//! One source has so many of them at most, and loses its own first. This machine and proxies that the
//! operator trusts are not counted: many clients come from there.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use latchkey_key_feed::whole_millis;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::limits::PERMIT_LOOK_INTERVAL;
use crate::limits::work_limits::ANSWER_READ_WAIT_MAX;
use crate::model::source::{AddressBlock, Network, Source};
use crate::telemetry::connection_metrics::{self, Closed};

/// How many connections there may be.
#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    /// At once; at least one.
    pub all: usize,
    /// Of one source; at least one.
    pub from_one_source: usize,
    /// Where from they are not counted, besides this machine.
    pub uncounted: Vec<AddressBlock>,
}

/// The permits of all connections.
pub(super) struct ConnectionPermits(Arc<Shared>);

/// The permit of one connection. It is free again once this has gone.
pub(super) struct ConnectionPermit {
    number: u64,
    connection: Arc<Connection>,
    shared: Arc<Shared>,
}

/// A request on a connection, until its answer is written.
pub(super) struct Busy {
    permit: Arc<ConnectionPermit>,
    is_sending: bool,
}

struct Shared {
    limits: ConnectionLimits,
    table: Mutex<Table>,
    /// Wakes whoever waits for a permit.
    changed: Notify,
    is_awaited: AtomicBool,
    /// Grows by one with every answer; orders what is idle.
    answers: AtomicU64,
    /// What progress is counted from.
    began: Instant,
}

#[derive(Default)]
struct Table {
    next_number: u64,
    connections: BTreeMap<u64, Arc<Connection>>,
    counted: HashMap<Network, usize>,
}

struct Connection {
    /// `None` where sources are not counted.
    counted_as: Option<Network>,
    /// Those whose answers are not there yet.
    requests: AtomicU32,
    /// Answers that are being sent.
    sending: AtomicU32,
    /// When its client last took something of one, in milliseconds.
    progress: AtomicU64,
    /// When it was last answered; 0 for never.
    answered: AtomicU64,
    is_closing: AtomicBool,
    close: Notify,
}

/// What becomes of somebody who comes.
enum Admission {
    Permit(ConnectionPermit),
    /// There is none for this source.
    Refused,
    /// There may be one as soon as something changes.
    Later,
}

impl ConnectionPermits {
    pub(super) fn new(limits: ConnectionLimits) -> Self {
        Self(Arc::new(Shared {
            limits,
            table: Mutex::default(),
            changed: Notify::new(),
            is_awaited: AtomicBool::new(false),
            answers: AtomicU64::new(1),
            began: Instant::now(),
        }))
    }

    /// A permit for a connection from there, as soon as there is one; `None` when its source has as many as
    /// it may.
    pub(super) async fn admit(&self, peer: SocketAddr) -> Option<ConnectionPermit> {
        let source = Source::from(peer);
        loop {
            // Both from before the look on, so that no change in between is missed.
            self.0.is_awaited.store(true, Ordering::SeqCst);
            let changed = self.0.changed.notified();
            match self.0.admit(source) {
                Admission::Permit(permit) => {
                    self.0.is_awaited.store(false, Ordering::SeqCst);
                    return Some(permit);
                }
                Admission::Refused => {
                    self.0.is_awaited.store(false, Ordering::SeqCst);
                    connection_metrics::closed(Closed::SourceLimit);
                    tracing::debug!(%source, "a connection was closed: its source has as many as it may");
                    return None;
                }
                // A client that takes nothing of an answer tells nobody when that has lasted for long.
                Admission::Later => drop(timeout(PERMIT_LOOK_INTERVAL, changed).await),
            }
        }
    }
}

impl Shared {
    fn admit(self: &Arc<Self>, source: Source) -> Admission {
        let counted_as = self.counts(source).then(|| Network::of(source));
        let mut table = self.table();
        let of_source = counted_as.and_then(|network| table.counted.get(&network)).copied().unwrap_or(0);
        if of_source >= self.limits.from_one_source {
            return match table.make_room(self.now(), |connection| connection.counted_as == counted_as) {
                true => Admission::Later,
                false => Admission::Refused,
            };
        }
        if table.connections.len() >= self.limits.all {
            table.make_room(self.now(), |_| true);
            return Admission::Later;
        }
        let connection = Arc::new(Connection {
            counted_as,
            requests: AtomicU32::new(0),
            sending: AtomicU32::new(0),
            progress: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            is_closing: AtomicBool::new(false),
            close: Notify::new(),
        });
        let number = table.next_number;
        table.next_number += 1;
        table.connections.insert(number, Arc::clone(&connection));
        if let Some(network) = counted_as {
            *table.counted.entry(network).or_default() += 1;
        }
        Admission::Permit(ConnectionPermit { number, connection, shared: Arc::clone(self) })
    }

    fn now(&self) -> u64 {
        whole_millis(self.began.elapsed())
    }

    fn counts(&self, source: Source) -> bool {
        !source.address.is_loopback() && !source.is_in(&self.limits.uncounted)
    }

    /// Whoever waits for a permit looks again.
    fn tell_change(&self) {
        if self.is_awaited.load(Ordering::SeqCst) {
            self.changed.notify_waiters();
        }
    }

    /// What is behind the lock is whole at every moment, so a thread that died with it has spoilt nothing.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    fn is_busy(&self, now: u64) -> bool {
        let stalled = now.saturating_sub(self.progress.load(Ordering::SeqCst));
        let is_read = u128::from(stalled) < ANSWER_READ_WAIT_MAX.as_millis();
        self.requests.load(Ordering::SeqCst) > 0 || (self.sending.load(Ordering::SeqCst) > 0 && is_read)
    }
}

impl Table {
    /// Closes the connection among these that is least missed, unless one of them is on its way out already.
    /// Whether one will go.
    fn make_room(&self, now: u64, is_candidate: impl Fn(&Connection) -> bool) -> bool {
        let mut least_missed: Option<(u64, &Arc<Connection>)> = None;
        for connection in self.connections.values().filter(|connection| is_candidate(connection)) {
            if connection.is_closing.load(Ordering::SeqCst) {
                return true;
            }
            let answered = connection.answered.load(Ordering::SeqCst);
            let is_less = least_missed.is_none_or(|(least, _)| answered < least);
            if is_less && !connection.is_busy(now) {
                least_missed = Some((answered, connection));
            }
        }
        let Some((_, connection)) = least_missed else { return false };
        connection.is_closing.store(true, Ordering::SeqCst);
        connection.close.notify_one();
        true
    }
}

impl ConnectionPermit {
    /// Ends when somebody else is to have the permit. The connection must then be closed before another
    /// request can begin on it.
    pub(super) async fn lost(&self) {
        let connection = &self.connection;
        loop {
            connection.close.notified().await;
            let _table = self.shared.table();
            // A request may have come meanwhile.
            if connection.is_closing.load(Ordering::SeqCst) {
                let was_answered = connection.answered.load(Ordering::SeqCst) != 0;
                connection_metrics::closed(if was_answered { Closed::Idle } else { Closed::Silent });
                return;
            }
        }
    }

    /// A request has come. If the connection was to be closed, it is not: another one is looked for.
    pub(super) fn begin_request(self: &Arc<Self>) -> Busy {
        // Whoever looks for a permit does so behind the same lock, so none finds the connection idle at this
        // moment.
        let table = self.shared.table();
        self.connection.requests.fetch_add(1, Ordering::SeqCst);
        let was_closing = self.connection.is_closing.swap(false, Ordering::SeqCst);
        drop(table);
        if was_closing {
            self.shared.tell_change();
        }
        Busy { permit: Arc::clone(self), is_sending: false }
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut table = self.shared.table();
        table.connections.remove(&self.number);
        if let Some(network) = self.connection.counted_as
            && let Some(count) = table.counted.get_mut(&network)
        {
            *count -= 1;
            if *count == 0 {
                table.counted.remove(&network);
            }
        }
        drop(table);
        self.shared.tell_change();
    }
}

impl Busy {
    /// The answer is there: from now on it is the client's turn.
    pub(super) fn begin_sending(&mut self) {
        self.note_progress();
        if !std::mem::replace(&mut self.is_sending, true) {
            self.permit.connection.sending.fetch_add(1, Ordering::SeqCst);
            self.permit.connection.requests.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// The client has taken something of the answer.
    pub(super) fn note_progress(&self) {
        let ConnectionPermit { connection, shared, .. } = &*self.permit;
        connection.progress.store(shared.now(), Ordering::SeqCst);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let ConnectionPermit { connection, shared, .. } = &*self.permit;
        connection.answered.store(shared.answers.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
        let count = if self.is_sending { &connection.sending } else { &connection.requests };
        if count.fetch_sub(1, Ordering::SeqCst) == 1 {
            shared.tell_change();
        }
    }
}

#[cfg(test)]
mod tests;

//! Replicas exchange what they know of edges.
//!
//! An edge asks one replica at a time, and its acknowledgement counts at all of them. This replica writes
//! news to the store at once, and now and then writes which edges are live. It reads what the others have
//! written when they announce it, before it says how far a change has come, and now and then in case an
//! announcement was lost. While one write or read is under way, more news gathers for the next.

use std::sync::{Arc, Weak};

use latchkey_edge_ledger::limits::EDGE_SIGHT_INTERVAL;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::feed::register::EdgeRegister;
use crate::limits::STORE_LOOK_INTERVAL;
use crate::limits::edge_limits::EDGE_EXCHANGE_PAUSE;
use crate::store::StoreError;
use crate::store::edge_store::EdgeAnnouncements;

/// How long a replica that could not read the others' rows says that it may not know every edge: until it has
/// tried again.
const EDGE_DOUBT_MS: u64 = 2 * EDGE_SIGHT_INTERVAL.as_secs() * 1_000;

/// Starts the exchange, from within a tokio runtime. It ends with the register. A store without replicas
/// needs none.
pub(super) fn begin(register: &Arc<EdgeRegister>) {
    if register.store.may_have_replicas() {
        tokio::spawn(keep_telling(Arc::downgrade(register)));
        tokio::spawn(keep_hearing(Arc::downgrade(register), Arc::clone(&register.reading_asked)));
    }
}

async fn keep_telling(register: Weak<EdgeRegister>) {
    let Some(mut news) = register.upgrade().map(|register| register.news()) else { return };
    let mut told = 0;
    loop {
        // Without news there is still something to write: which edges are live.
        let _ = timeout(EDGE_SIGHT_INTERVAL, news.changed()).await;
        news.borrow_and_update();
        let Some(register) = register.upgrade() else { return };
        // The rows name the epoch of their acknowledgements, so one of an older epoch is not taken for one of
        // this epoch.
        let (version, rows) = register.ledger().changed_since(told, register.now());
        if !rows.is_empty() {
            match register.store.edges().tell_of(&rows).await {
                Ok(()) => told = version,
                Err(error) => complain("could not tell of edges", &error),
            }
        }
        drop(register);
        sleep(EDGE_EXCHANGE_PAUSE).await;
    }
}

async fn keep_hearing(register: Weak<EdgeRegister>, asked: Arc<Notify>) {
    let mut announcements = None;
    loop {
        let Some(register) = register.upgrade() else { return };
        if announcements.is_none() {
            announcements = register.store.edges().announcements().await.unwrap_or_default();
        }
        let number = register.begin_reading();
        match register.store.edges().told_of().await {
            Ok(known) => {
                let is_news = register.ledger().merge(known, register.now());
                register.end_reading(number);
                register.write_soon();
                if is_news {
                    register.tell_news();
                }
            }
            Err(error) => {
                register.ledger().doubt_until(register.now().steady.plus_millis(EDGE_DOUBT_MS));
                complain("could not hear of edges", &error);
            }
        }
        drop(register);
        sleep(EDGE_EXCHANGE_PAUSE).await;
        announcements = announced(announcements, &asked).await;
    }
}

/// Waits for an announcement, for a request that needs the rows, or until the next regular read. After a lost
/// connection there are no more announcements.
async fn announced(
    mut announcements: Option<EdgeAnnouncements>,
    asked: &Notify,
) -> Option<EdgeAnnouncements> {
    let Some(listening) = announcements.as_mut() else {
        let _ = timeout(STORE_LOOK_INTERVAL, asked.notified()).await;
        return None;
    };
    tokio::select! {
        outcome = listening.next() => if outcome.is_err() { return None },
        () = asked.notified() => {}
        () = sleep(STORE_LOOK_INTERVAL) => {}
    }
    announcements
}

/// Only time is lost: it is tried again.
fn complain(what: &'static str, error: &StoreError) {
    tracing::debug!(error = error as &dyn std::error::Error, "{what}");
}

#[cfg(test)]
mod tests;

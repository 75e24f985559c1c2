//! Replicas tell each other of the edges that they hear.
//!
//! An edge asks one replica at a time, and its promise counts at all of them. What this replica has heard is written to the store at
//! once when it is news, and now and then to say that an edge still lives; what the others have heard is read when they
//! announce it, when somebody is about to say how far a change has come, and now and then in case an announcement was missed. While
//! one writing or reading is under way, more news gathers for the next.

use std::sync::{Arc, Weak};

use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::feed::register::EdgeRegister;
use crate::limits::STORE_LOOK_INTERVAL;
use crate::limits::edges::{EDGE_EXCHANGE_PAUSE, EDGE_SIGHT_INTERVAL};
use crate::store::StoreError;
use crate::store::edges::EdgeAnnouncements;

/// How long a replica that could not hear of the others' edges doubts that it knows all: until it has surely tried again.
const EDGE_DOUBT_MS: u64 = 2 * EDGE_SIGHT_INTERVAL.as_secs() * 1_000;

/// Begins the exchange, from within a runtime of tokio. It ends with the register. A store that nobody else uses needs none.
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
        // Without news there is still something to say: who is alive.
        let _ = timeout(EDGE_SIGHT_INTERVAL, news.changed()).await;
        news.borrow_and_update();
        let Some(register) = register.upgrade() else { return };
        // The rows say of which epoch their promises are: one about an older is not told as one about this.
        let (version, rows) = register.ledger().changed_since(told, register.now());
        if !rows.is_empty() {
            match register.store.tell_of_edges(&rows).await {
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
            announcements = register.store.edge_announcements().await.unwrap_or_default();
        }
        let number = register.begin_reading();
        match register.store.edges_told_of().await {
            Ok(known) => {
                let is_news = register.ledger().merge(known, register.now());
                register.end_reading(number);
                register.write_soon();
                if is_news {
                    register.tell_news();
                }
            }
            Err(error) => {
                register.ledger().doubt_until(register.now().steady.plus(EDGE_DOUBT_MS));
                complain("could not hear of edges", &error);
            }
        }
        drop(register);
        sleep(EDGE_EXCHANGE_PAUSE).await;
        announcements = announced(announcements, &asked).await;
    }
}

/// Waits for an announcement, or until somebody asks, or for the time after which one looks anyway. Announcements whose connection is
/// lost are given up.
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

/// Nothing is lost but time: it is tried again.
fn complain(what: &'static str, error: &StoreError) {
    tracing::debug!(error = error as &dyn std::error::Error, "{what}");
}

#[cfg(test)]
mod tests;

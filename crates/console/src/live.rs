//! Pages that move by themselves: what has changed of them is sent as HTML, for as long as somebody looks
//! (HTML standard, section Server-sent events).

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use latchkey_key_feed::UnixMillis;
use tokio::sync::mpsc::{Sender, channel};
use tokio::time::{Instant, timeout_at};

use crate::Console;
use crate::failure::Failure;
use crate::fleet_readings::FleetWatcher;
use crate::limits::{
    LIST_INTERVAL, STREAM_EVENTS_WAITING_MAX, STREAM_LIFE_MAX, STREAM_UNREAD_MAX, STREAMS_MAX,
    STREAMS_PER_USER_MAX,
};
use crate::rest::{Person, RestFailure};
use crate::session::Session;
use crate::signed_in::SignedIn;

/// The parts of a page at one moment.
pub(crate) struct Look {
    pub(crate) parts: Vec<Part>,
    /// Whether nothing will change any more.
    pub(crate) is_over: bool,
}

/// An element of a page.
pub(crate) struct Part {
    /// Its id.
    pub(crate) id: String,
    pub(crate) html: String,
}

/// A page that is looked at again and again.
pub(crate) trait LivePage: Send + 'static {
    /// What another page was told at most `age_max` ago is good enough.
    fn look(
        &mut self,
        person: &Person,
        now: UnixMillis,
        age_max: Duration,
    ) -> impl Future<Output = Result<Look, RestFailure>> + Send;

    /// How long after a look the next one is, that long after the first.
    fn interval(&self, _since_first: Duration) -> Duration {
        LIST_INTERVAL
    }
}

/// The places of a live page, which it gives back at its end.
struct Places {
    console: Console,
    session: Arc<Session>,
}

struct Following<P> {
    page: P,
    person: Person,
    session_name: String,
    places: Places,
    began: Instant,
    /// What the browser has of each part, as of the last look.
    sent: HashMap<String, String>,
    looks: u64,
    is_over: bool,
}

/// The answer that follows a page.
///
/// # Errors
///
/// 429 when as many live pages are open as may be.
pub(crate) fn follow(
    console: &Console,
    signed_in: SignedIn,
    page: impl LivePage,
) -> Result<Response, Failure> {
    let places = Places::take(console, &signed_in.session).ok_or_else(|| {
        Failure::new(StatusCode::TOO_MANY_REQUESTS, "Too many live pages are open. Close some of them.")
    })?;
    let following = Following {
        page,
        person: signed_in.person,
        session_name: signed_in.session_name,
        places,
        began: Instant::now(),
        sent: HashMap::new(),
        looks: 0,
        is_over: false,
    };
    // A connection does not ask for events as long as its client reads none, so they are made apart from it.
    let (events, waiting) = channel(STREAM_EVENTS_WAITING_MAX);
    tokio::spawn(following.serve(events, STREAM_UNREAD_MAX));
    let events = stream::unfold(waiting, async |mut waiting| {
        let event = waiting.recv().await?;
        Some((Ok::<_, Infallible>(event), waiting))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

/// The same for a page of the edges, or of which of them have applied a change.
///
/// # Errors
///
/// 403 for whom the edges are not, and as of [`follow`].
pub(crate) fn follow_edges<P: LivePage>(
    console: &Console,
    signed_in: SignedIn,
    change: Option<u64>,
    page: impl FnOnce(FleetWatcher) -> P,
) -> Result<Response, Failure> {
    if !signed_in.rights.sees_edges() {
        return Err(Failure::forbidden());
    }
    follow(console, signed_in, page(console.fleets.watch(change)))
}

impl Places {
    fn take(console: &Console, session: &Arc<Session>) -> Option<Self> {
        // Places are taken one after the other, so that none is counted twice.
        let sessions = console.sessions();
        let of_user = sessions.streams_of(&session.who);
        if of_user >= STREAMS_PER_USER_MAX || console.streams.load(Ordering::Relaxed) >= STREAMS_MAX {
            return None;
        }
        console.streams.fetch_add(1, Ordering::Relaxed);
        session.streams.fetch_add(1, Ordering::Relaxed);
        Some(Self { console: console.clone(), session: Arc::clone(session) })
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        self.session.streams.fetch_sub(1, Ordering::Relaxed);
        self.console.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<P: LivePage> Following<P> {
    /// Sends what changes until the page is over, the session has ended, the client is gone, or it has taken nothing for
    /// so long.
    async fn serve(mut self, events: Sender<Event>, unread_max: Duration) {
        let end = self.began + STREAM_LIFE_MAX;
        let served = async {
            while !self.is_over && self.waits(&events).await {
                let looked = tokio::select! {
                    looked = self.look() => looked,
                    // Nobody waits for it any more.
                    () = events.closed() => return,
                };
                for event in looked {
                    if events.send_timeout(event, unread_max).await.is_err() {
                        return;
                    }
                }
            }
        };
        // At the end of its life the browser asks anew.
        let _ = timeout_at(end, served).await;
    }

    /// Waits for the next look. Says whether there is one: the session lives, and so do the service and the client.
    async fn waits(&mut self, events: &Sender<Event>) -> bool {
        if self.looks > 0 {
            let mut stopping = self.places.console.stopping.clone();
            tokio::select! {
                () = tokio::time::sleep(self.page.interval(self.began.elapsed())) => {}
                () = events.closed() => return false,
                _ = stopping.wait_for(|stopping| *stopping) => return false,
            }
        }
        self.looks += 1;
        let console = &self.places.console;
        let now = console.surroundings.steady();
        console.sessions().alive(&self.session_name, now).is_some()
    }

    /// What has changed since the last look.
    async fn look(&mut self) -> Vec<Event> {
        let now = self.places.console.surroundings.now();
        let age_max = self.page.interval(self.began.elapsed());
        let mut events = Vec::new();
        match self.page.look(&self.person, now, age_max).await {
            Ok(look) => {
                let mut sent = HashMap::with_capacity(look.parts.len());
                for Part { id, html } in look.parts {
                    if self.sent.get(&id) != Some(&html) {
                        events.push(Event::default().event("part").data(&html));
                    }
                    sent.insert(id, html);
                }
                self.sent = sent;
                self.is_over = look.is_over;
                if look.is_over {
                    events.push(Event::default().event("over").data("over"));
                }
            }
            // The page says who one is, and why something is refused, when it is loaded anew.
            Err(RestFailure::Unauthenticated(_)) => {
                self.is_over = true;
                events.push(Event::default().event("reload").data("reload"));
            }
            // The browser asks again by itself.
            Err(RestFailure::Refused { .. } | RestFailure::Unknown) => self.is_over = true,
        }
        events
    }
}

#[cfg(test)]
mod tests;

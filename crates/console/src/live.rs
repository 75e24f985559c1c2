//! Pages that move by themselves: what has changed of them is sent as HTML, for as long as somebody looks
//! (HTML standard, section Server-sent events).

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use latchkey_key_feed::UnixMillis;
use tokio::time::Instant;

use crate::Console;
use crate::failure::Failure;
use crate::limits::{LIST_INTERVAL, STREAM_LIFE_MAX, STREAMS_MAX, STREAMS_PER_USER_MAX};
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
    fn look(
        &mut self,
        person: &Person,
        now: UnixMillis,
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
    events: VecDeque<Event>,
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
        events: VecDeque::new(),
        looks: 0,
        is_over: false,
    };
    let events = stream::unfold(following, async |mut following| {
        let event = following.next().await?;
        Some((Ok::<_, Infallible>(event), following))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
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
    /// The next event; `None` at the end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            if self.is_over || !self.waits().await {
                return None;
            }
            self.look().await;
        }
    }

    /// Waits for the next look. Says whether there is one: the session lives, and so does the service.
    async fn waits(&mut self) -> bool {
        let since = self.began.elapsed();
        if self.looks > 0 {
            let mut stopping = self.places.console.stopping.clone();
            tokio::select! {
                () = tokio::time::sleep(self.page.interval(since)) => {}
                _ = stopping.wait_for(|stopping| *stopping) => return false,
            }
        }
        self.looks += 1;
        let console = &self.places.console;
        let now = console.surroundings.steady();
        since < STREAM_LIFE_MAX && console.sessions().alive(&self.session_name, now).is_some()
    }

    async fn look(&mut self) {
        let now = self.places.console.surroundings.now();
        match self.page.look(&self.person, now).await {
            Ok(look) => {
                let mut sent = HashMap::with_capacity(look.parts.len());
                for Part { id, html } in look.parts {
                    if self.sent.get(&id) != Some(&html) {
                        self.events.push_back(Event::default().event("part").data(&html));
                    }
                    sent.insert(id, html);
                }
                self.sent = sent;
                self.is_over = look.is_over;
                if look.is_over {
                    self.events.push_back(Event::default().event("over").data("over"));
                }
            }
            // The page says who one is, and why something is refused, when it is loaded anew.
            Err(RestFailure::Unauthenticated(_)) => {
                self.is_over = true;
                self.events.push_back(Event::default().event("reload").data("reload"));
            }
            // The browser asks again by itself.
            Err(RestFailure::Refused { .. } | RestFailure::Unknown) => self.is_over = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::AtomicUsize;

    use latchkey_key_feed::MonotonicMillis;
    use tokio::sync::Semaphore;
    use zeroize::Zeroizing;

    use super::*;
    use crate::rest::Rest;
    use crate::session::{SessionTimes, Sessions, Who};
    use crate::surroundings::Surroundings;
    use crate::{Shared, limits::SESSION_RANDOM_LEN};

    struct Nothing;

    impl Surroundings for Nothing {
        fn now(&self) -> UnixMillis {
            UnixMillis(0)
        }

        fn steady(&self) -> MonotonicMillis {
            MonotonicMillis(0)
        }

        fn random(&self) -> Option<[u8; SESSION_RANDOM_LEN]> {
            None
        }
    }

    fn console() -> Console {
        let (_stop, stopping) = tokio::sync::watch::channel(false);
        Console(Arc::new(Shared {
            rest: Rest::new(axum::Router::new()),
            surroundings: Arc::new(Nothing),
            sessions: Mutex::new(Sessions::new(SessionTimes::default())),
            speaks_tls: false,
            stopping,
            streams: AtomicUsize::new(0),
            login_forms: Semaphore::new(1),
            forms: Semaphore::new(1),
        }))
    }

    fn session(console: &Console, user: usize) -> Arc<Session> {
        let who = Who { username: user.to_string(), realm: "r".to_owned(), key: None };
        let now = MonotonicMillis(0);
        let session = Session::new(Zeroizing::default(), who, [0; SESSION_RANDOM_LEN], now);
        let mut random = [0; SESSION_RANDOM_LEN];
        let mut sessions = console.sessions();
        random[..8].copy_from_slice(&sessions.count().to_le_bytes());
        let name = sessions.begin(session, random, now).ok().unwrap();
        sessions.alive(&name.0, now).unwrap()
    }

    #[test]
    fn as_many_live_pages_are_open_as_may_be_and_each_gives_its_place_back() {
        let console = console();
        let (one, again, other) = (session(&console, 1), session(&console, 1), session(&console, 2));
        let mut open: Vec<_> = (0..STREAMS_PER_USER_MAX).map(|_| Places::take(&console, &one)).collect();
        assert!(open.iter().all(Option::is_some));
        assert!(Places::take(&console, &one).is_none());
        assert!(Places::take(&console, &again).is_none(), "another session of the same user");
        open.pop();
        open.push(Places::take(&console, &again));
        assert!(open.last().is_some_and(Option::is_some), "a place was given back");
        open.extend(
            (open.len()..STREAMS_MAX).map(|user| Places::take(&console, &session(&console, user + 2))),
        );
        assert!(open.iter().all(Option::is_some));
        assert!(Places::take(&console, &other).is_none());
        assert_eq!(other.streams.load(Ordering::Relaxed), 0, "nothing is kept of what was refused");
        open.clear();
        assert_eq!(console.streams.load(Ordering::Relaxed), 0);
        assert!(Places::take(&console, &other).is_some());
    }
}

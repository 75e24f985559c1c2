use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use axum::http::request::Parts;
use latchkey_key_feed::MonotonicMillis;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::*;
use crate::fleet_readings::FleetReadings;
use crate::login_places::LoginPlaces;
use crate::rest::{Origin, Rest};
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

    fn network(&self, _: &Parts) -> Option<IpAddr> {
        None
    }
}

/// A console over no interface, and what stops its service.
fn console() -> (Console, tokio::sync::watch::Sender<bool>) {
    let (stop, stopping) = tokio::sync::watch::channel(false);
    let console = Console(Arc::new(Shared {
        rest: Rest::new(axum::Router::new()),
        surroundings: Arc::new(Nothing),
        sessions: Mutex::new(Sessions::new(SessionTimes::default())),
        speaks_tls: false,
        stopping,
        streams: AtomicUsize::new(0),
        fleets: FleetReadings::default(),
        login_forms: LoginPlaces::default(),
        forms: Semaphore::new(1),
    }));
    (console, stop)
}

/// A session and its name.
fn named_session(console: &Console, user: usize) -> (Arc<Session>, String) {
    let who = Who { username: user.to_string(), realm: "r".to_owned(), key: None };
    let now = MonotonicMillis(0);
    let session = Session::new(Zeroizing::default(), who, [0; SESSION_RANDOM_LEN], now);
    let mut random = [0; SESSION_RANDOM_LEN];
    let mut sessions = console.sessions();
    random[..8].copy_from_slice(&sessions.count().to_le_bytes());
    let name = sessions.begin(session, random, now).ok().unwrap();
    (sessions.alive(&name.0, now).unwrap(), name.0.to_string())
}

fn session(console: &Console, user: usize) -> Arc<Session> {
    named_session(console, user).0
}

/// A page of which a part is another one at every look.
struct Restless(u64);

impl LivePage for Restless {
    async fn look(&mut self, _: &Person, _: UnixMillis, _: Duration) -> Result<Look, RestFailure> {
        self.0 += 1;
        let parts = vec![Part { id: "part".to_owned(), html: self.0.to_string() }];
        Ok(Look { parts, is_over: false })
    }

    fn interval(&self, _: Duration) -> Duration {
        Duration::from_millis(1)
    }
}

fn following(console: &Console) -> Following<Restless> {
    let (session, session_name) = named_session(console, 1);
    Following {
        page: Restless(0),
        person: Person::new(console.rest.clone(), Zeroizing::default(), Origin::default()),
        session_name,
        places: Places::take(console, &session).unwrap(),
        began: Instant::now(),
        sent: HashMap::new(),
        looks: 0,
        is_over: false,
    }
}

#[tokio::test]
async fn a_live_page_that_its_client_does_not_read_is_given_up() {
    let (console, _stop) = console();
    let (events, waiting) = channel(1);
    following(&console).serve(events, Duration::from_millis(20)).await;
    assert_eq!(waiting.len(), 1, "the client is still there, and has read nothing");
    assert_eq!(console.streams.load(Ordering::Relaxed), 0, "its place is free");
}

#[tokio::test]
async fn a_live_page_is_served_as_long_as_its_client_reads_and_is_there() {
    let (console, stop) = console();
    let (events, mut waiting) = channel(1);
    let served = tokio::spawn(following(&console).serve(events, STREAM_UNREAD_MAX));
    for _ in 0..10 {
        assert!(waiting.recv().await.is_some());
    }
    assert_eq!(console.streams.load(Ordering::Relaxed), 1);
    drop(waiting);
    served.await.unwrap();
    assert_eq!(console.streams.load(Ordering::Relaxed), 0);

    let (events, mut waiting) = channel(1);
    let served = tokio::spawn(following(&console).serve(events, STREAM_UNREAD_MAX));
    assert!(waiting.recv().await.is_some());
    stop.send_replace(true);
    while waiting.recv().await.is_some() {}
    served.await.unwrap();
}

#[test]
fn as_many_live_pages_are_open_as_may_be_and_each_gives_its_place_back() {
    let (console, _stop) = console();
    let (one, again, other) = (session(&console, 1), session(&console, 1), session(&console, 2));
    let mut open: Vec<_> = (0..STREAMS_PER_USER_MAX).map(|_| Places::take(&console, &one)).collect();
    assert!(open.iter().all(Option::is_some));
    assert!(Places::take(&console, &one).is_none());
    assert!(Places::take(&console, &again).is_none(), "another session of the same user");
    open.pop();
    open.push(Places::take(&console, &again));
    assert!(open.last().is_some_and(Option::is_some), "a place was given back");
    open.extend((open.len()..STREAMS_MAX).map(|user| Places::take(&console, &session(&console, user + 2))));
    assert!(open.iter().all(Option::is_some));
    assert!(Places::take(&console, &other).is_none());
    assert_eq!(other.streams.load(Ordering::Relaxed), 0, "nothing is kept of what was refused");
    open.clear();
    assert_eq!(console.streams.load(Ordering::Relaxed), 0);
    assert!(Places::take(&console, &other).is_some());
}

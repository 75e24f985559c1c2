//! Sessions: who is logged in, in the memory of this process.
//!
//! A session holds the credential that the user logged in with, and each page asks the key service with it. So
//! a password that is changed, a key that is revoked or a user who is disabled ends the session with the next
//! page. What the browser gets is a random name, of which only a digest is kept here.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchkey_key_feed::MonotonicMillis;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::limits::{
    SENT_FORMS_KEPT_MAX, SESSION_IDLE_DEFAULT, SESSION_LIFETIME_DEFAULT, SESSION_RANDOM_LEN, SESSIONS_MAX,
    SESSIONS_PER_USER_MAX,
};

/// How long sessions live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTimes {
    /// Without a page that is asked for.
    pub idle: Duration,
    /// In any case.
    pub lifetime: Duration,
}

/// Somebody who is logged in.
pub(crate) struct Session {
    /// The value of `Authorization`.
    pub(crate) authorization: Zeroizing<String>,
    /// What every form of the session has.
    form_token: FormToken,
    pub(crate) who: Who,
    begun: MonotonicMillis,
    /// When the last page was asked for, by the steady clock.
    seen: AtomicU64,
    /// Live pages that are open.
    pub(crate) streams: AtomicUsize,
    /// The tickets of forms that were sent, the latest last.
    sent_forms: Mutex<VecDeque<[u8; 32]>>,
}

/// The form may be sent, or was sent before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FormTicket {
    New,
    UsedBefore,
}

/// A user, as the key service calls the user of a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) username: String,
    pub(crate) realm: String,
    /// The name of the API key with which the user is logged in, if it is one.
    pub(crate) key: Option<String>,
}

/// The text that proves that a form was shown to this session (CSRF token).
pub(crate) struct FormToken(Zeroizing<String>);

/// What the cookie says. It is shown to the browser once.
pub(crate) struct SessionName(pub(crate) Zeroizing<String>);

/// All sessions.
#[derive(Debug)]
pub(crate) struct Sessions {
    times: SessionTimes,
    by_digest: HashMap<[u8; 32], Arc<Session>>,
}

/// As many are logged in as may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManySessions;

impl Default for SessionTimes {
    fn default() -> Self {
        Self { idle: SESSION_IDLE_DEFAULT, lifetime: SESSION_LIFETIME_DEFAULT }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Session").field("who", &self.who).finish_non_exhaustive()
    }
}

impl Session {
    pub(crate) fn new(
        authorization: Zeroizing<String>,
        who: Who,
        random: [u8; SESSION_RANDOM_LEN],
        now: MonotonicMillis,
    ) -> Self {
        Self {
            authorization,
            form_token: FormToken(Zeroizing::new(URL_SAFE_NO_PAD.encode(random))),
            who,
            begun: now,
            seen: AtomicU64::new(now.0),
            streams: AtomicUsize::new(0),
            sent_forms: Mutex::default(),
        }
    }

    /// Takes the ticket of a form that must not be sent twice: a page that is loaded anew would do it again.
    pub(crate) fn take_ticket(&self, ticket: &str) -> FormTicket {
        let ticket = digest(ticket);
        // The list is whole before anything could panic.
        let mut sent = self.sent_forms.lock().unwrap_or_else(PoisonError::into_inner);
        if sent.contains(&ticket) {
            return FormTicket::UsedBefore;
        }
        if sent.len() >= SENT_FORMS_KEPT_MAX {
            sent.pop_front();
        }
        sent.push_back(ticket);
        FormTicket::New
    }

    pub(crate) fn form_token(&self) -> &str {
        &self.form_token.0
    }

    /// Whether a form of this session has the token.
    pub(crate) fn is_form_token(&self, text: &str) -> bool {
        self.form_token.0.as_bytes().ct_eq(text.as_bytes()).into()
    }

    fn has_ended(&self, times: SessionTimes, now: MonotonicMillis) -> bool {
        let seen = MonotonicMillis(self.seen.load(Ordering::Relaxed));
        now.since(seen) >= times.idle || now.since(self.begun) >= times.lifetime
    }
}

impl Sessions {
    pub(crate) fn new(times: SessionTimes) -> Self {
        Self { times, by_digest: HashMap::new() }
    }

    /// Begins a session under a name that nobody had. The oldest of a user with many ends for it.
    ///
    /// # Errors
    ///
    /// [`TooManySessions`] when others have all places.
    pub(crate) fn begin(
        &mut self,
        session: Session,
        random: [u8; SESSION_RANDOM_LEN],
        now: MonotonicMillis,
    ) -> Result<SessionName, TooManySessions> {
        self.by_digest.retain(|_, session| !session.has_ended(self.times, now));
        let own = self.by_digest.iter().filter(|(_, other)| other.who.is_same_user(&session.who));
        if own.clone().count() >= SESSIONS_PER_USER_MAX {
            let oldest = own.min_by_key(|(_, other)| other.begun).map(|(digest, _)| *digest);
            self.by_digest.retain(|digest, _| Some(*digest) != oldest);
        }
        if self.by_digest.len() >= SESSIONS_MAX {
            return Err(TooManySessions);
        }
        let name = SessionName(Zeroizing::new(URL_SAFE_NO_PAD.encode(random)));
        self.by_digest.insert(digest(&name.0), Arc::new(session));
        Ok(name)
    }

    /// The session of this name, of which a page is asked for.
    pub(crate) fn used(&mut self, name: &str, now: MonotonicMillis) -> Option<Arc<Session>> {
        let session = self.alive(name, now)?;
        session.seen.store(now.0, Ordering::Relaxed);
        Some(session)
    }

    /// The session of this name. It lives no longer by this look.
    pub(crate) fn alive(&mut self, name: &str, now: MonotonicMillis) -> Option<Arc<Session>> {
        let digest = digest(name);
        if self.by_digest.get(&digest)?.has_ended(self.times, now) {
            self.by_digest.remove(&digest);
        }
        self.by_digest.get(&digest).map(Arc::clone)
    }

    /// How many live pages a user has open, in all sessions.
    pub(crate) fn streams_of(&self, who: &Who) -> usize {
        let own = self.by_digest.values().filter(|session| session.who.is_same_user(who));
        own.map(|session| session.streams.load(Ordering::Relaxed)).sum()
    }

    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.by_digest.len()
    }

    /// Ends a session, if there is one of this name.
    pub(crate) fn end(&mut self, name: &str) {
        self.by_digest.remove(&digest(name));
    }
}

impl Who {
    fn is_same_user(&self, other: &Self) -> bool {
        self.username == other.username && self.realm == other.realm
    }
}

fn digest(name: &str) -> [u8; 32] {
    Sha256::digest(name.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: SessionTimes =
        SessionTimes { idle: Duration::from_millis(10), lifetime: Duration::from_millis(25) };

    fn session(username: &str, now: u64) -> Session {
        let who = Who { username: username.to_owned(), realm: "native".to_owned(), key: None };
        Session::new(Zeroizing::new("Basic x".to_owned()), who, [7; 32], MonotonicMillis(now))
    }

    fn random(number: usize) -> [u8; SESSION_RANDOM_LEN] {
        let mut bytes = [0; SESSION_RANDOM_LEN];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        bytes
    }

    fn begin(sessions: &mut Sessions, username: &str, number: usize, now: u64) -> String {
        let now = MonotonicMillis(now);
        let name = sessions.begin(session(username, now.0), random(number), now).ok().unwrap();
        name.0.to_string()
    }

    #[test]
    fn a_session_ends_when_nobody_uses_it_and_after_its_lifetime_in_any_case() {
        let mut sessions = Sessions::new(TIMES);
        let name = begin(&mut sessions, "alice", 1, 0);
        let at = MonotonicMillis;
        assert!(sessions.used(&name, at(9)).is_some());
        assert!(sessions.alive(&name, at(18)).is_some(), "it was used at 9");
        assert!(sessions.alive(&name, at(19)).is_none(), "a look does not prolong it");
        let name = begin(&mut sessions, "alice", 2, 0);
        for now in [9, 18, 24] {
            assert!(sessions.used(&name, at(now)).is_some());
        }
        assert!(sessions.used(&name, at(25)).is_none());
        assert!(sessions.used("another", at(0)).is_none());
    }

    #[test]
    fn a_session_that_is_ended_is_gone() {
        let mut sessions = Sessions::new(TIMES);
        let name = begin(&mut sessions, "alice", 1, 0);
        sessions.end(&name);
        assert!(sessions.used(&name, MonotonicMillis(0)).is_none());
    }

    #[test]
    fn a_user_who_logs_in_often_ends_the_oldest_of_the_own_sessions_and_none_of_others() {
        let mut sessions = Sessions::new(SessionTimes::default());
        let bob = begin(&mut sessions, "bob", 0, 0);
        let names: Vec<_> = (1..=SESSIONS_PER_USER_MAX + 1)
            .map(|number| begin(&mut sessions, "alice", number, number as u64))
            .collect();
        let mut is_there = |name: &str| sessions.alive(name, MonotonicMillis(99)).is_some();
        assert!(is_there(&bob));
        assert!(!is_there(&names[0]));
        assert!(names[1..].iter().all(|name| is_there(name)));
    }

    #[test]
    fn one_more_session_than_may_be_is_refused_until_others_have_ended() {
        let mut sessions = Sessions::new(TIMES);
        for number in 0..SESSIONS_MAX {
            begin(&mut sessions, &format!("user-{number}"), number, 0);
        }
        let more = |sessions: &mut Sessions, now| {
            sessions.begin(session("late", now), random(SESSIONS_MAX), MonotonicMillis(now)).is_ok()
        };
        assert!(!more(&mut sessions, 9));
        assert!(more(&mut sessions, 10));
    }

    /// `docs/console.md` says so.
    #[test]
    fn a_session_takes_less_than_four_kilobytes_besides_its_credential() {
        let longest = Who { username: "u".repeat(507), realm: "r".repeat(64), key: None };
        let session = Session::new(Zeroizing::default(), longest, [0; 32], MonotonicMillis(0));
        let texts = session.form_token().len() + session.who.username.len() + session.who.realm.len();
        let entry = size_of::<([u8; 32], Arc<Session>)>() * 2;
        // What was sent is there for who sends forms.
        let sent = size_of::<[u8; 32]>() * SENT_FORMS_KEPT_MAX;
        let len = size_of::<Session>() + texts + entry + sent;
        assert!(len < 4_096, "{len}");
    }

    #[test]
    fn a_form_is_sent_once() {
        let session = session("alice", 0);
        let take = |number: usize| session.take_ticket(&number.to_string());
        assert_eq!((take(0), take(0), take(1)), (FormTicket::New, FormTicket::UsedBefore, FormTicket::New));
        for number in 2..SENT_FORMS_KEPT_MAX + 1 {
            assert_eq!(take(number), FormTicket::New);
        }
        assert_eq!((take(1), take(0)), (FormTicket::UsedBefore, FormTicket::New), "the oldest is forgotten");
    }

    #[test]
    fn the_token_of_a_form_is_that_of_the_session_alone() {
        let one = session("alice", 0);
        let token = one.form_token().to_owned();
        assert!(one.is_form_token(&token));
        assert!(!one.is_form_token("") && !one.is_form_token(&token[1..]));
        assert!(!format!("{one:?}").contains("Basic"));
    }
}

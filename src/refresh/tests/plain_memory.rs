//! A table in plain memory, with one follower and without pages, lease, runs and stamp: what a host needs
//! whose threads share memory.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_key_feed::{
    Cursor, Epoch, FeedHead, InvalidFeedPage, KeyId, MonotonicMillis, Salt, SecretDigest, UnixMillis,
};

use super::model::{Service, request};
use crate::clock::Moment;
use crate::config::StalenessLimits;
use crate::credential::CredentialSources;
use crate::gate::{self, Verdict, WaitingTime};
use crate::headers::HeaderPairs;
use crate::identity::{IdentityField, KeyIdentity as _};
use crate::refresh::{
    Answer, CallId, Candidate, FeedSink, Follower, FollowerId, FollowerTurn, Poll, Step, TableNumber,
};
use crate::rules::{Asked, Authentication, RightsUnknown};
use crate::table::sample_keys::{at, shape};
use crate::table::{
    Attachment, Changes, FeedStanding, FeedTable, Found, Generation, KeyTable, LiveFeed, Progress,
    RecordText, Refresh, TableAge, TableRecord, Texts, Unreadable, WriteError, are_texts, text_in,
};
use crate::testing::START;

/// The table, which its follower and all readers share.
#[derive(Clone, Default)]
struct FlatTable(Rc<RefCell<Option<Flat>>>);

#[derive(Clone)]
struct Flat {
    epoch: Epoch,
    cursor: Cursor,
    refreshed: Refresh,
    credential_ended: bool,
    /// Of a removed key nothing but its place is left.
    keys: HashMap<String, Option<Rc<[u8]>>>,
}

/// A record that is shared with the table.
#[derive(Debug)]
struct FlatRecord {
    salt: Salt,
    digest: SecretDigest,
    expiration: Option<UnixMillis>,
    texts: Option<Vec<u8>>,
}

impl LiveFeed for Flat {
    fn generation(&self) -> Generation {
        Generation(1)
    }

    fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    fn cursor(&self) -> Cursor {
        self.cursor
    }

    fn keys(&self) -> u64 {
        self.keys.len() as u64
    }

    fn age(&self, now: Moment) -> TableAge {
        let Refresh { at, serves_ms } = self.refreshed;
        let (ms, wall_ms) = (now.monotonic.millis_since(at.monotonic), now.wall.millis_since(at.wall));
        TableAge { ms, wall_ms, serves_ms }
    }

    fn credential_ended(&self) -> bool {
        self.credential_ended
    }

    fn is_swept(&self) -> bool {
        true
    }

    fn is_outgrown_by(&self, _keys: u64) -> bool {
        false
    }

    fn is_littered(&self, _now: MonotonicMillis) -> bool {
        false
    }
}

impl TableRecord for FlatRecord {
    fn salt(&self) -> &Salt {
        &self.salt
    }

    fn digest(&self) -> &SecretDigest {
        &self.digest
    }

    fn expiration(&self) -> Option<UnixMillis> {
        self.expiration
    }

    fn texts(&self) -> Texts {
        match &self.texts {
            None => Texts::SetAside,
            Some(texts) if are_texts(texts, shape().texts().len()) => Texts::Whole,
            Some(_) => Texts::Unreadable,
        }
    }

    fn text(&self, is_meant: impl Fn(&RecordText) -> bool) -> Option<&str> {
        text_in(self.texts.as_deref()?, shape().position_of(is_meant)?)
    }
}

impl KeyTable for FlatTable {
    type Record = FlatRecord;
    type Live = Flat;

    fn live(&self, _now: MonotonicMillis) -> Result<Option<Flat>, Unreadable> {
        Ok(self.0.borrow().clone())
    }

    fn age(&self, now: Moment) -> Result<Option<TableAge>, Unreadable> {
        Ok(self.0.borrow().as_ref().map(|flat| flat.age(now)))
    }

    fn find(&self, id: &KeyId, _now: MonotonicMillis) -> Result<Option<Found<FlatRecord>>, Unreadable> {
        let table = self.0.borrow();
        let Some(flat) = &*table else { return Ok(None) };
        let found = match flat.keys.get(id.as_str()) {
            None => Found::Nothing,
            Some(None) => Found::Removed,
            Some(Some(record)) => match Found::read(record).ok_or(Unreadable)? {
                Found::Key(view) => Found::Key(FlatRecord {
                    salt: *view.salt(),
                    digest: *view.digest(),
                    expiration: view.expiration(),
                    texts: view.texts().map(<[u8]>::to_vec),
                }),
                Found::SetAside => Found::SetAside,
                Found::Removed => Found::Removed,
                Found::Nothing => Found::Nothing,
            },
        };
        Ok(Some(found))
    }

    fn attachment<T>(
        &self,
        _attachment: &Attachment<'_>,
        _now: MonotonicMillis,
        _read: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>, Unreadable> {
        Ok(None)
    }

    fn round(&self) -> u64 {
        0
    }

    fn clear_cache(&self) {}
}

impl FollowerTurn for FlatTable {
    fn take(&self, _me: FollowerId, _candidate: Candidate, _now: MonotonicMillis) -> Option<u32> {
        Some(0)
    }

    fn keep(&self, _me: FollowerId, _now: MonotonicMillis) -> bool {
        true
    }

    fn hand_over(&self, _me: FollowerId, _until: MonotonicMillis, _failures: u32) {}

    fn holder(&self, _now: MonotonicMillis) -> Option<FollowerId> {
        Some(FollowerId(1))
    }
}

impl FeedSink for FlatTable {
    type Table = Self;

    fn table(&self) -> &Self {
        self
    }

    fn refuse_after_ms(&self) -> u64 {
        60_000
    }
}

impl FeedTable for FlatTable {
    type Live = Flat;
    type Clearing = ();
    type Load = HashMap<String, Option<Rc<[u8]>>>;

    fn live(&self) -> Option<Flat> {
        self.0.borrow().clone()
    }

    fn read(&self, answer: &[u8], after: Cursor) -> Result<(FeedHead, Changes), InvalidFeedPage> {
        Changes::read(answer, after, &shape())
    }

    fn begin(&self, _keys: u64) -> Result<Self::Load, WriteError> {
        Ok(HashMap::new())
    }

    fn collect(&self, load: &mut Self::Load, changes: &Changes) -> Result<(), WriteError> {
        for change in changes.iter() {
            load.insert(change.id.to_owned(), change.record.map(Rc::from));
        }
        Ok(())
    }

    fn lay_out(&self, _load: &mut Self::Load) -> Result<Progress, WriteError> {
        Ok(Progress::Done)
    }

    fn publish(
        &self,
        load: &Self::Load,
        epoch: &Epoch,
        cursor: Cursor,
        _keys: u64,
        refreshed: Option<Refresh>,
    ) -> Result<Flat, WriteError> {
        let before = self.0.borrow().as_ref().map(|flat| flat.refreshed);
        let flat = Flat {
            epoch: epoch.clone(),
            cursor,
            refreshed: refreshed.or(before).ok_or(WriteError::Deposed)?,
            credential_ended: refreshed.is_none(),
            keys: load.clone(),
        };
        *self.0.borrow_mut() = Some(flat.clone());
        Ok(flat)
    }

    fn sweep(&self, live: &Flat) -> Result<(Progress, Flat), WriteError> {
        Ok((Progress::Done, live.clone()))
    }

    fn apply(&self, _live: &Flat, changes: &Changes) -> Result<(), WriteError> {
        let mut table = self.0.borrow_mut();
        let flat = table.as_mut().ok_or(WriteError::Deposed)?;
        for change in changes.iter().filter(|change| change.seq > flat.cursor) {
            flat.keys.insert(change.id.to_owned(), change.record.map(Rc::from));
        }
        Ok(())
    }

    fn advance(
        &self,
        _live: &Flat,
        cursor: Cursor,
        _keys: u64,
        standing: FeedStanding,
    ) -> Result<Flat, WriteError> {
        let mut table = self.0.borrow_mut();
        let flat = table.as_mut().ok_or(WriteError::Deposed)?;
        flat.cursor = cursor;
        match standing {
            FeedStanding::Current(refreshed) => flat.refreshed = refreshed,
            FeedStanding::CredentialEnded => flat.credential_ended = true,
            FeedStanding::MoreFollows => {}
        }
        Ok(flat.clone())
    }

    fn close(&self) -> Result<(), WriteError> {
        *self.0.borrow_mut() = None;
        Ok(())
    }

    fn clear(&self, _clearing: &mut ()) -> Progress {
        Progress::Done
    }
}

/// Sends the request of a step, and answers it.
fn answer(follower: &mut Follower<FlatTable>, step: Step, service: &Service) -> Step {
    let poll: Poll = step.poll.expect("a request to send");
    follower.sent(CallId(1), at(START));
    follower.answered(CallId(1), Answer::Page(&service.answer(&poll)), at(START), 0)
}

fn outcome(table: &FlatTable, id: &str) -> String {
    let limits =
        StalenessLimits { stale_after: Duration::from_secs(30), refuse_after: Duration::from_secs(60) };
    let encoded = STANDARD.encode(format!("{id}:secret of {id}"));
    let headers = HeaderPairs::from_iter([("authorization", format!("ApiKey {encoded}"))]);
    let presented = || CredentialSources::default().extract(&headers);
    let required = Asked::only(Authentication::Required);
    match gate::decide(presented, &required, table, &RightsUnknown, &limits, WaitingTime::Over, at(START)) {
        Verdict::Admit(admission) => admission.key.value(IdentityField::Owner).expect("an owner").to_owned(),
        Verdict::Deny(refusal) => refusal.denial.reason().to_owned(),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_table_in_plain_memory_is_followed_and_decides_as_the_pages_do() {
    let (table, mut service) = (FlatTable::default(), Service::new());
    assert_eq!(outcome(&table, "one"), "table_absent");
    service.create("one");
    service.create("two");
    service.rows_per_page = 1;
    let mut follower = Follower::new(FollowerId(1), table.clone(), request(TableNumber(7)), START);
    let mut step = follower.tick(Candidate::Idle, START, 0);
    while outcome(&table, "two") == "table_absent" {
        step = answer(&mut follower, step, &service);
    }
    assert_eq!((outcome(&table, "one"), outcome(&table, "two")), ("alice".to_owned(), "alice".to_owned()));
    service.invalidate("one");
    let step = answer(&mut follower, step, &service);
    assert_eq!(
        (outcome(&table, "one"), outcome(&table, "two")),
        ("key_revoked".to_owned(), "alice".to_owned())
    );
    assert_eq!(outcome(&table, "three"), "key_unknown");
    let next = step.poll.expect("it asks for what follows").path;
    assert!(next.contains(&format!("after={}&", service.seq)), "the request acknowledges: {next}");
}

//! A key service that behaves as the feed is specified, and an Envoy process whose VMs follow it.

use std::collections::BTreeMap;
use std::time::Duration;

use latchkey_key_feed::{
    Cursor, EdgeName, Epoch, FeedApplication, FeedPage, FeedPageWithRights, FeedRow, FeedVersion, KeyId,
    MonotonicMillis, UnixMillis,
};

use crate::clock::Moment;
use crate::refresh::{
    Answer, CallId, Candidate, FeedEndpoint, Follower, FollowerId, PagedSink, Poll, Register, Step,
    TableNumber, instance_of,
};
use crate::table::sample_keys::{APPLICATION, key, live, removed, rights_in, rights_of, shape_with_rights};
use crate::table::{
    Attachment, FeedIdentity, FeedTable as _, Found, KeyTable as _, LiveTable, RegisteredView, SharedNames,
    TableReader, TableWriter,
};
use crate::testing::FakeSharedData;
use crate::testing::{START, WALL_START};

/// A key service: the latest row of each key, in the order of change.
pub(super) struct Service {
    pub(super) epoch: &'static str,
    pub(super) seq: u64,
    pub(super) rows: BTreeMap<KeyId, FeedRow>,
    /// What each key may do, as JSON.
    pub(super) rights: BTreeMap<KeyId, String>,
    /// What an application has registered, as JSON, and by which change.
    pub(super) registered: Option<(u64, String)>,
    /// The latest version that it knows.
    pub(super) version: FeedVersion,
    pub(super) purged_until: u64,
    pub(super) rows_per_page: usize,
    /// The change that ended the key of whoever asks.
    pub(super) ended_at: Option<u64>,
}

impl Service {
    pub(super) fn new() -> Self {
        Self {
            epoch: "first",
            seq: 0,
            rows: BTreeMap::new(),
            rights: BTreeMap::new(),
            registered: None,
            version: FeedVersion::V2,
            purged_until: 0,
            rows_per_page: 1_000,
            ended_at: None,
        }
    }

    pub(super) fn create(&mut self, id: &str) {
        self.seq += 1;
        self.put(live(self.seq, key(id)));
    }

    /// Makes or updates a key with one of some sets of rights.
    pub(super) fn grant(&mut self, id: &str, set: u32) {
        self.create(id);
        self.rights.insert(KeyId::try_from(id).unwrap(), rights_of(set));
    }

    /// Changes what the application has registered.
    pub(super) fn register(&mut self, actions: &str) {
        self.seq += 1;
        self.registered = Some((self.seq, format!(r#"{{"read":["{actions}"]}}"#)));
    }

    pub(super) fn invalidate(&mut self, id: &str) {
        self.seq += 1;
        self.put(removed(self.seq, id));
    }

    /// Forgets the keys that are removed, as after the retention period.
    pub(super) fn purge(&mut self) {
        self.rows.retain(|_, row| matches!(row, FeedRow::Live { .. }));
        self.seq += 1;
        self.purged_until = self.seq;
    }

    pub(super) fn put(&mut self, row: FeedRow) {
        self.rows.insert(row.id().clone(), row);
    }

    pub(super) fn answer(&self, poll: &Poll) -> Vec<u8> {
        let parameter = |name| poll.path.split(name).nth(1)?.split('&').next()?.parse().ok();
        let after = parameter("after=").unwrap();
        let is_load = after == 0 || parameter("purged=") == Some(self.purged_until);
        let epoch = poll.path.split("&epoch=").nth(1).and_then(|rest| rest.split('&').next());
        let version = poll.version.unwrap_or_default().min(self.version);
        let told_epoch = version.told_epoch(&Epoch::try_from(self.epoch.to_owned()).unwrap()).unwrap();
        let is_of_another = after > 0 && epoch.is_some_and(|epoch| epoch != told_epoch.as_str());
        let reset = is_of_another || after < self.purged_until && !is_load || after > self.seq;
        let end = self.ended_at.unwrap_or(self.seq);
        let is_asked = |row: &&FeedRow| !reset && row.seq().0 > after && row.seq().0 <= end;
        let mut keys: Vec<_> = self.rows.values().filter(is_asked).cloned().collect();
        keys.sort_by_key(FeedRow::seq);
        let more = keys.len() > self.rows_per_page;
        keys.truncate(self.rows_per_page);
        let cursor = if more { keys.last().unwrap().seq() } else { Cursor(end) };
        let page = FeedPage {
            epoch: told_epoch,
            cursor,
            purged: Cursor(self.purged_until),
            total: self.live_ids().len() as u64,
            more,
            reset,
            ended: self.ended_at.is_some() && !more,
            keys,
        };
        match version {
            FeedVersion::V1 => page.to_json().unwrap(),
            FeedVersion::V2 => self.with_rights(page, after).to_json().unwrap(),
        }
    }

    fn with_rights(&self, page: FeedPage, after: u64) -> FeedPageWithRights {
        let is_asked = |seq: u64| !page.reset && after < seq && seq <= page.cursor.0;
        let registered = self.registered.iter().filter(|(seq, _)| is_asked(*seq));
        let applications = registered.flat_map(|(seq, privileges)| {
            // The other one is not asked about.
            [(APPLICATION, *seq), ("other", *seq + 1)].map(|(application, seq)| FeedApplication {
                seq: Cursor(seq),
                application: application.to_owned(),
                privileges: Some(privileges.clone()),
            })
        });
        let applications = applications.filter(|it| is_asked(it.seq.0)).collect();
        FeedPageWithRights { applications, rights: self.rights.clone(), page }
    }

    /// What a key may do; `None` when there is no such key, or nobody can say.
    pub(super) fn rights_of(&self, id: &str) -> Option<String> {
        let id = KeyId::try_from(id).unwrap();
        let is_live = matches!(self.rows.get(&id), Some(FeedRow::Live { .. }));
        self.rights.get(&id).filter(|_| is_live).cloned()
    }

    /// As what a follower of the latest version knows the epoch.
    pub(super) fn told_epoch(&self) -> String {
        [self.epoch, ".2"].concat()
    }

    pub(super) fn live_ids(&self) -> Vec<String> {
        let live = self.rows.values().filter(|row| matches!(row, FeedRow::Live { .. }));
        live.map(|row| row.id().to_string()).collect()
    }
}

/// One Envoy process: shared data, and a follower in each of its VMs.
pub(super) struct Edge {
    pub(super) shared: FakeSharedData,
    pub(super) vms: Vec<Vm>,
    pub(super) now: MonotonicMillis,
    pub(super) wall: UnixMillis,
    pub(super) calls: u32,
}

pub(super) struct Vm {
    pub(super) follower: Follower<PagedSink<FakeSharedData>>,
    /// Whether it has seen a request.
    pub(super) serves: bool,
    /// The request on its way.
    pub(super) pending: Option<(CallId, Poll)>,
    pub(super) notes: Vec<String>,
}

/// The longest time for which a plugin of the process admits after a refresh.
pub(super) const REFUSE_AFTER_MS: u64 = 3_600_000;

pub(super) fn names() -> SharedNames {
    SharedNames::of(&FeedIdentity::of("key_service", "key_service", "/_latchkey/feed"), shape_with_rights())
}

pub(super) fn request(number: TableNumber) -> FeedEndpoint {
    FeedEndpoint {
        path: "/_latchkey/feed".to_owned(),
        edge: EdgeName::try_from("edge".to_owned()).unwrap(),
        instance: instance_of(number, b"vm", names().table()),
        version: FeedVersion::V2,
        wait: Duration::from_secs(20),
        fetch_timeout: Duration::from_secs(5),
    }
}

impl Edge {
    pub(super) fn new(vms: usize) -> Self {
        let shared = FakeSharedData::default();
        let number = Register::new(shared.clone(), &names()).enter(7, REFUSE_AFTER_MS).unwrap();
        let request = request(number);
        let vms = (0..vms).map(|_| {
            let id = FollowerId::allocate(&shared, &names());
            let follower =
                Follower::new(id, PagedSink::new(shared.clone(), &names()), request.clone(), START);
            Vm { follower, serves: false, pending: None, notes: Vec::new() }
        });
        Self { vms: vms.collect(), shared, now: START, wall: WALL_START, calls: 0 }
    }

    pub(super) fn pass(&mut self, millis: u64) {
        self.now = self.now.plus_millis(millis);
        self.wall = self.wall.plus_millis(millis);
    }

    pub(super) fn moment(&self) -> Moment {
        Moment { monotonic: self.now, wall: self.wall }
    }

    pub(super) fn tick(&mut self, vm: usize) {
        let candidate = if self.vms[vm].serves { Candidate::Serving } else { Candidate::Idle };
        let step = self.vms[vm].follower.tick(candidate, self.now, 0);
        self.carry_out(vm, step);
    }

    pub(super) fn answer(&mut self, vm: usize, service: &Service) {
        if let Some((call, poll)) = self.vms[vm].pending.take() {
            self.deliver(vm, call, Answer::Page(&service.answer(&poll)));
        }
    }

    pub(super) fn fail(&mut self, vm: usize, answer: Answer<'_>) {
        let (call, _) = self.vms[vm].pending.take().expect("a request on its way");
        self.deliver(vm, call, answer);
    }

    pub(super) fn deliver(&mut self, vm: usize, call: CallId, answer: Answer<'_>) {
        let now = self.moment();
        let step = self.vms[vm].follower.answered(call, answer, now, 0);
        self.carry_out(vm, step);
    }

    pub(super) fn carry_out(&mut self, vm: usize, step: Step) {
        let now = self.moment();
        let vm = &mut self.vms[vm];
        vm.notes.extend(step.notes.iter().map(|note| format!("{note:?}")));
        if let Some(poll) = step.poll {
            self.calls += 1;
            vm.follower.sent(CallId(self.calls), now);
            vm.pending = Some((CallId(self.calls), poll));
        }
    }

    /// Lets the VM work until it has nothing to do but wait for a change.
    pub(super) fn catch_up(&mut self, vm: usize, service: &Service) {
        for _ in 0..300 {
            self.pass(100);
            self.tick(vm);
            match &self.vms[vm].pending {
                Some((_, poll)) if poll.path.contains("wait=20000ms") => {
                    let is_current = self.live().is_some_and(|live| live.cursor.0 == service.seq);
                    if is_current {
                        return;
                    }
                    self.answer(vm, service);
                }
                _ => self.answer(vm, service),
            }
        }
        panic!("does not come to rest: {:?}", self.vms[vm].notes);
    }

    /// The same once something has changed.
    pub(super) fn catch_up_after_change(&mut self, vm: usize, service: &mut Service) {
        service.create("another");
        self.catch_up(vm, service);
    }

    pub(super) fn live(&self) -> Option<LiveTable> {
        TableWriter::new(self.shared.clone(), names()).live()
    }

    pub(super) fn holds(&self, id: &str) -> bool {
        let id = KeyId::try_from(id).unwrap();
        let reader = TableReader::new(self.shared.clone(), names());
        let page = reader.page_for(&id, self.now).unwrap();
        page.is_some_and(|page| page.find(&id).unwrap().key().is_some())
    }

    /// What a key may do, as a reader finds it; `None` when there is no such key, or nobody can say.
    pub(super) fn rights(&self, id: &str) -> Option<String> {
        let reader = TableReader::new(self.shared.clone(), names());
        let Some(Found::Key(record)) = reader.find(&KeyId::try_from(id).unwrap(), self.now).unwrap() else {
            return None;
        };
        let set = rights_in(&record)?;
        let read = |json: &[u8]| String::from_utf8(json.to_vec()).unwrap();
        let found = reader.attachment(&Attachment::Rights(set), self.now, read).unwrap();
        Some(found.expect("the set of a key is there"))
    }

    /// What an application has registered, as a reader finds it.
    pub(super) fn registered(&self, application: &str) -> Option<String> {
        let reader = TableReader::new(self.shared.clone(), names());
        let read = |payload: &[u8]| {
            let view = RegisteredView::read(payload).unwrap();
            String::from_utf8(view.json.to_vec()).unwrap()
        };
        reader.attachment(&Attachment::Privileges(application), self.now, read).unwrap()
    }

    pub(super) fn pending_path(&self, vm: usize) -> &str {
        self.vms[vm].pending.as_ref().map_or("", |(_, poll)| &poll.path)
    }

    pub(super) fn noted(&self, vm: usize, text: &str) -> bool {
        self.vms[vm].notes.iter().any(|note| note.contains(text))
    }
}

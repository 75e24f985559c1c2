use std::cell::{Cell, RefCell};

use latchkey_key_feed::{Cursor, Epoch, FeedRow, KeyId, MonotonicMillis};
use proptest::prelude::*;

use super::*;
use crate::table::header::Generation;
use crate::table::sample_keys::{at, build, changes, key, live, refreshed_at, removed, shape, text_of};
use crate::table::{
    FeedIdentity, FeedStanding, FeedTable as _, KeyTable as _, LiveTable, Progress, RecordText, SharedNames,
    TableReader, TableWriter,
};
use crate::testing::FakeSharedData;

const NOW: MonotonicMillis = MonotonicMillis(1_000_000);

/// One process: two VMs that read, two that believe they follow, and what has been promised to the service.
struct Process {
    shared: FakeSharedData,
    readers: [TableReader<FakeSharedData>; 2],
    writers: [TableWriter<FakeSharedData>; 2],
    live: RefCell<LiveTable>,
    /// The change that was made last at the service.
    made: Cell<u64>,
    acknowledged: Cell<u64>,
}

#[derive(Clone, Copy, Debug)]
enum Act {
    /// A request looks the key up.
    LookUp(usize),
    /// The service changes the key, and a follower applies it.
    RecordChange(usize),
    /// A follower applies what another may have applied, or may be about to.
    ApplyAgain(usize),
    /// The service changes the key, and a follower loads the table anew.
    Load(usize),
    /// Nothing happens in this place.
    Nothing,
}

impl Process {
    fn new() -> Rc<Self> {
        let shared = FakeSharedData::default();
        let names = SharedNames::of(&FeedIdentity::of("c", "a", "/p"), shape());
        let writers = [(); 2].map(|()| TableWriter::new(shared.clone(), names.clone()));
        let readers = [(); 2].map(|()| TableReader::new(shared.clone(), names.clone()));
        let first = build(&writers[0], &[as_of(1)]);
        let live = writers[0].publish(&first, &epoch(), Cursor(1), 1, Some(refreshed_at(at(NOW)))).unwrap();
        Rc::new(Self {
            shared,
            readers,
            writers,
            live: RefCell::new(live),
            made: Cell::new(1),
            acknowledged: Cell::new(1),
        })
    }

    fn act(&self, act: Act) {
        match act {
            Act::LookUp(vm) => {
                let promised = self.acknowledged.get();
                let seen = self.look_up(vm);
                assert!(
                    seen >= promised,
                    "VM {vm} decided by change {seen} after {promised} was acknowledged"
                );
            }
            Act::RecordChange(vm) => {
                self.made.set(self.made.get() + 1);
                self.apply(vm);
            }
            Act::ApplyAgain(vm) => self.apply(vm),
            Act::Load(vm) => {
                self.made.set(self.made.get() + 1);
                self.load(vm);
            }
            Act::Nothing => {}
        }
    }

    /// The change by which the VM would decide now.
    fn look_up(&self, vm: usize) -> u64 {
        let id = KeyId::try_from("k").unwrap();
        let page = self.readers[vm].page_for(&id, NOW).unwrap().unwrap();
        text_of(&page, id.as_str(), &RecordText::Name).unwrap().parse().unwrap()
    }

    fn apply(&self, vm: usize) {
        let (live, made) = (self.live.borrow().clone(), self.made.get());
        let applied = self.writers[vm].apply(&live, &changes(&[as_of(made)]));
        if applied.is_ok()
            && self.writers[vm]
                .advance(&live, Cursor(made), 1, FeedStanding::MoreFollows { purged: Cursor(0) })
                .is_ok()
        {
            self.acknowledge(made);
        }
    }

    fn load(&self, vm: usize) {
        let (writer, made) = (&self.writers[vm], self.made.get());
        let build = build(writer, &[as_of(made)]);
        let Ok(mut live) = writer.publish(&build, &epoch(), Cursor(made), 1, Some(refreshed_at(at(NOW))))
        else {
            return;
        };
        *self.live.borrow_mut() = live.clone();
        loop {
            match writer.sweep(&live) {
                Ok((Progress::Continues, next)) => live = next,
                Ok((Progress::Done, _)) => return self.acknowledge(made),
                Err(_) => return,
            }
        }
    }

    fn acknowledge(&self, made: u64) {
        self.acknowledged.set(self.acknowledged.get().max(made));
    }
}

fn epoch() -> Epoch {
    Epoch::try_from("e".to_owned()).unwrap()
}

/// The key as it is from that change on.
fn as_of(seq: u64) -> FeedRow {
    let mut record = key("k");
    record.name = seq.to_string();
    live(seq, record)
}

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..2_usize).prop_map(Act::LookUp),
        2 => (0..2_usize).prop_map(Act::RecordChange),
        1 => (0..2_usize).prop_map(Act::ApplyAgain),
        4 => Just(Act::Nothing),
    ]
}

fn page(generation: u32) -> Rc<Page> {
    Rc::new(Page::empty(Generation(generation)))
}

#[test]
fn a_page_is_kept_until_the_stamp_moves() {
    let mut hot = PageCache::default();
    hot.observe(Stamp(7));
    hot.keep(3, &page(1));
    hot.observe(Stamp(7));
    assert_eq!(hot.get(3), Some(page(1)));
    assert_eq!(hot.get(4), None);
    hot.observe(Stamp(8));
    assert_eq!(hot.get(3), None);
}

#[test]
fn a_stamp_that_comes_back_brings_no_page_back() {
    let mut hot = PageCache::default();
    hot.observe(Stamp(7));
    hot.keep(3, &page(1));
    hot.observe(Stamp(8));
    hot.observe(Stamp(7));
    assert_eq!(hot.get(3), None);
}

#[test]
fn a_page_takes_the_place_of_another_and_is_never_taken_for_it() {
    let mut hot = PageCache::default();
    hot.observe(Stamp(7));
    hot.keep(3, &page(1));
    let same_place = 3 + CACHED_PAGES_MAX as u32;
    assert_eq!(hot.get(same_place), None);
    hot.keep(same_place, &page(2));
    assert_eq!((hot.get(3), hot.get(same_place)), (None, Some(page(2))));
}

#[test]
fn a_long_page_is_read_each_time() {
    let mut long = key("k");
    long.name = "n".repeat(CACHED_PAGE_LEN_MAX);
    let changed = changes(&[live(1, long)]);
    let changed: Vec<_> = changed.iter().collect();
    let bytes = Page::empty(Generation(1)).with(Generation(1), &changed, Cursor(0)).unwrap().unwrap();
    let mut hot = PageCache::default();
    hot.observe(Stamp(7));
    hot.keep(3, &Rc::new(Page::decode(bytes).unwrap()));
    assert_eq!(hot.get(3), None);
}

#[test]
fn a_key_in_use_is_read_from_shared_data_once() {
    let process = Process::new();
    assert_eq!(process.look_up(0), 1);
    let before = process.shared.reads();
    assert_eq!((process.look_up(0), process.shared.reads()), (1, before));
    process.act(Act::RecordChange(1));
    let before = process.shared.reads();
    assert_eq!((process.look_up(0), process.shared.reads()), (2, before + 1));
}

#[test]
fn what_is_kept_is_forgotten_on_request() {
    let process = Process::new();
    assert_eq!(process.look_up(0), 1);
    process.readers[0].clear_cache();
    let before = process.shared.reads();
    assert_eq!((process.look_up(0), process.shared.reads()), (1, before + 1));
}

#[test]
fn without_a_proven_stamp_nothing_is_kept() {
    let process = Process::new();
    process.shared.lose_stamp();
    assert_eq!(process.look_up(0), 1);
    let before = process.shared.reads();
    assert_eq!((process.look_up(0), process.shared.reads()), (1, before + 1));
}

#[test]
fn a_removed_key_is_unknown_to_a_vm_that_kept_it() {
    let process = Process::new();
    process.look_up(0);
    let live = process.live.borrow().clone();
    process.writers[1].apply(&live, &changes(&[removed(2, "k")])).unwrap();
    let id = KeyId::try_from("k").unwrap();
    assert!(process.readers[0].page_for(&id, NOW).unwrap().unwrap().find(&id).unwrap().key().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Before every call of the store, another VM may do a whole thing of its own, and so on within that.
    #[test]
    fn no_interleaving_decides_by_what_is_older_than_a_promise(
        turns in proptest::collection::vec((acts(), proptest::collection::vec(acts(), 0..6)), 1..12),
    ) {
        let process = Process::new();
        for (act, meanwhile) in turns {
            process.shared.meanwhile(meanwhile.into_iter().map(|act| {
                let process = Rc::clone(&process);
                Box::new(move || process.act(act)) as Box<dyn FnOnce()>
            }));
            process.act(act);
        }
        // Whoever is left without anything going on decides by the latest promise too.
        process.act(Act::LookUp(0));
        process.act(Act::LookUp(1));
    }

    #[test]
    fn loads_between_requests_keep_the_promise_too(
        turns in proptest::collection::vec(prop_oneof![acts(), (0..2_usize).prop_map(Act::Load)], 1..24),
    ) {
        let process = Process::new();
        for act in turns {
            process.act(act);
        }
    }
}

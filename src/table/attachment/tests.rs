//! A key of a live table never stands there without its set of rights, whoever writes.

use std::collections::BTreeMap;

use latchkey_key_feed::{Cursor, Epoch, FeedRow, KeyId, MonotonicMillis};
use proptest::prelude::*;

use super::*;
use crate::table::page_index::page_index;
use crate::table::sample_keys::{
    APPLICATION, answer_with_rights, at, key, live, refreshed_at, removed, rights_in, rights_of,
    shape_with_rights,
};
use crate::table::{
    Changes, FeedIdentity, FeedTable as _, Found, KeyTable as _, LiveTable, Progress, RecordShape,
    RecordText, SharedEntries as _, SharedNames, TableReader, TableWriter,
};
use crate::testing::FakeSharedData;

const NOW: MonotonicMillis = MonotonicMillis(1_000_000);
const KEYS: u8 = 6;

fn names() -> SharedNames {
    SharedNames::of(&FeedIdentity::of("c", "a", "/p"), shape_with_rights())
}

/// What has changed in a service, one after the other.
#[derive(Clone, Debug)]
enum Step {
    Grant(u8, u32),
    Remove(u8),
    Register(u8),
}

fn key_id(number: u8) -> String {
    format!("key-{number}")
}

fn registered(number: u8) -> String {
    format!(r#"{{"read":["data:{number}"]}}"#)
}

/// What a key may do, and what the application has registered, after these steps.
fn state(history: &[Step]) -> (BTreeMap<String, String>, Option<String>) {
    let (mut keys, mut application) = (BTreeMap::new(), None);
    for step in history {
        match *step {
            Step::Grant(number, set) => {
                keys.insert(key_id(number), rights_of(set));
            }
            Step::Remove(number) => {
                keys.remove(&key_id(number));
            }
            Step::Register(number) => application = Some(registered(number)),
        }
    }
    (keys, application)
}

/// The answer after `after` of a service that has seen the steps up to `until`.
fn answer(history: &[Step], after: u64, until: u64) -> Changes {
    let (mut rows, mut rights, mut application) = (BTreeMap::new(), BTreeMap::new(), None);
    for (step, seq) in history.iter().zip(1..=until) {
        match *step {
            Step::Grant(number, set) => {
                let record = key(&key_id(number));
                rights.insert(record.id.clone(), rights_of(set));
                rows.insert(number, live(seq, record));
            }
            Step::Remove(number) => {
                rows.insert(number, removed(seq, &key_id(number)));
            }
            Step::Register(number) => application = Some((seq, registered(number))),
        }
    }
    let mut keys: Vec<FeedRow> = rows.into_values().filter(|row| row.seq().0 > after).collect();
    keys.sort_by_key(FeedRow::seq);
    let registered = application.filter(|(seq, _)| *seq > after).map(|(seq, json)| (seq, Some(json)));
    let answer = answer_with_rights(until.max(after), &keys, rights, registered);
    Changes::read(&answer, Cursor(after), &shape_with_rights()).unwrap().1
}

struct Process {
    shared: FakeSharedData,
    writer: TableWriter<FakeSharedData>,
}

impl Process {
    fn new() -> Self {
        let shared = FakeSharedData::default();
        Self { writer: TableWriter::new(shared.clone(), names()), shared }
    }

    fn load(&self, answers: &[Changes]) -> LiveTable {
        let mut build = self.writer.begin(0, 7).unwrap();
        for changes in answers {
            self.writer.collect(&mut build, changes).unwrap();
        }
        while self.writer.lay_out(&mut build).unwrap() == Progress::Continues {}
        let epoch = Epoch::try_from("epoch.2".to_owned()).unwrap();
        self.writer.publish(&build, &epoch, Cursor(0), 0, Some(refreshed_at(at(NOW)))).unwrap()
    }
}

/// What a reader finds. Fails where a key stands there without its set.
fn contents(shared: &FakeSharedData) -> (BTreeMap<String, String>, Option<String>) {
    let reader = TableReader::new(shared.clone(), names());
    let mut keys = BTreeMap::new();
    for id in (0..KEYS).map(key_id) {
        let found = reader.find(&KeyId::try_from(id.as_str()).unwrap(), NOW).unwrap();
        let Some(Found::Key(record)) = found else { continue };
        let content = rights_in(&record).expect("every key here has rights");
        let set = reader.attachment(&Attachment::Rights(content), NOW, <[u8]>::to_vec).unwrap();
        let set = String::from_utf8(set.unwrap_or_else(|| panic!("the set of {id} is missing"))).unwrap();
        assert_eq!(ContentId::of(set.as_bytes()), content);
        keys.insert(id, set);
    }
    let read =
        |payload: &[u8]| String::from_utf8(RegisteredView::read(payload).unwrap().json.to_vec()).unwrap();
    (keys, reader.attachment(&Attachment::Privileges(APPLICATION), NOW, read).unwrap())
}

#[test]
fn equal_contents_have_one_id_and_others_have_others() {
    let id = ContentId::of(b"{}");
    assert_eq!((id, id.as_str().len()), (ContentId::of(b"{}"), 22));
    assert_ne!(id, ContentId::of(b"{ }"));
    assert_eq!(ContentId::read(id.as_str()), Some(id));
    assert_eq!((ContentId::read(""), ContentId::read("short")), (None, None));
}

#[test]
fn what_is_registered_is_read_as_it_was_written() {
    for json in [Some(&br#"{"read":["data:read/*"]}"#[..]), Some(b"{}"), None] {
        let mut out = Vec::new();
        push_privileges(&mut out, "shop", json);
        let (_, body) = split_record(&mut Unread(&out)).unwrap();
        let payload = &body[body.len() - 2 - json.map_or(0, |json| 22 + json.len())..];
        let read = RegisteredView::read(payload).unwrap();
        assert_eq!((read.content, read.json), (json.map(ContentId::of), json.unwrap_or_default()));
    }
    assert_eq!(RegisteredView::read(b""), None);
    assert_eq!(RegisteredView::read(b"\x03\0abc"), None);
}

#[test]
fn a_follower_that_lags_brings_the_set_of_a_key_although_later_changes_are_there() {
    let process = Process::new();
    let table = process.load(&[]);
    let page_of = |attachment: Attachment<'_>| page_index(&attachment.id(), table.page_bits, table.salt);
    let rights_page = |set: &u32| page_of(Attachment::Rights(ContentId::of(rights_of(*set).as_bytes())));
    let application_page = page_of(Attachment::Privileges(APPLICATION));
    let neighbour = (0..10_000).find(|set| rights_page(set) == application_page).expect("one of so many");
    let history = [Step::Grant(0, neighbour), Step::Register(1), Step::Grant(0, 0)];
    // The other one has read when the key had changed once more, and has not come to that yet.
    let others = answer(&history[1..2], 0, 1);
    process.writer.apply(&table, &others).unwrap();
    process.writer.apply(&table, &answer(&history, 0, 1)).unwrap();
    assert_eq!(contents(&process.shared).0, BTreeMap::from([(key_id(0), rights_of(neighbour))]));
}

#[test]
fn a_load_puts_each_set_aside_once() {
    let answers: Vec<_> =
        (0..50_u64).map(|after| answer(&[const { Step::Grant(0, 1) }; 50], after, 50)).collect();
    let process = Process::new();
    let table = process.load(&answers);
    let page = page_index(
        &Attachment::Rights(ContentId::of(rights_of(1).as_bytes())).id(),
        table.page_bits,
        table.salt,
    );
    let json = rights_of(1);
    let bytes = process.shared.read(names().page(table.slot, page)).bytes;
    assert_eq!(String::from_utf8_lossy(&bytes).matches(&json).count(), 1);
    assert_eq!(table.rights_written, 0, "a load is no garbage");
}

#[test]
fn bytes_of_sets_are_counted_when_they_are_written_and_not_again() {
    let history = [Step::Grant(0, 1), Step::Grant(1, 1), Step::Grant(2, 2)];
    let process = Process::new();
    let table = process.load(&[]);
    process.writer.apply(&table, &answer(&history, 0, 2)).unwrap();
    let once = process.writer.live().unwrap().rights_written;
    assert!(once >= rights_of(1).len() as u64);
    process.writer.apply(&table, &answer(&history, 0, 2)).unwrap();
    assert_eq!(process.writer.live().unwrap().rights_written, once);
    process.writer.apply(&table, &answer(&history, 2, 3)).unwrap();
    assert_eq!(process.writer.live().unwrap().rights_written, 2 * once);
}

/// A set of rights as long as common ones are.
fn long_rights(set: u64) -> String {
    let block = |name: &str| {
        format!(r#"{{"application":"shop","privileges":["read"],"resources":["{name}-{set}/*"]}}"#)
    };
    let blocks = ["orders", "customers", "invoices", "carts"].map(block).join(",");
    format!(r#"{{"own":{{"applications":[{blocks}]}},"limited_by":{{"cluster":["monitor"]}}}}"#)
}

#[test]
fn a_key_that_shares_one_of_a_thousand_sets_takes_less_than_200_bytes() {
    const KEYS: u64 = 40_000;
    let texts = vec![RecordText::Name, RecordText::Owner, RecordText::Roles];
    let shape = RecordShape::of(texts).with_rights(vec![APPLICATION.to_owned()]);
    let shared = FakeSharedData::default();
    let names = SharedNames::of(&FeedIdentity::of("c", "a", "/p"), shape.clone());
    let writer = TableWriter::new(shared.clone(), names);
    let mut build = writer.begin(KEYS, 7).unwrap();
    for first in (1..=KEYS).step_by(1_000) {
        let (mut rows, mut rights) = (Vec::new(), BTreeMap::new());
        for seq in first..first + 1_000 {
            let record = key(&format!("VuaCfGcBCdbkQm-{seq:05}"));
            rights.insert(record.id.clone(), long_rights(seq % 1_000));
            rows.push(live(seq, record));
        }
        let answer = answer_with_rights(first + 999, &rows, rights, None);
        let changes = Changes::read(&answer, Cursor(first - 1), &shape).unwrap().1;
        writer.collect(&mut build, &changes).unwrap();
    }
    while writer.lay_out(&mut build).unwrap() == Progress::Continues {}
    let (bytes, sets) = (shared.bytes(), 1_000 * long_rights(0).len());
    assert!(bytes / KEYS as usize <= 200, "{} bytes a key", bytes / KEYS as usize);
    // Of a million keys, each bears a thousandth of a set. The names of runs of the load stay.
    let of_million = (bytes - sets) / KEYS as usize + sets / 1_000_000;
    assert!(of_million <= 180, "{of_million} bytes a key of a million");
}

fn history() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..KEYS, 0..4_u32).prop_map(|(number, set)| Step::Grant(number, set)),
        2 => (0..KEYS).prop_map(Step::Remove),
        1 => (0..4_u8).prop_map(Step::Register),
    ];
    proptest::collection::vec(step, 1..40)
}

proptest! {
    #[test]
    fn two_followers_in_any_interleaving_end_where_the_service_is_and_no_set_is_ever_missing(
        history in history(),
        turns in proptest::collection::vec((any::<bool>(), 0..40_u64, 0..12_usize), 1..12),
    ) {
        let end = history.len() as u64;
        let process = Process::new();
        let table = process.load(&[]);
        let mut after = [0_u64; 2];
        for (which, until, calls) in turns {
            let who = usize::from(which);
            let until = until.min(end).max(after[who]);
            // A reader looks in the middle of it.
            let nothing = || -> Box<dyn FnOnce()> { Box::new(|| ()) };
            let shared = process.shared.clone();
            let look: Box<dyn FnOnce()> = Box::new(move || drop(contents(&shared)));
            process.shared.meanwhile((0..calls).map(|_| nothing()).chain([look]));
            process.writer.apply(&table, &answer(&history, after[who], until)).unwrap();
            after[who] = until;
            contents(&process.shared);
        }
        process.writer.apply(&table, &answer(&history, after[0], end)).unwrap();
        prop_assert_eq!(contents(&process.shared), state(&history));
    }

    #[test]
    fn a_load_in_any_answers_and_changes_after_it_are_what_the_service_is(
        history in history(),
        mut cuts in proptest::collection::vec(0..40_u64, 0..4),
        loaded in 0..40_u64,
    ) {
        let end = history.len() as u64;
        let loaded = loaded.min(end);
        cuts.extend([0, loaded]);
        cuts.retain(|cut| *cut <= loaded);
        cuts.sort_unstable();
        let process = Process::new();
        let answers: Vec<_> = cuts.windows(2).map(|cut| answer(&history, cut[0], cut[1])).collect();
        let table = process.load(&answers);
        prop_assert_eq!(contents(&process.shared), state(&history[..loaded as usize]));
        process.writer.apply(&table, &answer(&history, loaded, end)).unwrap();
        prop_assert_eq!(contents(&process.shared), state(&history));
    }
}

//! Pages of the key table in shared data, into which a foreign plugin may write.
//!
//! The first byte says what comes: `b` the bytes of a page, `d` bytes that take the place of others in the
//! entries of a table, anything else changes of keys.

use std::collections::BTreeMap;

use latchkey_filter::table::{
    FeedTable as _, Found, KeyTable as _, LiveTable, Page, Progress, Record, SharedEntries as _, TableReader,
    TableRecord as _, TableWriter, Texts, Unreadable, are_texts, text_in,
};
use latchkey_filter::testing::any_table::{load, refresh, told};
use latchkey_filter::testing::feed_answers::{Answer, gone, key_id, row, table_names};
use latchkey_filter::testing::{FakeSharedData, START};
use latchkey_key_feed::{FeedRow, KeptSecrets, KeyId, PreviousSecret};

use crate::allocation::within;
use crate::input::Input;

/// The keys of the tables that are made here.
const IDS: [&str; 6] = ["a", "b", "key-one", "key-two", "VuaCfGcBCdbkQm-e5aOx", "語"];

/// What a page may cost besides its bytes.
const COST_BASE: usize = 1_024;

/// Where the records of a page begin.
const RECORDS_AT: usize = 12;

/// * Of any bytes, a page tells of a key what a reading by hand tells.
/// * Whatever stands in shared data, a look-up ends, and a key that is found whole has all of its texts.
/// * Whatever changes come, in whichever order and however often, the table says what the latest one said.
pub fn table_page(data: &[u8]) {
    let mut input = Input::of(data);
    match input.byte() {
        b'b' => page(input.rest()),
        b'd' => damaged(input),
        _ => changes(input),
    }
}

fn page(bytes: &[u8]) {
    let buffer = bytes.to_vec();
    let read = within(0, || Page::decode(buffer));
    let ids = ids_by_hand(bytes);
    for id in ids.iter().flatten().chain(&[key_id("a")]) {
        let found = match &read {
            Err(Unreadable) => Err(Unreadable),
            Ok(page) => within(COST_BASE, || page.find(id)).map(|found| match found {
                Found::Key(record) => {
                    let KeptSecrets { salt, current, previous } = record.secrets();
                    let mut told = [salt.as_bytes(), &current.as_bytes()[..]].concat();
                    if let Some(PreviousSecret { digest, until }) = previous {
                        told.extend_from_slice(&until.0.to_le_bytes());
                        told.extend_from_slice(digest.as_bytes());
                    }
                    told.extend_from_slice(record.texts().unwrap_or(b"too long"));
                    (0, told)
                }
                Found::SetAside => (2, Vec::new()),
                Found::Removed => (3, Vec::new()),
                Found::Nothing => (9, Vec::new()),
            }),
        };
        assert_eq!(found.ok(), found_by_hand(bytes, id), "{id:?}");
    }
    if let Some(record) = Record::first_of(bytes) {
        assert_eq!(record.bytes(), &bytes[..record.bytes().len()]);
        assert!(record.attachment().is_none() || record.found().is_none(), "it is two things");
    }
    for count in 0..4 {
        let place_is_there = |place| text_in(bytes, place).is_some();
        assert!(!are_texts(bytes, count) || (0..count).all(place_is_there));
    }
}

/// The bodies of the records; `None` for what is no page.
fn bodies(bytes: &[u8]) -> Option<Vec<Option<&[u8]>>> {
    if bytes.is_empty() {
        return Some(Vec::new());
    }
    let (mut rest, mut bodies) = (bytes.get(RECORDS_AT..)?, Vec::new());
    while !rest.is_empty() {
        let len = rest.get(..4).map(|len| u32::from_le_bytes(len.try_into().unwrap()) as usize);
        let body = len.and_then(|len| rest.get(4..4_usize.checked_add(len)?));
        bodies.push(body);
        let Some(body) = body else { break };
        rest = &rest[4 + body.len()..];
    }
    Some(bodies)
}

/// The id of a record and what follows it.
fn id_by_hand(body: &[u8]) -> Option<(&str, &[u8])> {
    let len = usize::from(u16::from_le_bytes(body.get(..2)?.try_into().unwrap()));
    Some((std::str::from_utf8(body.get(2..2 + len)?).ok()?, &body[2 + len..]))
}

fn ids_by_hand(bytes: &[u8]) -> Option<Vec<KeyId>> {
    let ids =
        bodies(bytes)?.into_iter().flatten().filter_map(|body| KeyId::try_from(id_by_hand(body)?.0).ok());
    Some(ids.take(4).collect())
}

/// What a page tells of a key: its kind, and what stands there; `None` for what cannot be read.
fn found_by_hand(bytes: &[u8], id: &KeyId) -> Option<(u8, Vec<u8>)> {
    for body in bodies(bytes)? {
        let Some((_, rest)) = id_by_hand(body?).filter(|(other, _)| *other == id.as_str()) else { continue };
        let kind = *rest.first()?;
        return match kind {
            0 | 1 | 5 | 6 => {
                let texts_at = if kind > 1 { 97 } else { 57 };
                let credential = rest.get(9..texts_at)?;
                let texts = if matches!(kind, 0 | 5) { &rest[texts_at..] } else { b"too long" };
                Some((0, [credential, texts].concat()))
            }
            2 | 3 => Some((kind, Vec::new())),
            _ => None,
        };
    }
    Some((9, Vec::new()))
}

/// Some entries of a table hold other bytes.
fn damaged(mut input: Input<'_>) {
    let (names, store) = (table_names(), FakeSharedData::default());
    let writer = TableWriter::new(store.clone(), names.clone());
    let rows: Vec<FeedRow> = (1..).zip(IDS).map(|(seq, id)| row(seq, id)).collect();
    let Ok(mut live) = load(&writer, &Answer::of(&rows), Some(refresh())) else { return };
    while let Ok((Progress::Continues, next)) = writer.sweep(&live) {
        live = next;
    }
    while !input.is_empty() {
        let entries = store.names();
        let name = entries[input.below(entries.len())];
        let mut bytes = store.read(name).bytes;
        let from = input.below(bytes.len() + 1);
        let to = (from + input.below(24)).min(bytes.len());
        let len = input.below(24);
        bytes.splice(from..to, input.bytes(len).iter().copied());
        store.overwrite(name, &bytes);
    }
    let reader = TableReader::new(store.clone(), names.clone());
    for id in IDS.map(key_id) {
        if let Ok(Some(Found::Key(record))) = reader.find(&id, START)
            && record.texts() == Texts::Whole
        {
            for text in names.shape().texts() {
                assert!(record.text(|other| other == text).is_some(), "{text:?} is missing");
            }
        }
    }
    // A writer goes on from there, or says that it cannot.
    let _ = writer.take_over();
    if let Some(live) = writer.live() {
        let _ = writer.apply(&live, &Answer::of(&[gone(100, "a"), row(101, "b")]).changes());
    }
    let _ = load(&writer, &Answer::of(&rows), Some(refresh()));
}

/// Changes, and old ones again, and loads of what there is.
fn changes(mut input: Input<'_>) {
    let (names, store) = (table_names(), FakeSharedData::default());
    let writer = TableWriter::new(store.clone(), names.clone());
    let reader = TableReader::new(store.clone(), names.clone());
    let mut latest: BTreeMap<&str, (u64, bool)> = BTreeMap::new();
    let mut answers = Vec::new();
    loaded(&writer, &latest);
    for seq in 1.. {
        if input.is_empty() {
            break;
        }
        let step = input.byte();
        let id = IDS[usize::from(step >> 3) % IDS.len()];
        match step & 7 {
            7 => loaded(&writer, &latest),
            6 if !answers.is_empty() => {
                // By a follower that has not heard of any load since.
                let (live, answer): &(LiveTable, Answer) = &answers[input.below(answers.len())];
                let _ = writer.apply(live, &answer.changes());
            }
            is_removed => {
                let is_live = is_removed < 4;
                latest.insert(id, (seq, is_live));
                let answer = Answer::of(&[if is_live { row(seq, id) } else { gone(seq, id) }]);
                let live = writer.live().expect("it was loaded");
                writer.apply(&live, &answer.changes()).expect("nobody else writes");
                answers.push((live, answer));
            }
        }
        let expected = match latest.get(id) {
            None => "unknown".to_owned(),
            Some((seq, true)) => format!("as of {seq}"),
            Some((_, false)) => "removed".to_owned(),
        };
        let fresh = TableReader::new(store.clone(), names.clone());
        for found in [told(&reader, id), told(&fresh, id)] {
            // A load leaves out what was removed.
            let is_left_out = expected == "removed" && found == "unknown";
            assert!(found == expected || is_left_out, "{id} is {found} and not {expected}");
        }
    }
    let live = writer.live().expect("it was loaded");
    let kept = latest.values().filter(|(_, is_live)| *is_live).count() as u64;
    assert!(!live.is_outgrown_by(kept));
}

fn loaded(writer: &TableWriter<FakeSharedData>, latest: &BTreeMap<&str, (u64, bool)>) {
    let live = latest.iter().filter(|(_, (_, is_live))| *is_live);
    let mut rows: Vec<FeedRow> = live.map(|(id, (seq, _))| row(*seq, id)).collect();
    rows.sort_by_key(FeedRow::seq);
    let mut live = load(writer, &Answer::of(&rows), Some(refresh())).expect("nobody else loads");
    while let (Progress::Continues, next) = writer.sweep(&live).expect("nobody else sweeps") {
        live = next;
    }
}

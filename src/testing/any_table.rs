//! How a key table behaves, whatever it is kept in: the same cases for each kind.
//!
//! Every case fails by a panic of its own.

use latchkey_key_feed::{Cursor, FeedRow, MonotonicMillis, OpaqueKeyPepper};

use super::feed_answers::{Answer, epoch, gone, key_id, row, table_names};
use crate::clock::Moment;
use crate::table::{
    Attachment, ContentId, FeedStanding, FeedTable, Found, KeyTable, LiveFeed as _, Progress, RecordText,
    Refresh, RegisteredView, SharedNames, TableAge, TableRecord, Texts, WriteError,
};
use crate::testing::{START, WALL_START};

/// A process with a table of one kind.
pub trait TableProcess {
    /// How requests read it.
    type Reader: KeyTable;

    /// How the feed is applied to it.
    type Writer: FeedTable;

    /// A process without a table.
    fn new(names: &SharedNames) -> Self;

    /// Another reader of its table.
    fn reader(&self) -> Self::Reader;

    /// Another writer of its table.
    fn writer(&self) -> Self::Writer;
}

/// Everything that a table must do.
pub fn check<P: TableProcess>() {
    there_is_no_table_before_a_load_is_whole::<P>();
    every_reader_sees_a_change_at_its_next_look_up::<P>();
    a_load_replaces_the_whole_table::<P>();
    an_abandoned_load_is_never_seen_and_its_follower_is_stopped::<P>();
    a_deposed_follower_cannot_undo_a_revocation::<P>();
    a_follower_whose_turn_is_over_does_not_say_how_far_the_table_is::<P>();
    a_load_whose_follower_has_lost_its_turn_never_becomes_live::<P>();
    the_cursor_never_goes_back::<P>();
    a_removed_key_is_told_from_an_unknown_one_until_the_service_forgets_it::<P>();
    a_table_is_as_old_as_its_last_refresh::<P>();
    a_load_whose_credential_has_ended_is_as_old_as_what_it_replaces::<P>();
    rights_and_registered_privileges_stand_beside_the_keys::<P>();
    the_set_of_a_key_is_written_although_its_row_is_late::<P>();
    what_opaque_keys_are_found_by_stands_in_the_table_from_its_first_answer_on::<P>();
    a_closed_table_admits_nobody_and_the_next_is_loaded::<P>();
    a_table_grows_by_a_load::<P>();
}

/// So long after the start of everything.
#[must_use]
pub fn after_start(millis: u64) -> Moment {
    Moment { monotonic: START.plus_millis(millis), wall: WALL_START.plus_millis(millis) }
}

/// A refresh at the start of everything.
#[must_use]
pub fn refresh() -> Refresh {
    Refresh { at: after_start(0), serves_ms: 60_000 }
}

/// Loads a table of that answer.
///
/// # Errors
///
/// [`WriteError`] when it cannot be published.
pub fn load<W: FeedTable>(
    writer: &W,
    answer: &Answer,
    refreshed: Option<Refresh>,
) -> Result<W::Live, WriteError> {
    let load = laid_out(writer, answer)?;
    let cursor = answer.rows.last().map_or(Cursor(0), FeedRow::seq);
    writer.publish(&load, &epoch(), cursor, answer.rows.len() as u64, refreshed)
}

fn laid_out<W: FeedTable>(writer: &W, answer: &Answer) -> Result<W::Load, WriteError> {
    let mut load = writer.begin(answer.rows.len() as u64, 7)?;
    writer.collect(&mut load, &answer.changes())?;
    while writer.lay_out(&mut load)? == Progress::Continues {}
    Ok(load)
}

fn loaded<W: FeedTable>(writer: &W, answer: &Answer) -> W::Live {
    let mut live = load(writer, answer, Some(refresh())).map_err(|_| "loaded").unwrap_or_else(fail);
    loop {
        match writer.sweep(&live).map_err(|_| "swept").unwrap_or_else(fail) {
            (Progress::Continues, next) => live = next,
            (Progress::Done, live) => return live,
        }
    }
}

/// What a reader tells of a key: the name of a live one, or what else.
#[must_use]
pub fn told(reader: &impl KeyTable, id: &str) -> String {
    match reader.find(&key_id(id), NOW) {
        Err(_) => "unreadable".to_owned(),
        Ok(None) => "no table".to_owned(),
        Ok(Some(Found::Nothing)) => "unknown".to_owned(),
        Ok(Some(Found::Removed)) => "removed".to_owned(),
        Ok(Some(Found::SetAside)) => "set aside".to_owned(),
        Ok(Some(Found::Key(record))) => {
            assert_eq!(record.texts(), Texts::Whole);
            record.text(|text| *text == RecordText::Name).unwrap_or_default().replace("%20", " ")
        }
    }
}

/// What a key may do, as JSON; what else when nobody can say.
#[must_use]
pub fn rights_told(reader: &impl KeyTable, id: &str) -> String {
    let Ok(Some(Found::Key(record))) = reader.find(&key_id(id), NOW) else { return "no key".to_owned() };
    let content = record.text(|text| *text == RecordText::Rights).and_then(ContentId::read);
    let Some(content) = content else { return "no rights".to_owned() };
    let read = |json: &[u8]| String::from_utf8_lossy(json).into_owned();
    match reader.attachment(&Attachment::Rights(content), NOW, read) {
        Ok(Some(json)) => json,
        other => format!("{other:?}"),
    }
}

fn registered_told(reader: &impl KeyTable) -> String {
    let read = |payload: &[u8]| {
        RegisteredView::read(payload).map(|view| String::from_utf8_lossy(view.json).into_owned())
    };
    format!("{:?}", reader.attachment(&Attachment::Privileges("shop"), NOW, read).map(Option::flatten))
}

const NOW: MonotonicMillis = START;

fn fail<T>(what: &str) -> T {
    unreachable!("it can be {what}")
}

fn process<P: TableProcess>() -> (P, P::Reader, P::Writer) {
    let process = P::new(&table_names());
    let (reader, writer) = (process.reader(), process.writer());
    (process, reader, writer)
}

fn there_is_no_table_before_a_load_is_whole<P: TableProcess>() {
    let (_process, reader, writer) = process::<P>();
    let answer = Answer::of(&[row(1, "k")]);
    let load = laid_out(&writer, &answer).map_err(|_| "loaded").unwrap_or_else(fail);
    assert_eq!(told(&reader, "k"), "no table");
    assert!(reader.age(after_start(0)) == Ok(None) && writer.live().is_none());
    assert!(writer.publish(&load, &epoch(), Cursor(1), 1, Some(refresh())).is_ok());
    assert_eq!(told(&reader, "k"), "as of 1");
}

fn every_reader_sees_a_change_at_its_next_look_up<P: TableProcess>() {
    let (process, one, writer) = process::<P>();
    let two = process.reader();
    let live = loaded(&writer, &Answer::of(&[row(1, "k"), row(2, "other")]));
    assert_eq!([told(&one, "k"), told(&two, "k")], ["as of 1", "as of 1"]);
    let before = (one.round(), two.round());
    assert_eq!(writer.apply(&live, &Answer::of(&[gone(3, "k"), row(4, "other")]).changes()), Ok(()));
    assert_eq!([told(&one, "k"), told(&two, "k")], ["removed", "removed"]);
    assert_eq!([told(&one, "other"), told(&two, "other")], ["as of 4", "as of 4"]);
    assert!(one.round() != before.0 && two.round() != before.1, "readers can tell that something changed");
}

fn a_load_replaces_the_whole_table<P: TableProcess>() {
    let (_process, reader, writer) = process::<P>();
    let first = loaded(&writer, &Answer::of(&[row(1, "revoked"), row(2, "kept")]));
    assert_eq!(told(&reader, "revoked"), "as of 1");
    let second = loaded(&writer, &Answer::of(&[row(2, "kept"), gone(3, "revoked")]));
    assert!(second.generation() > first.generation());
    assert_eq!([told(&reader, "revoked"), told(&reader, "kept")], ["removed", "as of 2"]);
    let late = writer.advance(&first, Cursor(9), 9, FeedStanding::MoreFollows { purged: Cursor(0) });
    assert_eq!(late.err(), Some(WriteError::Deposed), "nobody writes the table that was replaced");
}

fn an_abandoned_load_is_never_seen_and_its_follower_is_stopped<P: TableProcess>() {
    let (_process, reader, writer) = process::<P>();
    let ghost = laid_out(&writer, &Answer::of(&[row(1, "ghost")])).map_err(|_| "loaded").unwrap_or_else(fail);
    loaded(&writer, &Answer::of(&[row(2, "k")]));
    let late = writer.publish(&ghost, &epoch(), Cursor(3), 1, Some(refresh()));
    assert_eq!(late.err(), Some(WriteError::Deposed));
    assert_eq!([told(&reader, "ghost"), told(&reader, "k")], ["unknown", "as of 2"]);
}

fn a_deposed_follower_cannot_undo_a_revocation<P: TableProcess>() {
    let (process, reader, writer) = process::<P>();
    let live = loaded(&writer, &Answer::of(&[row(1, "k")]));
    assert_eq!(writer.apply(&live, &Answer::of(&[gone(9, "k")]).changes()), Ok(()));
    let _ = process.writer().apply(
        &process.writer().live().unwrap_or_else(|| fail("live")),
        &Answer::of(&[row(5, "k")]).changes(),
    );
    assert_eq!(told(&reader, "k"), "removed");
}

fn a_follower_whose_turn_is_over_does_not_say_how_far_the_table_is<P: TableProcess>() {
    let (process, _, writer) = process::<P>();
    let before = loaded(&writer, &Answer::of(&[row(1, "k")]));
    let other = process.writer();
    let live = other.take_over().ok().flatten().unwrap_or_else(|| fail("taken over"));
    let late = writer.advance(&before, Cursor(3), 1, FeedStanding::Current(refresh()));
    assert_eq!(late.err(), Some(WriteError::Deposed));
    assert_eq!(writer.begin(1, 7).err(), Some(WriteError::Deposed));
    let advanced = other.advance(&live, Cursor(2), 1, FeedStanding::MoreFollows { purged: Cursor(0) });
    let told = advanced.map(|live| (live.cursor(), live.more_follows()));
    assert_eq!(told, Ok((Cursor(2), Some(Cursor(0)))));
}

fn a_load_whose_follower_has_lost_its_turn_never_becomes_live<P: TableProcess>() {
    let (process, reader, writer) = process::<P>();
    loaded(&writer, &Answer::of(&[row(1, "k")]));
    let load = laid_out(&writer, &Answer::of(&[row(1, "k")])).map_err(|_| "loaded").unwrap_or_else(fail);
    let other = process.writer();
    let live = other.take_over().ok().flatten().unwrap_or_else(|| fail("taken over"));
    assert_eq!(other.apply(&live, &Answer::of(&[gone(2, "k")]).changes()), Ok(()));
    let late = writer.publish(&load, &epoch(), Cursor(1), 1, Some(refresh()));
    assert_eq!((late.err(), told(&reader, "k")), (Some(WriteError::Deposed), "removed".to_owned()));
}

fn the_cursor_never_goes_back<P: TableProcess>() {
    let (_process, _, writer) = process::<P>();
    let live = loaded(&writer, &Answer::of(&[row(7, "k")]));
    let later = writer.advance(&live, Cursor(3), 0, FeedStanding::MoreFollows { purged: Cursor(0) });
    assert_eq!(later.map(|live| (live.cursor(), live.keys())).ok(), Some((Cursor(7), 1)));
}

fn a_removed_key_is_told_from_an_unknown_one_until_the_service_forgets_it<P: TableProcess>() {
    let (_process, reader, writer) = process::<P>();
    let live = loaded(&writer, &Answer::of(&[gone(1, "old"), gone(2, "late"), row(3, "old-k")]));
    assert_eq!([told(&reader, "old"), told(&reader, "late")], ["removed", "removed"]);
    assert_eq!(told(&reader, "never"), "unknown");
    // Whatever changes beside them lets go of what is forgotten.
    for (seq, id) in (4..).zip(["old", "late"]) {
        let forgets = Answer { purged: 3, ..Answer::of(&[row(seq, id)]) };
        assert_eq!(writer.apply(&live, &forgets.changes()), Ok(()));
        assert_eq!(writer.apply(&live, &Answer::of(&[gone(seq + 2, id)]).changes()), Ok(()));
    }
    assert_eq!([told(&reader, "old"), told(&reader, "late")], ["removed", "removed"]);
    let forgets = Answer { purged: 9, ..Answer::of(&[row(10, "old")]) };
    assert_eq!(writer.apply(&live, &forgets.changes()), Ok(()));
    assert_eq!(told(&reader, "old"), "as of 10");
}

fn a_table_is_as_old_as_its_last_refresh<P: TableProcess>() {
    let (process, _, writer) = process::<P>();
    let live = loaded(&writer, &Answer::of(&[row(1, "k")]));
    let age = |now| process.reader().age(after_start(now));
    let is = |ms| Ok(Some(TableAge { ms, wall_ms: ms, serves_ms: 60_000 }));
    assert_eq!(age(700), is(700));
    let again = Refresh { at: after_start(500), ..refresh() };
    assert!(writer.advance(&live, Cursor(1), 1, FeedStanding::MoreFollows { purged: Cursor(0) }).is_ok());
    assert_eq!(age(700), is(700), "more follows, so it is not current");
    assert!(writer.advance(&live, Cursor(1), 1, FeedStanding::Current(again)).is_ok());
    assert_eq!(age(700), is(200));
    let ended = writer.advance(&live, Cursor(1), 1, FeedStanding::CredentialEnded);
    assert_eq!((ended.map(|live| live.credential_ended()), age(700)), (Ok(true), is(200)));
}

fn a_load_whose_credential_has_ended_is_as_old_as_what_it_replaces<P: TableProcess>() {
    let (process, _, writer) = process::<P>();
    let answer = Answer::of(&[row(1, "k")]);
    assert_eq!(load(&writer, &answer, None).err(), Some(WriteError::Deposed), "there is nothing to replace");
    loaded(&writer, &answer);
    let live = load(&writer, &answer, None);
    assert_eq!(live.map(|live| live.credential_ended()), Ok(true));
    let age = process.reader().age(after_start(700));
    assert_eq!(age.map(|age| age.map(|age| age.ms)), Ok(Some(700)));
}

fn rights_and_registered_privileges_stand_beside_the_keys<P: TableProcess>() {
    let (_process, reader, writer) = process::<P>();
    let [one, two] = ["one", "two"].map(|set| format!(r#"{{"limited_by":{{"cluster":["{set}"]}}}}"#));
    let mut answer = Answer::of(&[row(1, "a"), row(2, "b")]);
    answer.rights = ["a", "b"].map(|id| (key_id(id), one.clone())).into();
    answer.registered = Some((3, r#"{"read":["data:1"]}"#.to_owned()));
    let live = loaded(&writer, &answer);
    assert_eq!([rights_told(&reader, "a"), rights_told(&reader, "b")], [one.clone(), one.clone()]);
    assert!(registered_told(&reader).contains("data:1"), "{}", registered_told(&reader));
    let mut next = Answer { after: 3, ..Answer::of(&[row(4, "b"), row(6, "c")]) };
    next.rights = [(key_id("b"), two.clone())].into();
    next.registered = Some((5, r#"{"read":["data:2"]}"#.to_owned()));
    assert_eq!(writer.apply(&live, &next.changes()), Ok(()));
    assert_eq!([rights_told(&reader, "a"), rights_told(&reader, "b")], [one, two]);
    assert_eq!(rights_told(&reader, "c"), "no rights");
    assert!(registered_told(&reader).contains("data:2"));
}

fn the_set_of_a_key_is_written_although_its_row_is_late<P: TableProcess>() {
    let (_process, reader, writer) = process::<P>();
    let rights = r#"{"limited_by":{"cluster":["late"]}}"#;
    let live = loaded(&writer, &Answer::of(&[]));
    let with =
        |seq| Answer { rights: [(key_id("k"), rights.to_owned())].into(), ..Answer::of(&[row(seq, "k")]) };
    for answer in [with(9), with(5)] {
        assert_eq!(writer.apply(&live, &answer.changes()), Ok(()));
    }
    assert_eq!((told(&reader, "k"), rights_told(&reader, "k")), ("as of 9".to_owned(), rights.to_owned()));
}

fn what_opaque_keys_are_found_by_stands_in_the_table_from_its_first_answer_on<P: TableProcess>() {
    let (_process, reader, writer) = process::<P>();
    assert_eq!(reader.opaque_key_pepper(NOW), Ok(None), "there is no table");
    let live = loaded(&writer, &Answer::of(&[row(4, "a")]));
    assert_eq!(reader.opaque_key_pepper(NOW), Ok(Some(None)), "there are no such keys");
    let pepper = Some(OpaqueKeyPepper::from_bytes([9; 32]));
    let later = Answer { pepper: pepper.clone(), after: 4, ..Answer::of(&[]) };
    assert_eq!(writer.apply(&live, &later.changes()), Ok(()));
    assert_eq!(reader.opaque_key_pepper(NOW), Ok(Some(pepper.clone())), "an answer without rows brings it");
    // Every answer says it, and that changes nothing of the keys that stand beside it.
    let rows: Vec<_> = (5..300).map(|seq| row(seq, &format!("key-{seq}"))).collect();
    let more = Answer { pepper: pepper.clone(), after: 4, ..Answer::of(&rows) };
    assert_eq!(writer.apply(&live, &more.changes()), Ok(()));
    assert_eq!(
        (told(&reader, "a"), told(&reader, "key-299")),
        ("as of 4".to_owned(), "as of 299".to_owned())
    );
    let mut load = writer.begin(300, 7).map_err(|_| "begun").unwrap_or_else(fail);
    for answer in [&later, &more] {
        assert_eq!(writer.collect(&mut load, &answer.changes()), Ok(()));
    }
    while writer.lay_out(&mut load) == Ok(Progress::Continues) {}
    assert!(writer.publish(&load, &epoch(), Cursor(299), 296, Some(refresh())).is_ok());
    assert_eq!(reader.opaque_key_pepper(NOW), Ok(Some(pepper)), "a load brings it too");
    assert_eq!(told(&reader, "key-299"), "as of 299");
}

fn a_closed_table_admits_nobody_and_the_next_is_loaded<P: TableProcess>() {
    let (process, reader, writer) = process::<P>();
    let live = loaded(&writer, &Answer::of(&[row(1, "k")]));
    let mut clearing = writer.close().map_err(|_| "closed").unwrap_or_else(fail);
    while writer.clear(&mut clearing) == Progress::Continues {}
    assert_eq!(told(&process.reader(), "k"), "no table");
    let late = writer.advance(&live, Cursor(2), 1, FeedStanding::MoreFollows { purged: Cursor(0) });
    assert_eq!(late.err(), Some(WriteError::Deposed));
    loaded(&writer, &Answer::of(&[row(2, "k")]));
    assert_eq!(told(&process.reader(), "k"), "as of 2");
    drop(reader);
}

fn a_table_grows_by_a_load<P: TableProcess>() {
    let (_process, reader, writer) = process::<P>();
    let rows: Vec<_> = (1..=2_000).map(|seq| row(seq, &format!("key-{seq}"))).collect();
    let small = loaded(&writer, &Answer::of(&[]));
    assert_eq!(writer.apply(&small, &Answer::of(&rows).changes()), Ok(()));
    assert!(small.is_outgrown_by(2_000) && !small.is_outgrown_by(2));
    let large = loaded(&writer, &Answer::of(&rows));
    assert!(!large.is_outgrown_by(2_000));
    for seq in 1..=2_000 {
        assert_eq!(told(&reader, &format!("key-{seq}")), format!("as of {seq}"));
    }
}

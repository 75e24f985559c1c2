//! What a table of a million keys takes: memory, the time of a load, and the time of a look-up.

use std::hint::black_box;
use std::io::{self, Write as _};
use std::time::Instant;

use latchkey_filter::refresh::FeedSink as _;
use latchkey_filter::table::{FeedTable as _, KeyTable as _, Progress};
use latchkey_filter::testing::START;
use latchkey_filter::testing::any_table::refresh;
use latchkey_filter::testing::feed_answers::{Answer, epoch, key_id, row, table_names};
use latchkey_key_feed::Cursor;
use latchkey_memory_table::MemoryTables;

const ROWS_AN_ANSWER: u64 = 1_000;
const LOOK_UPS: usize = 2_000_000;
const BATCH: usize = 500;

fn main() -> io::Result<()> {
    for keys in [1_000, 1_000_000] {
        measure(keys)?;
    }
    Ok(())
}

fn id(number: u64) -> String {
    format!("VuaCfGcBCdbk{number:08}")
}

fn measure(keys: u64) -> io::Result<()> {
    let tables = MemoryTables::new();
    let names = table_names();
    let (sink, reader) = (tables.sink(&names), tables.table(&names));
    let writer = sink.table();
    let before = resident();
    let Ok(mut load) = writer.begin(keys, 7) else { return Ok(()) };
    let (mut reading, mut collecting, mut slices) = (0.0, 0.0, Vec::new());
    for first in (1..=keys).step_by(ROWS_AN_ANSWER as usize) {
        let rows: Vec<_> = (first..first + ROWS_AN_ANSWER).map(|seq| row(seq, &id(seq))).collect();
        let answer = Answer { after: first - 1, ..Answer::of(&rows) }.to_json();
        let start = Instant::now();
        let Ok((_, changes)) = writer.read(&answer, Cursor(first - 1)) else { continue };
        reading += start.elapsed().as_secs_f64();
        let start = Instant::now();
        let _ = writer.collect(&mut load, &changes);
        collecting += start.elapsed().as_secs_f64();
    }
    let begun = Instant::now();
    loop {
        let start = Instant::now();
        let progress = writer.lay_out(&mut load);
        slices.push(start.elapsed().as_secs_f64());
        if progress != Ok(Progress::Continues) {
            break;
        }
    }
    let laying_out = begun.elapsed().as_secs_f64();
    slices.sort_by(f64::total_cmp);
    let slice_ms = slices.get(slices.len() / 2).copied().unwrap_or_default() * 1e3;
    let _ = writer.publish(&load, &epoch(), Cursor(keys), keys, Some(refresh()));
    drop(load);
    let resident = resident().saturating_sub(before);
    let mut out = io::stdout();
    writeln!(
        out,
        "{keys} keys: {:.1} bytes a key ({} resident), reading {reading:.2} s, collecting {collecting:.2} s, \
         laying out {laying_out:.2} s in {} slices of {slice_ms:.1} ms",
        reader.bytes() as f64 / keys as f64,
        resident / keys as usize,
        slices.len()
    )?;
    let ids: Vec<_> =
        (0..LOOK_UPS as u64).map(|n| key_id(&id(1 + n.wrapping_mul(0x9E37_79B1) % keys))).collect();
    // Of many batches, because others work on this machine as well.
    let batches = ids.chunks(BATCH).map(|batch| {
        let start = Instant::now();
        for id in batch {
            let _ = black_box(reader.find(id, START));
        }
        start.elapsed().as_nanos() as usize / BATCH
    });
    let mut batches: Vec<_> = batches.collect();
    batches.sort_unstable();
    let [quick, median] = [10, 2].map(|part| batches.get(batches.len() / part).copied().unwrap_or_default());
    writeln!(out, "  a look-up: {median} ns in the median of batches, {quick} ns in the quickest tenth")
}

/// The resident memory of this process, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or_default() * 4_096
}

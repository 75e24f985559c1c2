//! How fast the feed hands out rows to followers that each ask for one page after the other, as a first load
//! does.

use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use latchkey_filter::limits::FEED_ROWS_PER_POLL;
use latchkey_key_feed::{Cursor, FeedRequest};
use latchkey_local_stack::http::Request;
use latchkey_local_stack::http::http1::Http1Connection;
use latchkey_local_stack::key_service::{CreatedKey, KeyServiceClient};

use crate::bench::Bench;
use crate::figure::{Figure, Target};
use crate::key_set::KeySet;
use crate::report::{Report, Table};
use crate::samples::Samples;
use crate::service::place::Database;

/// How it is read: the name of the figure, how many read at once, and how many rows they ask for.
const WAYS: [(&str, usize, u64); 3] =
    [("as-the-filter", 1, FEED_ROWS_PER_POLL), ("largest-pages", 1, 10_000), ("together", 4, 10_000)];

/// What one reading of the whole feed found.
struct Reading {
    rows: u64,
    bytes: u64,
    seconds: f64,
}

/// Measures both databases.
///
/// # Errors
///
/// When a request fails, or rows are missing.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let keys = KeySet { count: bench.extent.choose(200_000, 100_000) };
    let columns =
        ["Database", "One, pages as the filter asks for", "One, the largest pages", "Four together"];
    let mut table = Table::new("Rows of the feed that followers read in a second", &columns);
    for database in Database::ALL {
        let place = database.start(bench, Some(keys))?;
        if let Some(bytes) = place.data_bytes()? {
            let each = bytes as f64 / f64::from(keys.count);
            report.add(Figure::new("service/store/bytes-a-key", "bytes", each));
        }
        let client = place.client()?;
        let feed_key = client.create_feed_key()?;
        let mut cells = Vec::new();
        for (name, followers, rows_a_page) in WAYS {
            let (mut rates, mut row_bytes) = (Vec::new(), 0.0);
            for _ in 0..bench.extent.choose(5, 2) {
                let reading = read_together(client, &feed_key, followers, rows_a_page)?;
                let all = followers as u64 * u64::from(keys.count);
                ensure!(reading.rows >= all, "{} rows only", reading.rows);
                rates.push(reading.rows as f64 / reading.seconds);
                row_bytes = reading.bytes as f64 / reading.rows as f64;
            }
            let name = format!("service/{}/feed-rows/{name}", database.name());
            let figure = Figure::of(name, "/s", &Samples::new(rates)?);
            let is_judged = rows_a_page != FEED_ROWS_PER_POLL;
            let figure = if is_judged { figure.with_target(Target::AtLeast(200_000.0)) } else { figure };
            cells.push(report.add(figure).shown());
            if database == Database::Sqlite && !is_judged {
                report.add(Figure::new("service/feed/row-bytes", "bytes", row_bytes));
            }
        }
        table.row(database.title(), cells);
    }
    report.table(table);
    Ok(())
}

/// The whole feed for each of so many followers at once; the time is that of the last.
fn read_together(
    client: &KeyServiceClient,
    key: &CreatedKey,
    followers: usize,
    rows_a_page: u64,
) -> Result<Reading> {
    let readings = thread::scope(|scope| {
        let reading: Vec<_> =
            (0..followers).map(|_| scope.spawn(|| read_all(client, key, rows_a_page))).collect();
        let read = reading.into_iter().map(|follower| follower.join().ok().context("a follower panicked")?);
        read.collect::<Result<Vec<_>>>()
    })?;
    Ok(readings.into_iter().fold(Reading { rows: 0, bytes: 0, seconds: 0.0 }, |all, one| Reading {
        rows: all.rows + one.rows,
        bytes: all.bytes + one.bytes,
        seconds: all.seconds.max(one.seconds),
    }))
}

fn read_all(client: &KeyServiceClient, key: &CreatedKey, rows_a_page: u64) -> Result<Reading> {
    let mut connection = Http1Connection::open(client.address())?;
    let (mut reading, mut after) = (Reading { rows: 0, bytes: 0, seconds: 0.0 }, 0);
    let began = Instant::now();
    loop {
        let request =
            FeedRequest { after: Cursor(after), limit: Some(rows_a_page), ..FeedRequest::default() };
        let mut path = "/_latchkey/feed".to_owned();
        request.push_query(&mut path);
        let answer = connection.exchange(&Request::get(&path).api_key(&key.encoded))?;
        ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
        let body = answer.text();
        reading.bytes += body.len() as u64;
        reading.rows += body.matches("\"seq\":").count() as u64;
        // A reader of the whole would be slower than the service.
        after = number_after(&body, "\"cursor\":").context("an answer has a cursor")?;
        if !body.contains("\"more\":true") {
            reading.seconds = began.elapsed().as_secs_f64();
            return Ok(reading);
        }
    }
}

fn number_after(text: &str, name: &str) -> Option<u64> {
    let rest = text.split_once(name)?.1;
    rest.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_is_found_in_an_answer() {
        assert_eq!(number_after("{\"epoch\":\"e\",\"cursor\":17,\"total\":3}", "\"cursor\":"), Some(17));
        assert_eq!(number_after("{}", "\"cursor\":"), None);
    }
}

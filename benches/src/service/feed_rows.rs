//! How fast the feed hands out rows to one follower that asks for one page after the other, as a first load does.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use latchkey_filter::limits::FEED_ROWS_PER_POLL;
use latchkey_local_stack::http::Request;
use latchkey_local_stack::http::http1::Http1Connection;
use latchkey_local_stack::key_service::{CreatedKey, KeyServiceClient};

use crate::bench::Bench;
use crate::figure::{Figure, Target};
use crate::key_set::KeySet;
use crate::report::{Report, Table};
use crate::samples::Samples;
use crate::service::place::Database;

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
    let columns = ["Database", "Pages as the filter asks for", "The largest pages"];
    let mut table = Table::new("Rows of the feed that one follower reads in a second", &columns);
    for database in Database::ALL {
        let place = database.start(bench, Some(keys))?;
        let client = place.client()?;
        let feed_key = client.create_feed_key()?;
        let mut cells = Vec::new();
        for (name, rows_a_page) in [("as-the-filter", FEED_ROWS_PER_POLL), ("largest-pages", 10_000)] {
            let (mut rates, mut row_bytes) = (Vec::new(), 0.0);
            for _ in 0..bench.extent.choose(5, 2) {
                let reading = read_all(client, &feed_key, rows_a_page)?;
                ensure!(reading.rows >= u64::from(keys.count), "{} rows only", reading.rows);
                rates.push(reading.rows as f64 / reading.seconds);
                row_bytes = reading.bytes as f64 / reading.rows as f64;
            }
            let name = format!("service/{}/feed-rows/{name}", database.name());
            let figure = Figure::of(name, "/s", &Samples::new(rates)?);
            let figure = if rows_a_page == FEED_ROWS_PER_POLL {
                figure
            } else {
                figure.with_target(Target::AtLeast(200_000.0))
            };
            cells.push(report.add(figure).shown());
            if database == Database::Sqlite && rows_a_page == FEED_ROWS_PER_POLL {
                report.add(Figure::new("service/feed/row-bytes", "bytes", row_bytes));
            }
        }
        table.row(database.title(), cells);
    }
    report.table(table);
    Ok(())
}

fn read_all(client: &KeyServiceClient, key: &CreatedKey, rows_a_page: u32) -> Result<Reading> {
    let mut connection = Http1Connection::open(client.address())?;
    let (mut reading, mut after) = (Reading { rows: 0, bytes: 0, seconds: 0.0 }, 0);
    let began = Instant::now();
    loop {
        let path = format!("/_latchkey/feed?after={after}&limit={rows_a_page}");
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

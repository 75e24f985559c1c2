//! What a login costs the service: the first with a password, which is hashed, those after it, and a request with an API key beside both.

use std::time::Instant;

use anyhow::{Result, ensure};
use latchkey_local_stack::http::Request;
use latchkey_local_stack::http::http1::Http1Connection;
use latchkey_local_stack::key_service::KeyServiceClient;
use serde_json::json;

use crate::bench::Bench;
use crate::figure::{Figure, Target};
use crate::report::{Report, Table};
use crate::samples::Samples;
use crate::service::place::Database;

/// Who logs in, and how.
const USERNAME: &str = "measured";
const PASSWORD: &str = "correct horse battery";

/// A request that does nothing but say who asks.
const WHO: &str = "/_security/_authenticate";

/// A request by which the service forgets which passwords it has verified.
const FORGET: &str = "/_security/realm/native/_clear_cache";

/// Times of a request, in microseconds, an entry each.
#[derive(Clone, Debug, Default)]
struct Times {
    by_key: Vec<f64>,
    first: Vec<f64>,
    later: Vec<f64>,
}

/// Measures the kinds of login in turns, so that whatever else the machine does falls on all of them.
///
/// # Errors
///
/// When a request fails.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let (rounds, requests) = bench.extent.choose((40, 50), (20, 20));
    let place = Database::Sqlite.start(bench, None)?;
    let times = times(place.client()?, rounds, requests)?;
    let by_key = Samples::new(times.by_key)?;
    let columns = ["Who asks", "Time of a request", "Beside an API key"];
    let mut table = Table::new("What a login costs the key service", &columns);
    let shown = report.add(Figure::of("logins/api-key", "µs", &by_key)).shown();
    table.row("an API key", [shown, "1".to_owned()]);
    for (about, name, numbers, target) in [
        ("a password for the first time, which is hashed", "first-password", times.first, None),
        ("the same password again", "later-password", times.later, Some(Target::AtMost(2.0))),
    ] {
        let samples = Samples::new(numbers)?;
        let time = report.add(Figure::of(format!("logins/{name}"), "µs", &samples)).shown();
        let ratio = Figure::ratio(format!("logins/{name}/ratio"), &samples, &by_key)?;
        let ratio = target.map_or(ratio.clone(), |target| ratio.with_target(target));
        table.row(about, [time, report.add(ratio).shown()]);
    }
    report.table(table);
    Ok(())
}

fn times(admin: &KeyServiceClient, rounds: usize, requests: usize) -> Result<Times> {
    let user = json!({"password": PASSWORD, "roles": []});
    let made = admin.send(Request::new("PUT", &format!("/_security/user/{USERNAME}")).json(&user))?;
    ensure!(made.status == 200, "{} {}", made.status, made.text());
    let key = admin.create_key(&json!({"name": "measures", "role_descriptors": {"none": {}}}))?;
    let person = KeyServiceClient::of_user(admin.address(), USERNAME, PASSWORD);
    let by_password = || Request::get(WHO).header("authorization", person.authorization());
    let by_key = || Request::get(WHO).api_key(&key.encoded);
    let mut connection = Http1Connection::open(admin.address())?;
    let mut times = Times::default();
    for _ in 0..rounds {
        let forgotten = admin.send(Request::new("POST", FORGET))?;
        ensure!(forgotten.status == 200, "{} {}", forgotten.status, forgotten.text());
        times.first.push(time(&mut connection, &by_password())?);
        for _ in 0..requests {
            times.later.push(time(&mut connection, &by_password())?);
            times.by_key.push(time(&mut connection, &by_key())?);
        }
    }
    Ok(times)
}

/// From the request to its whole answer, in microseconds.
fn time(connection: &mut Http1Connection, request: &Request) -> Result<f64> {
    let began = Instant::now();
    let answer = connection.exchange(request)?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
    Ok(began.elapsed().as_secs_f64() * 1e6)
}

//! How long pages of the console take, with a thousand keys and with a million.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use latchkey_local_stack::http::Request;
use latchkey_local_stack::http::http1::Http1Connection;
use latchkey_local_stack::key_service::KeyServiceClient;

use crate::bench::Bench;
use crate::edge::edge_stack::KeyService;
use crate::figure::{Figure, Target};
use crate::key_set::KeySet;
use crate::report::{Report, Table};
use crate::samples::Samples;

/// The pages: what the table calls each, its figure, its address, and what it may take in milliseconds with the most keys.
const PAGES: [(&str, &str, &str, Option<f64>); 4] = [
    ("the first page of keys", "first-page", "/console/keys", Some(300.0)),
    ("the first page by name", "by-name", "/console/keys?sort=name", None),
    ("a search by a part of the name", "search", "/console/keys?q=key-77", None),
    ("who one is", "me", "/console/me", None),
];

/// The section.
///
/// # Errors
///
/// When a page is not shown.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let most = bench.extent.choose(1_000_000, 10_000);
    let rounds = bench.extent.choose(5, 3);
    let mut table =
        Table::new("How long pages of the console take", &["Page", "A thousand keys", "The most keys"]);
    report.add(Figure::new("console/keys", "keys", f64::from(most)));
    let few = times(&KeyService::start(bench, KeySet { count: 1_000 })?, rounds)?;
    let many = times(&KeyService::start(bench, KeySet { count: most })?, rounds)?;
    for (((about, name, _, limit), few), many) in PAGES.into_iter().zip(few).zip(many) {
        let few =
            report.add(Figure::of(format!("console/{name}/thousand"), "ms", &Samples::new(few)?)).shown();
        let figure = Figure::of(format!("console/{name}"), "ms", &Samples::new(many)?);
        let target = limit.map(Target::AtMost).filter(|_| bench.extent.choose(true, false));
        let figure = target.map_or(figure.clone(), |target| figure.with_target(target));
        table.row(about, [few, report.add(figure).shown()]);
    }
    report.table(table);
    Ok(())
}

/// For each page how long it took, in milliseconds, from the request to the whole answer.
fn times(service: &KeyService, rounds: usize) -> Result<[Vec<f64>; 4]> {
    let client = service.process.client();
    let mut connection = Http1Connection::open(client.address())?;
    let cookie = log_in(client, &mut connection)?;
    let mut times: [Vec<f64>; 4] = Default::default();
    for _ in 0..rounds {
        for ((_, _, path, _), times) in PAGES.iter().zip(&mut times) {
            let request = Request::get(path).header("cookie", &cookie);
            let began = Instant::now();
            let answer = connection.exchange(&request)?;
            ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.text());
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
    }
    Ok(times)
}

/// The cookie of a session.
fn log_in(client: &KeyServiceClient, connection: &mut Http1Connection) -> Result<String> {
    let form = format!("username=elastic&password={}", client.password());
    let request = Request::new("POST", "/console/login").body(form);
    let answer = connection.exchange(&request.header("content-type", "application/x-www-form-urlencoded"))?;
    let cookies = answer.headers.iter().filter(|(name, _)| name == "set-cookie");
    let cookie =
        cookies.map(|(_, value)| String::from_utf8_lossy(value)).next().context("nobody is logged in")?;
    Ok(cookie.split(';').next().unwrap_or_default().to_owned())
}

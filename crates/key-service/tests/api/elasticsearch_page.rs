//! `docs/elasticsearch.md` against the router: its table of endpoints has every method of every route that Elasticsearch has too, and no
//! other, and what it says is not there is not there. Each row names the tests that hold it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use axum::http::{Method, StatusCode};

use super::service::Service;

/// How the paths begin that Elasticsearch does not have.
const OWN: [&str; 5] = ["/_latchkey/", "/livez", "/readyz", "/healthz", "/metrics"];

/// A row of a table: its cells.
type Row = Vec<String>;

#[tokio::test]
async fn the_page_has_the_endpoints_of_the_router_and_no_other() {
    let told: Vec<(String, String)> =
        table("## Endpoints").iter().flat_map(|row| endpoints(&row[0])).collect();
    let unique: BTreeSet<(String, String)> = told.iter().cloned().collect();
    assert_eq!(unique.len(), told.len(), "an endpoint is there twice");
    // Another test compares the OpenAPI document with the router.
    let document = Service::new().await.anonymous().get("/_latchkey/openapi.json").await.json();
    let paths = document["paths"].as_object().unwrap().iter();
    let routes: BTreeSet<(String, String)> = paths
        .filter(|(path, _)| !OWN.iter().any(|own| path.starts_with(own)))
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys().filter(|name| *name != "parameters");
            methods.map(|method| (method.to_uppercase(), path.clone()))
        })
        .collect();
    assert_eq!(unique, routes);
}

#[test]
fn every_row_names_tests_that_are_there() {
    let rows = table("## Endpoints");
    assert!(rows.len() > 20, "{rows:?}");
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api");
    for row in rows {
        let named = spans(&row[2]);
        assert!(!named.is_empty(), "{row:?}");
        for name in named {
            let file = tests.join(&name).with_extension("rs");
            assert!(file.is_file(), "{} is not there: {row:?}", file.display());
        }
    }
}

#[tokio::test]
async fn what_the_page_says_is_not_there_is_not_there() {
    let service = Service::new().await;
    let absent = table("## What is not there");
    let paths: Vec<String> = absent.iter().flat_map(|row| spans(&row[0])).collect();
    assert!(paths.len() > 5, "{paths:?}");
    for path in paths {
        let path = path.replace('…', "x");
        for method in [Method::GET, Method::POST] {
            let answer = service.anonymous().request(method.clone(), &path, None).await;
            let expected =
                format!(r#"{{"error":"no handler found for uri [{path}] and method [{method}]"}}"#);
            assert_eq!((answer.status, answer.text), (StatusCode::BAD_REQUEST, expected));
        }
    }
}

/// Each method with each path of a cell: `GET`, `POST /_a`, `/_b` are four.
fn endpoints(cell: &str) -> Vec<(String, String)> {
    let mut methods = Vec::new();
    let mut paths = Vec::new();
    for span in spans(cell) {
        let (method, path) = match span.split_once(' ') {
            Some((method, path)) => (Some(method), Some(path)),
            None if span.starts_with('/') => (None, Some(span.as_str())),
            None => (Some(span.as_str()), None),
        };
        methods.extend(method.map(str::to_owned));
        paths.extend(path.map(str::to_owned));
    }
    methods.iter().flat_map(|method| paths.iter().map(|path| (method.clone(), path.clone()))).collect()
}

/// What stands between backticks.
fn spans(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The rows of the first table below a heading.
fn table(heading: &str) -> Vec<Row> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/elasticsearch.md");
    let text = fs::read_to_string(page).unwrap();
    let lines = text.lines().skip_while(|line| *line != heading).skip_while(|line| !line.starts_with('|'));
    let rows = lines.take_while(|line| line.starts_with('|')).skip(2);
    let cells = |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    rows.map(cells).collect()
}

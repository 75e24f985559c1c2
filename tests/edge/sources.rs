//! Places of a credential that the operator names: what they mean at the edge, what the upstream sees of
//! them, and that no log shows a secret.

use std::thread;

use latchkey_local_stack::envoy_config::EnvoyConfig;
use latchkey_local_stack::fake_key_service::{FakeKeyService, FeedManner};
use latchkey_local_stack::http::http1::{self, Http1Connection};
use latchkey_local_stack::http::{Request, Response, http2};
use latchkey_local_stack::upstream::SeenRequest;
use serde_json::{Value, json};

use crate::stage::{Stage, configure, encoded, epoch, key};

#[path = "../cases/sources.rs"]
mod cases;

use cases::{CASES, Meaning, SOURCES};

/// Marked, so that a leak is found. The Base64 of the id and each of these has no padding, and stands in a
/// query as it is.
const GOOD_SECRET: &str = "good-secret-5e8a";
const WRONG_SECRET: &str = "wrong-secret-c07d";

fn with_sources(config: &mut EnvoyConfig) {
    configure(config, "/credential_sources", serde_json::from_str(SOURCES).unwrap());
}

/// The case's request to a path of its own.
fn request(index: usize, target: &str, headers: &[(&str, &str)]) -> Request {
    headers
        .iter()
        .fold(Request::get(&moved(index, target)), |request, (name, value)| request.header(name, value))
}

fn moved(index: usize, target: &str) -> String {
    let rest = target.strip_prefix("/s").unwrap();
    format!("/case-{index}/s{rest}")
}

/// The entry of the access log for the only request whose path begins so.
fn logged(stage: &Stage, path: &str) -> Value {
    let entry = || {
        let log = stage.envoy.log().stdout();
        let mut entries = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        entries.find(|entry| entry["path"].as_str().is_some_and(|logged| logged.starts_with(path)))
    };
    stage.until("the access log has the request", || entry().is_some());
    entry().unwrap()
}

/// The headers of the cases that the upstream has seen, by name.
fn seen_headers(seen: &SeenRequest) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    for name in ["authorization", "cookie", "x-api-key", "x-other", "x-plain-key", "x_api_key"] {
        headers.extend(seen.header_values(name).into_iter().map(|value| (name.to_owned(), value)));
    }
    headers
}

/// The only request to this path; the upstream has seen these headers of it.
#[track_caller]
fn arrived(stage: &Stage, name: &str, target: &str, headers: &[(&str, &str)]) {
    let seen = stage.upstream.requests_to(target);
    assert_eq!(seen.len(), 1, "{name}: {target}");
    let mut expected: Vec<_> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    expected.sort();
    let mut found = seen_headers(&seen[0]);
    found.sort();
    assert_eq!(found, expected, "{name}");
}

#[track_caller]
fn refused(stage: &Stage, name: &str, index: usize, answer: &Response, reason: &str) {
    assert_eq!(answer.status, 401, "{name}: {}", answer.text());
    let entry = logged(stage, &format!("/case-{index}/"));
    assert_eq!(entry["details"], json!(format!("latchkey_{reason}")), "{name}");
}

#[test]
fn every_case_means_at_the_edge_what_it_means_to_the_parser() {
    let stage = Stage::with_keys(Vec::new(), with_sources);
    for (index, case) in CASES.iter().enumerate() {
        let request = request(index, case.target, case.headers);
        match case.meaning {
            Meaning::Key { id, secret, target, headers } => {
                stage.keys.put(key(id, secret));
                stage.await_admitted(&encoded(id, secret));
                let answer = stage.send(&request);
                assert_eq!(answer.status, 200, "{}: {}", case.name, answer.text());
                arrived(&stage, case.name, &moved(index, target), headers);
            }
            Meaning::Absent => refused(&stage, case.name, index, &stage.send(&request), "credential_missing"),
            Meaning::Malformed(reason) => refused(&stage, case.name, index, &stage.send(&request), reason),
        }
    }
    stage.assert_no_vm_died();
}

#[test]
fn where_a_key_is_optional_what_is_no_key_stays_for_the_upstream() {
    let stage = Stage::with_keys(Vec::new(), |config| {
        with_sources(config);
        configure(config, "/authentication", json!("optional"));
    });
    for (index, case) in CASES.iter().enumerate() {
        let request = request(index, case.target, case.headers);
        let answer = stage.send(&request);
        match case.meaning {
            Meaning::Key { .. } => refused(&stage, case.name, index, &answer, "key_unknown"),
            Meaning::Absent => {
                assert_eq!(answer.status, 200, "{}: {}", case.name, answer.text());
                arrived(&stage, case.name, &moved(index, case.target), case.headers);
            }
            Meaning::Malformed(reason) => refused(&stage, case.name, index, &answer, reason),
        }
    }
    stage.assert_no_vm_died();
}

#[test]
fn a_credential_that_is_forwarded_stays_where_it_stood() {
    let stage = Stage::with_keys(vec![key("id", "secret")], |config| {
        with_sources(config);
        configure(config, "/forward_credential", json!(true));
    });
    for (index, case) in CASES.iter().enumerate() {
        if let Meaning::Key { secret: "secret", .. } = case.meaning {
            assert_eq!(stage.send(&request(index, case.target, case.headers)).status, 200, "{}", case.name);
            arrived(&stage, case.name, &moved(index, case.target), case.headers);
        }
    }
}

// A client of HTTP/2 may send each cookie in a header of its own (RFC 9113, section 8.2.3).
#[test]
fn cookies_of_http2_are_one_header() {
    let stage = Stage::with_keys(vec![key("id", "secret")], with_sources);
    let crumbs = |path: &str, cookies: &[&str]| {
        let request = Request::get(path);
        let request = cookies.iter().fold(request, |request, cookie| request.header("cookie", cookie));
        http2::exchange(stage.address, &request).unwrap().status
    };
    assert_eq!(crumbs("/crumbs", &["a=1", "api_key=aWQ6c2VjcmV0", "b=2"]), 200);
    arrived(&stage, "crumbs", "/crumbs", &[("cookie", "a=1; b=2")]);
    assert_eq!(crumbs("/crumb-twice", &["api_key=aWQ6c2VjcmV0", "api_key=aWQ6c2VjcmV0"]), 401);
    assert_eq!(stage.details("/crumb-twice"), "latchkey_credential_duplicate");
}

/// Every way in which the access log can show a path, and a route that keeps the path before it is rewritten.
fn logging_all(config: &mut EnvoyConfig) {
    with_sources(config);
    let manager = config.connection_manager().unwrap();
    let format = &mut manager["access_log"][0]["typed_config"]["log_format"]["json_format"];
    format["raw"] = json!("%REQ(:PATH)% %REQ(X-ENVOY-ORIGINAL-PATH)% %REQ(X-ENVOY-ORIGINAL-URL)%");
    format["path_and_query"] = json!("%PATH(WQ:ORIG)% %PATH(WQ:PATH)% %PATH(WQ:ORIG_OR_PATH)%");
    format["cel"] = json!("%CEL(request.path)% %CEL(request.query)%");
    format["body"] = json!("%LOCAL_REPLY_BODY%");
    let routes = manager["route_config"]["virtual_hosts"][0]["routes"].as_array_mut().unwrap();
    let rewritten = json!({
        "match": {"prefix": "/rewritten"},
        "route": {"cluster": "upstream", "prefix_rewrite": "/new"}
    });
    routes.insert(0, rewritten);
}

/// Fails when anything that Envoy has written, or an upstream has got, holds a secret.
#[track_caller]
fn assert_no_secret(stage: &Stage, targets: &[&str]) {
    let log = [stage.envoy.log().stderr(), stage.envoy.log().stdout()].concat();
    let seen: Vec<_> = targets.iter().flat_map(|target| stage.upstream.requests_to(target)).collect();
    assert!(targets.is_empty() || !seen.is_empty(), "nothing has arrived, so nothing was proved");
    let seen = format!("{seen:?}");
    for secret in [GOOD_SECRET, WRONG_SECRET] {
        for text in [secret.to_owned(), encoded("id", secret)] {
            assert!(!log.contains(&text), "the log holds {text}:\n{log}");
            let bytes = format!("{:?}", text.as_bytes());
            assert!(!seen.contains(&text) && !seen.contains(bytes.trim_matches(['[', ']'])), "{seen}");
        }
    }
}

#[test]
fn no_log_shows_a_secret_that_came_in_the_query() {
    let stage = Stage::with_keys(vec![key("id", GOOD_SECRET)], logging_all);
    let (good, wrong) = (encoded("id", GOOD_SECRET), encoded("id", WRONG_SECRET));
    let send = |target: String| stage.send(&Request::get(&target)).status;
    assert_eq!(send(format!("/admitted?a=1&api_key={good}")), 200);
    assert_eq!(send(format!("/admitted?plain.key=id%3A{GOOD_SECRET}&a=1")), 200);
    assert_eq!(send(format!("/rewritten/a?api%5Fkey={good}&a=1")), 200);
    let rewritten = &stage.upstream.requests_to("/new/a?a=1")[0];
    assert_eq!(rewritten.header_values("x-envoy-original-path"), ["/rewritten/a?a=1"]);
    for target in [
        format!("/wrong?api_key={wrong}"),
        format!("/rewritten/wrong?api_key={wrong}"),
        format!("/twice?api_key={good}&a=1&api_key={wrong}"),
        format!("/two-places?api_key={good}&plain.key=id:{GOOD_SECRET}"),
        format!("/malformed?api_key=id:{GOOD_SECRET}"),
        format!("/empty?api_key=&plain.key=%25id:{WRONG_SECRET}%"),
    ] {
        assert_eq!(send(target.clone()), 401, "{target}");
    }
    // Nobody before this proxy rewrites paths, but a client can say so.
    let copied = Request::get("/copied").header("x-envoy-original-path", format!("/?api_key={wrong}"));
    assert_eq!(stage.send(&copied.header("authorization", format!("ApiKey {good}"))).status, 200);

    for (target, status) in [
        (format!("/grpc/Good?api_key={good}"), None),
        (format!("/grpc/Wrong?api_key={wrong}"), Some("16")),
        (format!("/grpc/Empty?api_key=&plain.key=id:{GOOD_SECRET}"), Some("16")),
    ] {
        let call = Request::new("POST", &target).header("content-type", "application/grpc");
        let answer = http2::exchange(stage.address, &call.header("te", "trailers")).unwrap();
        assert_eq!(answer.grpc_status().as_deref(), status, "{target}");
        assert!(!format!("{:?}", answer.headers).contains(WRONG_SECRET), "{answer:?}");
    }
    logged(&stage, "/grpc/Empty");
    logged(&stage, "/rewritten/wrong");
    assert_eq!(logged(&stage, "/wrong")["raw"], json!("/wrong - -"));
    assert_no_secret(&stage, &["/admitted?a=1", "/new/a?a=1", "/copied", "/grpc/Good"]);
    stage.assert_no_vm_died();
}

#[test]
fn a_request_that_waits_is_decided_by_the_credential_that_was_taken_out_of_it() {
    let keys = FakeKeyService::start(epoch("first")).unwrap();
    keys.put(key("id", GOOD_SECRET));
    keys.behave(FeedManner::Status(500));
    let stage = Stage::start(keys, |config| {
        logging_all(config);
        configure(config, "/start_up_wait", json!("1m"));
    });
    let held = |count: u64| stage.until("the requests wait", || stage.stat("waited") >= count);
    let target = |path: &str, secret: &str| format!("{path}?api_key={}&a=1", encoded("id", secret));

    let mut gone = Http1Connection::open(stage.address).unwrap();
    gone.send(&http1::rendered(&Request::get(&target("/gone", GOOD_SECRET)))).unwrap();
    held(1);
    drop(gone);
    assert_eq!(logged(&stage, "/gone")["raw"], json!("/gone?a=1 - -"));

    let statuses = thread::scope(|scope| {
        let send = |path: &str, secret: &str| {
            let (address, request) = (stage.address, Request::get(&target(path, secret)));
            scope.spawn(move || http1::exchange(address, &request).unwrap().status)
        };
        let waiting = [send("/good", GOOD_SECRET), send("/wrong", WRONG_SECRET)];
        held(3);
        stage.keys.behave(FeedManner::Truthful);
        waiting.map(|one| one.join().unwrap())
    });
    assert_eq!(statuses, [200, 401]);
    assert_eq!(logged(&stage, "/good")["key_id"], json!("id"));
    assert_eq!(logged(&stage, "/wrong")["claimed_key_id"], json!("id"));
    assert_no_secret(&stage, &["/good?a=1"]);
    stage.assert_no_vm_died();
}

// A browser asks by the URL of the request that follows, with the query that this one has.
#[test]
fn a_preflight_shows_no_secret_either() {
    let stage = Stage::with_keys(vec![key("id", GOOD_SECRET)], |config| {
        logging_all(config);
        configure(config, "/cors_preflight", json!("pass"));
    });
    let preflight = Request::new("OPTIONS", &format!("/pre?api_key={}&a=1", encoded("id", GOOD_SECRET)))
        .header("origin", "https://shop.example")
        .header("access-control-request-method", "PUT");
    assert_eq!(stage.send(&preflight).status, 200);
    assert_eq!(logged(&stage, "/pre")["raw"], json!("/pre?a=1 - -"));
    assert_no_secret(&stage, &["/pre?a=1"]);
}

#[test]
fn the_challenge_names_the_schemes_that_are_taken() {
    let stage = Stage::with_keys(Vec::new(), with_sources);
    let answer = stage.send(&Request::get("/challenged"));
    assert_eq!(answer.status, 401);
    let challenges = ["ApiKey", "Bearer realm=\"security\"", "Basic realm=\"security\", charset=\"UTF-8\""];
    assert_eq!(answer.header_values("www-authenticate"), challenges);
    let body = answer.json().unwrap();
    assert_eq!(body["error"]["header"]["WWW-Authenticate"], json!(challenges));
}

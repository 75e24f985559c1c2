//! Traces of requests, as a collector gets them.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Request, StatusCode};
use latchkey_local_stack::{secrecy, wait};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Told;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::{Value, json};

use super::{LoggedProcess, http_client, latchkey, run};

const PASSWORD: &str = "trace-password-5e8a";

/// What the collector asks for, as its operator gives it.
const TOKEN: &str = "collector-token-88fa";

/// The trace of a caller, and the caller's span.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// `SPAN_KIND_SERVER`.
const SERVER: i32 = 2;

/// More spans than may wait.
const MANY: usize = 2_500;

/// What a collector was sent.
#[derive(Clone, Debug, Default)]
struct Collector(Arc<Mutex<Vec<(String, Bytes)>>>);

impl Collector {
    /// Listens there.
    async fn at(listen: SocketAddr) -> (Self, SocketAddr) {
        let collector = Self::default();
        let listener = tokio::net::TcpListener::bind(listen).await.unwrap();
        let address = listener.local_addr().unwrap();
        let sent = collector.clone();
        let app = Router::new().fallback(move |request: Request<Body>| {
            let sent = sent.clone();
            async move {
                let (head, body) = request.into_parts();
                let token = head.headers.get("x-token").map(|token| token.to_str().unwrap().to_owned());
                let told = format!("{} {} {}", head.method, head.uri, token.unwrap_or_default());
                let body = to_bytes(body, usize::MAX).await.unwrap();
                sent.0.lock().unwrap().push((told, body));
                StatusCode::OK
            }
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        (collector, address)
    }

    /// All spans, each with its attributes, and the attributes of the service.
    fn spans(&self) -> (Vec<Span>, BTreeMap<String, String>) {
        let (mut spans, mut service) = (Vec::new(), BTreeMap::new());
        for (told, body) in self.0.lock().unwrap().iter() {
            assert_eq!(told, &format!("POST /v1/traces {TOKEN}"));
            secrecy::search("a trace", body).unwrap();
            for of_service in ExportTraceServiceRequest::decode(body.clone()).unwrap().resource_spans {
                service = attributes(&of_service.resource.unwrap().attributes);
                spans.extend(of_service.scope_spans.into_iter().flat_map(|scope| scope.spans));
            }
        }
        (spans, service)
    }
}

fn attributes(of: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &AnyValue| match value.value.as_ref().unwrap() {
        Told::StringValue(text) => text.clone(),
        Told::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    of.iter().map(|it| (it.key.clone(), text(it.value.as_ref().unwrap()))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A service whose traces go there, and where it listens.
fn served(directory: &tempfile::TempDir, collector: SocketAddr) -> (LoggedProcess, String) {
    let users = directory.path().join("users.toml");
    if !users.exists() {
        run(latchkey().args(["user", "create", "alice", "--role=superuser", "--file"]).arg(&users), PASSWORD);
    }
    let config = directory.path().join("latchkey.toml");
    let tracing = format!("[telemetry.tracing]\nenabled = true\nendpoint = \"http://{collector}\"\n");
    let files = "listen = \"127.0.0.1:0\"\ndata = \"data\"\nusers = \"users.toml\"\n";
    fs::write(&config, format!("{files}{tracing}")).unwrap();
    for secret in [PASSWORD, TOKEN] {
        secrecy::watch(secret);
    }
    let mut command = latchkey();
    command.args(["serve", "--config"]).arg(&config);
    command.env("OTEL_EXPORTER_OTLP_HEADERS", format!("x-token={TOKEN}"));
    command.env("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=here");
    let service = LoggedProcess::start(command);
    let url = service.url();
    (service, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_a_span_below_its_caller_and_above_its_commits_and_tells_no_secret() {
    let directory = tempfile::tempdir().unwrap();
    let (collector, address) = Collector::at((Ipv4Addr::LOCALHOST, 0).into()).await;
    let (mut service, url) = served(&directory, address);
    let client = http_client();
    let send = async |request: reqwest::RequestBuilder, id: &str, sampled: &str| -> (u16, Value) {
        let parent = format!("00-{TRACE}-{PARENT}-{sampled}");
        let request = request.basic_auth("alice", Some(PASSWORD)).header("x-request-id", id);
        let answer = request.header("traceparent", parent).header("tracestate", "x=y").send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    };
    let keys = format!("{url}/_security/api_key");
    let (_, made) = send(client.post(&keys).json(&json!({"name": "a key"})), "r-make", "01").await;
    secrecy::watch_answer(&made);
    // Nobody's business: neither the path nor the query.
    let query = client.get(format!("{keys}?name=query-secret-7c1e"));
    secrecy::watch("query-secret-7c1e");
    send(query, "r-list", "01").await;
    send(client.get(&keys), "r-unsampled", "00").await;
    let (status, _) = send(client.get(format!("{url}/path-secret-7c1e")), "r-nowhere", "01").await;
    assert_eq!(status, 400);
    secrecy::watch("path-secret-7c1e");
    let user = json!({"password": "user-password-7c1e", "roles": ["superuser"]});
    secrecy::watch("user-password-7c1e");
    let put = client.put(format!("{url}/_security/user/bob")).basic_auth("alice", Some(PASSWORD)).json(&user);
    assert_eq!(put.header("x-request-id", "r-user").send().await.unwrap().status(), 200);
    assert!(service.process.terminate().unwrap().success());

    let (spans, of_service) = collector.spans();
    let [name, environment] =
        ["service.name", "deployment.environment.name"].map(|it| of_service[it].as_str());
    assert_eq!((name, environment), ("latchkey", "here"));
    let of_request = |id: &str| {
        let mut of_request = spans
            .iter()
            .filter(|span| attributes(&span.attributes).get("request_id").is_some_and(|it| it == id));
        let span = of_request.next();
        assert!(of_request.next().is_none(), "one span a request");
        span
    };
    let commits_below = |span: &Span| {
        let below = spans.iter().filter(|it| it.parent_span_id == span.span_id);
        below.map(|it| (it.name.as_str(), it.trace_id == span.trace_id)).collect::<Vec<_>>()
    };
    for (id, name, status, commits) in [
        ("r-make", "POST /_security/api_key", "200", 1),
        ("r-list", "GET /_security/api_key", "200", 0),
        ("r-nowhere", "GET none", "400", 0),
    ] {
        let span = of_request(id).unwrap();
        assert_eq!((span.name.as_str(), span.kind), (name, SERVER));
        assert_eq!((hex(&span.trace_id), hex(&span.parent_span_id)), (TRACE.to_owned(), PARENT.to_owned()));
        assert_eq!(span.trace_state, "x=y");
        assert_eq!(commits_below(span), vec![("commit", true); commits], "{id}");
        let told = attributes(&span.attributes);
        assert_eq!(told["http.response.status_code"], status);
        let names: Vec<_> = told.keys().map(String::as_str).collect();
        assert_eq!(names, ["http.request.method", "http.response.status_code", "http.route", "request_id"]);
        assert_eq!(span.events.len(), 0, "{:?}", span.events);
        assert!(span.start_time_unix_nano > 0 && span.start_time_unix_nano <= span.end_time_unix_nano);
    }
    assert!(of_request("r-unsampled").is_none(), "its caller does not trace it");
    let user = of_request("r-user").unwrap();
    assert!(user.parent_span_id.is_empty() && hex(&user.trace_id) != TRACE);
    assert_eq!(commits_below(user), [("commit", true)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_goes_away_is_told_in_the_log_once_and_fails_no_request() {
    let directory = tempfile::tempdir().unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (service, url) = served(&directory, address);
    let client = http_client();
    let ask = async || client.get(format!("{url}/livez")).send().await.unwrap().status();
    for _ in 0..MANY {
        assert_eq!(ask().await, 200);
    }
    let away = "the collector takes no traces";
    let line = service.line_after(0, away);
    assert!(line.contains(&address.to_string()) && !line.contains(TOKEN), "{line}");
    let (_collector, _) = Collector::at(address).await;
    assert_eq!(ask().await, 200);
    service.line_after(0, "the collector takes traces again");
    assert_eq!(service.log().matches(away).count(), 1, "{}", service.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_hangs_keeps_neither_a_request_nor_the_end_waiting() {
    let directory = tempfile::tempdir().unwrap();
    // It is connected to, and says nothing.
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let (mut service, url) = served(&directory, hanging.local_addr().unwrap());
    let client = http_client();
    for _ in 0..MANY {
        assert_eq!(client.get(format!("{url}/livez")).send().await.unwrap().status(), 200);
    }
    assert!(service.process.terminate().unwrap().success());
    let asked = tokio::task::spawn_blocking(move || {
        wait::until("the collector was connected to", || Ok(hanging.accept().ok().map(drop)))
    });
    asked.await.unwrap().unwrap();
}

//! The hooks against an Envoy that a test plays. They run under valgrind as well, which sees each pointer that
//! goes to and fro.

#![expect(unsafe_code, reason = "Envoy's side of the ABI is foreign")]

mod costs;
mod fake_envoy;

use std::ffi::c_void;
use std::thread;

use latchkey_filter::limits::{CREDENTIAL_FILE_LEN_MAX, LINES_MAX};

use self::fake_envoy::{CALLS, FakeStream, LOG};
use crate::abi::{EnvoyBuffer, EnvoyHeader};
use crate::hooks::*;
use crate::panics::{self, FORCED};

const CONTINUE: u32 = 0;

/// `id:secret`.
const CREDENTIAL: &str = "ApiKey aWQ6c2VjcmV0";

/// Envoy's object of a configuration: the module never looks into it.
fn config_object() -> *mut c_void {
    std::ptr::without_provenance_mut(8)
}

fn configured(more: &str) -> *const c_void {
    configured_for("keys", more)
}

/// Each cluster has a table, and one configuration of the process follows it.
fn configured_for(cluster: &str, more: &str) -> *const c_void {
    let credential = r#"{"inline": "ZWRnZTpmZWVkLXNlY3JldA=="}"#;
    let key_service = format!(r#"{{"cluster": "{cluster}", "credential": {credential}}}"#);
    let json = format!(r#"{{"key_service": {key_service}, "edge": "test"{more}}}"#);
    envoy_dynamic_module_on_http_filter_config_new(
        config_object(),
        EnvoyBuffer::of(b"latchkey"),
        EnvoyBuffer::of(json.as_bytes()),
    )
}

fn tick(config: *const c_void) {
    envoy_dynamic_module_on_http_filter_config_scheduled(config_object(), config, 0);
}

/// Answers the last call with the key `id` of the cluster's feed.
fn answer(config: *const c_void, body: &[u8]) {
    let headers = [EnvoyHeader::of(EnvoyBuffer::of(b":status"), EnvoyBuffer::of(b"200"))];
    // In two parts, as bodies come.
    let (one, other) = body.split_at(body.len() / 2);
    let chunks = [EnvoyBuffer::of(one), EnvoyBuffer::of(other)];
    let call = CALLS.with_borrow(|calls| calls.len() as u64);
    envoy_dynamic_module_on_http_filter_config_http_callout_done(
        config_object(),
        config,
        call,
        0,
        headers.as_ptr(),
        headers.len(),
        chunks.as_ptr(),
        chunks.len(),
    );
}

fn headers(stream: &mut FakeStream, filter: *const c_void) -> u32 {
    envoy_dynamic_module_on_http_filter_request_headers(stream.object(), filter, true)
}

/// One request from its beginning to its end.
fn decided(config: *const c_void, mut stream: FakeStream) -> (u32, FakeStream) {
    let filter = envoy_dynamic_module_on_http_filter_new(config, stream.object());
    let status = headers(&mut stream, filter);
    envoy_dynamic_module_on_http_filter_destroy(filter);
    (status, stream)
}

#[test]
fn a_bad_configuration_is_refused_and_every_mistake_logged() {
    assert!(configured(r#", "no_such_field": 1, "start_up_wait": "soon""#).is_null());
    assert!(configured(r#", "route_metadata": true"#).is_null());
    let log = LOG.lock().unwrap();
    for named in ["no_such_field", "start_up_wait", "route_metadata"] {
        assert!(log.contains(named), "{log}");
    }
    assert!(!log.contains("feed-secret") && !log.contains("ZWRnZT"), "{log}");
}

#[test]
fn a_credential_in_a_file_is_read_up_to_its_limit() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credential");
    let named = |path: &std::path::Path| {
        let credential = format!(r#"{{"file": "{}"}}"#, path.display());
        format!(r#"{{"key_service": {{"cluster": "keys", "credential": {credential}}}, "edge": "test"}}"#)
    };
    let is_accepted = |json: String| {
        let config = envoy_dynamic_module_on_http_filter_config_new(
            config_object(),
            EnvoyBuffer::of(b"latchkey"),
            EnvoyBuffer::of(json.as_bytes()),
        );
        if config.is_null() {
            return false;
        }
        envoy_dynamic_module_on_http_filter_config_destroy(config);
        true
    };
    assert!(!is_accepted(named(&file)), "there is no file");
    assert!(!is_accepted(named(folder.path())), "that is none");
    let padded = |len: usize| format!("{:len$}", "ZWRnZTpmZWVkLXNlY3JldA==");
    for (content, accepted) in [
        (padded(0), true),
        (padded(CREDENTIAL_FILE_LEN_MAX), true),
        (padded(CREDENTIAL_FILE_LEN_MAX + 1), false),
        ("not Base64".to_owned(), false),
        (String::new(), false),
    ] {
        std::fs::write(&file, &content).unwrap();
        let is_accepted = is_accepted(named(&file));
        assert_eq!(is_accepted, accepted, "{} bytes", content.len());
    }
}

#[test]
fn a_request_without_a_key_is_refused_and_a_grpc_client_reads_it() {
    let config = configured("");
    let (status, stream) = decided(config, FakeStream::with(&[(":path", "/a"), (":method", "GET")]));
    let answer = stream.answer.unwrap();
    assert_ne!(status, CONTINUE);
    assert_eq!((answer.status, answer.details.as_str()), (401, "latchkey_credential_missing"));
    assert!(answer.headers.iter().all(|(name, _)| name != "grpc-status"));

    let call =
        FakeStream::with(&[(":path", "/a"), (":method", "POST"), ("content-type", "application/grpc")]);
    let (_, stream) = decided(config, call);
    assert!(stream.answer.unwrap().headers.contains(&("grpc-status".to_owned(), "16".to_owned())));
    envoy_dynamic_module_on_http_filter_config_destroy(config);
}

#[test]
fn a_request_that_passes_loses_what_a_client_made_up_and_gets_another_route() {
    let config = configured(r#", "authentication": "off""#);
    let forging = [(":path", "/a"), (":method", "GET"), ("x-api-key-owner", "admin"), ("x_api_key_id", "1")];
    let (status, stream) = decided(config, FakeStream::with(&forging));
    assert_eq!((status, stream.answer.is_none()), (CONTINUE, true));
    assert_eq!((stream.header("x-api-key-owner"), stream.header("x_api_key_id")), (None, None));
    assert!(stream.route_was_cleared);
    let (_, stream) = decided(config, FakeStream::with(&forging[..2]));
    assert!(!stream.route_was_cleared);
    envoy_dynamic_module_on_http_filter_config_destroy(config);
}

#[test]
fn a_panic_refuses_as_what_it_is_and_only_a_grpc_client_reads_a_grpc_status() {
    let config = configured(r#", "authentication": "off""#);
    for hook in ["new", "request_headers"] {
        FORCED.set(hook);
        let (status, stream) = decided(config, FakeStream::with(&[(":path", "/a"), (":method", "GET")]));
        assert_ne!(status, CONTINUE, "{hook}");
        let answer = stream.answer.unwrap();
        assert_eq!((answer.status, answer.details.as_str()), (503, "latchkey_panic"), "{hook}");
        assert_eq!(answer.headers, [], "{hook}");

        let call = [(":path", "/a"), (":method", "POST"), ("content-type", "application/grpc+proto")];
        let answer = decided(config, FakeStream::with(&call)).1.answer.unwrap();
        assert_eq!((answer.status, answer.details.as_str()), (503, "latchkey_panic"), "{hook}");
        assert_eq!(answer.headers, [("grpc-status".to_owned(), "14".to_owned())], "{hook}");
    }
    FORCED.set("");
    let (status, _) = decided(config, FakeStream::with(&[(":path", "/a"), (":method", "GET")]));
    assert_eq!(status, CONTINUE);
    envoy_dynamic_module_on_http_filter_config_destroy(config);
}

#[test]
fn a_panic_that_comes_again_and_again_is_logged_a_few_times() {
    for _ in 0..1_000 {
        panics::tell("a place of this test");
    }
    let log = LOG.lock().unwrap();
    let lines = log.lines().filter(|line| line.contains("a place of this test")).count();
    assert_eq!(lines, LINES_MAX as usize);
}

#[test]
fn trailers_lose_what_a_client_made_up() {
    let config = configured(r#", "authentication": "off""#);
    let mut stream = FakeStream::with(&[(":path", "/a"), (":method", "POST")]);
    stream.trailers = [("x-api-key-id", "1"), ("x-checksum", "2")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
    let filter = envoy_dynamic_module_on_http_filter_new(config, stream.object());
    assert_eq!(headers(&mut stream, filter), CONTINUE);
    assert_eq!(envoy_dynamic_module_on_http_filter_request_body(stream.object(), filter, false), CONTINUE);
    assert_eq!(envoy_dynamic_module_on_http_filter_request_trailers(stream.object(), filter), CONTINUE);
    assert_eq!(stream.trailers, [("x-checksum".to_owned(), "2".to_owned())]);
    envoy_dynamic_module_on_http_filter_destroy(filter);
    envoy_dynamic_module_on_http_filter_config_destroy(config);
}

#[test]
fn a_request_waits_and_is_refused_when_its_time_is_over_and_another_may_go_before() {
    let config = configured(r#", "start_up_wait": "1ms""#);
    let waiting = || FakeStream::with(&[(":path", "/a"), (":method", "GET"), ("authorization", CREDENTIAL)]);
    let (mut stream, mut gone) = (waiting(), waiting());
    let filters = [&mut stream, &mut gone].map(|stream| {
        let filter = envoy_dynamic_module_on_http_filter_new(config, stream.object());
        assert_ne!(headers(stream, filter), CONTINUE);
        assert_eq!(stream.answer, None);
        filter
    });
    tick(config);
    answer(config, b"{ this is no page");
    envoy_dynamic_module_on_http_filter_destroy(filters[1]);
    thread::sleep(std::time::Duration::from_millis(5));
    envoy_dynamic_module_on_http_filter_scheduled(stream.object(), filters[0], 0);
    assert_eq!(stream.answer.take().unwrap().details, "latchkey_table_absent");
    // An event that comes late finds nothing to do.
    envoy_dynamic_module_on_http_filter_scheduled(stream.object(), filters[0], 0);
    assert_eq!((stream.answer.take(), stream.was_resumed), (None, false));
    envoy_dynamic_module_on_http_filter_destroy(filters[0]);
    envoy_dynamic_module_on_http_filter_config_destroy(config);
}

#[test]
fn a_configuration_may_end_on_another_thread_than_its_own() {
    let config = configured("");
    tick(config);
    let address = config.expose_provenance();
    thread::spawn(move || {
        let config = std::ptr::with_exposed_provenance(address);
        decided(config, FakeStream::with(&[(":path", "/a"), (":method", "GET")]));
        envoy_dynamic_module_on_http_filter_config_destroy(config);
    })
    .join()
    .unwrap();
    // What is left of it here goes with the next tick of any other.
    let other = configured("");
    tick(other);
    envoy_dynamic_module_on_http_filter_config_destroy(other);
}

//! HTTP/1.1, HTTP/2, gRPC and uploads.

use latchkey_local_stack::http::http1::Http1Connection;
use latchkey_local_stack::http::{Request, http2};

use crate::stage::{self, encoded};

/// An upload that no buffer between client and upstream holds: 4 MiB against windows and buffers of at most 1
/// MiB.
const UPLOAD_LEN: usize = 4 * 1024 * 1024;

#[test]
fn a_grpc_client_reads_its_status() {
    let stage = stage::shared();
    let call = |path: &str| {
        Request::new("POST", path).header("content-type", "application/grpc").header("te", "trailers")
    };
    let refused = [
        ("/grpc/Missing", call("/grpc/Missing"), "latchkey_credential_missing"),
        ("/grpc/Wrong", call("/grpc/Wrong").api_key(&encoded("anybody", "wrong")), "latchkey_secret_wrong"),
    ];
    for (path, request, details) in refused {
        let answer = http2::exchange(stage.address, &request).unwrap();
        assert_eq!(answer.status, 200, "{path}: a gRPC answer is always 200");
        assert_eq!(answer.grpc_status().as_deref(), Some("16"), "{path}: {answer:?}");
        assert!(answer.body.is_empty(), "{path}: {}", answer.text());
        assert_eq!(stage.details(path), details);
        assert!(stage.upstream.requests_to(path).is_empty(), "{path} reached the upstream");
    }
    let admitted = http2::exchange(stage.address, &call("/grpc/Good").api_key(&good())).unwrap();
    assert_eq!((admitted.status, admitted.grpc_status()), (200, None));
    assert_eq!(stage.upstream.requests_to("/grpc/Good").len(), 1);
}

#[test]
fn an_upload_passes_whole_with_a_good_key() {
    let stage = stage::shared();
    let request = Request::new("POST", "/upload").api_key(&good()).body(vec![b'u'; UPLOAD_LEN]);
    assert_eq!(stage.send(&request).status, 200);
    assert_eq!(http2::exchange(stage.address, &request).unwrap().status, 200);
    let seen = stage.upstream.requests_to("/upload");
    assert_eq!(seen.iter().map(|request| request.body_len).collect::<Vec<_>>(), [UPLOAD_LEN, UPLOAD_LEN]);
}

#[test]
fn an_upload_with_a_bad_key_is_refused_before_it_is_read() {
    let stage = stage::shared();
    let bad = encoded("anybody", "wrong");
    let by_http2 = Request::new("POST", "/bad-upload").api_key(&bad).body(vec![b'u'; UPLOAD_LEN]);
    assert_eq!(http2::exchange(stage.address, &by_http2).unwrap().status, 401);

    // By HTTP/1.1 only the beginning is sent: the answer must not wait for the rest.
    let mut connection = Http1Connection::open(stage.address).unwrap();
    let head = format!(
        "POST /bad-upload HTTP/1.1\r\nhost: edge.test\r\nauthorization: ApiKey {bad}\r\ncontent-length: {UPLOAD_LEN}\r\n\r\nbegin"
    );
    connection.send(head.as_bytes()).unwrap();
    assert_eq!(connection.receive().unwrap().status, 401);
    assert!(stage.upstream.requests_to("/bad-upload").is_empty());
}

#[test]
fn requests_of_one_connection_are_judged_one_by_one() {
    let stage = stage::shared();
    let mut connection = Http1Connection::open(stage.address).unwrap();
    let good = Request::get("/one-by-one").api_key(&good());
    let bad = Request::get("/one-by-one").api_key(&encoded("anybody", "wrong"));
    let none = Request::get("/one-by-one");
    let answers =
        [&good, &bad, &good, &none, &good].map(|request| connection.exchange(request).unwrap().status);
    assert_eq!(answers, [200, 401, 200, 401, 200]);
}

#[test]
fn every_method_is_gated() {
    let stage = stage::shared();
    for method in ["DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT", "PURGE"] {
        let path = format!("/method-{method}");
        assert_eq!(stage.send(&Request::new(method, &path)).status, 401, "{method}");
        assert!(stage.upstream.requests_to(&path).is_empty(), "{method} reached the upstream");
        assert_eq!(stage.send(&Request::new(method, &path).api_key(&good())).status, 200, "{method}");
    }
}

fn good() -> String {
    encoded("anybody", "any-secret")
}

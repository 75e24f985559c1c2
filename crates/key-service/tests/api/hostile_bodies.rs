use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{Method, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::service::{PASSWORD, Service};

/// Every endpoint of users, roles and privileges that takes a body.
const ENDPOINTS: [(Method, &str); 6] = [
    (Method::PUT, "/_security/user/bob"),
    (Method::PUT, "/_security/user/_password"),
    (Method::POST, "/_security/user/own/_password"),
    (Method::POST, "/_security/user/_has_privileges"),
    (Method::PUT, "/_security/role/r"),
    (Method::PUT, "/_security/privilege"),
];

// Whatever the bytes, the error is the body's, and nothing was changed.
#[tokio::test]
async fn no_body_is_too_strange_to_be_refused() {
    let service = Service::new().await;
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let nested = format!(r#"{{"metadata":{}1{}}}"#, r#"{"a":"#.repeat(200), "}".repeat(200));
    let bodies: [&[u8]; 10] = [
        b"{",
        b"nonsense",
        b"{\"a\":1,\"a\":2}",
        b"{\"password\":\"123456\",\"password\":\"123456\"}",
        b"{\"roles\":[\"\xff\"]}",
        b"\xff\xfe",
        b"\0",
        b"{}{}",
        deep.as_bytes(),
        nested.as_bytes(),
    ];
    let authorization = format!("Basic {}", STANDARD.encode(format!("elastic:{PASSWORD}")));
    for (method, path) in ENDPOINTS {
        for body in bodies {
            let request = Request::builder()
                .method(&method)
                .uri(path)
                .header(AUTHORIZATION, &authorization)
                .header(CONTENT_TYPE, "application/json")
                .body(Body::from(body.to_vec()));
            let answer = service.send(request.unwrap()).await;
            let shown = String::from_utf8_lossy(body.get(..40).unwrap_or(body)).into_owned();
            assert_eq!(answer.error().0, 400, "{path} {shown}");
        }
    }
    for (path, count) in [("/_security/user", 1), ("/_security/role", 1), ("/_security/privilege", 0)] {
        assert_eq!(service.elastic().get(path).await.json().as_object().unwrap().len(), count, "{path}");
    }
}

#[tokio::test]
async fn unknown_parameters_and_methods_are_refused() {
    let service = Service::new().await;
    for path in
        ["/_security/user", "/_security/role/r", "/_security/privilege/shop", "/_security/user/_privileges"]
    {
        service.elastic().get(&format!("{path}?zzz=1")).await.assert_error(
            400,
            "illegal_argument_exception",
            &format!("request [{path}] contains unrecognized parameter: [zzz]"),
        );
        let answer = service.elastic().request(Method::PATCH, path, None).await;
        assert_eq!(answer.status.as_u16(), 405, "{path}");
    }
    let answer = service.elastic().put("/_security/role/r?refresh=soon", "{}").await;
    answer.assert_error(400, "illegal_argument_exception", "Unknown value for refresh: [soon].");
    assert_eq!(service.anonymous().put("/_security/role/r", "{").await.status.as_u16(), 401);
}

use axum::body::{Body, Bytes, to_bytes};
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, Version};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::*;

const V8: &str = "application/vnd.elasticsearch+json; compatible-with=8";
const V9: &str = "application/vnd.elasticsearch+json; compatible-with=9";

fn app(settings: MediaTypeSettings) -> Router {
    let answer = || async { ([(CONTENT_TYPE, "application/json")], "{}") };
    let inner = Router::new().route("/thing", post(answer));
    let routes = Router::new()
        .route("/bare", get(async move |_: NoBody| answer().await).post(answer))
        .route("/read", post(async move |_: Bytes| answer().await))
        .nest("/_security", inner);
    with_negotiation(routes, settings)
}

async fn send(request: Request) -> (StatusCode, HeaderMap, Value) {
    let response = app(MediaTypeSettings::default()).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, 10_000).await.unwrap();
    (parts.status, parts.headers, serde_json::from_slice(&bytes).unwrap())
}

/// A request with these media type headers, and a body if `body` is not empty.
fn request(method: &str, uri: &str, accept: &str, content_type: &str, body: &'static str) -> Request {
    let mut request = Request::builder().method(method).uri(uri);
    if !accept.is_empty() {
        request = request.header(ACCEPT, accept);
    }
    if !content_type.is_empty() {
        request = request.header(CONTENT_TYPE, content_type);
    }
    request.body(Body::from(body)).unwrap()
}

#[tokio::test]
async fn mirrors_the_type_that_was_asked_for() {
    // Accept, Content-Type, body, type of the answer.
    let rows = [
        ("", "", "", "application/json"),
        ("*/*", "", "", "application/json"),
        ("application/json", "application/json", "{}", "application/json"),
        ("", "application/json; charset=utf-8", "{}", "application/json"),
        (V8, V8, "{}", "application/vnd.elasticsearch+json;compatible-with=8"),
        (V9, V9, "{}", "application/vnd.elasticsearch+json;compatible-with=9"),
        (
            "Application/Vnd.Elasticsearch+JSON;Compatible-With=9",
            V9,
            "{}",
            "application/vnd.elasticsearch+json;compatible-with=9",
        ),
        // Content-Type without a body is fine.
        (V9, V9, "", "application/vnd.elasticsearch+json;compatible-with=9"),
        (V9, V8, "", "application/vnd.elasticsearch+json;compatible-with=9"),
        // The JS client sends a list on requests without a body, and reads either kind of JSON.
        ("application/vnd.elasticsearch+json; compatible-with=9,text/plain", "", "", "application/json"),
        ("text/html,*/*;q=0.8", "", "", "application/json"),
        // What an answer cannot be is not refused.
        ("text/plain", "", "", "application/json"),
        ("text/html", "", "", "application/json"),
        ("*/*;q=0.1", "", "", "application/json"),
        ("application/xml", "application/json", "{}", "application/json"),
        ("application/cbor", "", "", "application/json"),
    ];
    for (accept, content_type, body, answer) in rows {
        let (status, headers, _) = send(request("POST", "/bare", accept, content_type, body)).await;
        assert_eq!((status, headers[CONTENT_TYPE].to_str().unwrap()), (StatusCode::OK, answer), "{accept}");
        assert_eq!(headers["x-elastic-product"], "Elasticsearch");
    }
}

#[tokio::test]
async fn refuses_media_types_it_does_not_speak() {
    // Elasticsearch, `RestController` and `RestRequest`: Accept, Content-Type, body, status, part of the
    // reason.
    let rows = [
        ("", "", "{}", 406, "Content-Type header is missing"),
        ("", "text/plain", "{}", 406, "Content-Type header [text/plain] is not supported"),
        ("", "application/x-www-form-urlencoded", "a=b", 406, "is not supported"),
        ("", "*/*", "{}", 406, "Content-Type header [*/*] is not supported"),
        ("application/json", V9, "{}", 400, "the compatible versions must match. Accept=application/json"),
        (V8, V9, "{}", 400, "the compatible versions must match"),
        (V9, "application/json", "{}", 400, "the compatible versions must match"),
        ("", V9, "{}", 400, "the compatible versions must match. Accept=null"),
        ("json", "", "", 400, "Invalid media-type value on headers [Accept]"),
        ("text/", "", "", 400, "Invalid media-type value on headers [Accept]"),
        (
            "application/vnd.elasticsearch+json;compatible-with=7",
            "",
            "",
            400,
            "Accept version must be either version 9 or 8",
        ),
        (
            V9,
            "application/vnd.elasticsearch+json;compatible-with=x",
            "{}",
            400,
            "Content-Type version must be",
        ),
    ];
    for (accept, content_type, body, status, reason) in rows {
        let (answered, headers, shown) = send(request("POST", "/bare", accept, content_type, body)).await;
        assert_eq!(answered.as_u16(), status, "{accept} {content_type}");
        assert!(shown.to_string().contains(reason), "{shown}");
        assert!(headers.get("x-elastic-product").is_none());
    }
}

#[tokio::test]
async fn the_product_can_be_left_unnamed() {
    let settings = MediaTypeSettings { product: None };
    let response = app(settings).oneshot(request("GET", "/bare", "", "", "")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.headers().get("x-elastic-product").is_none());
}

#[tokio::test]
async fn routes_that_miss_say_so() {
    // Elasticsearch, `RestController`: method, URI, status, body.
    let rows = [
        ("GET", "/x?a=b", 400, json!({"error": "no handler found for uri [/x?a=b] and method [GET]"})),
        (
            "PUT",
            "/bare",
            405,
            json!({"error": "Incorrect HTTP method for uri [/bare] and method [PUT], allowed: [GET, POST]", "status": 405}),
        ),
        (
            "DELETE",
            "/_security/thing?x",
            405,
            json!({"error": "Incorrect HTTP method for uri [/_security/thing?x] and method [DELETE], allowed: [POST]", "status": 405}),
        ),
    ];
    for (method, uri, status, body) in rows {
        let (answered, headers, shown) = send(request(method, uri, "", "", "")).await;
        assert_eq!((answered.as_u16(), &shown), (status, &body));
        assert_eq!(headers.get(ALLOW).is_some(), status == 405);
    }
}

#[tokio::test]
async fn a_slash_at_the_end_of_a_path_changes_nothing() {
    for uri in ["/bare/", "/bare///", "/_security/thing/?x"] {
        assert_eq!(send(request("POST", uri, "", "", "")).await.0, StatusCode::OK, "{uri}");
    }
    assert_eq!(send(request("GET", "/bare//x", "", "", "")).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn options_are_told_and_only_the_root_has_a_head() {
    for (method, uri, status, allowed) in [
        ("OPTIONS", "/bare", 200, Some("GET, POST")),
        ("OPTIONS", "/_security/thing", 200, Some("POST")),
        ("OPTIONS", "/x", 200, None),
        ("HEAD", "/bare", 405, Some("GET, POST")),
        ("HEAD", "/x", 400, None),
    ] {
        let response =
            app(MediaTypeSettings::default()).oneshot(request(method, uri, "", "", "")).await.unwrap();
        let told = response.headers().get(ALLOW).map(|value| value.to_str().unwrap());
        assert_eq!((response.status().as_u16(), told), (status, allowed), "{method} {uri}");
    }
}

#[tokio::test]
async fn answers_in_yaml_whoever_asks_for_it() {
    for (uri, accept, expected) in [
        ("/x", "application/yaml", "application/yaml"),
        ("/x?format=yaml", "", "application/yaml"),
        ("/x?format=json", "application/yaml", "application/json"),
    ] {
        let response =
            app(MediaTypeSettings::default()).oneshot(request("GET", uri, accept, "", "")).await.unwrap();
        assert_eq!(response.headers()[CONTENT_TYPE], expected, "{uri} {accept}");
        let text = to_bytes(response.into_body(), 1_000).await.unwrap();
        assert_eq!(text.starts_with(b"---\n"), expected == "application/yaml", "{text:?}");
    }
}

#[tokio::test]
async fn refuses_a_body_where_none_belongs() {
    let (status, _, shown) = send(request("GET", "/bare?x=y", "", "application/json", "{}")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(shown["error"]["reason"], "request [GET /bare] does not support having a body");
    assert_eq!(send(request("GET", "/bare", "", "", "")).await.0, StatusCode::OK);
}

#[tokio::test]
async fn reshapes_answers_and_errors_as_the_url_asks() {
    let (_, _, shown) = send(request("GET", "/bare?filter_path=zzz", "", "", "")).await;
    assert_eq!(shown, json!({}));
    // An error is never filtered.
    let (status, _, shown) = send(request("GET", "/x?filter_path=zzz", "", "", "")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(shown["error"].as_str().unwrap().starts_with("no handler found"), "{shown}");
    let request = request("GET", "/x?filter_path=error&pretty", "", "", "");
    let response = app(MediaTypeSettings::default()).oneshot(request).await.unwrap();
    let expected =
        "{\n  \"error\": \"no handler found for uri [/x?filter_path=error&pretty] and method [GET]\"\n}\n";
    let announced = response.headers().get("content-length");
    assert!(announced.is_none_or(|len| *len == expected.len().to_string()), "{announced:?}");
    assert_eq!(to_bytes(response.into_body(), 1_000).await.unwrap(), expected);
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_body_ends_the_connection() {
    // Method, path, version, whether the connection ends: `/bare` reads no body.
    for (method, uri, version, ends) in [
        ("POST", "/bare", Version::HTTP_11, true),
        ("PUT", "/bare", Version::HTTP_11, true),
        ("POST", "/x", Version::HTTP_11, true),
        ("POST", "/bare", Version::HTTP_2, false),
        ("POST", "/read", Version::HTTP_11, false),
    ] {
        let mut request = request(method, uri, "", "application/json", "{}");
        *request.version_mut() = version;
        let response = app(MediaTypeSettings::default()).oneshot(request).await.unwrap();
        assert_eq!(response.headers().get("connection").is_some(), ends, "{method} {uri} {version:?}");
    }
    let bare = app(MediaTypeSettings::default()).oneshot(request("POST", "/bare", "", "", "")).await.unwrap();
    assert!(bare.headers().get("connection").is_none());
}

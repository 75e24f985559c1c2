//! Bodies in YAML and CBOR.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::service::{Answer, PASSWORD, Service};

const PATH: &str = "/_security/api_key";

/// `{"name":"c","metadata":{"n":[-3, 1.5, true, null, 2**64]}}`, its lists and objects with and without a length.
const IN_CBOR: &[u8] =
    b"\xa2\x64name\x61c\x68metadata\xbf\x61n\x85\x22\xf9\x3e\x00\xf5\xf6\xc2\x49\x01\0\0\0\0\0\0\0\0\xff";

async fn send(service: &Service, media_type: &str, body: &[u8]) -> Answer {
    let basic = STANDARD.encode(format!("elastic:{PASSWORD}"));
    let request = Request::post(PATH)
        .header("authorization", format!("Basic {basic}"))
        .header("content-type", media_type)
        .body(Body::from(body.to_vec()));
    service.send(request.unwrap()).await
}

#[tokio::test]
async fn a_body_may_be_yaml_or_cbor() {
    let service = Service::new().await;
    let yaml = "---\nname: y # why\nexpiration: 1d\nmetadata:\n  n: [-3, 1.5, true, null]\n  big: 18446744073709551616\n";
    for (media_type, body) in [
        ("application/yaml", yaml.as_bytes()),
        ("Application/YAML; charset=UTF-8", yaml.as_bytes()),
        (
            "application/yaml",
            br#"{"name": "y", "metadata": {"n": [-3, 1.5, true, null], "big": 18446744073709551616}}"#,
        ),
        ("application/cbor", IN_CBOR),
    ] {
        let made = send(&service, media_type, body).await;
        assert_eq!(made.status, StatusCode::OK, "{media_type}: {}", made.text);
        let id = made.json()["id"].as_str().unwrap().to_owned();
        let key = service.elastic().get(&format!("{PATH}?id={id}")).await;
        let n = &key.json()["api_keys"][0]["metadata"]["n"];
        assert_eq!(
            (&n[0], &n[1], &n[2], &n[3]),
            (&json!(-3), &json!(1.5), &json!(true), &json!(null)),
            "{media_type}"
        );
        assert!(key.text.contains("18446744073709551616"), "{}", key.text);
    }
}

#[tokio::test]
async fn mistakes_in_yaml_and_cbor_have_their_place() {
    let service = Service::new().await;
    for (media_type, body, reason) in [
        (
            "application/yaml",
            b"name: y\nnam: z\n".as_slice(),
            "[2:1] [api_key_request] unknown field [nam] did you mean [name]?",
        ),
        (
            "application/yaml",
            b"name: 7\n",
            "[1:7] [api_key_request] name doesn't support values of type: VALUE_NUMBER",
        ),
        ("application/yaml", b"name: y\nname: z\n", "[2:1] Duplicate field 'name'"),
        ("application/yaml", b"name: &a y\nmetadata: {b: *a}\n", "[1:10] anchors are not supported"),
        ("application/yaml", b"name: [y\n", "Unreadable YAML"),
        (
            "application/yaml",
            b"--- {name: y}\n--- {name: z}\n",
            "trailing content after the end of the document",
        ),
        (
            "application/cbor",
            b"\xa1\x63nam\x61c",
            "[1:2] [api_key_request] unknown field [nam] did you mean [name]?",
        ),
        ("application/cbor", b"\xa2\x64name\x61c\x64name\x61d", "[1:9] Duplicate field 'name'"),
        ("application/cbor", b"\xa1\x64name", "[1:7] Unexpected end-of-input"),
        ("application/cbor", b"\xa1\x64name\x61c\0", "[1:9] trailing content after the end of the document"),
        ("application/cbor", b"\xa1\x64name\x41c", "[1:7] a value that has no counterpart in JSON"),
        ("application/cbor", b"\xa1\x07\x61c", "[1:2] the name of a field must be a text"),
        ("application/cbor", b"\xa1\x64name\xf9\x7c\0", "[1:7] Numeric value (inf) out of range"),
        ("application/cbor", b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff\0", "Unexpected end-of-input"),
        ("application/cbor", b"\x7b\x0f\xff\xff\xff\xff\xff\xff\xff\0", "Unexpected end-of-input"),
        (
            "application/cbor",
            b"\xa1\x64name\xc2\x51\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            "[1:7] Numeric value out of range",
        ),
        ("application/cbor", b"\xff", "[1:1] a value that has no counterpart in JSON"),
    ] {
        let refused = send(&service, media_type, body).await;
        let (status, kind, told) = refused.error();
        assert_eq!((status, kind.as_str()), (400, "x_content_parse_exception"), "{body:?}: {told}");
        assert!(told.ends_with(reason) || told.contains(reason), "{body:?}: {told}");
    }
}

// No body may take more than was sent of it, or more of the stack than there is.
#[tokio::test]
async fn neither_depth_nor_number_of_values_is_without_a_limit() {
    let service = Service::new().await;
    let metadata = |levels: usize| {
        let inside = ["{a: ".repeat(levels), "1".to_owned(), "}".repeat(levels)].concat();
        format!("{{name: y, metadata: {inside}}}").into_bytes()
    };
    let in_cbor = |levels: usize| {
        [b"\xa2\x64name\x61c\x68metadata".as_slice(), &b"\xa1\x61a".repeat(levels), b"\x01"].concat()
    };
    for (media_type, bodies) in [
        ("application/yaml", [metadata(20), metadata(99), metadata(100), metadata(100_000)]),
        ("application/cbor", [in_cbor(20), in_cbor(99), in_cbor(100), in_cbor(100_000)]),
    ] {
        let mut told = Vec::new();
        for body in bodies {
            told.push(send(&service, media_type, &body).await.text);
        }
        assert!(told[0].contains("api_key"), "{media_type}: {}", told[0]);
        assert!(
            !told[1].contains("nesting depth exceeds"),
            "{media_type}: a limit of keys alone: {}",
            told[1]
        );
        assert!(told[2].contains("nesting depth exceeds"), "{media_type}: {}", told[2]);
        assert!(told[3].contains("nesting depth exceeds"), "{media_type}: {}", told[3]);
    }
    let many = |begin: &[u8], value: &[u8], end: &[u8]| [begin, &value.repeat(140_000), end].concat();
    for (media_type, body) in [
        ("application/yaml", many(b"[", b"1,", b"1]")),
        ("application/cbor", many(b"\x9f", b"\x01", b"\xff")),
    ] {
        let refused = send(&service, media_type, &body).await;
        assert!(refused.error().2.contains("values"), "{media_type}: {}", refused.text);
    }
}

#[tokio::test]
async fn other_formats_are_refused_in_elasticsearchs_words() {
    let service = Service::new().await;
    for media_type in ["application/smile", "text/plain", "application/x-ndjson", "application/xml"] {
        let refused = send(&service, media_type, b"{}").await;
        let expected =
            format!(r#"{{"error":"Content-Type header [{media_type}] is not supported","status":406}}"#);
        assert_eq!(refused.text, expected);
    }
    let vendored = "application/vnd.elasticsearch+yaml; compatible-with=9";
    let basic = STANDARD.encode(format!("elastic:{PASSWORD}"));
    let request = Request::post(PATH)
        .header("authorization", format!("Basic {basic}"))
        .header("content-type", vendored)
        .header("accept", vendored)
        .body(Body::from("name: y"));
    let answer = service.send(request.unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.header("content-type"), ["application/yaml"]);
    assert!(answer.text.starts_with("---\nid: "), "{}", answer.text);
}

// Whoever judges the media type also says how the body is read.
#[tokio::test]
async fn one_text_says_what_a_body_is() {
    let service = Service::new().await;
    let quoted = send(&service, "application/yaml; a=\"b,c\"", b"name: y").await;
    assert_eq!(quoted.status, StatusCode::OK, "{}", quoted.text);
    let basic = STANDARD.encode(format!("elastic:{PASSWORD}"));
    let twice = Request::post(PATH)
        .header("authorization", format!("Basic {basic}"))
        .header("content-type", "application/json")
        .header("content-type", "application/yaml")
        .body(Body::from("{}"));
    let refused = service.send(twice.unwrap()).await;
    let reason = "only one Content-Type header should be provided";
    refused.assert_error(400, "illegal_argument_exception", reason);
}

use std::io::Write as _;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use latchkey_key_service::limits::REQUEST_BODY_LEN_DEFAULT;
use latchkey_key_service::settings::{HttpSettings, ServiceSettings};

use crate::service::{Answer, PASSWORD, Service};

const BODY: &[u8] = br#"{"name":"compressed"}"#;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

async fn create(service: &Service, encoding: &str, body: Vec<u8>) -> Answer {
    let basic = STANDARD.encode(format!("elastic:{PASSWORD}"));
    let request = Request::post("/_security/api_key")
        .header("authorization", format!("Basic {basic}"))
        .header("content-type", "application/json")
        .header("content-encoding", encoding)
        .body(Body::from(body));
    service.send(request.unwrap()).await
}

#[tokio::test]
async fn a_body_may_come_compressed() {
    let service = Service::new().await;
    for (encoding, body) in [
        ("gzip", gzip(BODY)),
        ("x-gzip", gzip(BODY)),
        ("deflate", deflate(BODY)),
        ("identity", BODY.to_vec()),
    ] {
        let answer = create(&service, encoding, body).await;
        assert_eq!(answer.status, StatusCode::OK, "{encoding}: {}", answer.text);
        assert_eq!(answer.json()["name"], "compressed");
    }
}

// The limit is of what is decoded.
#[tokio::test]
async fn a_short_body_that_becomes_a_long_one_is_refused() {
    let service = Service::new().await;
    let name = |len: usize| [br#"{"name":""#, vec![b' '; len].as_slice(), br#""}"#].concat();
    let longest = name(REQUEST_BODY_LEN_DEFAULT - 11);
    assert_eq!(longest.len(), REQUEST_BODY_LEN_DEFAULT);
    for (encoding, encoded) in [("gzip", gzip as fn(&[u8]) -> Vec<u8>), ("deflate", deflate)] {
        assert_eq!(create(&service, encoding, encoded(&longest)).await.status, StatusCode::BAD_REQUEST);
        let bomb = encoded(&name(64 * REQUEST_BODY_LEN_DEFAULT));
        assert!(bomb.len() < REQUEST_BODY_LEN_DEFAULT);
        let refused = create(&service, encoding, bomb).await;
        assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE, "{encoding}: {}", refused.text);
    }
}

#[tokio::test]
async fn the_limit_that_is_set_is_that_of_what_is_decoded() {
    let len_max = 2 * REQUEST_BODY_LEN_DEFAULT;
    let http = HttpSettings { max_content_length: len_max, ..HttpSettings::default() };
    let service = Service::with(ServiceSettings { http, ..ServiceSettings::default() }).await;
    let body = |len: usize| [BODY, vec![b' '; len - BODY.len()].as_slice()].concat();
    for (encoding, encoded) in [("gzip", gzip as fn(&[u8]) -> Vec<u8>), ("deflate", deflate)] {
        assert_eq!(create(&service, encoding, encoded(&body(len_max))).await.status, StatusCode::OK);
        let refused = create(&service, encoding, encoded(&body(len_max + 1))).await;
        assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE, "{encoding}: {}", refused.text);
    }
}

#[tokio::test]
async fn a_body_that_is_not_what_its_header_says_is_refused() {
    let service = Service::new().await;
    let whole = gzip(BODY);
    for (encoding, body) in
        [("gzip", BODY.to_vec()), ("deflate", whole.clone()), ("gzip", whole[..whole.len() / 2].to_vec())]
    {
        let refused = create(&service, encoding, body).await;
        refused.assert_error(
            400,
            "status_exception",
            "the request body ended early or is not encoded as Content-Encoding says",
        );
    }
    for encoding in ["br", "zstd", "gzip, gzip", "nonsense"] {
        let refused = create(&service, encoding, whole.clone()).await;
        let reason = format!("Content-Encoding header [{encoding}] is not supported");
        refused.assert_error(415, "status_exception", &reason);
        assert_eq!(refused.header("accept-encoding"), ["gzip, deflate"]);
    }
}

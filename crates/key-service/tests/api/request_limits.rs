use http::StatusCode;
use latchkey_key_service::limits::{
    KEYS_LISTED_LEN_MAX, REQUEST_BODY_LEN_DEFAULT, REQUEST_BODY_LEN_LEAST, REQUEST_BODY_LEN_MAX,
};
use latchkey_key_service::settings::{HttpSettings, ServiceSettings};
use serde_json::{Map, json};

use crate::overload::add_key;
use crate::service::Service;

const PATH: &str = "/_security/api_key";

/// A body of exactly this many bytes.
fn body(len: usize) -> String {
    let text = json!({"name": "x"}).to_string();
    format!("{text}{}", " ".repeat(len - text.len()))
}

#[tokio::test]
async fn a_body_ends_at_its_limit() {
    let service = Service::new().await;
    let longest = service.elastic().post(PATH, &body(REQUEST_BODY_LEN_DEFAULT)).await;
    assert_eq!(longest.status, StatusCode::OK);
    let too_long = service.elastic().post(PATH, &body(REQUEST_BODY_LEN_DEFAULT + 1)).await;
    too_long.assert_error(413, "status_exception", "request body is larger than 1048576 bytes");
}

#[tokio::test]
async fn how_long_a_body_may_be_is_a_setting() {
    for len_max in [REQUEST_BODY_LEN_LEAST, REQUEST_BODY_LEN_MAX] {
        let http = HttpSettings { max_content_length: len_max, ..HttpSettings::default() };
        let service = Service::with(ServiceSettings { http, ..ServiceSettings::default() }).await;
        assert_eq!(service.elastic().post(PATH, &body(len_max)).await.status, StatusCode::OK);
        let too_long = service.elastic().post(PATH, &body(len_max + 1)).await;
        let reason = format!("request body is larger than {len_max} bytes");
        too_long.assert_error(413, "status_exception", &reason);
    }
}

// A longer body is for requests about many things, not for a longer thing.
#[tokio::test]
async fn what_is_stored_grows_no_longer_with_the_setting() {
    let http = HttpSettings { max_content_length: REQUEST_BODY_LEN_MAX, ..HttpSettings::default() };
    let service = Service::with(ServiceSettings { http, ..ServiceSettings::default() }).await;
    let elastic = service.elastic();
    let role = |len: usize| json!({"cluster": ["all"], "metadata": {"x": "y".repeat(len)}}).to_string();
    let user = |len: usize| {
        json!({"password": "hunter22", "roles": [], "metadata": {"x": "y".repeat(len)}}).to_string()
    };
    let fits = 1024 * 1024 - 1_000;
    assert_eq!(elastic.put("/_security/role/long", &role(fits)).await.status, StatusCode::OK);
    assert_eq!(elastic.put("/_security/user/long", &user(fits)).await.status, StatusCode::OK);
    elastic.put("/_security/role/longer", &role(fits + 1_000)).await.assert_error(
        400,
        "action_request_validation_exception",
        "Validation Failed: 1: the role has more than 1048576 bytes as JSON;",
    );
    elastic.put("/_security/user/longer", &user(fits + 1_000)).await.assert_error(
        400,
        "action_request_validation_exception",
        "Validation Failed: 1: roles and metadata have more than 1048576 bytes as JSON together;",
    );
}

// Keys of an earlier version can be as long as bodies, and there can be any number of them.
#[tokio::test]
async fn an_answer_holds_only_so_many_bytes_of_keys() {
    let service = Service::new().await;
    let long = "x".repeat(REQUEST_BODY_LEN_DEFAULT - 10_000);
    for number in 0..=KEYS_LISTED_LEN_MAX / long.len() {
        let metadata = Map::from_iter([("blob".to_owned(), json!(long))]);
        add_key(&service, &format!("k{number}"), metadata).await;
    }
    service.elastic().get(PATH).await.assert_error(
        400,
        "illegal_argument_exception",
        "the API keys that match are longer than 67108864 bytes; ask for fewer, for example by [name] or [username]",
    );
    service.elastic().post("/_security/_query/api_key", r#"{"size":100}"#).await.assert_error(
        400,
        "illegal_argument_exception",
        "the API keys up to the end of the page are longer than 67108864 bytes; ask for a smaller [size] or a narrower [query]",
    );
    let one = service.elastic().get(&format!("{PATH}?id=k0")).await;
    assert_eq!((one.status, one.ids()), (StatusCode::OK, vec!["k0".to_owned()]));
}

// A stranger's body is not even read.
#[tokio::test]
async fn a_stranger_is_refused_before_the_body_is_read() {
    let service = Service::new().await;
    let answer = service.anonymous().post(PATH, &body(REQUEST_BODY_LEN_DEFAULT + 1)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_is_stored_can_be_read_again_at_any_depth_that_is_accepted() {
    let service = Service::new().await;
    for depth in [30, 90, 200] {
        let metadata = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        let answer = service
            .elastic()
            .post(PATH, &format!(r#"{{"name":"x","metadata":{{"deep":{metadata}}}}}"#))
            .await;
        let listed = service.elastic().get(PATH).await;
        assert_eq!(listed.status, StatusCode::OK, "depth {depth}, created with {}", answer.status);
        assert_eq!(service.user("feed").get("/_latchkey/feed").await.status, StatusCode::OK, "depth {depth}");
    }
}

// No request may panic, whatever bytes its credential has.
#[tokio::test]
async fn an_authorization_header_of_any_bytes_is_refused() {
    let service = Service::new().await;
    for bytes in
        [b"ApiKey \xff\xfe".as_slice(), b"Basic \xff", b"\xff", b"ApiKey /////w==", b"Basic //86//8="]
    {
        let request = http::Request::get(PATH).header("authorization", bytes);
        let answer = service.send(request.body(axum::body::Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{bytes:?}");
    }
}

// The library that reads what is stored takes an object with such a name for JSON in a text, or for a number. A key with
// one could be made, and then no key could be listed.
#[tokio::test]
async fn metadata_cannot_be_what_is_never_read_again() {
    let service = Service::new().await;
    for mark in ["RawValue", "Number"] {
        let metadata = format!(r#"{{"a":{{"$serde_json::private::{mark}":"no JSON"}}}}"#);
        let body = format!(r#"{{"name":"n","metadata":{metadata}}}"#);
        let reason = format!("[1:30] Field name '$serde_json::private::{mark}' is reserved");
        let answer = service.elastic().post(PATH, &body).await;
        answer.assert_error(400, "x_content_parse_exception", &reason);
        assert_eq!(service.elastic().get(PATH).await.status, StatusCode::OK);
    }
}

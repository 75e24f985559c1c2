use axum::response::IntoResponse as _;
use latchkey_elastic::ValidationProblems;
use serde_json::json;

use super::*;

fn body(error: &ApiError) -> Value {
    serde_json::to_value(error).unwrap()
}

#[test]
fn a_plain_error_is_its_own_root() {
    // Elasticsearch, `ElasticsearchException#generateFailureXContent`: even a plain error has a root cause,
    // which clients read.
    let reason = "no API key owned by requesting user found for ID [x]";
    let error = ApiError::from(ErrorCause::new(ErrorType::ResourceNotFound, reason));
    let cause = json!({"type": "resource_not_found_exception", "reason": "no API key owned by requesting user found for ID [x]"});
    assert_eq!(
        serde_json::to_string(&error).unwrap(),
        format!(
            r#"{{"error":{{"root_cause":[{{"type":{0},"reason":{1}}}],"type":{0},"reason":{1}}},"status":404}}"#,
            cause["type"], cause["reason"]
        )
    );
}

#[test]
fn the_root_is_the_innermost_parse_error_or_own_error() {
    use ErrorType::{IllegalArgument, Parse, Security, Validation, XContentParse};
    // Types from the outermost to the innermost, and which one is the root.
    let rows: [(&[ErrorType], usize); 8] = [
        (&[IllegalArgument], 0),
        (&[XContentParse, IllegalArgument], 0),
        (&[XContentParse, XContentParse], 1),
        (&[XContentParse, XContentParse, IllegalArgument], 1),
        (&[XContentParse, Parse], 1),
        (&[XContentParse, Parse, Parse], 2),
        (&[XContentParse, Validation], 0),
        (&[Security, Security], 1),
    ];
    for (types, root) in rows {
        let mut causes = types.iter().enumerate().rev();
        let (depth, innermost) = causes.next().unwrap();
        let mut cause = ErrorCause::new(*innermost, depth.to_string());
        for (depth, outer) in causes {
            cause = ErrorCause::new(*outer, depth.to_string()).caused_by(cause);
        }
        assert_eq!(cause.root().reason(), root.to_string(), "{types:?}");
    }
}

#[test]
fn a_401_carries_its_challenges_as_headers_and_in_the_body() {
    // The shape captured from a real server.
    let error = ApiError::unauthenticated(
        "unable to authenticate with provided credentials and anonymous access is not allowed for this request",
        &[Challenge::Basic, Challenge::Bearer, Challenge::ApiKey],
        &["API key: unable to find apikey with id foo".to_owned()],
    );
    let cause = json!({
        "type": "security_exception",
        "reason": "unable to authenticate with provided credentials and anonymous access is not allowed for this request",
        "additional_unsuccessful_credentials": "API key: unable to find apikey with id foo",
        "header": {"WWW-Authenticate": ["Basic realm=\"security\", charset=\"UTF-8\"", "Bearer realm=\"security\"", "ApiKey"]},
    });
    let shown = body(&error);
    assert_eq!(shown["error"]["root_cause"], json!([cause]));
    assert_eq!(shown["error"]["header"], cause["header"]);
    assert_eq!(shown["status"], 401);

    let response = error.into_response();
    let lines: Vec<&str> = response
        .headers()
        .get_all(header::WWW_AUTHENTICATE)
        .iter()
        .map(|value| value.to_str().unwrap())
        .collect();
    assert_eq!(lines, ["Basic realm=\"security\", charset=\"UTF-8\"", "Bearer realm=\"security\"", "ApiKey"]);
}

#[test]
fn one_challenge_is_a_text_and_several_failures_are_an_array() {
    let failures = ["oauth2 token: invalid token".to_owned(), "API key: x".to_owned()];
    let error = ApiError::unauthenticated("token expired", &[Challenge::BearerExpired], &failures);
    let shown = body(&error);
    assert_eq!(
        shown["error"]["header"]["WWW-Authenticate"],
        "Bearer realm=\"security\", error=\"invalid_token\", error_description=\"The access token expired\""
    );
    assert_eq!(
        shown["error"]["additional_unsuccessful_credentials"],
        json!(["oauth2 token: invalid token", "API key: x"])
    );
}

#[test]
fn a_403_has_no_challenge() {
    let response = ApiError::unauthorized("action [x] is unauthorized").into_response();
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert!(response.headers().get(header::WWW_AUTHENTICATE).is_none());
}

#[test]
fn writes_the_flat_bodies() {
    let rows = [
        // Elasticsearch, `RestController`.
        (
            ApiError::no_handler(&Method::GET, "/x?y"),
            400,
            json!({"error": "no handler found for uri [/x?y] and method [GET]"}),
        ),
        (
            ApiError::wrong_method(&Method::PUT, "/x", &[Method::GET, Method::POST]),
            405,
            json!({"error": "Incorrect HTTP method for uri [/x] and method [PUT], allowed: [GET, POST]", "status": 405}),
        ),
        (
            ApiError::content_type_missing(),
            406,
            json!({"error": "Content-Type header is missing", "status": 406}),
        ),
        (
            ApiError::content_type_unsupported("text/plain"),
            406,
            json!({"error": "Content-Type header [text/plain] is not supported", "status": 406}),
        ),
        // RFC 6749, section 5.2.
        (
            ApiError::oauth(OAuthError::InvalidGrant, "token has been invalidated"),
            400,
            json!({"error": "invalid_grant", "error_description": "token has been invalidated"}),
        ),
    ];
    for (error, status, expected) in rows {
        assert_eq!(body(&error), expected);
        assert_eq!(error.into_response().status().as_u16(), status);
    }
}

#[test]
fn a_disabled_feature_is_named() {
    let shown = body(&ApiError::not_enabled(Feature::ApiKeys));
    assert_eq!(shown["error"]["root_cause"][0]["disabled.feature"], "api_keys");
    assert_eq!(shown["error"]["reason"], "api keys are not enabled");
    assert_eq!(shown["status"], 400);
}

#[test]
fn an_inner_cause_is_not_shown() {
    for error in [ApiError::internal("password=hunter2"), ApiError::unavailable("password=hunter2")] {
        assert!(!serde_json::to_string(&error).unwrap().contains("hunter2"));
    }
}

#[test]
fn complaints_are_numbered() {
    // Elasticsearch, `ValidationException`: a semicolon after each, and no space.
    let mut problems = ValidationProblems::new();
    assert_eq!(problems.clone().into_result(), Ok(()));
    problems.add("a");
    problems.add_if(false, "never");
    problems.add_if(true, "b");
    let cause = problems.into_result().unwrap_err();
    assert_eq!(cause.reason(), "Validation Failed: 1: a;2: b;");
    assert_eq!(cause.error_type().as_str(), "action_request_validation_exception");
}

#[test]
fn no_success_is_an_error_status() {
    for code in [100, 200, 204, 301, 304, 399] {
        let status = StatusCode::from_u16(code).unwrap();
        assert_eq!(ErrorStatus::try_from(status), Err(NotAnError(status)));
    }
    assert!(ErrorStatus::try_from(StatusCode::IM_A_TEAPOT).is_ok());
    assert!(ErrorStatus::try_from(StatusCode::BAD_GATEWAY).is_ok());
}

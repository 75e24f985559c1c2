use http::HeaderValue;

use super::*;

#[test]
fn encodes_what_is_asked_for() {
    assert_eq!(path(&["_security", "user", "a b/c+d?é"]), "/_security/user/a%20b%2Fc%2Bd%3F%C3%A9");
    assert_eq!(with_query("/x", &[("name", Some("a b&c")), ("owner", None)]), "/x?name=a+b%26c");
    assert_eq!(with_query("/x", &[("owner", None)]), "/x");
}

#[test]
fn an_error_of_the_service_is_one_line() {
    for (body, line) in [
        (
            r#"{"error":{"root_cause":[],"type":"security_exception","reason":"no\u001b[2J","caused_by":{"reason":"why"}},"status":403}"#,
            "the service answers 403 Forbidden, security_exception: no\\u{1b}[2J (why)",
        ),
        (r#"{"error":"no\nhandler","status":403}"#, "the service answers 403 Forbidden: no handler"),
        (
            r#"{"error":"invalid_grant","error_description":"expired"}"#,
            "the service answers 403 Forbidden, invalid_grant: expired",
        ),
        ("{}", "the service answers 403 Forbidden"),
        ("<html>", "403 Forbidden, and no JSON: is this a key service?"),
    ] {
        let failed = read(StatusCode::FORBIDDEN, body.as_bytes()).unwrap_err();
        assert_eq!(failed.to_string(), line, "{body}");
    }
    let error = br#"{"error":"gone","status":404}"#;
    assert!(read(StatusCode::NOT_FOUND, error).is_err());
    assert_eq!(read(StatusCode::NOT_FOUND, b"{}").unwrap().status, StatusCode::NOT_FOUND);
}

fn read(status: StatusCode, body: &[u8]) -> Result<Answer, CommandFailed> {
    Answer::read(&Received { status, headers: HeaderMap::new(), body: Bytes::copy_from_slice(body) })
}

#[test]
fn a_warning_is_the_text_in_its_quotes() {
    let mut headers = HeaderMap::new();
    for warning in ["299 Elasticsearch-9.1.0 \"2 keys go on\"", "299 x", "299 y \"a\u{9}b\" \"c\""] {
        headers.append(WARNING, HeaderValue::from_str(warning).unwrap());
    }
    assert_eq!(warnings(&headers), ["2 keys go on", "a\\tb"]);
}

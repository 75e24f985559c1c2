use super::*;

#[test]
fn reads_where_a_service_is() {
    for (url, host, port, prefix) in [
        ("http://127.0.0.1:9200", "127.0.0.1", 9200, ""),
        ("http://[::1]:9200/", "::1", 9200, ""),
        ("http://keys.example/a/b/", "keys.example", 80, "/a/b"),
    ] {
        let place = Place::parse(url).unwrap();
        assert_eq!((place.host.as_str(), place.port, place.prefix.as_str()), (host, port, prefix), "{url}");
    }
}

#[test]
fn refuses_urls_that_it_would_misread_and_repeats_none() {
    for (url, complaint) in [
        ("https://keys.example", "must start with http://, because no TLS is spoken here"),
        ("keys.example:9200", "must start with http://"),
        ("ftp://keys.example", "must start with http://"),
        ("http://elastic:hunter2@keys.example", "must not hold a username or password"),
        ("http://keys.example/?a=hunter2", "must not have a query"),
        ("http:// ", "is no URL"),
        ("", "is no URL"),
    ] {
        assert_eq!(Place::parse(url).unwrap_err().to_string(), format!("--url {complaint}"), "{url}");
    }
}

#[test]
fn knows_what_stays_on_this_machine() {
    for (url, is_loopback) in [
        ("http://localhost:9200", true),
        ("http://127.9.9.9", true),
        ("http://[::1]", true),
        ("http://10.0.0.1", false),
        ("http://localhost.example", false),
    ] {
        assert_eq!(Place::parse(url).unwrap().is_loopback(), is_loopback, "{url}");
    }
}

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
        let failed = Answer::read(StatusCode::FORBIDDEN, body.as_bytes()).unwrap_err();
        assert_eq!(failed.to_string(), line, "{body}");
    }
    let error = br#"{"error":"gone","status":404}"#;
    assert!(Answer::read(StatusCode::NOT_FOUND, error).is_err());
    assert_eq!(Answer::read(StatusCode::NOT_FOUND, b"{}").unwrap().status, StatusCode::NOT_FOUND);
}

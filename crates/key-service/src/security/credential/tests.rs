use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use http::HeaderValue;

use super::*;

#[path = "../../../../../tests/cases/credentials.rs"]
mod cases;
use cases::{CASES, Outcome};

// The same cases as at the edge. What Elasticsearch means by each is told here.
#[test]
fn every_case_of_the_edge_is_read() {
    for (name, values, at_the_edge) in CASES {
        let mut headers = HeaderMap::new();
        for value in *values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        let found = presented(&headers, true);
        match (at_the_edge, &found) {
            (Outcome::Credential { id, secret }, Ok(Some(Presented::ApiKey(credential)))) => {
                assert_eq!((credential.id.as_str(), credential.secret.expose()), (*id, *secret), "{name}");
            }
            (Outcome::Absent, found) => {
                assert!(!matches!(found, Ok(Some(Presented::ApiKey(_)))), "{name}")
            }
            (Outcome::Malformed(reason), found) => {
                assert!(is_meant(reason, values.len(), found), "{name}")
            }
            (_, found) => panic!("{name}: {found:?}"),
        }
    }
}

/// Whether a header that the edge refuses as malformed is what it is to Elasticsearch.
fn is_meant(reason: &str, headers: usize, found: &Result<Option<Presented>, MalformedCredential>) -> bool {
    match reason {
        "credential_empty" | "credential_space_missing" => matches!(found, Ok(None)),
        "credential_bad_base64" => matches!(found, Err(MalformedCredential::ApiKeyEncoding(_))),
        "credential_colon_missing" | "credential_id_empty" => {
            matches!(found, Err(MalformedCredential::ApiKeyValue))
        }
        "credential_id_not_utf8" => {
            matches!(found, Ok(Some(Presented::ApiKey(credential))) if credential.id.contains('\u{FFFD}'))
        }
        "credential_duplicate" if headers > 1 => {
            matches!(found, Err(MalformedCredential::SeveralHeaders))
        }
        // One value that may have been joined. It is whatever its first scheme is, and proves no key.
        "credential_duplicate" => !matches!(found, Ok(Some(Presented::ApiKey(_)))),
        _ => false,
    }
}

fn read(value: &str) -> Result<Option<Presented>, MalformedCredential> {
    let mut headers = HeaderMap::new();
    headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
    presented(&headers, true)
}

#[test]
fn reads_every_spelling_of_a_key() {
    for (scheme, base64) in [
        ("ApiKey", STANDARD.encode("id:se:cret")),
        ("apikey", STANDARD.encode("id:se:cret")),
        ("APIKEY", STANDARD_NO_PAD.encode("id:se:cret")),
    ] {
        let Ok(Some(Presented::ApiKey(credential))) = read(&format!("{scheme} {base64}")) else {
            panic!("{scheme} {base64}");
        };
        assert_eq!(credential.id, "id");
        assert_eq!(credential.secret.expose(), b"se:cret", "split at the first colon");
    }
}

// The texts are those of Java's `Base64.Decoder`, which Elasticsearch shows to clients.
#[test]
fn tells_each_way_a_key_is_malformed() {
    for (value, words) in [
        ("ApiKey id:secret".to_owned(), "Illegal base64 character 3a"),
        ("ApiKey a_b:c".to_owned(), "Illegal base64 character 5f"),
        ("ApiKey  aWQ6cw==".to_owned(), "Illegal base64 character 20"),
        ("ApiKey aWQ6c".to_owned(), "Last unit does not have enough valid bits"),
        ("ApiKey aWQ6cw=".to_owned(), "Input byte array has wrong 4-byte ending unit"),
        (format!("ApiKey {}", STANDARD.encode("idsecret")), "invalid ApiKey value"),
        (format!("ApiKey {}", STANDARD.encode(":secret")), "invalid ApiKey value"),
    ] {
        assert_eq!(read(&value).map(|_| ()).unwrap_err().to_string(), words, "{value}");
    }
}

#[test]
fn an_empty_secret_is_for_the_store_to_refuse() {
    assert!(matches!(read("ApiKey aWQ6"), Ok(Some(Presented::ApiKey(_)))));
}

#[test]
fn what_is_no_credential_is_absent() {
    for value in [
        "ApiKey",
        "ApiKey ",
        "ApiKey\taWQ6cw==",
        "ApiKey=aWQ6cw==",
        "Foo bar",
        "Basic",
        "Bearer",
        "Bearer ",
        "BearerX",
        "ApiKeyaWQ6cw==",
    ] {
        assert!(matches!(read(value), Ok(None)), "{value}");
    }
    assert!(matches!(presented(&HeaderMap::new(), true), Ok(None)));
}

#[test]
fn without_the_key_service_the_scheme_is_unknown() {
    let mut headers = HeaderMap::new();
    headers.append(AUTHORIZATION, HeaderValue::from_static("ApiKey aWQ6cw=="));
    assert!(matches!(presented(&headers, false), Ok(None)));
}

#[test]
fn a_basic_credential_is_trimmed_and_split_at_the_first_colon() {
    let Ok(Some(Presented::Basic(credential))) = read("basic   YTpiOmM=  ") else {
        panic!("a credential");
    };
    assert_eq!((credential.username.as_str(), credential.password.expose()), ("a", b"b:c".as_slice()));
    assert_eq!(read("Basic YQ==").map(|_| ()), Err(MalformedCredential::BasicValue));
    assert_eq!(read("Basic *").map(|_| ()), Err(MalformedCredential::BasicEncoding));
}

#[test]
fn refuses_two_authorization_headers() {
    let mut headers = HeaderMap::new();
    headers.append(AUTHORIZATION, HeaderValue::from_static("ApiKey aWQ6cw=="));
    headers.append(AUTHORIZATION, HeaderValue::from_static("ApiKey aWQ6cw=="));
    assert_eq!(presented(&headers, true).map(|_| ()), Err(MalformedCredential::SeveralHeaders));
}

#[test]
fn nothing_secret_is_printed() {
    let printed = format!("{:?} {:?}", read("ApiKey aWQ6aHVudGVyMg=="), read("Basic YTpodW50ZXIy"));
    assert!(!printed.contains("hunter2"), "{printed}");
}

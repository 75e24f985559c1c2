//! What the identity is told in.

use super::*;
use crate::limits::{APPLICATION_NAME_LEN_MAX, METADATA_PATH_LEN_MAX};
use crate::table::RecordText;

#[test]
fn identity_headers_are_checked_with_each_other() {
    let headers = |headers, metadata| {
        refused(&with("/identity", json!({"headers": headers, "metadata_headers": metadata})))
    };
    assert_eq!(
        headers(json!({"id": "x-api-key-name"}), json!({})),
        "identity.headers.name is the name of another identity header, or looks like it to an upstream"
    );
    assert_eq!(
        headers(json!({}), json!({"x_api_key_id": "a", "host": "b", "x-ok": "c"})),
        "identity.metadata_headers.host has a meaning of its own in HTTP or in Envoy; \
         identity.metadata_headers.x_api_key_id is the name of another identity header, or looks like it to an upstream"
    );
    // Two fields may swap their names.
    accepted(&with("/identity/headers", json!({"id": "x-api-key-name", "name": "x-api-key-id"})));
}

#[test]
fn filter_state_takes_the_usual_none_or_the_named_fields() {
    let identity = |value| accepted(&with("/identity", json!({"filter_state": value}))).identity;
    let told = |value| identity(value).filter_state().clone();
    let telling = |fields: &[IdentityField], claimed_id, rule| FilterState {
        fields: fields.to_vec(),
        claimed_id,
        rule,
    };
    assert_eq!(told(json!(true)), telling(&IdentityField::told_by_default(), true, true));
    assert!(!told(json!(true)).fields.contains(&IdentityField::ClaimedRoles));
    assert_eq!(told(json!(false)), telling(&[], false, false));
    assert_eq!(told(json!([])), telling(&[], false, false));
    assert_eq!(
        told(json!(["limited_by", "id"])),
        telling(&[IdentityField::Id, IdentityField::LimitedBy], false, false)
    );
    assert_eq!(
        told(json!(["claimed_id", "claimed_roles"])),
        telling(&[IdentityField::ClaimedRoles], true, false)
    );
    assert_eq!(told(json!(["rule"])), telling(&[], false, true));
    for value in
        [json!("id"), json!(["id", "secret"]), json!(["id", "id"]), json!(["id", 1]), json!({}), json!(null)]
    {
        assert_eq!(
            refused(&with("/identity", json!({"filter_state": value}))),
            "identity.filter_state is not true, false, or a list of identity fields"
        );
    }
}

#[test]
fn a_metadata_header_tells_claims_only_when_asked_to() {
    let headers = |value| parse(&with("/identity/metadata_headers/x-tenant", value));
    let shape = |value| headers(value).unwrap().identity.record_shape();
    let tells = |claims| RecordText::Metadata { path: "a.b".to_owned(), claims };
    for (value, claims) in [
        (json!("a.b"), false),
        (json!({"path": "a.b"}), false),
        (json!({"path": "a.b", "claims": false}), false),
        (json!({"path": "a.b", "claims": true}), true),
    ] {
        assert!(shape(value.clone()).texts().contains(&tells(claims)), "{value}");
    }
    let refused = |value| headers(value).unwrap_err().to_string();
    let place = "the configuration is refused: identity.metadata_headers.x-tenant";
    let no_path = format!("{place} is not the names of nested metadata fields, joined by dots");
    assert_eq!(refused(json!({"claims": true})), no_path);
    assert_eq!(refused(json!(["a"])), no_path);
    assert_eq!(refused(json!({"path": "a", "claims": 1})), format!("{place}.claims is not true or false"));
    assert_eq!(refused(json!({"path": "a", "claim": true})), format!("{place}.claim is not a known field"));
}

#[test]
fn metadata_headers_are_limited() {
    let of_count = |count| {
        let headers: serde_json::Map<String, Value> =
            (0..count).map(|index| (format!("x-{index}"), json!("a"))).collect();
        parse(&with("/identity/metadata_headers", Value::Object(headers)))
    };
    assert!(of_count(METADATA_HEADERS_MAX).is_ok());
    let too_many = ("identity.metadata_headers".to_owned(), Problem::TooMany { max: METADATA_HEADERS_MAX });
    assert_eq!(of_count(METADATA_HEADERS_MAX + 1).unwrap_err().problems, [too_many]);
    let of_path = |len: usize| parse(&with("/identity/metadata_headers", json!({"x-a": "p".repeat(len)})));
    assert!(of_path(METADATA_PATH_LEN_MAX).is_ok());
    assert!(of_path(METADATA_PATH_LEN_MAX + 1).is_err());
}

#[test]
fn the_name_of_an_application_is_limited() {
    let of_len = |len: usize| parse(&with("/identity/privileges", json!({"application": "a".repeat(len)})));
    assert!(of_len(APPLICATION_NAME_LEN_MAX).is_ok());
    assert!(of_len(APPLICATION_NAME_LEN_MAX + 1).is_err());
}

#[test]
fn privileges_are_told_of_the_application_that_is_named() {
    let told = |value| accepted(&with("/identity", value));
    let none = told(json!({}));
    assert_eq!((none.identity.application(), none.record_shape().holds_rights()), (None, false));
    assert!(none.identity.is_owned(b"x_api.key-privileges"), "a client could send it");
    for (value, header) in [
        (json!({"privileges": {"application": "shop"}}), "x-api-key-privileges"),
        (json!({"privileges": {"application": "shop", "header": "x-rights"}}), "x-rights"),
        (
            json!({"privileges": {"application": "shop", "header": null}, "filter_state": ["privileges"]}),
            "x-api-key-privileges",
        ),
    ] {
        let config = told(value);
        assert_eq!(config.identity.application(), Some("shop"));
        assert!(config.identity.is_owned(header.as_bytes()));
        assert_eq!(config.record_shape().applications(), ["shop"]);
        assert!(config.record_shape().holds_rights());
    }
    let words = "the name of an application: a lower case letter, two letters or digits at least, and what may follow - or _";
    for (value, expected) in [
        (json!({"privileges": {"header": "x-rights"}}), "identity.privileges.application is required".to_owned()),
        (json!({"filter_state": ["privileges"]}), "identity.privileges.application is required".to_owned()),
        (json!({"privileges": {"application": "Shop"}}), format!("identity.privileges.application is not {words}")),
        (json!({"privileges": {"application": "shop-*"}}), format!("identity.privileges.application is not {words}")),
        (
            json!({"privileges": {"application": "shop", "header": "x-api-key-id"}}),
            "identity.privileges.header is the name of another identity header, or looks like it to an upstream".to_owned(),
        ),
        (
            json!({"privileges": {"application": "shop", "headers": "x-a"}}),
            "identity.privileges.headers is not a known field, did you mean header?".to_owned(),
        ),
        (json!({"privileges": "shop"}), "identity.privileges is not an object".to_owned()),
    ] {
        assert_eq!(refused(&with("/identity", value)), expected);
    }
}

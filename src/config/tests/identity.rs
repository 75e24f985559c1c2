//! What the identity is told in.

use super::*;

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
fn filter_state_takes_all_none_or_the_named_fields() {
    let identity = |value| accepted(&with("/identity", json!({"filter_state": value}))).identity;
    let telling = |fields: &[IdentityField]| {
        let headers =
            IdentityField::ALL.map(|field| (field.default_header().to_owned(), IdentitySource::Field(field)));
        IdentityHeaders::new(headers.to_vec(), fields.to_vec()).unwrap()
    };
    assert_eq!(identity(json!(true)), telling(&IdentityField::ALL));
    assert_eq!(identity(json!(false)), telling(&[]));
    assert_eq!(identity(json!([])), telling(&[]));
    assert_eq!(
        identity(json!(["limited_by", "id"])),
        telling(&[IdentityField::Id, IdentityField::LimitedBy])
    );
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
fn metadata_headers_are_limited() {
    let of_count = |count| {
        let headers: serde_json::Map<String, Value> =
            (0..count).map(|index| (format!("x-{index}"), json!("a"))).collect();
        parse(&with("/identity/metadata_headers", Value::Object(headers)))
    };
    assert!(of_count(METADATA_HEADERS_MAX).is_ok());
    let too_many = ("identity.metadata_headers".to_owned(), Problem::TooMany { max: METADATA_HEADERS_MAX });
    assert_eq!(of_count(METADATA_HEADERS_MAX + 1).unwrap_err().problems, [too_many]);
}

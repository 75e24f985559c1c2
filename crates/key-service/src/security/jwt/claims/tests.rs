use serde_json::json;

use super::*;

const NOW: UnixMillis = UnixMillis(1_767_225_600_000);
const NOW_S: u64 = NOW.0 / 1_000;

fn rules() -> ClaimRules {
    ClaimRules {
        allowed_audiences: vec!["latchkey".to_owned(), "other".to_owned()],
        allowed_subjects: Vec::new(),
        allowed_clock_skew: Duration::from_secs(60),
        principal: "sub".to_owned(),
        groups: Some("groups".to_owned()),
        name: Some("name".to_owned()),
        mail: Some("email".to_owned()),
        populate_user_metadata: true,
        role_mapping: BTreeMap::from([
            ("admins".to_owned(), vec!["security".to_owned(), "own".to_owned()]),
            ("staff".to_owned(), vec!["own".to_owned()]),
        ]),
        roles_from_groups: vec!["feed".to_owned()],
    }
}

fn claims(changes: Value) -> Map<String, Value> {
    let mut claims = json!({
        "iss": "issuer", "sub": "alice", "aud": "latchkey", "iat": NOW_S, "exp": NOW_S + 600,
    });
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims.as_object().unwrap().clone()
}

fn outcome(rules: &ClaimRules, changes: Value) -> Result<VouchedUser, JwtRejection> {
    rules.user(&claims(changes), "corporate", TokenType::Id, NOW)
}

#[test]
fn refuses_claims_that_do_not_meet_a_rule() {
    let only_bob = ClaimRules { allowed_subjects: vec!["bob".to_owned()], ..rules() };
    let rows = [
        (rules(), json!({}), None),
        (rules(), json!({"exp": NOW_S - 59}), None),
        (rules(), json!({"exp": NOW_S - 60}), Some(JwtRejection::Expired)),
        (rules(), json!({"exp": null}), Some(JwtRejection::Claim)),
        (rules(), json!({"exp": "soon"}), Some(JwtRejection::Claim)),
        (rules(), json!({"exp": -1}), Some(JwtRejection::Claim)),
        (rules(), json!({"exp": 1e300}), None),
        (rules(), json!({"iat": null}), Some(JwtRejection::Claim)),
        (rules(), json!({"iat": NOW_S + 60}), None),
        (rules(), json!({"iat": NOW_S + 61}), Some(JwtRejection::NotYetValid)),
        (rules(), json!({"nbf": NOW_S + 61}), Some(JwtRejection::NotYetValid)),
        (rules(), json!({"nbf": NOW_S as f64 + 59.5}), None),
        (rules(), json!({"aud": ["x", "other"]}), None),
        (rules(), json!({"aud": null}), Some(JwtRejection::Audience)),
        (rules(), json!({"aud": "Latchkey"}), Some(JwtRejection::Audience)),
        (rules(), json!({"aud": []}), Some(JwtRejection::Audience)),
        (rules(), json!({"aud": ["latchkey", 5]}), Some(JwtRejection::Audience)),
        (rules(), json!({"sub": null}), Some(JwtRejection::Claim)),
        (rules(), json!({"sub": 5}), Some(JwtRejection::Claim)),
        (rules(), json!({"sub": ""}), Some(JwtRejection::Claim)),
        (rules(), json!({"sub": " alice"}), Some(JwtRejection::Claim)),
        (rules(), json!({"sub": "a\nb"}), Some(JwtRejection::Claim)),
        (rules(), json!({"sub": "x".repeat(508)}), Some(JwtRejection::Claim)),
        (rules(), json!({"groups": 5}), Some(JwtRejection::Claim)),
        (rules(), json!({"groups": ["a", 5]}), Some(JwtRejection::Claim)),
        (rules(), json!({"groups": vec!["g"; 1_001]}), Some(JwtRejection::Claim)),
        (only_bob.clone(), json!({}), Some(JwtRejection::Subject)),
        (only_bob.clone(), json!({"sub": null}), Some(JwtRejection::Subject)),
        (only_bob, json!({"sub": "bob"}), None),
    ];
    for (rules, changes, expected) in rows {
        assert_eq!(outcome(&rules, changes.clone()).err(), expected, "{changes}");
    }
}

#[test]
fn a_group_that_nobody_named_grants_nothing() {
    for (groups, roles) in [
        (json!(null), vec![]),
        (json!([]), vec![]),
        (json!(["superuser", "own", "Feed"]), vec![]),
        (json!("feed"), vec!["feed"]),
        (json!(["staff", "feed", "admins"]), vec!["feed", "own", "security"]),
    ] {
        assert_eq!(outcome(&rules(), json!({"groups": groups})).unwrap().user.roles, roles, "{groups}");
    }
    let without = ClaimRules { groups: None, ..rules() };
    assert_eq!(outcome(&without, json!({"groups": ["feed"]})).unwrap().user.roles, Vec::<String>::new());
}

#[test]
fn tells_who_the_user_is() {
    let changes =
        json!({"name": "Alice A.", "email": "a@example.org", "groups": ["x"], "address": {"city": "y"}});
    let VouchedUser { user, expiration } = outcome(&rules(), changes).unwrap();
    assert_eq!((user.username.as_str(), user.enabled, user.password.is_none()), ("alice", true, true));
    assert_eq!((user.realm.name.as_str(), user.realm.realm_type.as_str()), ("corporate", "jwt"));
    assert_eq!(user.full_name.as_deref(), Some("Alice A."));
    assert_eq!(user.email.as_deref(), Some("a@example.org"));
    assert_eq!(user.metadata["jwt_claim_groups"], json!(["x"]));
    assert_eq!(user.metadata["jwt_token_type"], "id_token");
    assert!(!user.metadata.contains_key("jwt_claim_address"), "an object is no simple claim");
    assert_eq!(expiration.0, (NOW_S + 660) * 1_000);
    let silent = ClaimRules { populate_user_metadata: false, ..rules() };
    assert!(outcome(&silent, json!({})).unwrap().user.metadata.is_empty());
}

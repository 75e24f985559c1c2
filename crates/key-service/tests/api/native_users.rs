use axum::http::StatusCode;
use serde_json::json;

use crate::service::{PASSWORD, Service};

const NAME_RULE: &str = "names must be at least 1 and no more than 507 characters. They can contain alphanumeric characters (a-z, A-Z, 0-9), spaces, punctuation, and printable symbols in the Basic Latin (ASCII) block. Leading or trailing whitespace is not allowed.";

const ALICE: &str = r#"{"password":"wonderland","roles":["own","absent"],"full_name":"Alice","email":"a@example.org","metadata":{"office":7}}"#;

fn invalid(problem: &str) -> String {
    format!("Validation Failed: 1: {problem};")
}

// Public documentation, "Create or update users" and "Get users".
#[tokio::test]
async fn a_user_is_made_shown_and_let_in() {
    let service = Service::new().await;
    for (refresh, created) in [("", true), ("?refresh=wait_for", false)] {
        let answer = service.elastic().put(&format!("/_security/user/alice{refresh}"), ALICE).await;
        assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!({ "created": created })));
    }
    let answer = service.user("read").get("/_security/user/alice").await;
    assert_eq!(
        answer.text,
        r#"{"alice":{"username":"alice","roles":["own","absent"],"full_name":"Alice","email":"a@example.org","metadata":{"office":7},"enabled":true}}"#
    );
    let alice = service.basic("alice", "wonderland");
    assert_eq!(
        alice.get("/_security/_authenticate").await.text,
        r#"{"username":"alice","roles":["own","absent"],"full_name":"Alice","email":"a@example.org","metadata":{"office":7},"enabled":true,"authentication_realm":{"name":"native","type":"native"},"lookup_realm":{"name":"native","type":"native"},"authentication_type":"realm"}"#
    );
    // Assigned roles that do not exist are named.
    alice.get("/_security/user").await.assert_error(
        403,
        "security_exception",
        "action [cluster:admin/xpack/security/user/get] is unauthorized for user [alice] with effective roles [own] (assigned roles [absent] were not found), this action is granted by the cluster privileges [read_security,manage_security,all]",
    );
    // The owner of a key is of the native realm.
    let made = alice.make(r#"{"name":"mine"}"#).await;
    let shown = alice.get("/_security/api_key?owner=true").await.json();
    assert_eq!(
        (&shown["api_keys"][0]["id"], &shown["api_keys"][0]["realm"]),
        (&json!(made.id), &json!("native"))
    );
}

// Public documentation, "Get users": reserved users are among them; 404 only when somebody was asked for.
#[tokio::test]
async fn lists_all_or_the_named() {
    let service = Service::new().await;
    service.elastic().put("/_security/user/alice", ALICE).await;
    for (path, status, names) in [
        ("/_security/user", 200, vec!["alice", "elastic"]),
        ("/_security/user/elastic,nobody,alice", 200, vec!["alice", "elastic"]),
        ("/_security/user/elastic%2Calice?with_profile_uid=true", 200, vec!["alice", "elastic"]),
        ("/_security/user/nobody", 404, vec![]),
        // A user of the file is not managed over the interface.
        ("/_security/user/own", 404, vec![]),
    ] {
        let answer = service.elastic().get(path).await;
        let json = answer.json();
        let found: Vec<&String> = json.as_object().unwrap().keys().collect();
        assert_eq!(
            (answer.status.as_u16(), found),
            (status, names.iter().map(|it| it.to_string()).collect::<Vec<_>>().iter().collect()),
            "{path}"
        );
    }
    assert_eq!(
        service.elastic().get("/_security/user/elastic").await.json()["elastic"]["metadata"],
        json!({"_reserved": true})
    );
    assert_eq!(service.elastic().get("/_security/user/%FF").await.status, StatusCode::BAD_REQUEST);
}

// Elasticsearch, `PutUserRequestBuilder`, `PutUserRequest#validate`, `TransportPutUserAction`: body, then
// request, then execution.
#[tokio::test]
async fn refuses_users_that_make_no_sense() {
    let service = Service::new().await;
    let long = "x".repeat(508);
    let (parse, whole, part, argument) = (
        "parse_exception",
        "action_request_validation_exception",
        "validation_exception",
        "illegal_argument_exception",
    );
    let rows: Vec<(&str, &str, &str, String)> = vec![
        ("bob", "", parse, "request body is required".into()),
        ("bob", "[]", parse, "expected an object, but found token [START_ARRAY]".into()),
        ("bob", r#"{"password":5}"#, parse, "expected field [password] to be of type string, but found [VALUE_NUMBER] instead".into()),
        ("bob", r#"{"password_hash":null}"#, parse, "expected field [password_hash] to be of type string, but found [VALUE_NULL] instead".into()),
        ("bob", r#"{"full_name":[]}"#, parse, "expected field [full_name] to be of type string, but found [START_ARRAY] instead".into()),
        ("bob", r#"{"email":true}"#, parse, "expected field [email] to be of type string, but found [VALUE_BOOLEAN] instead".into()),
        ("bob", r#"{"metadata":[]}"#, parse, "expected field [metadata] to be of type object, but found [START_ARRAY] instead".into()),
        ("bob", r#"{"enabled":"true"}"#, parse, "expected field [enabled] to be of type boolean, but found [VALUE_STRING] instead".into()),
        ("bob", r#"{"roles":[1]}"#, parse, "could not parse [roles] field. expected a string array but one of its elements is [VALUE_NUMBER]".into()),
        ("bob", r#"{"roles":null}"#, parse, "could not parse [roles] field. expected a string array but found null value instead".into()),
        ("bob", r#"{"role":[]}"#, parse, "failed to parse add user request. unexpected field [role]".into()),
        ("bob", r#"{"username":"eve"}"#, argument, "[username] in source does not match the username provided [bob]".into()),
        ("bob", r#"{"password":"short"}"#, part, invalid("passwords must be at least [6] characters long")),
        ("bob", r#"{"password_hash":"nothash"}"#, argument, "The provided password hash is not a hash or it could not be resolved to a supported hash algorithm. The supported password hash algorithms are [argon2id]".into()),
        ("bob", r#"{"password":"123456"}"#, whole, invalid("roles are missing")),
        ("bob", r#"{"metadata":{"_a":1}}"#, whole, "Validation Failed: 1: roles are missing;2: metadata keys may not start with [_];".into()),
        ("bob", r#"{"roles":[]}"#, part, invalid("password must be specified unless you are updating an existing user")),
        ("elastic", r#"{"roles":[]}"#, whole, invalid("user [elastic] is reserved and only the password can be changed")),
        ("%20bob", r#"{"roles":[]}"#, whole, invalid(&format!("User {NAME_RULE}"))),
        (&long, r#"{"roles":[]}"#, whole, invalid(&format!("User {NAME_RULE}"))),
        ("b%C3%B6b", r#"{"roles":["é"]}"#, whole, format!("Validation Failed: 1: User {NAME_RULE};2: Role {NAME_RULE};")),
    ];
    for (name, body, kind, reason) in rows {
        let answer = service.elastic().post(&format!("/_security/user/{name}"), body).await;
        assert_eq!(answer.error(), (400, kind.to_owned(), reason), "{name} {body}");
    }
    for body in ["{", r#"{"roles":[],"roles":[]}"#, "\u{1}"] {
        assert_eq!(
            service.elastic().put("/_security/user/bob", body).await.error().1,
            "x_content_parse_exception"
        );
    }
    assert_eq!(service.elastic().get("/_security/user").await.json().as_object().unwrap().len(), 1);
}

// A hash is kept as it is; both fields at once are refused.
#[tokio::test]
async fn takes_a_password_that_was_hashed_before() {
    let service = Service::new().await;
    let hash = json!({"password_hash": crate::cheap_hash::cheap_hash(), "roles": []});
    assert_eq!(service.elastic().put("/_security/user/bob", &hash.to_string()).await.status, StatusCode::OK);
    assert_eq!(service.user("bob").get("/_security/_authenticate").await.status, StatusCode::OK);
    let both = json!({"password": "123456", "password_hash": crate::cheap_hash::cheap_hash(), "roles": []});
    service.elastic().put("/_security/user/bob", &both.to_string()).await.assert_error(
        400,
        "validation_exception",
        &invalid("password_hash has already been set"),
    );
}

// Public documentation: an update without a password keeps it, and replaces everything else.
#[tokio::test]
async fn an_update_without_a_password_keeps_it() {
    let service = Service::new().await;
    service.elastic().put("/_security/user/alice", ALICE).await;
    service.elastic().put("/_security/user/alice", r#"{"roles":"own,read"}"#).await;
    assert_eq!(
        service.basic("alice", "wonderland").get("/_security/_authenticate").await.json()["roles"],
        json!(["own", "read"])
    );
    let shown = service.elastic().get("/_security/user/alice").await.json();
    assert_eq!((&shown["alice"]["full_name"], &shown["alice"]["metadata"]), (&json!(null), &json!({})));
}

// Public documentation, "Delete users", "Enable users", "Disable users".
#[tokio::test]
async fn who_is_disabled_or_gone_is_not_let_in() {
    let service = Service::new().await;
    service.elastic().put("/_security/user/alice", ALICE).await;
    let alice = service.basic("alice", "wonderland");
    let made = alice.make(r#"{"name":"stays"}"#).await;
    for (path, status) in [("_disable", StatusCode::UNAUTHORIZED), ("_enable", StatusCode::OK)] {
        let answer = service.elastic().put_nothing(&format!("/_security/user/alice/{path}")).await;
        assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, "{}"));
        assert_eq!(alice.get("/_security/_authenticate").await.status, status, "{path}");
    }
    for (found, status) in [(true, StatusCode::OK), (false, StatusCode::NOT_FOUND)] {
        let answer = service.elastic().delete_nothing("/_security/user/alice").await;
        assert_eq!((answer.status, answer.json()), (status, json!({ "found": found })));
    }
    assert_eq!(alice.get("/_security/_authenticate").await.status, StatusCode::UNAUTHORIZED);
    // Keys outlive their owner.
    assert_eq!(service.key(&made).get("/_security/_authenticate").await.status, StatusCode::OK);
}

#[tokio::test]
async fn nobody_is_enabled_who_is_not_there_or_asks_for_himself() {
    let service = Service::new().await;
    let elastic = service.elastic();
    elastic.put_nothing("/_security/user/nobody/_enable").await.assert_error(
        400,
        "validation_exception",
        &invalid("only existing users can be enabled"),
    );
    elastic.put_nothing("/_security/user/nobody/_disable").await.assert_error(
        400,
        "validation_exception",
        &invalid("only existing users can be disabled"),
    );
    elastic.put_nothing("/_security/user/elastic/_disable").await.assert_error(
        400,
        "illegal_argument_exception",
        "users may not update the enabled status of their own account",
    );
    elastic.put("/_security/user/nobody/_disable", "{}").await.assert_error(
        400,
        "illegal_argument_exception",
        "request [PUT /_security/user/nobody/_disable] does not support having a body",
    );
    elastic.delete_nothing("/_security/user/elastic").await.assert_error(
        400,
        "illegal_argument_exception",
        "user [elastic] is reserved and cannot be deleted",
    );
    // The super-user can be disabled by another one, and enabled again.
    let security = service.user("security");
    assert_eq!(security.put_nothing("/_security/user/elastic/_disable").await.status, StatusCode::OK);
    assert_eq!(elastic.get("/_security/_authenticate").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(security.put_nothing("/_security/user/elastic/_enable").await.status, StatusCode::OK);
    assert_eq!(elastic.get("/_security/_authenticate").await.status, StatusCode::OK);
}

// No privilege is needed (Elasticsearch, `RBACEngine#checkSameUserPermissions`). The reserved user's stored
// password takes the place of the first one.
#[tokio::test]
async fn users_change_their_own_passwords() {
    let service = Service::new().await;
    service.elastic().put("/_security/user/alice", ALICE).await;
    let alice = service.basic("alice", "wonderland");
    let answer = alice.post("/_security/user/_password", r#"{"password":"looking glass"}"#).await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, "{}"));
    assert_eq!(alice.get("/_security/_authenticate").await.status, StatusCode::UNAUTHORIZED);
    let alice = service.basic("alice", "looking glass");
    assert_eq!(alice.put("/_security/user/alice/_password", ALICE_AGAIN).await.status, StatusCode::OK);
    let elastic = service.elastic();
    assert_eq!(elastic.put("/_security/user/elastic/_password", ALICE_AGAIN).await.status, StatusCode::OK);
    assert_eq!(elastic.get("/_security/_authenticate").await.status, StatusCode::UNAUTHORIZED);
    let elastic = service.basic("elastic", "wonderland again");
    assert_eq!(elastic.get("/_security/_authenticate").await.status, StatusCode::OK);
}

const ALICE_AGAIN: &str = r#"{"password":"wonderland again"}"#;

#[tokio::test]
async fn passwords_are_not_changed_by_anybody_else() {
    let service = Service::new().await;
    service.elastic().put("/_security/user/alice", ALICE).await;
    let alice = service.basic("alice", "wonderland");
    let key = alice.make(r#"{"name":"x"}"#).await;
    let refused = |subject: &str| {
        format!(
            "action [cluster:admin/xpack/security/user/change_password] is unauthorized for {subject}, this action is granted by the cluster privileges [manage_security,all]"
        )
    };
    for (client, path, subject) in [
        // A key is no password, and its holder may be somebody else.
        (service.key(&key), "/_security/user/_password", format!("API key id [{}] of user [alice]", key.id)),
        (
            alice.clone(),
            "/_security/user/elastic/_password",
            "user [alice] with effective roles [own] (assigned roles [absent] were not found)".to_owned(),
        ),
        // A user of the file realm: its password cannot be changed here.
        (
            service.user("own"),
            "/_security/user/_password",
            "user [own] with effective roles [own]".to_owned(),
        ),
    ] {
        client.post(path, ALICE_AGAIN).await.assert_error(403, "security_exception", &refused(&subject));
    }
    let elastic = service.elastic();
    for (name, reason) in [
        ("nobody", "user must exist in order to change password"),
        ("own", "user [own] is a(n)file/file user and cannot be managed via this API."),
    ] {
        let answer = elastic.post(&format!("/_security/user/{name}/_password"), ALICE_AGAIN).await;
        answer.assert_error(400, "validation_exception", &invalid(reason));
    }
    assert_eq!(alice.get("/_security/_authenticate").await.status, StatusCode::OK);
}

#[tokio::test]
async fn refuses_password_bodies_that_make_no_sense() {
    let service = Service::new().await;
    for (body, kind, reason) in [
        ("", "parse_exception", "request body is required".to_owned()),
        ("{}", "action_request_validation_exception", invalid("password is missing")),
        (
            r#"{"password":"12345"}"#,
            "validation_exception",
            invalid("passwords must be at least [6] characters long"),
        ),
        (
            r#"{"pass":"1"}"#,
            "parse_exception",
            "failed to parse change password request. unexpected field [pass]".to_owned(),
        ),
        (
            r#"{"password":{}}"#,
            "parse_exception",
            "expected field [password] to be of type string, but found [START_OBJECT] instead".to_owned(),
        ),
    ] {
        let answer = service.elastic().post("/_security/user/_password", body).await;
        assert_eq!(answer.error(), (400, kind.to_owned(), reason), "{body}");
    }
    let long = json!({"password": "x".repeat(1025)}).to_string();
    assert_eq!(
        service.elastic().post("/_security/user/_password", &long).await.error().1,
        "validation_exception"
    );
    assert_eq!(service.elastic().get("/_security/_authenticate").await.status, StatusCode::OK);
}

#[tokio::test]
async fn only_who_may_manage_security_changes_users() {
    let service = Service::new().await;
    for (method, path, action, privileges) in [
        ("PUT", "/_security/user/bob", "user/put", "manage_security,all"),
        ("DELETE", "/_security/user/bob", "user/delete", "manage_security,all"),
        ("PUT", "/_security/user/bob/_enable", "user/set_enabled", "manage_security,all"),
        ("PUT", "/_security/role/r", "role/put", "manage_security,all"),
        ("DELETE", "/_security/role/r", "role/delete", "manage_security,all"),
        ("DELETE", "/_security/privilege/app/p", "privilege/delete", "manage_security,all"),
    ] {
        let client = service.user("read");
        let answer = match method {
            "DELETE" => client.delete_nothing(path).await,
            _ if path.ends_with("_enable") => client.put_nothing(path).await,
            _ if path.contains("role") => client.put(path, "{}").await,
            _ => client.put(path, r#"{"roles":[]}"#).await,
        };
        answer.assert_error(
            403,
            "security_exception",
            &format!("action [cluster:admin/xpack/security/{action}] is unauthorized for user [read] with effective roles [read], this action is granted by the cluster privileges [{privileges}]"),
        );
    }
    assert_eq!(
        service.basic("bob", PASSWORD).get("/_security/_authenticate").await.status,
        StatusCode::UNAUTHORIZED
    );
}

use http::StatusCode;
use latchkey_key_service::settings::{ServiceSettings, TokenSettings};
use serde_json::{Value, json};

use crate::service::{BEGINNING, PASSWORD, Service};

const PATH: &str = "/_security/api_key/grant";
const BULK: &str = "/_security/api_key/_bulk_grant";

fn grant(username: &str, api_key: Value) -> Value {
    json!({"grant_type": "password", "username": username, "password": PASSWORD, "api_key": api_key})
}

// The owner is the grantee. The key keeps nothing of the grantor, who cannot update it or find it as an own
// key.
#[tokio::test]
async fn a_granted_key_belongs_to_the_grantee() {
    let service = Service::new().await;
    let grantor = service.user("grant");
    let asked = json!({"name": "x", "expiration": "1h", "metadata": {"a": 1}, "role_descriptors": {"r": {"cluster": ["monitor"]}}});
    let answer = grantor.post(PATH, &grant("own", asked).to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let made = answer.json();
    let fields: Vec<&str> = answer.text.split('"').filter(|part| made.get(*part).is_some()).collect();
    assert_eq!(fields, ["id", "name", "expiration", "api_key", "encoded"]);
    assert_eq!(made["expiration"], BEGINNING + 3_600_000);
    let id = made["id"].as_str().unwrap();
    let shown = service.elastic().get(&format!("/_security/api_key?id={id}&with_limited_by")).await.json();
    let key = &shown["api_keys"][0];
    assert_eq!(
        (&key["username"], &key["realm"], &key["realm_type"]),
        (&json!("own"), &json!("file"), &json!("file"))
    );
    assert_eq!(key["limited_by"][0]["own"]["cluster"], json!(["manage_own_api_key", "monitor"]));
    assert_eq!(
        (&key["metadata"], &key["role_descriptors"]["r"]["cluster"]),
        (&json!({"a": 1}), &json!(["monitor"]))
    );
    // Edges see the grantee as the owner.
    let row = service.user("feed").get("/_latchkey/feed").await.json()["keys"][0].clone();
    assert_eq!(row["owner"], json!({"username": "own", "realm": "file"}));
    assert_eq!((&row["roles"], &row["limited_by"]), (&json!(["r"]), &json!(["own"])));
    // The grantee may change it, the grantor may not.
    let path = format!("/_security/api_key/{id}");
    assert_eq!(service.user("own").put(&path, "{}").await.status, StatusCode::OK);
    assert_eq!(service.user("security").put(&path, "{}").await.status, StatusCode::NOT_FOUND);
}

// The grantee needs no privileges.
#[tokio::test]
async fn whoever_holds_credentials_can_be_granted_a_key() {
    let service = Service::new().await;
    for grantor in ["grant", "manage", "security", "elastic"] {
        for target in ["nothing", "own", "elastic"] {
            let body = grant(target, json!({"name": "x"})).to_string();
            let answer = service.user(grantor).put(PATH, &body).await;
            assert_eq!(answer.status, StatusCode::OK, "{grantor} {target}: {}", answer.text);
        }
    }
}

// `manage_own_api_key` does not do, not even for oneself.
#[tokio::test]
async fn managing_ones_own_keys_is_not_enough() {
    let service = Service::new().await;
    let granted =
        "this action is granted by the cluster privileges [grant_api_key,manage_api_key,manage_security,all]";
    let subject = "is unauthorized for user [own] with effective roles [own]";
    let single = service.user("own").post(PATH, &grant("own", json!({"name": "x"})).to_string()).await;
    let action = "action [cluster:admin/xpack/security/api_key/grant]";
    single.assert_error(403, "security_exception", &format!("{action} {subject}, {granted}"));
    let body = json!({"grant_type": "password", "username": "own", "password": PASSWORD, "api_keys": [{"name": "x"}]});
    let several = service.user("own").post(BULK, &body.to_string()).await;
    let action = "action [cluster:admin/xpack/security/api_key/grant/bulk]";
    several.assert_error(403, "security_exception", &format!("{action} {subject}, {granted}"));
}

// 403, with the inner error inside.
#[tokio::test]
async fn credentials_that_prove_nobody_are_forbidden_and_not_unauthenticated() {
    let service = Service::new().await;
    let body = |username: &str, password: &str| {
        json!({"grant_type": "password", "username": username, "password": password, "api_key": {"name": "x"}}).to_string()
    };
    for (username, password) in [("own", "wrong password"), ("nobody", PASSWORD), ("disabled", PASSWORD)] {
        let answer = service.user("grant").post(PATH, &body(username, password)).await;
        answer.assert_error(403, "security_exception", "Failed to authenticate api key grant");
        let inner = format!(
            "unable to authenticate user [{username}] for action [cluster:admin/xpack/security/api_key/grant]"
        );
        assert_eq!(answer.cause(), inner);
        assert_eq!(answer.json()["error"]["root_cause"][0]["reason"], inner);
        assert_eq!(answer.header("www-authenticate"), Vec::<String>::new());
    }
    let token = r#"{"grant_type":"access_token","access_token":"bm9uZQ==","api_key":{"name":"x"}}"#;
    let answer = service.user("grant").post(PATH, token).await;
    answer.assert_error(403, "security_exception", "Failed to authenticate api key grant");
    assert_eq!(service.elastic().get("/_security/api_key").await.ids(), Vec::<String>::new());
}

// A token of a user, of a key, and none at all.
#[tokio::test]
async fn an_access_token_proves_the_grantee() {
    let tokens = TokenSettings { enabled: true, ..TokenSettings::default() };
    let service = Service::with(ServiceSettings { tokens, ..ServiceSettings::default() }).await;
    let ask = async |body: Value| {
        let answer = service.elastic().post("/_security/oauth2/token", &body.to_string()).await;
        answer.json()["access_token"].as_str().unwrap().to_owned()
    };
    let token = ask(json!({"grant_type": "password", "username": "own", "password": PASSWORD})).await;
    let body = |token: &str, api_key: Value| json!({"grant_type": "access_token", "access_token": token, "api_key": api_key});
    let named = json!({"name": "x"});
    let granted = service.user("grant").post(PATH, &body(&token, named.clone()).to_string()).await;
    assert_eq!(granted.status, StatusCode::OK, "{}", granted.text);
    let key = service.elastic().get("/_security/api_key").await.json()["api_keys"][0].clone();
    assert_eq!((&key["username"], &key["realm"]), (&json!("own"), &json!("file")));

    let powerful = service.elastic().make(r#"{"name":"powerful"}"#).await;
    let answer = service
        .key(&powerful)
        .post("/_security/oauth2/token", r#"{"grant_type":"client_credentials"}"#)
        .await;
    let of_key = answer.json()["access_token"].as_str().unwrap().to_owned();
    let mut run_as = body(&of_key, named.clone());
    run_as["run_as"] = json!("own");
    service.user("grant").post(PATH, &run_as.to_string()).await.assert_error(
        400,
        "status_exception",
        "the provided grant credentials do not support run-as",
    );
    service.user("grant").post(PATH, &body(&of_key, named.clone()).to_string()).await.assert_error(
        400,
        "illegal_argument_exception",
        "creating derived api keys requires an explicit role descriptor that is empty (has no privileges)",
    );
    let refresh = body("bm9uZQ==", named).to_string();
    let refused = service.user("grant").post(PATH, &refresh).await;
    refused.assert_error(403, "security_exception", "Failed to authenticate api key grant");
    assert_eq!(
        refused.json()["error"]["root_cause"][0]["additional_unsuccessful_credentials"],
        "oauth2 token: invalid token"
    );
}

#[tokio::test]
async fn the_grantee_may_run_as_another() {
    let service = Service::new().await;
    let run_as = async |username: &str, target: &str| {
        let mut body = grant(username, json!({"name": "x"}));
        body["run_as"] = json!(target);
        service.user("grant").post(PATH, &body.to_string()).await
    };
    let answer = run_as("runner", "own").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let key = service.elastic().get("/_security/api_key?with_limited_by").await.json()["api_keys"][0].clone();
    assert_eq!((&key["username"], &key["realm"]), (&json!("own"), &json!("file")));
    assert_eq!(key["limited_by"][0]["own"]["cluster"], json!(["manage_own_api_key", "monitor"]));
    // Not permitted, unknown, disabled.
    for (username, roles, target) in [
        ("runner", "runner", "elastic"),
        ("runner", "runner", "nobody"),
        ("runner", "runner", "disabled"),
        ("runner", "runner", ""),
        ("own", "own", "runner"),
    ] {
        run_as(username, target).await.assert_error(
            403,
            "security_exception",
            &format!(
                "action [cluster:admin/xpack/security/user/authenticate] is unauthorized for user [{username}] with \
                 effective roles [{roles}], because user [{username}] is unauthorized to run as [{target}]"
            ),
        );
    }
}

// The complaints about the key come first, all are numbered together (Elasticsearch,
// `GrantApiKeyRequest#validate`).
#[tokio::test]
async fn lists_every_complaint_in_order() {
    let service = Service::new().await;
    let key = json!({"name": "x"});
    for (body, problems) in [
        (json!({}), "1: api key name is required;2: [grant_type] is required;"),
        (json!({"api_key": key}), "1: [grant_type] is required;"),
        (
            json!({"grant_type": "password", "api_key": key}),
            "1: [username] is required for grant_type [password];2: [password] is required for grant_type [password];",
        ),
        (
            json!({"grant_type": "password", "username": "", "password": "", "access_token": "t", "api_key": {"name": "_x"}}),
            "1: api key name may not begin with an underscore;2: [username] is required for grant_type [password];\
             3: [password] is required for grant_type [password];4: [access_token] is not supported for grant_type [password];",
        ),
        (
            json!({"grant_type": "access_token", "username": "u", "password": "p", "api_key": key}),
            "1: [access_token] is required for grant_type [access_token];\
             2: [username] is not supported for grant_type [access_token];\
             3: [password] is not supported for grant_type [access_token];",
        ),
        (json!({"grant_type": "x", "username": "u", "api_key": key}), "1: grant_type [x] is not supported;"),
        (json!({"grant_type": "", "api_key": key}), "1: grant_type [] is not supported;"),
        (
            json!({"grant_type": "x", "api_key": {"name": "", "metadata": {"_a": 1}}}),
            "1: api key name is required;2: API key metadata keys may not start with [_];3: grant_type [x] is not supported;",
        ),
    ] {
        // Validation comes before authorization.
        service.user("nothing").post(PATH, &body.to_string()).await.assert_error(
            400,
            "action_request_validation_exception",
            &format!("Validation Failed: {problems}"),
        );
    }
}

#[tokio::test]
async fn refuses_bad_bodies() {
    let service = Service::new().await;
    let user = service.user("grant");
    let parser = "[grant_api_key_request]";
    for (body, reason) in [
        (r#"{"api_key":{}}"#, format!("[1:12] {parser} failed to parse field [api_key]")),
        (r#"{"api_key":[]}"#, format!("[1:12] {parser} api_key doesn't support values of type: START_ARRAY")),
        (
            r#"{"api_key":null}"#,
            format!("[1:12] {parser} api_key doesn't support values of type: VALUE_NULL"),
        ),
        (r#"{"api_key":{"name":5}}"#, format!("[1:12] {parser} failed to parse field [api_key]")),
        (r#"{"api_key":{"nam":"x"}}"#, format!("[1:12] {parser} failed to parse field [api_key]")),
        (
            r#"{"password":5}"#,
            format!("[1:13] {parser} password doesn't support values of type: VALUE_NUMBER"),
        ),
        (
            r#"{"username":["a"]}"#,
            format!("[1:13] {parser} username doesn't support values of type: START_ARRAY"),
        ),
        (r#"{"run_as":null}"#, format!("[1:11] {parser} run_as doesn't support values of type: VALUE_NULL")),
        (
            r#"{"acces_token":"x"}"#,
            format!("[1:2] {parser} unknown field [acces_token] did you mean [access_token]?"),
        ),
        (
            r#"{"client_authentication":"x"}"#,
            format!("[1:26] {parser} client_authentication doesn't support values of type: VALUE_STRING"),
        ),
        (
            r#"{"client_authentication":{"scheme":"x"}}"#,
            format!("[1:26] {parser} failed to parse field [client_authentication]"),
        ),
    ] {
        user.post(PATH, body).await.assert_error(400, "x_content_parse_exception", &reason);
    }
    assert_eq!(user.post(PATH, r#"{"api_key":{}}"#).await.cause(), "Required [name]");
    for body in ["[]", "x", r#"{"username":"a","username":"b"}"#] {
        assert_eq!(user.post(PATH, body).await.error().0, 400, "{body}");
    }
    user.request(http::Method::POST, PATH, None).await.assert_error(
        400,
        "parse_exception",
        "request body is required",
    );
    let secret = r#"{"scheme":"SharedSecret","value":"s"}"#;
    let body =
        |grant: &str| format!(r#"{{{grant},"client_authentication":{secret},"api_key":{{"name":"x"}}}}"#);
    user.post(PATH, &body(r#""grant_type":"access_token","access_token":"bm9uZQ==""#)).await.assert_error(
        400,
        "security_exception",
        "[client_authentication] not supported with the supplied access_token type",
    );
    let password = body(&format!(r#""grant_type":"password","username":"own","password":"{PASSWORD}""#));
    assert!(user.post(PATH, &password).await.error().2.contains("[client_authentication] is not supported"));
}

#[tokio::test]
async fn grants_several_keys_or_none() {
    let service = Service::new().await;
    let ask = async |api_keys: Value| {
        let mut body = grant("own", Value::Null);
        body.as_object_mut().unwrap().remove("api_key");
        body["api_keys"] = api_keys;
        service.user("grant").post(BULK, &body.to_string()).await
    };
    let answer = ask(json!([{"name": "one"}, {"name": "two", "expiration": "1h"}])).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let created = answer.json()["created"].as_array().unwrap().clone();
    let names: Vec<&Value> = created.iter().map(|key| &key["name"]).collect();
    assert_eq!(names, [&json!("one"), &json!("two")]);
    for key in &created {
        let encoded = key["encoded"].as_str().unwrap();
        let who =
            service.presenting(format!("ApiKey {encoded}")).get("/_security/_authenticate").await.json();
        assert_eq!((&who["username"], &who["api_key"]["id"]), (&json!("own"), &key["id"]));
    }
    let kind = "action_request_validation_exception";
    ask(json!([])).await.assert_error(400, kind, "Validation Failed: 1: [api_keys] must not be empty;");
    ask(json!([{"name": "three"}, {"name": ""}])).await.assert_error(
        400,
        kind,
        "Validation Failed: 1: api key name is required;",
    );
    let mixed = json!({"a": {"restriction": {"workflows": ["search_application_query"]}}, "b": {}});
    let refused = ask(json!([{"name": "three"}, {"name": "four", "role_descriptors": mixed}])).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let many: Vec<Value> = (0..1_001).map(|number| json!({"name": number.to_string()})).collect();
    ask(json!(many)).await.assert_error(
        400,
        kind,
        "Validation Failed: 1: [api_keys] must not hold more than 1000 keys;",
    );
    assert_eq!(service.elastic().get("/_security/api_key").await.ids().len(), 2);
}

//! Searching users and roles. Rows are those of Elasticsearch's `QueryUserIT` and `QueryRoleIT` (9.1).

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::service::{Client, Service};

const USERS: &str = "/_security/_query/user";
const ROLES: &str = "/_security/_query/role";

async fn put(service: &Service, path: &str, body: Value) {
    let answer = service.elastic().put(path, &body.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
}

async fn fill(service: &Service) {
    for (name, body) in [
        (
            "mr-prefix1",
            json!({"roles": ["master-of-the-universe", "some-other-role"], "full_name": "Prefix1", "email": "email@something.com"}),
        ),
        (
            "mr-prefix2",
            json!({"roles": ["master-of-the-world", "some-other-role"], "full_name": "Prefix2", "email": "email@something.com", "enabled": false}),
        ),
        (
            "batman-official-user",
            json!({"roles": ["bat-cave-admin"], "full_name": "Batman of Gotham", "email": "Batman@hotmail.com", "metadata": {"n": 1}}),
        ),
        ("plain", json!({"roles": []})),
    ] {
        let mut body = body;
        body["password"] = json!("100%-security-guaranteed");
        put(service, &format!("/_security/user/{name}"), body).await;
    }
    for (name, body) in [
        (
            "match_this",
            json!({"metadata": {"simple": "value", "big": 7}, "description": "Reads the Logs", "cluster": ["all"]}),
        ),
        (
            "other",
            json!({"metadata": {"simple": "other"}, "applications": [
            {"application": "abz", "privileges": ["read"], "resources": ["a/*", "b"]},
            {"application": "bbz", "privileges": ["write", "read"], "resources": ["*"]}]}),
        ),
        (
            "other2",
            json!({"metadata": {"other": "value"}, "applications": [
            {"application": "abc", "privileges": ["all"], "resources": ["c"]}]}),
        ),
    ] {
        put(service, &format!("/_security/role/{name}"), body).await;
    }
}

async fn names(client: &Client<'_>, path: &str, body: &Value) -> Vec<String> {
    let answer = client.post(path, &body.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{body}: {}", answer.text);
    let json = answer.json();
    let (list, field) = if path == USERS { ("users", "username") } else { ("roles", "name") };
    let found = json[list].as_array().unwrap();
    assert_eq!(json["count"], found.len());
    found.iter().map(|item| item[field].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn users_and_roles_are_answered_as_elasticsearch_does() {
    let service = Service::new().await;
    let reader = service.elastic();
    assert_eq!(reader.get(USERS).await.text, r#"{"total":0,"count":0,"users":[]}"#);
    fill(&service).await;
    let one = reader.post(USERS, r#"{"query":{"term":{"username":"mr-prefix2"}},"sort":["username"]}"#).await;
    assert_eq!(
        one.text,
        r#"{"total":1,"count":1,"users":[{"username":"mr-prefix2","roles":["master-of-the-world","some-other-role"],"full_name":"Prefix2","email":"email@something.com","metadata":{},"enabled":false,"_sort":["mr-prefix2"]}]}"#
    );
    let one = reader.post(ROLES, r#"{"query":{"term":{"name":"match_this"}},"sort":["name"]}"#).await;
    let shown = reader.get("/_security/role/match_this").await.json()["match_this"].clone();
    let found = one.json()["roles"][0].clone();
    assert_eq!((&found["name"], &found["_sort"]), (&json!("match_this"), &json!(["match_this"])));
    for (field, value) in shown.as_object().unwrap() {
        assert_eq!(&found[field], value, "{field}");
    }
    assert!(one.text.starts_with(r#"{"total":1,"count":1,"roles":[{"name":"match_this","cluster":["all"]"#));
    let without_sort = reader.request(Method::POST, USERS, None).await;
    assert!(!without_sort.text.contains("_sort"));
}

#[tokio::test]
async fn users_are_found_by_what_is_known_of_them() {
    let service = Service::new().await;
    fill(&service).await;
    let both = ["mr-prefix1", "mr-prefix2"].as_slice();
    for (query, expected) in [
        (json!({"match_all": {}}), ["batman-official-user", "mr-prefix1", "mr-prefix2", "plain"].as_slice()),
        (json!({"bool": {"must": [{"prefix": {"roles": "master-of-the"}}]}}), both),
        (json!({"wildcard": {"username": "mr-prefix*"}}), both),
        (json!({"terms": {"roles": ["some-other-role"]}}), both),
        (json!({"exists": {"field": "full_name"}}), &["batman-official-user", "mr-prefix1", "mr-prefix2"]),
        (json!({"exists": {"field": "roles"}}), &["batman-official-user", "mr-prefix1", "mr-prefix2"]),
        (json!({"term": {"enabled": false}}), &["mr-prefix2"]),
        (json!({"term": {"full_name": "batman"}}), &["batman-official-user"]),
        (json!({"term": {"full_name": "Batman"}}), &[]),
        (json!({"match": {"full_name": "BATMAN robin"}}), &["batman-official-user"]),
        (json!({"match": {"full_name": {"query": "batman robin", "operator": "and"}}}), &[]),
        (
            json!({"match": {"full_name": {"query": "gotham batman of", "minimum_should_match": "3"}}}),
            &["batman-official-user"],
        ),
        (json!({"wildcard": {"full_name": "Bat*"}}), &["batman-official-user"]),
        (json!({"term": {"email": "batman@hotmail.com"}}), &["batman-official-user"]),
        (json!({"term": {"email": "something"}}), both),
        (json!({"term": {"email": "hotmail.com"}}), &["batman-official-user"]),
        // The words of what is sought are its parts too, and one of them is enough: `com`.
        (json!({"match": {"email": "hotmail.com"}}), &["batman-official-user", "mr-prefix1", "mr-prefix2"]),
        (
            json!({"simple_query_string": {"query": "gotham prefix*"}}),
            &["batman-official-user", "mr-prefix1", "mr-prefix2"],
        ),
        (json!({"ids": {"values": ["user-plain", "plain"]}}), &["plain"]),
        (
            json!({"bool": {"must": [{"wildcard": {"username": "batman-official*"}}, {"term": {"enabled": true}}],
                            "filter": [{"prefix": {"roles": "bat-cave"}}]}}),
            &["batman-official-user"],
        ),
        // The super-user is of the reserved realm.
        (json!({"term": {"username": "elastic"}}), &[]),
    ] {
        let body = json!({"query": query, "sort": ["username"]});
        assert_eq!(names(&service.elastic(), USERS, &body).await, expected, "{query}");
    }
}

#[tokio::test]
async fn roles_are_found_by_what_they_say() {
    let service = Service::new().await;
    fill(&service).await;
    for (query, expected) in [
        (json!({"match_all": {}}), ["match_this", "other", "other2", "superuser"].as_slice()),
        (json!({"term": {"metadata.simple": "value"}}), &["match_this"]),
        (json!({"term": {"metadata": "value"}}), &["match_this", "other2"]),
        (json!({"term": {"metadata._reserved": true}}), &["superuser"]),
        (json!({"bool": {"filter": [{"wildcard": {"applications.application": "a*z"}}]}}), &["other"]),
        (json!({"term": {"applications.privileges": "read"}}), &["other"]),
        (json!({"prefix": {"applications.resources": "a/"}}), &["other"]),
        (json!({"match": {"description": "LOGS"}}), &["match_this"]),
        (json!({"exists": {"field": "applications.application"}}), &["other", "other2", "superuser"]),
        (json!({"ids": {"values": ["role-other"]}}), &["other"]),
    ] {
        let body = json!({"query": query, "sort": ["name"]});
        assert_eq!(names(&service.elastic(), ROLES, &body).await, expected, "{query}");
    }
}

#[tokio::test]
async fn pages_go_through_all_of_them_once() {
    let service = Service::new().await;
    fill(&service).await;
    for (path, list, field, count) in [(USERS, "users", "username", 4), (ROLES, "roles", "name", 4)] {
        let (mut found, mut after) = (Vec::new(), Value::Null);
        loop {
            let mut body = json!({"sort": [{field: {"order": "desc"}}], "size": 3});
            if !after.is_null() {
                body["search_after"] = after;
            }
            let page = service.elastic().post(path, &body.to_string()).await.json();
            assert_eq!(page["total"], count);
            let Some(last) = page[list].as_array().unwrap().last() else { break };
            after = last["_sort"].clone();
            found.extend(page[list].as_array().unwrap().iter().map(|item| item[field].to_string()));
        }
        assert!(found.is_sorted_by(|one, next| one > next), "{found:?}");
        assert_eq!(found.len(), count);
        let page = service.elastic().post(path, r#"{"from":1,"size":2}"#).await.json();
        assert_eq!((page["total"].as_u64(), page["count"].as_u64()), (Some(count as u64), Some(2)));
    }
    let sorted =
        service.elastic().post(USERS, r#"{"sort":[{"roles":{"order":"asc"}}],"size":1}"#).await.json();
    assert_eq!(sorted["users"][0]["_sort"], json!(["bat-cave-admin"]));
}

#[tokio::test]
async fn what_may_not_be_asked_is_refused() {
    let service = Service::new().await;
    fill(&service).await;
    for (path, body, reason) in [
        (
            USERS,
            json!({"query": {"prefix": {"not_allowed": "A"}}}),
            "Field [not_allowed] is not allowed for querying or aggregation",
        ),
        (
            USERS,
            json!({"query": {"term": {"password": "A"}}}),
            "Field [password] is not allowed for querying or aggregation",
        ),
        (
            USERS,
            json!({"query": {"term": {"metadata.n": 1}}}),
            "Field [metadata.n] is not allowed for querying or aggregation",
        ),
        (
            USERS,
            json!({"query": {"fuzzy": {"username": "X"}}}),
            "Query type [fuzzy] is not currently supported in this context",
        ),
        (USERS, json!({"sort": ["email"]}), "sorting is not supported for field [email]"),
        (USERS, json!({"sort": ["full_name"]}), "sorting is not supported for field [full_name]"),
        (USERS, json!({"sort": ["password"]}), "Field [password] is not allowed for querying or aggregation"),
        (
            ROLES,
            json!({"query": {"term": {"cluster": "all"}}}),
            "Field [cluster] is not allowed for querying or aggregation",
        ),
        (ROLES, json!({"sort": ["description"]}), "sorting is not supported for field [description]"),
    ] {
        service.elastic().post(path, &body.to_string()).await.assert_error(
            400,
            "illegal_argument_exception",
            reason,
        );
    }
    for (path, parser) in [(USERS, "query_user_request_payload"), (ROLES, "query_role_request_payload")] {
        let reason = format!("[1:2] [{parser}] unknown field [aggs]");
        service.elastic().post(path, r#"{"aggs":{}}"#).await.assert_error(
            400,
            "x_content_parse_exception",
            &reason,
        );
        let negative = "Validation Failed: 1: [size] parameter cannot be negative but was [-1];";
        let answer = service.elastic().post(path, r#"{"size":-1}"#).await;
        answer.assert_error(400, "action_request_validation_exception", negative);
        assert_eq!(service.elastic().get(&format!("{path}?typed_keys")).await.error().0, 400);
        assert_eq!(service.user("own").get(path).await.error().0, 403);
        assert_eq!(service.anonymous().get(path).await.error().0, 401);
    }
    assert_eq!(service.elastic().get(&format!("{USERS}?with_profile_uid=true")).await.status, StatusCode::OK);
}

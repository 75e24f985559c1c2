use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::service::{BEGINNING, Service};

const PATH: &str = "/_security/_query/api_key";

#[tokio::test]
async fn answers_as_elasticsearch_does() {
    let service = Service::new().await;
    let elastic = service.elastic();
    assert_eq!(elastic.get(PATH).await.text, r#"{"total":0,"count":0,"api_keys":[]}"#);
    let one = elastic.make(r#"{"name":"one"}"#).await;
    let item = |sort: &str| {
        format!(
            r#"{{"id":"{}","name":"one","type":"rest","creation":{BEGINNING},"invalidated":false,"username":"elastic","realm":"reserved","realm_type":"reserved","metadata":{{}},"role_descriptors":{{}}{sort}}}"#,
            one.id
        )
    };
    let plain = elastic.request(Method::POST, PATH, None).await;
    assert_eq!(plain.text, format!(r#"{{"total":1,"count":1,"api_keys":[{}]}}"#, item("")));
    let sorted = elastic.post(PATH, r#"{"sort":["creation",{"name":{"order":"desc"}}]}"#).await;
    let sort = format!(r#","_sort":[{BEGINNING},"one"]"#);
    assert_eq!(sorted.text, format!(r#"{{"total":1,"count":1,"api_keys":[{}]}}"#, item(&sort)));
    let counted = r#"{"size":0,"aggs":{"names":{"terms":{"field":"name"}}}}"#;
    for (query, name) in [("", "names"), ("?typed_keys", "sterms#names")] {
        let answer = elastic.post(&format!("{PATH}{query}"), counted).await.json();
        assert_eq!((&answer["total"], &answer["count"]), (&json!(1), &json!(0)));
        assert_eq!(
            answer["aggregations"][name]["buckets"],
            json!([{"key": "one", "doc_count": 1}]),
            "{query}"
        );
    }
}

#[tokio::test]
async fn takes_its_parameters() {
    let service = Service::new().await;
    let elastic = service.elastic();
    elastic.make(r#"{"name":"one"}"#).await;
    let limited = elastic.get(&format!("{PATH}?with_limited_by&with_profile_uid=true")).await.json();
    assert_eq!(limited["api_keys"][0]["limited_by"][0]["superuser"]["cluster"], json!(["all"]));
    let source = "source=%7B%22query%22%3A%7B%22term%22%3A%7B%22name%22%3A%22two%22%7D%7D%7D";
    let by_source = elastic.get(&format!("{PATH}?{source}&source_content_type=application/json")).await;
    assert_eq!(by_source.text, r#"{"total":0,"count":0,"api_keys":[]}"#);
    for query in ["?x", "?with_limited_by=yes", "?source=%7B%7D"] {
        assert_eq!(elastic.get(&format!("{PATH}{query}")).await.error().0, 400, "{query}");
    }
    let with_body = elastic.request(Method::GET, PATH, Some(r#"{"size":0}"#)).await.json();
    assert_eq!(with_body["count"], 0);
}

// The same query has different answers for different callers, and the answer does not say so.
#[tokio::test]
async fn everybody_finds_the_keys_they_may_see() {
    let service = Service::new().await;
    let mine = service.user("own").make(r#"{"name":"mine"}"#).await;
    let also_mine = service.user("own").make(r#"{"name":"also mine"}"#).await;
    let theirs = service.user("other-own").make(r#"{"name":"theirs"}"#).await;
    let supers = service.elastic().make(r#"{"name":"super"}"#).await;
    let sorted = |keys: &[&str]| {
        let mut ids: Vec<String> = keys.iter().map(|id| (*id).to_owned()).collect();
        ids.sort();
        ids
    };
    let all = sorted(&[&mine.id, &also_mine.id, &theirs.id, &supers.id]);
    for username in ["read", "manage", "security", "elastic"] {
        assert_eq!(service.user(username).get(PATH).await.ids(), all, "{username}");
    }
    assert_eq!(service.user("own").get(PATH).await.ids(), sorted(&[&mine.id, &also_mine.id]));
    let limited = service.user("own").get(&format!("{PATH}?with_limited_by")).await;
    assert_eq!(limited.json()["total"], 2);
    assert_eq!(service.user("other-own").get(PATH).await.ids(), sorted(&[&theirs.id]));
    assert_eq!(service.key(&mine).get(PATH).await.ids(), sorted(&[&mine.id]), "itself, not its siblings");
    assert_eq!(service.key(&supers).get(PATH).await.ids(), all);
    // What is not one's own is not there, whatever is asked.
    let asked = json!({"query": {"ids": {"values": [theirs.id]}}}).to_string();
    assert_eq!(service.user("own").post(PATH, &asked).await.json()["total"], 0);
    let refused = "action [cluster:admin/xpack/security/api_key/query] is unauthorized for";
    service.user("grant").get(PATH).await.assert_error(
        403,
        "security_exception",
        &format!(
            "{refused} user [grant] with effective roles [grant], this action is granted by the cluster privileges \
             [manage_own_api_key,read_security,manage_api_key,manage_security,all]"
        ),
    );
    service.key(&mine).get(&format!("{PATH}?with_limited_by")).await.assert_error(
        403,
        "security_exception",
        &format!(
            "{refused} API key id [{}] of user [own], this action is granted by the cluster privileges \
             [read_security,manage_api_key,manage_security,all]",
            mine.id
        ),
    );
}

#[tokio::test]
async fn pages_through_all_keys_dead_or_alive() {
    let service = Service::new().await;
    let elastic = service.elastic();
    for number in 0..25 {
        let made = elastic.make(&json!({"name": format!("key-{number:02}")}).to_string()).await;
        service.clock.advance_ms(1);
        if number % 5 == 0 {
            elastic.delete("/_security/api_key", &json!({"ids": made.id}).to_string()).await;
        }
    }
    let mut names: Vec<String> = Vec::new();
    let mut after = Value::Null;
    loop {
        let mut body = json!({"size": 7, "sort": [{"creation": {"order": "desc"}}]});
        if !after.is_null() {
            body["search_after"] = after;
        }
        let page = elastic.post(PATH, &body.to_string()).await.json();
        assert_eq!(page["total"], 25);
        let keys = page["api_keys"].as_array().unwrap();
        let Some(last) = keys.last() else { break };
        after = last["_sort"].clone();
        names.extend(keys.iter().map(|key| key["name"].as_str().unwrap().to_owned()));
    }
    let expected: Vec<String> = (0..25).rev().map(|number| format!("key-{number:02}")).collect();
    assert_eq!(names, expected);
    let dead = elastic.post(PATH, r#"{"query":{"term":{"invalidated":true}}}"#).await.json();
    assert_eq!((&dead["total"], &dead["count"]), (&json!(5), &json!(5)));
    let usual = elastic.get(PATH).await.json();
    assert_eq!((&usual["total"], &usual["count"]), (&json!(25), &json!(10)));
    let none = elastic.post(PATH, r#"{"from":30}"#).await.json();
    assert_eq!((&none["total"], &none["count"]), (&json!(25), &json!(0)));
}

#[tokio::test]
async fn roles_are_the_names_of_the_keys_own() {
    let service = Service::new().await;
    let elastic = service.elastic();
    for (name, roles) in [
        ("none", json!({})),
        ("one", json!({"reader": {}})),
        ("two", json!({"writer": {}, "read*": {}})),
        ("odd", json!({"a\"reader\"": {}})),
    ] {
        elastic.make(&json!({"name": name, "role_descriptors": roles}).to_string()).await;
        service.clock.advance_ms(1);
    }
    for (query, expected) in [
        (json!({"term": {"roles": "reader"}}), vec!["one"]),
        (json!({"term": {"roles": {"value": "READER", "case_insensitive": true}}}), vec!["one"]),
        (json!({"match": {"roles": "writer"}}), vec!["two"]),
        (json!({"terms": {"roles": ["reader", "read*"]}}), vec!["one", "two"]),
        (json!({"prefix": {"roles": "read"}}), vec!["one", "two"]),
        (json!({"wildcard": {"roles": "*reader*"}}), vec!["one", "odd"]),
        (json!({"exists": {"field": "roles"}}), vec!["one", "two", "odd"]),
        (json!({"bool": {"must_not": [{"term": {"roles": "reader"}}]}}), vec!["none", "two", "odd"]),
        (json!({"term": {"roles": "superuser"}}), vec![]),
        // A pattern of fields names those that Elasticsearch has.
        (json!({"simple_query_string": {"query": "reader"}}), vec![]),
        (json!({"simple_query_string": {"query": "reader", "fields": ["roles"]}}), vec!["one"]),
    ] {
        let found = elastic.post(PATH, &json!({"query": query, "sort": ["_doc"]}).to_string()).await.json();
        let names: Vec<_> = found["api_keys"].as_array().unwrap().iter().map(|key| &key["name"]).collect();
        assert_eq!(names, expected, "{query}");
        assert_eq!(found["total"], expected.len(), "{query}");
    }
    let counted = r#"{"size":0,"aggs":{"roles":{"terms":{"field":"roles"}}}}"#;
    let counted = elastic.post(PATH, counted).await.json();
    assert_eq!(counted["aggregations"]["roles"]["buckets"].as_array().unwrap().len(), 4);
}

// Which of several errors wins.
#[tokio::test]
async fn refuses_what_it_cannot_search_by() {
    let service = Service::new().await;
    let parser = "[query_api_key_request_payload]";
    for (body, status, kind, reason) in [
        (
            r#"{"from":-1}"#,
            400,
            "action_request_validation_exception",
            "[from] parameter cannot be negative but was [-1]",
        ),
        (
            r#"{"size":-1}"#,
            400,
            "action_request_validation_exception",
            "[size] parameter cannot be negative but was [-1]",
        ),
        (
            r#"{"sort":"name"}"#,
            400,
            "x_content_parse_exception",
            "sort doesn't support values of type: VALUE_STRING",
        ),
        (r#"{"sze":1}"#, 400, "x_content_parse_exception", parser),
        // A caller without the privilege gets errors of shape, and no others.
        (
            r#"{"query":{"term":{"digest":"x"}}}"#,
            403,
            "security_exception",
            "is unauthorized for user [nothing]",
        ),
    ] {
        let (answered, answered_kind, answered_reason) =
            service.user("nothing").post(PATH, body).await.error();
        assert_eq!((answered, answered_kind.as_str()), (status, kind), "{body}: {answered_reason}");
        assert!(answered_reason.contains(reason), "{body}: {answered_reason}");
    }
    for body in [
        r#"{"query":{"term":{"digest":"x"}}}"#,
        r#"{"query":{"regexp":{"name":"x"}}}"#,
        r#"{"sort":["salt"]}"#,
        r#"{"size":10001}"#,
        r#"{"query":{"term":{"name":{"a":"b"}}}}"#,
        r#"{"aggs":{},"aggregations":{}}"#,
        "[]",
        "x",
    ] {
        assert_eq!(service.elastic().post(PATH, body).await.error().0, 400, "{body}");
    }
    assert_eq!(service.anonymous().post(PATH, "x").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(service.elastic().delete(PATH, "{}").await.status, StatusCode::METHOD_NOT_ALLOWED);
}

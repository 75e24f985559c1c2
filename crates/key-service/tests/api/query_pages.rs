//! Pages of all keys, which the database makes by itself, are those that a search makes that looks at each key.

use serde_json::{Value, json};

use crate::service::Service;

const PATH: &str = "/_security/_query/api_key";

/// Keys that are alike in some ways and differ in others; every fifth is invalidated,
/// and others have another secret than at first.
async fn fill(service: &Service, count: usize) {
    let mut last_used = None;
    for number in 0..count {
        let owner = service.user(if number % 3 == 0 { "own" } else { "elastic" });
        let mut body = json!({"name": format!("n{}", number % 7), "metadata": {"n": number}});
        if number % 4 == 0 {
            body["expiration"] = json!(format!("{}d", 1 + number % 5));
        }
        let made = owner.make(&body.to_string()).await;
        if number % 5 == 0 {
            let ended =
                service.elastic().delete("/_security/api_key", &json!({"ids": [made.id]}).to_string()).await;
            assert_eq!(ended.json()["error_count"], 0);
        }
        if number % 6 == 1 && number % 5 != 0 {
            let path = format!("/_security/api_key/{}/_rotate", made.id);
            let body = json!({"overlap": format!("{}h", number % 4)}).to_string();
            assert_eq!(service.elastic().post(&path, &body).await.status, 200);
        }
        if number % 3 == 1 {
            service.tell("east", json!({&made.id: [1, number % 2]})).await;
            last_used = Some((made, 1 + number as u64 % 2));
        }
        if number % 2 == 0 {
            service.clock.advance_ms(1_800_000);
        }
    }
    if let Some((made, count)) = last_used {
        service.usage(&made, count).await;
    }
}

/// All pages of a search, one after the other, and how many keys each said there are.
async fn pages(service: &Service, query: &Value, sort: &Value, size: usize) -> (Vec<Value>, Vec<u64>) {
    let (mut keys, mut totals) = (Vec::<Value>::new(), Vec::new());
    loop {
        let mut body = json!({"sort": sort, "size": size});
        if !query.is_null() {
            body["query"] = query.clone();
        }
        if let Some(last) = keys.last() {
            body["search_after"] = last["_sort"].clone();
        }
        let page = service.elastic().post(PATH, &body.to_string()).await.json();
        totals.push(page["total"].as_u64().unwrap_or_else(|| panic!("{page}")));
        let found = page["api_keys"].as_array().unwrap().clone();
        let is_last = found.len() < size;
        keys.extend(found);
        if is_last {
            return (keys, totals);
        }
    }
}

#[tokio::test]
async fn pages_of_all_keys_are_those_of_a_search_that_looks_at_each() {
    const KEYS: usize = 48;
    let service = crate::usage::service().await;
    fill(&service, KEYS).await;
    // Everything too, but nothing that the database knows to be so.
    let each = json!({"bool": {"must_not": [{"exists": {"field": "metadata.none"}}]}});
    for sort in [
        json!(["creation", "_doc"]),
        json!([{"creation": {"order": "desc"}}, {"_doc": {"order": "desc"}}]),
        json!([{"creation": {"order": "desc", "format": "date_time"}}, "name", "_doc"]),
        json!(["name", {"username": {"order": "desc"}}, "_doc"]),
        json!([{"expiration": {"order": "asc"}}, "_doc"]),
        json!([{"expiration": {"order": "desc"}}, "_doc"]),
        json!([{"expiration": {"order": "asc", "missing": "_first"}}, {"name": {"order": "desc"}}, "_doc"]),
        json!([{"expiration": {"missing": 1_767_300_000_000_u64}}, "_doc"]),
        json!(["invalidated", {"invalidation": {"order": "desc"}}, {"realm_name": {"order": "desc"}}, "_doc"]),
        json!(["last_used", {"last_wrong_secret": {"order": "desc"}}, "_doc"]),
        json!([{"uses": {"order": "desc"}}, "_doc"]),
        json!(["uses", "creation", "_doc"]),
        json!(["rotation", {"previous_secret_expiration": {"order": "desc"}}, "_doc"]),
        json!(["_doc"]),
    ] {
        let (of_the_store, totals) = pages(&service, &Value::Null, &sort, 7).await;
        let (one_by_one, _) = pages(&service, &each, &sort, 7).await;
        assert_eq!(of_the_store, one_by_one, "{sort}");
        assert_eq!(of_the_store.len(), KEYS, "{sort}");
        assert!(totals.iter().all(|total| *total == KEYS as u64), "{totals:?}");
    }
}

#[tokio::test]
async fn the_keys_that_are_used_most_come_first() {
    let service = crate::usage::service().await;
    fill(&service, 12).await;
    let sort = json!([{"uses": {"order": "desc"}}, "_doc"]);
    let (keys, _) = pages(&service, &Value::Null, &sort, 5).await;
    let uses = |key: &Value| key["uses"].as_u64().unwrap_or(0);
    assert!(keys.windows(2).all(|two| uses(&two[0]) >= uses(&two[1])), "{keys:?}");
    assert!(uses(&keys[0]) > 0 && uses(&keys[11]) == 0, "{keys:?}");
    assert!(keys.iter().all(|key| key["_sort"][0] == uses(key)), "{keys:?}");
    let refused = service.elastic().post(PATH, r#"{"query":{"term":{"uses":1}}}"#).await;
    assert_eq!(refused.status, 400, "it is no field to search by: {}", refused.text);
}

#[tokio::test]
async fn a_page_may_begin_anywhere_and_show_nothing() {
    let service = crate::usage::service().await;
    fill(&service, 12).await;
    let all = service.elastic().post(PATH, r#"{"sort":["creation","_doc"],"size":12}"#).await.json();
    let all = all["api_keys"].as_array().unwrap();
    for (from, size) in [(0, 0), (0, 5), (5, 5), (10, 5), (12, 5)] {
        let body = json!({"sort": ["creation", "_doc"], "from": from, "size": size});
        let page = service.elastic().post(PATH, &body.to_string()).await.json();
        let expected: Vec<_> = all.iter().skip(from).take(size).collect();
        assert_eq!(page["api_keys"].as_array().unwrap().iter().collect::<Vec<_>>(), expected, "{body}");
        assert_eq!((page["total"].as_u64(), page["count"].as_u64()), (Some(12), Some(expected.len() as u64)));
    }
    let without_order = service.elastic().post(PATH, r#"{"size":12}"#).await.json();
    let ids = |keys: &[Value]| keys.iter().map(|key| key["id"].clone()).collect::<Vec<_>>();
    let found = without_order["api_keys"].as_array().unwrap();
    assert_eq!(ids(found).len(), 12);
    assert!(found.iter().all(|key| key.get("_sort").is_none()));
    assert!(found.windows(2).all(|two| two[0]["creation"].as_u64() <= two[1]["creation"].as_u64()));
}

// The page is made of what the caller may see, and so is the total.
#[tokio::test]
async fn a_page_of_ones_own_keys_holds_no_others() {
    let service = crate::usage::service().await;
    fill(&service, 12).await;
    let page = service.user("own").post(PATH, r#"{"sort":["name","_doc"],"size":3}"#).await.json();
    assert_eq!((page["total"].as_u64(), page["count"].as_u64()), (Some(4), Some(3)));
    assert!(page["api_keys"].as_array().unwrap().iter().all(|key| key["username"] == "own"), "{page}");
}

#[tokio::test]
async fn a_text_that_no_store_can_keep_is_a_place_all_the_same() {
    let service = crate::usage::service().await;
    fill(&service, 4).await;
    let body = r#"{"sort":["name","_doc"],"search_after":["n1\u0000",0]}"#;
    let page = service.elastic().post(PATH, body).await.json();
    assert_eq!(page["count"], 2, "n2 and n3: {page}");
}

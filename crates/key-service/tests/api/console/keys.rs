//! Making, finding, rotating and revoking keys, and who may.

use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, LOCATION};
use latchkey_console::limits::KEYS_REVOKED_AT_ONCE_MAX;
use serde_json::json;

use crate::console::browser::{Browser, Page};
use crate::service::{PASSWORD, Service};

#[tokio::test]
async fn a_key_is_made_shown_once_found_rotated_and_revoked() {
    let service = Service::new().await;
    let mut browser = Browser::logged_in(&service, "elastic").await;
    let fields = [("name", "ci"), ("life", "30d"), ("rights", "labels"), ("labels", "reader")];
    let made = browser.send_form("/console/keys/new", "/console/keys/new", &fields).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text);
    assert_eq!(made.header(CACHE_CONTROL), "no-store");
    let credential = made.between("<code id=\"credential\" tabindex=\"0\">", "</code>");
    let asked = service.presenting(format!("ApiKey {credential}")).get("/_security/_authenticate").await;
    assert_eq!(asked.json()["api_key"]["name"], "ci");
    let id = asked.json()["api_key"]["id"].as_str().unwrap().to_owned();

    let list = browser.get("/console/keys?q=CI&status=active").await;
    assert!(list.text.contains(&id) && list.text.contains("1 key"), "{}", list.text);
    let page = browser.get(&format!("/console/key?id={id}")).await;
    for told in ["reader", "What its owner could do", "create api key", "by console"] {
        assert!(page.text.contains(told), "{told}: {}", page.text);
    }
    assert!(!page.text.contains(credential));

    let (from, form) = (format!("/console/key/rotate?id={id}"), [("id", id.as_str()), ("overlap", "1h")]);
    let rotated = browser.send_form(&from, "/console/key/rotate", &form).await;
    let newer = rotated.between("<code id=\"credential\" tabindex=\"0\">", "</code>");
    assert_ne!(newer, credential);
    for works in [credential, newer] {
        let asked = service.presenting(format!("ApiKey {works}")).get("/_security/_authenticate").await;
        assert_eq!(asked.status, StatusCode::OK);
    }

    let revoke = format!("/console/revoke?id={id}");
    let answer = browser.send_form(&revoke, "/console/revoke", &[("id", &id)]).await;
    assert!(
        answer.header(LOCATION).starts_with("/console/watch?epoch=epoch&change="),
        "{:?}",
        answer.headers
    );
    let watch = browser.get(answer.header(LOCATION)).await;
    assert!(watch.text.contains("No edge follows the key service"), "{}", watch.text);
    let asked = service.presenting(format!("ApiKey {newer}")).get("/_security/_authenticate").await;
    assert_eq!(asked.status, StatusCode::UNAUTHORIZED);
    let events = service.elastic().get("/_latchkey/audit").await.json();
    let via: Vec<_> = events["events"].as_array().unwrap().iter().map(|event| &event["via"]).collect();
    assert_eq!(via, ["console", "console", "console"]);
}

#[tokio::test]
async fn an_edge_that_may_still_admit_is_shown_until_it_has_turned() {
    let service = Service::new().await;
    let key = service.elastic().make(r#"{"name":"k"}"#).await;
    let follow = async |cursor: u64| {
        let path = format!("/_latchkey/feed?after={cursor}&epoch=epoch&edge=east");
        assert_eq!(service.elastic().get(&path).await.status, StatusCode::OK);
    };
    follow(2).await;
    let mut browser = Browser::logged_in(&service, "elastic").await;
    let revoke = format!("/console/revoke?id={}", key.id);
    let answer = browser.send_form(&revoke, "/console/revoke", &[("id", &key.id)]).await;
    let watch = answer.header(LOCATION).to_owned();
    assert!(watch.contains("&change=3&"), "{watch}");
    let page = browser.get(&watch).await;
    assert!(page.text.contains("0 of 1 edges refuse it."), "{}", page.text);
    assert!(
        page.text.contains("no answer yet; it may still admit it, at the latest until 2026-01-01T0"),
        "{}",
        page.text
    );
    service.clock.advance_ms(10 * 60 * 1_000);
    let page = browser.get(&watch).await;
    assert!(page.text.contains("may admit it until 2026-01-01T01:"), "{}", page.text);
    follow(3).await;
    let page = browser.get(&watch).await;
    assert!(page.text.contains("Every edge refuses it: 1 edge."), "{}", page.text);
}

#[tokio::test]
async fn what_one_may_not_do_is_not_offered_and_refused_all_the_same() {
    let service = Service::new().await;
    let key = service.elastic().make(r#"{"name":"others"}"#).await;
    let own = service.user("own").make(r#"{"name":"mine","role_descriptors":{"r":{}}}"#).await;

    let mut owner = Browser::logged_in(&service, "own").await;
    let list = owner.get("/console/keys").await;
    assert!(
        list.text.contains("mine") && !list.text.contains("others") && list.text.contains("1 key of yours")
    );
    assert!(list.text.contains("New key") && !list.text.contains(">Audit<"));
    assert_eq!(owner.get(&format!("/console/key?id={}", key.id)).await.status, StatusCode::NOT_FOUND);
    let refused = owner.get("/console/audit").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text.contains("Not allowed") && refused.text.contains("Log out"), "there is a way on");
    let token = owner.token("/console/me").await;
    owner.post("/console/revoke", &[("id", &key.id), ("token", &token)]).await;
    assert_eq!(service.key(&key).get("/_security/_authenticate").await.status, StatusCode::OK, "it works on");

    let mut reader = Browser::logged_in(&service, "read").await;
    let list = reader.get("/console/keys").await;
    assert!(list.text.contains("mine") && list.text.contains("others"));
    assert!(
        !list.text.contains("New key")
            && !list.text.contains("Revoke the selected")
            && !list.text.contains("checkbox")
    );
    let page = reader.get(&format!("/console/key?id={}", own.id)).await;
    assert!(page.text.contains("mine") && !page.text.contains("Rotate…") && !page.text.contains("Revoke…"));
    let token = reader.token("/console/me").await;
    let answer = reader.post("/console/revoke", &[("id", &own.id), ("token", &token)]).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.text.contains("manage_api_key"), "{}", answer.text);

    let mut nobody = Browser::logged_in(&service, "nothing").await;
    let me = nobody.get("/console/me").await;
    assert!(
        me.text.contains("Nothing but to look at this page") && !me.text.contains(">Keys<"),
        "{}",
        me.text
    );
    for page in ["/console/keys", "/console/keys/new", "/console/edges", "/console/audit"] {
        assert_eq!(nobody.get(page).await.status, StatusCode::FORBIDDEN, "{page}");
    }
}

#[tokio::test]
async fn a_key_is_made_for_another_with_the_right_or_the_password() {
    let service = Service::new().await;
    let fields = |owner, password| {
        let rights = [("name", "k"), ("life", "1d"), ("rights", "all"), ("all_confirmed", "on")];
        rights.into_iter().chain([("owner", owner), ("owner_password", password)]).collect::<Vec<_>>()
    };
    for (who, owner, password, expected) in [
        ("runner", "own", "", Some("own")),
        ("runner", "read", "", None),
        ("runner", "own\n", "", Some("own")),
        ("runner", "o\u{1}wn", "", None),
        ("elastic", "o\u{1}wn", "", None),
        ("elastic", "own\nx", "", None),
        ("grant", "own", PASSWORD, Some("own")),
        ("grant", "own", "wrong", None),
        ("elastic", "", "", Some("elastic")),
    ] {
        let mut browser = Browser::logged_in(&service, who).await;
        let form = fields(owner, password);
        let made = browser.send_form("/console/keys/new", "/console/keys/new", &form).await;
        let Some(expected) = expected else {
            assert!(
                made.status.is_client_error() || made.status == StatusCode::SEE_OTHER,
                "{who} for {owner}"
            );
            assert!(!made.text.contains("id=\"credential\""));
            continue;
        };
        let credential = made.between("<code id=\"credential\" tabindex=\"0\">", "</code>");
        let asked = service.presenting(format!("ApiKey {credential}")).get("/_security/_authenticate").await;
        assert_eq!(asked.json()["username"], expected, "{who}: {}", asked.text);
    }
}

#[tokio::test]
async fn mistakes_of_the_form_are_told_where_they_are_and_what_was_typed_stays() {
    let service = Service::new().await;
    let mut browser = Browser::logged_in(&service, "elastic").await;
    let fields = [
        ("name", ""),
        ("life", "never"),
        ("rights", "json"),
        ("role_descriptors", "{\"r\": "),
        ("metadata", "7"),
    ];
    let answer = browser.send_form("/console/keys/new", "/console/keys/new", &fields).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    for told in
        ["Give the key a name", "EOF while parsing a value at line 1 column 5", "no object", "{&#34;r&#34;:"]
    {
        assert!(answer.text.contains(told), "{told}: {}", answer.text);
    }
    let unknown = [
        ("name", "k"),
        ("life", "1d"),
        ("rights", "json"),
        ("role_descriptors", r#"{"r":{"cluster":["fly"]}}"#),
    ];
    let answer = browser.send_form("/console/keys/new", "/console/keys/new", &unknown).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.text.contains("The key service has not made the key") && answer.text.contains("fly"));
    assert_eq!(service.elastic().get("/_security/api_key").await.json(), json!({"api_keys": []}));
}

#[tokio::test]
async fn pages_of_keys_have_each_key_once() {
    let service = Service::new().await;
    for number in 0..120 {
        service.elastic().make(&json!({"name": format!("k{number:03}")}).to_string()).await;
    }
    let mut browser = Browser::logged_in(&service, "elastic").await;
    for order in ["", "&sort=name", "&sort=owner", "&sort=end", "&sort=used", "&sort=oldest"] {
        let (mut path, mut seen) = (format!("/console/keys?status={order}"), Vec::new());
        loop {
            let page = browser.get(&path).await;
            assert!(page.text.contains("120 keys"), "{path}: {}", page.text);
            let names = page.text.split("dir=\"auto\">k").skip(1).map(|rest| rest[..3].to_owned());
            seen.extend(names);
            if !page.text.contains("Next page") {
                break;
            }
            let links = page.text.split("<a class=\"button\" href=\"").skip(1);
            let next = links
                .filter(|link| link.contains("Next page"))
                .find(|link| !link.starts_with("/console/keys\""));
            path = next.unwrap().split('"').next().unwrap().replace("&#38;", "&");
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 120, "{order}");
    }
}

#[tokio::test]
async fn keys_are_found_by_a_role_of_their_own() {
    let service = Service::new().await;
    for (name, role) in [("one", "reader"), ("two", "writer")] {
        let body = json!({"name": name, "role_descriptors": {role: {}}});
        service.elastic().make(&body.to_string()).await;
    }
    let mut browser = Browser::logged_in(&service, "elastic").await;
    let page = browser.get("/console/keys?role=reader").await;
    assert!(page.text.contains("1 key found"), "{}", page.text);
    assert!(page.text.contains(">one</a>") && !page.text.contains(">two</a>"), "{}", page.text);
    assert!(page.text.contains("name=\"role\" size=\"12\" value=\"reader\""), "{}", page.text);
}

#[tokio::test]
async fn a_page_of_keys_is_revoked_at_once_and_not_one_more() {
    let service = Service::new().await;
    let mut ids = Vec::new();
    for number in 0..=KEYS_REVOKED_AT_ONCE_MAX {
        ids.push(service.elastic().make(&json!({"name": format!("k{number}")}).to_string()).await.id);
    }
    let mut browser = Browser::logged_in(&service, "elastic").await;
    let fields: Vec<_> = ids.iter().map(|id| ("id", id.as_str())).collect();
    let answer = browser.send_form("/console/me", "/console/revoke", &fields).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let active = async || {
        let keys = service.elastic().get("/_security/api_key?active_only=true").await.json();
        keys["api_keys"].as_array().unwrap().len()
    };
    assert_eq!(active().await, KEYS_REVOKED_AT_ONCE_MAX + 1);
    let answer = browser.send_form("/console/me", "/console/revoke", &fields[1..]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    assert_eq!(active().await, 1);
}

#[tokio::test]
async fn all_keys_of_a_page_are_selected_at_once_and_an_owner_leads_to_the_own_keys() {
    let service = Service::new().await;
    for (owner, count) in [("elastic", 51), ("own", 2)] {
        for number in 0..count {
            service.user(owner).make(&json!({"name": format!("k{number}")}).to_string()).await;
        }
    }
    let mut browser = Browser::logged_in(&service, "elastic").await;
    let page = browser.get("/console/keys?q=k&sort=name").await;
    let link = |page: &Page, before: &str| {
        let (links, _) = page.text.split_once(before).unwrap();
        links.rsplit_once("href=\"").unwrap().1.split('"').next().unwrap().replace("&#38;", "&")
    };
    let boxes = |page: &Page| ["type=\"checkbox\"", " checked>"].map(|text| page.text.matches(text).count());
    assert_eq!(boxes(&page), [50, 0]);
    let all = browser.get(&link(&page, "\" data-selects=\"all\"")).await;
    assert_eq!(boxes(&all), [50, 50]);
    let next = browser.get(&link(&page, "\" rel=\"next\"")).await;
    let rest = browser.get(&link(&next, "\" data-selects=\"all\"")).await;
    assert_eq!(boxes(&rest), [3, 3], "of this page of the search");
    let none = browser.get(&link(&rest, "\" data-selects=\"none\"")).await;
    assert_eq!(boxes(&none), [3, 0]);
    let of_own = browser.get("/console/keys?owner=own").await;
    assert!(of_own.text.contains("2 keys found"), "{}", of_own.text);
    let (_, id) = of_own.text.split_once("<code class=\"id\">").unwrap();
    let key = browser.get(&format!("/console/key?id={}", id.split('<').next().unwrap())).await;
    for page in [&of_own, &key] {
        assert!(page.text.contains("href=\"/console/keys?owner=own\""), "{}", page.text);
    }
    assert!(key.text.contains("2026-01-01 00:00:00 UTC"), "{}", key.text);
}

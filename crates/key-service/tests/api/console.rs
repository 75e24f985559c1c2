//! The console from outside, as a browser without scripts would use it. What a real browser does with it stands
//! beside the tests of clients.

mod browser;

use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, LOCATION, SET_COOKIE};
use latchkey_key_service::limits::authentication_limits::FAILED_LOGINS_BURST;
use latchkey_key_service::security::login_throttle::FailedLoginRate;
use latchkey_key_service::settings::{LimitSettings, ServiceSettings};
use serde_json::json;

use crate::console::browser::Browser;
use crate::service::{PASSWORD, Service};

/// Pages that everybody who is logged in may ask for, or that say why not.
const PAGES: [&str; 12] = [
    "/console/keys",
    "/console/keys/new",
    "/console/key?id=x",
    "/console/key/rotate?id=x",
    "/console/revoke?id=x",
    "/console/watch?epoch=e&change=1",
    "/console/watch/events?epoch=e&change=1",
    "/console/edges",
    "/console/edges/events",
    "/console/audit",
    "/console/audit/export",
    "/console/me",
];

/// What changes something.
const FORMS: [&str; 4] = ["/console/keys/new", "/console/key/rotate", "/console/revoke", "/console/logout"];

#[tokio::test]
async fn nobody_sees_a_page_or_sends_a_form_without_a_log_in() {
    let service = Service::new().await;
    let mut browser = Browser::new(&service);
    for page in PAGES {
        let answer = browser.get(page).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{page}");
        assert!(answer.header(LOCATION).starts_with("/console/login?next=%2Fconsole%2F"), "{page}");
    }
    for form in FORMS {
        let answer = browser.post(form, &[("token", "x")]).await;
        assert_eq!(
            (answer.status, answer.header(LOCATION)),
            (StatusCode::SEE_OTHER, "/console/login"),
            "{form}"
        );
    }
}

#[tokio::test]
async fn a_password_a_key_and_a_token_log_in_and_what_is_wrong_does_not() {
    let service = Service::new().await;
    let key = service
        .user("own")
        .make(r#"{"name":"night","role_descriptors":{"r":{"cluster":["manage_own_api_key"]}}}"#)
        .await;
    for (fields, who) in [
        (&[("username", "own"), ("password", PASSWORD)][..], Some("own")),
        (&[("credential", &key.encoded)], Some("own (by key night)")),
        (&[("credential", &format!("{}:{}", key.id, key.secret))], Some("own (by key night)")),
        (&[("username", "own"), ("password", "wrong")], None),
        (&[("username", "nobody"), ("password", PASSWORD)], None),
        (&[("username", "disabled"), ("password", PASSWORD)], None),
        (&[("credential", "bm90OmtleQ==")], None),
        (&[("credential", "token")], None),
    ] {
        let mut browser = Browser::new(&service);
        let answer = browser.post("/console/login", fields).await;
        let page = browser.get("/console/me").await;
        match who {
            Some(who) => {
                assert_eq!(answer.header(LOCATION), "/console/keys");
                assert!(page.text.contains(&format!(">{who}<")), "{who}: {}", page.text);
            }
            None => {
                assert_eq!((answer.status, page.status), (StatusCode::UNAUTHORIZED, StatusCode::SEE_OTHER));
                assert!(answer.text.contains("does not know this user, password, key or token"));
            }
        }
    }
}

#[tokio::test]
async fn log_ins_that_fail_are_throttled_as_those_of_the_interface() {
    let limits =
        LimitSettings { failed_logins: FailedLoginRate::try_from(60).ok(), ..LimitSettings::default() };
    let service = Service::with(ServiceSettings { limits, ..ServiceSettings::default() }).await;
    let mut browser = Browser::new(&service).from("192.0.2.1:5");
    for _ in 0..FAILED_LOGINS_BURST {
        let answer = browser.post("/console/login", &[("username", "own"), ("password", "wrong")]).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    let right = [("username", "own"), ("password", PASSWORD)];
    assert_eq!(browser.post("/console/login", &right).await.status, StatusCode::TOO_MANY_REQUESTS);
    let mut elsewhere = Browser::new(&service).from("192.0.2.2:5");
    assert_eq!(elsewhere.post("/console/login", &right).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_session_has_another_name_after_each_log_in_and_ends_on_the_server() {
    let service = Service::new().await;
    let mut browser = Browser::logged_in(&service, "own").await;
    let first = browser.cookies();
    browser.log_in("own").await;
    assert_ne!(browser.cookies(), first);
    let mut earlier = Browser::new(&service).over(&browser).with_cookies(first);
    assert_eq!(
        earlier.get("/console/me").await.status,
        StatusCode::SEE_OTHER,
        "it ended with the new log-in"
    );
    let kept = browser.cookies();
    browser.send_form("/console/me", "/console/logout", &[]).await;
    assert!(browser.cookies().is_empty());
    let mut stolen = Browser::new(&service).over(&browser).with_cookies(kept);
    assert_eq!(stolen.get("/console/me").await.status, StatusCode::SEE_OTHER, "it ended on the server");
}

#[tokio::test]
async fn a_session_ends_by_itself_and_with_the_credential_it_was_begun_with() {
    let service = Service::new().await;
    let mut browser = Browser::logged_in(&service, "own").await;
    service.clock.advance_ms(29 * 60 * 1_000);
    assert_eq!(browser.get("/console/me").await.status, StatusCode::OK);
    service.clock.advance_ms(30 * 60 * 1_000);
    assert_eq!(browser.get("/console/me").await.status, StatusCode::SEE_OTHER);

    let key = service.elastic().make(r#"{"name":"k"}"#).await;
    let mut browser = Browser::new(&service);
    browser.post("/console/login", &[("credential", &key.encoded)]).await;
    assert_eq!(browser.get("/console/me").await.status, StatusCode::OK);
    service.elastic().delete("/_security/api_key", &json!({"ids": [key.id]}).to_string()).await;
    let answer = browser.get("/console/me").await;
    assert_eq!(answer.header(LOCATION), "/console/login?ended=yes");
    assert!(browser.get("/console/login?ended=yes").await.text.contains("not valid any more"));
}

#[tokio::test]
async fn a_form_that_no_page_of_the_session_has_shown_changes_nothing() {
    let service = Service::new().await;
    let key = service.user("own").make(r#"{"name":"k","role_descriptors":{"r":{}}}"#).await;
    let mut browser = Browser::logged_in(&service, "own").await;
    let token = browser.token("/console/me").await;
    let others = Browser::logged_in(&service, "own").await.token("/console/me").await;
    let id = ("id", key.id.as_str());
    for (said, header) in [
        (&[id][..], None),
        (&[id, ("token", "")], None),
        (&[id, ("token", &others)], None),
        (&[id, ("token", &token)], Some(("sec-fetch-site", "cross-site"))),
        (&[id, ("token", &token)], Some(("origin", "https://evil.example"))),
    ] {
        let answer = browser.post_with("/console/revoke", said, header).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{said:?} {header:?}");
        assert!(answer.text.contains("nothing was done"));
    }
    let login = [("username", "own"), ("password", PASSWORD)];
    let answer = browser.post_with("/console/login", &login, Some(("sec-fetch-site", "cross-site"))).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "nobody is logged in as somebody else by another site");
    let shown = service.user("own").get(&format!("/_security/api_key?owner=true&id={}", key.id)).await.json();
    assert_eq!(shown["api_keys"][0]["invalidated"], false);
    let answer = browser.post("/console/revoke", &[id, ("token", &token)]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
}

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
    let watch = browser.get(&answer.header(LOCATION).to_owned()).await;
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
    assert!(page.text.contains("has not answered yet"));
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
    assert_eq!(owner.get("/console/audit").await.status, StatusCode::FORBIDDEN);
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
async fn what_others_have_named_is_text_and_nothing_else() {
    let service = Service::new().await;
    let hostile = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'`{{7*7}}\u{202e}";
    let body = json!({
        "name": hostile,
        "role_descriptors": {"<img src=x onerror=alert(3)>": {"cluster": ["monitor"]}},
        "metadata": {hostile: hostile},
    });
    let key = service.elastic().make(&body.to_string()).await;
    let mut browser = Browser::logged_in(&service, "elastic").await;
    let revoke = format!("/console/revoke?id={}", key.id);
    for page in [
        "/console/keys".to_owned(),
        format!("/console/key?id={}", key.id),
        format!("/console/key/rotate?id={}", key.id),
        revoke,
        "/console/audit?actor=%3Cscript%3Ealert(1)%3C/script%3E&key=%22%3E%3Cimg%20src=x%3E".to_owned(),
        "/console/keys?q=%3Cscript%3Ealert(1)%3C/script%3E&owner=%22%3E%3Cimg%20src=x%3E".to_owned(),
        "/console/login?next=%22%3E%3Cimg%20src=x%3E".to_owned(),
    ] {
        let answer = browser.get(&page).await;
        assert_eq!(answer.status, StatusCode::OK, "{page}: {}", answer.text);
        assert!(
            !answer.text.contains("<script>") && !answer.text.contains("<img"),
            "{page}: {}",
            answer.text
        );
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
async fn every_answer_holds_the_browser_to_what_a_page_may_do() {
    let service = Service::new().await;
    let mut browser = Browser::logged_in(&service, "elastic").await;
    for page in ["/console", "/console/login", "/console/keys", "/console/nowhere", "/console/key?id=x"] {
        let answer = browser.get(page).await;
        if page != "/console" {
            assert!(answer.header(CONTENT_SECURITY_POLICY).starts_with("default-src 'none';"), "{page}");
            assert_eq!(answer.header(CACHE_CONTROL), "no-store", "{page}");
        }
        assert!(!answer.text.contains(" style=") && !answer.text.contains(" onclick="), "{page}");
    }
    let login = browser.get("/console/login").await;
    let sheet = login.between("stylesheet\" href=\"", "\"").to_owned();
    let answer = browser.get(&sheet).await;
    assert_eq!(answer.header(CACHE_CONTROL), "public, max-age=31536000, immutable");
    let other = sheet.replace("/assets/", "/assets/0");
    assert_eq!(browser.get(&other).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_cookie_is_secure_where_the_browser_speaks_tls() {
    let service = Service::new().await;
    let login = [("username", "own"), ("password", PASSWORD)];
    let mut plain = Browser::new(&service);
    let set = plain.post("/console/login", &login).await.header(SET_COOKIE).to_owned();
    assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{set}");
    let https = Some(("x-forwarded-proto", "https"));
    let set =
        Browser::new(&service).post_with("/console/login", &login, https).await.header(SET_COOKIE).to_owned();
    assert!(set.starts_with("__Host-latchkey_console=") && set.ends_with("; Secure"), "{set}");
}

#[tokio::test]
async fn a_live_page_sends_what_has_changed_and_ends_with_the_session() {
    let service = Service::with(ServiceSettings::default()).await;
    let key = service.elastic().make(r#"{"name":"k"}"#).await;
    let mut browser = Browser::logged_in(&service, "elastic").await;
    let revoke = format!("/console/revoke?id={}", key.id);
    let answer = browser.send_form(&revoke, "/console/revoke", &[("id", &key.id)]).await;
    let events = answer.header(LOCATION).replace("/console/watch?", "/console/watch/events?");
    let followed = browser.get(&events).await;
    assert!(followed.text.contains("event: part\ndata: <div id=\"progress\""), "{}", followed.text);
    assert!(followed.text.ends_with("event: over\ndata: over\n\n"), "{}", followed.text);

    let mut following = browser.clone();
    let audit = tokio::spawn({
        let events = following.get_owned("/console/audit/events?after=0");
        async move { tokio::time::timeout(Duration::from_secs(30), events).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    browser.send_form("/console/me", "/console/logout", &[]).await;
    let followed = audit.await.unwrap().expect("it ends with the session");
    assert!(followed.text.contains("data: <tr id=\"event-"), "{}", followed.text);
}

#[tokio::test]
async fn the_audit_log_is_filtered_paged_and_exported() {
    let service = Service::new().await;
    for number in 0..60 {
        service.elastic().make(&json!({"name": format!("k{number}")}).to_string()).await;
    }
    service.user("security").put("/_security/role/r", "{}").await;
    let mut browser = Browser::logged_in(&service, "elastic").await;
    let page = browser.get("/console/audit").await;
    assert_eq!(page.text.matches("<tr id=\"event-").count(), 50);
    let older = page.between("rel=\"next\">", "<").to_owned();
    assert_eq!(older, "Older");
    let path = page.between("<a class=\"button\" href=\"/console/audit?before=", "\"").to_owned();
    let page = browser.get(&format!("/console/audit?before={path}")).await;
    assert_eq!(page.text.matches("<tr id=\"event-").count(), 11);
    let page = browser.get("/console/audit?actor=security").await;
    assert_eq!((page.text.matches("<tr id=\"event-").count(), page.text.contains("put role")), (1, true));
    let export = browser.get("/console/audit/export?action=create_api_key").await;
    let lines: Vec<serde_json::Value> =
        export.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[0]["number"], &lines[59]["number"]), (60, &json!(1), &json!(60)));
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

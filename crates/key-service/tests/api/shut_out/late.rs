//! A request whose user is shut out while it is on its way changes nothing.

use axum::body::Body;
use axum::http::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{StreamExt as _, stream};
use tokio::sync::oneshot;

use super::*;

/// A request that was begun.
struct Late {
    what: &'static str,
    authorization: String,
    run_as: Option<&'static str>,
    method: &'static str,
    path: String,
    body: String,
}

fn late(what: &'static str, authorization: &str, (method, path): (&'static str, &str), body: &str) -> Late {
    let (authorization, path, body) = (authorization.to_owned(), path.to_owned(), body.to_owned());
    Late { what, authorization, run_as: None, method, path, body }
}

fn basic(username: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{username}:{PASSWORD}")))
}

/// Sends all but the last byte, has this done, and sends the last byte.
async fn answer_after(service: &Service, late: &Late, meanwhile: impl Future<Output = ()>) -> Answer {
    let (reached, is_reached) = oneshot::channel();
    let (go_on, may_go_on) = oneshot::channel::<()>();
    let (most, last) = late.body.split_at(late.body.len() - 1);
    let (most, last) = (most.to_owned(), last.to_owned());
    let rest = stream::once(async move {
        reached.send(()).unwrap();
        may_go_on.await.unwrap();
        last
    });
    let body = stream::iter([most]).chain(rest).map(Ok::<_, std::io::Error>);
    let mut request = Request::builder()
        .method(late.method)
        .uri(&late.path)
        .header(AUTHORIZATION, &late.authorization)
        .header(CONTENT_TYPE, "application/json");
    if let Some(username) = late.run_as {
        request = request.header("es-security-runas-user", username);
    }
    let sending = service.send(request.body(Body::from_stream(body)).unwrap());
    let doing = async {
        is_reached.await.unwrap();
        meanwhile.await;
        go_on.send(()).unwrap();
    };
    tokio::join!(sending, doing).0
}

const MAKE: (&str, &str) = ("PUT", "/_security/api_key");
const GRANT: (&str, &str) = ("POST", "/_security/api_key/grant");
const ASK: (&str, &str) = ("POST", TOKEN);
const EMPTY: &str = r#"{"name":"late","role_descriptors":{"r":{}}}"#;

/// Everything that alice may have begun, and her first key.
async fn begun(service: &Service) -> (Vec<Late>, String) {
    let alice = service.user("alice");
    let key = alice.make(r#"{"name":"first"}"#).await;
    let tokens = pair(&alice, "alice", PASSWORD).await;
    let (by_key, by_token) = (format!("ApiKey {}", key.encoded), format!("Bearer {}", tokens.access));
    let own = basic("alice");
    let update = format!("/_security/api_key/{}", key.id);
    let refresh = json!({"grant_type": "refresh_token", "refresh_token": tokens.refresh}).to_string();
    let password = json!({"grant_type": "password", "username": "alice", "password": PASSWORD}).to_string();
    let client = r#"{"grant_type":"client_credentials"}"#;
    let begun = vec![
        late("a key by password", &own, MAKE, EMPTY),
        late("a key by token", &by_token, MAKE, EMPTY),
        late("a key by key", &by_key, MAKE, EMPTY),
        Late { run_as: Some("other-tokens"), ..late("a key for another", &own, MAKE, EMPTY) },
        late("an update", &own, ("PUT", &update), r#"{"metadata":{"late":1}}"#),
        late("a password", &own, ("POST", "/_security/user/_password"), r#"{"password":"another horse"}"#),
        late("a token by password", &own, ASK, client),
        late("a token by grant", &own, ASK, &password),
        late("a token by token", &by_token, ASK, client),
        late("a token by key", &by_key, ASK, client),
        late("a refreshed token", &own, ASK, &refresh),
    ];
    (begun, key.id)
}

async fn disable(service: &Service) {
    let answer = service.elastic().put_nothing(&format!("{ALICE}/_disable?with_keys=true")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
}

// Seen: each of these was done five seconds after the user was disabled and her keys were ended.
#[tokio::test]
async fn what_was_begun_before_a_user_was_disabled_is_not_done() {
    for number in 0..11 {
        let service = service().await;
        let (mut begun, _) = begun(&service).await;
        let late = begun.swap_remove(number);
        let answer = answer_after(&service, &late, disable(&service)).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}: {}", late.what, answer.text);
        let left = service.elastic().get("/_security/api_key?active_only=true").await.ids();
        assert_eq!(left, Vec::<String>::new(), "{}", late.what);
    }
}

#[tokio::test]
async fn what_was_begun_with_a_key_is_not_done_once_the_key_was_invalidated() {
    let service = service().await;
    let (begun, id) = begun(&service).await;
    let late = begun.into_iter().find(|late| late.what == "a key by key").unwrap();
    let answer = answer_after(&service, &late, async {
        let ended = service.elastic().delete("/_security/api_key", &json!({"ids": [id]}).to_string()).await;
        assert_eq!(ended.status, StatusCode::OK, "{}", ended.text);
    })
    .await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}", answer.text);
    assert_eq!(
        service.elastic().get("/_security/api_key?active_only=true").await.ids(),
        Vec::<String>::new()
    );
}

// A search by `GET` has a body too.
#[tokio::test]
async fn what_was_asked_with_a_key_is_not_told_once_its_secret_has_ended() {
    for (path, body) in [
        ("/_security/_query/api_key", r#"{"query":{"match_all":{}}}"#),
        ("/_security/user/_has_privileges", r#"{"cluster":["all"]}"#),
    ] {
        for method in ["GET", "POST"] {
            let service = service().await;
            let key = service.elastic().make(r#"{"name":"reader"}"#).await;
            let late = late("a question", &format!("ApiKey {}", key.encoded), (method, path), body);
            let answer = answer_after(&service, &late, async {
                let rotate = format!("/_security/api_key/{}/_rotate", key.id);
                let rotated = service.elastic().post(&rotate, r#"{"overlap":0}"#).await;
                assert_eq!(rotated.status, StatusCode::OK, "{}", rotated.text);
            })
            .await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}: {}", answer.text);
        }
    }
}

// The same goes for a grantor, and for a run-as to a user who is shut out.
#[tokio::test]
async fn nothing_is_made_by_or_as_one_who_was_disabled_meanwhile() {
    let service = service().await;
    let grant =
        json!({"grant_type": "password", "username": "own", "password": PASSWORD, "api_key": {"name": "g"}});
    let roles = r#"{"cluster":["grant_api_key"],"run_as":["alice"]}"#;
    service.elastic().put("/_security/role/granter", roles).await;
    let user = json!({"password": PASSWORD, "roles": ["granter"]}).to_string();
    service.elastic().put("/_security/user/granter", &user).await;
    let own_key = late("a key as another", &basic("granter"), MAKE, EMPTY);
    let answer = answer_after(&service, &Late { run_as: Some("alice"), ..own_key }, disable(&service)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}", answer.text);
    let grant = late("a grant", &basic("granter"), GRANT, &grant.to_string());
    let answer = answer_after(&service, &grant, async {
        service.elastic().put_nothing("/_security/user/granter/_disable").await;
    })
    .await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}", answer.text);
    assert_eq!(
        service.elastic().get("/_security/api_key?active_only=true").await.ids(),
        Vec::<String>::new()
    );
}

// Whatever the order is in which they come: a key is made before the user is disabled and ends with her, or
// it is not made.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_key_is_left_of_a_user_who_makes_keys_while_she_is_disabled() {
    for _ in 0..5 {
        let service = service().await;
        let alice = service.user("alice");
        let key = service.key(&alice.make(r#"{"name":"first"}"#).await);
        let making = futures_util::future::join_all((0..40).map(async |number| {
            let client = if number % 2 == 0 { &alice } else { &key };
            client.put("/_security/api_key", EMPTY).await.status
        }));
        let (made, ()) = tokio::join!(making, disable(&service));
        assert!(made.iter().all(|status| matches!(status.as_u16(), 200 | 401 | 403)), "{made:?}");
        let left = service.elastic().get("/_security/api_key?active_only=true").await.ids();
        assert_eq!(left, Vec::<String>::new());
    }
}

//! Tokens that stand on two: on whom they act for, and on who asked for them.

use latchkey_key_service::security::anonymous::AnonymousAccess;

use super::*;

#[tokio::test]
async fn a_token_ends_with_who_asked_for_it() {
    for way in ["disable", "delete", "put"] {
        let service = service().await;
        let run_as = own_token(&service.user("alice").running_as("other-tokens")).await;
        let asked = pair(&service.user("alice"), "own", PASSWORD).await;
        let mine = pair(&service.user("tokens"), "own", PASSWORD).await;
        for token in [&run_as, &asked.access, &mine.access] {
            assert_works(&service, token).await;
        }
        shut_out(&service, way).await;
        assert_refused(&service, &run_as).await;
        assert_refused(&service, &asked.access).await;
        assert_works(&service, &mine.access).await;
        let_in_again(&service).await;
        assert_refused(&service, &run_as).await;
        assert_not_refreshed(&service.user("alice"), &asked.refresh).await;
    }
}

#[tokio::test]
async fn nobody_runs_as_a_user_who_is_let_in_no_more_by_an_old_token() {
    for way in ["disable", "delete"] {
        let service = service().await;
        let held = own_token(&service.elastic().running_as("alice")).await;
        assert_works(&service, &held).await;
        shut_out(&service, way).await;
        assert_refused(&service, &held).await;
        let_in_again(&service).await;
        assert_refused(&service, &held).await;
    }
}

#[tokio::test]
async fn a_token_ends_with_the_key_that_asked_for_it() {
    let service = service().await;
    let made = service.user("alice").make(r#"{"name":"k"}"#).await;
    let client = service.key(&made);
    let run_as = own_token(&client.running_as("other-tokens")).await;
    let asked = pair(&client, "own", PASSWORD).await;
    assert_works(&service, &run_as).await;
    assert_works(&service, &asked.access).await;
    service.elastic().delete("/_security/api_key", &json!({"ids": [made.id]}).to_string()).await;
    assert_refused(&service, &run_as).await;
    assert_refused(&service, &asked.access).await;
}

// A key goes on working when its owner is shut out, and so does what it asked for in its own name.
#[tokio::test]
async fn a_token_of_a_key_goes_as_the_key_goes() {
    let service = service().await;
    let made = service.user("alice").make(r#"{"name":"k"}"#).await;
    let held = own_token(&service.key(&made)).await;
    shut_out(&service, "disable").await;
    assert_works(&service, &held).await;
    service.elastic().delete("/_security/api_key", &json!({"username": "alice"}).to_string()).await;
    assert_refused(&service, &held).await;
}

#[tokio::test]
async fn a_token_of_the_anonymous_user_ends_with_anonymous_access() {
    let anonymous = AnonymousAccess {
        username: "guest".to_owned(),
        roles: vec!["tokens".to_owned()],
        authz_exception: true,
    };
    let service = Service::with(ServiceSettings { anonymous: Some(anonymous), ..settings() }).await;
    let held = own_token(&service.anonymous()).await;
    assert_works(&service, &held).await;
    let closed = service.beside(settings(), USERS).await;
    assert_refused(&closed, &held).await;
}

// The audit log names the user who was shut out.
#[tokio::test]
async fn the_counters_know_of_it() {
    let service = service().await;
    let held = pair(&service.user("tokens"), "own", PASSWORD).await;
    let changed = service.beside(settings(), &USERS.replace("[users.own]", "[users.owen]")).await;
    assert_refused(&changed, &held.access).await;
    let counted = service.anonymous().get("/metrics").await.text;
    assert!(counted.contains(r#"latchkey_authentication_failures_total{reason="token_user_shut_out"}"#));
}

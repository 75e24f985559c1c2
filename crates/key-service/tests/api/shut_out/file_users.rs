//! Users of the users file, which is read when a service starts.

use latchkey_key_service::model::realm_name::RealmName;

use super::*;
use crate::cheap_hash::hash_with_salt;

/// The part of the users file about `own`.
const OWN: &str = "[users.own]\npassword_hash = \"HASH\"";

#[tokio::test]
async fn a_user_who_left_the_file_or_is_disabled_in_it_has_no_tokens() {
    let gone = USERS.replace("[users.own]", "[users.owen]");
    let disabled = USERS.replace(OWN, &format!("{OWN}\nenabled = false"));
    for users in [gone, disabled] {
        assert_ne!(users, USERS);
        let service = service().await;
        let held = pair(&service.user("tokens"), "own", PASSWORD).await;
        let restarted = service.beside(settings(), &users).await;
        assert_refused(&restarted, &held.access).await;
        assert_not_refreshed(&restarted.user("tokens"), &held.refresh).await;
    }
}

#[tokio::test]
async fn a_client_who_left_the_file_has_asked_for_nothing() {
    let service = service().await;
    let held = pair(&service.user("tokens"), "own", PASSWORD).await;
    let restarted = service.beside(settings(), &USERS.replace("[users.tokens]", "[users.toby]")).await;
    assert_refused(&restarted, &held.access).await;
}

#[tokio::test]
async fn another_password_in_the_file_ends_what_the_old_one_gave() {
    let service = service().await;
    let held = pair(&service.user("tokens"), "own", PASSWORD).await;
    let run_as = own_token(&service.user("token-runner").running_as("other-tokens")).await;
    // A salt of its own makes another hash even of the same password.
    let other = hash_with_salt("another salt");
    let changed = USERS.replace(OWN, &OWN.replace("HASH", &other));
    assert_ne!(changed, USERS);
    let restarted = service.beside(settings(), &changed).await;
    assert_refused(&restarted, &held.access).await;
    assert_not_refreshed(&restarted.user("tokens"), &held.refresh).await;
    assert_works(&restarted, &run_as).await;
    // And of who ran as somebody.
    let runner = "[users.token-runner]\npassword_hash = \"HASH\"";
    let changed = USERS.replace(runner, &runner.replace("HASH", &other));
    assert_ne!(changed, USERS);
    let restarted = service.beside(settings(), &changed).await;
    assert_refused(&restarted, &run_as).await;
    assert_works(&restarted, &held.access).await;
}

// A realm that is switched off shuts all its users out.
#[tokio::test]
async fn a_realm_that_is_gone_has_no_tokens() {
    let service = service().await;
    let of_file = pair(&service.user("tokens"), "own", PASSWORD).await;
    let of_native = pair(&service.user("tokens"), "alice", PASSWORD).await;
    let realms = vec![RealmName::file()];
    let restarted = service.beside(ServiceSettings { realms, ..settings() }, USERS).await;
    assert_refused(&restarted, &of_native.access).await;
    assert_works(&restarted, &of_file.access).await;
}

// A restart finds who is gone by then. What it finds stays ended when the user comes back.
#[tokio::test]
async fn a_user_who_comes_back_into_the_file_gets_no_old_token_back() {
    let service = service().await;
    let held = pair(&service.user("tokens"), "own", PASSWORD).await;
    let without = service.beside(settings(), &USERS.replace("[users.own]", "[users.owen]")).await;
    without.end_tokens_of_file_users_who_are_gone().await;
    let restarted = service.beside(settings(), USERS).await;
    restarted.end_tokens_of_file_users_who_are_gone().await;
    assert_refused(&restarted, &held.access).await;
    assert_not_refreshed(&restarted.user("tokens"), &held.refresh).await;
    let again = pair(&restarted.user("tokens"), "own", PASSWORD).await;
    restarted.end_tokens_of_file_users_who_are_gone().await;
    assert_works(&restarted, &again.access).await;
}

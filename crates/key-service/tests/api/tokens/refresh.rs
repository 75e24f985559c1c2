use super::*;

const CLIENT_CREDENTIALS: &str = r#"{"grant_type":"client_credentials"}"#;

// Unknown or undecodable; expired or invalidated.
#[tokio::test]
async fn a_token_that_does_not_do_is_told_how() {
    let service = service().await;
    let client = service.user("tokens");
    let good = pair(&client, "own").await;
    let unknown = STANDARD.encode([7; 24]);
    for token in ["x", "a.b.c", "*", unknown.as_str(), good.refresh.as_str(), &format!(" {}", good.access)] {
        let answer = bearer(&service, token).get(WHO).await;
        answer.assert_error(
            401,
            "security_exception",
            "unable to authenticate with provided credentials and anonymous access is not allowed for this request",
        );
        let error = &answer.json()["error"];
        assert_eq!(error["additional_unsuccessful_credentials"], "oauth2 token: invalid token", "{token}");
    }
    let expired = async |token: &str| {
        let answer = bearer(&service, token).get(WHO).await;
        answer.assert_error(401, "security_exception", "token expired");
        assert_eq!(answer.header("www-authenticate"), [EXPIRED]);
        assert_eq!(answer.json()["error"]["header"]["WWW-Authenticate"], EXPIRED);
    };
    let dead = pair(&client, "own").await;
    client.delete(PATH, &json!({"token": dead.access}).to_string()).await;
    expired(&dead.access).await;
    service.clock.advance_ms(1_199_999);
    assert_eq!(bearer(&service, &good.access).get(WHO).await.status, StatusCode::OK);
    service.clock.advance_ms(1);
    expired(&good.access).await;
}

// As Elasticsearch does: single use, the very same pair within 30 s; the old access token lives on.
#[tokio::test]
async fn a_refresh_token_gives_one_new_pair() {
    let service = service().await;
    let client = service.user("tokens");
    let first = pair(&client, "own").await;
    service.clock.advance_ms(1_000);
    let answer = refresh(&client, &first.refresh).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.json()["authentication"]["username"], "own");
    let second = of(&answer);
    assert_ne!((&first.access, &first.refresh), (&second.access, &second.refresh));
    for token in [&first.access, &second.access] {
        assert_eq!(bearer(&service, token).get(WHO).await.json()["username"], "own");
    }
    service.clock.advance_ms(30_000);
    assert_eq!(refresh(&client, &first.refresh).await.text, answer.text, "the very same");
    assert_eq!(refresh(&client, &second.refresh).await.status, StatusCode::OK);
}

// RFC 9700, section 4.14.2: one of two holders of the same refresh token is a thief, and it is unknown which.
#[tokio::test]
async fn a_refresh_token_that_comes_back_ends_its_family() {
    let service = service().await;
    let client = service.user("tokens");
    let first = pair(&client, "own").await;
    let another = pair(&client, "own").await;
    let second = of(&refresh(&client, &first.refresh).await);
    let third = of(&refresh(&client, &second.refresh).await);
    service.clock.advance_ms(30_001);
    assert_oauth(
        &refresh(&client, &first.refresh).await,
        "invalid_grant",
        "token has already been refreshed more than 30 seconds in the past",
    );
    for pair in [&first, &second, &third] {
        bearer(&service, &pair.access).get(WHO).await.assert_error(
            401,
            "security_exception",
            "token expired",
        );
        assert_oauth(&refresh(&client, &pair.refresh).await, "invalid_grant", "token has been invalidated");
    }
    assert_eq!(bearer(&service, &another.access).get(WHO).await.status, StatusCode::OK, "of another grant");
    assert_eq!(refresh(&client, &another.refresh).await.status, StatusCode::OK);
}

// Somebody else's client cannot end a family with a refresh token that it found.
#[tokio::test]
async fn a_used_refresh_token_that_comes_from_another_client_ends_its_family() {
    let service = service().await;
    let client = service.user("tokens");
    for later_ms in [0, 30_001] {
        let first = pair(&client, "own").await;
        let second = of(&refresh(&client, &first.refresh).await);
        service.clock.advance_ms(later_ms);
        assert_oauth(
            &refresh(&service.user("other-tokens"), &first.refresh).await,
            "invalid_grant",
            "tokens must be refreshed by the creating client",
        );
        let answer = bearer(&service, &second.access).get(WHO).await;
        answer.assert_error(401, "security_exception", "token expired");
        assert_oauth(&refresh(&client, &second.refresh).await, "invalid_grant", "token has been invalidated");
    }
    // One that was never used is refused to others, and stays as it is.
    let fresh = pair(&client, "own").await;
    refresh(&service.user("other-tokens"), &fresh.refresh).await;
    assert_eq!(refresh(&client, &fresh.refresh).await.status, StatusCode::OK);
}

// What an access token gives belongs to its family, and lives no longer: one could be turned into another for
// ever.
#[tokio::test]
async fn a_token_for_a_token_ends_with_it() {
    let service = service().await;
    let client = service.user("tokens");
    let first = pair(&client, "tokens").await;
    service.clock.advance_ms(1_000_000);
    let answer = bearer(&service, &first.access).post(PATH, CLIENT_CREDENTIALS).await.json();
    assert_eq!(answer["expires_in"], 200);
    let derived = answer["access_token"].as_str().unwrap().to_owned();
    assert_eq!(bearer(&service, &derived).get(WHO).await.json()["username"], "tokens");
    let again = bearer(&service, &derived).post(PATH, CLIENT_CREDENTIALS).await.json();
    let again = again["access_token"].as_str().unwrap().to_owned();
    refresh(&client, &first.refresh).await;
    service.clock.advance_ms(30_001);
    refresh(&client, &first.refresh).await;
    for token in [&first.access, &derived, &again] {
        bearer(&service, token).get(WHO).await.assert_error(401, "security_exception", "token expired");
    }
    let client = service.user("token-runner");
    let by_password = client.post(PATH, CLIENT_CREDENTIALS).await.json();
    assert_eq!(by_password["expires_in"], 1_200);
    let token = by_password["access_token"].as_str().unwrap().to_owned();
    assert_oauth(
        &bearer(&service, &token).running_as("other-tokens").post(PATH, CLIENT_CREDENTIALS).await,
        "invalid_request",
        "run-as is not supported with the client_credentials grant_type and an access token",
    );
}

#[tokio::test]
async fn a_refresh_token_used_at_once_by_many_gives_all_the_same_pair() {
    let service = service().await;
    let client = service.user("tokens");
    let first = pair(&client, "own").await;
    let answers = futures_util::future::join_all((0..8).map(|_| refresh(&client, &first.refresh))).await;
    for answer in &answers {
        assert_eq!((answer.status, &answer.text), (StatusCode::OK, &answers[0].text));
    }
}

// Elasticsearch, `TokenService#checkTokenDocumentForRefresh`.
#[tokio::test]
async fn a_refresh_token_that_does_not_do_is_told_why() {
    let service = service().await;
    let client = service.user("tokens");
    let made = pair(&client, "own").await;
    let unknown = STANDARD.encode([7; 24]);
    for token in ["x", unknown.as_str(), made.access.as_str(), "\u{e9}"] {
        assert_oauth(
            &refresh(&client, token).await,
            "invalid_grant",
            "could not refresh the requested token",
        );
    }
    let key = client.make(r#"{"name":"k"}"#).await;
    for other in [service.user("other-tokens"), service.elastic(), service.key(&key)] {
        assert_oauth(
            &refresh(&other, &made.refresh).await,
            "invalid_grant",
            "tokens must be refreshed by the creating client",
        );
    }
    let dead = pair(&client, "own").await;
    client.delete(PATH, &json!({"refresh_token": dead.refresh}).to_string()).await;
    assert_oauth(&refresh(&client, &dead.refresh).await, "invalid_grant", "token has been invalidated");
    assert_eq!(bearer(&service, &dead.access).get(WHO).await.status, StatusCode::OK, "the other half lives");
    service.clock.advance_ms(24 * 60 * 60 * 1_000);
    assert_oauth(&refresh(&client, &made.refresh).await, "invalid_grant", "token document has expired");
}

// The token has the rights of the key, is shown as the key, and ends with it.
#[tokio::test]
async fn a_token_of_an_api_key_acts_as_that_key() {
    let service = service().await;
    let made = service
        .user("tokens")
        .make(r#"{"name":"k","role_descriptors":{"r":{"cluster":["manage_token","manage_own_api_key"]}}}"#)
        .await;
    let answer = service.key(&made).post(PATH, r#"{"grant_type":"client_credentials"}"#).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.json()["authentication"]["authentication_type"], "api_key");
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    let who = bearer(&service, &token).get(WHO).await.json();
    assert_eq!((&who["username"], &who["authentication_type"]), (&json!("tokens"), &json!("token")));
    assert_eq!(who["api_key"], json!({"id": made.id, "name": "k", "managed_by": "elasticsearch"}));
    assert_eq!(who["authentication_realm"]["name"], "_es_api_key");
    let itself = bearer(&service, &token).get(&format!("/_security/api_key?id={}", made.id)).await;
    assert_eq!(itself.ids(), [made.id.as_str()]);
    bearer(&service, &token).post("/_security/api_key", r#"{"name":"d"}"#).await.assert_error(
        400,
        "illegal_argument_exception",
        "creating derived api keys requires an explicit role descriptor that is empty (has no privileges)",
    );
    bearer(&service, &token).make(r#"{"name":"d","role_descriptors":{"r":{}}}"#).await;
    service.elastic().delete("/_security/api_key", &json!({"ids": [made.id]}).to_string()).await;
    bearer(&service, &token).get(WHO).await.assert_error(401, "security_exception", "token expired");
}

use super::*;

// Elasticsearch, `InvalidateTokenRequest#validate`.
#[tokio::test]
async fn refuses_invalidations_that_select_nothing_or_too_much() {
    let service = service().await;
    let client = service.user("tokens");
    let both = client.delete(PATH, r#"{"token":"a","refresh_token":"b"}"#).await;
    both.assert_error(
        400,
        "x_content_parse_exception",
        "Failed to build [invalidate_token] after last required field arrived",
    );
    assert_eq!(both.cause(), "only one of [token, refresh_token] may be sent per request");
    let none = "1: token string must be provided when not specifying a realm name or a username;";
    let excess = "1: token string must not be provided when realm name or username is specified;\
                  2: token type must not be provided when realm name or username is specified;";
    for (body, problems) in [
        (json!({}), none),
        (json!({"token": "", "username": " "}), none),
        (json!({"token": "a", "username": "u"}), excess),
        (json!({"refresh_token": "a", "realm_name": "u"}), excess),
    ] {
        let answer = client.delete(PATH, &body.to_string()).await;
        answer.assert_error(
            400,
            "action_request_validation_exception",
            &format!("Validation Failed: {problems}"),
        );
    }
}

// The answer differs before the first token was ever made, and after.
#[tokio::test]
async fn a_token_nobody_knows_is_not_found() {
    let service = service().await;
    let client = service.user("tokens");
    let unknown = STANDARD.encode([7; 24]);
    let bodies = [json!({"token": unknown}).to_string(), json!({"refresh_token": "dGhpcw=="}).to_string()];
    for body in &bodies {
        client.delete(PATH, body).await.assert_error(400, "security_exception", "failed to invalidate token");
    }
    assert_counts(&client.delete(PATH, r#"{"token":"not base64!"}"#).await, 404, 0, 0);
    let made = pair(&client, "own").await;
    for body in bodies.iter().chain(&[json!({"refresh_token": made.access}).to_string()]) {
        assert_counts(&client.delete(PATH, body).await, 404, 0, 0);
    }
    assert_eq!(bearer(&service, &made.access).get(WHO).await.status, StatusCode::OK);
}

// A grant by password made two tokens.
#[tokio::test]
async fn ends_tokens_by_token_user_and_realm_and_counts_them() {
    let service = service().await;
    let client = service.user("tokens");
    let end = async |body: Value| client.delete(PATH, &body.to_string()).await;
    assert_counts(&end(json!({"username": "own"})).await, 200, 0, 0);
    let first = pair(&client, "own").await;
    assert_counts(&end(json!({"token": first.access})).await, 200, 1, 0);
    assert_counts(&end(json!({"token": first.access})).await, 200, 0, 1);
    assert_counts(&end(json!({"refresh_token": first.refresh})).await, 200, 1, 0);
    let second = pair(&client, "own").await;
    pair(&client, "nothing").await;
    assert_counts(&end(json!({"username": "own", "realm_name": "native"})).await, 200, 0, 0);
    assert_counts(&end(json!({"username": "own"})).await, 200, 2, 0);
    assert_oauth(&refresh(&client, &second.refresh).await, "invalid_grant", "token has been invalidated");
    assert_counts(&end(json!({"realm_name": "file"})).await, 200, 2, 0);
    assert_counts(&end(json!({"realm_name": "file"})).await, 200, 0, 0);
}

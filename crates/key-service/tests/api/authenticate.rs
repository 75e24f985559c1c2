use axum::http::StatusCode;

use crate::service::Service;

const PATH: &str = "/_security/_authenticate";

#[tokio::test]
async fn tells_a_user_who_he_is() {
    let service = Service::new().await;
    let answer = service.user("own").get(PATH).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        answer.text,
        r#"{"username":"own","roles":["own"],"full_name":"Owen Own","email":"own@example.org","metadata":{"office":7},"enabled":true,"authentication_realm":{"name":"file","type":"file"},"lookup_realm":{"name":"file","type":"file"},"authentication_type":"realm"}"#
    );
    let answer = service.elastic().get(PATH).await;
    assert_eq!(
        answer.text,
        r#"{"username":"elastic","roles":["superuser"],"full_name":null,"email":null,"metadata":{"_reserved":true},"enabled":true,"authentication_realm":{"name":"reserved","type":"reserved"},"lookup_realm":{"name":"reserved","type":"reserved"},"authentication_type":"realm"}"#
    );
}

// The owner as he was, his metadata and not the key's, no roles.
#[tokio::test]
async fn tells_a_key_whose_it_is() {
    let service = Service::new().await;
    let made = service.user("own").make(r#"{"name":"ci","metadata":{"key":"metadata"}}"#).await;
    let answer = service.key(&made).get(PATH).await;
    assert_eq!(
        answer.text,
        format!(
            r#"{{"username":"own","roles":[],"full_name":"Owen Own","email":"own@example.org","metadata":{{"office":7}},"enabled":true,"authentication_realm":{{"name":"_es_api_key","type":"_es_api_key"}},"lookup_realm":{{"name":"_es_api_key","type":"_es_api_key"}},"authentication_type":"api_key","api_key":{{"id":"{}","name":"ci","managed_by":"elasticsearch"}}}}"#,
            made.id
        )
    );
}

// No privilege is needed.
#[tokio::test]
async fn anybody_may_ask() {
    let service = Service::new().await;
    assert_eq!(service.user("nothing").get(PATH).await.status, StatusCode::OK);
    assert_eq!(service.anonymous().get(PATH).await.status, StatusCode::UNAUTHORIZED);
}

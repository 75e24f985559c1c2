//! That a password was verified is kept, and nothing is ever decided by it that has changed since.

use axum::http::{Method, StatusCode};

use crate::service::Service;

const WHO: &str = "/_security/_authenticate";

#[tokio::test]
async fn what_changes_a_user_counts_at_once_although_the_password_was_just_verified() {
    let service = Service::new().await;
    let elastic = service.elastic();
    let put = |body: &'static str| async { service.elastic().put("/_security/user/ann", body).await.status };
    assert_eq!(put(r#"{"password":"first-password","roles":["a"]}"#).await, StatusCode::OK);
    let (first, second) = (service.basic("ann", "first-password"), service.basic("ann", "second-password"));
    for _ in 0..2 {
        assert_eq!(first.get(WHO).await.json()["roles"].as_array().unwrap()[0], "a");
        assert_eq!(second.get(WHO).await.status, StatusCode::UNAUTHORIZED);
    }

    assert_eq!(put(r#"{"roles":["b"]}"#).await, StatusCode::OK);
    assert_eq!(first.get(WHO).await.json()["roles"].as_array().unwrap()[0], "b");

    let cleared = elastic.request(Method::POST, "/_security/realm/native/_clear_cache", None).await;
    assert_eq!(cleared.status, StatusCode::OK);
    assert_eq!(first.get(WHO).await.status, StatusCode::OK);

    let change = elastic.put("/_security/user/ann/_password", r#"{"password":"second-password"}"#).await;
    assert_eq!(change.status, StatusCode::OK);
    assert_eq!(first.get(WHO).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(second.get(WHO).await.status, StatusCode::OK);

    assert_eq!(elastic.put_nothing("/_security/user/ann/_disable").await.status, StatusCode::OK);
    assert_eq!(second.get(WHO).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(elastic.put_nothing("/_security/user/ann/_enable").await.status, StatusCode::OK);
    assert_eq!(second.get(WHO).await.status, StatusCode::OK);

    assert_eq!(elastic.delete_nothing("/_security/user/ann").await.status, StatusCode::OK);
    assert_eq!(second.get(WHO).await.status, StatusCode::UNAUTHORIZED);
}

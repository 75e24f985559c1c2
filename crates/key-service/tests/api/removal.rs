use axum::http::StatusCode;
use serde_json::json;

use crate::service::Service;

const WEEK_MS: u64 = 7 * 24 * 3_600_000;

// There is no other occasion for a removal (Elasticsearch, `InactiveApiKeysRemover`).
#[tokio::test]
async fn an_invalidation_removes_what_has_been_dead_for_a_week() {
    let service = Service::new().await;
    let elastic = service.elastic();
    let ended = elastic.make(r#"{"name":"ended"}"#).await;
    let expired = elastic.make(r#"{"name":"expired","expiration":"1s"}"#).await;
    let other = elastic.make(r#"{"name":"other"}"#).await;
    let end = async |id: &str| {
        let body = json!({ "ids": [id] }).to_string();
        assert_eq!(elastic.delete("/_security/api_key", &body).await.status, StatusCode::OK);
    };
    end(&ended.id).await;
    service.clock.advance_ms(WEEK_MS + 1_000);
    assert_eq!(elastic.get("/_security/api_key").await.ids().len(), 3, "dead keys stay visible");
    end(&other.id).await;
    // The removal goes on behind the answer.
    while elastic.get("/_security/api_key").await.ids() != [other.id.clone()] {
        tokio::task::yield_now().await;
    }
    for gone in [ended, expired] {
        let by_id = elastic.get(&format!("/_security/api_key?id={}", gone.id)).await;
        assert_eq!(by_id.status, StatusCode::NOT_FOUND);
        let authenticated = service.key(&gone).get("/_security/_authenticate").await.json();
        assert_eq!(
            authenticated["error"]["additional_unsuccessful_credentials"],
            format!("API key: unable to find apikey with id {}", gone.id)
        );
    }
}

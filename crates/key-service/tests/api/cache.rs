use axum::http::Method;

use crate::service::Service;

// The JavaScript client sends commas as `%2C`.
#[tokio::test]
async fn clearing_answers_as_one_node_whatever_is_named() {
    let service = Service::new().await;
    for ids in ["*", "_all", "a", "a,b", "a%2Cb", "%2A"] {
        let path = format!("/_security/api_key/{ids}/_clear_cache");
        let answer = service.user("security").request(Method::POST, &path, None).await;
        assert_eq!(
            answer.text,
            r#"{"_nodes":{"total":1,"successful":1,"failed":0},"cluster_name":"latchkey","nodes":{"epoch":{"name":"latchkey"}}}"#,
            "{ids}"
        );
        assert_eq!(answer.status.as_u16(), 200);
    }
}

#[tokio::test]
async fn the_caches_of_privileges_realms_and_roles_are_cleared_alike() {
    let service = Service::new().await;
    for (path, action) in [
        ("/_security/privilege/app/_clear_cache", "privilege/cache/clear"),
        ("/_security/realm/file,native/_clear_cache?usernames=alice", "realm/cache/clear"),
        ("/_security/role/reader/_clear_cache", "roles/cache/clear"),
    ] {
        let cleared = service.user("security").request(Method::POST, path, None).await;
        assert_eq!(cleared.json()["_nodes"]["successful"], 1, "{path}");
        let refused = service.user("manage").request(Method::POST, path, None).await.error();
        assert_eq!(refused.0, 403);
        assert!(refused.2.contains(action), "{}", refused.2);
    }
}

#[tokio::test]
async fn refuses_who_may_not_and_what_does_not_belong() {
    let service = Service::new().await;
    let path = "/_security/api_key/a/_clear_cache";
    service.user("manage").request(Method::POST, path, None).await.assert_error(
        403,
        "security_exception",
        "action [cluster:admin/xpack/security/cache/clear] is unauthorized for user [manage] with effective roles \
         [manage], this action is granted by the cluster privileges [manage_security,all]",
    );
    service.elastic().post(path, "{}").await.assert_error(
        400,
        "illegal_argument_exception",
        "request [POST /_security/api_key/a/_clear_cache] does not support having a body",
    );
    let unknown = service.elastic().request(Method::POST, &format!("{path}?x"), None).await;
    assert_eq!(unknown.error().0, 400);
    let no_text = service.elastic().request(Method::POST, "/_security/api_key/%FF/_clear_cache", None).await;
    assert_eq!(no_text.error().0, 400);
    assert_eq!(service.anonymous().request(Method::POST, path, None).await.status.as_u16(), 401);
    assert_eq!(service.elastic().get(path).await.status.as_u16(), 405);
}

use crate::service::Service;

// They are not supported. Callers with the privilege get that answer; others get the usual 401, 403 and 405.
#[tokio::test]
async fn there_are_no_cross_cluster_keys() {
    let service = Service::new().await;
    let create = "/_security/cross_cluster/api_key";
    let update = "/_security/cross_cluster/api_key/a";
    for answer in [
        service.user("security").post(create, r#"{"name":"x","access":{}}"#).await,
        service.user("security").put(update, "{}").await,
    ] {
        answer.assert_error(400, "illegal_argument_exception", "cross-cluster API keys are not supported");
    }
    service.user("manage").post(create, "{}").await.assert_error(
        403,
        "security_exception",
        "action [cluster:admin/xpack/security/cross_cluster/api_key/create] is unauthorized for user [manage] with \
         effective roles [manage], this action is granted by the cluster privileges [manage_security,all]",
    );
    assert_eq!(service.anonymous().post(create, "{}").await.status.as_u16(), 401);
    assert_eq!(service.elastic().put(create, "{}").await.status.as_u16(), 405);
}

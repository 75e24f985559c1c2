//! `/_security/cross_cluster/api_key`: keys by which one cluster of Elasticsearch searches another. There is
//! no cluster behind this service, so there are none.

use latchkey_elastic::ErrorCause;
use latchkey_privileges::cluster_request::{
    CREATE_CROSS_CLUSTER_KEY, ClusterRequest, UPDATE_CROSS_CLUSTER_KEY,
};

use crate::api::call::Parsed;
use crate::api::error::ApiError;

pub(in crate::api) async fn create(call: Parsed) -> ApiError {
    refuse(call, CREATE_CROSS_CLUSTER_KEY)
}

pub(in crate::api) async fn update(call: Parsed) -> ApiError {
    refuse(call, UPDATE_CROSS_CLUSTER_KEY)
}

fn refuse(call: Parsed, action: &str) -> ApiError {
    match call.authorize(&ClusterRequest::Other(action)) {
        Ok(_) => ErrorCause::illegal_argument("cross-cluster API keys are not supported").into(),
        Err(refusal) => refusal,
    }
}

//! The names of privileges and the actions they stand for (Elasticsearch, "Security privileges").

use latchkey_elastic::wildcard::NameSet;

use crate::cluster_request::GET_EDGES;

/// A privilege's name, and its actions: all that the first patterns include and the second do not exclude.
pub(super) struct Named {
    pub(super) name: &'static str,
    includes: &'static [&'static str],
    excludes: &'static [&'static str],
}

impl Named {
    const fn new(name: &'static str, includes: &'static [&'static str]) -> Self {
        Self { name, includes, excludes: &[] }
    }

    const fn except(mut self, excludes: &'static [&'static str]) -> Self {
        self.excludes = excludes;
        self
    }

    pub(super) fn actions(&self) -> NameSet {
        NameSet::new(self.includes.iter().copied(), self.excludes.iter().copied())
    }
}

/// Prefixes of actions that are not of an index.
pub(super) const CLUSTER_PREFIXES: [&str; 3] =
    ["cluster:", "indices:admin/template/", "indices:admin/index_template/"];

/// All actions that are not of an index.
const EVERY_CLUSTER_ACTION: &[&str] =
    &["cluster:*", "indices:admin/template/*", "indices:admin/index_template/*"];

/// The same under its old name and its new one.
const MANAGE_TRANSFORM: &[&str] = &[
    "cluster:admin/data_frame/*",
    "cluster:admin/transform/*",
    "cluster:monitor/data_frame/*",
    "cluster:monitor/transform/*",
];

const DELEGATE_PKI: &str = "cluster:admin/xpack/security/delegate_pki";

/// The one privilege that depends on whose keys a request reaches. It is the narrowest of all.
pub(super) const MANAGE_OWN_API_KEY: Named = Named::new(
    "manage_own_api_key",
    &[
        "cluster:admin/xpack/security/api_key/bulk_update",
        "cluster:admin/xpack/security/api_key/create",
        "cluster:admin/xpack/security/api_key/get",
        "cluster:admin/xpack/security/api_key/invalidate",
        "cluster:admin/xpack/security/api_key/query",
        // Latchkey's own.
        "cluster:admin/xpack/security/api_key/rotate",
        "cluster:admin/xpack/security/api_key/update",
    ],
);

/// From the narrowest to the widest: a privilege stands before all that contain it. Refusals list them in
/// this order.
pub(super) const CLUSTER: &[Named] = &[
    Named::new("none", &[]),
    Named::new("cancel_task", &["cluster:admin/tasks/cancel*"]),
    Named::new(
        "monitor_snapshot",
        &["cluster:admin/snapshot/status*", "cluster:admin/snapshot/get", "cluster:admin/repository/get"],
    ),
    Named::new(
        "create_snapshot",
        &[
            "cluster:admin/snapshot/create",
            "cluster:admin/snapshot/status*",
            "cluster:admin/snapshot/get",
            "cluster:admin/repository/get",
        ],
    ),
    Named::new(
        "cross_cluster_replication",
        &[
            "cluster:internal/remote_cluster/handshake",
            "cluster:internal/remote_cluster/nodes",
            "cluster:internal/admin/tasks/ban",
            "cluster:internal/admin/tasks/cancel_child",
            "cluster:monitor/xpack/info",
            "cluster:monitor/state",
        ],
    ),
    Named::new(
        "cross_cluster_search",
        &[
            "cluster:internal/remote_cluster/handshake",
            "cluster:internal/remote_cluster/nodes",
            "cluster:internal/admin/tasks/ban",
            "cluster:internal/admin/tasks/cancel_child",
            "cluster:monitor/xpack/info",
            "cluster:monitor/xpack/enrich/esql/resolve_policy",
            "cluster:internal:data/read/esql/open_exchange",
            "cluster:internal:data/read/esql/exchange",
        ],
    ),
    Named::new("delegate_pki", &[DELEGATE_PKI, "cluster:admin/xpack/security/token/invalidate"]),
    Named::new(
        "manage_saml",
        &[
            "cluster:admin/xpack/security/saml/*",
            "cluster:admin/xpack/security/token/invalidate",
            "cluster:admin/xpack/security/token/refresh",
            "cluster:monitor/xpack/security/saml/metadata",
        ],
    ),
    Named::new("manage_oidc", &["cluster:admin/xpack/security/oidc/*"]),
    Named::new(
        "grant_api_key",
        &["cluster:admin/xpack/security/api_key/clone", "cluster:admin/xpack/security/api_key/grant*"],
    ),
    // Latchkey's own: follow the feed of all keys, and see who else does.
    Named::new("read_key_feed", &["cluster:admin/xpack/security/key_feed/read", GET_EDGES]),
    Named::new("read_ccr", &["cluster:monitor/state", "cluster:admin/xpack/security/user/has_privileges"]),
    Named::new(
        "read_security",
        &[
            "cluster:admin/xpack/security/api_key/get",
            "cluster:admin/xpack/security/api_key/query",
            "cluster:admin/xpack/security/privilege/builtin/get",
            "cluster:admin/xpack/security/privilege/get",
            "cluster:admin/xpack/security/profile/get",
            "cluster:admin/xpack/security/profile/has_privileges",
            "cluster:admin/xpack/security/profile/suggest",
            "cluster:admin/xpack/security/role/get",
            "cluster:admin/xpack/security/role/query",
            "cluster:admin/xpack/security/role_mapping/get",
            "cluster:admin/xpack/security/service_account/credential/get*",
            "cluster:admin/xpack/security/service_account/get",
            "cluster:admin/xpack/security/settings/get",
            "cluster:admin/xpack/security/user/get",
            "cluster:admin/xpack/security/user/has_privileges",
            "cluster:admin/xpack/security/user/list_privileges",
            "cluster:admin/xpack/security/user/query",
        ],
    ),
    Named::new("manage_token", &["cluster:admin/xpack/security/token/*"]),
    Named::new("manage_service_account", &["cluster:admin/xpack/security/service_account/*"]),
    Named::new("manage_user_profile", &["cluster:admin/xpack/security/profile/*"]),
    Named::new("manage_api_key", &["cluster:admin/xpack/security/api_key/*"]),
    Named::new(
        "monitor_connector",
        &[
            "cluster:admin/xpack/connector/get",
            "cluster:admin/xpack/connector/list",
            "cluster:admin/xpack/connector/sync_job/get",
            "cluster:admin/xpack/connector/sync_job/list",
        ],
    ),
    Named::new(
        "monitor_data_frame_transforms",
        &["cluster:monitor/data_frame/*", "cluster:monitor/transform/*"],
    ),
    Named::new("monitor_data_stream_global_retention", &[]),
    Named::new("monitor_enrich", &["cluster:admin/xpack/enrich/get", "cluster:monitor/xpack/enrich/*"]),
    Named::new("monitor_esql", &["cluster:monitor/xpack/esql/*"]),
    Named::new(
        "monitor_inference",
        &["cluster:monitor/xpack/inference*", "cluster:monitor/xpack/ml/trained_models/deployment/infer"],
    ),
    Named::new("monitor_ml", &["cluster:monitor/xpack/ml/*"]),
    Named::new("monitor_rollup", &["cluster:monitor/xpack/rollup/*"]),
    Named::new("monitor_stats", &["cluster:monitor/stats*"]),
    Named::new("monitor_text_structure", &["cluster:monitor/text_structure/*"]),
    Named::new("monitor_transform", &["cluster:monitor/data_frame/*", "cluster:monitor/transform/*"]),
    Named::new("monitor_watcher", &["cluster:monitor/xpack/watcher/*"]),
    Named::new("post_behavioral_analytics_event", &["cluster:admin/xpack/application/analytics/post_event"]),
    Named::new("read_connector_secrets", &["cluster:admin/xpack/connector/secret/get"]),
    Named::new("read_fleet_secrets", &["cluster:admin/fleet/secrets/get"]),
    Named::new("read_ilm", &["cluster:admin/ilm/get", "cluster:admin/ilm/operation_mode/get"]),
    Named::new(
        "read_pipeline",
        &["cluster:admin/ingest/pipeline/get", "cluster:admin/ingest/pipeline/simulate"],
    ),
    Named::new(
        "read_slm",
        &["cluster:admin/slm/status", "cluster:admin/slm/get", "cluster:admin/ilm/operation_mode/get"],
    ),
    Named::new("transport_client", &["cluster:monitor/nodes/liveness", "cluster:monitor/state"]),
    Named::new(
        "write_connector_secrets",
        &[
            "cluster:admin/xpack/connector/secret/delete",
            "cluster:admin/xpack/connector/secret/post",
            "cluster:admin/xpack/connector/secret/put",
        ],
    ),
    Named::new(
        "write_fleet_secrets",
        &["cluster:admin/fleet/secrets/delete", "cluster:admin/fleet/secrets/post"],
    ),
    Named::new("manage_autoscaling", &["cluster:admin/autoscaling/*"]),
    Named::new("manage_behavioral_analytics", &["cluster:admin/xpack/application/analytics/*"]),
    Named::new(
        "manage_ccr",
        &[
            "cluster:admin/xpack/ccr/*",
            "cluster:monitor/state",
            "cluster:admin/xpack/security/user/has_privileges",
        ],
    ),
    Named::new("manage_connector", &["cluster:admin/xpack/connector/*"]).except(&[
        "cluster:admin/xpack/connector/secret/delete",
        "cluster:admin/xpack/connector/secret/get",
        "cluster:admin/xpack/connector/secret/post",
        "cluster:admin/xpack/connector/secret/put",
    ]),
    Named::new("manage_data_frame_transforms", MANAGE_TRANSFORM),
    Named::new("manage_data_stream_global_retention", &[]),
    Named::new("manage_enrich", &["cluster:admin/xpack/enrich/*", "cluster:monitor/xpack/enrich/*"]),
    Named::new("manage_ilm", &["cluster:admin/ilm/*"]),
    Named::new(
        "manage_index_templates",
        &["cluster:admin/component_template/*", "indices:admin/index_template/*", "indices:admin/template/*"],
    ),
    Named::new(
        "manage_inference",
        &[
            "cluster:admin/xpack/inference/*",
            "cluster:monitor/xpack/inference*",
            "cluster:admin/xpack/ml/trained_models/deployment/start",
            "cluster:admin/xpack/ml/trained_models/deployment/stop",
            "cluster:monitor/xpack/ml/trained_models/deployment/infer",
        ],
    ),
    Named::new("manage_ingest_pipelines", &["cluster:admin/ingest/pipeline/*"]),
    Named::new("manage_logstash_pipelines", &["cluster:admin/logstash/pipeline/*"]),
    Named::new("manage_ml", &["cluster:admin/xpack/ml/*", "cluster:monitor/xpack/ml/*"]),
    Named::new("manage_pipeline", &["cluster:admin/ingest/pipeline/*"]),
    Named::new("manage_rollup", &["cluster:admin/xpack/rollup/*", "cluster:monitor/xpack/rollup/*"]),
    Named::new("manage_search_application", &["cluster:admin/xpack/application/search_application/*"]),
    Named::new("manage_search_query_rules", &["cluster:admin/xpack/query_rules/*"]),
    Named::new(
        "manage_search_synonyms",
        &["cluster:admin/synonyms/*", "cluster:admin/synonyms_sets/*", "cluster:admin/synonym_rules/*"],
    ),
    Named::new(
        "manage_slm",
        &[
            "cluster:admin/ilm/operation_mode/get",
            "cluster:admin/ilm/start",
            "cluster:admin/ilm/stop",
            "cluster:admin/slm/*",
        ],
    ),
    Named::new("manage_transform", MANAGE_TRANSFORM),
    Named::new("manage_watcher", &["cluster:admin/xpack/watcher/*", "cluster:monitor/xpack/watcher/*"]),
    Named::new(
        "monitor",
        &[
            "cluster:monitor/*",
            "indices:admin/template/get",
            "cluster:admin/component_template/get",
            "indices:admin/index_template/get",
        ],
    ),
    Named::new("manage_security", &["cluster:admin/xpack/security/*", GET_EDGES]).except(&[DELEGATE_PKI]),
    // `manage` does not contain security, as in Elasticsearch.
    Named::new("manage", EVERY_CLUSTER_ACTION).except(&["cluster:admin/xpack/security/*"]),
    Named::new("all", EVERY_CLUSTER_ACTION),
];

/// Index privileges. Actions on failure stores have names of their own, so that access to data does not
/// include them.
pub(super) const INDEX: &[Named] = &[
    Named::new("all", &["indices:*", "internal:transport/proxy/indices:*", "failure_store:*"]),
    Named::new("auto_configure", &["indices:admin/auto_create", "indices:admin/mapping/auto_put"]),
    Named::new(
        "create",
        &["indices:data/write/index*", "indices:data/write/bulk*", "indices:data/write/simulate/bulk*"],
    ),
    Named::new(
        "create_doc",
        &[
            "indices:data/write/index",
            "indices:data/write/index[*",
            "indices:data/write/index:op_type/create",
            "indices:data/write/bulk*",
            "indices:data/write/simulate/bulk*",
        ],
    ),
    Named::new(
        "create_index",
        &["indices:admin/auto_create", "indices:admin/create", "indices:admin/data_stream/create"],
    ),
    Named::new(
        "cross_cluster_replication",
        &[
            "indices:data/read/xpack/ccr/shard_changes*",
            "indices:monitor/stats*",
            "indices:admin/seq_no/add_retention_lease*",
            "indices:admin/seq_no/remove_retention_lease*",
            "indices:admin/seq_no/renew_retention_lease*",
        ],
    ),
    Named::new(
        "cross_cluster_replication_internal",
        &[
            "indices:internal/admin/ccr/restore/session/clear*",
            "indices:internal/admin/ccr/restore/file_chunk/get*",
            "indices:internal/admin/ccr/restore/session/put*",
            "internal:transport/proxy/indices:internal/admin/ccr/restore/session/clear*",
            "internal:transport/proxy/indices:internal/admin/ccr/restore/file_chunk/get*",
        ],
    ),
    Named::new("delete", &["indices:data/write/bulk*", "indices:data/write/delete*"]),
    Named::new("delete_index", &["indices:admin/data_stream/delete", "indices:admin/delete"]),
    Named::new(
        "index",
        &[
            "indices:data/write/index*",
            "indices:data/write/bulk*",
            "indices:data/write/update*",
            "indices:data/write/simulate/bulk*",
        ],
    ),
    Named::new(
        "maintenance",
        &[
            "indices:admin/flush*",
            "indices:admin/forcemerge*",
            "indices:admin/refresh*",
            "indices:admin/synced_flush",
        ],
    ),
    Named::new(
        "manage",
        &[
            "indices:monitor/*",
            "indices:admin/*",
            "indices:data/read/field_caps*",
            "indices:data/read/xpack/rollup/get/index/caps*",
        ],
    ),
    Named::new("manage_data_stream_lifecycle", &["indices:admin/data_stream/lifecycle/*"]),
    Named::new("manage_failure_store", &["failure_store:indices:admin/*", "failure_store:indices:monitor/*"]),
    Named::new(
        "manage_follow_index",
        &[
            "indices:admin/xpack/ccr/put_follow",
            "indices:admin/xpack/ccr/unfollow",
            "indices:admin/close*",
            "indices:admin/data_stream/promote",
            "indices:admin/rollover",
        ],
    ),
    Named::new("manage_ilm", &["indices:admin/ilm/*"]),
    Named::new("manage_leader_index", &["indices:admin/xpack/ccr/forget_follower*"]),
    Named::new("monitor", &["indices:monitor/*"]),
    Named::new("none", &[]),
    Named::new(
        "read",
        &["indices:data/read/*", "indices:admin/resolve/index", "indices:admin/resolve/cluster"],
    ),
    Named::new(
        "read_cross_cluster",
        &[
            "internal:transport/proxy/indices:data/read/*",
            "indices:admin/shards/search_shards",
            "indices:admin/search/search_shards",
            "indices:admin/resolve/cluster",
            "indices:data/read/esql",
            "indices:data/read/esql/compute",
        ],
    ),
    Named::new("read_failure_store", &["failure_store:indices:data/read/*"]),
    Named::new(
        "view_index_metadata",
        &[
            "indices:admin/aliases/get",
            "indices:admin/get",
            "indices:admin/mappings/fields/get*",
            "indices:admin/mappings/get",
            "indices:admin/shards/search_shards",
            "indices:admin/search/search_shards",
            "indices:admin/validate/query*",
            "indices:monitor/settings/get",
            "indices:admin/ilm/explain",
            "indices:admin/data_stream/lifecycle/get",
            "indices:admin/data_stream/lifecycle/explain",
            "indices:admin/data_stream/get",
            "indices:admin/resolve/index",
            "indices:admin/resolve/cluster",
            "indices:data/read/field_caps*",
            "indices:data/read/xpack/rollup/get/index/caps*",
            "indices:monitor/transform/checkpoint*",
            "indices:monitor/get/metering/stats",
            "indices:admin/get/metering/stats",
        ],
    ),
    Named::new("write", &["indices:admin/mapping/auto_put", "indices:data/write/*"]),
];

//! What clients and readiness checks ask a cluster of Elasticsearch before anything else: its health, where its nodes are,
//! and its licence. The service answers as a cluster of one node, in the least form that clients look at.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::OriginalUri;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use latchkey_elastic::{ErrorCause, byte_size};
use latchkey_privileges::cluster_request::{
    ClusterRequest, GET_HEALTH, GET_LICENSE, GET_NODES_INFO, GET_XPACK_INFO,
};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout_at};

use crate::api::answer;
use crate::api::call::{Allowed, Incoming};
use crate::api::error::ApiError;
use crate::api::parameters::Parameters;
use crate::api::root::{CLUSTER_NAME, COMPATIBLE_VERSION, NODE_NAME};
use crate::limits::CLUSTER_HEALTH_WAIT_MAX;
use crate::settings::HttpSettings;

/// How long `GET /_cluster/health` waits when the request does not say it (Elasticsearch, `ClusterHealthRequest`).
const HEALTH_WAIT_DEFAULT: Duration = Duration::from_secs(30);

/// How often the store is asked meanwhile.
const HEALTH_INTERVAL: Duration = Duration::from_millis(250);

/// The ports of the schemes, which a client that uses them does not name.
const PORTS: [(&str, u16); 2] = [("http", 80), ("https", 443)];

/// Parameters of `GET /_cluster/health` about shards and nodes. There are no shards to wait for, and one node.
const ABOUT_SHARDS: [&str; 10] = [
    "expand_wildcards",
    "level",
    "local",
    "master_timeout",
    "return_200_for_cluster_health_timeout",
    "wait_for_active_shards",
    "wait_for_events",
    "wait_for_no_initializing_shards",
    "wait_for_no_relocating_shards",
    "wait_for_nodes",
];

/// How a cluster is; the better comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    /// The store takes changes.
    Green,
    /// Never the case here: there are no copies that could be missing.
    Yellow,
    /// It does not.
    Red,
}

/// What is waited for, and how long.
struct Awaited {
    status: Status,
    wait: Duration,
}

/// The fields have the order of Elasticsearch's answer.
#[derive(Serialize)]
struct Health {
    cluster_name: &'static str,
    status: Status,
    timed_out: bool,
    number_of_nodes: u32,
    number_of_data_nodes: u32,
    active_primary_shards: u32,
    active_shards: u32,
    relocating_shards: u32,
    initializing_shards: u32,
    unassigned_shards: u32,
    unassigned_primary_shards: u32,
    delayed_unassigned_shards: u32,
    number_of_pending_tasks: u32,
    number_of_in_flight_fetch: u32,
    /// Only with `human`, as the other one that is a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    task_max_waiting_in_queue: Option<&'static str>,
    task_max_waiting_in_queue_millis: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    active_shards_percent: Option<&'static str>,
    active_shards_percent_as_number: f32,
}

/// `GET /_cluster/health`: green while the store takes changes, red otherwise. With `wait_for_status` the answer comes
/// as soon as that is reached, and after `timeout` with 408.
pub(super) async fn health(mut call: Incoming) -> Result<Response, ApiError> {
    let awaited = Awaited::read(&mut call.parameters)?;
    let is_for_humans = call.parameters.boolean("human", false)?;
    let call = call.parsed()?.authorize(&ClusterRequest::Other(GET_HEALTH))?;
    let status = settled(&call, &awaited).await;
    let timed_out = status > awaited.status;
    let code = if timed_out { StatusCode::REQUEST_TIMEOUT } else { StatusCode::OK };
    answer::with_status(code, &Health::of(status, timed_out, is_for_humans))
}

impl Awaited {
    fn read(parameters: &mut Parameters) -> Result<Self, ErrorCause> {
        for ignored in ABOUT_SHARDS {
            parameters.text(ignored);
        }
        let status = match parameters.text("wait_for_status").map(|text| text.to_ascii_lowercase()).as_deref()
        {
            Some("green") => Status::Green,
            Some("yellow") => Status::Yellow,
            None | Some("red") => Status::Red,
            Some(other) => {
                return Err(ErrorCause::illegal_argument(format!("unknown cluster health status [{other}]")));
            }
        };
        let wait = parameters.time_value("timeout")?.map_or(HEALTH_WAIT_DEFAULT, |asked| asked.to_duration());
        Ok(Self { status, wait: wait.min(CLUSTER_HEALTH_WAIT_MAX) })
    }
}

/// How the cluster is as soon as it is as awaited, and at the latest when the time is over.
async fn settled(call: &Allowed, awaited: &Awaited) -> Status {
    let end = Instant::now() + awaited.wait;
    loop {
        let status = if call.store.ping().await.is_ok() { Status::Green } else { Status::Red };
        if status <= awaited.status || timeout_at(end, sleep(HEALTH_INTERVAL)).await.is_err() {
            return status;
        }
    }
}

impl Health {
    fn of(status: Status, timed_out: bool, is_for_humans: bool) -> Self {
        Self {
            cluster_name: CLUSTER_NAME,
            status,
            timed_out,
            number_of_nodes: 1,
            number_of_data_nodes: 1,
            active_primary_shards: 0,
            active_shards: 0,
            relocating_shards: 0,
            initializing_shards: 0,
            unassigned_shards: 0,
            unassigned_primary_shards: 0,
            delayed_unassigned_shards: 0,
            number_of_pending_tasks: 0,
            number_of_in_flight_fetch: 0,
            task_max_waiting_in_queue: is_for_humans.then_some("0s"),
            task_max_waiting_in_queue_millis: 0,
            active_shards_percent: is_for_humans.then_some("100.0%"),
            active_shards_percent_as_number: 100.0,
        }
    }
}

/// `GET /_nodes/http` and `GET /_nodes/_all/http`: where clients that sniff find this service.
pub(super) async fn nodes_http(
    headers: HeaderMap,
    OriginalUri(uri): OriginalUri,
    mut call: Incoming,
) -> Result<Response, ApiError> {
    for ignored in ["flat_settings", "timeout"] {
        call.parameters.text(ignored);
    }
    let is_for_humans = call.parameters.boolean("human", false)?;
    let call = call.parsed()?.authorize(&ClusterRequest::Other(GET_NODES_INFO))?;
    let len_max = call.settings.http.max_content_length;
    let address = publish_address(&call.settings.http, &headers, &uri);
    let mut http = json!({
        "bound_address": [address],
        "publish_address": address,
        "max_content_length_in_bytes": len_max,
    });
    if is_for_humans && let Some(http) = http.as_object_mut() {
        http.insert("max_content_length".to_owned(), Value::from(byte_size::shown(len_max as u64)));
    }
    let node = json!({
        "name": NODE_NAME,
        "version": COMPATIBLE_VERSION,
        "build_flavor": "default",
        "build_type": "latchkey",
        "roles": ["data", "ingest", "master"],
        "attributes": {},
        "http": http,
    });
    answer::ok(&json!({
        "_nodes": {"total": 1, "successful": 1, "failed": 0},
        "cluster_name": CLUSTER_NAME,
        "nodes": BTreeMap::from([(call.store.epoch().as_str(), node)]),
    }))
}

/// Where clients reach the service: what the operator says, and else the address by which this client has.
fn publish_address(settings: &HttpSettings, headers: &HeaderMap, uri: &Uri) -> String {
    let asked = uri.authority().map(ToString::to_string).or_else(|| {
        let host = headers.get(HOST)?.to_str().ok()?;
        Some(host.to_owned())
    });
    let asked = asked.and_then(|authority| authority.parse::<Authority>().ok());
    let host = asked.as_ref().map_or("localhost", Authority::host);
    let scheme = uri.scheme_str().unwrap_or("http");
    let usual = PORTS.iter().find(|(name, _)| *name == scheme).map_or(80, |(_, port)| *port);
    let port = asked.as_ref().and_then(Authority::port_u16).unwrap_or(usual);
    format!("{}:{}", settings.publish_host.as_deref().unwrap_or(host), settings.publish_port.unwrap_or(port))
}

/// `GET /_license`.
pub(super) async fn license(mut call: Incoming) -> Result<Response, ApiError> {
    for ignored in ["accept_enterprise", "local", "master_timeout"] {
        call.parameters.text(ignored);
    }
    let call = call.parsed()?.authorize(&ClusterRequest::Other(GET_LICENSE))?;
    let mut license = license_of(&call);
    if let Some(license) = license.as_object_mut() {
        license.insert("issued_to".to_owned(), Value::from(CLUSTER_NAME));
        license.insert("issuer".to_owned(), Value::from(NODE_NAME));
        license.insert("start_date_in_millis".to_owned(), Value::from(-1));
    }
    answer::ok(&json!({ "license": license }))
}

/// `GET /_xpack`.
pub(super) async fn xpack(mut call: Incoming) -> Result<Response, ApiError> {
    for ignored in ["accept_enterprise", "categories"] {
        call.parameters.text(ignored);
    }
    let call = call.parsed()?.authorize(&ClusterRequest::Other(GET_XPACK_INFO))?;
    let mut license = license_of(&call);
    if let Some(license) = license.as_object_mut() {
        license.insert("mode".to_owned(), Value::from("basic"));
    }
    answer::ok(&json!({
        "build": {"hash": env!("CARGO_PKG_VERSION"), "date": "1970-01-01T00:00:00.000Z"},
        "license": license,
        "features": {"security": {"available": true, "enabled": true}},
        "tagline": "You know, for X",
    }))
}

/// What Elasticsearch has without a licence: the one with which security works and which never ends.
fn license_of(call: &Allowed) -> Value {
    json!({"uid": call.store.epoch().as_str(), "type": "basic", "status": "active"})
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn is_published_where_the_operator_says_and_else_where_the_client_found_it() {
        let settings = |host: Option<&str>, publish_port| {
            let publish_host = host.map(str::to_owned);
            HttpSettings { publish_host, publish_port, ..HttpSettings::default() }
        };
        for (settings, host, uri, expected) in [
            (settings(None, None), Some("keys.example.org:9200"), "/", "keys.example.org:9200"),
            (settings(None, None), Some("[::1]:9201"), "/", "[::1]:9201"),
            (settings(None, None), Some("keys.example.org"), "/", "keys.example.org:80"),
            (settings(None, None), None, "https://keys.example.org/", "keys.example.org:443"),
            (settings(None, None), Some("a b\"<"), "/", "localhost:80"),
            (settings(None, Some(9243)), Some("keys:1"), "/", "keys:9243"),
            (settings(Some("10.0.0.7"), None), Some("keys:9200"), "/", "10.0.0.7:9200"),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(host) = host {
                headers.insert(HOST, HeaderValue::from_str(host).unwrap());
            }
            assert_eq!(publish_address(&settings, &headers, &uri.parse().unwrap()), expected);
        }
    }
}

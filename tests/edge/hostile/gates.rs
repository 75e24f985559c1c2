//! The gates that are asked: listeners of one Envoy, each with a configuration of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use latchkey_local_stack::envoy_config::EnvoyConfig;
use latchkey_local_stack::http::{Request, http1};
use latchkey_local_stack::upstream::SeenRequest;
use serde_json::{Value, json};

use super::case::{Gate, May};
use super::cast::{self, LIVE, credential_of};
use super::forgeries::{OWNED, folded};
use super::judge::Told;
use super::paths;
use crate::stage::{Stage, configure};

/// The places of a credential at the open gate.
const PLACES: &str = r#"[
    {"authorization": ["ApiKey", "Bearer", "Basic"]},
    {"header": "x-api-key"},
    {"header": "x-plain-key", "format": "id:secret"},
    {"query": "api_key", "format": "encoded"},
    {"cookie": "api_key"}
]"#;

/// The header by which the route says which gate a request has passed. A client's is overwritten.
const PASSED: &str = "x-gate";

/// A running edge.
#[derive(Debug)]
pub(crate) struct Gates {
    pub(crate) stage: Stage,
    addresses: Vec<(Gate, SocketAddr)>,
    /// What the upstream is told of each key, by gate and id: what it saw of a request that is as it should be.
    pub(crate) told: BTreeMap<(&'static str, &'static str), Told>,
}

impl Gates {
    pub(crate) fn start() -> Self {
        let stage = Stage::with_keys(cast::records(), |config| {
            let listeners: Vec<Value> = Gate::ALL.map(|gate| listener(config.clone(), gate)).into();
            // What an upstream takes for a fault of its connection ends no request of others.
            let options =
                "/typed_extension_protocol_options/envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
            let options = config.cluster("upstream").unwrap().pointer_mut(options).unwrap();
            options["common_http_protocol_options"] = json!({"max_requests_per_connection": 1});
            *config.bootstrap().pointer_mut("/static_resources/listeners").unwrap() = json!(listeners);
        });
        let address = |gate: Gate| {
            let name = if gate == Gate::Sample { "edge" } else { gate.name() };
            (gate, stage.envoy.admin().listener(name).unwrap())
        };
        let addresses = Gate::ALL.map(address).into();
        let mut gates = Self { stage, addresses, told: BTreeMap::new() };
        gates.learn();
        gates
    }

    pub(crate) fn address(&self, gate: Gate) -> SocketAddr {
        self.addresses.iter().find(|(other, _)| *other == gate).unwrap().1
    }

    /// Which gate a request has passed.
    pub(crate) fn passed(seen: &SeenRequest) -> Result<Gate, String> {
        let names = seen.header_values(PASSED);
        let gate = Gate::ALL.into_iter().find(|gate| names == [gate.name()]);
        gate.ok_or_else(|| format!("it has passed {names:?}"))
    }

    /// Asks every gate with every key as one should.
    pub(crate) fn learn(&mut self) {
        for gate in Gate::ALL {
            for (id, _) in LIVE {
                let request = Request::get("/as-it-should-be").api_key(&credential_of(id));
                let address = self.address(gate);
                self.stage.until("a gate admits a key", || {
                    http1::exchange(address, &request).unwrap().status == 200
                });
                let seen = self.stage.upstream.take_requests().pop().unwrap();
                let told = told(&seen);
                let of = |name: &str| seen.header_values(name);
                let owner = if gate == Gate::Open { "x-caller" } else { "x-api-key-owner" };
                let owner = of(owner);
                assert_eq!(of("x-api-key-id"), [id]);
                assert_eq!(owner, [if id == "second" { "bob" } else { "alice" }]);
                assert!(told.len() >= 5, "{told:?}");
                if let Some(before) = self.told.insert((gate.name(), id), told.clone()) {
                    assert_eq!(before, told, "what is told of {id} has changed");
                }
            }
        }
    }

    /// What is wrong with what reached the upstream; the key it was admitted by otherwise.
    pub(crate) fn judge(&self, seen: &SeenRequest) -> Result<(Gate, May), String> {
        let gate = Self::passed(seen)?;
        if let Some((name, _)) = seen.trailers.iter().find(|(name, _)| is_owned(gate, name)) {
            return Err(format!("a trailer {name} has come through"));
        }
        let told = told_by(gate, seen);
        if told.is_empty() {
            let is_free = match gate {
                Gate::Open => true,
                Gate::Ruled => paths::is_open(&seen.target),
                Gate::Sample | Gate::Lax => false,
            };
            return if is_free { Ok((gate, May::Never)) } else { Err("it shows no key".to_owned()) };
        }
        let found = LIVE.iter().find(|(id, _)| self.told.get(&(gate.name(), *id)) == Some(&told));
        let Some((id, _)) = found else { return Err(format!("nobody was told of {told:?}")) };
        let mut credentials = seen.header_values("authorization");
        // Where a key may come from elsewhere, what is no key is the upstream's.
        credentials.retain(|value| gate != Gate::Open || is_credential(value));
        if !credentials.is_empty() {
            return Err(format!("its credential has come through: {credentials:?}"));
        }
        Ok((gate, May::By(id)))
    }
}

/// What stands under names that a gate owns, or that look like them.
fn told(seen: &SeenRequest) -> Told {
    told_by(Gate::Open, seen)
}

fn told_by(gate: Gate, seen: &SeenRequest) -> Told {
    let mut told: Told = seen.headers.iter().filter(|(name, _)| is_owned(gate, name)).cloned().collect();
    told.sort();
    told
}

/// Names that only the open gate has chosen are anybody's at the others.
fn is_owned(gate: Gate, name: &str) -> bool {
    let name = folded(name.as_bytes());
    let owned = OWNED.iter().filter(|owned| gate == Gate::Open || owned.starts_with("x-api-key-"));
    owned.into_iter().any(|owned| folded(owned.as_bytes()) == name)
}

/// Whether the open gate takes it for a key: by its scheme, or because it is one whose secret is a text.
fn is_credential(value: &str) -> bool {
    let mut words = value.split_ascii_whitespace();
    let (scheme, rest) =
        (words.next().unwrap_or_default().to_ascii_lowercase(), words.next().unwrap_or_default());
    let is_text = |rest: &str| ["first", "second"].iter().any(|id| credential_of(id) == rest);
    scheme == "apikey" || (["bearer", "basic"].contains(&scheme.as_str()) && is_text(rest))
}

fn listener(mut config: EnvoyConfig, gate: Gate) -> Value {
    match gate {
        Gate::Sample => {}
        Gate::Open => {
            configure(&mut config, "/authentication", json!("optional"));
            configure(&mut config, "/credential_sources", serde_json::from_str(PLACES).unwrap());
            configure(&mut config, "/identity/headers/owner", json!("x-caller"));
            configure(&mut config, "/identity/headers/claimed_roles", json!("x-api-key-claimed-roles"));
            configure(&mut config, "/identity/metadata_headers", json!({"x-team": "team"}));
        }
        Gate::Lax => lax(&mut config),
        Gate::Ruled => {
            lax(&mut config);
            let paths = json!([format!("{}**", paths::OPEN)]);
            let rule = json!({"name": "public", "match": {"paths": paths}, "authentication": "off"});
            configure(&mut config, "/rules", json!([rule]));
        }
    }
    let manager = config.connection_manager().unwrap();
    let host = manager.pointer_mut("/route_config/virtual_hosts/0").unwrap();
    host["request_headers_to_add"] = json!([{
        "header": {"key": PASSED, "value": gate.name()},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }]);
    if matches!(gate, Gate::Lax | Gate::Ruled) {
        let connect = json!({"match": {"connect_matcher": {}}, "route": {"cluster": "upstream"}});
        host["routes"].as_array_mut().unwrap().insert(0, connect);
    }
    let listener = config.listener().unwrap();
    if gate != Gate::Sample {
        listener["name"] = json!(gate.name());
    }
    listener.clone()
}

/// Whatever makes Envoy pass on more than the sample lets it.
fn lax(config: &mut EnvoyConfig) {
    let manager = config.connection_manager().unwrap();
    manager["normalize_path"] = json!(false);
    manager["merge_slashes"] = json!(false);
    manager["path_with_escaped_slashes_action"] = json!("KEEP_UNCHANGED");
    manager["upgrade_configs"] = json!([{"upgrade_type": "websocket"}, {"upgrade_type": "CONNECT"}]);
    manager["http_protocol_options"] = json!({
        "enable_trailers": true,
        "accept_http_10": true,
        "default_host_for_http_10": "edge.test",
        "allow_chunked_length": true,
        "allow_custom_methods": true,
        "override_stream_error_on_invalid_http_message": true,
    });
    let http2 = &mut manager["http2_protocol_options"];
    http2["allow_connect"] = json!(true);
    http2["override_stream_error_on_invalid_http_message"] = json!(true);
}

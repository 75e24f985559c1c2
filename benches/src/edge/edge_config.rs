//! The configuration of the Envoy that is measured, put together from the files in `benches/envoy`.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_local_stack::envoy_config::EnvoyConfig;
use latchkey_local_stack::places;
use latchkey_local_stack::shell::Shell;
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};

use crate::key_set::{Credential, KeySet};

const CONNECTION_MANAGER: &str = "/filter_chains/0/filters/0/typed_config";
const VM_CONFIG: &str = "/typed_config/config/vm_config";
const MODULE_CONFIG: &str = "/typed_config/dynamic_module_config";
const PLUGIN_CONFIG: &str = "/typed_config/config/configuration/value";

/// A bootstrap with a listener for each contender.
#[derive(Clone, Debug)]
pub struct EdgeConfig(Value);

/// What a listener is besides its filter.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings {
    /// How many routes it has. The last one takes every request of a bench.
    pub routes: usize,
    /// Whether it speaks HTTP/2, and no HTTP/1.1.
    pub http2: bool,
    /// Who answers.
    pub answer: Answer,
}

/// Who answers a request that the filter lets pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Envoy by itself, with this status.
    Direct(u16),
    /// The cluster `upstream`.
    Upstream,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self { routes: 1, http2: false, answer: Answer::Direct(200) }
    }
}

/// An HTTP filter as a listener has it.
#[derive(Clone, Debug)]
pub struct Filter(Value);

/// Our filter, as a listener has it.
#[derive(Clone, Debug)]
pub struct Gate<'a> {
    /// The build.
    pub build: Build<'a>,
    /// Names its key table, and the edge for the key service: gates of one name share both.
    pub table: &'a str,
    /// The cluster of the key service that it follows.
    pub cluster: &'a str,
    /// `base64(id:secret)` of a key that may read the feed there.
    pub feed_credential: &'a str,
    /// What it tells the upstream.
    pub identity: Identity,
    /// How many rules it has. The requests of a bench are of the last one.
    pub rules: usize,
    /// Whether what stands after `Bearer` is a key, and may be an opaque one.
    pub takes_bearer_keys: bool,
}

/// A build of our filter.
#[derive(Clone, Copy, Debug)]
pub enum Build<'a> {
    /// The one that was built for this shell.
    Ours(Shell),
    /// Another file, to compare with: a native module if its name ends in `.so`.
    Other(&'a Path),
}

/// How our filter tells the upstream who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// By headers and in filter state, as it does when nothing is configured.
    Both,
    /// By headers, and the key's id in filter state.
    HeadersAndId,
    /// By headers alone.
    Headers,
    /// In filter state alone. The credential is removed, which edits a header too.
    FilterState,
    /// In filter state alone, with the credential left to the upstream: no header changes.
    FilterStateAndCredential,
}

impl EdgeConfig {
    /// A bootstrap without listeners.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn new() -> Result<Self> {
        Ok(Self(yaml("bootstrap.yaml")?))
    }

    /// Adds a listener of this name with the filter, or with none.
    ///
    /// # Errors
    ///
    /// When a file has lost a part that is set here.
    pub fn add_listener(
        &mut self,
        name: &str,
        filter: Option<Filter>,
        surroundings: Surroundings,
    ) -> Result<()> {
        let mut listener = yaml("listener.yaml")?;
        for field in ["/name", "/stat_prefix"] {
            *part(&mut listener, field)? = json!(name);
        }
        let manager = part(&mut listener, CONNECTION_MANAGER)?;
        *part(manager, "/stat_prefix")? = json!(name);
        if surroundings.http2 {
            *part(manager, "/codec_type")? = json!("HTTP2");
        }
        if let Some(Filter(filter)) = filter {
            list(manager, "/http_filters")?.insert(0, filter);
        }
        let routes = list(manager, "/route_config/virtual_hosts/0/routes")?;
        let last = routes.last_mut().context("no route")?;
        match surroundings.answer {
            Answer::Direct(status) => *part(last, "/direct_response/status")? = json!(status),
            Answer::Upstream => *last = json!({"match": {"prefix": "/"}, "route": {"cluster": "upstream"}}),
        }
        let others = (1..surroundings.routes).map(|number| {
            json!({"match": {"prefix": format!("/service-{number}/")}, "direct_response": {"status": 404}})
        });
        routes.splice(0..0, others);
        list(&mut self.0, "/static_resources/listeners")?.push(listener);
        Ok(())
    }

    /// Sends what is meant for `cluster` to `address`.
    ///
    /// # Errors
    ///
    /// When there is no such cluster.
    pub fn set_cluster_address(&mut self, cluster: &str, address: SocketAddr) -> Result<()> {
        let mut config = EnvoyConfig::from(self.0.take());
        let set = config.set_cluster_address(cluster, address);
        self.0 = config.bootstrap().take();
        set
    }

    /// What Envoy is started with.
    #[must_use]
    pub fn finished(self) -> EnvoyConfig {
        EnvoyConfig::from(self.0)
    }
}

impl Filter {
    /// Our filter.
    ///
    /// # Errors
    ///
    /// When it is not built, or the file has lost a part that is set here.
    pub fn latchkey(gate: &Gate<'_>) -> Result<Self> {
        let ours = places::filter_module();
        let (module, shell) = match gate.build {
            Build::Ours(shell) => (ours.as_path(), shell),
            Build::Other(module) if is_native(module) => (ours.as_path(), Shell::Module),
            Build::Other(module) => (module, Shell::Wasm),
        };
        ensure!(shell.file().is_file(), "{} is not built: run `make bench`", shell.file().display());
        let mut filter = Self::in_wasm("filters/latchkey.yaml", module, gate.table)?;
        let text = part(&mut filter.0, PLUGIN_CONFIG)?;
        let mut config: Value = serde_json::from_str(text.as_str().unwrap_or_default())?;
        *part(&mut config, "/key_service/cluster")? = json!(gate.cluster);
        *part(&mut config, "/key_service/credential/inline")? = json!(gate.feed_credential);
        let fields = config.as_object_mut().context("the plugin configuration is no object")?;
        fields.insert("edge".to_owned(), json!(gate.table));
        let identity = match gate.identity {
            Identity::Both => json!({}),
            Identity::HeadersAndId => json!({"filter_state": ["id"]}),
            Identity::Headers => json!({"filter_state": false}),
            Identity::FilterState | Identity::FilterStateAndCredential => json!({"headers": no_headers()}),
        };
        let forwards = gate.identity == Identity::FilterStateAndCredential;
        fields.insert("forward_credential".to_owned(), json!(forwards));
        fields.insert("identity".to_owned(), identity);
        if gate.takes_bearer_keys {
            let sources = json!([{"authorization": ["ApiKey", "Bearer"], "bearer": "keys"}]);
            fields.insert("credential_sources".to_owned(), sources);
        }
        if gate.rules > 0 {
            fields.insert("rules".to_owned(), rules(gate.rules));
        }
        *text = json!(config.to_string());
        let mut filter = shell.translated(&filter.0, None);
        if let Build::Other(module) = gate.build
            && is_native(module)
        {
            *part(&mut filter, MODULE_CONFIG)? = json!({"module": {"local": {"filename": module}}});
        }
        Ok(Self(filter))
    }

    /// Another filter in WebAssembly, from this module.
    ///
    /// # Errors
    ///
    /// When it is not built, or the file has lost a part that is set here.
    pub fn peer_in_wasm(module: &Path, vm: &str) -> Result<Self> {
        Self::in_wasm("filters/peer-in-wasm.yaml", module, vm)
    }

    /// Envoy's own filter for keys, with every key of the set.
    ///
    /// # Errors
    ///
    /// When the file has lost a part that is set here.
    pub fn api_key_auth(keys: KeySet) -> Result<Self> {
        let mut filter = yaml("filters/api-key-auth.yaml")?;
        let credentials = (0..keys.count).map(|number| {
            json!({"key": Credential::Valid.authorization(number), "client": format!("service-{number}")})
        });
        *part(&mut filter, "/typed_config/credentials")? = credentials.collect();
        Ok(Self(filter))
    }

    /// Envoy's own filter for users, with a user for every key of the set.
    ///
    /// # Errors
    ///
    /// When the file has lost a part that is set here.
    pub fn basic_auth(keys: KeySet) -> Result<Self> {
        let mut filter = yaml("filters/basic-auth.yaml")?;
        let lines = (0..keys.count).map(|number| {
            let (user, password) = Credential::UserAndPassword.parts(number);
            format!("{user}:{{SHA}}{}\n", STANDARD.encode(Sha1::digest(password)))
        });
        *part(&mut filter, "/typed_config/users/inline_string")? = json!(lines.collect::<String>());
        Ok(Self(filter))
    }

    /// A filter that is taken as its file has it: `lua`, `ext-authz-http` or `ext-authz-grpc`.
    ///
    /// # Errors
    ///
    /// When there is no such file.
    pub fn of_file(name: &str) -> Result<Self> {
        Ok(Self(yaml(&format!("filters/{name}.yaml"))?))
    }

    fn in_wasm(file: &str, module: &Path, vm: &str) -> Result<Self> {
        ensure!(module.is_file(), "{} is not built: run `make bench`", module.display());
        let mut filter = yaml(file)?;
        let vm_config = part(&mut filter, VM_CONFIG)?;
        *part(vm_config, "/vm_id")? = json!(vm);
        *part(vm_config, "/code/local/filename")? = json!(module);
        Ok(Self(filter))
    }
}

/// So many rules, each of which asks for a key. The last one is for every path.
fn rules(count: usize) -> Value {
    let others = (1..count).map(|number| {
        json!({"name": format!("service-{number}"), "match": {"paths": [format!("/service-{number}/**")]}})
    });
    others.chain([json!({"name": "all", "match": {"paths": ["/**"]}})]).collect()
}

fn is_native(module: &Path) -> bool {
    module.extension().is_some_and(|extension| extension == "so")
}

/// Every identity header, switched off.
fn no_headers() -> Value {
    let names = ["id", "name", "owner", "owner_realm", "roles", "limited_by", "expiration"];
    names.into_iter().map(|name| (name.to_owned(), Value::Null)).collect()
}

fn yaml(file: &str) -> Result<Value> {
    let path = places::repository().join("benches/envoy").join(file);
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    serde_saphyr::from_str(&text).with_context(|| format!("reading {}", path.display()))
}

fn part<'a>(value: &'a mut Value, pointer: &str) -> Result<&'a mut Value> {
    value.pointer_mut(pointer).with_context(|| format!("a configuration in benches/envoy has no {pointer}"))
}

fn list<'a>(value: &'a mut Value, pointer: &str) -> Result<&'a mut Vec<Value>> {
    part(value, pointer)?.as_array_mut().with_context(|| format!("{pointer} is no list"))
}

#[cfg(test)]
mod tests;

//! An Envoy with the filter, a key service that does as it is told, and an upstream.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_key_feed::{Epoch, KeptSecrets, KeyId, KeyRecord, KeySecret, Owner, Salt, SecretDigest};
use latchkey_local_stack::child_process::LogMark;
use latchkey_local_stack::envoy::{EnvoyOptions, EnvoyProcess};
use latchkey_local_stack::envoy_config::EnvoyConfig;
use latchkey_local_stack::fake_key_service::FakeKeyService;
use latchkey_local_stack::http::{Request, Response, http1};
use latchkey_local_stack::stack::FEED_CREDENTIAL_VARIABLE;
use latchkey_local_stack::upstream::Upstream;
use latchkey_local_stack::{secrecy, wait};
use serde_json::{Value, json};

/// What the edge shows to the key service; marked, so that a leak is found.
pub(crate) const FEED_SECRET: &str = "feed-secret-9f1c";

/// The stage that many cases share as long as any of them runs.
static SHARED: Mutex<Weak<Stage>> = Mutex::new(Weak::new());

/// A running edge with two workers.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) envoy: EnvoyProcess,
    pub(crate) keys: FakeKeyService,
    pub(crate) upstream: Upstream,
    pub(crate) address: SocketAddr,
}

/// A share of the stage. A test that fails prints what was logged since it began.
pub(crate) struct SharedStage {
    stage: Arc<Stage>,
    since: LogMark,
}

impl Stage {
    /// An edge whose key service already has these keys, and which has read them.
    pub(crate) fn with_keys(records: Vec<KeyRecord>, edit: impl FnOnce(&mut EnvoyConfig)) -> Self {
        let keys = FakeKeyService::start(epoch("first")).unwrap();
        for record in records {
            keys.put(record);
        }
        let stage = Self::start(keys, edit);
        stage.await_table();
        stage
    }

    /// An edge that follows `keys`, whatever they do.
    pub(crate) fn start(keys: FakeKeyService, edit: impl FnOnce(&mut EnvoyConfig)) -> Self {
        let upstream = Upstream::start(([127, 0, 0, 1], 0).into()).unwrap();
        let options = options(keys.address(), &upstream, edit);
        let envoy = EnvoyProcess::start(&options).unwrap();
        let address = envoy.listener().unwrap();
        Self { envoy, keys, upstream, address }
    }

    /// Sends a request by HTTP/1.1 on a connection of its own.
    pub(crate) fn send(&self, request: &Request) -> Response {
        http1::exchange(self.address, request).unwrap()
    }

    /// The status of a `GET` with this credential.
    pub(crate) fn status_for(&self, encoded: &str) -> u16 {
        self.send(&Request::get("/status").api_key(encoded)).status
    }

    /// A counter or gauge of the filter.
    pub(crate) fn stat(&self, name: &str) -> u64 {
        self.envoy.admin().stat(&format!("wasmcustom.latchkey.{name}")).unwrap()
    }

    /// Why Envoy answered the only request to `path` as it did.
    pub(crate) fn details(&self, path: &str) -> String {
        self.envoy.logged_request(path).unwrap()["details"].as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the edge has a table.
    pub(crate) fn await_table(&self) {
        self.until("the edge has read the feed", || self.stat("table.generation") > 0);
    }

    /// Waits until the edge admits this credential.
    pub(crate) fn await_admitted(&self, encoded: &str) {
        self.until("the edge admits a key", || self.status_for(encoded) == 200);
    }

    /// Waits until the edge refuses this credential as a bad key.
    pub(crate) fn await_refused(&self, encoded: &str) {
        self.until("the edge refuses a key", || self.status_for(encoded) == 401);
    }

    /// Waits until `condition` holds.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, mut condition: impl FnMut() -> bool) {
        wait::until(what, || Ok(condition().then_some(()))).unwrap();
    }

    /// Fails when a VM has died since the start: a trap ends in a reload, or in a VM that refuses everything.
    #[track_caller]
    pub(crate) fn assert_no_vm_died(&self) {
        let reloads = self.envoy.admin().stats(r"^wasm\..*vm_reload").unwrap();
        assert!(reloads.values().all(|count| *count == 0), "a VM was reloaded: {reloads:?}");
        // That is how the native module calls a panic.
        assert!(!self.envoy.log().stderr().contains("a fault of the filter"), "the module has panicked");
    }
}

impl std::ops::Deref for SharedStage {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.stage
    }
}

impl Drop for SharedStage {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.stage.envoy.log().tail_since(self.since));
        }
    }
}

/// The edge that is shared by all cases which only add keys of their own.
pub(crate) fn shared() -> SharedStage {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    let stage = shared.upgrade().unwrap_or_else(|| {
        let stage = Arc::new(Stage::with_keys(vec![key("anybody", "any-secret")], |_| {}));
        *shared = Arc::downgrade(&stage);
        stage
    });
    let since = stage.envoy.log().mark();
    SharedStage { stage, since }
}

/// How to start an Envoy that follows the key service at `keys`.
pub(crate) fn options(
    keys: SocketAddr,
    upstream: &Upstream,
    edit: impl FnOnce(&mut EnvoyConfig),
) -> EnvoyOptions {
    let mut config = EnvoyConfig::local().unwrap();
    config.set_cluster_address("key_service", keys).unwrap();
    config.set_cluster_address("upstream", upstream.address()).unwrap();
    edit(&mut config);
    let environment = vec![(FEED_CREDENTIAL_VARIABLE.to_owned(), encoded("edge", FEED_SECRET))];
    EnvoyOptions { config, concurrency: 2, arguments: Vec::new(), environment, filter_log_level: "info" }
}

/// Sets one member of the plugin configuration, which a pointer names.
pub(crate) fn configure(config: &mut EnvoyConfig, pointer: &str, value: Value) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let mut plugin = config.plugin_config().unwrap();
    let mut object = &mut plugin;
    for step in parent.split('/').filter(|step| !step.is_empty()) {
        object = object.as_object_mut().unwrap().entry(step).or_insert_with(|| json!({}));
    }
    object[name] = value;
    config.set_plugin_config(&plugin).unwrap();
}

/// A key without expiration, of `alice`.
pub(crate) fn key(id: &str, secret: &str) -> KeyRecord {
    key_of_bytes(id, secret.as_bytes())
}

/// A key whose secret is no text.
pub(crate) fn key_of_bytes(id: &str, secret: &[u8]) -> KeyRecord {
    let salt = Salt::from_bytes([7; 16]);
    KeyRecord {
        id: KeyId::try_from(id).unwrap(),
        secrets: KeptSecrets::one(salt, SecretDigest::of(&salt, &KeySecret::presented(secret.to_vec()))),
        expiration: None,
        name: format!("key {id}"),
        owner: Owner { username: "alice".to_owned(), realm: "native".to_owned() },
        roles: vec!["reader".to_owned(), "writer".to_owned()],
        vouched_roles: vec!["reader".to_owned(), "writer".to_owned()],
        limited_by: vec!["ops".to_owned()],
        metadata: json!({"team": "search"}).to_string(),
        metadata_vouched: true,
    }
}

/// What a client presents for this id and secret.
pub(crate) fn encoded(id: &str, secret: impl AsRef<[u8]>) -> String {
    let encoded = STANDARD.encode([id.as_bytes(), b":", secret.as_ref()].concat());
    secrecy::watch_credential(&encoded);
    encoded
}

/// The value of a parameter of a request for the feed.
pub(crate) fn parameter<'a>(target: &'a str, name: &str) -> Option<&'a str> {
    target.split(['?', '&']).find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// A feed's name.
pub(crate) fn epoch(name: &str) -> Epoch {
    Epoch::try_from(name.to_owned()).unwrap()
}

//! A real key service with so many keys, and the Envoy that is measured.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use latchkey_local_stack::envoy::{EnvoyOptions, EnvoyProcess};
use latchkey_local_stack::http::{Request, http1};
use latchkey_local_stack::key_service::{CreatedKey, KeyServiceProcess};
use latchkey_local_stack::shell::Shell;
use latchkey_local_stack::wait;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bench::Bench;
use crate::cores::{self, Place};
use crate::edge::edge_config::EdgeConfig;
use crate::key_set::{Credential, KeySet};

/// How long an Envoy may take until it admits its last key. The target for a million is 10 s; this ends a run
/// that hangs.
const LOAD_PATIENCE: Duration = Duration::from_secs(180);

/// A key service with the keys of a set, in a copy of its store that goes with it.
#[derive(Debug)]
pub struct KeyService {
    /// The service.
    pub process: KeyServiceProcess,
    /// The key with which an edge reads its feed.
    pub feed_key: CreatedKey,
    _directory: TempDir,
}

impl KeyService {
    /// Starts the release build with the keys of `keys`. Their store is made when it is not there, and then
    /// kept.
    ///
    /// # Errors
    ///
    /// When the service is not built, cannot import the keys, or does not start.
    pub fn start(bench: &Bench, keys: KeySet) -> Result<Self> {
        let program = bench.latchkey()?;
        let directory = tempfile::Builder::new().prefix("service-").tempdir_in(bench.directory())?;
        let data = directory.path().join("data");
        copy_store(bench, keys, &data)?;
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let process = KeyServiceProcess::start_program(&program, anywhere, &data, directory.path())?;
        let feed_key = process.client().create_feed_key()?;
        Ok(Self { process, feed_key, _directory: directory })
    }

    /// Adds as many keys of a kind that is not in the store: opaque keys, or keys that were rotated since. Their
    /// owner may do what those of the others may, and rotate its keys.
    ///
    /// # Errors
    ///
    /// When the service does not take them.
    pub fn bring_along(&self, keys: KeySet, kind: Credential) -> Result<()> {
        let administer = |request: Request| {
            let answer = self.process.client().send(request)?;
            ensure!(answer.status == 200, "bringing {kind:?} keys along: {}", answer.text());
            answer.json()
        };
        let role = json!({"cluster": ["monitor", "manage_own_api_key"]});
        administer(Request::new("PUT", "/_security/role/ops").json(&role))?;
        let owner = json!({"service_account": true, "roles": ["ops"]});
        administer(Request::new("PUT", &format!("/_security/user/{OWNER}")).json(&owner))?;
        let described = json!({"reader": {"cluster": ["monitor"]}});
        let imported: Vec<Value> = (0..keys.count)
            .map(|number| {
                json!({
                    "key": kind.imported(number), "owner": OWNER, "name": format!("service-{number}"),
                    "role_descriptors": described,
                })
            })
            .collect();
        administer(Request::new("POST", "/_latchkey/api_key/_import").json(&json!({"keys": imported})))?;
        if kind == Credential::BeforeRotation {
            for number in 0..keys.count {
                let path = format!("/_security/api_key/{}/_rotate", kind.parts(number).0);
                let rotate = Request::new("POST", &path).json(&json!({"overlap": "30d"}));
                administer(rotate.header("es-security-runas-user", OWNER))?;
            }
        }
        Ok(())
    }
}

/// Whose keys are brought along. The name is as long as those of the owners of others.
const OWNER: &str = "team-xx";

/// Makes `data` a store that holds just these keys, and says how many bytes that is.
///
/// # Errors
///
/// When the keys cannot be imported or copied.
pub fn copy_store(bench: &Bench, keys: KeySet, data: &Path) -> Result<u64> {
    let store = store_with(&bench.latchkey()?, bench.directory(), keys)?;
    fs::create_dir(data)?;
    let mut bytes = 0;
    for file in fs::read_dir(&store)? {
        let file = file?;
        bytes += fs::copy(file.path(), data.join(file.file_name()))?;
    }
    Ok(bytes)
}

/// The directory of a store that holds just these keys.
fn store_with(program: &Path, directory: &Path, keys: KeySet) -> Result<PathBuf> {
    let store = directory.join(format!("store-{}", keys.count));
    if store.is_dir() {
        return Ok(store);
    }
    let beside = tempfile::Builder::new().prefix("importing-").tempdir_in(directory)?;
    let (export, data) = (beside.path().join("keys.jsonl"), beside.path().join("data"));
    keys.write_export(&export)?;
    let output = Command::new(program).arg("import").arg("--data").arg(&data).arg(&export).output()?;
    ensure!(output.status.success(), "importing: {}", String::from_utf8_lossy(&output.stderr));
    fs::rename(&data, &store)?;
    Ok(store)
}

/// Starts an Envoy in its place.
///
/// # Errors
///
/// When it does not start.
pub fn envoy(config: EdgeConfig, workers: u32, place: Place) -> Result<EnvoyProcess> {
    let options = EnvoyOptions {
        config: config.finished(),
        concurrency: workers,
        arguments: Vec::new(),
        environment: native_module_path(),
        filter_log_level: "warning",
    };
    let envoy = EnvoyProcess::start(&options)?;
    cores::place(envoy.id(), place)?;
    Ok(envoy)
}

/// Where Envoy finds the native module: it and the Wasm filter stand side by side in one Envoy.
fn native_module_path() -> Vec<(String, String)> {
    let variable = Shell::Module.environment();
    variable.map(|(name, path)| (name.to_owned(), path.display().to_string())).into_iter().collect()
}

/// Waits until the listener answers a request with this credential with `status`.
///
/// # Errors
///
/// When it goes on answering with another.
pub fn await_status(
    listener: SocketAddr,
    path: &str,
    authorization: Option<&str>,
    status: u16,
) -> Result<()> {
    let mut request = Request::get(path);
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    let mut last = 0;
    wait::patiently(LOAD_PATIENCE, "a listener answers as it should", || {
        last = http1::exchange(listener, &request)?.status;
        Ok((last == status).then_some(()))
    })
    .with_context(|| format!("{listener} answers {last} instead of {status}"))
}

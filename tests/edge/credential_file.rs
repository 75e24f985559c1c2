//! The edge's own credential in a file, which changes without a restart.

use std::fs;
use std::path::Path;

use latchkey_local_stack::envoy::EnvoyProcess;
use latchkey_local_stack::envoy_config::EnvoyConfig;
use latchkey_local_stack::http::{Request, http1};
use latchkey_local_stack::key_service::KeyServiceProcess;
use latchkey_local_stack::upstream::Upstream;
use latchkey_local_stack::{secrecy, wait};
use serde_json::json;

use crate::shells::is_native;
use crate::stage::{configure, options};

fn named(file: &Path) -> impl FnOnce(&mut EnvoyConfig) {
    let file = file.to_owned();
    move |config| {
        configure(config, "/key_service/credential", json!({"file": file}));
        configure(config, "/key_service/wait", json!("1s"));
    }
}

/// Waits until a key that is made now is admitted: the edge follows the feed.
fn follows(keys: &KeyServiceProcess, envoy: &EnvoyProcess) {
    let key = keys.client().create_key(&json!({"name": "another"})).unwrap();
    let request = Request::get("/credential-file").api_key(&key.encoded);
    wait::until("a new key is admitted", || {
        Ok((http1::exchange(envoy.listener()?, &request)?.status == 200).then_some(()))
    })
    .unwrap();
}

#[test]
fn a_credential_in_a_file_is_changed_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credential");
    let keys =
        KeyServiceProcess::start(([127, 0, 0, 1], 0).into(), &folder.path().join("data"), folder.path())
            .unwrap();
    let upstream = Upstream::start(([127, 0, 0, 1], 0).into()).unwrap();
    let start = || EnvoyProcess::start(&options(keys.address(), &upstream, named(&file)));
    let refused = start().unwrap_err().to_string();
    assert!(refused.contains("`key_service.credential.file`"), "{refused}");
    if !is_native() {
        assert!(refused.contains("a Wasm filter has no files"), "{refused}");
        return;
    }
    assert!(refused.contains("there is no credential"), "{refused}");
    let key = keys.client().create_feed_key().unwrap();
    fs::write(&file, format!("{}\n", key.encoded)).unwrap();
    let envoy = start().unwrap();
    follows(&keys, &envoy);

    let new = folder.path().join("new");
    // No secret from before works any more: the edge reads the file again, or cannot follow.
    for _ in 0..2 {
        let path = format!("/_security/api_key/{}/_rotate", key.id);
        let request = Request::new("POST", &path).json(&json!({"overlap": "0"}));
        let rotated = keys.client().send(request).unwrap().json().unwrap();
        let encoded = rotated["encoded"].as_str().unwrap();
        secrecy::watch_credential(encoded);
        fs::write(&new, encoded).unwrap();
        fs::rename(&new, &file).unwrap();
    }
    follows(&keys, &envoy);
    fs::remove_file(&file).unwrap();
    let log = envoy.log();
    wait::until("the log says what is missing", || {
        Ok(log.stderr().contains("cannot be read, or holds no credential").then_some(()))
    })
    .unwrap();
}

//! The key table in a file, for a start while the key service is away.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use latchkey_key_feed::KeyId;
use latchkey_local_stack::envoy::EnvoyProcess;
use latchkey_local_stack::envoy_config::EnvoyConfig;
use latchkey_local_stack::fake_key_service::{FakeKeyService, FeedManner};
use latchkey_local_stack::http::{Request, http1};
use latchkey_local_stack::upstream::Upstream;
use latchkey_local_stack::wait;
use serde_json::json;

use crate::shells::is_native;
use crate::stage::{configure, encoded, epoch, key, options};

/// An Envoy that keeps its table in a file; it refuses at once where it has none.
fn start(keys: &FakeKeyService, upstream: &Upstream, file: &Path) -> EnvoyProcess {
    EnvoyProcess::start(&options(keys.address(), upstream, keeping(file))).unwrap()
}

fn keeping(file: &Path) -> impl FnOnce(&mut EnvoyConfig) {
    let file = file.to_owned();
    move |config| {
        configure(config, "/table_file", json!({"path": file, "interval": "1s"}));
        configure(config, "/start_up_wait", json!("0s"));
    }
}

fn status(envoy: &EnvoyProcess, id: &str) -> u16 {
    let request = Request::get("/table-file").api_key(&encoded(id, "secret"));
    http1::exchange(envoy.listener().unwrap(), &request).unwrap().status
}

#[test]
fn a_gateway_that_starts_while_the_key_service_is_away_admits_by_its_table_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("table");
    let keys = FakeKeyService::start(epoch("kept")).unwrap();
    let upstream = Upstream::start(([127, 0, 0, 1], 0).into()).unwrap();
    if !is_native() {
        let refused = EnvoyProcess::start(&options(keys.address(), &upstream, keeping(&file))).unwrap_err();
        assert!(refused.to_string().contains("a Wasm filter has no files"), "{refused}");
        return;
    }
    keys.put(key("kept", "secret"));
    keys.put(key("revoked", "secret"));
    let before = start(&keys, &upstream, &file);
    wait::until("the keys are admitted", || Ok((status(&before, "revoked") == 200).then_some(()))).unwrap();
    keys.remove(KeyId::try_from("revoked").unwrap());
    wait::until("the revocation is in force", || Ok((status(&before, "revoked") == 401).then_some(())))
        .unwrap();
    wait::until("the table is written", || Ok(file.exists().then_some(()))).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    drop(before);

    keys.behave(FeedManner::Status(503));
    let after = start(&keys, &upstream, &file);
    assert_eq!(["kept", "revoked", "unknown"].map(|id| status(&after, id)), [200, 401, 401]);
    assert!(after.log().stderr().contains("table_file: begins with 1 keys"), "{}", after.log().stderr());
    // It goes on from there once the key service is back.
    keys.behave(FeedManner::Truthful);
    keys.put(key("later", "secret"));
    wait::until("a later key is admitted", || Ok((status(&after, "later") == 200).then_some(()))).unwrap();
    assert_eq!(status(&after, "revoked"), 401);
}

#[test]
fn a_table_file_that_cannot_be_used_admits_nobody_and_is_told_in_the_log() {
    if !is_native() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let keys = FakeKeyService::start(epoch("unusable")).unwrap();
    keys.put(key("kept", "secret"));
    keys.behave(FeedManner::Status(503));
    let upstream = Upstream::start(([127, 0, 0, 1], 0).into()).unwrap();
    for (name, mode, told) in [
        ("damaged", 0o600, "table_file: begins without the file: it is no table file"),
        ("exposed", 0o644, "table_file: begins without the file: it is not a file of this user alone"),
    ] {
        let file = folder.path().join(name);
        fs::write(&file, "not a table").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let envoy = start(&keys, &upstream, &file);
        assert_eq!(status(&envoy, "kept"), 503, "{name}");
        assert!(envoy.log().stderr().contains(told), "{name}: {}", envoy.log().stderr());
    }
}

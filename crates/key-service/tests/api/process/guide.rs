use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::{DevProcess, run, text};

/// The guide whose commands are run.
const GUIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/key-service.md");

/// The file of declarations that it speaks of.
const DECLARATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/keys.yaml");

#[test]
fn every_command_of_the_guide_succeeds() {
    let guide = fs::read_to_string(GUIDE).unwrap();
    let commands: Vec<&str> = guide.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
    assert!(commands.len() > 10, "{commands:?}");
    let data = tempfile::tempdir().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let service = DevProcess::start(data.path());
    fs::copy(DECLARATIONS, directory.path().join("keys.yaml")).unwrap();
    let script = commands.join("\n").replace("http://127.0.0.1:9200", &service.url);
    let binaries = Path::new(env!("CARGO_BIN_EXE_latchkey")).parent().unwrap();
    let path = env::join_paths(
        [binaries.to_owned()].into_iter().chain(env::split_paths(&env::var_os("PATH").unwrap())),
    );
    let mut bash = Command::new("bash");
    bash.args(["-euxo", "pipefail", "-c", &script]).current_dir(&directory);
    bash.env("PATH", path.unwrap()).env("LATCHKEY_PASSWORD", service.password.as_ref().unwrap());
    let output = run(&mut bash, "");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    for part in [
        "Made a key.",
        "key-maker",
        "Invalidated 1 key.",
        "Got a token.",
        "Disabled the user alice.",
        "The set shop: 6 to create, 0 to change, 0 to prune.",
        "Nothing to do: the set shop is as it is declared.",
        "{\"updated\":true}",
    ] {
        assert!(printed.contains(part), "{part}\n{printed}");
    }
    assert!(directory.path().join("users.toml").exists());
}

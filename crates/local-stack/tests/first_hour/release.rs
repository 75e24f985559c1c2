//! The commands of docs/install.md install what a release publishes into an empty root, and nothing whose sum is wrong.
//!
//! `make test` does that with an archive of what `make build` has built. `make release` does it with what is published,
//! and then all that can be done in the first hour with what is installed.

use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use latchkey_local_stack::places;

use super::{SECTION, clone, commands, follow};

/// The commands by which a release is installed.
const INSTALLATION: (&str, &str) = ("\n## From a release\n", "\n## ");

/// Where they install it.
const PREFIX: &str = "/usr/local";

/// Commands of the README in whose place they are.
const FROM_SOURCE: [&str; 2] = ["make install ", "export PATH="];

#[test]
fn an_archive_is_installed_by_the_commands_of_the_page() {
    let directory = tempfile::tempdir().unwrap();
    let (download, prefix) = (directory.path().join("download"), directory.path().join("root/usr/local"));
    fs::create_dir_all(&download).unwrap();
    fs::create_dir_all(&prefix).unwrap();
    pack(&directory.path().join("packed"), &download);
    let mut bash = Command::new("bash");
    bash.args(["-euc", &installation(&prefix).join("\n")]).current_dir(&download);
    let said = succeeded(&bash.output().unwrap());
    let version = format!("latchkey {} (commit ", env!("CARGO_PKG_VERSION"));
    assert!(said.lines().last().unwrap().starts_with(&version), "{said}");
    make_install(&places::repository(), &download, &prefix);
}

// All that runs is out of the archive, but for the Envoy and the upstream.
#[test]
#[ignore = "it needs what `make release` publishes, in target/release-artifacts"]
fn the_steps_of_the_readme_and_the_demo_hold_for_who_installs_a_release() {
    let directory = tempfile::tempdir().unwrap();
    let (clone, prefix) = (clone(directory.path()), directory.path().join("root/usr/local"));
    fs::create_dir_all(&prefix).unwrap();
    download(&clone);
    let steps = commands("README.md", SECTION);
    let steps = steps.into_iter().filter(|step| !FROM_SOURCE.iter().any(|start| step.starts_with(start)));
    follow(directory.path(), &clone, &installation(&prefix).into_iter().chain(steps).collect::<Vec<_>>());
    let envoy = fs::read_to_string(clone.join("gate/envoy.yaml")).unwrap();
    let filter = prefix.join("share/latchkey/latchkey-filter.wasm").display().to_string();
    assert!(envoy.contains(&filter), "{envoy}");
    for shell in ["wasm", "module"] {
        tell_the_story(&prefix, shell);
    }
    make_install(&clone, &clone, &prefix);
}

/// The commands of the page, for another place than the machine's.
fn installation(prefix: &Path) -> Vec<String> {
    let adapted =
        |command: &String| command.replace("sudo ", "").replace(PREFIX, &prefix.display().to_string());
    let commands: Vec<String> = commands("docs/install.md", INSTALLATION).iter().map(adapted).collect();
    assert!(commands.iter().any(|command| command.contains("| sha256sum --check && ")), "{commands:?}");
    commands
}

fn archive(version: &str) -> String {
    format!("latchkey-{version}-linux-{ARCH}.tar.gz")
}

/// Packs what this workspace has built as a release is packed, without the symbols for debuggers.
fn pack(prefix: &Path, into: &Path) {
    let repository = places::repository();
    let latchkey = into.join("latchkey");
    let mut strip = Command::new("strip");
    succeeded(&strip.arg("-o").arg(&latchkey).arg(places::latchkey().unwrap()).output().unwrap());
    let mut install = Command::new(repository.join("tools/install-below"));
    install.arg(prefix).arg(&latchkey).args([places::filter_module(), places::native_module()]);
    succeeded(&install.output().unwrap());
    fs::remove_file(latchkey).unwrap();
    let archive = archive(env!("CARGO_PKG_VERSION"));
    let mut pack = Command::new(repository.join("tools/pack-prefix"));
    succeeded(&pack.arg(prefix).arg(into.join(&archive)).output().unwrap());
    let sums = Command::new("sha256sum").arg(&archive).current_dir(into).output().unwrap();
    fs::write(into.join("SHA256SUMS"), succeeded(&sums)).unwrap();
}

/// Two files of a release, as somebody has them who has downloaded them.
fn download(into: &Path) {
    let release = places::repository().join("target/release-artifacts");
    for file in [archive(env!("CARGO_PKG_VERSION")), "SHA256SUMS".to_owned()] {
        fs::copy(release.join(&file), into.join(&file)).unwrap();
    }
}

/// The demo, with what is installed.
fn tell_the_story(prefix: &Path, shell: &str) {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_local-stack"));
    let told = demo.arg("demo").env("LATCHKEY_PREFIX", prefix).env("LATCHKEY_SHELL", shell).output().unwrap();
    let told = succeeded(&told);
    assert!(told.contains("demo: all 17 steps held"), "{shell}: {told}");
}

/// `make install FROM=` installs the same as the commands, and nothing whose sum is wrong.
fn make_install(clone: &Path, from: &Path, prefix: &Path) {
    let other: PathBuf = from.join("installed by make");
    let install = || {
        let mut make = Command::new("make");
        make.args(["--silent", "install"]).arg(format!("FROM={}", from.display()));
        make.arg(format!("PREFIX={}", other.display())).current_dir(clone).output().unwrap()
    };
    succeeded(&install());
    let compared = Command::new("diff").arg("--recursive").args([prefix, &other]).output().unwrap();
    succeeded(&compared);

    fs::remove_dir_all(&other).unwrap();
    let archive = from.join(archive(env!("CARGO_PKG_VERSION")));
    let mut spoiled = fs::read(&archive).unwrap();
    spoiled.push(b'x');
    fs::write(&archive, spoiled).unwrap();
    let refused = install();
    assert!(!refused.status.success() && !other.exists(), "an archive with another sum is installed");
    let complaint = String::from_utf8_lossy(&refused.stdout) + String::from_utf8_lossy(&refused.stderr);
    assert!(complaint.contains("FAILED"), "{complaint}");
}

/// What a command prints that must succeed.
#[track_caller]
fn succeeded(output: &Output) -> String {
    let [told, complaint] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success(), "{told}\n{complaint}");
    told.into_owned()
}

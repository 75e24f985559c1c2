//! The README's steps, as somebody follows them who has just cloned the repository, and as somebody who has installed
//! a release.

#![expect(clippy::unwrap_used, reason = "a failing test may panic")]

mod release;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use latchkey_local_stack::{places, wait};

/// The section whose commands are run.
const SECTION: (&str, &str) = ("\n## In your Envoy\n", "\n## ");

/// How commands begin that stay until somebody ends them: each is for a terminal of its own.
const STAYING: [&str; 3] =
    ["latchkey serve ", ".tools/envoy ", "cargo run -p latchkey-local-stack -- upstream"];

/// Ports of the README, which may be somebody else's here.
const PORTS: [u16; 4] = [9200, 10000, 9901, 8081];

/// A process group, killed when this goes.
struct Staying(Child);

impl Drop for Staying {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.0.id())]).status();
        let _ = self.0.wait();
    }
}

/// A clone of what is committed, with what `make build` has built.
fn clone(directory: &Path) -> PathBuf {
    let (here, clone) = (places::repository(), directory.join("latchkey"));
    let mut git = Command::new("git");
    let done = git
        .args(["clone", "--quiet", "--no-hardlinks", "--depth=1"])
        .arg(format!("file://{}", here.display()));
    assert!(done.arg(&clone).status().unwrap().success());
    for built in ["target", ".tools"] {
        symlink(here.join(built), clone.join(built)).unwrap();
    }
    clone
}

/// The commands of a section of a page, in their order.
fn commands(page: &str, (from, to): (&str, &str)) -> Vec<String> {
    let page = fs::read_to_string(places::repository().join(page)).unwrap();
    let (_, after) = page.split_once(from).unwrap();
    let (section, _) = after.split_once(to).unwrap();
    section.lines().filter_map(|line| line.trim_start().strip_prefix("$ ")).map(str::to_owned).collect()
}

/// Free ports in the place of those of the README.
fn free_ports() -> [u16; 4] {
    let listeners = PORTS.map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// A command with what differs here: nothing is built anew, and other ports are free.
fn adapted(command: &str, ports: [u16; 4]) -> String {
    let mut command = command.replace("make install ", "make --silent -o installable install PROFILE=debug ");
    if command.starts_with("latchkey init gate") {
        command.push_str(&format!(" --listen localhost:{}", ports[0]));
        for (port, free) in PORTS.into_iter().zip(ports).skip(1) {
            command.push_str(&format!(
                " && sed -i 's/port_value: {port} /port_value: {free} /' gate/envoy.yaml"
            ));
        }
    }
    if command.starts_with(STAYING[2]) {
        command = format!("target/debug/local-stack upstream --listen 127.0.0.1:{}", ports[3]);
    }
    command
        .replace(".tools/envoy", &places::envoy().unwrap().display().to_string())
        .replace(&format!("127.0.0.1:{}", PORTS[1]), &format!("127.0.0.1:{}", ports[1]))
}

#[test]
fn the_steps_of_the_readme_lead_to_a_guarded_upstream() {
    let directory = tempfile::tempdir().unwrap();
    let clone = clone(directory.path());
    follow(directory.path(), &clone, &commands("README.md", SECTION));
}

/// Follows the commands in a clone. What they leave running runs until all are done.
fn follow(directory: &Path, clone: &Path, commands: &[String]) {
    let (home, ports) = (directory.join("home"), free_ports());
    let mut staying = Vec::new();
    let (mut exports, mut printed) = (String::new(), String::new());
    let shell = |script: String| {
        let mut bash = Command::new("bash");
        bash.args(["-euc", &script]).current_dir(clone).env("HOME", &home).env("http_proxy", "");
        bash.env("LATCHKEY_URL", format!("http://127.0.0.1:{}", ports[0]));
        bash
    };
    for command in commands {
        let adapted = adapted(command, ports).replace('…', credential(&printed));
        if sets_a_variable(command) {
            exports.push_str(&format!("{adapted}\n"));
        } else if STAYING.iter().any(|start| command.starts_with(start)) {
            let mut bash = shell(format!("{exports}exec {adapted}"));
            let log = fs::File::create(directory.join(format!("{}.log", staying.len()))).unwrap();
            bash.stdout(log.try_clone().unwrap()).stderr(log).process_group(0);
            staying.push(Staying(bash.spawn().unwrap()));
            if command.starts_with(STAYING[0]) {
                let ready =
                    || shell(format!("{exports}latchkey health")).stderr(Stdio::null()).status().unwrap();
                wait::until("the key service is ready", || Ok(ready().success().then_some(()))).unwrap();
            }
        } else if command.starts_with("curl ") {
            let mut answer = String::new();
            let asked = wait::until("the upstream is reached", || {
                let output = shell(format!("{exports}{adapted}")).output()?;
                answer = String::from_utf8_lossy(&output.stdout).into_owned();
                Ok(answer.starts_with("HTTP/1.1 200 ").then_some(()))
            });
            assert!(asked.is_ok(), "{adapted}: {answer}");
            assert!(answer.contains("x-api-key-owner") && answer.contains("admin"), "{answer}");
        } else {
            let output = shell(format!("{exports}{adapted}")).output().unwrap();
            printed = String::from_utf8_lossy(&output.stdout).into_owned();
            let complaint = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{adapted}\n{complaint}");
        }
    }
    assert_eq!(staying.len(), STAYING.len(), "the README starts other things");
}

/// Whether a command is for those after it.
fn sets_a_variable(command: &str) -> bool {
    command.starts_with("export ") || command.split(' ').next().is_some_and(|word| word.contains('='))
}

/// The credential that `latchkey key create` prints.
fn credential(printed: &str) -> &str {
    let line = printed.lines().find_map(|line| line.trim_start().strip_prefix("credential "));
    line.map_or("", str::trim)
}

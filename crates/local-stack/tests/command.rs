//! The command as a person runs it, who may stop it, or stop reading, at any moment.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failing test may panic")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use latchkey_local_stack::wait;

/// The command, with a directory of its own for whatever is temporary.
fn local_stack(temporary: &Path, verb: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_local-stack"));
    command.arg(verb).env("TMPDIR", temporary).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The same as a terminal starts it: Ctrl-C ends it. What a script starts in the background ignores Ctrl-C, as does all
/// that it starts in turn, this test in such a run too.
fn as_at_a_terminal(temporary: &Path, verb: &str) -> Command {
    let with_signals = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])";
    let mut command = Command::new("python3");
    command.args(["-c", with_signals, env!("CARGO_BIN_EXE_local-stack"), verb]);
    command.env("TMPDIR", temporary).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn entries(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn signal(process: &Child, signal: &str) {
    let sent = Command::new("kill").arg(format!("-{signal}")).arg(process.id().to_string()).status();
    assert!(sent.unwrap().success());
}

/// Sends a signal to a process and those that it has started.
fn signal_group(process: &Child, signal: &str) {
    let group = format!("-{}", process.id());
    let sent = Command::new("kill").args([&format!("-{signal}"), "--", &group]).status();
    assert!(sent.unwrap().success());
}

/// The value behind `label` in what `run` tells.
fn told<'a>(lines: &'a [String], label: &str) -> &'a str {
    lines.iter().find_map(|line| line.strip_prefix(label)).unwrap_or_else(|| panic!("{lines:?}")).trim()
}

/// What is told up to the last line.
fn introduction(from: ChildStdout) -> Vec<String> {
    let mut lines = Vec::new();
    for line in BufReader::new(from).lines().map(Result::unwrap) {
        lines.push(line);
        if lines.last().is_some_and(|line| line.starts_with("Ctrl-C")) {
            break;
        }
    }
    lines
}

/// A moment in the life of a demo.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// So many directories of its own are there.
    Directories(usize),
    /// The first step of the story was told.
    FirstStep,
}

// The store has keys in it, and its directory is not the only one. At a terminal Ctrl-C reaches every process
// of the demo at once.
#[test]
fn nothing_is_left_of_a_stack_that_was_interrupted_at_any_moment() {
    let directory = tempfile::Builder::new().prefix("a path with spaces ").tempdir().unwrap();
    for (moment, name) in [
        (Moment::Directories(1), "INT"),
        (Moment::Directories(2), "INT"),
        (Moment::Directories(2), "TERM"),
        (Moment::Directories(2), "KILL"),
        (Moment::FirstStep, "INT"),
    ] {
        let mut process = as_at_a_terminal(directory.path(), "demo").process_group(0).spawn().unwrap();
        match moment {
            Moment::Directories(count) => {
                wait::until("it has begun", || Ok((entries(directory.path()).len() >= count).then_some(())))
                    .unwrap();
            }
            Moment::FirstStep => {
                let lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
                assert!(lines.into_iter().any(|line| line.contains("no key")), "no step was told");
            }
        }
        signal_group(&process, name);
        process.wait().unwrap();
        wait::until("nothing is left", || Ok(entries(directory.path()).is_empty().then_some(()))).unwrap();
        let mut complaint = String::new();
        process.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
        assert_eq!(complaint, "", "{moment:?} {name}: who interrupts it knows that");
        wait::until("nobody runs on", || Ok(processes_in(directory.path()).is_empty().then_some(())))
            .unwrap();
    }
}

/// The command lines of processes that name a file below this directory, where the system shows them.
fn processes_in(directory: &Path) -> Vec<String> {
    let directory = directory.display().to_string();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).into_owned())
        .filter(|line| line.contains(&directory))
        .collect()
}

#[test]
fn an_envoy_without_wasm_is_told_in_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let envoy = directory.path().join("envoy");
    let says = "Failed to create Wasm VM using envoy.wasm.runtime.v8 runtime. Envoy was compiled without support for it";
    fs::write(&envoy, format!("#!/bin/sh\necho '{says}' >&2\nexit 1\n")).unwrap();
    fs::set_permissions(&envoy, fs::Permissions::from_mode(0o755)).unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let ended = local_stack(temporary.path(), "demo").env("ENVOY_PATH", &envoy).output().unwrap();
    assert!(!ended.status.success());
    let complaint = String::from_utf8(ended.stderr).unwrap();
    let expected = format!("local-stack: {} has no Wasm in it: ", envoy.display());
    assert!(complaint.starts_with(&expected) && complaint.lines().count() == 1, "{complaint}");
}

// Envoy shares its port with any other process of the same user, unless it is told otherwise.
#[test]
fn two_stacks_at_once_have_ports_of_their_own() {
    let temporary = tempfile::tempdir().unwrap();
    let mut stacks: Vec<Child> =
        (0..2).map(|_| local_stack(temporary.path(), "run").spawn().unwrap()).collect();
    let introductions: Vec<Vec<String>> =
        stacks.iter_mut().map(|stack| introduction(stack.stdout.take().unwrap())).collect();
    let [one, other] = <[Vec<String>; 2]>::try_from(introductions).unwrap();
    for label in ["edge ", "key service ", "upstream ", "Envoy admin "] {
        assert_ne!(told(&one, label), told(&other, label), "{label}");
    }
    for told in [&one, &other] {
        let taken = told.iter().filter(|line| line.starts_with("port "));
        for line in taken {
            assert!(line.ends_with(" is taken, so another is chosen"), "{line}");
        }
    }
    let is_first = |told: &[String]| !told.iter().any(|line| line.starts_with("port 10000 "));
    assert!(!(is_first(&one) && is_first(&other)), "both have the port of the edge: {one:?} {other:?}");
    for stack in &mut stacks {
        signal(stack, "TERM");
        stack.wait().unwrap();
    }
    wait::until("nothing is left", || Ok(entries(temporary.path()).is_empty().then_some(()))).unwrap();
}

// Where a proxy is set for the rest of the machine, curl asked that one for 127.0.0.1.
#[test]
fn every_line_to_try_does_what_is_said_of_it() {
    let temporary = tempfile::tempdir().unwrap();
    let mut stack = local_stack(temporary.path(), "run").spawn().unwrap();
    let lines = introduction(stack.stdout.take().unwrap());
    let commands: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("  ")).collect();
    let [without, with, export, list, revoke, another, audit] = commands[..] else { panic!("{lines:?}") };
    let shown = |command: &str| {
        let mut bash = Command::new("bash");
        bash.args(["-c", &format!("{export}\n{command}")]).env("http_proxy", "http://127.0.0.1:1");
        let output = bash.output().unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let logs = ["access log ", "audit log "].map(|label| told(&lines, label).to_owned());
    for (command, parts) in [
        (without, &["401 Unauthorized", "www-authenticate: ApiKey"][..]),
        (with, &["200 OK", "x-api-key-owner"]),
        (list, &["playground", "edge", "EXPIRES"]),
        (revoke, &["Invalidated 1 key.", "Applied by 1 edge."]),
        (with, &["401 Unauthorized"]),
        (another, &["\"encoded\""]),
        (audit, &["create_api_key", "invalidate_api_keys"]),
        (&format!("cat {}", logs[0]), &["latchkey_key_revoked"]),
        (&format!("cat {}", logs[1]), &["\"target\":\"audit\""]),
    ] {
        let seen = shown(command);
        for part in parts {
            assert!(seen.contains(part), "{command}: {part}\n{seen}");
        }
    }
    signal(&stack, "TERM");
    stack.wait().unwrap();
}

#[test]
fn whoever_stops_reading_is_told_no_secret() {
    let temporary = tempfile::tempdir().unwrap();
    let mut process = local_stack(temporary.path(), "demo").spawn().unwrap();
    let mut reader = BufReader::new(process.stdout.take().unwrap());
    reader.read_line(&mut String::new()).unwrap();
    drop(reader);
    let mut complaint = String::new();
    process.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
    assert!(!process.wait().unwrap().success());
    assert_eq!(complaint, "", "there is nobody to tell");
}

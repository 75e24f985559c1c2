//! The command as a person runs it, who may stop it, or stop reading, at any moment.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failing test may panic")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use latchkey_local_stack::wait;

/// The command, with a directory of its own for whatever is temporary.
fn local_stack(temporary: &Path, verb: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_local-stack"));
    command.arg(verb).env("TMPDIR", temporary).stdout(Stdio::piped()).stderr(Stdio::piped());
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

// The store has keys in it, and its directory is not the only one.
#[test]
fn nothing_is_left_of_a_stack_that_was_interrupted() {
    for name in ["INT", "TERM", "KILL"] {
        let temporary = tempfile::tempdir().unwrap();
        let mut process = local_stack(temporary.path(), "demo").spawn().unwrap();
        wait::until("both directories are there", || Ok((entries(temporary.path()).len() > 1).then_some(())))
            .unwrap();
        signal(&process, name);
        process.wait().unwrap();
        wait::until("nothing is left", || Ok(entries(temporary.path()).is_empty().then_some(()))).unwrap();
    }
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
    for stack in &mut stacks {
        signal(stack, "TERM");
        stack.wait().unwrap();
    }
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

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::{DevProcess, asking, run, text, told};

/// The page whose commands about stores are run.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operations.md");

/// The sections of the page that are about stores: from this heading to that.
const SECTIONS: (&str, &str) = ("## Backup and restore", "## Upgrades");

/// The data directory of the page.
const DATA: &str = "/var/lib/latchkey";

/// A command of the page, and what the page says that it prints.
struct Example {
    command: String,
    shown: String,
}

/// The commands in each block of the language `console`.
fn blocks(page: &str) -> Vec<Vec<Example>> {
    let blocks = page.split("\n```console\n").skip(1).map(|rest| rest.split("\n```").next().unwrap());
    let examples = |block: &str| {
        let mut examples: Vec<Example> = Vec::new();
        for line in block.lines() {
            match line.strip_prefix("$ ") {
                Some(command) => examples.push(Example { command: command.to_owned(), shown: String::new() }),
                None => examples.last_mut().unwrap().shown.push_str(line),
            }
        }
        examples
    };
    blocks.map(examples).collect()
}

/// Whether each `…` can stand for something so that the text comes out.
fn stands_for(shown: &str, printed: &str) -> bool {
    let mut parts = shown.split('…');
    let Some(mut rest) = printed.strip_prefix(parts.next().unwrap()) else { return false };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty() || shown.ends_with('…')
}

#[test]
fn every_command_about_stores_prints_what_the_page_shows() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let path = env::join_paths(
        [Path::new(env!("CARGO_BIN_EXE_latchkey")).parent().unwrap().to_owned()]
            .into_iter()
            .chain(env::split_paths(&env::var_os("PATH").unwrap())),
    )
    .unwrap();
    let mut service = Some(DevProcess::start(&data));
    for name in ["a", "b"] {
        told(&mut asking(service.as_ref().unwrap()), &["key", "create", name, "--role=r"], "");
    }
    let page = fs::read_to_string(PAGE).unwrap();
    let (_, from) = page.split_once(SECTIONS.0).unwrap();
    let (sections, _) = from.split_once(SECTIONS.1).unwrap();
    let blocks = blocks(sections);
    assert!(blocks.len() >= 4, "{} blocks are not all", blocks.len());
    for block in blocks {
        // The page says of these that the service is stopped.
        if block.iter().any(|example| example.command.contains("new-epoch"))
            && let Some(service) = service.take()
        {
            service.terminate();
        }
        for Example { command, shown } in block {
            let mut bash = Command::new("bash");
            bash.args(["-c", &command.replace(DATA, data.to_str().unwrap())]);
            let output = run(bash.current_dir(&directory).env("PATH", &path), "");
            let printed = text(&output.stdout).replace(data.to_str().unwrap(), DATA);
            assert!(output.status.success(), "{command}\n{}", text(&output.stderr));
            assert!(stands_for(&shown, printed.trim_end()), "{command}\n{printed}\n{shown}");
        }
    }
}

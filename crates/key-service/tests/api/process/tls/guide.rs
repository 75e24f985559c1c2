//! What the guides say of TLS, done as they say it.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::super::{run, text};
use super::Home;
use crate::tls::issuing::Authority;

/// The lines of a guide below the heading with this text, up to the next heading.
fn section(guide: &str, heading: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(guide);
    let lines = fs::read_to_string(path).unwrap();
    let mut lines = lines.lines().skip_while(|line| *line != heading).map(str::to_owned);
    assert!(lines.next().is_some(), "{guide} has no {heading}");
    lines
        .take_while(|line| !line.starts_with('#') || !line.trim_start_matches('#').starts_with(' '))
        .collect()
}

/// The commands in some lines.
fn commands(lines: &[String]) -> Vec<&str> {
    lines.iter().filter_map(|line| line.strip_prefix("$ ")).collect()
}

#[test]
fn the_certificates_of_the_guides_serve_and_are_trusted() {
    let home = Home::new(&Authority::new("another"), "");
    let tls = section("key-service.md", "### TLS");
    let settings = tls.iter().skip_while(|line| *line != "```toml").skip(1).take_while(|line| *line != "```");
    let settings: String = settings.map(|line| format!("{line}\n")).collect();
    home.write(
        "latchkey.toml",
        &format!("listen = \"127.0.0.1:0\"\ndata = \"data\"\nusers = \"users.toml\"\n{settings}"),
    );
    do_all(&home, &commands(&tls).join("\n"));

    let service = home.start();
    let port = service.url.rsplit(':').next().unwrap();
    let mutual = section("operations.md", "## Mutual TLS");
    let asking = commands(&mutual);
    assert!(asking.iter().any(|command| command.contains("--client-cert")), "{asking:?}");
    do_all(&home, &asking.join("\n").replace("localhost:9200", &format!("localhost:{port}")));
}

/// Runs commands in the service's directory, as its user; all must succeed.
#[track_caller]
fn do_all(home: &Home, script: &str) {
    let binaries = Path::new(env!("CARGO_BIN_EXE_latchkey")).parent().unwrap();
    let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap());
    let mut bash = Command::new("bash");
    bash.args(["-euxo", "pipefail", "-c", script]).current_dir(home.0.path());
    bash.env("PATH", path).env("LATCHKEY_USER", "alice").env("LATCHKEY_PASSWORD", super::PASSWORD);
    let output = run(&mut bash, "");
    assert!(output.status.success(), "{}", text(&output.stderr));
}

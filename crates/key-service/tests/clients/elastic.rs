//! Elasticsearch's clients, each scenario once with every one of them.
//!
//! A scenario is a script in each language, and tells the same sentences in all of them: one for each step
//! that held. The clients whose methods take bodies, as all did before 8.0, have one scenario for all.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use latchkey_local_stack::secrecy;

use crate::service::Service;

/// The clients, by their directories below `.tools/clients`.
const PYTHON: [&str; 2] = ["python8", "python9"];
const JS: [&str; 2] = ["js8", "js9"];
const PYTHON_WITH_BODIES: &str = "python7";
const JS_WITH_BODIES: &str = "js7";
const PERL: &str = "perl";
const RUST: &str = "rust";

#[test]
fn the_clients_log_in_every_way() {
    play("connection", Service::dev);
}

#[test]
fn the_clients_lead_keys_through_their_lives() {
    play("keys", Service::dev);
}

#[test]
fn the_clients_get_and_end_tokens() {
    play("tokens", Service::dev);
}

#[test]
fn the_clients_manage_users_roles_and_privileges() {
    play("directory", Service::dev);
}

#[test]
fn the_clients_work_with_every_switch_on() {
    play("switches", Service::dev);
}

#[test]
fn the_clients_whose_methods_take_bodies_lead_a_key_through_its_life_with_every_switch_on() {
    let told = [
        python(PYTHON_WITH_BODIES, "life", &Service::dev()),
        js(JS_WITH_BODIES, "life", &Service::dev()),
        perl("life", &Service::dev()),
        rust(&Service::dev()),
    ];
    assert_same(&told);
}

// docs/api.md says why there is a product header: without it the clients do not go on.
#[test]
fn the_clients_refuse_a_service_without_the_product_header() {
    let service = || Service::serve("[answers]\nproduct_header = false\n");
    play("product", service);
    let told = [
        python(PYTHON_WITH_BODIES, "product", &service()),
        js(JS_WITH_BODIES, "product", &service()),
        perl("product", &service()),
    ];
    assert_same(&told);
}

/// Plays a scenario with every client whose methods take parameters, each against a service of its own.
fn play(scenario: &str, service: impl Fn() -> Service) {
    let python = PYTHON.map(|client| python(client, scenario, &service()));
    let js = JS.map(|client| js(client, scenario, &service()));
    assert_same(&[python, js].concat());
}

/// All have told the same steps, and there were some.
fn assert_same(told: &[String]) {
    assert!(!told[0].is_empty(), "no step was told");
    for other in told {
        assert_eq!(*other, told[0], "the clients play different scenarios");
    }
}

fn python(client: &str, scenario: &str, service: &Service) -> String {
    let mut command = Command::new("python3");
    // Without `-B` the interpreter would leave files beside the script.
    command.arg("-B").arg(script(scenario, "py")).env("PYTHONPATH", installed(client));
    run(client, command, service)
}

fn js(client: &str, scenario: &str, service: &Service) -> String {
    let mut command = Command::new("node");
    command.arg(script(scenario, "mjs")).env("LATCHKEY_CLIENT", installed(client));
    run(client, command, service)
}

fn perl(scenario: &str, service: &Service) -> String {
    let mut command = Command::new("perl");
    command.arg(script(scenario, "pl")).env("PERL5LIB", perl_directories().join(":"));
    run(PERL, command, service)
}

/// Where the packages of Debian have modules: those in Perl, and those for this machine and this version.
fn perl_directories() -> Vec<String> {
    let root = installed(PERL).join("usr");
    let beside = |directory: PathBuf| -> Vec<PathBuf> {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    let machines = beside(root.join("lib")).into_iter().map(|machine| machine.join("perl5"));
    let versions = machines.flat_map(beside);
    [root.join("share/perl5")].into_iter().chain(versions).map(|path| path.display().to_string()).collect()
}

fn rust(service: &Service) -> String {
    run(RUST, Command::new(installed(RUST).join("debug/rust-client")), service)
}

/// What the script told, all of which must have held.
fn run(client: &str, mut command: Command, service: &Service) -> String {
    let answers = tempfile::NamedTempFile::new().unwrap();
    let output = command
        .env("LATCHKEY_ANSWERS", answers.path())
        .env("LATCHKEY_URL", &service.url)
        .env("LATCHKEY_USERNAME", service.username)
        .env("LATCHKEY_PASSWORD", &service.password)
        .output()
        .unwrap_or_else(|error| panic!("{:?}: {error}", command.get_program()));
    let answers = fs::read_to_string(answers.path()).unwrap();
    answers.lines().for_each(|line| secrecy::watch_answer(&serde_json::from_str(line).unwrap()));
    secrecy::search_output(client, &command, &output).unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let trouble = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{client}, after these steps:\n{told}\n{trouble}");
    told
}

/// Where a client is.
pub(crate) fn installed(client: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let directory = root.join(".tools/clients").join(client);
    let is_whole = directory.join("pins").is_file();
    assert!(is_whole, "{} is not there: `make clients` brings it, as `make test` does", directory.display());
    directory.canonicalize().unwrap()
}

fn script(scenario: &str, extension: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(scenario).with_extension(extension)
}

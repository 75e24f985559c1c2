//! `latchkey init`: all that `latchkey serve` and an Envoy need for a first start, in one directory.
//!
//! It is made by the code that serves: passwords are hashed as everywhere, and the key of the edge is asked
//! for over the REST interface, within this process. Nothing that is there is overwritten, and an `init` that
//! fails leaves nothing behind.

mod new_files;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clap::Args;
use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::ServiceExt as _;

use crate::cli::CommandFailed;
use crate::cli::data_directory::DataDirectory;
use crate::cli::init::new_files::NewFiles;
use crate::cli::report::{harmless, text, write_out};
use crate::cli::running::{self, Callers, StorePlace, address_and_port, new_epoch};
use crate::cli::store_arguments::block_on;
use crate::model::password::{Password, PasswordHash};
use crate::randomness::SystemRandomness;
use crate::security::jwt::JwtRealms;
use crate::security::realm::Realms;
use crate::settings::users_file::UserFile;
use crate::settings::{LISTEN_DEFAULT, ServiceSettings};
use crate::store::{KeyStore, StoreError};

/// The first user, who may do everything.
const ADMIN: &str = "admin";

/// The user whose keys the edges have. Nobody logs in as this one: an administrator acts for it.
const EDGES: &str = "edges";

/// What is made. The store comes last, because it takes the longest.
const SETTINGS_FILE: &str = "latchkey.toml";
const USERS_FILE: &str = "users.toml";
const PASSWORD_FILE: &str = "admin.password";
const CREDENTIAL_FILE: &str = "edge.credential";
const ENVOY_FILE: &str = "envoy.yaml";
const DATA_DIRECTORY: &str = "data";

/// The configuration of Envoy that is filled in.
const ENVOY_SAMPLE: &str = include_str!("../../../../envoy/local.yaml");

/// What is filled in there.
const SAMPLE_FILTER: &str = "filename: target/latchkey-filter.wasm";
const SAMPLE_KEY_SERVICE: &str = "address: 127.0.0.1, port_value: 9200";

/// The filter where it was built, from the root of the repository.
const BUILT_FILTER: &str = "target/latchkey-filter.wasm";

/// The filter where it is installed, from the directory of this program.
const INSTALLED_FILTER: &str = "../share/latchkey/latchkey-filter.wasm";

#[derive(Debug, Args)]
pub(super) struct InitArguments {
    /// The directory to make. In one that is there, nothing is overwritten.
    #[arg(value_name = "DIRECTORY")]
    directory: PathBuf,
    /// Address or name, and port, where the service is to listen.
    #[arg(long, default_value_t = LISTEN_DEFAULT, value_name = "ADDRESS", value_parser = address_and_port)]
    listen: SocketAddr,
    /// Where Envoy finds the filter. Without: the one that is installed with this command, or else
    /// target/latchkey-filter.wasm.
    #[arg(long, value_name = "FILE")]
    filter: Option<PathBuf>,
}

pub(super) fn run(arguments: &InitArguments) -> Result<(), CommandFailed> {
    if arguments.listen.port() == 0 {
        return Err(CommandFailed::new(
            "--listen needs a port of its own here, because Envoy has to know it",
        ));
    }
    let all =
        [SETTINGS_FILE, USERS_FILE, PASSWORD_FILE, CREDENTIAL_FILE, ENVOY_FILE, DATA_DIRECTORY].as_slice();
    let mut files = NewFiles::begin(&arguments.directory, all)?;
    let password = drawn_password()?;
    let users = users_file(&password)?;
    files.add(USERS_FILE, &users)?;
    files.add(PASSWORD_FILE, &format!("{}\n", shown(&password)))?;
    files.add(SETTINGS_FILE, &settings_file(arguments.listen))?;
    files.add(ENVOY_FILE, &envoy_file(arguments.listen, &filter(arguments.filter.as_deref())))?;
    files.add_directory(DATA_DIRECTORY);
    let credential = edge_credential(&files.path(DATA_DIRECTORY), &users, &password)?;
    files.add(CREDENTIAL_FILE, &format!("{credential}\n"))?;
    files.keep();
    write_out(told(&arguments.directory, arguments.listen).as_bytes())
}

fn drawn_password() -> Result<Password, CommandFailed> {
    Password::generated(&SystemRandomness).map_err(|failed| CommandFailed::new(failed.to_string()))
}

/// A password that was drawn is text.
fn shown(password: &Password) -> &str {
    std::str::from_utf8(password.expose()).unwrap_or_default()
}

/// The users: one who may do everything, and one who owns the keys of edges, so that no choice among
/// somebody's keys hits those.
fn users_file(password: &Password) -> Result<String, CommandFailed> {
    let hash = |password: &Password| {
        PasswordHash::of(password, &SystemRandomness).map_err(|failed| CommandFailed::new(failed.to_string()))
    };
    let (admin, edges) = (hash(password)?, hash(&drawn_password()?)?);
    Ok(format!(
        r#"# Who may log in. `latchkey user --file {USERS_FILE}` shows and changes this file; the service reads it when it starts.
# Other users are better made in the service that runs: latchkey user create.

[users.{ADMIN}]                     # the password is in {PASSWORD_FILE}
password_hash = "{admin}"
roles = ["superuser"]

[users.{EDGES}]                     # owns the keys of edges. Nobody has the password: an administrator makes another key
password_hash = "{edges}"           # with `latchkey key create NAME --run-as {EDGES}`
roles = ["{EDGES}"]

[roles.{EDGES}]
cluster = ["manage_own_api_key", "read_key_feed"]
"#
    ))
}

fn settings_file(listen: SocketAddr) -> String {
    format!(
        "# latchkey serve --config {SETTINGS_FILE}. All settings are in docs/key-service.md.\n\
         listen = \"{listen}\"\n\
         data = \"{DATA_DIRECTORY}\"\n\
         users = \"{USERS_FILE}\"\n"
    )
}

/// The sample with the filter and the service of this machine.
fn envoy_file(listen: SocketAddr, filter: &Path) -> String {
    let (_, sample) = ENVOY_SAMPLE.split_once("\n\n").unwrap_or_default();
    let service = reached_at(listen);
    let (filter, address) = (json!(filter.to_string_lossy()), json!(service.ip().to_string()));
    let sample = sample
        .replace(SAMPLE_FILTER, &format!("filename: {filter}"))
        .replace(SAMPLE_KEY_SERVICE, &format!("address: {address}, port_value: {}", service.port()));
    format!(
        "# Latchkey in front of an upstream at 127.0.0.1:8081:\n\
         #\n\
         #   LATCHKEY_FEED_CREDENTIAL=\"$(cat {CREDENTIAL_FILE})\" envoy -c {ENVOY_FILE}\n\
         \n{sample}"
    )
}

/// Where a process on this machine reaches a service that listens there.
fn reached_at(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// The filter that is named, or that was installed beside this program, or that was built.
fn filter(named: Option<&Path>) -> PathBuf {
    if let Some(named) = named {
        return named.to_owned();
    }
    let program = std::env::current_exe().ok();
    let installed = program.and_then(|program| Some(program.parent()?.join(INSTALLED_FILTER)));
    installed.and_then(|file| file.canonicalize().ok()).unwrap_or_else(|| PathBuf::from(BUILT_FILTER))
}

/// Makes the store, and in it the key with which an edge reads the feed.
fn edge_credential(data: &Path, users: &str, password: &Password) -> Result<String, CommandFailed> {
    let users = UserFile::parse(users)
        .map_err(|invalid| CommandFailed::invalid_file(Path::new(USERS_FILE), &invalid))?;
    let callers = Callers {
        realms: Realms::default().with_file(users.users),
        roles: users.roles,
        jwt_realms: JwtRealms::default(),
    };
    let body = json!({"name": "edge", "role_descriptors": {"edge": {"cluster": ["read_key_feed"]}}});
    let request = Request::post("/_security/api_key")
        .header(AUTHORIZATION, format!("Basic {}", STANDARD.encode(format!("{ADMIN}:{}", shown(password)))))
        .header("es-security-runas-user", EDGES)
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body.to_string())))
        .map_err(|error| CommandFailed::new(error.to_string()))?;
    let place = StorePlace::Directory(DataDirectory::take(data)?);
    let location = place.location()?;
    block_on(async {
        let failed = |error: StoreError| CommandFailed::store(&location, &error);
        let store = KeyStore::open(&location, new_epoch()?).await.map_err(failed)?;
        // Nobody ever tells this service to stop: it answers one request.
        let (_stop, stopping) = watch::channel(false);
        let app = running::app(store.clone(), callers, ServiceSettings::default(), stopping)?;
        let (parts, answer) = match app.oneshot(request).await {
            Ok(answer) => answer.into_parts(),
            Err(never) => match never {},
        };
        let answer = answer.collect().await.map_err(|error| CommandFailed::new(error.to_string()))?;
        store.close().await;
        let answer: Value = serde_json::from_slice(&answer.to_bytes()).unwrap_or_default();
        match text(&answer, "encoded") {
            credential if parts.status.is_success() && !credential.is_empty() => Ok(credential),
            _ => Err(CommandFailed::new(format!(
                "the key of the edge was not made: {} {}",
                parts.status,
                harmless(&answer.to_string())
            ))),
        }
    })
}

/// What was made, and what to do with it.
fn told(directory: &Path, listen: SocketAddr) -> String {
    let file = |name: &str| quoted(&directory.join(name).to_string_lossy());
    let url = if listen == LISTEN_DEFAULT {
        String::new()
    } else {
        format!(" --url http://{}", reached_at(listen))
    };
    format!(
        "Made in {}:\n\n\
         \x20 {SETTINGS_FILE:16} the settings of the key service, which listens on {listen}\n\
         \x20 {USERS_FILE:16} two users: {ADMIN}, who may do everything, and {EDGES}, who owns the keys of edges\n\
         \x20 {PASSWORD_FILE:16} the password of {ADMIN}\n\
         \x20 {CREDENTIAL_FILE:16} the key with which Envoy reads the keys; it never ends\n\
         \x20 {ENVOY_FILE:16} an Envoy at 127.0.0.1:10000 that guards an upstream at 127.0.0.1:8081\n\
         \x20 {DATA_DIRECTORY:16} the store\n\n\
         Start the key service, and Envoy, each in a terminal of its own:\n\n\
         \x20 latchkey serve --config {}\n\
         \x20 LATCHKEY_FEED_CREDENTIAL=\"$(cat {})\" envoy -c {}\n\n\
         Then make a key for a client:\n\n\
         \x20 latchkey key create my-client --role reader --expires 30d --user {ADMIN} --password-file {}{url}\n",
        directory.display(),
        file(SETTINGS_FILE),
        file(CREDENTIAL_FILE),
        file(ENVOY_FILE),
        file(PASSWORD_FILE),
    )
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "/._-".contains(letter);
    if word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_for_envoy_has_what_is_filled_in() {
        let file = envoy_file("[::]:9300".parse().unwrap(), Path::new("/opt/a \"b\"/f.wasm"));
        assert!(file.contains(r#"filename: "/opt/a \"b\"/f.wasm""#), "{file}");
        assert!(file.contains(r#"address: "::1", port_value: 9300"#), "{file}");
        assert!(!file.contains(SAMPLE_FILTER) && !file.contains(SAMPLE_KEY_SERVICE), "{file}");
        assert!(!file.contains("make build"), "the sample's own first lines are about the repository");
    }

    #[test]
    fn the_users_are_a_users_file_without_mistakes() {
        let password = drawn_password().unwrap();
        let text = users_file(&password).unwrap();
        let file = UserFile::parse(&text).unwrap();
        let names: Vec<&str> = file.users.iter().map(|user| user.username.as_str()).collect();
        assert_eq!(names, [ADMIN, EDGES]);
        assert!(!text.contains(shown(&password)));
    }

    #[test]
    fn a_path_is_one_word_of_the_shell() {
        for (path, expected) in
            [("gate/users.toml", "gate/users.toml"), ("my gate", "'my gate'"), ("it's", r"'it'\''s'")]
        {
            assert_eq!(quoted(path), expected);
        }
    }
}

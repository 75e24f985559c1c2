//! The edge follows a key service over mutual TLS, with the certificates of the guide and the cluster of the
//! sample.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::bail;
use latchkey_local_stack::child_process::{ChildProcess, LogMark};
use latchkey_local_stack::envoy::{EnvoyOptions, EnvoyProcess};
use latchkey_local_stack::envoy_config::EnvoyConfig;
use latchkey_local_stack::http::{Request, http1};
use latchkey_local_stack::stack::FEED_CREDENTIAL_VARIABLE;
use latchkey_local_stack::upstream::Upstream;
use latchkey_local_stack::{places, secrecy, wait};
use serde_json::{Value, json};
use tempfile::TempDir;

const PASSWORD: &str = "correct horse";

const SETTINGS: &str = r#"
listen = "127.0.0.1:0"
data = "data"
users = "users.toml"

[xpack.security.http.ssl]
enabled = true
certificate = "tls.crt"
key = "tls.key"
client_authentication = "required"
certificate_authorities = ["ca.crt"]
"#;

/// A key service that speaks to nobody without a certificate, and its directory.
struct SecuredService {
    directory: TempDir,
    address: SocketAddr,
    process: ChildProcess,
}

impl SecuredService {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let here = directory.path();
        fs::write(here.join("latchkey.toml"), SETTINGS).unwrap();
        fs::write(here.join("password"), PASSWORD).unwrap();
        let guide = fs::read_to_string(places::repository().join("docs/key-service.md")).unwrap();
        let commands: Vec<&str> = guide.lines().filter_map(|line| line.strip_prefix("$ openssl ")).collect();
        assert!(!commands.is_empty(), "the guide makes no certificates");
        for command in commands {
            done(here, &format!("openssl {command}"));
        }
        let latchkey = places::latchkey().unwrap().display().to_string();
        done(here, &format!("{latchkey} user create alice --role superuser --file users.toml < password"));
        let (process, address) = served(here);
        // Where it is, it is again after a restart.
        let settings = SETTINGS.replace("127.0.0.1:0", &address.to_string());
        fs::write(here.join("latchkey.toml"), settings).unwrap();
        Self { directory, address, process }
    }

    fn restart(&mut self) {
        self.process.kill();
        (self.process, _) = served(self.directory.path());
    }

    /// Somebody in its place who shows a certificate, and takes any.
    fn impostor(&self, certificate: &str) -> ChildProcess {
        let mut command = Command::new("openssl");
        command.args(["s_server", "-quiet", "-www", "-accept", &self.address.to_string()]);
        command.args(["-cert", &format!("{certificate}.crt"), "-key", "tls.key"]);
        command.current_dir(self.directory.path());
        ChildProcess::start(certificate, command, self.directory.path()).unwrap()
    }

    /// What a command answers that shows the client's certificate.
    fn ask(&self, arguments: &str) -> Value {
        let latchkey = places::latchkey().unwrap();
        let tls = "--ca-file ca.crt --client-cert client.crt --client-key client.key";
        let service = format!("--url https://{} --user alice --password-file password", self.address);
        let told = done(
            self.directory.path(),
            &format!("{} {arguments} --json {service} {tls}", latchkey.display()),
        );
        serde_json::from_str(&told).unwrap()
    }

    fn feed_key(&self) -> Value {
        let roles = r#"{"edge": {"cluster": ["read_key_feed"]}}"#;
        fs::write(self.directory.path().join("roles.json"), roles).unwrap();
        self.ask("key create edge --role-descriptors roles.json")
    }

    /// The configuration of an edge that follows this service as the sample says.
    fn edge(&self, upstream: &Upstream) -> EnvoyConfig {
        let sample = fs::read_to_string(places::repository().join("envoy/tls.yaml")).unwrap();
        let mut cluster: Value = serde_saphyr::from_str(&sample).unwrap();
        let context = &mut cluster["transport_socket"]["typed_config"]["common_tls_context"];
        for file in [
            "/tls_certificates/0/certificate_chain/filename",
            "/tls_certificates/0/private_key/filename",
            "/validation_context/trusted_ca/filename",
        ] {
            let name = context.pointer_mut(file).unwrap();
            *name = json!(self.directory.path().join(name.as_str().unwrap()));
        }
        let mut config = EnvoyConfig::local().unwrap();
        *config.cluster("key_service").unwrap() = cluster;
        config.set_cluster_address("key_service", self.address).unwrap();
        config.set_cluster_address("upstream", upstream.address()).unwrap();
        config
    }
}

/// A key service with the files of a directory, once it is ready, and its address.
fn served(here: &Path) -> (ChildProcess, SocketAddr) {
    let mut command = Command::new(places::latchkey().unwrap());
    command.args(["serve", "--config"]).arg(here.join("latchkey.toml"));
    let earlier = fs::read_to_string(here.join("key-service.stderr")).unwrap_or_default();
    let earlier = earlier.matches("url=https://").count();
    let mut process = ChildProcess::start("key-service", command, here).unwrap();
    let address = wait::until("the key service is ready", || {
        if let Some(status) = process.ended()? {
            bail!("it ended ({status}):\n{}", process.log().tail_since(LogMark::default()));
        }
        let log = process.log().stderr();
        let ready = log.split("url=https://").nth(earlier + 1);
        Ok(ready.map(|rest| rest.split_whitespace().next().unwrap().to_owned()))
    });
    (process, address.unwrap().parse().unwrap())
}

/// What a command prints that is run in a directory, and must succeed.
#[track_caller]
fn done(directory: &Path, command: &str) -> String {
    let mut shell = Command::new("sh");
    let output = shell.args(["-c", command]).current_dir(directory).stdin(Stdio::null()).output().unwrap();
    // What it prints may be a new key.
    secrecy::search_arguments("a command's arguments", &shell).unwrap();
    secrecy::search("what a command complains of", &output.stderr).unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn started(config: EnvoyConfig, credential: &Value) -> EnvoyProcess {
    let environment =
        vec![(FEED_CREDENTIAL_VARIABLE.to_owned(), credential["encoded"].as_str().unwrap().to_owned())];
    EnvoyProcess::start(&EnvoyOptions {
        config,
        concurrency: 2,
        arguments: Vec::new(),
        environment,
        filter_log_level: "info",
    })
    .unwrap()
}

fn status(envoy: &EnvoyProcess, key: &Value) -> u16 {
    let request = Request::get("/").api_key(key["encoded"].as_str().unwrap());
    http1::exchange(envoy.listener().unwrap(), &request).unwrap().status
}

fn answers(envoy: &EnvoyProcess, key: &Value, expected: u16) {
    wait::until("the edge answers as expected", || Ok((status(envoy, key) == expected).then_some(())))
        .unwrap();
}

#[test]
fn the_edge_follows_a_key_service_over_mutual_tls() {
    let service = SecuredService::start();
    let upstream = Upstream::start(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let feed_key = service.feed_key();
    let key = service.ask("key create ci --all-my-rights");

    let envoy = started(service.edge(&upstream), &feed_key);
    answers(&envoy, &key, 200);
    service.ask(&format!("key invalidate {}", key["id"].as_str().unwrap()));
    answers(&envoy, &key, 401);
}

#[test]
fn the_edge_believes_nobody_else_of_the_same_authority() {
    let service = SecuredService::start();
    let upstream = Upstream::start(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let key = service.ask("key create ci --all-my-rights");
    let mut config = service.edge(&upstream);
    let context = &mut config.cluster("key_service").unwrap()["transport_socket"]["typed_config"];
    context["common_tls_context"]["validation_context"]["match_typed_subject_alt_names"][0]["matcher"] =
        json!({"exact": "other.example.org"});
    let envoy = started(config, &key);
    wait::until("the edge refuses the certificate", || {
        let refused = envoy.admin().stat("cluster.key_service.ssl.fail_verify_san")?;
        Ok((refused > 0).then_some(()))
    })
    .unwrap();
    assert_eq!(envoy.admin().stat("wasmcustom.latchkey.table.keys").unwrap(), 0);
}

#[test]
fn an_edge_believes_no_certificate_that_has_expired_or_is_of_others_and_goes_on_with_its_table() {
    let mut service = SecuredService::start();
    let here = service.directory.path();
    done(
        here,
        "openssl x509 -req -in tls.csr -copy_extensions copy -CA ca.crt -CAkey ca.key -days -1 -out expired.crt",
    );
    done(
        here,
        "openssl x509 -req -in tls.csr -copy_extensions copy -signkey tls.key -days 90 -out of-others.crt",
    );
    let upstream = Upstream::start(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let feed_key = service.feed_key();
    let [good, revoked, later] =
        ["good", "revoked", "later"].map(|name| service.ask(&format!("key create {name} --all-my-rights")));
    let invalidate = |service: &SecuredService, key: &Value| {
        service.ask(&format!("key invalidate {}", key["id"].as_str().unwrap()));
    };
    let envoy = started(service.edge(&upstream), &feed_key);
    answers(&envoy, &good, 200);
    invalidate(&service, &revoked);
    answers(&envoy, &revoked, 401);

    service.process.kill();
    for impostor in ["expired", "of-others"] {
        let _process = service.impostor(impostor);
        let refused = || envoy.admin().stat("cluster.key_service.ssl.fail_verify_error");
        let before = refused().unwrap();
        wait::until(impostor, || Ok((refused()? >= before + 2).then_some(()))).unwrap();
        assert_eq!([status(&envoy, &good), status(&envoy, &revoked)], [200, 401], "{impostor}");
    }
    assert!(
        envoy
            .log()
            .stderr()
            .contains("the feed could not be read from cluster key_service: nothing answers there (503")
    );
    service.restart();
    invalidate(&service, &later);
    answers(&envoy, &later, 401);
    assert_eq!([status(&envoy, &good), status(&envoy, &revoked)], [200, 401]);
}

//! The key service as a process, and the few of its endpoints that a stack needs.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::child_process::{ChildProcess, ProcessLog};
use crate::http::{Request, Response, http1};
use crate::{places, port, secrecy, wait};

/// A key service with its data; dropping it kills it and leaves the data.
#[derive(Debug)]
pub struct KeyServiceProcess {
    process: ChildProcess,
    program: PathBuf,
    data: PathBuf,
    logs: PathBuf,
    client: KeyServiceClient,
}

/// A client of the key service with the rights of its first user.
#[derive(Clone)]
pub struct KeyServiceClient {
    address: SocketAddr,
    authorization: String,
    password: String,
}

/// A key as it is shown once, to whoever made it.
#[derive(Clone)]
pub struct CreatedKey {
    /// The public half.
    pub id: String,
    /// The private half.
    pub secret: String,
    /// `base64(id:secret)`, what a client presents.
    pub encoded: String,
}

impl CreatedKey {
    /// Of an answer that shows a secret.
    fn read(answer: &Value) -> Result<Self> {
        let of = |field| text(answer, field).with_context(|| format!("a key without {field}"));
        let created = Self { id: of("id")?, secret: of("api_key")?, encoded: of("encoded")? };
        secrecy::watch_credential(&created.encoded);
        Ok(created)
    }
}

impl KeyServiceProcess {
    /// Starts a key service at `listen`, with its data in `data` and its output in `logs`, and waits until it
    /// is ready.
    ///
    /// # Errors
    ///
    /// When it is not built, the address is taken, or `data` holds the data of an earlier start: its password
    /// was shown then.
    pub fn start(listen: SocketAddr, data: &Path, logs: &Path) -> Result<Self> {
        Self::start_program(&places::latchkey()?, listen, data, logs)
    }

    /// The same with this build of the key service.
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub fn start_program(program: &Path, listen: SocketAddr, data: &Path, logs: &Path) -> Result<Self> {
        let mut process = spawned(program, listen, data, logs)?;
        let ready = readiness(&mut process, 0)?;
        let (Some(username), Some(password)) = (text(&ready, "username"), text(&ready, "password")) else {
            bail!(
                "the key service has been set up before in {}, and tells its password only once",
                data.display()
            )
        };
        let client = KeyServiceClient::of_user(address_in(&ready)?, &username, &password);
        Ok(Self {
            process,
            program: program.to_owned(),
            data: data.to_owned(),
            logs: logs.to_owned(),
            client,
        })
    }

    /// Kills it as a crash would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Begins another epoch, as after its store was restored: it is killed, and every edge that follows it
    /// loads anew when it is back.
    ///
    /// # Errors
    ///
    /// When the store does not take it, or the service does not become ready again.
    pub fn begin_epoch(&mut self) -> Result<()> {
        self.process.kill();
        let mut command = Command::new(&self.program);
        let output =
            secrecy::searched_output("a command", command.arg("new-epoch").arg("--data").arg(&self.data))?;
        ensure!(output.status.success(), "no new epoch: {}", String::from_utf8_lossy(&output.stderr));
        self.restart()
    }

    /// Starts it again where it was, with the data it had.
    ///
    /// # Errors
    ///
    /// When it does not become ready.
    pub fn restart(&mut self) -> Result<()> {
        self.process.kill();
        let earlier = self.process.log().stdout().lines().count();
        self.process = spawned(&self.program, self.client.address, &self.data, &self.logs)?;
        readiness(&mut self.process, earlier)?;
        Ok(())
    }

    /// The number of its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.client.address
    }

    /// The directory of its store.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Its first user.
    #[must_use]
    pub fn client(&self) -> &KeyServiceClient {
        &self.client
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> &ProcessLog {
        self.process.log()
    }
}

impl Drop for KeyServiceProcess {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let metrics = http1::answer_soon(self.address(), "/metrics");
            secrecy::insist(secrecy::search("the metrics of the key service", &metrics));
        }
    }
}

impl KeyServiceClient {
    /// A client of the service at `address` with the rights of a user.
    #[must_use]
    pub fn of_user(address: SocketAddr, username: &str, password: &str) -> Self {
        secrecy::watch(password);
        let authorization = format!("Basic {}", STANDARD.encode(format!("{username}:{password}")));
        Self { address, authorization, password: password.to_owned() }
    }

    /// Where the service is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes the key that an edge reads the feed with.
    ///
    /// # Errors
    ///
    /// When the service refuses.
    pub fn create_feed_key(&self) -> Result<CreatedKey> {
        self.create_key(
            &json!({"name": "edge", "role_descriptors": {"edge": {"cluster": ["read_key_feed"]}}}),
        )
    }

    /// Makes a key from the body of a creation.
    ///
    /// # Errors
    ///
    /// When the service refuses.
    pub fn create_key(&self, body: &Value) -> Result<CreatedKey> {
        let answer = self.send(Request::new("POST", "/_security/api_key").json(body))?;
        ensure!(answer.status == 200, "the key service made no key: {} {}", answer.status, answer.text());
        CreatedKey::read(&answer.json()?)
    }

    /// Invalidates the key of this id.
    ///
    /// # Errors
    ///
    /// When the service refuses, or invalidates nothing.
    pub fn invalidate(&self, id: &str) -> Result<()> {
        let answer = self.send(Request::new("DELETE", "/_security/api_key").json(&json!({"ids": [id]})))?;
        ensure!(answer.status == 200, "nothing was invalidated: {} {}", answer.status, answer.text());
        let invalidated = answer.json()?;
        let listed = invalidated.get("invalidated_api_keys") == Some(&json!([id]));
        ensure!(listed, "the key was not invalidated: {invalidated}");
        Ok(())
    }

    /// Gives a key another secret, and waits until every edge has it. The secret before works on for `overlap`.
    ///
    /// # Errors
    ///
    /// When it is refused, or an edge may not have it.
    pub fn rotate(&self, id: &str, overlap: &str) -> Result<CreatedKey> {
        let path = format!("/_security/api_key/{id}/_rotate?wait_for_edges=20s");
        let answer = self.send(Request::new("POST", &path).json(&json!({"overlap": overlap})))?;
        ensure!(answer.status == 200, "the key was not rotated: {} {}", answer.status, answer.text());
        let rotated = answer.json()?;
        let is_complete = rotated.pointer("/edges/complete") == Some(&json!(true));
        ensure!(is_complete, "an edge may not have the new secret: {:?}", rotated.get("edges"));
        CreatedKey::read(&rotated)
    }

    /// The value of the `Authorization` header of the first user.
    #[must_use]
    pub fn authorization(&self) -> &str {
        &self.authorization
    }

    /// The password of that user.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Sends a request with the credentials of the first user.
    ///
    /// # Errors
    ///
    /// When no answer comes.
    pub fn send(&self, request: Request) -> Result<Response> {
        http1::exchange(self.address, &request.header("authorization", &self.authorization))
    }
}

impl fmt::Debug for KeyServiceClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyServiceClient({})", self.address)
    }
}

impl fmt::Debug for CreatedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CreatedKey({})", self.id)
    }
}

fn spawned(program: &Path, listen: SocketAddr, data: &Path, logs: &Path) -> Result<ChildProcess> {
    let mut command = Command::new(program);
    command.arg("dev").arg("--data").arg(data).args(["--listen", &listen.to_string(), "--json"]);
    // Whoever waits for uses of keys does not wait for the store too.
    command.args(["-E", "api_keys.usage_written_every=1s"]);
    // What it prints once it is ready has the super-user's password.
    ChildProcess::start_confidential("key-service", command, logs)
}

/// The line that the service prints once it is ready, leaving out the first `earlier` lines, which are of an
/// earlier start.
fn readiness(process: &mut ChildProcess, earlier: usize) -> Result<Value> {
    wait::until("the key service is ready", || {
        if let Some(status) = process.ended()? {
            let said = format!(
                "the key service ended ({status}):\n{}",
                process.log().tail_since(Default::default())
            );
            return Err(if said.contains("Address already in use") {
                port::taken(said)
            } else {
                anyhow!(said)
            });
        }
        let printed = process.log().stdout();
        Ok(printed.lines().skip(earlier).find_map(|line| serde_json::from_str(line).ok()))
    })
}

fn address_in(ready: &Value) -> Result<SocketAddr> {
    let url = text(ready, "url").context("the key service told no URL")?;
    let authority = url.trim_start_matches("http://").trim_end_matches('/');
    authority.parse().with_context(|| format!("not the URL of an address: {url}"))
}

fn text(value: &Value, field: &str) -> Option<String> {
    Some(value.get(field)?.as_str()?.to_owned())
}

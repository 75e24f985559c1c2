//! The key service of a run: `latchkey serve` on SQLite, with a short memory for dead keys, ended and started again
//! and again.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use latchkey_local_stack::child_process::ChildProcess;
use latchkey_local_stack::http::http1::Http1Connection;
use latchkey_local_stack::http::{Request, Response};
use latchkey_local_stack::key_service::KeyServiceClient;
use latchkey_local_stack::scratch_directory::ScratchDirectory;
use latchkey_local_stack::stack::with_status;
use latchkey_local_stack::{places, users_file, wait};
use serde_json::{Value, json};

use crate::plan::Ending;

/// Settings: dead keys go after a minute, so that the store and the tables of the edges reach a steady size, and so
/// that an edge which is cut off for longer has to load anew.
const SETTINGS: &str = "users = \"users.toml\"\ndata = \"data\"\n\
    [xpack.security.authc]\ntoken.enabled = true\napi_key.delete.interval = \"5s\"\napi_key.delete.retention_period = \"60s\"\n";

/// Where the service is at the moment, and how to ask it for everything.
#[derive(Debug)]
pub(crate) struct ServicePlace(Mutex<Entrance>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entrance {
    address: SocketAddr,
    authorization: String,
}

/// The service of a run; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Service {
    process: ChildProcess,
    address: SocketAddr,
    starts: u32,
    directory: ScratchDirectory,
}

/// A connection to wherever the service is.
#[derive(Debug)]
pub(crate) struct ServiceConnection<'a> {
    place: &'a ServicePlace,
    connection: Option<(SocketAddr, Http1Connection)>,
}

impl Service {
    pub(crate) fn start() -> Result<Self> {
        let directory = ScratchDirectory::new("latchkey-soak-")?;
        users_file::write(&directory.path().join("users.toml"))?;
        fs::write(directory.path().join("latchkey.toml"), SETTINGS)?;
        let (process, address) = started(0, directory.path())?;
        Ok(Self { process, address, starts: 1, directory })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Somebody who may do everything.
    pub(crate) fn client(&self) -> KeyServiceClient {
        KeyServiceClient::of_user(self.address, users_file::USER, users_file::PASSWORD)
    }

    /// A token, because a password takes longer to verify than a change to make, and no key updates others. It lives
    /// for minutes, and is taken anew at each start.
    fn entrance(&self) -> Result<Entrance> {
        let (username, password) = (users_file::USER, users_file::PASSWORD);
        let login = json!({"grant_type": "password", "username": username, "password": password});
        let answer = self.client().send(Request::new("POST", "/_security/oauth2/token").json(&login))?;
        let told = with_status(200, answer)?.json()?;
        let token = told.get("access_token").and_then(Value::as_str).context("no token")?;
        Ok(Entrance { address: self.address, authorization: format!("Bearer {token}") })
    }

    /// Ends it, and waits until it has.
    pub(crate) fn end(&mut self, ending: Ending) -> Result<()> {
        if ending == Ending::Asked {
            self.process.terminate().context("the service does not end when it is asked to")?;
        }
        self.process.kill();
        Ok(())
    }

    /// Starts it again, with the data it had, at another address.
    pub(crate) fn start_again(&mut self) -> Result<()> {
        (self.process, self.address) = started(self.starts, self.directory.path())?;
        self.starts += 1;
        // Only the log of the last two starts is kept.
        if let Some(old) = self.starts.checked_sub(3) {
            let _ = fs::remove_file(self.directory.path().join(format!("{}.stderr", name(old))));
        }
        Ok(())
    }

    /// The length of its store, in bytes.
    pub(crate) fn store_len(&self) -> u64 {
        let files = fs::read_dir(self.directory.path().join("data"));
        files.into_iter().flatten().flatten().filter_map(|file| file.metadata().ok()).map(|it| it.len()).sum()
    }

    /// What it has logged since its last start.
    pub(crate) fn log(&self) -> String {
        self.process.log().tail_since(Default::default())
    }
}

impl ServicePlace {
    pub(crate) fn of(service: &Service) -> Result<Self> {
        Ok(Self(Mutex::new(service.entrance()?)))
    }

    /// From now on it is where this service is.
    pub(crate) fn moves_to(&self, service: &Service) -> Result<()> {
        let entrance = service.entrance()?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = entrance;
        Ok(())
    }

    fn entrance(&self) -> Entrance {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<'a> ServiceConnection<'a> {
    pub(crate) fn new(place: &'a ServicePlace) -> Self {
        Self { place, connection: None }
    }

    /// Asks once.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<Response> {
        let Entrance { address, authorization } = self.place.entrance();
        let mut connection = match self.connection.take() {
            Some((to, connection)) if to == address => connection,
            _ => Http1Connection::open(address)?,
        };
        let answer = connection.exchange(&request.clone().header("authorization", authorization))?;
        self.connection = Some((address, connection));
        Ok(answer)
    }

    /// Asks until the service answers something else than that it cannot at the moment. Also tells whether it was
    /// asked only once.
    pub(crate) fn insist(&mut self, request: &Request, patience: Duration) -> Result<(Response, bool)> {
        let mut asked = 0_u32;
        let last = wait::patiently(patience, "the service answers a change", || {
            asked += 1;
            if asked > 1 {
                std::thread::sleep(Duration::from_millis(50));
            }
            Ok(self.ask(request).ok().filter(|answer| !matches!(answer.status, 429 | 503)))
        })?;
        Ok((last, asked == 1))
    }
}

fn name(start: u32) -> String {
    format!("key-service-{start}")
}

/// A process, and where it listens. Each has a log of its own, since the address is read from there.
fn started(start: u32, directory: &Path) -> Result<(ChildProcess, SocketAddr)> {
    let mut command = Command::new(places::latchkey()?);
    command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(directory.join("latchkey.toml"));
    let mut process = ChildProcess::start(&name(start), command, directory)?;
    let address = wait::until("the service is ready", || {
        if let Some(status) = process.ended()? {
            bail!("the service ended ({status}):\n{}", process.log().tail_since(Default::default()));
        }
        let logged = process.log().stderr();
        let ready = logged.lines().find_map(|line| {
            let (_, rest) = line.split_once("ready url=http://")?;
            rest.split_whitespace().next()?.parse().ok()
        });
        Ok(ready)
    })?;
    Ok((process, address))
}

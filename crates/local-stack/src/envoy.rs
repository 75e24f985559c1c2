//! A real Envoy, and its admin interface.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitStatus};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use serde_json::{Value, json};

use crate::child_process::{ChildProcess, ProcessLog};
use crate::envoy_config::EnvoyConfig;
use crate::http::{Request, Response, http1};
use crate::scratch_directory::ScratchDirectory;
use crate::shell::Shell;
use crate::stack::FEED_CREDENTIAL_VARIABLE;
use crate::{places, port, secrecy, wait, without_wasm};

/// The file in which a process that can be replaced tells the number that it has in common with its successors.
const BASE_ID: &str = "base-id";

/// How to start an Envoy.
#[derive(Clone, Debug)]
pub struct EnvoyOptions {
    /// What it does.
    pub config: EnvoyConfig,
    /// Number of worker threads.
    pub concurrency: u32,
    /// Arguments of its command line besides ours.
    pub arguments: Vec<String>,
    /// Variables of its environment besides ours.
    pub environment: Vec<(String, String)>,
    /// The level from which the filter's log appears. Envoy's own appears from `warning`.
    pub filter_log_level: &'static str,
}

/// A running Envoy; dropping it kills it.
#[derive(Debug)]
pub struct EnvoyProcess {
    process: ChildProcess,
    admin: EnvoyAdmin,
    directory: ScratchDirectory,
    hot_restart: HotRestart,
}

/// Whether another process can take over from one, and from which one it does.
#[derive(Clone, Debug)]
enum HotRestart {
    Never,
    /// The first of processes that take over one from another; they have a number in common.
    First,
    /// One that takes over.
    Later {
        base_id: String,
        epoch: u32,
    },
}

/// The admin interface of an Envoy.
#[derive(Clone, Copy, Debug)]
pub struct EnvoyAdmin {
    address: SocketAddr,
}

impl EnvoyProcess {
    /// Starts an Envoy and waits until it serves.
    ///
    /// # Errors
    ///
    /// When there is no Envoy, or it refuses its configuration: the message then holds its log.
    pub fn start(options: &EnvoyOptions) -> Result<Self> {
        Self::start_as(options, HotRestart::Never)
    }

    /// The same for one that can be replaced by [`Self::replaced`].
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub fn start_replaceable(options: &EnvoyOptions) -> Result<Self> {
        Self::start_as(options, HotRestart::First)
    }

    /// Starts another one that takes over from this one (hot restart): it gets the sockets, and this one is
    /// told to drain and to end.
    ///
    /// # Errors
    ///
    /// As [`Self::start`], and when this one cannot be replaced.
    pub fn replaced(&self, options: &EnvoyOptions) -> Result<Self> {
        let later = match &self.hot_restart {
            HotRestart::Never => bail!("this Envoy cannot be replaced"),
            HotRestart::First => {
                let base_id = fs::read_to_string(self.directory.path().join(BASE_ID))?;
                HotRestart::Later { base_id: base_id.trim().to_owned(), epoch: 1 }
            }
            HotRestart::Later { base_id, epoch } => {
                HotRestart::Later { base_id: base_id.clone(), epoch: epoch + 1 }
            }
        };
        Self::start_as(options, later)
    }

    fn start_as(options: &EnvoyOptions, hot_restart: HotRestart) -> Result<Self> {
        Shell::check()?;
        let shell = Shell::chosen();
        ensure!(shell.file().is_file(), "the filter is not built: run `make build`");
        for (_, credential) in options.environment.iter().filter(|(name, _)| name == FEED_CREDENTIAL_VARIABLE)
        {
            secrecy::watch_credential(credential);
        }
        let directory = ScratchDirectory::new("latchkey-envoy-")?;
        let config = directory.path().join("envoy.json");
        let admin_address = directory.path().join("admin-address");
        fs::write(&config, options.config.rendered())?;

        let mut command = Command::new(places::envoy()?);
        command
            .current_dir(places::repository())
            .arg("--config-path")
            .arg(&config)
            .arg("--admin-address-path")
            .arg(&admin_address)
            .args(hot_restart.arguments(directory.path()))
            .args(["--concurrency", &options.concurrency.to_string()])
            .args(["--log-level", "warning"])
            .args([
                "--component-log-level",
                &format!("{}:{}", shell.log_component(), options.filter_log_level),
            ])
            .args(["--log-format", "[%t][%l][%n] %v"])
            .args(["--file-flush-interval-msec", "50"])
            .args(&options.arguments)
            .envs(shell.environment())
            .envs(options.environment.iter().map(|(name, value)| (name, value)));
        let mut process = ChildProcess::start("envoy", command, directory.path())?;
        let admin = EnvoyAdmin { address: admin_address_of(&mut process, &admin_address)? };
        wait::until("Envoy serves", || {
            fail_if_ended(&mut process)?;
            // Refused connections and 503 both mean: not yet.
            Ok(admin.get("/ready").ok().filter(|answer| answer.status == 200))
        })?;
        Ok(Self { process, admin, directory, hot_restart })
    }

    /// The number of its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Its admin interface.
    #[must_use]
    pub fn admin(&self) -> EnvoyAdmin {
        self.admin
    }

    /// The address of its only listener.
    ///
    /// # Errors
    ///
    /// When the admin interface does not tell.
    pub fn listener(&self) -> Result<SocketAddr> {
        self.admin.listener("edge")
    }

    /// What it has logged, access log included.
    #[must_use]
    pub fn log(&self) -> &ProcessLog {
        self.process.log()
    }

    /// The entry of the access log for the only request to `path`, once it is written.
    ///
    /// # Errors
    ///
    /// When none appears.
    pub fn logged_request(&self, path: &str) -> Result<Value> {
        let path = json!(path);
        wait::until("the access log has the request", || {
            let log = self.log().stdout();
            let mut entries = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            Ok(entries.find(|entry| entry.get("path") == Some(&path)))
        })
    }

    /// A directory that lives as long as the process, for files that it reads.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    ///
    /// When the system cannot tell.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.process.ended()
    }

    /// Asks it to end (SIGTERM), and waits until it has.
    ///
    /// # Errors
    ///
    /// When it has ended already, or does not end.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        self.process.terminate()
    }

    /// Makes it hang, with all its connections open, until [`Self::resume`].
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub fn pause(&self) -> Result<()> {
        self.process.pause()
    }

    /// Lets it go on.
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub fn resume(&self) -> Result<()> {
        self.process.resume()
    }
}

impl Drop for EnvoyProcess {
    /// Envoy leaves the memory that processes share when one takes over from another. Who uses it has it open.
    fn drop(&mut self) {
        let base_id = fs::read_to_string(self.directory.path().join(BASE_ID));
        if let (HotRestart::First, Ok(base_id)) = (&self.hot_restart, base_id) {
            let _ = fs::remove_file(format!("/dev/shm/envoy_shared_memory_{}0", base_id.trim()));
        }
        if !std::thread::panicking() {
            let metrics = http1::answer_soon(self.admin.address, "/stats");
            secrecy::insist(secrecy::search("the metrics of Envoy", &metrics));
        }
    }
}

impl HotRestart {
    fn arguments(&self, directory: &Path) -> Vec<String> {
        let file = |name: &str| directory.join(name).display().to_string();
        match self {
            // Several run side by side; what they would share is only of use for a hot restart.
            Self::Never => vec!["--disable-hot-restart".to_owned()],
            Self::First => {
                vec!["--use-dynamic-base-id".to_owned(), "--base-id-path".to_owned(), file(BASE_ID)]
            }
            Self::Later { base_id, epoch } => {
                let (id, epoch) = (base_id.clone(), epoch.to_string());
                vec!["--base-id".to_owned(), id, "--restart-epoch".to_owned(), epoch]
            }
        }
    }
}

impl EnvoyAdmin {
    /// Where the admin interface listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks for `path`.
    ///
    /// # Errors
    ///
    /// When it does not answer.
    pub fn get(&self, path: &str) -> Result<Response> {
        http1::exchange(self.address, &Request::get(path))
    }

    /// Counters and gauges whose full name matches the regular expression `filter`, by name.
    ///
    /// # Errors
    ///
    /// When the admin interface does not answer with statistics.
    pub fn stats(&self, filter: &str) -> Result<BTreeMap<String, u64>> {
        let answer = self.get(&format!("/stats?filter={}", percent_encoded(filter)))?;
        ensure!(answer.status == 200, "no statistics: {}", answer.text());
        let text = answer.text();
        let lines = text.lines().filter_map(|line| line.split_once(": "));
        Ok(lines.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect())
    }

    /// One counter or gauge; 0 when it does not exist yet.
    ///
    /// # Errors
    ///
    /// When the admin interface does not answer with statistics.
    pub fn stat(&self, name: &str) -> Result<u64> {
        let exactly = format!("^{}$", name.replace('.', "\\."));
        Ok(self.stats(&exactly)?.get(name).copied().unwrap_or(0))
    }

    /// The address of the listener `name`.
    ///
    /// # Errors
    ///
    /// When there is no such listener.
    pub fn listener(&self, name: &str) -> Result<SocketAddr> {
        let listeners = self.get("/listeners?format=json")?.json()?;
        listeners
            .get("listener_statuses")
            .and_then(Value::as_array)
            .and_then(|statuses| statuses.iter().find(|status| status.get("name") == Some(&json!(name))))
            .and_then(|status| status.pointer("/local_address/socket_address"))
            .and_then(address_in)
            .with_context(|| format!("no listener {name}: {listeners}"))
    }
}

/// The address in the file that Envoy writes as soon as its admin interface listens.
fn admin_address_of(process: &mut ChildProcess, file: &Path) -> Result<SocketAddr> {
    wait::until("Envoy tells the address of its admin interface", || {
        fail_if_ended(process)?;
        Ok(fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok()))
    })
}

fn fail_if_ended(process: &mut ChildProcess) -> Result<()> {
    if let Some(status) = process.ended()? {
        if without_wasm::is_told_in(&process.log().stderr()) {
            bail!(without_wasm::told_of(&places::envoy()?));
        }
        let said = format!("Envoy ended ({status}):\n{}", process.log().tail_since(Default::default()));
        return Err(if said.contains("Address already in use") { port::taken(said) } else { anyhow!(said) });
    }
    Ok(())
}

fn address_in(socket_address: &Value) -> Option<SocketAddr> {
    let ip = socket_address.get("address")?.as_str()?.parse().ok()?;
    let port = socket_address.get("port_value")?.as_u64()?.try_into().ok()?;
    Some(SocketAddr::new(ip, port))
}

fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(
            |byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            },
        )
        .collect()
}

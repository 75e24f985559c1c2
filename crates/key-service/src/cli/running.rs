//! One service, from an open store to the last answer.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchkey_console::SessionTimes;
use latchkey_key_feed::Epoch;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::api::{self, App};
use crate::audit::Actor;
use crate::cli::CommandFailed;
use crate::cli::data_directory::DataDirectory;
use crate::clock::{Clock as _, SystemClock};
use crate::console::{OfTheService, with_console};
use crate::expiring_keys;
use crate::limits::{EPOCH_RANDOM_LEN, SHUTDOWN_WAIT_MAX, TLS_FILES_CHECK_INTERVAL, TLS_HANDSHAKE_WAIT_MAX};
use crate::randomness::{SystemRandomness, draw};
use crate::remover::Remover;
use crate::security::jwt::JwtRealms;
use crate::security::password::PasswordChecker;
use crate::security::realm::{ELASTIC, Realms};
use crate::security::realm_chain::{end_tokens_of_the_gone, knows_anybody};
use crate::security::roles::Roles;
use crate::server;
use crate::server::connection_permits::ConnectionLimits;
use crate::server::open_files::connections_that_fit;
use crate::server::tls::TlsServer;
use crate::server::tls::renewal::Certificates;
use crate::service::{Service, ServiceParts};
use crate::settings::listen::{LISTEN_BELONGS, listen_address};
use crate::settings::{LimitSettings, ServiceSettings};
use crate::store::directory::users::Account;
use crate::store::location::{PostgresLocation, StoreLocation};
use crate::store::{KeyStore, StoreError};
use crate::telemetry;

/// How often samples are sorted in: the exporter's own choice.
const TELEMETRY_UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Where the store is, and for how long nobody else may use it.
#[derive(Debug)]
pub(super) enum StorePlace {
    /// In a directory that this process has to itself.
    Directory(DataDirectory),
    /// In a database that several replicas may share.
    Database(PostgresLocation),
}

/// Where requests come in.
#[derive(Debug)]
pub(super) enum Entrance {
    /// Where it listens once the store is open.
    Closed(SocketAddr),
    /// A listener whose address nobody else can take any more.
    Bound(std::net::TcpListener),
}

/// What distinguishes one service from another.
#[derive(Debug)]
pub(super) struct ServicePlan {
    pub(super) entrance: Entrance,
    /// What is shown to clients that speak TLS; without, none do.
    pub(super) certificates: Option<Certificates>,
    pub(super) store: StorePlace,
    pub(super) callers: Callers,
    pub(super) settings: ServiceSettings,
    /// How long sessions of the console live, if there is a console.
    pub(super) console: Option<SessionTimes>,
    /// Whether the super-user's password was made just now, and whatever was stored of the super-user no
    /// longer counts.
    pub(super) elastic_is_new: bool,
}

/// Who may ask, and what their roles are, as far as the store does not say it.
#[derive(Debug)]
pub(super) struct Callers {
    pub(super) realms: Realms,
    pub(super) roles: Roles,
    pub(super) jwt_realms: JwtRealms,
}

/// A service that takes requests.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ready {
    pub(super) address: SocketAddr,
    /// Whether anybody could be let in at this moment.
    pub(super) knows_anybody: bool,
}

/// Runs the service until it is told to stop. `ready` is called once, when requests are taken.
pub(super) fn run(
    plan: ServicePlan,
    ready: impl FnOnce(Ready) -> Result<(), CommandFailed>,
) -> Result<(), CommandFailed> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandFailed::new(format!("could not start: {error}")))?
        .block_on(serve(plan, ready))
}

async fn serve(
    plan: ServicePlan,
    ready: impl FnOnce(Ready) -> Result<(), CommandFailed>,
) -> Result<(), CommandFailed> {
    let limits = connection_limits(&plan.settings.limits);
    let (stop, stopping) = watch::channel(false);
    stop_on_signals(stop)?;
    let location = plan.store.location()?;
    let failed = |error: StoreError| CommandFailed::store(&location, &error);
    let store = KeyStore::open(&location, new_epoch()?).await.map_err(failed)?;
    let ServicePlan { callers, settings, .. } = plan;
    if plan.elastic_is_new {
        store
            .users()
            .reset(Account::reserved(ELASTIC), Actor::operator(), SystemClock.now())
            .await
            .map_err(failed)?;
    }
    end_tokens_of_the_gone(&store, &callers.realms, &settings.realms, SystemClock.now())
        .await
        .map_err(failed)?;
    let knows_anybody = callers.are_anybody(&store, &settings).await.map_err(failed)?;
    let remover = Remover::new(store.clone(), settings.removal, Arc::new(SystemClock));
    let trusted_proxies = settings.limits.trusted_proxies.clone();
    let app = app(store.clone(), callers, settings, stopping.clone())?;
    let app = match plan.console {
        Some(times) => {
            let (clock, randomness) = (Arc::new(SystemClock), Arc::new(SystemRandomness));
            let surroundings = OfTheService { clock, randomness, trusted_proxies };
            with_console(app, times, surroundings, plan.certificates.is_some(), stopping.clone())
        }
        None => app,
    };
    let (tls, renewal) = plan.certificates.map(secured).transpose()?.unzip();
    let listener = plan.entrance.open()?;
    let address = listener.local_addr().map_err(|error| no_sockets(&error))?;
    ready(Ready { address, knows_anybody })?;
    let upkeep = tokio::spawn(keep_up_telemetry());
    let removal = tokio::spawn(remover.keep_running());
    let counting = tokio::spawn(expiring_keys::keep_counting(store.clone(), Arc::new(SystemClock)));
    server::serve(listener, limits, tls, app, stopping).await;
    for task in [Some(upkeep), Some(removal), Some(counting), renewal].into_iter().flatten() {
        task.abort();
    }
    // A request that outlived the server's patience may still hold a connection; nothing it does is
    // acknowledged any more.
    if tokio::time::timeout(SHUTDOWN_WAIT_MAX, store.close()).await.is_err() {
        tracing::warn!("stopped with the store still in use");
    }
    Ok(())
}

/// What answers requests over this store. This also installs the recorder of metrics, which must be there
/// before anything is counted.
pub(super) fn app(
    store: KeyStore,
    callers: Callers,
    settings: ServiceSettings,
    stopping: watch::Receiver<bool>,
) -> Result<App, CommandFailed> {
    let threads = thread::available_parallelism().map_or(1, usize::from).div_ceil(2);
    let passwords = PasswordChecker::new(threads, &SystemRandomness)
        .map_err(|failed| CommandFailed::new(failed.to_string()))?;
    let Callers { realms, roles, jwt_realms } = callers;
    Ok(api::app(Service::new(ServiceParts {
        store,
        realms,
        roles,
        jwt_realms,
        passwords,
        clock: Arc::new(SystemClock),
        randomness: Arc::new(SystemRandomness),
        settings,
        stopping,
    })))
}

impl Callers {
    /// Whether anybody could be let in at this moment.
    async fn are_anybody(&self, store: &KeyStore, settings: &ServiceSettings) -> Result<bool, StoreError> {
        let are_let_in_unasked = settings.anonymous.is_some() || !self.jwt_realms.is_empty();
        Ok(are_let_in_unasked
            || knows_anybody(store, &self.realms, &settings.realms, SystemClock.now()).await?)
    }
}

/// As many as were set, as far as the system has open files for them.
fn connection_limits(settings: &LimitSettings) -> ConnectionLimits {
    let all = connections_that_fit(settings.connections as usize);
    ConnectionLimits {
        all,
        from_one_source: (settings.connections_per_source as usize).min(all),
        uncounted: settings.trusted_proxies.clone(),
    }
}

impl Entrance {
    /// Takes an address before anything is done that could not be done again.
    pub(super) fn bind(address: SocketAddr) -> Result<Self, CommandFailed> {
        bound(address).map(Self::Bound)
    }

    /// The listener, from within a runtime.
    fn open(self) -> Result<TcpListener, CommandFailed> {
        let listener = match self {
            Self::Closed(address) => bound(address)?,
            Self::Bound(listener) => listener,
        };
        listener
            .set_nonblocking(true)
            .and_then(|()| TcpListener::from_std(listener))
            .map_err(|error| no_sockets(&error))
    }
}

/// Reads the argument of `--listen`.
pub(super) fn address_and_port(argument: &str) -> Result<SocketAddr, String> {
    listen_address(argument).ok_or_else(|| LISTEN_BELONGS.to_owned())
}

fn bound(address: SocketAddr) -> Result<std::net::TcpListener, CommandFailed> {
    std::net::TcpListener::bind(address).map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "; another process has it: --listen (or the setting `listen`) takes another address or port, and port 0 picks \
                 a free one"
            }
            io::ErrorKind::AddrNotAvailable => "; --listen (or the setting `listen`) takes an address of this machine",
            io::ErrorKind::PermissionDenied => {
                "; --listen (or the setting `listen`) takes another port: those below 1024 may be the system's own"
            }
            _ => "",
        };
        CommandFailed::new(format!("could not listen on {address}: {error}{hint}"))
    })
}

fn no_sockets(error: &io::Error) -> CommandFailed {
    CommandFailed::new(format!("could not use a listener: {error}"))
}

impl StorePlace {
    /// Where it is. A file is made if there is none.
    pub(super) fn location(&self) -> Result<StoreLocation, CommandFailed> {
        Ok(match self {
            Self::Directory(directory) => StoreLocation::File(directory.store_file()?),
            Self::Database(database) => StoreLocation::Postgres(database.clone()),
        })
    }
}

/// TLS for the listener, and the task that keeps its certificates fresh. From here on `SIGHUP` no longer ends
/// the process.
fn secured(certificates: Certificates) -> Result<(TlsServer, JoinHandle<()>), CommandFailed> {
    let hang_up = signal(SignalKind::hangup()).map_err(|error| no_signals(&error))?;
    let tls = certificates.server(TLS_HANDSHAKE_WAIT_MAX);
    Ok((tls, tokio::spawn(certificates.keep_fresh(TLS_FILES_CHECK_INTERVAL, hang_up))))
}

/// `SIGTERM` and `SIGINT` tell the service to stop.
fn stop_on_signals(stop: watch::Sender<bool>) -> Result<(), CommandFailed> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| no_signals(&error))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| no_signals(&error))?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        stop.send_replace(true);
    });
    Ok(())
}

fn no_signals(error: &io::Error) -> CommandFailed {
    CommandFailed::new(format!("could not listen for signals: {error}"))
}

/// Sorts the samples of histograms in, so that they do not pile up when nobody asks for them.
async fn keep_up_telemetry() {
    let recorder = telemetry::recorder();
    let mut ticks = tokio::time::interval(TELEMETRY_UPKEEP_INTERVAL);
    loop {
        ticks.tick().await;
        recorder.run_upkeep();
    }
}

/// A name for a feed that nobody has seen before.
pub(super) fn new_epoch() -> Result<Epoch, CommandFailed> {
    let bytes: [u8; EPOCH_RANDOM_LEN] =
        draw(&SystemRandomness).map_err(|error| CommandFailed::new(error.to_string()))?;
    Epoch::try_from(URL_SAFE_NO_PAD.encode(bytes)).map_err(|error| CommandFailed::new(error.to_string()))
}

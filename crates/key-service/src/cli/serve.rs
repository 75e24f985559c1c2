//! `latchkey serve`: the service as its settings say.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{env, fs};

use clap::Args;

use crate::cli::CommandFailed;
use crate::cli::data_directory::DataDirectory;
use crate::cli::logging::Logging;
use crate::cli::running::{self, Callers, Entrance, Ready, ServicePlan, StorePlace, address_and_port};
use crate::cli::secret_input::from_file;
use crate::clock::SystemClock;
use crate::file_modes::{refuse_written_by_all, warn_if_read_by_all, warn_if_replaced_by_all};
use crate::security::jwt::JwtRealms;
use crate::security::realm::Realms;
use crate::server::tls::renewal::Certificates;
use crate::settings::section::Problems;
use crate::settings::sources::Sources;
use crate::settings::users_file::UserFile;
use crate::settings::{Overrides, Settings, StoreSettings};
use crate::traces::Traces;

#[derive(Debug, Args)]
pub(super) struct ServeArguments {
    /// The configuration file (TOML). Without one, flags and the environment say everything.
    #[arg(long, value_name = "FILE", env = "LATCHKEY_CONFIG")]
    config: Option<PathBuf>,
    /// A setting, such as -E xpack.security.authc.api_key.enabled=false; wins over the environment
    /// (LATCHKEY_SETTING_…) and the file.
    #[arg(short = 'E', value_name = "PATH=VALUE")]
    settings: Vec<String>,
    /// Address or name, and port, to listen on; wins over all settings.
    #[arg(long, value_name = "ADDRESS", value_parser = address_and_port)]
    listen: Option<SocketAddr>,
    /// The directory of the store; wins over all settings.
    #[arg(long, value_name = "DIRECTORY")]
    data: Option<PathBuf>,
    /// The file of users and roles; wins over all settings.
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,
}

pub(super) fn run(arguments: ServeArguments, logging: Logging) -> Result<(), CommandFailed> {
    let overrides = Overrides { listen: arguments.listen, data: arguments.data, users: arguments.users };
    // Only the settings say whether there are traces.
    let read = logging.during(|| read(arguments.config.as_deref(), &arguments.settings, overrides));
    let traces = read.as_ref().ok().and_then(|(settings, _)| settings.traces.as_ref()).map(Traces::begin);
    let traces = traces.transpose();
    logging.begin(traces.as_ref().ok().and_then(Option::as_ref));
    let (settings, users) = read?;
    let traces =
        traces.map_err(|no_traces| CommandFailed::new(format!("there can be no traces: {no_traces}")))?;
    let outcome = serve(settings, users);
    if let Some(traces) = traces {
        traces.end();
    }
    outcome
}

fn serve(settings: Settings, users: UserFile) -> Result<(), CommandFailed> {
    let key = settings.http_ssl.as_ref().map(|ssl| ssl.key.clone());
    let certificates = settings
        .http_ssl
        .map(|settings| Certificates::load(settings, Arc::new(SystemClock)))
        .transpose()
        .map_err(|unusable| CommandFailed::new(format!("TLS cannot be spoken: {unusable}")))?;
    if let Some(key) = key {
        warn_if_read_by_all(&key);
        warn_if_replaced_by_all(&key);
    }
    let scheme = if certificates.is_some() { "https" } else { "http" };
    let plan = ServicePlan {
        entrance: Entrance::Closed(settings.listen),
        certificates,
        store: place(&settings.store)?,
        callers: Callers {
            realms: Realms::default().with_file(users.users),
            roles: users.roles,
            jwt_realms: JwtRealms::new(settings.jwt_realms)
                .map_err(|failed| CommandFailed::new(failed.to_string()))?,
        },
        settings: settings.service,
        console: settings.console,
        elastic_is_new: false,
    };
    if scheme == "http" && !settings.listen.ip().is_loopback() {
        tracing::warn!(
            "passwords and keys cross the network in the clear unless something in front speaks TLS"
        );
    }
    let users_file = settings.users;
    running::run(plan, |ready| {
        announce(scheme, ready, &users_file);
        Ok(())
    })
}

/// Says where requests are taken, and whether anybody can make one.
fn announce(scheme: &str, Ready { address, knows_anybody }: Ready, users_file: &Path) {
    let url = format!("{scheme}://{address}");
    if knows_anybody {
        tracing::info!(%url, "ready");
        return;
    }
    tracing::warn!(
        %url,
        "nobody can log in: there is no user with a password, no API key that works and no realm of tokens. Make a user with \
         `latchkey user create NAME --role superuser --file {}`, and start the service again",
        users_file.display()
    );
}

fn place(store: &StoreSettings) -> Result<StorePlace, CommandFailed> {
    Ok(match store {
        StoreSettings::Directory(directory) => StorePlace::Directory(DataDirectory::take(directory)?),
        StoreSettings::Postgres { database, password_file: None } => StorePlace::Database(database.clone()),
        StoreSettings::Postgres { database, password_file: Some(file) } => {
            refuse_written_by_all(file)?;
            warn_if_read_by_all(file);
            StorePlace::Database(database.with_password(from_file(file)?.expose(), file))
        }
    })
}

/// The settings and the users, or every mistake in either.
fn read(
    config: Option<&Path>,
    flags: &[String],
    overrides: Overrides,
) -> Result<(Settings, UserFile), CommandFailed> {
    let text = config.map(trusted_text_of).transpose()?;
    let problems = Problems::default();
    let sources = Sources::read(flags, env::vars_os(), config.zip(text.as_deref()), &problems);
    let settings = Settings::read(&sources, problems, overrides)
        .map_err(|invalid| CommandFailed::new(format!("the settings have mistakes:\n{invalid}")))?;
    if !settings.users.exists() {
        return Err(no_users(&settings.users));
    }
    let users = UserFile::parse(&trusted_text_of(&settings.users)?)
        .map_err(|invalid| CommandFailed::invalid_file(&settings.users, &invalid))?;
    Ok((settings, users))
}

/// Without a user nobody is let in, so the first one is made before the first start.
fn no_users(path: &Path) -> CommandFailed {
    let path = path.display();
    CommandFailed::new(format!(
        "there is no users file {path}: `latchkey user create NAME --role superuser --file {path}` makes one with a first user"
    ))
}

/// What a file says that decides who is let in.
fn trusted_text_of(path: &Path) -> Result<String, CommandFailed> {
    refuse_written_by_all(path)?;
    warn_if_replaced_by_all(path);
    fs::read_to_string(path).map_err(|error| CommandFailed::io("read", path, &error))
}

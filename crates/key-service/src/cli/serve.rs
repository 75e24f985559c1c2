//! `latchkey serve`: the service as a configuration file says.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use crate::cli::CommandFailed;
use crate::cli::data_directory::DataDirectory;
use crate::cli::running::{self, ServicePlan, StorePlace};
use crate::cli::secret_input::from_file;
use crate::clock::SystemClock;
use crate::security::jwt::JwtRealms;
use crate::security::realm::Realms;
use crate::security::user_file::UserFile;
use crate::server::tls::renewal::Certificates;
use crate::settings::{Overrides, Settings, StoreSettings};

#[derive(Debug, Args)]
pub(super) struct ServeArguments {
    /// The configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Address and port to listen on; wins over the file.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// The directory of the store; wins over the file.
    #[arg(long, value_name = "DIRECTORY")]
    data: Option<PathBuf>,
    /// The file of users and roles; wins over the file.
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,
}

pub(super) fn run(arguments: ServeArguments) -> Result<(), CommandFailed> {
    let overrides = Overrides { listen: arguments.listen, data: arguments.data, users: arguments.users };
    let (settings, users) = read(&arguments.config, overrides)?;
    let certificates = settings
        .http_ssl
        .map(|settings| Certificates::load(settings, Arc::new(SystemClock)))
        .transpose()
        .map_err(|unusable| CommandFailed::new(format!("TLS cannot be spoken: {unusable}")))?;
    let scheme = if certificates.is_some() { "https" } else { "http" };
    let plan = ServicePlan {
        listen: settings.listen,
        certificates,
        store: place(&settings.store)?,
        realms: Realms::default().with_file(users.users),
        roles: users.roles,
        jwt_realms: JwtRealms::new(settings.jwt_realms)
            .map_err(|failed| CommandFailed::new(failed.to_string()))?,
        settings: settings.service,
        elastic_is_new: false,
    };
    if scheme == "http" && !settings.listen.ip().is_loopback() {
        tracing::warn!(
            "passwords and keys cross the network in the clear unless something in front speaks TLS"
        );
    }
    running::run(plan, |address| {
        tracing::info!(url = %format_args!("{scheme}://{address}"), "ready");
        Ok(())
    })
}

fn place(store: &StoreSettings) -> Result<StorePlace, CommandFailed> {
    Ok(match store {
        StoreSettings::Directory(directory) => StorePlace::Directory(DataDirectory::take(directory)?),
        StoreSettings::Postgres { database, password_file: None } => StorePlace::Database(database.clone()),
        StoreSettings::Postgres { database, password_file: Some(file) } => {
            StorePlace::Database(database.with_password(from_file(file)?.expose()))
        }
    })
}

/// Both files, or every mistake in either.
fn read(config: &Path, overrides: Overrides) -> Result<(Settings, UserFile), CommandFailed> {
    let directory = config.parent().unwrap_or(Path::new(""));
    let settings = Settings::parse(&text_of(config)?, directory, overrides)
        .map_err(|invalid| CommandFailed::invalid_file(config, &invalid))?;
    let users = UserFile::parse(&text_of(&settings.users)?)
        .map_err(|invalid| CommandFailed::invalid_file(&settings.users, &invalid))?;
    Ok((settings, users))
}

fn text_of(path: &Path) -> Result<String, CommandFailed> {
    fs::read_to_string(path).map_err(|error| CommandFailed::io("read", path, &error))
}

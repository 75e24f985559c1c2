//! `latchkey dev`: the service for trying things out.
//!
//! The super-user's password is drawn on the first start with a directory and printed once; the directory
//! keeps its hash, so it stays valid on every later start. Users and roles may be added in the directory's
//! `users.toml`. Settings are flags: no file and no variable of the environment is looked at.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::Args;
use serde::Serialize;

use crate::cli::CommandFailed;
use crate::cli::data_directory::{DataDirectory, replace_file};
use crate::cli::running::{self, Callers, Entrance, Ready, ServicePlan, StorePlace, address_and_port};
use crate::model::password::{Password, PasswordHash};
use crate::randomness::SystemRandomness;
use crate::security::jwt::JwtRealms;
use crate::security::realm::{ELASTIC, Realms};
use crate::settings::section::Problems;
use crate::settings::sources::Sources;
use crate::settings::users_file::UserFile;
use crate::settings::{Overrides, Settings};

/// The file in the data directory with the hash of the super-user's password.
const PASSWORD_FILE: &str = "elastic.password-hash";

/// The file in the data directory with more users and roles, if there is one.
const USERS_FILE: &str = "users.toml";

/// What is other than in `serve` unless a flag says otherwise: tokens and the console are on, because nothing here
/// crosses a network.
const DEFAULTS: &str = "xpack.security.authc.token.enabled = true\nconsole.enabled = true";

/// Settings, with all below them, that no flag can say, and why.
const DECIDED: [(&str, &str); 4] = [
    ("data", "dev keeps its store where --data says"),
    ("store", "dev keeps its store where --data says"),
    ("users", "dev reads users.toml in the directory of --data"),
    ("xpack.security.http", "dev speaks no TLS: `latchkey serve` does"),
];

#[derive(Debug, Args)]
pub(super) struct DevArguments {
    /// The directory of the store; made when it is not there.
    #[arg(long, default_value = "latchkey-data", value_name = "DIRECTORY")]
    data: PathBuf,
    /// Loopback address or name, and port, to listen on; port 0 picks a free one [default: 127.0.0.1:9200].
    #[arg(long, value_name = "ADDRESS", value_parser = address_and_port)]
    listen: Option<SocketAddr>,
    /// A setting, such as -E xpack.security.authc.api_key.enabled=false.
    #[arg(short = 'E', value_name = "PATH=VALUE")]
    settings: Vec<String>,
    /// Print one line of JSON when ready, and nothing else.
    #[arg(long)]
    json: bool,
}

/// What is printed when the service takes requests.
#[derive(Serialize)]
struct Readiness<'a> {
    url: String,
    username: &'a str,
    /// Absent after the first start: nobody has it but who saw it then.
    password: Option<&'a str>,
    data: String,
    /// Where the console is, if it is on.
    #[serde(skip)]
    console: Option<String>,
}

pub(super) fn run(arguments: DevArguments) -> Result<(), CommandFailed> {
    let settings = settings(&arguments)?;
    if !settings.listen.ip().is_loopback() {
        return Err(CommandFailed::new(format!(
            "dev listens on loopback addresses only, because it speaks no TLS; {} is not one. \
             Use 127.0.0.1 or [::1], or `latchkey serve`.",
            settings.listen.ip()
        )));
    }
    // First of all: a password that was drawn for a service which then finds its port taken would never be
    // told.
    let entrance = Entrance::bind(settings.listen)?;
    let has_console = settings.console.is_some();
    let data = DataDirectory::take(&arguments.data)?;
    let directory = data.path().to_owned();
    let users = users(&directory)?;
    let (hash, password) = elastic_password(&directory)?;
    let plan = ServicePlan {
        entrance,
        certificates: None,
        store: StorePlace::Directory(data),
        callers: Callers {
            realms: Realms::default().with_elastic(hash).with_file(users.users),
            roles: users.roles,
            jwt_realms: JwtRealms::new(settings.jwt_realms)
                .map_err(|failed| CommandFailed::new(failed.to_string()))?,
        },
        settings: settings.service,
        console: settings.console,
        elastic_is_new: password.is_some(),
    };
    running::run(plan, |Ready { address, .. }| {
        let readiness = Readiness {
            url: format!("http://{address}"),
            username: ELASTIC,
            password: password.as_ref().and_then(|password| std::str::from_utf8(password.expose()).ok()),
            data: directory.display().to_string(),
            console: has_console.then(|| format!("http://{address}{}", latchkey_console::PATH)),
        };
        announce(&readiness, arguments.json).inspect_err(|_| {
            // Nobody has seen the password, so the next start draws another.
            if password.is_some() {
                let _ = fs::remove_file(directory.join(PASSWORD_FILE));
            }
        })
    })
}

/// What the flags say, or every mistake in them.
fn settings(arguments: &DevArguments) -> Result<Settings, CommandFailed> {
    let problems = Problems::default();
    let mut sources = Sources::read(&arguments.settings, [], Some((Path::new(""), DEFAULTS)), &problems);
    for (path, reason) in DECIDED {
        if sources.take_flags_at(path) {
            problems.add_said_by(Some(format!("-E {path}")), path, reason);
        }
    }
    let overrides = Overrides {
        listen: arguments.listen,
        data: Some(arguments.data.clone()),
        users: Some(arguments.data.join(USERS_FILE)),
    };
    Settings::read(&sources, problems, overrides)
        .map_err(|invalid| CommandFailed::new(format!("the settings have mistakes:\n{invalid}")))
}

fn users(directory: &Path) -> Result<UserFile, CommandFailed> {
    let path = directory.join(USERS_FILE);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        read => read.map_err(|error| CommandFailed::io("read", &path, &error))?,
    };
    UserFile::parse(&text).map_err(|invalid| CommandFailed::invalid_file(&path, &invalid))
}

/// The hash of the super-user's password, and on the first start the password itself.
fn elastic_password(directory: &Path) -> Result<(PasswordHash, Option<Password>), CommandFailed> {
    let path = directory.join(PASSWORD_FILE);
    match fs::read_to_string(&path) {
        Ok(text) => {
            let hash = PasswordHash::try_from(text.trim()).map_err(|invalid| {
                let path = path.display();
                CommandFailed::new(format!("{path}: {invalid}. Remove the file for a new password."))
            })?;
            Ok((hash, None))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let failed = |message: String| CommandFailed::new(message);
            let password =
                Password::generated(&SystemRandomness).map_err(|error| failed(error.to_string()))?;
            let hash =
                PasswordHash::of(&password, &SystemRandomness).map_err(|error| failed(error.to_string()))?;
            replace_file(&path, &format!("{hash}\n"))
                .map_err(|error| CommandFailed::io("write", &path, &error))?;
            Ok((hash, Some(password)))
        }
        Err(error) => Err(CommandFailed::io("read", &path, &error)),
    }
}

fn announce(readiness: &Readiness<'_>, json: bool) -> Result<(), CommandFailed> {
    let text = if json {
        serde_json::to_string(readiness).map_err(|error| CommandFailed::new(error.to_string()))?
    } else {
        told(readiness)
    };
    let mut stdout = io::stdout();
    writeln!(stdout, "{text}")
        .and_then(|()| stdout.flush())
        .map_err(|error| CommandFailed::new(format!("could not write to stdout: {error}")))
}

fn told(Readiness { url, username, password, data, console }: &Readiness<'_>) -> String {
    let password = match password {
        Some(password) => {
            format!("{password}   (shown this once; it stays valid at every later start with this directory)")
        }
        None => format!(
            "the one of the first start, or what it was changed to   (lost? stop, remove {PASSWORD_FILE} from the directory, start again)"
        ),
    };
    format!(
        "Latchkey's key service is ready.\n\n  url       {url}\n  username  {username}\n  password  {password}\n  \
         data      {data}\n{}",
        console.as_ref().map_or_else(String::new, |console| format!("  console   {console}\n"))
    )
}

//! Which service a command speaks to, and as whom.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use rustls::ClientConfig;

use crate::cli::CommandFailed;
use crate::cli::client_tls::TlsArguments;
use crate::cli::secret_input::{SecretText, from_environment, from_file, secret};
use crate::cli::service_client::ServiceClient;
use crate::cli::service_place::Place;

/// The variable with the password of the user who asks.
const PASSWORD_VARIABLE: &str = "LATCHKEY_PASSWORD";

/// The variable with an API key, as the field `encoded` has it.
const API_KEY_VARIABLE: &str = "LATCHKEY_API_KEY";

/// The variable with an access token.
const ACCESS_TOKEN_VARIABLE: &str = "LATCHKEY_ACCESS_TOKEN";

/// The header that says on whose behalf something is asked (Elasticsearch, `AuthenticationServiceField`).
const RUN_AS_HEADER: &str = "es-security-runas-user";

/// Where the service is.
#[derive(Debug, Args)]
#[command(next_help_heading = "Service")]
pub(super) struct PlaceArguments {
    /// Where the service is.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "LATCHKEY_URL",
        default_value = "http://127.0.0.1:9200"
    )]
    url: String,
    #[command(flatten)]
    tls: TlsArguments,
}

/// Where the service is and who asks: whatever is there first of `--api-key-file`, `--user`, `LATCHKEY_USER`,
/// `LATCHKEY_API_KEY` and `LATCHKEY_ACCESS_TOKEN`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Service")]
pub(super) struct ConnectionArguments {
    #[command(flatten)]
    place: PlaceArguments,
    /// Ask as this user. The password is in LATCHKEY_PASSWORD, or is asked for, or is a line of stdin.
    #[arg(long, global = true, value_name = "NAME", env = "LATCHKEY_USER")]
    user: Option<String>,
    /// A file with the password of that user.
    #[arg(long, global = true, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Ask with the API key in this file (its field "encoded"), whatever --user says. Where no user is named,
    /// it may also be in LATCHKEY_API_KEY.
    #[arg(long, global = true, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    /// Ask on behalf of this user, which takes the right to (`run_as`). The audit log names both.
    #[arg(long = "run-as", id = "acting_for", global = true, value_name = "USER")]
    run_as: Option<String>,
    /// Print the JSON that the service answers.
    #[arg(long, global = true)]
    pub(super) json: bool,
}

impl ConnectionArguments {
    /// A client of that service, with the credential of whoever asks.
    pub(super) fn open(&self) -> Result<ServiceClient, CommandFailed> {
        // Before a password is asked for, so that nobody types one in vain.
        let (place, tls) = self.place.read()?;
        let run_as = self.run_as.as_deref().map(run_as).transpose()?;
        let headers = [Some((AUTHORIZATION, self.authorization()?)), run_as];
        ServiceClient::new(place, tls, headers.into_iter().flatten().collect())
    }

    /// Whether something is asked on behalf of another user.
    pub(super) fn acts_for_another(&self) -> bool {
        self.run_as.is_some()
    }

    fn authorization(&self) -> Result<HeaderValue, CommandFailed> {
        if self.password_file.is_some() && self.user.is_none() {
            return Err(CommandFailed::new("--password-file needs --user NAME: whose password is it?"));
        }
        match (&self.api_key_file, &self.user) {
            (Some(path), _) => header("ApiKey", from_file(path)?.expose()),
            (None, Some(user)) => self.basic(user),
            (None, None) => match from_environment(API_KEY_VARIABLE)? {
                Some(key) => header("ApiKey", key.expose()),
                None => match from_environment(ACCESS_TOKEN_VARIABLE)? {
                    Some(token) => header("Bearer", token.expose()),
                    None => Err(CommandFailed::new(format!(
                        "say who asks: --user NAME, --api-key-file FILE, or one of the variables LATCHKEY_USER, \
                         {API_KEY_VARIABLE} and {ACCESS_TOKEN_VARIABLE}"
                    ))),
                },
            },
        }
    }

    fn basic(&self, user: &str) -> Result<HeaderValue, CommandFailed> {
        if user.contains(':') {
            // RFC 7617, section 2: what is behind the first colon is the password.
            return Err(CommandFailed::new("a user whose name has a colon cannot log in with a password"));
        }
        let password = self.password(user)?;
        header("Basic", &STANDARD.encode(format!("{user}:{}", password.expose())))
    }

    fn password(&self, user: &str) -> Result<SecretText, CommandFailed> {
        secret(self.password_file.as_deref(), Some(PASSWORD_VARIABLE), &format!("password of {user}"))
    }
}

impl PlaceArguments {
    /// A client that shows no credential.
    pub(super) fn open(&self) -> Result<ServiceClient, CommandFailed> {
        let (place, tls) = self.read()?;
        ServiceClient::new(place, tls, HeaderMap::new())
    }

    fn read(&self) -> Result<(Place, ClientConfig), CommandFailed> {
        let place = Place::parse(&self.url)?;
        let tls = self.tls.config(place.scheme)?;
        Ok((place, tls))
    }
}

/// The header by which something is asked on behalf of a user.
pub(super) fn run_as(user: &str) -> Result<(HeaderName, HeaderValue), CommandFailed> {
    let value = HeaderValue::try_from(user)
        .map_err(|_| CommandFailed::new("--run-as: a username has printable ASCII characters alone"))?;
    Ok((HeaderName::from_static(RUN_AS_HEADER), value))
}

fn header(scheme: &str, credential: &str) -> Result<HeaderValue, CommandFailed> {
    let mut value = HeaderValue::try_from(format!("{scheme} {credential}"))
        .map_err(|_| CommandFailed::new("the credential has characters that no credential has"))?;
    value.set_sensitive(true);
    Ok(value)
}

//! The configuration of `latchkey serve`: a TOML file, the environment over it, and flags over both.
//!
//! ```toml
//! listen = "127.0.0.1:9200"        # address and port; port 0 picks a free one
//! data = "/var/lib/latchkey"       # directory of the store, made when it is not there
//! users = "users.toml"             # users and roles; relative paths start at this file's directory
//!
//! [answers]
//! product_header = true            # X-elastic-product: Elasticsearch on every success; Elastic's clients insist on it
//!
//! [http]                           # names and meaning are Elasticsearch's
//! # publish_host = "keys.example.org"  # where clients that sniff find the service; without, where they have found it
//! # publish_port = 9200
//! max_content_length = "1mb"       # of a request's body, once it is decoded; 64kb to 8mb
//!
//! [api_keys]
//! end_with_owner = false           # on: the keys of a user who is disabled or deleted end with that
//! suspend_with_owner = true        # off: the keys of a disabled service account go on working
//! # default_lifetime = "90d"       # of a key of which nobody says when it ends; without, it does not
//! # max_lifetime = "365d"          # no key lives longer
//!
//! [audit]
//! # retention_period = "365d"      # how long the store keeps changes for the audit log; without, for ever
//!
//! [limits]
//! connections = 16384              # at once, and at once waiting for the feed; the system's limit of open files may be lower
//! answer_megabytes = 256           # memory of all answers that are made or not read yet
//! failed_logins_per_minute = 10    # wrong passwords that come back each minute to one source; 0: no limit
//! trusted_proxies = []             # addresses or blocks whose X-Forwarded-For counts
//! [edges]
//! live_for = "90s"                 # how long after its last request an edge counts as live
//! refuse_after_default = "1h"      # how long an edge may admit after an answer, if it does not say
//! refuse_after_max = "365d"        # the longest that it may say
//! instances_per_key = 1024         # how many instances of edges one credential may have
//! refresh_waits_for = "0s"         # how long refresh=wait_for waits for live edges
//!
//! [console]
//! enabled = false                  # on: pages for people at /console
//! session_idle = "30m"             # how long a session lives that nobody uses
//! session_lifetime = "12h"         # how long it lives in any case
//!
//! [telemetry.tracing]
//! enabled = false                  # on: traces of requests go to a collector that speaks OTLP over HTTP
//! endpoint = "http://127.0.0.1:4318"  # where it is
//! sample_percent = 100             # of which part of the requests, where the caller has not decided that
//!
//! [xpack.security.authc]           # names and meaning are Elasticsearch's
//! api_key.enabled = true           # off: the endpoints refuse, and the ApiKey scheme is not looked at
//! api_key.delete.interval = "24h"  # the least time between two removals of dead keys
//! api_key.delete.retention_period = "7d"  # how long a key stays visible once it was invalidated or has expired
//! token.enabled = false            # OAuth2 tokens at /_security/oauth2/token; on by default where the service speaks TLS
//! token.timeout = "20m"            # how long an access token lives, 1s to 1h
//! realms.file.file.order = 0       # the users file: type, name, and its place in the order
//! realms.native.native.order = 1   # the users that are managed over the interface
//! realms.native.native.cache.ttl = "20m"  # how long a password that was verified is not hashed again; 0s: each time
//!
//! [xpack.security.http.ssl]
//! enabled = false                  # on: TLS, with a certificate and its key, and clients' certificates if wanted
//! ```

mod api_keys;
mod authentication_settings;
mod console_settings;
mod edge_settings;
mod http_settings;
pub mod http_ssl;
mod jwt;
mod limit_settings;
pub(crate) mod listen;
mod password_cache;
pub mod section;
pub mod sources;
mod store;
mod token_settings;
mod trace_settings;
pub mod users_file;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use latchkey_console::SessionTimes;
use latchkey_elastic::TimeValue;

use crate::limits::{AUDIT_RETENTION_MIN, KEY_LIFETIME_MAX};
use crate::model::realm_name::RealmName;
use crate::security::anonymous::AnonymousAccess;
use crate::security::jwt::JwtRealmSettings;
use crate::security::password_cache::PasswordCaches;
use crate::settings::http_ssl::HttpSslSettings;
use crate::settings::listen::{LISTEN_BELONGS, listen_address};
use crate::settings::section::{InvalidFile, Problems, Section};
use crate::settings::sources::Sources;
use crate::store::removal::RemovalPolicy;
use crate::traces::TraceSettings;

pub use api_keys::KeyPolicy;
pub use edge_settings::EdgeSettings;
pub use http_settings::HttpSettings;
pub use limit_settings::LimitSettings;
pub use store::StoreSettings;
pub use token_settings::TokenSettings;

/// Where the service listens when nothing says otherwise: Elasticsearch's port, on this machine only.
pub const LISTEN_DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9200);

/// How the service is to run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// How it speaks TLS, if it does (Elasticsearch, `xpack.security.http.ssl`).
    pub http_ssl: Option<HttpSslSettings>,
    /// Where the store is.
    pub store: StoreSettings,
    /// The file of users and roles.
    pub users: PathBuf,
    /// Whose JSON Web Tokens it takes.
    pub jwt_realms: Vec<JwtRealmSettings>,
    /// Where traces of requests go, if they go anywhere.
    pub traces: Option<TraceSettings>,
    /// How long sessions of the console live, if there is a console.
    pub console: Option<SessionTimes>,
    /// What it answers.
    pub service: ServiceSettings,
}

/// What depends on no machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSettings {
    /// Whether there are API keys at all (Elasticsearch, `xpack.security.authc.api_key.enabled`).
    pub api_keys: bool,
    /// What holds for every key that is made.
    pub key_policy: KeyPolicy,
    /// When dead keys are removed (Elasticsearch, `xpack.security.authc.api_key.delete.*`).
    pub removal: RemovalPolicy,
    /// What OAuth2 tokens are like.
    pub tokens: TokenSettings,
    /// Whether successes carry `X-elastic-product: Elasticsearch`.
    pub product_header: bool,
    /// Where clients that sniff find the service, and how long a body may be.
    pub http: HttpSettings,
    /// How the edges are looked after.
    pub edges: EdgeSettings,
    /// The realms after the reserved one, in the order in which they are asked.
    pub realms: Vec<RealmName>,
    /// How long passwords that were verified are kept.
    pub password_caches: PasswordCaches,
    /// Who counts as the sender of a request without a credential, if anybody does.
    pub anonymous: Option<AnonymousAccess>,
    /// What a client may do how often.
    pub limits: LimitSettings,
}

/// What the flags of single settings say; each wins over all else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Where to listen.
    pub listen: Option<SocketAddr>,
    /// The directory of the store.
    pub data: Option<PathBuf>,
    /// The file of users and roles.
    pub users: Option<PathBuf>,
}

impl Default for ServiceSettings {
    /// API keys are what the service is for; the product header is what Elastic's clients ask for.
    fn default() -> Self {
        let realms = vec![RealmName::file(), RealmName::native()];
        Self {
            api_keys: true,
            key_policy: KeyPolicy::default(),
            removal: RemovalPolicy::default(),
            tokens: TokenSettings::default(),
            product_header: true,
            http: HttpSettings::default(),
            edges: EdgeSettings::default(),
            realms,
            password_caches: PasswordCaches::default(),
            anonymous: None,
            limits: LimitSettings::default(),
        }
    }
}

impl Settings {
    /// Reads what the sources say. `problems` has the mistakes that were found before.
    ///
    /// # Errors
    ///
    /// [`InvalidFile`] with every mistake of every source.
    pub fn read(sources: &Sources, problems: Problems, overrides: Overrides) -> Result<Self, InvalidFile> {
        let mut root = Section::of_sources(sources, &problems);
        let listen = overrides.listen.or(listen(&mut root)).unwrap_or(LISTEN_DEFAULT);
        let store = store::read(&mut root, overrides.data);
        let users = file(&mut root, "users", overrides.users);
        let defaults = ServiceSettings::default();
        let mut answers = root.section("answers");
        let key_policy = api_keys::read(root.section("api_keys"));
        let audit_retention = audit_retention(root.section("audit"));
        let http_settings = http_settings::read(root.section("http"));
        let edges = edge_settings::read(root.section("edges"));
        let limits = limit_settings::read(root.section("limits"));
        let mut telemetry = root.section("telemetry");
        let traces = trace_settings::read(telemetry.section("tracing"));
        let console = console_settings::read(root.section("console"));
        let mut xpack = root.section("xpack");
        let mut security = xpack.section("security");
        let mut http = security.section("http");
        let http_ssl = http_ssl::read(http.section("ssl"));
        let authc = authentication_settings::read(security.section("authc"), http_ssl.is_some());
        let service = ServiceSettings {
            api_keys: authc.api_keys,
            key_policy,
            removal: RemovalPolicy { audit_retention, ..authc.removal },
            tokens: authc.tokens,
            product_header: answers.flag("product_header").unwrap_or(defaults.product_header),
            http: http_settings,
            edges,
            realms: authc.realms,
            password_caches: authc.password_caches,
            anonymous: authc.anonymous,
            limits,
        };
        answers.end();
        telemetry.end();
        http.end();
        security.end();
        xpack.end();
        root.end();
        let jwt_realms = authc.jwt_realms;
        problems.none_or(Self { listen, http_ssl, store, users, jwt_realms, traces, console, service })
    }
}

fn listen(root: &mut Section<'_>) -> Option<SocketAddr> {
    root.parsed("listen", LISTEN_BELONGS, listen_address)
}

fn audit_retention(mut section: Section<'_>) -> Option<Duration> {
    let belongs = "must be a duration between 1d and 36500d, such as 365d";
    let retention = section.parsed("retention_period", belongs, |text| {
        let retention = TimeValue::parse(text, "retention_period").ok()?.to_duration();
        (AUDIT_RETENTION_MIN..=KEY_LIFETIME_MAX).contains(&retention).then_some(retention)
    });
    section.end();
    retention
}

/// A file or directory that must be said, if not by its own flag. Without either the problem is noted, and
/// the result never used.
fn file(root: &mut Section<'_>, field: &'static str, flag: Option<PathBuf>) -> PathBuf {
    if let Some(path) = flag {
        // The sources are still read, so that a mistake in them is found.
        root.text(field);
        return path;
    }
    root.required_file(field).unwrap_or_default()
}

#[cfg(test)]
mod tests;

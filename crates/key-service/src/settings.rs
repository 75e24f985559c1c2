//! The configuration of `latchkey serve`: a TOML file, with flags that win over it.
//!
//! ```toml
//! listen = "127.0.0.1:9200"        # address and port; port 0 picks a free one
//! data = "/var/lib/latchkey"       # directory of the store, made when it is not there
//! users = "users.toml"             # users and roles; relative paths start at this file's directory
//!
//! [answers]
//! product_header = true            # X-elastic-product: Elasticsearch on every success; Elastic's clients insist on it
//!
//! [edges]
//! live_for = "90s"                 # how long after its last request an edge counts as live
//!
//! [xpack.security.authc]           # names and meaning are Elasticsearch's
//! api_key.enabled = true           # off: the endpoints refuse, and the ApiKey scheme is not looked at
//! api_key.delete.interval = "24h"  # the least time between two removals of dead keys
//! api_key.delete.retention_period = "7d"  # how long a key stays visible once it was invalidated or has expired
//! token.enabled = false            # OAuth2 tokens at /_security/oauth2/token; on by default where the service speaks TLS
//! token.timeout = "20m"            # how long an access token lives, 1s to 1h
//! realms.file.file.order = 0       # the users file: type, name, and its place in the order
//! realms.native.native.order = 1   # the users that are managed over the interface
//!
//! [xpack.security.http.ssl]
//! enabled = false                  # on: TLS, with a certificate and its key, and clients' certificates if wanted
//! ```

mod authentication;
mod edges;
pub mod http_ssl;
mod jwt;
pub mod section;
mod store;
mod tokens;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::security::anonymous::AnonymousAccess;
use crate::security::jwt::JwtRealmSettings;
use crate::security::realm::RealmName;
use crate::settings::http_ssl::HttpSslSettings;
use crate::settings::section::{InvalidFile, Problems, Section, document};
use crate::store::removal::RemovalPolicy;

pub use edges::EdgeSettings;
pub use store::StoreSettings;
pub use tokens::TokenSettings;

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
    /// What it answers.
    pub service: ServiceSettings,
}

/// What depends on no machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSettings {
    /// Whether there are API keys at all (Elasticsearch, `xpack.security.authc.api_key.enabled`).
    pub api_keys: bool,
    /// When dead keys are removed (Elasticsearch, `xpack.security.authc.api_key.delete.*`).
    pub removal: RemovalPolicy,
    /// What OAuth2 tokens are like.
    pub tokens: TokenSettings,
    /// Whether successes carry `X-elastic-product: Elasticsearch`.
    pub product_header: bool,
    /// How the edges are looked after.
    pub edges: EdgeSettings,
    /// The realms after the reserved one, in the order in which they are asked.
    pub realms: Vec<RealmName>,
    /// Who counts as the sender of a request without a credential, if anybody does.
    pub anonymous: Option<AnonymousAccess>,
}

/// What the flags say; each wins over the file.
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
            removal: RemovalPolicy::default(),
            tokens: TokenSettings::default(),
            product_header: true,
            edges: EdgeSettings::default(),
            realms,
            anonymous: None,
        }
    }
}

impl Settings {
    /// Reads the text of a file that lies in `directory`.
    ///
    /// # Errors
    ///
    /// [`InvalidFile`] with every mistake.
    pub fn parse(text: &str, directory: &Path, overrides: Overrides) -> Result<Self, InvalidFile> {
        let document = document(text)?;
        let problems = Problems::default();
        let mut root = Section::root(&document, &problems);
        let listen = overrides.listen.or(listen(&mut root)).unwrap_or(LISTEN_DEFAULT);
        let store = store::read(&mut root, directory, overrides.data);
        let users = path(&mut root, "users", directory, overrides.users);
        let defaults = ServiceSettings::default();
        let mut answers = root.section("answers");
        let edges = edges::read(root.section("edges"));
        let mut xpack = root.section("xpack");
        let mut security = xpack.section("security");
        let mut http = security.section("http");
        let http_ssl = http_ssl::read(http.section("ssl"), directory);
        let authc = authentication::read(security.section("authc"), directory, http_ssl.is_some());
        let service = ServiceSettings {
            api_keys: authc.api_keys,
            removal: authc.removal,
            tokens: authc.tokens,
            product_header: answers.flag("product_header").unwrap_or(defaults.product_header),
            edges,
            realms: authc.realms,
            anonymous: authc.anonymous,
        };
        answers.end();
        http.end();
        security.end();
        xpack.end();
        root.end();
        problems.none_or(Self { listen, http_ssl, store, users, jwt_realms: authc.jwt_realms, service })
    }
}

fn listen(root: &mut Section<'_>) -> Option<SocketAddr> {
    let text = root.text("listen")?;
    let address = text.parse().ok();
    if address.is_none() {
        root.problem("listen", "must be an address and a port, such as 127.0.0.1:9200");
    }
    address
}

/// A path that must come from the flag or the file. Without either the problem is noted, and the result never used.
fn path(root: &mut Section<'_>, field: &'static str, directory: &Path, flag: Option<PathBuf>) -> PathBuf {
    if let Some(path) = flag {
        // The file's own value is still read, so that a mistake in it is found.
        root.text(field);
        return path;
    }
    root.required_text(field).map(|text| directory.join(text)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Settings, InvalidFile> {
        Settings::parse(text, Path::new("/etc/latchkey"), Overrides::default())
    }

    #[test]
    fn reads_the_example_of_the_documentation() {
        let guide = include_str!("../../../docs/key-service.md");
        for example in [example(include_str!("settings.rs")), example(guide)] {
            let settings = parse(&example).unwrap();
            assert_eq!(settings.listen, LISTEN_DEFAULT);
            assert!(
                matches!(settings.store, StoreSettings::Directory(data) if data == Path::new("/var/lib/latchkey"))
            );
            assert_eq!(settings.users, Path::new("/etc/latchkey/users.toml"));
            assert_eq!(settings.service, ServiceSettings::default(), "the example shows the defaults");
            assert_eq!(settings.http_ssl, None);
        }
    }

    /// The first block of TOML in a text, also when it stands in comments.
    fn example(text: &str) -> String {
        let lines = text.lines().map(|line| line.trim_start_matches("//!").trim_start());
        let block = lines.skip_while(|line| *line != "```toml").skip(1).take_while(|line| *line != "```");
        block.map(|line| format!("{line}\n")).collect()
    }

    #[test]
    fn reports_every_mistake_at_once_and_no_value() {
        let text = "listen = \"hunter2\"\nusers = 5\nuser = \"hunter2\"\n[xpack.security.authc.api_key]\nenabled = \"hunter2\"\nx = 1\n[xpack.security.authc.api_key.delete]\ninterval = \"hunter2\"\nretention_period = \"-1\"\n";
        let printed = parse(text).unwrap_err().to_string();
        assert_eq!(
            printed.lines().collect::<Vec<_>>(),
            [
                "listen: must be an address and a port, such as 127.0.0.1:9200",
                "data: is required, or store.url",
                "users: must be a string",
                "xpack.security.authc.api_key.enabled: must be true or false",
                "xpack.security.authc.api_key.delete.interval: must be a duration, such as 24h",
                "xpack.security.authc.api_key.delete.retention_period: must be a duration, such as 24h",
                "xpack.security.authc.api_key.x: is not known; known are enabled, delete",
                "user: is not known; known are listen, data, store, users, answers, edges, xpack",
            ]
        );
    }

    /// The settings and their defaults as `docs/key-service.md` has them.
    fn documented() -> Vec<(String, String)> {
        const DOCUMENT: &str = include_str!("../../../docs/key-service.md");
        let table = DOCUMENT.lines().skip_while(|line| !line.starts_with("| Setting |")).skip(2);
        let rows = table.take_while(|line| line.starts_with('|'));
        rows.map(|row| {
            let cells: Vec<&str> = row.split(" | ").collect();
            (cells[0].trim_matches(['|', ' ', '`']).to_owned(), cells[2].to_owned())
        })
        .collect()
    }

    #[test]
    fn the_documented_defaults_are_the_defaults() {
        let mut text = "data = \"d\"\nusers = \"u\"\n".to_owned();
        for (setting, default) in documented() {
            // A realm that is mentioned has another place in the order.
            if let Some(value) = default.strip_prefix('`').filter(|_| !setting.contains("realms")) {
                text.push_str(&format!("{setting} = {}\n", value.trim_end_matches('`')));
            }
        }
        let settings = parse(&text).unwrap();
        assert_eq!((settings.listen, settings.service), (LISTEN_DEFAULT, ServiceSettings::default()));
        assert_eq!(settings.http_ssl, None);
    }

    #[test]
    fn every_setting_is_documented_and_no_other() {
        let documented: Vec<String> =
            documented().into_iter().map(|(setting, _)| setting.replace("<name>", "x")).collect();
        let mut sections = vec![String::new()];
        let mut known = Vec::new();
        while let Some(section) = sections.pop() {
            let printed = parse(&format!("{section}zzz = 1")).unwrap_err().to_string();
            // Below a type of realms are the names of realms, which are anybody's choice.
            let Some(names) = printed
                .lines()
                .find_map(|line| line.strip_prefix(&format!("{section}zzz: is not known; known are ")))
            else {
                sections.push(format!("{section}x."));
                continue;
            };
            for path in names.split(", ").map(|name| format!("{section}{name}")) {
                let is_section = documented.iter().any(|setting| setting.starts_with(&format!("{path}.")));
                if is_section { sections.push(format!("{path}.")) } else { known.push(path) }
            }
        }
        known.sort_unstable();
        let mut expected = documented;
        expected.sort_unstable();
        assert_eq!(known, expected);
    }

    #[test]
    fn text_that_is_not_toml_is_located_and_not_quoted() {
        let printed = parse("data = \"d\"\npassword = hunter2\n").unwrap_err().to_string();
        assert_eq!(printed, "line 2: not TOML from here on");
    }

    // Elasticsearch's rule: tokens need a protected line, and where there is one they are on.
    #[test]
    fn tokens_are_on_by_default_where_the_service_speaks_tls() {
        let tls = "data = \"d\"\nusers = \"u\"\n[xpack.security.http.ssl]\nenabled = true\ncertificate = \"c\"\nkey = \"k\"\n";
        let off = "[xpack.security.authc]\ntoken.enabled = false";
        for (text, is_on) in [(tls.to_owned(), true), (format!("{tls}{off}"), false)] {
            assert_eq!(parse(&text).unwrap().service.tokens.enabled, is_on, "{text}");
        }
    }

    #[test]
    fn the_store_is_in_one_place() {
        let mistakes =
            |text: &str| parse(&format!("users = \"u\"\n{text}")).map_err(|invalid| invalid.to_string());
        let url = "store.url = \"postgres://u:hunter2@db/keys\"";
        assert!(matches!(mistakes(url).unwrap().store, StoreSettings::Postgres { password_file: None, .. }));
        for (text, expected) in [
            (format!("data = \"d\"\n{url}"), "data: has no use beside store.url: the store is in one place"),
            (
                "store.url = \"hunter2\"".to_owned(),
                "store.url: must be a URL such as postgres://user@host/database",
            ),
            (
                "data = \"d\"\nstore.password_file = \"f\"".to_owned(),
                "store.password_file: has no use without url",
            ),
        ] {
            assert_eq!(mistakes(&text).unwrap_err(), expected);
        }
    }

    #[test]
    fn a_flag_wins_over_the_file() {
        let overrides = Overrides { data: Some("/flag".into()), ..Overrides::default() };
        let text = "data = \"/file\"\nusers = \"u\"";
        let settings = Settings::parse(text, Path::new("/"), overrides).unwrap();
        assert!(matches!(settings.store, StoreSettings::Directory(data) if data == Path::new("/flag")));
    }
}

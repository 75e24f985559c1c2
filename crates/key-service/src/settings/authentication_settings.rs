//! The settings below `xpack.security.authc`, with Elasticsearch's names and meanings.
//!
//! ```toml
//! [xpack.security.authc.realms.native.native]   # type, then name
//! order = 1                                      # lower is asked first; realms that are not mentioned come before
//! enabled = true                                 # off: the realm is not asked
//! cache.ttl = "20m"                              # how long a password that was verified is kept
//! cache.max_users = 100000                       # and of how many users
//!
//! [xpack.security.authc.anonymous]
//! username = "_anonymous"
//! roles = ["reader"]                             # without roles there is no anonymous access
//! authz_exception = true                         # off: 401 in place of 403 where the roles do not suffice
//! ```

use std::time::Duration;

use latchkey_elastic::TimeValue;

use crate::model::realm_name::{FILE, NATIVE, RealmName};
use crate::security::anonymous::{ANONYMOUS_USERNAME, AnonymousAccess};
use crate::security::jwt::JwtRealmSettings;
use crate::security::password_cache::{PasswordCache, PasswordCaches};
use crate::security::realm::ELASTIC;
use crate::settings::section::Section;
use crate::settings::{TokenSettings, jwt, password_cache, token_settings};
use crate::store::removal::RemovalPolicy;

/// A realm as it is configured.
struct ConfiguredRealm {
    /// `None` for one that is not asked.
    name: Option<RealmName>,
    /// Realms that are not mentioned come before all others.
    order: Option<i64>,
    cache: PasswordCache,
}

/// Everything below `xpack.security.authc`.
pub(super) struct AuthenticationSettings {
    pub(super) api_keys: bool,
    pub(super) removal: RemovalPolicy,
    pub(super) tokens: TokenSettings,
    /// The realms that passwords are asked of, in their order.
    pub(super) realms: Vec<RealmName>,
    pub(super) password_caches: PasswordCaches,
    pub(super) jwt_realms: Vec<JwtRealmSettings>,
    pub(super) anonymous: Option<AnonymousAccess>,
}

/// Some defaults depend on whether the service speaks TLS.
pub(super) fn read(mut authc: Section<'_>, speaks_tls: bool) -> AuthenticationSettings {
    let mut api_key = authc.section("api_key");
    let api_keys = api_key.flag("enabled").unwrap_or(true);
    let removal = removal(&mut api_key, RemovalPolicy::default());
    api_key.end();
    let tokens = token_settings::read(authc.section("token"), speaks_tls);
    let mut section = authc.section("realms");
    let jwt_realms = jwt::read(section.sections("jwt"));
    let (realms, password_caches) = realms(&mut section);
    section.end();
    let anonymous = anonymous(&mut authc);
    authc.end();
    AuthenticationSettings { api_keys, removal, tokens, realms, password_caches, jwt_realms, anonymous }
}

fn removal(api_key: &mut Section<'_>, defaults: RemovalPolicy) -> RemovalPolicy {
    let mut delete = api_key.section("delete");
    let policy = RemovalPolicy {
        interval: duration(&mut delete, "interval").unwrap_or(defaults.interval),
        retention: duration(&mut delete, "retention_period").unwrap_or(defaults.retention),
        ..defaults
    };
    delete.end();
    policy
}

/// A duration as Elasticsearch writes them.
fn duration(section: &mut Section<'_>, field: &'static str) -> Option<Duration> {
    section.parsed(field, "must be a duration, such as 24h", |text| {
        let duration = TimeValue::parse(text, field).ok().filter(|_| !text.trim_start().starts_with('-'));
        duration.map(TimeValue::to_duration)
    })
}

fn realms(section: &mut Section<'_>) -> (Vec<RealmName>, PasswordCaches) {
    let file = realm(section, FILE, RealmName::file());
    let native = realm(section, NATIVE, RealmName::native());
    let caches = PasswordCaches { file: file.cache, native: native.cache };
    if file.order.is_some() && file.order == native.order {
        section.problem(NATIVE, "has the same order as the file realm");
    }
    let mut realms = [file, native];
    realms.sort_by_key(|realm| realm.order);
    (realms.into_iter().filter_map(|realm| realm.name).collect(), caches)
}

/// The one realm of a type.
fn realm(section: &mut Section<'_>, realm_type: &'static str, usual: RealmName) -> ConfiguredRealm {
    let mut found = None;
    for (name, mut realm) in section.sections(realm_type) {
        let order = realm.integer("order");
        if order.is_none() {
            realm.problem("order", "is required");
        }
        let is_enabled = realm.flag("enabled").unwrap_or(true);
        let cache = password_cache::read(realm.section("cache"));
        realm.end();
        if found.is_some() {
            section.problem(realm_type, "there can be one realm of this type");
        }
        if name.is_empty() || name.starts_with('_') {
            section.problem(realm_type, "a realm's name is not empty and does not begin with an underscore");
        }
        let name = is_enabled.then(|| RealmName { name, realm_type: realm_type.to_owned() });
        found = Some(ConfiguredRealm { name, order, cache });
    }
    found.unwrap_or(ConfiguredRealm { name: Some(usual), order: None, cache: PasswordCache::default() })
}

fn anonymous(authc: &mut Section<'_>) -> Option<AnonymousAccess> {
    let mut section = authc.section("anonymous");
    let username = section.text("username").unwrap_or(ANONYMOUS_USERNAME).to_owned();
    let roles = section.texts("roles").unwrap_or_default();
    let authz_exception = section.flag("authz_exception").unwrap_or(true);
    if username.is_empty() || username == ELASTIC {
        section.problem("username", "must be a name, and not that of the super-user");
    }
    section.end();
    (!roles.is_empty()).then_some(AnonymousAccess { username, roles, authz_exception })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::section::{InvalidFile, Problems, document};

    fn parse(text: &str) -> Result<(Vec<String>, Option<AnonymousAccess>), InvalidFile> {
        let document = document(text)?;
        let problems = Problems::default();
        let mut root = Section::root(&document, &problems);
        let authc = root.section("xpack").section("security").section("authc");
        let AuthenticationSettings { realms, anonymous, .. } = read(authc, false);
        problems.none_or((realms.into_iter().map(|realm| realm.name).collect(), anonymous))
    }

    #[test]
    fn orders_the_realms() {
        for (text, expected) in [
            ("", vec!["file", "native"]),
            ("realms.native.people.order = 0\nrealms.file.local.order = 1", vec!["people", "local"]),
            ("realms.file.local.order = 5", vec!["native", "local"]),
            ("realms.native.n = { order = 0, enabled = false }", vec!["file"]),
        ] {
            let (realms, _) = parse(&format!("[xpack.security.authc]\n{text}")).unwrap();
            assert_eq!(realms, expected, "{text}");
        }
    }

    #[test]
    fn each_realm_says_how_long_it_keeps_verified_passwords() {
        let text = "[xpack.security.authc.realms]
            native.n = { order = 0, cache.ttl = \"0s\", cache.max_users = 7 }";
        let document = document(text).unwrap();
        let problems = Problems::default();
        let mut root = Section::root(&document, &problems);
        let read = read(root.section("xpack").section("security").section("authc"), false);
        let native = PasswordCache { ttl: Duration::ZERO, users_max: 7 };
        assert_eq!(read.password_caches, PasswordCaches { native, file: PasswordCache::default() });
        for (cache, complaint) in
            [("ttl = \"2d\"", "must be a duration"), ("max_users = 0", "must be from 1 to")]
        {
            let text = format!("[xpack.security.authc.realms.file.f]\norder = 0\ncache.{cache}");
            let printed = parse(&text).unwrap_err().to_string();
            assert!(printed.contains(complaint), "{printed}");
        }
    }

    #[test]
    fn there_is_no_anonymous_access_without_roles() {
        assert_eq!(parse("[xpack.security.authc.anonymous]\nusername = \"x\"").unwrap().1, None);
        let (_, anonymous) = parse("[xpack.security.authc.anonymous]\nroles = [\"r\"]").unwrap();
        let expected =
            AnonymousAccess { username: "_anonymous".into(), roles: vec!["r".into()], authz_exception: true };
        assert_eq!(anonymous, Some(expected));
    }

    #[test]
    fn reports_every_mistake() {
        let text = "[xpack.security.authc]
            realms.file.a.order = 1
            realms.native.b.order = 1
            realms.native._c = { enabled = true }
            realms.ldap.x.order = 2
            anonymous.username = \"elastic\"";
        let printed = parse(text).unwrap_err().to_string();
        let paths: Vec<&str> = printed.lines().map(|line| line.split(':').next().unwrap()).collect();
        let authc = "xpack.security.authc";
        assert_eq!(
            paths,
            [
                format!("{authc}.realms.native._c.order"),
                format!("{authc}.realms.native"),
                format!("{authc}.realms.native"),
                format!("{authc}.realms.ldap"),
                format!("{authc}.anonymous.username"),
            ]
        );
    }
}

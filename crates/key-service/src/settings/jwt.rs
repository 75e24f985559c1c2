//! The settings of JWT realms.
//!
//! ```toml
//! [xpack.security.authc.realms.jwt.corporate]                        # the realm's name; several are asked in the order of their names
//! token_type = "access_token"                   # or "id_token", the default
//! allowed_issuer = "https://id.example.org/"    # the claim iss
//! allowed_audiences = ["latchkey"]              # one of the claim aud must be one of these
//! allowed_subjects = ["ci", "deploy"]           # the claim sub; may be left out for ID tokens only
//! allowed_signature_algorithms = ["RS256"]      # RS256 to 512, PS256 to 512, ES256, ES384, HS256 to 512; RS256 alone
//! allowed_clock_skew = "60s"
//! pkc_jwkset_path = "https://id.example.org/keys"  # a URL, or a file, relative to this one
//! claims.principal = "sub"                      # the claim with the username
//! claims.groups = "groups"                      # the claim with the groups; without it nobody has a role
//! role_mapping = { admins = ["superuser"] }     # roles of the members of a group
//! roles_from_groups = ["key-maker"]             # groups that are the name of a role
//! ```

use std::time::Duration;

use jsonwebtoken::Algorithm;
use latchkey_elastic::TimeValue;

use crate::limits::authentication_limits::{JWT_CLOCK_SKEW_DEFAULT, JWT_CLOCK_SKEW_MAX};
use crate::model::realm_name::RealmName;
use crate::security::credential::bearer::ClientSecret;
use crate::security::jwt::claims::ClaimRules;
use crate::security::jwt::{HmacKey, JwksLocation, JwtRealmSettings, TokenType};
use crate::settings::section::Section;

/// The algorithms that may be allowed, by name. `none` is not one, and neither is a curve that the
/// verification lacks.
const ALGORITHMS: [(&str, Algorithm); 11] = [
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("HS256", Algorithm::HS256),
    ("HS384", Algorithm::HS384),
    ("HS512", Algorithm::HS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
];

/// Every realm of the section `realms.jwt`. Of a realm with mistakes what is returned does not matter.
pub(super) fn read(realms: Vec<(String, Section<'_>)>) -> Vec<JwtRealmSettings> {
    realms.into_iter().filter_map(|(name, section)| realm(name, section)).collect()
}

fn realm(name: String, mut section: Section<'_>) -> Option<JwtRealmSettings> {
    let built_in = [RealmName::reserved(), RealmName::file(), RealmName::api_key()];
    if name.is_empty() || name.starts_with('_') || built_in.iter().any(|realm| realm.name == name) {
        section.problem_here("is the name of another realm, or begins with an underscore, or is empty");
    }
    let token_type = token_type(&mut section);
    let allowed_issuer = section.required_text("allowed_issuer");
    let algorithms = algorithms(&mut section);
    let pkc_jwkset_path = key_set(&mut section);
    let hmac_key = hmac_key(&mut section, &algorithms);
    check_keys(&section, &algorithms, pkc_jwkset_path.is_some(), hmac_key.is_some());
    let client_shared_secret = client_secret(section.section("client_authentication"));
    let claims = claims(&mut section, token_type);
    section.end();
    Some(JwtRealmSettings {
        name,
        token_type,
        allowed_issuer: allowed_issuer?.to_owned(),
        allowed_signature_algorithms: algorithms,
        pkc_jwkset_path,
        hmac_key,
        client_shared_secret,
        claims: claims?,
    })
}

fn token_type(section: &mut Section<'_>) -> TokenType {
    match section.text("token_type") {
        None | Some("id_token") => TokenType::Id,
        Some("access_token") => TokenType::Access,
        Some(_) => {
            section.problem("token_type", "must be id_token or access_token");
            TokenType::Id
        }
    }
}

fn algorithms(section: &mut Section<'_>) -> Vec<Algorithm> {
    const FIELD: &str = "allowed_signature_algorithms";
    let Some(names) = section.texts(FIELD) else { return vec![Algorithm::RS256] };
    let known = |name: &String| ALGORITHMS.iter().find(|(known, _)| known == name).map(|(_, found)| *found);
    let found: Vec<Algorithm> = names.iter().filter_map(known).collect();
    if found.is_empty() || found.len() < names.len() {
        let all: Vec<&str> = ALGORITHMS.iter().map(|(name, _)| *name).collect();
        section.problem(FIELD, format!("must name some of {}", all.join(", ")));
    }
    found
}

fn key_set(section: &mut Section<'_>) -> Option<JwksLocation> {
    const FIELD: &str = "pkc_jwkset_path";
    let text = section.text(FIELD)?;
    if text.starts_with("https://") || text.starts_with("http://") {
        return Some(JwksLocation::Url(text.to_owned()));
    }
    Some(JwksLocation::File(section.directory_of(FIELD).join(text)))
}

/// The secret must be as long as the hash of each algorithm it serves (RFC 7518, section 3.2).
fn hmac_key(section: &mut Section<'_>, algorithms: &[Algorithm]) -> Option<HmacKey> {
    let text = section.secret("hmac_key")?;
    let len_min = algorithms
        .iter()
        .map(|algorithm| match algorithm {
            Algorithm::HS384 => 48,
            Algorithm::HS512 => 64,
            _ => 32,
        })
        .max()
        .unwrap_or(32);
    if text.len() < len_min {
        section.problem("hmac_key", format!("must have at least {len_min} bytes for these algorithms"));
    }
    Some(HmacKey::new(text.as_bytes().to_vec()))
}

/// Each algorithm needs its keys, and keys that no algorithm uses are a mistake too.
fn check_keys(section: &Section<'_>, algorithms: &[Algorithm], public: bool, shared: bool) {
    let is_shared =
        |algorithm: &Algorithm| matches!(algorithm, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512);
    let wants_shared = algorithms.iter().any(is_shared);
    let wants_public = algorithms.iter().any(|algorithm| !is_shared(algorithm));
    if wants_shared != shared {
        section.problem("hmac_key", "belongs to the algorithms HS256, HS384 and HS512, and they to it");
    }
    if wants_public != public {
        section.problem("pkc_jwkset_path", "belongs to the algorithms RS, PS and ES, and they to it");
    }
}

fn client_secret(mut section: Section<'_>) -> Option<ClientSecret> {
    let kind = section.text("type");
    let secret = section.secret("shared_secret");
    match (kind, secret) {
        (None | Some("none" | "shared_secret"), _) => {}
        (Some(_), _) => section.problem("type", "must be none or shared_secret"),
    }
    if (kind == Some("shared_secret")) != secret.is_some_and(|secret| !secret.trim().is_empty()) {
        section.problem("shared_secret", "belongs to the type shared_secret, and that to it");
    }
    section.end();
    secret.map(|secret| ClientSecret::presented(secret.trim()))
}

fn claims(section: &mut Section<'_>, token_type: TokenType) -> Option<ClaimRules> {
    let allowed_audiences = section.texts("allowed_audiences").unwrap_or_default();
    if allowed_audiences.is_empty() {
        section.problem("allowed_audiences", "is required, with at least one audience");
    }
    let allowed_subjects = section.texts("allowed_subjects").unwrap_or_default();
    if token_type == TokenType::Access && allowed_subjects.is_empty() {
        section.problem("allowed_subjects", "is required for access tokens");
    }
    let allowed_clock_skew = clock_skew(section);
    let mut names = section.section("claims");
    let principal = names.required_text("principal").map(str::to_owned);
    let [groups, name, mail] = ["groups", "name", "mail"].map(|claim| names.text(claim).map(str::to_owned));
    names.end();
    let populate_user_metadata = section.flag("populate_user_metadata").unwrap_or(true);
    let role_mapping = section.named_texts("role_mapping");
    let roles_from_groups = section.texts("roles_from_groups").unwrap_or_default();
    Some(ClaimRules {
        allowed_audiences,
        allowed_subjects,
        allowed_clock_skew,
        principal: principal?,
        groups,
        name,
        mail,
        populate_user_metadata,
        role_mapping,
        roles_from_groups,
    })
}

fn clock_skew(section: &mut Section<'_>) -> Duration {
    const FIELD: &str = "allowed_clock_skew";
    let skew = section.parsed(FIELD, "must be a duration of at most 1h, such as 60s", |text| {
        let skew = TimeValue::parse(text, FIELD).ok()?.to_duration();
        (skew <= JWT_CLOCK_SKEW_MAX).then_some(skew)
    });
    skew.unwrap_or(JWT_CLOCK_SKEW_DEFAULT)
}

#[cfg(test)]
mod tests;

//! JWT realms: users of an OpenID Connect provider, authenticated by JSON Web Tokens (RFC 7519).
//!
//! A realm trusts one issuer. A token is accepted when it is signed by a key of the issuer with an algorithm
//! that the operator allows, is meant for this audience, and is neither expired nor from the future. The
//! operator's settings map groups to roles: a group that is not in them grants nothing.
//!
//! Claims count only after the signature was verified; before that, only header and issuer are read, to find
//! the realm and the key. The algorithm `none` is never one that an operator can allow, and a key is only
//! used with algorithms of its own kind, so a public key never serves as a shared secret.

pub mod claims;
pub mod key_set;
pub mod key_source;

use std::path::PathBuf;
use std::sync::Arc;

use jsonwebtoken::{Algorithm, Header};
use latchkey_key_feed::UnixMillis;
use serde_json::{Map, Value};

use crate::limits::authentication_limits::JWT_LEN_MAX;
use crate::security::credential::bearer::{BearerCredential, ClientSecret};
use crate::security::jwt::claims::ClaimRules;
use crate::security::jwt::key_set::{KeySet, verify};
use crate::security::jwt::key_source::KeySource;
use crate::security::realm::User;

/// What a realm is like. The names are those of Elasticsearch's settings,
/// `xpack.security.authc.realms.jwt.<name>.*`.
#[derive(Clone, Debug)]
pub struct JwtRealmSettings {
    /// The name of the realm.
    pub name: String,
    /// Which tokens it takes.
    pub token_type: TokenType,
    /// Whose tokens it takes: the claim `iss`.
    pub allowed_issuer: String,
    /// Algorithms of signatures that it takes.
    pub allowed_signature_algorithms: Vec<Algorithm>,
    /// Where the issuer's public keys are; `None` when only the shared secret signs.
    pub pkc_jwkset_path: Option<JwksLocation>,
    /// The secret that it shares with the issuer, for `HS256`, `HS384` and `HS512`.
    pub hmac_key: Option<HmacKey>,
    /// What a client must present besides the token; `None` for nothing.
    pub client_shared_secret: Option<ClientSecret>,
    /// What it makes of the claims.
    pub claims: ClaimRules,
}

/// The two kinds of tokens of an OpenID Connect provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenType {
    /// An access token (RFC 9068). Its subjects must be named.
    Access,
    /// An ID token (OpenID Connect Core 1.0, section 2).
    Id,
}

/// Where a key set is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwksLocation {
    /// In a file.
    File(PathBuf),
    /// Behind an `http` or `https` URL.
    Url(String),
}

/// A secret shared with an issuer.
#[derive(Clone, derive_more::Debug)]
#[debug("HmacKey")]
pub struct HmacKey(Vec<u8>);

/// The realms, in the order in which they are asked.
#[derive(Clone, Debug, Default)]
pub struct JwtRealms(Arc<Vec<JwtRealm>>);

/// One realm.
#[derive(Debug)]
struct JwtRealm {
    settings: JwtRealmSettings,
    public: Option<Arc<KeySource>>,
    shared: KeySet,
}

/// A user, and until when the token is valid.
#[derive(Debug)]
pub struct VouchedUser {
    /// The user.
    pub user: User,
    /// When the token ends, with the allowed skew of clocks.
    pub expiration: UnixMillis,
}

/// Why a token is refused. For the audit log; clients are never told which.
/// Its name, in snake case, is in the metrics and in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case", prefix = "jwt_")]
pub enum JwtRejection {
    /// It is signed with an algorithm that is not allowed.
    Algorithm,
    /// It is meant for another audience.
    Audience,
    /// A claim that is needed is absent or of the wrong type.
    Claim,
    /// The client did not prove that it may present it.
    Client,
    /// Its time is over.
    Expired,
    /// No realm takes tokens of its issuer.
    Issuer,
    /// The issuer's keys could not be fetched yet.
    KeysUnavailable,
    /// Its header has a critical extension that is not known.
    Malformed,
    /// It is not valid yet.
    NotYetValid,
    /// No key of the issuer made its signature.
    Signature,
    /// Its subject is not allowed.
    Subject,
}

/// Why a client for key sets could not be made.
#[derive(Debug, thiserror::Error)]
#[error("key sets cannot be fetched: {0}")]
pub struct NoFetcher(#[source] rustls::Error);

/// A text in the form of a token. Nothing in it is verified.
struct UnprovenJwt<'a> {
    text: &'a str,
    header: Header,
    issuer: Option<String>,
}

impl JwtRealms {
    /// The realms with these settings, in this order.
    ///
    /// # Errors
    ///
    /// [`NoFetcher`] when key sets cannot be fetched at all.
    pub fn new(all: Vec<JwtRealmSettings>) -> Result<Self, NoFetcher> {
        let realms = all.into_iter().map(JwtRealm::new).collect::<Result<_, _>>()?;
        Ok(Self(Arc::new(realms)))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them has this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|realm| realm.settings.name == name)
    }

    /// The user of a token; `None` when the text is no JSON Web Token, or there is no realm.
    ///
    /// # Errors
    ///
    /// [`JwtRejection`] when it is a JSON Web Token and not valid.
    pub async fn authenticate(
        &self,
        credential: &BearerCredential,
        now: UnixMillis,
    ) -> Result<Option<VouchedUser>, JwtRejection> {
        let Some(token) = self.recognize(credential) else { return Ok(None) };
        let mut rejection = JwtRejection::Issuer;
        let issuer = token.issuer.as_deref();
        for realm in self.0.iter().filter(|realm| issuer == Some(realm.settings.allowed_issuer.as_str())) {
            match realm.authenticate(&token, credential.client_secret.as_ref(), now).await {
                Ok(user) => return Ok(Some(user)),
                // When one realm could not check the token, the refusal of another realm does not make it
                // bad.
                Err(_) if rejection == JwtRejection::KeysUnavailable => {}
                Err(refused) => rejection = refused,
            }
        }
        Err(rejection)
    }

    /// Whether a realm would check this token.
    #[must_use]
    pub fn knows_the_form_of(&self, credential: &BearerCredential) -> bool {
        self.recognize(credential).is_some()
    }

    fn recognize<'a>(&self, credential: &'a BearerCredential) -> Option<UnprovenJwt<'a>> {
        let text = credential.token.expose();
        if self.is_empty() || text.len() > JWT_LEN_MAX {
            return None;
        }
        let header = jsonwebtoken::decode_header(text).ok()?;
        let claims: Map<String, Value> = jsonwebtoken::dangerous::insecure_decode(text).ok()?.claims;
        let issuer = claims.get("iss").and_then(Value::as_str).map(str::to_owned);
        Some(UnprovenJwt { text, header, issuer })
    }
}

impl JwtRealm {
    fn new(settings: JwtRealmSettings) -> Result<Self, NoFetcher> {
        let public = settings
            .pkc_jwkset_path
            .clone()
            .map(|location| KeySource::new(settings.name.clone(), location).map(Arc::new))
            .transpose()?;
        let shared = settings.hmac_key.as_ref().map(|key| KeySet::shared(&key.0)).unwrap_or_default();
        Ok(Self { settings, public, shared })
    }

    async fn authenticate(
        &self,
        token: &UnprovenJwt<'_>,
        client: Option<&ClientSecret>,
        now: UnixMillis,
    ) -> Result<VouchedUser, JwtRejection> {
        let settings = &self.settings;
        if let Some(expected) = &settings.client_shared_secret
            && !client.is_some_and(|secret| secret.matches(expected))
        {
            return Err(JwtRejection::Client);
        }
        if !settings.allowed_signature_algorithms.contains(&token.header.alg) {
            return Err(JwtRejection::Algorithm);
        }
        settings.token_type.accept(&token.header)?;
        let claims = self.proven_claims(token, now).await?;
        settings.claims.user(&claims, &settings.name, settings.token_type, now)
    }

    /// The claims, once the signature is verified. A key that is not in the set may be new: then the set is
    /// fetched again.
    async fn proven_claims(
        &self,
        token: &UnprovenJwt<'_>,
        now: UnixMillis,
    ) -> Result<Map<String, Value>, JwtRejection> {
        if let Some(claims) = verify(&self.shared, token.text, &token.header) {
            return Ok(claims);
        }
        let Some(source) = &self.public else { return Err(JwtRejection::Signature) };
        let keys = source.keys(now).await.ok_or(JwtRejection::KeysUnavailable)?;
        if let Some(claims) = verify(&keys, token.text, &token.header) {
            return Ok(claims);
        }
        let newer = source.newer_than(&keys, now).await.ok_or(JwtRejection::Signature)?;
        verify(&newer, token.text, &token.header).ok_or(JwtRejection::Signature)
    }
}

impl TokenType {
    /// The word that settings and metadata use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access_token",
            Self::Id => "id_token",
        }
    }

    /// Refuses a header that is not one of such a token, or that says something must be understood, because
    /// nothing beyond the standard is (RFC 7515, section 4.1.11).
    fn accept(self, header: &Header) -> Result<(), JwtRejection> {
        let typ = header.typ.as_deref().map(str::to_ascii_lowercase);
        let fits = match typ.as_deref() {
            None | Some("jwt") => true,
            Some("at+jwt" | "application/at+jwt") => self == Self::Access,
            Some(_) => false,
        };
        if fits && header.crit.is_none() { Ok(()) } else { Err(JwtRejection::Malformed) }
    }
}

impl HmacKey {
    /// A key of these bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl std::error::Error for JwtRejection {}

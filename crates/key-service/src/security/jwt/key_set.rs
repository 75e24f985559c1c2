//! The keys of an issuer (RFC 7517), and whether one of them made a signature.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::limits::authentication_limits::{JWK_RSA_LEN_MAX, JWK_RSA_LEN_MIN, JWKS_KEYS_MAX};

/// Keys that verify signatures.
#[derive(Clone, Debug, Default)]
pub struct KeySet(Vec<VerifyingKey>);

/// One key, and what it may be used for.
#[derive(Clone, derive_more::Debug)]
#[debug("VerifyingKey {{ id: {id:?}, .. }}")]
struct VerifyingKey {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

/// A text that is no key set, or a set of which no key can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no JSON Web Key Set with a key that can be used")]
pub struct InvalidKeySet;

/// Read key by key, so that one of an unknown kind does not spoil the others (RFC 7517, section 5).
#[derive(Deserialize)]
struct JwksDocument {
    keys: Vec<Value>,
}

const RSA: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

const HMAC: [Algorithm; 3] = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];

impl KeySet {
    /// The public keys of a JSON Web Key Set. Keys that are not for signatures, too weak or not understood
    /// are left out, and so are all symmetric ones, which have no place in a public set.
    ///
    /// # Errors
    ///
    /// [`InvalidKeySet`] when no key is left.
    pub fn parse(text: &[u8]) -> Result<Self, InvalidKeySet> {
        let document: JwksDocument = serde_json::from_slice(text).map_err(|_| InvalidKeySet)?;
        let keys: Vec<VerifyingKey> =
            document.keys.into_iter().filter_map(VerifyingKey::public).take(JWKS_KEYS_MAX).collect();
        if keys.is_empty() { Err(InvalidKeySet) } else { Ok(Self(keys)) }
    }

    /// The set of one secret.
    #[must_use]
    pub fn shared(secret: &[u8]) -> Self {
        let key = DecodingKey::from_secret(secret);
        Self(vec![VerifyingKey { id: None, algorithms: HMAC.to_vec(), key }])
    }
}

/// The claims of a token whose signature a key of the set made. A token that names a key is tried with that
/// key alone, unless the key is the shared secret, which has no name.
#[must_use]
pub fn verify(keys: &KeySet, token: &str, header: &Header) -> Option<Map<String, Value>> {
    let mut validation = Validation::new(header.alg);
    // Claims are checked in `claims`, which gets the realm's settings and the time as arguments.
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    let is_candidate = |key: &&VerifyingKey| {
        key.algorithms.contains(&header.alg)
            && (header.kid.is_none() || key.id == header.kid || HMAC.contains(&header.alg))
    };
    keys.0
        .iter()
        .filter(is_candidate)
        .find_map(|key| jsonwebtoken::decode(token, &key.key, &validation).ok())
        .map(|proven| proven.claims)
}

impl VerifyingKey {
    fn public(value: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let common = &jwk.common;
        let for_signatures = common.public_key_use.as_ref().is_none_or(|of| *of == PublicKeyUse::Signature);
        let operations = common.key_operations.as_ref();
        if !for_signatures || operations.is_some_and(|all| !all.contains(&KeyOperations::Verify)) {
            return None;
        }
        let mut algorithms = match &jwk.algorithm {
            AlgorithmParameters::RSA(key) => {
                let modulus = URL_SAFE_NO_PAD.decode(&key.n).ok()?;
                let len = modulus.iter().skip_while(|byte| **byte == 0).count();
                (JWK_RSA_LEN_MIN..=JWK_RSA_LEN_MAX).contains(&len).then(|| RSA.to_vec())?
            }
            AlgorithmParameters::EllipticCurve(key) => match key.curve {
                EllipticCurve::P256 => vec![Algorithm::ES256],
                EllipticCurve::P384 => vec![Algorithm::ES384],
                _ => return None,
            },
            _ => return None,
        };
        if let Some(only) = common.key_algorithm {
            let only = Algorithm::try_from(only).ok()?;
            algorithms.retain(|algorithm| *algorithm == only);
        }
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        (!algorithms.is_empty()).then_some(Self { id: jwk.common.key_id, algorithms, key })
    }
}

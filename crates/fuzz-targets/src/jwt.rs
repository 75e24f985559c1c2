//! JSON Web Tokens, and the key sets of those who issue them.
//!
//! The first byte says what comes: `r` a token as it is, `s` the header of a token in a line and then its
//! claims, to be signed, `w` the same with a key that is not the realm's, `c` claims alone, `k` a key set.

use std::collections::BTreeMap;
use std::future::Future as _;
use std::pin::pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Header};
use latchkey_key_feed::UnixMillis;
use latchkey_key_service::security::credential::bearer::{BearerCredential, BearerText};
use latchkey_key_service::security::jwt::claims::ClaimRules;
use latchkey_key_service::security::jwt::key_set::{KeySet, verify};
use latchkey_key_service::security::jwt::{
    HmacKey, JwtRealmSettings, JwtRealms, JwtRejection, TokenType, VouchedUser,
};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256, Sha512};

use crate::allocation::within;
use crate::input::Input;

const NOW_S: u64 = 1_767_225_600;
const SKEW_S: u64 = 60;
const ISSUER: &str = "https://issuer";
const AUDIENCE: &str = "latchkey";
const KEY: &[u8] = b"a secret that issuer and realm share";
const WRONG_KEY: &[u8] = b"a secret that nobody shares with it.";
const GROUP: &str = "staff";
const ROLE: &str = "reader";

/// How many times its bytes a token may cost, and what it may cost however short it is.
const COST_PER_BYTE: usize = 64;
const COST_BASE: usize = 64 * 1024;

/// * A token is accepted only if an HMAC of our own says that it was signed, and its claims fit by a second
///   reading. With the header that our issuer writes, it is refused only if they do not.
/// * The roles of its user are those that the operator gave to a group.
/// * Whatever key set is read, a token that none of its keys has signed is refused.
pub fn jwt(data: &[u8]) {
    let mut input = Input::of(data);
    let mode = input.byte();
    let token = match mode {
        b'k' => return key_set(input.rest()),
        b's' => signed(input.line(), input.rest(), KEY),
        b'w' => signed(input.line(), input.rest(), WRONG_KEY),
        b'c' => signed(br#"{"alg":"HS256","typ":"JWT"}"#, input.rest(), KEY),
        _ => Some(String::from_utf8_lossy(input.rest()).into_owned()),
    };
    let Some(token) = token else { return };
    let outcome = within(COST_PER_BYTE * token.len() + COST_BASE, || authenticate(&token));
    let fitting = fitting_claims(&token);
    match outcome {
        Ok(Some(found)) => {
            let claims = fitting.expect("it was not signed, or its claims do not fit");
            assert_eq!(Some(found.user.username.as_str()), claims.get("sub").and_then(Value::as_str));
            assert!(found.user.roles.iter().all(|role| role == ROLE));
            assert!(found.expiration.0 > NOW_S * 1_000);
        }
        Ok(None) => assert!(mode != b'c' || fitting.is_none(), "it is taken for something else: {token}"),
        Err(refusal) => assert!(mode != b'c' || fitting.is_none(), "{refusal}: {token}"),
    }
}

/// What our realm says of a token. It has no key set, so nothing is waited for.
fn authenticate(token: &str) -> Result<Option<VouchedUser>, JwtRejection> {
    static REALMS: OnceLock<JwtRealms> = OnceLock::new();
    let realms = REALMS.get_or_init(|| JwtRealms::new(vec![realm()]).expect("a realm"));
    let credential = BearerCredential { token: BearerText::presented(token), client_secret: None };
    let authenticated = pin!(realms.authenticate(&credential, UnixMillis(NOW_S * 1_000)));
    match authenticated.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("a realm without a key set waits"),
    }
}

fn realm() -> JwtRealmSettings {
    JwtRealmSettings {
        name: "corporate".to_owned(),
        token_type: TokenType::Id,
        allowed_issuer: ISSUER.to_owned(),
        allowed_signature_algorithms: vec![Algorithm::HS256, Algorithm::HS512],
        pkc_jwkset_path: None,
        hmac_key: Some(HmacKey::new(KEY.to_vec())),
        client_shared_secret: None,
        claims: ClaimRules {
            allowed_audiences: vec![AUDIENCE.to_owned()],
            allowed_subjects: Vec::new(),
            allowed_clock_skew: Duration::from_secs(SKEW_S),
            principal: "sub".to_owned(),
            groups: Some("groups".to_owned()),
            name: Some("name".to_owned()),
            mail: Some("email".to_owned()),
            populate_user_metadata: true,
            role_mapping: BTreeMap::from([(GROUP.to_owned(), vec![ROLE.to_owned()])]),
            roles_from_groups: Vec::new(),
        },
    }
}

/// The claims of a token that a key of ours has signed, if they fit by a reading of our own.
fn fitting_claims(token: &str) -> Option<Map<String, Value>> {
    let parts: Vec<&str> = token.split('.').collect();
    let [header_text, claims_text, signature] = parts[..] else { return None };
    let header: Map<String, Value> = decoded(header_text)?;
    let message = format!("{header_text}.{claims_text}");
    let mac = match header.get("alg")?.as_str()? {
        "HS256" => hmac::<Sha256>(64, KEY, message.as_bytes()),
        "HS512" => hmac::<Sha512>(128, KEY, message.as_bytes()),
        _ => return None,
    };
    let typ = header.get("typ").and_then(Value::as_str).unwrap_or("jwt");
    let is_ours = typ.eq_ignore_ascii_case("jwt") && header.get("crit").is_none_or(Value::is_null);
    let claims: Map<String, Value> = decoded(claims_text)?;
    let is_signed = URL_SAFE_NO_PAD.decode(signature).is_ok_and(|bytes| bytes == mac);
    (is_signed && is_ours && fit(&claims)).then_some(claims)
}

fn fit(claims: &Map<String, Value>) -> bool {
    let text = |name| claims.get(name).and_then(Value::as_str);
    let seconds = |name| claims.get(name).and_then(Value::as_f64).filter(|seconds| *seconds >= 0.0);
    let texts = |value: &Value| match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(items) => items.iter().map(|it| it.as_str().map(str::to_owned)).collect(),
        _ => None,
    };
    let (Some(ends), Some(made), Some(subject)) = (seconds("exp"), seconds("iat"), text("sub")) else {
        return false;
    };
    let begins = if claims.contains_key("nbf") { seconds("nbf") } else { Some(made) };
    let latest = (NOW_S + SKEW_S) as f64;
    let is_in_time = begins.is_some_and(|begins| begins <= latest) && made <= latest;
    let is_user = (1..=507).contains(&subject.chars().count())
        && subject.trim() == subject
        && !subject.contains(char::is_control);
    let groups = claims.get("groups").map_or(Some(Vec::new()), texts);
    text("iss") == Some(ISSUER)
        && claims.get("aud").and_then(texts).is_some_and(|all| all.iter().any(|it| it == AUDIENCE))
        && is_in_time
        && ends + SKEW_S as f64 > NOW_S as f64
        && is_user
        && groups.is_some_and(|groups| groups.len() <= 1_000)
}

fn decoded(text: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

/// A token of this header and these claims; nothing when the header names no algorithm of ours.
fn signed(header: &[u8], claims: &[u8], key: &[u8]) -> Option<String> {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let algorithm = serde_json::from_slice::<Map<String, Value>>(header).ok()?;
    let mac = match algorithm.get("alg")?.as_str()? {
        "HS512" => hmac::<Sha512>(128, key, message.as_bytes()),
        _ => hmac::<Sha256>(64, key, message.as_bytes()),
    };
    Some(format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac)))
}

/// HMAC (RFC 2104) with a hash of that block length, by a key that is not longer.
fn hmac<H: Digest>(block_len: usize, key: &[u8], message: &[u8]) -> Vec<u8> {
    let padded = |with: u8| {
        let mut block = vec![with; block_len];
        block.iter_mut().zip(key).for_each(|(byte, of_key)| *byte ^= of_key);
        block
    };
    let inner = H::new().chain_update(padded(0x36)).chain_update(message).finalize();
    H::new().chain_update(padded(0x5c)).chain_update(inner).finalize().to_vec()
}

fn key_set(data: &[u8]) {
    let Ok(keys) = KeySet::parse(data) else { return };
    for (algorithm, signature_len) in
        [(Algorithm::ES256, 64), (Algorithm::RS256, 256), (Algorithm::HS256, 32)]
    {
        let header = Header::new(algorithm);
        let text = serde_json::to_vec(&header).expect("a header has a JSON form");
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(text), URL_SAFE_NO_PAD.encode("{}"));
        for byte in [0, 1, 0x55, 0xff] {
            let signature = URL_SAFE_NO_PAD.encode(vec![byte; signature_len]);
            assert!(verify(&keys, &format!("{message}.{signature}"), &header).is_none());
        }
    }
}

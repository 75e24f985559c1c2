//! Real keys, made here, and a real provider that serves them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, StatusCode};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use latchkey_key_service::limits::authentication_limits::{JWKS_LEN_MAX, JWT_LEN_MAX};
use latchkey_key_service::security::credential::bearer::ClientSecret;
use latchkey_key_service::security::jwt::claims::ClaimRules;
use latchkey_key_service::security::jwt::{HmacKey, JwksLocation, JwtRealmSettings, JwtRealms, TokenType};
use latchkey_key_service::settings::{ServiceSettings, TokenSettings};
use p256::pkcs8::EncodePrivateKey as _;
use rsa::pkcs1::EncodeRsaPrivateKey as _;
use rsa::rand_core::OsRng;
use rsa::traits::PublicKeyParts as _;
use serde_json::{Value, json};

use crate::service::{Answer, BEGINNING, Service};

const WHO: &str = "/_security/_authenticate";
const ISSUER: &str = "https://id.example.org/";
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A key of the provider.
struct ProviderKey {
    id: &'static str,
    algorithm: Algorithm,
    private: EncodingKey,
    public: Value,
}

/// A provider that serves what the test says, and counts requests.
#[derive(Clone)]
struct Provider {
    url: String,
    answer: Arc<Mutex<(StatusCode, String)>>,
    asked: Arc<AtomicUsize>,
}

impl ProviderKey {
    fn p256(id: &'static str) -> Self {
        let key = p256::ecdsa::SigningKey::random(&mut OsRng);
        let point = key.verifying_key().to_encoded_point(false);
        let [x, y] = [point.x(), point.y()].map(|part| URL_SAFE_NO_PAD.encode(part.unwrap()));
        let private = EncodingKey::from_ec_der(key.to_pkcs8_der().unwrap().as_bytes());
        let public = json!({"kty": "EC", "crv": "P-256", "kid": id, "use": "sig", "x": x, "y": y});
        Self { id, algorithm: Algorithm::ES256, private, public }
    }

    fn rsa(id: &'static str) -> Self {
        let key = rsa::RsaPrivateKey::new(&mut OsRng, 2_048).unwrap();
        let [n, e] = [key.n(), key.e()].map(|part| URL_SAFE_NO_PAD.encode(part.to_bytes_be()));
        let private = EncodingKey::from_rsa_der(key.to_pkcs1_der().unwrap().as_bytes());
        let public = json!({"kty": "RSA", "kid": id, "alg": "RS256", "n": n, "e": e});
        Self { id, algorithm: Algorithm::RS256, private, public }
    }

    fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.id.to_owned()), ..Header::new(self.algorithm) };
        jsonwebtoken::encode(&header, claims, &self.private).unwrap()
    }
}

impl Provider {
    async fn serving(keys: &[&ProviderKey]) -> Self {
        let answer = Arc::new(Mutex::new((StatusCode::OK, key_set(keys))));
        let asked = Arc::new(AtomicUsize::new(0));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let provider = Self { url, answer, asked };
        let router = Router::new().route("/keys", get(Self::answer)).with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        provider
    }

    async fn answer(State(provider): State<Self>) -> (StatusCode, String) {
        provider.asked.fetch_add(1, Ordering::SeqCst);
        provider.answer.lock().unwrap().clone()
    }

    fn serve(&self, status: StatusCode, text: String) {
        *self.answer.lock().unwrap() = (status, text);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn location(&self) -> Option<JwksLocation> {
        Some(JwksLocation::Url(self.url.clone()))
    }
}

fn key_set(keys: &[&ProviderKey]) -> String {
    let mut all: Vec<&Value> = keys.iter().map(|key| &key.public).collect();
    // A key of an unknown kind, which must not make the others useless.
    let unknown = json!({"kty": "XYZ", "kid": "unknown", "use": "sig"});
    all.insert(0, &unknown);
    json!({"keys": all}).to_string()
}

fn settings(pkc_jwkset_path: Option<JwksLocation>) -> JwtRealmSettings {
    JwtRealmSettings {
        name: "corporate".to_owned(),
        token_type: TokenType::Id,
        allowed_issuer: ISSUER.to_owned(),
        allowed_signature_algorithms: vec![Algorithm::ES256, Algorithm::RS256],
        pkc_jwkset_path,
        hmac_key: None,
        client_shared_secret: None,
        claims: ClaimRules {
            allowed_audiences: vec!["latchkey".to_owned()],
            allowed_subjects: Vec::new(),
            allowed_clock_skew: Duration::from_secs(60),
            principal: "sub".to_owned(),
            groups: Some("groups".to_owned()),
            name: Some("name".to_owned()),
            mail: None,
            populate_user_metadata: false,
            role_mapping: BTreeMap::from([("staff".to_owned(), vec!["own".to_owned()])]),
            roles_from_groups: vec!["tokens".to_owned()],
        },
    }
}

async fn service(realm: JwtRealmSettings) -> Service {
    let tokens = TokenSettings { enabled: true, ..TokenSettings::default() };
    let realms = JwtRealms::new(vec![realm]).unwrap();
    Service::with_jwt_realms(ServiceSettings { tokens, ..ServiceSettings::default() }, realms).await
}

fn claims(changes: Value) -> Value {
    let now = BEGINNING / 1_000;
    let mut claims = json!({
        "iss": ISSUER, "sub": "alice", "aud": ["latchkey"], "iat": now, "exp": now + 600, "name": "Alice",
        "groups": ["staff", "superuser"],
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

async fn present(service: &Service, token: &str) -> Answer {
    service.presenting(format!("Bearer {token}")).get(WHO).await
}

#[track_caller]
fn assert_refused(answer: &Answer, case: &str) {
    let (status, kind, reason) = answer.error();
    assert_eq!((status, kind.as_str()), (401, "security_exception"), "{case}");
    assert_eq!(
        reason,
        "unable to authenticate user [<unrecognized-jwt>] for REST request [/_security/_authenticate]",
        "{case}"
    );
    let tried = &answer.json()["error"]["additional_unsuccessful_credentials"];
    assert_eq!(tried, "oauth2 token: invalid token", "{case}");
    assert_eq!(answer.header("www-authenticate").len(), 3, "{case}");
}

// Shown like any other user, with the realm that verified the token.
#[tokio::test]
async fn a_signed_token_authenticates_its_user() {
    let key = ProviderKey::p256("one");
    let provider = Provider::serving(&[&key]).await;
    let service = service(settings(provider.location())).await;
    let token = key.sign(&claims(json!({})));
    let answer = present(&service, &token).await;
    assert_eq!(
        answer.text,
        "{\"username\":\"alice\",\"roles\":[\"own\"],\"full_name\":\"Alice\",\"email\":null,\"metadata\":{},\
         \"enabled\":true,\"authentication_realm\":{\"name\":\"corporate\",\"type\":\"jwt\"},\
         \"lookup_realm\":{\"name\":\"corporate\",\"type\":\"jwt\"},\"authentication_type\":\"realm\"}"
    );
    let client = service.presenting(format!("bearer {token}"));
    let made = client.make(r#"{"name":"k"}"#).await;
    let listed = client.get("/_security/api_key?owner=true").await.json();
    assert_eq!(listed["api_keys"][0]["id"], made.id);
    assert_eq!(listed["api_keys"][0]["realm"], "corporate");
    assert_eq!(service.key(&made).get(WHO).await.json()["username"], "alice");
    assert_eq!(provider.asked(), 1, "the keys are kept");
}

#[tokio::test]
async fn the_keys_may_be_in_a_file() {
    let key = ProviderKey::rsa("one");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.json");
    std::fs::write(&path, key_set(&[&key])).unwrap();
    let service = service(settings(Some(JwksLocation::File(path)))).await;
    let token = key.sign(&claims(json!({"groups": "tokens"})));
    assert_eq!(present(&service, &token).await.json()["roles"], json!(["tokens"]));
    let other = ProviderKey { private: ProviderKey::rsa("one").private, ..key };
    assert_refused(&present(&service, &other.sign(&claims(json!({})))).await, "another key of the same name");
}

#[tokio::test]
async fn a_token_that_breaks_a_rule_authenticates_nobody() {
    let key = ProviderKey::p256("one");
    let provider = Provider::serving(&[&key]).await;
    let service = service(settings(provider.location())).await;
    let now = BEGINNING / 1_000;
    let good = key.sign(&claims(json!({})));
    assert_eq!(present(&service, &good).await.status, StatusCode::OK);
    for changes in [
        json!({"exp": now - 60}),
        json!({"exp": null}),
        json!({"iat": now + 61}),
        json!({"nbf": now + 61}),
        json!({"aud": "other"}),
        json!({"iss": "https://evil.example.org/"}),
        json!({"iss": null}),
        json!({"sub": null}),
        json!({"sub": ""}),
    ] {
        assert_refused(&present(&service, &key.sign(&claims(changes.clone()))).await, &changes.to_string());
    }
    let parts: Vec<&str> = good.split('.').collect();
    let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let forged = claims(json!({"sub": "elastic"}));
    let public = URL_SAFE_NO_PAD.decode(key.public["x"].as_str().unwrap()).unwrap();
    let confused = jsonwebtoken::encode(
        &Header { kid: Some("one".to_owned()), ..Header::new(Algorithm::HS256) },
        &forged,
        &EncodingKey::from_secret(&public),
    )
    .unwrap();
    let stranger = ProviderKey::p256("one").sign(&forged);
    let critical = {
        let header = Header {
            crit: Some(vec!["x".to_owned()]),
            kid: Some("one".to_owned()),
            ..Header::new(Algorithm::ES256)
        };
        jsonwebtoken::encode(&header, &claims(json!({})), &key.private).unwrap()
    };
    for (case, token) in [
        ("other claims under the signature", format!("{}.{}.{}", parts[0], encode(forged.clone()), parts[2])),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("signed with a public key as a secret", confused),
        ("signed by a stranger", stranger),
        ("something that must be understood", critical),
    ] {
        assert_refused(&present(&service, &token).await, case);
    }
    // What has no header that can be read is no such token at all.
    let none = format!("{}.{}.", encode(json!({"alg": "none", "typ": "JWT"})), encode(forged));
    let unreadable = present(&service, &none).await;
    assert_eq!(unreadable.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_new_key_is_found_and_a_provider_that_is_down_locks_nobody_out() {
    let (old, new) = (ProviderKey::p256("old"), ProviderKey::p256("new"));
    let provider = Provider::serving(&[&old]).await;
    let service = service(settings(provider.location())).await;
    let [by_old, by_new] = [&old, &new].map(|key| key.sign(&claims(json!({}))));
    assert_eq!(present(&service, &by_old).await.status, StatusCode::OK);
    assert_refused(&present(&service, &by_new).await, "not published yet");
    assert_refused(&present(&service, &by_new).await, "and nobody asks again so soon");
    assert_eq!(provider.asked(), 1);
    for (status, text) in [
        (StatusCode::INTERNAL_SERVER_ERROR, key_set(&[&new])),
        (StatusCode::OK, "{}".to_owned()),
        (StatusCode::OK, " ".repeat(300 * 1_024) + &key_set(&[&new])),
        (StatusCode::FOUND, key_set(&[&new])),
    ] {
        service.clock.advance_ms(10_000);
        provider.serve(status, text);
        assert_refused(&present(&service, &by_new).await, "no usable key set");
        assert_eq!(present(&service, &by_old).await.status, StatusCode::OK, "the old keys count");
    }
    assert_eq!(provider.asked(), 5);
    service.clock.advance_ms(10_000);
    provider.serve(StatusCode::OK, key_set(&[&new]));
    assert_eq!(present(&service, &by_new).await.status, StatusCode::OK);
    assert_refused(&present(&service, &by_old).await, "withdrawn");
}

#[tokio::test]
async fn without_keys_the_token_is_not_called_bad() {
    let key = ProviderKey::p256("one");
    let provider = Provider::serving(&[&key]).await;
    provider.serve(StatusCode::BAD_GATEWAY, String::new());
    let service = service(settings(provider.location())).await;
    let token = key.sign(&claims(json!({})));
    assert_eq!(present(&service, &token).await.status, StatusCode::SERVICE_UNAVAILABLE);
    provider.serve(StatusCode::OK, key_set(&[&key]));
    service.clock.advance_ms(10_000);
    assert_eq!(present(&service, &token).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_shared_secret_signs_and_another_proves_the_client() {
    let realm = JwtRealmSettings {
        allowed_signature_algorithms: vec![Algorithm::HS256],
        hmac_key: Some(HmacKey::new(SECRET.as_bytes().to_vec())),
        client_shared_secret: Some(ClientSecret::presented("client secret")),
        ..settings(None)
    };
    let service = service(realm).await;
    let sign = |secret: &str| {
        let key = EncodingKey::from_secret(secret.as_bytes());
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims(json!({})), &key).unwrap()
    };
    let ask = async |token: &str, client: Option<&str>| {
        let mut request = Request::get(WHO).header("authorization", format!("Bearer {token}"));
        if let Some(client) = client {
            request = request.header("es-client-authentication", client);
        }
        service.send(request.body(Body::empty()).unwrap()).await
    };
    let good = sign(SECRET);
    assert_eq!(ask(&good, Some("SharedSecret client secret")).await.json()["username"], "alice");
    for client in [None, Some("SharedSecret client"), Some("Basic client secret"), Some("SharedSecret ")] {
        assert_refused(&ask(&good, client).await, client.unwrap_or("none"));
    }
    let wrong = sign("another secret that is long enough...");
    assert_refused(&ask(&wrong, Some("SharedSecret client secret")).await, "another secret");
}

// A token whose realm could not read its keys is not called bad, neither by that realm nor by the next one.
#[tokio::test]
async fn keys_out_of_reach_are_trouble_of_the_service_whatever_another_realm_says() {
    let (key, another) = (ProviderKey::p256("one"), ProviderKey::p256("two"));
    let away = Provider::serving(&[&key]).await;
    away.serve(StatusCode::INTERNAL_SERVER_ERROR, String::new());
    let other = Provider::serving(&[&another]).await;
    let of = |name: &str, provider: &Provider| JwtRealmSettings {
        name: name.to_owned(),
        ..settings(provider.location())
    };
    let realms = JwtRealms::new(vec![of("away", &away), of("other", &other)]).unwrap();
    let service = Service::with_jwt_realms(ServiceSettings::default(), realms).await;
    assert_eq!(present(&service, &key.sign(&claims(json!({})))).await.status, 503);
    assert_eq!(present(&service, &another.sign(&claims(json!({})))).await.status, 200);
    let metrics = service.anonymous().get("/metrics").await.text;
    let counted = r#"latchkey_authentication_unavailable_total{reason="jwt_keys_unavailable"}"#;
    assert!(metrics.contains(counted), "{metrics}");
    assert!(
        !metrics.contains(r#"authentication_failures_total{reason="jwt_keys_unavailable"}"#),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_token_is_read_up_to_its_limit_and_not_beyond() {
    let key = ProviderKey::p256("one");
    let provider = Provider::serving(&[&key]).await;
    let service = service(settings(provider.location())).await;
    let token = |filler: usize| key.sign(&claims(json!({"filler": "x".repeat(filler)})));
    // Three bytes more are four characters more.
    let most = (JWT_LEN_MAX - token(0).len()) / 4 * 3;
    let lens: Vec<_> = (most..most + 8).map(|filler| (filler, token(filler).len())).collect();
    let longest = lens.iter().rfind(|(_, len)| *len <= JWT_LEN_MAX).unwrap().0;
    assert!(token(longest).len() >= JWT_LEN_MAX - 1);
    assert_eq!(present(&service, &token(longest)).await.status, StatusCode::OK);
    assert_eq!(present(&service, &token(longest + 1)).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_key_set_is_read_up_to_its_limit_and_not_beyond() {
    let key = ProviderKey::p256("one");
    let token = key.sign(&claims(json!({})));
    for (len, status) in [(JWKS_LEN_MAX, StatusCode::OK), (JWKS_LEN_MAX + 1, StatusCode::SERVICE_UNAVAILABLE)]
    {
        let provider = Provider::serving(&[]).await;
        let set = key_set(&[&key]);
        provider.serve(StatusCode::OK, format!("{set}{}", " ".repeat(len - set.len())));
        let service = service(settings(provider.location())).await;
        assert_eq!(present(&service, &token).await.status, status, "{len}");
    }
}

//! A service to ask, and the callers who ask it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, Request, Response, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_key_feed::Epoch;
use latchkey_key_service::api::{AskedVia, app};
use latchkey_key_service::clock::Clock as _;
use latchkey_key_service::model::password::PasswordHash;
use latchkey_key_service::model::realm_name::RealmName;
use latchkey_key_service::randomness::SystemRandomness;
use latchkey_key_service::security::jwt::JwtRealms;
use latchkey_key_service::security::password::PasswordChecker;
use latchkey_key_service::security::realm::Realms;
use latchkey_key_service::security::realm_chain::end_tokens_of_the_gone;
use latchkey_key_service::service::{self, ServiceParts};
use latchkey_key_service::settings::users_file::UserFile;
use latchkey_key_service::settings::{KeyPolicy, ServiceSettings};
use latchkey_key_service::store::KeyStore;
use latchkey_key_service::store::location::{PostgresLocation, StoreLocation};
use latchkey_local_stack::secrecy;
use serde_json::Value;
use tokio::sync::watch;
use tower::ServiceExt as _;

use crate::cheap_hash::cheap_hash;
use crate::manual_clock::ManualClock;
use crate::scratch::{Scratch, ScratchLocation};
use crate::searched_log::search_the_log;

/// The moment at which every test begins: 2026-01-01T00:00:00Z.
pub(crate) const BEGINNING: u64 = 1_767_225_600_000;

/// The password of every user.
pub(crate) const PASSWORD: &str = "correct horse";

/// Users and what they may do; every name says it.
pub(crate) const USERS: &str = include_str!("users.toml");

/// A service over a store of its own. Its clock moves only when told.
pub(crate) struct Service {
    pub(crate) store: KeyStore,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) stop: watch::Sender<bool>,
    router: Router,
    pub(crate) scratch: Arc<Scratch>,
    realms: Realms,
    order: Vec<RealmName>,
}

/// A caller of a service, with or without a credential.
#[derive(Clone)]
pub(crate) struct Client<'a> {
    service: &'a Service,
    authorization: Option<String>,
    run_as: Option<String>,
    via: Option<AskedVia>,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) len: usize,
    pub(crate) text: String,
}

/// A key as its maker sees it once.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) encoded: String,
}

impl Service {
    pub(crate) async fn new() -> Self {
        Self::with(ServiceSettings::default()).await
    }

    pub(crate) async fn with(settings: ServiceSettings) -> Self {
        Self::with_jwt_realms(settings, JwtRealms::default()).await
    }

    pub(crate) async fn with_jwt_realms(settings: ServiceSettings, jwt_realms: JwtRealms) -> Self {
        let scratch = Arc::new(Scratch::new().await);
        let clock = ManualClock::at(BEGINNING);
        Self::over(scratch, Arc::new(clock), settings, jwt_realms, USERS).await
    }

    /// Another service over the same store: a replica, or the same one after a restart. `users` is its users
    /// file.
    pub(crate) async fn beside(&self, settings: ServiceSettings, users: &str) -> Self {
        let (scratch, clock) = (Arc::clone(&self.scratch), Arc::clone(&self.clock));
        Self::over(scratch, clock, settings, JwtRealms::default(), users).await
    }

    /// The service that is started anew over the same store. Its steady clock begins anew too.
    pub(crate) async fn restart(self, settings: ServiceSettings) -> Self {
        let Self { store, clock, scratch, .. } = self;
        store.close().await;
        let clock = Arc::new(ManualClock::at(clock.now().0));
        Self::over(scratch, clock, settings, JwtRealms::default(), USERS).await
    }

    /// Whether the tests run over a database that replicas can share.
    pub(crate) fn may_have_replicas(&self) -> bool {
        self.store.may_have_replicas()
    }

    async fn over(
        scratch: Arc<Scratch>,
        clock: Arc<ManualClock>,
        mut settings: ServiceSettings,
        jwt_realms: JwtRealms,
        users: &str,
    ) -> Self {
        // Uses of keys are not shown by and by, where a test does not ask for that.
        if settings.key_policy.usage_written_every == KeyPolicy::default().usage_written_every {
            settings.key_policy.usage_written_every = Duration::from_secs(3_600);
        }
        search_the_log();
        let epoch = Epoch::try_from("epoch".to_owned()).unwrap();
        let location = match &scratch.place {
            ScratchLocation::File(file) => StoreLocation::File(file.clone()),
            ScratchLocation::Database(url) => StoreLocation::Postgres(PostgresLocation::parse(url).unwrap()),
        };
        let store = KeyStore::open(&location, epoch).await.unwrap();
        let hash = cheap_hash();
        let users = UserFile::parse(&users.replace("HASH", &hash)).unwrap();
        let elastic = PasswordHash::try_from(hash.as_str()).unwrap();
        let realms = Realms::default().with_elastic(elastic).with_file(users.users);
        let order = settings.realms.clone();
        let (stop, stopping) = watch::channel(false);
        let router = app(service::Service::new(ServiceParts {
            store: store.clone(),
            realms: realms.clone(),
            roles: users.roles,
            jwt_realms,
            passwords: PasswordChecker::new(2, &SystemRandomness).unwrap(),
            clock: clock.clone(),
            randomness: Arc::new(SystemRandomness),
            settings,
            stopping,
        }));
        Self { store, clock, stop, router, scratch, realms, order }
    }

    /// What `latchkey` does when it starts.
    pub(crate) async fn end_tokens_of_file_users_who_are_gone(&self) {
        end_tokens_of_the_gone(&self.store, &self.realms, &self.order, self.clock.now()).await.unwrap();
    }

    /// What answers requests.
    pub(crate) fn interface(&self) -> Router {
        self.router.clone()
    }

    pub(crate) fn anonymous(&self) -> Client<'_> {
        Client { service: self, authorization: None, run_as: None, via: None }
    }

    pub(crate) fn presenting(&self, authorization: impl Into<String>) -> Client<'_> {
        let authorization = authorization.into();
        secrecy::watch_authorization(&authorization);
        Client { service: self, authorization: Some(authorization), run_as: None, via: None }
    }

    pub(crate) fn user(&self, username: &str) -> Client<'_> {
        self.basic(username, PASSWORD)
    }

    pub(crate) fn basic(&self, username: &str, password: &str) -> Client<'_> {
        self.presenting(format!("Basic {}", STANDARD.encode(format!("{username}:{password}"))))
    }

    pub(crate) fn elastic(&self) -> Client<'_> {
        self.user("elastic")
    }

    pub(crate) fn key(&self, made: &Made) -> Client<'_> {
        self.presenting(format!("ApiKey {}", made.encoded))
    }

    /// How far an edge has come, as the service knows it.
    pub(crate) async fn feed_cursor(&self, edge: &str) -> u64 {
        let fleet = self.elastic().get("/_latchkey/edges").await.json();
        let edges = fleet["edges"].as_array().unwrap();
        edges.iter().find(|listed| listed["name"] == edge).unwrap()["cursor"].as_u64().unwrap()
    }

    /// Sends a request exactly as it is, and reads nothing of the answer's body.
    pub(crate) async fn send_unread(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Sends a request exactly as it is.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.send_unread(request).await;
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        // Only a compressed body is no text.
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if parts.status.is_client_error() || parts.status.is_server_error() {
            secrecy::search("an answer", text.as_bytes()).unwrap();
            let fields = parts.headers.values().flat_map(|value| [value.as_bytes(), b"\n"]);
            secrecy::search("an answer's headers", &fields.collect::<Vec<_>>().concat()).unwrap();
        }
        Answer { status: parts.status, headers: parts.headers, len: bytes.len(), text }
    }
}

impl Client<'_> {
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.request(Method::GET, path, None).await
    }

    /// The answer, of whose body nothing is read.
    pub(crate) async fn get_unread(&self, path: &str) -> Response<Body> {
        let request =
            Request::get(path).header(AUTHORIZATION, self.authorization.as_deref().unwrap_or_default());
        self.service.send_unread(request.body(Body::empty()).unwrap()).await
    }

    /// With one more header.
    pub(crate) async fn get_with(&self, path: &str, header: &str, value: &str) -> Answer {
        let mut request = Request::get(path).header(header, value);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        self.service.send(request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.request(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &str) -> Answer {
        self.request(Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str, body: &str) -> Answer {
        self.request(Method::DELETE, path, Some(body)).await
    }

    pub(crate) async fn put_nothing(&self, path: &str) -> Answer {
        self.request(Method::PUT, path, None).await
    }

    pub(crate) async fn delete_nothing(&self, path: &str) -> Answer {
        self.request(Method::DELETE, path, None).await
    }

    /// The same, acting as another user.
    pub(crate) fn running_as(&self, username: &str) -> Self {
        Self { run_as: Some(username.to_owned()), ..self.clone() }
    }

    /// The same, asked through the console.
    pub(crate) fn through_the_console(&self) -> Self {
        Self { via: Some(AskedVia::Console), ..self.clone() }
    }

    pub(crate) async fn request(&self, method: Method, path: &str, body: Option<&str>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if let Some(username) = &self.run_as {
            request = request.header("es-security-runas-user", username);
        }
        if let Some(via) = self.via {
            request = request.extension(via);
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(Body::empty, |text| Body::from(text.to_owned()));
        self.service.send(request.body(body).unwrap()).await
    }

    /// Makes a key, which must succeed.
    pub(crate) async fn make(&self, body: &str) -> Made {
        self.make_at("/_security/api_key", body).await
    }

    /// The same with parameters.
    pub(crate) async fn make_at(&self, path: &str, body: &str) -> Made {
        let answer = self.post(path, body).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        Made::of(&answer.json())
    }
}

impl Made {
    /// The key that an answer shows with its secret.
    pub(crate) fn of(answer: &Value) -> Self {
        let text = |field: &str| answer[field].as_str().unwrap().to_owned();
        secrecy::watch_credential(&text("encoded"));
        Self { id: text("id"), secret: text("api_key"), encoded: text("encoded") }
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    /// Status, type and reason of an error.
    pub(crate) fn error(&self) -> (u16, String, String) {
        let json = self.json();
        let error = &json["error"];
        assert_eq!(json["status"], self.status.as_u16(), "{json}");
        assert!(error["root_cause"][0]["reason"].is_string(), "{json}");
        (
            self.status.as_u16(),
            error["type"].as_str().unwrap().to_owned(),
            error["reason"].as_str().unwrap().to_owned(),
        )
    }

    #[track_caller]
    pub(crate) fn assert_error(&self, status: u16, kind: &str, reason: &str) {
        assert_eq!(self.error(), (status, kind.to_owned(), reason.to_owned()));
    }

    /// The reason below `caused_by`.
    pub(crate) fn cause(&self) -> String {
        self.json()["error"]["caused_by"]["reason"].as_str().unwrap_or_default().to_owned()
    }

    /// The ids of a listing, in order.
    pub(crate) fn ids(&self) -> Vec<String> {
        let json = self.json();
        let keys = json["api_keys"].as_array().unwrap_or_else(|| panic!("no listing: {json}"));
        let mut ids: Vec<String> = keys.iter().map(|key| key["id"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    }

    pub(crate) fn header(&self, name: &str) -> Vec<String> {
        self.headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }
}

//! Where an issuer's keys come from: a file or a URL, read when first needed and again from time to time.
//!
//! A set that was read once is used until a newer one is read, however long its source is out of reach: a
//! provider that is down must not lock everybody out. The source is asked at most once in
//! [`JWKS_RETRY_INTERVAL`], whatever clients send.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::{StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
use latchkey_key_feed::UnixMillis;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::http_client::{HttpClient, http_client, trusting_system};
use crate::limits::authentication_limits::{
    JWKS_FETCH_WAIT_MAX, JWKS_LEN_MAX, JWKS_REFRESH_INTERVAL, JWKS_RETRY_INTERVAL,
};
use crate::security::jwt::key_set::{InvalidKeySet, KeySet};
use crate::security::jwt::{JwksLocation, NoFetcher};
use crate::telemetry;

/// The keys of one realm.
#[derive(Debug)]
pub struct KeySource {
    realm: String,
    location: JwksLocation,
    client: HttpClient,
    known: RwLock<Known>,
    reading: Mutex<()>,
}

/// What was read so far.
#[derive(Clone, Debug, Default)]
struct Known {
    keys: Option<Arc<KeySet>>,
    /// What the keys were read from, to see whether it has changed.
    text: Arc<Vec<u8>>,
    read_at: Option<UnixMillis>,
    tried_at: Option<UnixMillis>,
}

/// Why a set could not be read.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error("{0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    #[error("{0}")]
    File(io::Error),
    #[error("{0}")]
    Http(hyper_util::client::legacy::Error),
    #[error("{0}")]
    Set(InvalidKeySet),
    #[error("answered with status {0}")]
    Status(StatusCode),
    #[error("longer than {JWKS_LEN_MAX} bytes")]
    TooLong,
    #[error("no whole answer within {} s", JWKS_FETCH_WAIT_MAX.as_secs())]
    TooSlow,
    #[error("its URL is malformed")]
    Url,
}

impl KeySource {
    /// A source that is not read yet.
    ///
    /// # Errors
    ///
    /// [`NoFetcher`] when nothing can be fetched at all.
    pub fn new(realm: String, location: JwksLocation) -> Result<Self, NoFetcher> {
        let client = http_client(trusting_system().map_err(NoFetcher)?.with_no_client_auth());
        Ok(Self { realm, location, client, known: RwLock::default(), reading: Mutex::new(()) })
    }

    /// The keys, if they were ever read. When they are old they are read again, which this does not wait for.
    pub async fn keys(self: &Arc<Self>, now: UnixMillis) -> Option<Arc<KeySet>> {
        let known = self.known();
        if known.keys.is_none() {
            self.read_again(now).await;
            return self.known().keys;
        }
        if is_past(known.read_at, JWKS_REFRESH_INTERVAL, now) && may_try(&known, now) {
            let source = Arc::clone(self);
            tokio::spawn(async move { source.read_again(now).await });
        }
        known.keys
    }

    /// Keys that differ from these, if there are any by now.
    pub async fn newer_than(&self, seen: &Arc<KeySet>, now: UnixMillis) -> Option<Arc<KeySet>> {
        let differs = |keys: &Arc<KeySet>| !Arc::ptr_eq(keys, seen);
        if let Some(newer) = self.known().keys.filter(differs) {
            return Some(newer);
        }
        self.read_again(now).await;
        self.known().keys.filter(differs)
    }

    /// Reads the set, unless it was read just now. Requests that need it at the same time wait for one read.
    async fn read_again(&self, now: UnixMillis) {
        let _one_at_a_time = self.reading.lock().await;
        if !may_try(&self.known(), now) {
            return;
        }
        self.change(|known| known.tried_at = Some(now));
        match self.read().await {
            Ok(text) if text == *self.known().text => self.change(|known| known.read_at = Some(now)),
            Ok(text) => match KeySet::parse(&text) {
                Ok(keys) => self.change(|known| {
                    known.keys = Some(Arc::new(keys));
                    known.text = Arc::new(text);
                    known.read_at = Some(now);
                }),
                Err(invalid) => self.complain(&Unreadable::Set(invalid)),
            },
            Err(unreadable) => self.complain(&unreadable),
        }
    }

    async fn read(&self) -> Result<Vec<u8>, Unreadable> {
        match &self.location {
            JwksLocation::File(path) => {
                let path = path.clone();
                let read = tokio::task::spawn_blocking(move || read_file(path)).await;
                read.map_err(|error| Unreadable::File(io::Error::other(error)))?
            }
            JwksLocation::Url(url) => {
                timeout(JWKS_FETCH_WAIT_MAX, self.fetch(url)).await.map_err(|_| Unreadable::TooSlow)?
            }
        }
    }

    async fn fetch(&self, url: &str) -> Result<Vec<u8>, Unreadable> {
        let uri = url.parse::<Uri>().map_err(|_| Unreadable::Url)?;
        let response = self.client.get(uri).await.map_err(Unreadable::Http)?;
        if response.status() != StatusCode::OK {
            return Err(Unreadable::Status(response.status()));
        }
        let body = Limited::new(response.into_body(), JWKS_LEN_MAX).collect().await;
        Ok(body.map_err(Unreadable::Body)?.to_bytes().to_vec())
    }

    fn complain(&self, unreadable: &Unreadable) {
        telemetry::key_set_unreadable();
        tracing::warn!(realm = self.realm, error = %unreadable, "the keys of an issuer could not be read");
    }

    /// The value behind the lock is consistent at every moment, so a poisoned lock can be used.
    fn known(&self) -> Known {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.known.write().unwrap_or_else(PoisonError::into_inner));
    }
}

fn read_file(path: PathBuf) -> Result<Vec<u8>, Unreadable> {
    let mut text = Vec::new();
    let file = File::open(path).map_err(Unreadable::File)?;
    file.take(JWKS_LEN_MAX as u64 + 1).read_to_end(&mut text).map_err(Unreadable::File)?;
    if text.len() > JWKS_LEN_MAX { Err(Unreadable::TooLong) } else { Ok(text) }
}

fn may_try(known: &Known, now: UnixMillis) -> bool {
    is_past(known.tried_at, JWKS_RETRY_INTERVAL, now)
}

/// Whether something happened at least that long ago, or never did.
fn is_past(moment: Option<UnixMillis>, age: Duration, now: UnixMillis) -> bool {
    moment.is_none_or(|moment| now.since(moment) >= age)
}

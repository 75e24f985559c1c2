//! What the operator asks for.
//!
//! One JSON object, described field by field in `docs/configuration.md`. It is read once, when the proxy
//! loads it, and either gives a [`Config`] in which everything holds, or one message that names every mistake
//! by its path. The message never repeats a value: some are secret, and a secret may have been put in the
//! wrong place.

use std::fmt;
use std::time::Duration;

use latchkey_key_feed::EdgeName;
use latchkey_key_feed::credential::SCHEME;

use crate::credential::{self, CredentialSources};
use crate::identity::{IdentityField, IdentityHeaders, IdentitySource};
use crate::reply::Replies;
use crate::rules::{Otherwise, Question, Rules};
use crate::table::{FeedIdentity, RecordShape, RecordText, SharedNames};

mod config_reader;
mod duration;
mod fields;
mod json;
mod problem;
mod replies;
mod requirement;
mod route_metadata;
mod rules;
mod sources;
mod texts;

use config_reader::ConfigReader;
use fields::{
    AUTHENTICATION, AUTHORITY, CLEAR_ROUTE_CACHE, CLUSTER, CORS_PREFLIGHT, CREDENTIAL, CREDENTIAL_FILE,
    CREDENTIAL_INLINE, CREDENTIAL_VARIABLE, EDGE, FETCH_TIMEOUT, FILTER_STATE, FORWARD_CREDENTIAL, HEADERS,
    MODE, PATH, PRIVILEGES_APPLICATION, REFUSE_AFTER, REPORT_USAGE, ROUTE_METADATA, STALE_AFTER,
    START_UP_WAIT, TABLE_FILE_INTERVAL, TABLE_FILE_PATH, WAIT,
};
use json::JsonValue;

pub use problem::{InvalidConfig, InvalidRoute, Problem};

/// The configuration of the filter.
#[derive(Clone, Debug)]
pub struct Config {
    /// What a request needs to pass.
    pub rules: Rules,
    /// Whether the metadata of routes is asked what they need besides.
    pub route_metadata: bool,
    /// Where the keys come from.
    pub key_service: KeyService,
    /// How old the key table may be.
    pub staleness: StalenessLimits,
    /// How long a request may wait for the first table.
    pub start_up_wait: Duration,
    /// What the upstream is told, and in which headers.
    pub identity: IdentityHeaders,
    /// How refusals look.
    pub replies: Replies,
    /// Where a credential may come from.
    pub credential_sources: CredentialSources,
    /// Whether the route of every request that passes is chosen again, by what the upstream is told.
    pub clear_route_cache: bool,
    /// Whether uses of keys are counted and told to the key service.
    pub report_usage: bool,
    /// Whether the upstream gets the credential.
    pub forward_credential: bool,
    /// The name of this proxy process; `None` is the proxy's node id.
    pub edge: Option<EdgeName>,
    /// Where the key table is kept for the next start; only a host with a file system has one.
    pub table_file: Option<TableFileSettings>,
}

/// Where the key table is kept for the next start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableFileSettings {
    /// The path, from the root.
    pub path: String,
    /// How often a table that has changed is written.
    pub interval: Duration,
}

/// Where the keys come from, and how to ask.
#[derive(Clone, Debug)]
pub struct KeyService {
    /// The proxy's name of the cluster.
    pub cluster: String,
    /// The `:authority` of a request.
    pub authority: String,
    /// The path of the feed, without a query.
    pub path: String,
    /// What proves that this filter may read the feed.
    pub credential: CredentialPlace,
    /// How long an answer may take beyond `wait`.
    pub fetch_timeout: Duration,
    /// How long the service may hold a request until something changes.
    pub wait: Duration,
}

/// How old the key table may be. `refuse_after` is never the shorter one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StalenessLimits {
    /// From this age on it still admits, and that is counted.
    pub stale_after: Duration,
    /// From this age on it admits nobody.
    pub refuse_after: Duration,
}

/// Where the filter's own credential is.
#[derive(Clone, Debug)]
pub enum CredentialPlace {
    /// In the configuration, or in the environment in which it was read.
    Here(FeedCredential),
    /// In the file of this path, which is read again for each request: so it can be changed without a restart.
    File(String),
}

/// The filter's own credential: the Base64 of `id:secret`, well-formed.
#[derive(Clone)]
pub struct FeedCredential(String);

/// What a route may require, whatever the rules require. It is not known before a request comes.
const ROUTE_TEXTS: [RecordText; 4] =
    [RecordText::Roles, RecordText::LimitedBy, RecordText::Owner, RecordText::OwnerRealm];

impl Config {
    /// Reads a configuration. `environment` looks up an environment variable.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] with everything that is wrong.
    pub fn parse(json: &[u8], environment: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidConfig> {
        let whole = |problem| InvalidConfig { problems: vec![(String::new(), problem)] };
        if json.is_empty() {
            return Err(whole(Problem::Empty));
        }
        let value = json::read(json).map_err(whole)?;
        let JsonValue::Object(root) = value else { return Err(whole(Problem::IsNot("an object"))) };

        let mut reader = ConfigReader::of(&root);
        let rules = read_rules(&mut reader);
        let route_metadata = reader.flag(&ROUTE_METADATA);
        let wait = reader.duration(&WAIT);
        let fetch_timeout = reader.duration(&FETCH_TIMEOUT);
        let key_service = key_service(&mut reader, environment, wait, fetch_timeout);
        let staleness = staleness(&mut reader, wait, fetch_timeout);
        let start_up_wait = reader.duration(&START_UP_WAIT);
        let identity = identity(&mut reader);
        let credential_sources = sources::read(&mut reader, identity.as_ref());
        let forward_credential = reader.flag(&FORWARD_CREDENTIAL);
        let clear_route_cache = reader.flag(&CLEAR_ROUTE_CACHE);
        let report_usage = reader.flag(&REPORT_USAGE);
        let replies = replies::read(&mut reader, &credential_sources);
        // A text of the allowed characters is a name.
        let edge = reader.text(&EDGE).and_then(|text| EdgeName::try_from(text).ok());

        let table_file = table_file(&mut reader);

        let problems = reader.into_problems();
        match (rules, key_service, staleness, start_up_wait, identity) {
            (Some(rules), Some(key_service), Some(staleness), Some(start_up_wait), Some(identity))
                if problems.is_empty() =>
            {
                Ok(Self {
                    rules,
                    route_metadata,
                    key_service,
                    staleness,
                    start_up_wait,
                    identity,
                    credential_sources,
                    clear_route_cache,
                    report_usage,
                    forward_credential,
                    replies,
                    edge,
                    table_file,
                })
            }
            _ => Err(InvalidConfig { problems }),
        }
    }

    /// Whether any request needs the key table.
    #[must_use]
    pub fn asks_for_keys(&self) -> bool {
        self.route_metadata || self.rules.ask_for_keys()
    }

    /// Which field names a file, if one does: only a host with a file system can do that.
    #[must_use]
    pub fn field_with_a_file(&self) -> Option<&'static str> {
        match self.key_service.credential {
            CredentialPlace::File(_) => Some(CREDENTIAL_FILE.path),
            CredentialPlace::Here(_) => self.table_file.is_some().then_some("table_file"),
        }
    }

    /// What the table has to hold of a key: what is told of it, and what rules and routes require.
    #[must_use]
    pub fn record_shape(&self) -> RecordShape {
        let shape = RecordShape::of(self.record_texts());
        let (questions, told) = (self.rules.questions(), self.identity.application());
        if questions.is_empty() && told.is_none() {
            return shape;
        }
        let applications = questions.iter().filter_map(Question::application).chain(told);
        shape.with_rights(applications.map(str::to_owned).collect())
    }

    /// The names of the key table: that of its feed, with what it has to hold of a key.
    #[must_use]
    pub fn table_names(&self) -> SharedNames {
        let KeyService { cluster, authority, path, .. } = &self.key_service;
        SharedNames::of(&FeedIdentity::of(cluster, authority, path), self.record_shape())
    }

    fn record_texts(&self) -> Vec<RecordText> {
        let mut texts = Vec::new();
        self.identity.add_record_texts(&mut texts);
        self.rules.add_record_texts(&mut texts);
        if self.route_metadata {
            texts.extend(ROUTE_TEXTS);
        }
        texts
    }
}

impl FeedCredential {
    fn parse(encoded: &str) -> Option<Self> {
        let credential = credential::decode(encoded.as_bytes()).ok()?;
        // No key has an empty secret, so only half of a credential was given.
        if credential.secret.expose().is_empty() { None } else { Some(Self(encoded.to_owned())) }
    }

    /// The credential in a file. White space around it is ignored.
    #[must_use]
    pub fn of_file(content: &[u8]) -> Option<Self> {
        Self::parse(std::str::from_utf8(content).ok()?.trim_ascii())
    }

    /// The value of the `authorization` header. Secret: the caller sends it and does nothing else with it.
    #[must_use]
    pub fn header_value(&self) -> String {
        [SCHEME, " ", &self.0].concat()
    }
}

impl fmt::Debug for FeedCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FeedCredential")
    }
}

fn read_rules(reader: &mut ConfigReader<'_, '_>) -> Option<Rules> {
    let authentication = reader.choice(&AUTHENTICATION);
    let cors_preflight = reader.choice(&CORS_PREFLIGHT);
    let mode = reader.choice(&MODE);
    let listed = rules::read(reader, mode);
    let otherwise =
        Otherwise { authentication: authentication?, mode: mode?, cors_preflight: cors_preflight? };
    Some(Rules::new(listed.rules, listed.questions, otherwise))
}

fn key_service(
    reader: &mut ConfigReader<'_, '_>,
    environment: impl Fn(&str) -> Option<String>,
    wait: Option<Duration>,
    fetch_timeout: Option<Duration>,
) -> Option<KeyService> {
    let cluster = reader.required_text(&CLUSTER);
    let authority = authority(reader, cluster.as_deref());
    let path = reader.text(&PATH);
    let credential = credential(reader, environment);
    Some(KeyService {
        cluster: cluster?,
        authority: authority?,
        path: path?,
        credential: credential?,
        fetch_timeout: fetch_timeout?,
        wait: wait?,
    })
}

fn authority(reader: &mut ConfigReader<'_, '_>, cluster: Option<&str>) -> Option<String> {
    if reader.has(&AUTHORITY) {
        return reader.text(&AUTHORITY);
    }
    let cluster = cluster?;
    if cluster.len() > AUTHORITY.len_max || !(AUTHORITY.is_allowed)(cluster) {
        reader.note(AUTHORITY.path, Problem::ClusterIsNoAuthority);
        return None;
    }
    Some(cluster.to_owned())
}

fn credential(
    reader: &mut ConfigReader<'_, '_>,
    environment: impl Fn(&str) -> Option<String>,
) -> Option<CredentialPlace> {
    let given = [&CREDENTIAL_VARIABLE, &CREDENTIAL_INLINE, &CREDENTIAL_FILE].map(|field| reader.has(field));
    let (field, encoded) = match given {
        [true, false, false] => {
            let Some(value) = environment(&reader.text(&CREDENTIAL_VARIABLE)?) else {
                reader.note(CREDENTIAL_VARIABLE.path, Problem::VariableUnset);
                return None;
            };
            // A variable that was filled from a file often ends in a line break.
            (&CREDENTIAL_VARIABLE, value.trim_ascii().to_owned())
        }
        [false, true, false] => (&CREDENTIAL_INLINE, reader.text(&CREDENTIAL_INLINE)?),
        [false, false, true] => return reader.text(&CREDENTIAL_FILE).map(CredentialPlace::File),
        _ => {
            reader.note(CREDENTIAL, Problem::NotExactlyOne);
            return None;
        }
    };
    let credential = FeedCredential::parse(&encoded);
    if credential.is_none() {
        reader.note(field.path, Problem::BadCredential);
    }
    credential.map(CredentialPlace::Here)
}

fn table_file(reader: &mut ConfigReader<'_, '_>) -> Option<TableFileSettings> {
    let interval = reader.duration(&TABLE_FILE_INTERVAL);
    if !reader.has(&TABLE_FILE_PATH) && reader.has_duration(&TABLE_FILE_INTERVAL) {
        reader.note(TABLE_FILE_PATH.path, Problem::Missing);
    }
    Some(TableFileSettings { path: reader.text(&TABLE_FILE_PATH)?, interval: interval? })
}

fn staleness(
    reader: &mut ConfigReader<'_, '_>,
    wait: Option<Duration>,
    fetch_timeout: Option<Duration>,
) -> Option<StalenessLimits> {
    let stale_after = reader.duration(&STALE_AFTER);
    let refuse_after = reader.duration(&REFUSE_AFTER)?;
    let stale_after = stale_after?;
    if refuse_after < stale_after {
        reader.note(REFUSE_AFTER.path, Problem::RefusesBeforeStale);
    }
    // Without a change the service answers only when the wait is over, and only an answer makes the table
    // fresh.
    if stale_after <= wait?.saturating_add(fetch_timeout?) {
        reader.note(STALE_AFTER.path, Problem::StaleWhileIdle);
    }
    Some(StalenessLimits { stale_after, refuse_after })
}

fn identity(reader: &mut ConfigReader<'_, '_>) -> Option<IdentityHeaders> {
    let mut headers = Vec::new();
    let mut places = Vec::new();
    for field in &HEADERS {
        if let Some(name) = reader.header(field) {
            headers.push((name, IdentitySource::Field(field.tells)));
            places.push(field.path.to_owned());
        }
    }
    for header in reader.metadata_headers() {
        headers.push((header.name, IdentitySource::Metadata { path: header.path, claims: header.claims }));
        places.push(header.place);
    }
    let filter_state = reader.filter_state(FILTER_STATE);
    let application = reader.text(&PRIVILEGES_APPLICATION);
    let is_told = filter_state.fields.contains(&IdentityField::Privileges)
        || headers.iter().any(|(_, source)| *source == IdentitySource::Field(IdentityField::Privileges));
    if is_told && !reader.has(&PRIVILEGES_APPLICATION) {
        reader.note(PRIVILEGES_APPLICATION.path, Problem::Missing);
    }
    match IdentityHeaders::new(headers, filter_state) {
        Ok(identity) => Some(identity.with_application(application)),
        Err(invalid) => {
            for (position, problem) in invalid {
                let place = places.get(position).map_or("identity", String::as_str);
                reader.note(place, Problem::BadHeaderName(problem));
            }
            None
        }
    }
}

#[cfg(test)]
mod tests;

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

use crate::credential;
use crate::identity::{IdentityHeaders, IdentitySource, InvalidHeaderName};

mod config_reader;
mod duration;
mod fields;
mod json;

use config_reader::ConfigReader;
use fields::{
    AUTHENTICATION, AUTHORITY, CLUSTER, CREDENTIAL, CREDENTIAL_INLINE, CREDENTIAL_VARIABLE, EDGE,
    FETCH_TIMEOUT, FILTER_STATE, FORWARD_CREDENTIAL, HEADERS, PATH, REFUSE_AFTER, STALE_AFTER, START_UP_WAIT,
    WAIT,
};
use json::JsonValue;

/// The configuration of the filter.
#[derive(Clone, Debug)]
pub struct Config {
    /// What a request needs to pass.
    pub authentication: Authentication,
    /// Where the keys come from.
    pub key_service: KeyService,
    /// How old the key table may be.
    pub staleness: StalenessLimits,
    /// How long a request may wait for the first table.
    pub start_up_wait: Duration,
    /// What the upstream is told, and in which headers.
    pub identity: IdentityHeaders,
    /// Whether the upstream gets the credential.
    pub forward_credential: bool,
    /// The name of this proxy process; `None` is the proxy's node id.
    pub edge: Option<EdgeName>,
}

/// What a request needs to pass. Whatever it is, no request keeps an identity header that its client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// A key.
    Required,
    /// A key, or no credential at all: then it passes without identity.
    Optional,
    /// Nothing. No credential is looked at.
    Off,
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
    pub credential: FeedCredential,
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

/// The filter's own credential: the Base64 of `id:secret`, well-formed.
#[derive(Clone)]
pub struct FeedCredential(String);

/// Everything that is wrong with a configuration.
#[derive(Debug, PartialEq, Eq)]
pub struct InvalidConfig {
    /// Where, as names joined by dots (empty for the whole), and what. Never empty.
    pub problems: Vec<(String, Problem)>,
}

/// One thing that is wrong with a configuration. None of them holds a value of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A text that should be a credential is none.
    BadCredential,
    /// The name of a header cannot be used.
    BadHeaderName(InvalidHeaderName),
    /// The bytes are not JSON.
    BadJson {
        /// Line of the first mistake, from 1.
        line: usize,
        /// Column of the first mistake, from 1.
        column: usize,
    },
    /// The authority has to be given, since the name of the cluster cannot be one.
    ClusterIsNoAuthority,
    /// There are no bytes at all.
    Empty,
    /// The value is something else than these words say.
    IsNot(&'static str),
    /// It has to be given.
    Missing,
    /// One of two fields has to be given, and either both are or none.
    NotExactlyOne,
    /// The duration is shorter than the one or longer than the other.
    OutOfRange {
        /// The shortest allowed.
        min: Duration,
        /// The longest allowed.
        max: Duration,
    },
    /// `refuse_after` is shorter than `stale_after`.
    RefusesBeforeStale,
    /// `stale_after` is not longer than one request for the feed may take.
    StaleWhileIdle,
    /// The text is too long.
    TooLong {
        /// Most bytes allowed.
        bytes_max: usize,
    },
    /// The object has too many fields.
    TooMany {
        /// Most fields allowed.
        max: usize,
    },
    /// It is given more than once.
    Twice,
    /// There is no such field.
    Unknown,
    /// The environment variable is not set for the proxy, or not passed to the filter.
    VariableUnset,
}

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
        let authentication = reader.choice(&AUTHENTICATION);
        let wait = reader.duration(&WAIT);
        let fetch_timeout = reader.duration(&FETCH_TIMEOUT);
        let key_service = key_service(&mut reader, environment, wait, fetch_timeout);
        let staleness = staleness(&mut reader, wait, fetch_timeout);
        let start_up_wait = reader.duration(&START_UP_WAIT);
        let identity = identity(&mut reader);
        let forward_credential = reader.flag(&FORWARD_CREDENTIAL);
        // A text of the allowed characters is a name.
        let edge = reader.text(&EDGE).and_then(|text| EdgeName::try_from(text).ok());

        let problems = reader.into_problems();
        match (authentication, key_service, staleness, start_up_wait, identity) {
            (
                Some(authentication),
                Some(key_service),
                Some(staleness),
                Some(start_up_wait),
                Some(identity),
            ) if problems.is_empty() => Ok(Self {
                authentication,
                key_service,
                staleness,
                start_up_wait,
                identity,
                forward_credential,
                edge,
            }),
            _ => Err(InvalidConfig { problems }),
        }
    }
}

impl FeedCredential {
    fn parse(encoded: &str) -> Option<Self> {
        let credential = credential::decode(encoded.as_bytes()).ok()?;
        // No key has an empty secret, so only half of a credential was given.
        if credential.secret.expose().is_empty() { None } else { Some(Self(encoded.to_owned())) }
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

impl fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration is refused")?;
        for (index, (path, problem)) in self.problems.iter().enumerate() {
            f.write_str(if index == 0 { ": " } else { "; " })?;
            write!(f, "{} {problem}", if path.is_empty() { "it" } else { path })?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidConfig {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadCredential => f.write_str("does not hold the standard Base64 of id:secret"),
            Self::BadHeaderName(invalid) => invalid.fmt(f),
            Self::BadJson { line, column } => write!(f, "is not JSON: mistake at line {line}, column {column}"),
            Self::ClusterIsNoAuthority => {
                f.write_str("is required, because the name of the cluster is not a host name")
            }
            Self::Empty => f.write_str(
                "is empty; it needs at least {\"key_service\": {\"cluster\": \"...\", \"credential\": \
                 {\"environment_variable\": \"...\"}}}",
            ),
            Self::IsNot(words) => write!(f, "is not {words}"),
            Self::Missing => f.write_str("is required"),
            Self::NotExactlyOne => f.write_str("needs exactly one of environment_variable and inline"),
            Self::OutOfRange { min, max } => {
                write!(f, "is not between {} and {}", duration::write(*min), duration::write(*max))
            }
            Self::RefusesBeforeStale => f.write_str("is shorter than staleness.stale_after"),
            Self::StaleWhileIdle => f.write_str(
                "is not longer than key_service.wait and key_service.fetch_timeout together, so an idle feed would look \
                 stale",
            ),
            Self::TooLong { bytes_max } => write!(f, "is longer than {bytes_max} bytes"),
            Self::TooMany { max } => write!(f, "has more than {max} fields"),
            Self::Twice => f.write_str("is given twice"),
            Self::Unknown => f.write_str("is not a known field"),
            Self::VariableUnset => f.write_str(
                "names a variable that is not set where the filter runs: set it for the proxy, and name it in \
                 vm_config.environment_variables (in Istio, vmConfig.env)",
            ),
        }
    }
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
) -> Option<FeedCredential> {
    let (field, encoded) = match (reader.has(&CREDENTIAL_VARIABLE), reader.has(&CREDENTIAL_INLINE)) {
        (true, false) => {
            let Some(value) = environment(&reader.text(&CREDENTIAL_VARIABLE)?) else {
                reader.note(CREDENTIAL_VARIABLE.path, Problem::VariableUnset);
                return None;
            };
            // A variable that was filled from a file often ends in a line break.
            (&CREDENTIAL_VARIABLE, value.trim_ascii().to_owned())
        }
        (false, true) => (&CREDENTIAL_INLINE, reader.text(&CREDENTIAL_INLINE)?),
        _ => {
            reader.note(CREDENTIAL, Problem::NotExactlyOne);
            return None;
        }
    };
    let credential = FeedCredential::parse(&encoded);
    if credential.is_none() {
        reader.note(field.path, Problem::BadCredential);
    }
    credential
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
    match IdentityHeaders::new(headers, filter_state) {
        Ok(identity) => Some(identity),
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

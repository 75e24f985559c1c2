//! Every field of the configuration, in one table.
//!
//! The parser takes defaults and bounds from here, a name that is not here is unknown, and a test holds the
//! table of `docs/configuration.md` to it. A default has its reason in that document.

use std::time::Duration;

use latchkey_key_feed::format_limits::EDGE_NAME_LEN_MAX;

use super::requirement::{APPLICATION, is_application};
use super::texts::{
    is_authority, is_edge, is_file, is_path, is_printable, is_quotable, is_variable, is_visible,
};
use crate::identity::IdentityField;
use crate::limits::{
    APPLICATION_NAME_LEN_MAX, AUTHORITY_LEN_MAX, CLUSTER_LEN_MAX, CREDENTIAL_LEN_MAX, FEED_PATH_LEN_MAX,
    FETCH_TIMEOUT_MAX, FETCH_TIMEOUT_MIN, FILE_PATH_LEN_MAX, REALM_LEN_MAX, REFUSE_AFTER_MAX,
    REPLY_TEXT_LEN_MAX, SAVE_INTERVAL_MAX, SAVE_INTERVAL_MIN, STALE_AFTER_MIN, START_UP_WAIT_MAX,
    VARIABLE_LEN_MAX, WAIT_MAX, WAIT_MIN,
};
use crate::reply::BodyFormat;
use crate::rules::{Authentication, CorsPreflight, Mode};

/// A field that may be given, by what it takes.
pub(super) enum Field {
    /// One of a few words.
    Choice(&'static Words),
    /// A list of places of a request.
    CredentialSources(&'static str),
    /// `true` or `false`.
    Flag(&'static FlagField),
    /// The name of the header that tells an identity field, or null.
    Header(&'static HeaderField),
    /// A list of identity fields; `true` is all that are told by default, and `false` none.
    FilterState(&'static str),
    /// An object of header names, and for each a metadata path or an object that holds one.
    MetadataHeaders(&'static str),
    /// A list of rules.
    Rules(&'static str),
    /// One of a few statuses.
    Status(&'static str),
    /// A duration.
    Duration(&'static DurationField),
    /// A text.
    Text(&'static TextField),
}

/// A field of a few words.
pub(super) struct Words {
    pub(super) path: &'static str,
    /// The words, as they complete "is not …".
    pub(super) words: &'static str,
    pub(super) default: &'static str,
}

pub(super) struct ChoiceField<T: 'static> {
    pub(super) field: Words,
    /// The words with what they mean.
    pub(super) choices: &'static [(&'static str, T)],
}

pub(super) struct FlagField {
    pub(super) path: &'static str,
    pub(super) default: bool,
}

pub(super) struct HeaderField {
    pub(super) path: &'static str,
    pub(super) tells: IdentityField,
}

pub(super) struct DurationField {
    pub(super) path: &'static str,
    pub(super) default: Duration,
    pub(super) min: Duration,
    pub(super) max: Duration,
}

pub(super) struct TextField {
    pub(super) path: &'static str,
    /// What the text is, in words that complete "is not …".
    pub(super) words: &'static str,
    pub(super) is_allowed: fn(&str) -> bool,
    pub(super) len_max: usize,
    /// `None` when it is required, or when the parser knows better than a constant could.
    pub(super) default: Option<&'static str>,
}

/// The cluster of the key service, as Envoy names it.
pub(super) static CLUSTER: TextField = TextField {
    path: "key_service.cluster",
    words: "the name of a cluster",
    is_allowed: is_visible,
    len_max: CLUSTER_LEN_MAX,
    default: None,
};

/// Host name to ask for. Required when the name of the cluster cannot be one, as in Istio.
pub(super) static AUTHORITY: TextField = TextField {
    path: "key_service.authority",
    words: "a host name, with or without a port",
    is_allowed: is_authority,
    len_max: AUTHORITY_LEN_MAX,
    default: None,
};

/// Path of the change feed.
pub(super) static PATH: TextField = TextField {
    path: "key_service.path",
    words: "a path that begins with a slash, without a query",
    is_allowed: is_path,
    len_max: FEED_PATH_LEN_MAX,
    default: Some("/_latchkey/feed"),
};

/// The object of the three fields that follow; exactly one of them is given.
pub(super) const CREDENTIAL: &str = "key_service.credential";

/// Environment variable that holds the Base64 of `id:secret`, of a key with the privilege `read_key_feed`.
pub(super) static CREDENTIAL_VARIABLE: TextField = TextField {
    path: "key_service.credential.environment_variable",
    words: "the name of an environment variable",
    is_allowed: is_variable,
    len_max: VARIABLE_LEN_MAX,
    default: None,
};

/// The same, written here. Whoever can read the configuration of the proxy can read it.
pub(super) static CREDENTIAL_INLINE: TextField = TextField {
    path: "key_service.credential.inline",
    words: "the Base64 of id:secret",
    is_allowed: is_visible,
    len_max: CREDENTIAL_LEN_MAX,
    default: None,
};

/// The file that holds the same, and is read again for each request. Only a host with a file system has one.
pub(super) static CREDENTIAL_FILE: TextField = file("key_service.credential.file");

/// How long an answer may take beyond `wait`.
pub(super) static FETCH_TIMEOUT: DurationField = DurationField {
    path: "key_service.fetch_timeout",
    default: Duration::from_secs(5),
    min: FETCH_TIMEOUT_MIN,
    max: FETCH_TIMEOUT_MAX,
};

/// How long the key service holds a request until something changes.
pub(super) static WAIT: DurationField = DurationField {
    path: "key_service.wait",
    default: Duration::from_secs(20),
    min: WAIT_MIN,
    max: WAIT_MAX,
};

/// Age at which the key table is called stale: it still admits, and that is counted.
pub(super) static STALE_AFTER: DurationField = DurationField {
    path: "staleness.stale_after",
    default: Duration::from_secs(60),
    min: STALE_AFTER_MIN,
    max: REFUSE_AFTER_MAX,
};

/// Age at which the key table no longer admits anyone: every request is answered 503.
pub(super) static REFUSE_AFTER: DurationField = DurationField {
    path: "staleness.refuse_after",
    default: Duration::from_secs(60 * 60),
    min: STALE_AFTER_MIN,
    max: REFUSE_AFTER_MAX,
};

/// How long a request may wait for the first key table before it is answered 503.
pub(super) static START_UP_WAIT: DurationField = DurationField {
    path: "start_up_wait",
    default: Duration::from_secs(5),
    min: Duration::ZERO,
    max: START_UP_WAIT_MAX,
};

/// What a request needs to pass. Identity headers of clients are removed whatever this says.
pub(super) static AUTHENTICATION: ChoiceField<Authentication> = ChoiceField {
    field: Words { path: "authentication", words: "required, optional or off", default: "required" },
    choices: &[
        ("required", Authentication::Required),
        ("optional", Authentication::Optional),
        ("off", Authentication::Off),
    ],
};

/// What becomes of a request that does not have what it needs.
pub(super) static MODE: ChoiceField<Mode> = ChoiceField {
    field: Words { path: "mode", words: "enforce or shadow", default: "enforce" },
    choices: &[("enforce", Mode::Enforce), ("shadow", Mode::Shadow)],
};

/// What becomes of a CORS preflight. Browsers send it without a credential.
pub(super) static CORS_PREFLIGHT: ChoiceField<CorsPreflight> = ChoiceField {
    field: Words { path: "cors_preflight", words: "pass or refuse", default: "refuse" },
    choices: &[("pass", CorsPreflight::Pass), ("refuse", CorsPreflight::Refuse)],
};

/// The rules, the first that matches first.
pub(super) const RULES: &str = "rules";

/// The headers of the identity fields; their defaults are the fields' own.
pub(super) static HEADERS: [HeaderField; 10] = [
    header("identity.headers.id", IdentityField::Id),
    header("identity.headers.name", IdentityField::Name),
    header("identity.headers.owner", IdentityField::Owner),
    header("identity.headers.owner_realm", IdentityField::OwnerRealm),
    header("identity.headers.roles", IdentityField::Roles),
    header("identity.headers.claimed_roles", IdentityField::ClaimedRoles),
    header("identity.headers.limited_by", IdentityField::LimitedBy),
    header("identity.headers.expiration", IdentityField::Expiration),
    header("identity.headers.secret_used", IdentityField::SecretUsed),
    header("identity.privileges.header", IdentityField::Privileges),
];

/// The application whose privileges are told.
pub(super) static PRIVILEGES_APPLICATION: TextField = TextField {
    path: "identity.privileges.application",
    words: APPLICATION,
    is_allowed: is_application,
    len_max: APPLICATION_NAME_LEN_MAX,
    default: None,
};

/// Header names, and for each the dotted path of the metadata field that it tells, or an object with it.
pub(super) const METADATA_HEADERS: &str = "identity.metadata_headers";

/// The dotted path, where a metadata header is an object.
pub(super) const METADATA_PATH: &str = "path";

/// Whether the header tells what nobody vouches for.
pub(super) const METADATA_CLAIMS: &str = "claims";

/// The identity fields that filter state tells as well. Each costs every request a call of the host.
pub(super) const FILTER_STATE: &str = "identity.filter_state";

/// Whether the upstream gets the `authorization` header with the credential in it.
pub(super) static FORWARD_CREDENTIAL: FlagField = FlagField { path: "forward_credential", default: false };

/// Whether uses of keys are counted and told to the key service.
pub(super) static REPORT_USAGE: FlagField = FlagField { path: "report_usage", default: true };

/// Whether the route of every request that passes is chosen again. Envoy's host of Wasm does so after any edit.
pub(super) static CLEAR_ROUTE_CACHE: FlagField = FlagField { path: "clear_route_cache", default: false };

/// Whether routes may ask for more in their metadata. It costs each request a call of the host.
pub(super) static ROUTE_METADATA: FlagField = FlagField { path: "route_metadata", default: false };

/// Where a credential may come from, in order.
pub(super) const CREDENTIAL_SOURCES: &str = "credential_sources";

/// The form of the body of a refusal.
pub(super) static REPLY_FORMAT: ChoiceField<BodyFormat> = ChoiceField {
    field: Words {
        path: "replies.format",
        words: "elasticsearch, problem+json or text",
        default: "elasticsearch",
    },
    choices: &[
        ("elasticsearch", BodyFormat::Elasticsearch),
        ("problem+json", BodyFormat::ProblemJson),
        ("text", BodyFormat::Text),
    ],
};

/// What clients read in place of our words, by the status.
pub(super) static REPLY_TEXTS: [(u32, TextField); 4] = [
    (400, reply_text("replies.texts.400")),
    (401, reply_text("replies.texts.401")),
    (403, reply_text("replies.texts.403")),
    (503, reply_text("replies.texts.503")),
];

/// The realm of the challenge of a 401.
pub(super) static REALM: TextField = TextField {
    path: "replies.realm",
    words: "a text of printable ASCII without quotes and backslashes",
    is_allowed: is_quotable,
    len_max: REALM_LEN_MAX,
    default: None,
};

/// The status while no key table has been loaded.
pub(super) const TABLE_ABSENT_STATUS: &str = "replies.table_absent_status";

/// What it may be; the first is the default.
pub(super) const TABLE_ABSENT_STATUSES: [u32; 5] = [503, 429, 500, 502, 504];

/// Name under which the key service knows this proxy process. No two processes share one.
pub(super) static EDGE: TextField = TextField {
    path: "edge",
    words: "a name of letters, digits and - . _ ~ :",
    is_allowed: is_edge,
    len_max: EDGE_NAME_LEN_MAX,
    default: None,
};

/// Where the native module keeps the key table for its next start.
pub(super) static TABLE_FILE_PATH: TextField = file("table_file.path");

/// How often a table that has changed is written to its file.
pub(super) static TABLE_FILE_INTERVAL: DurationField = DurationField {
    path: "table_file.interval",
    default: Duration::from_secs(30),
    min: SAVE_INTERVAL_MIN,
    max: SAVE_INTERVAL_MAX,
};

/// The fields in the order in which they are documented.
pub(super) static FIELDS: [Field; 43] = [
    Field::Choice(&AUTHENTICATION.field),
    Field::Choice(&CORS_PREFLIGHT.field),
    Field::Choice(&MODE.field),
    Field::Rules(RULES),
    Field::Flag(&ROUTE_METADATA),
    Field::CredentialSources(CREDENTIAL_SOURCES),
    Field::Text(&CLUSTER),
    Field::Text(&AUTHORITY),
    Field::Text(&PATH),
    Field::Text(&CREDENTIAL_VARIABLE),
    Field::Text(&CREDENTIAL_INLINE),
    Field::Text(&CREDENTIAL_FILE),
    Field::Duration(&FETCH_TIMEOUT),
    Field::Duration(&WAIT),
    Field::Duration(&STALE_AFTER),
    Field::Duration(&REFUSE_AFTER),
    Field::Duration(&START_UP_WAIT),
    Field::Header(&HEADERS[0]),
    Field::Header(&HEADERS[1]),
    Field::Header(&HEADERS[2]),
    Field::Header(&HEADERS[3]),
    Field::Header(&HEADERS[4]),
    Field::Header(&HEADERS[5]),
    Field::Header(&HEADERS[6]),
    Field::Header(&HEADERS[7]),
    Field::Header(&HEADERS[8]),
    Field::Text(&PRIVILEGES_APPLICATION),
    Field::Header(&HEADERS[9]),
    Field::MetadataHeaders(METADATA_HEADERS),
    Field::FilterState(FILTER_STATE),
    Field::Flag(&FORWARD_CREDENTIAL),
    Field::Flag(&CLEAR_ROUTE_CACHE),
    Field::Flag(&REPORT_USAGE),
    Field::Choice(&REPLY_FORMAT.field),
    Field::Text(&REPLY_TEXTS[0].1),
    Field::Text(&REPLY_TEXTS[1].1),
    Field::Text(&REPLY_TEXTS[2].1),
    Field::Text(&REPLY_TEXTS[3].1),
    Field::Text(&REALM),
    Field::Status(TABLE_ABSENT_STATUS),
    Field::Text(&EDGE),
    Field::Text(&TABLE_FILE_PATH),
    Field::Duration(&TABLE_FILE_INTERVAL),
];

impl Field {
    /// Where it stands: the names of the objects around it and its own, joined by dots.
    pub(super) fn path(&self) -> &'static str {
        match self {
            Self::Choice(field) => field.path,
            Self::Flag(field) => field.path,
            Self::Header(field) => field.path,
            Self::CredentialSources(path)
            | Self::FilterState(path)
            | Self::MetadataHeaders(path)
            | Self::Rules(path)
            | Self::Status(path) => path,
            Self::Duration(field) => field.path,
            Self::Text(field) => field.path,
        }
    }
}

const fn header(path: &'static str, tells: IdentityField) -> HeaderField {
    HeaderField { path, tells }
}

const fn reply_text(path: &'static str) -> TextField {
    let words = "a text without control characters";
    TextField { path, words, is_allowed: is_printable, len_max: REPLY_TEXT_LEN_MAX, default: None }
}

const fn file(path: &'static str) -> TextField {
    let words = "the path of a file, from the root";
    TextField { path, words, is_allowed: is_file, len_max: FILE_PATH_LEN_MAX, default: None }
}

#[cfg(test)]
mod tests;

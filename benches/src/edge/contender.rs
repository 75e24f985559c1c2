//! Who is compared: each a listener of one Envoy that differs in its filter and in nothing else.

use anyhow::Result;
use latchkey_local_stack::shell::Shell;

use crate::bench::Bench;
use crate::edge::edge_config::{Answer, Build, EdgeConfig, Filter, Gate, Identity, Surroundings};
use crate::key_set::{Credential, KeySet};

/// The listener without any filter, which all others are measured against.
pub const BARE: &str = "bare";

/// The listener that refuses without any filter, which all other refusals are measured against.
pub const BARE_REFUSING: &str = "bare-401";

/// Our Wasm filter as it is when nothing is configured.
pub const OURS: &str = "latchkey";

/// Our Wasm filter when it tells the identity in headers only, as the Lua filter does.
pub const OUR_HEADERS: &str = "latchkey-headers";

/// Our native module as it is when nothing is configured.
pub const NATIVE: &str = "latchkey-native";

/// Our native module when it tells the identity in headers only.
pub const NATIVE_HEADERS: &str = "latchkey-native-headers";

/// Our Wasm filter, whose clients show opaque keys.
pub const OURS_OPAQUE: &str = "latchkey-opaque";

/// Our native module, whose clients do.
pub const NATIVE_OPAQUE: &str = "latchkey-native-opaque";

/// Our Wasm filter, whose clients show the secrets that their keys had before a rotation.
pub const OURS_ROTATED: &str = "latchkey-rotated";

/// Our native module, whose clients do.
pub const NATIVE_ROTATED: &str = "latchkey-native-rotated";

/// How many rules the gates with rules have.
const RULES: usize = 100;

/// A filter that makes the host calls of [`OUR_HEADERS`] and nothing else.
pub const CALLS: &str = "calls";

/// Someone to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contender {
    /// The name of its listener, and of its figures.
    pub name: &'static str,
    /// What it is, for people.
    pub label: &'static str,
    /// What it takes for a valid credential.
    pub takes: Credential,
    /// Whether it looks at the credential at all.
    pub is_a_gate: bool,
    /// Whether it asks the authoriser.
    pub asks: bool,
}

impl Contender {
    /// Whether it is our filter, in whichever form.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.name.starts_with(OURS)
    }
}

const fn contender(name: &'static str, label: &'static str) -> Contender {
    Contender { name, label, takes: Credential::Valid, is_a_gate: false, asks: false }
}

const fn gate(name: &'static str, label: &'static str) -> Contender {
    Contender { is_a_gate: true, ..contender(name, label) }
}

const fn asking(name: &'static str, label: &'static str) -> Contender {
    Contender { asks: true, ..gate(name, label) }
}

const fn showing(takes: Credential, contender: Contender) -> Contender {
    Contender { takes, ..contender }
}

const AGAINST: [Contender; 2] = [
    gate("latchkey-against", "Latchkey, the other build"),
    gate("latchkey-against-headers", "Latchkey, the other build, headers only"),
];

const ALL: &[Contender] = &[
    contender(BARE, "no filter"),
    gate(OURS, "Latchkey"),
    gate("latchkey-id", "Latchkey, headers, and the id in filter state"),
    gate(OUR_HEADERS, "Latchkey, headers only"),
    gate("latchkey-filter-state", "Latchkey, filter state only"),
    gate("latchkey-rules", "Latchkey, headers only, 100 rules"),
    gate(NATIVE, "Latchkey, native module"),
    gate("latchkey-native-id", "Latchkey, native, headers, id in filter state"),
    gate(NATIVE_HEADERS, "Latchkey, native, headers only"),
    gate("latchkey-native-rules", "Latchkey, native, headers only, 100 rules"),
    showing(Credential::Opaque, gate(OURS_OPAQUE, "Latchkey, opaque keys after Bearer")),
    showing(Credential::Opaque, gate(NATIVE_OPAQUE, "Latchkey, native, opaque keys after Bearer")),
    showing(Credential::BeforeRotation, gate(OURS_ROTATED, "Latchkey, secrets before a rotation")),
    showing(Credential::BeforeRotation, gate(NATIVE_ROTATED, "Latchkey, native, secrets before a rotation")),
    contender(CALLS, "the host calls of “headers only”, and nothing else"),
    contender("empty", "empty Wasm filter"),
    contender("empty-trimmed", "empty Wasm filter, trimmed"),
    gate("api-key-auth", "api_key_auth (native)"),
    showing(Credential::UserAndPassword, gate("basic-auth", "basic_auth (native)")),
    contender("lua", "Lua, sets the same headers"),
    asking("ext-authz-http", "ext_authz over HTTP"),
    asking("ext-authz-grpc", "ext_authz over gRPC"),
];

/// Everyone who is asked for, the build to compare with included.
#[must_use]
pub fn all(bench: &Bench) -> Vec<Contender> {
    let against = bench.against.iter().flat_map(|_| AGAINST);
    let is_meant = |contender: &Contender| {
        let name = contender.name;
        bench.among.is_empty() || name == BARE || bench.among.iter().any(|among| among == name)
    };
    ALL.iter().copied().filter(is_meant).chain(against).collect()
}

/// An Envoy with a listener for everyone; `keys` are known to all, and the feed is read with
/// `feed_credential`.
///
/// # Errors
///
/// When a module is not built.
pub fn config(bench: &Bench, keys: KeySet, feed_credential: &str) -> Result<EdgeConfig> {
    let mut config = EdgeConfig::new()?;
    for contender in all(bench) {
        let filter = filter(bench, contender, keys, feed_credential)?;
        config.add_listener(contender.name, filter, Surroundings::default())?;
    }
    let refusing = Surroundings { answer: Answer::Direct(401), ..Surroundings::default() };
    config.add_listener(BARE_REFUSING, None, refusing)?;
    Ok(config)
}

/// The filter of a contender; the bare listener has none.
///
/// # Errors
///
/// When a module is not built.
pub fn filter(bench: &Bench, contender: Contender, keys: KeySet, feed: &str) -> Result<Option<Filter>> {
    let name = contender.name;
    let (wasm, native) = (Build::Ours(Shell::Wasm), Build::Ours(Shell::Module));
    let other = bench.against.as_deref().map_or(wasm, Build::Other);
    let ours = |build, identity, rules| {
        let (cluster, feed_credential) = ("key_service", feed);
        let takes_bearer_keys = contender.takes == Credential::Opaque;
        Filter::latchkey(&Gate {
            build,
            table: name,
            cluster,
            feed_credential,
            identity,
            rules,
            takes_bearer_keys,
        })
    };
    Ok(Some(match name {
        BARE => return Ok(None),
        OURS | OURS_OPAQUE | OURS_ROTATED => ours(wasm, Identity::Both, 0)?,
        "latchkey-id" => ours(wasm, Identity::HeadersAndId, 0)?,
        OUR_HEADERS => ours(wasm, Identity::Headers, 0)?,
        "latchkey-filter-state" => ours(wasm, Identity::FilterState, 0)?,
        "latchkey-rules" => ours(wasm, Identity::Headers, RULES)?,
        NATIVE | NATIVE_OPAQUE | NATIVE_ROTATED => ours(native, Identity::Both, 0)?,
        "latchkey-native-id" => ours(native, Identity::HeadersAndId, 0)?,
        NATIVE_HEADERS => ours(native, Identity::Headers, 0)?,
        "latchkey-native-rules" => ours(native, Identity::Headers, RULES)?,
        "empty" => Filter::peer_in_wasm(&bench.empty_filter(), name)?,
        "empty-trimmed" => Filter::peer_in_wasm(&bench.trimmed_empty_filter(), name)?,
        CALLS => Filter::peer_in_wasm(&bench.calls_filter(), name)?,
        "api-key-auth" => Filter::api_key_auth(keys)?,
        "basic-auth" => Filter::basic_auth(keys)?,
        "latchkey-against" => ours(other, Identity::Both, 0)?,
        "latchkey-against-headers" => ours(other, Identity::Headers, 0)?,
        file => Filter::of_file(file)?,
    }))
}

//! Keys at the limits of what the real key service accepts, in a real edge: each is admitted, with exactly the
//! identity that the service tells, and takes no more memory than it may.

mod drawing;

use std::fs;

use latchkey_filter::limits::METADATA_HEADERS_MAX;
use latchkey_key_feed::format_limits::{
    FEED_ANSWER_LEN_MAX, METADATA_DEPTH_MAX, METADATA_FIELD_PATH_LEN_MAX, METADATA_VALUES_MAX,
    RECORD_LEN_MAX, RIGHTS_LEN_MAX, ROLE_NAMES_MAX, ROW_LEN_MAX,
};
use latchkey_key_feed::header_value::{encode, encode_list};
use latchkey_local_stack::envoy::EnvoyProcess;
use latchkey_local_stack::envoy_config::EnvoyConfig;
use latchkey_local_stack::http::{Request, http1};
use latchkey_local_stack::key_service::{CreatedKey, KeyServiceClient};
use latchkey_local_stack::stack::{LocalStack, StackOptions};
use latchkey_local_stack::upstream::SeenRequest;
use serde_json::{Map, Value, json};

use self::drawing::{Drawing, TOLD_PATHS};
use crate::stage::configure;

const KEYS: &str = "/_security/api_key";

/// How many keys are drawn, unless [`CASES_VARIABLE`] says otherwise.
const CASES: usize = 40;
const CASES_VARIABLE: &str = "LATCHKEY_TEST_KEYS";

/// What they are drawn from, unless [`SEED_VARIABLE`] says otherwise.
const SEED: u64 = 14;
const SEED_VARIABLE: &str = "LATCHKEY_TEST_SEED";

/// Most bytes that a key takes in an edge: a record and a set of rights, three times. While a table is loaded,
/// there are the old one, what is put aside, and the new one.
const KEY_MEMORY_MAX: usize = 3 * (RECORD_LEN_MAX + RIGHTS_LEN_MAX);

/// Most bytes that an edge takes besides, however few keys there are: what is kept of answers and pages, code
/// that a VM translates while it runs, and two answers of the feed, one as text and one as rows.
const EDGE_MEMORY_MAX: usize = 2 * FEED_ANSWER_LEN_MAX + 32 * 1024 * 1024;

/// The users who make keys, and how many roles each has, with names of how many bytes. Each of their keys has
/// them too.
const MAKERS: [(&str, usize, usize); 3] = [("alice", 1, 1), ("long-roles", 45, 450), ("many-roles", 150, 3)];

const PASSWORD: &str = "wonderland";

/// An edge that is told all that one can be told, and the people who make keys.
struct Gate {
    stack: LocalStack,
    makers: Vec<KeyServiceClient>,
}

/// A key that the service has made, as the service tells it.
struct MadeKey {
    key: CreatedKey,
    listed: Value,
    by_root: bool,
}

/// The number in an environment variable, if it is set.
fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|number| number.parse().unwrap())
}

/// Tells everything that an edge can tell.
fn tell_all(config: &mut EnvoyConfig) {
    configure(config, "/identity/headers", json!({"claimed_roles": "x-api-key-claimed-roles"}));
    configure(config, "/identity/privileges", json!({"application": "shop"}));
    let told = TOLD_PATHS.iter().enumerate();
    let told = told.map(|(n, path)| (format!("x-m-{n}"), json!({"path": path, "claims": true})));
    let rest =
        (TOLD_PATHS.len()..METADATA_HEADERS_MAX).map(|n| (format!("x-m-{n}"), json!(format!("field-{n}"))));
    configure(config, "/identity/metadata_headers", told.chain(rest).collect::<Map<_, _>>().into());
}

impl Gate {
    /// With the first of the makers.
    fn start(makers: usize) -> Self {
        let edit = |config: &mut _| {
            tell_all(config);
            Ok(())
        };
        let stack = LocalStack::start(StackOptions::default(), edit).unwrap();
        let root = stack.key_service.client();
        // A key is looked at in far less time than a password.
        let key = root.create_key(&json!({"name": "of whoever makes users"})).unwrap();
        let put = |path: String, body: Value| {
            let request = Request::new("PUT", &path).json(&body).api_key(&key.encoded);
            let answer = http1::exchange(root.address(), &request).unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text());
        };
        let role = json!({"cluster": ["manage_own_api_key"], "applications": [
            {"application": "shop", "privileges": ["read"], "resources": ["*"]}]});
        let address = root.address();
        let mut clients = Vec::new();
        for (maker, roles, len) in MAKERS.into_iter().take(makers) {
            let roles: Vec<String> = (0..roles).map(|number| format!("{number:x>len$}")).collect();
            for name in &roles {
                put(format!("/_security/role/{name}"), role.clone());
            }
            put(format!("/_security/user/{maker}"), json!({"password": PASSWORD, "roles": roles}));
            clients.push(KeyServiceClient::of_user(address, maker, PASSWORD));
        }
        Self { stack, makers: clients }
    }

    fn root(&self) -> &KeyServiceClient {
        self.stack.key_service.client()
    }

    /// What the service tells of all keys, by their ids.
    fn listed(&self) -> Map<String, Value> {
        let path = format!("{KEYS}?with_limited_by=true");
        let mut listing = self.root().send(Request::get(&path)).unwrap().json().unwrap();
        let keys = listing["api_keys"].as_array_mut().unwrap();
        keys.iter_mut().map(|key| (key["id"].as_str().unwrap().to_owned(), key.take())).collect()
    }

    /// These keys as the service tells them, once the edge has heard of them.
    fn made(&self, made: Vec<(CreatedKey, bool)>) -> Vec<MadeKey> {
        self.stack.admitted_key(&json!({"name": "the last"})).unwrap();
        let mut listed = self.listed();
        let told = |(key, by_root): (CreatedKey, bool)| MadeKey {
            listed: listed.remove(&key.id).unwrap(),
            key,
            by_root,
        };
        made.into_iter().map(told).collect()
    }

    /// What the edge at this address makes of a key, which must be what the service tells.
    fn check(&self, envoy: &EnvoyProcess, made: &MadeKey, context: &str) {
        let listed = &made.listed;
        let target = format!("/{}", made.key.id);
        let before = self.stack.upstream.requests_to(&target).len();
        let request = Request::get(&target).api_key(&made.key.encoded);
        let answer = http1::exchange(envoy.listener().unwrap(), &request).unwrap();
        let is_expired =
            listed["expiration"].as_u64().is_some_and(|end| end <= listed["creation"].as_u64().unwrap());
        let expected = if is_expired { 401 } else { 200 };
        assert_eq!(answer.status, expected, "{context}: {}\n{}", listed["name"], answer.text());
        let seen = self.stack.upstream.requests_to(&target);
        assert_eq!(seen.len() - before, usize::from(!is_expired), "{context}");
        if !is_expired {
            assert_told(made, &seen[before], context);
        }
    }
}

/// The names in an object, as a header lists them.
fn names(object: &Value) -> String {
    encode_list(object.as_object().unwrap().keys().map(String::as_str))
}

/// The roles that the upstream is told as facts, and those that it is told as claims.
fn roles(made: &MadeKey) -> [String; 2] {
    let (own, limits) = (&made.listed["role_descriptors"], &made.listed["limited_by"][0]);
    if own == &json!({}) {
        return [names(limits), String::new()];
    }
    let (facts, claims): (Map<_, _>, Map<_, _>) = own
        .as_object()
        .unwrap()
        .clone()
        .into_iter()
        .partition(|(name, role)| made.by_root || limits.get(name) == Some(role));
    [facts, claims].map(|some| names(&some.into()))
}

/// The value of a header that tells this value of the metadata.
fn header_of(value: &Value) -> String {
    match value {
        Value::String(text) => encode(text),
        Value::Array(values)
            if values.iter().all(|value| !(value.is_object() || value.is_array() || value.is_null())) =>
        {
            values.iter().map(header_of).collect::<Vec<_>>().join(",")
        }
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
    }
}

#[track_caller]
fn assert_told(made: &MadeKey, seen: &SeenRequest, context: &str) {
    let listed = &made.listed;
    let text = |field: &str| encode(listed[field].as_str().unwrap());
    let [facts, claims] = roles(made);
    let expected = [
        ("x-api-key-id", text("id")),
        ("x-api-key-name", text("name")),
        ("x-api-key-owner", text("username")),
        ("x-api-key-owner-realm", text("realm")),
        ("x-api-key-roles", facts),
        ("x-api-key-claimed-roles", claims),
        ("x-api-key-limited-by", names(&listed["limited_by"][0])),
        (
            "x-api-key-expiration",
            listed["expiration"].as_u64().map_or_else(String::new, |end| end.to_string()),
        ),
    ];
    for (name, value) in expected {
        assert_eq!(seen.header_values(name).concat(), value, "{context}: {name} of {}", listed["name"]);
    }
    for (n, path) in TOLD_PATHS.iter().enumerate() {
        let value = path.split('.').try_fold(&listed["metadata"], |value, name| value.get(name));
        let told = seen.header_values(&format!("x-m-{n}")).concat();
        assert_eq!(
            told,
            value.map_or_else(String::new, header_of),
            "{context}: {path} of {}",
            listed["name"]
        );
    }
}

/// Bytes of memory that a process has.
fn resident(envoy: &EnvoyProcess) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", envoy.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// Fails unless the edge holds all keys whole, within its memory, and nothing has died.
#[track_caller]
fn assert_sound(envoy: &EnvoyProcess, keys: usize, before: usize, context: &str) {
    let stat = |name: &str| envoy.admin().stat(&format!("wasmcustom.latchkey.{name}")).unwrap();
    assert_eq!(stat("feed.rows_set_aside"), 0, "{context}");
    let reloads = envoy.admin().stats(r"^wasm\..*vm_reload").unwrap();
    assert!(reloads.values().all(|count| *count == 0), "{context}: a VM was reloaded: {reloads:?}");
    assert!(!envoy.log().stderr().contains("a fault of the filter"), "{context}: the module has panicked");
    let (grown, most) = (resident(envoy).saturating_sub(before), keys * KEY_MEMORY_MAX + EDGE_MEMORY_MAX);
    assert!(grown <= most, "{context}: {keys} keys took {grown} bytes, at most {most} are allowed");
}

#[test]
fn every_extreme_key_that_the_service_accepts_is_admitted_as_the_service_tells_it() {
    let (cases, seed) =
        (number(CASES_VARIABLE).map_or(CASES, |n| n as usize), number(SEED_VARIABLE).unwrap_or(SEED));
    let context = format!("{SEED_VARIABLE}={seed} {CASES_VARIABLE}={cases}");
    let gate = Gate::start(MAKERS.len());
    let before = resident(&gate.stack.envoy);
    let mut drawing = Drawing::from_seed(seed);
    let (mut made, mut refused) = (Vec::new(), 0);
    for _ in 0..cases {
        let (maker, body) = (drawing.maker(MAKERS.len() + 1), drawing.key());
        let client = gate.makers.get(maker).unwrap_or(gate.root());
        let answer = client.send(Request::new("POST", KEYS).json(&body)).unwrap();
        match answer.status {
            200 => made.push((created(&answer.json().unwrap()), maker == MAKERS.len())),
            400 => refused += 1,
            status => panic!("{context}: {status} {}", answer.text()),
        }
    }
    assert!(
        made.len() > cases / 3 && refused > cases / 20,
        "{context}: {} made, {refused} refused",
        made.len()
    );
    let made = gate.made(made);
    // It loads at once what the first has heard of one after the other.
    let second = gate
        .stack
        .another_edge(|config| {
            tell_all(config);
            Ok(())
        })
        .unwrap();
    for envoy in [&gate.stack.envoy, &second] {
        for key in &made {
            gate.check(envoy, key, &context);
        }
        assert_sound(envoy, made.len(), before, &context);
    }
}

fn created(answer: &Value) -> CreatedKey {
    let text = |field: &str| answer[field].as_str().unwrap().to_owned();
    CreatedKey { id: text("id"), secret: text("api_key"), encoded: text("encoded") }
}

fn numbered<T>(count: usize, value: impl Fn(usize) -> T) -> Map<String, Value>
where
    Value: From<T>,
{
    (0..count).map(|number| (number.to_string(), value(number).into())).collect()
}

/// Metadata that is nested as deep as this, itself included.
fn nested(depth: usize) -> Value {
    (1..depth).fold(json!({}), |inner, _| json!({ "d": inner }))
}

/// A descriptor whose rights have about so many bytes as JSON.
fn rights(len: usize) -> Value {
    json!({"r": {"applications": [
        {"application": "shop", "privileges": ["read"], "resources": [format!("{}*", "r".repeat(len))]}]}})
}

/// A key of one part that can be shorter or longer. What it is called, its body, the most of it that is
/// accepted, and what is said of more.
type Part = (&'static str, fn(usize) -> Value, usize, String);

fn parts() -> [Part; 5] {
    let metadata = |what: &str, most: usize| format!("{what}, at most {most} are allowed");
    [
        ("name", |len| json!({"name": "n".repeat(len)}), 256, "256".to_owned()),
        (
            "values",
            |count| json!({"name": "x", "metadata": numbered(count, |_| 1)}),
            METADATA_VALUES_MAX,
            metadata("metadata has 2049 values", METADATA_VALUES_MAX),
        ),
        (
            "depth",
            |depth| json!({"name": "x", "metadata": nested(depth)}),
            METADATA_DEPTH_MAX,
            metadata("metadata is nested 33 levels deep", METADATA_DEPTH_MAX),
        ),
        (
            "path",
            |len| json!({"name": "x", "metadata": {"p".repeat(len): 1}}),
            METADATA_FIELD_PATH_LEN_MAX,
            metadata("metadata has a field whose path has 1025 bytes", METADATA_FIELD_PATH_LEN_MAX),
        ),
        (
            "roles",
            |count| json!({"name": "x", "role_descriptors": numbered(count, |_| json!({}))}),
            ROLE_NAMES_MAX,
            metadata("role_descriptors has 1025 names", ROLE_NAMES_MAX),
        ),
    ]
}

/// The most of a part with which the service makes a key, which is what it says to more.
fn most_accepted(
    client: &KeyServiceClient,
    body: impl Fn(usize) -> Value,
    too_much: usize,
    said: &str,
) -> usize {
    let refused = client.send(Request::new("POST", KEYS).json(&body(too_much))).unwrap().text();
    let (before, after) = refused.split_once(said).unwrap_or_else(|| panic!("{said}: {refused}"));
    let numbers = |text: &str| -> Vec<usize> {
        text.split(|letter: char| !letter.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
    };
    let (found, most) = (*numbers(before).last().unwrap(), numbers(after)[0]);
    too_much - (found - most)
}

#[test]
fn a_key_at_every_limit_is_admitted_and_one_beyond_is_not_made() {
    let gate = Gate::start(1);
    let (root, alice) = (gate.root(), &gate.makers[0]);
    let before = resident(&gate.stack.envoy);
    // Of what only the service can count it tells how much it is.
    let row =
        |len: usize| json!({"name": "x".repeat(1 + len % 2), "metadata": {"text": "t".repeat(len / 2)}});
    let texts = most_accepted(alice, row, 2 * ROW_LEN_MAX, " bytes as header values");
    let own_rights = |len: usize| json!({"name": "x", "role_descriptors": rights(len)});
    let rights = most_accepted(root, own_rights, 2 * RIGHTS_LEN_MAX, " bytes as JSON, at most");
    let mut made = Vec::new();
    let mut try_both =
        |client: &KeyServiceClient, what: &str, body: &dyn Fn(usize) -> Value, most: usize, said: &str| {
            made.push((client.create_key(&body(most)).unwrap(), std::ptr::eq(client, root)));
            let beyond = client.send(Request::new("POST", KEYS).json(&body(most + 1))).unwrap();
            assert_eq!(beyond.status, 400, "{what}: {}", beyond.text());
            assert!(beyond.text().contains(said), "{what}: {}", beyond.text());
        };
    for (what, body, most, said) in parts() {
        try_both(alice, what, &body, most, &said);
    }
    try_both(alice, "texts", &row, texts, "28673 bytes as header values, at most 28672 are allowed");
    try_both(root, "rights", &own_rights, rights, "65537 bytes as JSON, at most 65536 are allowed");
    let made = gate.made(made);
    for key in &made {
        gate.check(&gate.stack.envoy, key, "at the limits");
    }
    assert_sound(&gate.stack.envoy, made.len(), before, "at the limits");
}

//! Bodies of requests for extreme keys, drawn from a seed.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Map, Value, json};

/// The paths into the metadata that an edge tells.
pub(super) const TOLD_PATHS: [&str; 4] = ["text", "list", "d.d.d.d", "odd"];

/// A source of keys: the same keys of the same seed.
pub(super) struct Drawing(TestRunner);

impl Drawing {
    pub(super) fn from_seed(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        Self(TestRunner::new_with_rng(Config::default(), random))
    }

    /// One of so many makers.
    pub(super) fn maker(&mut self, makers: usize) -> usize {
        self.draw(&(0..makers))
    }

    /// The body of a request for a key.
    pub(super) fn key(&mut self) -> Value {
        self.draw(&key())
    }

    fn draw<S: Strategy>(&mut self, strategy: &S) -> S::Value {
        strategy.new_tree(&mut self.0).unwrap().current()
    }
}

prop_compose! {
    fn key()(
        name in name(),
        roles in prop_oneof![1 => Just(Map::new()), 4 => roles(), 1 => restricted_role()],
        metadata in metadata(),
        expiration in expiration(),
    ) -> Value {
        let mut key = json!({"name": name, "role_descriptors": roles, "metadata": metadata});
        if let Some(expiration) = expiration {
            key["expiration"] = json!(expiration);
        }
        key
    }
}

/// A letter that takes one byte of a header, three, nine or twelve.
fn letter() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("x"),
        Just("%"),
        Just(","),
        Just(" "),
        Just("鍵"),
        Just("😀"),
        Just("\u{1}"),
        Just("\u{202e}")
    ]
}

/// A name of up to 256 UTF-16 units and a few more.
fn name() -> impl Strategy<Value = String> {
    let len = prop_oneof![2 => 0_usize..10, 1 => 100_usize..257];
    (letter(), len).prop_map(|(letter, len)| format!("n{}n", letter.repeat(len)))
}

/// Texts up to where the key is refused for them.
fn text() -> impl Strategy<Value = String> {
    let len = prop_oneof![4 => 0_usize..40, 2 => 0_usize..1_200, 1 => 0_usize..15_000];
    (letter(), len).prop_map(|(letter, len)| letter.repeat(len))
}

/// A moment in the past, or one that no clock has shown yet, up to the last that a number can hold.
fn expiration() -> impl Strategy<Value = Option<&'static str>> {
    prop_oneof![
        4 => Just(None),
        1 => prop_oneof![
            Just("-1"), Just("0"), Just("1ms"), Just("1d"), Just("36500d"), Just("106751991167d"),
            Just("9223372036854775807s"), Just("9223372036854775808s"),
        ]
        .prop_map(Some),
    ]
}

fn roles() -> impl Strategy<Value = Map<String, Value>> {
    let name_len = prop_oneof![3 => 1_usize..20, 1 => 1_usize..480];
    let name = (letter(), name_len).prop_map(|(letter, len)| letter.repeat(len));
    let some = prop::collection::btree_map(name, descriptor(), 1..12);
    let many = (1_usize..1_030)
        .prop_map(|count| (0..count).map(|n| (n.to_string(), json!({}))).collect::<Map<_, _>>());
    prop_oneof![6 => some.prop_map(|map| map.into_iter().collect::<Map<_, _>>()), 1 => many]
}

/// A descriptor that is restricted must be the only one.
fn restricted_role() -> impl Strategy<Value = Map<String, Value>> {
    descriptor().prop_map(|mut role| {
        role["restriction"] = json!({"workflows": ["search_application_query"]});
        Map::from_iter([("restricted".to_owned(), role)])
    })
}

/// How many names, privileges or resources a block lists.
fn some_texts() -> impl Strategy<Value = Vec<String>> {
    let count = prop_oneof![4 => 1_usize..5, 1 => 1_usize..400];
    (count, 1_usize..120)
        .prop_map(|(count, len)| (0..count).map(|n| format!("{n}{}*", "r".repeat(len))).collect())
}

fn descriptor() -> impl Strategy<Value = Value> {
    let indices = (some_texts(), any::<bool>()).prop_map(|(names, restricted)| {
        json!({"names": names, "privileges": ["read", "write"], "allow_restricted_indices": restricted,
               "query": "{\"match_all\":{}}", "field_security": {"grant": ["*"], "except": ["secret*"]}})
    });
    let application = some_texts().prop_map(|resources| {
        json!({"application": "shop", "privileges": ["read", "data:write/*"], "resources": resources})
    });
    let remote =
        some_texts().prop_map(|names| json!({"names": names, "privileges": ["read"], "clusters": ["*"]}));
    let blocks = (
        prop::collection::vec(indices, 0..4),
        prop::collection::vec(application, 0..4),
        prop::collection::vec(remote, 0..2),
        some_texts(),
        prop_oneof![3 => 0_usize..10, 1 => 0_usize..100_000],
    );
    let whole = blocks.prop_map(|(indices, applications, remote_indices, run_as, attached)| {
        json!({"cluster": ["monitor", "manage_own_api_key"], "indices": indices, "applications": applications,
               "remote_indices": remote_indices, "run_as": run_as, "metadata": {"attached": "m".repeat(attached)},
               "description": "d"})
    });
    prop_oneof![2 => Just(json!({})), 3 => whole]
}

fn metadata() -> impl Strategy<Value = Map<String, Value>> {
    let list = prop::collection::vec(
        prop_oneof![text().prop_map(Value::from), any::<i64>().prop_map(Value::from)],
        0..6,
    );
    let odd = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0_usize..2_100).prop_map(|count| json!(vec![1; count])),
        (0_usize..1_500)
            .prop_map(|count| Value::Object((0..count).map(|n| (n.to_string(), json!(n))).collect())),
        (1_usize..1_100).prop_map(|len| json!({"p".repeat(len): "x"})),
        Just(json!([["nested"], {"a": 1}, null])),
    ];
    let deep = prop_oneof![2 => Just(4_usize), 1 => 1_usize..36];
    let fields = (
        prop::option::of(text()),
        prop::option::of(list),
        prop::option::of((deep, text())),
        prop::option::weighted(0.3, odd),
    );
    fields.prop_map(|(text, list, deep, odd)| {
        let deep = deep.map(|(depth, text)| (1..depth).fold(json!(text), |inner, _| json!({ "d": inner })));
        let fields =
            [("text", text.map(Value::from)), ("list", list.map(Value::from)), ("d", deep), ("odd", odd)];
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    })
}

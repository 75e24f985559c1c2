use std::convert::Infallible;

use latchkey_key_feed::PreviousSecret;
use latchkey_privileges::application_privilege::ApplicationPrivilege;
use latchkey_privileges::role_descriptor::RoleDescriptor;
use proptest::prelude::*;
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::export_file::{ExportWriter, Header};
use crate::model::entry_counts::EntryCounts;
use crate::model::key_usage::KeyUsage;
use crate::model::password::PasswordHash;
use crate::model::stored_user::{NativeUser, ReservedUser, UserProfile};
use crate::store::StoreError;
use crate::store::transfer::{self, Entry, ImportError, StoreReader, WhenThere};

const HASH: &str =
    "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$ZGlnZXN0ZGlnZXN0ZGlnZXN0ZGlnZXN0ZGlnZXN0ZGk";

/// A store in SQLite, whatever the others are in.
struct File {
    location: StoreLocation,
    _directory: TempDir,
}

impl File {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { location: StoreLocation::File(directory.path().join("store.db")), _directory: directory }
    }
}

async fn opened(location: &StoreLocation) -> KeyStore {
    KeyStore::open(location, Epoch::try_from("epoch-2".to_owned()).unwrap()).await.unwrap()
}

async fn import(
    store: &KeyStore,
    entries: Vec<Entry>,
    when_there: WhenThere,
) -> Result<EntryCounts, ImportError<Infallible>> {
    transfer::import(store, entries.into_iter().map(Ok), when_there, actor(), UnixMillis(7)).await
}

async fn entries(location: &StoreLocation) -> Vec<Entry> {
    let reader = StoreReader::open(location).await.unwrap();
    let (_, mut entries) = reader.entries().await.unwrap();
    let mut found = Vec::new();
    while let Some(entry) = entries.recv().await {
        found.push(entry.unwrap());
    }
    found
}

/// An export under a header that is always the same.
fn file(entries: Vec<Entry>) -> String {
    let header = Header::new(Epoch::try_from("same".to_owned()).unwrap(), UnixMillis(1));
    let mut bytes = Vec::new();
    let mut writer = ExportWriter::begin(&mut bytes, &header).unwrap();
    for entry in entries {
        writer.write(entry).unwrap();
    }
    writer.end().unwrap();
    String::from_utf8(bytes).unwrap()
}

/// A whole number beyond 64 bits.
fn whole(digits: &str) -> Value {
    serde_json::from_str(digits).unwrap()
}

/// One entry of each kind, and three keys: one that lives, one that is invalidated, one that has expired.
fn one_of_each() -> Vec<Entry> {
    let password = || PasswordHash::try_from(HASH).unwrap();
    let profile = UserProfile {
        roles: vec!["reader".into(), "gone".into()],
        full_name: Some("Zoë \"Z\"".into()),
        email: None,
        metadata: object(json!({"n": 0.1, "big": whole("18446744073709551616"), "nul": "\0"})),
        enabled: false,
    };
    let role: RoleDescriptor =
        serde_json::from_value(json!({"cluster": ["monitor"], "run_as": ["*"]})).unwrap();
    let mut ended = key("ended");
    ended.invalidation = Some(UnixMillis(900));
    ended.expiration = None;
    let mut unending = key("unending");
    unending.expiration = None;
    unending.usage = KeyUsage {
        counted_since: Some(UnixMillis(3)),
        last_used: Some(UnixMillis(800)),
        uses: 7,
        last_used_edge: Some("east".into()),
        wrong_secrets: 2,
        last_wrong_secret: Some(UnixMillis(700)),
    };
    vec![
        Entry::User(Box::new(NativeUser {
            username: "zoë".into(),
            password: Some(password()),
            suspended_realm: None,
            profile,
        })),
        Entry::ReservedUser(
            "elastic".into(),
            Box::new(ReservedUser { password: Some(password()), enabled: true }),
        ),
        Entry::Role("reader".into(), Box::new(role)),
        Entry::ApplicationPrivilege(ApplicationPrivilege {
            application: "app".into(),
            name: "read".into(),
            actions: vec!["data:read/*".into()],
            metadata: object(json!({"a": [null, true]})),
        }),
        Entry::ApiKey(Box::new(unending)),
        Entry::ApiKey(Box::new(ended)),
        Entry::ApiKey(Box::new(key("expired"))),
    ]
}

#[tokio::test]
async fn everything_arrives_as_it_was() {
    let scratch = ScratchStore::new().await;
    let counts = import(&scratch.store, one_of_each(), WhenThere::Refuse).await.unwrap();
    let expected =
        EntryCounts { users: 1, reserved_users: 1, roles: 1, application_privileges: 1, api_keys: 3 };
    assert_eq!(counts, expected);
    assert_eq!(file(entries(&location(&scratch.place)).await), file(one_of_each()));
    let reader = StoreReader::open(&location(&scratch.place)).await.unwrap();
    let soundness = reader.check().await.unwrap();
    assert_eq!((soundness.counts, soundness.keys_live), (expected, 2));
    assert_eq!(soundness.problems, Vec::<String>::new());
}

#[tokio::test]
async fn the_feed_tells_followers_of_imported_keys() {
    // In PostgreSQL, a feed of its own name hears of no other test.
    let place = Scratch::new().await;
    let scratch = ScratchStore { store: open(&place, "epoch-of-imports").await, place };
    scratch.create("before").await;
    let mut changes = scratch.store.changes();
    import(&scratch.store, one_of_each(), WhenThere::Refuse).await.unwrap();
    assert!(changes.has_changed().unwrap());
    let page = scratch.store.parsed_page(latchkey_key_feed::Cursor(2), 10).await.unwrap();
    let rows: Vec<(u64, String, bool)> = page
        .keys
        .iter()
        .map(|row| match row {
            latchkey_key_feed::FeedRow::Live { seq, record } => (seq.0, record.id.to_string(), true),
            latchkey_key_feed::FeedRow::Removed { seq, id } => (seq.0, id.to_string(), false),
        })
        .collect();
    let expected = [(3, "unending", true), (4, "ended", false), (5, "expired", true)];
    assert_eq!(rows, expected.map(|(seq, id, live)| (seq, id.to_owned(), live)));
    // The privilege of an application comes last, and is no row.
    assert_eq!((page.cursor.0, page.total), (6, 3));
    assert_eq!(*changes.borrow_and_update(), page.cursor);
}

#[tokio::test]
async fn an_import_leaves_events_of_bounded_size() {
    let scratch = ScratchStore::new().await;
    let keys = (0..600).map(|number| Entry::ApiKey(Box::new(key(&format!("k{number}")))));
    import(&scratch.store, keys.chain(one_of_each()).collect(), WhenThere::Refuse).await.unwrap();
    let events: Vec<_> = scratch.store.database.events().await;
    let sizes: Vec<usize> = events
        .iter()
        .filter(|(action, ..)| action == "import_api_keys")
        .map(|(_, _, ids)| serde_json::from_str::<Vec<Value>>(ids).unwrap().len())
        .collect();
    assert_eq!(sizes, [250, 250, 103]);
    let named = scratch.store.database.directory_events().await;
    for (action, subjects) in [
        ("import_users", r#"["zoë"]"#),
        ("import_users", r#"["elastic"]"#),
        ("import_roles", r#"["reader"]"#),
        ("import_privileges", r#"["app:read"]"#),
    ] {
        assert!(named.contains(&(action.to_owned(), subjects.to_owned())), "{action} {subjects}\n{named:?}");
    }
}

#[tokio::test]
async fn refuses_the_whole_when_one_is_there_and_leaves_no_trace() {
    for taken in 0..one_of_each().len() {
        let scratch = ScratchStore::new().await;
        let there = one_of_each().swap_remove(taken);
        let name = there.name();
        import(&scratch.store, vec![there], WhenThere::Refuse).await.unwrap();
        let before = file(entries(&location(&scratch.place)).await);
        let feed = scratch.store.parsed_page(latchkey_key_feed::Cursor(0), 10).await.unwrap();
        let refused = import(&scratch.store, one_of_each(), WhenThere::Refuse).await;
        assert!(matches!(&refused, Err(ImportError::AlreadyThere(found)) if *found == name), "{refused:?}");
        assert_eq!(file(entries(&location(&scratch.place)).await), before);
        assert_eq!(scratch.store.parsed_page(latchkey_key_feed::Cursor(0), 10).await.unwrap(), feed);
    }
}

#[tokio::test]
async fn leaves_what_is_there_when_told_to() {
    let scratch = ScratchStore::new().await;
    let mut own = key("ended");
    own.name = "the store's own".into();
    import(&scratch.store, vec![Entry::ApiKey(Box::new(own.clone()))], WhenThere::Refuse).await.unwrap();
    let counts = import(&scratch.store, one_of_each(), WhenThere::Skip).await.unwrap();
    assert_eq!((counts.api_keys, counts.users), (2, 1));
    assert_eq!(scratch.store.find("ended").await.unwrap(), Some(own));
    let again = import(&scratch.store, one_of_each(), WhenThere::Skip).await.unwrap();
    assert_eq!(again, EntryCounts::default());
    let soundness = StoreReader::open(&location(&scratch.place)).await.unwrap().check().await.unwrap();
    assert_eq!((soundness.keys_live, soundness.problems), (3, Vec::new()));
}

#[tokio::test]
async fn refuses_an_id_that_comes_twice() {
    let scratch = ScratchStore::new().await;
    let twice = vec![Entry::ApiKey(Box::new(key("a"))), Entry::ApiKey(Box::new(key("a")))];
    let refused = import(&scratch.store, twice, WhenThere::Refuse).await;
    assert!(matches!(refused, Err(ImportError::AlreadyThere(_))), "{refused:?}");
    assert!(scratch.store.find("a").await.unwrap().is_none());
}

#[tokio::test]
async fn a_nul_is_refused_where_it_cannot_be_kept_and_nothing_is_written() {
    let scratch = ScratchStore::new().await;
    let mut awkward = key("awkward");
    awkward.name = "a\0b".into();
    let entries = || vec![Entry::ApiKey(Box::new(key("a"))), Entry::ApiKey(Box::new(awkward.clone()))];
    let imported = import(&scratch.store, entries(), WhenThere::Refuse).await;
    if let ScratchLocation::File(_) = scratch.place.place {
        assert_eq!(imported.unwrap().api_keys, 2);
        assert_eq!(scratch.store.find("awkward").await.unwrap(), Some(awkward));
    } else {
        let refused = imported.unwrap_err();
        assert!(
            matches!(&refused, ImportError::NulInText(name) if name == "the API key awkward"),
            "{refused:?}"
        );
        assert!(scratch.store.find("a").await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_mistake_half_way_leaves_no_trace() {
    let scratch = ScratchStore::new().await;
    let broken = one_of_each().into_iter().map(Ok).chain([Err("cut off")]);
    let refused = transfer::import(&scratch.store, broken, WhenThere::Refuse, actor(), UnixMillis(7)).await;
    assert!(matches!(refused, Err(ImportError::Source("cut off"))));
    assert_eq!(file(entries(&location(&scratch.place)).await), file(Vec::new()));
}

#[tokio::test]
async fn an_export_is_of_one_moment() {
    let scratch = ScratchStore::new().await;
    import(&scratch.store, one_of_each(), WhenThere::Refuse).await.unwrap();
    let reader = StoreReader::open(&location(&scratch.place)).await.unwrap();
    let (epoch, mut exported) = reader.entries().await.unwrap();
    scratch.create("later").await;
    scratch.invalidate("unending").await;
    let mut found = Vec::new();
    while let Some(entry) = exported.recv().await {
        found.push(entry.unwrap());
    }
    assert_eq!(epoch, scratch.store.epoch());
    assert_eq!(file(found), file(one_of_each()));
}

#[tokio::test]
async fn a_reader_changes_nothing() {
    let scratch = ScratchStore::new().await;
    let reader = StoreReader::open(&location(&scratch.place)).await.unwrap();
    let refused = reader.database.try_a_change().await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    let missing = StoreLocation::File("/nowhere/store.db".into());
    assert!(StoreReader::open(&missing).await.is_err());
}

#[tokio::test]
async fn a_check_finds_a_miscount() {
    let scratch = ScratchStore::new().await;
    scratch.create("a").await;
    scratch.store.database.miscount().await;
    let soundness = StoreReader::open(&location(&scratch.place)).await.unwrap().check().await.unwrap();
    assert_eq!(soundness.problems, ["the number of live keys is not the one that is kept"]);
}

fn awkward_text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), Just("\"'\\\n\r\t\u{2028}\u{feff}😀\u{202e}".to_owned())]
        .prop_map(|text| text.replace('\0', "\u{1}"))
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

prop_compose! {
    fn awkward_key()(
        texts in prop::collection::vec(awkward_text(), 6),
        moments in prop::collection::vec(prop::option::of(0..=i64::MAX as u64), 3),
        bytes in any::<([u8; 16], [u8; 32])>(),
        value in json_value(),
        with_roles in any::<bool>(),
    ) -> StoredKey {
        let text = |place: usize| texts[place].clone();
        let mut key = key("replaced");
        key.secrets.salt = Salt::from_bytes(bytes.0);
        key.secrets.current = SecretDigest::from_bytes(bytes.1);
        key.rotation = moments[2].map(UnixMillis);
        key.secrets.previous = moments[2].map(|until| PreviousSecret {
            digest: SecretDigest::from_bytes(bytes.1.map(|byte| !byte)),
            until: UnixMillis(until),
        });
        key.name = text(0);
        key.owner.username = text(1);
        key.owner.realm = text(2);
        key.owner.realm_type = with_roles.then(|| text(3));
        key.owner.full_name = Some(text(4));
        key.owner.metadata = object(json!({text(5): value.clone()}));
        key.creation = UnixMillis(moments[0].unwrap_or_default());
        key.expiration = moments[1].map(UnixMillis);
        key.invalidation = moments[2].map(UnixMillis);
        key.metadata = object(json!({"value": value}));
        if !with_roles {
            key.role_descriptors = RoleDescriptors::default();
        }
        key
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_round_trip_changes_nothing(mut keys in prop::collection::vec(awkward_key(), 0..12)) {
        for (number, key) in keys.iter_mut().enumerate() {
            key.id = KeyId::try_from(format!("k{number}")).unwrap();
        }
        let entries_of = |keys: &[StoredKey]| -> Vec<Entry> {
            keys.iter().cloned().map(|key| Entry::ApiKey(Box::new(key))).collect()
        };
        let expected = file(entries_of(&keys));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let exports = runtime.block_on(async {
            let (first, middle, last) = (File::new(), ScratchStore::new().await, File::new());
            import(&opened(&first.location).await, entries_of(&keys), WhenThere::Refuse).await.unwrap();
            let moved = entries(&first.location).await;
            import(&middle.store, moved.clone(), WhenThere::Refuse).await.unwrap();
            let back = entries(&location(&middle.place)).await;
            import(&opened(&last.location).await, back.clone(), WhenThere::Refuse).await.unwrap();
            let end = entries(&last.location).await;
            [moved, back, end].map(file)
        });
        for export in exports {
            prop_assert_eq!(&export, &expected);
        }
    }
}

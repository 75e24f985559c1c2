//! What a key may do is what the key service would say, and nobody is admitted where nobody can tell.

use std::collections::BTreeMap;

use latchkey_key_feed::{Cursor, Epoch, KeyId};
use serde_json::json;

use super::*;
use crate::table::sample_keys::{
    APPLICATION, answer_with_rights, at, key, live, refreshed_at, shape_with_rights,
};
use crate::table::{
    Changes, FeedIdentity, FeedTable as _, Found, LiveTable, PagedRecord, Progress, SharedEntries as _,
    SharedNames, TableReader, TableWriter,
};
use crate::testing::FakeSharedData;

const NOW: MonotonicMillis = MonotonicMillis(1_000_000);

/// A process whose table holds the key `k`, and a VM of it.
struct Edge {
    shared: FakeSharedData,
    writer: TableWriter<FakeSharedData>,
    reader: TableReader<FakeSharedData>,
    table: LiveTable,
    prepared: PreparedRights,
    questions: Vec<Question>,
    seq: u64,
}

fn names() -> SharedNames {
    SharedNames::of(&FeedIdentity::of("c", "a", "/p"), shape_with_rights())
}

fn application(privilege: &str, resource: &str) -> Question {
    Question::Application {
        application: APPLICATION.to_owned(),
        privilege: privilege.to_owned(),
        resource: Resource::parse(resource).unwrap(),
    }
}

fn orders(privileges: &[&str]) -> String {
    json!({"limited_by": {"applications": [
        {"application": APPLICATION, "privileges": privileges, "resources": ["orders/*"]}]}})
    .to_string()
}

impl Edge {
    fn new(questions: Vec<Question>) -> Self {
        let shared = FakeSharedData::default();
        let writer = TableWriter::new(shared.clone(), names());
        let mut build = writer.begin(1, 7).unwrap();
        while writer.lay_out(&mut build).unwrap() == Progress::Continues {}
        let epoch = Epoch::try_from("epoch.2".to_owned()).unwrap();
        let table = writer.publish(&build, &epoch, Cursor(0), 1, Some(refreshed_at(at(NOW)))).unwrap();
        let reader = TableReader::new(shared.clone(), names());
        Self { shared, writer, reader, table, prepared: PreparedRights::default(), questions, seq: 0 }
    }

    fn apply(&mut self, rights: &[(&str, Option<String>)], registered: Option<Option<String>>) {
        let after = self.seq;
        let rows: Vec<_> = rights.iter().zip(after + 1..).map(|((id, _), seq)| live(seq, key(id))).collect();
        self.seq += rows.len() as u64 + 1;
        let by_key =
            |(id, json): &(&str, Option<String>)| Some((KeyId::try_from(*id).unwrap(), json.clone()?));
        let rights: BTreeMap<_, _> = rights.iter().filter_map(by_key).collect();
        let answer = answer_with_rights(self.seq, &rows, rights, registered.map(|json| (self.seq, json)));
        let changes = Changes::read(&answer, Cursor(after), &shape_with_rights()).unwrap().1;
        self.writer.apply(&self.table, &changes).unwrap();
    }

    fn grant(&mut self, id: &str, rights: String) {
        self.apply(&[(id, Some(rights))], None);
    }

    fn register(&mut self, privileges: &str) {
        self.apply(&[], Some(Some(privileges.to_owned())));
    }

    fn record(&self, id: &str) -> PagedRecord {
        match self.reader.find(&KeyId::try_from(id).unwrap(), NOW).unwrap() {
            Some(Found::Key(record)) => record,
            other => panic!("{other:?}"),
        }
    }

    fn ask(&self, id: &str, question: usize, captures: &Captures<'_>) -> Held {
        let rights = RightsInTable {
            prepared: &self.prepared,
            questions: &self.questions,
            told: None,
            applications: &[APPLICATION.to_owned()],
            table: &self.reader,
            now: NOW,
        };
        rights.holds(&self.record(id), QuestionId(question), captures)
    }

    fn told(&self) -> ToldPrivileges {
        let rights = RightsInTable {
            prepared: &self.prepared,
            questions: &self.questions,
            told: Some(APPLICATION),
            applications: &[APPLICATION.to_owned()],
            table: &self.reader,
            now: NOW,
        };
        rights.told_privileges(&self.record("k"))
    }

    fn holds(&self, question: usize) -> Held {
        self.ask("k", question, &Captures::default())
    }
}

#[test]
fn a_key_may_do_what_its_rights_say() {
    let index =
        |name: &str| Question::Index { names: vec![name.to_owned()], privileges: vec!["read".to_owned()] };
    let questions = vec![
        application("read", "orders/1"),
        application("read", "customers/1"),
        application("write", "orders/1"),
        Question::Cluster("monitor".to_owned()),
        Question::Cluster("manage".to_owned()),
        index("logs-1"),
        index("other"),
    ];
    let mut edge = Edge::new(questions);
    let mut rights: serde_json::Value = serde_json::from_str(&orders(&["read"])).unwrap();
    rights["limited_by"]["cluster"] = json!(["monitor"]);
    rights["limited_by"]["indices"] = json!([{"names": ["logs-*"], "privileges": ["read"]}]);
    edge.grant("k", rights.to_string());
    let held: Vec<_> = (0..7).map(|question| edge.holds(question)).collect();
    use Held::{No, Yes};
    assert_eq!(held, [Yes, No, No, Yes, No, Yes, No]);
    assert_eq!(
        (0..7).map(|question| edge.holds(question)).collect::<Vec<_>>(),
        held,
        "and again from memory"
    );
}

#[test]
fn a_change_of_the_key_or_of_what_is_registered_is_seen_at_the_next_request() {
    let mut edge = Edge::new(vec![application("read", "orders/1"), application("write", "orders/1")]);
    edge.grant("k", orders(&["read"]));
    assert_eq!((edge.holds(0), edge.holds(1)), (Held::Yes, Held::No));
    edge.grant("k", orders(&["write"]));
    assert_eq!((edge.holds(0), edge.holds(1)), (Held::No, Held::Yes));
    // Both names stand for the same actions.
    edge.register(r#"{"read":["data:a"],"write":["data:a","data:b"]}"#);
    assert_eq!((edge.holds(0), edge.holds(1)), (Held::Yes, Held::Yes));
    edge.register(r#"{"read":["data:c"],"write":["data:a"]}"#);
    assert_eq!((edge.holds(0), edge.holds(1)), (Held::No, Held::Yes));
    edge.register("{}");
    assert_eq!((edge.holds(0), edge.holds(1)), (Held::No, Held::Yes));
}

#[test]
fn what_nobody_knows_is_unknown() {
    let mut edge = Edge::new(vec![application("read", "orders/1"), Question::Cluster("monitor".to_owned())]);
    edge.apply(&[("k", None)], None);
    assert_eq!(edge.holds(0), Held::Unknown, "the service could not tell its rights");
    edge.grant("k", orders(&["read"]));
    assert_eq!(edge.holds(0), Held::Yes);
    edge.apply(&[], Some(None));
    assert_eq!(edge.holds(0), Held::Unknown, "the service could not tell the registered privileges");
    assert_eq!(edge.holds(1), Held::No, "which has nothing to do with applications");
    edge.register("{}");
    assert_eq!(edge.holds(0), Held::Yes);
    edge.grant("k", r#"{"limited_by":{},"denied":[]}"#.to_owned());
    assert_eq!(edge.holds(0), Held::Unknown, "an unknown field could restrict something");
    assert_eq!(edge.ask("k", 2, &Captures::default()), Held::Unknown, "no such question");
}

#[test]
fn a_set_that_is_missing_or_garbage_is_unknown() {
    let mut edge = Edge::new(vec![application("read", "orders/1")]);
    edge.grant("k", orders(&["read"]));
    let record = edge.record("k");
    // Everything but the page of the key is emptied, and then filled with something else.
    for garbage in [&b""[..], b"?"] {
        for name in edge.shared.names() {
            let bytes = edge.shared.read(name).bytes;
            let is_set = bytes.windows(7).any(|part| part == b"rights:");
            if is_set || bytes == b"?" || bytes.is_empty() {
                edge.shared.overwrite(name, garbage);
            }
        }
        let rights = RightsInTable {
            prepared: &PreparedRights::default(),
            questions: &edge.questions,
            told: None,
            applications: &[],
            table: &edge.reader,
            now: NOW,
        };
        assert_eq!(rights.holds(&record, QuestionId(0), &Captures::default()), Held::Unknown);
    }
}

#[test]
fn what_takes_too_much_work_is_never_yes_and_says_so() {
    let mut edge = Edge::new(vec![application("read", &"?".repeat(900))]);
    let resources: Vec<String> =
        (0..700).map(|number| format!("{}{number}*", "*?*o*r*d*e*r*s*".repeat(4))).collect();
    let rights = json!({"limited_by": {"applications": [
        {"application": APPLICATION, "privileges": ["read"], "resources": resources}]}});
    edge.grant("k", rights.to_string());
    assert_eq!(edge.holds(0), Held::TooCostly);
}

#[test]
fn answers_are_read_once_and_what_is_kept_is_bounded() {
    let mut edge = Edge::new(vec![Question::Cluster("monitor".to_owned())]);
    let rights = |number: usize| format!(r#"{{"limited_by":{{"cluster":["monitor","{number}"]}}}}"#);
    edge.grant("k", rights(0));
    assert_eq!(edge.holds(0), Held::Yes);
    let reads = edge.shared.reads();
    for _ in 0..10 {
        assert_eq!(edge.holds(0), Held::Yes);
    }
    assert_eq!(edge.shared.reads(), reads, "an answer that is kept costs no read");
    for number in 1..=PREPARED_SETS_MAX {
        edge.grant("k", rights(number));
        assert_eq!(edge.holds(0), Held::Yes);
    }
    let kept = edge.prepared.kept.borrow();
    assert!(kept.sets.len() <= PREPARED_SETS_MAX && kept.len <= PREPARED_LEN_MAX);
}

fn told(json: &str) -> ToldPrivileges {
    ToldPrivileges::Told(json.into())
}

#[test]
fn told_are_the_registered_privileges_that_the_key_has() {
    let mut edge = Edge::new(Vec::new());
    edge.grant("k", orders(&["read", "unregistered"]));
    assert_eq!(edge.told(), told("[]"), "nothing is registered");
    edge.register(r#"{"read":["data:read/*"],"see":["data:read/one"],"write":["data:write/*"]}"#);
    let seen = r#"[{"privileges":["read","see"],"resources":["orders/*"]}]"#;
    assert_eq!(edge.told(), told(seen));
    let reads = edge.shared.reads();
    assert_eq!(edge.told(), told(seen));
    assert_eq!(edge.shared.reads(), reads, "what is kept costs no read");
    edge.register(r#"{"read":["data:write/*"]}"#);
    assert_eq!(edge.told(), told(r#"[{"privileges":["read"],"resources":["orders/*"]}]"#));
    edge.grant("k", orders(&["write"]));
    assert_eq!(edge.told(), told("[]"));
}

#[test]
fn what_is_told_is_json_in_visible_ascii() {
    let mut edge = Edge::new(Vec::new());
    edge.register(r#"{"read":["data:read"]}"#);
    let rights = json!({"limited_by": {"applications": [{
        "application": APPLICATION, "privileges": ["read"], "resources": ["a \"b\\,c", "k\u{e4}se \u{1f511}\r\n\u{7f}"]}]}});
    edge.grant("k", rights.to_string());
    let ToldPrivileges::Told(json) = edge.told() else { panic!("nothing is told") };
    assert!(json.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{json}");
    let read: serde_json::Value = serde_json::from_str(&json).unwrap();
    let resources = &rights["limited_by"]["applications"][0]["resources"];
    assert_eq!(read, json!([{"privileges": ["read"], "resources": resources}]));
}

#[test]
fn what_nobody_knows_or_what_is_too_long_is_not_told() {
    let untold = ToldPrivileges::Untold;
    let mut edge = Edge::new(Vec::new());
    edge.apply(&[("k", None)], None);
    assert_eq!(edge.told(), untold(Untold::Unknown), "the service could not tell its rights");
    edge.grant("k", orders(&["read"]));
    edge.apply(&[], Some(None));
    assert_eq!(edge.told(), untold(Untold::Unknown), "the service could not tell what is registered");
    edge.register(r#"{"read":["data:read"]}"#);
    assert_ne!(edge.told(), untold(Untold::Unknown));
    let on = |resources: Vec<String>| {
        json!({"limited_by": {"applications": [
            {"application": APPLICATION, "privileges": ["read"], "resources": resources}]}})
        .to_string()
    };
    edge.grant("k", on(vec!["r".repeat(1_000); 1]));
    assert!(matches!(edge.told(), ToldPrivileges::Told(_)));
    let long = |count: usize| (0..count).map(|number| format!("{number:0100}")).collect::<Vec<_>>();
    edge.grant("k", on(long(TOLD_PRIVILEGES_LEN_MAX / 100 + 1)));
    assert_eq!(edge.told(), untold(Untold::TooLong));
    // It fits without the quotes and commas only.
    edge.grant("k", on(long(TOLD_PRIVILEGES_LEN_MAX / 100)));
    assert_eq!(edge.told(), untold(Untold::TooLong));
}

#[test]
fn privileges_that_take_too_much_work_to_find_are_not_told() {
    let mut edge = Edge::new(Vec::new());
    let names: Vec<String> = (0..2_000)
        .map(|number| format!("\"p{number:04}\":[\"data:{}{number}\"]", "*a*b*".repeat(8)))
        .collect();
    edge.register(&format!("{{{}}}", names.join(",")));
    let patterns: Vec<String> = (0..50).map(|number| format!("data:{}{number}", "*b*a*".repeat(8))).collect();
    let rights = json!({"limited_by": {"applications": [
        {"application": APPLICATION, "privileges": patterns, "resources": ["*"]}]}});
    edge.grant("k", rights.to_string());
    assert_eq!(edge.told(), ToldPrivileges::Untold(Untold::TooCostly));
}

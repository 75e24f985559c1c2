//! Three replicas of the key service on one PostgreSQL behind a real Envoy, and everything that may befall
//! them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use latchkey_local_stack::envoy::EnvoyProcess;
use latchkey_local_stack::http::{Request, Response, http1};
use latchkey_local_stack::key_service::{CreatedKey, KeyServiceClient};
use latchkey_local_stack::places;
use latchkey_local_stack::replicas::Replicas;
use latchkey_local_stack::stack::FEED_CREDENTIAL_VARIABLE;
use latchkey_local_stack::upstream::Upstream;
use latchkey_local_stack::wait;
use serde_json::{Value, json};

use crate::stage;

const REPLICAS: usize = 3;

/// Keys that have to be acknowledged between two misfortunes, so that each meets changes under way.
const KEYS_BETWEEN_FAULTS: usize = 8;

/// What the service has acknowledged.
#[derive(Default)]
struct Acknowledged {
    created: Vec<CreatedKey>,
    invalidated: BTreeSet<String>,
}

/// An Envoy that follows all replicas.
struct Edge {
    envoy: EnvoyProcess,
    _upstream: Upstream,
}

impl Edge {
    fn over(replicas: &Replicas) -> Self {
        let feed_key = replicas.client(0).unwrap().create_feed_key().unwrap();
        let upstream = Upstream::start(([127, 0, 0, 1], 0).into()).unwrap();
        let addresses = replicas.addresses();
        let mut options = stage::options(addresses[0], &upstream, |config| {
            *config.cluster("key_service").unwrap() = documented_cluster();
            config.set_cluster_addresses("key_service", &addresses).unwrap();
        });
        options.environment = vec![(FEED_CREDENTIAL_VARIABLE.to_owned(), feed_key.encoded)];
        Self { envoy: EnvoyProcess::start(&options).unwrap(), _upstream: upstream }
    }

    fn status_for(&self, key: &CreatedKey) -> u16 {
        let request = Request::get("/replicas").api_key(&key.encoded);
        http1::exchange(self.envoy.listener().unwrap(), &request).unwrap().status
    }

    fn await_status(&self, key: &CreatedKey, status: u16) {
        wait::until("the edge has heard of a change", || Ok((self.status_for(key) == status).then_some(())))
            .unwrap();
    }
}

/// The cluster of the key service as the guide has it.
fn documented_cluster() -> Value {
    let guide = fs::read_to_string(places::repository().join("docs/operations.md")).unwrap();
    let (_, section) = guide.split_once("## Three replicas").unwrap();
    let (_, block) = section.split_once("```yaml\n").unwrap();
    let (yaml, _) = block.split_once("```").unwrap();
    let document: Value = serde_saphyr::from_str(yaml).unwrap();
    document["clusters"][0].clone()
}

/// Makes keys and ends every other one, whatever befalls the service, until told to stop.
fn change_keys(client: &KeyServiceClient, noted: &Mutex<Acknowledged>, stop: &AtomicBool) {
    let mut number = 0;
    while !stop.load(Ordering::SeqCst) {
        // What fails is not noted: it may have happened or not.
        let Ok(key) = client.create_key(&json!({"name": format!("k{number}")})) else { continue };
        noted.lock().unwrap().created.push(key.clone());
        if number % 2 == 0 && client.invalidate(&key.id).is_ok() {
            noted.lock().unwrap().invalidated.insert(key.id);
        }
        number += 1;
    }
}

/// What a follower holds: whether each key is removed, and how far it has read.
#[derive(Default)]
struct Followed {
    cursor: u64,
    removed: BTreeMap<String, bool>,
}

impl Followed {
    /// Reads one page of a replica. `false` when there was none to read, or no answer.
    fn read_from(&mut self, client: &KeyServiceClient, wait: &str) -> bool {
        let target = format!("/_latchkey/feed?after={}&limit=50&wait={wait}", self.cursor);
        let Ok(answer) = client.send(Request::get(&target)) else { return false };
        if answer.status != 200 {
            assert_eq!(answer.status, 503, "{}", answer.text());
            return false;
        }
        self.apply(&answer.json().unwrap())
    }

    fn apply(&mut self, page: &Value) -> bool {
        assert_eq!(page["reset"], false, "{page}");
        let mut seq = self.cursor;
        for row in page["keys"].as_array().unwrap() {
            let next = row["seq"].as_u64().unwrap();
            assert!(next > seq, "{next} after {seq}");
            seq = next;
            self.removed.insert(row["id"].as_str().unwrap().to_owned(), row["removed"] == true);
        }
        let before = self.cursor;
        self.cursor = page["cursor"].as_u64().unwrap();
        assert!(self.cursor >= seq && self.cursor >= before, "the feed went back to {}", self.cursor);
        self.cursor > before
    }
}

/// Follows the feed, now at this replica and now at that one, until told to stop, and then to its end.
fn follow(replicas: [&KeyServiceClient; REPLICAS], first: usize, stop: &AtomicBool) -> Followed {
    let mut followed = Followed::default();
    let mut turn = first;
    while !stop.load(Ordering::SeqCst) {
        followed.read_from(replicas[turn % REPLICAS], "200ms");
        turn += 1;
    }
    while followed.read_from(replicas[turn % REPLICAS], "0s") {}
    followed
}

fn await_progress(noted: &Mutex<Acknowledged>) {
    let before = noted.lock().unwrap().created.len();
    wait::until("more keys are acknowledged", || {
        let now = noted.lock().unwrap().created.len();
        Ok((now >= before + KEYS_BETWEEN_FAULTS).then_some(()))
    })
    .unwrap();
}

/// Every misfortune in turn, while keys are changed.
fn befall(replicas: &Mutex<Replicas>, noted: &Mutex<Acknowledged>) {
    for number in 0..REPLICAS {
        await_progress(noted);
        replicas.lock().unwrap().crash(number).unwrap();
    }
    for _ in 0..3 {
        await_progress(noted);
        let cut = "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'latchkey'";
        replicas.lock().unwrap().database.run(cut).unwrap();
    }
    await_progress(noted);
    let mut held = replicas.lock().unwrap();
    held.database.kill();
    held.database.start_again().unwrap();
    drop(held);
    await_progress(noted);
}

#[test]
fn no_change_is_lost_whatever_befalls_replicas_and_database() {
    let replicas = Replicas::start(REPLICAS).unwrap();
    let edge = Edge::over(&replicas);
    let clients: Vec<KeyServiceClient> = (0..REPLICAS).map(|n| replicas.client(n).unwrap().clone()).collect();
    let clients = [&clients[0], &clients[1], &clients[2]];
    let (replicas, noted) = (Mutex::new(replicas), Mutex::new(Acknowledged::default()));
    let (stop_writing, stop_following) = (AtomicBool::new(false), AtomicBool::new(false));
    let followed = thread::scope(|scope| {
        let writers = clients.map(|client| scope.spawn(|| change_keys(client, &noted, &stop_writing)));
        let followers = [0, 1].map(|first| {
            let stop = &stop_following;
            scope.spawn(move || follow(clients, first, stop))
        });
        befall(&replicas, &noted);
        stop_writing.store(true, Ordering::SeqCst);
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        stop_following.store(true, Ordering::SeqCst);
        followers.map(|follower| follower.join().unwrap())
    });

    let mut loaded = Followed::default();
    while loaded.read_from(clients[2], "0s") {}
    for follower in &followed {
        assert_eq!((follower.cursor, &follower.removed), (loaded.cursor, &loaded.removed));
    }
    let noted = noted.into_inner().unwrap();
    for key in &noted.created {
        let removed = loaded.removed.get(&key.id).unwrap_or_else(|| panic!("{key:?} is lost"));
        assert!(*removed || !noted.invalidated.contains(&key.id), "{key:?} came back");
    }
    let total = loaded.removed.values().filter(|removed| !**removed).count();
    let page = clients[1].send(Request::get("/_latchkey/feed?after=0&limit=1")).unwrap().json().unwrap();
    assert_eq!(page["total"], total);
    for key in &noted.created {
        edge.await_status(key, if loaded.removed[&key.id] { 401 } else { 200 });
    }
}

#[test]
fn a_change_at_one_replica_answers_the_long_polls_of_all() {
    let replicas = Replicas::start(REPLICAS).unwrap();
    let latest = |client: &KeyServiceClient| {
        let answer = client.send(Request::get("/_latchkey/feed?after=0")).unwrap();
        answer.json().unwrap()["cursor"].as_u64().unwrap()
    };
    let changed = replicas.client(0).unwrap();
    let after = latest(changed);
    thread::scope(|scope| {
        let polls: Vec<_> = (0..REPLICAS)
            .map(|number| {
                let client = replicas.client(number).unwrap();
                let poll = Request::get(&format!("/_latchkey/feed?after={after}&wait=50s"));
                scope.spawn(move || client.send(poll).unwrap().json().unwrap())
            })
            .collect();
        wait::until("every replica has a poll that waits", || {
            let mut waiting = 0;
            for number in 0..REPLICAS {
                let metrics = replicas.client(number).unwrap().send(Request::get("/metrics"))?.text();
                waiting += usize::from(metrics.contains("latchkey_feed_polls_waiting 1"));
            }
            Ok((waiting == REPLICAS).then_some(()))
        })
        .unwrap();
        let key = changed.create_key(&json!({"name": "news"})).unwrap();
        for poll in polls {
            let page = poll.join().unwrap();
            assert_eq!((&page["keys"][0]["id"], &page["cursor"]), (&json!(key.id), &json!(after + 1)));
        }
    });
}

#[test]
fn an_acknowledgement_counts_at_every_replica_whichever_heard_it() {
    let replicas = Replicas::start(REPLICAS).unwrap();
    let edge = Edge::over(&replicas);
    for number in 0..2 * REPLICAS {
        let key = replicas.client(number % REPLICAS).unwrap().create_key(&json!({"name": "short"})).unwrap();
        edge.await_status(&key, 200);
        let request = Request::new("DELETE", "/_security/api_key?wait_for_edges=30s");
        let asked = replicas.client((number + 1) % REPLICAS).unwrap();
        let answer = asked.send(request.json(&json!({"ids": [key.id]}))).unwrap().json().unwrap();
        let reached = &answer["edges"];
        assert_eq!((&reached["total"], &reached["applied"]), (&json!(1), &json!(1)), "{answer}");
        // No worker is asked twice: the answer was a promise about all of them.
        for _ in 0..8 {
            assert_eq!(edge.status_for(&key), 401);
        }
    }
    for number in 0..REPLICAS {
        let fleet = replicas.client(number).unwrap().send(Request::get("/_latchkey/edges")).unwrap();
        let fleet = fleet.json().unwrap();
        assert_eq!(fleet["edges"][0]["name"], "local-edge", "{fleet}");
        assert_eq!(fleet["edges"].as_array().unwrap().len(), 1, "{fleet}");
    }
}

#[test]
fn an_outage_of_the_database_is_said_and_ends_by_itself() {
    let mut replicas = Replicas::start(1).unwrap();
    let edge = Edge::over(&replicas);
    let client = replicas.client(0).unwrap().clone();
    let key = client.create_key(&json!({"name": "before"})).unwrap();
    edge.await_status(&key, 200);

    replicas.database.kill();
    let ask = |request: Request| client.send(request).unwrap();
    let unavailable = |answer: Response| {
        assert_eq!(answer.status, 503, "{}", answer.text());
        answer
    };
    let refused = [
        Request::new("POST", "/_security/api_key").json(&json!({"name": "during"})),
        Request::get("/_security/api_key?owner=true"),
        Request::get("/_latchkey/feed?after=0"),
    ]
    .map(|request| unavailable(ask(request)));
    for answer in refused {
        assert!(answer.header("retry-after").is_some(), "{:?}", answer.headers);
        assert!(!answer.text().contains("127.0.0.1"), "{}", answer.text());
    }
    unavailable(ask(Request::get("/healthz")));
    assert_eq!(edge.status_for(&key), 200, "the edge has its table");

    replicas.database.start_again().unwrap();
    let is_ready = |answer: Response| (answer.status == 200).then_some(());
    wait::until("the service is ready again", || Ok(is_ready(client.send(Request::get("/healthz"))?)))
        .unwrap();
    wait::until("keys can be made again", || Ok(client.create_key(&json!({"name": "after"})).ok()))
        .map(|key| edge.await_status(&key, 200))
        .unwrap();
    let names = ask(Request::get("/_security/api_key?owner=true")).text();
    assert!(names.contains("before") && !names.contains("during"), "{names}");
}

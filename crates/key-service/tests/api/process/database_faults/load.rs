//! Keys that are changed and asked about all the while. Every answer is looked at.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use latchkey_local_stack::http::{Request, Response, http1};
use latchkey_local_stack::key_service::{CreatedKey, KeyServiceClient};
use latchkey_local_stack::replicas::Replicas;
use latchkey_local_stack::wait;
use serde_json::{Value, json};

/// Keys that have to be acknowledged between two faults, so that each meets changes under way.
const KEYS_BETWEEN_FAULTS: usize = 6;

/// How long whoever changes or presents keys waits before the next: this is no measurement.
const PAUSE: Duration = Duration::from_millis(20);

/// What is changed and asked, and what was acknowledged.
pub(super) struct Load {
    clients: Vec<KeyServiceClient>,
    good: CreatedKey,
    ended: CreatedKey,
    noted: Mutex<Acknowledged>,
    is_over: AtomicBool,
}

#[derive(Default)]
struct Acknowledged {
    created: BTreeSet<String>,
    ended: BTreeSet<String>,
}

/// 503 as Elasticsearch has it, which says when to come back and nothing of the cause.
#[track_caller]
pub(super) fn assert_unavailable(answer: &Response) {
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(answer.header("retry-after").as_deref(), Some("2"));
    let body = answer.json().unwrap();
    assert_eq!(body["status"], 503, "{body}");
    assert_eq!(body["error"]["type"], "status_exception", "{body}");
    assert_eq!(body["error"]["reason"], "the service is temporarily unavailable", "{body}");
}

/// The answer, if the store did its part. Anything else must be 503.
#[track_caller]
fn done(answer: Response, expected: u16) -> Option<Response> {
    if answer.status == expected {
        return Some(answer);
    }
    assert_unavailable(&answer);
    None
}

impl Load {
    pub(super) fn of(replicas: &Replicas) -> Self {
        let clients: Vec<_> = (0..).map_while(|number| replicas.client(number).cloned()).collect();
        let create = |name: &str| clients[0].create_key(&json!({"name": name})).unwrap();
        let (good, ended) = (create("good"), create("ended"));
        clients[0].invalidate(&ended.id).unwrap();
        Self { clients, good, ended, noted: Mutex::default(), is_over: AtomicBool::new(false) }
    }

    /// Runs while the faults do.
    pub(super) fn during(&self, faults: impl FnOnce()) {
        thread::scope(|scope| {
            for client in &self.clients {
                scope.spawn(|| {
                    self.while_it_lasts(|| {
                        self.change(client);
                        thread::sleep(PAUSE);
                    });
                });
                scope.spawn(|| {
                    self.while_it_lasts(|| {
                        self.assert_never_told_wrongly(client);
                        thread::sleep(PAUSE);
                    });
                });
            }
            let over = Over(&self.is_over);
            faults();
            drop(over);
        });
    }

    pub(super) fn await_progress(&self) {
        let created = || self.noted.lock().unwrap().created.len();
        let before = created();
        wait::until("more keys are acknowledged", || {
            let is_over = self.is_over.load(Ordering::SeqCst);
            assert!(!is_over, "somebody was answered wrongly");
            Ok((created() >= before + KEYS_BETWEEN_FAULTS).then_some(()))
        })
        .unwrap();
    }

    /// What the service says to the bearer of a good key.
    pub(super) fn present_good(&self, client: &KeyServiceClient) -> Response {
        present(client, &self.good).unwrap()
    }

    /// Reads are answered as ever.
    pub(super) fn assert_reads(&self, client: &KeyServiceClient) {
        assert_eq!(self.present_good(client).status, 200);
        assert_eq!(present(client, &self.ended).unwrap().status, 401);
        assert_eq!(client.send(Request::get("/_latchkey/feed?after=0&limit=1")).unwrap().status, 200);
    }

    /// Everything that was acknowledged is there, and what was ended stays so.
    pub(super) fn assert_all_kept(&self, client: &KeyServiceClient) {
        let noted = self.noted.lock().unwrap();
        let listed = client.send(Request::get("/_security/api_key?owner=true")).unwrap().json().unwrap();
        let ids = |is_ended: bool| -> BTreeSet<String> {
            let keys = listed["api_keys"].as_array().unwrap().iter();
            let keys = keys.filter(|key| key["invalidated"] == is_ended);
            keys.map(|key| key["id"].as_str().unwrap().to_owned()).collect()
        };
        let (live, ended) = (ids(false), ids(true));
        for id in &noted.created {
            assert!(live.contains(id) || ended.contains(id), "{id} is lost");
        }
        for id in &noted.ended {
            assert!(ended.contains(id), "{id} came back");
        }
        self.assert_reads(client);
    }

    fn while_it_lasts(&self, turn: impl Fn()) {
        let over = Over(&self.is_over);
        while !self.is_over.load(Ordering::SeqCst) {
            turn();
        }
        drop(over);
    }

    /// Makes a key and ends it. What is not acknowledged may have happened or not.
    fn change(&self, client: &KeyServiceClient) {
        let create = Request::new("POST", "/_security/api_key").json(&json!({"name": "k"}));
        let Some(created) = client.send(create).ok().and_then(|answer| done(answer, 200)) else { return };
        let id = created.json().unwrap()["id"].as_str().unwrap().to_owned();
        self.noted.lock().unwrap().created.insert(id.clone());
        let end = Request::new("DELETE", "/_security/api_key").json(&json!({"ids": [id]}));
        let Some(answer) = client.send(end).ok().and_then(|answer| done(answer, 200)) else { return };
        let answer: Value = answer.json().unwrap();
        assert_eq!(answer["invalidated_api_keys"], json!([id]), "{answer}");
        self.noted.lock().unwrap().ended.insert(id);
    }

    fn assert_never_told_wrongly(&self, client: &KeyServiceClient) {
        for (key, expected) in [(&self.good, 200), (&self.ended, 401)] {
            // No answer at all: the replica was killed.
            if let Some(answer) = present(client, key) {
                done(answer, expected);
            }
        }
    }
}

fn present(client: &KeyServiceClient, key: &CreatedKey) -> Option<Response> {
    let request = Request::get("/_security/_authenticate").api_key(&key.encoded);
    http1::exchange(client.address(), &request).ok()
}

/// Ends the load, also when an assertion fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

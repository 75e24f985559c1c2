use std::collections::BTreeSet;
use std::env;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::{DevProcess, http_client, latchkey, told};

/// How often the service is killed, unless [`CRASHES_VARIABLE`] says otherwise.
const CRASHES: u64 = 10;

/// How often it is to be killed: `make crash` says three hundred times.
pub(super) const CRASHES_VARIABLE: &str = "LATCHKEY_TEST_CRASHES";

/// The longest that a service is left to work before it is killed, after the first answers.
const WORK_MS_MAX: u64 = 70;

/// How many callers change keys at once.
const CALLERS: usize = 4;

/// What was acknowledged: these keys exist, and these of them are ended.
#[derive(Debug, Default)]
struct Acknowledged {
    created: BTreeSet<String>,
    ended: BTreeSet<String>,
}

/// Makes keys, and ends every second one, until the service is gone. Notes only what was answered.
async fn change_keys(url: String, password: String, noted: Arc<Mutex<Acknowledged>>, gone: Arc<AtomicBool>) {
    let client = http_client();
    let send = async |method: Method, body: Value| -> Option<Value> {
        let request = client.request(method, format!("{url}/_security/api_key"));
        let answer = request.basic_auth("elastic", Some(&password)).json(&body).send().await.ok()?;
        assert_eq!(answer.status(), 200);
        answer.json().await.ok()
    };
    for number in 0_u64.. {
        let Some(created) = send(Method::POST, json!({"name": number.to_string()})).await else { break };
        let id = created["id"].as_str().unwrap().to_owned();
        noted.lock().unwrap().created.insert(id.clone());
        if number % 2 == 0 {
            let Some(ended) = send(Method::DELETE, json!({"ids": [id]})).await else { break };
            assert_eq!(ended["invalidated_api_keys"], json!([id]));
            noted.lock().unwrap().ended.insert(id);
        }
    }
    assert!(gone.load(Ordering::SeqCst), "the service answered no more before it was killed");
}

/// Every key of the feed, and those of them that are removed.
async fn followed(service: &DevProcess, password: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let client = http_client();
    let (mut all, mut removed) = (BTreeSet::new(), BTreeSet::new());
    let mut after = 0;
    loop {
        let path = format!("/_latchkey/feed?after={after}&limit=100");
        let answer = service.request(&client, Method::GET, &path, password).send().await.unwrap();
        let page: Value = answer.json().await.unwrap();
        for row in page["keys"].as_array().unwrap() {
            let id = row["id"].as_str().unwrap().to_owned();
            if row["removed"] == true {
                removed.insert(id.clone());
            }
            all.insert(id);
        }
        after = page["cursor"].as_u64().unwrap();
        if page["more"] == false {
            assert_eq!(page["total"], (all.len() - removed.len()) as u64);
            return (all, removed);
        }
    }
}

// A change is durable before it is answered: nothing that was acknowledged is missing after a crash.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_service_is_killed() {
    let crashes = env::var(CRASHES_VARIABLE).map_or(CRASHES, |crashes| crashes.parse().unwrap());
    let data = tempfile::tempdir().unwrap();
    let noted = Arc::new(Mutex::new(Acknowledged::default()));
    let mut password = None;
    for crash in 0..crashes {
        let service = DevProcess::start(data.path());
        let password = password.get_or_insert_with(|| service.password.clone().unwrap()).clone();
        let gone = Arc::new(AtomicBool::new(false));
        let before = noted.lock().unwrap().created.len();
        let callers: Vec<_> = (0..CALLERS)
            .map(|_| {
                tokio::spawn(change_keys(
                    service.url.clone(),
                    password.clone(),
                    Arc::clone(&noted),
                    Arc::clone(&gone),
                ))
            })
            .collect();
        // Not before something was acknowledged, and each time a little later.
        while noted.lock().unwrap().created.len() < before + CALLERS {
            assert!(!callers.iter().any(tokio::task::JoinHandle::is_finished), "a caller gave up");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(7 * crash % WORK_MS_MAX)).await;
        gone.store(true, Ordering::SeqCst);
        service.kill();
        for caller in callers {
            caller.await.unwrap();
        }
        let sound = told(latchkey().arg("check").arg("--data").arg(data.path()), &[], "");
        assert!(sound.contains(" is sound: "), "crash {crash}: {sound}");
        let again = DevProcess::start(data.path());
        let (all, removed) = followed(&again, &password).await;
        let noted = noted.lock().unwrap();
        assert!(all.is_superset(&noted.created), "crash {crash}: a key is missing");
        assert!(removed.is_superset(&noted.ended), "crash {crash}: a key came back");
    }
}

//! schemathesis, a scanner that makes requests of the OpenAPI document: as a super-user, as a user who may do
//! little, and as nobody.
//!
//! No answer tells of a fault and every answer is as the document says. Who may do little, or nothing, sees nothing of
//! others and changes nothing of theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use latchkey_local_stack::http::{Request, Response, http1};
use latchkey_local_stack::key_service::{CreatedKey, KeyServiceClient};
use latchkey_local_stack::secrecy;
use serde_json::{Value, json};

use crate::elastic::installed;
use crate::service::{Service, User};

/// For how long each of them scans, in seconds. Without it they make a number of requests.
const SECONDS_VARIABLE: &str = "LATCHKEY_TEST_SCAN_SECONDS";

/// What is tried in a short scan: the examples, and some requests of each operation.
const SHORT: [&str; 4] = ["--phases", "examples,fuzzing", "--max-examples", "2"];

/// What is tried in a long one.
const LONG: [&str; 3] = ["--phases", "examples,coverage,fuzzing,stateful", "--max-time"];

/// What stands in every name of others, and in nothing that the scanner makes up.
const OTHERS: &str = "others-7c1e";

const SUPER: User = User { name: "scanner", role: "superuser", password: "scanner-password-b31d" };
const LOW: User = User { name: "low", role: "low", password: "low-password-88fa" };

/// What it may do at most is its role.
const ROLES: &str = "[roles.low]\ncluster = [\"manage_own_api_key\"]\n";

/// A password that many wrong tokens and keys do not shut out.
const SECTIONS: &str =
    "[limits]\nfailed_logins_per_minute = 0\n[xpack.security.authc]\ntoken.enabled = true\n";

/// In the document, and what stands for them here.
const EXAMPLE_ID: &str = "VuaCfGcBCdbkQm-e5aOx";
const EXAMPLE_CREDENTIAL: &str = "VnVhQ2ZHY0JDZGJrUW0tZTVhT3g6dWkybHAyYXhUTm1zeWFrdzl0dk5udw==";

/// A service with something that belongs to others.
struct Scanned {
    service: Service,
    client: KeyServiceClient,
    document: Value,
    /// A key of somebody else.
    key: CreatedKey,
}

/// How often each operation was answered with each status.
type Calls = BTreeMap<(String, u16), usize>;

#[test]
fn a_super_user_finds_no_fault_and_every_answer_is_as_the_document_says() {
    let scanned = Scanned::start();
    let calls = scanned.scan("super", Some(&SUPER));
    let done: BTreeSet<_> = calls.keys().filter(|(_, status)| *status == 200).map(|(id, _)| id).collect();
    assert!(done.len() > 40, "hardly anything was done, so little was proved: {done:?}");
}

#[test]
fn who_may_do_little_or_nothing_sees_and_changes_nothing_of_others() {
    let scanned = Scanned::start();
    let before = scanned.of_others();
    assert!(before.to_string().contains(&scanned.key.id), "{before}");
    let (low, nobody) = thread::scope(|scope| {
        let low = scope.spawn(|| scanned.scan("low", Some(&LOW)));
        let nobody = scope.spawn(|| scanned.scan("nobody", None));
        (low.join().unwrap(), nobody.join().unwrap())
    });
    let open: BTreeSet<_> = scanned.operations(|operation| operation["security"] == json!([]));
    for (id, status) in nobody.keys() {
        assert!(*status >= 400 || open.contains(id), "{id} has answered nobody with {status}");
    }
    let refused = nobody.keys().filter(|(_, status)| *status == 401).count();
    assert!(refused > 40, "hardly anything was refused: {nobody:?}");
    for (id, status) in [("createKey", 200), ("putUser", 403), ("putRole", 403)] {
        assert!(low.contains_key(&(id.to_owned(), status)), "{id}: {low:?}");
    }

    assert_eq!(scanned.of_others(), before);
    let key = format!("ApiKey {}", scanned.key.encoded);
    let shown = scanned.send_as(&key, Request::get("/_security/_authenticate"));
    assert_eq!(shown.status, 200, "{}", shown.text());
    let made = scanned.listed("/_security/api_key?with_limited_by=true");
    let made = made["api_keys"].as_array().unwrap().iter().filter(|key| key["username"] == LOW.name);
    let limits: Vec<_> = made.map(|key| &key["limited_by"]).collect();
    assert!(!limits.is_empty());
    for limit in limits {
        let roles: Vec<_> = limit[0].as_object().unwrap().keys().collect();
        assert_eq!(roles, [LOW.role], "{limit}");
        assert_eq!(limit[0][LOW.role]["cluster"], json!(["manage_own_api_key"]));
    }
}

impl Scanned {
    fn start() -> Self {
        let service = Service::serve_for(SECTIONS, ROLES, &[SUPER, LOW]);
        let client = KeyServiceClient::of_user(service.address(), SUPER.name, SUPER.password);
        let put = |path: String, body: Value| {
            let answer = client.send(Request::new("PUT", &path).json(&body)).unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text());
        };
        put(format!("/_security/role/{OTHERS}"), json!({"cluster": ["monitor"]}));
        let user = json!({"password": "others-password-5d0c", "roles": [OTHERS], "full_name": OTHERS});
        put(format!("/_security/user/{OTHERS}"), user);
        put(
            "/_security/privilege".to_owned(),
            json!({"others7": {"read": {"actions": [format!("data:{OTHERS}")]}}}),
        );
        let key = client.create_key(&json!({"name": OTHERS, "metadata": {"of": OTHERS}})).unwrap();
        let document = client.send(Request::get("/_latchkey/openapi.json")).unwrap().text();
        let document = document.replace(EXAMPLE_ID, &key.id).replace(EXAMPLE_CREDENTIAL, &key.encoded);
        Self { service, client, document: serde_json::from_str(&document).unwrap(), key }
    }

    /// Scans as this user, or as nobody. Fails when the scanner finds a fault.
    fn scan(&self, name: &str, user: Option<&User>) -> Calls {
        let directory = tempfile::tempdir().unwrap();
        let authorization = user.map(|user| self.token_of(user)).unwrap_or_default();
        let mut scanner = self.scanner(directory.path(), user, &authorization);
        let output = scanner.output().unwrap();
        secrecy::search_arguments("the arguments of the scanner", &scanner).unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        let trouble = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}:\n{told}\n{trouble}");
        let mut calls = Calls::new();
        for line in fs::read_to_string(directory.path().join("calls")).unwrap().lines() {
            let (id, status) = line.split_once(' ').unwrap();
            *calls.entry((id.to_owned(), status.parse().unwrap())).or_default() += 1;
        }
        eprintln!("{name}: {} requests", calls.values().sum::<usize>());
        // A super-user may end the tokens of all.
        if let Some(user) = user.filter(|user| user.role != SUPER.role) {
            let asked = Request::get("/_security/_authenticate");
            let shown = self.send_as(&authorization, asked);
            assert_eq!(shown.json().unwrap()["username"], user.name, "it was somebody else in the end");
        }
        let called: BTreeSet<_> = calls.keys().map(|(id, _)| id.clone()).collect();
        assert_eq!(called, self.operations(|_| true), "{name} has not called all");
        assert!(calls.keys().all(|(_, status)| *status < 500), "{calls:?}");
        calls
    }

    /// The command that scans, in a directory of its own.
    fn scanner(&self, directory: &Path, user: Option<&User>, authorization: &str) -> Command {
        fs::write(directory.join("openapi.json"), self.document.to_string()).unwrap();
        // It would try to make users of its own, to log in as.
        fs::write(directory.join("schemathesis.toml"), "[auth]\nauto-signup = false\n").unwrap();
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
        let sees_all = user.is_some_and(|user| user.role == SUPER.role);
        let hidden = if sees_all { json!([]) } else { json!([OTHERS, self.key.id]) };
        let mut scanner = Command::new("python3");
        // Without `-B` the interpreter would leave files beside the script.
        scanner.args(["-B", "-c", "from schemathesis.cli import schemathesis; schemathesis()"]);
        scanner.args(["run", "openapi.json", "--url", &self.service.url, "--checks", CHECKS]);
        scanner.args(["--seed", "14", "--generation-deterministic", "--continue-on-failure", "--no-color"]);
        match std::env::var(SECONDS_VARIABLE) {
            Ok(seconds) => scanner.args(LONG).arg(seconds),
            Err(_) => scanner.args(SHORT),
        };
        scanner
            .current_dir(directory)
            .env("PYTHONPATH", std::env::join_paths([installed("schemathesis"), here]).unwrap())
            .env("SCHEMATHESIS_HOOKS", "scanning")
            .env("LATCHKEY_AUTHORIZATION", authorization)
            .env("LATCHKEY_HIDDEN", hidden.to_string())
            .env("LATCHKEY_CALLS", directory.join("calls"));
        scanner
    }

    /// What a user logs in with: to check a password each time would take most of the time.
    fn token_of(&self, user: &User) -> String {
        let login = json!({"grant_type": "password", "username": user.name, "password": user.password});
        let answer = self.client.send(Request::new("POST", "/_security/oauth2/token").json(&login)).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        let token = answer.json().unwrap()["access_token"].as_str().unwrap().to_owned();
        secrecy::watch(&token);
        format!("Bearer {token}")
    }

    fn send_as(&self, authorization: &str, request: Request) -> Response {
        http1::exchange(self.service.address(), &request.header("authorization", authorization)).unwrap()
    }

    /// The ids of these operations of the document.
    fn operations(&self, which: impl Fn(&Value) -> bool) -> BTreeSet<String> {
        let paths = self.document["paths"].as_object().unwrap().values();
        let operations = paths.flat_map(|path| path.as_object().unwrap().values());
        let operations =
            operations.filter(|operation| operation["operationId"].is_string() && which(operation));
        operations.map(|operation| operation["operationId"].as_str().unwrap().to_owned()).collect()
    }

    fn listed(&self, path: &str) -> Value {
        self.client.send(Request::get(path)).unwrap().json().unwrap()
    }

    /// Everything that is not of the user who may do little.
    fn of_others(&self) -> Value {
        let mut keys = self.listed("/_security/api_key?with_limited_by=true");
        keys["api_keys"].as_array_mut().unwrap().retain(|key| key["username"] != LOW.name);
        let all = ["user", "role", "privilege"].map(|kind| self.listed(&format!("/_security/{kind}")));
        json!([keys, all, self.listed("/_latchkey/edges")["edges"]])
    }
}

/// What every answer is held against: those of schemathesis that say something of the document, and one of ours.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
response_headers_conformance,response_schema_conformance,unsupported_method,shows_nothing_of_others";

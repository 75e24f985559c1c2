//! The calls that programs of Elastic make, as their sources have them: fleet-server 9 (`internal/pkg/apikey`,
//! `internal/pkg/bulk/opApiKey.go`), apm-server 9 (`internal/beater/auth/apikey.go`) and Terraform's provider
//! `elasticstack` (`internal/clients/elasticsearch/security_*.go`, over the typed client of go-elasticsearch
//! 8.19). Each is the program's own sequence, with what it reads of the answers.

use axum::body::Body;
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use axum::http::{Method, Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::service::{Answer, Made, PASSWORD, Service};

/// What the typed client of go-elasticsearch 8 sends and takes.
const COMPATIBLE: &str = "application/vnd.elasticsearch+json;compatible-with=8";

/// A program, by the media type that its client says and by who it is.
struct Program<'a> {
    service: &'a Service,
    media_type: &'static str,
    authorization: String,
}

impl Program<'_> {
    /// What is answered, which must be as all these clients want it.
    async fn ask(&self, method: Method, path: &str, body: Value) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header(ACCEPT, self.media_type);
        request = request.header(AUTHORIZATION, &self.authorization);
        let body = match body {
            Value::Null => Body::empty(),
            body => {
                request = request.header(CONTENT_TYPE, self.media_type);
                Body::from(body.to_string())
            }
        };
        let answer = self.service.send(request.body(body).unwrap()).await;
        if answer.status.is_success() {
            assert_eq!(answer.header("x-elastic-product"), ["Elasticsearch"], "{path}");
            assert_eq!(answer.header("content-type"), [self.media_type], "{path}");
        }
        answer
    }

    async fn done(&self, method: Method, path: &str, body: Value) -> Value {
        let answer = self.ask(method, path, body).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        answer.json()
    }
}

fn basic(username: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{username}:{PASSWORD}")))
}

fn made(answer: &Value) -> Made {
    let text = |field: &str| answer[field].as_str().unwrap().to_owned();
    Made { id: text("id"), secret: text("api_key"), encoded: text("encoded") }
}

#[tokio::test]
async fn fleet_server_leads_the_keys_of_its_agents() {
    let service = Service::new().await;
    let role = r#"{"cluster":["manage_own_api_key"]}"#;
    assert_eq!(service.elastic().put("/_security/role/fleet", role).await.status, StatusCode::OK);
    let user = format!(r#"{{"password":"{PASSWORD}","roles":["fleet"]}}"#);
    assert_eq!(service.elastic().put("/_security/user/fleet", &user).await.status, StatusCode::OK);
    let fleet = Program { service: &service, media_type: "application/json", authorization: basic("fleet") };

    // An agent enrols. It is never asked when the key expires, and there is no word of that.
    let no_privileges = json!({"application": "fleet", "privileges": ["no-privileges"], "resources": ["*"]});
    let access = json!({
        "name": "agent-1",
        "role_descriptors": {"fleet-apikey-access": {"cluster": [], "applications": [no_privileges]}},
        "metadata": {"agent_id": "agent-1", "managed": true, "managed_by": "fleet-server", "type": "access"},
    });
    let created = fleet.done(Method::PUT, "/_security/api_key?refresh=false", access.clone()).await;
    let key = made(&created);

    // The agent checks in: fleet-server presents the agent's key as its own.
    let agent = Program { authorization: format!("ApiKey {}", key.encoded), ..fleet };
    let shown = agent.done(Method::GET, "/_security/_authenticate", Value::Null).await;
    assert_eq!((&shown["username"], &shown["enabled"]), (&json!("fleet"), &json!(true)));
    assert!(shown["authentication_realm"]["name"].is_string() && shown["metadata"].is_object());
    let fleet = Program { authorization: basic("fleet"), ..agent };

    let path = format!("/_security/api_key?id={}&owner=true", key.id);
    let read = &fleet.done(Method::GET, &path, Value::Null).await["api_keys"][0];
    assert_eq!((&read["id"], &read["metadata"]), (&json!(key.id), &access["metadata"]));
    assert!(read["role_descriptors"]["fleet-apikey-access"].is_object());

    // A policy changes, and with it what the keys of outputs may do.
    let writes = json!({"names": ["logs-*"], "privileges": ["auto_configure", "create_doc"]});
    let changed = json!({"ids": [key.id], "role_descriptors": {"output": {"indices": [writes]}}});
    let updated = fleet.done(Method::POST, "/_security/api_key/_bulk_update", changed).await;
    assert_eq!(updated, json!({"updated": [key.id], "noops": []}));

    // The agent is unenrolled, and what it presents then is 401, by which fleet-server knows.
    let ended = json!({"ids": [key.id], "owner": true});
    let answer = fleet.done(Method::DELETE, "/_security/api_key", ended).await;
    assert_eq!((&answer["invalidated_api_keys"], &answer["error_count"]), (&json!([key.id]), &json!(0)));
    let agent = Program { authorization: format!("ApiKey {}", key.encoded), ..fleet };
    let refused = agent.ask(Method::GET, "/_security/_authenticate", Value::Null).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn apm_server_asks_what_the_key_of_an_agent_may_do() {
    let service = Service::new().await;
    let asked = json!({"application": [{
        "application": "apm",
        "privileges": ["config_agent:read", "event:write", "sourcemap:write"],
        "resources": ["-"],
    }]});
    let elastic = service.elastic();
    let application = |privileges: &[&str]| {
        let entry = json!({"application": "apm", "privileges": privileges, "resources": ["*"]});
        json!({"name": "agent", "role_descriptors": {"apm": {"applications": [entry]}}}).to_string()
    };
    let registered = json!({"apm": {"event": {"actions": ["event:write"]}}}).to_string();
    assert_eq!(elastic.put("/_security/privilege", &registered).await.status, StatusCode::OK);
    for (privileges, [config, event, sourcemap]) in [
        (["event:write"], [false, true, false]),
        (["event"], [false, true, false]),
        (["config_agent:read"], [true, false, false]),
        (["*"], [true, true, true]),
    ] {
        let key = elastic.make(&application(&privileges)).await;
        let authorization = format!("ApiKey {}", key.encoded);
        let apm = Program { service: &service, media_type: "application/json", authorization };
        let told = apm.done(Method::GET, "/_security/user/_has_privileges", asked.clone()).await;
        let expected =
            json!({"config_agent:read": config, "event:write": event, "sourcemap:write": sourcemap});
        assert_eq!(told["application"]["apm"]["-"], expected, "{privileges:?}");
        assert_eq!(told["username"], "elastic");
    }
    // It keeps a 401 as a refusal, and takes anything else for a fault of the service.
    let authorization = format!("ApiKey {}", STANDARD.encode("nobody:secret"));
    let apm = Program { service: &service, media_type: "application/json", authorization };
    let refused = apm.ask(Method::GET, "/_security/user/_has_privileges", asked).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn terraform_makes_reads_changes_and_removes_what_it_manages() {
    let service = Service::new().await;
    let terraform = Program { service: &service, media_type: COMPATIBLE, authorization: basic("elastic") };
    let info = terraform.done(Method::GET, "/", Value::Null).await;
    assert_eq!(
        (&info["version"]["number"], &info["version"]["build_flavor"]),
        (&json!("9.1.0"), &json!("default"))
    );
    terraform_manages_a_role(&terraform).await;
    terraform_manages_a_user(&terraform).await;
    terraform_manages_a_key(&terraform).await;
}

async fn terraform_manages_a_role(terraform: &Program<'_>) {
    let role = json!({
        "applications": [{"application": "shop", "privileges": ["read"], "resources": ["*"]}],
        "cluster": ["monitor"],
        "description": "reads",
        "global": {"application": {"manage": {"applications": ["shop"]}}},
        "indices": [{
            "names": ["logs-*"], "privileges": ["read"], "query": r#"{"match_all":{}}"#,
            "field_security": {"grant": ["*"], "except": ["secret"]}, "allow_restricted_indices": false,
        }],
        "metadata": {"version": 1},
        "remote_indices": [{"clusters": ["other"], "names": ["logs-*"], "privileges": ["read"]}],
        "run_as": ["guest"],
    });
    let put = terraform.done(Method::PUT, "/_security/role/reader", role.clone()).await;
    assert_eq!(put, json!({"role": {"created": true}}));
    let read = &terraform.done(Method::GET, "/_security/role/reader", Value::Null).await["reader"];
    for field in ["applications", "cluster", "description", "global", "indices", "metadata", "run_as"] {
        assert_eq!(
            read[field], role[field],
            "what was read differs from what was written, so it is planned anew"
        );
    }
    assert_eq!(read["remote_indices"][0]["clusters"], json!(["other"]));
    let gone = terraform.done(Method::DELETE, "/_security/role/reader", Value::Null).await;
    assert_eq!(gone, json!({"found": true}));
    let missing = terraform.ask(Method::GET, "/_security/role/reader", Value::Null).await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
}

async fn terraform_manages_a_user(terraform: &Program<'_>) {
    let user = json!({
        "email": "alice@example.org", "enabled": true, "full_name": "Alice", "metadata": {"team": "red"},
        "password": PASSWORD, "roles": ["viewers"],
    });
    let path = "/_security/user/terraformed";
    assert_eq!(terraform.done(Method::PUT, path, user.clone()).await, json!({"created": true}));
    let read = &terraform.done(Method::GET, path, Value::Null).await["terraformed"];
    for field in ["email", "enabled", "full_name", "metadata", "roles"] {
        assert_eq!(read[field], user[field]);
    }
    for (path, body) in [
        (format!("{path}/_disable"), Value::Null),
        (format!("{path}/_enable"), Value::Null),
        (format!("{path}/_password"), json!({"password": "another horse"})),
    ] {
        assert_eq!(terraform.done(Method::PUT, &path, body).await, json!({}), "{path}");
    }
    assert_eq!(terraform.done(Method::DELETE, path, Value::Null).await, json!({"found": true}));
    assert_eq!(terraform.ask(Method::GET, path, Value::Null).await.status, StatusCode::NOT_FOUND);
}

async fn terraform_manages_a_key(terraform: &Program<'_>) {
    let reads = json!({"cluster": ["monitor"], "indices": [{"names": ["logs-*"], "privileges": ["read"]}]});
    let body = json!({
        "expiration": "30d", "metadata": {"team": "red"}, "name": "terraformed", "role_descriptors": {"reads": reads},
    });
    let key = made(&terraform.done(Method::PUT, "/_security/api_key", body).await);
    let listed = format!("/_security/api_key?id={}", key.id);
    let read = &terraform.done(Method::GET, &listed, Value::Null).await["api_keys"][0];
    assert_eq!((&read["name"], &read["metadata"]), (&json!("terraformed"), &json!({"team": "red"})));
    assert!(read["expiration"].is_u64() && read["role_descriptors"]["reads"].is_object());
    let change = json!({"metadata": {"team": "blue"}, "role_descriptors": {}});
    let path = format!("/_security/api_key/{}", key.id);
    assert_eq!(terraform.done(Method::PUT, &path, change).await, json!({"updated": true}));
    let ended = terraform.done(Method::DELETE, "/_security/api_key", json!({"ids": [key.id]})).await;
    assert_eq!(ended["invalidated_api_keys"], json!([key.id]));
    let missing = terraform.ask(Method::GET, "/_security/api_key?id=nobody", Value::Null).await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    let access = json!({"name": "x", "access": {"search": [{"names": ["logs"]}]}});
    let refused = terraform.ask(Method::POST, "/_security/cross_cluster/api_key", access).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
}

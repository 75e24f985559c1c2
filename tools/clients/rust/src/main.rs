//! The life of a key as the client for Rust leads it, with every switch on: compression, sniffing, typed keys.
//! `crates/key-service/tests/clients/life.py` tells the same sentences, one for each step that held.

use std::env;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use elasticsearch::auth::Credentials;
use elasticsearch::cluster::ClusterHealthParts;
use elasticsearch::http::response::Response;
use elasticsearch::http::transport::{
    ConnectionPool as _, MultiNodeConnectionPool, SingleNodeConnectionPool, TransportBuilder,
};
use elasticsearch::http::{StatusCode, Url};
use elasticsearch::params::WaitForStatus;
use elasticsearch::security::{
    SecurityDeleteUserParts, SecurityGetUserParts, SecurityHasPrivilegesParts, SecurityPutRoleParts,
    SecurityPutUserParts,
};
use elasticsearch::{Elasticsearch, Error};
use serde_json::{Value, json};

/// Where the service is, and who the super-user is.
struct Service {
    url: Url,
    username: String,
    password: String,
}

impl Service {
    fn of_environment() -> Result<Self> {
        let url = env::var("LATCHKEY_URL")?.parse()?;
        Ok(Self { url, username: env::var("LATCHKEY_USERNAME")?, password: env::var("LATCHKEY_PASSWORD")? })
    }

    fn login(&self) -> Credentials {
        Credentials::Basic(self.username.clone(), self.password.clone())
    }

    /// A builder of a client that logs in like this.
    fn builder(&self, login: Credentials) -> TransportBuilder {
        TransportBuilder::new(SingleNodeConnectionPool::new(self.url.clone()))
            .auth(login)
            .timeout(Duration::from_secs(60))
    }

    fn connect(&self, login: Credentials) -> Result<Elasticsearch> {
        Ok(Elasticsearch::new(self.builder(login).build()?))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let service = Service::of_environment()?;
    let elastic = service.connect(service.login())?;
    who_is_there(&elastic).await?;
    keys(&service, &elastic).await?;
    tokens(&service, &elastic).await?;
    users(&service, &elastic).await?;
    switches(&service, &elastic).await
}

async fn who_is_there(elastic: &Elasticsearch) -> Result<()> {
    ensure!(elastic.ping().send().await?.status_code().is_success());
    ensure!(answer(elastic.info().send().await).await?["tagline"] == "You Know, for Search");
    step("the service says what it is");
    let shown = answer(elastic.security().authenticate().send().await).await?;
    ensure!(shown["username"] == "elastic" && shown["authentication_type"] == "realm", "{shown}");
    step("the super-user sees who it is");
    Ok(())
}

async fn keys(service: &Service, elastic: &Elasticsearch) -> Result<()> {
    let security = elastic.security();
    let body =
        json!({"name": "ci", "expiration": "1d", "role_descriptors": {"monitors": {"cluster": ["monitor"]}}});
    let made = answer(security.create_api_key().body(body).send().await).await?;
    let id = text(&made, "id");
    let shown = answer(security.get_api_key().id(&id).send().await).await?;
    ensure!(shown["api_keys"][0]["name"] == "ci", "{shown}");
    let query = json!({"query": {"term": {"name": "ci"}}});
    let found = answer(security.query_api_keys().body(query).send().await).await?;
    ensure!(found["total"] == 1 && found["api_keys"][0]["id"] == id, "{found}");
    let key = service.connect(Credentials::ApiKey(id.clone(), text(&made, "api_key")))?;
    let shown = answer(key.security().authenticate().send().await).await?;
    ensure!(shown["authentication_type"] == "api_key" && shown["api_key"]["name"] == "ci", "{shown}");
    let asking = json!({"cluster": ["monitor", "manage"]});
    let asked = key.security().has_privileges(SecurityHasPrivilegesParts::None).body(asking).send().await;
    ensure!(answer(asked).await?["cluster"] == json!({"monitor": true, "manage": false}));
    step("a key is made, found and let in");

    let ended = answer(security.invalidate_api_key().body(json!({"ids": [id]})).send().await).await?;
    ensure!(ended["invalidated_api_keys"] == json!([id]), "{ended}");
    let shown = answer(security.get_api_key().id(&id).send().await).await?;
    ensure!(shown["api_keys"][0]["invalidated"] == true, "{shown}");
    refused(key.security().authenticate().send().await, 401, "unable to authenticate").await?;
    step("a key that is revoked is shown and not let in");
    Ok(())
}

async fn tokens(service: &Service, elastic: &Elasticsearch) -> Result<()> {
    let security = elastic.security();
    let grant = json!({"grant_type": "client_credentials"});
    let token = text(&answer(security.get_token().body(grant).send().await).await?, "access_token");
    let bearer = service.connect(Credentials::Bearer(token.clone()))?;
    let shown = answer(bearer.security().authenticate().send().await).await?;
    ensure!(shown["authentication_type"] == "token", "{shown}");
    let ended = answer(security.invalidate_token().body(json!({"token": token})).send().await).await?;
    ensure!(ended["invalidated_tokens"] == 1, "{ended}");
    refused(bearer.security().authenticate().send().await, 401, "token expired").await?;
    step("a token lets in until it is ended");
    Ok(())
}

async fn users(service: &Service, elastic: &Elasticsearch) -> Result<()> {
    let security = elastic.security();
    let role = json!({"cluster": ["manage_own_api_key", "monitor"]});
    answer(security.put_role(SecurityPutRoleParts::Name("own-keys")).body(role).send().await).await?;
    let user = json!({"password": "correct horse", "roles": ["own-keys"]});
    answer(security.put_user(SecurityPutUserParts::Username("alice")).body(user).send().await).await?;
    let alice = service.connect(Credentials::Basic("alice".to_owned(), "correct horse".to_owned()))?;
    lead_a_key(&alice, "of-alice").await?;
    let listed = alice.security().get_user(SecurityGetUserParts::None).send().await;
    refused(listed, 403, "user [alice] with effective roles [own-keys]").await?;
    let gone = security.delete_user(SecurityDeleteUserParts::Username("alice")).send().await;
    ensure!(answer(gone).await? == json!({"found": true}));
    step("a user may do what its role grants, and nothing else");
    Ok(())
}

async fn switches(service: &Service, elastic: &Elasticsearch) -> Result<()> {
    let cluster = elastic.cluster();
    let asked = cluster.health(ClusterHealthParts::None).wait_for_status(WaitForStatus::Yellow);
    let health = answer(asked.timeout("10s").send().await).await?;
    ensure!(health["status"] == "green", "{health}");
    step("the cluster is healthy");

    let compressing = service.builder(service.login()).request_body_compression(true).build()?;
    lead_a_key(&Elasticsearch::new(compressing), "compressed").await?;
    step("a client that compresses leads a key through its life");

    let pool =
        MultiNodeConnectionPool::round_robin(vec![service.url.clone()], Some(Duration::from_secs(3600)));
    let sniffing = TransportBuilder::new(pool.clone()).auth(service.login()).build()?;
    sniffs(&Elasticsearch::new(sniffing), &pool).await?;
    ensure!(*pool.next().url() == service.url, "{pool:?}");
    step("a client that sniffs finds the service where it has found it");

    let body = json!({"size": 0, "aggs": {"names": {"terms": {"field": "name"}}}, "query": {"term": {"name": "ci"}}});
    let found = answer(elastic.security().query_api_keys().typed_keys(true).body(body).send().await).await?;
    let buckets = &found["aggregations"]["sterms#names"]["buckets"];
    ensure!(*buckets == json!([{"key": "ci", "doc_count": 1}]), "{found}");
    step("a client may ask for typed keys");
    Ok(())
}

/// Asks until the client has sniffed, which it does on the side. Only what it shows for debugging says whether it has.
async fn sniffs(client: &Elasticsearch, pool: &MultiNodeConnectionPool) -> Result<()> {
    for _ in 0..200 {
        ensure!(client.ping().send().await?.status_code().is_success());
        if format!("{pool:?}").contains("last_update: Some") {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("it has not sniffed: {pool:?}")
}

/// Makes a key with a long text in it, finds it, and ends it.
async fn lead_a_key(client: &Elasticsearch, name: &str) -> Result<()> {
    let long = "x".repeat(10_000);
    let security = client.security();
    let body = json!({"name": name, "metadata": {"long": long}});
    let made = answer(security.create_api_key().body(body).send().await).await?;
    let id = text(&made, "id");
    let shown = answer(security.get_api_key().id(&id).owner(true).send().await).await?;
    ensure!(
        shown["api_keys"][0]["name"] == name && shown["api_keys"][0]["metadata"]["long"] == long,
        "{shown}"
    );
    let ended =
        answer(security.invalidate_api_key().body(json!({"ids": [id], "owner": true})).send().await).await?;
    ensure!(ended["invalidated_api_keys"] == json!([id]), "{ended}");
    Ok(())
}

/// The body of an answer, which must be a success.
async fn answer(answered: Result<Response, Error>) -> Result<Value> {
    let response = answered?;
    let status = response.status_code();
    let body = response.json::<Value>().await?;
    ensure!(status.is_success(), "{status}: {body}");
    Ok(body)
}

/// Of an answer that must have this status, and whose error must say this.
async fn refused(answered: Result<Response, Error>, status: u16, reason: &str) -> Result<()> {
    let response = answered?;
    ensure!(response.status_code() == StatusCode::from_u16(status)?, "{}", response.status_code());
    let error = response.exception().await?;
    let told = error.as_ref().and_then(|exception| exception.error().reason()).unwrap_or_default();
    ensure!(told.contains(reason), "{told} does not say {reason}");
    Ok(())
}

fn text(answer: &Value, field: &str) -> String {
    answer[field].as_str().unwrap_or_default().to_owned()
}

/// Tells the sentence of a step that held.
fn step(sentence: &str) {
    println!("{sentence}");
}

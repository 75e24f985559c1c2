//! The story of a key, told with real requests: each step is performed, checked and printed.
//!
//! A step that does not hold ends the demo with an error and the logs of all processes, so that the demo is
//! also a test.

mod rotation;
mod rules;
mod usage;

use std::io::Write;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::envoy_config::EnvoyConfig;
use crate::http::{Request, Response};
use crate::key_service::{CreatedKey, KeyServiceClient};
use crate::output;
use crate::shell::Shell;
use crate::stack::{LocalStack, Ports, StackMark, StackOptions, with_status};
use crate::wait;

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const QUIET: Style = AnsiColor::BrightBlack.on_default();

/// Width of the column that says what a step does.
const STEP_WIDTH: usize = 44;

/// Lifetime of the key that is waited out, in the words of the key service.
const SHORT_LIFE: &str = "1s";

/// Tells the whole story of a stack at these ports.
///
/// # Errors
///
/// When a part does not start or a step does not hold.
pub fn run(out: &mut impl Write, ports: Ports) -> Result<()> {
    let options = StackOptions { ports, ..StackOptions::default() };
    let mut stack = LocalStack::start(options, EnvoyConfig::set_sample_rules)?;
    introduce(out, &stack)?;
    let mut story = Story { out, steps: 0 };
    let told = story.tell(&mut stack);
    let steps = story.steps;
    // The cause last, where a person looks first.
    told.map_err(|error| {
        if output::is_closed(&error) {
            return error;
        }
        anyhow!("the demo broke off\n{}\n{error:#}", stack.logs_since(StackMark::default()))
    })?;
    writeln!(out, "\ndemo: all {steps} steps held")?;
    Ok(out.flush()?)
}

fn introduce(out: &mut impl Write, stack: &LocalStack) -> Result<()> {
    for port in &stack.taken {
        writeln!(out, "port {port} is taken, so another is chosen")?;
    }
    writeln!(out, "A client asks an upstream through Envoy; the filter inside Envoy asks nobody.\n")?;
    writeln!(out, "  edge         http://{}, with {}", stack.edge(), Shell::chosen().title())?;
    writeln!(out, "  key service  http://{}", stack.key_service.address())?;
    writeln!(out, "  upstream     http://{}", stack.upstream.address())?;
    Ok(writeln!(out)?)
}

struct Story<'a, W: Write> {
    out: &'a mut W,
    steps: usize,
}

impl<W: Write> Story<'_, W> {
    fn tell(&mut self, stack: &mut LocalStack) -> Result<()> {
        self.step("no key", || challenge(stack))?;

        let short_lived = short_lived_key(stack)?;
        let mut created = None;
        self.step("a key is created and reaches the edge", || {
            let key = reader_key(stack)?;
            let id = format!("id {}", key.id);
            created = Some(key);
            Ok(id)
        })?;
        let key = created.context("no key")?;

        self.step("the key is presented", || identity(stack, &key))?;
        self.step("a client forges identity headers", || forged_identity(stack, &key))?;
        self.step("a user calls her own key an admin", || self_made_admin(stack))?;
        self.step("a browser asks before it sends (CORS)", || rules::preflight(stack))?;
        self.step("a rule wants a role, a key makes one up", || rules::forged_role(stack, &key))?;
        self.step("a key that may read orders", || rules::right(stack))?;
        self.step("a rule in shadow mode", || rules::shadow(stack, &key))?;
        self.step("the right id with a wrong secret", || wrong_secret(stack, &key))?;
        self.step("a key that lived for a second", || expired(stack, &short_lived))?;
        let mut rotated = None;
        self.step("a key gets another secret", || {
            let (told, key) = rotation::both_secrets(stack, &reader_key(stack)?)?;
            rotated = Some(key);
            Ok(told)
        })?;
        let rotated = rotated.context("no key")?;
        self.step("the secret before is to end at once", || rotation::one_secret(stack, &rotated))?;
        self.step("the key service is asked how it was used", || usage::counted(stack, &key))?;
        self.step("the key is revoked", || revoked(stack, &key))?;

        let survivor = reader_key(stack)?;
        stack.key_service.kill();
        self.step("the key service is gone, a key is presented", || {
            with_status(200, get(stack, "/demo/service-gone", &survivor.encoded)?)?;
            Ok("200, verified from the table at the edge".to_owned())
        })?;
        stack.key_service.restart()?;
        self.step("the key service is back, a new key is made", || {
            let key = reader_key(stack)?;
            with_status(200, get(stack, "/demo/service-back", &key.encoded)?)?;
            Ok("200".to_owned())
        })
    }

    fn step(&mut self, what: &str, perform: impl FnOnce() -> Result<String>) -> Result<()> {
        let outcome = perform();
        match &outcome {
            Ok(outcome) => {
                let mut lines = outcome.lines();
                let first = lines.next().unwrap_or_default();
                writeln!(self.out, "  {GOOD}✓{GOOD:#} {what:STEP_WIDTH$} {first}")?;
                for line in lines {
                    writeln!(self.out, "    {:STEP_WIDTH$} {QUIET}{line}{QUIET:#}", "")?;
                }
                self.steps += 1;
            }
            Err(_) => writeln!(self.out, "  {BAD}✗{BAD:#} {what}")?,
        }
        self.out.flush()?;
        outcome.map(|_| ()).with_context(|| format!("this step did not hold: {what}"))
    }
}

fn challenge(stack: &LocalStack) -> Result<String> {
    let answer = with_status(401, stack.ask(&Request::get("/demo/no-key"))?)?;
    let challenge = answer.header("www-authenticate").context("a 401 without challenge")?;
    ensure!(challenge == "ApiKey", "a challenge of another kind: {challenge}");
    Ok(format!("401, WWW-Authenticate: {challenge}"))
}

fn short_lived_key(stack: &LocalStack) -> Result<CreatedKey> {
    stack.key_service.client().create_key(&json!({"name": "short-lived", "expiration": SHORT_LIFE}))
}

fn reader_key(stack: &LocalStack) -> Result<CreatedKey> {
    stack.admitted_key(&json!({"name": "demo", "role_descriptors": {"reader": {"cluster": ["monitor"]}}}))
}

fn identity(stack: &LocalStack, key: &CreatedKey) -> Result<String> {
    let answer = with_status(200, get(stack, "/demo/identity", &key.encoded)?)?;
    let seen = identity_headers(&answer)?;
    let expected =
        [("x-api-key-id", key.id.as_str()), ("x-api-key-owner", "elastic"), ("x-api-key-roles", "reader")];
    for (name, value) in expected {
        let found = seen.iter().any(|(header, content)| header == name && content == value);
        ensure!(found, "the upstream saw no {name}: {value} but {seen:?}");
    }
    ensure!(!answer.text().contains(&key.encoded), "the upstream saw the credential: {}", answer.text());
    let lines: Vec<_> = seen.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    Ok(format!("200, and the upstream sees\n{}", lines.join("\n")))
}

fn forged_identity(stack: &LocalStack, key: &CreatedKey) -> Result<String> {
    let names = ["x-api-key-owner", "X-Api-Key-Roles", "x_api_key_owner", "x.api.key.owner"];
    let mut request = Request::get("/demo/forged").api_key(&key.encoded);
    for name in names {
        request = request.header(name, "mallory");
    }
    let answer = with_status(200, stack.ask(&request)?)?;
    ensure!(!answer.text().contains("mallory"), "a forged header reached the upstream: {}", answer.text());
    Ok(format!("200, and none of {} forgeries arrives", names.len()))
}

/// A name that somebody gives to what she makes herself is no role of hers.
fn self_made_admin(stack: &LocalStack) -> Result<String> {
    let alice = user(stack, "alice", &json!({"cluster": ["manage_own_api_key"]}))?;
    let key = stack.admitted_key_of(&alice, &json!({"name": "mine", "role_descriptors": {"admin": {}}}))?;
    let answer = with_status(200, get(stack, "/demo/self-made", &key.encoded)?)?;
    let seen = identity_headers(&answer)?;
    ensure!(seen.contains(&("x-api-key-owner".to_owned(), "alice".to_owned())), "nobody's key: {seen:?}");
    let roles = seen.iter().find(|(name, _)| name == "x-api-key-roles");
    ensure!(roles.is_none(), "the upstream was told {roles:?}");
    Ok("200, and no x-api-key-roles: admin".to_owned())
}

/// A new user with a role of their own.
fn user(stack: &LocalStack, name: &str, role: &Value) -> Result<KeyServiceClient> {
    let root = stack.key_service.client();
    let role_name = format!("role-of-{name}");
    let to_role = format!("/_security/role/{role_name}");
    with_status(200, root.send(Request::new("PUT", &to_role).json(role))?)?;
    let body = json!({"password": "wonderland", "roles": [role_name]});
    with_status(200, root.send(Request::new("PUT", &format!("/_security/user/{name}")).json(&body))?)?;
    Ok(KeyServiceClient::of_user(root.address(), name, "wonderland"))
}

fn wrong_secret(stack: &LocalStack, key: &CreatedKey) -> Result<String> {
    let forged = STANDARD.encode(format!("{}:{}", key.id, "x".repeat(22)));
    with_status(401, get(stack, "/demo/wrong-secret", &forged)?)?;
    Ok(format!("401, in the access log: {}", logged_details(stack, "/demo/wrong-secret")?))
}

fn expired(stack: &LocalStack, key: &CreatedKey) -> Result<String> {
    wait::until("a short-lived key is refused", || {
        Ok((get(stack, "/demo/waiting", &key.encoded)?.status == 401).then_some(()))
    })?;
    with_status(401, get(stack, "/demo/expired", &key.encoded)?)?;
    Ok(format!("401, in the access log: {}", logged_details(stack, "/demo/expired")?))
}

fn revoked(stack: &LocalStack, key: &CreatedKey) -> Result<String> {
    stack.key_service.client().invalidate(&key.id)?;
    let answered = Instant::now();
    let refused_after = wait_for_refusal(stack, key, answered)?;
    Ok(format!("401 after {:.0} ms", refused_after.as_secs_f64() * 1_000.0))
}

fn wait_for_refusal(stack: &LocalStack, key: &CreatedKey, since: Instant) -> Result<Duration> {
    loop {
        match get(stack, "/demo/revoked", &key.encoded)?.status {
            401 => return Ok(since.elapsed()),
            200 if since.elapsed() < wait::PATIENCE => {}
            other => bail!("a revoked key was answered with {other}"),
        }
    }
}

fn get(stack: &LocalStack, target: &str, encoded: &str) -> Result<Response> {
    stack.ask(&Request::get(target).api_key(encoded))
}

/// The identity headers as the upstream saw them.
fn identity_headers(answer: &Response) -> Result<Vec<(String, String)>> {
    let shown = answer.json()?;
    let headers: Vec<(String, String)> =
        serde_json::from_value(shown.get("headers").cloned().unwrap_or(Value::Null))?;
    Ok(headers.into_iter().filter(|(name, _)| name.starts_with("x-api-key-")).collect())
}

/// Why Envoy answered as it did, from its access log.
fn logged_details(stack: &LocalStack, path: &str) -> Result<String> {
    let entry = stack.envoy.logged_request(path)?;
    entry.get("details").and_then(Value::as_str).map(str::to_owned).context("no details in the access log")
}

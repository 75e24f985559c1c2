//! A stack for a person to try: it stays up, and says what to type.

use std::io::Write;

use anyhow::Result;
use serde_json::json;

use crate::key_service::CreatedKey;
use crate::places;
use crate::stack::{LocalStack, Ports, StackOptions};

/// A running stack with one key.
#[derive(Debug)]
pub struct Playground {
    stack: LocalStack,
    key: CreatedKey,
}

impl Playground {
    /// Starts everything at these ports.
    ///
    /// # Errors
    ///
    /// When a part does not start.
    pub fn start(ports: Ports) -> Result<Self> {
        let stack = LocalStack::start(StackOptions { ports, ..StackOptions::default() }, |_| Ok(()))?;
        let key = stack.admitted_key(&json!({
            "name": "playground",
            "role_descriptors": {"reader": {"cluster": ["monitor"]}},
        }))?;
        Ok(Self { stack, key })
    }

    /// Prints addresses, credentials and lines to try.
    ///
    /// # Errors
    ///
    /// When `out` cannot be written.
    pub fn introduce(&self, out: &mut impl Write) -> Result<()> {
        for port in &self.stack.taken {
            writeln!(out, "port {port} is taken, so another is chosen")?;
        }
        let (edge, service) = (self.stack.edge(), self.stack.key_service.address());
        let client = self.stack.key_service.client();
        writeln!(out, "edge         http://{edge}")?;
        writeln!(out, "key service  http://{service}")?;
        writeln!(out, "upstream     http://{}", self.stack.upstream.address())?;
        writeln!(out, "Envoy admin  http://{}", self.stack.envoy.admin().address())?;
        writeln!(out, "API key      {} (id {})", self.key.encoded, self.key.id)?;
        writeln!(out, "user         elastic, password {}", client.password())?;
        writeln!(out, "console      http://{service}/console (log in as that user)")?;
        writeln!(out, "access log   {}", self.stack.envoy.log().stdout_file().display())?;
        writeln!(out, "audit log    {}", self.stack.key_service.log().stderr_file().display())?;
        writeln!(out)?;
        for Line { shows, command } in self.lines()? {
            writeln!(out, "{shows}\n  {command}")?;
        }
        writeln!(out)?;
        writeln!(out, "Ctrl-C ends everything, and removes the logs.")?;
        Ok(out.flush()?)
    }

    /// Lines to try, in this order. No proxy is in between, whatever `http_proxy` says.
    fn lines(&self) -> Result<Vec<Line>> {
        let (edge, service) = (self.stack.edge(), self.stack.key_service.address());
        let (encoded, id) = (&self.key.encoded, &self.key.id);
        let latchkey = latchkey()?;
        let line = |shows: &str, command: String| Line { shows: shows.to_owned(), command };
        Ok(vec![
            line(
                "Without a key: 401, and which credential is wanted.",
                format!("curl --noproxy '*' -i http://{edge}/"),
            ),
            line(
                "With the key: 200, and the request as the upstream gets it, with x-api-key-owner and more.",
                format!("curl --noproxy '*' -i -H 'Authorization: ApiKey {encoded}' http://{edge}/"),
            ),
            line(
                "Who asks the key service, for the lines below.",
                format!(
                    "export LATCHKEY_URL=http://{service} LATCHKEY_USER=elastic LATCHKEY_PASSWORD={}",
                    self.stack.key_service.client().password()
                ),
            ),
            line(
                "All keys: the one above, and that with which the edge reads the feed.",
                format!("{latchkey} key list"),
            ),
            line(
                "The key is revoked: the line with the key gets 401 milliseconds later.",
                format!("{latchkey} key revoke {id} --wait-for-edges 5s"),
            ),
            line(
                "Another key, by Elasticsearch's REST API.",
                format!(
                    "curl --noproxy '*' -s -u \"$LATCHKEY_USER:$LATCHKEY_PASSWORD\" -H 'Content-Type: application/json' \
                     http://{service}/_security/api_key -d '{{\"name\":\"another\",\"role_descriptors\":{{\"reader\":{{}}}}}}'"
                ),
            ),
            line(
                "Who changed what.",
                format!("{latchkey} audit list --data '{}'", self.stack.key_service.data().display()),
            ),
        ])
    }
}

/// Something to type.
struct Line {
    /// What it shows.
    shows: String,
    command: String,
}

/// The command `latchkey` as a word of the shell, from this directory if it is below it.
fn latchkey() -> Result<String> {
    let path = places::latchkey()?;
    let here = std::env::current_dir()?;
    let path = path.strip_prefix(&here).unwrap_or(&path).display().to_string();
    Ok(if path.contains([' ', '\'']) { format!("'{}'", path.replace('\'', r"'\''")) } else { path })
}

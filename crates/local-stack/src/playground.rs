//! A stack for a person to try: it stays up, and says what to type.

use std::io::Write;

use anyhow::Result;
use serde_json::json;

use crate::key_service::CreatedKey;
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
        writeln!(out, "edge         http://{edge}")?;
        writeln!(out, "key service  http://{service}")?;
        writeln!(out, "upstream     http://{}", self.stack.upstream.address())?;
        writeln!(out, "Envoy admin  http://{}", self.stack.envoy.admin().address())?;
        writeln!(out, "API key      {} (id {})", self.key.encoded, self.key.id)?;
        writeln!(out, "user         elastic, password {}", self.stack.key_service.client().password())?;
        writeln!(out)?;
        writeln!(out, "curl -i http://{edge}/")?;
        writeln!(out, "curl -i -H 'Authorization: ApiKey {}' http://{edge}/", self.key.encoded)?;
        writeln!(
            out,
            "curl -s -H 'Authorization: {}' -H 'Content-Type: application/json' -X DELETE http://{service}/_security/api_key -d '{{\"ids\":[\"{}\"]}}'",
            self.stack.key_service.client().authorization(),
            self.key.id
        )?;
        writeln!(
            out,
            "LATCHKEY_PASSWORD={} target/debug/latchkey key list --url http://{service} --user elastic",
            self.stack.key_service.client().password()
        )?;
        writeln!(out)?;
        writeln!(out, "Ctrl-C ends everything.")?;
        Ok(out.flush()?)
    }
}

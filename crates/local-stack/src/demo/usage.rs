//! The step about how often a key was used.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::http::Request;
use crate::key_service::CreatedKey;
use crate::stack::{LocalStack, with_status};
use crate::wait;

/// The edge tells of uses now and then, and the service shows them.
pub(super) fn counted(stack: &LocalStack, key: &CreatedKey) -> Result<String> {
    let counted = wait::until("the uses of a key are shown", || {
        let path = format!("/_security/api_key?id={}", key.id);
        let answer = with_status(200, stack.key_service.client().send(Request::get(&path))?)?.json()?;
        let shown = answer.pointer("/api_keys/0").cloned().unwrap_or_default();
        let is_whole = shown.get("uses").is_some() && shown.get("wrong_secrets").is_some();
        Ok(is_whole.then_some(shown))
    })?;
    let number = |name: &str| counted.get(name).and_then(Value::as_u64).unwrap_or_default();
    let edge = counted.get("last_used_edge").and_then(Value::as_str).context("no edge told of it")?;
    ensure!(number("wrong_secrets") == 1, "one wrong secret was presented: {counted}");
    Ok(format!("used {} times, last at {edge}; once with a wrong secret", number("uses")))
}

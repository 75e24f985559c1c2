//! Asking on behalf of the owner of keys.

use http::{Method, StatusCode};
use serde_json::Value;

use crate::cli::CommandFailed;
use crate::cli::report::harmless;
use crate::cli::service_client::{Answer, ServiceClient};
use crate::cli::service_refusal::is_wrong_login;
use crate::cli::user::is_service_account;
use crate::cli::user::native::{place_of, users};

/// Asks on behalf of this owner. The service says of one that is disabled what it says of a wrong password; here it is
/// told what is wrong.
pub(super) fn ask_on_behalf(
    service: &ServiceClient,
    owner: &str,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Answer, CommandFailed> {
    service.ask_for(owner, method, path, body).map_err(|failed| {
        // Of whom the service says it is whoever asks. If that were so, the next question would have no answer either.
        if is_wrong_login(&failed) { why_not(service, owner).unwrap_or(failed) } else { failed }
    })
}

/// Why nothing can be done on behalf of an owner, if whoever asks may know it.
fn why_not(service: &ServiceClient, owner: &str) -> Option<CommandFailed> {
    let answer = service.ask(Method::GET, &place_of(owner, &[]), None).ok()?;
    let named = harmless(owner);
    if answer.status == StatusCode::NOT_FOUND {
        return Some(CommandFailed::new(format!(
            "there is no owner and no user {named}, or it is a user of the users file that is disabled"
        )));
    }
    let user = users(&answer).remove(owner)?;
    let verb = if is_service_account(&user) { "owner" } else { "user" };
    (user.get("enabled") == Some(&Value::Bool(false))).then(|| {
        CommandFailed::new(format!(
            "the {verb} {named} is disabled, so nothing is done on its behalf: latchkey {verb} enable {named} lets it again"
        ))
    })
}

//! The steps about rules. The gate of the demo is `envoy/rules.yaml`.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::{get, identity_headers, logged_details, user};
use crate::http::Request;
use crate::key_service::CreatedKey;
use crate::stack::{LocalStack, with_status};

/// A browser sends no credential with it. What it asks about needs one all the same.
pub(super) fn preflight(stack: &LocalStack) -> Result<String> {
    let preflight = Request::new("OPTIONS", "/orders/7")
        .header("origin", "https://shop.example")
        .header("access-control-request-method", "PUT");
    with_status(200, stack.ask(&preflight)?)?;
    with_status(401, stack.ask(&Request::new("PUT", "/orders/7"))?)?;
    Ok("200, and 401 for what it asks about".to_owned())
}

/// A rule asks for the role `order-writer`, or for an owner who is a `superuser`. A key whose maker only
/// writes these names has neither.
pub(super) fn forged_role(stack: &LocalStack, key_of_superuser: &CreatedKey) -> Result<String> {
    let bob = user(stack, "bob", &json!({"cluster": ["manage_own_api_key"]}))?;
    let forged = json!({"name": "superuser", "role_descriptors": {"order-writer": {}, "superuser": {}}});
    let key = stack.admitted_key_of(&bob, &forged)?;
    let write = |path, key: &CreatedKey| stack.ask(&Request::new("PUT", path).api_key(&key.encoded));
    with_status(200, write("/orders/7", key_of_superuser)?)?;
    with_status(403, write("/orders/made-up", &key)?)?;
    let details = logged_details(stack, "/orders/made-up")?;
    ensure!(details == "latchkey_right_missing{orders-write}", "refused for another reason: {details}");
    Ok(format!("403, in the access log: {details}"))
}

/// The rule for `/reports/**` is in shadow mode, and only for `alice`.
pub(super) fn shadow(stack: &LocalStack, key: &CreatedKey) -> Result<String> {
    let answer = with_status(200, get(stack, "/reports/7", &key.encoded)?)?;
    let seen = identity_headers(&answer)?;
    let (name, told) =
        seen.iter().find(|(name, _)| name == "x-api-key-shadow").context("the upstream is told nothing")?;
    ensure!(told == "right_missing", "the upstream is told {told}");
    Ok(format!("200, and the upstream sees {name}: {told}"))
}

/// The rule for reading an order asks for the privilege `read` of the application `shop` on that order.
pub(super) fn right(stack: &LocalStack) -> Result<String> {
    let root = stack.key_service.client();
    let privileges = json!({"shop": {"read": {"actions": ["data:read/*"]}}});
    with_status(200, root.send(Request::new("PUT", "/_security/privilege").json(&privileges))?)?;
    let orders = json!([{"application": "shop", "privileges": ["read"], "resources": ["orders/*"]}]);
    let carol =
        user(stack, "carol", &json!({"cluster": ["manage_own_api_key"], "applications": orders.clone()}))?;
    let reads = json!({"name": "reads", "role_descriptors": {"reads": {"applications": orders}}});
    let reads = stack.admitted_key_of(&carol, &reads)?;
    let may_nothing = json!({"name": "reads", "role_descriptors": {"reads": {}}});
    let may_nothing = stack.admitted_key_of(&carol, &may_nothing)?;

    with_status(200, get(stack, "/orders/7", &reads.encoded)?)?;
    with_status(403, stack.ask(&Request::new("PUT", "/orders/written").api_key(&reads.encoded))?)?;
    with_status(403, get(stack, "/orders/read", &may_nothing.encoded)?)?;
    for (path, rule) in [("/orders/written", "orders-write"), ("/orders/read", "orders-read")] {
        let details = logged_details(stack, path)?;
        ensure!(
            details == format!("latchkey_right_missing{{{rule}}}"),
            "refused for another reason: {details}"
        );
    }
    Ok("reads /orders/7: 200, writes it: 403".to_owned())
}

//! `deploy/compose.yaml`.

use serde_json::json;

use crate::document;
use crate::schema::{assert_valid, stored};

#[test]
fn the_compose_file_is_one_and_its_container_may_do_nothing_but_serve() {
    let file = document("deploy/compose.yaml");
    assert_valid(&stored("compose.json"), &file, "deploy/compose.yaml");
    let service = &file["services"]["latchkey"];
    assert_eq!(service["read_only"], true);
    assert_eq!(service["cap_drop"], json!(["ALL"]));
    assert_eq!(service["security_opt"], json!(["no-new-privileges:true"]));
    assert_eq!(service["healthcheck"]["test"], json!(["CMD", "/usr/bin/latchkey", "health"]));
    assert!(!service["user"].as_str().unwrap().starts_with('0'));
    for port in service["ports"].as_array().unwrap() {
        assert!(port.as_str().unwrap().starts_with("127.0.0.1:"), "{port} is in the clear for everybody");
    }
}

//! What concerns people and not edges.

use crate::browser::{Scenario, Service};

#[test]
fn people_log_in_and_out() {
    Scenario::new("login", &Service::start().process).play();
}

#[test]
fn people_see_and_do_what_their_rights_allow() {
    Scenario::new("rights", &Service::start().process).play();
}

#[test]
fn hostile_names_do_no_harm() {
    Scenario::new("hostile", &Service::start().process).play();
}

#[test]
fn everybody_can_use_every_page() {
    Scenario::new("pages", &Service::start().process).play();
}

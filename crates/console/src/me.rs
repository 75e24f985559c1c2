//! Who is logged in, and what that user may do.

use askama::Template;
use axum::response::{Redirect, Response};
use serde_json::Value;

use crate::failure::Failure;
use crate::frame::{Frame, Section, ok};
use crate::rest::RestFailure;
use crate::signed_in::SignedIn;

#[derive(Template)]
#[template(path = "me.html")]
struct MePage {
    frame: Frame,
    username: String,
    realm: String,
    key: Option<String>,
    roles: Vec<String>,
    /// What the console offers this user, each as a sentence.
    can: Vec<&'static str>,
    /// Whom the user may act for.
    run_as: Vec<String>,
    /// What the key service says of the user's privileges, if it does.
    privileges: Option<String>,
}

/// Goes to the first page of the menu: nobody lands where there is nothing for them.
pub(crate) async fn go_to_first_page(signed_in: SignedIn) -> Redirect {
    let rights = &signed_in.rights;
    Redirect::to(match (rights.sees_keys(), rights.sees_edges()) {
        (true, _) => "/console/keys",
        (false, true) => "/console/edges",
        (false, false) => "/console/me",
    })
}

pub(crate) async fn show(signed_in: SignedIn) -> Result<Response, Failure> {
    let person = &signed_in.person;
    let me: Value = person.get("/_security/_authenticate").await?;
    let privileges = match person.get::<Value>("/_security/user/_privileges").await {
        Ok(privileges) => serde_json::to_string_pretty(&privileges).ok(),
        Err(RestFailure::Refused { .. } | RestFailure::Unknown) => None,
        Err(failure @ RestFailure::Unauthenticated(_)) => return Err(failure.into()),
    };
    let roles = me.get("roles").and_then(Value::as_array).into_iter().flatten();
    let rights = &signed_in.rights;
    let is_by_key = signed_in.session.who.key.is_some();
    let sentences = [
        (rights.sees_all_keys(), "see the keys of everybody"),
        (!rights.sees_all_keys() && rights.sees_keys(), "see your own keys"),
        (rights.makes_keys() && !is_by_key, "make, rotate and revoke your own keys"),
        (rights.makes_keys() && is_by_key, "make and revoke keys"),
        (rights.revokes_all(), "revoke the keys of everybody"),
        (rights.grants_keys(), "make keys for owners whose password you have"),
        (rights.acts_for_others(), "make and rotate keys of the users below"),
        (rights.sees_edges(), "see the edges"),
        (rights.sees_audit(), "read the audit log"),
    ];
    let who = &signed_in.session.who;
    Ok(ok(&MePage {
        frame: signed_in.frame("Me", Section::Me),
        username: who.username.clone(),
        realm: who.realm.clone(),
        key: who.key.clone(),
        roles: roles.filter_map(Value::as_str).map(str::to_owned).collect(),
        can: sentences.into_iter().filter(|(may, _)| *may).map(|(_, sentence)| sentence).collect(),
        run_as: rights.run_as.clone(),
        privileges,
    }))
}

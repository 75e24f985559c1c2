//! Giving a key another secret.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use crate::Console;
use crate::failure::Failure;
use crate::frame::{Frame, Section, page};
use crate::keys::made::{self, Made};
use crate::keys::shown::ShownKey;
use crate::rest::{RestFailure, path_part};
use crate::signed_in::{SentForm, SignedIn};
use crate::words::When;

/// How long the secret before works on: the value in the form, and the words on the page.
const OVERLAPS: [(&str, &str); 6] = [
    ("24h", "24 hours"),
    ("1h", "1 hour"),
    ("7d", "7 days"),
    ("30d", "30 days"),
    ("90d", "90 days"),
    ("0", "not at all: after a leak"),
];

#[derive(Template)]
#[template(path = "rotate.html")]
struct RotatePage {
    frame: Frame,
    key: ShownKey,
    overlaps: [(&'static str, &'static str); 6],
    problem: Option<String>,
    ticket: String,
    /// Until when the secret before works, of a key that was rotated lately.
    previous_secret_until: Option<When>,
}

pub(crate) async fn show(State(console): State<Console>, signed_in: SignedIn) -> Result<Response, Failure> {
    let key = super::key(&signed_in, signed_in.query.get("id")).await?;
    form_page(&console, &signed_in, key, None, StatusCode::OK)
}

/// Rotates the key, and shows its new secret this once.
pub(crate) async fn rotate(State(console): State<Console>, sent: SentForm) -> Result<Response, Failure> {
    let SentForm { signed_in, form } = &sent;
    let key = super::key(signed_in, form.get("id")).await?;
    let overlap = OVERLAPS.iter().map(|(value, _)| *value).find(|value| *value == form.get("overlap"));
    let Some(overlap) = overlap else {
        let problem = "Choose how long the secret that the key has works on.".to_owned();
        return form_page(&console, signed_in, key, Some(problem), StatusCode::BAD_REQUEST);
    };
    if !sent.is_first() {
        return Err(Failure::sent_before());
    }
    let is_own = signed_in.owns(&key.username, &key.realm);
    let person = signed_in.person.clone();
    let person = if is_own { person } else { person.acting_as(&key.username)? };
    let path = format!("/_security/api_key/{}/_rotate?wait_for_edges=0s", path_part(&key.id));
    match person.post::<Made>(&path, &json!({"overlap": overlap})).await {
        Ok(made) => {
            let frame = signed_in.frame("The key has a new secret", Section::Keys);
            let ends_now = overlap == "0" && signed_in.rights.sees_edges();
            let watch = made.watch_path().filter(|_| ends_now);
            Ok(made::page(made, "The key has a new secret", watch, frame, console.surroundings.now()))
        }
        Err(RestFailure::Refused { status, reason }) => {
            form_page(&console, signed_in, key, Some(reason), status)
        }
        Err(failure) => Err(failure.into()),
    }
}

fn form_page(
    console: &Console,
    signed_in: &SignedIn,
    key: ShownKey,
    problem: Option<String>,
    status: StatusCode,
) -> Result<Response, Failure> {
    let frame = signed_in.frame(format!("Rotate {}", key.name), Section::Keys);
    let now = console.surroundings.now();
    let until = key.previous_secret_expiration.filter(|end| *end > now);
    let previous_secret_until = until.map(|end| When::of(end, now));
    let ticket = console.ticket()?;
    Ok(page(status, &RotatePage { frame, key, overlaps: OVERLAPS, problem, ticket, previous_secret_until }))
}

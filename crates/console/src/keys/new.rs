//! Making a key.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use crate::Console;
use crate::failure::Failure;
use crate::frame::{Frame, Section, page};
use crate::keys::made::{self, Made};
use crate::keys::new_form::{FormProblems, LIVES, NewKeyForm, RightsForm};
use crate::keys::unknown_privileges::unknown_privileges;
use crate::rest::RestFailure;
use crate::signed_in::{SentForm, SignedIn};

#[derive(Template)]
#[template(path = "new_key.html")]
struct NewKeyPage<'a> {
    frame: Frame,
    form: &'a NewKeyForm,
    problems: FormProblems,
    /// Application privileges that are not stored, and must be confirmed.
    unknown: String,
    ticket: String,
    lives: Vec<Life>,
    acts_for_others: bool,
    grants_keys: bool,
}

/// Why a key was not made.
#[derive(Default)]
struct FormAnswer {
    problems: FormProblems,
    unknown: String,
}

struct Life {
    value: &'static str,
    word: &'static str,
    is_chosen: bool,
}

pub(crate) async fn show(State(console): State<Console>, signed_in: SignedIn) -> Result<Response, Failure> {
    if !may_make(&signed_in) {
        return Err(Failure::forbidden());
    }
    form_page(&console, &signed_in, &NewKeyForm::empty(), FormAnswer::default(), StatusCode::OK)
}

/// Makes the key, and shows its secret this once; or the form again, with what is wrong.
pub(crate) async fn make(State(console): State<Console>, sent: SentForm) -> Result<Response, Failure> {
    let SentForm { signed_in, form: fields } = &sent;
    let form = NewKeyForm::read(fields);
    let body = match form.body() {
        Ok(body) => body,
        Err(problems) => {
            let answer = FormAnswer { problems, ..FormAnswer::default() };
            return form_page(&console, signed_in, &form, answer, StatusCode::BAD_REQUEST);
        }
    };
    let unknown = unknown_privileges(&signed_in.person, &body).await?.join(", ");
    if !unknown.is_empty() && fields.get("unknown_confirmed") != unknown {
        let answer = FormAnswer { unknown, ..FormAnswer::default() };
        return form_page(&console, signed_in, &form, answer, StatusCode::BAD_REQUEST);
    }
    if !sent.is_first() {
        return Err(Failure::sent_before());
    }
    match ask(&sent, &form, body).await {
        Ok(made) => {
            let frame = signed_in.frame("The key is made", Section::Keys);
            Ok(made::page(made, "The key is made", None, frame, console.surroundings.now()))
        }
        Err(RestFailure::Refused { status, reason }) => {
            let problems = FormProblems { whole: Some(reason), ..FormProblems::default() };
            let answer = FormAnswer { problems, ..FormAnswer::default() };
            form_page(&console, signed_in, &form, answer, status)
        }
        Err(failure) => Err(failure.into()),
    }
}

/// A key of one's own, or of another: granted with that owner's password, or on behalf of one for whom the user may act.
async fn ask(sent: &SentForm, form: &NewKeyForm, body: Value) -> Result<Made, RestFailure> {
    let person = &sent.signed_in.person;
    let password = sent.form.get("owner_password");
    if form.owner.is_empty() || form.owner == sent.signed_in.session.who.username && password.is_empty() {
        return person.post("/_security/api_key", &body).await;
    }
    if password.is_empty() {
        return person.clone().acting_as(&form.owner)?.post("/_security/api_key", &body).await;
    }
    let grant =
        json!({"grant_type": "password", "username": form.owner, "password": password, "api_key": body});
    person.post("/_security/api_key/grant", &grant).await
}

fn may_make(signed_in: &SignedIn) -> bool {
    let rights = &signed_in.rights;
    rights.makes_keys() || rights.grants_keys() || rights.acts_for_others()
}

fn form_page(
    console: &Console,
    signed_in: &SignedIn,
    form: &NewKeyForm,
    FormAnswer { problems, unknown }: FormAnswer,
    status: StatusCode,
) -> Result<Response, Failure> {
    let life = |(value, word)| Life { value, word, is_chosen: value == form.life };
    let new_key = NewKeyPage {
        frame: signed_in.frame("New key", Section::Keys),
        form,
        problems,
        unknown,
        ticket: console.ticket()?,
        lives: LIVES.map(life).into(),
        acts_for_others: signed_in.rights.acts_for_others(),
        grants_keys: signed_in.rights.grants_keys(),
    };
    Ok(page(status, &new_key))
}

impl NewKeyPage<'_> {
    /// Whether rights are said in this way, for the template.
    fn is(&self, rights: &str) -> bool {
        match self.form.rights {
            RightsForm::Labels => rights == "labels",
            RightsForm::Application => rights == "application",
            RightsForm::Json => rights == "json",
            RightsForm::All => rights == "all",
        }
    }
}

//! Who is logged in, as each page takes it: a page that does not ask does not compile, because only this gives it a
//! [`Person`].

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, OriginalUri, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use latchkey_key_feed::MonotonicMillis;
use tokio::time::timeout;

use crate::Console;
use crate::cookie::{self, Secure};
use crate::failure::Failure;
use crate::fields::Fields;
use crate::frame::{Frame, Section};
use crate::limits::{FORM_LEN_MAX, FORM_WAIT_MAX};
use crate::person_rights::PersonRights;
use crate::rest::{Origin, Person};
use crate::session::{FormTicket, Session, Sessions};

/// A request for a page, by somebody who is logged in.
pub(crate) struct SignedIn {
    pub(crate) session: Arc<Session>,
    pub(crate) person: Person,
    pub(crate) rights: PersonRights,
    /// What the address asks for.
    pub(crate) query: Fields,
    /// The name of the session, to look later whether it lives.
    pub(crate) session_name: String,
}

/// The same for what a live page asks again and again: it makes the session live no longer.
pub(crate) struct LooksOn(pub(crate) SignedIn);

/// The same for a form that was sent, which a page of this session has shown.
pub(crate) struct SentForm {
    pub(crate) signed_in: SignedIn,
    pub(crate) form: Fields,
}

impl FromRequestParts<Console> for SignedIn {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Failure> {
        Self::of(parts, console, Sessions::used).await
    }
}

impl FromRequestParts<Console> for LooksOn {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Failure> {
        SignedIn::of(parts, console, Sessions::alive).await.map(Self)
    }
}

/// How a session is looked for.
type Look = fn(&mut Sessions, &str, MonotonicMillis) -> Option<Arc<Session>>;

impl SignedIn {
    async fn of(parts: &Parts, console: &Console, look: Look) -> Result<Self, Failure> {
        let secure = Secure::of(&parts.headers, console.speaks_tls);
        let name = cookie::session_name(&parts.headers, secure).map(str::to_owned);
        let now = console.surroundings.steady();
        let session = name.and_then(|name| Some((look(&mut console.sessions(), &name, now)?, name)));
        let Some((session, session_name)) = session else { return Err(Failure::logged_out(next(parts))) };
        let origin = Origin::of(parts);
        let person = Person::new(console.rest.clone(), session.authorization.clone(), origin);
        let rights = match PersonRights::of(&person).await {
            Ok(rights) => rights,
            Err(failure) => {
                let failure = Failure::from(failure);
                if failure.ends_session() {
                    console.sessions().end(&session_name);
                }
                return Err(failure);
            }
        };
        let query = parts.uri.query().unwrap_or_default();
        let query = Fields::parse(query.as_bytes()).ok_or_else(Failure::too_many_fields)?;
        Ok(Self { session, person, rights, query, session_name })
    }
}

impl FromRequest<Console> for SentForm {
    type Rejection = Failure;

    async fn from_request(request: Request, console: &Console) -> Result<Self, Failure> {
        let (mut parts, body) = request.into_parts();
        let signed_in = SignedIn::from_request_parts(&mut parts, console).await?;
        let place = || console.forms.try_acquire().map_err(|_| Failure::too_many_forms());
        let form = read_form(&parts, body, place, FORM_LEN_MAX).await?;
        if !signed_in.session.is_form_token(form.get("token")) {
            return Err(Failure::foreign_form());
        }
        Ok(Self { signed_in, form })
    }
}

impl SentForm {
    /// Whether the form is sent for the first time. One without a ticket was not shown by a page that has it.
    pub(crate) fn is_first(&self) -> bool {
        let ticket = self.form.get("ticket");
        !ticket.is_empty() && self.signed_in.session.take_ticket(ticket) == FormTicket::New
    }
}

impl SignedIn {
    /// What surrounds every page.
    pub(crate) fn frame(&self, title: impl Into<String>, section: Section) -> Frame {
        Frame::new(title.into(), section, &self.session, &self.rights)
    }

    /// Whether a key of this owner can be given another secret. A key gives none to others.
    pub(crate) fn rotates(&self, is_own: bool) -> bool {
        self.session.who.key.is_none() && self.rights.rotates(is_own)
    }

    /// Whether a key is the user's own.
    pub(crate) fn owns(&self, username: &str, realm: &str) -> bool {
        let who = &self.session.who;
        who.username == username && who.realm == realm
    }
}

/// The fields of a form of at most `len_max` bytes, if a page of this site has sent it. It has a place among those that are
/// read at once, which `take_place` takes.
///
/// # Errors
///
/// [`Failure`] when another site has, or the form is too long or too slow, or there is no place.
pub(crate) async fn read_form<P>(
    parts: &Parts,
    body: Body,
    take_place: impl FnOnce() -> Result<P, Failure>,
    len_max: usize,
) -> Result<Fields, Failure> {
    if !cookie::is_of_this_site(parts) {
        return Err(Failure::foreign_form());
    }
    let _place = take_place()?;
    let body = timeout(FORM_WAIT_MAX, to_bytes(body, len_max)).await.map_err(|_| {
        Failure::new(StatusCode::REQUEST_TIMEOUT, "The form has not arrived in time. Send it again.")
    })?;
    let too_long = || {
        let reason = format!("The form is longer than {} KiB.", len_max / 1024);
        Failure::new(StatusCode::PAYLOAD_TOO_LARGE, reason)
    };
    Fields::parse(&body.map_err(|_| too_long())?).ok_or_else(Failure::too_many_fields)
}

/// Where to go after the log-in: the page that was asked for, if it changes nothing.
fn next(parts: &Parts) -> Option<String> {
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
    let path = uri.path_and_query()?.as_str();
    (parts.method == axum::http::Method::GET).then(|| path.to_owned())
}

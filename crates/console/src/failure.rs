//! What a person reads when a page cannot be shown.

use askama::Template;
use axum::Extension;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use crate::Console;
use crate::frame::{Frame, Section, page};
use crate::limits::FIELDS_MAX;
use crate::rest::{RestFailure, path_with_query};
use crate::signed_in::SignedIn;

/// Why there is no page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Nobody is logged in, or not any more.
    LoggedOut {
        /// Where to go after the log-in.
        next: Option<String>,
        why: LogOut,
    },
    /// All else.
    Refused { status: StatusCode, reason: String },
}

/// Why nobody is logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogOut {
    /// A page was asked for without a session.
    NoSession,
    /// A form was sent without a session, and nothing was done.
    NothingDone,
    /// The credential of the session is no longer valid.
    CredentialEnded,
}

#[derive(Template)]
#[template(path = "failure.html")]
struct FailurePage<'a> {
    frame: Frame,
    reason: &'a str,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self::Refused { status, reason: reason.into() }
    }

    /// Without a session: where a page was asked for, and where a form was sent.
    pub(crate) fn logged_out(next: Option<String>) -> Self {
        let why = if next.is_some() { LogOut::NoSession } else { LogOut::NothingDone };
        Self::LoggedOut { next, why }
    }

    /// A form that no page of this session has shown.
    pub(crate) fn foreign_form() -> Self {
        let reason = "This form does not belong to your session, so nothing was done. Open the page again, and send it from there.";
        Self::new(StatusCode::FORBIDDEN, reason)
    }

    /// An address or a form with more fields than any page has.
    pub(crate) fn too_many_fields() -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("There are more than {FIELDS_MAX} fields."))
    }

    /// A form for which there is no place among those that are read.
    pub(crate) fn too_many_forms() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Too many forms are sent at once. Try again.")
    }

    /// A form that was sent before, and whose work is done.
    pub(crate) fn sent_before() -> Self {
        let reason = "This form was sent before, so nothing was done again. A secret is shown once only: if it was not copied, rotate the key.";
        Self::new(StatusCode::CONFLICT, reason)
    }

    /// What the user may not see or do.
    pub(crate) fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "Your log-in does not have the right to see this page.")
    }

    /// Whether the credential of the session is no longer valid.
    pub(crate) fn ends_session(&self) -> bool {
        matches!(self, Self::LoggedOut { why: LogOut::CredentialEnded, .. })
    }
}

impl From<RestFailure> for Failure {
    fn from(failure: RestFailure) -> Self {
        match failure {
            RestFailure::Unauthenticated(_) => Self::LoggedOut { next: None, why: LogOut::CredentialEnded },
            RestFailure::Refused { status, reason } => Self::Refused { status, reason },
            RestFailure::Unknown => Self::new(StatusCode::BAD_GATEWAY, failure.to_string()),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::LoggedOut { next, why } => {
                let next = next.as_deref().map(|next| ("next", next));
                let why = match why {
                    LogOut::NoSession => None,
                    LogOut::NothingDone => Some(("why", "lost")),
                    LogOut::CredentialEnded => Some(("why", "ended")),
                };
                let path = path_with_query("/console/login", next.into_iter().chain(why));
                Redirect::to(&path).into_response()
            }
            Self::Refused { status, reason } => {
                let title = match status {
                    StatusCode::NOT_FOUND => "Not found",
                    StatusCode::FORBIDDEN => "Not allowed",
                    _ => "That did not work",
                };
                let shown = page(status, &FailurePage { frame: Frame::of_nobody(title), reason: &reason });
                (Extension(ShownFailure { status, title, reason }), shown).into_response()
            }
        }
    }
}

/// What such a page says, for [`with_menu`].
#[derive(Clone)]
struct ShownFailure {
    status: StatusCode,
    title: &'static str,
    reason: String,
}

/// Gives a page that says why something cannot be shown the menu of whoever is logged in.
pub(crate) async fn with_menu(State(console): State<Console>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    // Without the body this asks who it is, as every page does.
    let asking = Request::from_parts(parts.clone(), body);
    let mut response = next.run(asking).await;
    let Some(failure) = response.extensions_mut().remove::<ShownFailure>() else { return response };
    let Ok(signed_in) = SignedIn::from_request_parts(&mut parts, &console).await else { return response };
    let ShownFailure { status, title, reason } = failure;
    page(status, &FailurePage { frame: signed_in.frame(title, Section::None), reason: &reason })
}

/// 404: there is no such page.
pub(crate) async fn not_found() -> Failure {
    Failure::new(StatusCode::NOT_FOUND, "There is no such page.")
}

//! What surrounds every page: title, menu, and who is logged in.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Response};

use crate::assets;
use crate::person_rights::PersonRights;
use crate::session::Session;

/// A part of the console, in the menu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Keys,
    Edges,
    Audit,
    Me,
    /// None of them.
    None,
}

/// What a template needs for all that surrounds its page.
pub(crate) struct Frame {
    pub(crate) title: String,
    pub(crate) assets: &'static str,
    pub(crate) version: &'static str,
    /// Absent where nobody is logged in.
    pub(crate) user: Option<FrameUser>,
}

/// Who is logged in, and where that user may go.
pub(crate) struct FrameUser {
    pub(crate) name: String,
    /// What each form of the page has.
    pub(crate) token: String,
    pub(crate) menu: Vec<MenuItem>,
}

pub(crate) struct MenuItem {
    pub(crate) name: &'static str,
    pub(crate) path: &'static str,
    pub(crate) is_here: bool,
}

impl Frame {
    pub(crate) fn new(title: String, section: Section, session: &Session, rights: &PersonRights) -> Self {
        let item = |here, name, path| MenuItem { name, path, is_here: here == section };
        let menu = [
            rights.sees_keys().then(|| item(Section::Keys, "Keys", "/console/keys")),
            rights.sees_edges().then(|| item(Section::Edges, "Edges", "/console/edges")),
            rights.sees_audit().then(|| item(Section::Audit, "Audit", "/console/audit")),
            Some(item(Section::Me, "Me", "/console/me")),
        ];
        let name = match &session.who.key {
            Some(key) => format!("{} (by key {key})", session.who.username),
            None => session.who.username.clone(),
        };
        let user = FrameUser {
            name,
            token: session.form_token().to_owned(),
            menu: menu.into_iter().flatten().collect(),
        };
        Self { user: Some(user), ..Self::of_nobody(title) }
    }

    /// The same where nobody is logged in.
    pub(crate) fn of_nobody(title: impl Into<String>) -> Self {
        let version = latchkey_build_info::VERSION;
        Self { title: title.into(), assets: assets::digest(), version, user: None }
    }

    /// What each form of the page has; empty where nobody is logged in.
    pub(crate) fn token(&self) -> &str {
        self.user.as_ref().map_or("", |user| user.token.as_str())
    }
}

/// A page with this status. A template whose fields are all there cannot fail.
pub(crate) fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// A page.
pub(crate) fn ok(template: &impl Template) -> Response {
    page(StatusCode::OK, template)
}

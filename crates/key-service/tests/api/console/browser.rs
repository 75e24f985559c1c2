//! As much of a browser as forms need: cookies, and the token of the page before.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::header::{CONTENT_TYPE, COOKIE, HeaderName, SET_COOKIE};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use latchkey_console::SessionTimes;
use latchkey_key_service::console::{OfTheService, with_console};
use latchkey_key_service::randomness::SystemRandomness;
use tower::ServiceExt as _;

use crate::service::{PASSWORD, Service};

/// A browser that looks at the console of a service.
#[derive(Clone)]
pub(super) struct Browser {
    console: Router,
    cookies: BTreeMap<String, String>,
    peer: SocketAddr,
}

/// What it got.
pub(super) struct Page {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Browser {
    pub(super) fn new(service: &Service) -> Self {
        let (clock, randomness) = (service.clock.clone(), Arc::new(SystemRandomness));
        let trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
        let surroundings = OfTheService { clock, randomness, trusted_proxies };
        let stopping = service.stop.subscribe();
        let times = SessionTimes::default();
        let console = with_console(service.interface(), times, surroundings, false, stopping);
        Self { console, cookies: BTreeMap::new(), peer: "127.0.0.1:1".parse().unwrap() }
    }

    pub(super) async fn logged_in(service: &Service, username: &str) -> Self {
        let mut browser = Self::new(service);
        browser.log_in(username).await;
        browser
    }

    /// The same elsewhere.
    pub(super) fn from(self, peer: &str) -> Self {
        Self { peer: peer.parse().unwrap(), ..self }
    }

    /// One that looks at the same console as another.
    pub(super) fn over(self, other: &Self) -> Self {
        Self { console: other.console.clone(), ..self }
    }

    pub(super) fn with_cookies(self, cookies: BTreeMap<String, String>) -> Self {
        Self { cookies, ..self }
    }

    /// The console that it looks at.
    pub(super) fn console(&self) -> Router {
        self.console.clone()
    }

    /// The header of its cookies.
    pub(super) fn cookie(&self) -> String {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        cookies.join("; ")
    }

    pub(super) fn cookies(&self) -> BTreeMap<String, String> {
        self.cookies.clone()
    }

    pub(super) async fn log_in(&mut self, username: &str) {
        let answer = self.post("/console/login", &[("username", username), ("password", PASSWORD)]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    }

    pub(super) async fn get(&mut self, path: &str) -> Page {
        self.send(Method::GET, path, None, None).await
    }

    /// The same as a future of its own.
    pub(super) fn get_owned(&mut self, path: &str) -> impl Future<Output = Page> + use<> {
        let (mut browser, path) = (self.clone(), path.to_owned());
        async move { browser.get(&path).await }
    }

    pub(super) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        self.post_with(path, fields, None).await
    }

    pub(super) async fn post_with(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        header: Option<(&str, &str)>,
    ) -> Page {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        self.send(Method::POST, path, Some(form.finish()), header).await
    }

    /// Sends a form as it is.
    pub(super) async fn post_text(&mut self, path: &str, form: String) -> Page {
        self.send(Method::POST, path, Some(form), None).await
    }

    /// Sends a form with the token of the page that shows it.
    pub(super) async fn send_form(&mut self, page: &str, path: &str, fields: &[(&str, &str)]) -> Page {
        let shown = self.get(page).await;
        let hidden = |name: &str| {
            shown
                .text
                .split_once(&format!("name=\"{name}\" value=\""))
                .map(|(_, rest)| rest.split('"').next().unwrap_or_default().to_owned())
        };
        let (token, ticket) = (hidden("token").unwrap_or_default(), hidden("ticket").unwrap_or_default());
        let more = [("token", token.as_str()), ("ticket", ticket.as_str())];
        let fields: Vec<_> = fields.iter().copied().chain(more).collect();
        self.post(path, &fields).await
    }

    /// The token of the forms of a page.
    pub(super) async fn token(&mut self, page: &str) -> String {
        self.get(page).await.between("name=\"token\" value=\"", "\"").to_owned()
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        form: Option<String>,
        header: Option<(&str, &str)>,
    ) -> Page {
        let mut request = Request::builder().method(method).uri(path).extension(ConnectInfo(self.peer));
        if !self.cookies.is_empty() {
            request = request.header(COOKIE, self.cookie());
        }
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        if form.is_some() {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let request = request.body(form.map_or_else(Body::empty, Body::from)).unwrap();
        let response = self.console.clone().oneshot(request).await.unwrap();
        for set in response.headers().get_all(SET_COOKIE) {
            let (name, value) = set.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            match value {
                "" => drop(self.cookies.remove(name)),
                value => drop(self.cookies.insert(name.to_owned(), value.to_owned())),
            }
        }
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap();
        Page { status: parts.status, headers: parts.headers, text }
    }
}

impl Page {
    /// The value of a header; empty when it is not there.
    pub(super) fn header(&self, name: HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// What stands between two texts.
    #[track_caller]
    pub(super) fn between(&self, before: &str, after: &str) -> &str {
        let rest = self.text.split_once(before).unwrap_or_else(|| panic!("no {before}: {}", self.text)).1;
        rest.split_once(after).unwrap().0
    }
}

//! Forms of clients that send slowly, or much at once.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::http::request::Builder;
use axum::http::{Request, Response, StatusCode};
use futures_util::stream;
use latchkey_console::limits::{
    FORM_WAIT_MAX, FORMS_AT_ONCE_MAX, LOGIN_FORMS_AT_ONCE_MAX, LOGIN_FORMS_PER_SOURCE_MAX,
};
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

use crate::console::browser::Browser;
use crate::service::{PASSWORD, Service};

/// Where a form comes from, if nothing else is said.
const PEER: &str = "192.0.2.1:1";

/// Sends a form that begins and never ends.
fn send_without_end(console: &Router, path: &str, cookie: &str, peer: &str) -> JoinHandle<Response<Body>> {
    send_endless(console, Request::post(path).header("cookie", cookie), peer)
}

fn send_endless(console: &Router, request: Builder, peer: &str) -> JoinHandle<Response<Body>> {
    let begun = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"username=a"))]);
    let endless = stream::unfold((), async |()| {
        std::future::pending::<Option<(Result<Bytes, Infallible>, ())>>().await
    });
    let body = Body::from_stream(futures_util::StreamExt::chain(begun, Box::pin(endless)));
    let peer: SocketAddr = peer.parse().unwrap();
    let request = request.extension(ConnectInfo(peer)).body(body).unwrap();
    let console = console.clone();
    tokio::spawn(async move { console.oneshot(request).await.unwrap() })
}

#[tokio::test]
async fn a_form_that_does_not_arrive_is_given_up() {
    let service = Service::new().await;
    let mut browser = Browser::logged_in(&service, "own").await;
    let (console, cookie) = (browser.console(), browser.cookie());
    browser.get("/console/me").await;
    let sent =
        ["/console/login", "/console/revoke"].map(|path| send_without_end(&console, path, &cookie, PEER));
    for sent in sent {
        let answer = tokio::time::timeout(FORM_WAIT_MAX * 2, sent).await.expect("it is given up").unwrap();
        assert_eq!(answer.status(), StatusCode::REQUEST_TIMEOUT);
    }
}

#[tokio::test]
async fn as_many_forms_are_read_at_once_as_may_be() {
    let service = Arc::new(Service::new().await);
    let browser = Browser::logged_in(&service, "own").await;
    let (console, cookie) = (browser.console(), browser.cookie());
    for (path, most) in [("/console/login", LOGIN_FORMS_AT_ONCE_MAX), ("/console/revoke", FORMS_AT_ONCE_MAX)]
    {
        let mut sent: Vec<_> = (0..=most)
            .map(|number| {
                let source = number / LOGIN_FORMS_PER_SOURCE_MAX;
                send_without_end(&console, path, &cookie, &format!("192.0.2.{source}:1"))
            })
            .collect();
        let refused = first_answer(&mut sent).await;
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(sent.iter().filter(|sent| sent.is_finished()).count(), 0, "{path}: the others are read");
        sent.iter().for_each(JoinHandle::abort);
    }
}

/// The first answer that comes.
async fn first_answer(sent: &mut Vec<JoinHandle<Response<Body>>>) -> Response<Body> {
    loop {
        if let Some(place) = sent.iter().position(JoinHandle::is_finished) {
            return sent.swap_remove(place).await.unwrap();
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_source_of_many_slow_log_ins_keeps_no_other_source_out() {
    let service = Service::new().await;
    for (slow, same, other) in [
        ("192.0.2.1:1", "192.0.2.1:2", "192.0.2.2:1"),
        ("[2001:db8::1]:1", "[2001:db8::ffff:0:0:2]:1", "[2001:db8:0:1::1]:1"),
    ] {
        let (mut same, mut other) = (Browser::new(&service).from(same), Browser::new(&service).from(other));
        other = other.over(&same);
        let console = same.console();
        let mut sent: Vec<_> = (0..=LOGIN_FORMS_PER_SOURCE_MAX)
            .map(|_| send_without_end(&console, "/console/login", "", slow))
            .collect();
        let refused = first_answer(&mut sent).await;
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        let login = [("username", "own"), ("password", PASSWORD)];
        let refused = same.post("/console/login", &login).await;
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{slow}");
        assert!(refused.text.contains("from your address"), "{}", refused.text);
        other.log_in("own").await;
        sent.iter().for_each(JoinHandle::abort);
    }
}

#[tokio::test]
async fn clients_behind_a_trusted_proxy_are_sources_of_their_own() {
    let service = Service::new().await;
    let proxy = "10.0.0.1:1";
    let mut browser = Browser::new(&service).from(proxy);
    let console = browser.console();
    let slow = || Request::post("/console/login").header("x-forwarded-for", "192.0.2.1");
    let mut sent: Vec<_> =
        (0..=LOGIN_FORMS_PER_SOURCE_MAX).map(|_| send_endless(&console, slow(), proxy)).collect();
    assert_eq!(first_answer(&mut sent).await.status(), StatusCode::TOO_MANY_REQUESTS);
    let login = [("username", "own"), ("password", PASSWORD)];
    for (client, status) in
        [("192.0.2.1", StatusCode::TOO_MANY_REQUESTS), ("192.0.2.2", StatusCode::SEE_OTHER)]
    {
        let answer = browser.post_with("/console/login", &login, Some(("x-forwarded-for", client))).await;
        assert_eq!(answer.status, status, "{}", answer.text);
    }
    sent.iter().for_each(JoinHandle::abort);
}

#[tokio::test]
async fn neither_this_machine_nor_a_trusted_proxy_is_a_source() {
    let service = Service::new().await;
    for peer in ["127.0.0.1:1", "[::1]:1", "10.0.0.1:1"] {
        let mut browser = Browser::new(&service).from(peer);
        let console = browser.console();
        let sent: Vec<_> = (0..=LOGIN_FORMS_PER_SOURCE_MAX)
            .map(|_| send_without_end(&console, "/console/login", "", peer))
            .collect();
        browser.log_in("own").await;
        assert!(sent.iter().all(|sent| !sent.is_finished()), "{peer}");
        sent.iter().for_each(JoinHandle::abort);
    }
}

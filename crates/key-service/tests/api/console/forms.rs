//! Forms of clients that send slowly, or much at once.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, Response, StatusCode};
use futures_util::stream;
use latchkey_console::limits::{FORM_WAIT_MAX, FORMS_AT_ONCE_MAX, LOGIN_FORMS_AT_ONCE_MAX};
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

use crate::console::browser::Browser;
use crate::service::Service;

/// Sends a form that begins and never ends.
fn send_without_end(console: &Router, path: &str, cookie: &str) -> JoinHandle<Response<Body>> {
    let begun = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"username=a"))]);
    let endless = stream::unfold((), async |()| {
        std::future::pending::<Option<(Result<Bytes, Infallible>, ())>>().await
    });
    let body = Body::from_stream(futures_util::StreamExt::chain(begun, Box::pin(endless)));
    let request = Request::post(path).header("cookie", cookie).body(body).unwrap();
    let console = console.clone();
    tokio::spawn(async move { console.oneshot(request).await.unwrap() })
}

#[tokio::test]
async fn a_form_that_does_not_arrive_is_given_up() {
    let service = Service::new().await;
    let mut browser = Browser::logged_in(&service, "own").await;
    let (console, cookie) = (browser.console(), browser.cookie());
    browser.get("/console/me").await;
    let sent = ["/console/login", "/console/revoke"].map(|path| send_without_end(&console, path, &cookie));
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
        let mut sent: Vec<_> = (0..=most).map(|_| send_without_end(&console, path, &cookie)).collect();
        let refused = loop {
            if let Some(place) = sent.iter().position(JoinHandle::is_finished) {
                break sent.swap_remove(place).await.unwrap();
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(sent.iter().filter(|sent| sent.is_finished()).count(), 0, "{path}: the others are read");
        sent.iter().for_each(JoinHandle::abort);
    }
}

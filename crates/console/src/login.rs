//! Logging in and out.

use askama::Template;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Redirect, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::Console;
use crate::cookie::{self, Secure};
use crate::failure::Failure;
use crate::fields::Fields;
use crate::frame::{Frame, ok, page};
use crate::limits::{LOGIN_CREDENTIAL_LEN_MAX, LOGIN_FORM_LEN_MAX, NEXT_LEN_MAX, SEARCH_LEN_MAX};
use crate::login_places::NoLoginPlace;
use crate::rest::{Origin, Person, RestFailure};
use crate::session::{Session, Who};
use crate::signed_in::{SentForm, read_form};

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    frame: Frame,
    /// Where to go after it.
    next: &'a str,
    username: &'a str,
    /// Why the log-in before did not work, or what has ended.
    notice: Option<String>,
}

/// What `GET /_security/_authenticate` answers.
#[derive(Deserialize)]
struct Authenticated {
    username: String,
    lookup_realm: Realm,
    api_key: Option<Key>,
}

#[derive(Deserialize)]
struct Realm {
    name: String,
}

#[derive(Deserialize)]
struct Key {
    id: String,
    name: Option<String>,
}

pub(crate) async fn show(request: Request) -> Response {
    let query = Fields::parse(request.uri().query().unwrap_or_default().as_bytes()).unwrap_or_default();
    let notice = match query.get("why") {
        "ended" => Some(
            "Your log-in is not valid any more: the password was changed, the key has ended, or the user was disabled.",
        ),
        "lost" => Some("Your session has ended, and nothing was done. Log in, and do it again."),
        _ => None,
    };
    let notice = notice.map(str::to_owned);
    let next = inside(query.get("next"));
    ok(&LoginPage { frame: Frame::of_nobody("Log in"), next, username: "", notice })
}

/// Begins a session, under a new name, if the key service knows the credential.
pub(crate) async fn log_in(State(console): State<Console>, request: Request) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let network = console.surroundings.network(&parts);
    let place = || console.login_forms.take(network).map_err(no_place);
    let form = read_form(&parts, body, place, LOGIN_FORM_LEN_MAX).await?;
    match begin(&console, &parts, &form).await {
        Ok(response) => Ok(response),
        Err((status, notice)) => {
            let username = Some(form.get("username")).filter(|username| username.len() <= SEARCH_LEN_MAX);
            let (next, username) = (inside(form.get("next")), username.unwrap_or_default());
            let frame = Frame::of_nobody("Log in");
            Ok(page(status, &LoginPage { frame, next, username, notice: Some(notice) }))
        }
    }
}

fn no_place(why: NoLoginPlace) -> Failure {
    match why {
        NoLoginPlace::OfAll => Failure::too_many_forms(),
        NoLoginPlace::OfSource => {
            let reason = "Too many log-ins are sent from your address at once. Try again.";
            Failure::new(StatusCode::TOO_MANY_REQUESTS, reason)
        }
    }
}

async fn begin(console: &Console, parts: &Parts, form: &Fields) -> Result<Response, (StatusCode, String)> {
    let authorization = credential(form)?;
    let person = Person::new(console.rest.clone(), authorization.clone(), Origin::of(parts));
    let who: Authenticated = person.get("/_security/_authenticate").await.map_err(refused)?;
    let key = who.api_key.map(|key| key.name.unwrap_or(key.id));
    let who = Who { username: who.username, realm: who.lookup_realm.name, key };
    let surroundings = &console.surroundings;
    let no_random = (StatusCode::SERVICE_UNAVAILABLE, "The system has no random numbers.".to_owned());
    let (name, token) = surroundings.random().zip(surroundings.random()).ok_or(no_random)?;
    let (now, secure) = (surroundings.steady(), Secure::of(&parts.headers, console.speaks_tls));
    let session = Session::new(authorization, who, token, now);
    let name = {
        let mut sessions = console.sessions();
        // What the browser had before is worth nothing after a log-in.
        if let Some(earlier) = cookie::session_name(&parts.headers, secure) {
            sessions.end(earlier);
        }
        sessions.begin(session, name, now)
    };
    let too_many = "Too many users are logged in. Try again later.".to_owned();
    let name = name.map_err(|_| (StatusCode::SERVICE_UNAVAILABLE, too_many))?;
    let cookie = cookie::kept(&name, secure);
    Ok((cookie.map(|cookie| [(SET_COOKIE, cookie)]), Redirect::to(inside(form.get("next")))).into_response())
}

/// The value of `Authorization` for what was typed.
fn credential(form: &Fields) -> Result<Zeroizing<String>, (StatusCode, String)> {
    let bad = |notice: &str| Err((StatusCode::BAD_REQUEST, notice.to_owned()));
    let authorization = match (form.text("username"), form.get("password"), form.text("credential")) {
        (None, _, None) => return bad("Say a user name and its password, or an API key or token."),
        (Some(_), password, Some(_)) if !password.is_empty() => {
            return bad("Say either a user name and password, or an API key or token, and not both.");
        }
        (_, _, Some(credential)) => match credential.split_once(' ') {
            // As it stands in a header.
            Some(_) => Zeroizing::new(credential.to_owned()),
            None if credential.contains(':') => {
                Zeroizing::new(format!("ApiKey {}", STANDARD.encode(credential)))
            }
            None if is_api_key(credential) => Zeroizing::new(format!("ApiKey {credential}")),
            None => Zeroizing::new(format!("Bearer {credential}")),
        },
        (Some(username), _, None) if username.contains(':') => return bad("No user name has a colon in it."),
        (Some(username), password, None) => {
            let pair = Zeroizing::new(format!("{username}:{password}"));
            Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())))
        }
    };
    if !authorization.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return bad("A credential has letters, digits and signs alone.");
    }
    if authorization.len() > LOGIN_CREDENTIAL_LEN_MAX {
        return bad("No credential is as long as this one.");
    }
    Ok(authorization)
}

/// Whether it is Base64 of `id:secret`.
fn is_api_key(credential: &str) -> bool {
    let decoded = STANDARD.decode(credential).map(Zeroizing::new);
    decoded.is_ok_and(|decoded| decoded.contains(&b':') && std::str::from_utf8(&decoded).is_ok())
}

/// What is said of a log-in that the key service has refused. It does not tell an unknown user from a wrong password.
fn refused(failure: RestFailure) -> (StatusCode, String) {
    match failure {
        RestFailure::Unauthenticated(_) => {
            (StatusCode::UNAUTHORIZED, "Wrong user, password, key or token.".to_owned())
        }
        RestFailure::Refused { status: StatusCode::TOO_MANY_REQUESTS, .. } => (
            StatusCode::TOO_MANY_REQUESTS,
            "Too many log-ins from your address have failed. Wait a minute, and try again.".to_owned(),
        ),
        RestFailure::Refused { status, reason } => (status, reason),
        RestFailure::Unknown => (StatusCode::BAD_GATEWAY, failure.to_string()),
    }
}

/// Ends the session on the server, and the cookie.
pub(crate) async fn log_out(State(console): State<Console>, sent: SentForm) -> Response {
    console.sessions().end(&sent.signed_in.session_name);
    let cookies = [false, true].map(|tls| cookie::forgotten(Secure::of(&axum::http::HeaderMap::new(), tls)));
    let mut response = Redirect::to("/console/login").into_response();
    for cookie in cookies.into_iter().flatten() {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// A page of the console, whatever was asked for: nobody is sent elsewhere after a log-in.
fn inside(next: &str) -> &str {
    let is_plain =
        next.len() <= NEXT_LEN_MAX && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let is_path = is_plain && next.starts_with("/console/") && !next.contains("/..");
    if is_path && !next.starts_with("/console/log") { next } else { "/console/first" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_taken_in_each_form_that_people_have() {
        let of =
            |form: &str| credential(&Fields::parse(form.as_bytes()).unwrap()).map(|text| text.to_string());
        for (form, expected) in [
            ("username=elastic&password=a:b", "Basic ZWxhc3RpYzphOmI="),
            ("credential=id:secret", "ApiKey aWQ6c2VjcmV0"),
            ("credential=aWQ6c2VjcmV0", "ApiKey aWQ6c2VjcmV0"),
            ("credential=+ApiKey+aWQ6c2VjcmV0+", "ApiKey aWQ6c2VjcmV0"),
            ("credential=lk_live_x", "Bearer lk_live_x"),
            ("username=a&credential=lk_live_x", "Bearer lk_live_x"),
        ] {
            assert_eq!(of(form).ok().as_deref(), Some(expected), "{form}");
        }
        let long = format!("username=a&password={}", "x".repeat(LOGIN_CREDENTIAL_LEN_MAX));
        for form in ["", "password=x", "username=a:b&password=x", "username=a&password=b&credential=c", &long]
        {
            assert_eq!(of(form).map_err(|(status, _)| status), Err(StatusCode::BAD_REQUEST), "{form}");
        }
    }

    #[test]
    fn nobody_is_sent_elsewhere_after_a_log_in() {
        for (next, expected) in [
            ("/console/key?id=a%2Fb", "/console/key?id=a%2Fb"),
            ("", "/console/first"),
            ("//evil.example/console/", "/console/first"),
            ("https://evil.example/console/", "/console/first"),
            ("/console/\\evil", "/console/first"),
            ("/console/logout", "/console/first"),
            ("/console/login?next=/console/login", "/console/first"),
            ("/console/a\r\nb", "/console/first"),
            ("/console/\u{1}", "/console/first"),
            ("/console/../other", "/console/first"),
        ] {
            assert_eq!(inside(next), expected, "{next}");
        }
    }
}

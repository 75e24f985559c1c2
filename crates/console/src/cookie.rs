//! The cookie of a session.
//!
//! It is `HttpOnly` and `SameSite=Strict`: no script reads it, and no other site's link or form sends it. Where the
//! browser speaks TLS it is `Secure`, and its name begins with `__Host-`, so that no other host of the domain can set
//! it (RFC 6265bis, section 4.1.3).

use axum::extract::OriginalUri;
use axum::http::header::{COOKIE, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::session::SessionName;

const PLAIN: &str = "latchkey_console";
const SECURE: &str = "__Host-latchkey_console";

const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether the browser speaks TLS, with this service or with something in front of it. Who lies here only makes a
/// cookie that the own browser does not send back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Secure(bool);

impl Secure {
    pub(crate) fn of(headers: &HeaderMap, service_speaks_tls: bool) -> Self {
        // The first of several is what the browser speaks.
        let forwarded = headers.get(FORWARDED_PROTO).and_then(|proto| proto.to_str().ok());
        let forwarded = forwarded.and_then(|proto| proto.split(',').next());
        let forwarded = forwarded.is_some_and(|proto| proto.trim().eq_ignore_ascii_case("https"));
        Self(service_speaks_tls || forwarded)
    }

    fn name(self) -> &'static str {
        if self.0 { SECURE } else { PLAIN }
    }
}

/// The name of the session that a request says, if it says one alone.
pub(crate) fn session_name(headers: &HeaderMap, secure: Secure) -> Option<&str> {
    let values = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut names = pairs.filter(|(name, _)| *name == secure.name()).map(|(_, value)| value);
    let name = names.next()?;
    names.next().is_none().then_some(name)
}

/// What makes the browser keep the name, until it is closed.
pub(crate) fn kept(name: &SessionName, secure: Secure) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(attributes(&name.0, secure)).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// What makes the browser forget it.
pub(crate) fn forgotten(secure: Secure) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("{}; Max-Age=0", attributes("", secure))).ok()
}

fn attributes(value: &str, secure: Secure) -> String {
    let flag = if secure.0 { "; Secure" } else { "" };
    format!("{}={value}; Path=/; HttpOnly; SameSite=Strict{flag}", secure.name())
}

/// Whether a request that changes something was sent by a page of this site, as far as the browser tells: by
/// `Sec-Fetch-Site`, or an older one by `Origin`. What is no browser sends neither, and has no cookie by accident.
pub(crate) fn is_of_this_site(parts: &Parts) -> bool {
    let headers = &parts.headers;
    if let Some(site) = headers.get(FETCH_SITE) {
        return site.as_bytes() == b"same-origin";
    }
    let Some(origin) = headers.get(ORIGIN) else { return true };
    // HTTP/2 has it in the address.
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
    let authority = || uri.authority().map(Authority::as_str);
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).or_else(authority);
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    matches!((origin, host), (Some((_, origin)), Some(host)) if origin == host)
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn headers(said: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in said {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_cookie_is_read_as_it_was_set_and_never_when_there_are_two() {
        let (plain, secure) = (Secure(false), Secure(true));
        let of = |cookie| headers(&[("cookie", cookie)]);
        assert_eq!(session_name(&of("a=b; latchkey_console=n"), plain), Some("n"));
        assert_eq!(session_name(&of("latchkey_console=n"), secure), None);
        assert_eq!(session_name(&of("__Host-latchkey_console=n"), secure), Some("n"));
        assert_eq!(session_name(&of("latchkey_console=n; latchkey_console=m"), plain), None);
        let twice = headers(&[("cookie", "latchkey_console=n"), ("cookie", "latchkey_console=m")]);
        assert_eq!(session_name(&twice, plain), None);
        assert_eq!(session_name(&HeaderMap::new(), plain), None);
    }

    #[test]
    fn a_cookie_is_for_this_host_alone_and_secure_where_tls_is() {
        let name = SessionName(Zeroizing::new("n".to_owned()));
        let set = |said: &[_], tls| {
            let secure = Secure::of(&headers(said), tls);
            kept(&name, secure).unwrap().to_str().unwrap().to_owned()
        };
        let plain = "latchkey_console=n; Path=/; HttpOnly; SameSite=Strict";
        let secure = "__Host-latchkey_console=n; Path=/; HttpOnly; SameSite=Strict; Secure";
        assert_eq!(set(&[], false), plain);
        assert_eq!(set(&[], true), secure);
        assert_eq!(set(&[("x-forwarded-proto", "https")], false), secure);
        assert_eq!(set(&[("x-forwarded-proto", "HTTPS, http")], false), secure);
        assert_eq!(set(&[("x-forwarded-proto", "http, https")], false), plain);
        assert_eq!(
            forgotten(Secure(false)).unwrap(),
            "latchkey_console=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"
        );
    }

    fn parts(uri: &str, said: &[(&'static str, &'static str)]) -> Parts {
        let (mut parts, ()) = axum::http::Request::builder().uri(uri).body(()).unwrap().into_parts();
        parts.headers = headers(said);
        parts
    }

    #[test]
    fn http_2_names_the_host_in_the_address() {
        for (origin, expected) in [("https://a:1", true), ("https://b:1", false)] {
            assert_eq!(is_of_this_site(&parts("https://a:1/console", &[("origin", origin)])), expected);
        }
    }

    #[test]
    fn a_form_of_another_site_is_not_of_this_one() {
        for (said, expected) in [
            (&[("sec-fetch-site", "same-origin")][..], true),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "cross-site"), ("origin", "http://a"), ("host", "a")], false),
            (&[("origin", "http://a:1"), ("host", "a:1")], true),
            (&[("origin", "http://b:1"), ("host", "a:1")], false),
            (&[("origin", "null"), ("host", "a:1")], false),
            (&[("origin", "http://a:1")], false),
            (&[], true),
        ] {
            assert_eq!(is_of_this_site(&parts("/", said)), expected, "{said:?}");
        }
    }
}

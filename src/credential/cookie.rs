//! The credential in a cookie.
//!
//! ```abnf
//! cookie-string = cookie-pair *( ";" cookie-pair )   ; RFC 6265, section 5.4; white space around is not counted
//! cookie-pair   = name [ "=" value ]                 ; split at the first "="
//! value         = *OCTET / DQUOTE *OCTET DQUOTE      ; one pair of quotes is not part of it
//! ```
//!
//! Nothing is decoded: Base64 and `id:secret` can stand in a cookie as they are. Names are compared with
//! their case. A client has one `cookie` header: Envoy joins those of HTTP/2 and HTTP/3 (RFC 9113, section
//! 8.2.3). Where there are several nonetheless and one of them has the cookie, that is a duplicate.

use latchkey_key_feed::credential::trimmed;

use super::MalformedCredential;
use super::sources::only;
use super::stripping::pieces_without;
use crate::headers::Headers;

/// Name of the header.
pub(super) const HEADER: &str = "cookie";

/// The value of the cookie of that name, if there is one.
pub(super) fn carried<'a>(
    name: &str,
    headers: &'a impl Headers,
) -> Option<Result<&'a [u8], MalformedCredential>> {
    let pairs = headers.all(HEADER).flat_map(pairs).map(named);
    let found = only(pairs.filter(|(other, _)| *other == name.as_bytes()).map(|(_, value)| value))?;
    Some(if headers.all(HEADER).nth(1).is_some() { Err(MalformedCredential::Duplicate) } else { found })
}

/// The cookies without those of these names; `None` when there is none of them. All other bytes stay, and
/// their order. Nothing is left where no other cookie is.
pub(super) fn without(cookies: &[u8], names: &[&str]) -> Option<Vec<u8>> {
    let is_ours = |pair: &[u8]| names.iter().any(|name| named(pair).0 == name.as_bytes());
    let kept = pieces_without(cookies, b';', &is_ours)?;
    Some(kept.split_first().map(|(_, cookies)| trimmed(cookies).to_vec()).unwrap_or_default())
}

fn pairs(cookies: &[u8]) -> impl Iterator<Item = &[u8]> {
    cookies.split(|byte| *byte == b';')
}

fn named(pair: &[u8]) -> (&[u8], &[u8]) {
    let mut parts = pair.splitn(2, |byte| *byte == b'=');
    let name = trimmed(parts.next().unwrap_or_default());
    let value = trimmed(parts.next().unwrap_or_default());
    match value {
        [b'"', value @ .., b'"'] => (name, value),
        value => (name, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::HeaderPairs;

    #[test]
    fn the_pair_alone_goes() {
        let rest = |cookies: &str| {
            let rest = without(cookies.as_bytes(), &["key"]);
            rest.map(|rest| String::from_utf8(rest).unwrap())
        };
        for (cookies, expected) in [
            ("key=x", ""),
            ("key", ""),
            ("key=x;", ""),
            ("key=x; a=1", "a=1"),
            ("a=1; key=x", "a=1"),
            ("a=1;  b=\"2\";key = x ;c", "a=1;  b=\"2\";c"),
            ("key=x; a=1; key=y", "a=1"),
        ] {
            assert_eq!(rest(cookies).as_deref(), Some(expected), "{cookies}");
        }
        for cookies in ["", ";", "Key=x", "keys=x", "a=key; b=\"key=x\""] {
            assert_eq!(rest(cookies), None, "{cookies}");
        }
    }

    #[test]
    fn a_value_may_stand_in_quotes() {
        for (cookies, expected) in [
            ("key=\"a=\"", &b"a="[..]),
            ("key=a==", b"a=="),
            (" a=b; key = \"\" ", b""),
            ("key=\"", b"\""),
            ("key=\"\"a\"\"", b"\"a\""),
            ("key", b""),
        ] {
            let headers = HeaderPairs::from_iter([("Cookie", cookies)]);
            assert_eq!(carried("key", &headers), Some(Ok(expected)), "{cookies}");
        }
    }

    #[test]
    fn several_headers_are_a_duplicate_where_one_has_the_cookie() {
        let headers =
            |cookies: &[&str]| cookies.iter().map(|value| ("cookie", value)).collect::<HeaderPairs>();
        for cookies in [&["key=x", "a=b"][..], &["a=b", "key=x"], &["key=x", "key=x"], &["key=x; key=x"]] {
            let headers = headers(cookies);
            let found = carried("key", &headers);
            assert_eq!(found, Some(Err(MalformedCredential::Duplicate)), "{cookies:?}");
        }
        assert_eq!(carried("key", &headers(&["a=b", "b=c"])), None);
    }
}

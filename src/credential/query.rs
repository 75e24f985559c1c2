//! The credential in a parameter of the query.
//!
//! ```abnf
//! query     = parameter *( "&" parameter )     ; what follows the first "?" of the path
//! parameter = name [ "=" value ]               ; split at the first "="
//! ```
//!
//! Nothing but `&` separates parameters. Names and values are percent-decoded once (RFC 3986, section 2.1),
//! so that however a name is spelt, it is that name. A plus is a plus and no space: Base64 has the one and
//! not the other, and many clients send it as it is. Names are compared with their case.

use std::borrow::Cow;

use super::MalformedCredential;
use super::stripping::pieces_without;
use crate::limits::CREDENTIAL_LEN_MAX;

/// Longest spelling of one byte: `%2B`.
const ESCAPE_LEN: usize = 3;

/// The values of all parameters of that name, as they stand there. One without `=` has an empty value.
pub(super) fn values<'a>(path: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let (_, query) = divided(path);
    let parameters = query.into_iter().flat_map(|query| query.split(is_ampersand)).map(named);
    parameters.filter(move |(spelt, _)| is(spelt, name)).map(|(_, value)| value)
}

/// The path without the parameters of these names; `None` when it has none of them. All other bytes stay,
/// and their order. The question mark goes with the last parameter.
pub(super) fn without(path: &[u8], names: &[&str]) -> Option<Vec<u8>> {
    let (before, query) = divided(path);
    let is_ours = |parameter: &[u8]| names.iter().any(|name| is(named(parameter).0, name));
    let kept = pieces_without(query?, b'&', &is_ours)?;
    let query = kept.split_first().map(|(_, query)| [b"?", query].concat()).unwrap_or_default();
    Some([before, &query].concat())
}

/// The value without its percent-encoding.
pub(super) fn unescaped(value: &[u8]) -> Result<Cow<'_, [u8]>, MalformedCredential> {
    if value.len() > ESCAPE_LEN * CREDENTIAL_LEN_MAX {
        return Err(MalformedCredential::TooLong);
    }
    if !value.contains(&b'%') {
        return Ok(Cow::Borrowed(value));
    }
    decoded(value).collect::<Option<_>>().map(Cow::Owned).ok_or(MalformedCredential::BadEscape)
}

/// What comes before the query, and the query if there is one.
fn divided(path: &[u8]) -> (&[u8], Option<&[u8]>) {
    let mut parts = path.splitn(2, |byte| *byte == b'?');
    (parts.next().unwrap_or_default(), parts.next())
}

fn named(parameter: &[u8]) -> (&[u8], &[u8]) {
    let mut parts = parameter.splitn(2, |byte| *byte == b'=');
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

/// Whether a name is spelt so. What is not percent-encoded as it should be is no name of ours.
fn is(spelt: &[u8], name: &str) -> bool {
    spelt == name.as_bytes() || (spelt.contains(&b'%') && decoded(spelt).eq(name.bytes().map(Some)))
}

/// Each byte; `None` for an escape that is none.
fn decoded(text: &[u8]) -> impl Iterator<Item = Option<u8>> {
    let mut rest = text.iter();
    std::iter::from_fn(move || {
        let byte = *rest.next()?;
        if byte != b'%' {
            return Some(Some(byte));
        }
        let mut digit = || char::from(*rest.next()?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        Some(digit().and_then(|high| Some(high << 4 | digit()?)))
    })
}

fn is_ampersand(byte: &u8) -> bool {
    *byte == b'&'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rest(path: &str) -> Option<String> {
        without(path.as_bytes(), &["api_key"]).map(|path| String::from_utf8(path).unwrap())
    }

    #[test]
    fn the_parameter_alone_goes() {
        for (path, expected) in [
            ("/a?api_key=x", "/a"),
            ("/a?api_key", "/a"),
            ("/a?api_key=x&b=1", "/a?b=1"),
            ("/a?b=1&api_key=x&c=%7e+", "/a?b=1&c=%7e+"),
            ("/a?b=1&api_key=x", "/a?b=1"),
            ("/a?&api_key=x&", "/a?&"),
            ("/a?api_key=x&api%5Fkey=y&%61pi_key", "/a"),
            ("/a?api_key=x?y=z&b", "/a?b"),
            ("?api_key==&=", "?="),
        ] {
            assert_eq!(rest(path).as_deref(), Some(expected), "{path}");
        }
        for path in
            ["", "/a", "/a?", "/api_key=x", "/a?Api_Key=x", "/a?api_keys=x&b=api_key", "/a?x;api_key=y"]
        {
            assert_eq!(rest(path), None, "{path}");
        }
    }

    #[test]
    fn a_name_is_found_in_every_spelling_and_decoded_once() {
        let found = |path: &str| values(path.as_bytes(), "api_key").count();
        assert_eq!(found("/?api_key=1&%61%70%69%5f%6B%65%79=2&api_key"), 3);
        assert_eq!(found("/?api%255Fkey=1&api%5Fkey%=2&api%5key=3&api+key=4&%=5&api_key%00=6"), 0);
    }

    #[test]
    fn a_value_is_decoded_once_and_keeps_its_plus() {
        let value =
            |value: &str| unescaped(value.as_bytes()).map(|value| String::from_utf8(value.into()).unwrap());
        for (spelt, meant) in
            [("a+b", "a+b"), ("a%2Bb", "a+b"), ("a%2bb==", "a+b=="), ("%2525", "%25"), ("", "")]
        {
            assert_eq!(value(spelt), Ok(meant.to_owned()), "{spelt}");
        }
        for bad in ["%", "a%2", "%zz", "%2B%", "%+1"] {
            assert_eq!(value(bad), Err(MalformedCredential::BadEscape), "{bad}");
        }
        assert_eq!(value(&"%41".repeat(CREDENTIAL_LEN_MAX + 1)), Err(MalformedCredential::TooLong));
    }

    proptest! {
        #[test]
        fn what_is_left_has_no_such_parameter_and_all_others(
            parameters in prop::collection::vec("(api_key|api%5Fkey|b|%|)(=[a-z=%?]{0,3})?", 0..6),
        ) {
            let path = format!("/a?{}", parameters.join("&"));
            let names = ["api_key"];
            match without(path.as_bytes(), &names) {
                None => prop_assert_eq!(values(path.as_bytes(), "api_key").count(), 0),
                Some(left) => {
                    prop_assert_eq!(values(&left, "api_key").count(), 0);
                    let others: Vec<_> =
                        parameters.iter().filter(|one| !one.starts_with("api")).map(String::as_str).collect();
                    let query = if others.is_empty() { String::new() } else { format!("?{}", others.join("&")) };
                    prop_assert_eq!(String::from_utf8(left).unwrap(), format!("/a{query}"));
                }
            }
        }
    }
}

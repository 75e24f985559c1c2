//! A request without its credential.

use std::borrow::Cow;

use latchkey_key_feed::credential::HEADER;

use super::sources::{CredentialSource, CredentialSources, Place, Schemes};
use super::{authorization, cookie, query};
use crate::headers::Headers;

/// Headers that hold the path of the request: the path itself, and what it was before Envoy or another proxy
/// rewrote it. Access logs show them, and the upstream gets them.
const PATHS: [&str; 3] = [":path", "x-envoy-original-path", "x-envoy-original-url"];

/// A header as it is without the credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stripped<'a> {
    /// Its name in lower case.
    pub name: &'a str,
    /// What is left of it; `None` when it goes as a whole.
    pub rest: Option<Vec<u8>>,
}

impl CredentialSources {
    /// Every header that holds something of a credential, without it. Any other use of such a header is the
    /// upstream's.
    #[must_use]
    pub fn strip(&self, headers: &impl Headers) -> Vec<Stripped<'_>> {
        let mut stripped = self.strip_paths(headers);
        let whole = |name| Stripped { name, rest: None };
        for source in &self.sources {
            match source {
                CredentialSource::Authorization(schemes) if is_in_authorization(schemes, headers) => {
                    stripped.push(whole(HEADER));
                }
                CredentialSource::Named { place: Place::Header, name, .. }
                    if headers.first(name).is_some() =>
                {
                    stripped.push(whole(name.as_str()));
                }
                _ => {}
            }
        }
        stripped.extend(self.strip_cookies(headers));
        stripped
    }

    /// The headers that hold the path, without a credential in the query: of a request that is refused or
    /// waits, they are in the access log.
    #[must_use]
    pub fn strip_paths(&self, headers: &impl Headers) -> Vec<Stripped<'_>> {
        let names = self.names(Place::Query);
        if names.is_empty() {
            return Vec::new();
        }
        let rest = |name| headers.all(name).find_map(|path| query::without(path, &names));
        PATHS.into_iter().filter_map(|name| Some(Stripped { name, rest: Some(rest(name)?) })).collect()
    }

    /// The path of a request, without a credential in the query.
    pub fn path<'h>(&self, headers: &'h impl Headers) -> Option<Cow<'h, [u8]>> {
        let path = headers.first(":path")?;
        let names = self.names(Place::Query);
        let rest = if names.is_empty() { None } else { query::without(path, &names) };
        Some(rest.map_or(Cow::Borrowed(path), Cow::Owned))
    }

    /// Whether a credential may come in a parameter of the query.
    #[must_use]
    pub fn look_at_the_query(&self) -> bool {
        !self.names(Place::Query).is_empty()
    }

    /// All `cookie` headers in one.
    fn strip_cookies(&self, headers: &impl Headers) -> Option<Stripped<'_>> {
        let names = self.names(Place::Cookie);
        if names.is_empty() {
            return None;
        }
        let (mut kept, mut is_there) = (Vec::new(), false);
        for cookies in headers.all(cookie::HEADER) {
            let rest = cookie::without(cookies, &names);
            is_there |= rest.is_some();
            let rest = rest.as_deref().unwrap_or(cookies);
            if !kept.is_empty() && !rest.is_empty() {
                kept.extend_from_slice(b"; ");
            }
            kept.extend_from_slice(rest);
        }
        is_there.then(|| Stripped { name: cookie::HEADER, rest: (!kept.is_empty()).then_some(kept) })
    }
}

/// The pieces of a text that are not ours, each after a separator; `None` when none is ours.
pub(super) fn pieces_without(text: &[u8], separator: u8, is_ours: &dyn Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    let (mut kept, mut is_there) = (Vec::new(), false);
    for piece in text.split(|byte| *byte == separator) {
        if is_ours(piece) {
            is_there = true;
        } else {
            kept.push(separator);
            kept.extend_from_slice(piece);
        }
    }
    is_there.then_some(kept)
}

fn is_in_authorization(schemes: &Schemes, headers: &impl Headers) -> bool {
    headers.all(HEADER).any(|value| authorization::is_ours(schemes, value))
}

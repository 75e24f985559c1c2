//! A request without its credential.

use std::borrow::Cow;

use latchkey_key_feed::credential::{HEADER, Scheme};

use super::sources::{CredentialSource, CredentialSources, Place};
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
        if self.names(Place::Cookie).next().is_some() {
            stripped.extend(self.strip_cookies(headers));
        }
        stripped
    }

    /// The headers that hold the path, without a credential in the query: of a request that is refused or
    /// waits, they are in the access log.
    #[must_use]
    pub fn strip_paths(&self, headers: &impl Headers) -> Vec<Stripped<'_>> {
        if !self.look_at_the_query() {
            return Vec::new();
        }
        let rest = |name| headers.all(name).find_map(|path| query::without(path, self.names(Place::Query)));
        PATHS.into_iter().filter_map(|name| Some(Stripped { name, rest: Some(rest(name)?) })).collect()
    }

    /// The path of a request, without a credential in the query.
    pub fn path<'h>(&self, headers: &'h impl Headers) -> Option<Cow<'h, [u8]>> {
        let path = headers.first(":path")?;
        if !self.look_at_the_query() {
            return Some(Cow::Borrowed(path));
        }
        Some(query::without(path, self.names(Place::Query)).map_or(Cow::Borrowed(path), Cow::Owned))
    }

    /// Whether a credential may come in a parameter of the query.
    #[must_use]
    pub fn look_at_the_query(&self) -> bool {
        self.names(Place::Query).next().is_some()
    }

    /// All `cookie` headers in one.
    fn strip_cookies(&self, headers: &impl Headers) -> Option<Stripped<'_>> {
        let mut is_there = false;
        let mut kept: Vec<Cow<'_, [u8]>> = Vec::new();
        for cookies in headers.all(cookie::HEADER) {
            let rest = cookie::without(cookies, self.names(Place::Cookie));
            is_there |= rest.is_some();
            kept.push(rest.map_or(Cow::Borrowed(cookies), Cow::Owned));
        }
        kept.retain(|cookies| !cookies.is_empty());
        let rest = (!kept.is_empty()).then(|| kept.join(&b"; "[..]));
        is_there.then_some(Stripped { name: cookie::HEADER, rest })
    }
}

fn is_in_authorization(schemes: &[Scheme], headers: &impl Headers) -> bool {
    headers.all(HEADER).any(|value| authorization::is_ours(schemes, value))
}

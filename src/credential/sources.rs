//! Where a credential may come from.

use latchkey_key_feed::credential::{DecodedCredential, Scheme, trimmed};

use super::{Credential, MalformedCredential, Presented, authorization, cookie, decode, plain, query};
use crate::headers::{Headers, look_alike};

/// Where a credential may come from, in the operator's order. By default it is `Authorization: ApiKey` alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialSources {
    pub(super) sources: Vec<CredentialSource>,
}

/// One place of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialSource {
    /// The `authorization` header, with one of these schemes.
    Authorization(Schemes),
    /// Something that the operator has named.
    Named {
        /// What kind of thing.
        place: Place,
        /// Its name. That of a header is in lower case.
        name: String,
        /// How the credential is written there.
        format: SourceFormat,
    },
}

/// Schemes of the `authorization` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schemes {
    /// In the operator's order.
    pub list: Vec<Scheme>,
    /// What follows `Bearer`, where that is among them.
    pub bearer: Bearer,
}

/// What follows `Bearer`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bearer {
    /// A key, or anything else, which is the upstream's.
    #[default]
    Any,
    /// Whatever it is, it is meant as a key.
    OnlyKeys,
}

/// A kind of place that has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A cookie.
    Cookie,
    /// A header.
    Header,
    /// A parameter of the query.
    Query,
}

/// How a named place writes a credential. Each place has one format, so that no text can be read in two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceFormat {
    /// The Base64 of `id:secret`, or the token of a key.
    Encoded,
    /// `id:secret` as it is, or the token of a key.
    IdSecret,
}

/// What a request carries in one place; read, or why it cannot be read.
pub(super) type Carried = Result<Presented, MalformedCredential>;

impl CredentialSources {
    /// These places.
    #[must_use]
    pub fn new(sources: Vec<CredentialSource>) -> Self {
        Self { sources }
    }

    /// What a request presents; `None` when that is nothing.
    ///
    /// # Errors
    ///
    /// [`MalformedCredential`] when there is something that is meant as a credential and cannot be read as
    /// exactly one.
    pub fn extract(&self, headers: &impl Headers) -> Result<Option<Presented>, MalformedCredential> {
        let mut found: Option<Carried> = None;
        for source in &self.sources {
            let carried = source.carried(headers);
            if carried.is_some() && found.is_some() {
                return Err(MalformedCredential::Duplicate);
            }
            found = found.or(carried);
        }
        found.transpose()
    }

    /// The schemes of the `authorization` header, in the operator's order.
    pub fn schemes(&self) -> impl Iterator<Item = Scheme> {
        self.sources
            .iter()
            .flat_map(|source| match source {
                CredentialSource::Authorization(schemes) => schemes.list.as_slice(),
                CredentialSource::Named { .. } => &[],
            })
            .copied()
    }

    /// The names of that kind.
    pub(super) fn names(&self, kind: Place) -> Vec<&str> {
        let mut names = Vec::new();
        for source in &self.sources {
            match source {
                CredentialSource::Named { place, name, .. } if *place == kind => names.push(name.as_str()),
                _ => {}
            }
        }
        names
    }
}

impl Default for CredentialSources {
    fn default() -> Self {
        Self::new(vec![CredentialSource::Authorization(vec![Scheme::ApiKey].into())])
    }
}

impl CredentialSource {
    /// Whether both are the same place, or headers that some upstream takes for one another.
    #[must_use]
    pub fn is_the_place_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Authorization(_), Self::Authorization(_)) => true,
            (Self::Named { place, name, .. }, Self::Named { place: other_place, name: other, .. }) => {
                let is_same = match place {
                    Place::Header => look_alike(name.as_bytes(), other.as_bytes()),
                    Place::Cookie | Place::Query => name == other,
                };
                place == other_place && is_same
            }
            _ => false,
        }
    }

    /// What the request carries in this place, if anything.
    fn carried(&self, headers: &impl Headers) -> Option<Carried> {
        match self {
            Self::Authorization(schemes) => authorization::carried(schemes, headers),
            Self::Named { place: Place::Header, name, format } => {
                only(headers.all(name)).map(|value| format.read(trimmed(value?)))
            }
            Self::Named { place: Place::Cookie, name, format } => {
                cookie::carried(name, headers).map(|value| format.read(value?))
            }
            Self::Named { place: Place::Query, name, format } => {
                let path = headers.first(":path")?;
                only(query::values(path, name)).map(|value| format.read(&query::unescaped(value?)?))
            }
        }
    }
}

impl From<Vec<Scheme>> for Schemes {
    fn from(list: Vec<Scheme>) -> Self {
        Self { list, bearer: Bearer::default() }
    }
}

impl SourceFormat {
    pub(super) fn read(self, value: &[u8]) -> Carried {
        let known = match self {
            _ if value.is_empty() => return Err(MalformedCredential::Empty),
            // No Base64 has a comma. Somebody has joined two headers.
            Self::Encoded if value.contains(&b',') => return Err(MalformedCredential::Duplicate),
            Self::Encoded => of_token(value).unwrap_or_else(|| decode(value)),
            Self::IdSecret => of_token(value).unwrap_or_else(|| plain(value)),
        };
        Presented::of(known, value)
    }
}

/// The one token that holds id and secret of a key. Neither Base64 nor `id:secret` looks like it.
fn of_token(value: &[u8]) -> Option<Result<Credential, MalformedCredential>> {
    DecodedCredential::of_token(value).map(Credential::try_from)
}

/// The only one of these values. Several are a mistake, whatever they are.
pub(super) fn only<'a>(
    mut values: impl Iterator<Item = &'a [u8]>,
) -> Option<Result<&'a [u8], MalformedCredential>> {
    let value = values.next()?;
    Some(if values.next().is_some() { Err(MalformedCredential::Duplicate) } else { Ok(value) })
}

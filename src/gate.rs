//! The decision: one total function from a request, the table, the operator's limits and the time to a verdict.
//!
//! In this order, and the first thing that is wrong decides:
//!
//! | step       | wrong                                   | verdict |
//! |------------|-----------------------------------------|---------|
//! | credential | missing or malformed                    | 401     |
//! | table      | none yet                                | wait, then 503 |
//! | table      | older than the operator allows, unreadable | 503  |
//! | record     | no key of that id                       | 401     |
//! | secret     | not the key's                           | 401     |
//! | expiration | passed                                  | 401     |
//! | record     | its identity cannot be told             | 503     |
//!
//! Nothing is admitted but by a [`VerifiedKey`], and this module is the only place that makes one.

use std::hint::black_box;
use std::rc::Rc;
use std::time::Duration;

use latchkey_key_feed::{KeyId, Salt, SecretDigest, Standing, UnixMillis};

use crate::clock::Moment;
use crate::config::StalenessLimits;
use crate::credential::{self, Credential};
use crate::denial::{Denial, Unauthenticated, Unavailable};
use crate::headers::HeaderPairs;
use crate::identity::{IdentityField, KeyIdentity};
use crate::table::{Page, RecordTexts, SharedStore, TableReader, TextPlace, Unreadable};

/// What becomes of a request.
#[derive(Debug)]
pub enum Verdict {
    /// It goes upstream as this key.
    Admit(Admission),
    /// It ends here.
    Deny(Denial),
    /// No table has been loaded yet, and the request may wait for it.
    Wait,
}

/// A request that may pass, and why.
#[derive(Debug)]
pub struct Admission {
    /// The key it acts for.
    pub key: VerifiedKey,
    /// How current the table was.
    pub freshness: Freshness,
}

/// Proof that a client presented the secret of a key that is active.
#[derive(Debug)]
pub struct VerifiedKey {
    /// The page the key was found in; it is read in place.
    page: Rc<Page>,
    texts: TextPlaces,
    id: KeyId,
    /// The expiration as a header shows it: milliseconds since 1970, as Elasticsearch writes it.
    expiration: Option<String>,
    /// The id as a header shows it, where that differs.
    encoded_id: Option<String>,
}

/// Where in its page a key's texts are, so that its record is read once a request.
#[derive(Clone, Copy, Debug)]
struct TextPlaces {
    name: TextPlace,
    owner: TextPlace,
    owner_realm: TextPlace,
    roles: TextPlace,
    limited_by: TextPlace,
}

/// How current the table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// The service has been heard from lately.
    Fresh,
    /// It has not, but the operator allows the table still.
    Stale,
    /// The operator does not allow it any more.
    TooOld,
}

/// Whether a request may wait for the first table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Its waiting time is not over.
    Left,
    /// It has waited enough, or waiting is switched off.
    Over,
}

impl Freshness {
    /// The freshness of a table of that age in milliseconds.
    #[must_use]
    pub fn of(age_ms: u64, limits: &StalenessLimits) -> Self {
        let age = Duration::from_millis(age_ms);
        if age >= limits.refuse_after {
            Self::TooOld
        } else if age >= limits.stale_after {
            Self::Stale
        } else {
            Self::Fresh
        }
    }
}

/// Decides about a request with these headers.
pub fn decide<S: SharedStore>(
    headers: &HeaderPairs,
    table: &TableReader<S>,
    limits: &StalenessLimits,
    patience: Patience,
    now: Moment,
) -> Verdict {
    let credential = match credential::extract(headers) {
        Ok(Some(credential)) => credential,
        Ok(None) => return unauthenticated(Unauthenticated::CredentialMissing),
        Err(malformed) => return unauthenticated(Unauthenticated::CredentialMalformed(malformed)),
    };
    let freshness = match table.age_ms(now.monotonic) {
        Ok(Some(age_ms)) => Freshness::of(age_ms, limits),
        Ok(None) if patience == Patience::Left => return Verdict::Wait,
        Ok(None) => return unavailable(Unavailable::TableAbsent),
        Err(Unreadable) => return unavailable(Unavailable::TableUnreadable),
    };
    if freshness == Freshness::TooOld {
        return unavailable(Unavailable::TableTooOld);
    }
    match table.page_for(&credential.id, now.monotonic) {
        Ok(Some(page)) => match VerifiedKey::verify(page, credential, now.wall) {
            Ok(key) => Verdict::Admit(Admission { key, freshness }),
            Err(denial) => Verdict::Deny(denial),
        },
        Ok(None) => unavailable(Unavailable::TableAbsent),
        Err(Unreadable) => unavailable(Unavailable::TableUnreadable),
    }
}

fn unauthenticated(reason: Unauthenticated) -> Verdict {
    Verdict::Deny(Denial::Unauthenticated(reason))
}

fn unavailable(reason: Unavailable) -> Verdict {
    Verdict::Deny(Denial::Unavailable(reason))
}

impl VerifiedKey {
    /// The key that the credential proves, if the page holds it and it is active.
    fn verify(page: Rc<Page>, credential: Credential, now: UnixMillis) -> Result<Self, Denial> {
        let unreadable = Denial::Unavailable(Unavailable::TableUnreadable);
        let Some(record) = page.find(&credential.id).map_err(|Unreadable| unreadable)? else {
            // An unknown id costs what a wrong secret costs, so that time does not tell them apart.
            black_box(SecretDigest::DECOY.matches(&Salt::DECOY, &credential.secret));
            return Err(Denial::Unauthenticated(Unauthenticated::KeyUnknown));
        };
        if !record.digest().matches(record.salt(), &credential.secret) {
            return Err(Denial::Unauthenticated(Unauthenticated::SecretWrong));
        }
        if Standing::of(record.expiration(), now) == Standing::Expired {
            return Err(Denial::Unauthenticated(Unauthenticated::KeyExpired));
        }
        if record.is_too_long() {
            return Err(Denial::Unavailable(Unavailable::RecordTooLong));
        }
        // A record whose texts cannot be read would be admitted without its identity.
        let texts = TextPlaces::of(&page, record.texts().ok_or(unreadable)?);
        let expiration = record.expiration().map(|end| end.0.to_string());
        let encoded_id = record.encoded_id();
        Ok(Self { page, texts, id: credential.id, expiration, encoded_id })
    }

    /// The id of the key.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        &self.id
    }
}

impl TextPlaces {
    fn of(page: &Page, texts: RecordTexts<'_>) -> Self {
        Self {
            name: page.place_of(texts.name),
            owner: page.place_of(texts.owner),
            owner_realm: page.place_of(texts.owner_realm),
            roles: page.place_of(texts.roles),
            limited_by: page.place_of(texts.limited_by),
        }
    }
}

impl KeyIdentity for VerifiedKey {
    fn value(&self, field: IdentityField) -> Option<&str> {
        match field {
            IdentityField::Id => Some(self.encoded_id.as_deref().unwrap_or(self.id.as_str())),
            IdentityField::Name => self.page.text_at(self.texts.name),
            IdentityField::Owner => self.page.text_at(self.texts.owner),
            IdentityField::OwnerRealm => self.page.text_at(self.texts.owner_realm),
            IdentityField::Roles => self.page.text_at(self.texts.roles),
            IdentityField::LimitedBy => self.page.text_at(self.texts.limited_by),
            IdentityField::Expiration => self.expiration.as_deref(),
        }
    }

    fn metadata(&self, path: &str) -> Option<&str> {
        self.page.find(&self.id).ok().flatten()?.metadata(path)
    }
}

#[cfg(test)]
mod tests;

//! The decision: one total function from a request, the table, the operator's limits and the time to a
//! verdict.
//!
//! In this order, and the first thing that is wrong decides:
//!
//! | step       | wrong                                   | verdict |
//! |------------|-----------------------------------------|---------|
//! | credential | missing or malformed                    | 401     |
//! | table      | none yet                                | wait, then 503 |
//! | table      | too old by the wall clock alone: the clock was set forward, or the machine slept | wait, then 503 |
//! | table      | older than the operator allows, unreadable | 503  |
//! | credential | an opaque text, and the table knows of no opaque keys | 401 |
//! | record     | no key of that id, or a removed one     | 401     |
//! | record     | its credential is not known             | 503     |
//! | secret     | not the key's, or no longer             | 401     |
//! | expiration | passed                                  | 401     |
//! | record     | its identity cannot be told             | 503     |
//! | requirement | the key does not have it               | 403     |
//! | requirement | nobody can tell whether the key has it | 503     |
//!
//! Nothing is admitted but by a [`VerifiedKey`], and this module is the only place that makes one. Where the
//! operator makes authentication optional, a request without any credential passes without identity; one with
//! a credential is decided as above. Where it is off, every request passes so. What is asked of a request has
//! been found before, by its rules ([`crate::rules`]).

use std::hint::black_box;
use std::time::Duration;

use latchkey_key_feed::{KeptSecrets, KeyId, SecretUsed, UnixMillis, header_value, is_expired};

use crate::clock::Moment;
use crate::config::StalenessLimits;
use crate::credential::{Credential, MalformedCredential, OpaqueText, Presented};
use crate::denial::{Denial, Unauthenticated, Unavailable};
use crate::identity::{IdentityField, KeyIdentity};
use crate::rules::{Asked, Authentication, Held, Requirement, RightsOf, RouteAsks, ToldPrivileges};
use crate::table::{Found, KeyTable, RecordText, TableAge, TableRecord, Texts, Unreadable};

/// What becomes of a request.
#[derive(Debug)]
pub enum Verdict<R> {
    /// It goes upstream as this key.
    Admit(Admission<R>),
    /// It goes upstream as nobody.
    Pass,
    /// It ends here: the key is good, and may not do this or nobody can tell.
    Forbid(Admission<R>, Denial),
    /// It ends here.
    Deny(Refusal),
    /// No table has been loaded yet, or it may be too old, and the request may wait for the next answer of
    /// the service.
    Wait,
}

/// A request that is refused, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub denial: Denial,
    /// The id of the credential, if there was a well-formed one. Whoever sent it has not proven that it is
    /// theirs.
    pub claimed_id: Option<KeyId>,
}

/// A request that may pass, and why.
#[derive(Debug)]
pub struct Admission<R> {
    /// The key it acts for.
    pub key: VerifiedKey<R>,
    /// How current the table was.
    pub freshness: Freshness,
}

/// Proof that a client presented the secret of a key that is active.
#[derive(Debug)]
pub struct VerifiedKey<R> {
    id: KeyId,
    record: VerifiedRecord<R>,
    privileges: ToldPrivileges,
}

/// The record of a key whose secret was presented.
#[derive(Debug)]
struct VerifiedRecord<R> {
    record: R,
    /// The expiration as a header shows it: milliseconds since 1970, as Elasticsearch writes it.
    expiration: Option<String>,
    /// The id as a header shows it, where that differs.
    encoded_id: Option<String>,
    /// Which of its secrets was presented.
    secret: SecretUsed,
}

/// What comes of a credential that proves a key.
type Verified<R> = (VerifiedRecord<R>, Freshness);

/// How current the table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// The service has been heard from lately.
    Fresh,
    /// It has not, but the operator still allows the table.
    Stale,
    /// The operator no longer allows it.
    TooOld,
}

/// Whether a request may wait for a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitingTime {
    /// Its waiting time is not over.
    Left,
    /// It has waited enough, or waiting is switched off.
    Over,
}

impl Freshness {
    /// The freshness of a table of that age. It serves for as long as the operator allows, and no longer than
    /// the service was told.
    #[must_use]
    pub fn of(age: TableAge, limits: &StalenessLimits) -> Self {
        let TableAge { ms, serves_ms, .. } = age;
        let age = Duration::from_millis(ms);
        if age >= limits.refuse_after || ms >= serves_ms {
            Self::TooOld
        } else if age >= limits.stale_after {
            Self::Stale
        } else {
            Self::Fresh
        }
    }
}

/// Decides about a request of which that is `asked`. `presented` reads its credential, if it is looked at.
pub fn decide<T: KeyTable>(
    presented: impl FnOnce() -> Result<Option<Presented>, MalformedCredential>,
    asked: &Asked<'_>,
    table: &T,
    rights: &impl RightsOf<T::Record>,
    limits: &StalenessLimits,
    waiting_time: WaitingTime,
    now: Moment,
) -> Verdict<T::Record> {
    if asked.authentication == Authentication::Off || asked.is_passing_preflight {
        return Verdict::Pass;
    }
    let credential = match presented() {
        Ok(Some(Presented::Key(credential))) => credential,
        Ok(Some(Presented::Opaque(text))) => match credential_of(text, table, limits, waiting_time, now) {
            Ok(Some(credential)) => credential,
            Ok(None) => return Verdict::Wait,
            Err(denial) => return Verdict::Deny(Refusal { denial, claimed_id: None }),
        },
        Ok(None) if asked.authentication == Authentication::Optional => return Verdict::Pass,
        Ok(None) => return unauthenticated(Unauthenticated::CredentialMissing),
        Err(malformed) => return unauthenticated(Unauthenticated::CredentialMalformed(malformed)),
    };
    match verify(&credential, table, limits, waiting_time, now) {
        Ok(Some((record, freshness))) => {
            let missing = missing(&record.record, asked, rights);
            let privileges = rights.told_privileges(&record.record);
            let admission =
                Admission { key: VerifiedKey { id: credential.id, record, privileges }, freshness };
            match missing {
                None => Verdict::Admit(admission),
                Some(denial) => Verdict::Forbid(admission, denial),
            }
        }
        Ok(None) => Verdict::Wait,
        Err(denial) => Verdict::Deny(Refusal { denial, claimed_id: Some(credential.id) }),
    }
}

/// What the key of that record does not have of what is required of it, or what nobody can tell. What it is
/// known not to have comes first.
fn missing<R: TableRecord>(record: &R, asked: &Asked<'_>, rights: &impl RightsOf<R>) -> Option<Denial> {
    let unavailable = Denial::Unavailable;
    let holds = |requirement: &Requirement| {
        requirement.holds(&|wanted| record.text(|text| text == wanted), &|question| {
            rights.holds(record, question, &asked.captures)
        })
    };
    let by_rule = match asked.requirement.map_or(Held::Yes, holds) {
        Held::Yes => None,
        Held::No => return Some(Denial::Forbidden),
        Held::Unknown => Some(unavailable(Unavailable::RightsUnknown)),
        Held::TooCostly => Some(unavailable(Unavailable::RightsTooCostly)),
    };
    let by_route = match asked.route {
        RouteAsks::Nothing => None,
        RouteAsks::Unreadable => Some(unavailable(Unavailable::RouteUnreadable)),
        RouteAsks::Requires(requirement) => match holds(requirement) {
            Held::Yes => None,
            Held::No => return Some(Denial::ForbiddenByRoute),
            Held::Unknown => Some(unavailable(Unavailable::RightsUnknown)),
            Held::TooCostly => Some(unavailable(Unavailable::RightsTooCostly)),
        },
    };
    by_rule.or(by_route)
}

/// The record of the key that the credential proves; `None` when the request may wait for a table.
fn verify<T: KeyTable>(
    credential: &Credential,
    table: &T,
    limits: &StalenessLimits,
    waiting_time: WaitingTime,
    now: Moment,
) -> Result<Option<Verified<T::Record>>, Denial> {
    let Some(freshness) = freshness(table, limits, waiting_time, now)? else { return Ok(None) };
    let found = table.find(&credential.id, now.monotonic).map_err(unreadable)?;
    let found = found.ok_or(Denial::Unavailable(Unavailable::TableAbsent))?;
    let record = VerifiedRecord::of(found, credential, now.wall)?;
    Ok(Some((record, freshness)))
}

/// The credential for which an opaque text stands; `None` when the request may wait for a table, which alone
/// knows of opaque keys. The work is the same, whether there is such a key or not.
fn credential_of<T: KeyTable>(
    text: OpaqueText,
    table: &T,
    limits: &StalenessLimits,
    waiting_time: WaitingTime,
    now: Moment,
) -> Result<Option<Credential>, Denial> {
    if freshness(table, limits, waiting_time, now)?.is_none() {
        return Ok(None);
    }
    let pepper = table.opaque_key_pepper(now.monotonic).map_err(unreadable)?;
    let pepper = pepper.ok_or(Denial::Unavailable(Unavailable::TableAbsent))?;
    let credential = text.credential(pepper.as_ref());
    credential.map(Some).map_err(|malformed| unauthentic(Unauthenticated::CredentialMalformed(malformed)))
}

/// How current the table is, which may still be used; `None` when the request may wait for one.
fn freshness<T: KeyTable>(
    table: &T,
    limits: &StalenessLimits,
    waiting_time: WaitingTime,
    now: Moment,
) -> Result<Option<Freshness>, Denial> {
    let unavailable = Denial::Unavailable;
    let age = match table.age(now).map_err(unreadable)? {
        Some(age) => age,
        None if waiting_time == WaitingTime::Left => return Ok(None),
        None => return Err(unavailable(Unavailable::TableAbsent)),
    };
    let freshness = Freshness::of(age, limits);
    let may_have_slept = Freshness::of(age.by_wall_clock(), limits) == Freshness::TooOld;
    if may_have_slept && freshness != Freshness::TooOld && waiting_time == WaitingTime::Left {
        // The follower asks the key service at once. Its answer shows whether the table is really too old.
        return Ok(None);
    }
    if may_have_slept || freshness == Freshness::TooOld {
        return Err(unavailable(Unavailable::TableTooOld));
    }
    Ok(Some(freshness))
}

fn unreadable(Unreadable: Unreadable) -> Denial {
    Denial::Unavailable(Unavailable::TableUnreadable)
}

fn unauthenticated<R>(reason: Unauthenticated) -> Verdict<R> {
    Verdict::Deny(Refusal { denial: Denial::Unauthenticated(reason), claimed_id: None })
}

impl<R> VerifiedKey<R> {
    /// The id of the key.
    pub(crate) fn id(&self) -> &KeyId {
        &self.id
    }

    /// Which of its secrets was presented.
    pub(crate) fn secret_used(&self) -> SecretUsed {
        self.record.secret
    }

    /// What is told of its privileges.
    pub(crate) fn told_privileges(&self) -> &ToldPrivileges {
        &self.privileges
    }
}

impl<R: TableRecord> VerifiedRecord<R> {
    /// The record of the key that the credential proves, if it is one and active.
    fn of(found: Found<R>, credential: &Credential, now: UnixMillis) -> Result<Self, Denial> {
        let set_aside = Denial::Unavailable(Unavailable::RowSetAside);
        let record = match found {
            Found::Key(record) => record,
            Found::Nothing => {
                return Err(without_digest(credential, unauthentic(Unauthenticated::KeyUnknown)));
            }
            Found::Removed => {
                return Err(without_digest(credential, unauthentic(Unauthenticated::KeyRevoked)));
            }
            Found::SetAside => return Err(without_digest(credential, set_aside)),
        };
        let secret = record.secrets().verify(&credential.secret, now);
        let secret = secret.ok_or(unauthentic(Unauthenticated::SecretWrong))?;
        // The digest is compared first, so that an expired key takes no less time than a wrong secret.
        if is_expired(record.expiration(), now) {
            return Err(unauthentic(Unauthenticated::KeyExpired));
        }
        match record.texts() {
            Texts::Whole => {}
            Texts::SetAside => return Err(set_aside),
            // A record whose texts cannot be read would be admitted without its identity.
            Texts::Unreadable => return Err(Denial::Unavailable(Unavailable::TableUnreadable)),
        }
        let expiration = record.expiration().map(|end| end.0.to_string());
        let id = credential.id.as_str();
        let encoded_id = header_value::needs_encoding(id).then(|| header_value::encode(id));
        Ok(Self { record, expiration, encoded_id, secret })
    }
}

/// The denial of a credential that there is no digest for. It costs what a wrong secret costs, so that time
/// does not tell them apart.
fn without_digest(credential: &Credential, denial: Denial) -> Denial {
    black_box(KeptSecrets::DECOY.verify(&credential.secret, UnixMillis(0)));
    denial
}

fn unauthentic(reason: Unauthenticated) -> Denial {
    Denial::Unauthenticated(reason)
}

impl<R: TableRecord> KeyIdentity for VerifiedKey<R> {
    fn value(&self, field: IdentityField) -> Option<&str> {
        match field {
            IdentityField::Id => Some(self.record.encoded_id.as_deref().unwrap_or(self.id.as_str())),
            IdentityField::Expiration => self.record.expiration.as_deref(),
            IdentityField::SecretUsed => match self.record.secret {
                SecretUsed::Previous => Some(SecretUsed::Previous.as_str()),
                // Nearly all requests: to tell them this would cost each a call of the host.
                SecretUsed::Current => None,
            },
            IdentityField::Privileges => match &self.privileges {
                ToldPrivileges::Told(json) => Some(json),
                ToldPrivileges::NotAsked | ToldPrivileges::Untold(_) => None,
            },
            _ => {
                let meant = field.record_text()?;
                self.record.record.text(|text| *text == meant)
            }
        }
    }

    fn metadata(&self, path: &str, claims: bool) -> Option<&str> {
        self.record.record.text(|text| matches!(text, RecordText::Metadata { path: other, claims: with } if other == path && *with == claims))
    }
}

#[cfg(test)]
mod tests;

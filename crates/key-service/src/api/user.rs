//! `/_security/user`: the users of the native realm, the super-user, and what the caller may do.

mod account;
mod delete;
mod enable;
mod has_privileges;
mod list;
mod password;
mod privileges;
mod put;
mod query;

pub(super) use delete::delete;
pub(super) use enable::{disable, enable};
pub(super) use has_privileges::{check, check_own};
pub(super) use list::list;
pub(super) use password::{change, change_own};
pub(super) use privileges::show as show_privileges;
pub(super) use put::put;
pub(super) use query::query;

use std::fmt;

use latchkey_budget::Principal;
use latchkey_elastic::content::{Member, Node};
use latchkey_elastic::{ErrorCause, ErrorType};

use crate::api::call::Allowed;
use crate::api::error::ApiError;
use crate::model::password::{InvalidPassword, Password, PasswordHash};
use crate::security::password::HashRefusal;
use crate::security::realm::ELASTIC;

/// A password that a request sets.
enum NewPassword {
    /// In the clear.
    Chosen(Password),
    /// As a hash, which is stored unchanged.
    Hashed(Box<PasswordHash>),
}

impl NewPassword {
    /// Reads the field `password`.
    fn chosen(member: &Member) -> Result<Self, ErrorCause> {
        Password::chosen(text(member)?.to_owned()).map(Self::Chosen).map_err(|invalid| {
            invalid_part(match invalid {
                InvalidPassword::TooShort => "passwords must be at least [6] characters long".to_owned(),
                InvalidPassword::TooLong => invalid.to_string(),
            })
        })
    }

    /// Reads the field `password_hash`.
    fn hashed(member: &Member) -> Result<Self, ErrorCause> {
        PasswordHash::try_from(text(member)?).map(|hash| Self::Hashed(Box::new(hash))).map_err(|_| {
            ErrorCause::illegal_argument(
                "The provided password hash is not a hash or it could not be resolved to a supported hash algorithm. The supported password hash algorithms are [argon2id]",
            )
        })
    }

    /// Sets the password, if none was set before.
    fn set(self, place: &mut Option<Self>) -> Result<(), ErrorCause> {
        if place.replace(self).is_some() {
            return Err(invalid_part("password_hash has already been set"));
        }
        Ok(())
    }
}

/// Reads a body as each of the routes does.
pub(super) fn read_by_every_route(body: &Node) -> [Result<(), ErrorCause>; 2] {
    [put::read(body, "ann").and_then(|(validity, _)| validity), password::read(body).map(drop)]
}

/// The hash of a new password. Hashing takes a thread for some time.
async fn hashed(call: &Allowed, password: NewPassword, maker: &Principal) -> Result<PasswordHash, ApiError> {
    match password {
        NewPassword::Hashed(hash) => Ok(*hash),
        NewPassword::Chosen(password) => {
            call.passwords.hash(password, maker, call.randomness.as_ref()).await.map_err(|refusal| {
                match refusal {
                    HashRefusal::Saturated => ApiError::too_busy(refusal.to_string()),
                    HashRefusal::Failed => ApiError::internal(refusal),
                }
            })
        }
    }
}

/// Whether the name is that of the super-user or of the anonymous user.
fn reservation(call: &Allowed, username: &str) -> Option<Reservation> {
    if username == ELASTIC {
        return Some(Reservation::Service);
    }
    let is_anonymous =
        call.settings.anonymous.as_ref().is_some_and(|anonymous| anonymous.username == username);
    is_anonymous.then_some(Reservation::Anonymous)
}

/// Why a name cannot be that of a native user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reservation {
    /// It is the anonymous user's.
    Anonymous,
    /// It belongs to the service.
    Service,
}

/// The fields of a body that is read by hand.
fn members(body: &Node) -> Result<&[Member], ErrorCause> {
    body.members()
        .ok_or_else(|| ErrorCause::parse(format!("expected an object, but found token [{}]", body.token())))
}

fn text(member: &Member) -> Result<&str, ErrorCause> {
    member.value.as_str().ok_or_else(|| wrong_type(member, "string"))
}

fn wrong_type(member: &Member, wanted: &str) -> ErrorCause {
    let (name, found) = (&member.name, member.value.token());
    ErrorCause::parse(format!("expected field [{name}] to be of type {wanted}, but found [{found}] instead"))
}

/// Why a service account is given no password.
fn of_service_account(username: &str) -> String {
    format!("user [{username}] is a service account, which has no password and cannot log in")
}

/// A part of the request that makes no sense.
fn invalid_part(problem: impl fmt::Display) -> ErrorCause {
    ErrorCause::new(ErrorType::Validation, format!("Validation Failed: 1: {problem};"))
}

//! `POST /_security/api_key/{id}/_rotate`: another secret for a key. Latchkey's own; Elasticsearch has no such
//! request.
//!
//! The secret that the key has works on for the overlap, so that clients can be given the new one without an
//! outage.

use std::time::Duration;

use axum::response::Response;
use latchkey_elastic::content::object_parser::{Field, ObjectParser};
use latchkey_elastic::content::{Node, Token};
use latchkey_elastic::{ErrorCause, TimeValue};
use latchkey_key_feed::UnixMillis;
use latchkey_privileges::cluster_request::ClusterRequest;

use crate::api::answer;
use crate::api::api_key::issuing::RotatedKeyAnswer;
use crate::api::api_key::require_api_keys;
use crate::api::api_key::update::refused_to;
use crate::api::call::request_body::RequestBody;
use crate::api::call::{Allowed, Incoming};
use crate::api::edge_wait::{AskedWait, edges_reached};
use crate::api::error::ApiError;
use crate::limits::{ROTATION_OVERLAP_DEFAULT, ROTATION_OVERLAP_MAX};
use crate::security::api_key::IssuedKey;
use crate::security::authentication::Subject;
use crate::store::rotation::{self, KeyRotation, RotatedBy};
use crate::store::update::UpdateRefusal;

/// How long the present secret works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Overlap(Duration);

#[derive(Default)]
struct RotateBody {
    overlap: Option<String>,
}

const PARSER: ObjectParser<RotateBody> = ObjectParser::new(
    "rotate_api_key_request",
    &[Field::node("overlap", &[Token::ValueString, Token::ValueNumber], |body: &mut RotateBody, node| {
        body.overlap = Some(node.as_str().map_or_else(|| node.to_compact_json(), str::to_owned));
        Ok(())
    })],
);

pub(in crate::api) async fn rotate(mut call: Incoming<RequestBody>) -> Result<Response, ApiError> {
    let id = call.path.take("id");
    let (validity, overlap) = call.read_body(read).await?;
    let wait = AskedWait::read(&mut call.parameters)?;
    let call = call.parsed()?;
    require_api_keys(call.settings())?;
    validity?;
    let call = call.authorize(&ClusterRequest::RotateKey { id: &id })?;
    let now = call.now();
    let by = asked_by(&call, &id)?;
    let not_found = || ApiError::from(refused_to("rotate", &id, UpdateRefusal::NotFound));
    let entry = call.store.find_entry(&id).await?.ok_or_else(not_found)?;
    let salt = entry.secrets.salt;
    let prefix = call.settings.key_policy.secret_prefix.as_ref();
    let (issued, next) = IssuedKey::draw_secret(entry.id.clone(), &salt, call.randomness.as_ref(), prefix)
        .map_err(ApiError::internal)?;
    let until = overlap.end(now);
    let rotation = KeyRotation { id: id.clone(), by, salt, next, until };
    let changed = rotation::rotate(&call.store, rotation, call.actor(), now).await?;
    let rotated = changed.outcome.map_err(|refusal| refused_to("rotate", &id, refusal))?;
    let edges = edges_reached(&call, wait, changed.cursor).await?;
    answer::ok(&RotatedKeyAnswer::new(&issued, rotated, until, edges))
}

/// What is asked, and whether it makes sense.
pub(super) fn read(body: Option<&Node>) -> Result<(Result<(), ErrorCause>, Overlap), ErrorCause> {
    let body = body.map(|node| PARSER.parse(node)).transpose()?.unwrap_or_default();
    let overlap = match &body.overlap {
        Some(text) => Overlap::said(text)?,
        None => Overlap(ROTATION_OVERLAP_DEFAULT),
    };
    Ok((overlap.validate(), overlap))
}

/// A user rotates keys of his own, and a key itself.
fn asked_by(call: &Allowed, id: &str) -> Result<RotatedBy, ApiError> {
    match call.authenticated.authentication.subject() {
        Subject::User(user) => {
            Ok(RotatedBy::Owner { username: user.username.clone(), realm: user.realm.name.clone() })
        }
        Subject::ApiKey(key) if key.key().id.as_str() != id => {
            Err(refused_to("rotate", id, UpdateRefusal::NotFound).into())
        }
        Subject::ApiKey(key) => match key.presented() {
            Some(digest) => Ok(RotatedBy::Itself(digest)),
            None => Err(ErrorCause::illegal_argument(
                "an access token cannot rotate the API key that it acts as: only the key's latest secret can",
            )
            .into()),
        },
    }
}

impl Overlap {
    /// -1 would mean none, to Elasticsearch, and for ever, to many a reader.
    fn said(text: &str) -> Result<Self, ErrorCause> {
        let overlap = TimeValue::parse(text, "overlap")?;
        if overlap.is_minus_one() {
            return Err(ErrorCause::illegal_argument("[overlap] must not be negative: [0] is none"));
        }
        Ok(Self(overlap.to_duration()))
    }

    fn validate(self) -> Result<(), ErrorCause> {
        if self.0 <= ROTATION_OVERLAP_MAX {
            return Ok(());
        }
        let days = ROTATION_OVERLAP_MAX.as_secs() / 86_400;
        Err(ErrorCause::illegal_argument(format!("[overlap] must not exceed {days}d")))
    }

    /// When it ends; `None` when there is none.
    fn end(self, now: UnixMillis) -> Option<UnixMillis> {
        (!self.0.is_zero()).then(|| now.plus(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> Result<Overlap, String> {
        let node = Node::parse_required(format!(r#"{{"overlap":{text}}}"#).as_bytes()).unwrap();
        let (validity, overlap) = read(Some(&node)).map_err(|cause| cause.reason().to_owned())?;
        validity.map(|()| overlap).map_err(|cause| cause.reason().to_owned())
    }

    #[test]
    fn an_overlap_is_a_duration_of_at_most_ninety_days_and_a_day_when_nobody_says() {
        let day = Duration::from_secs(86_400);
        assert_eq!(read(None).unwrap().1, Overlap(day));
        for (text, overlap) in [
            ("\"36h\"", day * 3 / 2),
            ("\"0\"", Duration::ZERO),
            ("0", Duration::ZERO),
            ("\"90d\"", day * 90),
        ] {
            assert_eq!(asked(text), Ok(Overlap(overlap)), "{text}");
        }
        assert_eq!(asked("\"91d\"").unwrap_err(), "[overlap] must not exceed 90d");
        for (text, words) in [
            (
                "5",
                "failed to parse setting [overlap] with value [5] as a time value: unit is missing or unrecognized",
            ),
            ("\"-5d\"", "negative durations are not supported"),
            ("\"-1\"", "[overlap] must not be negative: [0] is none"),
            ("-1", "[overlap] must not be negative: [0] is none"),
            ("\"-1d\"", "[overlap] must not be negative: [0] is none"),
        ] {
            let refusal = asked(text).unwrap_err();
            assert!(refusal.contains(words), "{refusal}");
        }
    }

    #[test]
    fn no_overlap_has_no_end() {
        assert_eq!(Overlap(Duration::ZERO).end(UnixMillis(5)), None);
        assert_eq!(Overlap(Duration::from_secs(1)).end(UnixMillis(5)), Some(UnixMillis(1_005)));
    }
}

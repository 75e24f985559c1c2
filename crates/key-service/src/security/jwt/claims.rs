//! What the claims of a verified token must say, and the user they describe.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use latchkey_elastic::content::number_of;
use latchkey_key_feed::UnixMillis;
use serde_json::{Map, Value};

use crate::limits::USERNAME_CHARS_MAX;
use crate::limits::authentication_limits::JWT_GROUPS_MAX;
use crate::model::stored_key::KeyOwner;
use crate::security::jwt::{JwtRejection, TokenType, VouchedUser};
use crate::security::realm::User;

/// The settings of a realm about claims.
#[derive(Clone, Debug)]
pub struct ClaimRules {
    /// Who a token must be meant for: one of the claim `aud` must be one of these.
    pub allowed_audiences: Vec<String>,
    /// Whose tokens are taken, by the claim `sub`; empty for everybody's.
    pub allowed_subjects: Vec<String>,
    /// How far the clocks of issuer and service may differ.
    pub allowed_clock_skew: Duration,
    /// The claim with the username.
    pub principal: String,
    /// The claim with the user's groups, if any.
    pub groups: Option<String>,
    /// The claim with the full name, if any.
    pub name: Option<String>,
    /// The claim with the email address, if any.
    pub mail: Option<String>,
    /// Whether the claims are kept as the user's metadata.
    pub populate_user_metadata: bool,
    /// The roles that members of a group have.
    pub role_mapping: BTreeMap<String, Vec<String>>,
    /// Groups that are themselves the name of a role.
    pub roles_from_groups: Vec<String>,
}

impl ClaimRules {
    /// The user that verified claims describe.
    ///
    /// # Errors
    ///
    /// [`JwtRejection`], the first rule that is not met.
    pub fn user(
        &self,
        claims: &Map<String, Value>,
        realm: &str,
        token_type: TokenType,
        now: UnixMillis,
    ) -> Result<VouchedUser, JwtRejection> {
        let expiration = self.current_until(claims, now)?;
        self.accept_audience(claims)?;
        if !self.allowed_subjects.is_empty() {
            let subject = text(claims, "sub").ok_or(JwtRejection::Subject)?;
            if !self.allowed_subjects.iter().any(|allowed| allowed == subject) {
                return Err(JwtRejection::Subject);
            }
        }
        let username = text(claims, &self.principal).filter(|name| is_username(name));
        let username = username.ok_or(JwtRejection::Claim)?.to_owned();
        let optional =
            |claim: &Option<String>| claim.as_deref().and_then(|name| text(claims, name)).map(str::to_owned);
        let known = KeyOwner {
            username,
            realm: realm.to_owned(),
            realm_type: Some("jwt".to_owned()),
            full_name: optional(&self.name),
            email: optional(&self.mail),
            metadata: self.metadata(claims, token_type),
        };
        Ok(VouchedUser { user: User::vouched(known, self.roles(claims)?), expiration })
    }

    /// Until when a token is valid. It must say when it was issued and when it expires, as in Elasticsearch.
    fn current_until(
        &self,
        claims: &Map<String, Value>,
        now: UnixMillis,
    ) -> Result<UnixMillis, JwtRejection> {
        let end = moment(claims, "exp")?.ok_or(JwtRejection::Claim)?;
        let made = moment(claims, "iat")?.ok_or(JwtRejection::Claim)?;
        let begin = moment(claims, "nbf")?.unwrap_or(made);
        let latest = now.plus(self.allowed_clock_skew);
        if made.0 > latest.0 || begin.0 > latest.0 {
            return Err(JwtRejection::NotYetValid);
        }
        let expiration = end.plus(self.allowed_clock_skew);
        if now.0 >= expiration.0 { Err(JwtRejection::Expired) } else { Ok(expiration) }
    }

    fn accept_audience(&self, claims: &Map<String, Value>) -> Result<(), JwtRejection> {
        let meant_for = texts(claims, "aud").ok_or(JwtRejection::Audience)?;
        if meant_for.iter().any(|of| self.allowed_audiences.iter().any(|allowed| allowed == of)) {
            Ok(())
        } else {
            Err(JwtRejection::Audience)
        }
    }

    /// The roles, each once. A group that the operator did not name grants nothing.
    fn roles(&self, claims: &Map<String, Value>) -> Result<Vec<String>, JwtRejection> {
        let Some(claim) = self.groups.as_deref().filter(|claim| claims.contains_key(*claim)) else {
            return Ok(Vec::new());
        };
        let groups = texts(claims, claim).filter(|groups| groups.len() <= JWT_GROUPS_MAX);
        let mut roles = BTreeSet::new();
        for group in groups.ok_or(JwtRejection::Claim)? {
            roles.extend(self.role_mapping.get(group).into_iter().flatten().cloned());
            roles.extend(self.roles_from_groups.iter().find(|role| *role == group).cloned());
        }
        Ok(roles.into_iter().collect())
    }

    /// Claims of simple types, under the names that Elasticsearch gives them (`JwtRealm`).
    fn metadata(&self, claims: &Map<String, Value>, token_type: TokenType) -> Map<String, Value> {
        if !self.populate_user_metadata {
            return Map::new();
        }
        let kept = claims.iter().filter_map(|(name, value)| Some((name, simple(value)?)));
        let mut metadata: Map<String, Value> =
            kept.map(|(name, value)| (format!("jwt_claim_{name}"), value)).collect();
        metadata.insert("jwt_token_type".to_owned(), Value::from(token_type.as_str()));
        metadata
    }
}

fn text<'a>(claims: &'a Map<String, Value>, claim: &str) -> Option<&'a str> {
    claims.get(claim).and_then(Value::as_str)
}

/// The texts of a claim that is one, or a list of them; `None` when it is absent or holds anything else.
fn texts<'a>(claims: &'a Map<String, Value>, claim: &str) -> Option<Vec<&'a str>> {
    match claims.get(claim)? {
        Value::String(text) => Some(vec![text]),
        Value::Array(values) => values.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

/// A time in seconds since 1970, perhaps with a fraction (RFC 7519, section 2, `NumericDate`).
fn moment(claims: &Map<String, Value>, claim: &str) -> Result<Option<UnixMillis>, JwtRejection> {
    let Some(value) = claims.get(claim) else { return Ok(None) };
    if let Some(seconds) = value.as_u64() {
        return Ok(Some(UnixMillis(seconds.saturating_mul(1_000))));
    }
    match value.as_f64() {
        // A cast from a float saturates at the integer's bounds.
        Some(seconds) if seconds >= 0.0 => Ok(Some(UnixMillis((seconds * 1_000.0) as u64))),
        _ => Err(JwtRejection::Claim),
    }
}

fn is_username(name: &str) -> bool {
    let chars = name.chars().count();
    chars > 0 && chars <= USERNAME_CHARS_MAX && name.trim() == name && !name.chars().any(char::is_control)
}

/// A value of a simple type, or a list of such values, as a body's would be kept.
fn simple(value: &Value) -> Option<Value> {
    match value {
        Value::Array(values) => values
            .iter()
            .map(|value| Some(value).filter(|value| !value.is_array()).and_then(simple))
            .collect(),
        Value::Bool(_) | Value::String(_) => Some(value.clone()),
        Value::Number(number) => number_of(number.as_str()).ok().map(Value::Number),
        Value::Null | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests;

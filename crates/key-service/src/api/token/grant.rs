//! What a request for tokens says, and what is wrong with it.

use latchkey_elastic::content::object_parser::{Field, ObjectParser};
use latchkey_elastic::{ErrorCause, ValidationProblems};

use crate::api::error::{ApiError, OAuthError};
use crate::model::password::Password;
use crate::security::credential::BasicCredential;

/// The body, field by field.
#[derive(Default, derive_more::Debug)]
#[debug("GrantBody")]
pub(super) struct GrantBody {
    grant_type: Option<String>,
    username: Option<String>,
    password: Option<String>,
    kerberos_ticket: Option<String>,
    scope: Option<String>,
    refresh_token: Option<String>,
}

/// The grant by which tokens are requested.
pub(super) enum Grant {
    /// For the authenticated caller.
    ClientCredentials,
    /// For the holder of a Kerberos ticket.
    Kerberos,
    /// For a user, by username and password.
    Password(BasicCredential),
    /// For the user of a refresh token.
    RefreshToken(String),
}

pub(super) const PARSER: ObjectParser<GrantBody> = ObjectParser::new(
    "token_request",
    &[
        Field::string_or_null("grant_type", |body: &mut GrantBody, text| body.grant_type = text),
        Field::string_or_null("username", |body: &mut GrantBody, text| body.username = text),
        Field::string_or_null("password", |body: &mut GrantBody, text| body.password = text),
        Field::string_or_null("kerberos_ticket", |body: &mut GrantBody, text| body.kerberos_ticket = text),
        Field::string_or_null("scope", |body: &mut GrantBody, text| body.scope = text),
        Field::string_or_null("refresh_token", |body: &mut GrantBody, text| body.refresh_token = text),
    ],
);

/// The grant types in Elasticsearch's order, as its message has them.
const GRANT_TYPES: &str = "password, _kerberos, refresh_token, client_credentials";

impl GrantBody {
    /// Whether a scope was requested. The answer then names the only scope that exists.
    pub(super) fn has_scope(&self) -> bool {
        self.scope.is_some()
    }

    /// The grant, unless fields are missing or excess (Elasticsearch, `CreateTokenRequest#validate`).
    ///
    /// # Errors
    ///
    /// 400 in the form of RFC 6749.
    pub(super) fn into_grant(self) -> Result<Grant, ApiError> {
        let Self { username, password, kerberos_ticket, refresh_token, .. } = &self;
        let fields = [
            ("username", username),
            ("password", password),
            ("kerberos_ticket", kerberos_ticket),
            ("refresh_token", refresh_token),
        ];
        let grant_type = self.grant_type.as_deref().unwrap_or_default();
        let required: &[&str] = match grant_type {
            "password" => &["username", "password"],
            "_kerberos" => &["kerberos_ticket"],
            "refresh_token" => &["refresh_token"],
            "client_credentials" => &[],
            _ => {
                let mut problems = ValidationProblems::new();
                problems.add(format!("grant_type only supports the values: [{GRANT_TYPES}]"));
                return Err(refused(problems));
            }
        };
        let mut problems = ValidationProblems::new();
        for (name, value) in fields {
            let is_excess = !required.contains(&name) && value.is_some();
            problems.add_if(is_excess, &format!("{name} is not supported with the {grant_type} grant_type"));
        }
        for (name, value) in fields {
            let is_absent = value.as_deref().is_none_or(str::is_empty);
            problems.add_if(required.contains(&name) && is_absent, &format!("{name} is missing"));
        }
        if !problems.problems().is_empty() {
            return Err(refused(problems));
        }
        Ok(match (grant_type, self.username, self.password, self.refresh_token) {
            ("password", Some(username), Some(password), _) => {
                let password = Password::presented(password.into_bytes());
                Grant::Password(BasicCredential { username, password })
            }
            ("refresh_token", _, _, Some(token)) => Grant::RefreshToken(token),
            ("client_credentials", ..) => Grant::ClientCredentials,
            _ => Grant::Kerberos,
        })
    }
}

/// The message decides which of two codes it is, as in Elasticsearch (`RestGetTokenAction`). So an excess
/// field is an unsupported grant type, and a missing field is not.
fn refused(problems: ValidationProblems) -> ApiError {
    let code = if problems.problems().iter().any(|problem| problem.contains("grant_type")) {
        OAuthError::UnsupportedGrantType
    } else {
        OAuthError::InvalidRequest
    };
    let reason = problems.into_result().err().map(|cause: ErrorCause| cause.reason().to_owned());
    ApiError::oauth(code, reason.unwrap_or_default())
}

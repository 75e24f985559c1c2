//! Credentials inside a body, which say for whom the request acts.

use std::sync::Arc;

use latchkey_elastic::content::Node;
use latchkey_elastic::content::object_parser::{Field, ObjectParser};
use latchkey_elastic::{ErrorCause, ErrorType};
use latchkey_privileges::cluster_request::ClusterRequest;
use latchkey_privileges::permission::run_as_denial;

use crate::api::call::Allowed;
use crate::api::error::ApiError;
use crate::model::password::Password;
use crate::model::precondition::Precondition;
use crate::security::authentication::Subject;
use crate::security::credential::BasicCredential;
use crate::security::credential::bearer::{BearerCredential, BearerText, ClientSecret};

/// The credentials and the run-as of a body. It holds secrets in clear text, so it can neither be printed nor
/// copied.
#[derive(Default)]
pub(super) struct GrantBody {
    pub(super) grant_type: Option<String>,
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
    pub(super) access_token: Option<String>,
    pub(super) run_as: Option<String>,
    client_authentication: Option<ClientAuthentication>,
}

/// How the client that sends a JSON Web Token authenticates itself.
#[derive(Default)]
struct ClientAuthentication {
    scheme: String,
    value: String,
}

/// A complete set of credentials.
pub(super) struct Grant {
    proof: Proof,
    run_as: Option<String>,
}

enum Proof {
    AccessToken(BearerCredential),
    Password(BasicCredential),
}

const CLIENT_AUTHENTICATION: ObjectParser<ClientAuthentication> = ObjectParser::new(
    "client_authentication",
    &[
        Field::string("scheme", |client: &mut ClientAuthentication, text| client.scheme = text).required(),
        Field::string("value", |client: &mut ClientAuthentication, text| client.value = text).required(),
    ],
);

/// The only scheme of `client_authentication` (Elasticsearch, `JwtRealmSettings`).
const SHARED_SECRET: &str = "SharedSecret";

impl GrantBody {
    /// Reads the object `client_authentication`.
    pub(super) fn read_client_authentication(&mut self, node: &Node) -> Result<(), ErrorCause> {
        self.client_authentication = Some(CLIENT_AUTHENTICATION.parse(node)?);
        Ok(())
    }

    /// The credentials, if they are complete and fit together. A blank text counts as absent.
    ///
    /// # Errors
    ///
    /// All problems, in the order of Elasticsearch (`Grant#validate`).
    pub(super) fn validate(self) -> Result<Grant, Vec<String>> {
        let Some(grant_type) = self.grant_type else {
            return Err(vec!["[grant_type] is required".to_owned()]);
        };
        let username = non_empty(self.username);
        let password = non_empty(self.password);
        let access_token = non_empty(self.access_token);
        let required = |field: &str| format!("[{field}] is required for grant_type [{grant_type}]");
        let unsupported = |field: &str| format!("[{field}] is not supported for grant_type [{grant_type}]");
        let mut problems = Vec::new();
        let mut check = |broken: bool, problem: String| {
            if broken {
                problems.push(problem);
            }
        };
        let proof = match grant_type.as_str() {
            "password" => {
                check(username.is_none(), required("username"));
                check(password.is_none(), required("password"));
                check(access_token.is_some(), unsupported("access_token"));
                check(self.client_authentication.is_some(), unsupported("client_authentication"));
                username.zip(password).map(|(username, password)| {
                    Proof::Password(BasicCredential {
                        username,
                        password: Password::presented(password.into_bytes()),
                    })
                })
            }
            "access_token" => {
                check(access_token.is_none(), required("access_token"));
                check(username.is_some(), unsupported("username"));
                check(password.is_some(), unsupported("password"));
                let client_authentication = self.client_authentication;
                check(
                    client_authentication.as_ref().is_some_and(|client| client.scheme != SHARED_SECRET),
                    format!("[client_authentication.scheme] must be set to [{SHARED_SECRET}]"),
                );
                let client_secret =
                    client_authentication.map(|client| ClientSecret::presented(&client.value));
                access_token.map(|token| {
                    let token = BearerText::presented(&token);
                    Proof::AccessToken(BearerCredential { token, client_secret })
                })
            }
            _ => return Err(vec![format!("grant_type [{grant_type}] is not supported")]),
        };
        match proof {
            Some(proof) if problems.is_empty() => Ok(Grant { proof, run_as: self.run_as }),
            _ => Err(problems),
        }
    }
}

/// For whom a request acts: the user whom the credentials prove, or the user as whom that one runs; and the
/// preconditions of that.
///
/// # Errors
///
/// 403 if they prove nobody, because the caller itself was authenticated; 403 if the user may not run as the
/// other user, and 400 if it can run as nobody.
pub(super) async fn grantee(
    call: &Allowed,
    grant: Grant,
    request: &ClusterRequest<'_>,
) -> Result<(Subject, Vec<Precondition>), ApiError> {
    let Grant { proof, run_as } = grant;
    let now = call.now();
    let proven = match proof {
        Proof::Password(credential) => {
            call.authenticator.password(credential, call.authenticated.source(), now).await
        }
        Proof::AccessToken(credential) => call.authenticator.access_token(credential, now).await,
    };
    let proven = proven.map_err(|failure| {
        let inner = call.authenticated.refuse_inner(failure, request.action());
        inner.inside_403("Failed to authenticate api key grant")
    })?;
    match run_as {
        None => Ok((proven.subject().clone(), proven.preconditions())),
        Some(username) => {
            let target = runs_as(call, proven.subject(), &username).await?;
            let preconditions = proven.preconditions().into_iter().chain(target.precondition()).collect();
            Ok((target, preconditions))
        }
    }
}

async fn runs_as(call: &Allowed, runner: &Subject, username: &str) -> Result<Subject, ApiError> {
    let Subject::User(user) = runner else {
        let reason = "the provided grant credentials do not support run-as";
        return Err(ErrorCause::new(ErrorType::Status, reason).into());
    };
    let info = call.authorization_of_user(user).await?;
    let may_run_as = info.allows_run_as(username)?;
    let target = call.authenticator.realms().find(username).await?;
    match target.filter(|target| target.enabled && may_run_as) {
        Some(target) => Ok(Subject::User(Arc::new(target))),
        None => {
            let reason = run_as_denial(&info.caller, username);
            Err(call.authenticated.forbid(&ClusterRequest::Authenticate, reason))
        }
    }
}

fn non_empty(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

//! Credentials inside of a body, by which somebody is named on whose behalf a request acts.

use crate::api::Service;
use crate::api::authenticated::{Authenticated, challenges, password_checks_saturated};
use crate::api::content::Node;
use crate::api::content::object_parser::{Field, ObjectParser};
use crate::api::error::{ApiError, ErrorCause, ErrorStatus, ErrorType};
use crate::security::authentication::{AuthenticationFailure, Subject};
use crate::security::credential::BasicCredential;
use crate::security::password::Password;
use crate::security::permission::run_as_denial;
use crate::security::request::ClusterRequest;

/// What a body says about somebody. Holds secrets in the clear, so it can neither be printed nor copied.
#[derive(Default)]
pub(super) struct GrantBody {
    pub(super) grant_type: Option<String>,
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
    pub(super) access_token: Option<String>,
    pub(super) run_as: Option<String>,
    client_authentication: Option<ClientAuthentication>,
}

/// How the client that sends a JSON Web Token shows that it may.
#[derive(Default)]
struct ClientAuthentication {
    scheme: String,
    value: String,
}

/// Credentials that go together.
pub(super) struct Grant {
    proof: Proof,
    run_as: Option<String>,
}

enum Proof {
    AccessToken { token: String, client_authentication: Option<ClientAuthentication> },
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

    /// The credentials, if they go together. A text without letters counts as absent.
    ///
    /// # Errors
    ///
    /// Every complaint, in the order of Elasticsearch (`Grant#validate`).
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
                access_token.map(|token| Proof::AccessToken { token, client_authentication })
            }
            _ => return Err(vec![format!("grant_type [{grant_type}] is not supported")]),
        };
        match proof {
            Some(proof) if problems.is_empty() => Ok(Grant { proof, run_as: self.run_as }),
            _ => Err(problems),
        }
    }
}

impl Service {
    /// On whose behalf a request acts: whom the credentials prove, or whom that one runs as.
    ///
    /// # Errors
    ///
    /// 403 when they prove nobody, because the caller was authenticated; 403 and 400 when whom they prove may not run as the user,
    /// or can run as nobody.
    pub(super) async fn grantee(
        &self,
        grant: Grant,
        request: &ClusterRequest<'_>,
        authenticated: &Authenticated,
    ) -> Result<Subject, ApiError> {
        let Grant { proof, run_as } = grant;
        let proven = match proof {
            Proof::Password(credential) => self.authenticator.authenticate_user(credential).await,
            Proof::AccessToken { client_authentication: Some(_), .. } => {
                return Err(client_authentication_unsupported());
            }
            // INTERIM
            Proof::AccessToken { token: _, client_authentication: None } => {
                Err(AuthenticationFailure::Missing)
            }
        };
        let proven = proven.map_err(|failure| {
            authenticated.record_failure(&failure);
            self.failed_grant(failure, request)
        })?;
        match run_as {
            None => Ok(proven.subject().clone()),
            Some(username) => self.run_as(proven.subject(), &username, authenticated),
        }
    }

    fn run_as(
        &self,
        runner: &Subject,
        username: &str,
        authenticated: &Authenticated,
    ) -> Result<Subject, ApiError> {
        let Subject::User(user) = runner else {
            let reason = "the provided grant credentials do not support run-as";
            return Err(ErrorCause::new(ErrorType::Status, reason).into());
        };
        let (caller, permission) = self.roles.caller_of_user(user);
        let target = self.authenticator.look_up(username);
        match target.filter(|target| target.enabled && permission.allows_run_as(username)) {
            Some(target) => Ok(Subject::User(target)),
            None => {
                Err(authenticated.forbid(&ClusterRequest::Authenticate, run_as_denial(&caller, username)))
            }
        }
    }

    /// The inner error is the one that the holder of the credentials would have seen.
    fn failed_grant(&self, failure: AuthenticationFailure, request: &ClusterRequest<'_>) -> ApiError {
        let action = request.action();
        let reason = match failure {
            AuthenticationFailure::Saturated => return password_checks_saturated(),
            AuthenticationFailure::Store(error) => return error.into(),
            AuthenticationFailure::RejectedUser { username, .. } => {
                format!("unable to authenticate user [{username}] for action [{action}]")
            }
            _ => format!("unable to authenticate with provided credentials for action [{action}]"),
        };
        let inner = ApiError::unauthenticated(reason, challenges(self.settings.api_keys), &[]);
        ApiError::unauthorized_because("Failed to authenticate api key grant", inner)
    }
}

fn client_authentication_unsupported() -> ApiError {
    let reason = "[client_authentication] not supported with the supplied access_token type";
    ApiError::new(ErrorStatus::BAD_REQUEST, ErrorCause::new(ErrorType::Security, reason))
}

fn non_empty(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

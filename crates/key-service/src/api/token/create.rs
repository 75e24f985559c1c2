//! `POST /_security/oauth2/token`.

use axum::extract::State;
use axum::response::Response;
use latchkey_key_feed::UnixMillis;
use serde::Serialize;

use crate::api::authenticate::{Identity, Proof, identity};
use crate::api::authenticated::Authenticated;
use crate::api::content::Node;
use crate::api::error::{ApiError, OAuthError};
use crate::api::parameters::Parameters;
use crate::api::request_body::RequestBody;
use crate::api::token::grant::{Grant, PARSER};
use crate::api::token::remove_dead_tokens;
use crate::api::{Service, SharedService, answer};
use crate::limits::TOKEN_EXCHANGES_MAX;
use crate::security::authentication::{Authentication, AuthenticationFailure, Subject};
use crate::security::realm::RealmName;
use crate::security::request::ClusterRequest;
use crate::security::token::{
    Exchange, IssuedTokens, Refresh, RefreshRefusal, SuccessorSeed, Token, exchange, later,
};
use crate::store::KeyOwner;
use crate::store::tokens::{NewToken, StoredToken, TokenClient, TokenSubject};

/// In the order of Elasticsearch's own answer. The only answer that shows tokens.
#[derive(Serialize)]
struct CreatedToken<'a> {
    access_token: String,
    r#type: &'static str,
    /// In seconds.
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'static str>,
    authentication: Identity<'a>,
}

/// The one scope that tokens have.
const SCOPE: &str = "full";

pub(in crate::api) async fn create(
    State(service): State<SharedService>,
    authenticated: Authenticated,
    parameters: Parameters,
    RequestBody(body): RequestBody,
) -> Result<Response, ApiError> {
    let body = PARSER.parse(&Node::parse_required(&body)?)?;
    parameters.finish()?;
    let scope = body.has_scope().then_some(SCOPE);
    let grant = body.into_grant()?;
    let request = match grant {
        Grant::RefreshToken(_) => ClusterRequest::RefreshToken,
        Grant::ClientCredentials | Grant::Kerberos | Grant::Password(_) => ClusterRequest::CreateToken,
    };
    authenticated.authorize(&request)?;
    service.require_tokens()?;
    let (issued, subject) = service.tokens_for(grant, &authenticated).await?;
    remove_dead_tokens(&service);
    let proof = Proof::own(&subject);
    let roles = match &subject {
        Subject::ApiKey(_) => &[][..],
        Subject::User(user) => &user.roles,
    };
    answer::ok(&CreatedToken {
        access_token: issued.access.expose(),
        r#type: "Bearer",
        expires_in: service.settings.tokens.timeout.as_secs(),
        refresh_token: issued.refresh.as_ref().map(Token::expose),
        scope,
        authentication: identity(&subject, roles, &proof),
    })
}

impl Service {
    /// Tokens, and on whose behalf they act.
    async fn tokens_for(
        &self,
        grant: Grant,
        authenticated: &Authenticated,
    ) -> Result<(IssuedTokens, Subject), ApiError> {
        match grant {
            Grant::Password(credential) => {
                let now = self.clock.now();
                let proven = self.authenticator.password(credential, authenticated.source(), now).await;
                let user = proven.map_err(|failure| {
                    authenticated.refuse_inner(failure, ClusterRequest::CreateToken.action(), self)
                })?;
                self.issue_tokens(&user, true, authenticated).await
            }
            // Whoever can prove who he is any time needs nothing to refresh.
            Grant::ClientCredentials => {
                self.issue_tokens(&authenticated.authentication, false, authenticated).await
            }
            Grant::Kerberos => Err(ApiError::oauth(
                OAuthError::UnsupportedGrantType,
                "grant_type [_kerberos] is not supported because there is no Kerberos realm",
            )),
            Grant::RefreshToken(text) => self.refresh(&text, authenticated).await,
        }
    }

    async fn issue_tokens(
        &self,
        authentication: &Authentication,
        with_refresh: bool,
        authenticated: &Authenticated,
    ) -> Result<(IssuedTokens, Subject), ApiError> {
        let subject = authentication.subject();
        let issued =
            IssuedTokens::draw(self.randomness.as_ref(), with_refresh).map_err(ApiError::internal)?;
        let token = self.new_token(&issued, token_subject(subject), client(authenticated), self.clock.now());
        self.store.create_token(token, authenticated.actor()).await?;
        Ok((issued, subject.clone()))
    }

    /// Exchanges a refresh token. When another request does the same at the same time, one of them makes the new pair and the
    /// other finds it made.
    async fn refresh(
        &self,
        text: &str,
        authenticated: &Authenticated,
    ) -> Result<(IssuedTokens, Subject), ApiError> {
        let presented = Token::<Refresh>::parse(text).ok_or(RefreshRefusal::Unknown)?;
        let digest = presented.digest();
        let client = client(authenticated);
        for _ in 0..TOKEN_EXCHANGES_MAX {
            let now = self.clock.now();
            let old = self.store.find_refresh_token(&digest).await?.ok_or(RefreshRefusal::Unknown)?;
            let (seed, is_first) = match exchange(&old, &client, now)? {
                Exchange::Again(seed) => (seed, false),
                Exchange::First => {
                    (SuccessorSeed::draw(self.randomness.as_ref()).map_err(ApiError::internal)?, true)
                }
            };
            let issued = presented.successors(&seed);
            if is_first {
                let token = self.new_token(&issued, old.subject.clone(), client.clone(), now);
                if !self.store.exchange_token(old.id, seed, token, authenticated.actor()).await? {
                    continue;
                }
            }
            return Ok((issued, self.subject_of(old, now).await?));
        }
        Err(RefreshRefusal::Unknown.into())
    }

    fn new_token(
        &self,
        issued: &IssuedTokens,
        subject: TokenSubject,
        client: TokenClient,
        now: UnixMillis,
    ) -> NewToken {
        NewToken {
            access: issued.access.digest(),
            refresh: issued.refresh.as_ref().map(Token::digest),
            creation: now,
            access_expiration: later(now, self.settings.tokens.timeout),
            subject,
            client,
        }
    }

    async fn subject_of(&self, token: StoredToken, now: UnixMillis) -> Result<Subject, ApiError> {
        let subject = self.authenticator.subject_of(token, now).await;
        subject.map_err(|failure| match failure {
            AuthenticationFailure::Store(error) => error.into(),
            _ => RefreshRefusal::Unknown.into(),
        })
    }
}

fn token_subject(subject: &Subject) -> TokenSubject {
    match subject {
        Subject::User(user) => {
            TokenSubject { user: KeyOwner::from(&**user), roles: user.roles.clone(), api_key: None }
        }
        Subject::ApiKey(key) => {
            let key = key.key();
            let RealmName { name: realm, realm_type } = RealmName::api_key();
            let user = KeyOwner { realm, realm_type: Some(realm_type), ..key.owner.clone() };
            TokenSubject { user, roles: Vec::new(), api_key: Some(key.id.clone()) }
        }
    }
}

fn client(authenticated: &Authenticated) -> TokenClient {
    let actor = authenticated.actor();
    TokenClient { username: actor.username, realm: actor.realm, api_key: actor.api_key }
}

impl From<RefreshRefusal> for ApiError {
    fn from(refusal: RefreshRefusal) -> Self {
        Self::oauth(OAuthError::InvalidGrant, refusal.to_string())
    }
}

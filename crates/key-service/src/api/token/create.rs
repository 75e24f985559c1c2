//! `POST /_security/oauth2/token`.

use std::time::Duration;

use axum::response::Response;
use latchkey_elastic::content::Node;
use latchkey_key_feed::UnixMillis;
use latchkey_privileges::cluster_request::ClusterRequest;
use serde::Serialize;

use crate::api::answer;
use crate::api::authenticate::{Identified, Identity, Proof, identity};
use crate::api::call::request_body::RequestBody;
use crate::api::call::{Allowed, Incoming};
use crate::api::error::{ApiError, OAuthError};
use crate::api::token::grant::{Grant, PARSER};
use crate::api::token::{remove_dead_tokens, require_tokens};
use crate::audit::Actor;
use crate::limits::authentication_limits::TOKEN_EXCHANGES_MAX;
use crate::model::password_stamp::PasswordStamp;
use crate::model::realm_name::RealmName;
use crate::model::stored_key::KeyOwner;
use crate::model::stored_token::{StoredToken, TokenClient, TokenId, TokenSubject};
use crate::model::token::{
    Exchange, IssuedTokens, Refresh, RefreshRefusal, SuccessorSeed, Token, TokenRejection, exchange,
    was_copied,
};
use crate::security::authentication::{Authentication, AuthenticationFailure, Means, Subject};
use crate::store::tokens::NewToken;

/// The fields have the order of Elasticsearch's answer. No other answer shows tokens.
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

/// New tokens.
struct Issue {
    issued: IssuedTokens,
    /// On whose behalf they act.
    subject: Subject,
    /// How long the access token lives.
    lasts: Duration,
}

/// What new tokens are made from.
struct Basis {
    subject: TokenSubject,
    client: TokenClient,
    runner_stamp: Option<PasswordStamp>,
    parent: Option<TokenId>,
    /// When the credential for which they are given ends, if it ends.
    ends: Option<UnixMillis>,
}

/// The only scope of tokens.
const SCOPE: &str = "full";

pub(in crate::api) async fn create(mut call: Incoming<RequestBody>) -> Result<Response, ApiError> {
    let read = |body: &Node| PARSER.parse(body);
    let body = call.read_required_body(read).await?;
    let call = call.parsed()?;
    let scope = body.has_scope().then_some(SCOPE);
    let grant = body.into_grant()?;
    let request = match grant {
        Grant::RefreshToken(_) => ClusterRequest::RefreshToken,
        Grant::ClientCredentials | Grant::Kerberos | Grant::Password(_) => ClusterRequest::CreateToken,
    };
    let call = call.authorize(&request)?;
    require_tokens(&call)?;
    let Issue { issued, subject, lasts } = tokens_for(&call, grant).await?;
    remove_dead_tokens(&call);
    let proof = Proof::own(&subject);
    let whole = Identified::of(&call, &subject).await?;
    let roles = match &subject {
        Subject::ApiKey(_) => &[][..],
        Subject::User(user) => &user.roles,
    };
    answer::ok(&CreatedToken {
        access_token: issued.access.expose(),
        r#type: "Bearer",
        expires_in: lasts.as_secs(),
        refresh_token: issued.refresh.as_ref().map(Token::expose),
        scope,
        authentication: identity(&whole, roles, &proof),
    })
}

async fn tokens_for(call: &Allowed, grant: Grant) -> Result<Issue, ApiError> {
    match grant {
        Grant::Password(credential) => {
            let now = call.now();
            let proven = call.authenticator.password(credential, call.authenticated.source(), now).await;
            let user = proven.map_err(|failure| refuse_grant(call, failure))?;
            let basis = Basis::proven(&user, call);
            let actor = call.actor().depending_on(user.preconditions());
            issue_tokens(call, user.subject(), basis, true, actor).await
        }
        // A client that can authenticate at any time needs no refresh token.
        Grant::ClientCredentials => {
            let subject = call.authenticated.authentication.subject();
            let basis = basis_of_client(call).await?;
            issue_tokens(call, subject, basis, false, call.actor()).await
        }
        Grant::Kerberos => Err(ApiError::oauth(
            OAuthError::UnsupportedGrantType,
            "grant_type [_kerberos] is not supported because there is no Kerberos realm",
        )),
        Grant::RefreshToken(text) => refresh(call, &text).await,
    }
}

/// What tokens for the caller's own credential are made from. They end with that credential: otherwise an
/// access token could be exchanged for another without end.
async fn basis_of_client(call: &Allowed) -> Result<Basis, ApiError> {
    let authentication = &call.authenticated.authentication;
    if let Subject::ApiKey(key) = authentication.authenticating()
        && key.is_by_previous_secret()
    {
        return Err(ApiError::oauth(
            OAuthError::InvalidRequest,
            "no token is given for the secret that a rotated API key had before its latest one",
        ));
    }
    match authentication.means() {
        Means::Own => Ok(Basis::proven(authentication, call)),
        Means::Jwt { expiration } => {
            Ok(Basis { ends: Some(*expiration), ..Basis::proven(authentication, call) })
        }
        // Such a token would depend on three: the runner, the user as whom the runner acts, and the client
        // that asked for the runner's token.
        Means::Token(_) if authentication.is_run_as() => Err(ApiError::oauth(
            OAuthError::InvalidRequest,
            "run-as is not supported with the client_credentials grant_type and an access token",
        )),
        Means::Token(digest) => {
            let parent = call.authenticator.living_token(digest, call.now()).await;
            let parent = parent.map_err(|failure| refuse_grant(call, failure))?;
            Ok(Basis {
                subject: parent.subject,
                client: parent.client,
                runner_stamp: parent.runner_stamp,
                parent: Some(parent.id),
                ends: Some(parent.access_expiration),
            })
        }
    }
}

async fn issue_tokens(
    call: &Allowed,
    subject: &Subject,
    basis: Basis,
    with_refresh: bool,
    actor: Actor,
) -> Result<Issue, ApiError> {
    let issued = IssuedTokens::draw(call.randomness.as_ref(), with_refresh).map_err(ApiError::internal)?;
    let now = call.now();
    let token = new_token(call, &issued, basis, now);
    let lasts = token.access_expiration.since(now);
    if !call.store.tokens().create(token, actor).await? {
        return Err(refuse_grant(call, TokenRejection::Ended.into()));
    }
    // If the user became invalid since the authentication, this token did not exist yet and was not ended
    // with the others. So it is checked here, before the client gets it.
    let valid = call.authenticator.subject_of_access_token(&issued.access.digest(), now).await;
    valid.map_err(|failure| refuse_grant(call, failure))?;
    Ok(Issue { issued, subject: subject.clone(), lasts })
}

/// Exchanges a refresh token. When another request does the same at the same time, one of them makes the new
/// pair and the other finds it made. A refresh token that comes back too late, or from another client, ends
/// its family.
async fn refresh(call: &Allowed, text: &str) -> Result<Issue, ApiError> {
    let presented = Token::<Refresh>::parse(text).ok_or(RefreshRefusal::Unknown)?;
    let digest = presented.digest();
    let client = client(call);
    for _ in 0..TOKEN_EXCHANGES_MAX {
        let now = call.now();
        let old = call.store.tokens().find_refresh(&digest).await?.ok_or(RefreshRefusal::Unknown)?;
        if was_copied(&old, &client, now) {
            call.store.tokens().end_family(&old, call.actor(), now).await?;
        }
        let exchange = exchange(&old, &client, now)?;
        let subject = subject_of(call, &old).await?;
        let (seed, is_first) = match exchange {
            Exchange::Again(seed) => (seed, false),
            Exchange::First => {
                (SuccessorSeed::draw(call.randomness.as_ref()).map_err(ApiError::internal)?, true)
            }
        };
        let issued = presented.successors(&seed);
        if is_first {
            let token = new_token(call, &issued, Basis::exchanged(&old), now);
            if !call.store.tokens().exchange(old.id, seed, token, call.actor()).await? {
                continue;
            }
        }
        return Ok(Issue { issued, subject, lasts: call.settings.tokens.timeout });
    }
    Err(RefreshRefusal::Unknown.into())
}

fn new_token(call: &Allowed, issued: &IssuedTokens, basis: Basis, now: UnixMillis) -> NewToken {
    let Basis { subject, client, runner_stamp, parent, ends } = basis;
    let timeout = now.plus(call.settings.tokens.timeout);
    NewToken {
        access: issued.access.digest(),
        refresh: issued.refresh.as_ref().map(Token::digest),
        creation: now,
        access_expiration: ends.map_or(timeout, |ends| ends.min(timeout)),
        subject,
        client,
        runner_stamp,
        parent,
    }
}

/// For whom the tokens to be refreshed act, if subject and client are still valid.
async fn subject_of(call: &Allowed, token: &StoredToken) -> Result<Subject, ApiError> {
    call.authenticator.subject_of(token, call.now()).await.map_err(|failure| {
        let has_ended = matches!(failure, AuthenticationFailure::RejectedToken(_));
        // The refusal is written to the audit log in both cases.
        let refused = call.authenticated.refuse_inner(failure, ClusterRequest::RefreshToken.action());
        if has_ended { RefreshRefusal::Invalidated.into() } else { refused }
    })
}

fn refuse_grant(call: &Allowed, failure: AuthenticationFailure) -> ApiError {
    call.authenticated.refuse_inner(failure, ClusterRequest::CreateToken.action())
}

impl Basis {
    /// For a user who was just authenticated by a credential that does not end.
    fn proven(authentication: &Authentication, call: &Allowed) -> Self {
        let runner = authentication.is_run_as().then(|| authentication.authenticating());
        Self {
            subject: token_subject(authentication.subject()),
            client: client(call),
            runner_stamp: runner.and_then(stamp),
            parent: None,
            ends: None,
        }
    }

    /// For the same user as the tokens that are exchanged.
    fn exchanged(old: &StoredToken) -> Self {
        let (subject, client) = (old.subject.clone(), old.client.clone());
        Self { subject, client, runner_stamp: old.runner_stamp, parent: None, ends: None }
    }
}

fn token_subject(subject: &Subject) -> TokenSubject {
    match subject {
        Subject::User(user) => TokenSubject {
            user: KeyOwner::from(&**user),
            roles: user.roles.clone(),
            api_key: None,
            stamp: stamp(subject),
        },
        Subject::ApiKey(key) => {
            let key = key.key();
            let RealmName { name: realm, realm_type } = RealmName::api_key();
            // The key is looked up whenever the token is used, and its owner with it.
            let user = KeyOwner {
                username: key.username.clone(),
                realm,
                realm_type: Some(realm_type),
                full_name: None,
                email: None,
                metadata: serde_json::Map::new(),
            };
            TokenSubject { user, roles: Vec::new(), api_key: Some(key.id.clone()), stamp: None }
        }
    }
}

/// The stamp of the user's password, where there is one.
fn stamp(subject: &Subject) -> Option<PasswordStamp> {
    match subject {
        Subject::ApiKey(_) => None,
        Subject::User(user) => user.password.as_ref().map(PasswordStamp::of),
    }
}

fn client(call: &Allowed) -> TokenClient {
    let actor = call.actor();
    TokenClient { username: actor.username, realm: actor.realm, api_key: actor.api_key }
}

impl From<RefreshRefusal> for ApiError {
    fn from(refusal: RefreshRefusal) -> Self {
        Self::oauth(OAuthError::InvalidGrant, refusal.to_string())
    }
}

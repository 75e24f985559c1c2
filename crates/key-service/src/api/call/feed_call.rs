//! Calls for the feed. They wait, and a caller whose key has ended may still get a last page.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts as _, Request};
use latchkey_edge_ledger::{FollowerRequest, Holder};
use latchkey_privileges::cluster_request::ClusterRequest;

use crate::api::call::authenticated::{Authenticated, Proven, Unproven};
use crate::api::call::work::teller;
use crate::api::call::{Allowed, Incoming, SharedService};
use crate::api::error::ApiError;
use crate::api::parameters::Parameters;
use crate::api::routing::NoBody;
use crate::audit::Actor;
use crate::feed::shared_page::SharedPage;
use crate::feed::{Feed, last_page};
use crate::security::api_key::EndedKey;
use crate::security::authorization::AuthorizationInfo;
use crate::settings::ServiceSettings;

/// A call for the feed, by its sender.
pub(in crate::api) enum FeedCall {
    /// The sender is authenticated.
    Living(Box<Incoming>),
    /// The sender holds a key that has ended.
    Ended(Box<FormerCaller>, Parameters),
}

/// An allowed call that waits. Thousands wait at a time, so it keeps nothing of its request that is not
/// needed afterwards.
pub(in crate::api) struct Waiting {
    proven: Proven,
    service: SharedService,
}

/// The holder of a key that has ended. There may be a last page for it; otherwise it is not authenticated.
pub(in crate::api) struct FormerCaller {
    key: EndedKey,
    unproven: Unproven,
    service: SharedService,
}

impl FromRequest<SharedService> for FeedCall {
    type Rejection = ApiError;

    async fn from_request(request: Request, service: &SharedService) -> Result<Self, ApiError> {
        // On the heap, because a handler that waits must not keep space for it in its future.
        Box::pin(async {
            let (mut parts, body) = request.into_parts();
            let unproven = match Authenticated::try_proving(&parts, &service.0).await? {
                Ok(authenticated) => {
                    let request = Request::from_parts(parts, body);
                    return Ok(Self::Living(Box::new(
                        Incoming::read(authenticated, request, service).await?,
                    )));
                }
                Err(unproven) => unproven,
            };
            let mut ended = None;
            if unproven.is_of_ended_key() {
                let now = service.0.clock.now();
                ended = service.0.authenticator.ended_key(&parts.headers, now).await?;
            }
            let Some(key) = ended else { return Err(unproven.refuse()) };
            let former = FormerCaller { key, unproven, service: service.clone() };
            let parameters = Parameters::from_request_parts(&mut parts, service).await?;
            NoBody::from_request(Request::from_parts(parts, body), service).await?;
            Ok(Self::Ended(Box::new(former), parameters))
        })
        .await
    }
}

impl Waiting {
    pub(in crate::api) fn of(call: Allowed) -> Self {
        Self { proven: call.authenticated.into_proven(), service: call.service }
    }

    pub(in crate::api) fn feed(&self) -> &Feed {
        &self.service.0.feed
    }

    /// For the audit log.
    pub(in crate::api) fn actor(&self) -> Actor {
        self.proven.actor()
    }

    /// 403 for this reason, which is written to the audit log.
    pub(in crate::api) fn forbid(&self, request: &ClusterRequest<'_>, reason: String) -> ApiError {
        self.proven.forbid(request, reason)
    }

    /// Checks after the wait whether the sender may still read the feed. If the sender's key has ended
    /// meanwhile, it is returned, because the awaited change may be the end of that key.
    ///
    /// # Errors
    ///
    /// As of a request that comes now.
    pub(in crate::api) async fn recheck(
        &self,
        request: &ClusterRequest<'_>,
    ) -> Result<Option<FormerCaller>, ApiError> {
        let Err(unproven) = self.proven.recheck(request, &self.service.0).await? else { return Ok(None) };
        let Some(key) = self.proven.key_ended_since(&self.service.0).await? else {
            return Err(unproven.refuse());
        };
        Ok(Some(FormerCaller { key, unproven, service: self.service.clone() }))
    }
}

impl FormerCaller {
    pub(in crate::api) fn holder(&self) -> Holder {
        let key = self.key.key();
        let (username, realm) = (key.username.clone(), key.realm.clone());
        Holder { key: Some(key.id.clone()), username, realm }
    }

    /// For the audit log.
    pub(in crate::api) fn actor(&self) -> Actor {
        self.unproven.actor(&self.key)
    }

    pub(in crate::api) fn settings(&self) -> &ServiceSettings {
        &self.service.0.settings
    }

    /// 401, as everywhere.
    pub(in crate::api) fn refuse(self) -> ApiError {
        self.unproven.refuse()
    }

    /// The changes up to the end of the key, if this edge followed the feed with it and the key could read
    /// the feed.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub(in crate::api) async fn last_page(
        &self,
        request: &FollowerRequest,
    ) -> Result<Option<Arc<SharedPage>>, ApiError> {
        let key = self.key.key();
        let authorization = &self.service.0.authorization;
        let teller = || teller(authorization.lane(), self.actor(), "/_latchkey/feed");
        let AuthorizationInfo { caller, permission, .. } = authorization.of_key(key, teller).await?;
        if !permission.allows(&ClusterRequest::ReadKeyFeed, &caller) {
            return Ok(None);
        }
        Ok(last_page::for_ended_key(&self.service.0.feed, request, key).await?)
    }
}

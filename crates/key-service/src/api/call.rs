//! A request on its way through a handler, as three types.
//!
//! A handler takes an [`Incoming`] call: it is known who asks, and the handler reads the URL and the body.
//! What is left is a [`Parsed`] call, which the handler checks as a whole. By authorizing it becomes an
//! [`Allowed`] call, and only that one has the store, the feed, the clock, randomness, and the actor for the
//! audit log. So a handler that forgets to authorize does not compile. The order of these steps is the order
//! in which a client sees errors, and Elasticsearch's.

pub(super) mod authenticated;
pub(super) mod feed_call;
pub(super) mod request_body;
mod work;

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use latchkey_budget::Budget;
use latchkey_elastic::ErrorCause;
use latchkey_elastic::content::{Node, missing_body};
use latchkey_key_feed::UnixMillis;
use latchkey_privileges::cluster_request::ClusterRequest;
use latchkey_privileges::privilege::KeyReach;
use serde::Serialize;

use crate::api::answer::text::AnswerText;
use crate::api::call::authenticated::Authenticated;
use crate::api::call::request_body::RequestBody;
use crate::api::call::work::{teller, work};
use crate::api::error::ApiError;
use crate::api::parameters::Parameters;
use crate::api::path_text::PathTexts;
use crate::api::routing::NoBody;
use crate::audit::Actor;
use crate::limits::work_limits::LONG_BODY_LEN;
use crate::security::api_key::VerifiedKey;
use crate::security::authorization::{AuthorizationInfo, WholeKey};
use crate::security::realm::User;
use crate::service::Service;
use crate::settings::ServiceSettings;

/// The service as the routes hold it: closed. An [`Allowed`] call opens it.
#[derive(Clone, Debug)]
pub(super) struct SharedService(Arc<Service>);

/// A request of somebody who is known, whose URL and body are to be read.
pub(super) struct Incoming<B = NoBody> {
    pub(super) authenticated: Authenticated,
    pub(super) path: PathTexts,
    pub(super) parameters: Parameters,
    body: B,
    service: SharedService,
}

/// A request whose URL and body were read. Whether the sender may is not decided, so there is no way from it
/// to the store or to the actor. An allowed call has both:
///
/// ```
/// use latchkey_key_service::{api::call::Allowed, service::Service};
///
/// fn deed(call: &Allowed) -> &Service {
///     call.actor();
///     call
/// }
/// ```
///
/// This one has no service:
///
/// ```compile_fail,E0308
/// use latchkey_key_service::{api::call::Parsed, service::Service};
///
/// fn deed(call: &Parsed) -> &Service {
///     call
/// }
/// ```
///
/// And no actor:
///
/// ```compile_fail,E0599
/// use latchkey_key_service::api::call::Parsed;
///
/// fn deed(call: &Parsed) {
///     call.actor();
/// }
/// ```
///
/// A route that reads nothing takes it as it is.
#[derive(Debug)]
pub struct Parsed {
    pub(super) authenticated: Authenticated,
    service: SharedService,
}

/// A request that its sender may make. It is the way to what the service holds.
#[derive(Debug)]
pub struct Allowed {
    pub(super) authenticated: Authenticated,
    service: SharedService,
}

impl SharedService {
    pub(super) fn new(service: Service) -> Self {
        Self(Arc::new(service))
    }

    /// What the service holds, for the routes that ask nobody who is asking: whether the service is ready,
    /// and what it has counted. Every other way leads through [`Parsed::authorize`].
    pub(super) fn open(&self) -> &Service {
        &self.0
    }
}

impl<B: FromRequest<SharedService, Rejection = ApiError>> FromRequest<SharedService> for Incoming<B> {
    type Rejection = ApiError;

    async fn from_request(request: Request, service: &SharedService) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let authenticated = Authenticated::of(&mut parts, service).await?;
        Self::read(authenticated, Request::from_parts(parts, body), service).await
    }
}

impl<B: FromRequest<SharedService, Rejection = ApiError>> Incoming<B> {
    async fn read(
        authenticated: Authenticated,
        request: Request,
        service: &SharedService,
    ) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let path = PathTexts::from_request_parts(&mut parts, service).await?;
        let parameters = Parameters::from_request_parts(&mut parts, service).await?;
        let body = B::from_request(Request::from_parts(parts, body), service).await?;
        Ok(Self { authenticated, path, parameters, body, service: service.clone() })
    }
}

impl<B> Incoming<B> {
    pub(super) fn settings(&self) -> &ServiceSettings {
        &self.service.0.settings
    }

    /// The call once all of it was read.
    ///
    /// # Errors
    ///
    /// As of [`Parameters::finish`].
    pub(super) fn parsed(self) -> Result<Parsed, ErrorCause> {
        self.parsed_by(Parameters::finish).map(|((), call)| call)
    }

    /// The same where `read` takes all parameters at once.
    ///
    /// # Errors
    ///
    /// Those of `read`.
    pub(super) fn parsed_by<T>(
        self,
        read: impl FnOnce(Parameters) -> Result<T, ErrorCause>,
    ) -> Result<(T, Parsed), ErrorCause> {
        let read = read(self.parameters)?;
        Ok((read, Parsed { authenticated: self.authenticated, service: self.service }))
    }
}

impl Incoming<RequestBody> {
    /// When the request was whole.
    pub(super) fn received(&self) -> UnixMillis {
        self.body.received
    }

    /// Takes what the parameter `source` holds, where there is no body.
    ///
    /// # Errors
    ///
    /// As of [`Parameters::body_or_source`].
    pub(super) fn allow_source(&mut self) -> Result<(), ErrorCause> {
        self.body.bytes = self.parameters.body_or_source(std::mem::take(&mut self.body.bytes))?;
        Ok(())
    }

    /// Reads the body: a long one off the threads that serve requests. `read` also looks for what is wrong
    /// with what it has read: that takes as long as the body is.
    ///
    /// # Errors
    ///
    /// As of [`Node::parse`], and those of `read`.
    pub(super) async fn read_body<T, F>(&mut self, read: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(Option<&Node>) -> Result<T, ErrorCause> + Send + 'static,
    {
        let body = std::mem::take(&mut self.body.bytes);
        let len = body.len();
        let read = move || Ok(read(Node::parse(&body)?.as_ref())?);
        if len < LONG_BODY_LEN {
            return read();
        }
        let service = &self.service.0;
        let reading = move |budget: &mut Budget| {
            budget.read(len)?;
            read()
        };
        work(service, &service.workshop.questions, &self.authenticated, reading).await
    }

    /// The same for a route that cannot do without a body.
    ///
    /// # Errors
    ///
    /// As of [`Self::read_body`], and when there is none.
    pub(super) async fn read_required_body<T, F>(&mut self, read: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&Node) -> Result<T, ErrorCause> + Send + 'static,
    {
        self.read_body(move |body| read(body.ok_or_else(missing_body)?)).await
    }
}

impl FromRequestParts<SharedService> for Parsed {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, service: &SharedService) -> Result<Self, ApiError> {
        Ok(Self { authenticated: Authenticated::of(parts, service).await?, service: service.clone() })
    }
}

impl Parsed {
    pub(super) fn settings(&self) -> &ServiceSettings {
        &self.service.0.settings
    }

    /// The call, if the sender may make it.
    ///
    /// # Errors
    ///
    /// 403 when not, or 401 for an anonymous caller who is asked who he is; the audit log then knows of it.
    pub(super) fn authorize(self, request: &ClusterRequest<'_>) -> Result<Allowed, ApiError> {
        self.authenticated.authorize(request)?;
        Ok(Allowed { authenticated: self.authenticated, service: self.service })
    }

    /// The same for a request that may reach more keys or fewer.
    ///
    /// # Errors
    ///
    /// As of [`Self::authorize`], when none.
    pub(super) fn authorize_reach(
        self,
        request: &ClusterRequest<'_>,
    ) -> Result<(Allowed, KeyReach), ApiError> {
        let reach = self.authenticated.authorized_reach(request)?;
        Ok((Allowed { authenticated: self.authenticated, service: self.service }, reach))
    }
}

impl Allowed {
    /// Who does what is done, for the audit log.
    #[must_use]
    pub fn actor(&self) -> Actor {
        self.authenticated.actor()
    }

    pub(super) fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    /// Whether the sender may do something besides.
    ///
    /// # Errors
    ///
    /// As of [`Parsed::authorize`].
    pub(super) fn authorize_too(&self, request: &ClusterRequest<'_>) -> Result<(), ApiError> {
        self.authenticated.authorize(request)
    }

    /// What a user may do, on the account of that user.
    ///
    /// # Errors
    ///
    /// When that is not known.
    pub(super) async fn authorization_of_user(
        &self,
        user: &Arc<User>,
    ) -> Result<AuthorizationInfo, ApiError> {
        let teller = || teller(self.authorization.lane(), self.actor(), self.authenticated.path());
        Ok(self.authorization.of_user(user, teller).await?)
    }

    /// All of a key, on the account of its owner.
    ///
    /// # Errors
    ///
    /// When it is not known.
    pub(super) async fn whole_key(&self, key: &VerifiedKey) -> Result<WholeKey, ApiError> {
        let teller = || teller(self.authorization.lane(), self.actor(), self.authenticated.path());
        Ok(self.authorization.whole_key(key.key(), teller).await?)
    }

    /// Looks through the store, off the threads that serve requests.
    ///
    /// # Errors
    ///
    /// Those of the work, and [`BudgetExceeded`](latchkey_budget::BudgetExceeded) when it is not done.
    pub(super) async fn search<T, F>(&self, search: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Budget) -> Result<T, ApiError> + Send + 'static,
    {
        work(self, &self.workshop.searches, &self.authenticated, search).await
    }

    /// Does any other work that may take long.
    ///
    /// # Errors
    ///
    /// As of [`Self::search`].
    pub(super) async fn question<T, F>(&self, question: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Budget) -> Result<T, ApiError> + Send + 'static,
    {
        work(self, &self.workshop.questions, &self.authenticated, question).await
    }

    /// Writes an answer of any length, off the threads that serve requests.
    ///
    /// # Errors
    ///
    /// [`BudgetExceeded`](latchkey_budget::BudgetExceeded) when it is not written.
    pub(super) async fn write_answer<T>(&self, status: StatusCode, answer: T) -> Result<Response, ApiError>
    where
        T: Serialize + Send + 'static,
    {
        let write = move |budget: &mut Budget| {
            let mut text = AnswerText::new(budget);
            text.push_json(&answer)?;
            Ok(text.finish())
        };
        Ok(self.question(write).await?.with_status(status))
    }
}

impl Deref for Allowed {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service.0
    }
}

//! A request on its way through a handler, as three types.
//!
//! A handler takes an [`Incoming`] call, whose sender is known, and reads its URL and body. The result is a
//! [`Parsed`] call, which the handler checks as a whole. By authorizing it becomes an [`Allowed`] call, and
//! only that one has the store, the feed, the clock, randomness, and the actor for the audit log. So a
//! handler that forgets to authorize does not compile. The order of these steps decides which of several
//! errors a client sees. It is Elasticsearch's order.

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

/// The service as the routes hold it. Only an [`Allowed`] call gives access to what is in it.
#[derive(Clone, Debug)]
pub(super) struct SharedService(Arc<Service>);

/// A request whose sender is known, and whose URL and body were not read yet.
pub(super) struct Incoming<B = NoBody> {
    pub(super) authenticated: Authenticated,
    pub(super) path: PathTexts,
    pub(super) parameters: Parameters,
    body: B,
    service: SharedService,
}

/// A request whose URL and body were read. It is not decided whether the sender may make it, so it gives no
/// access to the store or to the actor. An allowed call has both:
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
/// A route that reads neither URL nor body takes this type directly.
#[derive(Debug)]
pub struct Parsed {
    pub(super) authenticated: Authenticated,
    service: SharedService,
}

/// A request that its sender may make. It gives access to the service.
#[derive(Debug)]
pub struct Allowed {
    pub(super) authenticated: Authenticated,
    service: SharedService,
}

impl SharedService {
    pub(super) fn new(service: Service) -> Self {
        Self(Arc::new(service))
    }

    /// The service, for the two routes without authentication: readiness and metrics. All other routes use
    /// [`Parsed::authorize`].
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

    /// The call once all parameters were read.
    ///
    /// # Errors
    ///
    /// As of [`Parameters::finish`].
    pub(super) fn parsed(self) -> Result<Parsed, ErrorCause> {
        self.parsed_by(Parameters::finish).map(|((), call)| call)
    }

    /// The same if `read` takes all parameters at once.
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
    /// When the whole request had been received.
    pub(super) fn received(&self) -> UnixMillis {
        self.body.received
    }

    /// Takes the parameter `source` in place of a missing body.
    ///
    /// # Errors
    ///
    /// As of [`Parameters::body_or_source`].
    pub(super) fn allow_source(&mut self) -> Result<(), ErrorCause> {
        let body = std::mem::take(&mut self.body.bytes);
        (self.body.bytes, self.body.format) = self.parameters.body_or_source(body, self.body.format)?;
        Ok(())
    }

    /// Reads the body. A long body is read apart from the threads that serve requests. `read` also checks
    /// what it has read, because the time for that grows with the body.
    ///
    /// # Errors
    ///
    /// As of [`BodyFormat::read`](crate::api::body_format::BodyFormat::read), and those of `read`.
    pub(super) async fn read_body<T, F>(&mut self, read: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(Option<&Node>) -> Result<T, ErrorCause> + Send + 'static,
    {
        let body = std::mem::take(&mut self.body.bytes);
        let (len, format) = (body.len(), self.body.format);
        let read = move || Ok(read(format.read(&body)?.as_ref())?);
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

    /// The same for a route that needs a body.
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
    /// 403 if not, or 401 for an anonymous caller if the settings say so. The refusal is written to the audit
    /// log.
    pub(super) fn authorize(self, request: &ClusterRequest<'_>) -> Result<Allowed, ApiError> {
        self.authenticated.authorize(request)?;
        Ok(Allowed { authenticated: self.authenticated, service: self.service })
    }

    /// The same for a request whose reach depends on the caller's privileges.
    ///
    /// # Errors
    ///
    /// As of [`Self::authorize`], if the caller may reach no keys.
    pub(super) fn authorize_reach(
        self,
        request: &ClusterRequest<'_>,
    ) -> Result<(Allowed, KeyReach), ApiError> {
        let reach = self.authenticated.authorized_reach(request)?;
        Ok((Allowed { authenticated: self.authenticated, service: self.service }, reach))
    }
}

impl Allowed {
    /// The actor of the request, for the audit log.
    #[must_use]
    pub fn actor(&self) -> Actor {
        self.authenticated.actor()
    }

    pub(super) fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    /// Checks whether the sender may also do something else.
    ///
    /// # Errors
    ///
    /// As of [`Parsed::authorize`].
    pub(super) fn authorize_too(&self, request: &ClusterRequest<'_>) -> Result<(), ApiError> {
        self.authenticated.authorize(request)
    }

    /// What a user may do. The work is charged to that user.
    ///
    /// # Errors
    ///
    /// When the store does not answer, or the budget is exceeded.
    pub(super) async fn authorization_of_user(
        &self,
        user: &Arc<User>,
    ) -> Result<AuthorizationInfo, ApiError> {
        let teller = || teller(self.authorization.lane(), self.actor(), self.authenticated.path());
        Ok(self.authorization.of_user(user, teller).await?)
    }

    /// The whole key. The work is charged to its owner.
    ///
    /// # Errors
    ///
    /// When the store does not answer, or the budget is exceeded.
    pub(super) async fn whole_key(&self, key: &VerifiedKey) -> Result<WholeKey, ApiError> {
        let teller = || teller(self.authorization.lane(), self.actor(), self.authenticated.path());
        Ok(self.authorization.whole_key(key.key(), teller).await?)
    }

    /// Searches the store, apart from the threads that serve requests.
    ///
    /// # Errors
    ///
    /// Those of the work, and [`BudgetExceeded`](latchkey_budget::BudgetExceeded) if it exceeds its budget.
    pub(super) async fn search<T, F>(&self, search: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Budget) -> Result<T, ApiError> + Send + 'static,
    {
        work(self, &self.workshop.searches, &self.authenticated, search).await
    }

    /// Does other work that may take long.
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

    /// Writes an answer of any length, apart from the threads that serve requests.
    ///
    /// # Errors
    ///
    /// [`BudgetExceeded`](latchkey_budget::BudgetExceeded) if it exceeds its budget.
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

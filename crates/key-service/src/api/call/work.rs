//! The work of a request: it runs in a lane, is charged to the caller, and is logged if it costs much.

use latchkey_budget::{Budget, BudgetExceeded};
use latchkey_elastic::ErrorCause;

use crate::api::call::authenticated::Authenticated;
use crate::api::error::ApiError;
use crate::audit::{self, Actor, CostEvent};
use crate::lane::{Cost, Lane};
use crate::limits::work_limits::COSTLY_SHARE;
use crate::security::authorization::AuthorizationError;
use crate::service::Service;
use crate::telemetry;

/// Does a piece of work for a caller, apart from the threads that serve requests.
///
/// # Errors
///
/// Those of the work, and [`BudgetExceeded`] if it exceeds its budget.
pub(super) async fn work<T, F>(
    service: &Service,
    lane: &Lane,
    authenticated: &Authenticated,
    work: F,
) -> Result<T, ApiError>
where
    T: Send + 'static,
    F: FnOnce(&mut Budget) -> Result<T, ApiError> + Send + 'static,
{
    let tell = teller(lane, authenticated.actor(), authenticated.path());
    lane.run(&authenticated.principal(), &service.workshop.memory, work, tell).await
}

/// Counts what work in a lane has cost, and logs it with its caller if it is much.
pub(super) fn teller(lane: &Lane, actor: Actor, path: &str) -> impl FnOnce(&Cost) + Send + 'static + use<> {
    let (name, allowance, path) = (lane.name(), lane.allowance(), path.to_owned());
    move |cost: &Cost| {
        telemetry::work_metrics::work_ended(name, cost);
        let event = CostEvent { actor: &actor, path: &path, lane: name, cost };
        if cost.exceeded.is_some_and(|exceeded| exceeded != BudgetExceeded::Gone) {
            audit::record_work_limit(&event);
        } else if cost.steps >= allowance.steps / COSTLY_SHARE
            || cost.bytes as u64 >= allowance.bytes as u64 / COSTLY_SHARE
        {
            audit::log_cost(&event);
        }
    }
}

impl From<AuthorizationError> for ApiError {
    fn from(error: AuthorizationError) -> Self {
        match error {
            AuthorizationError::Store(error) => error.into(),
            AuthorizationError::BudgetExceeded(exceeded) => exceeded.into(),
        }
    }
}

impl From<BudgetExceeded> for ApiError {
    fn from(exceeded: BudgetExceeded) -> Self {
        ErrorCause::from(exceeded).into()
    }
}

//! Which edges follow the feed, what each has acknowledged, and until when each may admit by its table.
//!
//! | part | decides |
//! |------|---------|
//! | [`EdgeLedger`] | what is known of each instance, and which of them a change has yet to reach |
//! | [`FollowerRequest`] | what a request for the feed acknowledges, and whether its sender must load again |
//! | [`KeyEnd`] | how far an edge is served whose own key has ended |
//! | [`EdgeRow`] | what is durable of an instance, and what replicas tell each other |
//!
//! Invariants of this crate: it performs no IO, reads no clock and draws no random numbers. The key service
//! puts it behind a lock and a database; a simulation drives it as it is.

mod edge_id;
mod edge_row;
mod follower_request;
mod last_page;
mod ledger;
pub mod limits;
mod moment;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use edge_id::{EdgeId, Holder, InstanceId};
pub use edge_row::{EdgeRow, EdgeTime, GoneEdge, KnownEdges};
pub use follower_request::{FollowerRequest, PageStanding};
pub use last_page::KeyEnd;
pub use ledger::claim::ClaimRefusal;
pub use ledger::leaving::{Forgetting, Forgotten};
pub use ledger::listing::{EdgeCounts, EdgeStatus};
pub use ledger::missing::{MayAdmit, Missing, Waiting};
pub use ledger::{EdgeLedger, EdgeRequest, EdgeRules, EdgeState, LedgerUpdate};
pub use moment::Moment;

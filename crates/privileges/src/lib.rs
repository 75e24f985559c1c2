//! Authorization: whether a caller may do something.
//!
//! A [`RoleDescriptor`](role_descriptor::RoleDescriptor) grants [privileges](privilege), which are patterns
//! over actions. All roles of a caller together make an
//! [`EffectivePermission`](permission::EffectivePermission). It decides about a
//! [`ClusterRequest`](cluster_request::ClusterRequest) of a [`Caller`](caller::Caller), or about privileges
//! by name. [`Rights`](rights::Rights) are what it takes to make one for a key.
//!
//! All of it is pure and builds for WebAssembly, so that an edge can decide by the very code that decides in
//! the key service.

pub mod application_privilege;
pub mod caller;
pub mod cluster_request;
pub mod permission;
pub mod privilege;
pub mod rights;
pub mod role_descriptor;
mod strict_json;
pub mod vouching;

/// What one question of a test may cost.
#[cfg(test)]
const QUESTION_ALLOWANCE: latchkey_budget::Allowance =
    latchkey_budget::Allowance { steps: 32_000_000, bytes: 32 * 1024 * 1024 };

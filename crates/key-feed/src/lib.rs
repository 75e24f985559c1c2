//! The words that the key service and the filter share.
//!
//! A *key* is the whole record of an API key. Its *id* is public, its *secret* is shown once to the person
//! who made it, and what both sides keep is a salted *digest* of the secret. The *feed* is all keys in the
//! order of their latest change; a *cursor* says how far a follower has read it, an *epoch* which feed it is.
//!
//! Invariants of this crate: it performs no IO, reads no clock and draws no random numbers, so that it
//! behaves the same in the service, in the proxy and in a test.

pub mod credential;
mod edge_instance;
mod edge_name;
mod feed_page;
mod feed_request;
mod feed_version;
pub mod format_limits;
pub mod header_value;
mod kept_secrets;
mod key_id;
mod key_record;
mod millis;
mod opaque_key;
mod refusal_counts;
mod secret;
mod secret_form;
mod usage_report;

pub use edge_instance::{EdgeInstance, InvalidEdgeInstance};
pub use edge_name::{EdgeName, InvalidEdgeName};
pub use feed_page::{
    Cursor, Epoch, FeedApplication, FeedHead, FeedPage, FeedPageWithRights, FeedRow, InvalidEpoch,
    InvalidFeedPage, ListSize, Malformed, MetadataSize, RowOutOfOrder, RowProblem, RowSize, UnwritablePage,
    WireApplication, WireKey, WireObject, WirePart, WireRow, WireState, WireTexts, WrittenRows,
};
pub use feed_request::{
    AskingEdge, FeedParameters, FeedRequest, InvalidFeedRequest, QueryText, UnreadableParameter,
};
pub use feed_version::{FEED_VERSION_HEADER, FeedVersion};
pub use kept_secrets::{KeptSecrets, PreviousSecret, SecretUsed};
pub use key_id::{InvalidKeyId, KeyId};
pub use key_record::{KeyRecord, Owner, is_expired};
pub use millis::{MonotonicMillis, UnixMillis, whole_millis};
pub use opaque_key::{NotOpaque, OpaqueDigest, OpaqueKeyPepper, check_opaque};
pub use refusal_counts::{OTHER_REASON, REFUSAL_REASONS, RefusalCounts};
pub use secret::{InvalidSecretDigest, KeySecret, Salt, SecretDigest};
pub use secret_form::{MalformedSecret, SecretForm, SecretPrefix, of_token, token_of, token_parts};
pub use usage_report::{InvalidUsageReport, KeyUses, ToldOfEdge, UsageReport, UsageReportFull, usage_path};

//! The types that all other modules use: keys, users, tokens and edges, apart from how they are stored and
//! requested.

pub mod asked_via;
pub(crate) mod entry_counts;
pub(crate) mod filter_version;
pub mod key_usage;
pub(crate) mod moment;
pub mod password;
pub(crate) mod password_stamp;
pub(crate) mod precondition;
pub mod realm_name;
pub(crate) mod source;
pub mod stored_key;
pub(crate) mod stored_token;
pub(crate) mod stored_user;
pub(crate) mod token;

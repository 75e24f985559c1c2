//! The types that all other modules use: keys, users, tokens and edges, apart from how they are stored and
//! requested.

pub mod edge_id;
pub mod entry_counts;
pub mod footing;
pub mod password;
pub mod password_stamp;
pub mod realm_name;
pub mod source;
pub mod stored_key;
pub mod stored_token;
pub mod stored_user;
pub mod token;

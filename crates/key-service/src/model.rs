//! What all rooms speak of: keys, users, tokens and edges as they are, without where they are kept or who asks.

pub mod edge_id;
pub mod edge_name;
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

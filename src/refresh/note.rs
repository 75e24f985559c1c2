//! What the follower has to tell an operator.

use std::fmt;

use latchkey_key_feed::InvalidFeedPage;

use crate::table::{Generation, SetAside};

/// Something an operator may want to know.
#[derive(Debug)]
pub enum Note {
    /// Changes were applied to the live table.
    Applied {
        /// How many.
        rows: usize,
    },
    /// This VM follows the feed from now on.
    BeganFollowing,
    /// The service says that the credential of the feed has ended (`true`), or accepts it again (`false`). It
    /// is noted when that changes, not with every answer.
    CredentialEnded(bool),
    /// A request for the feed did not bring a page.
    Failed(PollFailure),
    /// A generation is whole and live.
    Loaded {
        /// Its number.
        generation: Generation,
        /// How many keys it holds.
        keys: u64,
    },
    /// A load from the beginning was begun.
    LoadBegan(LoadReason),
    /// A table was loaded of a service that does not tell what keys may do, and rules ask for it.
    RightsMissing,
    /// Rows came that no record can hold. Their keys are refused.
    SetAside(SetAside),
    /// This VM no longer follows the feed.
    StoppedFollowing,
    /// An answer came that nobody waits for; it was dropped.
    UnexpectedAnswer,
}

/// Why a table is loaded from the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadReason {
    /// Too many sets of rights may be of no use any more.
    Littered,
    /// There is no table yet.
    NoTable,
    /// The table has many more keys than it was laid out for.
    Outgrown,
    /// The service said that the cursor is useless, or is another feed now.
    Reset,
    /// Something else wrote into the table.
    Unreadable,
}

/// Why a request for the feed did not bring a page.
#[derive(Debug)]
pub enum PollFailure {
    /// The answer is not a page of the feed.
    Invalid(InvalidFeedPage),
    /// The feed became another one in the middle of a load.
    LoadInterrupted,
    /// The call ended without a whole answer.
    Lost,
    /// No answer came in time.
    NoAnswer,
    /// The host would not make the call: the cluster is unknown, not ready, or full.
    NotSent,
    /// A replica answered that is of an older version than the one from which the table was read.
    OlderReplica,
    /// The service, or the proxy in its place, answered with another status than 200.
    Refused {
        /// The HTTP status.
        status: u16,
        /// Whether the service itself answered.
        is_of_service: bool,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Applied { rows } => write!(f, "applied {rows} changes"),
            Self::BeganFollowing => f.write_str("this VM follows the feed from now on"),
            Self::CredentialEnded(true) => f.write_str(
                "the key with which this edge reads the feed has ended (invalidated or expired): all changes up to its end are applied, no later \
                 ones will come, and the table grows old until the edge is given another key",
            ),
            Self::CredentialEnded(false) => f.write_str("the key with which this edge reads the feed is taken again"),
            Self::Failed(failure) => failure.fmt(f),
            Self::Loaded { generation, keys } => {
                write!(f, "the table is loaded: generation {}, {keys} keys", generation.0)
            }
            Self::LoadBegan(reason) => write!(f, "the table is loaded from the beginning: {reason}"),
            Self::RightsMissing => f.write_str(
                "the key service is older than this filter and does not tell what keys may do: requests get 503 \
                 whose rule asks for it, until the service is updated",
            ),
            Self::SetAside(SetAside { count, ids }) => {
                let more = if *count > ids.len() { ", ..." } else { "" };
                write!(
                    f,
                    "set aside {count} rows that a record cannot hold; requests with these keys get 503: "
                )?;
                for (place, id) in ids.iter().enumerate() {
                    let comma = if place == 0 { "" } else { ", " };
                    write!(f, "{comma}{id}")?;
                }
                f.write_str(more)
            }
            Self::StoppedFollowing => f.write_str("this VM no longer follows the feed"),
            Self::UnexpectedAnswer => f.write_str("dropped an answer that nobody waits for"),
        }
    }
}

impl fmt::Display for LoadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Littered => "it holds many sets of rights that no key may have any more",
            Self::NoTable => "there is none yet",
            Self::Outgrown => "it holds many more keys than it was laid out for",
            Self::Reset => "the service began anew, or has forgotten removals since the last answer",
            Self::Unreadable => "something else wrote into shared data",
        })
    }
}

impl fmt::Display for PollFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(invalid) => invalid.fmt(f),
            Self::LoadInterrupted => f.write_str("it became another one during a load"),
            Self::Lost => f.write_str("the call ended without a whole answer"),
            Self::NoAnswer => f.write_str("no answer came in time"),
            Self::NotSent => {
                f.write_str("the host would not send the request: is the cluster known and ready?")
            }
            Self::OlderReplica => f.write_str(
                "a replica of the key service answered that is older than the one from which the table was read: is the service being upgraded?",
            ),
            Self::Refused { status: 401, .. } => f.write_str(
                "the key service refuses this proxy's own key (401): it is revoked, expired or unknown, see \"The edge's own key\" in docs/operations.md",
            ),
            Self::Refused { status: 403, .. } => f.write_str(
                "the key service refuses this proxy's own key (403): it lacks read_key_feed, or another owner's key has the name of this edge",
            ),
            Self::Refused { status, is_of_service: true } => {
                write!(f, "the key service answers with status {status}")
            }
            Self::Refused { status: 503, .. } => f.write_str("nothing answers there (503 of a proxy): does the key service run, and is its address right?"),
            Self::Refused { status: 504, .. } => f.write_str("nothing answers there in time (504 of a proxy)"),
            Self::Refused { status, .. } => {
                write!(f, "what answers there is no key service (status {status})")
            }
        }
    }
}

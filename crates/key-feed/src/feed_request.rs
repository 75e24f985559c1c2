//! One request for the feed, as a follower writes it and the service reads it.
//!
//! ```text
//! ?after=184467&limit=1000&wait=20000ms&edge=gateway-1&instance=0123…&refuse_after=60000ms&epoch=…&purged=7
//! ```
//!
//! Every field may be left out: an older filter knows no instance, and whoever only reads the feed is no
//! edge. An older service refuses a field that it does not know.

use std::fmt::{self, Write as _};
use std::time::Duration;

use crate::header_value::push_percent_encoded;
use crate::{
    Cursor, EdgeInstance, EdgeName, Epoch, InvalidEdgeInstance, InvalidEdgeName, InvalidEpoch, whole_millis,
};

mod query_text;

pub use query_text::{QueryText, UnreadableParameter};

/// What a follower asks for, and what it acknowledges by asking.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedRequest {
    /// How far it has read.
    pub after: Cursor,
    /// Most rows of the answer.
    pub limit: Option<u64>,
    /// How long the answer may be held back while there is no change.
    pub wait: Option<Duration>,
    /// Which edge asks, if an edge does.
    pub edge: Option<AskingEdge>,
    /// Which feed `after` was read from.
    pub epoch: Option<Epoch>,
    /// While it loads from the beginning: what the service had forgotten when the load began.
    pub purged: Option<Cursor>,
    /// Whether nothing of this edge admits any more.
    pub is_leaving: bool,
}

/// Who asks for the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskingEdge {
    /// Name by which the operator knows the edge.
    pub name: EdgeName,
    /// The identity under which its table acknowledges.
    pub instance: Option<EdgeInstance>,
    /// For how long it may admit after an answer, whatever becomes of it.
    pub refuse_after: Option<Duration>,
}

/// The parameters of a request, by name. Each side of the service reads numbers and durations in its own way.
pub trait FeedParameters {
    /// Why a value is not what it should be.
    type Error;

    /// A text as it was given.
    fn text(&mut self, name: &'static str) -> Option<String>;

    /// A whole number that is not negative.
    ///
    /// # Errors
    ///
    /// When it is none.
    fn whole_number(&mut self, name: &'static str) -> Result<Option<u64>, Self::Error>;

    /// A duration, as `1500ms`.
    ///
    /// # Errors
    ///
    /// When it is none.
    fn duration(&mut self, name: &'static str) -> Result<Option<Duration>, Self::Error>;

    /// `true` or `false`; `false` when it is not given.
    ///
    /// # Errors
    ///
    /// When it is neither.
    fn switch(&mut self, name: &'static str) -> Result<bool, Self::Error>;
}

/// Why parameters are no request for the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidFeedRequest<E> {
    /// The name of the edge is none.
    Edge(InvalidEdgeName),
    /// The epoch is none.
    Epoch(InvalidEpoch),
    /// The instance is none.
    Instance(InvalidEdgeInstance),
    /// A parameter means nothing without another one.
    Needs {
        /// The parameter.
        parameter: &'static str,
        /// The missing one.
        needed: &'static str,
    },
    /// A value cannot be read.
    Unreadable(E),
}

const AFTER: &str = "after";
const LIMIT: &str = "limit";
const WAIT: &str = "wait";
const EDGE: &str = "edge";
const INSTANCE: &str = "instance";
const REFUSE_AFTER: &str = "refuse_after";
const EPOCH: &str = "epoch";
const PURGED: &str = "purged";
const LEAVING: &str = "leaving";

impl FeedRequest {
    /// Appends the query of the request, with its question mark.
    pub fn push_query(&self, path: &mut String) {
        let mut query = QueryWriter::new(path);
        query.number(AFTER, self.after.0, "");
        if let Some(limit) = self.limit {
            query.number(LIMIT, limit, "");
        }
        query.duration(WAIT, self.wait);
        if let Some(edge) = &self.edge {
            query.text(EDGE, edge.name.as_str());
            if let Some(instance) = &edge.instance {
                query.text(INSTANCE, instance.as_str());
            }
            query.duration(REFUSE_AFTER, edge.refuse_after);
        }
        if let Some(epoch) = &self.epoch {
            query.text(EPOCH, epoch.as_str());
        }
        if let Some(purged) = self.purged {
            query.number(PURGED, purged.0, "");
        }
        if self.is_leaving {
            query.text(LEAVING, "true");
        }
    }

    /// Reads a request. How much of something is too much is for the service to say.
    ///
    /// # Errors
    ///
    /// [`InvalidFeedRequest`].
    pub fn read<P: FeedParameters>(parameters: &mut P) -> Result<Self, InvalidFeedRequest<P::Error>> {
        let unreadable = InvalidFeedRequest::Unreadable;
        let request = Self {
            after: Cursor(parameters.whole_number(AFTER).map_err(unreadable)?.unwrap_or(0)),
            epoch: parameters
                .text(EPOCH)
                .map(Epoch::try_from)
                .transpose()
                .map_err(InvalidFeedRequest::Epoch)?,
            purged: parameters.whole_number(PURGED).map_err(unreadable)?.map(Cursor),
            limit: parameters.whole_number(LIMIT).map_err(unreadable)?,
            wait: parameters.duration(WAIT).map_err(unreadable)?,
            edge: AskingEdge::read(parameters)?,
            is_leaving: parameters.switch(LEAVING).map_err(unreadable)?,
        };
        let needed = match &request.edge {
            None => Some(EDGE),
            // A filter without an instance has only a name, which can be guessed. Anybody could say goodbye
            // in its place.
            Some(edge) if edge.instance.is_none() => Some(INSTANCE),
            Some(_) => None,
        };
        match needed {
            Some(needed) if request.is_leaving => {
                Err(InvalidFeedRequest::Needs { parameter: LEAVING, needed })
            }
            _ => Ok(request),
        }
    }
}

impl AskingEdge {
    fn read<P: FeedParameters>(parameters: &mut P) -> Result<Option<Self>, InvalidFeedRequest<P::Error>> {
        let name = parameters.text(EDGE).map(EdgeName::try_from).transpose();
        let name = name.map_err(InvalidFeedRequest::Edge)?;
        let instance = parameters.text(INSTANCE).map(EdgeInstance::try_from).transpose();
        let instance = instance.map_err(InvalidFeedRequest::Instance)?;
        let refuse_after = parameters.duration(REFUSE_AFTER).map_err(InvalidFeedRequest::Unreadable)?;
        match name {
            Some(name) => Ok(Some(Self { name, instance, refuse_after })),
            None if instance.is_some() => {
                Err(InvalidFeedRequest::Needs { parameter: INSTANCE, needed: EDGE })
            }
            None if refuse_after.is_some() => {
                Err(InvalidFeedRequest::Needs { parameter: REFUSE_AFTER, needed: EDGE })
            }
            None => Ok(None),
        }
    }
}

/// Appends parameters to a path.
pub(crate) struct QueryWriter<'p> {
    path: &'p mut String,
    /// What comes before the next one.
    separator: char,
}

impl<'p> QueryWriter<'p> {
    /// For a path without a query.
    pub(crate) fn new(path: &'p mut String) -> Self {
        Self { path, separator: '?' }
    }

    fn begin(&mut self, name: &str) {
        self.path.push(self.separator);
        self.separator = '&';
        self.path.push_str(name);
        self.path.push('=');
    }

    fn number(&mut self, name: &str, number: u64, unit: &str) {
        self.begin(name);
        // Writing to a String cannot fail.
        let _ = write!(self.path, "{number}");
        self.path.push_str(unit);
    }

    fn duration(&mut self, name: &str, duration: Option<Duration>) {
        if let Some(duration) = duration {
            self.number(name, whole_millis(duration), "ms");
        }
    }

    /// A text with everything but the unreserved characters of RFC 3986, section 2.3, percent-encoded.
    pub(crate) fn text(&mut self, name: &str, text: &str) {
        self.begin(name);
        for byte in text.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
                self.path.push(char::from(byte));
            } else {
                push_percent_encoded(self.path, byte);
            }
        }
    }
}

impl<E: fmt::Display> fmt::Display for InvalidFeedRequest<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edge(problem) => write!(f, "[{EDGE}]: {problem}"),
            Self::Epoch(problem) => write!(f, "[{EPOCH}]: {problem}"),
            Self::Instance(problem) => write!(f, "[{INSTANCE}]: {problem}"),
            Self::Needs { parameter, needed } => write!(f, "[{parameter}] needs an [{needed}]"),
            Self::Unreadable(problem) => problem.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for InvalidFeedRequest<E> {}

#[cfg(test)]
mod tests;

//! What a fake host is asked for.

use crate::refresh::CallId;

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named as the call is")]
pub enum HostCall {
    AddHeader,
    AddToCounter,
    AnswerBody,
    AnswerHeaders,
    DeclareTextState,
    DefineMetric,
    Gauge,
    Headers,
    Monotonic,
    NodeId,
    ReadShared,
    RemoveHeader,
    RemoveTrailer,
    Reply,
    Resume,
    RouteMetadata,
    Send,
    SetFilterState,
    SetGauge,
    SetHeader,
    SetTickPeriod,
    Stamp,
    SwapShared,
    Trailers,
    VmId,
    Wall,
    WithHeld,
}

/// A request that was sent.
#[derive(Clone, Debug)]
pub struct SentCall {
    /// Its number.
    pub call: CallId,
    /// The cluster.
    pub cluster: String,
    /// All headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl SentCall {
    /// Its path and query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.headers.iter().find(|(name, _)| name == ":path").map_or("", |(_, value)| value)
    }
}

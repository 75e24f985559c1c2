//! What the rules of the filter need of a proxy.
//!
//! A [`Host`] is what one plugin of one VM can ask for at any time; a [`HostRequest`] is the request that a
//! callback brings, or that was held and is looked at again. Both are translation and nothing else: whatever
//! is decided is decided by [`crate::filter`].
//!
//! Every call that can fail returns a value. What a host can lend is lent: headers and the body of an answer
//! are read where they are, and the borrow ends before anything is changed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::HostClocks;
use crate::headers::Headers;
use crate::metrics;
use crate::refresh::{CallId, FeedSink};
use crate::reply::Reply;
use crate::table::{KeyTable, SharedEntries, SharedNames};
use crate::usage::UsageCounter;

/// The host would not do what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostFailed;

/// The host's number for a request, which no other request of the VM has while it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u32);

/// The host's number for a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetricId(pub u32);

/// How urgent a line of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// For the record.
    Info,
    /// An operator may have to do something soon.
    Warn,
    /// Something does not work.
    Error,
}

/// A request to send.
#[derive(Clone, Copy, Debug)]
pub struct HttpCall<'a> {
    /// The proxy's name of the cluster.
    pub cluster: &'a str,
    /// All headers, those of HTTP/2 included.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body; empty is none.
    pub body: &'a [u8],
    /// When the host gives the call up.
    pub timeout: Duration,
}

/// The proxy, as one plugin of one VM sees it. Clones are the same plugin.
pub trait Host: HostClocks + HostMetrics + SharedEntries + Clone {
    /// The request that is looked at.
    type Request: HostRequest;

    /// The keys, as requests need them.
    type Table: KeyTable;

    /// The same table, as the feed is applied to it.
    type Sink: FeedSink;

    /// The table with those names.
    fn table(&self, names: &SharedNames) -> Self::Table;

    /// The table with those names, to apply the feed to it.
    fn sink(&self, names: &SharedNames) -> Self::Sink;

    /// Looks at a request that was held.
    ///
    /// # Errors
    ///
    /// [`HostFailed`] when the host knows the request no more; nothing was done then.
    fn with_held<T>(
        &self,
        request: RequestId,
        look: impl FnOnce(&mut Self::Request) -> T,
    ) -> Result<T, HostFailed>;

    /// The content of a file of at most [`CREDENTIAL_FILE_LEN_MAX`](crate::limits::CREDENTIAL_FILE_LEN_MAX) bytes. A host without a file system has none.
    ///
    /// # Errors
    ///
    /// [`HostFailed`] when it cannot be read, or is longer.
    fn read_file(&self, _path: &str) -> Result<Vec<u8>, HostFailed> {
        Err(HostFailed)
    }

    /// What counts the uses of keys on this thread.
    fn usage_counter(&self) -> Arc<UsageCounter> {
        Arc::default()
    }

    /// Shows what has counted, on this thread and on all that never tick.
    fn collect_usage(&self, own: &UsageCounter, collect: &mut dyn FnMut(&UsageCounter)) {
        collect(own);
    }

    /// Sends a request. What becomes of it is told to the plugin with the number of the call.
    ///
    /// # Errors
    ///
    /// [`HostFailed`] when the cluster is unknown to this thread, has no healthy host, or has too many calls
    /// already.
    fn send(&self, call: &HttpCall<'_>) -> Result<CallId, HostFailed>;

    /// Asks for a tick every so often.
    ///
    /// # Errors
    ///
    /// [`HostFailed`] when the period is as before.
    fn set_tick_period(&self, period: Duration) -> Result<(), HostFailed>;

    /// Lets the filter state of this name be a text to whoever reads it.
    ///
    /// # Errors
    ///
    /// [`HostFailed`] when the host cannot, or was told before.
    fn declare_text_state(&self, name: &str) -> Result<(), HostFailed>;

    /// A random number. A host that has none tells one that differs between VMs and moments.
    fn random(&self) -> u64;

    /// The id of the proxy's node. Empty when it has none.
    ///
    /// # Errors
    ///
    /// [`HostFailed`] when the host does not tell.
    fn node_id(&self) -> Result<Vec<u8>, HostFailed>;

    /// The name of the namespace of shared data, as the operator gave it.
    ///
    /// # Errors
    ///
    /// [`HostFailed`] when the host does not tell.
    fn vm_id(&self) -> Result<Vec<u8>, HostFailed>;

    /// Writes a line to the proxy's log.
    fn log(&self, level: LogLevel, message: fmt::Arguments<'_>);
}

/// Numbers that the proxy shows. Counters are the process's, whichever VM counts; a gauge shows the last
/// value any VM set.
pub trait HostMetrics {
    /// Whether requests that pass are counted in the plugin, and told to the host by its ticks: where a call
    /// of the host is a noticeable part of what a request costs, and every plugin ticks.
    const COUNTS_BY_TICK: bool = false;

    /// A number that only grows.
    ///
    /// # Errors
    ///
    /// [`HostFailed`] when the host would not define it.
    fn define_counter(&self, name: &str) -> Result<MetricId, HostFailed>;

    /// The same of one kind of thing, by its labels. Where the host knows no labels, they are part of the
    /// name.
    ///
    /// # Errors
    ///
    /// [`HostFailed`] when the host would not define it.
    fn define_labelled_counter(&self, name: &str, labels: &[(&str, &str)]) -> Result<MetricId, HostFailed> {
        self.define_counter(&metrics::with_labels(name, labels))
    }

    /// A number that comes and goes.
    ///
    /// # Errors
    ///
    /// [`HostFailed`] when the host would not define it.
    fn define_gauge(&self, name: &str) -> Result<MetricId, HostFailed>;

    /// The same with labels. Where the host knows none, they are part of the name.
    ///
    /// # Errors
    ///
    /// [`HostFailed`] when the host would not define it.
    fn define_labelled_gauge(&self, name: &str, labels: &[(&str, &str)]) -> Result<MetricId, HostFailed> {
        self.define_gauge(&metrics::with_labels(name, labels))
    }

    /// The value of a gauge.
    ///
    /// # Errors
    ///
    /// [`HostFailed`] when the host does not tell; some tell of none.
    fn gauge(&self, _gauge: MetricId) -> Result<u64, HostFailed> {
        Err(HostFailed)
    }

    /// Adds to a counter. `count` is not 0: Envoy refuses to add nothing.
    ///
    /// # Errors
    ///
    /// [`HostFailed`] when the host would not.
    fn add_to_counter(&self, counter: MetricId, count: u64) -> Result<(), HostFailed>;

    /// Sets a gauge.
    ///
    /// # Errors
    ///
    /// [`HostFailed`] when the host would not.
    fn set_gauge(&self, gauge: MetricId, value: u64) -> Result<(), HostFailed>;
}

/// One request. A reply and a resumption take effect after the callback in which they were asked for.
pub trait HostRequest {
    /// Headers or trailers, lent or handed over.
    type Headers<'a>: Headers
    where
        Self: 'a;

    /// Whether the route stays the one that was chosen by what the client sent, whatever is edited. Envoy's
    /// host of Wasm chooses again after every edit.
    const KEEPS_ROUTE: bool = false;

    /// Lets the route be chosen again, by the headers as they are now.
    fn rechoose_route(&mut self) {}

    /// All headers of the request.
    ///
    /// # Errors
    ///
    /// [`HostFailed`] when the host does not tell.
    fn headers(&self) -> Result<Self::Headers<'_>, HostFailed>;

    /// All trailers of the request.
    ///
    /// # Errors
    ///
    /// [`HostFailed`] when the host does not tell.
    fn trailers(&self) -> Result<Self::Headers<'_>, HostFailed>;

    /// The metadata of the route that was chosen for the request, as `envoy.config.core.v3.Metadata` in the
    /// wire format of Protocol Buffers.
    ///
    /// # Errors
    ///
    /// [`HostFailed`] when there is no route, or the host does not tell.
    fn route_metadata(&self) -> Result<Vec<u8>, HostFailed>;

    /// Lets this be the only header of that name, in any case.
    ///
    /// # Errors
    ///
    /// [`HostFailed`] when the host would not.
    fn set_header(&mut self, name: &str, value: &[u8]) -> Result<(), HostFailed>;

    /// Adds a header beside all others, of whatever name.
    ///
    /// # Errors
    ///
    /// [`HostFailed`] when the host would not.
    fn add_header(&mut self, name: &str, value: &[u8]) -> Result<(), HostFailed>;

    /// Removes all headers of that name, in any case. That there was none is no failure.
    ///
    /// # Errors
    ///
    /// [`HostFailed`] when the host would not.
    fn remove_header(&mut self, name: &[u8]) -> Result<(), HostFailed>;

    /// Removes all trailers of that name, in any case. That there was none is no failure.
    ///
    /// # Errors
    ///
    /// [`HostFailed`] when the host would not.
    fn remove_trailer(&mut self, name: &[u8]) -> Result<(), HostFailed>;

    /// Tells the rest of the proxy, under this name.
    ///
    /// # Errors
    ///
    /// [`HostFailed`] when the host would not.
    fn set_filter_state(&mut self, name: &str, value: &str) -> Result<(), HostFailed>;

    /// Ends the request with this reply.
    ///
    /// # Errors
    ///
    /// [`HostFailed`] when the host would not send it.
    fn reply(&mut self, reply: Reply) -> Result<(), HostFailed>;

    /// Lets a request move on that was held.
    ///
    /// # Errors
    ///
    /// [`HostFailed`] when the host would not.
    fn resume(&mut self) -> Result<(), HostFailed>;
}

/// What a call brought.
pub trait HostAnswer {
    /// Headers, lent or handed over.
    type Headers<'a>: Headers
    where
        Self: 'a;

    /// A body, lent or handed over.
    type Body<'a>: AsRef<[u8]>
    where
        Self: 'a;

    /// The headers of the answer.
    ///
    /// # Errors
    ///
    /// [`HostFailed`] when there are none: the call was reset, ran out of time after its headers, or had a
    /// body beyond the host's limit.
    fn headers(&self) -> Result<Self::Headers<'_>, HostFailed>;

    /// The body of the answer.
    ///
    /// # Errors
    ///
    /// [`HostFailed`] when the host does not tell.
    fn body(&self) -> Result<Self::Body<'_>, HostFailed>;
}

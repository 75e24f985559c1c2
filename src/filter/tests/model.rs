//! A plugin on a fake host, with a key service that answers when it is told to.

use std::collections::BTreeMap;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_key_feed::{Cursor, Epoch, FeedPage, FeedRow};
use serde_json::{Value, json};

use crate::filter::{Flow, RequestFilter, Root, Vm};
use crate::host::RequestId;
use crate::limits::TICK_MS;
use crate::table::sample_keys::{key, live};
use crate::testing::{FakeAnswer, FakeClocks, FakeHost, FakeSharedData, RequestState};

/// One VM with one plugin.
pub(super) struct Edge {
    pub(super) host: FakeHost,
    pub(super) root: Root<FakeHost>,
    pub(super) requests: BTreeMap<RequestId, RequestFilter<FakeHost>>,
}

/// Name and value of a header.
pub(super) type Header = (&'static str, &'static str);

/// What clients send to be taken for somebody else: in the names of the filter, and in names that an upstream
/// may take for them.
pub(super) const FORGED: [Header; 4] = [
    ("x-api-key-id", "forged"),
    ("x-api-key-owner", "forged"),
    ("x_api_key_id", "forged"),
    ("X.API.KEY.ROLES", "forged"),
];

/// The least configuration.
pub(super) fn least() -> Value {
    json!({"key_service": {"cluster": "keys", "credential": {"inline": "aWQ6c2VjcmV0"}}, "start_up_wait": "10s"})
}

/// The least configuration with another value of one field.
pub(super) fn with(field: &str, value: Value) -> Value {
    let mut config = least();
    config[field] = value;
    config
}

impl Edge {
    /// A plugin that has been configured, and has not ticked.
    pub(super) fn new(config: &Value) -> Self {
        Self::beside(config, FakeSharedData::default(), FakeClocks::new(), Rc::new(Vm::new()))
    }

    /// The same in that process and VM.
    pub(super) fn beside(
        config: &Value,
        shared: FakeSharedData,
        clocks: FakeClocks,
        vm: Rc<Vm<FakeHost>>,
    ) -> Self {
        let host = FakeHost::new(shared, clocks);
        let mut root = Root::new(host.clone(), vm);
        assert!(root.configure(config.to_string().as_bytes(), |_| None), "the configuration is refused");
        Self { host, root, requests: BTreeMap::new() }
    }

    /// A plugin whose table holds the key `good`.
    pub(super) fn loaded(config: &Value) -> Self {
        let mut edge = Self::new(config);
        edge.tick();
        edge.answer(&[live(1, key("good"))], 1);
        edge.tick();
        edge
    }

    /// Time passes until the next tick.
    pub(super) fn tick(&mut self) {
        self.host.clocks().pass(TICK_MS);
        self.root.tick();
    }

    /// The key service answers the last request for the feed.
    pub(super) fn answer(&mut self, rows: &[FeedRow], total: u64) {
        let page = FeedPage {
            epoch: Epoch::try_from("epoch".to_owned()).unwrap(),
            cursor: rows.last().map_or(Cursor(1), FeedRow::seq),
            purged: Cursor(0),
            total,
            more: false,
            reset: false,
            ended: false,
            keys: rows.to_vec(),
        };
        self.answer_with(200, page.to_json().unwrap());
    }

    pub(super) fn answer_with(&mut self, status: u16, body: Vec<u8>) {
        let sent = self.host.sent().into_iter().rfind(|call| call.body.is_empty());
        let sent = sent.expect("the feed was asked for").call;
        self.root.answered(sent, &FakeAnswer::new(&self.host, status, body));
    }

    /// A request comes with these headers, and gets as far as it gets.
    pub(super) fn request(&mut self, id: u32, headers: &[(&str, &str)]) -> Flow {
        self.request_with(id, RequestState::with_headers(headers))
    }

    /// The same of a request in that state.
    pub(super) fn request_with(&mut self, id: u32, state: RequestState) -> Flow {
        let id = RequestId(id);
        let mut request = self.host.come(id, state);
        let mut filter = self.root.request(id);
        let flow = filter.headers(&mut request);
        self.requests.insert(id, filter);
        flow
    }

    /// A request comes with the key `good`.
    pub(super) fn good_request(&mut self, id: u32) -> Flow {
        let authorization = authorization("good", "secret of good");
        self.request(id, &[(":path", "/"), ("authorization", &authorization)])
    }

    /// Its client has gone.
    pub(super) fn end(&mut self, id: u32) {
        self.host.end(RequestId(id));
        self.requests.remove(&RequestId(id));
    }

    /// A part of its body arrives.
    pub(super) fn body(&self, id: u32) -> Flow {
        self.requests[&RequestId(id)].body()
    }

    /// Its trailers arrive.
    pub(super) fn trailers(&self, id: u32, trailers: &[(&str, &str)]) -> Flow {
        let id = RequestId(id);
        let mut state = self.host.state(id);
        state.trailers = RequestState::with_headers(trailers).headers;
        let mut request = self.host.come(id, state);
        self.requests[&id].trailers(&mut request)
    }

    pub(super) fn state(&self, id: u32) -> RequestState {
        self.host.state(RequestId(id))
    }

    /// The status and the details of the reply to a request.
    pub(super) fn reply(&self, id: u32) -> Option<(u32, String)> {
        self.state(id).reply.map(|reply| (reply.status, reply.details))
    }

    pub(super) fn resumed(&self) -> Vec<u32> {
        self.host.resumed().into_iter().map(|id| id.0).collect()
    }
}

pub(super) fn authorization(id: &str, secret: &str) -> String {
    format!("ApiKey {}", STANDARD.encode(format!("{id}:{secret}")))
}

//! A request of the fake host, and an answer of a service.

use std::cell::Ref;

use super::fake_call::HostCall;
use super::fake_host::FakeHost;
use crate::headers::Headers;
use crate::host::{HostAnswer, HostFailed, HostRequest, RequestId};
use crate::reply::Reply;

/// What the host has of a request.
#[derive(Clone, Debug, Default)]
pub struct RequestState {
    /// Its headers, as the upstream would get them now.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// Its trailers, as the upstream would get them now.
    pub trailers: Vec<(Vec<u8>, Vec<u8>)>,
    /// The metadata of its route, if it has one.
    pub route_metadata: Option<Vec<u8>>,
    /// What the rest of the proxy was told, in order.
    pub filter_state: Vec<(String, String)>,
    /// What it was answered with.
    pub reply: Option<Reply>,
    /// How often it was resumed.
    pub resumed: usize,
}

/// A request as the filter gets it.
pub struct FakeRequest {
    pub(super) host: FakeHost,
    pub(super) id: RequestId,
}

/// Headers that the host lends. Nothing can be changed before they are given back.
pub struct LentHeaders<'a>(Ref<'a, [(Vec<u8>, Vec<u8>)]>);

/// What a call brought.
pub struct FakeAnswer {
    host: FakeHost,
    /// `None` when the call ended without an answer.
    status: Option<String>,
    body: Vec<u8>,
}

impl RequestState {
    /// A request with these headers.
    #[must_use]
    pub fn with_headers(headers: &[(&str, &str)]) -> Self {
        Self { headers: owned(headers), ..Self::default() }
    }

    /// The values of all headers of that name.
    #[must_use]
    pub fn values(&self, name: &str) -> Vec<String> {
        let named = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name.as_bytes()));
        named.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
    }
}

impl Headers for LentHeaders<'_> {
    fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))
    }
}

impl FakeRequest {
    fn change(&self, call: HostCall, change: impl FnOnce(&mut RequestState)) -> Result<(), HostFailed> {
        self.host.call(call)?;
        self.host.change_request(self.id, change)
    }

    fn lend(
        &self,
        call: HostCall,
        which: impl FnOnce(&RequestState) -> &[(Vec<u8>, Vec<u8>)],
    ) -> Result<LentHeaders<'_>, HostFailed> {
        self.host.call(call)?;
        let state = self.host.request_ref(self.id).ok_or(HostFailed)?;
        Ok(LentHeaders(Ref::map(state, which)))
    }
}

impl HostRequest for FakeRequest {
    type Headers<'a> = LentHeaders<'a>;

    fn headers(&self) -> Result<LentHeaders<'_>, HostFailed> {
        self.lend(HostCall::Headers, |state| &state.headers)
    }

    fn trailers(&self) -> Result<LentHeaders<'_>, HostFailed> {
        self.lend(HostCall::Trailers, |state| &state.trailers)
    }

    fn route_metadata(&self) -> Result<Vec<u8>, HostFailed> {
        self.host.call(HostCall::RouteMetadata)?;
        let state = self.host.request_ref(self.id).ok_or(HostFailed)?;
        state.route_metadata.clone().ok_or(HostFailed)
    }

    fn set_header(&mut self, name: &str, value: &[u8]) -> Result<(), HostFailed> {
        self.change(HostCall::SetHeader, |state| {
            remove(&mut state.headers, name.as_bytes());
            state.headers.push((name.as_bytes().to_vec(), value.to_vec()));
        })
    }

    fn add_header(&mut self, name: &str, value: &[u8]) -> Result<(), HostFailed> {
        self.change(HostCall::AddHeader, |state| {
            state.headers.push((name.as_bytes().to_vec(), value.to_vec()));
        })
    }

    fn remove_header(&mut self, name: &[u8]) -> Result<(), HostFailed> {
        self.change(HostCall::RemoveHeader, |state| remove(&mut state.headers, name))
    }

    fn remove_trailer(&mut self, name: &[u8]) -> Result<(), HostFailed> {
        self.change(HostCall::RemoveTrailer, |state| remove(&mut state.trailers, name))
    }

    fn set_filter_state(&mut self, name: &str, value: &str) -> Result<(), HostFailed> {
        self.change(HostCall::SetFilterState, |state| {
            state.filter_state.push((name.to_owned(), value.to_owned()));
        })
    }

    fn reply(&mut self, reply: Reply) -> Result<(), HostFailed> {
        self.change(HostCall::Reply, |state| state.reply = Some(reply))
    }

    fn resume(&mut self) -> Result<(), HostFailed> {
        self.change(HostCall::Resume, |state| state.resumed += 1)?;
        self.host.note_resumed(self.id);
        Ok(())
    }
}

impl FakeAnswer {
    /// An answer with that status.
    #[must_use]
    pub fn new(host: &FakeHost, status: u16, body: Vec<u8>) -> Self {
        Self { host: host.clone(), status: Some(status.to_string()), body }
    }

    /// A call that ended without an answer.
    #[must_use]
    pub fn lost(host: &FakeHost) -> Self {
        Self { host: host.clone(), status: None, body: Vec::new() }
    }
}

/// The headers of an answer: its status.
pub struct Status<'a>(&'a str);

impl Headers for Status<'_> {
    fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        [(&b":status"[..], self.0.as_bytes())].into_iter()
    }
}

impl HostAnswer for FakeAnswer {
    type Headers<'a> = Status<'a>;
    type Body<'a> = &'a [u8];

    fn headers(&self) -> Result<Status<'_>, HostFailed> {
        self.host.call(HostCall::AnswerHeaders)?;
        self.status.as_deref().map(Status).ok_or(HostFailed)
    }

    fn body(&self) -> Result<&[u8], HostFailed> {
        self.host.call(HostCall::AnswerBody)?;
        Ok(&self.body)
    }
}

fn owned(headers: &[(&str, &str)]) -> Vec<(Vec<u8>, Vec<u8>)> {
    headers.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}

fn remove(headers: &mut Vec<(Vec<u8>, Vec<u8>)>, name: &[u8]) {
    headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
}

//! The messages of `envoy.service.auth.v3` as far as they are needed, and what they are answered with.

use std::collections::HashMap;

use prost::Message;

use crate::key_set::{self, Credential, KeySet};

/// gRPC's number for a request without valid credentials.
const UNAUTHENTICATED: i32 = 16;

/// A flag for compression and the length, before every message (gRPC over HTTP/2).
const GRPC_PREFIX_LEN: usize = 5;

/// Who is known, by the value of `Authorization`.
pub(super) struct KnownKeys(HashMap<String, u32>);

#[derive(Clone, PartialEq, Message)]
struct CheckRequest {
    #[prost(message, optional, tag = "1")]
    attributes: Option<Attributes>,
}

#[derive(Clone, PartialEq, Message)]
struct Attributes {
    #[prost(message, optional, tag = "4")]
    request: Option<AttributesRequest>,
}

#[derive(Clone, PartialEq, Message)]
struct AttributesRequest {
    #[prost(message, optional, tag = "2")]
    http: Option<HttpRequest>,
}

#[derive(Clone, PartialEq, Message)]
struct HttpRequest {
    #[prost(map = "string, string", tag = "3")]
    headers: HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
struct CheckResponse {
    #[prost(message, optional, tag = "1")]
    status: Option<Status>,
    #[prost(message, optional, tag = "3")]
    ok_response: Option<OkResponse>,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct OkResponse {
    #[prost(message, repeated, tag = "2")]
    headers: Vec<HeaderOption>,
    #[prost(string, repeated, tag = "5")]
    headers_to_remove: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
struct HeaderOption {
    #[prost(message, optional, tag = "1")]
    header: Option<Header>,
}

#[derive(Clone, PartialEq, Message)]
struct Header {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

impl KnownKeys {
    pub(super) fn new(keys: KeySet) -> Self {
        Self((0..keys.count).map(|number| (Credential::Valid.authorization(number), number)).collect())
    }

    /// The identity headers of whoever shows this.
    pub(super) fn identity(&self, authorization: &str) -> Option<[(&'static str, String); 6]> {
        self.0.get(authorization).map(|number| key_set::identity(*number))
    }

    /// The answer to a check by gRPC, both with their prefix; `None` for what is no check.
    pub(super) fn check(&self, body: &[u8]) -> Option<Vec<u8>> {
        let request = CheckRequest::decode(body.get(GRPC_PREFIX_LEN..)?).ok()?;
        let headers = request.attributes?.request?.http?.headers;
        let identity = headers.get("authorization").and_then(|authorization| self.identity(authorization));
        let code = if identity.is_some() { 0 } else { UNAUTHENTICATED };
        let ok_response = identity.map(|identity| OkResponse {
            headers: identity.map(|(key, value)| option(key, value)).into(),
            headers_to_remove: vec!["authorization".to_owned()],
        });
        let message = CheckResponse { status: Some(Status { code }), ok_response }.encode_to_vec();
        let length = u32::try_from(message.len()).ok()?;
        let mut framed = vec![0];
        framed.extend(length.to_be_bytes());
        framed.extend(message);
        Some(framed)
    }
}

fn option(key: &str, value: String) -> HeaderOption {
    HeaderOption { header: Some(Header { key: key.to_owned(), value }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(authorization: &str) -> CheckResponse {
        let headers = HashMap::from([("authorization".to_owned(), authorization.to_owned())]);
        let request = CheckRequest {
            attributes: Some(Attributes {
                request: Some(AttributesRequest { http: Some(HttpRequest { headers }) }),
            }),
        };
        let mut body = vec![0; GRPC_PREFIX_LEN];
        body.extend(request.encode_to_vec());
        let answer = KnownKeys::new(KeySet { count: 2 }).check(&body).unwrap();
        assert_eq!(answer[..GRPC_PREFIX_LEN], [0, 0, 0, 0, (answer.len() - GRPC_PREFIX_LEN) as u8]);
        CheckResponse::decode(&answer[GRPC_PREFIX_LEN..]).unwrap()
    }

    #[test]
    fn a_known_key_is_told_with_its_identity() {
        let answer = checked(&Credential::Valid.authorization(1));
        assert_eq!(answer.status.unwrap().code, 0);
        let headers = answer.ok_response.unwrap().headers;
        let names: Vec<_> = headers.into_iter().map(|option| option.header.unwrap().key).collect();
        assert_eq!(names, key_set::identity(1).map(|(name, _)| name));
    }

    #[test]
    fn anyone_else_is_refused() {
        for authorization in [Credential::Valid.authorization(2), Credential::WrongSecret.authorization(1)] {
            let answer = checked(&authorization);
            assert_eq!((answer.status.unwrap().code, answer.ok_response), (UNAUTHENTICATED, None));
        }
        assert!(KnownKeys::new(KeySet { count: 1 }).check(b"no").is_none());
    }
}

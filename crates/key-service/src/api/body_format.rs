//! The formats of a request's body: JSON, and what Elasticsearch's clients may send in its place.

pub(crate) mod cbor;
pub(crate) mod yaml;

use latchkey_elastic::ErrorCause;
use latchkey_elastic::content::Node;

/// A format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum BodyFormat {
    /// RFC 8949.
    Cbor,
    /// RFC 8259, with comments.
    #[default]
    Json,
    /// YAML 1.2, without anchors, aliases and tags.
    Yaml,
}

impl BodyFormat {
    /// Reads a body; without bytes there is none.
    ///
    /// # Errors
    ///
    /// `x_content_parse_exception` for what is not acceptable.
    pub(crate) fn read(self, body: &[u8]) -> Result<Option<Node>, ErrorCause> {
        match self {
            _ if body.is_empty() => Ok(None),
            Self::Cbor => cbor::read(body).map(Some),
            Self::Json => Node::parse(body),
            Self::Yaml => yaml::read(body).map(Some),
        }
    }
}

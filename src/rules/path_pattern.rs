//! A path that a rule matches, in the notation of Envoy's URI templates.
//!
//! `/healthz` is that path, `*` stands for one segment, `{name}` for one segment that a requirement may use,
//! and `/**` at the end for the path before it and everything below it, as a `PathPrefix` of the Gateway API
//! does. Literal segments are compared decoded, so an operator who means a brace or an asterisk encodes it.

use std::fmt;

use super::request_line::{RequestPath, decode};
use crate::limits::{RULE_PATH_LEN_MAX, RULE_PATH_SEGMENTS_MAX};

/// A path, or many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    pub(super) segments: Vec<Segment>,
    /// Whether it also matches everything below.
    pub(super) and_below: bool,
}

/// What one segment may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    /// This text, decoded.
    Literal(String),
    /// Anything.
    Any,
    /// Anything, and it has that name.
    Named(String),
}

/// Why a text is no pattern of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidPathPattern {
    /// No request could have such a path, because it is ambiguous.
    Ambiguous,
    /// `*` or a brace is a part of a segment.
    OperatorInSegment,
    /// What stands in braces is no name.
    BadName,
    /// A name is used twice.
    NameTwice,
    /// It ends in a slash.
    SlashAtEnd,
    /// It does not begin with a slash.
    SlashMissing,
    /// It is longer than [`RULE_PATH_LEN_MAX`] bytes or [`RULE_PATH_SEGMENTS_MAX`] segments.
    TooLong,
    /// `**` is not the last segment.
    RestNotLast,
}

impl PathPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// [`InvalidPathPattern`] when it is none.
    pub fn parse(text: &str) -> Result<Self, InvalidPathPattern> {
        if text.len() > RULE_PATH_LEN_MAX {
            return Err(InvalidPathPattern::TooLong);
        }
        let rest = text.strip_prefix('/').ok_or(InvalidPathPattern::SlashMissing)?;
        let mut pattern = Self { segments: Vec::new(), and_below: false };
        if rest.is_empty() {
            return Ok(pattern);
        }
        if rest.ends_with('/') {
            return Err(InvalidPathPattern::SlashAtEnd);
        }
        for segment in rest.split('/') {
            if pattern.and_below {
                return Err(InvalidPathPattern::RestNotLast);
            }
            match segment {
                "**" => pattern.and_below = true,
                _ => pattern.segments.push(pattern.segment(segment)?),
            }
        }
        if pattern.segments.len() > RULE_PATH_SEGMENTS_MAX {
            return Err(InvalidPathPattern::TooLong);
        }
        Ok(pattern)
    }

    fn segment(&self, text: &str) -> Result<Segment, InvalidPathPattern> {
        if text == "*" {
            return Ok(Segment::Any);
        }
        if let Some(name) = text.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            if !is_name(name) {
                return Err(InvalidPathPattern::BadName);
            }
            return if self.names().any(|other| other == name) {
                Err(InvalidPathPattern::NameTwice)
            } else {
                Ok(Segment::Named(name.to_owned()))
            };
        }
        if text.contains(['*', '{', '}']) {
            return Err(InvalidPathPattern::OperatorInSegment);
        }
        if text.contains(['?', '#']) {
            return Err(InvalidPathPattern::Ambiguous);
        }
        let decoded = decode(text).ok_or(InvalidPathPattern::Ambiguous)?;
        Ok(Segment::Literal(decoded.into_owned()))
    }

    /// The names in it.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Named(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Whether it matches this path.
    #[must_use]
    pub fn matches(&self, path: &RequestPath<'_>) -> bool {
        let is_long_enough = if self.and_below {
            path.segments.len() >= self.segments.len()
        } else {
            path.segments.len() == self.segments.len() && !path.has_more
        };
        is_long_enough && self.segments.iter().zip(&path.segments).all(|(segment, text)| segment.takes(text))
    }

    /// How many of its first segments are literal.
    pub(super) fn literals(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().map_while(|segment| match segment {
            Segment::Literal(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// Whether every path that the other one matches is matched by this one.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let is_long_enough = if self.and_below {
            other.segments.len() >= self.segments.len()
        } else {
            other.segments.len() == self.segments.len() && !other.and_below
        };
        is_long_enough
            && self.segments.iter().zip(&other.segments).all(|(this, that)| match (this, that) {
                (Segment::Literal(this), Segment::Literal(that)) => this == that,
                (Segment::Literal(_), _) => false,
                (Segment::Any | Segment::Named(_), _) => true,
            })
    }
}

impl Segment {
    fn takes(&self, text: &str) -> bool {
        match self {
            Self::Literal(literal) => literal == text,
            Self::Any | Self::Named(_) => true,
        }
    }
}

impl fmt::Display for InvalidPathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ambiguous => {
                "could match no request: it holds what is refused in every path, such as an empty segment, a dot segment, \
                 a semicolon, a query or a percent sign that begins no escape"
            }
            Self::OperatorInSegment => {
                "holds * or a brace beside other characters; they stand for whole segments (%2A, %7B and %7D are the characters)"
            }
            Self::BadName => {
                "has braces around something else than a name of letters, digits and _ that begins with no digit"
            }
            Self::NameTwice => "uses a name twice",
            Self::SlashAtEnd => "ends in a slash, which makes no difference: leave it out",
            Self::SlashMissing => "does not begin with a slash",
            Self::TooLong => {
                return write!(
                    f,
                    "is longer than {RULE_PATH_LEN_MAX} bytes or {RULE_PATH_SEGMENTS_MAX} segments"
                );
            }
            Self::RestNotLast => "has ** before its end",
        })
    }
}

/// A name as Envoy's URI templates have it: a letter or underscore, then letters, digits and underscores.
fn is_name(text: &str) -> bool {
    let is_first = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
    text.as_bytes().first().is_some_and(is_first)
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

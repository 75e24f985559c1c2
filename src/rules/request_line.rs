//! The request line in one spelling: method, host and path.
//!
//! A path is cut at its query, split at its slashes, and each segment is percent-decoded by itself. A slash
//! at the end makes no difference. What could be read in another way by somebody behind the gate is refused,
//! so that no spelling leads around a rule:
//!
//! | in the path | because |
//! |-------------|---------|
//! | `//`, `/./`, `/../`, the same at the end | proxies and file systems merge and resolve them |
//! | `%2e`, `%2F`, `%5C`, `\` | decoded before the path is split, they make other segments |
//! | `;`, `%3B` | servlet containers cut what follows off the segment |
//! | `%25` before two hexadecimal digits, encoded or not | decoded twice it is another character |
//! | a percent sign that begins no escape | readers disagree |
//! | control characters and spaces, encoded controls, bytes that are not UTF-8 | readers disagree |
//! | `#` | what follows is no part of a request |
//!
//! `%3F`, `%23` and `%20` are characters of their segment like any other, and so are a dot and a space at its
//! end.
//!
//! `CONNECT` and `OPTIONS *` have no path: no rule for paths matches them.

use std::borrow::Cow;

use super::Ambiguous;
use super::host_pattern::normalized;
use crate::headers::Headers;
use crate::limits::RULE_PATH_SEGMENTS_MAX;

/// Method, host and path of a request.
#[derive(Clone, Debug)]
pub struct RequestLine<'a> {
    /// Its method, as it is.
    pub method: &'a [u8],
    /// Its host, in lower case, without port and the dot at its end; `None` when no rule asks.
    pub host: Option<Cow<'a, str>>,
    /// Its path; `None` when it has none, or when no rule asks.
    pub path: Option<RequestPath<'a>>,
    /// Whether it is a CORS preflight.
    pub is_preflight: bool,
}

/// The path of a request: its segments, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestPath<'a> {
    /// As many as a pattern can name.
    pub(super) segments: Vec<Cow<'a, str>>,
    /// Whether more follow.
    pub(super) has_more: bool,
}

/// The headers that make a request a CORS preflight (Fetch, section 3.2.2).
const ORIGIN: &[u8] = b"origin";
const REQUEST_METHOD: &[u8] = b"access-control-request-method";

impl<'a> RequestLine<'a> {
    /// Reads it in one pass over the headers. Host and path are read only where a rule asks for them.
    ///
    /// # Errors
    ///
    /// [`Ambiguous`] when what a rule asks for can be read in several ways.
    pub fn read(headers: &'a impl Headers, has_hosts: bool, has_paths: bool) -> Result<Self, Ambiguous> {
        let (mut method, mut authority, mut path) = (&b""[..], None, None);
        let (mut has_origin, mut has_method) = (false, false);
        for (name, value) in headers.iter() {
            match name {
                b":method" => method = value,
                b":authority" => authority = Some(value),
                b":path" => path = Some(value),
                _ if name.eq_ignore_ascii_case(ORIGIN) => has_origin |= !value.is_empty(),
                _ if name.eq_ignore_ascii_case(REQUEST_METHOD) => has_method |= !value.is_empty(),
                _ => {}
            }
        }
        let host = if has_hosts { Some(normalized(authority.ok_or(Ambiguous::Host)?)?) } else { None };
        let path = if has_paths { read_path(method, path)? } else { None };
        let is_preflight = method == b"OPTIONS" && has_origin && has_method;
        Ok(Self { method, host, path, is_preflight })
    }
}

/// The path of a request with that method and `:path`, if it has one.
fn read_path<'a>(method: &[u8], path: Option<&'a [u8]>) -> Result<Option<RequestPath<'a>>, Ambiguous> {
    match path {
        None if method == b"CONNECT" => Ok(None),
        None => Err(Ambiguous::Path),
        Some(b"*") if method == b"OPTIONS" => Ok(None),
        Some(path) => RequestPath::parse(path).map(Some),
    }
}

impl<'a> RequestPath<'a> {
    /// Reads a `:path`.
    ///
    /// # Errors
    ///
    /// [`Ambiguous::Path`] when it can be read in several ways.
    pub fn parse(path: &'a [u8]) -> Result<Self, Ambiguous> {
        let text = str::from_utf8(path).map_err(|_| Ambiguous::Path)?;
        if text.contains('#') {
            return Err(Ambiguous::Path);
        }
        let path = text.split_once('?').map_or(text, |(path, _)| path);
        let rest = path.strip_prefix('/').ok_or(Ambiguous::Path)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let mut segments = Vec::new();
        let mut has_more = false;
        // Nothing but slashes is the root only where it is one slash.
        for segment in rest.split('/').filter(|_| path != "/") {
            let segment = decode(segment).ok_or(Ambiguous::Path)?;
            if segments.len() < RULE_PATH_SEGMENTS_MAX {
                segments.push(segment);
            } else {
                has_more = true;
            }
        }
        Ok(Self { segments, has_more })
    }
}

/// A segment without its escapes; `None` when it can be read in several ways.
pub(super) fn decode(segment: &str) -> Option<Cow<'_, str>> {
    if matches!(segment, "" | "." | "..") || segment.chars().any(is_refused_bare) {
        return None;
    }
    if !segment.contains('%') {
        return Some(Cow::Borrowed(segment));
    }
    let mut decoded = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            decoded.push(*first);
            continue;
        }
        let (byte, after) = escape(after)?;
        if matches!(byte, b'.' | b'/' | b'\\' | b';') {
            return None;
        }
        decoded.push(byte);
        rest = after;
    }
    if holds_escape(&decoded) {
        return None;
    }
    let decoded = String::from_utf8(decoded).ok()?;
    (!decoded.chars().any(char::is_control)).then_some(Cow::Owned(decoded))
}

/// Whether it would be decoded again, whichever of its characters were encoded.
fn holds_escape(decoded: &[u8]) -> bool {
    decoded.split(|byte| *byte == b'%').skip(1).any(|after| escape(after).is_some())
}

/// The byte of the two hexadecimal digits at the beginning, and what follows them.
fn escape(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let [high, low, rest @ ..] = bytes else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let byte = digit(high)? * 16 + digit(low)?;
    Some((u8::try_from(byte).ok()?, rest))
}

fn is_refused_bare(character: char) -> bool {
    character.is_control() || matches!(character, ' ' | '\\' | ';')
}

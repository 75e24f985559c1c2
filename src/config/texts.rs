//! Which texts a field of the configuration takes.

/// What can stand in a body and in a header alike: a gRPC client gets it as `grpc-message`.
pub(super) fn is_printable(text: &str) -> bool {
    !text.contains(char::is_control)
}

/// What can stand between quotes in a header (RFC 9110, section 5.6.4) as it is.
pub(super) fn is_quotable(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~') && !b"\"\\".contains(&byte))
}

pub(super) fn is_visible(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The characters of `host [ ":" port ]` (RFC 3986, section 3.2.2), an IPv6 address in brackets included.
/// Envoy clusters are often named with underscores, which resolvers accept too.
pub(super) fn is_authority(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:[]".contains(&byte))
}

/// A path without query and fragment, which the follower adds.
pub(super) fn is_path(text: &str) -> bool {
    text.starts_with('/') && is_visible(text) && !text.contains(['?', '#'])
}

/// POSIX (section 8.1) wants letters, digits and underscores; anything but `=` works.
pub(super) fn is_variable(text: &str) -> bool {
    is_visible(text) && !text.contains('=')
}

/// What needs no encoding in a query (RFC 3986, section 2.3), and the colon, which needs none there either.
pub(super) fn is_edge(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte))
}

/// A path from the root: what a relative one is relative to is Envoy's working directory, which few know.
pub(super) fn is_file(text: &str) -> bool {
    text.starts_with('/') && !text.ends_with('/') && !text.contains(char::is_control)
}

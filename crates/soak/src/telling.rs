//! What a person reads.

use std::io::{self, Write as _};

/// Tells a line. Nothing can be done when nobody listens.
pub(crate) fn tell(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "soak: {line}");
    let _ = out.flush();
}

//! JSON from a file, or from stdin.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use serde_json::{Map, Value};

use crate::cli::CommandFailed;
use crate::limits::REQUEST_BODY_LEN_MAX;

/// The object in this file; a file of the name `-` is what is left of stdin.
pub(super) fn object(path: &Path) -> Result<Map<String, Value>, CommandFailed> {
    let text = read(path).map_err(|error| CommandFailed::io("read", path, &error))?;
    match serde_json::from_str(&text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(CommandFailed::new(format!("{} is no JSON object", path.display()))),
        Err(error) => Err(CommandFailed::new(format!("{} is no JSON: {error}", path.display()))),
    }
}

/// No more than the service would take.
fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let len_max = REQUEST_BODY_LEN_MAX as u64;
    if path == Path::new("-") {
        io::stdin().lock().take(len_max).read_to_string(&mut text)?;
    } else {
        File::open(path)?.take(len_max).read_to_string(&mut text)?;
    }
    Ok(text)
}

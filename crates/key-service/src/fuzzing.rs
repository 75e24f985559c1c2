//! What fuzz targets call, and nobody else: readers of bytes that others chose, which are private.

use latchkey_elastic::ErrorCause;
use latchkey_elastic::content::Node;

use crate::api;
use crate::api::body_format::BodyFormat;
use crate::export_file::{ExportReader, ExportWriter, Header};
use crate::limits::work_limits;

/// Bytes of memory that are taken for each byte of a long body.
pub const BODY_HELD_PER_BYTE: usize = work_limits::BODY_HELD_PER_BYTE;

/// Reads a body as each route does that has a reader of its own.
#[must_use]
pub fn read_by_every_route(body: &Node) -> Vec<Result<(), ErrorCause>> {
    api::body_readers::read_by_every_route(body)
}

/// Reads a body in each of the formats besides JSON.
pub fn read_other_formats(body: &[u8]) -> [Result<Option<Node>, ErrorCause>; 2] {
    [BodyFormat::Cbor, BodyFormat::Yaml].map(|format| format.read(body))
}

/// The file that has the entries of an export.
///
/// # Errors
///
/// What is said of a file that is none.
pub fn export_again(file: &[u8]) -> Result<Vec<u8>, String> {
    let (header, entries) = ExportReader::begin(file).map_err(|invalid| invalid.to_string())?;
    let mut written = Vec::new();
    let header = Header::new(header.epoch, header.at);
    let mut writer = ExportWriter::begin(&mut written, &header).map_err(|error| error.to_string())?;
    for entry in entries {
        writer.write(entry.map_err(|invalid| invalid.to_string())?).map_err(|error| error.to_string())?;
    }
    writer.end().map_err(|error| error.to_string())?;
    Ok(written)
}

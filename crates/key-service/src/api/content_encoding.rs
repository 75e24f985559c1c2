//! Bodies that come compressed, as Elasticsearch's clients send them when they are told to (`http_compress`,
//! `compression`). All limits of a body are of what is decoded: see `call/request_body.rs`.

use std::io;

use async_compression::tokio::bufread::{GzipDecoder, ZlibDecoder};
use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_ENCODING;
use futures_util::TryStreamExt as _;
use tokio_util::io::{ReaderStream, StreamReader};

use super::error::ApiError;
use super::media_type::has_body;

/// An encoding that is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Deflate,
    Gzip,
}

/// The request with its body decoded as it is read.
///
/// # Errors
///
/// 415 for an encoding that is not known, and for a body that is encoded twice.
pub(super) fn decoded(request: Request) -> Result<Request, ApiError> {
    if !has_body(&request) {
        return Ok(request);
    }
    let encoding =
        encoding(request.headers()).map_err(|shown| ApiError::content_encoding_unsupported(&shown))?;
    let Some(encoding) = encoding else { return Ok(request) };
    Ok(request.map(|body| {
        let bytes = StreamReader::new(body.into_data_stream().map_err(io::Error::other));
        match encoding {
            // The format of that name has the header of zlib (RFC 9110, section 8.4.1.2).
            Encoding::Deflate => Body::from_stream(ReaderStream::new(ZlibDecoder::new(bytes))),
            Encoding::Gzip => Body::from_stream(ReaderStream::new(GzipDecoder::new(bytes))),
        }
    }))
}

/// The encoding of a body; `None` for a plain one. The error is what the header says.
fn encoding(headers: &HeaderMap) -> Result<Option<Encoding>, String> {
    let lines: Vec<_> = headers.get_all(CONTENT_ENCODING).iter().collect();
    let shown = lines.iter().map(|line| String::from_utf8_lossy(line.as_bytes()));
    let shown = shown.collect::<Vec<_>>().join(", ");
    match shown.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(None),
        // RFC 9110, section 8.4.1.3: the old name is the same.
        "gzip" | "x-gzip" => Ok(Some(Encoding::Gzip)),
        "deflate" => Ok(Some(Encoding::Deflate)),
        _ => Err(shown),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn knows_two_encodings_and_takes_each_once() {
        for (lines, expected) in [
            (&[][..], Ok(None)),
            (&["identity"], Ok(None)),
            (&["gzip"], Ok(Some(Encoding::Gzip))),
            (&["X-GZIP"], Ok(Some(Encoding::Gzip))),
            (&["Deflate "], Ok(Some(Encoding::Deflate))),
            (&["br"], Err("br")),
            (&["gzip, gzip"], Err("gzip, gzip")),
            (&["gzip", "deflate"], Err("gzip, deflate")),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(CONTENT_ENCODING, HeaderValue::from_static(line));
            }
            assert_eq!(encoding(&headers), expected.map_err(str::to_owned), "{lines:?}");
        }
    }
}

//! The stylesheet, the script and the icon. Their addresses have a digest of what they say, so a browser keeps them for
//! ever and has new ones as soon as there are any.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};

/// Name, media type and text of each.
const ASSETS: [(&str, &str, &str); 3] = [
    ("console.css", "text/css; charset=utf-8", include_str!("../assets/console.css")),
    ("console.js", "text/javascript; charset=utf-8", include_str!("../assets/console.js")),
    ("icon.svg", "image/svg+xml", include_str!("../assets/icon.svg")),
];

/// How long a browser keeps an asset, whose address is another one when it changes.
pub(crate) const KEPT_FOR_EVER: &str = "public, max-age=31536000, immutable";

static DIGEST: LazyLock<String> = LazyLock::new(|| {
    let mut digest = Sha256::new();
    for (name, _, text) in ASSETS {
        digest.update(name);
        digest.update(text);
    }
    let bytes: [u8; 32] = digest.finalize().into();
    bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
});

/// What the addresses of all assets have in them.
pub(crate) fn digest() -> &'static str {
    &DIGEST
}

pub(crate) async fn show(Path((digest, name)): Path<(String, String)>) -> Response {
    let asset = ASSETS.iter().find(|(other, ..)| *other == name).filter(|_| digest == self::digest());
    let Some((_, media_type, text)) = asset else { return StatusCode::NOT_FOUND.into_response() };
    let headers = [(CONTENT_TYPE, *media_type), (CACHE_CONTROL, KEPT_FOR_EVER)];
    (headers, *text).into_response()
}

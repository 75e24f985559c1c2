//! A new secret, which is shown this once.

use askama::Template;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_key_feed::UnixMillis;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::frame::{Frame, ok};
use crate::rest::path_with_query;
use crate::words::When;

/// What making or rotating a key answers.
#[derive(Deserialize)]
pub(super) struct Made {
    id: String,
    name: String,
    expiration: Option<UnixMillis>,
    api_key: String,
    previous_secret_expiration: Option<UnixMillis>,
    edges: Option<ChangePlace>,
}

/// Where in the feed a change is.
#[derive(Deserialize)]
struct ChangePlace {
    epoch: Option<String>,
    cursor: Option<u64>,
}

#[derive(Template)]
#[template(path = "made.html")]
struct MadePage {
    frame: Frame,
    /// The heading: what was done.
    done: &'static str,
    id: String,
    name: String,
    end: Option<When>,
    previous_secret_until: Option<When>,
    /// Base64 of `id:secret`.
    credential: Zeroizing<String>,
    secret: Zeroizing<String>,
    /// Where one sees the old secret stop.
    watch: Option<String>,
}

impl Made {
    /// The page on which one sees an old secret stop, if it stopped now.
    pub(super) fn watch_path(&self) -> Option<String> {
        let ChangePlace { epoch: Some(epoch), cursor: Some(cursor) } = self.edges.as_ref()? else {
            return None;
        };
        let cursor = cursor.to_string();
        let query = [("epoch", epoch.as_str()), ("change", &cursor), ("id", &self.id), ("of", "secret")];
        Some(path_with_query("/console/watch", query))
    }
}

pub(super) fn page(
    made: Made,
    done: &'static str,
    watch: Option<String>,
    frame: Frame,
    now: UnixMillis,
) -> Response {
    let secret = Zeroizing::new(made.api_key);
    let pair = Zeroizing::new(format!("{}:{}", made.id, secret.as_str()));
    let when = |at: Option<_>| at.map(|at| When::of(at, now));
    ok(&MadePage {
        frame,
        done,
        end: when(made.expiration),
        previous_secret_until: when(made.previous_secret_expiration),
        credential: Zeroizing::new(STANDARD.encode(pair.as_bytes())),
        id: made.id,
        name: made.name,
        secret,
        watch,
    })
}

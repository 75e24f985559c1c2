//! Finding a key by a credential that somebody has found. It comes in a form, so that it is in no address and no log of a proxy.

use axum::http::StatusCode;
use axum::response::Redirect;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_key_feed::of_token;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::rest::path_with_query;
use crate::signed_in::SentForm;

/// Goes to the key.
pub(crate) async fn find(sent: SentForm) -> Result<Redirect, Failure> {
    let id = id_in(sent.form.get("credential"));
    let id = id.ok_or_else(|| {
        let reason = "No id can be read from this text. It may be a key without one, or a part of a key.";
        Failure::new(StatusCode::BAD_REQUEST, reason)
    })?;
    Ok(Redirect::to(&path_with_query("/console/key", [("id", id.as_str())])))
}

/// The id in a credential, in each form that people have: a header, `id:secret`, that in Base64, or a token.
fn id_in(text: &str) -> Option<String> {
    let text = text.trim();
    let text = text.rsplit_once(char::is_whitespace).map_or(text, |(_, last)| last);
    if let Some((id, _)) = of_token(text.as_bytes()) {
        return Some(id.to_owned());
    }
    let decoded = STANDARD.decode(text).map(Zeroizing::new);
    let decoded = decoded.as_ref().ok().and_then(|decoded| std::str::from_utf8(decoded).ok());
    let (id, _) = decoded.unwrap_or(text).split_once(':')?;
    Some(id.to_owned()).filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_found_in_each_form_of_a_credential() {
        let token = latchkey_key_feed::token_of("VuaCfGcBCdbkQm-e5aOx", "lk_live_0000000000000000000000");
        for (text, expected) in [
            ("aWQ6c2VjcmV0", Some("id")),
            (" Authorization: ApiKey aWQ6c2VjcmV0\n", Some("id")),
            ("id:secret", Some("id")),
            ("secret", None),
            (":secret", None),
            ("", None),
        ] {
            assert_eq!(id_in(text).as_deref(), expected, "{text}");
        }
        if let Some(token) = token {
            assert_eq!(id_in(&token).as_deref(), Some("VuaCfGcBCdbkQm-e5aOx"));
        }
    }
}

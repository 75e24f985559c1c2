//! `latchkey key check`: whether a text is well-formed, without asking the service and without showing the text.

use std::str;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_key_feed::{MalformedSecret, SecretForm, token_of, token_parts};
use serde_json::json;

use crate::cli::CommandFailed;
use crate::cli::report::Report;
use crate::cli::secret_input::typed;

/// Reads the text from the terminal or from stdin.
pub(super) fn check(as_json: bool) -> Result<(), CommandFailed> {
    let text = typed("credential or secret")?;
    let form = form_of(text.expose().trim())
        .map_err(|malformed| CommandFailed::new(format!("this is not well-formed: {malformed}")))?;
    let (prefix, text) = match form {
        SecretForm::Plain => {
            let text = "This has the form of a secret without a prefix. It has no checksum, so that a typing error is not seen.";
            (None, text.to_owned())
        }
        SecretForm::Prefixed(prefix) => {
            let text = format!("This is well-formed: the prefix is {prefix}, and the checksum is right.");
            (Some(prefix.to_string()), text)
        }
    };
    Report { text, json: json!({"well_formed": true, "prefix": prefix}).to_string() }.print(as_json)
}

/// The one text that holds id and secret, as the gate takes it; nothing where the secret has no prefix.
pub(super) fn token(id: &str, secret: &str) -> String {
    token_of(id, secret).map_or_else(String::new, |token| token.to_string())
}

/// How the token is presented; nothing where there is none.
pub(super) fn presented_token(id: &str, secret: &str) -> String {
    let token = token(id, secret);
    if token.is_empty() {
        return token;
    }
    format!(
        "\nThe gate takes the token too, where its credential_sources say so. The service does not.\n\n  Authorization: Bearer {token}\n"
    )
}

/// The form of a secret, of `id:secret`, of the Base64 of that, also after `ApiKey`, or of the secret in a token.
fn form_of(text: &str) -> Result<SecretForm, MalformedSecret> {
    let text = text.strip_prefix("ApiKey ").unwrap_or(text);
    let of_pair = |pair: &str| pair.split_once(':').map(|(_, secret)| SecretForm::of(secret));
    if let Some(form) = of_pair(text) {
        return form;
    }
    if let Some((_, secret)) = token_parts(text.as_bytes()) {
        return SecretForm::of(&secret);
    }
    let decoded = STANDARD.decode(text).ok();
    let pair = decoded.as_deref().and_then(|bytes| str::from_utf8(bytes).ok());
    pair.and_then(of_pair).unwrap_or_else(|| SecretForm::of(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use latchkey_key_feed::SecretPrefix;

    #[test]
    fn a_secret_is_found_by_itself_with_its_id_and_encoded() {
        let secret = SecretPrefix::parse("lk_live").unwrap().secret([3; 16]);
        let pair = format!("VuaCfGcBCdbkQm-e5aOx:{}", *secret);
        for text in [secret.as_str(), &pair, &STANDARD.encode(&pair), &token("VuaCfGcBCdbkQm-e5aOx", &secret)]
        {
            assert!(matches!(form_of(text), Ok(SecretForm::Prefixed(_))));
        }
        let other = pair.replace("lk_live", "lk_test");
        assert_eq!(form_of(&other), Err(MalformedSecret::Checksum));
        assert_eq!(form_of(&format!("ApiKey {}", STANDARD.encode(other))), Err(MalformedSecret::Checksum));
        let other = token("VuaCfGcBCdbkQm-e5aOx", &secret).replace("lk_live", "lk_test");
        assert_eq!(form_of(&other), Err(MalformedSecret::Checksum));
        assert_eq!(form_of("hello"), Err(MalformedSecret::Form));
    }
}

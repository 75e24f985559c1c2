//! `Bearer` credentials (RFC 6750, section 2.1), and the proof of the client that sends one.

use http::HeaderMap;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// A token of some kind, perhaps with a proof of the client.
#[derive(Debug)]
pub struct BearerCredential {
    /// The token.
    pub token: BearerText,
    /// The proof of the client, if there is one. Only some realms require it.
    pub client_secret: Option<ClientSecret>,
}

/// The text of a token, as sent. Its memory is wiped when it is dropped.
#[derive(derive_more::Debug)]
#[debug("BearerText")]
pub struct BearerText(Zeroizing<String>);

/// The secret by which a client proves that it may present tokens of others. Its memory is wiped when it is
/// dropped.
#[derive(Clone, derive_more::Debug)]
#[debug("ClientSecret")]
pub struct ClientSecret(Zeroizing<String>);

/// The header that carries it (Elasticsearch, `JwtRealm`).
const CLIENT_HEADER: &str = "ES-Client-Authentication";

/// The one scheme of that header (Elasticsearch, `JwtRealmSettings`).
const CLIENT_SCHEME: &str = "SharedSecret ";

/// The secret in the headers of a request, if there is one.
pub(super) fn client_secret(headers: &HeaderMap) -> Option<ClientSecret> {
    let value = headers.get(CLIENT_HEADER)?.to_str().ok()?;
    let (scheme, secret) = value.split_at_checked(CLIENT_SCHEME.len())?;
    scheme.eq_ignore_ascii_case(CLIENT_SCHEME).then(|| ClientSecret::presented(secret.trim()))
}

impl BearerText {
    /// The token that a client sent.
    #[must_use]
    pub fn presented(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// The text. The name lets a search find every use.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl ClientSecret {
    /// The secret that a client sent, or that is expected of it.
    #[must_use]
    pub fn presented(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// Whether both are equal. The comparison takes a time that depends on the length only.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn reads_the_secret_of_a_client() {
        for (value, secret) in [
            ("SharedSecret s3", Some("s3")),
            ("sharedsecret  s3 ", Some("s3")),
            ("SharedSecret", None),
            ("Basic s3", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CLIENT_HEADER, HeaderValue::from_static(value));
            let found = client_secret(&headers);
            assert_eq!(found.is_some(), secret.is_some(), "{value}");
            if let (Some(found), Some(secret)) = (found, secret) {
                assert!(found.matches(&ClientSecret::presented(secret)), "{value}");
                assert!(!found.matches(&ClientSecret::presented("s4")), "{value}");
            }
        }
        assert!(client_secret(&HeaderMap::new()).is_none());
    }

    #[test]
    fn nothing_secret_is_printed() {
        let credential = BearerCredential {
            token: BearerText::presented("hunter2"),
            client_secret: Some(ClientSecret::presented("hunter2")),
        };
        assert!(!format!("{credential:?}").contains("hunter2"));
    }
}

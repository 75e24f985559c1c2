//! How a 401 says which credentials are accepted.

/// One value of `WWW-Authenticate` (RFC 9110 section 11.6.1). Each has its own header line, in the order
/// given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// An API key.
    ApiKey,
    /// A username and a password (RFC 7617). The comma is that of Elasticsearch from 8.15 on.
    Basic,
    /// An OAuth2 token (RFC 6750 section 3).
    Bearer,
    /// An OAuth2 token, since the one presented has expired or was invalidated (RFC 6750 section 3.1).
    BearerExpired,
}

impl Challenge {
    /// The header's value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "ApiKey",
            Self::Basic => "Basic realm=\"security\", charset=\"UTF-8\"",
            Self::Bearer => "Bearer realm=\"security\"",
            Self::BearerExpired => {
                "Bearer realm=\"security\", error=\"invalid_token\", error_description=\"The access token expired\""
            }
        }
    }
}

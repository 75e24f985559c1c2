//! How refusals look, as the operator wants it.

use latchkey_key_feed::credential::Scheme;

use super::DenyStatus;
use super::body::challenges_in_body;

/// The form, the words and the challenges of all refusals. By default they are Elasticsearch's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replies {
    pub(super) format: BodyFormat,
    /// Words of the operator's own, by status.
    texts: Vec<(u32, String)>,
    /// Values of `www-authenticate`. Never empty.
    pub(super) challenges: Vec<String>,
    /// The same as Elasticsearch's body tells them.
    pub(super) challenges_in_body: String,
    /// The status while no table has been loaded.
    pub(super) table_absent_status: u32,
}

/// What the operator wants of refusals. No text holds a control character, and the realm can stand in quotes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplyChoices {
    /// The form of a body.
    pub format: BodyFormat,
    /// The words for a status, in place of ours.
    pub texts: Vec<(u32, String)>,
    /// The realm of a challenge.
    pub realm: Option<String>,
    /// The status while no table has been loaded; `None` is 503.
    pub table_absent_status: Option<u32>,
}

/// The form of a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyFormat {
    /// Elasticsearch's error, which its clients take apart.
    #[default]
    Elasticsearch,
    /// Problem details (RFC 9457).
    ProblemJson,
    /// The words alone.
    Text,
}

/// The realm of `Basic` and `Bearer` where the operator gives none. RFC 7617 (section 2) demands one, and this
/// is Elasticsearch's.
const REALM: &str = "security";

impl Replies {
    /// Refusals as the operator wants them. They challenge for these schemes; where there are none, for
    /// `ApiKey`, because a 401 without a challenge is none (RFC 9110, section 15.5.2).
    #[must_use]
    pub fn new(choices: ReplyChoices, schemes: impl Iterator<Item = Scheme>) -> Self {
        let ReplyChoices { format, texts, realm, table_absent_status } = choices;
        let mut challenges = Vec::new();
        for scheme in schemes {
            challenges.push(challenge(scheme, realm.as_deref()));
        }
        if challenges.is_empty() {
            challenges.push(challenge(Scheme::ApiKey, realm.as_deref()));
        }
        let table_absent_status = table_absent_status.unwrap_or(DenyStatus::Unavailable503.code());
        let challenges_in_body = challenges_in_body(&challenges);
        Self { format, texts, challenges, challenges_in_body, table_absent_status }
    }

    /// The operator's words for this status.
    pub(super) fn text(&self, status: DenyStatus) -> Option<&str> {
        self.texts.iter().find(|(code, _)| *code == status.code()).map(|(_, text)| text.as_str())
    }
}

impl Default for Replies {
    fn default() -> Self {
        Self::new(ReplyChoices::default(), std::iter::once(Scheme::ApiKey))
    }
}

fn challenge(scheme: Scheme, realm: Option<&str>) -> String {
    let name = scheme.name();
    let (realm, rest) = match (scheme, realm) {
        (Scheme::ApiKey, None) => return name.to_owned(),
        // A user and a password are read as UTF-8 (RFC 7617, section 2.1).
        (Scheme::Basic, realm) => (realm.unwrap_or(REALM), ", charset=\"UTF-8\""),
        (Scheme::ApiKey | Scheme::Bearer, realm) => (realm.unwrap_or(REALM), ""),
    };
    [name, " realm=\"", realm, "\"", rest].concat()
}

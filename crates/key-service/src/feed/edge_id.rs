//! Which edge asks: its name, which instance of it, and by whose credential.

use std::fmt;

use latchkey_key_feed::KeyId;

use crate::feed::edge_name::EdgeName;
use crate::limits::edges::{EDGE_INSTANCE_DIGITS, EDGE_INSTANCE_DIGITS_SHOWN};
use crate::security::authentication::Subject;

/// One table of one process, as the service knows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EdgeId {
    /// What the edge calls itself.
    pub name: EdgeName,
    /// Which of those that call themselves so.
    pub instance: InstanceId,
}

/// The identity of a table: [`EDGE_INSTANCE_DIGITS`] lower-case hexadecimal digits that its process has drawn, and nobody can guess. A
/// filter that is older than these is known by its credential instead: whatever asks with it under one name is one instance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InstanceId(String);

/// A text that is no identity of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidInstanceId;

/// Whose credential an edge asks with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    /// The API key; `None` for a user.
    pub key: Option<KeyId>,
    /// The user, or the owner of the key.
    pub username: String,
    /// The realm of that user.
    pub realm: String,
}

impl InstanceId {
    /// What an instance is called that has drawn nothing.
    #[must_use]
    pub fn of_holder(holder: &Holder) -> Self {
        Self(match &holder.key {
            Some(key) => format!("key:{key}"),
            None => format!("user:{}:{}", holder.realm, holder.username),
        })
    }

    /// As the store has it.
    #[must_use]
    pub fn of_stored(text: String) -> Self {
        Self(text)
    }

    /// The whole of it, for the store alone: whoever knows it can speak for the instance.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether its process has drawn it, so that whoever presents it is that process.
    #[must_use]
    pub fn is_drawn(&self) -> bool {
        is_drawn(&self.0)
    }
}

impl EdgeId {
    /// What comes before every instance of a name.
    #[must_use]
    pub fn first_of(name: &EdgeName) -> Self {
        Self { name: name.clone(), instance: InstanceId(String::new()) }
    }

    /// What people are shown of the instance: its first digits, which say which one it is and let nobody speak for it; of an older
    /// filter the name of the edge.
    #[must_use]
    pub fn instance_shown(&self) -> &str {
        match self.instance.0.get(..EDGE_INSTANCE_DIGITS_SHOWN) {
            Some(digits) if self.instance.is_drawn() => digits,
            _ => self.name.as_str(),
        }
    }
}

impl Holder {
    /// Who has proven to be there.
    #[must_use]
    pub fn of(subject: &Subject) -> Self {
        match subject {
            Subject::ApiKey(key) => {
                let key = key.key();
                let (username, realm) = (key.username.clone(), key.realm.clone());
                Self { key: Some(key.id.clone()), username, realm }
            }
            Subject::User(user) => {
                Self { key: None, username: user.username.clone(), realm: user.realm.name.clone() }
            }
        }
    }

    /// Whether both belong to one user.
    #[must_use]
    pub fn has_owner_of(&self, other: &Self) -> bool {
        (&self.username, &self.realm) == (&other.username, &other.realm)
    }
}

fn is_drawn(text: &str) -> bool {
    text.len() == EDGE_INSTANCE_DIGITS && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

impl TryFrom<String> for InstanceId {
    type Error = InvalidInstanceId;

    fn try_from(text: String) -> Result<Self, InvalidInstanceId> {
        if is_drawn(&text) { Ok(Self(text)) } else { Err(InvalidInstanceId) }
    }
}

impl fmt::Display for InvalidInstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an instance is {EDGE_INSTANCE_DIGITS} lower-case hexadecimal digits")
    }
}

impl std::error::Error for InvalidInstanceId {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_a_number_of_lower_case_digits_and_shown_in_part() {
        let drawn = "0123456789abcdef0123456789abcdef";
        let name = EdgeName::try_from("edge".to_owned()).unwrap();
        let instance = InstanceId::try_from(drawn.to_owned()).unwrap();
        assert_eq!(EdgeId { name: name.clone(), instance }.instance_shown(), "01234567");
        for wrong in ["", "0123", &drawn.to_uppercase(), &drawn.replace('0', "g"), &format!("{drawn}0")] {
            assert_eq!(InstanceId::try_from(wrong.to_owned()), Err(InvalidInstanceId), "{wrong}");
        }
        let holder = Holder { key: None, username: "feed".into(), realm: "file".into() };
        let of_older = InstanceId::of_holder(&holder);
        assert!(!of_older.is_drawn());
        assert_eq!(EdgeId { name, instance: of_older }.instance_shown(), "edge");
    }
}

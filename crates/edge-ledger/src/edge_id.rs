//! Which edge asks: its name, which instance of it, and by whose credential.

use latchkey_key_feed::{EdgeInstance, EdgeName, InvalidEdgeInstance, KeyId};

use crate::limits::EDGE_INSTANCE_DIGITS_SHOWN;

/// One table of one process, as the service knows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EdgeId {
    /// The name of the edge.
    pub name: EdgeName,
    /// Which of the instances of this name.
    pub instance: InstanceId,
}

/// The identity of a table: an [`EdgeInstance`]. An older filter has drawn none and is known by its
/// credential instead: all that asks with one credential under one name is one instance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InstanceId(String);

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
    /// The identity of an instance that has drawn none.
    #[must_use]
    pub fn of_holder(holder: &Holder) -> Self {
        Self(match &holder.key {
            Some(key) => format!("key:{key}"),
            None => format!("user:{}:{}", holder.realm, holder.username),
        })
    }

    /// From its form in the store.
    #[must_use]
    pub fn of_stored(text: String) -> Self {
        Self(text)
    }

    /// The whole identity, only for the store: with it, one could acknowledge for the instance.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether its process has drawn it, so that only that process can present it.
    #[must_use]
    pub fn is_drawn(&self) -> bool {
        EdgeInstance::is(&self.0)
    }
}

impl EdgeId {
    /// An id that sorts before every instance of a name.
    #[must_use]
    pub fn first_of(name: &EdgeName) -> Self {
        Self { name: name.clone(), instance: InstanceId(String::new()) }
    }

    /// What is shown of the instance: its first digits, which identify it and cannot be used to ask as it;
    /// for an older filter the name of the edge.
    #[must_use]
    pub fn instance_shown(&self) -> &str {
        match self.instance.0.get(..EDGE_INSTANCE_DIGITS_SHOWN) {
            Some(digits) if self.instance.is_drawn() => digits,
            _ => self.name.as_str(),
        }
    }
}

impl Holder {
    /// Whether both belong to one user.
    #[must_use]
    pub fn has_owner_of(&self, other: &Self) -> bool {
        (&self.username, &self.realm) == (&other.username, &other.realm)
    }
}

impl From<EdgeInstance> for InstanceId {
    fn from(drawn: EdgeInstance) -> Self {
        Self(drawn.into())
    }
}

impl TryFrom<String> for InstanceId {
    type Error = InvalidEdgeInstance;

    fn try_from(text: String) -> Result<Self, InvalidEdgeInstance> {
        EdgeInstance::try_from(text).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_shown_in_part() {
        let drawn = "0123456789abcdef0123456789abcdef";
        let name = EdgeName::try_from("edge".to_owned()).unwrap();
        let instance = InstanceId::try_from(drawn.to_owned()).unwrap();
        assert_eq!(EdgeId { name: name.clone(), instance }.instance_shown(), "01234567");
        let holder = Holder { key: None, username: "feed".into(), realm: "file".into() };
        let of_older = InstanceId::of_holder(&holder);
        assert!(!of_older.is_drawn());
        assert_eq!(EdgeId { name, instance: of_older }.instance_shown(), "edge");
    }
}

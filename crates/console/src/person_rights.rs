//! What a user may do, as far as a page depends on it.
//!
//! It only decides what is offered. What is done is decided by the key service.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::rest::{Person, RestFailure};

/// Cluster privileges (Elasticsearch's names) that pages ask for.
const ASKED: [&str; 7] = [
    "manage_security",
    "manage_api_key",
    "manage_own_api_key",
    "read_security",
    "grant_api_key",
    "monitor",
    "read_key_feed",
];

/// What a user may do at this moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PersonRights {
    held: Vec<&'static str>,
    /// Whom the user may act for.
    pub(crate) run_as: Vec<String>,
}

#[derive(Deserialize)]
struct HasPrivileges {
    cluster: std::collections::BTreeMap<String, bool>,
}

#[derive(Deserialize)]
struct UserPrivileges {
    #[serde(default)]
    run_as: Vec<String>,
}

impl PersonRights {
    /// Asks what a user may do.
    ///
    /// # Errors
    ///
    /// [`RestFailure`] when the key service does not say.
    pub(crate) async fn of(person: &Person) -> Result<Self, RestFailure> {
        let rights = Self::without_run_as(person).await?;
        // An API key with rights of its own is not told them in this form (Elasticsearch refuses it).
        let told = person.get::<Value>("/_security/user/_privileges").await;
        let run_as = match told.map(serde_json::from_value::<UserPrivileges>) {
            Ok(Ok(told)) => told.run_as,
            Ok(Err(_)) | Err(RestFailure::Refused { .. } | RestFailure::Unknown) => Vec::new(),
            Err(failure @ RestFailure::Unauthenticated(_)) => return Err(failure),
        };
        Ok(Self { run_as, ..rights })
    }

    /// The same as far as it does not depend on whom the user may act for.
    ///
    /// # Errors
    ///
    /// As of [`Self::of`].
    pub(crate) async fn without_run_as(person: &Person) -> Result<Self, RestFailure> {
        let asked: HasPrivileges =
            person.post("/_security/user/_has_privileges", &json!({"cluster": ASKED})).await?;
        let held = ASKED.into_iter().filter(|name| asked.cluster.get(*name) == Some(&true)).collect();
        Ok(Self { held, run_as: Vec::new() })
    }

    fn has(&self, name: &str) -> bool {
        self.held.contains(&name)
    }

    /// Whether there is any page of keys to show.
    pub(crate) fn sees_keys(&self) -> bool {
        self.sees_all_keys() || self.has("manage_own_api_key")
    }

    /// Whether keys of others are shown.
    pub(crate) fn sees_all_keys(&self) -> bool {
        self.has("read_security") || self.has("manage_api_key")
    }

    pub(crate) fn makes_keys(&self) -> bool {
        self.has("manage_own_api_key")
    }

    /// Whether a key can be made for an owner whose password is known.
    pub(crate) fn grants_keys(&self) -> bool {
        self.has("grant_api_key")
    }

    /// Whether a key can be made on behalf of another.
    pub(crate) fn acts_for_others(&self) -> bool {
        !self.run_as.is_empty()
    }

    /// Whether a key of this owner can be revoked.
    pub(crate) fn revokes(&self, is_own: bool) -> bool {
        self.has("manage_api_key") || is_own && self.has("manage_own_api_key")
    }

    /// Whether keys of all owners can be revoked.
    pub(crate) fn revokes_all(&self) -> bool {
        self.revokes(false)
    }

    /// Whether a key of this owner can be given another secret. For keys of others it takes the right to act for
    /// them, of which only the key service knows all.
    pub(crate) fn rotates(&self, is_own: bool) -> bool {
        is_own && self.has("manage_own_api_key") || !is_own && self.acts_for_others()
    }

    pub(crate) fn sees_edges(&self) -> bool {
        self.has("monitor") || self.has("read_key_feed") || self.has("manage_security")
    }

    pub(crate) fn sees_audit(&self) -> bool {
        self.has("manage_security")
    }
}

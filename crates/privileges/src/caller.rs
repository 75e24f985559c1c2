//! On whose behalf a request acts, as far as permissions and their refusals need to know.

use std::fmt;

/// The caller of a request. With run-as this is the user to act as, whatever credential the runner used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The username; of an API key, its owner's; of a service account, `namespace/name`.
    pub username: String,
    /// The realm of the user.
    pub realm: String,
    /// What kind of caller it is.
    pub kind: CallerKind,
    /// The runner, if the request is a run-as.
    pub run_by: Option<Runner>,
}

/// The kinds of callers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallerKind {
    /// An API key, or a token that such a key obtained.
    ApiKey {
        /// The id of the key.
        id: String,
    },
    /// A user, or a token of one.
    User {
        /// The names of the roles that the user has.
        roles: Vec<String>,
        /// The names of assigned roles that do not exist.
        roles_missing: Vec<String>,
    },
}

/// Who runs as somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Runner {
    /// An API key.
    ApiKey {
        /// The id of the key.
        id: String,
        /// The username of its owner.
        owner: String,
    },
    /// A user.
    User {
        /// The username.
        username: String,
    },
}

impl Caller {
    /// The id of the API key that calls, if one does.
    #[must_use]
    pub fn api_key_id(&self) -> Option<&str> {
        match &self.kind {
            CallerKind::ApiKey { id } => Some(id),
            CallerKind::User { .. } => None,
        }
    }
}

/// The subject of a refusal: `user [u] with effective roles [r1,r2]`, `API key id [i] of user [u]`, ….
impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { username, kind, run_by, .. } = self;
        match (run_by, kind) {
            (Some(Runner::ApiKey { id, owner }), _) => {
                write!(f, "API key id [{id}] of user [{owner}] run as [{username}]")?;
            }
            (Some(Runner::User { username: runner }), _) => {
                write!(f, "user [{runner}] run as [{username}]")?;
            }
            (None, CallerKind::ApiKey { id }) => write!(f, "API key id [{id}] of user [{username}]")?,
            (None, CallerKind::User { .. }) => write!(f, "user [{username}]")?,
        }
        let CallerKind::User { roles, roles_missing } = kind else { return Ok(()) };
        write!(f, " with effective roles [{}]", sorted(roles))?;
        if roles_missing.is_empty() {
            return Ok(());
        }
        write!(f, " (assigned roles [{}] were not found)", sorted(roles_missing))
    }
}

fn sorted(names: &[String]) -> String {
    let mut names = names.to_vec();
    names.sort_unstable();
    names.join(",")
}

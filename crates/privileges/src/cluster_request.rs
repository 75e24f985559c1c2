//! What a request wants to do, as far as permissions need to know.

use super::caller::Caller;

/// A request for something that is not an index. Each has an action, whose name privileges are patterns over;
/// for some privileges it also matters whose keys the request can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterRequest<'a> {
    /// Who am I?
    Authenticate,
    /// Create keys for several others.
    BulkGrantKeys,
    /// Update several of the caller's own keys.
    BulkUpdateKeys,
    /// Give a user another password.
    ChangePassword {
        /// Whether it is the caller's own password, and the caller has just shown the old one.
        is_own: bool,
    },
    /// Ask what this user may do.
    CheckPrivileges {
        /// Which user.
        username: &'a str,
    },
    /// Clear the cache of keys.
    ClearKeyCache,
    /// Create a key with the powers of another one.
    CloneKey,
    /// Create a key for oneself.
    CreateKey,
    /// Obtain an access token.
    CreateToken,
    /// Read keys that meet exact criteria.
    GetKeys {
        /// Which keys.
        selection: KeySelection<'a>,
        /// Whether to show what the owners could do.
        with_limited_by: bool,
    },
    /// Create a key for somebody else.
    GrantKey,
    /// End keys.
    InvalidateKeys(KeySelection<'a>),
    /// End tokens.
    InvalidateToken,
    /// What may I do?
    ListOwnPrivileges,
    /// Anything else, by the name of its action.
    Other(&'a str),
    /// Search keys. A caller who may only manage its own keys sees no others.
    QueryKeys {
        /// Whether to show what the owners could do.
        with_limited_by: bool,
    },
    /// Follow the feed of all keys.
    ReadKeyFeed,
    /// Obtain an access token for a refresh token.
    RefreshToken,
    /// Give a key another secret. Latchkey's own.
    RotateKey {
        /// Which key.
        id: &'a str,
    },
    /// Update a key of the caller's own.
    UpdateKey,
}

/// Which keys a request is about: those that meet every criterion that is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeySelection<'a> {
    /// These ids; empty is any.
    pub ids: &'a [String],
    /// Keys of owners with this username.
    pub username: Option<&'a str>,
    /// Keys of owners in this realm.
    pub realm: Option<&'a str>,
    /// Keys of the caller.
    pub owner: bool,
}

/// The action of showing users.
pub const GET_USERS: &str = "cluster:admin/xpack/security/user/get";
/// The action of searching users.
pub const QUERY_USERS: &str = "cluster:admin/xpack/security/user/query";
/// The action of making or replacing a user.
pub const PUT_USER: &str = "cluster:admin/xpack/security/user/put";
/// The action of removing a user.
pub const DELETE_USER: &str = "cluster:admin/xpack/security/user/delete";
/// The action of enabling or disabling a user.
pub const SET_USER_ENABLED: &str = "cluster:admin/xpack/security/user/set_enabled";
/// The action of showing roles.
pub const GET_ROLES: &str = "cluster:admin/xpack/security/role/get";
/// The action of searching roles.
pub const QUERY_ROLES: &str = "cluster:admin/xpack/security/role/query";
/// The action of making or replacing a role.
pub const PUT_ROLE: &str = "cluster:admin/xpack/security/role/put";
/// The action of removing a role.
pub const DELETE_ROLE: &str = "cluster:admin/xpack/security/role/delete";
/// The action of showing application privileges.
pub const GET_PRIVILEGES: &str = "cluster:admin/xpack/security/privilege/get";
/// The action of making or replacing application privileges.
pub const PUT_PRIVILEGES: &str = "cluster:admin/xpack/security/privilege/put";
/// The action of removing application privileges.
pub const DELETE_PRIVILEGES: &str = "cluster:admin/xpack/security/privilege/delete";
/// The action of showing the names of the built-in privileges.
pub const GET_BUILTIN_PRIVILEGES: &str = "cluster:admin/xpack/security/privilege/builtin/get";

/// The action of listing edges. Latchkey's own. It shows no secret, so `monitor` is enough.
pub const GET_EDGES: &str = "cluster:monitor/latchkey/edges";

/// The action of bringing keys along for any user. Latchkey's own. It belongs to security, because whoever brings a key
/// along knows it.
pub const IMPORT_KEYS: &str = "cluster:admin/xpack/security/latchkey/import_api_keys";

/// The action of reading the changes that are kept for the audit log. Latchkey's own. It belongs to security, because
/// they name users, keys and addresses.
pub const GET_AUDIT_LOG: &str = "cluster:admin/xpack/security/latchkey/get_audit_log";

/// The action of forgetting edges. It belongs to security, because no revocation waits for a forgotten edge.
pub const FORGET_EDGES: &str = "cluster:admin/xpack/security/key_feed/forget_edges";

/// The action of [`ClusterRequest::Authenticate`]; a refused run-as names it too.
pub const AUTHENTICATE: &str = "cluster:admin/xpack/security/user/authenticate";

/// The action of clearing the cache of application privileges.
pub const CLEAR_PRIVILEGES_CACHE: &str = "cluster:admin/xpack/security/privilege/cache/clear";
/// The action of clearing the cache of a realm.
pub const CLEAR_REALM_CACHE: &str = "cluster:admin/xpack/security/realm/cache/clear";
/// The action of clearing the cache of roles.
pub const CLEAR_ROLES_CACHE: &str = "cluster:admin/xpack/security/roles/cache/clear";

/// The action of asking what the service is.
pub const GET_MAIN: &str = "cluster:monitor/main";
/// The action of asking how the cluster is.
pub const GET_HEALTH: &str = "cluster:monitor/health";
/// The action of asking where the nodes are.
pub const GET_NODES_INFO: &str = "cluster:monitor/nodes/info";
/// The action of asking for the licence.
pub const GET_LICENSE: &str = "cluster:monitor/xpack/license/get";
/// The action of asking what there is beside the licence.
pub const GET_XPACK_INFO: &str = "cluster:monitor/xpack/info";
/// The action of making a key for another cluster.
pub const CREATE_CROSS_CLUSTER_KEY: &str = "cluster:admin/xpack/security/cross_cluster/api_key/create";
/// The action of updating such a key.
pub const UPDATE_CROSS_CLUSTER_KEY: &str = "cluster:admin/xpack/security/cross_cluster/api_key/update";

/// The actions of all requests.
pub const ACTIONS: [&str; 46] = [
    AUTHENTICATE,
    "cluster:admin/xpack/security/api_key/grant/bulk",
    "cluster:admin/xpack/security/api_key/bulk_update",
    "cluster:admin/xpack/security/user/change_password",
    "cluster:admin/xpack/security/user/has_privileges",
    "cluster:admin/xpack/security/cache/clear",
    "cluster:admin/xpack/security/api_key/clone",
    "cluster:admin/xpack/security/api_key/create",
    "cluster:admin/xpack/security/token/create",
    "cluster:admin/xpack/security/api_key/get",
    "cluster:admin/xpack/security/api_key/grant",
    "cluster:admin/xpack/security/api_key/invalidate",
    "cluster:admin/xpack/security/token/invalidate",
    "cluster:admin/xpack/security/user/list_privileges",
    "cluster:admin/xpack/security/api_key/query",
    "cluster:admin/xpack/security/key_feed/read",
    "cluster:admin/xpack/security/token/refresh",
    "cluster:admin/xpack/security/api_key/rotate",
    "cluster:admin/xpack/security/api_key/update",
    GET_USERS,
    QUERY_USERS,
    PUT_USER,
    DELETE_USER,
    SET_USER_ENABLED,
    GET_ROLES,
    QUERY_ROLES,
    PUT_ROLE,
    DELETE_ROLE,
    GET_PRIVILEGES,
    PUT_PRIVILEGES,
    DELETE_PRIVILEGES,
    GET_BUILTIN_PRIVILEGES,
    GET_EDGES,
    FORGET_EDGES,
    GET_AUDIT_LOG,
    IMPORT_KEYS,
    CLEAR_PRIVILEGES_CACHE,
    CLEAR_REALM_CACHE,
    CLEAR_ROLES_CACHE,
    GET_MAIN,
    GET_HEALTH,
    GET_NODES_INFO,
    GET_LICENSE,
    GET_XPACK_INFO,
    CREATE_CROSS_CLUSTER_KEY,
    UPDATE_CROSS_CLUSTER_KEY,
];

impl<'a> ClusterRequest<'a> {
    /// The name of the action.
    #[must_use]
    pub fn action(&self) -> &'a str {
        match self {
            Self::Authenticate => AUTHENTICATE,
            Self::BulkGrantKeys => "cluster:admin/xpack/security/api_key/grant/bulk",
            Self::BulkUpdateKeys => "cluster:admin/xpack/security/api_key/bulk_update",
            Self::ChangePassword { .. } => "cluster:admin/xpack/security/user/change_password",
            Self::CheckPrivileges { .. } => "cluster:admin/xpack/security/user/has_privileges",
            Self::ClearKeyCache => "cluster:admin/xpack/security/cache/clear",
            Self::CloneKey => "cluster:admin/xpack/security/api_key/clone",
            Self::CreateKey => "cluster:admin/xpack/security/api_key/create",
            Self::CreateToken => "cluster:admin/xpack/security/token/create",
            Self::GetKeys { .. } => "cluster:admin/xpack/security/api_key/get",
            Self::GrantKey => "cluster:admin/xpack/security/api_key/grant",
            Self::InvalidateKeys(_) => "cluster:admin/xpack/security/api_key/invalidate",
            Self::InvalidateToken => "cluster:admin/xpack/security/token/invalidate",
            Self::ListOwnPrivileges => "cluster:admin/xpack/security/user/list_privileges",
            Self::Other(action) => action,
            Self::QueryKeys { .. } => "cluster:admin/xpack/security/api_key/query",
            // It belongs to security, so that `manage_security` contains it and `manage` does not.
            Self::ReadKeyFeed => "cluster:admin/xpack/security/key_feed/read",
            Self::RefreshToken => "cluster:admin/xpack/security/token/refresh",
            Self::RotateKey { .. } => "cluster:admin/xpack/security/api_key/rotate",
            Self::UpdateKey => "cluster:admin/xpack/security/api_key/update",
        }
    }

    /// Whether every authenticated caller may do it: see its own identity and privileges, change its own
    /// password, and, as a key, get itself (Elasticsearch, `RBACEngine#checkSameUserPermissions`). A key that may
    /// get itself may also rotate itself.
    #[must_use]
    pub fn is_open_to(&self, caller: &Caller) -> bool {
        match self {
            Self::Authenticate | Self::ListOwnPrivileges => true,
            Self::ChangePassword { is_own } => *is_own,
            Self::CheckPrivileges { username } => *username == caller.username,
            Self::GetKeys { selection, with_limited_by: false } => selection.is_the_calling_key(caller),
            Self::RotateKey { id } => caller.api_key_id() == Some(*id),
            _ => false,
        }
    }

    /// Whether it can reach only keys of the caller's own, so that `manage_own_api_key` suffices
    /// (Elasticsearch, `ManageOwnApiKeyClusterPrivilege`).
    #[must_use]
    pub fn stays_with_own_keys(&self, caller: &Caller) -> bool {
        match self {
            Self::BulkUpdateKeys | Self::CreateKey | Self::RotateKey { .. } | Self::UpdateKey => true,
            Self::GetKeys { selection, with_limited_by } => {
                selection.is_of_own_keys(caller) && !shows_a_key_its_limits(caller, *with_limited_by)
            }
            Self::InvalidateKeys(selection) => selection.is_of_own_keys(caller),
            Self::QueryKeys { with_limited_by } => !shows_a_key_its_limits(caller, *with_limited_by),
            _ => false,
        }
    }
}

impl KeySelection<'_> {
    /// An API key owns no keys; its own key is itself.
    fn is_of_own_keys(&self, caller: &Caller) -> bool {
        if caller.api_key_id().is_some() {
            return self.is_the_calling_key(caller);
        }
        self.owner
            || (self.username == Some(caller.username.as_str()) && self.realm == Some(caller.realm.as_str()))
    }

    fn is_the_calling_key(&self, caller: &Caller) -> bool {
        match (self.ids, caller.api_key_id()) {
            ([wanted], Some(id)) => wanted == id,
            _ => false,
        }
    }
}

fn shows_a_key_its_limits(caller: &Caller, with_limited_by: bool) -> bool {
    with_limited_by && caller.api_key_id().is_some()
}

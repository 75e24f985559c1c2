use super::*;
use crate::QUESTION_ALLOWANCE;
use crate::caller::CallerKind;
use crate::cluster_request::{GET_AUDIT_LOG, KeySelection};

fn contains(wide: &ClusterPrivilege, narrow: &ClusterPrivilege) -> bool {
    covers(&[&wide.actions], &narrow.actions, &mut Budget::alone(QUESTION_ALLOWANCE)).unwrap()
}

fn alice() -> Caller {
    let kind = CallerKind::User { roles: Vec::new(), roles_missing: Vec::new() };
    Caller { username: "alice".into(), realm: "native".into(), kind, run_by: None }
}

fn key() -> Caller {
    Caller { kind: CallerKind::ApiKey { id: "self".into() }, ..alice() }
}

fn get(selection: KeySelection<'_>, with_limited_by: bool) -> ClusterRequest<'_> {
    ClusterRequest::GetKeys { selection, with_limited_by }
}

#[test]
fn narrower_privileges_stand_before_wider_ones() {
    let nothing = ClusterPrivilege::resolve("none").unwrap();
    let mut misplaced = Vec::new();
    for (index, wide) in CLUSTER.iter().enumerate() {
        // What allows nothing is contained in all; no refusal ever lists it.
        for late in CLUSTER[index + 1..].iter().filter(|late| !contains(&nothing, late)) {
            if contains(wide, late) && !contains(late, wide) {
                misplaced.push(format!("{} after {}", late.name, wide.name));
            }
        }
    }
    assert!(misplaced.is_empty(), "{misplaced:?}");
}

/// What the sources of Elasticsearch say of each pair of names.
const IMPLIED: &str = include_str!("implied.txt");

/// The names of a section of that table, and for each those that it implies.
fn implied(section: &str) -> Vec<(&str, Vec<&str>)> {
    let (_, rest) = IMPLIED.split_once(section).unwrap();
    let lines = rest.trim_start().lines().take_while(|line| !line.is_empty());
    lines
        .map(|line| line.split_once(':').unwrap())
        .map(|(name, rest)| (name, rest.split(' ').filter(|it| !it.is_empty()).collect()))
        .collect()
}

#[test]
fn a_privilege_covers_what_it_covers_in_elasticsearch() {
    for (section, actions) in [
        ("[cluster]", CLUSTER.iter().map(|it| (it.name.as_str(), &it.actions)).collect::<Vec<_>>()),
        ("[index]", INDEX.iter().map(|it| (it.name.as_str(), it.actions.as_ref())).collect()),
    ] {
        let table = implied(section);
        let of = |name: &str| actions.iter().find(|(known, _)| *known == name).unwrap().1;
        let mut wrong = Vec::new();
        for (wide, implied) in &table {
            for (narrow, _) in &table {
                // What allows nothing is covered by everything.
                let is_covered =
                    covers(&[of(wide)], of(narrow), &mut Budget::alone(QUESTION_ALLOWANCE)).unwrap();
                let is_empty =
                    covers(&[of("none")], of(narrow), &mut Budget::alone(QUESTION_ALLOWANCE)).unwrap();
                if is_covered != (is_empty || wide == narrow || implied.contains(narrow)) {
                    wrong.push(format!("{wide} -> {narrow}: {is_covered}"));
                }
            }
        }
        assert!(table.len() > 20 && wrong.is_empty(), "{section} {wrong:?}");
    }
}

#[test]
fn no_name_is_given_twice() {
    for named in [
        CLUSTER.iter().map(|privilege| privilege.name.as_str()).collect::<Vec<_>>(),
        INDEX.iter().map(|privilege| privilege.name.as_str()).collect(),
    ] {
        let mut unique = named.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), named.len());
    }
}

#[test]
fn lists_who_could_have_done_it() {
    // From the narrowest privilege to the widest, as clients compare the whole text: request by a user,
    // privileges that allow it.
    let own = KeySelection { owner: true, ..KeySelection::default() };
    let all = KeySelection::default();
    let rows = [
        (ClusterRequest::CreateKey, "manage_own_api_key,manage_api_key,manage_security,all"),
        (get(all, false), "read_security,manage_api_key,manage_security,all"),
        (get(own, true), "manage_own_api_key,read_security,manage_api_key,manage_security,all"),
        (
            ClusterRequest::QueryKeys { with_limited_by: false },
            "manage_own_api_key,read_security,manage_api_key,manage_security,all",
        ),
        (ClusterRequest::InvalidateKeys(all), "manage_api_key,manage_security,all"),
        (ClusterRequest::InvalidateKeys(own), "manage_own_api_key,manage_api_key,manage_security,all"),
        (ClusterRequest::GrantKey, "grant_api_key,manage_api_key,manage_security,all"),
        (ClusterRequest::BulkGrantKeys, "grant_api_key,manage_api_key,manage_security,all"),
        (ClusterRequest::CloneKey, "grant_api_key,manage_api_key,manage_security,all"),
        (ClusterRequest::UpdateKey, "manage_own_api_key,manage_api_key,manage_security,all"),
        (ClusterRequest::RotateKey { id: "a" }, "manage_own_api_key,manage_api_key,manage_security,all"),
        (ClusterRequest::BulkUpdateKeys, "manage_own_api_key,manage_api_key,manage_security,all"),
        (ClusterRequest::ClearKeyCache, "manage_security,all"),
        (ClusterRequest::CreateToken, "manage_token,manage_security,all"),
        (ClusterRequest::RefreshToken, "manage_saml,manage_token,manage_security,all"),
        (ClusterRequest::InvalidateToken, "delegate_pki,manage_saml,manage_token,manage_security,all"),
        (
            ClusterRequest::Other("cluster:admin/xpack/security/cross_cluster/api_key/create"),
            "manage_security,all",
        ),
        (ClusterRequest::Other("cluster:admin/xpack/security/delegate_pki"), "delegate_pki,all"),
        (ClusterRequest::Other("cluster:monitor/main"), "monitor,manage,all"),
        (ClusterRequest::Other(GET_AUDIT_LOG), "manage_security,all"),
        (ClusterRequest::ReadKeyFeed, "read_key_feed,manage_security,all"),
    ];
    for (request, names) in rows {
        assert_eq!(ClusterPrivilege::names_that_allow(&request, &alice()).join(","), names, "{request:?}");
    }
}

#[test]
fn managing_ones_own_keys_depends_on_the_request() {
    // Elasticsearch, `ManageOwnApiKeyClusterPrivilege`: caller, request, whether `manage_own_api_key`
    // suffices.
    let own = ClusterPrivilege::resolve("manage_own_api_key").unwrap();
    let (me, other) = ([String::from("self")], [String::from("other")]);
    let both = [String::from("self"), String::from("other")];
    let any = KeySelection::default();
    let owner = KeySelection { owner: true, ..any };
    let by_id = KeySelection { ids: &me, ..any };
    let mine = KeySelection { username: Some("alice"), realm: Some("native"), ..any };
    let rows = [
        (alice(), get(any, false), false),
        (alice(), get(owner, false), true),
        (alice(), get(owner, true), true),
        (alice(), get(by_id, false), false),
        (alice(), get(KeySelection { owner: true, ..by_id }, false), true),
        (alice(), get(mine, false), true),
        (alice(), get(KeySelection { realm: Some("file"), ..mine }, false), false),
        (alice(), get(KeySelection { realm: None, ..mine }, false), false),
        (alice(), get(KeySelection { username: None, ..mine }, false), false),
        (alice(), get(KeySelection { username: Some("bob"), ..mine }, false), false),
        (alice(), ClusterRequest::InvalidateKeys(owner), true),
        (alice(), ClusterRequest::InvalidateKeys(by_id), false),
        (alice(), ClusterRequest::InvalidateKeys(mine), true),
        (alice(), ClusterRequest::InvalidateKeys(any), false),
        (alice(), ClusterRequest::QueryKeys { with_limited_by: true }, true),
        (alice(), ClusterRequest::GrantKey, false),
        (alice(), ClusterRequest::CloneKey, false),
        (key(), get(by_id, false), true),
        (key(), get(by_id, true), false),
        (key(), get(owner, false), false),
        (key(), get(mine, false), false),
        (key(), get(KeySelection { ids: &other, ..any }, false), false),
        (key(), ClusterRequest::InvalidateKeys(by_id), true),
        (key(), ClusterRequest::InvalidateKeys(owner), false),
        (key(), ClusterRequest::InvalidateKeys(mine), false),
        (key(), ClusterRequest::InvalidateKeys(KeySelection { ids: &both, ..any }), false),
        (key(), ClusterRequest::InvalidateKeys(KeySelection { ids: &other, ..any }), false),
        (key(), ClusterRequest::QueryKeys { with_limited_by: false }, true),
        (key(), ClusterRequest::QueryKeys { with_limited_by: true }, false),
    ];
    for (caller, request, expected) in rows {
        assert_eq!(own.allows(&request, &caller), expected, "{caller} {request:?}");
    }
}

#[test]
fn some_requests_need_no_privilege() {
    // Elasticsearch, `RBACEngine#checkSameUserPermissions`.
    let (me, other) = ([String::from("self")], [String::from("other")]);
    let by_id = KeySelection { ids: &me, ..KeySelection::default() };
    let rows = [
        (alice(), ClusterRequest::Authenticate, true),
        (alice(), ClusterRequest::CheckPrivileges { username: "alice" }, true),
        (alice(), ClusterRequest::CheckPrivileges { username: "bob" }, false),
        (alice(), get(by_id, false), false),
        (alice(), ClusterRequest::CreateKey, false),
        (key(), get(by_id, false), true),
        (key(), get(by_id, true), false),
        (key(), get(KeySelection { ids: &other, ..by_id }, false), false),
        (key(), ClusterRequest::InvalidateKeys(by_id), false),
    ];
    for (caller, request, expected) in rows {
        assert_eq!(request.is_open_to(&caller), expected, "{caller} {request:?}");
    }
}

#[test]
fn covers_what_it_contains() {
    // Granted, asked, whether it is covered.
    let rows = [
        ("all", "manage_security", true),
        ("all", "manage", true),
        ("manage", "manage_security", false),
        ("manage", "all", false),
        ("manage", "monitor", true),
        ("manage_security", "manage_api_key", true),
        ("manage_security", "manage_own_api_key", true),
        ("manage_security", "read_key_feed", true),
        ("manage_security", "delegate_pki", false),
        ("manage_api_key", "manage_own_api_key", true),
        ("manage_api_key", "read_security", false),
        ("manage_api_key", "read_key_feed", false),
        ("manage_own_api_key", "manage_own_api_key", true),
        ("manage_own_api_key", "cluster:admin/xpack/security/api_key/create", false),
        ("cluster:*", "monitor_ml", true),
        ("CLUSTER:Monitor/*", "Monitor_ML", true),
        ("cluster:monitor/main", "monitor", false),
        ("monitor", "none", true),
    ];
    for (granted, asked, expected) in rows {
        let granted = ClusterPrivilege::resolve(granted).unwrap();
        let asked = ClusterPrivilege::resolve(asked).unwrap();
        assert_eq!(
            asked.is_covered_by(std::slice::from_ref(&granted), &mut Budget::alone(QUESTION_ALLOWANCE)),
            Ok(expected),
            "{granted:?} {asked:?}"
        );
    }
}

#[test]
fn refuses_names_it_does_not_know() {
    // Elasticsearch, `ClusterPrivilegeResolver#resolve`: neither a name nor a pattern over actions.
    for name in ["", "superuser", "monitor ", "*", "indices:data/read/*", "clusters:*", "/cluster:.*/", "a:b"]
    {
        let message = ClusterPrivilege::resolve(name).unwrap_err().to_string();
        let start = format!(
            "unknown cluster privilege [{name}]. a privilege must be either one of the predefined cluster privilege names [all,cancel_task,create_snapshot,"
        );
        assert!(message.starts_with(&start), "{message}");
        assert!(
            message.ends_with(",write_fleet_secrets] or a pattern over one of the available cluster actions")
        );
    }
    for name in ["", "reed", "cluster:monitor/*", "*"] {
        let message = IndexPrivilege::resolve(name).unwrap_err().to_string();
        let start = format!(
            "unknown index privilege [{name}]. a privilege must be either one of the predefined fixed indices privileges [all,auto_configure,create,"
        );
        assert!(message.starts_with(&start), "{message}");
        assert!(message.ends_with(",write] or a pattern over one of the available index actions"));
    }
}

mod applications;
mod held;

use latchkey_elastic::content::Node;
use latchkey_elastic::wildcard::Wildcard;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::*;
use crate::caller::{CallerKind, Runner};
use crate::cluster_request::KeySelection;

/// What one request may cost.
fn budget() -> Budget {
    Budget::alone(crate::QUESTION_ALLOWANCE)
}

fn roles(roles: Value) -> RoleDescriptors {
    RoleDescriptors::parse(&Node::parse_required(roles.to_string().as_bytes()).unwrap()).unwrap()
}

fn role(role: Value) -> RoleDescriptors {
    roles(json!({ "r": role }))
}

fn user(roles: &[&str]) -> Caller {
    let roles = roles.iter().map(|role| (*role).to_owned()).collect();
    Caller {
        username: "alice".into(),
        realm: "native".into(),
        kind: CallerKind::User { roles, roles_missing: Vec::new() },
        run_by: None,
    }
}

fn key() -> Caller {
    Caller { kind: CallerKind::ApiKey { id: "k1".into() }, ..user(&[]) }
}

fn index(name: &str, privileges: &[&str]) -> HasPrivilegesRequest {
    let privileges = privileges.iter().map(|privilege| (*privilege).to_owned()).collect();
    let block = IndexQuestion { names: vec![name.to_owned()], privileges, allow_restricted_indices: false };
    HasPrivilegesRequest { index: vec![block], ..HasPrivilegesRequest::default() }
}

#[test]
fn a_key_may_do_what_both_sides_grant() {
    // Assigned, limited by, whether creating a key and following the feed are allowed.
    let own = json!({"r": {"cluster": ["manage_own_api_key"]}});
    let security = json!({"r": {"cluster": ["manage_security"]}});
    let split = json!({"a": {"cluster": ["manage_own_api_key"]}, "b": {"cluster": ["read_key_feed"]}});
    let rows = [
        (json!({}), security.clone(), true, true),
        (json!({"r": {}}), security.clone(), false, false),
        (own.clone(), security.clone(), true, false),
        (security.clone(), own, true, false),
        (split.clone(), security, true, true),
        (json!({"r": {"cluster": ["all"]}}), split, true, true),
        (json!({"r": {"cluster": ["all"]}}), json!({}), false, false),
        (json!({}), json!({}), false, false),
    ];
    for (assigned, limited_by, creates, follows) in rows {
        let permission = EffectivePermission::of_key(&roles(assigned.clone()), &roles(limited_by));
        assert_eq!(permission.allows(&ClusterRequest::CreateKey, &key()), creates, "{assigned}");
        assert_eq!(permission.allows(&ClusterRequest::ReadKeyFeed, &key()), follows, "{assigned}");
    }
}

#[test]
fn a_key_without_privileges_still_sees_itself() {
    let permission = EffectivePermission::of_key(&role(json!({})), &RoleDescriptors::default());
    let ids = ["k1".to_owned()];
    let selection = KeySelection { ids: &ids, ..KeySelection::default() };
    assert!(permission.allows(&ClusterRequest::GetKeys { selection, with_limited_by: false }, &key()));
    assert!(!permission.allows(&ClusterRequest::GetKeys { selection, with_limited_by: true }, &key()));
    assert!(permission.allows(&ClusterRequest::Authenticate, &key()));
}

#[test]
fn a_search_reaches_no_further_than_either_side() {
    // Assigned, limited by, whose keys are shown.
    let rows = [
        ("manage_own_api_key", "all", Some(KeyReach::Own)),
        ("all", "manage_own_api_key", Some(KeyReach::Own)),
        ("read_security", "manage_api_key", Some(KeyReach::All)),
        ("monitor", "all", None),
        ("manage_own_api_key", "monitor", None),
    ];
    let search = ClusterRequest::QueryKeys { with_limited_by: false };
    for (assigned, limited_by, reach) in rows {
        let permission = EffectivePermission::of_key(
            &role(json!({"cluster": assigned})),
            &role(json!({"cluster": limited_by})),
        );
        assert_eq!(permission.reach(&search, &key()), reach, "{assigned} {limited_by}");
    }
    let both =
        EffectivePermission::of_user(&role(json!({"cluster": ["manage_own_api_key", "read_security"]})));
    assert_eq!(both.reach(&search, &user(&[])), Some(KeyReach::All));
}

#[test]
fn run_as_must_match_on_both_sides() {
    let permission =
        EffectivePermission::of_key(&role(json!({"run_as": ["a*"]})), &role(json!({"run_as": ["*b"]})));
    let runs_as = |permission: &EffectivePermission, name| permission.allows_run_as(name, &mut budget());
    assert_eq!(runs_as(&permission, "ab"), Ok(true));
    assert_eq!(runs_as(&permission, "a"), Ok(false));
    assert_eq!(runs_as(&permission, "b"), Ok(false));
    assert_eq!(runs_as(&EffectivePermission::of_user(&role(json!({}))), ""), Ok(false));
}

#[test]
fn a_restricted_role_opens_nothing() {
    let restricted = role(json!({
        "cluster": ["all"], "run_as": ["*"],
        "indices": [{"names": ["*"], "privileges": ["all"]}],
        "restriction": {"workflows": ["search_application_query"]},
    }));
    let permission = EffectivePermission::of_user(&restricted);
    assert!(!permission.allows(&ClusterRequest::CreateKey, &user(&[])));
    assert_eq!(permission.allows_run_as("bob", &mut budget()), Ok(false));
    assert!(
        !permission
            .answer(&index("i", &["read"]), &RegisteredPrivileges::default(), &mut budget())
            .unwrap()
            .has_all_requested
    );
}

#[test]
fn a_refusal_says_who_may_not_and_who_might() {
    // Elasticsearch, `AuthorizationDenialMessages`.
    let granted = "this action is granted by the cluster privileges";
    let create = "action [cluster:admin/xpack/security/api_key/create] is unauthorized for";
    let create_granted = format!("{granted} [manage_own_api_key,manage_api_key,manage_security,all]");
    let missing = CallerKind::User { roles: vec!["z".into(), "a".into()], roles_missing: vec!["x".into()] };
    let by = |runner| Caller { run_by: Some(runner), ..user(&["r"]) };
    let rows = [
        (user(&[]), "user [alice] with effective roles []"),
        (user(&["b", "a"]), "user [alice] with effective roles [a,b]"),
        (
            Caller { kind: missing, ..user(&[]) },
            "user [alice] with effective roles [a,z] (assigned roles [x] were not found)",
        ),
        (key(), "API key id [k1] of user [alice]"),
        (by(Runner::User { username: "root".into() }), "user [root] run as [alice] with effective roles [r]"),
        (
            by(Runner::ApiKey { id: "k2".into(), owner: "root".into() }),
            "API key id [k2] of user [root] run as [alice] with effective roles [r]",
        ),
    ];
    for (caller, subject) in rows {
        assert_eq!(
            denial(&ClusterRequest::CreateKey, &caller),
            format!("{create} {subject}, {create_granted}")
        );
    }
    assert_eq!(
        denial(&ClusterRequest::Other("indices:data/read/search"), &key()),
        "action [indices:data/read/search] is unauthorized for API key id [k1] of user [alice]"
    );
    // The words for a user whom a grant would run as another.
    assert_eq!(
        run_as_denial(&user(&["r"]), "bob"),
        "action [cluster:admin/xpack/security/user/authenticate] is unauthorized for user [alice] with effective roles [r], because user [alice] is unauthorized to run as [bob]"
    );
}

#[test]
fn a_pattern_of_indices_must_be_covered_whole() {
    // Index blocks, asked name, asked privilege, whether it is held.
    let logs = json!([{"names": ["logs-*"], "privileges": ["read"]}]);
    let halves =
        json!([{"names": ["a*"], "privileges": ["read", "write"]}, {"names": ["*"], "privileges": ["read"]}]);
    let star = json!([{"names": ["*"], "privileges": ["all"]}]);
    let star_all = json!([{"names": ["*"], "privileges": ["all"], "allow_restricted_indices": true}]);
    let rows = [
        (&logs, "logs-1", "read", true),
        (&logs, "logs-*", "read", true),
        (&logs, "log*", "read", false),
        (&logs, "*", "read", false),
        (&logs, "logs-1", "write", false),
        (&logs, "logs-1", "indices:data/read/search", true),
        (&logs, "logs-1", "none", true),
        (&halves, "b", "read", true),
        (&halves, "ab*", "write", true),
        (&halves, "*", "write", false),
        (&halves, "*", "read", true),
        (&star, "*", "all", true),
        (&star, ".security", "read", false),
        (&star, ".security-7", "read", false),
        (&star_all, ".security", "read", true),
        (&star_all, "*", "read_failure_store", true),
        (&logs, "logs-1", "read_failure_store", false),
    ];
    for (blocks, name, privilege, held) in rows {
        let permission = EffectivePermission::of_user(&role(json!({ "indices": blocks })));
        let answer = permission
            .answer(&index(name, &[privilege]), &RegisteredPrivileges::default(), &mut budget())
            .unwrap();
        assert_eq!(answer.index[name][privilege], held, "{blocks} {name} {privilege}");
    }
    let everywhere = IndexQuestion { allow_restricted_indices: true, ..index("*", &["all"]).index.remove(0) };
    let question = HasPrivilegesRequest { index: vec![everywhere], ..HasPrivilegesRequest::default() };
    let answer = |blocks| {
        EffectivePermission::of_user(&role(json!({ "indices": blocks }))).answer(
            &question,
            &RegisteredPrivileges::default(),
            &mut budget(),
        )
    };
    assert!(!answer(&star).unwrap().has_all_requested);
    assert!(answer(&star_all).unwrap().has_all_requested);
}

#[test]
fn who_is_nobody_may_not_even_do_what_anybody_may() {
    let caller = user(&[]);
    assert!(
        EffectivePermission::of_user(&RoleDescriptors::default())
            .allows(&ClusterRequest::Authenticate, &caller)
    );
    assert!(!EffectivePermission::nothing().allows(&ClusterRequest::Authenticate, &caller));
}

#[test]
fn answers_as_elasticsearch_does() {
    // The shape, and repeated names merged into one entry.
    let permission = EffectivePermission::of_user(&role(json!({
        "cluster": ["monitor"], "indices": [{"names": ["a"], "privileges": ["read"]}],
    })));
    let mut question = index("a", &["read"]);
    question.index.extend(index("a", &["write"]).index);
    question.cluster = vec!["monitor".into(), "all".into()];
    assert_eq!(
        serde_json::to_string(
            &permission.answer(&question, &RegisteredPrivileges::default(), &mut budget()).unwrap()
        )
        .unwrap(),
        r#"{"has_all_requested":false,"cluster":{"all":false,"monitor":true},"index":{"a":{"read":true,"write":false}},"application":{}}"#
    );
    question.cluster.push("zzz".into());
    assert!(
        permission
            .answer(&question, &RegisteredPrivileges::default(), &mut budget())
            .unwrap_err()
            .to_string()
            .starts_with("unknown cluster privilege [zzz].")
    );
}

const INDICES: [&str; 6] = ["a", "ab", "abc", "b", "ba", "c"];
const INDEX_PATTERNS: [&str; 7] = ["*", "a*", "*b*", "a?", "b", "c*", "?"];
const INDEX_ACTIONS: [&str; 4] =
    ["indices:data/read/search", "indices:data/write/index", "indices:monitor/stats", "indices:admin/delete"];
const INDEX_PRIVILEGES: [&str; 6] = ["read", "write", "monitor", "manage", "all", "indices:data/*"];
const CLUSTER_PRIVILEGES: [&str; 6] =
    ["monitor", "manage", "manage_security", "manage_api_key", "all", "cluster:admin/xpack/security/token/*"];

fn some_role() -> impl Strategy<Value = Value> {
    let block = (vec(select(&INDEX_PATTERNS[..]), 1..3), vec(select(&INDEX_PRIVILEGES[..]), 1..3));
    (vec(select(&CLUSTER_PRIVILEGES[..]), 0..3), vec(block, 0..3)).prop_map(|(cluster, blocks)| {
        let indices: Vec<Value> = blocks
            .into_iter()
            .map(|(names, privileges)| json!({"names": names, "privileges": privileges}))
            .collect();
        json!({"cluster": cluster, "indices": indices})
    })
}

fn some_roles() -> impl Strategy<Value = RoleDescriptors> {
    vec(some_role(), 0..3)
        .prop_map(|list| roles(list.into_iter().enumerate().map(|(n, role)| (n.to_string(), role)).collect()))
}

/// A simple implementation, to compare with: whether some role grants one action on one index.
fn model_index(roles: &RoleDescriptors, name: &str, action: &str) -> bool {
    roles.iter().any(|(_, role)| {
        role.indices.iter().any(|block| {
            block.names.iter().any(|pattern| Wildcard::new(pattern).matches(name))
                && block
                    .privileges
                    .iter()
                    .any(|privilege| IndexPrivilege::resolve(privilege).unwrap().actions().contains(action))
        })
    })
}

fn model_cluster(roles: &RoleDescriptors, request: &ClusterRequest<'_>) -> bool {
    roles.iter().any(|(_, role)| {
        role.cluster.iter().any(|name| ClusterPrivilege::resolve(name).unwrap().allows(request, &key()))
    })
}

proptest! {
    // Each case asks two dozen questions.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_intersection_is_that_of_a_plain_model(assigned in some_roles(), limited_by in some_roles()) {
        let permission = EffectivePermission::of_key(&assigned, &limited_by);
        let both = |one: bool, other: bool| if assigned.is_empty() { other } else { one && other };
        for request in [
            ClusterRequest::CreateKey,
            ClusterRequest::CreateToken,
            ClusterRequest::ReadKeyFeed,
            ClusterRequest::Other("cluster:monitor/main"),
            ClusterRequest::Other("cluster:admin/settings/update"),
        ] {
            let expected = both(model_cluster(&assigned, &request), model_cluster(&limited_by, &request));
            prop_assert_eq!(permission.allows(&request, &key()), expected, "{:?}", request);
        }
        for name in INDICES {
            for action in INDEX_ACTIONS {
                let expected = both(model_index(&assigned, name, action), model_index(&limited_by, name, action));
                let answer = permission.answer(&index(name, &[action]), &RegisteredPrivileges::default(), &mut budget()).unwrap();
                prop_assert_eq!(answer.has_all_requested, expected, "{} {}", name, action);
            }
        }
    }

    /// An answer about a pattern or a named privilege may be no without need, but a yes holds for every name
    /// and action in it.
    #[test]
    fn a_yes_about_a_pattern_holds_for_all_it_stands_for(
        assigned in some_roles(),
        limited_by in some_roles(),
        pattern in select(&INDEX_PATTERNS[..]),
        privilege in select(&INDEX_PRIVILEGES[..]),
    ) {
        let permission = EffectivePermission::of_key(&assigned, &limited_by);
        if permission.answer(&index(pattern, &[privilege]), &RegisteredPrivileges::default(), &mut budget()).unwrap().has_all_requested {
            let asked = IndexPrivilege::resolve(privilege).unwrap();
            for name in INDICES.into_iter().filter(|name| Wildcard::new(pattern).matches(name)) {
                for action in INDEX_ACTIONS.into_iter().filter(|action| asked.actions().contains(action)) {
                    let again = permission.answer(&index(name, &[action]), &RegisteredPrivileges::default(), &mut budget());
                    prop_assert!(again.unwrap().has_all_requested);
                }
            }
        }
    }
}

// What is found out beforehand is what would have been found.
#[test]
fn what_was_decided_beforehand_is_what_would_be_decided() {
    let sides = [
        json!([]),
        json!(["manage_own_api_key"]),
        json!(["all", "manage_own_api_key"]),
        json!(["monitor", "cluster:admin/xpack/security/api_key/*"]),
        json!(["manage_security", "MANAGE_SECURITY"]),
        json!(["read_key_feed", "grant_api_key", "manage_token"]),
    ];
    let mine = KeySelection { owner: true, ..KeySelection::default() };
    let mut requests: Vec<ClusterRequest<'_>> = ACTIONS.into_iter().map(ClusterRequest::Other).collect();
    requests.extend([
        ClusterRequest::CreateKey,
        ClusterRequest::UpdateKey,
        ClusterRequest::InvalidateKeys(mine),
        ClusterRequest::InvalidateKeys(KeySelection::default()),
        ClusterRequest::GetKeys { selection: mine, with_limited_by: false },
        ClusterRequest::ReadKeyFeed,
        ClusterRequest::Other("cluster:admin/of/no/request"),
    ]);
    for (assigned, limited_by) in sides.iter().flat_map(|one| sides.iter().map(move |other| (one, other))) {
        let of = || {
            let (assigned, limited_by) = (json!({"cluster": assigned}), json!({"cluster": limited_by}));
            EffectivePermission::of_key(&role(assigned), &role(limited_by))
        };
        let (plain, precomputed) = (of(), of().precomputed(None));
        for request in &requests {
            for caller in [user(&[]), key()] {
                let reach = |permission: &EffectivePermission| permission.reach(request, &caller);
                assert_eq!(reach(&plain), reach(&precomputed), "{request:?} {assigned} {limited_by}");
            }
        }
    }
}

#[test]
fn what_is_said_often_is_kept_once() {
    let often = |text: &str| vec![text.to_owned(); 1_000];
    let block = json!({"names": ["a"], "privileges": often("manage")});
    let permission =
        EffectivePermission::of_user(&role(json!({"cluster": often("manage"), "indices": [block]})));
    assert_eq!((permission.granted.cluster.len(), permission.granted.indices[0].actions.len()), (1, 1));
}

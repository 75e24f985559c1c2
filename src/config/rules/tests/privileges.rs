//! Which privileges can be required.

use serde_json::{Value, json};

use super::{refused_requirement, required};

// The key service would know no such privilege, so nobody could ever pass, or everybody.
#[test]
fn a_privilege_that_there_is_not_cannot_be_required() {
    let cluster = "rules[0].require.cluster_privilege is not a cluster privilege that grants something, or an action \
                   such as cluster:monitor/main";
    for (name, meant) in [
        ("monitr", Some("monitor")),
        ("Manage_Securty", Some("manage_security")),
        ("none", None),
        ("xyz", None),
        ("raed", None),
        ("*", None),
        ("cluster", None),
        ("indices:data/read/get", None),
        ("/cluster:.*/", None),
    ] {
        let meant = meant.map(|meant| format!(", did you mean {meant}?")).unwrap_or_default();
        assert_eq!(refused_requirement(json!({"cluster_privilege": name})), format!("{cluster}{meant}"));
    }
    let index = |privileges: Value| {
        refused_requirement(json!({"index_privilege": {"names": ["logs"], "privileges": privileges}}))
    };
    let words = "is not an index privilege that grants something, or an action such as indices:data/read/get";
    assert_eq!(
        index(json!(["read", "raed", "NONE", "cluster:monitor/main", "writes"])),
        format!(
            "rules[0].require.index_privilege.privileges[1] {words}, did you mean read?; \
             rules[0].require.index_privilege.privileges[2] {words}; \
             rules[0].require.index_privilege.privileges[3] {words}; \
             rules[0].require.index_privilege.privileges[4] {words}, did you mean write?"
        )
    );
    for (application, privilege, wrong) in [
        ("ap", "read", "application"),
        ("Shop", "read", "application"),
        ("shop-*", "read", "application"),
        ("shop-a/b", "read", "application"),
        ("shop", "Read", "privilege"),
        ("shop", "re ad", "privilege"),
        ("shop", "data:read/*", "privilege"),
    ] {
        let asked =
            json!({"privilege": {"application": application, "privilege": privilege, "resource": "a"}});
        let message = refused_requirement(asked);
        let start = format!("rules[0].require.privilege.{wrong} is not ");
        assert!(
            message.starts_with(&start) && !message.contains("; "),
            "{application} {privilege}: {message}"
        );
    }
}

#[test]
fn a_privilege_may_be_an_action_or_be_written_in_capitals() {
    for require in [
        json!({"cluster_privilege": "MONITOR"}),
        json!({"cluster_privilege": "cluster:monitor/main"}),
        json!({"cluster_privilege": "cluster:monitor/*"}),
        json!({"index_privilege": {"names": [".security-7"], "privileges": ["Read", "indices:data/read/*"]}}),
        json!({"privilege": {"application": "shop-eu_1", "privilege": "read.all-x_Y", "resource": "a"}}),
        json!({"privilege": {"application": "shop", "privilege": "data:read/one", "resource": "a"}}),
    ] {
        required(require);
    }
}

//! What the upstream learns of the caller, and what a client cannot make it believe.

use latchkey_key_feed::UnixMillis;
use latchkey_local_stack::http::{Request, Response, http1, http2, values};
use latchkey_local_stack::upstream::SeenRequest;
use serde_json::json;

use crate::stage::{self, Stage, configure, encoded, key};

/// Marks whatever a client forged.
const FORGED: &str = "mallory";

/// The default names of the identity headers.
const OWNED: [&str; 9] = [
    "x-api-key-id",
    "x-api-key-name",
    "x-api-key-owner",
    "x-api-key-owner-realm",
    "x-api-key-roles",
    "x-api-key-claimed-roles",
    "x-api-key-limited-by",
    "x-api-key-expiration",
    "x-api-key-privileges",
];

type Exchange = fn(std::net::SocketAddr, &Request) -> anyhow::Result<Response>;

/// Both protocols.
const BY: [(&str, Exchange); 2] = [("HTTP/1.1", http1::exchange), ("HTTP/2", http2::exchange)];

#[test]
fn tells_the_upstream_who_calls() {
    let stage = stage::shared();
    let mut record = key("told", "secret");
    record.name = "nightly, ünïcode %".to_owned();
    record.roles = vec!["a,b".to_owned(), "c".to_owned()];
    record.vouched_roles = record.roles.clone();
    record.expiration = Some(UnixMillis(4_102_444_800_000));
    stage.keys.put(record);
    let credential = encoded("told", "secret");
    stage.await_admitted(&credential);

    stage.send(&Request::get("/told").api_key(&credential));
    let seen = only(&stage, "/told");
    let expected = [
        ("x-api-key-id", "told"),
        ("x-api-key-name", "nightly%2C%20%C3%BCn%C3%AFcode%20%25"),
        ("x-api-key-owner", "alice"),
        ("x-api-key-owner-realm", "native"),
        ("x-api-key-roles", "a%2Cb,c"),
        ("x-api-key-limited-by", "ops"),
    ];
    for (name, value) in expected {
        assert_eq!(seen.header_values(name), [value], "{name}");
    }
    assert_eq!(seen.header_values("x-api-key-expiration").len(), 1);
}

#[test]
fn the_credential_ends_at_the_edge() {
    let stage = stage::shared();
    for (protocol, exchange) in BY {
        let path = format!("/credential-{}", protocol.len());
        assert_eq!(exchange(stage.address, &Request::get(&path).api_key(&good())).unwrap().status, 200);
        let seen = only(&stage, &path);
        assert!(seen.header_values("authorization").is_empty(), "{protocol}: {seen:?}");
    }
}

#[test]
fn no_look_alike_of_an_identity_header_reaches_the_upstream() {
    let stage = stage::shared();
    for (protocol, exchange) in BY {
        // One name at a time: Envoy takes at most 100 headers.
        for name in OWNED {
            let path = format!("/look-alike-{name}-{}", protocol.len());
            let mut request = Request::new("POST", &path).api_key(&good()).body("x");
            for spelling in spellings(name, protocol) {
                // Twice each: whoever removes the first must also remove the second.
                request = request.header(&spelling, FORGED).header(&spelling, FORGED);
            }
            let answer = exchange(stage.address, &request).unwrap();
            assert_eq!(answer.status, 200, "{name} by {protocol}: {}", answer.text());
            let seen = only(&stage, &path);
            assert!(!holds(&seen, FORGED), "{name} by {protocol}: {seen:?}");
            assert_eq!(seen.header_values("x-api-key-owner"), ["alice"], "{name} by {protocol}");
        }
    }
}

#[test]
fn no_identity_reaches_the_upstream_by_trailers() {
    let stage = stage::shared();
    for (protocol, exchange) in BY {
        let mut request = Request::new("POST", &format!("/trailers-{}", protocol.len()))
            .api_key(&good())
            .body("body")
            .trailer("x-checksum", "kept");
        for name in OWNED {
            for spelling in spellings(name, "HTTP/2") {
                request = request.trailer(&spelling, FORGED);
            }
        }
        assert_eq!(exchange(stage.address, &request).unwrap().status, 200, "{protocol}");
        let seen = only(&stage, &request.target);
        assert!(!holds(&seen, FORGED), "{protocol}: {seen:?}");
        assert_eq!(values(&seen.trailers, "x-checksum"), ["kept"], "{protocol}: no trailer arrives at all");
        assert_eq!(seen.body_len, 4, "{protocol}");
    }
}

#[test]
fn no_client_can_have_an_identity_header_removed_as_hop_by_hop() {
    let stage = stage::shared();
    let request =
        Request::get("/nominated").api_key(&good()).header("connection", "x-api-key-owner, x-api-key-roles");
    assert_eq!(stage.send(&request).status, 200);
    let seen = only(&stage, "/nominated");
    assert_eq!(seen.header_values("x-api-key-owner"), ["alice"]);
    assert_eq!(seen.header_values("x-api-key-roles"), ["reader,writer"]);
}

#[test]
fn identity_follows_the_configuration() {
    let stage = Stage::with_keys(vec![key("id", "secret")], |config| {
        configure(config, "/identity/headers/owner", json!("x-caller"));
        configure(config, "/identity/headers/roles", json!(null));
        configure(config, "/identity/metadata_headers", json!({"x-team": "team"}));
        configure(config, "/identity/filter_state", json!(["id"]));
        configure(config, "/forward_credential", json!(true));
    });
    let request = Request::get("/configured")
        .api_key(&encoded("id", "secret"))
        .header("x_caller", FORGED)
        .header("x-api-key-owner", FORGED)
        .header("x.api.key_owner", FORGED)
        .header("x-team", FORGED)
        .header("x-api-key-roles", FORGED);
    assert_eq!(stage.send(&request).status, 200);
    let seen = only(&stage, "/configured");
    assert_eq!(seen.header_values("x-caller"), ["alice"]);
    assert_eq!(seen.header_values("x-team"), ["search"]);
    assert_eq!(seen.header_values("authorization").len(), 1);
    assert!(seen.header_values("x-api-key-roles").is_empty());
    assert!(seen.header_values("x-api-key-owner").is_empty(), "told in another header");
    assert!(!holds(&seen, FORGED), "{seen:?}");
    let entry = stage.envoy.logged_request("/configured").unwrap();
    assert_eq!((&entry["key_id"], &entry["owner"]), (&json!("id"), &json!(null)), "{entry}");
}

#[test]
fn what_a_keys_maker_made_up_is_told_as_a_claim_or_not_at_all() {
    let mut self_made = key("self-made", "secret");
    self_made.roles = vec!["admin".to_owned(), "superuser".to_owned()];
    self_made.vouched_roles.clear();
    self_made.metadata_vouched = false;
    let mut vouched = key("vouched", "secret");
    vouched.roles = vec!["reader".to_owned(), "admin".to_owned()];
    vouched.vouched_roles = vec!["reader".to_owned()];
    let mut inheriting = key("inheriting", "secret");
    inheriting.roles.clear();
    inheriting.vouched_roles.clear();

    let as_it_is = Stage::with_keys(vec![self_made.clone()], |_| {});
    as_it_is.send(&Request::get("/self-made").api_key(&encoded("self-made", "secret")));
    let seen = only(&as_it_is, "/self-made");
    assert!(!seen.headers.iter().any(|(_, value)| value.windows(5).any(|text| text == b"admin")), "{seen:?}");
    assert_eq!(seen.header_values("x-api-key-owner"), ["alice"]);

    let stage = Stage::with_keys(vec![self_made, vouched, inheriting], |config| {
        configure(config, "/identity/headers/claimed_roles", json!("x-api-key-claimed-roles"));
        let claimed = json!({"path": "team", "claims": true});
        configure(config, "/identity/metadata_headers", json!({"x-team": "team", "x-claimed-team": claimed}));
    });
    let told = |id: &str| {
        let path = format!("/{id}");
        assert_eq!(stage.send(&Request::get(&path).api_key(&encoded(id, "secret"))).status, 200);
        let seen = only(&stage, &path);
        let names = ["x-api-key-roles", "x-api-key-claimed-roles", "x-team", "x-claimed-team"];
        names.map(|name| seen.header_values(name).join(" | "))
    };
    assert_eq!(told("self-made"), ["", "admin,superuser", "", "search"]);
    assert_eq!(told("vouched"), ["reader", "admin", "search", "search"]);
    assert_eq!(told("inheriting"), ["ops", "", "search", "search"]);
}

#[test]
fn a_configuration_that_tells_more_has_what_it_tells() {
    // Two gates of one process and one feed, of which one tells a metadata field: each tells its own, whoever
    // came first.
    let stage = Stage::with_keys(vec![key("id", "secret")], |config| {
        configure(config, "/identity/filter_state", json!(["id"]));
        let mut listener = config.listener().unwrap().clone();
        configure(config, "/identity/metadata_headers", json!({"x-team": "team"}));
        listener["name"] = json!("other");
        let listeners = config.bootstrap().pointer_mut("/static_resources/listeners").unwrap();
        listeners.as_array_mut().unwrap().push(listener);
    });
    let credential = encoded("id", "secret");
    stage.await_admitted(&credential);
    let other = stage.envoy.admin().listener("other").unwrap();
    for (path, address, team) in
        [("/tells-team", stage.address, vec!["search"]), ("/tells-none", other, vec![])]
    {
        let request = Request::get(path).api_key(&credential).header("x-team", FORGED);
        assert_eq!(http1::exchange(address, &request).unwrap().status, 200, "{path}");
        let of_gate: Vec<_> = only(&stage, path).header_values("x-team");
        let expected = if team.is_empty() { vec![FORGED] } else { team };
        assert_eq!(of_gate, expected, "{path}: a name that a gate does not own is its client's");
    }
    stage.keys.remove(latchkey_key_feed::KeyId::try_from("id").unwrap());
    for address in [stage.address, other] {
        let request = Request::get("/revoked").api_key(&credential);
        stage.until("both tables know of the revocation", || {
            http1::exchange(address, &request).unwrap().status == 401
        });
    }
}

#[test]
fn the_access_log_knows_the_owner() {
    let stage = stage::shared();
    stage.send(&Request::get("/logged").api_key(&good()));
    let entry = stage.envoy.logged_request("/logged").unwrap();
    assert_eq!(entry["owner"], "alice", "{entry}");
    assert_eq!(entry["key_id"], "anybody", "{entry}");
}

fn good() -> String {
    encoded("anybody", "any-secret")
}

/// Ways to write a name that some server takes for the same. Names are in lower case in HTTP/2 (RFC 9113,
/// section 8.2.1).
fn spellings(name: &str, protocol: &str) -> Vec<String> {
    let mixed = name.replacen('-', "_", 1);
    let mut spellings = vec![name.to_owned(), mixed];
    spellings.extend(["_", ".", "~", "+"].map(|for_dash| name.replace('-', for_dash)));
    if protocol == "HTTP/1.1" {
        spellings.push(name.to_ascii_uppercase());
        spellings.push(name.to_ascii_uppercase().replace('-', "_"));
    }
    spellings
}

/// The request that reached the upstream, which must be one.
#[track_caller]
fn only(stage: &Stage, target: &str) -> SeenRequest {
    let mut seen = stage.upstream.requests_to(target);
    assert_eq!(seen.len(), 1, "requests to {target}");
    seen.remove(0)
}

fn holds(seen: &SeenRequest, value: &str) -> bool {
    seen.headers.iter().chain(&seen.trailers).any(|(_, content)| content == value.as_bytes())
}

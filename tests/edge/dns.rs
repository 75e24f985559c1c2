//! The name of the key service: it fails, and it moves.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use latchkey_key_feed::KeyId;
use latchkey_local_stack::dns_server::{DnsManner, DnsServer};
use latchkey_local_stack::envoy::EnvoyProcess;
use latchkey_local_stack::envoy_config::EnvoyConfig;
use latchkey_local_stack::fake_key_service::FakeKeyService;
use latchkey_local_stack::upstream::Upstream;
use serde_json::json;

use crate::stage::{self, Stage, configure, encoded, epoch, key};

const FIRST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

const SECOND: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 4);

/// The cluster as operators have it, but looked up ten times a second, of this name server.
fn by_name(config: &mut EnvoyConfig, dns: SocketAddr, port: u16) {
    let socket =
        |address: &str, port: u16| json!({"socket_address": {"address": address, "port_value": port}});
    *config.cluster("key_service").unwrap() = json!({
        "name": "key_service",
        "type": "STRICT_DNS",
        "connect_timeout": "1s",
        "dns_lookup_family": "V4_ONLY",
        "dns_refresh_rate": "0.1s",
        "dns_failure_refresh_rate": {"base_interval": "0.1s", "max_interval": "0.1s"},
        "typed_dns_resolver_config": {
            "name": "envoy.network.dns_resolver.cares",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
                "resolvers": [socket(&dns.ip().to_string(), dns.port())],
                "dns_resolver_options": {"no_default_search_domain": true},
                "query_timeout_seconds": 1,
                "query_tries": 1,
            },
        },
        "load_assignment": {
            "cluster_name": "key_service",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket("keys.test", port)}}]}],
        },
    });
}

/// Two key services with one port and the same changes.
fn twins() -> (FakeKeyService, FakeKeyService) {
    let at =
        |ip: Ipv4Addr, port: u16| FakeKeyService::start_at((IpAddr::V4(ip), port).into(), epoch("first"));
    let first = at(FIRST, 0).unwrap();
    let second = at(SECOND, first.address().port()).unwrap();
    for keys in [&first, &second] {
        keys.put(key("id", "secret"));
        keys.put(key("revoked", "secret"));
        keys.put(key("moved", "secret"));
    }
    (first, second)
}

fn id(text: &str) -> KeyId {
    KeyId::try_from(text).unwrap()
}

#[test]
fn an_edge_outlives_a_name_that_fails_and_follows_one_that_moves() {
    let dns = DnsServer::start(DnsManner::Failure).unwrap();
    let (keys, moved) = twins();
    let upstream = Upstream::start(([127, 0, 0, 1], 0).into()).unwrap();
    let options = stage::options(keys.address(), &upstream, |config| {
        by_name(config, dns.address(), keys.address().port());
        configure(config, "/key_service/wait", json!("1s"));
        configure(config, "/start_up_wait", json!("100ms"));
    });
    let envoy = EnvoyProcess::start(&options).unwrap();
    let address = envoy.listener().unwrap();
    let stage = Stage { envoy, keys, upstream, address };
    let [good, revoked] = ["id", "revoked"].map(|id| encoded(id, "secret"));

    // Without an address there is no first table, and that is told as what it is.
    stage.until("the edge has tried", || stage.stat("feed.failures") > 1);
    assert_eq!(stage.status_for(&good), 503);
    dns.behave(DnsManner::Address(FIRST));
    stage.await_admitted(&good);
    stage.keys.remove(id("revoked"));
    moved.remove(id("revoked"));
    stage.await_refused(&revoked);

    // Envoy keeps the addresses that it has, unless it is told that there are none.
    let failures = [
        (DnsManner::Failure, 1),
        (DnsManner::NoSuchName, 0),
        (DnsManner::NoAddress, 0),
        (DnsManner::Garbage, 1),
        (DnsManner::Silence, 1),
    ];
    for (number, (manner, addresses)) in failures.into_iter().enumerate() {
        let asked = dns.questions();
        dns.behave(manner);
        stage.until("the name is looked up", || dns.questions() >= asked + 3);
        let known = || stage.envoy.admin().stat("cluster.key_service.membership_total").unwrap();
        stage.until("the addresses are as expected", || known() == addresses);
        assert_eq!(stage.status_for(&good), 200, "{manner:?}: a good key is refused");
        assert_eq!(stage.status_for(&revoked), 401, "{manner:?}: a revoked key is admitted");
        dns.behave(DnsManner::Address(FIRST));
        let later = format!("later-{number}");
        for keys in [&stage.keys, &moved] {
            keys.put(key(&later, "secret"));
        }
        stage.await_admitted(&encoded(&later, "secret"));
    }

    // The service moves, and the one at the old address answers on: a replica that was taken out.
    moved.remove(id("moved"));
    assert_eq!(stage.status_for(&encoded("moved", "secret")), 200);
    dns.behave(DnsManner::Address(SECOND));
    stage.await_refused(&encoded("moved", "secret"));
    assert_eq!(stage.status_for(&good), 200);
    assert_eq!(stage.status_for(&revoked), 401);
    stage.assert_no_vm_died();
}

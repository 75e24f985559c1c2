//! What the key service knows of its edges: who has applied a change, and who has not.

use anyhow::{Context as _, Result};
use latchkey_local_stack::acknowledgement::AcknowledgementTimes;
use latchkey_local_stack::envoy_config::EnvoyConfig;
use latchkey_local_stack::http::Request;
use latchkey_local_stack::http::http1::Http1Connection;
use latchkey_local_stack::stack::{LocalStack, StackOptions};
use latchkey_local_stack::{wait, workers};
use serde_json::{Value, json};

/// What the key service says of its edges.
fn fleet(stack: &LocalStack) -> Value {
    let answer = stack.key_service.client().send(Request::get("/_latchkey/edges")).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json().unwrap()
}

/// Invalidates a key, or asks again for it, and says which edges refuse it.
fn invalidate(stack: &LocalStack, id: &str, wait: &str) -> Value {
    let path = format!("/_security/api_key?wait_for_edges={wait}");
    let request = Request::new("DELETE", &path).json(&json!({"ids": [id]}));
    let answer = stack.key_service.client().send(request).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    reached(&answer.json().unwrap())
}

/// How far a change has come, without where in the feed it is.
fn reached(answer: &Value) -> Value {
    let mut edges = answer["edges"].clone();
    let told = edges.as_object_mut().unwrap();
    assert!(told.remove("epoch").is_some_and(|epoch| epoch.is_string()), "{answer}");
    told.remove("cursor");
    edges
}

fn statuses(connections: &mut [Http1Connection], request: &Request) -> Vec<u16> {
    connections.iter_mut().map(|connection| connection.exchange(request).unwrap().status).collect()
}

fn without_node_id(config: &mut EnvoyConfig) -> Result<()> {
    config.bootstrap().as_object_mut().context("no object")?.remove("node");
    Ok(())
}

#[test]
fn an_edge_that_hangs_is_named_and_a_retry_tells_when_it_has_applied_the_change() {
    let stack = LocalStack::start(StackOptions::default(), |config| config.set_edge("edge-a")).unwrap();
    let hanging = stack.another_edge(|config| config.set_edge("edge-b")).unwrap();
    let mut at_a = workers::connection_to_each(stack.envoy.admin()).unwrap();
    let mut at_b = workers::connection_to_each(hanging.admin()).unwrap();
    let key = stack.key_service.client().create_key(&json!({"name": "revoked"})).unwrap();
    let request = Request::get("/acknowledged").api_key(&key.encoded);
    for connections in [&mut at_a, &mut at_b] {
        wait::until("every worker admits the key", || {
            Ok((statuses(connections, &request) == [200, 200]).then_some(()))
        })
        .unwrap();
    }
    wait::until("both edges have acknowledged the key", || Ok((fleet(&stack)["current"] == 2).then_some(())))
        .unwrap();

    hanging.pause().unwrap();
    wait::until("the other edge has applied the change", || {
        let told = invalidate(&stack, &key.id, "1s");
        assert!(told["missing"].as_array().unwrap().contains(&json!("edge-b")), "{told}");
        assert_eq!((&told["total"], &told["complete"]), (&json!(2), &json!(false)));
        assert!(told["may_admit_until"].as_u64() > Some(0), "{told}");
        Ok((told["applied"] == 1 && told["may_admit"][0]["name"] == "edge-b").then_some(()))
    })
    .unwrap();
    assert_eq!(statuses(&mut at_a, &request), [401, 401], "acknowledged and admitted");
    let edges = fleet(&stack)["edges"].clone();
    let lags = [&edges[0], &edges[1]].map(|edge| (edge["name"].clone(), edge["lag"].clone()));
    assert_eq!(lags, [(json!("edge-a"), json!(0)), (json!("edge-b"), json!(1))]);

    hanging.resume().unwrap();
    let told = invalidate(&stack, &key.id, "50s");
    assert_eq!(told, json!({"total": 2, "applied": 2, "missing": [], "complete": true}));
    assert_eq!(statuses(&mut at_b, &request), [401, 401], "acknowledged and admitted");
}

#[test]
fn every_key_that_is_revoked_together_with_the_edges_own_is_refused_within_the_wait() {
    let stack = LocalStack::start(StackOptions::default(), |_| Ok(())).unwrap();
    let mut workers = workers::connection_to_each(stack.envoy.admin()).unwrap();
    let requests: Vec<Request> = (0..20)
        .map(|_| stack.admitted_key(&json!({"name": "revoked"})).unwrap())
        .map(|key| Request::get("/revoked").api_key(&key.encoded))
        .collect();
    let everything =
        Request::new("DELETE", "/_security/api_key?wait_for_edges=20s").json(&json!({"name": "*"}));
    let answer = stack.key_service.client().send(everything).unwrap().json().unwrap();
    assert_eq!(answer["invalidated_api_keys"].as_array().unwrap().len(), requests.len() + 1, "{answer}");
    assert_eq!(reached(&answer), json!({"total": 1, "applied": 1, "missing": [], "complete": true}));
    for request in &requests {
        assert_eq!(statuses(&mut workers, request), [401, 401], "acknowledged and admitted");
    }
    wait::until("the edge says why it grows old", || {
        Ok(stack
            .envoy
            .log()
            .stderr()
            .contains("the key with which this edge reads the feed has ended")
            .then_some(()))
    })
    .unwrap();
}

#[test]
fn proxies_of_one_configuration_without_a_node_id_are_two_edges() {
    let stack = LocalStack::start(StackOptions::default(), without_node_id).unwrap();
    let _other = stack.another_edge(without_node_id).unwrap();
    wait::until("two edges are known", || Ok((fleet(&stack)["total"] == 2).then_some(()))).unwrap();
    let edges = fleet(&stack)["edges"].clone();
    for edge in edges.as_array().unwrap() {
        assert!(edge["name"].as_str().unwrap().starts_with("unnamed-"), "{edge}");
    }
    let warned = "this proxy has no node id, so the key service knows it as unnamed-";
    assert!(stack.envoy.log().stderr().contains(warned), "{}", stack.envoy.log().stderr());
}

#[test]
fn a_proxy_is_called_by_its_node_id() {
    let stack = LocalStack::start(StackOptions::default(), |_| Ok(())).unwrap();
    let _other = stack
        .another_edge(|config| {
            config.bootstrap()["node"]["id"] = json!("another-node");
            Ok(())
        })
        .unwrap();
    wait::until("two edges are known", || Ok((fleet(&stack)["total"] == 2).then_some(()))).unwrap();
    let edges = fleet(&stack)["edges"].clone();
    let names = [&edges[0], &edges[1]].map(|edge| edge["name"].clone());
    assert_eq!(names, ["another-node", "local-edge"]);
}

#[test]
fn a_service_that_was_restarted_remembers_an_edge_and_says_that_it_may_admit_until_it_is_heard_of_again() {
    let mut stack = LocalStack::start(StackOptions::default(), |config| config.set_edge("edge-a")).unwrap();
    let key = stack.admitted_key(&json!({"name": "revoked"})).unwrap();
    stack.envoy.pause().unwrap();
    stack.key_service.restart().unwrap();
    let told = invalidate(&stack, &key.id, "0");
    assert_eq!((&told["missing"], &told["complete"]), (&json!(["edge-a"]), &json!(false)), "{told}");
    stack.envoy.resume().unwrap();
    wait::until("the edge is heard of again, and has applied the change", || {
        let told = invalidate(&stack, &key.id, "1s");
        Ok((told == json!({"total": 1, "applied": 1, "missing": [], "complete": true})).then_some(()))
    })
    .unwrap();
}

#[test]
fn acknowledgement_can_be_measured() {
    let stack = LocalStack::start(StackOptions::default(), |config| config.set_edge("edge-1")).unwrap();
    let times = AcknowledgementTimes::measure(&stack, 2, 3).unwrap();
    for answered in ["acknowledged", "durable"] {
        let all = times.as_json()[answered]["all_ms"].clone();
        assert_eq!(all.as_array().unwrap().len(), 3, "{}", times.in_words());
    }
}

//! The cost of searches: every loop and everything that is kept is charged.

use std::cell::Cell;

use latchkey_budget::{Allowance, BudgetExceeded, Cancellation, CancellationReason, Principal, SharedMemory};

use super::*;

/// A key with texts of this length in its metadata.
fn key_with_texts(id: &str, texts: usize, len: usize) -> TestKey {
    let texts: Vec<String> = (0..texts).map(|n| format!("{id}{n:04}{}", "x".repeat(len))).collect();
    TestKey {
        id: id.to_owned(),
        metadata: json!({"t": texts}).as_object().unwrap().clone(),
        ..keys().remove(0)
    }
}

fn exceeded(body: &Value, keys: Vec<TestKey>, allowance: Allowance) -> Option<BudgetExceeded> {
    let mut budget = Budget::alone(allowance);
    let outcome = prepare(&body.to_string()).unwrap().run(keys, TypedKeys::Plain, &mut budget);
    assert_eq!(outcome.is_err(), budget.exceeded().is_some(), "{body}");
    budget.exceeded()
}

#[test]
fn whatever_a_search_keeps_is_charged_in_bytes() {
    const LITTLE: Allowance = Allowance { steps: u64::MAX, bytes: 200_000 };
    let long = "m".repeat(1_000);
    let sort: Vec<Value> = (0..32).map(|_| json!("metadata.t")).collect();
    let terms = |field: &str| json!({"terms": {"field": field, "size": 1_000}});
    let sources: Vec<Value> =
        (0..3).map(|n| json!({ n.to_string(): {"terms": {"field": "metadata.t"}} })).collect();
    for body in [
        json!({"sort": sort}),
        json!({"aggs": {"a": {"cardinality": {"field": "metadata.t"}}}}),
        json!({"aggs": {"a": terms("metadata.t")}}),
        json!({"aggs": {"a": {"composite": {"sources": sources}}}}),
        json!({"aggs": {"a": {"filter": {"match_all": {}}, "aggs": {"b": terms("metadata.t")}}}}),
        json!({"size": 0, "aggs": {"a": {
            "terms": {"field": "metadata.t"}, "aggs": {"b": {"missing": {"field": "name"}, "meta": {"m": [long]}}},
        }}}),
    ] {
        let many = || (0..10).map(|n| key_with_texts(&n.to_string(), 40, 1_000)).collect();
        assert_eq!(
            exceeded(&body, many(), LITTLE),
            Some(BudgetExceeded::Bytes { bytes_max: 200_000 }),
            "{body}"
        );
        assert_eq!(exceeded(&body, vec![key_with_texts("a", 1, 10)], LITTLE), None, "{body}");
    }
}

#[test]
fn whatever_a_search_looks_at_is_charged_in_steps() {
    const LITTLE: Allowance = Allowance { steps: 2_000, bytes: usize::MAX };
    let dotted = format!("metadata.{}", "t.".repeat(300));
    for query in [
        json!({"wildcard": {"metadata.t": "*x*y*"}}),
        json!({"term": {"metadata": "y"}}),
        json!({"prefix": {"metadata.t": {"value": "y", "case_insensitive": true}}}),
        json!({"exists": {"field": dotted}}),
        json!({"bool": {"should": (0..100).map(|_| json!({"term": {"metadata.t": "y"}})).collect::<Vec<_>>()}}),
    ] {
        let body = json!({ "query": query });
        let many = || (0..10).map(|n| key_with_texts(&n.to_string(), 40, 1_000)).collect();
        assert_eq!(
            exceeded(&body, many(), LITTLE),
            Some(BudgetExceeded::Steps { steps_max: 2_000 }),
            "{body}"
        );
        assert_eq!(exceeded(&json!({"query": {"match_all": {}}}), many(), LITTLE), None);
    }
}

#[test]
fn a_search_ends_with_its_client() {
    let (cancellation, seen) = (Cancellation::default(), Cell::new(0));
    let memory = SharedMemory::new(usize::MAX, usize::MAX);
    let mut budget =
        Budget::new(SEARCH_ALLOWANCE, cancellation.clone(), memory.holding(&Principal::new("ann", "native")));
    let endless = std::iter::repeat_with(|| {
        seen.set(seen.get() + 1);
        if seen.get() == 3 {
            cancellation.cancel(CancellationReason::Gone);
        }
        keys().remove(0)
    });
    let outcome = prepare("{}").unwrap().run(endless, TypedKeys::Plain, &mut budget);
    assert_eq!(outcome.unwrap_err(), BudgetExceeded::Gone.into());
    assert_eq!(seen.get(), 3);
    drop(budget);
    assert_eq!(memory.held(), 0);
}

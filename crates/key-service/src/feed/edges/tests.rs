use proptest::prelude::*;

use super::*;

const LIVE_FOR: Duration = Duration::from_millis(100);

fn ledger() -> EdgeLedger {
    EdgeLedger::new(epoch("first"), LIVE_FOR, UnixMillis(0))
}

fn epoch(name: &str) -> Epoch {
    Epoch::try_from(name.to_owned()).unwrap()
}

fn edge(name: impl Into<String>) -> EdgeName {
    EdgeName::try_from(name.into()).unwrap()
}

fn at(name: &str, acknowledged: u64, seen: u64) -> EdgeSighting {
    EdgeSighting { name: edge(name), acknowledged: Cursor(acknowledged), seen: UnixMillis(seen) }
}

/// Name, cursor, lag and life of each.
fn listed(ledger: &EdgeLedger, latest: u64, now: u64) -> Vec<(String, u64, u64, bool)> {
    let list = ledger.list(Cursor(latest), UnixMillis(now));
    list.iter()
        .map(|status| {
            let EdgeSighting { name, acknowledged, .. } = &status.sighting;
            (name.as_str().to_owned(), acknowledged.0, status.lag, status.is_live)
        })
        .collect()
}

impl EdgeLedger {
    /// The edges that are live, sorted.
    fn live(&self, now: UnixMillis) -> Vec<EdgeName> {
        let live = self.edges.iter().filter(|(_, progress)| self.is_live(progress, now));
        live.map(|(name, _)| name.clone()).collect()
    }

    /// Whether this edge has applied everything up to `cursor`. One that has been forgotten has not.
    fn has_applied(&self, name: &EdgeName, cursor: Cursor) -> bool {
        self.edges.get(name).is_some_and(|progress| progress.acknowledged >= cursor)
    }
}

#[test]
fn of_ten_thousand_edges_exactly_those_are_missing_that_have_not_applied_the_change() {
    let mut ledger = EdgeLedger::new(epoch("first"), Duration::from_secs(90), UnixMillis(0));
    let name = |number: usize| format!("e{number:05}");
    for number in 0..10_000 {
        let acknowledged = if number % 10 == 0 { 7 } else { 6 };
        ledger.see(at(&name(number), acknowledged, 1));
    }
    let (total, missing) = ledger.wait_for(Cursor(7), UnixMillis(1));
    assert_eq!((total, missing.names().len()), (10_000, 9_000));
    for number in (0..10_000).filter(|number| number % 10 != 3) {
        ledger.see(at(&name(number), 7 + number as u64 % 2, 2));
        ledger.see(at(&name(number), 6, 2));
    }
    ledger.see(at(&name(3), 6, 2));
    let expected: Vec<EdgeName> = (0..1_000).map(|tens| edge(name(10 * tens + 3))).collect();
    assert_eq!(missing.names(), expected);
    assert!(!missing.is_none());
    assert!(ledger.merge(expected.iter().map(|name| at(name.as_str(), 9, 3))));
    assert!(missing.is_none());
    drop(missing);
    ledger.see(at("e", 9, 3));
    assert!(ledger.missing.is_empty(), "nothing is kept for somebody who has gone");
}

#[test]
fn lists_each_edge_by_name_with_how_far_it_has_come() {
    let mut ledger = ledger();
    for sighting in [at("b", 5, 10), at("a", 3, 1), at("a", 7, 2)] {
        ledger.see(sighting);
    }
    let rows = [("a".to_owned(), 7, 1, false), ("b".to_owned(), 5, 3, true)];
    assert_eq!(listed(&ledger, 8, 103), rows);
    let counts = EdgeCounts { known: 2, live: 1, current: 0, lag_max: 3 };
    assert_eq!(ledger.counts(Cursor(8), UnixMillis(103)), counts);
    assert_eq!(ledger.live(UnixMillis(103)), [edge("b")]);
}

#[test]
fn a_promise_about_one_epoch_counts_for_nothing_in_the_next() {
    let mut ledger = ledger();
    ledger.see(at("a", 7, 10));
    ledger.turn_to(&epoch("first"));
    assert!(ledger.has_applied(&edge("a"), Cursor(7)));
    ledger.turn_to(&epoch("second"));
    assert!(!ledger.has_applied(&edge("a"), Cursor(1)));
    assert_eq!(ledger.live(UnixMillis(10)), [edge("a")], "it lives on");
    let heard = ledger.see(at("a", 3, 11));
    assert_eq!(heard, Heard { before: Some(Cursor(0)), took_back: false, crowded_out: false });
    assert!(ledger.has_applied(&edge("a"), Cursor(3)));
}

#[test]
fn a_ledger_in_doubt_is_not_complete() {
    let mut ledger = ledger();
    assert!(ledger.is_complete(UnixMillis(1)));
    ledger.doubt_until(UnixMillis(5));
    ledger.doubt_until(UnixMillis(3));
    assert!(!ledger.is_complete(UnixMillis(4)));
    assert!(ledger.is_complete(UnixMillis(5)));
}

#[test]
fn an_edge_lives_to_the_end_of_its_window() {
    let mut ledger = ledger();
    ledger.see(at("a", 1, 1_000));
    for (now, live) in [(999, true), (1_000, true), (1_100, true), (1_101, false)] {
        assert_eq!(!ledger.live(UnixMillis(now)).is_empty(), live, "{now}");
    }
}

#[test]
fn a_promise_stays_and_taking_it_back_is_told_once() {
    let mut ledger = ledger();
    assert_eq!(ledger.see(at("a", 7, 1)), Heard { before: None, took_back: false, crowded_out: false });
    let heard = |took_back| Heard { before: Some(Cursor(7)), took_back, crowded_out: false };
    assert_eq!(ledger.see(at("a", 0, 2)), heard(false), "a load says nothing");
    assert_eq!(ledger.see(at("a", 5, 3)), heard(true));
    assert_eq!(ledger.see(at("a", 6, 4)), heard(false));
    assert!(ledger.has_applied(&edge("a"), Cursor(7)));
    assert!(!ledger.has_applied(&edge("a"), Cursor(8)));
    assert!(!ledger.has_applied(&edge("b"), Cursor(0)), "one that is not known has promised nothing");
}

#[test]
fn hands_out_what_it_has_heard_and_not_what_it_was_told() {
    let mut ledger = ledger();
    ledger.see(at("a", 1, 1));
    assert!(ledger.merge([at("b", 2, 1)]));
    assert!(!ledger.merge([at("b", 2, 5), at("a", 1, 5)]), "being seen is no news");
    let (version, first) = ledger.changed_since(0);
    assert_eq!(first, [at("a", 1, 5)]);
    assert_eq!(ledger.changed_since(version), (version, Vec::new()));
    assert!(ledger.merge([at("a", 9, 6)]));
    assert_eq!(ledger.changed_since(version).1, [], "told by others");
    ledger.see(at("b", 3, 7));
    assert_eq!(ledger.changed_since(version).1, [at("b", 3, 7)]);
}

#[test]
fn forgets_the_edge_not_seen_for_longest_when_there_is_one_too_many() {
    let mut ledger = EdgeLedger::new(epoch("first"), Duration::from_millis(EDGES_MAX as u64), UnixMillis(0));
    for number in 0..EDGES_MAX as u64 {
        ledger.see(at(&number.to_string(), 1, number));
    }
    let now = 2 * EDGES_MAX as u64;
    ledger.see(at("0", 1, now));
    assert!(!ledger.see(at("one more", 1, now)).crowded_out, "edge 1 was not live any more");
    assert_eq!(ledger.counts(Cursor(1), UnixMillis(now)).known, EDGES_MAX);
    assert!(!ledger.has_applied(&edge("1"), Cursor(1)));
    assert!(ledger.has_applied(&edge("0"), Cursor(1)));
    assert!(ledger.is_complete(UnixMillis(now)));
}

#[test]
fn a_ledger_that_forgot_a_live_edge_is_not_complete_for_as_long_as_that_edge_may_live() {
    let mut ledger = ledger();
    for number in 0..=EDGES_MAX {
        assert_eq!(ledger.see(at(&number.to_string(), 1, 50)).crowded_out, number == EDGES_MAX);
    }
    assert!(!ledger.is_complete(UnixMillis(149)));
    assert!(ledger.is_complete(UnixMillis(150)));
}

/// What is done to a ledger.
#[derive(Clone, Debug)]
enum Step {
    See(EdgeSighting),
    Merge(Vec<EdgeSighting>),
    /// Hands out what was heard since the last time.
    HandOut,
}

fn sightings() -> impl Strategy<Value = EdgeSighting> {
    ("[a-d]", 0_u64..20, 0_u64..500).prop_map(|(name, acknowledged, seen)| at(&name, acknowledged, seen))
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        sightings().prop_map(Step::See),
        prop::collection::vec(sightings(), 0..4).prop_map(Step::Merge),
        Just(Step::HandOut),
    ];
    prop::collection::vec(step, 0..40)
}

proptest! {
    // The model keeps every sighting, and knows an edge by the highest of each number.
    #[test]
    fn knows_of_each_edge_the_most_that_was_ever_said(steps in steps(), now in 0_u64..600) {
        let mut ledger = ledger();
        let mut said: Vec<EdgeSighting> = Vec::new();
        let mut heard_since: Vec<EdgeName> = Vec::new();
        let mut version = 0;
        for step in steps {
            match step {
                Step::See(sighting) => {
                    said.push(sighting.clone());
                    heard_since.push(sighting.name.clone());
                    ledger.see(sighting);
                }
                Step::Merge(sightings) => {
                    let before = listed(&ledger, 0, 0);
                    said.extend(sightings.clone());
                    let is_news = ledger.merge(sightings);
                    let after = listed(&ledger, 0, 0);
                    let cursors = |rows: &[(String, u64, u64, bool)]| -> Vec<(String, u64)> {
                        rows.iter().map(|row| (row.0.clone(), row.1)).collect()
                    };
                    prop_assert_eq!(is_news, cursors(&before) != cursors(&after));
                }
                Step::HandOut => {
                    let (next, changed) = ledger.changed_since(version);
                    version = next;
                    let mut expected = std::mem::take(&mut heard_since);
                    expected.sort();
                    expected.dedup();
                    let names: Vec<EdgeName> =
                        changed.into_iter().map(|sighting| sighting.name).collect();
                    prop_assert_eq!(names, expected);
                }
            }
        }
        let mut names: Vec<EdgeName> = said.iter().map(|sighting| sighting.name.clone()).collect();
        names.sort();
        names.dedup();
        let expected: Vec<(String, u64, u64, bool)> = names
            .iter()
            .map(|name| {
                let of = || said.iter().filter(|sighting| sighting.name == *name);
                let acknowledged = of().map(|sighting| sighting.acknowledged.0).max().unwrap();
                let seen = of().map(|sighting| sighting.seen.0).max().unwrap();
                let lag = 15_u64.saturating_sub(acknowledged);
                (name.as_str().to_owned(), acknowledged, lag, seen + 100 >= now)
            })
            .collect();
        prop_assert_eq!(listed(&ledger, 15, now), expected);
    }

    #[test]
    fn the_order_of_what_is_told_does_not_matter(
        told in prop::collection::vec(sightings(), 0..20),
        other_order in any::<prop::sample::Index>(),
    ) {
        let (mut one, mut other) = (ledger(), ledger());
        one.merge(told.clone());
        let mut rotated = told;
        let middle = other_order.index(rotated.len() + 1);
        rotated.rotate_left(middle);
        rotated.reverse();
        other.merge(rotated.clone());
        other.merge(rotated);
        prop_assert_eq!(one.list(Cursor(20), UnixMillis(300)), other.list(Cursor(20), UnixMillis(300)));
    }
}

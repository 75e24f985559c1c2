//! Watching a change arrive: which edges have applied it, after how long, and which may still admit by what was
//! before.
//!
//! All of it is asked of the key service since the page was made, so the page is as true after a reload as before. Whether an edge
//! has applied a change is what the service would answer to `wait_for_edges`; the milliseconds are what its replica
//! remembers.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use latchkey_key_feed::UnixMillis;
use serde::Deserialize;
use serde_json::json;

use crate::Console;
use crate::asked_edges::{AskedEdge, AskedFleet, EdgeState};
use crate::failure::Failure;
use crate::fields::Fields;
use crate::fleet_readings::FleetWatcher;
use crate::frame::{Frame, Section, ok};
use crate::limits::{
    EDGES_WATCHED_SHOWN_MAX, KEYS_REVOKED_AT_ONCE_MAX, WATCH_INTERVAL, WATCH_INTERVAL_LATER,
    WATCHED_CLOSELY_FOR,
};
use crate::live::{self, LivePage, Look, Part};
use crate::rest::{Person, RestFailure, path_with_query};
use crate::signed_in::{LooksOn, SignedIn};
use crate::words::{When, counted, grouped};

#[derive(Template)]
#[template(path = "watch.html")]
struct WatchPage {
    frame: Frame,
    keys: Vec<KeyName>,
    events: String,
    progress: Progress,
    edges: Vec<WatchedEdge>,
    is_over: bool,
    /// Whether a secret ends, and not the whole key.
    is_of_secret: bool,
}

/// A key whose revocation is watched.
#[derive(Deserialize)]
struct KeyName {
    id: String,
    name: String,
    username: String,
    invalidated: bool,
}

#[derive(Deserialize)]
struct Found {
    api_keys: Vec<KeyName>,
}

/// How far the change has come, in one sentence.
#[derive(Template)]
#[template(path = "watch_progress.html")]
struct Progress {
    applied: u64,
    total: u64,
    text: String,
    class: &'static str,
}

/// One edge.
#[derive(Template)]
#[template(path = "watch_edge.html")]
struct WatchedEdge {
    id: String,
    name: String,
    instance: String,
    turned: Turned,
    text: String,
}

/// What an edge does with a request by the state before the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Turned {
    /// It may admit it, and does not answer.
    Silent,
    /// It may admit it, and follows.
    Waiting,
    /// It refuses it.
    Applied,
    /// It can admit nothing any more.
    Gone,
}

/// Which change, of which feed.
struct Change {
    epoch: String,
    cursor: u64,
}

/// What follows a change.
struct WatchedChange {
    change: Change,
    fleet: FleetWatcher,
}

pub(crate) async fn show(State(console): State<Console>, signed_in: SignedIn) -> Result<Response, Failure> {
    if !signed_in.rights.sees_edges() {
        return Err(Failure::forbidden());
    }
    let change = Change::read(&signed_in.query)?;
    let fleet = AskedFleet::after_change(&signed_in.person, change.cursor).await?;
    let ids: Vec<_> = signed_in.query.all("id").take(KEYS_REVOKED_AT_ONCE_MAX).collect();
    let keys = json!({"size": ids.len(), "query": {"ids": {"values": ids}}, "sort": ["name"]});
    let keys = match ids.is_empty() {
        true => Vec::new(),
        false => signed_in.person.post::<Found>("/_security/_query/api_key", &keys).await?.api_keys,
    };
    let (progress, edges, is_over) = seen(&change, &fleet, console.surroundings.now());
    let place = [("epoch", change.epoch.clone()), ("change", change.cursor.to_string())];
    let place = place.iter().map(|(name, value)| (*name, value.as_str()));
    Ok(ok(&WatchPage {
        frame: signed_in.frame("Revocation", Section::Keys),
        keys,
        events: path_with_query("/console/watch/events", place),
        progress,
        edges,
        is_over,
        is_of_secret: signed_in.query.get("of") == "secret",
    }))
}

pub(crate) async fn follow(
    State(console): State<Console>,
    LooksOn(signed_in): LooksOn,
) -> Result<Response, Failure> {
    let change = Change::read(&signed_in.query)?;
    let cursor = Some(change.cursor);
    live::follow_edges(&console, signed_in, cursor, |fleet| WatchedChange { change, fleet })
}

impl Change {
    fn read(query: &Fields) -> Result<Self, Failure> {
        let cursor = query.get("change").parse().ok();
        let cursor =
            cursor.ok_or_else(|| Failure::new(StatusCode::BAD_REQUEST, "The address names no change."))?;
        Ok(Self { epoch: query.get("epoch").to_owned(), cursor })
    }
}

impl LivePage for WatchedChange {
    async fn look(
        &mut self,
        person: &Person,
        now: UnixMillis,
        age_max: Duration,
    ) -> Result<Look, RestFailure> {
        let fleet = self.fleet.look(person, age_max).await?;
        let (progress, edges, is_over) = seen(&self.change, &fleet, now);
        let mut parts: Vec<_> = edges.iter().filter_map(|edge| part(edge.id.clone(), edge)).collect();
        parts.extend(part("progress".to_owned(), &progress));
        Ok(Look { parts, is_over })
    }

    fn interval(&self, since_first: Duration) -> Duration {
        if since_first < WATCHED_CLOSELY_FOR { WATCH_INTERVAL } else { WATCH_INTERVAL_LATER }
    }
}

/// What an element of a page is now. A template whose fields are all there cannot fail.
pub(crate) fn part(id: String, template: &impl Template) -> Option<Part> {
    Some(Part { id, html: template.render().ok()? })
}

/// What is seen of a change: how far it has come, each edge, and whether nothing will change any more.
fn seen(change: &Change, fleet: &AskedFleet, now: UnixMillis) -> (Progress, Vec<WatchedEdge>, bool) {
    let is_same_feed = fleet.epoch == change.epoch;
    let turned = |edge: &AskedEdge| match edge.state {
        EdgeState::Gone => Turned::Gone,
        _ if is_same_feed && edge.applied.unwrap_or(edge.cursor >= change.cursor) => Turned::Applied,
        EdgeState::Live => Turned::Waiting,
        EdgeState::Silent => Turned::Silent,
    };
    let mut edges: Vec<_> = fleet.edges.iter().map(|edge| (turned(edge), edge)).collect();
    edges.sort_by_key(|(turned, _)| *turned);
    let count = |wanted| edges.iter().filter(|(turned, _)| *turned == wanted).count() as u64;
    let [applied, waiting, silent] = [Turned::Applied, Turned::Waiting, Turned::Silent].map(count);
    let slowest = edges.iter().filter_map(|(_, edge)| edge.applied_after_ms).fold(0.0, f64::max);
    let last =
        edges.iter().filter(|(turned, _)| *turned == Turned::Silent).filter_map(|(_, edge)| edge.until);
    let last = last.max().map(|until| When::of(until, now));
    let total = applied + waiting + silent;
    let is_over = is_same_feed && fleet.complete && total == applied;
    let (text, class) = if !is_same_feed {
        let text = "The key service has begun a new feed since: every edge that follows it loads all keys anew, and with them \
                    this change. What each edge did before is not known any more.";
        (text.to_owned(), "warn")
    } else if is_over {
        (everywhere(total, slowest), "good")
    } else {
        (partly(applied, total, last.as_ref(), fleet.complete), "warn")
    };
    let shown = edges.into_iter().take(EDGES_WATCHED_SHOWN_MAX);
    let mut edges: Vec<_> = shown.map(|(turned, edge)| watched(turned, edge, now)).collect();
    // An edge keeps its place while it turns.
    edges.sort_by(|one, other| (&one.name, &one.instance).cmp(&(&other.name, &other.instance)));
    (Progress { applied, total, text, class }, edges, is_over)
}

/// The sentence for a change that has arrived.
fn everywhere(total: u64, slowest: f64) -> String {
    match total {
        0 => "No edge follows the key service, so there is none that would admit the key.".to_owned(),
        _ if slowest > 0.0 => {
            format!(
                "Every edge refuses it: {}. The last one turned after {slowest:.0} ms.",
                counted(total, "edge")
            )
        }
        _ => format!("Every edge refuses it: {}.", counted(total, "edge")),
    }
}

/// The sentence for a change that has not arrived everywhere, or of which that is not known.
fn partly(applied: u64, total: u64, last: Option<&When>, is_complete: bool) -> String {
    let mut text = format!("{} of {} edges refuse it.", grouped(applied), grouped(total));
    if let Some(last) = last {
        text.push_str(&format!(
            " An edge that is silent may admit it until {} ({}) at the latest.",
            last.exact, last.relative
        ));
    }
    if !is_complete {
        text.push_str(" The key service does not know yet whether these are all edges: it has started lately, or a replica is away.");
    }
    text
}

fn watched(turned: Turned, edge: &AskedEdge, now: UnixMillis) -> WatchedEdge {
    let seen = When::of(edge.last_seen, now).relative;
    let text = match (turned, edge.applied_after_ms, edge.until) {
        (Turned::Applied, Some(after), _) => format!("refuses it after {after:.0} ms"),
        (Turned::Applied, None, _) => "refuses it".to_owned(),
        (Turned::Waiting, _, Some(until)) => {
            format!(
                "no answer yet; it may still admit it, at the latest until {}",
                When::of(until, now).exact
            )
        }
        (Turned::Waiting, _, None) => "no answer yet".to_owned(),
        (Turned::Silent, _, Some(until)) => {
            format!("silent, seen {seen}; may admit until {}", When::of(until, now).exact)
        }
        (Turned::Silent, _, None) => format!("silent, seen {seen}; may admit"),
        (Turned::Gone, ..) => "gone: can admit nobody".to_owned(),
    };
    WatchedEdge {
        id: edge.element_id(),
        name: edge.name.clone(),
        instance: edge.instance.clone(),
        turned,
        text,
    }
}

impl Turned {
    /// Its class in the stylesheet.
    fn class(self) -> &'static str {
        match self {
            Self::Silent => "bad",
            Self::Waiting => "warn",
            Self::Applied => "good",
            Self::Gone => "quiet",
        }
    }

    /// A sign beside its colour, for whoever does not see that.
    fn sign(self) -> &'static str {
        match self {
            Self::Silent => "!",
            Self::Waiting => "…",
            Self::Applied => "✓",
            Self::Gone => "–",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(name: &str, state: EdgeState, applied: bool) -> AskedEdge {
        let until = (state == EdgeState::Silent).then_some(UnixMillis(60_000));
        let applied_after_ms = applied.then_some(7.6);
        AskedEdge {
            name: name.to_owned(),
            state,
            until,
            applied: Some(applied),
            applied_after_ms,
            ..AskedEdge::default()
        }
    }

    fn look(epoch: &str, complete: bool, edges: Vec<AskedEdge>) -> (Progress, Vec<WatchedEdge>, bool) {
        let fleet = AskedFleet { epoch: epoch.to_owned(), complete, edges, ..AskedFleet::default() };
        seen(&Change { epoch: "e".to_owned(), cursor: 5 }, &fleet, UnixMillis(0))
    }

    #[test]
    fn a_change_is_everywhere_when_every_edge_that_may_admit_has_applied_it() {
        let all = || vec![edge("a", EdgeState::Live, true), edge("b", EdgeState::Gone, false)];
        let (progress, edges, is_over) = look("e", true, all());
        assert!(is_over);
        assert_eq!((progress.applied, progress.total), (1, 1));
        assert_eq!(progress.text, "Every edge refuses it: 1 edge. The last one turned after 8 ms.");
        assert_eq!((edges[0].turned, edges[1].turned), (Turned::Applied, Turned::Gone));
        let (progress, _, is_over) = look("e", false, all());
        assert!(!is_over, "there may be an edge that is not known");
        assert!(progress.text.contains("does not know yet"), "{}", progress.text);
    }

    #[test]
    fn an_edge_that_may_still_admit_is_told_with_its_end() {
        let (progress, edges, is_over) = look(
            "e",
            true,
            vec![
                edge("a", EdgeState::Live, false),
                edge("b", EdgeState::Silent, false),
                edge("c", EdgeState::Silent, true),
            ],
        );
        assert!(!is_over);
        assert_eq!((progress.applied, progress.total), (1, 3));
        assert!(progress.text.contains("until 1970-01-01T00:01:00Z (in 1 minute)"), "{}", progress.text);
        let turned: Vec<_> = edges.iter().map(|edge| edge.turned).collect();
        assert_eq!(turned, [Turned::Waiting, Turned::Silent, Turned::Applied]);
    }

    #[test]
    fn positions_of_another_feed_say_nothing() {
        let (progress, edges, is_over) = look("f", true, vec![edge("a", EdgeState::Live, true)]);
        assert!(!is_over);
        assert_eq!((progress.applied, edges[0].turned), (0, Turned::Waiting));
        assert!(progress.text.contains("new feed"));
    }
}

//! The edges: who follows, how far, how old, and how long changes take.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use latchkey_key_feed::UnixMillis;

use crate::Console;
use crate::asked_edges::{AskedEdge, AskedFleet, EdgeState, TimedChange};
use crate::failure::Failure;
use crate::fields::Fields;
use crate::fleet_readings::FleetWatcher;
use crate::frame::{Frame, Section, ok};
use crate::limits::{EDGES_SHOWN_AT_ONCE, SEARCH_LEN_MAX};
use crate::live::{self, LivePage, Look};
use crate::rest::{Person, RestFailure, path_with_query};
use crate::signed_in::{LooksOn, SignedIn};
use crate::watch::part;
use crate::words::{When, counted, grouped};

/// Height of the plot, in its own units, and the width of one change.
const PLOT_HEIGHT: f64 = 80.0;
const PLOT_STEP: usize = 10;

/// Fewer changes leave places empty, so that one bar is no wall.
const PLOT_PLACES_MIN: usize = 30;

#[derive(Template)]
#[template(path = "edges.html")]
struct EdgesPage {
    frame: Frame,
    view: EdgesView,
    events: String,
    summary: Summary,
    plot: Plot,
    rows: Vec<EdgeRow>,
    /// The pages before and after this one.
    before: Option<String>,
    after: Option<String>,
}

/// Which edges are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct EdgesView {
    /// A part of a name.
    text: String,
    /// How many come before them.
    from: usize,
}

/// What follows the edges of a page.
struct WatchedEdges {
    view: EdgesView,
    fleet: FleetWatcher,
}

#[derive(Template)]
#[template(path = "edges_summary.html")]
struct Summary {
    live: String,
    current: String,
    silent: String,
    total: String,
    is_complete: bool,
    has_silent: bool,
}

/// How long the latest changes took.
#[derive(Template)]
#[template(path = "plot.html")]
struct Plot {
    bars: Vec<Bar>,
    width: usize,
    /// The same for whoever does not see it.
    text: String,
}

/// A change: where its bar is, how high up the slowest edge and the median are.
struct Bar {
    x: usize,
    y: String,
    height: String,
    median: String,
    text: String,
}

#[derive(Template)]
#[template(path = "edge_row.html")]
struct EdgeRow {
    id: String,
    name: String,
    instance: String,
    state: EdgeState,
    until: Option<When>,
    version: String,
    lag: String,
    seen: When,
    keys: String,
    uses: String,
    refused: String,
}

pub(crate) async fn show(State(console): State<Console>, signed_in: SignedIn) -> Result<Response, Failure> {
    if !signed_in.rights.sees_edges() {
        return Err(Failure::forbidden());
    }
    let view = EdgesView::read(&signed_in.query);
    let fleet = AskedFleet::now(&signed_in.person).await?;
    let (rows, count) = view.rows(&fleet, console.surroundings.now());
    let page = |from| view.path("/console/edges", from);
    let next = view.from.saturating_add(EDGES_SHOWN_AT_ONCE);
    let events = view.path("/console/edges/events", view.from);
    Ok(ok(&EdgesPage {
        frame: signed_in.frame("Edges", Section::Edges),
        summary: Summary::of(&fleet),
        plot: Plot::of(&fleet.changes),
        rows,
        events,
        before: (view.from > 0).then(|| page(view.from.saturating_sub(EDGES_SHOWN_AT_ONCE))),
        after: (count > next).then(|| page(next)),
        view,
    }))
}

pub(crate) async fn follow(
    State(console): State<Console>,
    LooksOn(signed_in): LooksOn,
) -> Result<Response, Failure> {
    let view = EdgesView::read(&signed_in.query);
    live::follow_edges(&console, signed_in, None, |fleet| WatchedEdges { view, fleet })
}

impl LivePage for WatchedEdges {
    async fn look(
        &mut self,
        person: &Person,
        now: UnixMillis,
        age_max: Duration,
    ) -> Result<Look, RestFailure> {
        let fleet = self.fleet.look(person, age_max).await?;
        let (rows, _) = self.view.rows(&fleet, now);
        let mut parts: Vec<_> = rows.iter().filter_map(|row| part(row.id.clone(), row)).collect();
        parts.extend(part("summary".to_owned(), &Summary::of(&fleet)));
        parts.extend(part("plot".to_owned(), &Plot::of(&fleet.changes)));
        Ok(Look { parts, is_over: false })
    }
}

impl EdgesView {
    fn read(query: &Fields) -> Self {
        let text = query.text("q").filter(|text| text.len() <= SEARCH_LEN_MAX).unwrap_or_default();
        Self { text: text.to_owned(), from: query.get("from").parse().unwrap_or_default() }
    }

    fn path(&self, page: &str, from: usize) -> String {
        let from = from.to_string();
        let fields = [("q", self.text.as_str()), ("from", from.as_str())];
        path_with_query(page, fields.into_iter().filter(|(_, value)| !value.is_empty() && *value != "0"))
    }

    /// The edges of this page, those first that need somebody to look; and how many there are on all pages.
    fn rows(&self, fleet: &AskedFleet, now: UnixMillis) -> (Vec<EdgeRow>, usize) {
        let mut edges: Vec<_> = fleet.edges.iter().filter(|edge| edge.name.contains(&self.text)).collect();
        edges.sort_by(|one, other| place(one).cmp(&place(other)));
        let page = edges.iter().skip(self.from).take(EDGES_SHOWN_AT_ONCE);
        (page.map(|edge| EdgeRow::of(edge, now)).collect(), edges.len())
    }
}

/// Edges that need somebody to look come first (the order of [`EdgeState`]), then by name.
fn place(edge: &AskedEdge) -> (EdgeState, &str, &str) {
    (edge.state, &edge.name, &edge.instance)
}

impl EdgeRow {
    fn of(edge: &AskedEdge, now: UnixMillis) -> Self {
        let told = |number: Option<u64>| number.map_or_else(|| "–".to_owned(), grouped);
        let refused: Vec<_> =
            edge.denied.iter().map(|(reason, count)| format!("{reason} {}", grouped(*count))).collect();
        Self {
            id: edge.element_id(),
            name: edge.name.clone(),
            instance: edge.instance.clone(),
            state: edge.state,
            until: edge.until.map(|until| When::of(until, now)),
            version: edge.version.clone().unwrap_or_else(|| "–".to_owned()),
            lag: grouped(edge.lag),
            seen: When::of(edge.last_seen, now),
            keys: told(edge.keys),
            uses: edge.uses_per_second.map_or_else(|| "–".to_owned(), |uses| format!("{uses:.1}")),
            refused: match refused.is_empty() {
                true => told(edge.wrong_secrets),
                false => refused.join(", "),
            },
        }
    }
}

impl Summary {
    fn of(fleet: &AskedFleet) -> Self {
        Self {
            live: grouped(fleet.live),
            current: grouped(fleet.current),
            silent: grouped(fleet.silent),
            total: grouped(fleet.total),
            is_complete: fleet.complete,
            has_silent: fleet.silent > 0,
        }
    }
}

impl Plot {
    fn of(changes: &[TimedChange]) -> Self {
        let top = changes.iter().map(|change| change.max_ms).fold(1.0, f64::max);
        let height = |ms: f64| PLOT_HEIGHT * (ms / top).clamp(0.02, 1.0);
        let bar = |(index, change): (usize, &TimedChange)| Bar {
            x: index * PLOT_STEP,
            y: format!("{:.1}", PLOT_HEIGHT - height(change.max_ms)),
            height: format!("{:.1}", height(change.max_ms)),
            median: format!("{:.1}", PLOT_HEIGHT - height(change.median_ms)),
            text: format!(
                "{}: median {:.0} ms, slowest {:.0} ms",
                counted(change.edges, "edge"),
                change.median_ms,
                change.max_ms
            ),
        };
        let mut medians: Vec<_> = changes.iter().map(|change| change.median_ms).collect();
        medians.sort_by(f64::total_cmp);
        let text = match medians.get(medians.len() / 2) {
            Some(median) => format!(
                "The latest {}: half of the edges that have it took {median:.0} ms or less, the slowest {top:.0} ms.",
                counted(changes.len() as u64, "change")
            ),
            None => "No change has reached an edge since this replica has started.".to_owned(),
        };
        Self {
            bars: changes.iter().enumerate().map(bar).collect(),
            width: changes.len().max(PLOT_PLACES_MIN) * PLOT_STEP,
            text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_that_need_somebody_come_first_and_pages_have_all_of_them() {
        let edge = |number: usize| AskedEdge {
            name: format!("e{number:03}"),
            state: if number == 150 { EdgeState::Silent } else { EdgeState::Live },
            ..AskedEdge::default()
        };
        let fleet = AskedFleet { edges: (0..151).map(edge).collect(), ..AskedFleet::default() };
        let page = |from| {
            let (rows, count) = EdgesView { text: "e".to_owned(), from }.rows(&fleet, UnixMillis(0));
            assert_eq!(count, 151);
            rows.into_iter().map(|row| row.name).collect::<Vec<_>>()
        };
        let (first, second) = (page(0), page(EDGES_SHOWN_AT_ONCE));
        assert_eq!(
            (first.len(), first[0].as_str(), first[1].as_str()),
            (EDGES_SHOWN_AT_ONCE, "e150", "e000")
        );
        assert_eq!((second.len(), second.last().unwrap().as_str()), (51, "e149"));
        assert_eq!(EdgesView { text: "e000".to_owned(), from: 0 }.rows(&fleet, UnixMillis(0)).1, 1);
    }

    #[test]
    fn the_plot_says_in_words_what_it_shows() {
        let change = |median_ms, max_ms| TimedChange { edges: 2, median_ms, max_ms };
        let plot = Plot::of(&[change(3.0, 4.0), change(5.0, 8.0)]);
        assert_eq!(
            plot.text,
            "The latest 2 changes: half of the edges that have it took 5 ms or less, the slowest 8 ms."
        );
        assert_eq!((plot.bars[0].height.as_str(), plot.bars[1].height.as_str()), ("40.0", "80.0"));
        assert_eq!(Plot::of(&[]).text, "No change has reached an edge since this replica has started.");
    }
}

//! How long a run is, and what is done in it when.

use std::time::Duration;

use crate::model::At;
use crate::model::edge::Edge;

/// What a run does. All rates are of the whole run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub(crate) length: Duration,
    pub(crate) requests_a_second: u32,
    pub(crate) changes_a_second: u32,
    /// Keys that live at a time.
    pub(crate) keys: usize,
    pub(crate) restart_every: Duration,
    /// How long the service is away in a restart, besides its end and its start.
    pub(crate) away: Duration,
    /// Each edge's own.
    pub(crate) update_every: Duration,
    pub(crate) cut_every: Duration,
    /// Cuts are alternately so long.
    pub(crate) cuts_last: [Duration; 2],
    pub(crate) sample_every: Duration,
    /// A row of figures.
    pub(crate) row_every: Duration,
    pub(crate) stale_after: Duration,
    pub(crate) refuse_after: Duration,
    /// How long a change waits for all edges to go by it, where it does.
    pub(crate) wait_for_edges: Duration,
}

/// How the service ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It is asked to (SIGTERM).
    Asked,
    /// It is killed.
    Killed,
}

/// How an edge is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Connections are closed, and new ones too.
    Closed,
    /// Connections stay open, and nothing comes through.
    Hanging,
}

/// Something that is done at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Restart(Ending),
    Update(Edge),
    Cut(Cut),
    Mend,
    Sample,
    Row,
}

impl Plan {
    /// A run of an hour, with figures every ten minutes.
    #[must_use]
    pub fn of_an_hour() -> Self {
        let seconds = Duration::from_secs;
        Self {
            length: seconds(3_600),
            requests_a_second: 200,
            changes_a_second: 100,
            keys: 1_000,
            restart_every: seconds(60),
            away: seconds(2),
            update_every: seconds(120),
            cut_every: seconds(150),
            cuts_last: [seconds(15), seconds(70)],
            sample_every: seconds(5),
            row_every: seconds(600),
            stale_after: seconds(5),
            refuse_after: seconds(40),
            wait_for_edges: seconds(50),
        }
    }

    /// A run of ten minutes, with figures every minute.
    #[must_use]
    pub fn quick() -> Self {
        Self::of_an_hour().lasting(Duration::from_secs(600))
    }

    /// The same of another length: up to a quarter of an hour with figures every minute, and a run of a minute or two
    /// with everything that an hour has, more often.
    #[must_use]
    pub fn lasting(self, length: Duration) -> Self {
        let row_every = if length <= Duration::from_secs(900) { 60 } else { 600 };
        Self {
            length,
            row_every: Duration::from_secs(row_every),
            restart_every: self.restart_every.min(length / 3),
            update_every: self.update_every.min(length / 2),
            cut_every: self.cut_every.min(length / 4),
            ..self
        }
    }

    /// Ten seconds in which everything happens once.
    #[must_use]
    pub fn short() -> Self {
        let seconds = Duration::from_secs;
        Self {
            length: seconds(10),
            keys: 100,
            restart_every: seconds(6),
            away: Duration::ZERO,
            update_every: seconds(8),
            cut_every: seconds(2),
            cuts_last: [seconds(5); 2],
            sample_every: seconds(1),
            row_every: seconds(5),
            stale_after: seconds(4),
            refuse_after: seconds(4),
            wait_for_edges: seconds(5),
            ..Self::of_an_hour()
        }
    }

    /// All that is done, in the order of moments.
    pub(crate) fn events(&self) -> Vec<(At, Event)> {
        let mut events = Vec::new();
        let endings = [Ending::Asked, Ending::Killed].into_iter().cycle().map(Event::Restart);
        events.extend(self.every(self.restart_every, self.restart_every).zip(endings));
        let updates = Edge::ALL.into_iter().cycle().map(Event::Update);
        events.extend(self.every(self.update_every / 4, self.update_every / 2).zip(updates));
        events.extend(self.cuts());
        events.extend(self.every(self.sample_every, self.sample_every).map(|at| (at, Event::Sample)));
        events.extend(self.every(self.row_every, self.row_every).map(|at| (at, Event::Row)));
        events.sort_by_key(|(at, _)| *at);
        events
    }

    /// Cuts, and their ends. Each cut is over before the next and before the end.
    fn cuts(&self) -> Vec<(At, Event)> {
        let manners = [Cut::Closed, Cut::Hanging, Cut::Hanging, Cut::Closed].into_iter().cycle();
        let lengths = self.cuts_last.into_iter().cycle();
        let mut cuts = Vec::new();
        let mut at = self.cut_every;
        for (manner, length) in manners.zip(lengths) {
            if at + length >= self.length {
                return cuts;
            }
            cuts.extend([(at, Event::Cut(manner)), (at + length, Event::Mend)]);
            at += length.max(self.cut_every)
                + if length < self.cut_every { Duration::ZERO } else { self.cut_every };
        }
        cuts
    }

    fn every(&self, first: Duration, pause: Duration) -> impl Iterator<Item = At> + use<> {
        let length = self.length;
        std::iter::successors(Some(first), move |at| Some(*at + pause)).take_while(move |at| *at < length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(plan: Plan, is_meant: impl Fn(&Event) -> bool) -> usize {
        plan.events().iter().filter(|(_, event)| is_meant(event)).count()
    }

    #[test]
    fn an_hour_has_a_restart_each_minute_and_each_edge_an_update_every_two() {
        let plan = Plan::of_an_hour();
        assert_eq!(count(plan, |event| *event == Event::Restart(Ending::Asked)), 30);
        assert_eq!(count(plan, |event| *event == Event::Restart(Ending::Killed)), 29);
        for edge in Edge::ALL {
            assert_eq!(count(plan, |event| *event == Event::Update(edge)), 30);
        }
        assert_eq!(count(plan, |event| *event == Event::Row), 5);
    }

    #[test]
    fn what_is_cut_is_mended_before_anything_is_cut_again() {
        for plan in [Plan::of_an_hour(), Plan::quick(), Plan::short()] {
            let events = plan.events();
            let cuts = events.iter().filter(|(_, event)| matches!(event, Event::Cut(_) | Event::Mend));
            let cuts: Vec<_> = cuts.map(|(_, event)| matches!(event, Event::Cut(_))).collect();
            assert!(!cuts.is_empty() && cuts.len().is_multiple_of(2), "{cuts:?}");
            assert!(cuts.chunks(2).all(|pair| pair == [true, false]), "{cuts:?}");
        }
    }

    #[test]
    fn everything_happens_even_in_a_short_run() {
        let minute = Plan::of_an_hour().lasting(Duration::from_secs(60));
        for plan in [Plan::short(), minute, Plan::quick()] {
            assert!(count(plan, |event| matches!(event, Event::Restart(_))) > 0);
            assert!(Edge::ALL.iter().all(|edge| count(plan, |event| *event == Event::Update(*edge)) > 0));
            assert!(count(plan, |event| matches!(event, Event::Cut(_))) > 0);
        }
    }

    #[test]
    fn a_long_cut_outlasts_the_table_and_a_short_one_does_not() {
        let plan = Plan::of_an_hour();
        assert!(plan.cuts_last.iter().min() < Some(&plan.refuse_after));
        assert!(plan.cuts_last.iter().max() > Some(&plan.refuse_after));
    }
}

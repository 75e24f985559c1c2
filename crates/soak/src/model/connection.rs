//! What an edge can know at least, and at most, by its connection to the service.

use std::time::Duration;

use crate::model::At;

/// The bounds that answers are held to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// How long a change may take to an edge with a connection.
    pub(crate) propagation: Duration,
    /// How long after an outage an edge may take to follow again.
    pub(crate) recovery: Duration,
    /// The age of a table that admits nobody.
    pub(crate) refuse_after: Duration,
    /// By how much moments of different processes may differ.
    pub(crate) slack: Duration,
}

/// The outages of the way between an edge and the service, in their order.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    bounds: Bounds,
    outages: Vec<Outage>,
    /// How many causes of an outage there are at the moment: a cut, a service that is down.
    causes: u32,
}

/// One outage. What happens is bracketed: before the deed, and after it.
#[derive(Clone, Copy, Debug)]
struct Outage {
    /// From here on the way may be cut.
    begins: At,
    /// From here on it is.
    is_cut: Option<At>,
    /// From here on it may be whole.
    mends: Option<At>,
    /// From here on it is.
    is_whole: Option<At>,
}

impl Connection {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { bounds, outages: Vec::new(), causes: 0 }
    }

    /// Something is about to cut the way.
    pub(crate) fn begins(&mut self, at: At) {
        if self.causes == 0 {
            self.outages.push(Outage { begins: at, is_cut: None, mends: None, is_whole: None });
        }
        self.causes += 1;
    }

    /// It has.
    pub(crate) fn is_cut(&mut self, at: At) {
        if let Some(outage) = self.outages.last_mut() {
            outage.is_cut.get_or_insert(at);
        }
    }

    /// What cut the way is about to be mended.
    pub(crate) fn mends(&mut self, at: At) {
        let is_last_cause = self.causes == 1;
        if let Some(outage) = self.outages.last_mut().filter(|_| is_last_cause) {
            outage.mends = Some(at);
        }
    }

    /// It has been.
    pub(crate) fn is_whole(&mut self, at: At) {
        self.causes = self.causes.saturating_sub(1);
        let is_over = self.causes == 0;
        if let Some(outage) = self.outages.last_mut().filter(|_| is_over) {
            outage.is_whole = Some(at);
        }
    }

    /// The moment whose state the edge knows at least, at the moment `at`: as long ago as a change may take, unless
    /// an outage came in between. Then it is what the edge knew when the outage began.
    pub(crate) fn knows(&self, at: At) -> At {
        let mut known = at.saturating_sub(self.bounds.propagation);
        for outage in self.outages.iter().rev().filter(|outage| outage.begins <= at) {
            let followed_again = outage.is_whole.map(|whole| whole + self.bounds.recovery);
            if followed_again.is_some_and(|followed| followed < known) {
                break;
            }
            known = outage.begins.saturating_sub(self.bounds.propagation);
        }
        known
    }

    /// Whether the table may be too old to admit anybody.
    pub(crate) fn may_be_too_old(&self, at: At) -> bool {
        let age = at.saturating_sub(self.knows(at));
        age + self.bounds.slack >= self.bounds.refuse_after
    }

    /// Whether the table was too old for certain during all of a request.
    pub(crate) fn is_too_old(&self, sent: At, answered: At) -> bool {
        self.outages.last().is_some_and(|outage| {
            let too_old = outage.is_cut.map(|cut| cut + self.bounds.refuse_after + self.bounds.slack);
            let goes_on = outage.mends.is_none_or(|mends| answered < mends);
            goes_on && too_old.is_some_and(|too_old| sent > too_old)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> At {
        Duration::from_secs(count)
    }

    /// Changes take 10 s, recovery 15 s, and a table of 60 s admits nobody.
    fn connection() -> Connection {
        let [propagation, recovery, refuse_after, slack] = [10, 15, 60, 1].map(seconds);
        Connection::new(Bounds { propagation, recovery, refuse_after, slack })
    }

    fn outage(connection: &mut Connection, from: u64, to: u64) {
        connection.begins(seconds(from));
        connection.is_cut(seconds(from + 1));
        connection.mends(seconds(to - 1));
        connection.is_whole(seconds(to));
    }

    #[test]
    fn an_edge_with_a_connection_is_behind_by_the_bound_at_most() {
        assert_eq!(connection().knows(seconds(100)), seconds(90));
        assert_eq!(connection().knows(seconds(3)), seconds(0));
    }

    #[test]
    fn an_edge_that_is_cut_off_knows_what_it_knew_before() {
        let mut connection = connection();
        outage(&mut connection, 100, 120);
        for (at, known) in [(99, 89), (100, 90), (119, 90), (120, 90), (145, 90), (146, 136), (200, 190)] {
            assert_eq!(connection.knows(seconds(at)), seconds(known), "at {at} s");
        }
    }

    #[test]
    fn outages_that_follow_one_another_count_as_one() {
        let mut connection = connection();
        outage(&mut connection, 100, 120);
        outage(&mut connection, 140, 150);
        assert_eq!(connection.knows(seconds(160)), seconds(90));
        outage(&mut connection, 200, 210);
        assert_eq!(connection.knows(seconds(215)), seconds(190));
    }

    #[test]
    fn an_outage_of_two_causes_ends_with_the_last() {
        let mut connection = connection();
        connection.begins(seconds(100));
        connection.is_cut(seconds(101));
        outage(&mut connection, 120, 125);
        assert_eq!(connection.knows(seconds(150)), seconds(90));
        assert!(connection.is_too_old(seconds(163), seconds(164)));
        connection.mends(seconds(170));
        connection.is_whole(seconds(171));
        assert_eq!(connection.knows(seconds(197)), seconds(187));
    }

    #[test]
    fn a_table_is_too_old_only_in_a_long_outage() {
        let mut connection = connection();
        assert!(!connection.may_be_too_old(seconds(500)));
        outage(&mut connection, 100, 200);
        assert!(!connection.may_be_too_old(seconds(148)) && connection.may_be_too_old(seconds(149)));
        assert!(!connection.is_too_old(seconds(162), seconds(163)), "within the slack");
        assert!(connection.is_too_old(seconds(163), seconds(164)));
        assert!(!connection.is_too_old(seconds(198), seconds(199)), "it may be mended already");
        assert!(!connection.may_be_too_old(seconds(230)));
    }
}

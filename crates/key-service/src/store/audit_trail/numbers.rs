//! Which numbers of the kept events a reading looks at. Its work is bounded by them, whatever it looks for.

/// Between which numbers the kept events are; both are 0 when there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeptNumbers {
    /// That of the first.
    pub oldest: i64,
    /// That of the last.
    pub latest: i64,
}

/// Where a reading begins, and which way it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// At the first event with a larger number, the oldest first.
    After(i64),
    /// At the last event with a smaller number, the newest first.
    Before(i64),
}

/// The numbers that one reading looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NumberRange {
    /// The smallest.
    pub first: i64,
    /// The largest.
    pub last: i64,
    /// Whether the newest comes first.
    pub is_newest_first: bool,
    /// Where the next reading begins if this one has shown all that it looked at; `None` if it ends there.
    pub rest: Option<i64>,
}

impl KeptNumbers {
    /// The numbers from a place on, `count_max` of them at most.
    pub(crate) fn from(self, place: Place, count_max: i64) -> NumberRange {
        let Self { oldest, latest } = self;
        let more = count_max - 1;
        match place {
            Place::After(number) => {
                let first = number.saturating_add(1).max(oldest);
                let last = first.saturating_add(more).min(latest);
                let rest = (last < latest).then_some(last);
                NumberRange { first, last, is_newest_first: false, rest }
            }
            Place::Before(number) => {
                let last = number.saturating_sub(1).min(latest);
                let first = last.saturating_sub(more).max(oldest);
                let rest = (first > oldest && first <= last).then_some(first);
                NumberRange { first, last, is_newest_first: true, rest }
            }
        }
    }
}

impl NumberRange {
    /// Where the next reading begins if this one has shown nothing beyond this number.
    pub(crate) fn rest_after(&self, number: i64) -> Option<i64> {
        let end = if self.is_newest_first { self.first } else { self.last };
        if number == end { self.rest } else { Some(number) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT: KeptNumbers = KeptNumbers { oldest: 11, latest: 20 };

    #[test]
    fn a_reading_looks_at_so_many_numbers_and_says_where_to_go_on() {
        for (place, count_max, expected, rest) in [
            (Place::After(0), 4, 11..=14, Some(14)),
            (Place::After(14), 4, 15..=18, Some(18)),
            (Place::After(18), 4, 19..=20, None),
            (Place::After(0), 10, 11..=20, None),
            (Place::Before(i64::MAX), 4, 17..=20, Some(17)),
            (Place::Before(17), 4, 13..=16, Some(13)),
            (Place::Before(13), 4, 11..=12, None),
            (Place::Before(i64::MAX), 10, 11..=20, None),
        ] {
            let range = KEPT.from(place, count_max);
            assert_eq!((range.first..=range.last, range.rest), (expected, rest), "{place:?} {count_max}");
        }
    }

    #[test]
    fn beyond_what_is_kept_there_is_nothing_and_no_rest() {
        for (kept, place) in [
            (KEPT, Place::After(20)),
            (KEPT, Place::After(i64::MAX)),
            (KEPT, Place::Before(11)),
            (KEPT, Place::Before(0)),
            (KEPT, Place::Before(i64::MIN)),
        ] {
            let range = kept.from(place, 4);
            assert!(range.first > range.last && range.rest.is_none(), "{place:?}: {range:?}");
        }
        for place in [Place::After(0), Place::Before(i64::MAX)] {
            assert_eq!(KeptNumbers::default().from(place, 4).rest, None, "{place:?}");
        }
    }

    #[test]
    fn who_has_not_seen_all_of_it_goes_on_where_he_stopped() {
        let newest = KEPT.from(Place::Before(i64::MAX), 4);
        assert_eq!((newest.rest_after(19), newest.rest_after(17)), (Some(19), Some(17)));
        assert_eq!(KEPT.from(Place::Before(13), 4).rest_after(11), None);
        let oldest = KEPT.from(Place::After(0), 4);
        assert_eq!((oldest.rest_after(12), oldest.rest_after(14)), (Some(12), Some(14)));
        assert_eq!(KEPT.from(Place::After(18), 4).rest_after(20), None);
    }
}

//! Resident memory of processes: a figure for each row of a run, and how it grew.

use std::collections::BTreeMap;

/// Samples and rows, by the name of a process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Residents {
    samples: BTreeMap<&'static str, Vec<u64>>,
    rows: Vec<BTreeMap<&'static str, u64>>,
}

/// What a process had in the first row after the warm-up, and in the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Growth {
    pub(crate) process: &'static str,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

impl Residents {
    pub(crate) fn sample(&mut self, process: &'static str, bytes: u64) {
        self.samples.entry(process).or_default().push(bytes);
    }

    /// Ends a row: of each process the median of its samples since the row before.
    pub(crate) fn end_row(&mut self) -> BTreeMap<&'static str, u64> {
        let samples = std::mem::take(&mut self.samples);
        let medians = samples.into_iter().filter_map(|(process, mut samples)| {
            let middle = samples.len() / 2;
            samples.sort_unstable();
            Some((process, *samples.get(middle)?))
        });
        let row: BTreeMap<_, _> = medians.collect();
        self.rows.push(row.clone());
        row
    }

    /// How each process grew after the warm-up. Empty while there are not two rows to compare.
    pub(crate) fn growth(&self, warm_up_part: usize) -> Vec<Growth> {
        let warm_up = self.rows.len().div_ceil(warm_up_part);
        let after = self.rows.get(warm_up..).unwrap_or_default();
        let [first, .., last] = after else { return Vec::new() };
        let both = first.iter().filter_map(|(process, from)| Some((*process, *from, *last.get(process)?)));
        both.map(|(process, from, to)| Growth { process, from, to }).collect()
    }
}

impl Growth {
    pub(crate) fn bytes(self) -> u64 {
        self.to.saturating_sub(self.from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_counted_from_the_first_row_after_the_warm_up() {
        let mut residents = Residents::default();
        for median in [10, 50, 60, 55, 70, 75] {
            for sample in [median + 900, median, median - 5] {
                residents.sample("edge", sample);
            }
            assert_eq!(residents.end_row(), BTreeMap::from([("edge", median)]));
        }
        // Six rows: two are warm-up.
        assert_eq!(residents.growth(5), [Growth { process: "edge", from: 60, to: 75 }]);
        assert_eq!(residents.growth(5)[0].bytes(), 15);
    }

    #[test]
    fn two_rows_are_too_few_to_compare() {
        let mut residents = Residents::default();
        for _ in 0..2 {
            residents.sample("edge", 1);
            residents.end_row();
        }
        assert!(residents.growth(5).is_empty());
    }
}

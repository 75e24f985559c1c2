//! Several measurements of the same thing.

use anyhow::{Result, ensure};

/// At least one number, in ascending order.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// These numbers in order.
    ///
    /// # Errors
    ///
    /// When there is none, or one is not finite: then nothing was measured.
    pub fn new(mut numbers: Vec<f64>) -> Result<Self> {
        ensure!(!numbers.is_empty(), "nothing was measured");
        ensure!(numbers.iter().all(|number| number.is_finite()), "not a measurement: {numbers:?}");
        numbers.sort_unstable_by(f64::total_cmp);
        Ok(Self(numbers))
    }

    /// The middle one; between two middle ones, halfway.
    #[must_use]
    pub fn median(&self) -> f64 {
        let middle = self.0.len() / 2;
        if self.0.len().is_multiple_of(2) {
            f64::midpoint(self.at(middle - 1), self.at(middle))
        } else {
            self.at(middle)
        }
    }

    /// The median distance from the median: half of the numbers lie no farther from it. One odd round does
    /// not move it.
    #[must_use]
    pub fn spread(&self) -> f64 {
        let median = self.median();
        let distances = self.0.iter().map(|number| (number - median).abs()).collect();
        Self::new(distances).map_or(0.0, |distances| distances.median())
    }

    /// The smallest number that at least `share` (0 to 1) of all do not exceed.
    #[must_use]
    pub fn quantile(&self, share: f64) -> f64 {
        let rank = (share * self.0.len() as f64).ceil() as usize;
        self.at(rank.clamp(1, self.0.len()) - 1)
    }

    /// The largest.
    #[must_use]
    pub fn worst(&self) -> f64 {
        self.at(self.0.len() - 1)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    fn at(&self, index: usize) -> f64 {
        self.0.get(index).copied().unwrap_or(f64::NAN)
    }
}

/// Round by round, `of` the two numbers of the same round: a slow moment of the machine falls on both, and so
/// on neither.
///
/// # Errors
///
/// When the rounds are not equally many, or there are none.
pub fn paired(left: &[f64], right: &[f64], of: impl Fn(f64, f64) -> f64) -> Result<Samples> {
    ensure!(left.len() == right.len(), "{} rounds beside {}", left.len(), right.len());
    Samples::new(left.iter().zip(right).map(|(left, right)| of(*left, *right)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: &[f64]) -> Samples {
        Samples::new(numbers.to_vec()).unwrap()
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(of(&[9.0, 1.0, 2.0]).median(), 2.0);
        assert_eq!(of(&[9.0, 1.0, 2.0, 3.0]).median(), 2.5);
    }

    #[test]
    fn one_odd_round_does_not_widen_the_spread() {
        assert_eq!(of(&[10.0, 11.0, 12.0, 13.0, 14.0]).spread(), 1.0);
        assert_eq!(of(&[10.0, 11.0, 12.0, 13.0, 1000.0]).spread(), 1.0);
        assert_eq!(of(&[5.0]).spread(), 0.0);
    }

    #[test]
    fn a_quantile_is_an_observation() {
        let samples = Samples::new((1..=200).map(f64::from).collect()).unwrap();
        assert_eq!(samples.quantile(0.5), 100.0);
        assert_eq!(samples.quantile(0.99), 198.0);
        assert_eq!(samples.quantile(1.0), 200.0);
        assert_eq!((samples.worst(), samples.count()), (200.0, 200));
        assert_eq!(of(&[7.0]).quantile(0.0), 7.0);
    }

    #[test]
    fn nothing_measured_is_no_result() {
        assert!(Samples::new(vec![]).is_err());
        assert!(Samples::new(vec![1.0, f64::NAN]).is_err());
        assert!(paired(&[1.0], &[], |left, _| left).is_err());
    }

    #[test]
    fn rounds_are_compared_with_themselves() {
        let added = paired(&[12.0, 22.0, 13.0], &[10.0, 20.0, 10.0], |left, right| left - right).unwrap();
        assert_eq!(added.median(), 2.0);
    }
}

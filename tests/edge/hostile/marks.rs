//! Texts by which requests are told apart.

/// Any prime does.
const FACTOR: usize = 7_919;

/// Marks of one run.
#[derive(Debug, Default)]
pub(crate) struct Marks(usize);

impl Marks {
    /// The next one.
    pub(crate) fn next(&mut self) -> String {
        self.0 += 1;
        text(self.0)
    }
}

/// A mark that is altered is none, so that no request is taken for another.
fn text(number: usize) -> String {
    format!("mark-{number}-{}-", number * FACTOR % 10_007)
}

/// The mark within a text.
pub(crate) fn mark_in(found: &str) -> Option<String> {
    let number = found.split("mark-").nth(1)?.split('-').next()?;
    let mark = text(number.parse().ok().filter(|number| *number < usize::MAX / FACTOR)?);
    found.contains(&mark).then_some(mark)
}

#[test]
fn a_mark_is_found_again_and_an_altered_one_is_none() {
    let mut marks = Marks::default();
    let all: Vec<_> = (0..200).map(|_| marks.next()).collect();
    for mark in &all {
        assert_eq!(mark_in(&format!("/a?{mark}")).as_ref(), Some(mark));
        for place in 5..mark.len() - 1 {
            let mut altered = mark.clone();
            altered.remove(place);
            assert!(!all.contains(&altered) && mark_in(&altered).is_none(), "{altered}");
        }
    }
    assert_eq!(mark_in("/a?mark-"), None);
}

//! What must hold for every request, whatever it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use latchkey_local_stack::upstream::SeenRequest;

use super::case::{Ask, Case, May};
use super::gates::Gates;
use super::marks::mark_in;
use super::wire::Answers;

/// Names and values under which the upstream is told who calls, sorted.
pub(crate) type Told = Vec<(String, Vec<u8>)>;

/// What was asked, by its mark, and what has come of it so far.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    asked: BTreeMap<String, (Arc<Case>, Ask)>,
    pub(crate) tally: Tally,
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) requests: usize,
    pub(crate) answered: usize,
    pub(crate) refused: usize,
    /// What reached the upstream.
    pub(crate) admitted: usize,
    pub(crate) admitted_as_nobody: usize,
}

impl Judge {
    /// Takes note of what is about to be sent.
    pub(crate) fn expect(&mut self, case: &Arc<Case>) {
        self.tally.requests += case.asks.len();
        for ask in &case.asks {
            self.asked.insert(ask.mark.clone(), (Arc::clone(case), ask.clone()));
        }
    }

    /// Looks at what came back, and says whether it is what had to.
    pub(crate) fn answered(&mut self, case: &Case, answers: &Answers) -> bool {
        self.tally.answered += answers.statuses.len();
        self.tally.refused += answers.statuses.iter().filter(|status| **status >= 400).count();
        !case.must_be_answered() || answers.statuses == vec![200; case.asks.len()]
    }

    /// Looks at what reached the upstream.
    #[track_caller]
    pub(crate) fn seen(&mut self, gates: &Gates, seen: &SeenRequest) {
        let marks = seen.header_values("x-mark");
        let texts = marks.iter().map(String::as_str).chain([seen.target.as_str()]);
        let mark = texts.filter_map(mark_in).next();
        let asked = mark.and_then(|mark| self.asked.get(&mark));
        let case = || asked.map_or_else(|| "of no known case".to_owned(), |(case, _)| case.shown());
        let (gate, by) = match gates.judge(seen) {
            Ok(judged) => judged,
            Err(fault) => panic!("{fault}:\n{seen:?}\n{}", case()),
        };
        let May::By(id) = by else {
            self.tally.admitted_as_nobody += 1;
            return;
        };
        self.tally.admitted += 1;
        // The mark of a request whose bytes were altered may be gone.
        let Some((sent, ask)) = asked else { return };
        let is_right = match ask.may {
            May::Never => false,
            May::By(expected) => expected == id,
            May::ByWhatIsHeld => sent.holds(ask, id),
        };
        assert!(
            is_right,
            "{gate:?} admits it as {id}, and it may be admitted {:?}:\n{seen:?}\n{}",
            ask.may,
            case()
        );
    }
}

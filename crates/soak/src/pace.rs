//! Doing something so often in a second, without making up for what was missed.

use std::time::Duration;

use crate::book::Book;
use crate::model::At;

/// By how much a pace may be behind before it lets go what it missed.
const BEHIND_MAX: Duration = Duration::from_secs(1);

/// The pace of a thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    interval: Duration,
    next: At,
}

impl Pace {
    /// So often a second, shared by so many threads.
    pub(crate) fn of(a_second: u32, threads: u32) -> Self {
        let interval = Duration::from_secs(1) * threads.max(1) / a_second.max(1);
        Self { interval, next: At::ZERO }
    }

    /// Waits until `count` more may be done.
    pub(crate) fn wait(&mut self, book: &Book, count: u32) {
        self.next = self.following(count, book.now());
        std::thread::sleep(self.next.saturating_sub(book.now()));
    }

    fn following(&self, count: u32, now: At) -> At {
        (self.next + self.interval * count).max(now.saturating_sub(BEHIND_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_missed_for_long_is_let_go() {
        let seconds = Duration::from_secs;
        let pace = Pace { interval: seconds(1), next: seconds(10) };
        assert_eq!(pace.following(3, seconds(11)), seconds(13));
        assert_eq!(pace.following(1, seconds(11)), seconds(11));
        assert_eq!(pace.following(1, seconds(60)), seconds(59));
        assert_eq!(Pace::of(100, 4).interval, Duration::from_millis(40));
    }
}

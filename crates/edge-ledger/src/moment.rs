//! One moment by the clocks of the service.

use latchkey_key_feed::{MonotonicMillis, UnixMillis};

/// One moment by two clocks: the one on the wall, which others share and which may be set, and one that only
/// moves forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// By the clock on the wall.
    pub wall: UnixMillis,
    /// By the clock that only moves forward.
    pub steady: MonotonicMillis,
}

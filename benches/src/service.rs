//! The key service by itself: changes and look-ups, the rows of its feed, and ten thousand followers that
//! wait.

pub mod console;
pub mod feed_rows;
pub mod followers;
pub mod logins;
pub mod place;
pub mod throughput;

use anyhow::Result;

use crate::bench::Bench;
use crate::report::Report;

/// The section.
///
/// # Errors
///
/// When something could not be measured.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    throughput::measure(bench, report)?;
    feed_rows::measure(bench, report)?;
    followers::measure(bench, report)
}

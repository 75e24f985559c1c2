//! What has happened in a run, line by line, for somebody who reads it. A run that nobody reads writes none.

use std::cell::RefCell;

/// The lines of one run.
#[derive(Debug, Default)]
pub(crate) struct Trace(Option<RefCell<Vec<String>>>);

impl Trace {
    /// A trace that is kept.
    #[must_use]
    pub(crate) fn kept() -> Self {
        Self(Some(RefCell::default()))
    }

    /// Adds a line.
    pub(crate) fn tell(&self, line: impl FnOnce() -> String) {
        if let Some(lines) = &self.0 {
            let line = line();
            lines.borrow_mut().push(line);
        }
    }

    /// The lines.
    #[must_use]
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.as_ref().map(|lines| lines.borrow().clone()).unwrap_or_default()
    }
}

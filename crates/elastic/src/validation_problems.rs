//! Several complaints about one request, numbered.

use std::fmt::Write as _;

use crate::{ErrorCause, ErrorType};

/// All problems of a request, gathered before it is refused: `Validation Failed: 1: a;2: b;`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ValidationProblems(Vec<String>);

impl ValidationProblems {
    /// No complaints yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a complaint.
    pub fn add(&mut self, problem: impl Into<String>) {
        self.0.push(problem.into());
    }

    /// Adds a complaint if `broken`.
    pub fn add_if(&mut self, broken: bool, problem: &str) {
        if broken {
            self.0.push(problem.to_owned());
        }
    }

    /// Adds all complaints of another part.
    pub fn extend(&mut self, problems: impl IntoIterator<Item = String>) {
        self.0.extend(problems);
    }

    /// The complaints so far.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.0
    }

    /// `Ok` when there is no complaint.
    ///
    /// # Errors
    ///
    /// `action_request_validation_exception` with all complaints.
    pub fn into_result(self) -> Result<(), ErrorCause> {
        self.into_result_of(ErrorType::ActionRequestValidation)
    }

    /// The same with another type, for a part of a request.
    ///
    /// # Errors
    ///
    /// An error of that type with all complaints.
    pub fn into_result_of(self, error_type: ErrorType) -> Result<(), ErrorCause> {
        if self.0.is_empty() { Ok(()) } else { Err(ErrorCause::new(error_type, self.reason())) }
    }

    /// All complaints, of which there is at least one.
    #[must_use]
    pub fn into_cause(self) -> ErrorCause {
        ErrorCause::new(ErrorType::ActionRequestValidation, self.reason())
    }

    fn reason(&self) -> String {
        let mut reason = "Validation Failed: ".to_owned();
        for (index, problem) in self.0.iter().enumerate() {
            // Writing to a `String` does not fail.
            let _ = write!(reason, "{}: {problem};", index + 1);
        }
        reason
    }
}

//! An object whose members are written one by one, so that only their text is held in memory.

use std::collections::BTreeMap;

use latchkey_budget::Budget;
use serde::Serialize;

use crate::api::answer::text::{AnswerText, WrittenAnswer};
use crate::api::error::ApiError;

/// An object that is being written, in the order of the names.
pub(in crate::api) struct Members<'e, T> {
    text: AnswerText<'e>,
    /// Members that were given before, and are written in their places.
    others: BTreeMap<String, T>,
    is_empty: bool,
}

impl<'e, T: Serialize> Members<'e, T> {
    /// An object that also has these members.
    pub(in crate::api) fn begin(
        others: BTreeMap<String, T>,
        budget: &'e mut Budget,
    ) -> Result<Self, ApiError> {
        let mut text = AnswerText::new(budget);
        text.push("{")?;
        Ok(Self { text, others, is_empty: true })
    }

    /// Adds the next member.
    pub(in crate::api) fn push(&mut self, name: &str, value: &T) -> Result<(), ApiError> {
        self.push_others_before(Some(name))?;
        self.write(name, value)
    }

    /// The answer, and whether it has any member.
    pub(in crate::api) fn finish(mut self) -> Result<(WrittenAnswer, bool), ApiError> {
        self.push_others_before(None)?;
        self.text.push("}")?;
        Ok((self.text.finish(), !self.is_empty))
    }

    fn push_others_before(&mut self, name: Option<&str>) -> Result<(), ApiError> {
        while let Some(first) = self.others.first_entry() {
            if name.is_some_and(|name| name <= first.key().as_str()) {
                break;
            }
            let (name, value) = first.remove_entry();
            self.write(&name, &value)?;
        }
        Ok(())
    }

    fn write(&mut self, name: &str, value: &T) -> Result<(), ApiError> {
        if !std::mem::replace(&mut self.is_empty, false) {
            self.text.push(",")?;
        }
        self.text.push_json(name)?;
        self.text.push(":")?;
        self.text.push_json(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use latchkey_budget::{Allowance, BudgetExceeded, Cancellation, Principal, SharedMemory};

    #[test]
    fn members_from_elsewhere_stand_where_they_belong() {
        let mut budget = Budget::alone(Allowance { steps: 1_000, bytes: 1_000_000 });
        let others = [("b", 2), ("e", 5)].map(|(name, value)| (name.to_owned(), value));
        let mut members = Members::begin(others.into(), &mut budget).unwrap();
        for (name, value) in [("a", 1), ("c", 3), ("d\"", 4)] {
            members.push(name, &value).unwrap();
        }
        let (answer, has_any) = members.finish().unwrap();
        assert_eq!((answer.to_text().as_str(), has_any), (r#"{"a":1,"b":2,"c":3,"d\"":4,"e":5}"#, true));
        let (answer, has_any) = Members::<u8>::begin(BTreeMap::new(), &mut budget).unwrap().finish().unwrap();
        assert_eq!((answer.to_text().as_str(), has_any), ("{}", false));
    }

    #[test]
    fn it_ends_where_others_hold_the_memory() {
        let memory = SharedMemory::new(256 * 1024, 256 * 1024);
        let allowance = Allowance { steps: 1_000_000, bytes: 0 };
        let mut budget =
            Budget::new(allowance, Cancellation::default(), memory.holding(&Principal::new("a", "r")));
        let mut members = Members::begin(BTreeMap::new(), &mut budget).unwrap();
        let long = "x".repeat(10_000);
        let ended = (0..100).position(|number| members.push(&format!("{number:03}"), &long).is_err());
        assert!(ended.is_some_and(|ended| ended > 10), "{ended:?}");
        drop(members);
        assert_eq!(budget.exceeded(), Some(BudgetExceeded::Memory));
    }
}

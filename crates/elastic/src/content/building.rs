//! Building a tree, whatever it is read from.

use std::collections::HashSet;

use super::{BODY_VALUES_MAX, Member, Node, NodeValue, Position};
use crate::ErrorCause;

/// How `serde_json` tells itself that an object stands for a number, or for JSON in a text. What has a field of such
/// a name could be stored and never be read again.
const RESERVED_NAMES: &str = "$serde_json::private::";

/// How many values may still come.
#[derive(Debug)]
pub struct ValuesLeft {
    left: usize,
    max: usize,
}

/// The members of an object that is being read.
#[derive(Debug, Default)]
pub struct MemberList {
    members: Vec<Member>,
    names: HashSet<String>,
}

impl ValuesLeft {
    /// So many.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { left: max, max }
    }

    /// One more. A value takes some hundred bytes of memory while it is read, however short it is.
    ///
    /// # Errors
    ///
    /// `x_content_parse_exception` when there are too many.
    pub fn take(&mut self, at: Position) -> Result<(), ErrorCause> {
        let left = self.left.checked_sub(1);
        self.left = left.ok_or_else(|| {
            at.complain(format_args!("Document has more values than the maximum allowed ({})", self.max))
        })?;
        Ok(())
    }
}

/// As many as a body may have.
impl Default for ValuesLeft {
    fn default() -> Self {
        Self::new(BODY_VALUES_MAX)
    }
}

impl MemberList {
    /// Refuses a name that is there already, or cannot be one.
    ///
    /// # Errors
    ///
    /// `x_content_parse_exception`.
    pub fn refuse_name(&mut self, name: &str, at: Position) -> Result<(), ErrorCause> {
        if !self.names.insert(name.to_owned()) {
            return Err(at.complain(format_args!("Duplicate field '{name}'")));
        }
        if name.starts_with(RESERVED_NAMES) {
            return Err(at.complain(format_args!("Field name '{name}' is reserved")));
        }
        Ok(())
    }

    /// Adds a member whose name was not refused.
    pub fn push(&mut self, name: String, position: Position, value: Node) {
        self.members.push(Member { name, position, value });
    }

    /// The object.
    #[must_use]
    pub fn finish(self) -> NodeValue {
        NodeValue::Object(self.members)
    }
}

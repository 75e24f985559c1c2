//! As what a table acknowledges.
//!
//! The edge's name is the operator's, and several tables may share it: those of two `vm_id`s in one process,
//! of two feeds, of two shapes of records, of the two processes of a hot restart, or of two proxies that were
//! given one name. What one of them has applied the others may not have, so each has an identity of its own,
//! by which the key service counts it.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::register::TableNumber;
use crate::table::TableIdentity;

/// The identity of one table of one process: 32 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance(String);

/// How many bytes of the digest are told: 128 bits, so that no two tables of any fleet meet.
const BYTES: usize = 16;

impl Instance {
    /// The identity of the table with that number, of the plugins with that `vm_id`, which has that identity
    /// within it.
    #[must_use]
    pub fn of(number: TableNumber, vm_id: &[u8], table: TableIdentity) -> Self {
        let mut hash = Sha256::new();
        hash.update(number.0.to_le_bytes());
        hash.update(table.to_bytes());
        hash.update(vm_id);
        let mut text = String::with_capacity(2 * BYTES);
        for byte in hash.finalize().into_iter().take(BYTES) {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }

    /// The identity as it is told.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn tables_that_differ_in_anything_are_different_instances() {
        let all = [(1, "vm", 1), (2, "vm", 1), (1, "vm2", 1), (1, "", 1), (1, "vm", 2)];
        let told: HashSet<_> = all
            .map(|(number, vm_id, table)| {
                let table = TableIdentity::from_bytes([table; 8]);
                Instance::of(TableNumber(number), vm_id.as_bytes(), table).0
            })
            .into();
        assert_eq!(told.len(), all.len());
        for text in told {
            assert!(
                text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')),
                "{text}"
            );
        }
    }
}

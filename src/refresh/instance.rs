//! The identity by which the key service counts the acknowledgements of a table.
//!
//! The edge's name is the operator's, and several tables may share it: those of two `vm_id`s in one process,
//! of two feeds, of two shapes of records, of the two processes of a hot restart, or of two proxies that were
//! given one name. What one of them has applied the others may not have, so each has an identity of its own,
//! by which the key service counts it.

use latchkey_key_feed::EdgeInstance;
use sha2::{Digest as _, Sha256};

use super::register::TableNumber;
use crate::table::TableIdentity;

/// The identity of a table among all tables of all processes. It has 128 bits, so that no two tables of a
/// fleet are equal.
#[must_use]
pub fn instance_of(number: TableNumber, vm_id: &[u8], table: TableIdentity) -> EdgeInstance {
    let mut hash = Sha256::new();
    hash.update(number.0.to_le_bytes());
    hash.update(table.to_bytes());
    hash.update(vm_id);
    let hash: [u8; 32] = hash.finalize().into();
    let (told, _) = hash.split_first_chunk().unwrap_or((&[0; 16], &[]));
    EdgeInstance::from(*told)
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
                instance_of(TableNumber(number), vm_id.as_bytes(), table)
            })
            .into();
        assert_eq!(told.len(), all.len());
    }
}

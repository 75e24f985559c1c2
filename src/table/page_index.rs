//! In which page of a table something stands.

use super::attachment::is_attachment;
use crate::limits::{KEYS_PER_PAGE, PAGE_BITS_MAX, PAGE_BITS_MIN, PAGES_PER_PARTITION_BITS};

/// A random number of each table. It decides where attachments stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageSalt(pub u64);

/// The page of a key or an attachment in a table with 2^`page_bits` pages of keys and that salt.
pub(super) fn page_index(id: &str, page_bits: u8, salt: PageSalt) -> u32 {
    if is_attachment(id) { attachment_index(id, page_bits, salt) } else { key_index(id, page_bits) }
}

/// The page of a key.
pub(super) fn key_index(id: &str, page_bits: u8) -> u32 {
    hashed(id, PageSalt(0)) & mask(page_bits)
}

/// The page of an attachment: one of those that follow the pages of keys.
fn attachment_index(id: &str, page_bits: u8, salt: PageSalt) -> u32 {
    let key_pages = mask(page_bits) + 1;
    let pages = mask(page_bits_with_attachments(page_bits)) + 1 - key_pages;
    // There is more than one such page.
    key_pages + hashed(id, salt).checked_rem(pages).unwrap_or_default()
}

/// The binary logarithm of all pages of a table that has attachments: as many as the keys have, because there
/// may be one for each. A small table has more of them, all that are laid out at once: a set can be large, and
/// whoever reads or writes one copies its page.
pub(super) fn page_bits_with_attachments(page_bits: u8) -> u8 {
    (page_bits + 1).max(PAGES_PER_PARTITION_BITS)
}

/// At most `PAGE_BITS_MAX` and one bit more.
fn mask(page_bits: u8) -> u32 {
    (1 << page_bits) - 1
}

/// FNV-1a of the id, its high half folded into the low one.
///
/// The hash of a key's id need not withstand an attacker. Only the key service makes ids, and a look-up of an
/// id that it did not make costs the same wherever it lands. The id of a set of rights follows from what it
/// grants, so whoever has keys made could choose sets that meet in one page, if he knew the salt.
fn hashed(id: &str, salt: PageSalt) -> u32 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let hash =
        id.bytes().fold(OFFSET_BASIS ^ salt.0, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    // The low half is what the pages are taken from.
    (hash ^ (hash >> 32)) as u32
}

/// The size of a new table for so many keys.
pub(super) fn page_bits_for(keys: u64) -> u8 {
    let pages = keys.div_ceil(KEYS_PER_PAGE).max(1).next_power_of_two();
    // A u64 has at most 64 trailing zeros.
    (pages.trailing_zeros() as u8).clamp(PAGE_BITS_MIN, PAGE_BITS_MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::limits::KEYS_PER_PAGE_MAX;
    use crate::table::{Attachment, ContentId};

    #[test]
    fn attachments_have_pages_behind_those_of_the_keys() {
        for bits in [PAGE_BITS_MIN, 8, 9, 12, PAGE_BITS_MAX] {
            let (keys, all) = (1_u32 << bits, 1_u32 << page_bits_with_attachments(bits));
            assert!(all >= 2 * keys);
            for number in 0..100 {
                assert!(page_index(&format!("key-{number}"), bits, PageSalt(0)) < keys);
                assert!((keys..all).contains(&page_index(&format!("rights:{number}"), bits, PageSalt(0))));
            }
        }
    }

    #[test]
    fn sets_that_meet_in_a_page_of_one_table_do_not_meet_in_one_of_another() {
        let sets = (0..200_000_u32).map(|set| Attachment::Rights(ContentId::of(&set.to_le_bytes())).id());
        let page = |id: &str, salt| page_index(id, PAGE_BITS_MIN, PageSalt(salt));
        let chosen: Vec<String> = sets.filter(|id| page(id, 1) == 1 << PAGE_BITS_MIN).collect();
        assert!(chosen.len() > 200);
        for salt in [0, 2, 1 << 9, 1 << 32, u64::MAX] {
            let mut sets_of_page = BTreeMap::new();
            for id in &chosen {
                *sets_of_page.entry(page(id, salt)).or_insert(0) += 1;
            }
            let fullest = sets_of_page.into_values().max().unwrap_or(0);
            assert!(fullest < 16, "a page has {fullest} of {} with salt {salt:x}", chosen.len());
        }
    }

    #[test]
    fn a_new_table_has_about_eight_keys_a_page() {
        assert_eq!(page_bits_for(0), PAGE_BITS_MIN);
        assert_eq!(page_bits_for(1_000_000), 17);
        assert_eq!(page_bits_for(u64::MAX / 4), PAGE_BITS_MAX);
    }

    #[test]
    fn ids_that_differ_in_one_place_spread_over_all_pages() {
        let mut filled = [0_u32; 256];
        for number in 0..256 * 8 {
            let id = format!("VuaCfGcBCdbkQm-{number:05}");
            filled[page_index(&id, 8, PageSalt(0)) as usize] += 1;
        }
        let fullest = filled.iter().max().unwrap();
        assert!(*fullest <= KEYS_PER_PAGE_MAX as u32, "a page holds {fullest} keys");
        assert!(filled.iter().filter(|keys| **keys == 0).count() < 3);
    }
}

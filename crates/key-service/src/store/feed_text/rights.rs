//! The rights of the keys of a page.
//!
//! Rights are worked out from the descriptors as they are stored. Many keys have equal ones, so what was
//! worked out for a page is remembered for the rest of it.

use std::collections::HashMap;

use latchkey_key_feed::WrittenRows;
use latchkey_key_feed::format_limits::{DIGEST_LEN, RIGHTS_LEN_MAX};
use latchkey_privileges::rights::Rights;
use latchkey_privileges::role_descriptor::RoleDescriptors;
use sha2::{Digest as _, Sha256};

/// The descriptors of a key, as JSON.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Descriptors<'a> {
    /// Its own.
    pub(in crate::store) assigned: &'a str,
    /// Those of its owner.
    pub(in crate::store) limited_by: &'a str,
}

/// Why the feed does not say what a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhyWithoutRights {
    /// It has more rights than an edge reads. It was made when nothing was refused for that.
    TooLarge,
    /// What is stored of it is not what was stored.
    Unreadable,
}

/// The place of the rights in a page; in version 1 there is none.
type Place = Result<Option<u32>, WhyWithoutRights>;

/// What was worked out for a page, by the digest of the descriptors: one entry a row at most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RightsOfPage(HashMap<[u8; DIGEST_LEN], Place>);

impl RightsOfPage {
    /// The place of a key's rights, which are added to the page if they are not there.
    pub(super) fn place(&mut self, descriptors: Descriptors<'_>, written: &mut WrittenRows) -> Place {
        *self.0.entry(descriptors.digest()).or_insert_with(|| {
            let rights = descriptors.rights()?;
            if rights.len() > RIGHTS_LEN_MAX {
                return Err(WhyWithoutRights::TooLarge);
            }
            Ok(written.place_of_rights(&rights))
        })
    }
}

impl Descriptors<'_> {
    fn digest(self) -> [u8; DIGEST_LEN] {
        // The length says where one text ends and the other begins.
        let len = (self.assigned.len() as u64).to_be_bytes();
        Sha256::new()
            .chain_update(len)
            .chain_update(self.assigned)
            .chain_update(self.limited_by)
            .finalize()
            .into()
    }

    /// The rights as JSON.
    fn rights(self) -> Result<String, WhyWithoutRights> {
        let read =
            |json| serde_json::from_str::<RoleDescriptors>(json).map_err(|_| WhyWithoutRights::Unreadable);
        Ok(Rights::of_key(&read(self.assigned)?, &read(self.limited_by)?).to_json())
    }
}

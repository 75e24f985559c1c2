//! The size of a key that is to be stored: every edge must be able to hold it.

use latchkey_key_feed::format_limits::RIGHTS_LEN_MAX;
use latchkey_key_feed::{ListSize, MetadataSize, RowProblem, RowSize, WireObject, header_value};
use latchkey_privileges::rights::Rights;
use latchkey_privileges::role_descriptor::RoleDescriptors;
use serde_json::{Map, Value};

use crate::limits::row_limits::DESCRIPTORS_LEN_MAX;
use crate::model::stored_key::StoredKey;
use crate::store::written_len::json_len;

impl StoredKey {
    /// All limits that it exceeds, as messages of a failed validation.
    #[must_use]
    pub fn problems_of_size(&self) -> Vec<String> {
        let mut problems = problems_of_descriptors(Some(&self.role_descriptors), &self.limited_by);
        problems.extend(self.problems_of_row());
        problems
    }

    /// That its rights are longer than an edge reads. Such a key is admitted, but not where a rule asks for a
    /// privilege.
    #[must_use]
    pub fn problem_of_rights(&self) -> Option<String> {
        let len = Rights::of_key(&self.role_descriptors, &self.limited_by).to_json().len();
        (len > RIGHTS_LEN_MAX).then(|| {
            format!(
                "what the key may do, by role_descriptors and by the roles of the owner, has {len} bytes as JSON, at most {RIGHTS_LEN_MAX} are allowed"
            )
        })
    }

    /// All limits of what the feed sends that it exceeds.
    #[must_use]
    pub fn problems_of_row(&self) -> Vec<String> {
        let mut problems = match self.row_size() {
            Some(size) => size.problems().iter().map(ToString::to_string).collect(),
            None => vec![too_deep()],
        };
        problems.extend(self.problem_of_rights());
        problems
    }

    /// Whether every edge can hold it. The feed says that a key is removed if not.
    #[must_use]
    pub fn fits_a_record(&self) -> bool {
        self.row_size().is_some_and(|size| size.fits_a_record())
    }

    /// `None` when its metadata cannot be read by an edge.
    fn row_size(&self) -> Option<RowSize> {
        Some(RowSize {
            id_len: self.id.as_str().len(),
            name_len: header_value::encoded_len(&self.name),
            owner_len: header_value::encoded_len(&self.owner.username)
                + header_value::encoded_len(&self.owner.realm),
            roles: ListSize::of_names(self.role_descriptors.names()),
            limited_by: ListSize::of_names(self.limited_by.names()),
            metadata: metadata_size(&self.metadata)?,
        })
    }
}

/// All limits that metadata alone exceeds.
#[must_use]
pub(crate) fn problems_of_metadata(metadata: &Map<String, Value>) -> Vec<String> {
    let Some(metadata) = metadata_size(metadata) else { return vec![too_deep()] };
    RowSize { metadata, ..RowSize::default() }.problems().iter().map(ToString::to_string).collect()
}

/// All limits that role descriptors exceed. Only their names reach the edges; the rest is stored with each
/// key.
#[must_use]
pub(crate) fn problems_of_descriptors(
    own: Option<&RoleDescriptors>,
    limited_by: &RoleDescriptors,
) -> Vec<String> {
    [("role_descriptors", own), ("the roles of the owner", Some(limited_by))]
        .into_iter()
        .filter_map(|(what, roles)| Some((what, json_len(roles?))))
        .filter(|(_, len)| *len > DESCRIPTORS_LEN_MAX)
        .map(|(what, len)| {
            format!("{what} have {len} bytes as JSON, at most {DESCRIPTORS_LEN_MAX} are allowed")
        })
        .collect()
}

/// `None` when an edge could not read it.
fn metadata_size(metadata: &Map<String, Value>) -> Option<MetadataSize> {
    Some(WireObject::measured(&serde_json::to_string(metadata).ok()?).ok()?.1)
}

fn too_deep() -> String {
    RowProblem::MetadataDepth(latchkey_key_feed::format_limits::JSON_DEPTH_MAX).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn descriptors_are_accepted_up_to_their_limit_and_not_one_byte_more() {
        let with = |len: usize| -> RoleDescriptors {
            serde_json::from_value(json!({"r": {"metadata": {"x": "y".repeat(len)}}})).unwrap()
        };
        let none = RoleDescriptors::default();
        let beside = json_len(&with(0));
        let [longest, longer] = [0, 1].map(|more| with(DESCRIPTORS_LEN_MAX - beside + more));
        assert_eq!(problems_of_descriptors(Some(&longest), &longest), Vec::<String>::new());
        let of_key = problems_of_descriptors(Some(&longer), &none);
        assert_eq!(of_key, ["role_descriptors have 1048577 bytes as JSON, at most 1048576 are allowed"]);
        let of_owner = problems_of_descriptors(None, &longer);
        assert_eq!(
            of_owner,
            ["the roles of the owner have 1048577 bytes as JSON, at most 1048576 are allowed"]
        );
    }
}

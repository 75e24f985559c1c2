//! How many requests an edge has refused, by the reason.

/// Why a filter refuses, as its metrics name it; sorted. A newer filter may have other reasons.
pub const REFUSAL_REASONS: [&str; 29] = [
    "credential_bad_base64",
    "credential_bad_escape",
    "credential_colon_missing",
    "credential_duplicate",
    "credential_empty",
    "credential_id_empty",
    "credential_id_not_utf8",
    "credential_id_too_long",
    "credential_missing",
    "credential_space_missing",
    "credential_too_long",
    "host_ambiguous",
    "host_failed",
    "key_expired",
    "key_revoked",
    "key_unknown",
    "method_ambiguous",
    "path_ambiguous",
    "right_missing",
    "rights_too_costly",
    "rights_unknown",
    "route_ambiguous",
    "route_right_missing",
    "route_unreadable",
    "row_set_aside",
    "secret_wrong",
    "table_absent",
    "table_too_old",
    "table_unreadable",
];

/// What every other reason counts as.
pub const OTHER_REASON: &str = "other";

/// How many reasons are told apart.
const REASONS: usize = REFUSAL_REASONS.len() + 1;

/// Bytes of the counts where plugins of one process share them.
pub(crate) const REFUSAL_COUNTS_LEN: usize = REASONS * 8;

/// Refused requests by reason. It takes the same room whatever is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RefusalCounts([u64; REASONS]);

impl RefusalCounts {
    /// Counts requests that were refused for this reason.
    pub fn add(&mut self, reason: &str, count: u64) {
        let place = REFUSAL_REASONS.binary_search(&reason).unwrap_or(REFUSAL_REASONS.len());
        if let Some(counted) = self.0.get_mut(place) {
            *counted = counted.saturating_add(count);
        }
    }

    /// Counts all of others too.
    pub fn merge(&mut self, more: &Self) {
        for (counted, more) in self.0.iter_mut().zip(more.0) {
            *counted = counted.saturating_add(more);
        }
    }

    /// Whether nothing was refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|count| *count == 0)
    }

    /// The reasons for which something was refused, each with how much.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let reasons = REFUSAL_REASONS.into_iter().chain([OTHER_REASON]);
        reasons.zip(self.0).filter(|(_, count)| *count != 0)
    }

    /// As bytes, each number little-endian.
    pub(crate) fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.0.iter().flat_map(|count| count.to_le_bytes()));
    }

    /// From these bytes, and what follows them.
    pub(crate) fn decode(mut bytes: &[u8]) -> Option<(Self, &[u8])> {
        let mut counts = Self::default();
        for counted in &mut counts.0 {
            let (count, rest) = bytes.split_first_chunk()?;
            *counted = u64::from_le_bytes(*count);
            bytes = rest;
        }
        Some((counts, bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_found_because_they_are_sorted() {
        assert!(REFUSAL_REASONS.is_sorted());
        let mut counts = RefusalCounts::default();
        assert!(counts.is_empty());
        for reason in REFUSAL_REASONS {
            counts.add(reason, 1);
        }
        assert_eq!(counts.iter().map(|(reason, _)| reason).collect::<Vec<_>>(), REFUSAL_REASONS);
    }

    #[test]
    fn counts_add_up_and_a_reason_that_nobody_knows_is_another() {
        let mut counts = RefusalCounts::default();
        counts.add("secret_wrong", 2);
        counts.add("of a newer filter", 3);
        let mut more = counts;
        more.add("key_unknown", u64::MAX);
        counts.add("key_unknown", 1);
        counts.merge(&more);
        let told: Vec<_> = counts.iter().collect();
        assert_eq!(told, [("key_unknown", u64::MAX), ("secret_wrong", 4), (OTHER_REASON, 6)]);
    }

    #[test]
    fn counts_survive_their_bytes_and_too_few_are_none() {
        let mut counts = RefusalCounts::default();
        counts.add("key_expired", 258);
        let mut bytes = Vec::new();
        counts.encode(&mut bytes);
        assert_eq!(bytes.len(), REFUSAL_COUNTS_LEN);
        bytes.push(9);
        assert_eq!(RefusalCounts::decode(&bytes), Some((counts, &[9][..])));
        assert_eq!(RefusalCounts::decode(&bytes[..REFUSAL_COUNTS_LEN - 1]), None);
    }
}

//! How often keys were used and how many requests were refused, as edges count it.
//!
//! A report is kept as bytes where plugins of one process share it, one entry after the other:
//!
//! | bytes | what |
//! |-------|------|
//! | 2 | the length of the id, little-endian |
//! | that many | the id |
//! | 4 | requests that proved the key, little-endian |
//! | 4 | requests with a wrong secret, little-endian |
//!
//! Where requests were refused, an entry with the length 0 follows, which no id has, and the counts of refused
//! requests.
//!
//! The service gets it as JSON: `{"keys":{"<id>":[<proven>,<wrong secret>],…}}`, and besides what the edge says of
//! itself: `"edge":{"instance":"<digits>","over_ms":<time>,"keys":<size of its table>,"denied":{"<reason>":<count>,…}}`.

use std::collections::HashMap;
use std::fmt::Write as _;

use foldhash::fast::FixedState;

use crate::KeyId;
use crate::edge_instance::EdgeInstance;
use crate::edge_name::EdgeName;
use crate::feed_request::QueryWriter;
use crate::format_limits::USAGE_REPORT_LEN_MAX;
use crate::refusal_counts::{REFUSAL_COUNTS_LEN, RefusalCounts};

/// What the path of the feed ends with, and what that of reports ends with in its place.
const FEED: &str = "/feed";
const USAGE: &str = "/usage";

/// Bytes of an entry beside its id.
const ENTRY_FRAME_LEN: usize = 2 + 4 + 4;

/// Bytes that the uses of keys may take: those of a report without the counts of refused requests.
const KEYS_LEN_MAX: usize = USAGE_REPORT_LEN_MAX - (2 + REFUSAL_COUNTS_LEN);

/// How often a key was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyUses {
    /// Requests that proved the key, whatever became of them.
    pub proven: u32,
    /// Requests that named the key and had a wrong secret.
    pub wrong_secret: u32,
}

/// Uses of keys, of as many keys as there is room for.
///
/// Ids are hashed without a secret: they are those of keys that exist, and room is bounded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageReport {
    /// Requests that were refused.
    pub refused: RefusalCounts,
    keys: HashMap<KeyId, KeyUses, FixedState>,
    len: usize,
}

/// What an edge says of itself beside what it has counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToldOfEdge<'a> {
    /// Which instance it is.
    pub instance: &'a EdgeInstance,
    /// The time that the report is about, in milliseconds.
    pub over_ms: u64,
    /// How many keys its table has, if it has one.
    pub keys: Option<u64>,
}

/// There was no room for another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsageReportFull;

/// The bytes are no report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidUsageReport;

impl KeyUses {
    /// All of it.
    #[must_use]
    pub fn count(self) -> u64 {
        u64::from(self.proven) + u64::from(self.wrong_secret)
    }

    /// Both together. More than a number holds is not counted.
    #[must_use]
    pub fn plus(self, more: Self) -> Self {
        Self {
            proven: self.proven.saturating_add(more.proven),
            wrong_secret: self.wrong_secret.saturating_add(more.wrong_secret),
        }
    }
}

impl UsageReport {
    /// Counts uses of a key.
    ///
    /// # Errors
    ///
    /// [`UsageReportFull`] when the report would take more than [`USAGE_REPORT_LEN_MAX`]; nothing is counted
    /// then.
    pub fn add(&mut self, id: &KeyId, uses: KeyUses) -> Result<(), UsageReportFull> {
        if let Some(known) = self.keys.get_mut(id) {
            *known = known.plus(uses);
            return Ok(());
        }
        let len = self.len + ENTRY_FRAME_LEN + id.as_str().len();
        if len > KEYS_LEN_MAX {
            return Err(UsageReportFull);
        }
        self.keys.insert(id.clone(), uses);
        self.len = len;
        Ok(())
    }

    /// Counts all of another report. Returns how many uses there was no room for.
    pub fn merge(&mut self, more: &Self) -> u64 {
        self.refused.merge(&more.refused);
        let lost = more.keys.iter().filter(|(id, uses)| self.add(id, **uses).is_err());
        lost.map(|(_, uses)| uses.count()).sum()
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.has_uses() && self.refused.is_empty()
    }

    /// Whether a key was used.
    #[must_use]
    pub fn has_uses(&self) -> bool {
        !self.keys.is_empty()
    }

    /// How many uses there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.keys.values().map(|uses| uses.count()).sum()
    }

    /// Each key with its uses, in any order.
    pub fn iter(&self) -> impl Iterator<Item = (&KeyId, KeyUses)> {
        self.keys.iter().map(|(id, uses)| (id, *uses))
    }

    /// The report as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len);
        for (id, uses) in &self.keys {
            // An id is shorter than 2^16 bytes (`KEY_ID_LEN_MAX`).
            let len = u16::try_from(id.as_str().len()).unwrap_or_default();
            bytes.extend_from_slice(&len.to_le_bytes());
            bytes.extend_from_slice(id.as_str().as_bytes());
            bytes.extend_from_slice(&uses.proven.to_le_bytes());
            bytes.extend_from_slice(&uses.wrong_secret.to_le_bytes());
        }
        if !self.refused.is_empty() {
            bytes.extend_from_slice(&[0; 2]);
            self.refused.encode(&mut bytes);
        }
        bytes
    }

    /// The report of these bytes.
    ///
    /// # Errors
    ///
    /// [`InvalidUsageReport`] when they are none.
    pub fn decode(mut bytes: &[u8]) -> Result<Self, InvalidUsageReport> {
        let mut report = Self::default();
        while !bytes.is_empty() {
            if let Some(counts) = bytes.strip_prefix(&[0; 2]) {
                let (refused, rest) = RefusalCounts::decode(counts).ok_or(InvalidUsageReport)?;
                report.refused.merge(&refused);
                bytes = rest;
                continue;
            }
            let (id, uses, rest) = entry(bytes).ok_or(InvalidUsageReport)?;
            report.add(&id, uses).map_err(|UsageReportFull| InvalidUsageReport)?;
            bytes = rest;
        }
        Ok(report)
    }

    /// The report as the service reads it. An older service reads only one that says nothing of the edge.
    #[must_use]
    pub fn to_json(&self, of_edge: Option<&ToldOfEdge<'_>>) -> String {
        let mut json = "{\"keys\":{".to_owned();
        let mut separator = "";
        for (id, uses) in &self.keys {
            json.push_str(separator);
            separator = ",";
            push_json_text(&mut json, id.as_str());
            // Writing to a String cannot fail.
            let _ = write!(json, ":[{},{}]", uses.proven, uses.wrong_secret);
        }
        json.push('}');
        if let Some(told) = of_edge {
            self.push_edge(&mut json, told);
        }
        json.push('}');
        json
    }

    /// Digits, names of reasons and numbers need no escapes. Writing to a String cannot fail.
    fn push_edge(&self, json: &mut String, ToldOfEdge { instance, over_ms, keys }: &ToldOfEdge<'_>) {
        let _ = write!(json, ",\"edge\":{{\"instance\":\"{}\",\"over_ms\":{over_ms}", instance.as_str());
        if let Some(keys) = keys {
            let _ = write!(json, ",\"keys\":{keys}");
        }
        json.push_str(",\"denied\":{");
        let mut separator = "";
        for (reason, count) in self.refused.iter() {
            let _ = write!(json, "{separator}\"{reason}\":{count}");
            separator = ",";
        }
        json.push_str("}}");
    }
}

/// Where an edge sends its reports: beside the path of its feed. `None` when that path is none of ours.
#[must_use]
pub fn usage_path(feed_path: &str, edge: &EdgeName) -> Option<String> {
    let mut path = feed_path.strip_suffix(FEED)?.to_owned();
    path.push_str(USAGE);
    QueryWriter::new(&mut path).text("edge", edge.as_str());
    Some(path)
}

/// The first entry, and what follows it.
fn entry(bytes: &[u8]) -> Option<(KeyId, KeyUses, &[u8])> {
    let (len, bytes) = bytes.split_first_chunk()?;
    let (id, bytes) = bytes.split_at_checked(u16::from_le_bytes(*len).into())?;
    let id = KeyId::try_from(std::str::from_utf8(id).ok()?.to_owned()).ok()?;
    let (proven, bytes) = bytes.split_first_chunk()?;
    let (wrong_secret, bytes) = bytes.split_first_chunk()?;
    let (proven, wrong_secret) = (u32::from_le_bytes(*proven), u32::from_le_bytes(*wrong_secret));
    Some((id, KeyUses { proven, wrong_secret }, bytes))
}

/// A text in JSON (RFC 8259, section 7).
fn push_json_text(json: &mut String, text: &str) {
    json.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            '\0'..='\x1f' => {
                let _ = write!(json, "\\u{:04x}", u32::from(character));
            }
            _ => json.push(character),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::format_limits::KEY_ID_LEN_MAX;

    fn id(text: &str) -> KeyId {
        KeyId::try_from(text.to_owned()).unwrap()
    }

    fn uses(proven: u32, wrong_secret: u32) -> KeyUses {
        KeyUses { proven, wrong_secret }
    }

    #[test]
    fn uses_of_a_key_add_up_and_end_at_what_a_number_holds() {
        let mut report = UsageReport::default();
        assert!(report.is_empty());
        report.add(&id("a"), uses(1, 0)).unwrap();
        report.add(&id("a"), uses(2, 5)).unwrap();
        report.add(&id("b"), uses(0, 1)).unwrap();
        assert_eq!(report.count(), 9);
        report.add(&id("a"), uses(u32::MAX, u32::MAX)).unwrap();
        let of_a = report.iter().find(|(key, _)| key.as_str() == "a").unwrap();
        assert_eq!(of_a.1, uses(u32::MAX, u32::MAX));
    }

    #[test]
    fn a_report_has_room_for_so_many_bytes_and_counts_its_keys_when_it_is_full() {
        let mut report = UsageReport::default();
        let long = |number: usize| id(&format!("{number:0KEY_ID_LEN_MAX$}"));
        let most = KEYS_LEN_MAX / (ENTRY_FRAME_LEN + KEY_ID_LEN_MAX);
        for number in 0..most {
            report.add(&long(number), uses(1, 0)).unwrap();
        }
        assert_eq!(report.add(&long(most), uses(1, 0)), Err(UsageReportFull));
        report.add(&long(0), uses(1, 0)).unwrap();
        assert_eq!(report.count(), most as u64 + 1);
        report.refused.add("key_unknown", 1);
        assert!(report.encode().len() <= USAGE_REPORT_LEN_MAX);
        let mut more = UsageReport::default();
        more.add(&long(most), uses(3, 4)).unwrap();
        more.add(&long(1), uses(1, 0)).unwrap();
        assert_eq!(report.merge(&more), 7, "what had no room");
        assert_eq!(report.count(), most as u64 + 2);
    }

    #[test]
    fn the_service_gets_it_as_json_beside_the_feed() {
        let mut report = UsageReport::default();
        report.add(&id("a\"\\\n\u{1f511}"), uses(7, 1)).unwrap();
        let json = report.to_json(None);
        assert_eq!(json, "{\"keys\":{\"a\\\"\\\\\\u000a\u{1f511}\":[7,1]}}");
        assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
        assert_eq!(UsageReport::default().to_json(None), "{\"keys\":{}}");
        let edge = EdgeName::try_from("edge 1&x".to_owned()).unwrap();
        let path = |feed| usage_path(feed, &edge);
        assert_eq!(path("/k/_latchkey/feed"), Some("/k/_latchkey/usage?edge=edge%201%26x".to_owned()));
        assert_eq!(path("/feeds"), None);
    }

    #[test]
    fn an_edge_says_of_itself_how_large_its_table_is_and_what_it_refuses() {
        let instance = EdgeInstance::try_from("0123456789abcdef0123456789abcdef".to_owned()).unwrap();
        let mut report = UsageReport::default();
        report.refused.add("key_unknown", 3);
        report.refused.add("credential_missing", 1);
        assert!(!report.is_empty() && !report.has_uses());
        let told = ToldOfEdge { instance: &instance, over_ms: 10_000, keys: Some(7) };
        assert_eq!(
            report.to_json(Some(&told)),
            "{\"keys\":{},\"edge\":{\"instance\":\"0123456789abcdef0123456789abcdef\",\"over_ms\":10000,\"keys\":7,\
             \"denied\":{\"credential_missing\":1,\"key_unknown\":3}}}"
        );
        let without_table = ToldOfEdge { keys: None, ..told };
        let json = UsageReport::default().to_json(Some(&without_table));
        assert!(json.ends_with("\"over_ms\":10000,\"denied\":{}}}"), "{json}");
        let mut more = UsageReport::default();
        more.refused.add("key_unknown", 4);
        assert_eq!(report.merge(&more), 0);
        assert_eq!(
            report.refused.iter().collect::<Vec<_>>(),
            [("credential_missing", 1), ("key_unknown", 7)]
        );
    }

    proptest! {
        #[test]
        fn a_report_survives_its_bytes(keys in proptest::collection::hash_map("[^:]{1,40}", any::<(u32, u32)>(), 0..20), refused: u64) {
            let mut report = UsageReport::default();
            for (key, (proven, wrong)) in keys {
                report.add(&id(&key), uses(proven, wrong)).unwrap();
            }
            report.refused.add("secret_wrong", refused);
            prop_assert_eq!(UsageReport::decode(&report.encode()), Ok(report));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = UsageReport::decode(&bytes);
        }
    }
}

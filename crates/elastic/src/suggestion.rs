//! "Did you mean": the known names that resemble an unknown one.

/// Least similarity of a suggestion. 0 is nothing in common, 1 is equal (Elasticsearch, `BaseRestHandler` and
/// `SuggestingErrorOnUnknown`).
const LIKENESS_MIN: f64 = 0.5;

/// Longest unknown name that is compared, in bytes. All names of the interface are shorter than half of it,
/// so a longer one resembles none of them; comparing costs time in proportion to its length.
const UNKNOWN_LEN_MAX: usize = 128;

/// The end of the sentence about an unknown name, such as `did you mean [ids]?` or
/// `did you mean any of [name, names]?`. `None` when no known name is similar.
#[must_use]
pub fn did_you_mean<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    if unknown.len() > UNKNOWN_LEN_MAX {
        return None;
    }
    let mut near: Vec<(f64, &str)> = known
        .map(|name| (strsim::normalized_levenshtein(unknown, name), name))
        .filter(|(likeness, _)| *likeness > LIKENESS_MIN)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    near.dedup_by(|a, b| a.1 == b.1);
    let names: Vec<&str> = near.iter().map(|(_, name)| *name).collect();
    match names.as_slice() {
        [] => None,
        [only] => Some(format!("did you mean [{only}]?")),
        several => Some(format!("did you mean any of [{}]?", several.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_the_nearest_names_first() {
        // ES-style rows: unknown name, known names, sentence.
        let rows: [(&str, &[&str], Option<&str>); 5] = [
            ("id", &["ids", "name"], Some("did you mean [ids]?")),
            ("nmae", &["name"], None), // Two edits of four: likeness is 0.5 exactly, which is too little.
            ("nam", &["names", "name"], Some("did you mean any of [name, names]?")),
            ("nam", &["name", "name"], Some("did you mean [name]?")),
            ("zzz", &["name"], None),
        ];
        for (unknown, known, sentence) in rows {
            assert_eq!(did_you_mean(unknown, known.iter().copied()).as_deref(), sentence, "{unknown}");
        }
    }

    #[test]
    fn compares_nothing_with_an_overlong_name() {
        let long = "n".repeat(UNKNOWN_LEN_MAX + 1);
        assert_eq!(did_you_mean(&long, std::iter::once(long.as_str())), None);
    }
}

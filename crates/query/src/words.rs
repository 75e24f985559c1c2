//! Texts that are taken apart: what Elasticsearch calls a field of type `text`. A query compares their words, in lower
//! case, and not the text (`SecuritySystemIndices`, 9.1: `full_name` and `description` by the standard analyzer,
//! `email` by one of its own).

use std::collections::BTreeSet;

use unicode_segmentation::UnicodeSegmentation as _;

/// How a text is taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Words {
    /// At the boundaries of words (Unicode, annex 29), without what is neither letter nor digit.
    Plain,
    /// The same, but an address stays whole, and so do its parts: what stands on either side of the `@`, each run
    /// of letters, and each of digits.
    OfAddresses,
}

impl Words {
    /// The words of a text.
    pub(super) fn of(self, text: &str) -> BTreeSet<String> {
        match self {
            Self::Plain => text.unicode_words().map(str::to_lowercase).collect(),
            Self::OfAddresses => text.split_whitespace().flat_map(of_address).collect(),
        }
    }
}

/// An address with its parts, or the words of what is none.
fn of_address(text: &str) -> Vec<String> {
    let text = text.trim_matches(|char: char| !char.is_alphanumeric());
    let lowered = text.to_lowercase();
    let tokens: Vec<&str> =
        if is_address(&lowered) { vec![&lowered] } else { lowered.unicode_words().collect() };
    let mut words = Vec::new();
    for token in tokens {
        words.push(token.to_owned());
        words.extend(token.split('@').map(str::to_owned));
        words.extend(token.split(|char: char| !char.is_alphabetic()).map(str::to_owned));
        words.extend(token.split(|char: char| !char.is_numeric()).map(str::to_owned));
    }
    words.retain(|word| !word.is_empty());
    words
}

fn is_address(text: &str) -> bool {
    text.split_once('@')
        .is_some_and(|(user, host)| !user.is_empty() && host.contains('.') && !host.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_its_words_in_lower_case() {
        let words = |text| Words::Plain.of(text).into_iter().collect::<Vec<_>>();
        assert_eq!(words("Zoë O'Neil-Smith, 3rd (Ops)"), ["3rd", "o'neil", "ops", "smith", "zoë"]);
        assert_eq!(words(" -- "), Vec::<String>::new());
        assert_eq!(words("Batman"), ["batman"]);
    }

    #[test]
    fn an_address_is_found_by_itself_and_by_its_parts() {
        let words = Words::OfAddresses.of("Ann.Lee7@Mail.example.org");
        let expected = [
            "7",
            "ann",
            "ann.lee7",
            "ann.lee7@mail.example.org",
            "example",
            "lee",
            "mail",
            "mail.example.org",
            "org",
        ];
        assert_eq!(words.into_iter().collect::<Vec<_>>(), expected);
        let none = Words::OfAddresses.of("at @ home");
        assert_eq!(none.into_iter().collect::<Vec<_>>(), ["at", "home"]);
    }
}

//! How hard a key is to guess that somebody else made: by its length and its alphabet.

/// How many different characters a random text shows at least that is long enough.
const DIFFERENT_MIN: usize = 8;

/// The bits of a text that was drawn at random from the smallest usual alphabet that has all its characters. A text
/// of few different characters counts as drawn from these.
#[must_use]
pub(crate) fn strength_bits(text: &str) -> u32 {
    let mut characters: Vec<char> = text.chars().collect();
    let len = characters.len();
    characters.sort_unstable();
    characters.dedup();
    let alphabet = match characters.len() {
        few if few < DIFFERENT_MIN => few,
        _ => alphabet_of(&characters),
    };
    // Lengths and alphabets are small, and nothing is negative.
    (len as f64 * (alphabet.max(1) as f64).log2()) as u32
}

/// The size of the alphabet: digits, hexadecimal digits, or letters and digits with what stands between them.
fn alphabet_of(characters: &[char]) -> usize {
    let all = |test: fn(char) -> bool| characters.iter().copied().all(test);
    let any = |test: fn(char) -> bool| characters.iter().copied().any(test);
    // A UUID is written with hyphens.
    let is_hex = |lower: bool| {
        characters.iter().all(|letter| {
            letter.is_ascii_digit()
                || *letter == '-'
                || (letter.is_ascii_hexdigit() && letter.is_ascii_lowercase() == lower)
        })
    };
    if all(|letter| letter.is_ascii_digit() || letter == '-') {
        return 10;
    }
    if is_hex(true) || is_hex(false) {
        return 16;
    }
    let letters = 26
        * (usize::from(any(|letter| letter.is_ascii_lowercase()))
            + usize::from(any(|letter| letter.is_ascii_uppercase())));
    let digits = if any(|letter| letter.is_ascii_digit()) { 10 } else { 0 };
    let is_between = |letter: char| matches!(letter, '-' | '_' | '.');
    let between = if any(is_between) { 2 } else { 0 };
    let others = any(|letter| !letter.is_ascii_alphanumeric() && !matches!(letter, '-' | '_' | '.'));
    letters + digits + if others { 32 } else { between }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::KEY_STRENGTH_BITS_MIN;

    #[test]
    fn a_key_is_as_strong_as_its_length_and_its_alphabet() {
        for (text, bits) in [
            ("", 0),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 0),
            ("abababababababababababababababab", 32),
            ("012345678901234567890123", 79),
            ("0123456789abcdef0123456789abcdef", 128),
            ("5f0f3b0c-55aa-4c1f-9a4e-6b1d2a7c8e90", 144),
            ("correcthorsebatterystaple", 117),
            ("ui2lp2axTNmsyakw9tvNnw", 130),
            ("hunter2hunter2", 39),
        ] {
            assert_eq!(strength_bits(text), bits, "{text}");
        }
    }

    #[test]
    fn the_least_that_is_taken_is_twelve_random_bytes() {
        assert_eq!(strength_bits("0123456789abcdef01234567"), KEY_STRENGTH_BITS_MIN);
        assert!(strength_bits("0123456789abcdef0123456") < KEY_STRENGTH_BITS_MIN);
    }
}

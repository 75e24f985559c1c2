//! What a client makes up: identity headers, and names that a server could take for them.

use super::dice::Dice;

/// Marks whatever a client forged.
pub(crate) const FORGED: &str = "mallory";

/// Every name that a gate owns: the default names, and those that one of the gates chooses.
pub(crate) const OWNED: [&str; 13] = [
    "x-api-key-id",
    "x-api-key-name",
    "x-api-key-owner",
    "x-api-key-owner-realm",
    "x-api-key-roles",
    "x-api-key-claimed-roles",
    "x-api-key-limited-by",
    "x-api-key-expiration",
    "x-api-key-secret-used",
    "x-api-key-privileges",
    "x-api-key-shadow",
    "x-caller",
    "x-team",
];

/// What a name may hold besides letters and digits (RFC 9110, section 5.6.2).
const FOR_DASH: [u8; 15] = *b"-_.~+!#$%&'*^|`";

/// A name and a value.
pub(crate) type Field = (Vec<u8>, Vec<u8>);

/// As whoever folds names sees it.
pub(crate) fn folded(name: &[u8]) -> Vec<u8> {
    name.iter()
        .map(|byte| if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'_' })
        .collect()
}

/// One of the names, spelled somehow. HTTP/2 has only lower case (RFC 9113, section 8.2.1).
pub(crate) fn name(dice: &mut Dice, is_lower: bool) -> Vec<u8> {
    let mut name = dice.pick(&OWNED).as_bytes().to_vec();
    let (separators, letters) = (dice.below(4), dice.below(4));
    let one = dice.pick(&FOR_DASH);
    for byte in name.iter_mut() {
        match (*byte, separators, letters) {
            (b'-', 1, _) => *byte = one,
            (b'-', 2, _) => *byte = dice.pick(&FOR_DASH),
            (b'-', 3, _) => *byte = b'_',
            (_, _, 1) if !is_lower => byte.make_ascii_uppercase(),
            (_, _, 2) if !is_lower && dice.percent(50) => byte.make_ascii_uppercase(),
            _ => {}
        }
    }
    name
}

/// A value, which may be what another key is told.
pub(crate) fn value(dice: &mut Dice) -> Vec<u8> {
    let values: [&[u8]; 12] = [
        FORGED.as_bytes(),
        FORGED.as_bytes(),
        b"",
        b"alice",
        b"bob",
        b"first",
        b"second",
        b"superuser",
        b"mallory, superuser",
        b"mallory\t\xfc",
        b"4102444800000",
        b"null",
    ];
    if dice.percent(5) { vec![b'm'; dice.between(100, 4_000)] } else { dice.pick(&values).to_vec() }
}

/// Some of them, often several times.
pub(crate) fn fields(dice: &mut Dice, is_lower: bool) -> Vec<Field> {
    let mut fields = Vec::new();
    for _ in 0..dice.between(1, 5) {
        let name = name(dice, is_lower);
        for _ in 0..dice.between(1, 3) {
            fields.push((name.clone(), value(dice)));
        }
    }
    if dice.percent(20) {
        // Everything at once.
        fields.extend(OWNED.iter().map(|name| (name.as_bytes().to_vec(), FORGED.as_bytes().to_vec())));
    }
    fields
}

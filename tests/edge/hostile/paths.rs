//! Paths that could be read in several ways.

use super::dice::Dice;

/// What the gate with a rule leaves open: everything below.
pub(crate) const OPEN: &str = "/public/";

/// A path, without the mark.
pub(crate) fn target(dice: &mut Dice) -> Vec<u8> {
    let steps: [&[u8]; 24] = [
        b"/",
        b"//",
        b"/..",
        b"/.",
        b"/%2e%2e",
        b"/.%2E",
        b"/..;a=b",
        b"/%2f",
        b"%2F..%2F",
        b"\\..\\",
        b"%5c",
        b"/a",
        b"/public",
        b"/public/",
        b"/public/..",
        b"/PUBLIC/",
        b"/public%2f",
        b"/%70ublic/",
        b"/public;/",
        b"%252e%252e/",
        b"%00",
        b"%zz",
        b"/\xc0\xae\xc0\xae/",
        b"/..%00/",
    ];
    let mut path = if dice.percent(60) { OPEN.as_bytes().to_vec() } else { b"/".to_vec() };
    for _ in 0..dice.between(1, 5) {
        path.extend(dice.pick(&steps));
    }
    let ends: [&[u8]; 8] = [b"", b"", b"?", b"?a=/../b", b"#f", b"?a#f", b"?%23", b";"];
    path.extend(dice.pick(&ends));
    path
}

/// Whether a path stands below [`OPEN`] in whichever way a server reads it.
pub(crate) fn is_open(target: &str) -> bool {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let mut readings = vec![path.to_owned()];
    for _ in 0..3 {
        let last = readings.last().unwrap().clone();
        readings.push(decoded(&last));
    }
    let all =
        readings.iter().flat_map(|path| [path.clone(), path.replace('\\', "/"), without_parameters(path)]);
    all.flat_map(|path| [resolved(&path, false), resolved(&path, true)]).all(|path| path.starts_with(OPEN))
}

fn decoded(path: &str) -> String {
    let (mut decoded, mut rest) = (Vec::new(), path.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.filter(|_| *first == b'%') {
            Some(byte) => {
                decoded.push(byte);
                rest = &after[2..];
            }
            None => {
                decoded.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Some servers leave out what follows a semicolon in each step.
fn without_parameters(path: &str) -> String {
    let steps = path.split('/').map(|step| step.split(';').next().unwrap_or_default());
    steps.collect::<Vec<_>>().join("/")
}

fn resolved(path: &str, merges: bool) -> String {
    let mut steps: Vec<&str> = Vec::new();
    for step in path.split('/').skip(1) {
        match step {
            "." => {}
            ".." => drop(steps.pop()),
            "" if merges => {}
            step => steps.push(step),
        }
    }
    format!("/{}/", steps.join("/"))
}

#[test]
fn a_path_is_open_only_if_every_reading_of_it_is() {
    for path in ["/public/a", "/public/a/../b", "/public/a?x=/../../b", "/public/%61", "/public/"] {
        assert!(is_open(path), "{path}");
    }
    for path in [
        "/a",
        "/publicity",
        "/public/..",
        "/public/../a",
        "/public/%2e%2e/a",
        "/public/%252e%252e/a",
        "/public/..;/a",
        "/public/..\\a",
        "/public//../../a",
        "//public/a",
        "/PUBLIC/a",
    ] {
        assert!(!is_open(path), "{path}");
    }
}

//! `docs/limits.md` says what the code says: every row names its constant, the number in the row is that of the
//! constant, and a test tries the limit.

use std::collections::{BTreeSet, HashMap};
use std::fs;

use crate::{code, root};

/// A constant as it is written.
type Written = HashMap<String, String>;

/// A number in bytes, milliseconds or pieces.
type Number = u128;

const UNITS: [(&str, Number); 9] = [
    ("bytes", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("ms", 1),
    ("s", 1_000),
    ("min", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// For each constant of the page its test: the constant, a file, and the name of the test; or the constant, a
/// dash, and why there is none.
const TESTS: &str = include_str!("limit_tests.txt");

/// The rows of the page, each with what it is about, the limit, and the constant.
fn rows(page: &str) -> Vec<[&str; 3]> {
    let lines = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| What"));
    lines
        .map(|line| {
            let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            let [what, limit, _, named] = cells.as_slice() else { panic!("not four cells: {line}") };
            [*what, *limit, named.trim_matches('`')]
        })
        .collect()
}

fn page() -> String {
    fs::read_to_string(root().join("docs/limits.md")).unwrap()
}

#[test]
fn the_page_of_limits_says_what_the_code_says() {
    let (page, constants, ambiguous) = (page(), constants(), ambiguous());
    let rows = rows(&page);
    assert!(rows.len() > 40, "only {} rows", rows.len());
    for [what, limit, name] in rows {
        let value = value(name, &constants).unwrap_or_else(|| panic!("{what}: there is no constant {name}"));
        assert_eq!(told(limit), Some(value), "{what}: {name}");
        assert!(!ambiguous.contains(name), "there are several constants {name}");
    }
}

#[test]
fn every_limit_of_the_page_has_a_test() {
    let page = page();
    let named: BTreeSet<&str> = rows(&page).into_iter().map(|[.., name]| name).collect();
    let lines = TESTS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut tried = BTreeSet::new();
    for line in lines {
        let [constant, file, test] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        assert!(tried.insert(constant), "{constant} is there twice");
        if file == "-" {
            continue;
        }
        let text =
            fs::read_to_string(root().join(file)).unwrap_or_else(|_| panic!("no {file} for {constant}"));
        let Some((before, _)) = text.split_once(&format!("fn {test}(")) else {
            panic!("{constant}: there is no {test} in {file}")
        };
        let head = before.rsplit("\n\n").next().unwrap_or_default();
        assert!(head.contains("#[test]") || head.contains("#[tokio::test"), "{constant}: {test} is no test");
    }
    let untried: Vec<_> = named.difference(&tried).collect();
    let unknown: Vec<_> = tried.difference(&named).collect();
    assert!(
        untried.is_empty() && unknown.is_empty(),
        "without a test: {untried:?}; not on the page: {unknown:?}"
    );
}

#[test]
fn numbers_and_constants_are_read() {
    let constants = [("KIB", "1_024"), ("A", "4 * KIB as usize / 2"), ("B", "Duration::from_secs(2 * 60)")];
    let constants = constants.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    assert_eq!(value("A", &constants), Some(2_048));
    assert_eq!(value("B", &constants), Some(120_000));
    assert_eq!(value("C", &constants), None);
    assert_eq!(told("2 min"), Some(120_000));
    assert_eq!(told("10,000"), Some(10_000));
    assert_eq!(told("many"), None);
}

/// The number of a cell, such as `64 KiB`.
fn told(cell: &str) -> Option<Number> {
    let mut words = cell.split_whitespace();
    let number: Number = words.next()?.replace(',', "").parse().ok()?;
    let Some(unit) = words.next() else { return Some(number) };
    UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| number * factor)
}

/// The constants of the code that ships.
fn constants() -> Written {
    written().into_iter().collect()
}

/// The names that two constants have which differ. None of them may stand on the page.
fn ambiguous() -> BTreeSet<String> {
    let constants = constants();
    written()
        .into_iter()
        .filter(|(name, text)| constants.get(name) != Some(text))
        .map(|(name, _)| name)
        .collect()
}

/// Each constant of the code that ships, with its text.
fn written() -> Vec<(String, String)> {
    let shipped = code().filter(|(path, _)| path.starts_with("src") || path.starts_with("crates"));
    let texts: Vec<String> = shipped.map(|(_, text)| text.replace("\n    ", " ")).collect();
    let lines = texts.iter().flat_map(|text| text.lines());
    let written = lines.filter_map(|line| line.split_once("const ")?.1.split_once(": "));
    written
        .filter_map(|(name, rest)| {
            let (_, value) = rest.split_once(" = ")?;
            Some((name.to_owned(), value.trim_end_matches(';').to_owned()))
        })
        .collect()
}

fn value(name: &str, constants: &Written) -> Option<Number> {
    let text = constants.get(name)?;
    for (call, factor) in [("Duration::from_secs(", 1_000), ("Duration::from_millis(", 1)] {
        if let Some(argument) = text.strip_prefix(call) {
            return Some(computed(argument.trim_end_matches(')'), constants)? * factor);
        }
    }
    computed(text, constants)
}

/// Products and quotients, from left to right.
fn computed(text: &str, constants: &Written) -> Option<Number> {
    let words = text.split_whitespace().filter(|word| !["as", "usize", "u32", "u64", "i64"].contains(word));
    let mut result: Option<Number> = None;
    let mut divides = false;
    for word in words {
        match word {
            "*" => divides = false,
            "/" => divides = true,
            _ => {
                let number = match word.replace('_', "").parse() {
                    Ok(number) => number,
                    Err(_) => value(word.rsplit("::").next()?, constants)?,
                };
                result = Some(match result {
                    None => number,
                    Some(left) if divides => left / number,
                    Some(left) => left * number,
                });
            }
        }
    }
    result
}

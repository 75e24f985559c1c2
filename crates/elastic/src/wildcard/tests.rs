use latchkey_budget::{Allowance, Budget, BudgetExceeded};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// What one of these questions may cost.
const QUESTION_ALLOWANCE: Allowance = Allowance { steps: 32_000_000, bytes: 32 * 1024 * 1024 };

fn covers(grants: &[&NameSet], asked: &NameSet) -> bool {
    super::covers(grants, asked, &mut Budget::alone(QUESTION_ALLOWANCE)).unwrap()
}

/// All texts over `abc` of up to five characters. No pattern of the tests names `c`, so it stands for all
/// other characters.
fn texts() -> Vec<String> {
    let mut texts = vec![String::new()];
    let mut from = 0;
    for _ in 0..5 {
        let until = texts.len();
        for index in from..until {
            for char in ['a', 'b', 'c'] {
                texts.push(format!("{}{char}", texts[index]));
            }
        }
        from = until;
    }
    texts
}

/// A simple implementation of [`Wildcard::matches`], to compare with.
fn matches_plainly(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), None) => matches_plainly(rest, text),
        (Some((b'*', rest)), Some((_, more))) => {
            matches_plainly(rest, text) || matches_plainly(pattern, more)
        }
        (Some((b'?', rest)), Some((_, more))) => matches_plainly(rest, more),
        (Some((wanted, rest)), Some((found, more))) => wanted == found && matches_plainly(rest, more),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

fn pattern() -> impl Strategy<Value = String> {
    "[ab*?]{0,4}"
}

fn name_set() -> impl Strategy<Value = NameSet> {
    (vec(pattern(), 0..3), vec(pattern(), 0..2)).prop_map(|(includes, excludes)| {
        NameSet::new(includes.iter().map(String::as_str), excludes.iter().map(String::as_str))
    })
}

proptest! {
    #[test]
    fn matches_as_the_plain_matcher_does(pattern in "[ab*?]{0,7}") {
        let wildcard = Wildcard::new(&pattern);
        for text in texts() {
            let expected = matches_plainly(pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(wildcard.matches(&text), expected, "{} {}", pattern, text);
        }
    }

    /// Patterns of up to four parts that differ do so on a text of at most five characters, or on one that is
    /// a repetition of such; the converse is therefore checked by counterexample only.
    #[test]
    fn covers_exactly_when_no_text_is_missing(grants in vec(name_set(), 0..3), asked in name_set()) {
        let refs: Vec<&NameSet> = grants.iter().collect();
        let covered = covers(&refs, &asked);
        let missing = texts()
            .into_iter()
            .find(|text| asked.contains(text) && !grants.iter().any(|grant| grant.contains(text)));
        match missing {
            Some(text) => prop_assert!(!covered, "{grants:?} lacks {text:?} of {asked:?}"),
            None if !covered => prop_assert!(longer_text_is_missing(&grants, &asked), "{grants:?} has all of {asked:?}"),
            None => {}
        }
    }
}

/// Looks among texts of six to ten characters, over `a` and `c` alone or `b` and `c` alone or any of the
/// three.
fn longer_text_is_missing(grants: &[NameSet], asked: &NameSet) -> bool {
    let short = texts();
    short.iter().any(|head| {
        short.iter().rev().take(243).any(|tail| {
            let text = format!("{head}{tail}");
            asked.contains(&text) && !grants.iter().any(|grant| grant.contains(&text))
        })
    })
}

#[test]
fn reads_patterns() {
    // Pattern, name, whether it matches.
    let rows = [
        ("", "", true),
        ("", "a", false),
        ("*", "", true),
        ("logs-*", "logs-", true),
        ("logs-*", "log", false),
        ("*-2024", "logs-2024", true),
        ("a*b*c", "a--b--b-c", true),
        ("l?gs", "logs", true),
        ("l?gs", "lgs", false),
        ("l?gs", "lügs", true),
        (r"a\*", "a*", true),
        (r"a\*", "ab", false),
        (r"a\", r"a\", true),
        // A regular expression matches nothing, not even itself.
        ("/a.*/", "ab", false),
        ("/a.*/", "/a.*/", false),
        ("/", "/", true),
    ];
    for (pattern, name, expected) in rows {
        assert_eq!(Wildcard::new(pattern).matches(name), expected, "{pattern} {name}");
    }
}

#[test]
fn an_overlong_pattern_or_name_is_not_looked_at() {
    let longest = "a".repeat(NAME_PATTERN_LEN_MAX);
    assert!(Wildcard::new(&longest).matches(&longest));
    assert!(!Wildcard::new(&format!("{longest}a")).matches(&format!("{longest}a")));
    assert!(Wildcard::new("*").matches(&"a".repeat(NAME_LEN_MAX)));
    assert!(!Wildcard::new("*").matches(&"a".repeat(NAME_LEN_MAX + 1)));
    assert!(!covers(&[&NameSet::new(["*"], [])], &NameSet::new([format!("{longest}a").as_str()], [])));
}

#[test]
fn a_whole_pattern_must_be_covered() {
    // Grants (`-` before what is excepted), what is asked, whether it is covered.
    let rows: [(&[&str], &str, bool); 16] = [
        (&["*"], "*", true),
        (&["logs-*"], "logs-*", true),
        (&["logs-*"], "logs-2024-*", true),
        (&["logs-2024-*"], "logs-*", false),
        (&["logs-*"], "log*", false),
        (&["a*", "b*"], "?*", false),
        (&["?", "??*"], "?*", true),
        (&["*a", "*b"], "*a", true),
        (&["*a*"], "*ba", true),
        (&["a*b"], "a*", false),
        (&["logs-*"], "logs-1", true),
        (&["logs-1", "logs-2"], "logs-?", false),
        (&["cluster:*"], "cluster:admin/*", true),
        (&["/.*/"], "a*", false),
        (&["*"], "/.*/", false),
        (&[], "*", false),
    ];
    for (grants, asked, expected) in rows {
        let grant = NameSet::new(grants.iter().copied(), []);
        assert_eq!(covers(&[&grant], &NameSet::new([asked], [])), expected, "{grants:?} {asked}");
    }
}

#[test]
fn what_is_excepted_must_be_covered_by_another() {
    let all_but_security = NameSet::new(["*"], [".security*"]);
    let security = NameSet::new([".sec*"], []);
    let star = NameSet::new(["*"], []);
    assert!(!covers(&[&all_but_security], &star));
    assert!(covers(&[&all_but_security, &security], &star));
    assert!(covers(&[&all_but_security], &all_but_security));
    assert!(covers(&[&all_but_security], &NameSet::new(["logs-*"], [])));
    assert!(!covers(&[&all_but_security], &NameSet::new([".s*"], [])));
}

#[test]
fn what_is_asked_for_in_nothing_is_covered() {
    assert!(covers(&[], &NameSet::default()));
    assert!(covers(&[], &NameSet::new(["abc"], ["a*"])));
    assert!(covers(&[], &NameSet::new(["ab*"], ["a*"])));
}

#[test]
fn gives_up_on_hostile_patterns() {
    let hostile: Vec<String> = (0..40).map(|n| format!("*a{}*b*", "?".repeat(n))).collect();
    let grant = NameSet::new(hostile.iter().map(String::as_str), []);
    let asked = NameSet::new(["*a*b*a*b*a"], []);
    let mut budget = Budget::alone(Allowance { steps: 1_000_000, bytes: usize::MAX });
    assert_eq!(
        super::covers(&[&grant], &asked, &mut budget),
        Err(BudgetExceeded::Steps { steps_max: 1_000_000 })
    );
    let mut budget = Budget::alone(Allowance { steps: u64::MAX, bytes: 100_000 });
    assert_eq!(
        super::covers(&[&grant], &asked, &mut budget),
        Err(BudgetExceeded::Bytes { bytes_max: 100_000 })
    );
}

// Reading patterns costs too: many patterns that are never run, and names that nothing is granted for.
#[test]
fn whatever_is_looked_at_is_charged() {
    let few = NameSet::new(["logs-*"], []);
    let many = NameSet::new(std::iter::repeat_n("*", 10_000), []);
    for (grants, asked, least) in [
        (vec![&few], NameSet::new(["logs-2024-*"], []), 100),
        (vec![&many], NameSet::new(["a*"], []), 10_000),
        (vec![&many], NameSet::new(["a"], []), 10_000),
        (vec![], NameSet::new(["a"], []), 1),
        (vec![], NameSet::new(["a*"], []), 1),
    ] {
        let mut budget = Budget::alone(QUESTION_ALLOWANCE);
        super::covers(&grants, &asked, &mut budget).unwrap();
        assert!(budget.steps() >= least, "{asked:?} {}", budget.steps());
    }
}

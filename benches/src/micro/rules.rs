//! A decision with more and more rules, counted in instructions: what it costs must not grow with their
//! number where a path is looked up, and the table shows where it does.

use std::fmt;

use anyhow::{Context as _, Result, ensure};
use latchkey_filter::config::Config;
use latchkey_filter::gate::{self, Verdict, WaitingTime};
use latchkey_filter::headers::HeaderPairs;
use latchkey_filter::rules::{RightsUnknown, Rules};
use serde_json::{Value, json};

use super::cases::{Case, Edge, LIMITS, NOW, SECRET, id_of, over, request_for};
use super::instructions::Instructions;
use crate::bench::Bench;
use crate::figure::Figure;
use crate::report::{Report, Table};

/// How many rules there are.
const COUNTS: [usize; 4] = [0, 1, 100, 1_000];

/// Number of keys that ask in turn.
const KEYS: u64 = 8;

/// What every rule of a list matches by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pattern {
    Exact,
    Prefix,
    Template,
    /// A template that begins with a name, so that all of them are candidates for every path.
    NameFirst,
}

/// Which of the rules matches the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hit {
    First,
    Last,
    Nothing,
}

/// One cell of the table.
#[derive(Clone, Copy, Debug)]
struct Decision {
    pattern: Pattern,
    hit: Hit,
    rules: usize,
}

const PATTERNS: [Pattern; 4] = [Pattern::Exact, Pattern::Prefix, Pattern::Template, Pattern::NameFirst];
const HITS: [Hit; 3] = [Hit::First, Hit::Last, Hit::Nothing];

/// Name of the case that reads a configuration with the most rules.
const READING: &str = "rules-configuration";

/// The section.
///
/// # Errors
///
/// When a case could not be counted.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let counted = bench.extent.choose(Instructions::available(), None);
    let mut count = |name: &str| -> Result<String> {
        let Some(counted) = &counted else { return Ok("not counted".to_owned()) };
        let figure = Figure::new(format!("micro/{name}/instructions"), "", counted.of(name)?);
        Ok(report.add(figure).shown())
    };
    let columns = COUNTS.map(|rules| match rules {
        1 => "1 rule".to_owned(),
        rules => format!("{rules} rules"),
    });
    let columns: Vec<_> =
        ["Rules, and which of them matches"].into_iter().chain(columns.iter().map(String::as_str)).collect();
    let mut decisions =
        Table::new("Instructions of an accepted request's decision, by the number of rules", &columns);
    for pattern in PATTERNS {
        for hit in HITS {
            let cells = COUNTS.map(|rules| count(&Decision { pattern, hit, rules }.to_string()));
            decisions.row(
                format!("{}: {}", pattern.about(), hit.about()),
                cells.into_iter().collect::<Result<Vec<_>>>()?,
            );
        }
    }
    let mut reading = Table::new("Reading a configuration", &["Part", "Instructions"]);
    reading.row("a configuration with 1 000 rules, exact paths", [count(READING)?]);
    report.table(decisions);
    report.table(reading);
    Ok(())
}

/// The case of that name, if it is one of these.
pub(super) fn case(name: &str) -> Result<Option<Case>> {
    if name == READING {
        return reading().map(Some);
    }
    let all = PATTERNS.iter().flat_map(|pattern| {
        HITS.iter().flat_map(|hit| COUNTS.map(|rules| Decision { pattern: *pattern, hit: *hit, rules }))
    });
    all.into_iter().find(|decision| decision.to_string() == name).map(Decision::case).transpose()
}

impl Pattern {
    fn about(self) -> &'static str {
        match self {
            Self::Exact => "exact paths",
            Self::Prefix => "prefixes",
            Self::Template => "templates",
            Self::NameFirst => "templates that begin with a name",
        }
    }

    /// The path of a rule.
    fn of(self, rule: usize) -> String {
        match self {
            Self::Exact => format!("/service-{rule:04}/orders/7"),
            Self::Prefix => format!("/service-{rule:04}/**"),
            Self::Template => format!("/service-{rule:04}/orders/{{id}}"),
            Self::NameFirst => format!("/{{tenant}}/orders-{rule:04}/7"),
        }
    }

    /// A path that the rule matches.
    fn path(self, rule: usize) -> String {
        match self {
            Self::NameFirst => format!("/acme/orders-{rule:04}/7"),
            _ => format!("/service-{rule:04}/orders/7"),
        }
    }
}

impl Hit {
    fn about(self) -> &'static str {
        match self {
            Self::First => "the first",
            Self::Last => "the last",
            Self::Nothing => "none",
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rules-{:?}-{:?}-{}", self.pattern, self.hit, self.rules)
    }
}

impl Decision {
    fn case(self) -> Result<Case> {
        let rules = Config::parse(&configuration(self.pattern, self.rules), |_| None)?.rules;
        let matched = match self.hit {
            Hit::First => Some(0),
            Hit::Last => self.rules.checked_sub(1),
            Hit::Nothing => None,
        };
        let matched = matched.filter(|rule| *rule < self.rules);
        let path = self.pattern.path(matched.unwrap_or(9_999));
        let requests = (0..KEYS).map(|key| request_for(&path, &id_of(key), SECRET)).collect();
        let edge = Edge::new()?;
        let run = over(requests, move |headers| decides(&edge, &rules, headers) == Some(matched))?;
        Ok(Case { name: "rules", about: "deciding, with rules", run })
    }
}

/// The rule that decided about an admitted request, if any did; `None` when the request is not admitted.
fn decides(edge: &Edge, rules: &Rules, headers: &HeaderPairs) -> Option<Option<usize>> {
    let asked = rules.ask(headers).ok()?;
    let presented = || edge.sources.extract(headers);
    let verdict =
        gate::decide(presented, &asked, &edge.reader, &RightsUnknown, &LIMITS, WaitingTime::Over, NOW);
    matches!(verdict, Verdict::Admit(_)).then(|| asked.rule.map(|(place, _)| place))
}

/// A configuration of that many rules, each of which a key of the table meets.
fn configuration(pattern: Pattern, rules: usize) -> Vec<u8> {
    let rule = |rule: usize| {
        json!({
            "name": format!("rule-{rule}"),
            "match": {"paths": [pattern.of(rule)], "methods": ["GET"]},
            "require": {"role": "reader"},
        })
    };
    let rules: Vec<Value> = (0..rules).map(rule).collect();
    let credential = json!({"inline": "aWQ6c2VjcmV0"});
    json!({"key_service": {"cluster": "keys", "credential": credential}, "rules": rules})
        .to_string()
        .into_bytes()
}

fn reading() -> Result<Case> {
    let text = configuration(Pattern::Exact, 1_000);
    let read = |text: &[u8]| Config::parse(text, |_| None).map(|config| config.rules.list().len());
    ensure!(read(&text).ok().context("the configuration is refused")? == 1_000, "a rule is missing");
    let run = Box::new(move || {
        let _ = std::hint::black_box(read(&text));
    });
    Ok(Case { name: READING, about: "reading a configuration with 1 000 rules", run })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_decides_by_the_rule_that_it_is_said_to() {
        for pattern in PATTERNS {
            for hit in HITS {
                for rules in [0, 1, 100] {
                    let decision = Decision { pattern, hit, rules };
                    (case(&decision.to_string()).unwrap().unwrap().run)();
                }
            }
        }
        (case(READING).unwrap().unwrap().run)();
        assert!(case("no-such-case").unwrap().is_none());
    }
}

//! Rules and the requests that they are for.
//!
//! The first three lines are path, host and method of a request. Each line after them is a rule: hosts, paths
//! and methods with `|` between, each a list with commas between.

use std::collections::BTreeSet;

use latchkey_filter::headers::HeaderPairs;
use latchkey_filter::limits::{RULE_PATH_LEN_MAX, RULE_PATH_SEGMENTS_MAX};
use latchkey_filter::rules::{
    Ambiguous, Authentication, CorsPreflight, HostPattern, Matcher, Mode, Otherwise, PathPattern,
    RequestLine, Rule, Rules,
};

use crate::input::Input;

/// Most rules of an input: what is looked at here is which of them comes first.
const RULES_TRIED_MAX: usize = 12;

/// * A path is refused exactly where a reading by hand says that it can be read in several ways.
/// * Whoever else reads a path that is not refused, by decoding first, later or twice, by resolving dots, by
///   merging slashes or by cutting at a semicolon, finds the same segments.
/// * The rule that decides is the first in the list that matches, whatever the index is.
pub fn rules(data: &[u8]) {
    let mut input = Input::of(data);
    let (path, authority, method) = (input.line(), input.line(), input.line());
    let headers: HeaderPairs =
        [(":method", method), (":authority", authority), (":path", path)].into_iter().collect();
    let line = RequestLine::read(&headers, false, true);
    let expected = segments_of(method, path);
    match (&line, &expected) {
        (Ok(line), Some(Some(segments))) => check_readings(line, path, segments),
        (Ok(line), Some(None)) => assert!(line.path.is_none()),
        (Err(Ambiguous::Path), None) => {}
        _ => panic!("{line:?} is not {expected:?}"),
    }
    let host = RequestLine::read(&headers, true, false).ok().and_then(|line| line.host);
    if let Some(host) = &host {
        check_host(host, authority);
    }
    let mut matchers = Vec::new();
    while !input.is_empty() && matchers.len() < RULES_TRIED_MAX {
        matchers.extend(matcher(input.line()));
    }
    check_first(&headers, matchers);
}

/// The index finds the rule that a walk over the list finds.
fn check_first(headers: &HeaderPairs, matchers: Vec<Matcher>) {
    let rule = |(place, matcher): (usize, Matcher)| Rule {
        name: place.to_string(),
        matcher,
        authentication: Authentication::Required,
        requirement: None,
        mode: Mode::Enforce,
    };
    let list: Vec<Rule> = matchers.into_iter().enumerate().map(rule).collect();
    let otherwise = Otherwise {
        authentication: Authentication::Off,
        mode: Mode::Enforce,
        cors_preflight: CorsPreflight::Refuse,
    };
    let rules = Rules::new(list, Vec::new(), otherwise);
    let has_hosts = rules.list().iter().any(|rule| !rule.matcher.hosts.is_empty());
    let has_paths = rules.list().iter().any(|rule| !rule.matcher.paths.is_empty());
    let has_methods = rules.list().iter().any(|rule| !rule.matcher.methods.is_empty());
    let Ok(line) = RequestLine::read(headers, has_hosts, has_paths) else {
        assert!(rules.ask(headers).is_err(), "a request that is ambiguous is decided");
        return;
    };
    let first = rules.list().iter().position(|rule| matches(&rule.matcher, &line));
    match rules.ask(headers) {
        Ok(asked) => {
            assert_eq!(asked.rule.map(|(place, _)| place), first);
            let authentication = if first.is_some() { Authentication::Required } else { Authentication::Off };
            assert_eq!(asked.authentication, authentication);
        }
        Err(ambiguous) => {
            assert!(ambiguous == Ambiguous::Method && has_methods);
            assert!(line.method.iter().any(u8::is_ascii_lowercase));
        }
    }
}

fn matches(matcher: &Matcher, line: &RequestLine<'_>) -> bool {
    let host = line.host.as_deref().unwrap_or_default();
    let takes_path = |pattern: &PathPattern| line.path.as_ref().is_some_and(|path| pattern.matches(path));
    (matcher.hosts.is_empty() || matcher.hosts.iter().any(|pattern| pattern.matches(host)))
        && (matcher.paths.is_empty() || matcher.paths.iter().any(takes_path))
        && (matcher.methods.is_empty()
            || matcher.methods.iter().any(|method| method.as_bytes() == line.method))
}

/// A rule; `None` for what is none.
fn matcher(line: &[u8]) -> Option<Matcher> {
    let line = std::str::from_utf8(line).ok()?;
    let mut parts = line.split('|');
    let mut part = || parts.next().unwrap_or_default().split(',').filter(|text| !text.is_empty());
    let hosts = part().map(HostPattern::parse).collect::<Option<_>>()?;
    let paths = part().map(|path| PathPattern::parse(path).ok()).collect::<Option<_>>()?;
    let methods = part().map(str::to_owned).collect();
    Some(Matcher { hosts, paths, methods })
}

/// Every other way to read the path leads to the same segments.
fn check_readings(line: &RequestLine<'_>, path: &[u8], segments: &[String]) {
    let found = line.path.as_ref().expect("it has a path");
    assert!(PathPattern::parse("/**").expect("a pattern").matches(found));
    if segments.len() > RULE_PATH_SEGMENTS_MAX {
        return;
    }
    let text = std::str::from_utf8(path).expect("it was read");
    let path = text.split('?').next().unwrap_or_default();
    let once = decoded(path);
    let twice = decoded(&once);
    let mut readings = vec![segments.to_vec(), resolved(path).iter().map(|it| decoded(it)).collect()];
    for reading in [once, twice] {
        let cut = reading.split(';').next().unwrap_or_default().replace('\\', "/");
        let read = resolved(&cut);
        readings.push(read.iter().map(|segment| decoded(segment)).collect());
        readings.push(read);
    }
    for read in readings {
        let pattern = pattern_of(&read);
        let is_met = PathPattern::parse(&pattern).is_ok_and(|pattern| pattern.matches(found));
        let is_tried = pattern.len() <= RULE_PATH_LEN_MAX;
        assert!(is_met || !is_tried, "{text:?} can be read as {read:?}");
    }
}

/// Segments as a file system finds them: slashes merged, dots resolved.
fn resolved(path: &str) -> Vec<String> {
    let mut segments: Vec<String> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment.to_owned()),
        }
    }
    segments
}

/// The pattern of exactly these segments.
fn pattern_of(segments: &[String]) -> String {
    let mut pattern = String::new();
    for segment in segments {
        pattern.push('/');
        for byte in segment.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                pattern.push(char::from(byte));
            } else {
                pattern.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    if pattern.is_empty() { "/".to_owned() } else { pattern }
}

/// The text with every escape decoded, however it reads; what is no escape stays.
fn decoded(text: &str) -> String {
    String::from_utf8_lossy(&bytes_of(text)).into_owned()
}

fn bytes_of(text: &str) -> Vec<u8> {
    let (bytes, mut decoded, mut at) = (text.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        let escape = escape_at(bytes, at);
        decoded.push(escape.unwrap_or(bytes[at]));
        at += if escape.is_some() { 3 } else { 1 };
    }
    decoded
}

fn escape_at(bytes: &[u8], at: usize) -> Option<u8> {
    let digits = bytes.get(at..at + 3)?.strip_prefix(b"%")?;
    let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
    is_hex.then(|| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap())
}

/// The segments of a path, rule by rule; `None` when it is ambiguous, nothing when there is none.
fn segments_of(method: &[u8], path: &[u8]) -> Option<Option<Vec<String>>> {
    if method == b"OPTIONS" && path == b"*" {
        return Some(None);
    }
    let text = std::str::from_utf8(path).ok()?;
    let path = text.split('?').next()?;
    let is_refused = |letter: char| letter.is_control() || " \\;".contains(letter);
    if text.contains('#') || !path.starts_with('/') || path.contains(is_refused) {
        return None;
    }
    if path == "/" {
        return Some(Some(Vec::new()));
    }
    let inner = &path[1..];
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    inner.split('/').map(segment).collect::<Option<Vec<String>>>().map(Some)
}

fn segment(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let percents = (0..bytes.len()).filter(|at| bytes[*at] == b'%');
    let escapes: BTreeSet<u8> = percents.map(|at| escape_at(bytes, at)).collect::<Option<_>>()?;
    let segment = String::from_utf8(bytes_of(text)).ok()?;
    let may_be_split = escapes.iter().any(|byte| b"./\\;".contains(byte));
    let is_decoded_twice = decoded(&segment) != segment;
    let is_plain = !matches!(text, "" | "." | "..") && !segment.contains(char::is_control);
    (is_plain && !may_be_split && !is_decoded_twice).then_some(segment)
}

/// The host in one spelling is that of the authority without port, in lower case.
fn check_host(host: &str, authority: &[u8]) {
    let text = std::str::from_utf8(authority).expect("it was read").to_ascii_lowercase();
    assert!(text.starts_with(host), "{host} is not of {text}");
    let rest = text[host.len()..].trim_start_matches('.');
    assert!(rest.is_empty() || rest.starts_with(':'), "{text} goes on behind {host}");
    assert!(!host.contains(|letter: char| letter.is_whitespace() || "/@?#%\\,".contains(letter)));
    let pattern = HostPattern::parse(host).expect("a host is a pattern of itself");
    assert!(pattern.matches(host));
    if let Some((_, below)) = host.split_once('.').filter(|_| !host.starts_with('[')) {
        assert!(HostPattern::parse(&format!("*.{below}")).is_some_and(|pattern| pattern.matches(host)));
    }
}

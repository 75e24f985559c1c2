//! What is asked of a request: the operator's rules, by host, path and method.
//!
//! Rules stand in a list, and the first that matches a request decides what the request needs. Where none
//! matches, what the filter asks otherwise is needed. Everything is read from the headers that the gate has
//! already, so a rule costs no call of the host.
//!
//! | part | holds |
//! |------|-------|
//! | [`RequestLine`] | method, host and path of a request, in one spelling |
//! | [`PathPattern`], [`HostPattern`] | what a rule matches |
//! | `index` | which rule matches, without looking at all of them |
//! | [`Requirement`] | what a verified key must have besides |
//! | [`RightsOf`] | the seam to what keys may do |
//!
//! A path can be spelled in many ways, and a gate that reads it in another way than the upstream is no gate.
//! So a path whose meaning depends on the reader is refused ([`Ambiguous::Path`]), and what is
//! percent-encoded otherwise is compared decoded.

mod host_pattern;
mod index;
mod path_pattern;
mod questions;
mod request_line;
mod requirement;

use crate::headers::Headers;
use crate::table::RecordText;

use index::Index;

pub use host_pattern::HostPattern;
pub use path_pattern::{InvalidPathPattern, PathPattern};
pub use questions::{
    Captures, Held, Question, QuestionId, Resource, RightsOf, RightsUnknown, ToldPrivileges, Untold,
};
pub use request_line::RequestLine;
pub use requirement::Requirement;

/// What a request needs to pass. Whatever it is, no request keeps an identity header that its client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// A key.
    Required,
    /// A key, or no credential at all: then it passes without identity.
    Optional,
    /// Nothing. No credential is looked at.
    Off,
}

/// What becomes of a request that does not have what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is refused.
    Enforce,
    /// It passes; the upstream, the metrics and the log are told that it would have been refused.
    Shadow,
}

/// What becomes of a CORS preflight, which browsers send without a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CorsPreflight {
    /// It passes as nobody.
    Pass,
    /// It is a request like any other.
    Refuse,
}

/// Why a request could mean one thing to the gate and another to the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ambiguous {
    /// Its host is not one host name or address.
    Host,
    /// Its method is not in upper case.
    Method,
    /// Its path can be read in several ways.
    Path,
    /// It brings a header of the filter's, and its route may have been chosen by that. Without the header, it
    /// may be another route's.
    Route,
}

/// Which requests a rule is for. What is empty matches every request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matcher {
    /// One of these hosts.
    pub hosts: Vec<HostPattern>,
    /// One of these paths.
    pub paths: Vec<PathPattern>,
    /// One of these methods.
    pub methods: Vec<String>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What metrics, logs and refusals call it.
    pub name: String,
    /// Which requests it is for.
    pub matcher: Matcher,
    /// What such a request needs.
    pub authentication: Authentication,
    /// What its key must have besides; only where a key is required.
    pub requirement: Option<Requirement>,
    /// What becomes of a request that does not have all that.
    pub mode: Mode,
}

/// What is asked of a request that no rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Otherwise {
    /// What it needs.
    pub authentication: Authentication,
    /// What becomes of it otherwise, and of a request that is ambiguous.
    pub mode: Mode,
    /// What becomes of a CORS preflight, whatever rule matches it.
    pub cors_preflight: CorsPreflight,
}

/// All rules, ready to be asked.
#[derive(Clone, Debug)]
pub struct Rules {
    rules: Vec<Rule>,
    questions: Vec<Question>,
    otherwise: Otherwise,
    index: Index,
    has_hosts: bool,
    has_paths: bool,
    has_methods: bool,
}

/// What the route of a request asks in its metadata. It is only ever more than what the rule asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteAsks {
    /// Nothing more.
    Nothing,
    /// A key that has this.
    Requires(Requirement),
    /// Nobody can tell what.
    Unreadable,
}

/// What is asked of one request.
#[derive(Clone, Debug)]
pub struct Asked<'r> {
    /// The rule that decides and its place in the list; `None` when no rule matches.
    pub rule: Option<(usize, &'r Rule)>,
    /// What the request needs.
    pub authentication: Authentication,
    /// What its key must have besides.
    pub requirement: Option<&'r Requirement>,
    /// What its route asks in addition.
    pub route: &'r RouteAsks,
    /// Whether it is a CORS preflight that passes, whatever rule and route ask.
    pub is_passing_preflight: bool,
    /// What becomes of it otherwise.
    pub mode: Mode,
    /// What the names in the rule's path stand for.
    pub captures: Captures<'r>,
}

impl<'r> Asked<'r> {
    /// That alone, by no rule.
    #[must_use]
    pub fn only(authentication: Authentication) -> Self {
        Self {
            rule: None,
            authentication,
            requirement: None,
            route: &RouteAsks::Nothing,
            is_passing_preflight: false,
            mode: Mode::Enforce,
            captures: Captures::default(),
        }
    }

    /// The same, and what its route asks in addition. Whatever that is, it needs a key.
    #[must_use]
    pub fn with_route(self, route: &'r RouteAsks) -> Self {
        match route {
            RouteAsks::Nothing => self,
            _ => Self { authentication: Authentication::Required, route, ..self },
        }
    }

    /// The name of the rule.
    #[must_use]
    pub fn rule_name(&self) -> Option<&str> {
        self.rule.map(|(_, rule)| rule.name.as_str())
    }
}

impl Matcher {
    /// Whether every request that the other one matches is matched by this one. It may say no where that
    /// takes several patterns together.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        // Every rule is compared with every other. Paths differ most, so the rest is seldom looked at.
        covers_all(&self.paths, &other.paths, PathPattern::covers)
            && covers_all(&self.hosts, &other.hosts, HostPattern::covers)
            && covers_all(&self.methods, &other.methods, PartialEq::eq)
    }

    fn takes_method(&self, method: &[u8]) -> bool {
        self.methods.is_empty() || self.methods.iter().any(|taken| taken.as_bytes() == method)
    }
}

impl Rules {
    /// These rules in this order. `questions` are those that their requirements ask.
    #[must_use]
    pub fn new(rules: Vec<Rule>, questions: Vec<Question>, otherwise: Otherwise) -> Self {
        let index = Index::of(&rules);
        let has_hosts = rules.iter().any(|rule| !rule.matcher.hosts.is_empty());
        let has_paths = rules.iter().any(|rule| !rule.matcher.paths.is_empty());
        let has_methods = rules.iter().any(|rule| !rule.matcher.methods.is_empty());
        Self { rules, questions, otherwise, index, has_hosts, has_paths, has_methods }
    }

    /// The rules in their order.
    #[must_use]
    pub fn list(&self) -> &[Rule] {
        &self.rules
    }

    /// What the requirements ask about rights; a [`QuestionId`] is a place in it.
    #[must_use]
    pub fn questions(&self) -> &[Question] {
        &self.questions
    }

    /// What is asked where no rule matches.
    #[must_use]
    pub fn otherwise(&self) -> &Otherwise {
        &self.otherwise
    }

    /// Whether any request needs the key table.
    #[must_use]
    pub fn ask_for_keys(&self) -> bool {
        let rules = self.rules.iter().map(|rule| rule.authentication);
        rules.chain([self.otherwise.authentication]).any(|asked| asked != Authentication::Off)
    }

    /// Whether any request may pass that was to be refused.
    #[must_use]
    pub fn may_shadow(&self) -> bool {
        self.rules.iter().map(|rule| rule.mode).chain([self.otherwise.mode]).any(|mode| mode == Mode::Shadow)
    }

    /// Adds what the table has to hold of a key, so that all requirements can be decided.
    pub fn add_record_texts(&self, texts: &mut Vec<RecordText>) {
        for requirement in self.rules.iter().filter_map(|rule| rule.requirement.as_ref()) {
            requirement.add_record_texts(texts);
        }
    }

    /// What is asked of a request with these headers.
    ///
    /// # Errors
    ///
    /// [`Ambiguous`] when there are rules for paths and its path is ambiguous; likewise its host or its
    /// method.
    pub fn ask(&self, headers: &impl Headers) -> Result<Asked<'_>, Ambiguous> {
        let preflight = self.otherwise.cors_preflight;
        if self.rules.is_empty() && preflight == CorsPreflight::Refuse {
            return Ok(self.asked_otherwise());
        }
        let line = RequestLine::read(headers, self.has_hosts, self.has_paths)?;
        if self.has_methods && !is_upper_case(line.method) {
            return Err(Ambiguous::Method);
        }
        let mut asked = self.find(&line);
        if preflight == CorsPreflight::Pass && line.is_preflight {
            asked.requirement = None;
            asked.is_passing_preflight = true;
        }
        Ok(asked)
    }

    /// What is asked of a request whatever its path and host are.
    #[must_use]
    pub fn asked_otherwise(&self) -> Asked<'_> {
        Asked { mode: self.otherwise.mode, ..Asked::only(self.otherwise.authentication) }
    }

    /// What the first rule asks that matches, or what is asked otherwise.
    #[must_use]
    pub fn find(&self, line: &RequestLine<'_>) -> Asked<'_> {
        let takes_method =
            |rule: usize| self.rules.get(rule).is_some_and(|rule| rule.matcher.takes_method(line.method));
        let found = self.index.find(line, takes_method);
        let Some((place, path)) = found else { return self.asked_otherwise() };
        let Some(rule) = self.rules.get(place) else { return self.asked_otherwise() };
        let pattern = path.and_then(|path| rule.matcher.paths.get(path));
        Asked {
            rule: Some((place, rule)),
            authentication: rule.authentication,
            requirement: rule.requirement.as_ref(),
            route: &RouteAsks::Nothing,
            is_passing_preflight: false,
            mode: rule.mode,
            captures: Captures::of(pattern, line.path.as_ref()),
        }
    }
}

impl Ambiguous {
    /// The reason in snake case.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Host => "host_ambiguous",
            Self::Method => "method_ambiguous",
            Self::Path => "path_ambiguous",
            Self::Route => "route_ambiguous",
        }
    }
}

/// Whether it has no letter in lower case. A method is compared with its case (RFC 9110, section 9.1), but
/// frameworks behind the gate read `delete` as `DELETE`, and by HTTP/2 Envoy passes it on.
fn is_upper_case(method: &[u8]) -> bool {
    !method.iter().any(u8::is_ascii_lowercase)
}

/// Whether each of the one is covered by some of the other, where none at all stands for all there are.
fn covers_all<T>(these: &[T], those: &[T], covers: impl Fn(&T, &T) -> bool) -> bool {
    these.is_empty()
        || (!those.is_empty() && those.iter().all(|that| these.iter().any(|this| covers(this, that))))
}

#[cfg(test)]
mod tests;

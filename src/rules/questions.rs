//! What requirements ask about the rights of a key, and the seam to whoever answers.

use std::borrow::Cow;
use std::rc::Rc;

use super::path_pattern::{PathPattern, Segment};
use super::request_line::RequestPath;

/// The place of a question among those of all rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QuestionId(pub usize);

/// What a requirement asks about the rights of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Whether it has a privilege of an application on a resource.
    Application {
        /// The application.
        application: String,
        /// The privilege.
        privilege: String,
        /// The resource.
        resource: Resource,
    },
    /// Whether it has this cluster privilege.
    Cluster(String),
    /// Whether it has all of these privileges on all of these indices.
    Index {
        /// The names of the indices.
        names: Vec<String>,
        /// The privileges.
        privileges: Vec<String>,
    },
}

/// A resource, in which names of the rule's path may stand: `orders/{id}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource(Vec<Part>);

/// A part of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Name(String),
}

/// Whether a key has a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// It has.
    Yes,
    /// It has not.
    No,
    /// Nobody can tell. Such a request is neither admitted nor told that it may not.
    Unknown,
    /// It takes more work to tell than a request may cause; otherwise the same.
    TooCostly,
}

/// What is told of the privileges that a key has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToldPrivileges {
    /// Nobody asked.
    NotAsked,
    /// These, as JSON in visible ASCII.
    Told(Rc<str>),
    /// Nothing, because nobody can say it.
    Untold(Untold),
}

/// Why nothing is told of the privileges of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untold {
    /// It takes more work to find them than a request may cause.
    TooCostly,
    /// They are longer than a header may be.
    TooLong,
    /// Its rights, or what the application has registered, are not at hand.
    Unknown,
}

/// Who answers questions about the key of a record.
pub trait RightsOf<R> {
    /// Whether the key has that right. `captures` are what the names in a resource stand for.
    fn holds(&self, record: &R, question: QuestionId, captures: &Captures<'_>) -> Held;

    /// What is told of the privileges that the key has.
    fn told_privileges(&self, _record: &R) -> ToldPrivileges {
        ToldPrivileges::NotAsked
    }
}

/// Nobody answers.
#[derive(Clone, Copy, Debug)]
pub struct RightsUnknown;

/// What the names in a path stand for, decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captures<'r>(Vec<(&'r str, String)>);

impl<R> RightsOf<R> for RightsUnknown {
    fn holds(&self, _: &R, _: QuestionId, _: &Captures<'_>) -> Held {
        Held::Unknown
    }
}

impl Untold {
    /// The reason in snake case.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::TooCostly => "too_costly",
            Self::TooLong => "too_long",
            Self::Unknown => "unknown",
        }
    }
}

impl Question {
    /// The application that it is about, if it is about one.
    #[must_use]
    pub fn application(&self) -> Option<&str> {
        match self {
            Self::Application { application, .. } => Some(application),
            Self::Cluster(_) | Self::Index { .. } => None,
        }
    }
}

impl Resource {
    /// Reads a resource; `None` when it is empty, or its braces do not pair or are around nothing. An
    /// asterisk is none, because what is asked for is one resource.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}')?;
            if before.contains('}') || name.is_empty() || name.contains('{') {
                return None;
            }
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(Part::Name(name.to_owned()));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        let is_resource = !parts.is_empty() && !rest.contains('}') && !text.contains('*');
        is_resource.then_some(Self(parts))
    }

    /// The names in it.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Name(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// The resource that is meant in a request with these captures; `None` when a name stands for nothing.
    #[must_use]
    pub fn with(&self, captures: &Captures<'_>) -> Option<Cow<'_, str>> {
        if let [Part::Text(text)] = self.0.as_slice() {
            return Some(Cow::Borrowed(text));
        }
        let mut resource = String::new();
        for part in &self.0 {
            resource.push_str(match part {
                Part::Text(text) => text,
                Part::Name(name) => captures.get(name)?,
            });
        }
        Some(Cow::Owned(resource))
    }
}

impl<'r> Captures<'r> {
    /// What the names of a pattern stand for in a path that it matches.
    pub(super) fn of(pattern: Option<&'r PathPattern>, path: Option<&RequestPath<'_>>) -> Self {
        let (Some(pattern), Some(path)) = (pattern, path) else { return Self::default() };
        let segments = pattern.segments.iter().zip(&path.segments);
        let named = segments.filter_map(|(segment, text)| match segment {
            Segment::Named(name) => Some((name.as_str(), text.clone().into_owned())),
            _ => None,
        });
        Self(named.collect())
    }

    /// What that name stands for.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| *other == name).map(|(_, text)| text.as_str())
    }
}

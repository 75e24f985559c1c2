//! What can be wrong with a configuration.

use std::fmt;
use std::time::Duration;

use super::duration;
use crate::identity::InvalidHeaderName;
use crate::limits::REQUIREMENT_DEPTH_MAX;
use crate::rules::InvalidPathPattern;

/// Everything that is wrong with a configuration.
#[derive(Debug, PartialEq, Eq)]
pub struct InvalidConfig {
    /// Where, as names joined by dots (empty for the whole), and what. Never empty.
    pub problems: Vec<(String, Problem)>,
}

/// Everything that is wrong with what the metadata of a route asks.
#[derive(Debug, PartialEq, Eq)]
pub struct InvalidRoute(pub(super) Vec<(String, Problem)>);

/// One thing that is wrong with a configuration. None of them holds a value of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A text that should be a credential is none.
    BadCredential,
    /// A claim, which the maker of a key chooses, is required.
    Claim,
    /// The name of a header cannot be used.
    BadHeaderName(InvalidHeaderName),
    /// A path of a rule is none.
    BadPath(InvalidPathPattern),
    /// The bytes are not JSON.
    BadJson {
        /// Line of the first mistake, from 1.
        line: usize,
        /// Column of the first mistake, from 1.
        column: usize,
    },
    /// The authority has to be given, since the name of the cluster cannot be one.
    ClusterIsNoAuthority,
    /// There are no bytes at all.
    Empty,
    /// The value is something else than these words say.
    IsNot(&'static str),
    /// The same, but this one resembles it.
    IsNotLike(&'static str, &'static str),
    /// It has to be given.
    Missing,
    /// A route requires a right or a metadata field that no rule asks for, so nobody has it at hand.
    NotAskedByRules,
    /// One of two fields has to be given, and either both are or none.
    NotExactlyOne,
    /// The duration is shorter than the one or longer than the other.
    OutOfRange {
        /// The shortest allowed.
        min: Duration,
        /// The longest allowed.
        max: Duration,
    },
    /// `refuse_after` is shorter than `stale_after`.
    RefusesBeforeStale,
    /// `stale_after` is not longer than one request for the feed may take.
    StaleWhileIdle,
    /// The text is too long.
    TooLong {
        /// Most bytes allowed.
        bytes_max: usize,
    },
    /// The object or list has too many entries.
    TooMany {
        /// Most entries allowed.
        max: usize,
    },
    /// There are too many metadata fields, questions about rights, or pairs of host and path in all rules
    /// together.
    TooManyTogether {
        /// What they are.
        what: &'static str,
        /// Most of them allowed.
        max: usize,
    },
    /// It is nested too deep.
    TooDeep,
    /// It is given more than once.
    Twice,
    /// There is no such field.
    Unknown,
    /// There is no such field, but there is one of this similar name.
    UnknownLike(&'static str),
    /// A name in braces is not in every path of the rule.
    UnknownName,
    /// A rule never decides, because this earlier one matches all that it matches.
    Unreachable {
        /// Its place among the rules.
        by: usize,
    },
    /// Something is required of a key, and the rule asks for none.
    WithoutKey,
    /// The environment variable is not set for the proxy, or not passed to the filter.
    VariableUnset,
}

impl fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration is refused")?;
        write_all(&self.problems, f)
    }
}

impl fmt::Display for InvalidRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the metadata of a route is not understood")?;
        write_all(&self.0, f)
    }
}

fn write_all(problems: &[(String, Problem)], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (index, (path, problem)) in problems.iter().enumerate() {
        f.write_str(if index == 0 { ": " } else { "; " })?;
        write!(f, "{} {problem}", if path.is_empty() { "it" } else { path })?;
    }
    Ok(())
}

impl std::error::Error for InvalidConfig {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadCredential => f.write_str("does not hold the standard Base64 of id:secret"),
            Self::BadHeaderName(invalid) => invalid.fmt(f),
            Self::BadPath(invalid) => invalid.fmt(f),
            Self::Claim => f.write_str(
                "cannot be required, because it is a claim: whoever makes a key chooses it. Require what the key service \
                 vouches for: privilege, cluster_privilege, index_privilege, role, limited_by, owner, realm or metadata",
            ),
            Self::BadJson { line, column } => write!(f, "is not JSON: mistake at line {line}, column {column}"),
            Self::ClusterIsNoAuthority => {
                f.write_str("is required, because the name of the cluster is not a host name")
            }
            Self::Empty => f.write_str(
                "is empty; it needs at least {\"key_service\": {\"cluster\": \"...\", \"credential\": \
                 {\"environment_variable\": \"...\"}}}",
            ),
            Self::IsNot(words) => write!(f, "is not {words}"),
            Self::IsNotLike(words, meant) => write!(f, "is not {words}, did you mean {meant}?"),
            Self::Missing => f.write_str("is required"),
            Self::NotAskedByRules => f.write_str(
                "requires a privilege or a metadata field that no rule of the filter requires, and only those are at hand",
            ),
            Self::NotExactlyOne => f.write_str("needs exactly one of environment_variable, inline and file"),
            Self::OutOfRange { min, max } => {
                write!(f, "is not between {} and {}", duration::write(*min), duration::write(*max))
            }
            Self::RefusesBeforeStale => f.write_str("is shorter than staleness.stale_after"),
            Self::StaleWhileIdle => f.write_str(
                "is not longer than key_service.wait and key_service.fetch_timeout together, so an idle feed would look \
                 stale",
            ),
            Self::TooLong { bytes_max } => write!(f, "is longer than {bytes_max} bytes"),
            Self::TooMany { max } => write!(f, "has more than {max} entries"),
            Self::TooManyTogether { what, max } => write!(f, "have more than {max} {what} together"),
            Self::TooDeep => write!(f, "is nested deeper than {REQUIREMENT_DEPTH_MAX}"),
            Self::Twice => f.write_str("is given twice"),
            Self::Unknown => f.write_str("is not a known field"),
            Self::UnknownLike(meant) => write!(f, "is not a known field, did you mean {meant}?"),
            Self::UnknownName => f.write_str("has a name in braces that is not in every path of the rule"),
            Self::Unreachable { by } => {
                write!(f, "never decides, because rules[{by}] before it matches all that it matches")
            }
            Self::WithoutKey => {
                f.write_str("asks something of a key, and authentication of the rule is not required")
            }
            Self::VariableUnset => f.write_str(
                "names a variable that is not set where the filter runs: set it for the proxy; for the Wasm filter name \
                 it in vm_config.environment_variables too (in Istio, vmConfig.env)",
            ),
        }
    }
}

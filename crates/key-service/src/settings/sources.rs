//! Where settings are said: in a file, in the environment, and in flags. All have the same names.
//!
//! | source | form | relative paths start at |
//! |---|---|---|
//! | `-E xpack.security.authc.api_key.enabled=false` | the path, `=`, the value | the current directory |
//! | `LATCHKEY_SETTING_XPACK_SECURITY_AUTHC_API__KEY_ENABLED=false` | below | the current directory |
//! | the file | TOML | the directory of the file |
//!
//! The stronger stand first. The name of a variable is the path in upper case behind the prefix, with `__`
//! for `_` and `_` for a period, as Elasticsearch's container image reads `ES_SETTING_…`. Flags and variables
//! know no types: their values are texts, which [`Section`](super::section::Section) reads as what the
//! setting takes.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use toml_edit::{DocumentMut, Item, Key, Table, TableLike, value};

use crate::settings::section::{InvalidFile, Problems, document};

/// How the names of variables that are settings begin.
const VARIABLE_PREFIX: &str = "LATCHKEY_SETTING_";

/// What is wrong with a setting that another of the same source excludes.
const CONTRADICTION: &str = "is said twice, or is both a value and a section";

/// Everything that was said, the strongest source first.
#[derive(Debug)]
pub struct Sources {
    said: Vec<(Origin, DocumentMut)>,
    is_partial: bool,
}

/// Who said something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The only document that is read.
    Alone,
    /// Variables of the environment.
    Environment,
    /// This file.
    File(PathBuf),
    /// Flags of the command.
    Flags,
}

impl Sources {
    /// What the flags `-E`, the variables and the file say. Of the variables only those with the prefix are
    /// looked at. Mistakes in the form are noted, and what has them is left out.
    #[must_use]
    pub fn read(
        flags: &[String],
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        file: Option<(&Path, &str)>,
        problems: &Problems,
    ) -> Self {
        let mut said = vec![
            (Origin::Flags, read_flags(flags, problems)),
            (Origin::Environment, read_environment(environment, problems)),
        ];
        let mut is_partial = false;
        if let Some((path, text)) = file {
            match document(text) {
                Ok(document) => said.push((Origin::File(path.to_owned()), document)),
                Err(invalid) => {
                    note(invalid, path, problems);
                    is_partial = true;
                }
            }
        }
        Self { said, is_partial }
    }

    /// Whether a flag says something at this path or below it, which is then as if it was not said.
    pub fn take_flags_at(&mut self, path: &str) -> bool {
        let Some((Origin::Flags, document)) = self.said.first_mut() else { return false };
        let mut table = document.as_table_mut();
        let mut rest = path;
        while let Some((section, below)) = rest.split_once('.') {
            let Some(inner) = table.get_mut(section).and_then(Item::as_table_mut) else { return false };
            (table, rest) = (inner, below);
        }
        table.remove(rest).is_some()
    }

    /// Whether a source could not be read, so that what is missing may stand there.
    #[must_use]
    pub fn are_partial(&self) -> bool {
        self.is_partial
    }

    /// What each source says.
    pub fn strongest_first(&self) -> impl Iterator<Item = (&Origin, &dyn TableLike)> {
        self.said.iter().map(|(origin, document)| (origin, document.as_table() as &dyn TableLike))
    }
}

impl Origin {
    /// Who said what stands at this path, as the operator knows it; `None` where there is only one who can
    /// have.
    #[must_use]
    pub fn name(&self, path: &str) -> Option<String> {
        match self {
            Self::Alone => None,
            Self::Environment => Some(variable(path)),
            Self::File(file) => Some(file.display().to_string()),
            Self::Flags => Some(format!("-E {path}")),
        }
    }

    /// Whether values have types. Without, every value is a text.
    #[must_use]
    pub fn has_types(&self) -> bool {
        match self {
            Self::Alone | Self::File(_) => true,
            Self::Environment | Self::Flags => false,
        }
    }

    /// Where relative paths start. Empty for the current directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        match self {
            Self::File(file) => file.parent().unwrap_or(Path::new("")),
            Self::Alone | Self::Environment | Self::Flags => Path::new(""),
        }
    }
}

/// The name of the variable that says a setting.
fn variable(path: &str) -> String {
    format!("{VARIABLE_PREFIX}{}", path.replace('_', "__").replace('.', "_").to_uppercase())
}

/// The setting that a variable says, from its name behind the prefix; `None` when it says none. From the
/// left, each pair of `_` is one, and any other is a period.
fn path_of_variable(name: &str) -> Option<Vec<String>> {
    let known = |letter: char| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_';
    if !name.chars().all(known) {
        return None;
    }
    // A blank is in no name, and so stands for the pairs meanwhile.
    let path = name.to_ascii_lowercase().replace("__", " ").replace('_', ".").replace(' ', "_");
    let names: Vec<String> = path.split('.').map(str::to_owned).collect();
    names.iter().all(|name| !name.is_empty()).then_some(names)
}

fn read_flags(flags: &[String], problems: &Problems) -> DocumentMut {
    let mut document = DocumentMut::new();
    for (index, flag) in flags.iter().enumerate() {
        let setting =
            flag.split_once('=').and_then(|(path, text)| Some((Key::parse(path).ok()?, path, text)));
        // What has not the form could be all secret.
        let Some((keys, path, text)) = setting else {
            problems
                .add(format!("-E number {}", index + 1), "must be the path of a setting, =, and its value");
            continue;
        };
        let names: Vec<String> = keys.iter().map(|key| key.get().to_owned()).collect();
        if !insert(document.as_table_mut(), &names, text) {
            problems.add_said_by(Origin::Flags.name(path), path, CONTRADICTION);
        }
    }
    document
}

fn read_environment(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    problems: &Problems,
) -> DocumentMut {
    let mut document = DocumentMut::new();
    let mut settings: Vec<(String, OsString)> = environment
        .into_iter()
        .map(|(variable, text)| (variable.to_string_lossy().into_owned(), text))
        .filter(|(variable, _)| variable.starts_with(VARIABLE_PREFIX))
        .collect();
    // The system gives variables in no order; mistakes are best told in one.
    settings.sort_unstable();
    for (variable, text) in settings {
        let names = variable.strip_prefix(VARIABLE_PREFIX).and_then(path_of_variable);
        match (names, text.to_str()) {
            (None, _) => problems.add(
                variable,
                "is the name of no setting: A to Z, 0 to 9, _ for a period and __ for an underscore",
            ),
            (Some(_), None) => problems.add(variable, "is not UTF-8"),
            (Some(names), Some(text)) => {
                if !insert(document.as_table_mut(), &names, text) {
                    problems.add_said_by(Some(variable), names.join("."), CONTRADICTION);
                }
            }
        }
    }
    document
}

/// Puts a text where a path leads. Not where something is already.
fn insert(root: &mut Table, path: &[String], text: &str) -> bool {
    let Some((field, sections)) = path.split_last() else { return false };
    let mut table = root;
    for section in sections {
        let item = table.entry(section).or_insert_with(|| Item::Table(Table::new()));
        match item.as_table_mut() {
            Some(inner) => table = inner,
            None => return false,
        }
    }
    let is_free = !table.contains_key(field);
    if is_free {
        table.insert(field, value(text));
    }
    is_free
}

/// The mistakes of a file, with its name.
fn note(invalid: InvalidFile, file: &Path, problems: &Problems) {
    for problem in invalid.problems {
        problems.add_said_by(Some(file.display().to_string()), problem.path, problem.problem);
    }
}

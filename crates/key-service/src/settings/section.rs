//! Reading settings so that every mistake is found in one go.
//!
//! A [`Section`] is a table being read: each field is taken once, by name and type, and whatever is left at
//! the end is an unknown field. Mistakes name the path, what belongs there and who said it, never what stood
//! there: it could be a secret.
//!
//! Several sources may say the same table (`settings/sources.rs`). A section looks at all of them side by
//! side: of each field the strongest source counts, and what has the wrong type is found in every one.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use toml_edit::{Array, DocumentMut, Item, TableLike, TomlError, Value};

use crate::settings::sources::{Origin, Sources};

/// Mistakes of what is read together, in the order in which they were found.
#[derive(Debug, Default)]
pub struct Problems(RefCell<Vec<Problem>>);

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: the path of the field, such as `users.alice.roles`.
    pub path: String,
    /// What belongs there.
    pub problem: String,
    /// Who said it: a file, a variable or a flag. `None` where that is plain, or where nobody said anything.
    pub said_by: Option<String>,
}

/// Settings or a file with mistakes: all of them.
#[derive(Debug, PartialEq, Eq)]
pub struct InvalidFile {
    /// The mistakes, in the order in which they were found; never empty.
    pub problems: Vec<Problem>,
}

/// A table being read.
pub struct Section<'a> {
    path: String,
    /// The table in each source that has it, the strongest first.
    parts: Vec<SectionPart<'a>>,
    /// Whether a source could not be read at all, so that what is missing may stand there.
    is_partial: bool,
    taken: Vec<&'static str>,
    problems: &'a Problems,
}

/// What one source says of a section.
#[derive(Clone, Copy)]
struct SectionPart<'a> {
    origin: &'a Origin,
    table: &'a dyn TableLike,
}

/// What one source says of a field.
#[derive(Clone, Copy)]
struct Said<'a> {
    origin: &'a Origin,
    item: &'a Item,
}

/// Reads a TOML document.
///
/// # Errors
///
/// [`InvalidFile`] with the place where it stops being TOML.
pub fn document(text: &str) -> Result<DocumentMut, InvalidFile> {
    text.parse().map_err(|error: TomlError| {
        let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        // The parser's own message quotes the line, and with it perhaps a secret.
        let problem = "not TOML from here on".to_owned();
        InvalidFile { problems: vec![Problem { path: format!("line {line}"), problem, said_by: None }] }
    })
}

impl Problems {
    /// Notes a mistake.
    pub fn add(&self, path: impl Into<String>, problem: impl Into<String>) {
        self.add_said_by(None, path, problem);
    }

    /// Notes a mistake, and who made it.
    pub fn add_said_by(&self, said_by: Option<String>, path: impl Into<String>, problem: impl Into<String>) {
        self.0.borrow_mut().push(Problem { path: path.into(), problem: problem.into(), said_by });
    }

    /// What was read, if there was no mistake.
    ///
    /// # Errors
    ///
    /// [`InvalidFile`] when there was one.
    pub fn none_or<T>(self, read: T) -> Result<T, InvalidFile> {
        let problems = self.0.into_inner();
        if problems.is_empty() { Ok(read) } else { Err(InvalidFile { problems }) }
    }
}

impl<'a> Section<'a> {
    /// The whole of a document that is read alone.
    #[must_use]
    pub fn root(document: &'a DocumentMut, problems: &'a Problems) -> Self {
        static ALONE: Origin = Origin::Alone;
        let parts = vec![SectionPart { origin: &ALONE, table: document.as_table() }];
        Self { path: String::new(), parts, is_partial: false, taken: Vec::new(), problems }
    }

    /// The whole of what several sources say.
    #[must_use]
    pub fn of_sources(sources: &'a Sources, problems: &'a Problems) -> Self {
        let parts = sources.strongest_first().map(|(origin, table)| SectionPart { origin, table }).collect();
        Self { path: String::new(), parts, is_partial: sources.are_partial(), taken: Vec::new(), problems }
    }

    /// The path of this section.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The path of a field of this section.
    #[must_use]
    pub fn path_of(&self, field: &str) -> String {
        if self.path.is_empty() { field.to_owned() } else { format!("{}.{field}", self.path) }
    }

    /// Notes a mistake in what counts of a field.
    pub fn problem(&self, field: &str, problem: impl Into<String>) {
        let path = self.path_of(field);
        let said_by = self.said(field).next().and_then(|said| said.origin.name(&path));
        self.problems.add_said_by(said_by, path, problem);
    }

    /// Notes that nobody said a field, unless it may stand in a source that could not be read.
    pub fn missing(&self, field: &str, problem: &str) {
        if !self.is_partial {
            self.problem(field, problem);
        }
    }

    /// Notes a mistake in the section as a whole.
    pub fn problem_here(&self, problem: impl Into<String>) {
        let said_by = self.parts.first().and_then(|part| part.origin.name(&self.path));
        self.problems.add_said_by(said_by, self.path.clone(), problem);
    }

    /// Whether anybody said anything of this section.
    #[must_use]
    pub fn is_said(&self) -> bool {
        self.parts.iter().any(|part| !part.table.is_empty())
    }

    /// Whether anybody said a field of this section.
    #[must_use]
    pub fn says(&self, field: &str) -> bool {
        self.said(field).next().is_some()
    }

    /// A section inside this one; an empty one when it is absent.
    pub fn section(&mut self, field: &'static str) -> Self {
        self.taken.push(field);
        self.inner(field)
    }

    /// The sections inside the section `field`, by name.
    pub fn sections(&mut self, field: &'static str) -> Vec<(String, Self)> {
        let outer = self.section(field);
        outer.names().into_iter().map(|name| (name.to_owned(), outer.inner(name))).collect()
    }

    /// A text.
    pub fn text(&mut self, field: &'static str) -> Option<&'a str> {
        self.read(field, "a string", |said| said.item.as_str())
    }

    /// A text that must be there.
    pub fn required_text(&mut self, field: &'static str) -> Option<&'a str> {
        let text = self.text(field);
        if !self.says(field) {
            self.missing(field, "is required");
        }
        text
    }

    /// A text that `read` understands. Of any other it is noted what belongs there.
    pub fn parsed<T>(
        &mut self,
        field: &'static str,
        belongs: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let value = read(self.text(field)?);
        if value.is_none() {
            self.problem(field, belongs);
        }
        value
    }

    /// A text that nobody else may read. Flags may not have it, because everybody on the machine can list
    /// those.
    pub fn secret(&mut self, field: &'static str) -> Option<&'a str> {
        let text = self.text(field);
        self.refuse_in_flags(
            field,
            "is a secret, which no flag may show: say it in the file or the environment",
        );
        text
    }

    /// Notes a mistake if a flag says this field.
    pub fn refuse_in_flags(&self, field: &str, problem: &str) {
        let path = self.path_of(field);
        for said in self.said(field).filter(|said| matches!(said.origin, Origin::Flags)) {
            self.problems.add_said_by(said.origin.name(&path), path.clone(), problem);
        }
    }

    /// A file or a directory. A relative path starts where its source's do.
    pub fn file(&mut self, field: &'static str) -> Option<PathBuf> {
        let text = self.text(field)?;
        Some(self.directory_of(field).join(text))
    }

    /// A list of files or directories.
    pub fn files(&mut self, field: &'static str) -> Option<Vec<PathBuf>> {
        let texts = self.texts(field)?;
        let directory = self.directory_of(field);
        Some(texts.iter().map(|text| directory.join(text)).collect())
    }

    /// A file or a directory that must be there.
    pub fn required_file(&mut self, field: &'static str) -> Option<PathBuf> {
        let text = self.required_text(field)?;
        Some(self.directory_of(field).join(text))
    }

    /// Where relative paths in what counts of a field start.
    #[must_use]
    pub fn directory_of(&self, field: &str) -> &'a Path {
        self.said(field).next().map_or(Path::new(""), |said| said.origin.directory())
    }

    /// Yes or no.
    pub fn flag(&mut self, field: &'static str) -> Option<bool> {
        self.read(field, "true or false", |said| match said.untyped() {
            Some(text) => text.trim().parse().ok(),
            None => said.item.as_bool(),
        })
    }

    /// A whole number.
    pub fn integer(&mut self, field: &'static str) -> Option<i64> {
        self.read(field, "a whole number", |said| match said.untyped() {
            Some(text) => text.trim().parse().ok(),
            None => said.item.as_integer(),
        })
    }

    /// A whole number of this range.
    pub fn number<T>(&mut self, field: &'static str, range: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<i64> + PartialOrd + fmt::Display,
    {
        let number = T::try_from(self.integer(field)?).ok().filter(|number| range.contains(number));
        if number.is_none() {
            self.problem(field, format!("must be from {} to {}", range.start(), range.end()));
        }
        number
    }

    /// A list of texts.
    pub fn texts(&mut self, field: &'static str) -> Option<Vec<String>> {
        self.read(field, "a list of strings", Said::texts)
    }

    /// Lists of texts by names that are anybody's choice.
    pub fn named_texts(&mut self, field: &'static str) -> BTreeMap<String, Vec<String>> {
        let outer = self.section(field);
        let texts =
            |name| Some((str::to_owned(name), outer.look_at(name, "a list of strings", Said::texts)?));
        outer.names().into_iter().filter_map(texts).collect()
    }

    /// Everything in this section of a document that is read alone, for a reader of its own.
    #[must_use]
    pub fn into_table(self) -> Option<&'a dyn TableLike> {
        self.parts.first().map(|part| part.table)
    }

    /// Notes every field that was not taken.
    pub fn end(self) {
        for part in &self.parts {
            for (name, _) in part.table.iter().filter(|(name, _)| !self.taken.contains(name)) {
                let path = self.path_of(name);
                let problem = format!("is not known; known are {}", self.taken.join(", "));
                self.problems.add_said_by(part.origin.name(&path), path, problem);
            }
        }
    }

    /// The fields that some source says, each once, those of the weakest source first.
    fn names(&self) -> Vec<&'a str> {
        let mut names: Vec<&str> = Vec::new();
        for (name, _) in self.parts.iter().rev().flat_map(|part| part.table.iter()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// What the sources say of a field, the strongest first.
    fn said(&self, field: &str) -> impl Iterator<Item = Said<'a>> {
        self.parts.iter().filter_map(move |part| {
            let item = part.table.get(field)?;
            Some(Said { origin: part.origin, item })
        })
    }

    fn read<T>(
        &mut self,
        field: &'static str,
        kind: &str,
        read: impl Fn(Said<'a>) -> Option<T>,
    ) -> Option<T> {
        self.taken.push(field);
        self.look_at(field, kind, read)
    }

    /// Reads what every source says of a field, so that each mistake is found, and returns what counts.
    fn look_at<T>(&self, field: &str, kind: &str, read: impl Fn(Said<'a>) -> Option<T>) -> Option<T> {
        let mut strongest = None;
        for said in self.said(field) {
            let value = read(said);
            if value.is_none() {
                self.wrong_type(said.origin, field, kind);
            }
            strongest = strongest.or(value);
        }
        strongest
    }

    fn inner(&self, name: &str) -> Self {
        let mut parts = Vec::new();
        for said in self.said(name) {
            match said.item.as_table_like() {
                Some(table) => parts.push(SectionPart { origin: said.origin, table }),
                None => self.wrong_type(said.origin, name, "a table"),
            }
        }
        Self { path: self.path_of(name), parts, taken: Vec::new(), ..*self }
    }

    fn wrong_type(&self, origin: &Origin, field: &str, kind: &str) {
        let path = self.path_of(field);
        self.problems.add_said_by(origin.name(&path), path, format!("must be {kind}"));
    }
}

impl Said<'_> {
    /// The text of a source that knows no types.
    fn untyped(&self) -> Option<&str> {
        if self.origin.has_types() { None } else { self.item.as_str() }
    }

    /// A list of TOML; of a source without types also what stands between commas.
    fn texts(self) -> Option<Vec<String>> {
        let strings =
            |list: &Array| list.iter().map(|value| value.as_str().map(str::to_owned)).collect::<Option<_>>();
        match self.untyped().map(str::trim) {
            None => strings(self.item.as_array()?),
            Some("") => Some(Vec::new()),
            Some(text) if text.starts_with('[') => strings(text.parse::<Value>().ok()?.as_array()?),
            Some(text) => {
                let items = text.split(',').map(str::trim);
                items.map(|item| (!item.is_empty()).then(|| item.to_owned())).collect()
            }
        }
    }
}

impl fmt::Display for InvalidFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Problem { path, problem, said_by }) in self.problems.iter().enumerate() {
            let line_end = if index > 0 { "\n" } else { "" };
            write!(f, "{line_end}{path}: {problem}")?;
            if let Some(name) = said_by {
                write!(f, " ({name})")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for InvalidFile {}

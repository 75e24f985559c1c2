//! Reading TOML so that every mistake is found in one go.
//!
//! A [`Section`] is a table being read: each field is taken once, by name and type, and whatever is left at the end is an unknown
//! field. Mistakes name the path and what belongs there, never what stood there: it could be a secret.

use std::cell::RefCell;
use std::fmt;

use toml_edit::{DocumentMut, Item, TableLike, TomlError};

/// Mistakes of one file, in the order in which they were found.
#[derive(Debug, Default)]
pub struct Problems(RefCell<Vec<Problem>>);

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: the path of the field, such as `users.alice.roles`.
    pub path: String,
    /// What belongs there.
    pub problem: String,
}

/// A file with mistakes: all of them.
#[derive(Debug, PartialEq, Eq)]
pub struct InvalidFile {
    /// The mistakes, in the order in which they were found; never empty.
    pub problems: Vec<Problem>,
}

/// A table being read.
pub struct Section<'a> {
    path: String,
    table: Option<&'a dyn TableLike>,
    taken: Vec<&'static str>,
    problems: &'a Problems,
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
        InvalidFile { problems: vec![Problem { path: format!("line {line}"), problem }] }
    })
}

impl Problems {
    /// Notes a mistake.
    pub fn add(&self, path: impl Into<String>, problem: impl Into<String>) {
        self.0.borrow_mut().push(Problem { path: path.into(), problem: problem.into() });
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
    /// The whole document.
    #[must_use]
    pub fn root(document: &'a DocumentMut, problems: &'a Problems) -> Self {
        Self { path: String::new(), table: Some(document.as_table()), taken: Vec::new(), problems }
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

    /// Notes a mistake in a field.
    pub fn problem(&self, field: &str, problem: impl Into<String>) {
        self.problems.add(self.path_of(field), problem);
    }

    /// Notes a mistake in the section as a whole.
    pub fn problem_here(&self, problem: impl Into<String>) {
        self.problems.add(self.path.clone(), problem);
    }

    /// A section inside this one; an empty one when it is absent.
    pub fn section(&mut self, field: &'static str) -> Self {
        let item = self.take(field);
        self.inner(field, item)
    }

    /// The sections inside the section `field`, by name.
    pub fn sections(&mut self, field: &'static str) -> Vec<(String, Self)> {
        let outer = self.section(field);
        let Some(table) = outer.table else {
            return Vec::new();
        };
        table.iter().map(|(name, item)| (name.to_owned(), outer.inner(name, Some(item)))).collect()
    }

    /// A text.
    pub fn text(&mut self, field: &'static str) -> Option<&'a str> {
        self.read(field, "a string", Item::as_str)
    }

    /// A text that must be there.
    pub fn required_text(&mut self, field: &'static str) -> Option<&'a str> {
        let present = self.has(field);
        let text = self.text(field);
        if !present {
            self.problem(field, "is required");
        }
        text
    }

    /// Yes or no.
    pub fn flag(&mut self, field: &'static str) -> Option<bool> {
        self.read(field, "true or false", Item::as_bool)
    }

    /// A whole number.
    pub fn integer(&mut self, field: &'static str) -> Option<i64> {
        self.read(field, "a whole number", Item::as_integer)
    }

    /// A list of texts.
    pub fn texts(&mut self, field: &'static str) -> Option<Vec<String>> {
        self.read(field, "a list of strings", |item| {
            item.as_array()?.iter().map(|value| value.as_str().map(str::to_owned)).collect()
        })
    }

    /// Everything in this section, for a reader of its own.
    #[must_use]
    pub fn into_table(self) -> Option<&'a dyn TableLike> {
        self.table
    }

    /// Everything in this section, for a reader that notes mistakes here.
    #[must_use]
    pub fn table(&self) -> Option<&'a dyn TableLike> {
        self.table
    }

    /// Notes every field that was not taken.
    pub fn end(self) {
        for (name, _) in self.table.iter().flat_map(|table| table.iter()) {
            if !self.taken.contains(&name) {
                self.problem(name, format!("is not known; known are {}", self.taken.join(", ")));
            }
        }
    }

    fn has(&self, field: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(field))
    }

    fn take(&mut self, field: &'static str) -> Option<&'a Item> {
        self.taken.push(field);
        self.table?.get(field)
    }

    fn read<T>(
        &mut self,
        field: &'static str,
        kind: &str,
        read: impl Fn(&'a Item) -> Option<T>,
    ) -> Option<T> {
        let value = read(self.take(field)?);
        if value.is_none() {
            self.problem(field, format!("must be {kind}"));
        }
        value
    }

    fn inner(&self, name: &str, item: Option<&'a Item>) -> Self {
        let table = item.and_then(Item::as_table_like);
        if item.is_some() && table.is_none() {
            self.problem(name, "must be a table");
        }
        Self { path: self.path_of(name), table, taken: Vec::new(), problems: self.problems }
    }
}

impl fmt::Display for InvalidFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Problem { path, problem }) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{path}: {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidFile {}

//! What a store holds, as a file: lines of JSON.
//!
//! The first line says what the file is, then comes one line an entry, and the last line counts them, so that
//! a file that was cut off is noticed. A line that cannot be read is named by its number: what it holds may
//! be a secret to whoever reads the complaint.

mod line;

use std::io::{self, BufRead, Write};

use latchkey_key_feed::{Epoch, UnixMillis};
use serde::{Deserialize, Serialize};

use crate::export_file::line::{Content, InvalidEntry, Line};
use crate::limits::EXPORT_LINE_LEN_MAX;
use crate::model::entry_counts::EntryCounts;
use crate::store::transfer::Entry;

/// What the first line calls the format.
const FORMAT: &str = "latchkey-export";

/// The version that is written; every earlier one is read too. It rises when an older reader would lose
/// something.
const VERSION: u64 = 3;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    format: String,
    version: u64,
    /// Which feed the store had.
    pub epoch: Epoch,
    /// When the export began.
    pub at: UnixMillis,
}

/// Writes a file, entry by entry.
#[derive(Debug)]
pub(crate) struct ExportWriter<W> {
    file: W,
    counts: EntryCounts,
}

/// Reads a file, entry by entry. After an error it must not be read on.
#[derive(Debug)]
pub(crate) struct ExportReader<R> {
    file: R,
    line: u64,
    counts: EntryCounts,
}

/// A line that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {problem}")]
pub(crate) struct InvalidExport {
    line: u64,
    problem: Problem,
}

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("the file ends here, before the line that counts its entries")]
    CutOff,
    #[error("{} is not valid", .0.part)]
    Invalid(InvalidEntry),
    #[error("could not be read: {0}")]
    Io(io::Error),
    #[error("counts other entries than those before it")]
    Miscounted,
    #[error("comes after the line that ends the file")]
    MoreAfterEnd,
    #[error("is of version {0} of the format; this Latchkey reads 1 to {VERSION}")]
    NewerVersion(u64),
    #[error("does not begin an export of Latchkey")]
    NotAnExport,
    #[error("is longer than {EXPORT_LINE_LEN_MAX} bytes")]
    TooLong,
    #[error("is not {}, at column {column}", if *.is_json { "an entry" } else { "JSON" })]
    Unreadable { column: usize, is_json: bool },
}

impl Header {
    /// Of an export that begins now.
    #[must_use]
    pub(crate) fn new(epoch: Epoch, at: UnixMillis) -> Self {
        Self { format: FORMAT.to_owned(), version: VERSION, epoch, at }
    }
}

impl<W: Write> ExportWriter<W> {
    /// Begins a file.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(crate) fn begin(mut file: W, header: &Header) -> io::Result<Self> {
        write_line(&mut file, header)?;
        Ok(Self { file, counts: EntryCounts::default() })
    }

    /// Writes an entry.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(crate) fn write(&mut self, entry: Entry) -> io::Result<()> {
        entry.count_in(&mut self.counts);
        write_line(&mut self.file, &Line::from(entry))
    }

    /// Writes the last line, and tells how many entries there are.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(crate) fn end(mut self) -> io::Result<EntryCounts> {
        write_line(&mut self.file, &Line::End(self.counts))?;
        self.file.flush()?;
        Ok(self.counts)
    }
}

impl<R: BufRead> ExportReader<R> {
    /// Begins to read a file.
    ///
    /// # Errors
    ///
    /// [`InvalidExport`] when it is none that this version reads.
    pub(crate) fn begin(file: R) -> Result<(Header, Self), InvalidExport> {
        let mut reader = Self { file, line: 0, counts: EntryCounts::default() };
        let text = reader.next_text()?.ok_or_else(|| reader.invalid(Problem::NotAnExport))?;
        let text = std::str::from_utf8(&text).map_err(|_| reader.invalid(Problem::NotAnExport))?;
        // Of a later version, only these two are known to be there.
        #[derive(Deserialize)]
        struct Kind {
            format: String,
            version: u64,
        }
        match serde_json::from_str(text) {
            Ok(Kind { format, version }) if format == FORMAT && version > VERSION => {
                return Err(reader.invalid(Problem::NewerVersion(version)));
            }
            Ok(Kind { format, version: 1..=VERSION }) if format == FORMAT => {}
            _ => return Err(reader.invalid(Problem::NotAnExport)),
        }
        let header = serde_json::from_str(text).map_err(|error| reader.unreadable(&error))?;
        Ok((header, reader))
    }

    fn next_entry(&mut self) -> Result<Option<Entry>, InvalidExport> {
        let text = self.next_text()?.ok_or_else(|| self.invalid(Problem::CutOff))?;
        let line: Line = serde_json::from_str(self.utf8(&text)?).map_err(|error| self.unreadable(&error))?;
        match Content::try_from(line).map_err(|invalid| self.invalid(Problem::Invalid(invalid)))? {
            Content::Entry(entry) => {
                entry.count_in(&mut self.counts);
                Ok(Some(entry))
            }
            Content::End(counts) if counts != self.counts => Err(self.invalid(Problem::Miscounted)),
            Content::End(_) => match self.next_text()? {
                Some(_) => Err(self.invalid(Problem::MoreAfterEnd)),
                None => Ok(None),
            },
        }
    }

    /// The next line without its end; `None` at the end of the file.
    fn next_text(&mut self) -> Result<Option<Vec<u8>>, InvalidExport> {
        self.line += 1;
        let mut text = Vec::new();
        let mut bounded = io::Read::take(&mut self.file, EXPORT_LINE_LEN_MAX);
        bounded.read_until(b'\n', &mut text).map_err(|error| self.invalid(Problem::Io(error)))?;
        match text.last() {
            None => Ok(None),
            Some(b'\n') => Ok(Some(text)),
            Some(_) if text.len() as u64 == EXPORT_LINE_LEN_MAX => Err(self.invalid(Problem::TooLong)),
            Some(_) => Err(self.invalid(Problem::CutOff)),
        }
    }

    /// The line as text. The parser would not look at what it passes over.
    fn utf8<'t>(&self, line: &'t [u8]) -> Result<&'t str, InvalidExport> {
        std::str::from_utf8(line).map_err(|error| {
            self.invalid(Problem::Unreadable { column: error.valid_up_to() + 1, is_json: false })
        })
    }

    fn invalid(&self, problem: Problem) -> InvalidExport {
        InvalidExport { line: self.line, problem }
    }

    /// Of the parser's complaint only the place is told: its text may quote the line.
    fn unreadable(&self, error: &serde_json::Error) -> InvalidExport {
        let is_json = error.is_data();
        self.invalid(Problem::Unreadable { column: error.column(), is_json })
    }
}

/// The entries up to the last line, or the mistake that ends them.
impl<R: BufRead> Iterator for ExportReader<R> {
    type Item = Result<Entry, InvalidExport>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_entry().transpose()
    }
}

fn write_line(file: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *file, line)?;
    file.write_all(b"\n")
}

#[cfg(test)]
mod tests;

//! How large a row of the feed is, and how large one may be.
//!
//! An edge writes the texts of a key as header values into a record of at most [`RECORD_LEN_MAX`] bytes.
//! Filters differ in what they write: the first ones wrote every value of the metadata with its whole dotted
//! path, later ones write what they are told to, at most twice. What is counted here is the most that any of
//! them writes, and it is counted without being written: a long name around many values comes to far more
//! than was sent.
//!
//! The JSON is read exactly as an edge reads it, so an edge can read what passes here.

use std::fmt;

use hifijson::SliceLexer;
use hifijson::num::LexWrite as _;
use hifijson::token::Lex as _;

use super::reading::text;
use super::wire_row::Malformed;
use crate::format_limits::{
    JSON_DEPTH_MAX, METADATA_DEPTH_MAX, METADATA_FIELD_PATH_LEN_MAX, METADATA_JSON_LEN_MAX,
    METADATA_VALUES_MAX, RECORD_FRAME_LEN, RECORD_LEN_MAX, ROLE_NAMES_MAX, ROW_LEN_MAX,
};
use crate::header_value::encoded_len;

/// Bytes that stand before each text of a record: its length.
const TEXT_LEN_BYTES: usize = 2;

/// What a list of names comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListSize {
    /// How many names there are.
    pub count: usize,
    /// Bytes of the header value that lists them.
    pub value_len: usize,
}

/// What the metadata of a key comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MetadataSize {
    /// Bytes of JSON.
    pub json_len: usize,
    /// How many values there are besides the metadata itself, at all depths together.
    pub values: usize,
    /// How many values lie within each other at most, the metadata itself included.
    pub depth: usize,
    /// Bytes of the longest dotted path.
    pub path_len: usize,
    /// Bytes of all paths and all header values, each with its length before it.
    pub record_len: usize,
    /// The same without the paths.
    pub values_len: usize,
}

/// What the texts of a row come to, in bytes. Names are counted as header values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowSize {
    /// The id of the key.
    pub id_len: usize,
    /// Its name.
    pub name_len: usize,
    /// The username of its owner, and the realm.
    pub owner_len: usize,
    /// The names of its own role descriptors.
    pub roles: ListSize,
    /// The names of its owner's roles.
    pub limited_by: ListSize,
    /// Its metadata.
    pub metadata: MetadataSize,
}

/// Why a key is too large: a part of it, how large that is, and how large it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowProblem {
    /// The metadata is nested too deep.
    MetadataDepth(usize),
    /// The metadata has too many bytes as JSON.
    MetadataJson(usize),
    /// The metadata has a field whose path is too long.
    MetadataPath(usize),
    /// The metadata has too many values.
    MetadataValues(usize),
    /// There are too many roles of the owner.
    OwnerRoles(usize),
    /// There are too many role descriptors.
    RoleDescriptors(usize),
    /// All texts together come to too many bytes.
    Texts(Box<RowSize>),
}

impl ListSize {
    /// Of these names.
    pub fn of_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        names.into_iter().fold(Self::default(), |size, name| size.and(encoded_len(name)))
    }

    /// Of a JSON list of texts.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when it is none.
    pub fn of_json(json: &str) -> Result<Self, Malformed> {
        let mut size = Self::default();
        SliceLexer::new(json.as_bytes()).exactly_one(SliceLexer::ws_peek, |next, lexer| {
            if next != b'[' {
                return Err(Malformed);
            }
            lexer.discarded().seq(b']', SliceLexer::ws_peek, |next, lexer| {
                size = size.and(encoded_len(&text(next, lexer)?));
                Ok::<_, Malformed>(())
            })
        })?;
        Ok(size)
    }

    fn and(self, name_len: usize) -> Self {
        let comma = usize::from(self.count > 0);
        Self { count: self.count + 1, value_len: self.value_len.saturating_add(comma + name_len) }
    }
}

impl MetadataSize {
    /// Of a JSON object.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when it is none, or one that is nested deeper than an edge reads.
    pub fn of_json(json: &str) -> Result<Self, Malformed> {
        let mut size = Self { json_len: json.len(), ..Self::default() };
        SliceLexer::new(json.as_bytes()).exactly_one(SliceLexer::ws_peek, |next, lexer| {
            if next != b'{' {
                return Err(Malformed);
            }
            size.enter(1)?;
            size.read_fields(lexer, Some(0), 1)
        })?;
        Ok(size)
    }

    /// Bytes of what a filter writes of it at most: each value with its path, as the first filters did, or
    /// each twice, where one header tells it only when it is vouched for and another in any case.
    #[must_use]
    pub fn len_max(&self) -> usize {
        self.record_len.max(self.values_len.saturating_mul(2))
    }

    /// Everything about it that is more than a new key may have.
    pub fn problems(&self) -> impl Iterator<Item = RowProblem> {
        [
            (self.json_len > METADATA_JSON_LEN_MAX).then_some(RowProblem::MetadataJson(self.json_len)),
            (self.values > METADATA_VALUES_MAX).then_some(RowProblem::MetadataValues(self.values)),
            (self.depth > METADATA_DEPTH_MAX).then_some(RowProblem::MetadataDepth(self.depth)),
            (self.path_len > METADATA_FIELD_PATH_LEN_MAX).then_some(RowProblem::MetadataPath(self.path_len)),
        ]
        .into_iter()
        .flatten()
    }

    /// Reads the fields of an object. `prefix` are the bytes of a path before the name of a field; there is
    /// no path to what lies in a list.
    fn read_fields(
        &mut self,
        lexer: &mut SliceLexer<'_>,
        prefix: Option<usize>,
        depth: usize,
    ) -> Result<(), Malformed> {
        lexer.discarded().seq(b'}', SliceLexer::ws_peek, |next, lexer| {
            let name_len = text(next, lexer)?.len();
            lexer.expect(SliceLexer::ws_peek, b':').ok_or(Malformed)?;
            let path = prefix.map(|prefix| prefix.saturating_add(name_len));
            self.path_len = self.path_len.max(path.unwrap_or(name_len));
            let value_len = self.read_value(lexer.ws_peek().ok_or(Malformed)?, lexer, path, depth)?;
            if let (Some(path), Some(value_len)) = (path, value_len) {
                let value_len = value_len.saturating_add(TEXT_LEN_BYTES);
                self.values_len = self.values_len.saturating_add(value_len);
                self.record_len = self
                    .record_len
                    .saturating_add(value_len)
                    .saturating_add(path)
                    .saturating_add(TEXT_LEN_BYTES);
            }
            Ok::<_, Malformed>(())
        })
    }

    /// Reads a value at a path, and tells the bytes of its header value, if it has one: a plain value has,
    /// and a list of plain values.
    fn read_value(
        &mut self,
        next: u8,
        lexer: &mut SliceLexer<'_>,
        path: Option<usize>,
        depth: usize,
    ) -> Result<Option<usize>, Malformed> {
        self.values += 1;
        match next {
            b'{' => {
                self.enter(depth + 1)?;
                self.read_fields(lexer, path.map(|path| path.saturating_add(1)), depth + 1)?;
                Ok(None)
            }
            b'[' => {
                self.enter(depth + 1)?;
                let (mut all, mut are_plain) = (ListSize::default(), true);
                lexer.discarded().seq(b']', SliceLexer::ws_peek, |next, lexer| {
                    let is_list = next == b'[';
                    match self.read_value(next, lexer, None, depth + 1)? {
                        Some(len) if !is_list => all = all.and(len),
                        _ => are_plain = false,
                    }
                    Ok::<_, Malformed>(())
                })?;
                Ok(are_plain.then_some(all.value_len))
            }
            b'"' => Ok(Some(encoded_len(&text(next, lexer)?))),
            b'0'..=b'9' | b'-' => {
                let (digits, _) = lexer.num_string().validated().map_err(|_| Malformed)?;
                Ok(Some(digits.len()))
            }
            _ => Ok(lexer.null_or_bool().ok_or(Malformed)?.map(|truth| if truth { 4 } else { 5 })),
        }
    }

    fn enter(&mut self, depth: usize) -> Result<(), Malformed> {
        self.depth = self.depth.max(depth);
        // A plain value within it counts as one more.
        if depth >= JSON_DEPTH_MAX { Err(Malformed) } else { Ok(()) }
    }
}

impl RowSize {
    /// Bytes of all texts, as the first filters wrote them. A key without role descriptors has those of its
    /// owner twice.
    fn record_len(&self) -> usize {
        self.texts_len(self.metadata.record_len)
    }

    /// Bytes of all texts, as a filter of any version and configuration writes them at most.
    #[must_use]
    pub fn len_max(&self) -> usize {
        self.texts_len(self.metadata.len_max())
    }

    fn texts_len(&self, of_metadata: usize) -> usize {
        let roles = if self.roles.count == 0 { self.limited_by } else { self.roles };
        [self.id_len, self.name_len, self.owner_len, roles.value_len, self.limited_by.value_len, of_metadata]
            .into_iter()
            .fold(0, usize::saturating_add)
    }

    /// Whether an edge that tells nothing twice can hold it. A key that was made before there were limits may
    /// be that large.
    #[must_use]
    pub fn fits_a_record(&self) -> bool {
        self.record_len() <= RECORD_LEN_MAX - RECORD_FRAME_LEN
    }

    /// Everything about it that is more than a new key may have.
    #[must_use]
    pub fn problems(&self) -> Vec<RowProblem> {
        let mut problems: Vec<RowProblem> = self.metadata.problems().collect();
        if self.roles.count > ROLE_NAMES_MAX {
            problems.push(RowProblem::RoleDescriptors(self.roles.count));
        }
        if self.limited_by.count > ROLE_NAMES_MAX {
            problems.push(RowProblem::OwnerRoles(self.limited_by.count));
        }
        if self.len_max() > ROW_LEN_MAX {
            problems.push(RowProblem::Texts(Box::new(*self)));
        }
        problems
    }
}

impl fmt::Display for RowProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MetadataDepth(depth) => {
                write!(f, "metadata is nested {depth} levels deep, at most {METADATA_DEPTH_MAX} are allowed")
            }
            Self::MetadataJson(len) => {
                write!(f, "metadata has {len} bytes as JSON, at most {METADATA_JSON_LEN_MAX} are allowed")
            }
            Self::MetadataPath(len) => write!(
                f,
                "metadata has a field whose path has {len} bytes, at most {METADATA_FIELD_PATH_LEN_MAX} are allowed"
            ),
            Self::MetadataValues(count) => {
                write!(f, "metadata has {count} values, at most {METADATA_VALUES_MAX} are allowed")
            }
            Self::OwnerRoles(count) => {
                write!(f, "the owner has {count} roles, at most {ROLE_NAMES_MAX} are allowed")
            }
            Self::RoleDescriptors(count) => {
                write!(f, "role_descriptors has {count} names, at most {ROLE_NAMES_MAX} are allowed")
            }
            Self::Texts(size) => write!(
                f,
                "the key has {} bytes as header values, at most {ROW_LEN_MAX} are allowed: metadata has {}, \
                 role_descriptors {}, the owner's roles {}, the owner's name and realm {}, name {}",
                size.len_max(),
                size.metadata.len_max(),
                size.roles.value_len,
                size.limited_by.value_len,
                size.owner_len,
                size.name_len
            ),
        }
    }
}

#[cfg(test)]
mod tests;

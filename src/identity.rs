//! Who the caller is, told to the upstream in headers.
//!
//! The filter owns a fixed list of header names. On every path, admitted or not, each of them ends up either
//! set by the filter or absent: the upstream believes these headers, so a copy that a client sent must never
//! reach it. The same goes for look-alikes. A CGI-style upstream turns `x_api_key_id` and `x.api.key.id` into
//! the variable that `x-api-key-id` would become (RFC 3875, section 4.1.18), and some turn every character
//! but letters and digits into `_`; two names look alike here when they are equal after that.
//!
//! Only what must change is edited, because any edit makes Envoy choose the route again. The host removes and
//! replaces a header by its name in any case, all of its copies at once, and the edits count on that.

use std::borrow::Cow;

use crate::credential::Stripped;
use crate::headers::{Headers, look_alike};
use crate::table::{RecordShape, RecordText};

mod field;
mod header_name;

use header_name::{check, check_source};

pub use field::IdentityField;
pub use header_name::InvalidHeaderName;

/// A verified key, as far as the headers are concerned.
///
/// Values are ready to be sent: encoded by [`latchkey_key_feed::header_value`]. `None` and the empty text
/// both mean that there is nothing to tell.
pub trait KeyIdentity {
    /// The value of a field.
    fn value(&self, field: IdentityField) -> Option<&str>;

    /// The value at a dotted path into the key's metadata; with `claims` also one that nobody vouches for.
    fn metadata(&self, path: &str, claims: bool) -> Option<&str>;
}

/// Where the value of a header comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentitySource {
    /// A field that every key has.
    Field(IdentityField),
    /// A field of the metadata that its maker attached.
    Metadata {
        /// The dotted path to it.
        path: String,
        /// Whether it is told also when nobody vouches for it.
        claims: bool,
    },
}

/// What the rest of the proxy is told in filter state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterState {
    /// Of an admitted key.
    pub fields: Vec<IdentityField>,
    /// Of a refused request the id that it presented.
    pub claimed_id: bool,
    /// Of a request that a rule decided the name of the rule, and of one that shadow mode let pass the reason.
    pub rule: bool,
}

/// The header names that the filter owns, and what it tells in each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityHeaders {
    owned: Vec<OwnedHeader>,
    /// Bit n is set when a name of n bytes is owned. Most of a client's headers have another length, and are
    /// told from ours by that alone.
    lengths: u64,
    filter_state: FilterState,
    /// The application whose privileges are told.
    application: Option<String>,
}

/// A change to the headers of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderEdit<'a> {
    /// Take away all headers of this name.
    Remove(Cow<'a, [u8]>),
    /// Let this be the only header of this name: what is left of the client's.
    Replace(&'a str, Vec<u8>),
    /// Add a header of a name that no other has by then. Hosts do it in half the time of a replacement.
    Add(&'a str, &'a str),
}

/// A name, and what is told in it; `None` when its field is switched off and a client's copy is all there
/// could be.
#[derive(Clone, Debug, PartialEq, Eq)]
struct OwnedHeader {
    name: String,
    source: Option<IdentitySource>,
}

/// Where the rest of the proxy finds the id that a refused request presented: filter state `wasm.` and this.
/// Nobody has proven it.
pub const CLAIMED_ID_STATE: &str = "latchkey.claimed_id";

/// Its name in the configuration.
pub const CLAIMED_ID: &str = "claimed_id";

/// Where the rest of the proxy finds the name of the rule that decided: filter state `wasm.` and this.
pub const RULE_STATE: &str = "latchkey.rule";

/// Its name in the configuration.
pub const RULE: &str = "rule";

/// Where the rest of the proxy finds why a request was to be refused that shadow mode let pass: filter state
/// `wasm.` and this. The header is no place to look for it in the log: of a refused request it is what the
/// client sent.
pub const SHADOW_STATE: &str = "latchkey.shadow";

/// The header that tells the upstream, in shadow mode, why a request was to be refused. No client may send it.
pub const SHADOW_HEADER: &str = "x-api-key-shadow";

impl IdentityHeaders {
    /// The headers to set, by name. The filter owns the default name of every field all the same, whether the
    /// field is switched off or told in another header: an upstream that was written for the default goes on
    /// believing it.
    ///
    /// `filter_state` is what the rest of the proxy is told as well.
    ///
    /// # Errors
    ///
    /// Every name that cannot be used, by its position in `headers`.
    pub fn new(
        headers: Vec<(String, IdentitySource)>,
        filter_state: FilterState,
    ) -> Result<Self, Vec<(usize, InvalidHeaderName)>> {
        let mut owned: Vec<OwnedHeader> = Vec::new();
        let mut invalid = Vec::new();
        for (position, (name, source)) in headers.into_iter().enumerate() {
            if let Err(problem) = check(&name) {
                invalid.push((position, problem));
            } else if owned
                .iter()
                .map(|other| other.name.as_str())
                .chain([SHADOW_HEADER])
                .any(|other| look_alike(other.as_bytes(), name.as_bytes()))
            {
                invalid.push((position, InvalidHeaderName::LooksLikeAnother));
            } else {
                owned.push(OwnedHeader { name, source: Some(source) });
            }
        }
        if !invalid.is_empty() {
            return Err(invalid);
        }
        for field in IdentityField::ALL {
            let name = field.default_header();
            if !owned.iter().any(|other| look_alike(other.name.as_bytes(), name.as_bytes())) {
                owned.push(OwnedHeader { name: name.to_owned(), source: None });
            }
        }
        owned.push(OwnedHeader { name: SHADOW_HEADER.to_owned(), source: None });
        Ok(Self::of(owned, filter_state))
    }

    /// What to change so that the upstream reads the identity of `admitted` and nothing that the client made
    /// up; without a key, that it reads no identity at all. First goes whatever the client sent under a name of
    /// ours or a look-alike, then ours are added.
    ///
    /// The credential goes too: `stripped` is what the request looks like without it, and empty where it is
    /// forwarded. Any other use of those headers is the upstream's.
    #[must_use]
    pub fn edits<'a, K: KeyIdentity>(
        &'a self,
        client: &impl Headers,
        admitted: Option<&'a K>,
        stripped: Vec<Stripped<'a>>,
    ) -> Vec<HeaderEdit<'a>> {
        let mut edits = Vec::with_capacity(self.owned.len() + stripped.len());
        for (name, _) in client.iter() {
            let Some(header) = self.owner_of(name) else { continue };
            if !edits.iter().any(|edit: &HeaderEdit<'_>| edit.removes(name)) {
                edits.push(HeaderEdit::Remove(kept(name, &header.name)));
            }
        }
        edits.extend(stripped.into_iter().map(HeaderEdit::from));
        for header in &self.owned {
            if let Some(value) = header.value(admitted) {
                edits.push(HeaderEdit::Add(&header.name, value));
            }
        }
        edits
    }

    /// Whether a client may not send a header or trailer of this name: it is one of ours, or looks like one.
    #[must_use]
    pub fn is_owned(&self, name: &[u8]) -> bool {
        self.owner_of(name).is_some()
    }

    /// Whether a credential may come in a header of this name.
    ///
    /// # Errors
    ///
    /// Why not. The name of an identity header would be removed before anybody reads it.
    pub fn check_source(&self, name: &str) -> Result<(), InvalidHeaderName> {
        check_source(name)?;
        if self.is_owned(name.as_bytes()) { Err(InvalidHeaderName::LooksLikeAnother) } else { Ok(()) }
    }

    /// What the rest of the proxy is told as well.
    #[must_use]
    pub fn filter_state(&self) -> &FilterState {
        &self.filter_state
    }

    /// The same, and the application whose privileges are told, where any are.
    #[must_use]
    pub fn with_application(self, application: Option<String>) -> Self {
        Self { application, ..self }
    }

    /// The application whose privileges are told.
    #[must_use]
    pub fn application(&self) -> Option<&str> {
        self.application.as_deref()
    }

    /// What the table has to hold of a key, so that all this can be told.
    #[must_use]
    pub fn record_shape(&self) -> RecordShape {
        let mut texts = Vec::new();
        self.add_record_texts(&mut texts);
        RecordShape::of(texts)
    }

    /// Adds the texts of that shape, in no order.
    pub fn add_record_texts(&self, texts: &mut Vec<RecordText>) {
        for source in self.owned.iter().filter_map(|header| header.source.as_ref()) {
            match source {
                IdentitySource::Field(field) => texts.extend(field.record_text()),
                IdentitySource::Metadata { path, claims } => {
                    texts.push(RecordText::Metadata { path: path.clone(), claims: *claims });
                }
            }
        }
        for field in &self.filter_state.fields {
            texts.extend(field.record_text());
        }
    }

    fn of(owned: Vec<OwnedHeader>, filter_state: FilterState) -> Self {
        let lengths = owned.iter().fold(0, |lengths, header| lengths | length_bit(header.name.as_bytes()));
        Self { owned, lengths, filter_state, application: None }
    }

    fn owner_of(&self, name: &[u8]) -> Option<&OwnedHeader> {
        if self.lengths & length_bit(name) == 0 {
            return None;
        }
        self.owned.iter().find(|header| look_alike(header.name.as_bytes(), name))
    }
}

/// Every field that is told by default in its default header and in filter state, and every refused id.
impl Default for IdentityHeaders {
    fn default() -> Self {
        let source =
            |field: IdentityField| field.is_told_by_default().then_some(IdentitySource::Field(field));
        let mut owned = IdentityField::ALL
            .map(|field| OwnedHeader { name: field.default_header().to_owned(), source: source(field) })
            .to_vec();
        owned.push(OwnedHeader { name: SHADOW_HEADER.to_owned(), source: None });
        Self::of(owned, FilterState::default())
    }
}

impl Default for FilterState {
    fn default() -> Self {
        Self { fields: IdentityField::told_by_default(), claimed_id: true, rule: true }
    }
}

impl OwnedHeader {
    fn value<'a, K: KeyIdentity>(&'a self, admitted: Option<&'a K>) -> Option<&'a str> {
        let value = match self.source.as_ref()? {
            IdentitySource::Field(field) => admitted?.value(*field),
            IdentitySource::Metadata { path, claims } => admitted?.metadata(path, *claims),
        };
        value.filter(|value| !value.is_empty())
    }
}

impl<'a> From<Stripped<'a>> for HeaderEdit<'a> {
    fn from(Stripped { name, rest }: Stripped<'a>) -> Self {
        match rest {
            None => Self::Remove(Cow::Borrowed(name.as_bytes())),
            Some(rest) => Self::Replace(name, rest),
        }
    }
}

impl HeaderEdit<'_> {
    fn removes(&self, header: &[u8]) -> bool {
        matches!(self, Self::Remove(name) if name.eq_ignore_ascii_case(header))
    }
}

/// A name that outlives the client's headers. Lent headers end with the first edit.
fn kept<'a>(name: &[u8], known: &'a str) -> Cow<'a, [u8]> {
    if name == known.as_bytes() { Cow::Borrowed(known.as_bytes()) } else { Cow::Owned(name.to_vec()) }
}

/// The bit of its length; all the long ones share the last.
fn length_bit(name: &[u8]) -> u64 {
    1 << name.len().min(63)
}

#[cfg(test)]
mod tests;

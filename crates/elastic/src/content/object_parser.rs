//! Objects of a body, declared field by field.
//!
//! A parser is a constant: its name, which error messages show, and its fields. Each field says which values
//! it takes and where they go.
//!
//! ```
//! use latchkey_elastic::content::Node;
//! use latchkey_elastic::content::object_parser::{Field, ObjectParser};
//!
//! #[derive(Default)]
//! struct Cloak {
//!     colour: Option<String>,
//!     hooded: bool,
//! }
//!
//! const CLOAK: ObjectParser<Cloak> = ObjectParser::new(
//!     "cloak",
//!     &[
//!         Field::string("colour", |cloak: &mut Cloak, colour| cloak.colour = Some(colour)).required(),
//!         Field::boolean("hooded", |cloak: &mut Cloak, hooded| cloak.hooded = hooded),
//!     ],
//! );
//!
//! let body = Node::parse_required(br#"{"colour":"grey","hooded":"true"}"#)?;
//! let cloak = CLOAK.parse(&body)?;
//! assert_eq!((cloak.colour.as_deref(), cloak.hooded), (Some("grey"), true));
//!
//! let body = Node::parse_required(br#"{"hoded":true}"#)?;
//! let mistake = CLOAK.parse(&body).err().ok_or("refused")?;
//! assert_eq!(mistake.reason(), "[1:2] [cloak] unknown field [hoded] did you mean [hooded]?");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::content::{Member, Node, NodeValue, Token};
use crate::suggestion::did_you_mean;
use crate::{ErrorCause, ErrorType};

/// Reads an object into a `T` that starts out as its default.
#[derive(Debug)]
pub struct ObjectParser<T: 'static> {
    name: &'static str,
    fields: &'static [Field<T>],
}

/// One field: its names, what it takes, and where that goes.
#[derive(Debug)]
pub struct Field<T> {
    name: &'static str,
    alias: Option<&'static str>,
    required: bool,
    sink: Sink<T>,
}

/// What a field takes, and where the value goes.
#[derive(Debug)]
enum Sink<T> {
    Boolean(fn(&mut T, bool)),
    Integer(fn(&mut T, i64)),
    Node { accepts: &'static [Token], read: ReadNode<T> },
    String(fn(&mut T, String)),
    StringArray(fn(&mut T, Vec<String>)),
    StringOrNull(fn(&mut T, Option<String>)),
}

/// Reads a value of any shape; what it returns as an error becomes the cause of `failed to parse field`.
type ReadNode<T> = fn(&mut T, &Node) -> Result<(), ErrorCause>;

impl<T> Field<T> {
    /// `true`, `false`, and the same as texts.
    #[must_use]
    pub const fn boolean(name: &'static str, put: fn(&mut T, bool)) -> Self {
        Self::new(name, Sink::Boolean(put))
    }

    /// A whole number, or a text that is one.
    #[must_use]
    pub const fn integer(name: &'static str, put: fn(&mut T, i64)) -> Self {
        Self::new(name, Sink::Integer(put))
    }

    /// A text and nothing else.
    #[must_use]
    pub const fn string(name: &'static str, put: fn(&mut T, String)) -> Self {
        Self::new(name, Sink::String(put))
    }

    /// A text or `null`.
    #[must_use]
    pub const fn string_or_null(name: &'static str, put: fn(&mut T, Option<String>)) -> Self {
        Self::new(name, Sink::StringOrNull(put))
    }

    /// An array of texts, or one text alone. Elements that are numbers or booleans count as the text they
    /// were written as.
    #[must_use]
    pub const fn string_array(name: &'static str, put: fn(&mut T, Vec<String>)) -> Self {
        Self::new(name, Sink::StringArray(put))
    }

    /// An object, read by `read`.
    #[must_use]
    pub const fn object(name: &'static str, read: ReadNode<T>) -> Self {
        Self::new(name, Sink::Node { accepts: &[Token::StartObject], read })
    }

    /// A value that begins with one of the tokens in `accepts`, read by `read`.
    #[must_use]
    pub const fn node(name: &'static str, accepts: &'static [Token], read: ReadNode<T>) -> Self {
        Self::new(name, Sink::Node { accepts, read })
    }

    /// The same field, which must not be absent.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The same field, which also answers to a second name.
    #[must_use]
    pub const fn or_named(mut self, alias: &'static str) -> Self {
        self.alias = Some(alias);
        self
    }

    const fn new(name: &'static str, sink: Sink<T>) -> Self {
        Self { name, alias: None, required: false, sink }
    }

    fn is_named(&self, name: &str) -> bool {
        self.name == name || self.alias == Some(name)
    }

    fn accepts(&self, token: Token) -> bool {
        match &self.sink {
            Sink::Boolean(_) => matches!(token, Token::ValueBoolean | Token::ValueString),
            Sink::Integer(_) => matches!(token, Token::ValueNumber | Token::ValueString),
            Sink::Node { accepts, .. } => accepts.contains(&token),
            Sink::String(_) => token == Token::ValueString,
            Sink::StringArray(_) => matches!(token, Token::StartArray | Token::ValueString),
            Sink::StringOrNull(_) => matches!(token, Token::ValueNull | Token::ValueString),
        }
    }

    fn fill(&self, target: &mut T, node: &Node) -> Result<(), ErrorCause> {
        match &self.sink {
            Sink::Boolean(put) => put(target, boolean(node)?),
            Sink::Integer(put) => put(target, integer(node)?),
            Sink::Node { read, .. } => read(target, node)?,
            Sink::String(put) => put(target, text(node)?),
            Sink::StringArray(put) => put(target, texts(node)?),
            Sink::StringOrNull(put) => put(target, node.as_str().map(str::to_owned)),
        }
        Ok(())
    }
}

impl<T> ObjectParser<T> {
    /// A parser of this name, with these fields.
    #[must_use]
    pub const fn new(name: &'static str, fields: &'static [Field<T>]) -> Self {
        Self { name, fields }
    }

    /// The error when a request object cannot be built from what was parsed; its cause says why
    /// (Elasticsearch, `ConstructingObjectParser`).
    #[must_use]
    pub fn failed_to_build(&self, cause: ErrorCause) -> ErrorCause {
        let reason = format!("Failed to build [{}] after last required field arrived", self.name);
        ErrorCause::new(ErrorType::XContentParse, reason).caused_by(cause)
    }
}

impl<T: Default> ObjectParser<T> {
    /// Reads an object.
    ///
    /// # Errors
    ///
    /// `x_content_parse_exception` for the first mistake in the order of the document, and then
    /// `illegal_argument_exception` for required fields that are absent.
    pub fn parse(&self, node: &Node) -> Result<T, ErrorCause> {
        let mut target = T::default();
        self.parse_onto(&mut target, node)?;
        Ok(target)
    }

    /// Reads an object and builds a request from it.
    ///
    /// # Errors
    ///
    /// Those of [`Self::parse`], and [`Self::failed_to_build`] when `build` refuses.
    pub fn parse_into<R>(
        &self,
        node: &Node,
        build: impl FnOnce(T) -> Result<R, ErrorCause>,
    ) -> Result<R, ErrorCause> {
        build(self.parse(node)?).map_err(|cause| self.failed_to_build(cause))
    }
}

impl<T> ObjectParser<T> {
    /// Reads an object onto a target that holds something already, such as what its fields need in order to
    /// be read.
    ///
    /// # Errors
    ///
    /// Those of [`Self::parse`]; the target may have been changed by then.
    pub fn parse_onto(&self, target: &mut T, node: &Node) -> Result<(), ErrorCause> {
        let Some(members) = node.members() else {
            let complaint = format!("[{}] Expected START_OBJECT but was: {}", self.name, node.token());
            return Err(node.position.complain(complaint));
        };
        for member in members {
            let field = self.field(member)?;
            self.fill(field, target, &member.value)?;
        }
        self.refuse_absent(members)
    }

    fn field(&self, member: &Member) -> Result<&Field<T>, ErrorCause> {
        if let Some(field) = self.fields.iter().find(|field| field.is_named(&member.name)) {
            return Ok(field);
        }
        let known = self.fields.iter().flat_map(|field| std::iter::once(field.name).chain(field.alias));
        let mut complaint = format!("[{}] unknown field [{}]", self.name, member.name);
        if let Some(suggestion) = did_you_mean(&member.name, known) {
            complaint.push(' ');
            complaint.push_str(&suggestion);
        }
        Err(member.position.complain(complaint))
    }

    fn fill(&self, field: &Field<T>, target: &mut T, node: &Node) -> Result<(), ErrorCause> {
        if !field.accepts(node.token()) {
            return Err(node.position.complain(format_args!(
                "[{}] {} doesn't support values of type: {}",
                self.name,
                field.name,
                node.token()
            )));
        }
        field.fill(target, node).map_err(|cause| {
            node.position
                .complain(format_args!("[{}] failed to parse field [{}]", self.name, field.name))
                .caused_by(cause)
        })
    }

    fn refuse_absent(&self, members: &[Member]) -> Result<(), ErrorCause> {
        let is_absent =
            |field: &&Field<T>| field.required && !members.iter().any(|member| field.is_named(&member.name));
        let absent: Vec<&str> = self.fields.iter().filter(is_absent).map(|field| field.name).collect();
        if absent.is_empty() {
            return Ok(());
        }
        Err(ErrorCause::illegal_argument(format!("Required [{}]", absent.join(", "))))
    }
}

fn boolean(node: &Node) -> Result<bool, ErrorCause> {
    match &node.value {
        NodeValue::Boolean(value) => Ok(*value),
        NodeValue::String(text) if text == "true" => Ok(true),
        NodeValue::String(text) if text == "false" => Ok(false),
        _ => {
            let shown = node.as_str().unwrap_or_default();
            Err(ErrorCause::illegal_argument(format!(
                "Failed to parse value [{shown}] as only [true] or [false] are allowed."
            )))
        }
    }
}

/// A number that is not whole is refused rather than cut.
fn integer(node: &Node) -> Result<i64, ErrorCause> {
    let digits = match &node.value {
        NodeValue::Number { digits, .. } => digits,
        NodeValue::String(text) => text,
        _ => return Err(textless(node)),
    };
    digits.parse().map_err(|_| {
        if digits.parse::<f64>().is_ok() {
            ErrorCause::illegal_argument(format!("{digits} cannot be converted to Integer without data loss"))
        } else {
            ErrorCause::new(ErrorType::NumberFormat, format!("For input string: \"{digits}\""))
        }
    })
}

fn texts(node: &Node) -> Result<Vec<String>, ErrorCause> {
    match node.elements() {
        Some(elements) => elements.iter().map(text).collect(),
        None => Ok(vec![text(node)?]),
    }
}

/// The text of a value, of a number or boolean as it was written.
fn text(node: &Node) -> Result<String, ErrorCause> {
    match &node.value {
        NodeValue::Boolean(value) => Ok(value.to_string()),
        NodeValue::Number { digits, .. } => Ok(digits.clone()),
        NodeValue::String(text) => Ok(text.clone()),
        NodeValue::Array(_) => {
            Err(node.position.complain(format_args!("expected value but got [{}]", node.token())))
        }
        NodeValue::Null | NodeValue::Object(_) => Err(textless(node)),
    }
}

fn textless(node: &Node) -> ErrorCause {
    ErrorCause::new(
        ErrorType::IllegalState,
        format!("Can't get text on a {} at {}", node.token(), node.position),
    )
}

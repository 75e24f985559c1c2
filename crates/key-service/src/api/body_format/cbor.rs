//! Bodies in CBOR (RFC 8949). The library takes items apart; what a body may be is decided here.
//!
//! A place in a body is its byte, counted as a column of the only line. Tags are passed over, but for those of large
//! integers. Names of fields are texts. Bytes and simple values other than booleans and null are refused.

use latchkey_elastic::ErrorCause;
use latchkey_elastic::content::{
    BODY_DEPTH_MAX, MemberList, Node, NodeValue, Position, ValuesLeft, number_of,
};
use minicbor::Decoder;
use minicbor::data::{IanaTag, Tag, Type};
use minicbor::decode::Error;

/// Most bytes of a large integer: 128 bits.
const INTEGER_LEN_MAX: usize = 16;

struct Reader<'a> {
    decoder: Decoder<'a>,
    values: ValuesLeft,
}

/// Reads exactly one value, to the end of the bytes.
pub(crate) fn read(body: &[u8]) -> Result<Node, ErrorCause> {
    let mut reader = Reader { decoder: Decoder::new(body), values: ValuesLeft::default() };
    let node = reader.value(BODY_DEPTH_MAX)?;
    if reader.decoder.position() < body.len() {
        return Err(reader.position().complain("trailing content after the end of the document"));
    }
    Ok(node)
}

impl<'a> Reader<'a> {
    /// Where the next item begins.
    fn position(&self) -> Position {
        Position { line: 1, column: self.decoder.position() as u64 + 1 }
    }

    /// What the decoder reads next.
    fn next<T>(&mut self, read: impl FnOnce(&mut Decoder<'a>) -> Result<T, Error>) -> Result<T, ErrorCause> {
        let at = self.position();
        read(&mut self.decoder).map_err(|error| {
            at.complain(if error.is_end_of_input() {
                "Unexpected end-of-input"
            } else {
                "Unreadable content"
            })
        })
    }

    /// Recursion ends at a depth of `levels`.
    fn value(&mut self, levels: u32) -> Result<Node, ErrorCause> {
        let position = self.position();
        self.values.take(position)?;
        let tag = self.last_tag()?;
        let value = match self.next(|decoder| decoder.datatype())? {
            Type::Array | Type::ArrayIndef => self.array(position.deeper(levels)?)?,
            Type::Map | Type::MapIndef => self.object(position.deeper(levels)?)?,
            Type::String | Type::StringIndef => NodeValue::String(self.text()?),
            Type::Bytes => self.large_integer(position, tag)?,
            Type::Bool => NodeValue::Boolean(self.next(Decoder::bool)?),
            Type::Null => self.next(Decoder::null).map(|()| NodeValue::Null)?,
            Type::Undefined => self.next(Decoder::undefined).map(|()| NodeValue::Null)?,
            Type::F16 => float(position, self.next(Decoder::f16)?.into())?,
            Type::F32 => float(position, self.next(Decoder::f32)?.into())?,
            Type::F64 => float(position, self.next(Decoder::f64)?)?,
            Type::U8
            | Type::U16
            | Type::U32
            | Type::U64
            | Type::I8
            | Type::I16
            | Type::I32
            | Type::I64
            | Type::Int => {
                let whole = self.next(Decoder::int)?;
                number(position, i128::from(whole).to_string())?
            }
            Type::BytesIndef | Type::Simple | Type::Tag | Type::Break | Type::Unknown(_) => {
                return Err(no_counterpart(position));
            }
        };
        Ok(Node { position, value })
    }

    /// Of the tags before an item the last one, which is the nearest.
    fn last_tag(&mut self) -> Result<Option<Tag>, ErrorCause> {
        let mut last = None;
        while self.next(|decoder| decoder.datatype())? == Type::Tag {
            last = Some(self.next(Decoder::tag)?);
        }
        Ok(last)
    }

    fn array(&mut self, levels: u32) -> Result<NodeValue, ErrorCause> {
        let mut left = self.next(Decoder::array)?;
        let mut elements = Vec::new();
        while self.goes_on(&mut left)? {
            elements.push(self.value(levels)?);
        }
        Ok(NodeValue::Array(elements))
    }

    fn object(&mut self, levels: u32) -> Result<NodeValue, ErrorCause> {
        let mut left = self.next(Decoder::map)?;
        let mut members = MemberList::default();
        while self.goes_on(&mut left)? {
            let position = self.position();
            if !matches!(self.next(|decoder| decoder.datatype())?, Type::String | Type::StringIndef) {
                return Err(position.complain("the name of a field must be a text"));
            }
            let name = self.text()?;
            members.refuse_name(&name, position)?;
            let value = self.value(levels)?;
            members.push(name, position, value);
        }
        Ok(members.finish())
    }

    /// Whether there is another element, of so many that are left, or before the mark that ends what has no length.
    fn goes_on(&mut self, left: &mut Option<u64>) -> Result<bool, ErrorCause> {
        if let Some(left) = left {
            let is_one_left = *left > 0;
            *left = left.saturating_sub(1);
            return Ok(is_one_left);
        }
        if self.next(|decoder| decoder.datatype())? != Type::Break {
            return Ok(true);
        }
        self.decoder.set_position(self.decoder.position() + 1);
        Ok(false)
    }

    /// A text, also one that comes in parts. What it says of its length is believed only as far as there are bytes.
    fn text(&mut self) -> Result<String, ErrorCause> {
        self.next(|decoder| decoder.str_iter()?.collect())
    }

    fn large_integer(&mut self, position: Position, tag: Option<Tag>) -> Result<NodeValue, ErrorCause> {
        let bytes = self.next(Decoder::bytes)?;
        let is_negative = match tag {
            Some(tag) if tag == IanaTag::PosBignum.tag() => false,
            Some(tag) if tag == IanaTag::NegBignum.tag() => true,
            _ => return Err(no_counterpart(position)),
        };
        if bytes.len() > INTEGER_LEN_MAX {
            return Err(position.complain("Numeric value out of range"));
        }
        let magnitude = bytes.iter().fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte));
        let digits = match (is_negative, i128::try_from(magnitude)) {
            (false, _) => magnitude.to_string(),
            // RFC 8949, section 3.4.3: -1 - n.
            (true, Ok(magnitude)) => (!magnitude).to_string(),
            (true, Err(_)) => return Err(position.complain("Numeric value out of range")),
        };
        number(position, digits)
    }
}

fn no_counterpart(position: Position) -> ErrorCause {
    position.complain("a value that has no counterpart in JSON")
}

fn float(position: Position, double: f64) -> Result<NodeValue, ErrorCause> {
    if !double.is_finite() {
        return Err(position.complain(format_args!("Numeric value ({double}) out of range")));
    }
    number(position, format!("{double:?}"))
}

fn number(position: Position, digits: String) -> Result<NodeValue, ErrorCause> {
    let number = number_of(&digits).map_err(|problem| position.complain(problem))?;
    Ok(NodeValue::Number { number, digits })
}

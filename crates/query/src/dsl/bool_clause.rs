//! The query `bool`.

use latchkey_elastic::ErrorCause;
use latchkey_elastic::content::object_parser::{Field, ObjectParser};
use latchkey_elastic::content::{Node, Token};

use super::{minimum_should_match, read_query};
use crate::clause::{BoolQuery, Query};
use crate::reading::{Reading, boolean_of, check_boost, text_of};

struct BoolBody {
    reading: Reading,
    must: Vec<Query>,
    must_not: Vec<Query>,
    should: Vec<Query>,
    should_min: Option<String>,
    adjusts_pure_negative: bool,
}

const CLAUSES: &[Token] = &[Token::StartObject, Token::StartArray, Token::ValueNull];

const BOOL: ObjectParser<BoolBody> = ObjectParser::new(
    "bool",
    &[
        Field::node("must", CLAUSES, |body, node| read_clauses(node, &mut body.must, &mut body.reading)),
        Field::node("filter", CLAUSES, |body, node| read_clauses(node, &mut body.must, &mut body.reading)),
        Field::node("should", CLAUSES, |body, node| read_clauses(node, &mut body.should, &mut body.reading)),
        Field::node("must_not", CLAUSES, |body: &mut BoolBody, node| {
            read_clauses(node, &mut body.must_not, &mut body.reading)
        })
        .or_named("mustNot"),
        Field::node("minimum_should_match", Token::SCALARS, |body: &mut BoolBody, node| {
            body.should_min = Some(text_of(node)?);
            Ok(())
        }),
        Field::node("adjust_pure_negative", Token::SCALARS, |body: &mut BoolBody, node| {
            body.adjusts_pure_negative = boolean_of(node)?;
            Ok(())
        }),
        Field::node("boost", Token::SCALARS, |_, node| check_boost(node)),
        Field::string("_name", |_, _| {}),
    ],
);

pub(super) fn read(node: &Node, reading: &mut Reading) -> Result<Query, ErrorCause> {
    let mut body = BoolBody {
        reading: std::mem::take(reading),
        must: Vec::new(),
        must_not: Vec::new(),
        should: Vec::new(),
        should_min: None,
        adjusts_pure_negative: true,
    };
    let parsed = BOOL.parse_onto(&mut body, node);
    *reading = std::mem::take(&mut body.reading);
    parsed?;
    Ok(body.into_query(reading))
}

impl BoolBody {
    /// Without `must` and `filter` at least one of `should` must match, whatever `minimum_should_match` says
    /// (Lucene, `BooleanQuery`).
    fn into_query(self, reading: &mut Reading) -> Query {
        if !self.adjusts_pure_negative
            && self.must.is_empty()
            && self.should.is_empty()
            && !self.must_not.is_empty()
        {
            return Query::Nothing;
        }
        let asked = match self.should_min {
            Some(specification) if !self.should.is_empty() => {
                let count = minimum_should_match::count(&specification, self.should.len());
                reading.settle(count, 0)
            }
            _ => 0,
        };
        let least = usize::from(self.must.is_empty() && !self.should.is_empty());
        Query::Bool(Box::new(BoolQuery {
            must: self.must,
            must_not: self.must_not,
            should_min: asked.max(least),
            should: self.should,
        }))
    }
}

/// One query, or an array of them; `null` is none.
fn read_clauses(node: &Node, clauses: &mut Vec<Query>, reading: &mut Reading) -> Result<(), ErrorCause> {
    match node.elements() {
        Some(elements) => {
            for element in elements {
                clauses.push(read_query(element, reading)?);
            }
        }
        None if node.token() == Token::ValueNull => {}
        None => clauses.push(read_query(node, reading)?),
    }
    Ok(())
}

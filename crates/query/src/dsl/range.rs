//! The query `range`.

use std::ops::Bound;

use latchkey_elastic::ErrorCause;
use latchkey_elastic::content::{Node, NodeValue};

use super::leaf::{only_field, unsupported_option};
use crate::clause::{DateRanges, Query, TextTest};
use crate::date::{Calendar, DateFormats, Rounding};
use crate::field::{Field, truth};
use crate::reading::{Reading, check_boost, parsing, text_of};

/// The bounds as they were written, and how to read them.
#[derive(Default)]
struct RangeBody {
    from: Option<Limit>,
    to: Option<Limit>,
    format: Option<String>,
    time_zone: Option<String>,
}

struct Limit {
    text: String,
    is_included: bool,
}

/// `{"<field>":{"gte":…,"lt":…}}`. Of two lower or two upper bounds the last counts.
pub(super) fn read(node: &Node, reading: &mut Reading) -> Result<Query, ErrorCause> {
    let (name, options) = only_field("range", node)?;
    let Some(members) = options.members() else {
        return Err(parsing(options.position, format_args!("[range] query does not support [{name}]")));
    };
    let mut body = RangeBody::default();
    for member in members {
        let value = &member.value;
        match member.name.as_str() {
            "gt" => body.from = limit(value, false)?,
            "gte" => body.from = limit(value, true)?,
            "lt" => body.to = limit(value, false)?,
            "lte" => body.to = limit(value, true)?,
            "format" => body.format = Some(text_of(value)?),
            "time_zone" => body.time_zone = Some(text_of(value)?),
            "boost" => check_boost(value)?,
            "_name" => {}
            "relation" => reading.refuse(ErrorCause::illegal_argument(
                "range query with relation is not currently supported in this context",
            )),
            _ => return Err(unsupported_option("range", member)),
        }
    }
    let query = body.into_query(name, reading);
    Ok(reading.settle(query, Query::Nothing))
}

impl RangeBody {
    fn into_query(self, name: &str, reading: &Reading) -> Result<Query, ErrorCause> {
        match Field::named(name, reading.searched)? {
            Field::Date(field) => {
                let calendar = self.calendar(reading)?;
                let from = self.from.map_or(Ok(Some(i64::MIN)), |limit| limit.first(&calendar))?;
                let to = self.to.map_or(Ok(Some(i64::MAX)), |limit| limit.last(&calendar))?;
                let (Some(from), Some(to)) = (from, to) else { return Ok(Query::Nothing) };
                Ok(Query::Date(field, DateRanges::new(vec![(from, to)])))
            }
            Field::Text(field) => {
                let test = TextTest::Range(bound(self.from), bound(self.to));
                Ok(Query::Text(field, test))
            }
            Field::Flag(field) => {
                let includes = |value| -> Result<bool, ErrorCause> {
                    Ok(lies_above(&self.from, value)? && lies_below(&self.to, value)?)
                };
                let both = [(false, includes(false)?), (true, includes(true)?)];
                let matching = both.into_iter().filter(|(_, included)| *included);
                Ok(Query::any_of(matching.map(|(value, _)| Query::Flag(field, value)).collect()))
            }
        }
    }

    fn calendar(&self, reading: &Reading) -> Result<Calendar, ErrorCause> {
        let mut calendar = Calendar::new(reading.now);
        if let Some(format) = &self.format {
            calendar = calendar.with_formats(DateFormats::parse(format)?);
        }
        if let Some(time_zone) = &self.time_zone {
            calendar = calendar.in_zone(time_zone)?;
        }
        Ok(calendar)
    }
}

impl Limit {
    /// The first moment that a lower bound includes: `gte` the beginning of what the date names, `gt` the
    /// moment after its end. `None` when there is no such moment.
    fn first(&self, calendar: &Calendar) -> Result<Option<i64>, ErrorCause> {
        if self.is_included {
            calendar.read(&self.text, Rounding::Down).map(Some)
        } else {
            Ok(calendar.read(&self.text, Rounding::Up)?.checked_add(1))
        }
    }

    /// The last moment that an upper bound includes: `lte` the end of what the date names, `lt` the moment
    /// before its beginning.
    fn last(&self, calendar: &Calendar) -> Result<Option<i64>, ErrorCause> {
        if self.is_included {
            calendar.read(&self.text, Rounding::Up).map(Some)
        } else {
            Ok(calendar.read(&self.text, Rounding::Down)?.checked_sub(1))
        }
    }
}

/// `null` is no bound.
fn limit(node: &Node, is_included: bool) -> Result<Option<Limit>, ErrorCause> {
    if node.value == NodeValue::Null {
        return Ok(None);
    }
    Ok(Some(Limit { text: text_of(node)?, is_included }))
}

fn bound(limit: Option<Limit>) -> Bound<String> {
    match limit {
        None => Bound::Unbounded,
        Some(Limit { text, is_included: true }) => Bound::Included(text),
        Some(Limit { text, is_included: false }) => Bound::Excluded(text),
    }
}

fn lies_above(limit: &Option<Limit>, value: bool) -> Result<bool, ErrorCause> {
    let Some(limit) = limit else { return Ok(true) };
    let least = truth(&limit.text)?;
    Ok((value && !least) || (limit.is_included && value == least))
}

fn lies_below(limit: &Option<Limit>, value: bool) -> Result<bool, ErrorCause> {
    let Some(limit) = limit else { return Ok(true) };
    let greatest = truth(&limit.text)?;
    Ok((!value && greatest) || (limit.is_included && value == greatest))
}

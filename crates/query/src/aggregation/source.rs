//! Sources: where an aggregation takes its values from, and how it writes them.

use std::collections::BTreeSet;

use latchkey_budget::{Budget, BudgetExceeded};
use latchkey_elastic::ErrorCause;
use latchkey_elastic::content::Member;
use serde_json::{Map, Value};

use crate::Searchable;
use crate::date::{Calendar, DateFormats, Rounding};
use crate::field::{Field, Term, truth};
use crate::reading::{Reading, text_of};

/// The values of a field.
#[derive(Clone, Debug)]
pub(super) struct ValueSource {
    pub(super) field: Field,
    /// The value of a key that has none.
    pub(super) missing: Option<Term>,
    /// Reads and writes moments.
    pub(super) calendar: Calendar,
    /// Whether the request named a format.
    pub(super) is_formatted: bool,
}

/// The options of a source, as they were written.
#[derive(Debug, Default)]
pub(super) struct SourceBody {
    field: Option<String>,
    missing: Option<String>,
    format: Option<String>,
    time_zone: Option<String>,
    is_script: bool,
}

impl ValueSource {
    /// The distinct values of a key.
    ///
    /// # Errors
    ///
    /// [`BudgetExceeded`] when reading all of them takes more than the budget.
    pub(super) fn terms<K: Searchable + ?Sized>(
        &self,
        key: &K,
        budget: &mut Budget,
    ) -> Result<BTreeSet<Term>, BudgetExceeded> {
        let mut terms = self.field.terms(key, budget)?;
        if let (true, Some(missing)) = (terms.is_empty(), &self.missing) {
            budget.read(missing.held_len())?;
            terms.insert(missing.clone());
        }
        Ok(terms)
    }

    /// A value from the request.
    pub(super) fn read(&self, text: &str) -> Result<Term, ErrorCause> {
        match &self.field {
            Field::Date(_) => self.calendar.read(text, Rounding::Down).map(Term::Number),
            Field::Flag(_) => truth(text).map(Term::Boolean),
            Field::Text(_) => Ok(Term::Text(text.to_owned())),
        }
    }

    /// The fields `key` and `key_as_string` of a bucket. Booleans are the numbers 0 and 1 there.
    pub(super) fn show_key(&self, term: &Term) -> Map<String, Value> {
        let (key, text) = match term {
            Term::Boolean(value) => (Value::from(u8::from(*value)), Some(value.to_string())),
            Term::Number(millis) => (Value::from(*millis), Some(self.calendar.write(*millis))),
            Term::Text(text) => (Value::from(text.as_str()), None),
        };
        let text = text.map(|text| ("key_as_string".to_owned(), Value::from(text)));
        std::iter::once(("key".to_owned(), key)).chain(text).collect()
    }
}

impl SourceBody {
    /// Takes an option if it is one of a source, and returns whether it was.
    pub(super) fn take(&mut self, member: &Member) -> Result<bool, ErrorCause> {
        let place = match member.name.as_str() {
            "field" => &mut self.field,
            "missing" => &mut self.missing,
            "format" => &mut self.format,
            "time_zone" => &mut self.time_zone,
            "script" => {
                self.is_script = true;
                return Ok(true);
            }
            // Every field has one type of values.
            "value_type" | "valueType" => return Ok(true),
            _ => return Ok(false),
        };
        *place = Some(text_of(&member.value)?);
        Ok(true)
    }

    /// The source; `name` is the aggregation's. A field that may not be asked for is refused when the search
    /// begins, and then there is no source.
    pub(super) fn into_source(
        self,
        name: &str,
        reading: &mut Reading,
    ) -> Result<Option<ValueSource>, ErrorCause> {
        if self.is_script {
            let complaint = format!("Unsupported script value source for [{name}] agg");
            reading.refuse(ErrorCause::illegal_argument(complaint));
            return Ok(None);
        }
        let Some(field) = &self.field else {
            let complaint = "Required one of fields [field, script], but none were specified. ";
            return Err(ErrorCause::illegal_argument(complaint));
        };
        let source = Field::named(field, reading.searched).and_then(|field| self.of_field(field, reading));
        Ok(reading.settle(source.map(Some), None))
    }

    fn of_field(&self, field: Field, reading: &Reading) -> Result<ValueSource, ErrorCause> {
        let mut calendar = Calendar::new(reading.now);
        match (&self.format, &field) {
            (Some(format), Field::Date(_)) => calendar = calendar.with_formats(DateFormats::parse(format)?),
            (Some(_), field) => {
                return Err(ErrorCause::illegal_argument(format!(
                    "Field [{field}] of type [{}] doesn't support formats.",
                    field.type_name()
                )));
            }
            (None, _) => {}
        }
        if let Some(time_zone) = &self.time_zone {
            calendar = calendar.in_zone(time_zone)?;
        }
        let mut source = ValueSource { field, missing: None, calendar, is_formatted: self.format.is_some() };
        source.missing = self.missing.as_deref().map(|text| source.read(text)).transpose()?;
        Ok(source)
    }
}

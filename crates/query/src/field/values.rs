//! Walking through the texts of a field.

use latchkey_budget::{Budget, BudgetExceeded};
use serde_json::{Map, Value};

use super::TestOfText;
use crate::words::Words;

/// The cost of taking a text apart, for each of its bytes.
const WORD_STEPS_PER_BYTE: usize = 4;

pub(super) fn any_text<'a>(
    texts: impl Iterator<Item = &'a str>,
    budget: &mut Budget,
    test: &mut TestOfText<'_>,
) -> Result<bool, BudgetExceeded> {
    for text in texts {
        budget.spend(1)?;
        if test(text, budget)? {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) fn any_word(
    text: Option<&str>,
    words: Words,
    budget: &mut Budget,
    test: &mut TestOfText<'_>,
) -> Result<bool, BudgetExceeded> {
    let Some(text) = text else { return Ok(false) };
    budget.spend(WORD_STEPS_PER_BYTE * text.len())?;
    any_text(words.of(text).iter().map(String::as_str), budget, test)
}

/// The values at all depths of an object. Its depth is limited by the limit of bodies.
pub(super) fn any_value(
    object: &Map<String, Value>,
    budget: &mut Budget,
    test: &mut TestOfText<'_>,
) -> Result<bool, BudgetExceeded> {
    any_of(object.values(), budget, &mut |value, budget| any_below(value, budget, test))
}

fn any_below(value: &Value, budget: &mut Budget, test: &mut TestOfText<'_>) -> Result<bool, BudgetExceeded> {
    match value {
        Value::Array(elements) => {
            any_of(elements.iter(), budget, &mut |element, budget| any_below(element, budget, test))
        }
        Value::Object(object) => any_value(object, budget, test),
        leaf => passes(leaf, budget, test),
    }
}

/// The values at a path. A name may itself contain dots, so every way to split the path is followed.
pub(super) fn any_at(
    object: &Map<String, Value>,
    path: &str,
    budget: &mut Budget,
    test: &mut TestOfText<'_>,
) -> Result<bool, BudgetExceeded> {
    budget.read(path.len())?;
    if let Some(value) = object.get(path)
        && any_element(value, budget, test)?
    {
        return Ok(true);
    }
    for (dot, _) in path.match_indices('.') {
        budget.read(dot)?;
        let (name, rest) = (path.get(..dot).unwrap_or_default(), path.get(dot + 1..).unwrap_or_default());
        if let Some(value) = object.get(name)
            && any_inside(value, rest, budget, test)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The values at a path inside an object, or inside the objects of an array.
fn any_inside(
    value: &Value,
    path: &str,
    budget: &mut Budget,
    test: &mut TestOfText<'_>,
) -> Result<bool, BudgetExceeded> {
    match value {
        Value::Object(object) => any_at(object, path, budget, test),
        Value::Array(elements) => {
            any_of(elements.iter(), budget, &mut |element, budget| any_inside(element, path, budget, test))
        }
        _ => Ok(false),
    }
}

/// A value, or the elements of an array, but nothing inside of objects.
fn any_element(
    value: &Value,
    budget: &mut Budget,
    test: &mut TestOfText<'_>,
) -> Result<bool, BudgetExceeded> {
    match value {
        Value::Array(elements) => {
            any_of(elements.iter(), budget, &mut |element, budget| any_element(element, budget, test))
        }
        Value::Object(_) => Ok(false),
        leaf => passes(leaf, budget, test),
    }
}

/// Whether one of the values passes; each is charged.
fn any_of<'a>(
    values: impl Iterator<Item = &'a Value>,
    budget: &mut Budget,
    test: &mut dyn FnMut(&'a Value, &mut Budget) -> Result<bool, BudgetExceeded>,
) -> Result<bool, BudgetExceeded> {
    for value in values {
        budget.spend(1)?;
        if test(value, budget)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn passes(leaf: &Value, budget: &mut Budget, test: &mut TestOfText<'_>) -> Result<bool, BudgetExceeded> {
    match leaf {
        Value::String(text) => test(text, budget),
        Value::Bool(value) => test(if *value { "true" } else { "false" }, budget),
        Value::Number(number) => test(&number.to_string(), budget),
        Value::Null | Value::Array(_) | Value::Object(_) => Ok(false),
    }
}

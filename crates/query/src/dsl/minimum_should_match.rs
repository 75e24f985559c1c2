//! How many of the optional clauses must match.
//!
//! ```text
//! specification = condition *( SP condition ) / amount
//! condition     = integer "<" amount
//! amount        = integer / integer "%"
//! ```
//!
//! A negative amount is how many may fail to match. A condition applies when there are more clauses than its
//! number. The last one that applies counts; if none does, all clauses must match (Elasticsearch,
//! `Queries#calculateMinShouldMatch`).

use latchkey_elastic::{ErrorCause, ErrorType};

/// The number for `clauses` clauses. It may be larger than that; then nothing matches.
///
/// # Errors
///
/// `number_format_exception` when the specification is malformed.
pub(super) fn count(specification: &str, clauses: usize) -> Result<usize, ErrorCause> {
    let clauses = i64::try_from(clauses).unwrap_or(i64::MAX);
    let count = if specification.contains('<') {
        conditional(specification, clauses)?
    } else {
        amount(specification.trim(), clauses)?
    };
    Ok(usize::try_from(count.max(0)).unwrap_or(usize::MAX))
}

fn conditional(specification: &str, clauses: i64) -> Result<i64, ErrorCause> {
    // Spaces around `<` do not separate conditions.
    let joined: Vec<&str> = specification.split('<').map(str::trim).collect();
    let mut needed = clauses;
    for condition in joined.join("<").split_whitespace() {
        let mut parts = condition.split('<');
        let bound = integer(parts.next().unwrap_or_default())?;
        if clauses <= bound {
            break;
        }
        needed = amount(parts.next().unwrap_or_default(), clauses)?;
    }
    Ok(needed)
}

fn amount(text: &str, clauses: i64) -> Result<i64, ErrorCause> {
    let amount = match text.strip_suffix('%') {
        Some(percent) => clauses.saturating_mul(integer(percent)?) / 100,
        None => integer(text)?,
    };
    Ok(if text.starts_with('-') { clauses.saturating_add(amount) } else { amount })
}

fn integer(text: &str) -> Result<i64, ErrorCause> {
    let number: Option<i32> = text.parse().ok();
    number
        .map(i64::from)
        .ok_or_else(|| ErrorCause::new(ErrorType::NumberFormat, format!("For input string: \"{text}\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_as_elasticsearch_documents_it() {
        // Specification, clauses, how many must match.
        let rows = [
            ("3", 5, Some(3)),
            ("3", 2, Some(3)), // More than there are: nothing matches.
            ("-2", 5, Some(3)),
            ("-7", 5, Some(0)),
            ("75%", 4, Some(3)),
            ("75%", 5, Some(3)),  // Rounded down.
            ("-25%", 5, Some(4)), // One may fail.
            ("-25%", 3, Some(3)),
            (" 1 ", 3, Some(1)),
            ("3<90%", 3, Some(3)),
            ("3<90%", 10, Some(9)),
            ("2<-25% 9<-3", 2, Some(2)),
            ("2<-25% 9<-3", 9, Some(7)),
            ("2<-25% 9<-3", 10, Some(7)),
            ("2 < -25%", 4, Some(3)),
            ("", 1, None),
            ("x", 1, None),
            ("1.5", 1, None),
            ("%", 1, None),
            ("3<", 4, None),
            ("99999999999", 1, None),
        ];
        for (specification, clauses, expected) in rows {
            assert_eq!(count(specification, clauses).ok(), expected, "{specification} of {clauses}");
        }
    }
}

//! A statement and its parameters, as both databases understand it.
//!
//! Statements are written once, in the SQL that SQLite and PostgreSQL share; a parameter is a `?`. What the
//! two spell differently is in this file and in the migrations, nowhere else.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::Serialize;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments as _, AssertSqlSafe, Postgres, Sqlite};

use crate::store::StoreError;
use crate::store::sql::row::json_text;

/// A statement and its parameters.
#[derive(Debug)]
pub(super) struct Query {
    parts: Vec<QueryPart>,
    parameters: Vec<Parameter>,
    values_len: usize,
}

/// A piece of a statement.
#[derive(Debug)]
enum QueryPart {
    /// Text with a `?` for each parameter.
    Text(Cow<'static, str>),
    /// The expression before this is one of the values of a list, which is one parameter; each is mapped by
    /// an expression over `value`.
    Members(&'static str),
    /// The bytes of a column in hexadecimal, of either case.
    Hex(&'static str),
    /// A column of texts, compared by their bytes.
    Bytewise(&'static str),
    /// A column for which no index is to be used.
    Unindexed(&'static str),
    /// The same of texts that are compared by their bytes.
    UnindexedBytewise(&'static str),
    /// A column of texts, of which `like` takes ASCII in any case.
    AnyCase(&'static str),
}

/// A parameter. An absent value has a type too, because PostgreSQL needs one.
#[derive(Clone, Debug, derive_more::From)]
pub(super) enum Parameter {
    #[from]
    Boolean(bool),
    Bytes(Option<Vec<u8>>),
    #[from(i64, Option<i64>)]
    Integer(Option<i64>),
    #[from(String, Option<String>)]
    Text(Option<String>),
}

impl Query {
    /// Begins a statement. It never holds anything that came from outside: that is bound.
    pub(super) fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self { parts: vec![QueryPart::Text(text.into())], parameters: Vec::new(), values_len: 0 }
    }

    /// Gives the next `?` its value.
    pub(super) fn bind(mut self, value: impl Into<Parameter>) -> Self {
        self.parameters.push(value.into());
        self
    }

    /// Goes on with more of the statement.
    pub(super) fn push(&mut self, text: impl Into<Cow<'static, str>>) -> &mut Self {
        self.parts.push(QueryPart::Text(text.into()));
        self
    }

    /// Goes on with a parameter.
    pub(super) fn push_bind(&mut self, value: impl Into<Parameter>) -> &mut Self {
        self.parameters.push(value.into());
        self.push("?")
    }

    /// Goes on with the values of one row, in parentheses.
    pub(super) fn push_values<const N: usize>(&mut self, values: [Parameter; N]) -> &mut Self {
        self.push(format!("({})", ["?"; N].join(", ")));
        self.values_len += values.iter().map(Parameter::text_len).sum::<usize>();
        self.parameters.extend(values);
        self
    }

    /// The bytes of all texts in the values of rows.
    pub(super) fn values_len(&self) -> usize {
        self.values_len
    }

    /// Goes on with `in` a set of texts. However many they are, they are one parameter.
    pub(super) fn push_in_texts<T: Serialize>(&mut self, texts: &[T]) -> Result<&mut Self, StoreError> {
        self.push_members("value", json_text(&texts)?)
    }

    /// Goes on with `in` a set of integers.
    pub(super) fn push_in_integers(&mut self, integers: &[i64]) -> Result<&mut Self, StoreError> {
        self.push_members("cast(value as bigint)", json_text(&integers)?)
    }

    /// Goes on with the bytes of a column in hexadecimal, of either case.
    pub(super) fn push_hex(&mut self, column: &'static str) -> &mut Self {
        self.parts.push(QueryPart::Hex(column));
        self
    }

    /// Goes on with a column of texts, compared by their bytes. In SQLite all are.
    pub(super) fn push_bytewise(&mut self, column: &'static str) -> &mut Self {
        self.parts.push(QueryPart::Bytewise(column));
        self
    }

    /// Goes on with a column for which no index is to be used. PostgreSQL knows by itself which index helps.
    pub(super) fn push_unindexed(&mut self, column: &'static str) -> &mut Self {
        self.parts.push(QueryPart::Unindexed(column));
        self
    }

    /// The same with texts that are compared by their bytes.
    pub(super) fn push_unindexed_bytewise(&mut self, column: &'static str) -> &mut Self {
        self.parts.push(QueryPart::UnindexedBytewise(column));
        self
    }

    /// Goes on with a column of texts before a `like` whose pattern is in lower case: ASCII is found in any case.
    pub(super) fn push_any_case(&mut self, column: &'static str) -> &mut Self {
        self.parts.push(QueryPart::AnyCase(column));
        self
    }

    fn push_members(&mut self, member: &'static str, list: String) -> Result<&mut Self, StoreError> {
        self.parameters.push(list.into());
        self.parts.push(QueryPart::Members(member));
        Ok(self)
    }

    /// For SQLite.
    pub(super) fn into_sqlite(
        self,
    ) -> Result<sqlx::query::Query<'static, Sqlite, SqliteArguments>, StoreError> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                QueryPart::Text(part) => text.push_str(part),
                QueryPart::Members(member) => {
                    text.push_str(&format!("in (select {member} from json_each(?))"))
                }
                QueryPart::Hex(column) => text.push_str(&format!("hex({column})")),
                // `like` is of any case in SQLite.
                QueryPart::Bytewise(column) | QueryPart::AnyCase(column) => text.push_str(column),
                QueryPart::Unindexed(column) | QueryPart::UnindexedBytewise(column) => {
                    text.push_str(&format!("+{column}"))
                }
            }
        }
        let mut arguments = SqliteArguments::default();
        for parameter in self.parameters {
            match parameter {
                Parameter::Boolean(value) => arguments.add(value),
                Parameter::Bytes(value) => arguments.add(value),
                Parameter::Integer(value) => arguments.add(value),
                Parameter::Text(value) => arguments.add(value),
            }
            .map_err(StoreError::Unavailable)?;
        }
        Ok(sqlx::query_with(AssertSqlSafe(text), arguments))
    }

    /// For PostgreSQL, which numbers its parameters and stores no text with a NUL. It expects an array to be
    /// short and looks its members up in an index; for a list in a subquery it would read the whole table.
    pub(super) fn into_postgres(
        self,
    ) -> Result<sqlx::query::Query<'static, Postgres, PgArguments>, StoreError> {
        let mut text = String::new();
        let mut number = 0_usize;
        for part in &self.parts {
            match part {
                QueryPart::Text(part) => push_numbered(&mut text, part, &mut number),
                QueryPart::Members(member) => {
                    let members =
                        format!("= any (array(select {member} from json_array_elements_text(?::json)))");
                    push_numbered(&mut text, &members, &mut number);
                }
                QueryPart::Hex(column) => text.push_str(&format!("encode({column}, 'hex')")),
                QueryPart::Bytewise(column) | QueryPart::UnindexedBytewise(column) => {
                    text.push_str(&format!("{column} collate \"C\""))
                }
                QueryPart::Unindexed(column) => text.push_str(column),
                QueryPart::AnyCase(column) => text.push_str(&format!("lower({column} collate \"C\")")),
            }
        }
        let mut arguments = PgArguments::default();
        for parameter in self.parameters {
            match parameter {
                Parameter::Boolean(value) => arguments.add(value),
                Parameter::Bytes(value) => arguments.add(value),
                Parameter::Integer(value) => arguments.add(value),
                Parameter::Text(Some(value)) if value.contains('\0') => return Err(StoreError::NulInText),
                Parameter::Text(value) => arguments.add(value),
            }
            .map_err(StoreError::Unavailable)?;
        }
        Ok(sqlx::query_with(AssertSqlSafe(text), arguments))
    }
}

impl Parameter {
    fn text_len(&self) -> usize {
        match self {
            Self::Text(Some(text)) => text.len(),
            Self::Boolean(_) | Self::Bytes(_) | Self::Integer(_) | Self::Text(None) => 0,
        }
    }
}

/// Appends a part, with `$1`, `$2` and so on for its question marks.
fn push_numbered(text: &mut String, part: &str, number: &mut usize) {
    let mut pieces = part.split('?');
    text.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        *number += 1;
        // Writing to a string cannot fail.
        let _ = write!(text, "${number}{piece}");
    }
}

impl From<u32> for Parameter {
    fn from(value: u32) -> Self {
        Self::Integer(Some(value.into()))
    }
}

impl From<&str> for Parameter {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}

impl From<&String> for Parameter {
    fn from(value: &String) -> Self {
        Self::Text(Some(value.clone()))
    }
}

impl From<&Option<String>> for Parameter {
    fn from(value: &Option<String>) -> Self {
        Self::Text(value.clone())
    }
}

impl From<Option<&str>> for Parameter {
    fn from(value: Option<&str>) -> Self {
        Self::Text(value.map(str::to_owned))
    }
}

impl From<&[u8]> for Parameter {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(Some(value.to_vec()))
    }
}

impl From<Option<&[u8]>> for Parameter {
    fn from(value: Option<&[u8]>) -> Self {
        Self::Bytes(value.map(<[u8]>::to_vec))
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{Execute as _, SqlStr};

    use super::*;

    impl Query {
        /// How SQLite would run it.
        pub(in crate::store::sql) fn explained(mut self) -> Self {
            self.parts.insert(0, QueryPart::Text("explain query plan ".into()));
            self
        }
    }

    fn texts(query: impl Fn() -> Query) -> (SqlStr, SqlStr) {
        (query().into_sqlite().unwrap().sql(), query().into_postgres().unwrap().sql())
    }

    #[test]
    fn numbers_parameters_for_postgresql_alone() {
        let (sqlite, postgres) = texts(|| {
            let mut query = Query::new("select a from b where c = ? and d = ?").bind(1_i64).bind("x");
            query.push(" and e ").push_in_texts(&["f".to_owned()]).unwrap();
            query.push(" and g ").push_in_integers(&[7]).unwrap().push(" and h = ").push_bind(true);
            query
        });
        assert_eq!(
            sqlite.as_str(),
            "select a from b where c = ? and d = ? and e in (select value from json_each(?)) \
             and g in (select cast(value as bigint) from json_each(?)) and h = ?"
        );
        assert_eq!(
            postgres.as_str(),
            "select a from b where c = $1 and d = $2 and e = any (array(select value from json_array_elements_text($3::json))) \
             and g = any (array(select cast(value as bigint) from json_array_elements_text($4::json))) and h = $5"
        );
    }

    #[test]
    fn spells_hexadecimal_as_each_database_does() {
        let (sqlite, postgres) = texts(|| {
            let mut query = Query::new("select ");
            query.push_hex("a").push(" from b");
            query
        });
        assert_eq!(sqlite.as_str(), "select hex(a) from b");
        assert_eq!(postgres.as_str(), "select encode(a, 'hex') from b");
    }

    #[test]
    fn keeps_sqlite_from_an_index_and_trusts_postgresql() {
        let (sqlite, postgres) = texts(|| {
            let mut query = Query::new("select a from b order by ");
            query.push_unindexed("c").push(", ").push_unindexed_bytewise("d").push(", ").push_any_case("e");
            query
        });
        assert_eq!(sqlite.as_str(), "select a from b order by +c, +d, e");
        assert_eq!(postgres.as_str(), r#"select a from b order by c, d collate "C", lower(e collate "C")"#);
    }

    #[test]
    fn refuses_a_text_that_postgresql_cannot_keep() {
        let query = || Query::new("select ?").bind("a\0b");
        assert!(query().into_sqlite().is_ok());
        assert!(matches!(query().into_postgres(), Err(StoreError::NulInText)));
    }
}

//! The body of a search.

use latchkey_elastic::content::object_parser::{Field, ObjectParser};
use latchkey_elastic::content::{Node, Token};
use latchkey_elastic::{ErrorCause, ValidationProblems};
use latchkey_key_feed::UnixMillis;

use super::aggregation::{Aggregation, read_aggregations};
use super::clause::Query;
use super::dsl::read_query;
use super::reading::Reading;
use super::search_limits::{RESULT_WINDOW_MAX, SIZE_DEFAULT};
use super::sort::{SortField, read_after, read_search_after, read_sort};
use super::{Search, Searched};

/// A search as it was asked for.
#[derive(Clone, Debug, Default)]
pub struct SearchRequest {
    reading: Reading,
    query: Option<Query>,
    from: Option<i64>,
    size: Option<i64>,
    sort: Vec<SortField>,
    search_after: Option<Vec<Node>>,
    aggs: Option<Vec<Aggregation>>,
    aggregations: Option<Vec<Aggregation>>,
}

const QUERY: Field<SearchRequest> = Field::object("query", |request: &mut SearchRequest, node| {
    request.query = Some(read_query(node, &mut request.reading)?);
    Ok(())
});

const FROM: Field<SearchRequest> =
    Field::integer("from", |request: &mut SearchRequest, from| request.from = Some(from));

const SIZE: Field<SearchRequest> =
    Field::integer("size", |request: &mut SearchRequest, size| request.size = Some(size));

const SORT: Field<SearchRequest> =
    Field::node("sort", &[Token::StartObject, Token::StartArray], |request: &mut SearchRequest, node| {
        request.sort = read_sort(node, &mut request.reading)?;
        Ok(())
    });

const SEARCH_AFTER: Field<SearchRequest> =
    Field::node("search_after", &[Token::StartArray], |request: &mut SearchRequest, node| {
        request.search_after = Some(read_search_after(node)?);
        Ok(())
    });

const AGGS: Field<SearchRequest> = Field::object("aggs", |request: &mut SearchRequest, node| {
    request.aggs = Some(read_aggregations(node, &[], &mut request.reading)?);
    Ok(())
});

const AGGREGATIONS: Field<SearchRequest> =
    Field::object("aggregations", |request: &mut SearchRequest, node| {
        request.aggregations = Some(read_aggregations(node, &[], &mut request.reading)?);
        Ok(())
    });

const OF_KEYS: ObjectParser<SearchRequest> = ObjectParser::new(
    "query_api_key_request_payload",
    &[QUERY, FROM, SIZE, SORT, SEARCH_AFTER, AGGS, AGGREGATIONS],
);

const OF_ROLES: ObjectParser<SearchRequest> =
    ObjectParser::new("query_role_request_payload", &[QUERY, FROM, SIZE, SORT, SEARCH_AFTER]);

const OF_USERS: ObjectParser<SearchRequest> =
    ObjectParser::new("query_user_request_payload", &[QUERY, FROM, SIZE, SORT, SEARCH_AFTER]);

fn parser(searched: Searched) -> &'static ObjectParser<SearchRequest> {
    match searched {
        Searched::Keys => &OF_KEYS,
        Searched::Roles => &OF_ROLES,
        Searched::Users => &OF_USERS,
    }
}

impl SearchRequest {
    /// Reads a body; without one everything that is searched matches. `now` is the value of `now` in dates.
    ///
    /// # Errors
    ///
    /// Mostly `x_content_parse_exception`, inside of it `parsing_exception` for mistakes in queries and
    /// aggregations.
    pub fn parse(body: Option<&Node>, now: UnixMillis, searched: Searched) -> Result<Self, ErrorCause> {
        let mut request = Self { reading: Reading::new(now, searched), ..Self::default() };
        if let Some(body) = body {
            parser(searched).parse_onto(&mut request, body)?;
        }
        if request.aggs.is_some() && request.aggregations.is_some() {
            let cause = ErrorCause::illegal_argument("Duplicate 'aggs' or 'aggregations' field");
            return Err(parser(searched).failed_to_build(cause));
        }
        Ok(request)
    }

    /// Checks the request as a whole, before the caller is authorized.
    ///
    /// # Errors
    ///
    /// `action_request_validation_exception` with all that is wrong.
    pub fn check(&self) -> Result<(), ErrorCause> {
        let mut problems = ValidationProblems::new();
        for (name, value) in [("from", self.from), ("size", self.size)] {
            if let Some(negative) = value.filter(|value| *value < 0) {
                problems.add(format!("[{name}] parameter cannot be negative but was [{negative}]"));
            }
        }
        problems.into_result()
    }

    /// The search, once the caller is authorized.
    ///
    /// # Errors
    ///
    /// `illegal_argument_exception` or `parse_exception` for the first thing that is not allowed.
    pub fn into_search(self) -> Result<Search, ErrorCause> {
        let searched = self.reading.searched;
        if let Some(refusal) = self.reading.into_refusal() {
            return Err(refusal);
        }
        let from = count(self.from, 0);
        let size = count(self.size, SIZE_DEFAULT);
        let window = from.saturating_add(size);
        if window > RESULT_WINDOW_MAX {
            return Err(ErrorCause::illegal_argument(format!(
                "Result window is too large, from + size must be less than or equal to: [{RESULT_WINDOW_MAX}] but was [{window}]."
            )));
        }
        if self.search_after.is_some() && from > 0 {
            let mut problems = ValidationProblems::new();
            problems.add("[from] parameter must be set to 0 when [search_after] is used");
            problems.into_result()?;
        }
        let after = self.search_after.map(|values| read_after(&values, &self.sort)).transpose()?;
        Ok(Search {
            searched,
            query: self.query.unwrap_or(Query::Everything),
            from,
            size,
            sort: self.sort,
            after,
            aggregations: self.aggs.or(self.aggregations),
        })
    }
}

/// Negative numbers were refused by [`SearchRequest::check`]; without it they count as 0.
fn count(number: Option<i64>, default: usize) -> usize {
    number
        .map_or(default, |number| if number < 0 { 0 } else { usize::try_from(number).unwrap_or(usize::MAX) })
}

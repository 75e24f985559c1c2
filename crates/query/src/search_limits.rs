//! Limits of one search. Beyond a limit a search is refused, never cut short.

/// Hits of a page when the request names no size: Elasticsearch's default.
pub const SIZE_DEFAULT: usize = 10;

/// Most hits up to the end of a page, `from` and `size` together: Elasticsearch's default
/// (`index.max_result_window`). So many are held in memory.
pub const RESULT_WINDOW_MAX: usize = 10_000;

/// Most bytes of the hits that are held in memory.
pub const HITS_LEN_MAX: usize = 64 * 1024 * 1024;

/// Most clauses in all queries of one search: the least that Elasticsearch allows
/// (`indices.query.bool.max_clause_count`). Each is evaluated for every key.
pub const CLAUSES_MAX: usize = 1_024;

/// Deepest nesting of queries: Elasticsearch's default (`indices.query.bool.max_nested_depth`).
pub const QUERY_DEPTH_MAX: usize = 30;

/// Most values of one `terms` query: Elasticsearch's default (`index.max_terms_count`).
pub const TERMS_MAX: usize = 65_536;

/// Longest pattern of a wildcard query, in bytes: Elasticsearch's default for patterns
/// (`index.max_regex_length`). Matching takes time in proportion to the pattern's length and the value's.
pub const PATTERN_LEN_MAX: usize = 1_000;

/// Longest word of a fuzzy search, in characters: names of keys have no more. Comparing takes time in
/// proportion to the square.
pub const FUZZY_CHARS_MAX: usize = 256;

/// Most edits of a fuzzy search: Lucene's (`LevenshteinAutomata.MAXIMUM_SUPPORTED_DISTANCE`).
pub const FUZZY_EDITS_MAX: usize = 2;

/// Deepest nesting of groups in a simple query string. Each level is a call on the stack.
pub const GROUP_DEPTH_MAX: usize = 30;

/// Longest name of a field, in bytes. Every way to split a path at its dots is followed.
pub const FIELD_NAME_LEN_MAX: usize = 1_024;

/// Longest text of a simple query string, in bytes. Searching for closing parentheses makes reading take time
/// in proportion to the square.
pub const QUERY_STRING_LEN_MAX: usize = 4_096;

/// Most fields to sort by. There are eight besides metadata; each value is held for every hit of the window.
pub const SORT_FIELDS_MAX: usize = 32;

/// Most aggregations of one search, on all levels. Each is evaluated for every key.
pub const AGGREGATIONS_MAX: usize = 256;

/// Deepest nesting of aggregations. Each level is a call on the stack, and multiplies the buckets of the one
/// above.
pub const AGGREGATION_DEPTH_MAX: usize = 10;

/// Most buckets of one answer: Elasticsearch's default (`search.max_buckets`).
pub const BUCKETS_MAX: usize = 65_536;

/// Most buckets and distinct values that the aggregations of one search may collect before the best are
/// chosen: ten for each key of a listing. What they take in memory is charged besides.
pub const COLLECTED_MAX: usize = 1_000_000;

/// Most tests of a query that a store makes by itself, for each key. A million keys take it less than a second for a
/// test of a name.
pub const CONDITION_TESTS_MAX: usize = 24;

/// Most ranges of moments of one such test. Each is two parameters of a statement, of which PostgreSQL takes 65,535.
pub const CONDITION_RANGES_MAX: usize = 8;

const _: () = assert!(SIZE_DEFAULT <= RESULT_WINDOW_MAX);
const _: () = assert!(BUCKETS_MAX <= COLLECTED_MAX);

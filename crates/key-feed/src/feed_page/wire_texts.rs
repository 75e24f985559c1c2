//! Texts and objects of a row that are read only where somebody asks for what is in them.
//!
//! A row may be as long as an answer. A list of it is kept as the bytes that stand there, because a list of a
//! million empty texts would cost many times its bytes as a list in memory.

use std::borrow::Cow;

use hifijson::SliceLexer;
use hifijson::num::LexWrite as _;
use hifijson::str::Lex as _;
use hifijson::token::Lex as _;

use super::reading::{boolean, items, object, text};
use super::row_size::{ListSize, MetadataSize};
use super::skipping::{raw, skip};
use super::wire_row::Malformed;

/// Any number of texts, as they stand in an answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct WireTexts<'a> {
    /// A list of plain values or one of them; nothing for no texts.
    raw: &'a [u8],
    count: usize,
}

/// An object as it stands in an answer: well-formed, and not looked into.
#[derive(Clone, Copy, Debug, Default)]
pub struct WireObject<'a>(&'a [u8]);

/// Takes one text, or says that it is of no use.
type TakeText<'t> = &'t mut dyn FnMut(&str) -> Result<(), Malformed>;

/// A path that has not come to its end.
#[derive(Clone, Copy)]
struct Wanted<'p> {
    /// Its place among all paths.
    index: usize,
    /// The names that are left.
    rest: &'p str,
}

impl<'a> WireTexts<'a> {
    /// Reads a list of texts.
    pub(super) fn read(next: u8, lexer: &mut SliceLexer<'a>) -> Result<Self, Malformed> {
        let from = lexer.as_slice();
        let mut count = 0;
        items(next, lexer, &mut |next, lexer| {
            count += 1;
            if next == b'"' { lexer.discarded().str_ignore().map_err(|_| Malformed) } else { Err(Malformed) }
        })?;
        let raw = from.get(..from.len() - lexer.as_slice().len()).ok_or(Malformed)?;
        Ok(Self { raw, count })
    }

    /// The texts of a JSON list, and what they come to as a header value.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when it is no list of texts.
    pub fn measured(json: &'a str) -> Result<(Self, ListSize), Malformed> {
        let size = ListSize::of_json(json)?;
        Ok((Self { raw: json.as_bytes(), count: size.count }, size))
    }

    /// The list as it stands in an answer.
    pub(super) fn as_json(self) -> &'a [u8] {
        if self.raw.is_empty() { b"[]" } else { self.raw }
    }

    /// How many there are.
    #[must_use]
    pub fn count(self) -> usize {
        self.count
    }

    /// Passes each text to `take`. A number is the text that stands there.
    ///
    /// # Errors
    ///
    /// The first mistake of `take`; or [`Malformed`] when a text is not UTF-8.
    pub fn each(self, take: TakeText<'_>) -> Result<(), Malformed> {
        let mut lexer = SliceLexer::new(self.raw);
        match lexer.ws_peek() {
            None => Ok(()),
            Some(b'[') => items(b'[', &mut lexer, &mut |next, lexer| take(&plain_text(next, lexer)?)),
            Some(next) => take(&plain_text(next, &mut lexer)?),
        }
    }

    /// The texts of a metadata field: of a plain value, or of a list of such. `null`, and lists that hold
    /// objects, lists or `null`, are none.
    fn of_field(raw: &'a [u8]) -> Result<Option<Self>, Malformed> {
        let mut lexer = SliceLexer::new(raw);
        match lexer.ws_peek() {
            None | Some(b'n' | b'{') => Ok(None),
            Some(b'[') => {
                let (mut count, mut are_plain) = (0, true);
                items(b'[', &mut lexer, &mut |next, lexer| {
                    count += 1;
                    are_plain &= !matches!(next, b'n' | b'{' | b'[');
                    skip(next, lexer)
                })?;
                Ok(are_plain.then_some(Self { raw, count }))
            }
            Some(_) => Ok(Some(Self { raw, count: 1 })),
        }
    }
}

impl<'a> WireObject<'a> {
    pub(super) fn read(next: u8, lexer: &mut SliceLexer<'a>) -> Result<Self, Malformed> {
        if next == b'{' { raw(next, lexer).map(Self) } else { Err(Malformed) }
    }

    /// A JSON object, and what it comes to.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when it is none, or one that is nested deeper than an edge reads.
    pub fn measured(json: &'a str) -> Result<(Self, MetadataSize), Malformed> {
        let size = MetadataSize::of_json(json)?;
        Ok((Self(json.as_bytes()), size))
    }

    /// The object as it stands in an answer.
    #[must_use]
    pub fn as_json(self) -> &'a [u8] {
        if self.0.is_empty() { b"{}" } else { self.0 }
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.as_json() == b"{}"
    }

    /// For each dotted path the texts of the first field there that has any. A name may hold dots itself, so
    /// `a.b` finds both `{"a":{"b":…}}` and `{"a.b":…}`, as in a flattened object of Elasticsearch.
    ///
    /// The object is read once, whatever the paths, and no text is built on the way.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when a name beside a path is not UTF-8.
    pub fn pick(self, paths: &[&str]) -> Result<Vec<Option<WireTexts<'a>>>, Malformed> {
        let mut found = vec![None; paths.len()];
        let wanted: Vec<_> =
            paths.iter().enumerate().map(|(index, path)| Wanted { index, rest: path }).collect();
        let mut lexer = SliceLexer::new(self.0);
        if let (Some(next), false) = (lexer.ws_peek(), paths.is_empty()) {
            pick_in(next, &mut lexer, &wanted, &mut found)?;
        }
        Ok(found)
    }
}

/// Recurses once for each name of a path at most.
fn pick_in<'a>(
    next: u8,
    lexer: &mut SliceLexer<'a>,
    wanted: &[Wanted<'_>],
    found: &mut [Option<WireTexts<'a>>],
) -> Result<(), Malformed> {
    object(next, lexer, &mut |name, next, lexer| {
        let left = wanted.iter().filter_map(|path| Some((path.index, path.rest.strip_prefix(name)?)));
        if next == b'{' {
            let below =
                left.filter_map(|(index, rest)| Some(Wanted { index, rest: rest.strip_prefix('.')? }));
            let below: Vec<_> = below.collect();
            return if below.is_empty() { skip(next, lexer) } else { pick_in(next, lexer, &below, found) };
        }
        let field = raw(next, lexer)?;
        for (index, _) in left.filter(|(_, rest)| rest.is_empty()) {
            if let Some(place @ None) = found.get_mut(index) {
                *place = WireTexts::of_field(field)?;
            }
        }
        Ok(())
    })
}

fn plain_text<'a>(next: u8, lexer: &mut SliceLexer<'a>) -> Result<Cow<'a, str>, Malformed> {
    match next {
        b'"' => text(next, lexer),
        b't' | b'f' => boolean(lexer).map(|truth| Cow::Borrowed(if truth { "true" } else { "false" })),
        _ => lexer.num_string().validated().map(|(number, _)| Cow::Borrowed(number)).map_err(|_| Malformed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn texts(found: WireTexts<'_>) -> Vec<String> {
        let mut texts = Vec::new();
        found
            .each(&mut |text| {
                texts.push(text.to_owned());
                Ok(())
            })
            .unwrap();
        assert_eq!(texts.len(), found.count());
        texts
    }

    fn picked(object: &Value, path: &str) -> Option<Vec<String>> {
        let bytes = object.to_string();
        WireObject(bytes.as_bytes()).pick(&[path]).unwrap()[0].map(texts)
    }

    #[test]
    fn finds_a_field_by_its_names_and_in_both_spellings() {
        let object =
            json!({"team": {"name": "x", "a.b": {"c": 1}}, "team.lead": true, "team.a": {"b": {"d": 2}}});
        assert_eq!(picked(&object, "team.name"), Some(vec!["x".to_owned()]));
        assert_eq!(picked(&object, "team.lead"), Some(vec!["true".to_owned()]));
        assert_eq!(picked(&object, "team.a.b.c"), Some(vec!["1".to_owned()]));
        assert_eq!(picked(&object, "team.a.b.d"), Some(vec!["2".to_owned()]));
        for none in ["team", "tea", "team.name.x", "lead", "name", "team.nam"] {
            assert_eq!(picked(&object, none), None, "{none}");
        }
    }

    #[test]
    fn the_first_field_with_a_text_is_the_one() {
        let bytes = br#"{"a":{"b":null},"a.b":{"c":1},"a.b":"first","a":{"b":"second"}}"#;
        assert_eq!(WireObject(bytes).pick(&["a.b"]).unwrap()[0].map(texts), Some(vec!["first".to_owned()]));
    }

    #[test]
    fn several_paths_are_found_at_once() {
        let bytes = br#"{"a":{"b":1,"c":[2,"x",false]},"d":"\u00e9"}"#;
        let found = WireObject(bytes).pick(&["d", "no", "a.c", "a.b", "d"]).unwrap();
        let found: Vec<_> =
            found.into_iter().map(|found| found.map_or_else(Vec::new, texts).join(",")).collect();
        assert_eq!(found, ["é", "", "2,x,false", "1", "é"]);
    }

    #[test]
    fn lists_of_anything_but_plain_values_have_no_text() {
        for list in [json!([[1]]), json!([{}]), json!([null, 1]), json!(null), json!({})] {
            assert_eq!(picked(&json!({"a": list}), "a"), None, "{list}");
        }
        assert_eq!(picked(&json!({"a": []}), "a"), Some(Vec::new()));
    }

    /// What a flattened object makes of a value, by the definition: every leaf under its dotted path.
    fn leaves(path: &str, value: &Value, all: &mut Vec<(String, Vec<String>)>) {
        let plain = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
            _ => None,
        };
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    leaves(&below, value, all);
                }
            }
            Value::Array(values) => {
                all.extend(
                    values
                        .iter()
                        .map(plain)
                        .collect::<Option<Vec<_>>>()
                        .map(|texts| (path.to_owned(), texts)),
                );
            }
            _ => all.extend(plain(value).map(|text| (path.to_owned(), vec![text]))),
        }
    }

    fn object(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
        let fields = prop::collection::vec(("[ab](\\.[ab])?", value), 0..4);
        fields.prop_map(|fields| Value::Object(fields.into_iter().collect()))
    }

    fn metadata() -> impl Strategy<Value = Value> {
        let plain = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u8>().prop_map(Value::from),
            "[a-c\"\\\\é]{0,3}".prop_map(Value::from),
        ];
        object(plain.prop_recursive(4, 40, 4, |inner| {
            prop_oneof![prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from), object(inner)]
        }))
    }

    proptest! {
        #[test]
        fn finds_what_flattening_finds(object in metadata(), paths in prop::collection::vec("[ab](\\.[ab]){0,3}", 1..6)) {
            let mut all = Vec::new();
            leaves("", &object, &mut all);
            let bytes = object.to_string();
            let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
            let found = WireObject(bytes.as_bytes()).pick(&paths).unwrap();
            for (path, found) in paths.iter().zip(found) {
                let expected = all.iter().find(|(leaf, _)| leaf == path).map(|(_, texts)| texts.clone());
                prop_assert_eq!(found.map(texts), expected, "{} in {}", path, object);
            }
        }
    }
}

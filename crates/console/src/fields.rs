//! The fields of a form or of a query, in their order.

use zeroize::Zeroizing;

use crate::limits::FIELDS_MAX;

/// Names and values, which may have been typed by anybody. A form may hold a password, so all of it is wiped.
#[derive(Default)]
pub(crate) struct Fields(Vec<(String, Zeroizing<String>)>);

impl Fields {
    /// Reads `application/x-www-form-urlencoded`; `None` for more fields than may be, before any is read.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        if text.iter().filter(|byte| **byte == b'&').count() >= FIELDS_MAX {
            return None;
        }
        let pairs = form_urlencoded::parse(text);
        let fields = pairs.map(|(name, value)| (name.into_owned(), Zeroizing::new(value.into_owned())));
        Some(Self(fields.collect()))
    }

    /// The value of the first field of that name; empty when there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.first(name).unwrap_or_default()
    }

    /// The same without white space around it; `None` when nothing is left.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        Some(self.get(name).trim()).filter(|text| !text.is_empty())
    }

    /// All values of that name.
    pub(crate) fn all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.0.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Whether there is a field of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.first(name).is_some()
    }

    fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_decoded_and_keep_their_order() {
        let fields = Fields::parse(b"id=a%2Fb&id=c+d&name=%20x%20&empty=").unwrap();
        assert_eq!(fields.all("id").collect::<Vec<_>>(), ["a/b", "c d"]);
        assert_eq!((fields.get("id"), fields.text("name"), fields.text("empty")), ("a/b", Some("x"), None));
        assert!(fields.has("empty") && !fields.has("other"));
        assert_eq!(fields.get("other"), "");
    }

    #[test]
    fn as_many_fields_are_read_as_may_be_and_not_one_more() {
        let most = vec!["a=b"; FIELDS_MAX].join("&");
        assert!(Fields::parse(most.as_bytes()).is_some());
        assert!(Fields::parse(format!("{most}&a").as_bytes()).is_none());
    }
}

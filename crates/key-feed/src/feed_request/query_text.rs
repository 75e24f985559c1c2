//! A query as a text, for a service that has no reader of parameters of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::FeedParameters;

/// The parameters of a query. Of a name that is repeated the last value counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryText(BTreeMap<String, String>);

/// The value of this parameter cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnreadableParameter(pub &'static str);

impl QueryText {
    /// The query of a path, if it has one.
    #[must_use]
    pub fn of_path(path: &str) -> Self {
        let query = path.split_once('?').map_or("", |(_, query)| query);
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    fn read<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, UnreadableParameter> {
        match self.text(name) {
            None => Ok(None),
            Some(text) => read(&text).map(Some).ok_or(UnreadableParameter(name)),
        }
    }
}

impl FeedParameters for QueryText {
    type Error = UnreadableParameter;

    fn text(&mut self, name: &'static str) -> Option<String> {
        self.0.remove(name)
    }

    fn whole_number(&mut self, name: &'static str) -> Result<Option<u64>, UnreadableParameter> {
        self.read(name, |text| text.parse().ok())
    }

    fn duration(&mut self, name: &'static str) -> Result<Option<Duration>, UnreadableParameter> {
        self.read(name, |text| text.strip_suffix("ms")?.parse().ok().map(Duration::from_millis))
    }

    fn switch(&mut self, name: &'static str) -> Result<bool, UnreadableParameter> {
        self.read(name, |text| text.parse().ok()).map(Option::unwrap_or_default)
    }
}

impl fmt::Display for UnreadableParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] cannot be read", self.0)
    }
}

impl std::error::Error for UnreadableParameter {}

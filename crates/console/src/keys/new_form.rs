//! The form of a new key: what was typed, what is wrong with it, and the request that it makes.

use serde_json::{Map, Value, json};

use crate::fields::Fields;

/// How long a key may live: the value in the form, and the word on the page.
pub(super) const LIVES: [(&str, &str); 7] = [
    ("1d", "1 day"),
    ("7d", "7 days"),
    ("30d", "30 days"),
    ("90d", "90 days"),
    ("365d", "1 year"),
    (OTHER, "another time"),
    (NEVER, "without an end: it works until somebody revokes it"),
];

/// What is chosen unless somebody chooses.
const LIFE_DEFAULT: &str = "90d";
const OTHER: &str = "other";
const NEVER: &str = "never";

/// What a key may do, as it is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum RightsForm {
    /// Names that give no right here.
    #[default]
    Labels,
    /// Privileges of an application.
    Application,
    /// Role descriptors.
    Json,
    /// All that the owner may do.
    All,
}

/// What was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NewKeyForm {
    pub(super) name: String,
    pub(super) life: String,
    pub(super) other_life: String,
    pub(super) rights: RightsForm,
    pub(super) labels: String,
    pub(super) application: String,
    pub(super) privileges: String,
    pub(super) resources: String,
    pub(super) role_descriptors: String,
    pub(super) all_confirmed: bool,
    pub(super) metadata: String,
    pub(super) owner: String,
}

/// What is wrong, at its place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FormProblems {
    pub(super) name: Option<String>,
    pub(super) life: Option<String>,
    pub(super) rights: Option<String>,
    pub(super) metadata: Option<String>,
    /// What the key service has said of the whole.
    pub(super) whole: Option<String>,
}

impl FormProblems {
    /// How many fields are wrong, in words; `None` when all are right.
    pub(super) fn summary(&self) -> Option<String> {
        let fields = [&self.name, &self.life, &self.rights, &self.metadata];
        match fields.iter().filter(|problem| problem.is_some()).count() {
            0 => None,
            1 => Some("The key was not made: one field is wrong.".to_owned()),
            count => Some(format!("The key was not made: {count} fields are wrong.")),
        }
    }
}

impl RightsForm {
    fn read(value: &str) -> Self {
        match value {
            "application" => Self::Application,
            "json" => Self::Json,
            "all" => Self::All,
            _ => Self::Labels,
        }
    }
}

impl NewKeyForm {
    /// What a person sees first.
    pub(super) fn empty() -> Self {
        Self { life: LIFE_DEFAULT.to_owned(), resources: "*".to_owned(), ..Self::default() }
    }

    pub(super) fn read(form: &Fields) -> Self {
        let text = |name: &str| form.get(name).trim().to_owned();
        Self {
            name: text("name"),
            life: text("life"),
            other_life: text("other_life"),
            rights: RightsForm::read(form.get("rights")),
            labels: text("labels"),
            application: text("application"),
            privileges: text("privileges"),
            resources: text("resources"),
            role_descriptors: text("role_descriptors"),
            all_confirmed: form.has("all_confirmed"),
            metadata: text("metadata"),
            owner: text("owner"),
        }
    }

    /// The body of a request that makes the key.
    ///
    /// # Errors
    ///
    /// Everything that is wrong. What the key service alone knows, it says later.
    pub(super) fn body(&self) -> Result<Value, FormProblems> {
        let mut problems = FormProblems::default();
        let mut body = Map::new();
        if self.name.is_empty() {
            problems.name = Some("Give the key a name, by which it is found later.".to_owned());
        }
        body.insert("name".to_owned(), json!(self.name));
        match self.expiration() {
            Ok(expiration) => drop(body.insert("expiration".to_owned(), expiration)),
            Err(problem) => problems.life = Some(problem),
        }
        match self.descriptors() {
            Ok(descriptors) => body.extend(descriptors.map(|roles| ("role_descriptors".to_owned(), roles))),
            Err(problem) => problems.rights = Some(problem),
        }
        if !self.metadata.is_empty() {
            match json_object(&self.metadata) {
                Ok(metadata) => drop(body.insert("metadata".to_owned(), metadata)),
                Err(problem) => problems.metadata = Some(problem),
            }
        }
        if problems == FormProblems::default() { Ok(Value::Object(body)) } else { Err(problems) }
    }

    /// JSON's null for a key without an end.
    fn expiration(&self) -> Result<Value, String> {
        match self.life.as_str() {
            OTHER if is_duration(&self.other_life) => Ok(json!(self.other_life)),
            OTHER => {
                Err("Say a whole number above 0 and a unit: s, m, h or d. Such as 12h, or 45d.".to_owned())
            }
            _ if !self.other_life.is_empty() => {
                Err("A time is typed and not chosen: choose “another time”, or take the time out.".to_owned())
            }
            NEVER => Ok(Value::Null),
            life if LIVES.iter().any(|(known, _)| *known == life) => Ok(json!(life)),
            _ => Err("Choose how long the key works.".to_owned()),
        }
    }

    /// `None` for a key that may do all that its owner may.
    fn descriptors(&self) -> Result<Option<Value>, String> {
        match self.rights {
            RightsForm::Labels => {
                let labels: Map<_, _> = words(&self.labels).map(|label| (label, json!({}))).collect();
                match labels.is_empty() {
                    true => Err("Say at least one label, or choose other rights.".to_owned()),
                    false => Ok(Some(Value::Object(labels))),
                }
            }
            RightsForm::Application => {
                let (privileges, resources): (Vec<_>, Vec<_>) =
                    (words(&self.privileges).collect(), words(&self.resources).collect());
                if self.application.is_empty() || privileges.is_empty() || resources.is_empty() {
                    return Err("Say the application, its privileges, and on which resources.".to_owned());
                }
                let entry = json!({"application": self.application, "privileges": privileges, "resources": resources});
                Ok(Some(json!({ self.application.as_str(): {"applications": [entry]} })))
            }
            RightsForm::Json => match json_object(&self.role_descriptors)? {
                Value::Object(roles) if roles.is_empty() => Err(
                    "Without a role the key could do all that its owner may. Choose that, if it is meant."
                        .to_owned(),
                ),
                roles => Ok(Some(roles)),
            },
            RightsForm::All if self.all_confirmed => Ok(None),
            RightsForm::All => Err("Confirm that the key is to have all rights of its owner.".to_owned()),
        }
    }
}

/// Words with commas or white space between them.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split([',', ' ', '\t', '\r', '\n']).filter(|word| !word.is_empty()).map(str::to_owned)
}

/// Whether it has the form of a time value; the key service reads it.
fn is_duration(text: &str) -> bool {
    let digits = text.trim_end_matches(|unit: char| unit.is_ascii_lowercase());
    !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && digits.bytes().any(|byte| byte != b'0')
        && ["s", "m", "h", "d"].contains(&text.get(digits.len()..).unwrap_or_default())
}

/// A JSON object, or where it goes wrong.
fn json_object(text: &str) -> Result<Value, String> {
    match serde_json::from_str(text) {
        Ok(object @ Value::Object(_)) => Ok(object),
        Ok(_) => Err("This is JSON and no object: it begins with { and ends with }.".to_owned()),
        Err(error) => Err(format!("This is no JSON: {error}.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(fields: &str) -> NewKeyForm {
        NewKeyForm::read(&Fields::parse(fields.as_bytes()).unwrap())
    }

    #[test]
    fn each_way_to_say_rights_makes_its_request() {
        for (fields, expected) in [
            (
                "name=ci&life=30d&labels=reader,+writer",
                json!({"name": "ci", "expiration": "30d", "role_descriptors": {"reader": {}, "writer": {}}}),
            ),
            (
                "name=ci&life=other&other_life=12h&rights=application&application=shop&privileges=read&resources=*",
                json!({"name": "ci", "expiration": "12h", "role_descriptors": {"shop": {"applications": [
                    {"application": "shop", "privileges": ["read"], "resources": ["*"]}]}}}),
            ),
            (
                r#"name=ci&life=never&rights=json&role_descriptors={"r":{}}&metadata={"team":"red"}"#,
                json!({"name": "ci", "expiration": null, "role_descriptors": {"r": {}}, "metadata": {"team": "red"}}),
            ),
            ("name=ci&life=1d&rights=all&all_confirmed=on", json!({"name": "ci", "expiration": "1d"})),
        ] {
            assert_eq!(form(fields).body(), Ok(expected), "{fields}");
        }
    }

    #[test]
    fn all_mistakes_are_told_at_their_places() {
        let problems = form("life=other&other_life=soon&rights=all&metadata=[1]").body().unwrap_err();
        let FormProblems { name, life, rights, metadata, whole } = problems;
        assert!([name, life, rights, metadata].iter().all(Option::is_some));
        assert_eq!(whole, None);
    }

    #[test]
    fn no_key_gets_all_rights_by_a_slip() {
        for fields in [
            "name=ci&life=1d",
            "name=ci&life=1d&rights=all",
            "name=ci&life=1d&rights=json&role_descriptors={}",
            "name=ci&life=1d&rights=labels&labels=,",
            "name=ci&life=1d&rights=application&application=shop",
        ] {
            assert!(form(fields).body().unwrap_err().rights.is_some(), "{fields}");
        }
    }

    #[test]
    fn a_time_that_is_typed_and_not_chosen_is_a_mistake() {
        let problems = form("name=ci&life=90d&other_life=5d&labels=r").body().unwrap_err();
        assert!(problems.life.unwrap().contains("not chosen"));
    }

    #[test]
    fn a_mistake_in_json_is_told_with_its_place() {
        let problems = form("name=ci&life=1d&rights=json&role_descriptors={%0A\"r\":}").body().unwrap_err();
        assert_eq!(problems.rights.unwrap(), "This is no JSON: expected value at line 2 column 5.");
    }

    #[test]
    fn only_a_number_and_a_unit_is_a_duration() {
        for (text, expected) in [
            ("12h", true),
            ("0d", false),
            ("1d", true),
            ("d", false),
            ("12", false),
            ("12w", false),
            ("-1d", false),
            ("1dd", false),
        ] {
            assert_eq!(is_duration(text), expected, "{text}");
        }
    }
}

//! What a request says about a new key: the body of a create request, and the object `api_key` of a grant.

use latchkey_elastic::TimeValue;
use latchkey_elastic::content::object_parser::{Field, ObjectParser};
use latchkey_elastic::content::{Node, Token};
use latchkey_elastic::{ErrorCause, ValidationProblems};
use latchkey_privileges::role_descriptor::RoleDescriptors;
use serde_json::{Map, Value};

use crate::api::api_key::lifetime::KeyEnd;
use crate::limits::KEY_NAME_LEN_MAX;

/// What is asked.
#[derive(Debug, Default)]
pub(super) struct KeyRequest {
    pub(super) name: String,
    pub(super) end: KeyEnd,
    pub(super) role_descriptors: RoleDescriptors,
    pub(super) metadata: Map<String, Value>,
}

/// What the object says.
#[derive(Debug, Default)]
struct KeyBody {
    name: String,
    /// Absent, or `null`, or a duration.
    expiration: Option<Option<String>>,
    role_descriptors: RoleDescriptors,
    metadata: Map<String, Value>,
}

const PARSER: ObjectParser<KeyBody> = ObjectParser::new(
    "api_key_request",
    &[
        Field::string("name", |body: &mut KeyBody, name| body.name = name).required(),
        Field::object("role_descriptors", |body: &mut KeyBody, node| {
            body.role_descriptors = RoleDescriptors::parse(node)?;
            Ok(())
        }),
        // Elasticsearch accepts `null` for clones only. Here `null` also means "never" if the settings give
        // keys a default lifetime.
        Field::string_or_null("expiration", |body: &mut KeyBody, text| body.expiration = Some(text)),
        Field::node("metadata", &[Token::StartObject], |body: &mut KeyBody, node| {
            body.metadata = metadata(node);
            Ok(())
        }),
    ],
);

impl KeyRequest {
    /// Reads such an object.
    ///
    /// An expiration that is not a duration is an error of the whole request, not of its field.
    pub(super) fn parse(node: &Node) -> Result<Self, ErrorCause> {
        PARSER.parse_into(node, |body| {
            let end = body.expiration.map_or(Ok(KeyEnd::Unsaid), |said| KeyEnd::said(said.as_deref()))?;
            Ok(Self {
                name: body.name,
                end,
                role_descriptors: body.role_descriptors,
                metadata: body.metadata,
            })
        })
    }

    /// All problems of the request.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = ValidationProblems::new();
        add_problems_of_name(&mut problems, &self.name);
        add_problems_of_metadata(&mut problems, &self.metadata);
        problems.extend(self.role_descriptors.problems());
        problems.problems().to_vec()
    }
}

/// An object in the form in which it is stored. It is empty for other values, which the parsers refuse.
pub(super) fn metadata(node: &Node) -> Map<String, Value> {
    match node.to_value() {
        Value::Object(metadata) => metadata,
        _ => Map::new(),
    }
}

pub(super) fn expiration(text: Option<&str>) -> Result<Option<TimeValue>, ErrorCause> {
    text.map(|text| TimeValue::parse(text, "expiration")).transpose()
}

pub(super) fn add_problems_of_name(problems: &mut ValidationProblems, name: &str) {
    if name.is_empty() {
        problems.add("api key name is required");
        return;
    }
    // Elasticsearch counts UTF-16 units, and trims as Java's `String#trim` does: ASCII characters only.
    let len = name.encode_utf16().count();
    problems.add_if(
        len > KEY_NAME_LEN_MAX,
        &format!("api key name may not be more than {KEY_NAME_LEN_MAX} characters long"),
    );
    problems.add_if(
        name.trim_matches(|letter| letter <= ' ') != name,
        "api key name may not begin or end with whitespace",
    );
    problems.add_if(name.starts_with('_'), "api key name may not begin with an underscore");
}

pub(super) fn add_problems_of_metadata(problems: &mut ValidationProblems, metadata: &Map<String, Value>) {
    problems.add_if(
        metadata.keys().any(|name| name.starts_with('_')),
        "API key metadata keys may not start with [_]",
    );
}

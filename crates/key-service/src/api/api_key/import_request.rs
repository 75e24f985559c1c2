//! The body of an import: keys that were made elsewhere, and whose they are to be.

use std::iter::successors;

use latchkey_elastic::ErrorCause;
use latchkey_elastic::content::object_parser::{Field, ObjectParser};
use latchkey_elastic::content::{Node, Token};
use latchkey_key_feed::{KeyId, KeySecret, OpaqueDigest, UnixMillis, check_opaque};
use latchkey_privileges::role_descriptor::RoleDescriptors;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::api::api_key::key_request::{KeyRequest, metadata};
use crate::api::api_key::lifetime::KeyEnd;
use crate::limits::{KEY_STRENGTH_BITS_MIN, KEYS_IMPORTED_MAX};
use crate::security::key_strength::strength_bits;

/// What stands in a path where an id may stand, and is none.
const WORDS_OF_PATHS: [&str; 4] = [".", "..", "grant", "clone"];

/// What is asked.
#[derive(Debug)]
pub(super) struct ImportRequest {
    /// Of a key that is no object as it must be, what is wrong with it.
    pub(super) keys: Vec<Result<ImportedKey, String>>,
}

/// A key that was made elsewhere.
#[derive(Debug)]
pub(super) struct ImportedKey {
    /// What a client presents; where it cannot be a key, what is wrong with it.
    pub(super) credential: Result<ImportedCredential, String>,
    /// The username of the owner.
    pub(super) owner: String,
    pub(super) key: KeyRequest,
}

/// What a client presents.
#[derive(Debug)]
pub(super) enum ImportedCredential {
    IdSecret(KeyId, KeySecret),
    Opaque(OpaqueDigest),
}

#[derive(Default)]
struct ImportBody {
    allow_weak_keys: bool,
    keys: Vec<Result<KeyBody, String>>,
}

/// What an object says. The text of a key is a secret, so it can neither be printed nor copied.
#[derive(Default)]
struct KeyBody {
    key: Option<Zeroizing<String>>,
    digest: Option<Zeroizing<String>>,
    owner: String,
    name: String,
    end: KeyEnd,
    role_descriptors: RoleDescriptors,
    metadata: Map<String, Value>,
}

const KEY_PARSER: ObjectParser<KeyBody> = ObjectParser::new(
    "imported_api_key",
    &[
        Field::string("key", |body: &mut KeyBody, text| body.key = Some(Zeroizing::new(text))),
        Field::string("digest", |body: &mut KeyBody, text| body.digest = Some(Zeroizing::new(text))),
        Field::string("owner", |body: &mut KeyBody, text| body.owner = text).required(),
        Field::string("name", |body: &mut KeyBody, text| body.name = text).required(),
        Field::object("role_descriptors", |body: &mut KeyBody, node| {
            body.role_descriptors = RoleDescriptors::parse(node)?;
            Ok(())
        }),
        Field::node(
            "expiration",
            &[Token::ValueString, Token::ValueNumber, Token::ValueNull],
            |body: &mut KeyBody, node| {
                body.end = end(node)?;
                Ok(())
            },
        ),
        Field::node("metadata", &[Token::StartObject], |body: &mut KeyBody, node| {
            body.metadata = metadata(node);
            Ok(())
        }),
    ],
);

const PARSER: ObjectParser<ImportBody> = ObjectParser::new(
    "import_api_keys_request",
    &[
        Field::boolean("allow_weak_keys", |body: &mut ImportBody, allowed| body.allow_weak_keys = allowed),
        Field::node("keys", &[Token::StartArray], |body: &mut ImportBody, node| {
            let nodes = node.elements().unwrap_or_default();
            // Before more of them are read than may be.
            if nodes.len() > KEYS_IMPORTED_MAX {
                return Err(ErrorCause::illegal_argument(format!(
                    "[keys] must not hold more than {KEYS_IMPORTED_MAX} keys"
                )));
            }
            body.keys =
                nodes.iter().map(|node| KEY_PARSER.parse(node).map_err(|cause| told(&cause))).collect();
            Ok(())
        })
        .required(),
    ],
);

/// Reads a body. What is wrong with a single key is said with the others.
pub(super) fn read(body: &Node) -> Result<ImportRequest, ErrorCause> {
    let ImportBody { allow_weak_keys, keys } = PARSER.parse(body)?;
    if keys.is_empty() {
        return Err(ErrorCause::illegal_argument("[keys] must not be empty"));
    }
    let keys = keys.into_iter().map(|key| key.map(|key| key.checked(allow_weak_keys)));
    Ok(ImportRequest { keys: keys.collect() })
}

/// A complaint of a parser, with what caused it. Parsers quote names, and no values.
fn told(cause: &ErrorCause) -> String {
    let causes = successors(Some(cause), |cause| cause.cause());
    causes.map(ErrorCause::reason).collect::<Vec<_>>().join(": ")
}

/// A duration from now, a moment in milliseconds since 1970, or never.
fn end(node: &Node) -> Result<KeyEnd, ErrorCause> {
    if node.token() != Token::ValueNumber {
        return KeyEnd::said(node.as_str());
    }
    let moment = node.to_compact_json().parse().map(UnixMillis);
    moment.map(KeyEnd::At).map_err(|_| {
        ErrorCause::illegal_argument(
            "[expiration] must be a duration, such as [30d], or a moment in milliseconds since 1970",
        )
    })
}

impl KeyBody {
    fn checked(self, allow_weak_keys: bool) -> ImportedKey {
        let credential = match (&self.key, &self.digest) {
            (Some(text), None) => credential_of(text, allow_weak_keys),
            (None, Some(digest)) => OpaqueDigest::parse(digest)
                .map(ImportedCredential::Opaque)
                .ok_or_else(|| "the digest is not sha256: and 64 hexadecimal digits".to_owned()),
            _ => Err("there must be either a key or a digest".to_owned()),
        };
        let Self { owner, name, end, role_descriptors, metadata, .. } = self;
        ImportedKey { credential, owner, key: KeyRequest { name, end, role_descriptors, metadata } }
    }
}

/// A text with a colon is an id and a secret, and any other is opaque.
fn credential_of(text: &str, allow_weak_keys: bool) -> Result<ImportedCredential, String> {
    let (secret, credential) = match text.split_once(':') {
        Some((id, secret)) => {
            let id = KeyId::try_from(id).map_err(|invalid| invalid.to_string())?;
            refuse_odd_id(id.as_str())?;
            if text.contains(char::is_control) {
                return Err("the secret holds a control character".to_owned());
            }
            let presented = KeySecret::presented(secret.as_bytes().to_vec());
            (secret, ImportedCredential::IdSecret(id, presented))
        }
        None => {
            check_opaque(text).map_err(|why| format!("the key {why}"))?;
            (text, ImportedCredential::Opaque(OpaqueDigest::of(text.as_bytes())))
        }
    };
    let bits = strength_bits(secret);
    if bits < KEY_STRENGTH_BITS_MIN && !allow_weak_keys {
        return Err(format!(
            "the key is weak: by its length and alphabet it has {bits} bits, and {KEY_STRENGTH_BITS_MIN} are the least that is taken"
        ));
    }
    Ok(credential)
}

/// Refuses ids by which nobody could name the key: in a path they would be something else, and in a terminal or a header
/// they would be shown as something else. Ids that the service draws are of letters, digits, `-` and `_`.
fn refuse_odd_id(id: &str) -> Result<(), String> {
    if !id.chars().all(|letter| letter.is_ascii_graphic()) {
        return Err("the id has other than visible characters of ASCII".to_owned());
    }
    if id.contains(['/', '\\', '?', '#', '%', ',', '"']) {
        return Err(
            "the id has a character that has a meaning of its own in paths or lists: / \\ ? # % , or \""
                .to_owned(),
        );
    }
    if id.starts_with('_') || WORDS_OF_PATHS.contains(&id) {
        return Err(format!(
            "the id is a word of paths: it is none of {}, and begins with no _",
            WORDS_OF_PATHS.join(", ")
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(key: &str, allow_weak_keys: bool) -> Option<String> {
        let text =
            format!(r#"{{"allow_weak_keys":{allow_weak_keys},"keys":[{{"owner":"o","name":"n",{key}}}]}}"#);
        let request = read(&Node::parse_required(text.as_bytes()).unwrap()).unwrap();
        request.keys.into_iter().next().unwrap().unwrap().credential.err()
    }

    #[test]
    fn a_key_is_an_id_and_a_secret_or_opaque_or_known_by_its_digest() {
        for key in [
            r#""key":"VuaCfGcBCdbkQm-e5aOx:ui2lp2axTNmsyakw9tvNnw""#,
            r#""key":"5f0f3b0c-55aa-4c1f-9a4e-6b1d2a7c8e90""#,
            r#""digest":"sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824""#,
        ] {
            assert_eq!(problem(key, false), None, "{key}");
        }
        for (key, words) in [
            (r#""metadata":{}"#, "either a key or a digest"),
            (r#""key":"a","digest":"b""#, "either a key or a digest"),
            (r#""digest":"sha256:2cf2""#, "the digest is not"),
            (r#""key":":secret""#, "a key id is not empty"),
            (r#""key":"id:sec\u0007ret""#, "a control character"),
            (r#""key":"..:ui2lp2axTNmsyakw9tvNnw""#, "a word of paths"),
            (r#""key":"grant:ui2lp2axTNmsyakw9tvNnw""#, "a word of paths"),
            (r#""key":"_bulk_update:ui2lp2axTNmsyakw9tvNnw""#, "a word of paths"),
            (r#""key":"a\u202eb:ui2lp2axTNmsyakw9tvNnw""#, "visible characters of ASCII"),
            (r#""key":"a\u0007b:ui2lp2axTNmsyakw9tvNnw""#, "visible characters of ASCII"),
            (r#""key":"a b:ui2lp2axTNmsyakw9tvNnw""#, "visible characters of ASCII"),
            (r#""key":"a/b:ui2lp2axTNmsyakw9tvNnw""#, "a meaning of its own"),
            (r#""key":"with space""#, "visible characters"),
            (r#""key":"VnVhQ2ZHY0JDZGJrUW0tZTVhT3g6dWkybHAyYXhUTm1zeWFrdzl0dk5udw==""#, "an id and a secret"),
            (r#""key":"hunter2hunter2""#, "it has 39 bits, and 96"),
            (r#""key":"some-id:hunter2hunter2""#, "it has 39 bits, and 96"),
        ] {
            let found = problem(key, false).unwrap_or_default();
            assert!(found.contains(words), "{key}: {found}");
        }
        assert_eq!(problem(r#""key":"hunter2hunter2""#, true), None);
    }

    #[test]
    fn a_key_that_is_no_such_object_is_told_with_the_others() {
        let text = r#"{"keys":[{"owner":"o","name":"n","key":"k"},{"owner":"o","nam":"n"},7,{"name":"n"},
            {"owner":"o","name":"n","role_descriptors":{"r":{"clutser":[]}}}]}"#;
        let keys = read(&Node::parse_required(text.as_bytes()).unwrap()).unwrap().keys;
        let told: Vec<_> = keys.iter().map(|key| key.as_ref().err().map(String::as_str)).collect();
        let [None, Some(field), Some(number), Some(required), Some(role)] = told.as_slice() else {
            panic!("{told:?}")
        };
        assert!(field.contains("unknown field [nam]"), "{field}");
        assert!(number.contains("[imported_api_key]"), "{number}");
        assert!(required.contains("Required [owner]"), "{required}");
        assert!(role.contains("unexpected field [clutser]"), "{role}");
    }

    #[test]
    fn a_request_has_some_keys_and_not_too_many() {
        let count_read = |count: usize| {
            let keys = vec![r#"{"owner":"o","name":"n","key":"k"}"#; count].join(",");
            let body = Node::parse_required(format!(r#"{{"keys":[{keys}]}}"#).as_bytes()).unwrap();
            read(&body).map(|request| request.keys.len())
        };
        assert_eq!(count_read(KEYS_IMPORTED_MAX).unwrap(), KEYS_IMPORTED_MAX);
        assert!(count_read(KEYS_IMPORTED_MAX + 1).is_err());
        assert!(count_read(0).is_err());
    }
}

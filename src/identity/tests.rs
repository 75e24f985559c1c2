use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::credential::CredentialSources;
use crate::headers::HeaderPairs;
use crate::limits::HEADER_NAME_LEN_MAX;

/// A key that tells the same text wherever it has something to tell.
struct Key {
    silent: Vec<IdentityField>,
    metadata: &'static [(&'static str, &'static str)],
}

const TOLD: &str = "from-the-table";

impl KeyIdentity for Key {
    fn value(&self, field: IdentityField) -> Option<&str> {
        if self.silent.contains(&field) { None } else { Some(TOLD) }
    }

    fn metadata(&self, path: &str, _claims: bool) -> Option<&str> {
        self.metadata.iter().find(|(known, _)| *known == path).map(|(_, value)| *value)
    }
}

const KEY: Key = Key { silent: Vec::new(), metadata: &[("team.name", TOLD), ("empty", "")] };

fn pairs(headers: &[(&str, &str)]) -> HeaderPairs {
    headers.iter().copied().collect()
}

/// The default headers of some fields and no others.
fn telling(fields: &[IdentityField], metadata: &[(&str, &str)]) -> IdentityHeaders {
    let fields =
        fields.iter().map(|field| (field.default_header().to_owned(), IdentitySource::Field(*field)));
    let metadata = metadata.iter().map(|(name, path)| ((*name).to_owned(), metadata_at(path)));
    IdentityHeaders::new(fields.chain(metadata).collect(), FilterState::default()).unwrap()
}

fn metadata_at(path: &str) -> IdentitySource {
    IdentitySource::Metadata { path: path.to_owned(), claims: false }
}

fn removal(name: &[u8]) -> HeaderEdit<'_> {
    HeaderEdit::Remove(Cow::Borrowed(name))
}

/// What the host makes of the edits: it compares names in any case, and removes all copies.
fn apply(client: &HeaderPairs, edits: &[HeaderEdit<'_>]) -> HeaderPairs {
    let mut headers: Vec<_> = client.iter().collect();
    for edit in edits {
        let name = match edit {
            HeaderEdit::Remove(name) => &**name,
            HeaderEdit::Replace(name, _) | HeaderEdit::Add(name, _) => name.as_bytes(),
        };
        if !matches!(edit, HeaderEdit::Add(..)) {
            headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        }
        match edit {
            HeaderEdit::Remove(_) => {}
            HeaderEdit::Replace(_, value) => headers.push((name, value)),
            HeaderEdit::Add(_, value) => headers.push((name, value.as_bytes())),
        }
    }
    headers.into_iter().collect()
}

#[track_caller]
fn problem(name: &str) -> Option<InvalidHeaderName> {
    let source = IdentitySource::Field(IdentityField::Id);
    IdentityHeaders::new(vec![(name.to_owned(), source)], FilterState::default())
        .err()
        .map(|mut all| all.remove(0).1)
}

#[test]
fn tells_the_identity_of_an_admitted_key() {
    let headers = telling(&[IdentityField::Id, IdentityField::Roles], &[("x-team", "team.name")]);
    let client = pairs(&[(":path", "/"), ("accept", "*/*")]);
    assert_eq!(
        headers.edits(&client, Some(&KEY), Vec::new()),
        [
            HeaderEdit::Add("x-api-key-id", TOLD),
            HeaderEdit::Add("x-api-key-roles", TOLD),
            HeaderEdit::Add("x-team", TOLD)
        ]
    );
}

#[test]
fn removes_identity_headers_a_client_sent() {
    let headers = telling(&[IdentityField::Id], &[]);
    let client = pairs(&[("x-api-key-id", "admin"), ("x_api_key_id", "admin"), ("X.API-KEY_ID", "admin")]);
    assert_eq!(
        headers.edits::<Key>(&client, None, Vec::new()),
        [removal(b"x-api-key-id"), removal(b"x_api_key_id"), removal(b"X.API-KEY_ID")]
    );
    // Ours is added after all copies and look-alikes are gone.
    assert_eq!(
        headers.edits(&client, Some(&KEY), Vec::new()),
        [
            removal(b"x-api-key-id"),
            removal(b"x_api_key_id"),
            removal(b"X.API-KEY_ID"),
            HeaderEdit::Add("x-api-key-id", TOLD)
        ]
    );
}

#[test]
fn removes_the_header_of_a_field_that_has_nothing_to_tell() {
    let headers = telling(&[IdentityField::Expiration], &[("x-team", "no.such"), ("x-empty", "empty")]);
    let eternal = Key { silent: vec![IdentityField::Expiration], ..KEY };
    let client = pairs(&[("x-api-key-expiration", "1"), ("x-team", "a"), ("x-empty", "b")]);
    assert_eq!(
        headers.edits(&client, Some(&eternal), Vec::new()),
        [removal(b"x-api-key-expiration"), removal(b"x-team"), removal(b"x-empty")]
    );
}

#[test]
fn a_field_that_is_switched_off_is_never_set_and_still_removed() {
    let headers = telling(&[], &[]);
    let client = pairs(&[("x-api-key-owner", "root"), ("x-api-key-owner", "admin")]);
    assert_eq!(headers.edits(&client, Some(&KEY), Vec::new()), [removal(b"x-api-key-owner")]);
    assert!(headers.edits(&pairs(&[]), Some(&KEY), Vec::new()).is_empty());
}

#[test]
fn another_header_may_take_the_name_of_a_field_that_is_switched_off() {
    let headers = telling(&[], &[("x-api-key-name", "team.name")]);
    assert_eq!(
        headers.edits(&HeaderPairs::default(), Some(&KEY), Vec::new()),
        [HeaderEdit::Add("x-api-key-name", TOLD)]
    );
}

#[test]
fn nothing_is_edited_without_need() {
    let client = pairs(&[(":path", "/"), ("x-api-key", "k"), ("x-api-key-ids", "k"), ("cookie", "a=b")]);
    assert!(IdentityHeaders::default().edits::<Key>(&client, None, Vec::new()).is_empty());
}

#[test]
fn the_credential_goes_unless_it_is_to_be_forwarded() {
    let headers = telling(&[], &[]);
    let client = pairs(&[("authorization", "ApiKey aWQ6c2VjcmV0")]);
    let sources = CredentialSources::default();
    let stripped = || sources.strip(&client);
    assert_eq!(headers.edits(&client, Some(&KEY), stripped()), [removal(b"authorization")]);
    assert_eq!(headers.edits::<Key>(&client, None, stripped()), [removal(b"authorization")]);
    assert!(headers.edits(&client, Some(&KEY), Vec::new()).is_empty());
}

#[test]
fn a_credential_of_another_scheme_is_the_upstreams() {
    let client = pairs(&[("authorization", "Basic YTpi")]);
    let sources = CredentialSources::default();
    let stripped = sources.strip(&client);
    assert!(IdentityHeaders::default().edits::<Key>(&client, None, stripped).is_empty());
}

#[test]
fn owns_its_names_in_any_spelling_and_no_others() {
    let headers = telling(&[], &[("x_team.name", "team.name")]);
    for name in ["x-api-key-id", "X_Api.Key-Id", "x~api~key~id", "x-team-name", "x_team.name"] {
        assert!(headers.is_owned(name.as_bytes()), "{name}");
    }
    for name in ["", "x-api-key", "xapikeyid", "x-api-key-id-", "x-team"] {
        assert!(!headers.is_owned(name.as_bytes()), "{name}");
    }
}

#[test]
fn refuses_names_that_are_no_header_names() {
    assert_eq!(problem(""), Some(InvalidHeaderName::Empty));
    assert_eq!(problem("X-Owner"), Some(InvalidHeaderName::BadCharacter));
    assert_eq!(problem("x owner"), Some(InvalidHeaderName::BadCharacter));
    assert_eq!(problem("x-owner\r\n"), Some(InvalidHeaderName::BadCharacter));
    assert_eq!(problem("x-öwner"), Some(InvalidHeaderName::BadCharacter));
    assert_eq!(problem(&"x".repeat(HEADER_NAME_LEN_MAX)), None);
    assert_eq!(problem(&"x".repeat(HEADER_NAME_LEN_MAX + 1)), Some(InvalidHeaderName::TooLong));
}

#[test]
fn refuses_names_that_mean_something_else() {
    for name in [
        ":path",
        "authorization",
        "host",
        "origin",
        "content_length",
        "x-forwarded-for",
        "x-envoy-",
        "x_envoy.force-trace",
    ] {
        assert_eq!(problem(name), Some(InvalidHeaderName::Reserved), "{name}");
    }
    for name in ["x-owner", "hosts", "x-envoy", "x-forwarded-user", "es-security-runas-user"] {
        assert_eq!(problem(name), None, "{name}");
    }
}

#[test]
fn refuses_two_names_that_look_alike_and_says_which() {
    let source = || metadata_at("a");
    let names = ["x-a", "Bad", "x_a", "x-b"].map(|name| (name.to_owned(), source())).to_vec();
    assert_eq!(
        IdentityHeaders::new(names, FilterState::default()).unwrap_err(),
        [(1, InvalidHeaderName::BadCharacter), (2, InvalidHeaderName::LooksLikeAnother)]
    );
}

#[test]
fn the_default_names_are_what_the_constructor_would_accept() {
    let made = telling(&IdentityField::told_by_default(), &[]);
    let sorted = |mut headers: IdentityHeaders| {
        headers.owned.sort_by(|one, other| one.name.cmp(&other.name));
        headers
    };
    assert_eq!(sorted(made), sorted(IdentityHeaders::default()));
}

#[test]
fn a_field_in_a_header_of_another_name_leaves_its_default_name_to_nobody() {
    for field in IdentityField::ALL {
        let renamed = vec![("x-user".to_owned(), IdentitySource::Field(field))];
        let headers = IdentityHeaders::new(renamed, FilterState::default()).unwrap();
        for name in IdentityField::ALL.map(IdentityField::default_header) {
            let look_alike = name.replace('-', "_");
            let client = pairs(&[(name, "root"), (&look_alike, "root")]);
            let upstream = apply(&client, &headers.edits(&client, Some(&KEY), Vec::new()));
            assert_eq!(upstream, pairs(&[("x-user", TOLD)]), "{field:?} renamed, {name} sent");
        }
    }
}

#[test]
fn the_table_holds_what_is_told_and_nothing_else() {
    let texts = |headers: &IdentityHeaders| headers.record_shape().texts().to_vec();
    let nothing = FilterState { fields: vec![IdentityField::Id], claimed_id: true, rule: false };
    let silent = IdentityHeaders::new(Vec::new(), nothing).unwrap();
    assert!(texts(&silent).is_empty());
    let state = FilterState { fields: vec![IdentityField::Owner], claimed_id: false, rule: false };
    let told = [
        ("x-a", metadata_at("a")),
        ("x-b", metadata_at("a")),
        ("x-c", IdentitySource::Field(IdentityField::Name)),
    ];
    let told = told.map(|(name, source)| (name.to_owned(), source)).to_vec();
    let expected =
        [RecordText::Name, RecordText::Owner, RecordText::Metadata { path: "a".to_owned(), claims: false }];
    assert_eq!(texts(&IdentityHeaders::new(told, state).unwrap()), expected);
    assert!(!texts(&IdentityHeaders::default()).contains(&RecordText::ClaimedRoles));
}

/// A name that is, looks like, or is not an owned one.
fn client_name() -> impl Strategy<Value = String> {
    let owned: Vec<&str> = IdentityField::ALL.map(IdentityField::default_header).to_vec();
    let look_alike = (prop::sample::select(owned), prop::collection::vec((any::<bool>(), 0..4_usize), 24))
        .prop_map(|(name, changes)| {
            let spelt = name.bytes().zip(changes).map(|(byte, (capital, separator))| match byte {
                b'-' => char::from(b"-_.-"[separator]),
                _ if capital => char::from(byte.to_ascii_uppercase()),
                _ => char::from(byte),
            });
            spelt.collect()
        });
    prop_oneof![4 => look_alike, 1 => "[a-z._-]{1,20}", 1 => Just("authorization".to_owned())]
}

proptest! {
    #[test]
    fn no_owned_header_reaches_the_upstream_with_a_clients_value(
        names in prop::collection::vec(client_name(), 0..12),
        told in prop::collection::vec(any::<bool>(), 9),
        silent in prop::collection::vec(any::<bool>(), 9),
        admitted in any::<bool>(),
        forward_credential in any::<bool>(),
    ) {
        let chosen = |choice: &[bool]| -> Vec<IdentityField> {
            IdentityField::ALL.into_iter().zip(choice).filter(|(_, is)| **is).map(|(field, _)| field).collect()
        };
        let headers = telling(&chosen(&told), &[]);
        let key = Key { silent: chosen(&silent), metadata: &[] };
        let client: HeaderPairs = names.iter().map(|name| (name, "ApiKey made up")).collect();
        let sources = CredentialSources::default();
        let stripped = if forward_credential { Vec::new() } else { sources.strip(&client) };
        let edits = headers.edits(&client, admitted.then_some(&key), stripped);
        let upstream = apply(&client, &edits);

        let owned: Vec<_> = upstream.iter().filter(|(name, _)| headers.is_owned(name)).collect();
        prop_assert!(owned.iter().all(|(_, value)| *value == TOLD.as_bytes()));
        let expected = if admitted { told.iter().zip(&silent).filter(|(told, silent)| **told && !**silent).count() } else { 0 };
        prop_assert_eq!(owned.len(), expected);
        prop_assert_eq!(owned.iter().map(|(name, _)| name).collect::<HashSet<_>>().len(), expected);

        let foreign = |pairs: &HeaderPairs| pairs.iter().filter(|(name, _)| !headers.is_owned(name)
            && (forward_credential || *name != b"authorization")).collect::<HeaderPairs>();
        prop_assert_eq!(foreign(&upstream), foreign(&client));
        prop_assert!(forward_credential || upstream.iter().all(|(name, _)| name != b"authorization"));

        for (index, edit) in edits.iter().enumerate() {
            if let HeaderEdit::Remove(name) = edit {
                prop_assert!(client.iter().any(|(sent, _)| sent == &**name));
                prop_assert!(!edits[..index].iter().any(|other| other.removes(name)));
            }
        }
    }
}

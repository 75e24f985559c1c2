use super::super::declared::{DeclaredSecret, End};
use super::*;

fn read_at(text: &str, directory: &Path) -> (Declared, Vec<String>) {
    let mut mistakes = Vec::new();
    let declared = read(text, directory, &mut mistakes);
    mistakes.sort_by_key(|mistake| mistake.line);
    (declared, mistakes.into_iter().map(|it| format!("{}: {}", it.line, it.problem)).collect())
}

#[test]
fn the_sample_is_read_whole() {
    let sample = include_str!("../../../../../../../deploy/keys.yaml");
    let (declared, mistakes) = read_at(sample, Path::new("gate"));
    assert_eq!(mistakes, Vec::<String>::new());
    assert_eq!(declared.set.unwrap().value, "shop");
    assert_eq!(declared.roles["orders-clerk"].value.applications[0].privileges, ["write"]);
    let write = ("orders".to_owned(), "write".to_owned());
    assert_eq!(declared.privileges[&write].value.actions, ["orders:read", "orders:write"]);
    let owner = &declared.owners["team-shop"].value;
    assert_eq!(
        (&owner.roles[..], owner.full_name.as_deref()),
        (&["orders-clerk".to_owned()][..], Some("The shop"))
    );
    let [checkout, returns] = declared.keys.as_slice() else { panic!("two keys") };
    assert_eq!((checkout.owner.as_str(), checkout.name.as_str()), ("team-shop", "checkout"));
    assert_eq!(checkout.end, End::At(4_073_500_800_000));
    let DeclaredSecret::Drawn(Some(file)) = &checkout.secret else { panic!("it is drawn") };
    assert_eq!(file, Path::new("gate/checkout.credential"));
    assert_eq!(returns.end, End::Never);
    assert!(matches!(&returns.secret, DeclaredSecret::Known(digest) if digest.starts_with("sha256:6e60")));
    assert_eq!(returns.role_descriptors.names().collect::<Vec<_>>(), ["clerk"]);
}

#[test]
fn every_mistake_has_its_line() {
    let text = "sets: x\n\
                set: a b\n\
                roles:\n  r: {clutser: [all]}\n  s: {cluster: [monitr]}\n  superuser: {}\n\
                privileges:\n  orders:\n    read: {}\n\
                owners:\n  team: {full_name: 7, role: [r]}\n  \" spaced\": {roles: [], metadata: {latchkey_apply: x}}\n\
                users:\n  alice: [r]\n  team: {roles: [r]}\n\
                keys:\n- {owner: team, roles: [a], all_owner_rights: true}\n- {name: n, owner: team, roles: []}\n\
                - {name: n, owner: team, role_descriptors: {a: {cluster: [monitr]}}, digest: md5}\n\
                - {name: m, owner: team, roles: [a], expiration: soon, key_file: absent, credential_file: c}\n";
    let (_, mistakes) = read_at(text, Path::new("."));
    let expected = [
        "1: the file has no field sets",
        "2: a set has a name of",
        "4: the role r: failed to parse role [r]",
        "5: the role s: unknown cluster privilege [monitr]; did you mean monitor?",
        "6: the role superuser: Role [superuser] is reserved",
        "9: the privilege read: Application privileges must have",
        "11: an owner has no field role;",
        "11: the owner team has no roles",
        "12: the field latchkey_apply of metadata is written by this command",
        "12: ",
        "14: a user must be an object",
        "15: team is declared among owners and among users",
        "17: the key has no name",
        "17: the key says what it may do by one of",
        "18: the key has an empty list of roles",
        "19: unknown cluster privilege [monitr]; did you mean monitor?",
        "19: the digest is not sha256:",
        "19: the key has the owner and name of the key of line 18",
        "20: the key has an expiration",
        "20: could not read ./absent",
        "20: the key has one of digest, key_file and credential_file",
    ];
    assert_eq!(mistakes.len(), expected.len(), "{mistakes:#?}");
    for expected in expected {
        assert!(mistakes.iter().any(|it| it.starts_with(expected)), "{expected}\n{mistakes:#?}");
    }
}

#[test]
fn what_is_no_yaml_is_told_with_its_line_and_what_is_empty_is_said_to_be() {
    let told = |text: &str| read_at(text, Path::new(".")).1.join("\n");
    assert_eq!(told("set: x\nkeys: {\n"), "2: the file: Unreadable YAML");
    assert_eq!(told("[]"), "1: the file must be an object");
    assert!(told("").starts_with("1: the file"), "{}", told(""));
    assert_eq!(told("set: x\nkeys:\n"), "2: keys must be a list");
}

#[test]
fn a_key_is_read_from_its_file_and_is_not_shown() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("old.key"), "5f0f3b0c-55aa-4c1f-9a4e-6b1d2a7c8e90\n").unwrap();
    std::fs::write(directory.path().join("empty.key"), "\n").unwrap();
    let key = |file: &str| format!("set: x\nkeys:\n- {{owner: o, name: n, roles: [r], key_file: {file}}}");
    let (declared, mistakes) = read_at(&key("old.key"), directory.path());
    assert_eq!(mistakes, Vec::<String>::new());
    assert!(
        matches!(&declared.keys[0].secret, DeclaredSecret::Known(key) if key.as_str() == "5f0f3b0c-55aa-4c1f-9a4e-6b1d2a7c8e90")
    );
    assert_eq!(
        read_at(&key("empty.key"), directory.path()).1,
        ["3: there is no key in empty.key: its first line is empty"]
    );
    let twice = format!("{}\n- {{owner: o, name: m, roles: [r], key_file: old.key}}", key("old.key"));
    assert_eq!(read_at(&twice, directory.path()).1, ["4: the key has the secret of the key of line 3"]);
}

#[test]
fn an_end_is_a_time_from_the_making_or_a_moment() {
    let end = |said: &str| {
        let text = format!("set: x\nkeys:\n- {{owner: o, name: n, roles: [r], expiration: {said}}}");
        let (mut declared, mistakes) = read_at(&text, Path::new("."));
        (declared.keys.remove(0).end, mistakes.len())
    };
    assert_eq!(end("30d"), (End::After(2_592_000), 0));
    assert_eq!(end("2026-01-01"), (End::At(1_767_225_600_000), 0));
    assert_eq!(end("never"), (End::Never, 0));
    assert_eq!(end("0s"), (End::Unsaid, 1));
    assert_eq!(end("[1]"), (End::Unsaid, 1));
    assert_eq!(End::After(60).of_key_made(1_000), Some(61_000));
    assert!(End::At(5).has_passed(5) && !End::At(6).has_passed(5) && !End::After(1).has_passed(u64::MAX));
}

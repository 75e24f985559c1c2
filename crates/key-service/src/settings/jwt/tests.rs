use std::path::Path;

use super::*;
use crate::settings::authentication_settings;
use crate::settings::section::{InvalidFile, Problems};
use crate::settings::sources::Sources;

fn parse(text: &str) -> Result<Vec<JwtRealmSettings>, InvalidFile> {
    let problems = Problems::default();
    let file = Path::new("/etc/latchkey/latchkey.toml");
    let sources = Sources::read(&[], [], Some((file, text)), &problems);
    let mut root = Section::of_sources(&sources, &problems);
    let authc = root.section("xpack").section("security").section("authc");
    let realms = authentication_settings::read(authc, false).jwt_realms;
    problems.none_or(realms)
}

#[test]
fn reads_the_example_of_the_documentation() {
    let lines = include_str!("../jwt.rs").lines().map(|line| line.trim_start_matches("//!"));
    let block = lines.skip_while(|line| *line != " ```toml").skip(1).take_while(|line| *line != " ```");
    let text: String = block.map(|line| format!("{line}\n")).collect();
    let realms = parse(&text).unwrap();
    let [realm] = realms.as_slice() else { panic!("one realm") };
    assert_eq!((realm.name.as_str(), realm.token_type), ("corporate", TokenType::Access));
    assert_eq!(realm.allowed_signature_algorithms, [Algorithm::RS256]);
    assert_eq!(realm.pkc_jwkset_path, Some(JwksLocation::Url("https://id.example.org/keys".to_owned())));
    assert_eq!(realm.claims.allowed_clock_skew, JWT_CLOCK_SKEW_DEFAULT);
    assert_eq!(realm.claims.role_mapping["admins"], ["superuser"]);
    assert_eq!(realm.claims.roles_from_groups, ["key-maker"]);
    assert!(realm.claims.populate_user_metadata);
}

#[test]
fn a_key_set_that_is_no_url_is_a_file_beside_the_settings() {
    let text = r#"
        [xpack.security.authc.realms.jwt.a]
        allowed_issuer = "i"
        allowed_audiences = ["a"]
        pkc_jwkset_path = "keys.json"
        claims.principal = "sub"
    "#;
    let location = parse(text).unwrap()[0].pkc_jwkset_path.clone();
    assert_eq!(location, Some(JwksLocation::File("/etc/latchkey/keys.json".into())));
}

#[test]
fn reports_every_mistake_at_once_and_no_value() {
    let text = r#"
        [xpack.security.authc.realms.jwt.file]
        token_type = "hunter2"
        allowed_signature_algorithms = ["none", "HS512"]
        hmac_key = "hunter2"
        pkc_jwkset_path = "keys.json"
        allowed_clock_skew = "2h"
        role_mapping = { hunters = "hunter2" }
        client_authentication.type = "shared_secret"
        claims.group = "hunter2"
        extra = "hunter2"
        [xpack.security.authc.realms.jwt.b]
        token_type = "access_token"
        allowed_issuer = "i"
        claims.principal = "sub"
        client_authentication = { type = "hunter2", shared_secret = "hunter2" }
        [xpack.security.authc.realms.oidc]
    "#;
    let printed = parse(text).unwrap_err().to_string();
    let paths: Vec<&str> = printed.lines().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(
        paths,
        [
            "xpack.security.authc.realms.jwt.file",
            "xpack.security.authc.realms.jwt.file.token_type",
            "xpack.security.authc.realms.jwt.file.allowed_issuer",
            "xpack.security.authc.realms.jwt.file.allowed_signature_algorithms",
            "xpack.security.authc.realms.jwt.file.hmac_key",
            "xpack.security.authc.realms.jwt.file.pkc_jwkset_path",
            "xpack.security.authc.realms.jwt.file.client_authentication.shared_secret",
            "xpack.security.authc.realms.jwt.file.allowed_audiences",
            "xpack.security.authc.realms.jwt.file.allowed_clock_skew",
            "xpack.security.authc.realms.jwt.file.claims.principal",
            "xpack.security.authc.realms.jwt.file.claims.group",
            "xpack.security.authc.realms.jwt.file.role_mapping.hunters",
            "xpack.security.authc.realms.jwt.file.extra",
            "xpack.security.authc.realms.jwt.b.pkc_jwkset_path",
            "xpack.security.authc.realms.jwt.b.client_authentication.type",
            "xpack.security.authc.realms.jwt.b.client_authentication.shared_secret",
            "xpack.security.authc.realms.jwt.b.allowed_audiences",
            "xpack.security.authc.realms.jwt.b.allowed_subjects",
            "xpack.security.authc.realms.oidc",
        ]
    );
    assert!(!printed.contains("hunter2"), "{printed}");
}

#[test]
fn nothing_secret_is_printed() {
    let text = r#"
        [xpack.security.authc.realms.jwt.a]
        allowed_issuer = "i"
        allowed_audiences = ["a"]
        allowed_signature_algorithms = ["HS256"]
        hmac_key = "hunter2 hunter2 hunter2 hunter2 hunter2"
        client_authentication = { type = "shared_secret", shared_secret = "hunter2" }
        claims.principal = "sub"
    "#;
    assert!(!format!("{:?}", parse(text).unwrap()).contains("hunter2"));
}

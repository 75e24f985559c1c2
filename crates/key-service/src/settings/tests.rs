use std::ffi::OsString;
use std::path::Path;

use super::*;
use crate::security::jwt::JwksLocation;
use crate::security::login_throttle::FailedLoginRate;
use crate::traces::CollectorUrl;

/// What is said, and by whom.
#[derive(Clone, Copy, Default)]
struct Said<'a> {
    flags: &'a [&'a str],
    environment: &'a [(&'a str, &'a str)],
    file: Option<&'a str>,
}

fn read(said: Said<'_>, overrides: Overrides) -> Result<Settings, InvalidFile> {
    let flags: Vec<String> = said.flags.iter().map(ToString::to_string).collect();
    let environment = said.environment.iter().map(|(name, text)| (name.into(), text.into()));
    let environment: Vec<(OsString, OsString)> = environment.collect();
    let file = said.file.map(|text| (Path::new("/etc/latchkey/latchkey.toml"), text));
    let problems = Problems::default();
    let sources = Sources::read(&flags, environment, file, &problems);
    Settings::read(&sources, problems, overrides)
}

fn parse(text: &str) -> Result<Settings, InvalidFile> {
    read(Said { file: Some(text), ..Said::default() }, Overrides::default())
}

/// The directory of a store that is in one.
fn data(settings: &Settings) -> &Path {
    match &settings.store {
        StoreSettings::Directory(directory) => directory,
        StoreSettings::Postgres { .. } => panic!("the store is in no directory"),
    }
}

/// The mistakes, without the file's name where it is said.
fn mistakes(said: Said<'_>) -> Vec<String> {
    let printed = read(said, Overrides::default()).unwrap_err().to_string();
    printed.lines().map(|line| line.replace(" (/etc/latchkey/latchkey.toml)", " (file)")).collect()
}

#[test]
fn reads_the_example_of_the_documentation() {
    let guide = include_str!("../../../../docs/key-service.md");
    for example in [example(include_str!("../settings.rs")), example(guide)] {
        let settings = parse(&example).unwrap();
        assert_eq!(settings.listen, LISTEN_DEFAULT);
        assert_eq!(data(&settings), Path::new("/var/lib/latchkey"));
        assert_eq!(settings.users, Path::new("/etc/latchkey/users.toml"));
        assert_eq!(settings.service, ServiceSettings::default(), "the example shows the defaults");
        assert_eq!(settings.http_ssl, None);
    }
}

/// The first block of TOML in a text, also when it stands in comments.
fn example(text: &str) -> String {
    let lines = text.lines().map(|line| line.trim_start_matches("//!").trim_start());
    let block = lines.skip_while(|line| *line != "```toml").skip(1).take_while(|line| *line != "```");
    block.map(|line| format!("{line}\n")).collect()
}

#[test]
fn reports_every_mistake_at_once_and_no_value() {
    let text = "listen = \"hunter2\"\nusers = 5\nuser = \"hunter2\"\n[xpack.security.authc.api_key]\nenabled = \"hunter2\"\nx = 1\n[xpack.security.authc.api_key.delete]\ninterval = \"hunter2\"\nretention_period = \"-1\"\n";
    assert_eq!(
        mistakes(Said { file: Some(text), ..Said::default() }),
        [
            "listen: must be an address and a port, such as localhost:9200 or 127.0.0.1:9200 (file)",
            "data: is required, or store.url",
            "users: must be a string (file)",
            "xpack.security.authc.api_key.enabled: must be true or false (file)",
            "xpack.security.authc.api_key.delete.interval: must be a duration, such as 24h (file)",
            "xpack.security.authc.api_key.delete.retention_period: must be a duration, such as 24h (file)",
            "xpack.security.authc.api_key.x: is not known; known are enabled, delete (file)",
            "user: is not known; known are listen, data, store, users, answers, api_keys, audit, http, edges, limits, telemetry, console, xpack (file)",
        ]
    );
}

/// The settings and their defaults as `docs/key-service.md` has them.
fn documented() -> Vec<(String, String)> {
    const DOCUMENT: &str = include_str!("../../../../docs/key-service.md");
    let table = DOCUMENT.lines().skip_while(|line| !line.starts_with("| Setting |")).skip(2);
    let rows = table.take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.split(" | ").collect();
        (cells[0].trim_matches(['|', ' ', '`']).to_owned(), cells[2].to_owned())
    })
    .collect()
}

#[test]
fn the_documented_defaults_are_the_defaults() {
    let mut text = "data = \"d\"\nusers = \"u\"\n".to_owned();
    for (setting, default) in documented() {
        // A realm that is mentioned has another place in the order.
        if let Some(value) = default.strip_prefix('`').filter(|_| !setting.contains("realms")) {
            text.push_str(&format!("{setting} = {}\n", value.trim_end_matches('`')));
        }
    }
    let settings = parse(&text).unwrap();
    assert_eq!((settings.listen, settings.service), (LISTEN_DEFAULT, ServiceSettings::default()));
    assert_eq!(settings.http_ssl, None);
    assert_eq!(settings.traces, None);
}

#[test]
fn traces_go_where_the_settings_say() {
    let traces = |said: &str| {
        parse(&format!("data = \"d\"\nusers = \"u\"\n[telemetry.tracing]\n{said}")).unwrap().traces
    };
    let to = |url: &str, sample_percent| {
        Some(TraceSettings { endpoint: CollectorUrl::read(url).unwrap(), sample_percent })
    };
    assert_eq!(traces("enabled = true"), to("http://127.0.0.1:4318", 100));
    let elsewhere = "endpoint = \"https://c.example/\"\nsample_percent = 5\n";
    assert_eq!(traces(&format!("{elsewhere}enabled = true")), to("https://c.example", 5));
    assert_eq!(traces(elsewhere), None, "it is off until somebody says that it is on");
    let wrong = "[telemetry.tracing]\nendpoint = \"http://hunter2@c.example\"\nsample_percent = 101\n";
    let told = mistakes(Said { file: Some(wrong), ..Said::default() }).join("\n");
    for mistake in [
        "telemetry.tracing.endpoint: must be the URL",
        "telemetry.tracing.sample_percent: must be from 0 to 100",
    ] {
        assert!(told.contains(mistake) && !told.contains("hunter2"), "{told}");
    }
}

#[test]
fn every_setting_is_documented_and_no_other() {
    let documented: Vec<String> =
        documented().into_iter().map(|(setting, _)| setting.replace("<name>", "x")).collect();
    let mut sections = vec![String::new()];
    let mut known = Vec::new();
    while let Some(section) = sections.pop() {
        let printed = parse(&format!("{section}zzz = 1")).unwrap_err().to_string();
        // Below a type of realms are the names of realms, which are anybody's choice.
        let known_are = format!("{section}zzz: is not known; known are ");
        let Some(names) = printed.lines().find_map(|line| {
            Some(line.strip_prefix(&known_are)?.strip_suffix(" (/etc/latchkey/latchkey.toml)").unwrap())
        }) else {
            sections.push(format!("{section}x."));
            continue;
        };
        for path in names.split(", ").map(|name| format!("{section}{name}")) {
            let is_section = documented.iter().any(|setting| setting.starts_with(&format!("{path}.")));
            if is_section { sections.push(format!("{path}.")) } else { known.push(path) }
        }
    }
    known.sort_unstable();
    let mut expected = documented;
    expected.sort_unstable();
    assert_eq!(known, expected);
}

#[test]
fn text_that_is_not_toml_is_located_and_not_quoted() {
    let printed = parse("data = \"d\"\npassword = hunter2\n").unwrap_err().to_string();
    assert_eq!(printed, "line 2: not TOML from here on (/etc/latchkey/latchkey.toml)");
}

#[test]
fn the_flag_of_a_setting_wins_over_all_else() {
    let overrides = Overrides { data: Some("/flag".into()), ..Overrides::default() };
    let said = Said { file: Some("data = \"/file\"\nusers = \"u\""), flags: &["data=/E"], ..Said::default() };
    let settings = read(said, overrides).unwrap();
    assert_eq!(data(&settings), Path::new("/flag"));
}

/// Both required settings, said by flags.
const REQUIRED: [&str; 2] = ["data=d", "users=u"];

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let file = "data = \"file\"\nusers = \"file\"\nlisten = \"127.0.0.1:1\"";
    let environment = [("LATCHKEY_SETTING_USERS", "environment"), ("LATCHKEY_SETTING_LISTEN", "127.0.0.1:2")];
    let said = Said { flags: &["listen=127.0.0.1:3"], environment: &environment, file: Some(file) };
    let settings = read(said, Overrides::default()).unwrap();
    assert_eq!(settings.listen, SocketAddr::from(([127, 0, 0, 1], 3)));
    assert_eq!(settings.users, Path::new("environment"), "starts at the current directory");
    assert_eq!(data(&settings), Path::new("/etc/latchkey/file"), "starts at the directory of the file");
}

#[test]
fn a_text_is_read_as_what_the_setting_takes() {
    const AUTHC: &str = "xpack.security.authc";
    for (text, roles) in [
        ("", vec![]),
        ("a", vec!["a"]),
        ("a, b", vec!["a", "b"]),
        ("[\"a\", \"b,c\"]", vec!["a", "b,c"]),
        (" [] ", vec![]),
    ] {
        let roles_flag = format!("{AUTHC}.anonymous.roles={text}");
        let enabled = format!("{AUTHC}.api_key.enabled=false");
        let interval = format!("{AUTHC}.api_key.delete.interval=1h");
        let flags = [
            REQUIRED[0],
            REQUIRED[1],
            &roles_flag,
            &enabled,
            &interval,
            "limits.failed_logins_per_minute= 7 ",
        ];
        let settings = read(Said { flags: &flags, ..Said::default() }, Overrides::default()).unwrap().service;
        let found = settings.anonymous.map(|anonymous| anonymous.roles).unwrap_or_default();
        assert_eq!(found, roles, "{text:?}");
        assert!(!settings.api_keys);
        assert_eq!(settings.removal.interval.as_secs(), 3_600);
        assert_eq!(settings.limits.failed_logins, FailedLoginRate::try_from(7).ok());
    }
}

#[test]
fn the_name_of_a_variable_doubles_underscores_and_has_one_for_a_period() {
    let environment = [
        ("LATCHKEY_SETTING_XPACK_SECURITY_AUTHC_API__KEY_ENABLED", "false"),
        (
            "LATCHKEY_SETTING_XPACK_SECURITY_AUTHC_REALMS_JWT_CORPORATE_ALLOWED__ISSUER",
            "https://id.example.org/",
        ),
        ("LATCHKEY_SETTING_XPACK_SECURITY_AUTHC_REALMS_JWT_CORPORATE_ALLOWED__AUDIENCES", "a,b"),
        ("LATCHKEY_SETTING_XPACK_SECURITY_AUTHC_REALMS_JWT_CORPORATE_PKC__JWKSET__PATH", "keys.json"),
        ("LATCHKEY_SETTING_XPACK_SECURITY_AUTHC_REALMS_JWT_CORPORATE_ROLE__MAPPING_ADMINS", "superuser"),
        ("LATCHKEY_SETTINGS", "is another variable"),
        ("LATCHKEY_LOG", "too"),
    ];
    // A realm may be said in two places, a setting here and a setting there.
    let file = "[xpack.security.authc.realms.jwt.corporate]\nclaims.principal = \"sub\"\nrole_mapping.admins = []\nrole_mapping.all = [\"reader\"]\n";
    let said = Said { flags: &REQUIRED, environment: &environment, file: Some(file) };
    let settings = read(said, Overrides::default()).unwrap();
    assert!(!settings.service.api_keys);
    let [realm] = settings.jwt_realms.as_slice() else { panic!("one realm") };
    assert_eq!(
        (realm.name.as_str(), realm.allowed_issuer.as_str()),
        ("corporate", "https://id.example.org/")
    );
    assert_eq!(realm.claims.allowed_audiences, ["a", "b"]);
    assert_eq!(realm.pkc_jwkset_path, Some(JwksLocation::File("keys.json".into())));
    assert_eq!(realm.claims.role_mapping["admins"], ["superuser"]);
    assert_eq!(realm.claims.role_mapping["all"], ["reader"]);
}

#[test]
fn reports_the_mistakes_of_all_sources_and_who_made_them() {
    let flags =
        ["hunter2", "users", "users=u", "users=hunter2", "answers=hunter2", "lisen=hunter2", "a b=hunter2"];
    let environment = [
        ("LATCHKEY_SETTING_XPACK_SECURITY_AUTHC_API__KEY_ENABLED", "hunter2"),
        ("LATCHKEY_SETTING_XPACK_SECURITY_AUTHC_APIKEY_ENABLED", "hunter2"),
        ("LATCHKEY_SETTING_", "hunter2"),
        ("LATCHKEY_SETTING_listen", "hunter2"),
        ("LATCHKEY_SETTING_LIMITS_TRUSTED__PROXIES", "10.0.0.0/8,hunter2"),
        ("LATCHKEY_SETTING_LIMITS_FAILED__LOGINS__PER__MINUTE", "6001"),
        ("LATCHKEY_SETTING_ANSWERS_PRODUCT__HEADER", "hunter2"),
    ];
    let file = "usrs = \"hunter2\"\n[xpack.security.authc.api_key]\nenabled = 1\n";
    let found = mistakes(Said { flags: &flags, environment: &environment, file: Some(file) });
    let form = "must be the path of a setting, =, and its value";
    let no_name = "is the name of no setting: A to Z, 0 to 9, _ for a period and __ for an underscore";
    let proxies = "not an address, such as 10.0.0.7, nor a block of them, such as 10.0.0.0/8";
    let known = "is not known; known are listen, data, store, users, answers, api_keys, audit, http, edges, limits, telemetry, console, xpack";
    assert_eq!(
        found,
        [
            format!("-E number 1: {form}"),
            format!("-E number 2: {form}"),
            "users: is said twice, or is both a value and a section (-E users)".to_owned(),
            format!("-E number 7: {form}"),
            format!("LATCHKEY_SETTING_: {no_name}"),
            format!("LATCHKEY_SETTING_listen: {no_name}"),
            "data: is required, or store.url".to_owned(),
            "answers: must be a table (-E answers)".to_owned(),
            "limits.failed_logins_per_minute: must be from 0 to 6000 \
             (LATCHKEY_SETTING_LIMITS_FAILED__LOGINS__PER__MINUTE)"
                .to_owned(),
            format!(
                "limits.trusted_proxies: has an item that is {proxies} (LATCHKEY_SETTING_LIMITS_TRUSTED__PROXIES)"
            ),
            "xpack.security.authc.api_key.enabled: must be true or false \
             (LATCHKEY_SETTING_XPACK_SECURITY_AUTHC_API__KEY_ENABLED)"
                .to_owned(),
            "xpack.security.authc.api_key.enabled: must be true or false (file)".to_owned(),
            "xpack.security.authc.apikey: is not known; known are api_key, token, realms, anonymous \
             (LATCHKEY_SETTING_XPACK_SECURITY_AUTHC_APIKEY)"
                .to_owned(),
            "answers.product_header: must be true or false (LATCHKEY_SETTING_ANSWERS_PRODUCT__HEADER)"
                .to_owned(),
            format!("lisen: {known} (-E lisen)"),
            format!("usrs: {known} (file)"),
        ]
    );
    assert!(!found.concat().contains("hunter2"), "{found:?}");
}

// Nothing is called missing that may stand where the file cannot be read.
#[test]
fn a_file_that_is_not_toml_does_not_hide_the_mistakes_of_the_others() {
    let said = Said { flags: &["listen=hunter2"], file: Some("data = hunter2"), ..Said::default() };
    assert_eq!(
        mistakes(said),
        [
            "line 1: not TOML from here on (file)",
            "listen: must be an address and a port, such as localhost:9200 or 127.0.0.1:9200 (-E listen)",
        ]
    );
}

#[test]
fn a_secret_is_in_no_flag() {
    let realm = "xpack.security.authc.realms.jwt.a";
    let flag = format!("{realm}.hmac_key=hunter2 hunter2 hunter2 hunter2 hunter2");
    let file = "data = \"d\"\nusers = \"u\"\n[xpack.security.authc.realms.jwt.a]\nallowed_issuer = \"i\"\nallowed_audiences = [\"a\"]\nallowed_signature_algorithms = [\"HS256\"]\nclaims.principal = \"sub\"\n";
    assert_eq!(
        mistakes(Said { flags: &[&flag], file: Some(file), ..Said::default() }),
        [format!(
            "{realm}.hmac_key: is a secret, which no flag may show: say it in the file or the environment (-E {realm}.hmac_key)"
        )]
    );
}

#[test]
fn a_password_of_the_database_is_in_no_flag() {
    let mistakes_of = |url: &str| {
        let flag = format!("store.url={url}");
        mistakes(Said { flags: &["users=u", &flag], ..Said::default() })
    };
    assert_eq!(
        mistakes_of("postgres://u:hunter2@db/keys"),
        ["store.url: holds a password, which no flag may show: use store.password_file (-E store.url)"]
    );
    let flags = ["users=u", "store.url=postgres://u@db/keys"];
    assert!(read(Said { flags: &flags, ..Said::default() }, Overrides::default()).is_ok());
}

#[test]
fn zero_switches_the_limit_of_failed_logins_off() {
    let flags = [REQUIRED[0], REQUIRED[1], "limits.failed_logins_per_minute=0"];
    let settings = read(Said { flags: &flags, ..Said::default() }, Overrides::default()).unwrap();
    assert_eq!(settings.service.limits.failed_logins, None);
}

#[test]
fn the_store_is_in_one_place() {
    let said = |text: &str| parse(&format!("users = \"u\"\n{text}")).map_err(|invalid| invalid.to_string());
    let url = "store.url = \"postgres://u:hunter2@db/keys\"";
    assert!(matches!(said(url).unwrap().store, StoreSettings::Postgres { password_file: None, .. }));
    for (text, expected) in [
        (format!("data = \"d\"\n{url}"), "data: has no use beside store.url: the store is in one place"),
        (
            "store.url = \"hunter2\"".to_owned(),
            "store.url: must be a URL such as postgres://user@host/database",
        ),
        (
            "data = \"d\"\nstore.password_file = \"f\"".to_owned(),
            "store.password_file: has no use without url",
        ),
    ] {
        assert_eq!(said(&text).unwrap_err(), format!("{expected} (/etc/latchkey/latchkey.toml)"));
    }
}

// Where the password is may be said where the container says everything else.
#[test]
fn the_store_is_said_by_the_environment_too() {
    let environment = [
        ("LATCHKEY_SETTING_STORE_URL", "postgres://u@db/keys"),
        ("LATCHKEY_SETTING_STORE_PASSWORD__FILE", "pw"),
    ];
    let said = Said { flags: &REQUIRED[1..], environment: &environment, ..Said::default() };
    let StoreSettings::Postgres { password_file, .. } = read(said, Overrides::default()).unwrap().store
    else {
        panic!("the store is a database");
    };
    assert_eq!(password_file, Some("pw".into()));
}

// Elasticsearch's rule: tokens need a protected line, and where there is one they are on.
#[test]
fn tokens_are_on_by_default_where_the_service_speaks_tls() {
    let tls = "data = \"d\"\nusers = \"u\"\n[xpack.security.http.ssl]\nenabled = true\ncertificate = \"c\"\nkey = \"k\"\n";
    let off = "[xpack.security.authc]\ntoken.enabled = false";
    for (text, is_on) in [(tls.to_owned(), true), (format!("{tls}{off}"), false)] {
        assert_eq!(parse(&text).unwrap().service.tokens.enabled, is_on, "{text}");
    }
}

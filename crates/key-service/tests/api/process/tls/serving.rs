use std::fs;

use super::super::{answered, complaint, run, text, told};
use super::Home;
use crate::tls::issuing::{Authority, service};
use crate::tls::line::Caller;

#[test]
fn says_where_it_is_and_warns_of_no_open_line() {
    let authority = Authority::new("authority");
    let home = Home::new(&authority, "");
    let config = fs::read_to_string(home.path("latchkey.toml")).unwrap();
    home.write("latchkey.toml", &config.replace("127.0.0.1:0", "0.0.0.0:0"));
    let mut service = home.start();
    assert!(service.url.starts_with("https://0.0.0.0:"), "{}", service.url);
    assert!(!service.before.contains("in the clear"), "{:?}", service.before);
    service.url = service.url.replace("0.0.0.0", "localhost");
    told(&mut service.asked_by(&home.path("ca.crt")), &["key", "list"], "");
    // Elasticsearch's rule: where there is TLS there are tokens.
    let password = home.path("password");
    fs::write(&password, super::PASSWORD).unwrap();
    let arguments = ["token", "get", "--for=alice", "--grantee-password-file", password.to_str().unwrap()];
    let token = answered(&mut service.asked_by(&home.path("ca.crt")), &arguments, "");
    assert!(token["access_token"].is_string(), "{token}");

    home.write("latchkey.toml", &config.replace("127.0.0.1:0", "0.0.0.0:0").replace("= true", "= false"));
    drop(service);
    let service = home.start();
    assert!(service.url.starts_with("http://"), "{}", service.url);
    assert!(service.before.contains("in the clear"), "{:?}", service.before);
}

#[test]
fn takes_changed_certificates_when_it_is_told_to() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let home = Home::new(&old, "");
    let mut service = home.start();
    home.write("new.crt", &new.certificate);
    told(&mut service.asked_by(&home.path("ca.crt")), &["key", "list"], "");

    service.hang_up();
    service.wait_for("the certificates have not changed");
    home.write("tls.key", &new.service().key);
    service.hang_up();
    let logged = service.wait_for("ERROR");
    assert!(logged.contains("tls.key is not the key of the first certificate in"), "{logged}");
    told(&mut service.asked_by(&home.path("ca.crt")), &["key", "list"], "");

    home.show(&new.service());
    service.hang_up();
    service.wait_for("new connections get the changed certificates");
    told(&mut service.asked_by(&home.path("new.crt")), &["key", "list"], "");
    let untrusted = complaint(&mut service.asked_by(&home.path("ca.crt")), &["key", "list"], "");
    assert!(untrusted.contains("no authority that is trusted here has signed it"), "{untrusted}");
}

#[tokio::test]
async fn tells_when_its_certificate_ends() {
    let authority = Authority::new("authority");
    let until = |year| {
        let mut params = service();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        authority.issue(params)
    };
    let home = Home::showing(&until(2100), &authority, "");
    let mut service = home.start();
    let address = service.url.trim_start_matches("https://").parse().unwrap();
    let caller = Caller::trusting(&authority);
    assert_eq!(caller.ask_for("/healthz", address).await.unwrap(), r#"{"status":"ready"}"#);
    let ends = |seconds| format!("\nlatchkey_tls_certificate_expiration_timestamp_seconds {seconds}\n");
    let metrics = caller.ask_for("/metrics", address).await.unwrap();
    assert!(metrics.contains(&ends(4_102_444_800_u64)), "{metrics}");

    home.show(&until(2101));
    service.hang_up();
    service.wait_for("new connections get the changed certificates");
    let metrics = caller.ask_for("/metrics", address).await.unwrap();
    assert!(metrics.contains(&ends(4_133_980_800)), "{metrics}");
    assert!(metrics.contains("\nlatchkey_tls_reloads_total 1\n"), "{metrics}");
}

#[test]
fn does_not_begin_with_a_certificate_that_has_expired() {
    let authority = Authority::new("authority");
    let home = Home::showing(&authority.expired(service()), &authority, "");
    let refused = run(&mut home.command(), "");
    assert!(!refused.status.success());
    let certificate = home.path("tls.crt");
    assert_eq!(
        text(&refused.stderr),
        format!(
            "latchkey: TLS cannot be spoken: {} holds a certificate that expired at 2021-01-01T00:00:00Z\n",
            certificate.display()
        )
    );
    assert!(!home.path("data").exists(), "the store is not touched");
}

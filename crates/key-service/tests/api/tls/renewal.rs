//! Files that change while the service runs.

use std::fs;
use std::time::Duration;

use latchkey_key_service::server::tls::renewal::Look;
use latchkey_key_service::settings::http_ssl::ClientAuthentication;
use latchkey_key_service::telemetry;
use tokio::signal::unix::{SignalKind, signal};

use super::issuing::{Authority, service};
use super::line::{Caller, PATIENCE, Sender, ask_over_http_1, shown};
use super::{Files, Secured, link};

#[tokio::test]
async fn new_connections_get_a_changed_certificate_and_an_open_one_lives() {
    let authority = Authority::new("authority");
    let (old, new) = (authority.service(), authority.service());
    let mut service = Secured::serving(Files::of(&old)).await;
    let caller = Caller::trusting(&authority);
    let stream = caller.connect(service.address).await.unwrap();
    assert_eq!(shown(&stream), old.der());
    let mut open = Sender::over(stream).await;
    ask_over_http_1(&mut open).await.unwrap();

    assert_eq!(service.certificates.look(), Look::Unchanged);
    service.files.replace(&new);
    assert_eq!(service.certificates.look(), Look::Renewed);
    assert_eq!(service.certificates.look(), Look::Unchanged);

    assert_eq!(shown(&caller.connect(service.address).await.unwrap()), new.der());
    assert_eq!(ask_over_http_1(&mut open).await.unwrap(), "here");
}

// Kubernetes mounts `tls.crt` as a link to `..data/tls.crt`, and `..data` as a link that it turns.
#[tokio::test]
async fn follows_a_link_that_is_turned() {
    let authority = Authority::new("authority");
    let (old, new) = (authority.service(), authority.service());
    let files = Files::of(&old);
    for (version, issued) in [("v1", &old), ("v2", &new)] {
        fs::create_dir(files.path(version)).unwrap();
        files.write(&format!("{version}/tls.crt"), &issued.certificate);
        files.write(&format!("{version}/tls.key"), &issued.key);
    }
    link("v1".as_ref(), &files.path("data"));
    for name in ["tls.crt", "tls.key"] {
        fs::remove_file(files.path(name)).unwrap();
        link(format!("data/{name}").as_ref(), &files.path(name));
    }
    let mut service = Secured::serving(files).await;
    link("v2".as_ref(), &service.files.path("next"));
    fs::rename(service.files.path("next"), service.files.path("data")).unwrap();
    assert_eq!(service.certificates.look(), Look::Renewed);
    let caller = Caller::trusting(&authority);
    assert_eq!(shown(&caller.connect(service.address).await.unwrap()), new.der());
}

#[tokio::test]
async fn files_that_cannot_be_used_change_nothing() {
    let authority = Authority::new("authority");
    let (old, new) = (authority.service(), authority.service());
    let files = Files::asking(&old, &authority.certificate, ClientAuthentication::Optional);
    let mut service = Secured::serving(files).await;
    let caller = Caller::trusting(&authority);
    let expired = authority.expired(self::service());
    let early = authority.not_yet_valid(self::service());
    for (case, file, text) in [
        ("another key", "tls.key", &new.key),
        ("another certificate", "tls.crt", &new.certificate),
        ("half a certificate", "tls.crt", &old.certificate[..200].to_owned()),
        ("nothing", "tls.key", &String::new()),
        ("no authority", "ca.crt", &String::new()),
        ("a key for a certificate", "tls.crt", &old.key),
    ] {
        service.files.write(file, text);
        assert_eq!(service.certificates.look(), Look::Refused, "{case}");
        assert_eq!(shown(&caller.connect(service.address).await.unwrap()), old.der(), "{case}");
        service.files.replace(&old);
        service.files.write("ca.crt", &authority.certificate);
        assert_eq!(service.certificates.look(), Look::Unchanged, "{case}");
    }
    for issued in [expired, early] {
        service.files.replace(&issued);
        assert_eq!(service.certificates.look(), Look::Refused);
    }
    fs::remove_file(service.files.path("tls.key")).unwrap();
    assert_eq!(service.certificates.look(), Look::Refused);
    assert_eq!(shown(&caller.connect(service.address).await.unwrap()), old.der());
    assert!(telemetry::recorder().render().contains("latchkey_tls_reload_failures_total"));

    service.files.replace(&new);
    assert_eq!(service.certificates.look(), Look::Renewed);
    assert_eq!(shown(&caller.connect(service.address).await.unwrap()), new.der());
}

#[tokio::test]
async fn the_authorities_of_clients_are_followed_too() {
    let [authority, next] = ["authority", "next"].map(Authority::new);
    let files = Files::asking(&authority.service(), &authority.certificate, ClientAuthentication::Required);
    let mut service = Secured::serving(files).await;
    let (old, new) = (authority.client(), next.client());
    let (old, new) = (Caller::showing(&old, &authority), Caller::showing(&new, &authority));
    assert!(old.ask(service.address).await.is_ok());
    assert!(new.ask(service.address).await.is_err());
    service.files.write("ca.crt", &next.certificate);
    assert_eq!(service.certificates.look(), Look::Renewed);
    assert!(old.ask(service.address).await.is_err());
    assert!(new.ask(service.address).await.is_ok());
}

#[tokio::test]
async fn the_files_are_looked_at_without_anybody_asking() {
    let authority = Authority::new("authority");
    let new = authority.service();
    let service = Secured::serving(Files::of(&authority.service())).await;
    let hang_up = signal(SignalKind::hangup()).unwrap();
    tokio::spawn(service.certificates.keep_fresh(Duration::from_millis(5), hang_up));
    service.files.replace(&new);
    let caller = Caller::trusting(&authority);
    let renewed = async { while shown(&caller.connect(service.address).await.unwrap()) != new.der() {} };
    tokio::time::timeout(PATIENCE, renewed).await.unwrap();
}

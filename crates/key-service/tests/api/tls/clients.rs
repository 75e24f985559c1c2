//! Certificates of clients.

use latchkey_key_service::settings::http_ssl::ClientAuthentication;
use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};

use super::issuing::{Authority, client, service};
use super::line::{Caller, Sender, ask_over_http_1};
use super::speaking::assert_counted;
use super::{Files, Secured};

#[tokio::test]
async fn only_good_certificates_get_in_where_they_are_required() {
    let (authority, stranger) = (Authority::new("authority"), Authority::new("stranger"));
    let files = Files::asking(&authority.service(), &authority.certificate, ClientAuthentication::Required);
    let service = Secured::serving(files).await;
    for version in [&TLS12, &TLS13] {
        let good = authority.client();
        let caller = Caller::speaking(&[version], &authority, Some(&good));
        assert_eq!(caller.ask(service.address).await.unwrap(), "here", "{version:?}");
        for (shown, alert, reason) in [
            (None, "CertificateRequired", "client_certificate_missing"),
            (Some(stranger.client()), "UnknownCA", "client_certificate_unknown_issuer"),
            (Some(authority.expired(client())), "CertificateExpired", "client_certificate_expired"),
            (Some(authority.not_yet_valid(client())), "CertificateExpired", "client_certificate_invalid"),
            // Of the right authority, but made for a service.
            (Some(authority.issue(self::service())), "UnsupportedCertificate", "client_certificate_invalid"),
        ] {
            let caller = Caller::speaking(&[version], &authority, shown.as_ref());
            let refused = caller.ask(service.address).await.unwrap_err();
            assert!(refused.ends_with(&format!("fatal alert: {alert}")), "{version:?} {reason}: {refused}");
            assert_counted(reason);
        }
    }
}

#[tokio::test]
async fn a_certificate_may_be_missing_where_it_is_optional_and_must_not_be_bad() {
    let (authority, stranger) = (Authority::new("authority"), Authority::new("stranger"));
    let files = Files::asking(&authority.service(), &authority.certificate, ClientAuthentication::Optional);
    let service = Secured::serving(files).await;
    assert_eq!(Caller::trusting(&authority).ask(service.address).await.unwrap(), "here");
    assert_eq!(Caller::showing(&authority.client(), &authority).ask(service.address).await.unwrap(), "here");
    for bad in [stranger.client(), authority.expired(client())] {
        let refused = Caller::showing(&bad, &authority).ask(service.address).await.unwrap_err();
        assert!(refused.contains("alert"), "{refused}");
    }
}

#[tokio::test]
async fn any_of_several_authorities_may_sign() {
    let [one, two, stranger] = ["one", "two", "stranger"].map(Authority::new);
    let both = format!("{}{}", one.certificate, two.certificate);
    let files = Files::asking(&one.service(), &both, ClientAuthentication::Required);
    let service = Secured::serving(files).await;
    for authority in [&one, &two] {
        assert_eq!(Caller::showing(&authority.client(), &one).ask(service.address).await.unwrap(), "here");
    }
    assert!(Caller::showing(&stranger.client(), &one).ask(service.address).await.is_err());
}

// A session that is resumed shows no certificate, and would outlive it.
#[tokio::test]
async fn every_connection_shows_its_certificate_again() {
    let authority = Authority::new("authority");
    let files = Files::asking(&authority.service(), &authority.certificate, ClientAuthentication::Optional);
    let service = Secured::serving(files).await;
    let shown = authority.client();
    for version in [&TLS12, &TLS13] {
        let caller = Caller::speaking(&[version], &authority, Some(&shown));
        for _ in 0..3 {
            let stream = caller.connect(service.address).await.unwrap();
            assert_eq!(stream.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
            ask_over_http_1(&mut Sender::over(stream).await).await.unwrap();
        }
    }
}

//! What files must hold for the service to begin.

use latchkey_key_service::settings::http_ssl::ClientAuthentication;
use p256::pkcs8::EncodePrivateKey as _;
use rcgen::{KeyPair, PKCS_RSA_SHA256};
use rsa::pkcs1::EncodeRsaPrivateKey as _;
use rsa::rand_core::OsRng;

use super::issuing::{Authority, Issued, pem, service};
use super::line::Caller;
use super::{Files, Secured};

#[tokio::test]
async fn takes_private_keys_of_every_usual_form() {
    let authority = Authority::new("authority");
    let p256 = p256::SecretKey::random(&mut OsRng);
    let rsa = rsa::RsaPrivateKey::new(&mut OsRng, 2_048).unwrap();
    let (p256_pkcs8, rsa_pkcs8) = (p256.to_pkcs8_der().unwrap(), rsa.to_pkcs8_der().unwrap());
    let rsa_pkcs8 = pem("PRIVATE KEY", rsa_pkcs8.as_bytes());
    let p256_pkcs8 = pem("PRIVATE KEY", p256_pkcs8.as_bytes());
    let for_rsa = KeyPair::from_pkcs8_pem_and_sign_algo(&rsa_pkcs8, &PKCS_RSA_SHA256).unwrap();
    let for_p256 = KeyPair::from_pem(&p256_pkcs8).unwrap();
    for (key, text) in [
        (&for_p256, p256_pkcs8),
        (&for_p256, pem("EC PRIVATE KEY", &p256.to_sec1_der().unwrap())),
        (&for_rsa, rsa_pkcs8),
        (&for_rsa, pem("RSA PRIVATE KEY", rsa.to_pkcs1_der().unwrap().as_bytes())),
    ] {
        let issued = Issued { certificate: authority.sign(service(), key), key: text };
        let service = Secured::serving(Files::of(&issued)).await;
        assert_eq!(Caller::trusting(&authority).ask(service.address).await.unwrap(), "here");
    }
}

#[test]
fn says_which_file_is_wrong_and_why() {
    let authority = Authority::new("authority");
    let (good, other) = (authority.service(), authority.service());
    let damaged = "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n".to_owned();
    let strange = pem("CERTIFICATE", b"something");
    let (expired, early) = (authority.expired(service()), authority.not_yet_valid(service()));
    let passphrase = good.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    for (certificate, key, expected) in [
        (&good.certificate, &other.key, "tls.key is not the key of the first certificate in tls.crt"),
        (
            &expired.certificate,
            &expired.key,
            "tls.crt holds a certificate that expired at 2021-01-01T00:00:00Z",
        ),
        (
            &early.certificate,
            &early.key,
            "tls.crt holds a certificate that is valid only from 4000-01-01T00:00:00Z",
        ),
        (&damaged, &good.key, "tls.crt is not PEM all through"),
        (&strange, &good.key, "tls.crt holds something that is no X.509 certificate"),
        (&good.key, &good.key, "tls.crt holds no certificate in PEM"),
        (&good.certificate, &good.certificate, "tls.key holds no private key in PEM without a passphrase"),
        (&good.certificate, &passphrase, "tls.key holds no private key in PEM without a passphrase"),
        (
            &good.certificate,
            &pem("PRIVATE KEY", b"hunter2"),
            "tls.key holds a private key that cannot be used",
        ),
    ] {
        let files = Files::of(&Issued { certificate: certificate.clone(), key: key.clone() });
        assert_eq!(files.load().unwrap_err(), expected);
    }
}

#[test]
fn says_everything_that_is_wrong_at_once() {
    let authority = Authority::new("authority");
    let files = Files::asking(&authority.expired(service()), "hunter2", ClientAuthentication::Required);
    files.write("tls.key", "hunter2");
    assert_eq!(
        files.load().unwrap_err(),
        "tls.crt holds a certificate that expired at 2021-01-01T00:00:00Z; \
         tls.key holds no private key in PEM without a passphrase; \
         ca.crt holds no certificate in PEM"
    );
    for name in ["tls.crt", "ca.crt"] {
        std::fs::remove_file(files.path(name)).unwrap();
    }
    assert_eq!(
        files.load().unwrap_err(),
        "tls.crt cannot be read: No such file or directory (os error 2); \
         ca.crt cannot be read: No such file or directory (os error 2)"
    );
}

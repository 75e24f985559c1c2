use super::super::{DevProcess, complaint, latchkey, told};
use super::{Home, PASSWORD, TlsService};
use crate::tls::issuing::{Authority, client};

const LIST: [&str; 2] = ["key", "list"];

#[track_caller]
fn complaint_of(service: &TlsService, home: &Home, arguments: &[&str]) -> String {
    let complaint = complaint(&mut service.asked_by(&home.path("ca.crt")), arguments, "");
    complaint.replace(&service.url, "URL").replace(&format!("{}/", home.0.path().display()), "")
}

#[test]
fn trusts_the_authorities_that_it_is_told_to_and_no_other() {
    let (authority, stranger) = (Authority::new("authority"), Authority::new("stranger"));
    let home = Home::new(&authority, "");
    let service = home.start();
    home.write("stranger.crt", &stranger.certificate);
    let stranger = home.path("stranger.crt").display().to_string();
    told(&mut service.asked_by(&home.path("ca.crt")), &LIST, "");
    let untrusted = "latchkey: URL shows a certificate that is not to be trusted: \
                     no authority that is trusted here has signed it (--ca-file names others)";
    assert_eq!(complaint_of(&service, &home, &["key", "list", "--ca-file", &stranger]), untrusted);
    // Without a file, the system's: none of those knows the authority of a test.
    let by_system =
        complaint(service.asked_by(&home.path("ca.crt")).env_remove("LATCHKEY_CA_FILE"), &LIST, "");
    assert!(!by_system.contains(PASSWORD) && by_system.starts_with("latchkey: "), "{by_system}");
}

#[test]
fn refuses_a_certificate_for_another_host() {
    let authority = Authority::new("authority");
    let mut params = crate::tls::issuing::service();
    params.subject_alt_names =
        rcgen::CertificateParams::new(vec!["keys.example".to_owned()]).unwrap().subject_alt_names;
    let home = Home::showing(&authority.issue(params), &authority, "");
    let service = home.start();
    let complaint = complaint_of(&service, &home, &LIST);
    let expected = "latchkey: URL shows a certificate that is not to be trusted: certificate not valid for name \"127.0.0.1\"";
    assert!(complaint.starts_with(expected) && complaint.contains("keys.example"), "{complaint}");
}

#[test]
fn shows_a_certificate_where_one_is_required() {
    let (authority, stranger) = (Authority::new("authority"), Authority::new("stranger"));
    let settings = "client_authentication = \"required\"\ncertificate_authorities = [\"ca.crt\"]";
    let home = Home::new(&authority, settings);
    let service = home.start();
    let (certificate, key) = (home.path("client.crt"), home.path("client.key"));
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    let showing = ["key", "list", "--client-cert", certificate, "--client-key", key];

    home.keep(&authority.client());
    told(&mut service.asked_by(&home.path("ca.crt")), &showing, "");
    let mut by_variable = service.asked_by(&home.path("ca.crt"));
    by_variable.env("LATCHKEY_CLIENT_CERT", certificate).env("LATCHKEY_CLIENT_KEY", key);
    told(&mut by_variable, &LIST, "");

    assert_eq!(
        complaint_of(&service, &home, &LIST),
        "latchkey: URL asks for a certificate: --client-cert and --client-key show one"
    );
    for (shown, alert) in
        [(stranger.client(), "UnknownCA"), (authority.expired(client()), "CertificateExpired")]
    {
        home.keep(&shown);
        assert_eq!(
            complaint_of(&service, &home, &showing),
            format!("latchkey: URL refuses the certificate of --client-cert ({alert})")
        );
    }
}

#[test]
fn complains_of_files_before_it_asks_anybody() {
    let authority = Authority::new("authority");
    let home = Home::new(&authority, "");
    home.keep(&authority.client());
    home.write("nothing", "hunter2");
    let complain = |arguments: &[&str]| {
        let mut command = latchkey();
        command.current_dir(home.0.path()).env("LATCHKEY_URL", "https://127.0.0.1:1");
        complaint(&mut command, &[&LIST, arguments].concat(), "")
    };
    for (arguments, expected) in [
        (&["--ca-file=none"][..], "none cannot be read: No such file or directory (os error 2)"),
        (&["--ca-file=nothing"], "nothing holds no certificate in PEM"),
        (&["--ca-file=ca.crt", "--client-cert=client.crt"], "--client-cert and --client-key belong together"),
        (&["--ca-file=ca.crt", "--client-key=client.key"], "--client-cert and --client-key belong together"),
        (
            &["--ca-file=ca.crt", "--client-cert=client.crt", "--client-key=nothing"],
            "nothing holds no private key in PEM without a passphrase",
        ),
        (
            &["--ca-file=ca.crt", "--client-cert=client.crt", "--client-key=tls.key"],
            "tls.key is not the key of the first certificate in client.crt",
        ),
        (
            &["--ca-file=ca.crt", "--url=http://127.0.0.1:1"],
            "--ca-file, --client-cert and --client-key are for TLS, and --url does not start with https://",
        ),
    ] {
        assert_eq!(complain(arguments), format!("latchkey: {expected}"));
    }
}

#[test]
fn says_so_when_one_side_speaks_tls_and_the_other_does_not() {
    let authority = Authority::new("authority");
    let home = Home::new(&authority, "");
    let service = home.start();
    let plain = service.url.replace("https://", "http://");
    let complaint_of_plain = complaint(
        service.asked_by(&home.path("ca.crt")).env_remove("LATCHKEY_CA_FILE"),
        &["key", "list", "--url", &plain],
        "",
    );
    assert!(complaint_of_plain.ends_with("(is it https:// instead?)"), "{complaint_of_plain}");

    let data = tempfile::tempdir().unwrap();
    let dev = DevProcess::start(data.path());
    let secured = dev.url.replace("http://", "https://");
    assert_eq!(
        complaint_of(&service, &home, &["key", "list", "--url", &secured]),
        format!("latchkey: {secured} speaks no TLS: is it http:// instead?")
    );
}

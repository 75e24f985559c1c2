use std::time::Duration;

use latchkey_key_service::telemetry;
use rustls::version::{TLS12, TLS13};
use rustls::{HandshakeKind, ProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::issuing::Authority;
use super::line::{Caller, PATIENCE, Sender, ask_over_http_1, ask_over_http_2};
use super::{Files, Secured};

#[tokio::test]
async fn serves_both_versions_of_http_over_both_versions_of_tls() {
    let authority = Authority::new("authority");
    let service = Secured::serving(Files::of(&authority.service())).await;
    for (version, expected) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let caller = Caller::speaking(&[version], &authority, None);
        for (offered, chosen) in [
            (&[][..], None),
            (&["http/1.1"], Some("http/1.1")),
            (&["http/1.1", "h2"], Some("h2")),
            (&["h2"], Some("h2")),
        ] {
            let stream = caller.clone().offering(offered).connect(service.address).await.unwrap();
            let (_, session) = stream.get_ref();
            assert_eq!(session.protocol_version(), Some(expected));
            assert_eq!(session.alpn_protocol(), chosen.map(str::as_bytes), "{offered:?}");
            let answer = if chosen == Some("h2") {
                ask_over_http_2(stream).await
            } else {
                ask_over_http_1(&mut Sender::over(stream).await).await.unwrap()
            };
            assert_eq!(answer, "here");
        }
    }
}

#[tokio::test]
async fn a_protocol_that_is_not_spoken_is_refused() {
    let authority = Authority::new("authority");
    let mut files = Files::of(&authority.service());
    files.settings.supported_protocols = vec![&TLS13];
    let service = Secured::serving(files).await;
    let old = Caller::speaking(&[&TLS12], &authority, None);
    let refused = old.ask(service.address).await.unwrap_err();
    assert!(refused.ends_with("fatal alert: ProtocolVersion"), "{refused}");
    let strange = Caller::trusting(&authority).offering(&["spdy/3"]);
    let refused = strange.ask(service.address).await.unwrap_err();
    assert!(refused.ends_with("fatal alert: NoApplicationProtocol"), "{refused}");
    assert_eq!(Caller::trusting(&authority).ask(service.address).await.unwrap(), "here");
    assert_counted("incompatible");
}

#[tokio::test]
async fn refuses_plain_http() {
    let authority = Authority::new("authority");
    let service = Secured::serving(Files::of(&authority.service())).await;
    for request in ["GET / HTTP/1.1\r\nhost: localhost\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut stream = TcpStream::connect(service.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
        // An alert (RFC 8446, section 6), and not a word of HTTP.
        assert_eq!(answer.first(), Some(&21), "{answer:?}");
        assert!(answer.len() < 16, "{answer:?}");
    }
    assert_counted("malformed");
}

#[tokio::test]
async fn a_slow_handshake_keeps_nobody_waiting_and_ends_at_its_limit() {
    let authority = Authority::new("authority");
    let files = Files::of(&authority.service());
    let service = Secured::with_handshake_limit(files, Duration::from_millis(500)).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(service.address).await.unwrap());
    }
    assert_eq!(Caller::trusting(&authority).ask(service.address).await.unwrap(), "here");
    for mut stream in silent {
        let mut byte = [0];
        let read = timeout(PATIENCE, stream.read(&mut byte)).await.unwrap();
        assert!(matches!(read, Ok(0) | Err(_)), "the service has nothing to say, and hangs up");
    }
    assert_counted("timeout");
}

#[tokio::test]
async fn a_handshake_that_is_under_way_does_not_keep_the_service_from_stopping() {
    let authority = Authority::new("authority");
    let files = Files::of(&authority.service());
    let service = Secured::with_handshake_limit(files, Duration::from_secs(3_600)).await;
    let mut silent = TcpStream::connect(service.address).await.unwrap();
    assert_eq!(Caller::trusting(&authority).ask(service.address).await.unwrap(), "here");
    service.stop.send_replace(true);
    let mut byte = [0];
    let read = timeout(PATIENCE, silent.read(&mut byte)).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)), "the service hangs up");
}

// Who shows no certificate proves nothing by it, and may as well resume.
#[tokio::test]
async fn a_session_is_resumed_where_clients_show_no_certificate() {
    let authority = Authority::new("authority");
    let service = Secured::serving(Files::of(&authority.service())).await;
    let caller = Caller::trusting(&authority);
    let mut kinds = Vec::new();
    for _ in 0..2 {
        let stream = caller.connect(service.address).await.unwrap();
        kinds.push(stream.get_ref().1.handshake_kind().unwrap());
        // The tickets come with the answer.
        ask_over_http_1(&mut Sender::over(stream).await).await.unwrap();
    }
    assert_eq!(kinds, [HandshakeKind::Full, HandshakeKind::Resumed]);
}

/// The counter is of the whole process, so there may be more of it than this test made.
#[track_caller]
pub(super) fn assert_counted(reason: &str) {
    let counted = telemetry::recorder().render();
    let line = format!("latchkey_tls_handshake_failures_total{{reason=\"{reason}\"}}");
    assert!(counted.contains(&line), "{line}\n{counted}");
}

use std::net::TcpListener;

use super::{DevProcess, complaint, latchkey, told};

#[test]
fn a_probe_is_told_by_the_code_and_needs_no_credential() {
    let data = tempfile::tempdir().unwrap();
    let service = DevProcess::start(data.path());
    assert_eq!(told(&mut latchkey(), &["health", "--url", &service.url], ""), "ready\n");
    let url = service.url.clone();
    service.terminate();
    let gone = complaint(&mut latchkey(), &["health", "--url", &url], "");
    assert!(gone.starts_with(&format!("latchkey: could not reach {url}")), "{gone}");
}

#[test]
fn a_service_that_is_silent_or_something_else_is_not_ready() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let late = complaint(&mut latchkey(), &["health", "--timeout=100ms", "--url", &url], "");
    assert_eq!(late, format!("latchkey: {url} did not answer within 0.1 s"));
}

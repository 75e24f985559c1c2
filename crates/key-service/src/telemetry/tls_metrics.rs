//! What is counted of TLS.

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

const CERTIFICATE_ENDS: &str = "latchkey_tls_certificate_expiration_timestamp_seconds";
const FILES_TAKEN: &str = "latchkey_tls_reloads_total";
const FILES_REFUSED: &str = "latchkey_tls_reload_failures_total";
const HANDSHAKES_FAILED: &str = "latchkey_tls_handshake_failures_total";

/// When the certificate that new connections are shown ends, in seconds since 1970.
pub fn certificate_in_use(ends_at_s: i64) {
    gauge!(CERTIFICATE_ENDS).set(ends_at_s as f64);
}

/// Changed files of certificates and keys are in use from now on.
pub fn files_taken() {
    counter!(FILES_TAKEN).increment(1);
}

/// The files of certificates and keys were looked at and cannot be used; the former ones stay in use.
pub fn files_refused() {
    counter!(FILES_REFUSED).increment(1);
}

/// A TLS handshake failed; `reason` is out of a fixed set.
pub fn handshake_failed(reason: &'static str) {
    counter!(HANDSHAKES_FAILED, "reason" => reason).increment(1);
}

/// Tells the recorder what each name means.
pub(super) fn describe() {
    describe_gauge!(CERTIFICATE_ENDS, Unit::Seconds, "When the TLS certificate in use ends, as a Unix time.");
    describe_counter!(FILES_TAKEN, "Times that changed TLS files were put to use.");
    describe_counter!(FILES_REFUSED, "Looks at TLS files that cannot be used; the former ones stay in use.");
    describe_counter!(HANDSHAKES_FAILED, "TLS handshakes that failed, by reason.");
}

//! Certificates that follow their files: looked at every so often and when somebody asks, put to use when
//! they are good.
//!
//! What the files hold is compared, not when they were written: Kubernetes replaces a secret by turning a
//! symbolic link. A set that cannot be used changes nothing. It is counted at every look, so that an alert
//! can see that it lasts, and logged once.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::signal::unix::Signal;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::clock::Clock;
use crate::server::tls::TlsServer;
use crate::server::tls::files::{Fingerprint, TlsFiles, TlsIdentity, UnusableTls};
use crate::settings::http_ssl::HttpSslSettings;
use crate::telemetry;

/// The certificates in use, and the files that they come from.
#[derive(derive_more::Debug)]
#[debug("Certificates {{ settings: {settings:?}, .. }}")]
pub struct Certificates {
    settings: HttpSslSettings,
    clock: Arc<dyn Clock>,
    in_use: watch::Sender<Arc<ServerConfig>>,
    /// What the files held that are in use.
    fingerprint: Fingerprint,
    /// When the certificate in use ends, in seconds since 1970.
    ends_at_s: i64,
    /// What was last said of files that cannot be used, unless they were good since.
    complaint: Option<String>,
}

/// What a look at the files came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// The files cannot be used, and what was in use stays.
    Refused,
    /// Other certificates are in use from now on.
    Renewed,
    /// The files hold what is in use.
    Unchanged,
}

impl Certificates {
    /// Reads the files for the first time.
    ///
    /// # Errors
    ///
    /// [`UnusableTls`] when there is nothing to begin with.
    pub fn load(settings: HttpSslSettings, clock: Arc<dyn Clock>) -> Result<Self, UnusableTls> {
        let files = TlsFiles::read(&settings)?;
        let TlsIdentity { config, ends_at_s } = files.identity(&settings, clock.now())?;
        let in_use = watch::Sender::new(config);
        Ok(Self { settings, clock, in_use, fingerprint: files.fingerprint(), ends_at_s, complaint: None })
    }

    /// What speaks TLS with these certificates, as they are at the time of each handshake. A handshake may
    /// take so long.
    #[must_use]
    pub fn server(&self, handshake_wait_max: Duration) -> TlsServer {
        TlsServer { config: self.in_use.subscribe(), handshake_wait_max }
    }

    /// Looks at the files, and uses what they hold if it is new and good.
    pub fn look(&mut self) -> Look {
        match self.changed() {
            Ok(None) => {
                self.complaint = None;
                Look::Unchanged
            }
            Ok(Some((fingerprint, TlsIdentity { config, ends_at_s }))) => {
                self.in_use.send_replace(config);
                self.fingerprint = fingerprint;
                self.ends_at_s = ends_at_s;
                self.complaint = None;
                telemetry::tls_metrics::files_taken();
                telemetry::tls_metrics::certificate_in_use(ends_at_s);
                Look::Renewed
            }
            Err(unusable) => {
                telemetry::tls_metrics::files_refused();
                self.complain(unusable.to_string());
                Look::Refused
            }
        }
    }

    /// Looks every so often, and at once when the process is told to (`SIGHUP`), for ever.
    pub async fn keep_fresh(mut self, interval: Duration, mut hang_up: Signal) {
        telemetry::tls_metrics::certificate_in_use(self.ends_at_s);
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_asked = tokio::select! {
                _ = ticks.tick() => false,
                _ = hang_up.recv() => true,
            };
            if is_asked {
                // Who asks is answered, also when the answer is the same as before.
                self.complaint = None;
            }
            // Files can be slow, and here requests are answered.
            let looked = tokio::task::spawn_blocking(move || (self.look(), self)).await;
            let Ok((look, certificates)) = looked else {
                tracing::error!(
                    "certificates are not renewed any more: the task that checks them has failed"
                );
                return;
            };
            self = certificates;
            match look {
                Look::Renewed => tracing::info!("new connections get the changed certificates"),
                Look::Unchanged if is_asked => tracing::info!("the certificates have not changed"),
                Look::Refused | Look::Unchanged => {}
            }
        }
    }

    /// What the files hold, if it is not what is in use.
    fn changed(&self) -> Result<Option<(Fingerprint, TlsIdentity)>, UnusableTls> {
        let files = TlsFiles::read(&self.settings)?;
        let fingerprint = files.fingerprint();
        if fingerprint == self.fingerprint {
            return Ok(None);
        }
        let identity = files.identity(&self.settings, self.clock.now())?;
        Ok(Some((fingerprint, identity)))
    }

    fn complain(&mut self, complaint: String) {
        if self.complaint.as_ref() != Some(&complaint) {
            tracing::error!(
                "the TLS files cannot be used, and what they held before stays in use: {complaint}"
            );
            self.complaint = Some(complaint);
        }
    }
}

//! An edge whose listener comes from a file, and changes with it.

use latchkey_local_stack::envoy::{EnvoyOptions, EnvoyProcess};
use latchkey_local_stack::envoy_config::EnvoyConfig;
use latchkey_local_stack::fake_key_service::FakeKeyService;
use latchkey_local_stack::http::{Request, http1};
use latchkey_local_stack::listener_file::ListenerFile;
use latchkey_local_stack::upstream::Upstream;
use latchkey_local_stack::wait;
use tempfile::TempDir;

use crate::stage::{self, encoded, epoch, key};

/// An edge whose listener comes from a file.
pub(crate) struct Dynamic {
    pub(crate) envoy: EnvoyProcess,
    pub(crate) keys: FakeKeyService,
    pub(crate) upstream: Upstream,
    listener: ListenerFile,
    _directory: TempDir,
}

impl Dynamic {
    /// An edge that admits the key `id`.
    pub(crate) fn start() -> Self {
        let keys = FakeKeyService::start(epoch("first")).unwrap();
        keys.put(key("id", "secret"));
        let dynamic = Self::following(keys, |_| {});
        dynamic.await_admitted();
        dynamic
    }

    /// Waits until it admits the key `id`.
    pub(crate) fn await_admitted(&self) {
        let edge = self.envoy.listener().unwrap();
        wait::until("the edge has read the feed", || {
            let answer = http1::exchange(edge, &Request::get("/ready").api_key(&encoded("id", "secret")))?;
            Ok((answer.status == 200).then_some(()))
        })
        .unwrap();
    }

    pub(crate) fn following(keys: FakeKeyService, edit: impl FnOnce(&mut EnvoyConfig)) -> Self {
        Self::with_arguments(keys, edit, Vec::new())
    }

    /// One that gives up what it replaces after a second, and not after ten minutes.
    pub(crate) fn hasty(keys: FakeKeyService, edit: impl FnOnce(&mut EnvoyConfig)) -> Self {
        Self::with_arguments(keys, edit, ["--drain-time-s", "1"].map(str::to_owned).to_vec())
    }

    /// One that gives nothing up that it replaces, however often somebody asks there.
    pub(crate) fn lasting(keys: FakeKeyService, edit: impl FnOnce(&mut EnvoyConfig)) -> Self {
        Self::with_arguments(keys, edit, ["--drain-time-s", "1000000"].map(str::to_owned).to_vec())
    }

    fn with_arguments(
        keys: FakeKeyService,
        edit: impl FnOnce(&mut EnvoyConfig),
        arguments: Vec<String>,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let upstream = Upstream::start(([127, 0, 0, 1], 0).into()).unwrap();
        let mut listener = None;
        let options: EnvoyOptions = stage::options(keys.address(), &upstream, |config| {
            edit(config);
            listener = Some(ListenerFile::take_out_of(config, directory.path()).unwrap());
        });
        let listener = listener.unwrap();
        let envoy = EnvoyProcess::start(&EnvoyOptions { arguments, ..options }).unwrap();
        Self { envoy, keys, upstream, listener, _directory: directory }
    }

    /// Replaces the listener by the first one with these edits.
    pub(crate) fn update(&mut self, edit: impl FnOnce(&mut EnvoyConfig)) {
        self.listener
            .update(|config| {
                edit(config);
                Ok(())
            })
            .unwrap();
    }

    /// Waits until so many versions of the listener have been put to use, and nothing but the last is left.
    pub(crate) fn await_updates(&self, count: u64) {
        let stat = |name: &str| self.envoy.admin().stat(&format!("listener_manager.{name}"));
        wait::until("the update is in force", || Ok((stat("lds.update_success")? >= count).then_some(())))
            .unwrap();
        wait::until("what it replaces is gone", || {
            let draining = stat("total_listeners_draining")? + stat("total_filter_chains_draining")?;
            Ok((draining == 0).then_some(()))
        })
        .unwrap();
    }
}

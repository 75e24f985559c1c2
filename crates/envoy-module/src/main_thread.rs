//! What the main thread has of each configuration: a root that follows the feed.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use latchkey_filter::config::Config;
use latchkey_filter::filter::{Root, Vm};

use crate::abi::{self, ConfigObject, Level};
use crate::module_host::ModuleHost;
use crate::panics;
use crate::plugin::Plugin;
use crate::requests::EnvoyAnswer;
use crate::table_files::KeptTable;
use crate::timer::TIMER;

/// All configurations.
struct MainThread {
    vm: Rc<Vm<ModuleHost>>,
    followers: Vec<Follower>,
}

/// One configuration.
struct Follower {
    plugin: Arc<Plugin>,
    host: ModuleHost,
    root: Root<ModuleHost>,
    /// Its table, where that is kept in a file. It goes on this thread, because that can wait for the disk.
    _kept: Option<Arc<KeptTable>>,
}

thread_local! {
    static MAIN_THREAD: RefCell<MainThread> =
        RefCell::new(MainThread { vm: Rc::new(Vm::new()), followers: Vec::new() });
}

/// What the Wasm filter takes and this shell cannot do.
const ROUTE_METADATA: &str =
    "the configuration is refused: `route_metadata`: a native module cannot read the metadata of a route";

/// What the file was to hold that a configuration names.
const UNREADABLE_CREDENTIAL: &str = "the configuration is refused: `key_service.credential.file`: there is no credential (the Base64 of id:secret) in";

/// A configuration has come. One that is refused is told in the log.
pub(crate) fn accept(object: ConfigObject, json: &[u8]) -> Option<Arc<Plugin>> {
    let config = match Config::parse(json, |name| std::env::var(name).ok()) {
        Ok(config) if config.route_metadata => {
            abi::log(Level::Error, ROUTE_METADATA);
            return None;
        }
        Ok(config) => config,
        Err(invalid) => {
            abi::log(Level::Error, &invalid.to_string());
            return None;
        }
    };
    let plugin = Plugin::new(object, config);
    let host = ModuleHost::new(Arc::clone(&plugin));
    let mut kept = None;
    if let Some(path) = host.unreadable_credential() {
        abi::log(Level::Error, &format!("{UNREADABLE_CREDENTIAL} {path}"));
        return None;
    }
    if !abi::is_validation() {
        kept = host.keep_table().inspect_err(|why| abi::log(Level::Error, &refused_file(why))).ok()?;
        TIMER.insert(Arc::clone(&plugin), object.scheduler()?);
    }
    MAIN_THREAD.with_borrow_mut(|main| {
        let mut root = Root::new(host.clone(), Rc::clone(&main.vm));
        root.adopt(Arc::clone(&plugin.config));
        main.followers.push(Follower { plugin: Arc::clone(&plugin), host, root, _kept: kept });
    });
    Some(plugin)
}

fn refused_file(why: &str) -> String {
    format!("the configuration is refused: `table_file`: {why}")
}

/// Time has passed.
pub(crate) fn tick(plugin: &Plugin) {
    plugin.tick_is_due.store(false, Ordering::Release);
    plugin.count_faults(panics::uncounted());
    MAIN_THREAD.with_borrow_mut(|main| {
        main.sweep();
        if let Some(follower) = main.follower(plugin) {
            follower.root.tick();
        }
    });
}

/// A call of that configuration has ended.
pub(crate) fn answered(plugin: &Plugin, call: u64, answer: &EnvoyAnswer<'_>) {
    MAIN_THREAD.with_borrow_mut(|main| {
        let Some(follower) = main.follower(plugin) else { return };
        if let Some(call) = follower.host.ended(call) {
            follower.root.answered(call, answer);
        }
    });
    plugin.waiting.wake();
}

/// Envoy gives up a configuration, on whichever thread was the last to need it. Another thread leaves the rest
/// to the next tick of any configuration.
pub(crate) fn end(plugin: &Plugin) {
    plugin.end();
    TIMER.remove(plugin.id);
    if plugin.is_on_main_thread() {
        MAIN_THREAD.with_borrow_mut(MainThread::sweep);
    }
}

impl MainThread {
    fn sweep(&mut self) {
        self.followers.retain(|follower| follower.plugin.is_live());
    }

    fn follower(&mut self, plugin: &Plugin) -> Option<&mut Follower> {
        self.followers.iter_mut().find(|follower| follower.plugin.id == plugin.id)
    }
}

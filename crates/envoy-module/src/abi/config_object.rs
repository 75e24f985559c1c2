//! One configuration, as Envoy knows it.

use std::ffi::c_void;
use std::ptr::NonNull;

use super::{ModuleBuffer, ModuleHeader, Refused, buffers, done};

/// Envoy's object of one configuration. Envoy keeps it until it has called `config_destroy`, and longer than
/// any request of the configuration.
#[derive(Clone, Copy)]
pub(crate) struct ConfigObject(NonNull<c_void>);

// SAFETY: it is a name that this thread passes on and never looks into. Envoy's functions for metrics of a
// configuration, which are all that workers use it for, only read its list of metrics, which is frozen by
// then, and add to atomic numbers; the others are called on the main thread (`ModuleHost` sees to that).
#[expect(unsafe_code, reason = "see above")]
unsafe impl Send for ConfigObject {}
// SAFETY: as above.
#[expect(unsafe_code, reason = "see above")]
unsafe impl Sync for ConfigObject {}

/// Calls a hook of a configuration on the main thread, from any thread. When the configuration is gone, nothing
/// happens.
pub(crate) struct ConfigScheduler(NonNull<c_void>);

// SAFETY: Envoy lets any thread commit, and what is deleted is a weak pointer and a reference to a dispatcher.
#[expect(unsafe_code, reason = "see above")]
unsafe impl Send for ConfigScheduler {}

// SAFETY of every call below: a pointer that goes with a length is that of a live buffer of that length, which
// Envoy copies or is done with before it returns; one without is that of a live place, into which Envoy writes
// one value; and the object is there, as its type says.

impl ConfigObject {
    /// The object that a hook of a configuration was given.
    pub(crate) fn of(object: *mut c_void) -> Option<Self> {
        NonNull::new(object).map(Self)
    }

    /// Only while the hook that makes the configuration runs.
    #[expect(unsafe_code, reason = "calls Envoy")]
    pub(crate) fn define_counter(self, name: &str, labels: &[&str]) -> Result<usize, Refused> {
        let labels = buffers(labels);
        let mut id = 0;
        done(unsafe {
            super::envoy_dynamic_module_callback_http_filter_config_define_counter(
                self.0.as_ptr(),
                ModuleBuffer::of(name.as_bytes()),
                labels.as_ptr(),
                labels.len(),
                &mut id,
            )
        })?;
        Ok(id)
    }

    /// Only while the hook that makes the configuration runs.
    #[expect(unsafe_code, reason = "calls Envoy")]
    pub(crate) fn define_gauge(self, name: &str, labels: &[&str]) -> Result<usize, Refused> {
        let labels = buffers(labels);
        let (name, mut id) = (ModuleBuffer::of(name.as_bytes()), 0);
        done(unsafe {
            super::envoy_dynamic_module_callback_http_filter_config_define_gauge(
                self.0.as_ptr(),
                name,
                labels.as_ptr(),
                labels.len(),
                &mut id,
            )
        })?;
        Ok(id)
    }

    /// With a value for each label that it was defined with.
    #[expect(unsafe_code, reason = "calls Envoy")]
    pub(crate) fn add_to_counter(self, id: usize, labels: &[String], by: u64) -> Result<(), Refused> {
        let labels = buffers(labels);
        done(unsafe {
            super::envoy_dynamic_module_callback_http_filter_config_increment_counter(
                self.0.as_ptr(),
                id,
                labels.as_ptr(),
                labels.len(),
                by,
            )
        })
    }

    /// With a value for each label that it was defined with.
    #[expect(unsafe_code, reason = "calls Envoy")]
    pub(crate) fn set_gauge(self, id: usize, labels: &[String], value: u64) -> Result<(), Refused> {
        let labels = buffers(labels);
        done(unsafe {
            super::envoy_dynamic_module_callback_http_filter_config_set_gauge(
                self.0.as_ptr(),
                id,
                labels.as_ptr(),
                labels.len(),
                value,
            )
        })
    }

    /// Begins a call on the main thread. An empty body is none. Envoy never ends it before this returns.
    #[expect(unsafe_code, reason = "calls Envoy")]
    pub(crate) fn call(
        self,
        cluster: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        timeout_ms: u64,
    ) -> Result<u64, Refused> {
        let headers: Vec<_> = headers.iter().map(|(name, value)| ModuleHeader::of(name, value)).collect();
        let mut id = 0;
        done(unsafe {
            super::envoy_dynamic_module_callback_http_filter_config_http_callout(
                self.0.as_ptr(),
                &mut id,
                ModuleBuffer::of(cluster.as_bytes()),
                headers.as_ptr(),
                headers.len(),
                if body.is_empty() { ModuleBuffer::NONE } else { ModuleBuffer::of(body) },
                timeout_ms,
            )
        })?;
        Ok(id)
    }

    #[expect(unsafe_code, reason = "calls Envoy")]
    pub(crate) fn scheduler(self) -> Option<ConfigScheduler> {
        let scheduler =
            unsafe { super::envoy_dynamic_module_callback_http_filter_config_scheduler_new(self.0.as_ptr()) };
        NonNull::new(scheduler).map(ConfigScheduler)
    }
}

impl ConfigScheduler {
    #[expect(unsafe_code, reason = "calls Envoy")]
    pub(crate) fn commit(&self, event: u64) {
        unsafe {
            super::envoy_dynamic_module_callback_http_filter_config_scheduler_commit(self.0.as_ptr(), event)
        }
    }
}

impl Drop for ConfigScheduler {
    #[expect(unsafe_code, reason = "calls Envoy")]
    fn drop(&mut self) {
        unsafe { super::envoy_dynamic_module_callback_http_filter_config_scheduler_delete(self.0.as_ptr()) }
    }
}

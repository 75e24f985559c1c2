//! What Envoy keeps of ours, as pointers that it never looks into.
//!
//! * A configuration is shared: the pointer counts as one owner, from the hook that makes it to the one that
//!   destroys it. Any thread may look at it.
//! * A request is owned by its pointer alone. Envoy calls all its hooks on one thread, and none while another
//!   runs, except that destroying it may happen inside a call that ends or resumes it: no hook makes such a call
//!   while it looks at the request.

use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use crate::plugin::Plugin;
use crate::streams::StreamFilter;

/// The pointer of a configuration.
pub(crate) fn of_plugin(plugin: Arc<Plugin>) -> *const c_void {
    Arc::into_raw(plugin).cast()
}

/// The configuration of that pointer, which stays Envoy's. This counts as no owner: all threads would count in one
/// place, for every request.
///
/// # Safety
///
/// It is null, or came from [`of_plugin`] and is not destroyed while what this returns is there.
#[expect(unsafe_code, reason = "the pointer comes back from Envoy")]
pub(crate) unsafe fn plugin(pointer: *const c_void) -> Option<ManuallyDrop<Arc<Plugin>>> {
    // SAFETY: Envoy's own share keeps it alive, and is not given up here.
    (!pointer.is_null()).then(|| ManuallyDrop::new(unsafe { Arc::from_raw(pointer.cast()) }))
}

/// Takes back the pointer of a configuration.
///
/// # Safety
///
/// It is null, or came from [`of_plugin`] and was not destroyed; Envoy uses it no more.
#[expect(unsafe_code, reason = "the pointer comes back from Envoy")]
pub(crate) unsafe fn take_plugin(pointer: *const c_void) -> Option<Arc<Plugin>> {
    // SAFETY: this is the share that `of_plugin` gave away.
    if pointer.is_null() { None } else { Some(unsafe { Arc::from_raw(pointer.cast()) }) }
}

/// The pointer of a request.
pub(crate) fn of_stream(stream: StreamFilter) -> *const c_void {
    Box::into_raw(Box::new(stream)).cast_const().cast()
}

/// Looks at the request of that pointer.
///
/// # Safety
///
/// It is null, or came from [`of_stream`] and was not destroyed; this is its thread, and nobody else looks at it.
#[expect(unsafe_code, reason = "the pointer comes back from Envoy")]
pub(crate) unsafe fn with_stream<T>(
    pointer: *const c_void,
    look: impl FnOnce(&mut StreamFilter) -> T,
) -> Option<T> {
    // SAFETY: as the caller says.
    unsafe { pointer.cast_mut().cast::<StreamFilter>().as_mut() }.map(look)
}

/// Takes back the pointer of a request.
///
/// # Safety
///
/// As for [`with_stream`], and Envoy uses it no more.
#[expect(unsafe_code, reason = "the pointer comes back from Envoy")]
pub(crate) unsafe fn take_stream(pointer: *const c_void) -> Option<Box<StreamFilter>> {
    // SAFETY: as the caller says.
    if pointer.is_null() { None } else { Some(unsafe { Box::from_raw(pointer.cast_mut().cast()) }) }
}

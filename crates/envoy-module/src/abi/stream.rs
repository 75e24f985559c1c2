//! One request, as Envoy knows it.

use std::cell::Cell;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::mem;
use std::ptr::NonNull;

use super::{EnvoyHeader, Map, ModuleBuffer, ModuleHeader, Refused};

/// Envoy's object of one request, for as long as a hook of that request runs. It belongs to one thread.
pub(crate) struct Stream(NonNull<c_void>);

/// Headers of a request where Envoy has them.
pub(crate) struct StreamHeaders<'a> {
    headers: Vec<EnvoyHeader>,
    of: PhantomData<&'a Stream>,
}

thread_local! {
    /// Room for as many headers as any request of this thread had, which is as many as Envoy allows.
    static ROOM: Cell<Vec<EnvoyHeader>> = const { Cell::new(Vec::new()) };
}

/// Calls a hook of a request on the thread of that request, from any thread. When the request has ended, nothing
/// happens.
pub(crate) struct StreamScheduler(NonNull<c_void>);

// SAFETY: Envoy lets any thread commit, and what is deleted is a weak pointer and a reference to a dispatcher.
#[expect(unsafe_code, reason = "see above")]
unsafe impl Send for StreamScheduler {}
// SAFETY of every call below: a pointer that goes with a length is that of a live buffer of that length, which
// Envoy copies or is done with before it returns; one without is that of a live place, into which Envoy writes
// one value; and the object is there, as its type says.

impl Stream {
    /// The object that a hook of a request was given, for as long as that hook runs.
    pub(crate) fn of(object: *mut c_void) -> Option<Self> {
        NonNull::new(object).map(Self)
    }

    /// All headers or trailers.
    #[expect(unsafe_code, reason = "calls Envoy")]
    pub(crate) fn headers(&self, map: Map) -> Result<StreamHeaders<'_>, Refused> {
        let len = unsafe { super::envoy_dynamic_module_callback_http_get_headers_size(self.0.as_ptr(), map) };
        let mut headers = ROOM.take();
        headers.resize(len, EnvoyHeader::NONE);
        // SAFETY: there is room for as many headers as there are; no other thread changes them meanwhile.
        let are_there = unsafe {
            super::envoy_dynamic_module_callback_http_get_headers(self.0.as_ptr(), map, headers.as_mut_ptr())
        };
        if are_there { Ok(StreamHeaders { headers, of: PhantomData }) } else { Err(Refused) }
    }

    /// Adds a header beside all others.
    #[expect(unsafe_code, reason = "calls Envoy")]
    pub(crate) fn add_header(&mut self, map: Map, name: &[u8], value: &[u8]) -> Result<(), Refused> {
        let (name, value) = (ModuleBuffer::of(name), ModuleBuffer::of(value));
        let is_done = unsafe {
            super::envoy_dynamic_module_callback_http_add_header(self.0.as_ptr(), map, name, value)
        };
        if is_done { Ok(()) } else { Err(Refused) }
    }

    /// Lets this be the only header of that name, in any case.
    pub(crate) fn set_header(&mut self, map: Map, name: &[u8], value: &[u8]) -> Result<(), Refused> {
        self.change_header(map, name, ModuleBuffer::of(value))
    }

    /// Removes all headers of that name, in any case.
    pub(crate) fn remove_header(&mut self, map: Map, name: &[u8]) -> Result<(), Refused> {
        self.change_header(map, name, ModuleBuffer::NONE)
    }

    #[expect(unsafe_code, reason = "calls Envoy")]
    fn change_header(&mut self, map: Map, name: &[u8], value: ModuleBuffer) -> Result<(), Refused> {
        let name = ModuleBuffer::of(name);
        let is_done = unsafe {
            super::envoy_dynamic_module_callback_http_set_header(self.0.as_ptr(), map, name, value)
        };
        if is_done { Ok(()) } else { Err(Refused) }
    }

    #[expect(unsafe_code, reason = "calls Envoy")]
    pub(crate) fn set_filter_state(&mut self, name: &str, value: &str) -> Result<(), Refused> {
        let (name, value) = (ModuleBuffer::of(name.as_bytes()), ModuleBuffer::of(value.as_bytes()));
        let is_done = unsafe {
            super::envoy_dynamic_module_callback_http_set_filter_state_bytes(self.0.as_ptr(), name, value)
        };
        if is_done { Ok(()) } else { Err(Refused) }
    }

    /// Lets Envoy choose the route again.
    #[expect(unsafe_code, reason = "calls Envoy")]
    pub(crate) fn clear_route_cache(&mut self) {
        unsafe { super::envoy_dynamic_module_callback_http_clear_route_cache(self.0.as_ptr()) }
    }

    /// Ends the request with this answer. Envoy may call the hook that destroys the request before this returns,
    /// so nothing of the request may be borrowed.
    #[expect(unsafe_code, reason = "calls Envoy")]
    pub(crate) fn respond<'h>(
        self,
        status: u32,
        headers: impl Iterator<Item = (&'h str, &'h str)>,
        body: &str,
        details: &str,
    ) {
        let headers: Vec<_> = headers.map(|(name, value)| ModuleHeader::of(name, value)).collect();
        unsafe {
            super::envoy_dynamic_module_callback_http_send_response(
                self.0.as_ptr(),
                status,
                headers.as_ptr(),
                headers.len(),
                ModuleBuffer::of(body.as_bytes()),
                ModuleBuffer::of(details.as_bytes()),
            );
        }
    }

    /// Lets the request move on that was held. As with [`Self::respond`], nothing of it may be borrowed.
    #[expect(unsafe_code, reason = "calls Envoy")]
    pub(crate) fn resume(self) {
        unsafe { super::envoy_dynamic_module_callback_http_filter_continue_decoding(self.0.as_ptr()) }
    }

    #[expect(unsafe_code, reason = "calls Envoy")]
    pub(crate) fn scheduler(&self) -> Option<StreamScheduler> {
        let scheduler =
            unsafe { super::envoy_dynamic_module_callback_http_filter_scheduler_new(self.0.as_ptr()) };
        NonNull::new(scheduler).map(StreamScheduler)
    }
}

impl StreamHeaders<'_> {
    /// Each name with its value.
    #[expect(unsafe_code, reason = "reads memory of Envoy's")]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        // SAFETY: nothing has changed since Envoy lent them, because a change would borrow the stream as
        // mutable, and the hook still runs, because the stream is lent for no longer.
        self.headers.iter().map(|header| unsafe { header.pair() })
    }
}

/// The room is there for the next request.
impl Drop for StreamHeaders<'_> {
    fn drop(&mut self) {
        self.headers.clear();
        let _ = ROOM.try_with(|room| room.set(mem::take(&mut self.headers)));
    }
}

impl StreamScheduler {
    #[expect(unsafe_code, reason = "calls Envoy")]
    pub(crate) fn commit(&self, event: u64) {
        unsafe { super::envoy_dynamic_module_callback_http_filter_scheduler_commit(self.0.as_ptr(), event) }
    }
}

impl Drop for StreamScheduler {
    #[expect(unsafe_code, reason = "calls Envoy")]
    fn drop(&mut self) {
        unsafe { super::envoy_dynamic_module_callback_http_filter_scheduler_delete(self.0.as_ptr()) }
    }
}

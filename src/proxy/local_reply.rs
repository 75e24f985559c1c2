//! Answering a request in the upstream's place.

use proxy_wasm::types::Status;

use crate::headers::HeaderPairs;
use crate::reply::Reply;

#[link(wasm_import_module = "env")]
#[expect(
    unsafe_code,
    reason = "the SDK's call cannot carry response-code details nor a gRPC status with an HTTP one"
)]
unsafe extern "C" {
    fn proxy_send_local_response(
        status_code: u32,
        details_data: *const u8,
        details_size: usize,
        body_data: *const u8,
        body_size: usize,
        headers_data: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> Status;
}

/// Ends the current request with this reply. The host sends it when the callback is over.
#[expect(unsafe_code, reason = "calls the host")]
pub(super) fn send(reply: &Reply) {
    let headers: HeaderPairs = reply.headers.iter().map(|(name, value)| (name, value)).collect();
    let headers = headers.as_bytes();
    // SAFETY: every pointer is that of a live buffer and goes with its length; the host copies all of them before it returns.
    let status = unsafe {
        proxy_send_local_response(
            reply.status,
            reply.details.as_ptr(),
            reply.details.len(),
            reply.body.as_ptr(),
            reply.body.len(),
            headers.as_ptr(),
            headers.len(),
            reply.grpc_status,
        )
    };
    if status != Status::Ok {
        log::error!("the host would not send a {} reply", reply.status);
    }
}

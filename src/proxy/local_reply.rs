//! Answering a request in the upstream's place.

use proxy_wasm::types::Status;

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
    let headers = serialized(&reply.headers);
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

/// Headers in the layout of the ABI: their number, the lengths of each name and value, then the texts, each ended by a zero byte.
fn serialized(headers: &[(&str, String)]) -> Vec<u8> {
    // A reply has a few short headers: every length fits 32 bits.
    let len = |text: &str| (text.len() as u32).to_le_bytes();
    let mut out = (headers.len() as u32).to_le_bytes().to_vec();
    for (name, value) in headers {
        out.extend_from_slice(&len(name));
        out.extend_from_slice(&len(value));
    }
    for (name, value) in headers {
        for text in [*name, value.as_str()] {
            out.extend_from_slice(text.as_bytes());
            out.push(0);
        }
    }
    out
}

//! How often a request asks the allocator for memory. Most of what the module itself could cost a request is that.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use latchkey_filter::testing::feed_answers::{Answer, row};

use super::*;

/// The system's allocator, which counts how often a thread asks it.
struct Counting;

thread_local! {
    static ASKED: Cell<usize> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call is passed on to the system's allocator as it is. A text that grows asks again.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.set(ASKED.get() + 1);
        // SAFETY: the caller promises what the system's allocator wants.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }
}

/// Does what Envoy would do, which is not counted.
pub(super) fn uncounted<T>(work: impl FnOnce() -> T) -> T {
    let asked = ASKED.get();
    let done = work();
    ASKED.set(asked);
    done
}

/// What became of the second request with this credential, and how often it asked for memory. What is kept from request to
/// request is there then.
fn asked_for(config: *const c_void, credential: &str) -> (u32, Option<String>, usize) {
    let request = [(":path", "/a"), (":method", "GET"), (":authority", "a"), ("authorization", credential)];
    decided(config, FakeStream::with(&request));
    let mut stream = FakeStream::with(&request);
    let before = ASKED.get();
    let filter = envoy_dynamic_module_on_http_filter_new(config, stream.object());
    let status = headers(&mut stream, filter);
    envoy_dynamic_module_on_http_filter_destroy(filter);
    let asked = ASKED.get() - before;
    (status, stream.answer.map(|answer| answer.details), asked)
}

#[test]
fn a_request_asks_for_memory_a_few_times() {
    let config = configured_for("keys-of-costs", "");
    tick(config);
    answer(config, &Answer::of(&[row(1, "id")]).to_json());
    tick(config);
    // The object of the request, and what the rules of the filter put together.
    let (status, refused_by, asked) = asked_for(config, "ApiKey aWQ6c2VjcmV0IG9mIGlk");
    assert_eq!((status, refused_by), (CONTINUE, None));
    assert!(asked <= 5, "an admitted request has asked {asked} times");
    let (_, refused_by, asked) = asked_for(config, "ApiKey aWQ6c2VjcmV0IG9mIGll");
    assert_eq!(refused_by.as_deref(), Some("latchkey_secret_wrong"));
    assert!(asked <= 15, "a refused request has asked {asked} times");
    envoy_dynamic_module_on_http_filter_config_destroy(config);
}

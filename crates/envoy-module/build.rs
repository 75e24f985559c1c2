//! How the library is linked.

fn main() {
    // It has a thread and thread-local data of its own, so it stays loaded whatever Envoy's `do_not_close` says.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo::rerun-if-changed=build.rs");
}

//! The command as a build calls it.

#![expect(clippy::unwrap_used, reason = "a test that cannot start a process has failed")]

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::{env, fs, process};

fn run<S: AsRef<OsStr>>(arguments: &[S]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_latchkey-trim-module")).args(arguments).output().unwrap()
}

fn temporary(name: &str) -> PathBuf {
    env::temp_dir().join(format!("latchkey-trim-module-{}-{name}", process::id()))
}

#[test]
fn writes_the_trimmed_module_and_tells_both_sizes() {
    let names = "_initialize proxy_abi_version_0_2_1 proxy_on_memory_allocate proxy_on_context_create \
                 proxy_on_vm_start proxy_on_configure proxy_on_tick proxy_on_done proxy_on_delete \
                 proxy_on_request_headers proxy_on_request_body proxy_on_request_trailers \
                 proxy_on_http_call_response proxy_on_log";
    let functions: String = names.split(' ').map(|name| format!("(func (export {name:?}))")).collect();
    let built = wat::parse_str(format!("(module (memory (export \"memory\") 1) {functions})")).unwrap();
    let (from, to) = (temporary("in.wasm"), temporary("out.wasm"));
    fs::write(&from, &built).unwrap();

    let output = run(&[&from, &to]);
    let trimmed = fs::read(&to).unwrap();
    for file in [&from, &to] {
        fs::remove_file(file).unwrap();
    }
    assert!(output.status.success());
    let expected = format!("{}: {} bytes, {} before\n", to.display(), trimmed.len(), built.len());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    assert!(!trimmed.windows(12).any(|bytes| bytes == b"proxy_on_log"));
}

#[test]
fn says_what_is_wrong_and_writes_nothing() {
    let to = temporary("never.wasm");
    let told = |output: Output| {
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(
        told(run(&["one"])),
        "latchkey-trim-module: takes two arguments, the built module and the file to write\n"
    );
    let absent = temporary("absent.wasm");
    assert!(told(run(&[&absent, &to])).contains(&absent.display().to_string()));
    let not_wasm = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    assert!(told(run(&[&not_wasm, &to])).contains("not a WebAssembly module"));
    assert!(!to.exists());
}

//! Which exports the filter uses, and how the others go.

use std::fmt;

use walrus::passes::gc;
use walrus::{ExportId, Module};

/// What the host needs and the filter means to answer. Where there are several names, the host takes any of them.
///
/// `proxy_on_request_body` and `proxy_on_request_trailers` look idle and are not: without them a request that waits for the first
/// key table would go on to the upstream when its body arrives (Envoy, `allow_on_headers_stop_iteration`).
/// `proxy_on_delete` is where the SDK forgets a request.
const USED: &[&[&str]] = &[
    &["memory"],
    // The SDK calls it `malloc` on one target and by its name in the ABI on others.
    &["proxy_on_memory_allocate", "malloc"],
    &["_initialize"],
    &["proxy_abi_version_0_2_1"],
    &["proxy_on_context_create"],
    &["proxy_on_vm_start"],
    &["proxy_on_configure"],
    &["proxy_on_tick"],
    &["proxy_on_delete"],
    &["proxy_on_request_headers"],
    &["proxy_on_request_body"],
    &["proxy_on_request_trailers"],
    &["proxy_on_http_call_response"],
];

/// Why a module cannot be trimmed.
#[derive(Debug)]
pub(crate) enum InvalidModule {
    /// It is not a WebAssembly module; the text says where it fails to be one.
    Malformed(String),
    /// It lacks these exports, so it is not the filter, or not a whole one.
    Missing(Vec<&'static str>),
}

/// The module without the exports that are not used, and without all that only they could reach.
pub(crate) fn trim(wasm: &[u8]) -> Result<Vec<u8>, InvalidModule> {
    let mut module =
        Module::from_buffer(wasm).map_err(|error| InvalidModule::Malformed(error.to_string()))?;
    let missing: Vec<&str> = USED
        .iter()
        .filter(|names| !module.exports.iter().any(|export| names.contains(&export.name.as_str())))
        .filter_map(|names| names.first().copied())
        .collect();
    if !missing.is_empty() {
        return Err(InvalidModule::Missing(missing));
    }
    let unused: Vec<ExportId> = module
        .exports
        .iter()
        .filter(|export| !USED.iter().any(|names| names.contains(&export.name.as_str())))
        .map(|export| export.id())
        .collect();
    for export in unused {
        module.exports.delete(export);
    }
    gc::run(&mut module);
    Ok(module.emit_wasm())
}

impl fmt::Display for InvalidModule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(problem) => write!(f, "not a WebAssembly module: {problem}"),
            Self::Missing(names) => write!(f, "the module does not export {}", names.join(", ")),
        }
    }
}

impl std::error::Error for InvalidModule {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A module with an export for every name, and functions that some of them call.
    fn module(exports: &[&str]) -> Vec<u8> {
        let functions: String = exports
            .iter()
            .filter(|name| **name != "memory")
            .map(|name| match *name {
                "proxy_on_tick" => format!("(func (export {name:?}) call $used call $host_used)"),
                "proxy_on_log" => format!("(func (export {name:?}) call $unused call $host_unused)"),
                _ => format!("(func (export {name:?}))"),
            })
            .collect();
        let memory = if exports.contains(&"memory") { "(memory (export \"memory\") 1)" } else { "" };
        let text = format!(
            "(module
               (import \"env\" \"used\" (func $host_used)) (import \"env\" \"unused\" (func $host_unused))
               {memory}
               (global $unused_global (export \"__heap_base\") i32 (i32.const 1))
               (func $used) (func $unused) {functions})"
        );
        wat::parse_str(text).unwrap()
    }

    /// The first name of each use.
    fn used() -> Vec<&'static str> {
        USED.iter().map(|names| names[0]).collect()
    }

    fn exports(wasm: &[u8]) -> BTreeSet<String> {
        Module::from_buffer(wasm).unwrap().exports.iter().map(|export| export.name.clone()).collect()
    }

    #[test]
    fn keeps_the_exports_in_use_and_no_others() {
        let idle = ["proxy_on_log", "proxy_on_response_headers", "proxy_on_new_connection"];
        let built = module(&[used().as_slice(), &idle].concat());
        let trimmed = trim(&built).unwrap();
        assert_eq!(exports(&trimmed), used().into_iter().map(str::to_owned).collect());
        assert!(trimmed.len() < built.len());
    }

    #[test]
    fn what_nothing_reaches_goes_too() {
        let trimmed = trim(&module(&[used().as_slice(), &["proxy_on_log"]].concat())).unwrap();
        let module = Module::from_buffer(&trimmed).unwrap();
        let names: BTreeSet<_> =
            module.funcs.iter().filter_map(|function| function.name.as_deref()).collect();
        assert!(names.contains("used") && !names.contains("unused"), "{names:?}");
        let imports: Vec<_> = module.imports.iter().map(|import| import.name.as_str()).collect();
        assert_eq!(imports, ["used"]);
        assert_eq!(module.globals.iter().count(), 0);
    }

    #[test]
    fn the_allocator_may_have_either_name() {
        let mut names = used();
        names.retain(|name| *name != "proxy_on_memory_allocate");
        names.push("malloc");
        assert!(exports(&trim(&module(&names)).unwrap()).contains("malloc"));
    }

    #[test]
    fn a_module_that_lacks_a_used_export_is_refused() {
        for absent in used() {
            let names: Vec<&str> = used().into_iter().filter(|name| *name != absent).collect();
            let refusal = trim(&module(&names)).unwrap_err().to_string();
            assert_eq!(refusal, format!("the module does not export {absent}"));
        }
        let refusal = trim(&module(&["memory"])).unwrap_err();
        assert!(matches!(refusal, InvalidModule::Missing(names) if names.len() == USED.len() - 1));
    }

    #[test]
    fn what_is_not_a_module_is_refused() {
        for bytes in [b"".as_slice(), b"\0asm", b"(module)"] {
            assert!(matches!(trim(bytes), Err(InvalidModule::Malformed(_))));
        }
    }

    #[test]
    fn trimming_twice_changes_nothing_more() {
        let once = trim(&module(&used())).unwrap();
        assert_eq!(trim(&once).unwrap(), once);
    }
}

//! How exports that the filter does not use go, and imports that it never calls.

use std::collections::BTreeSet;
use std::fmt;

use walrus::passes::gc;
use walrus::{ExportId, FunctionId, ImportKind, Module};

use crate::merging::merge;
use crate::surface::{EXPORTS, IMPORTS};

/// Why a module cannot be trimmed.
#[derive(Debug)]
pub enum InvalidModule {
    /// It is not a WebAssembly module; the text says where it fails to be one.
    Malformed(String),
    /// It lacks these exports, so it is not the filter, or not a whole one.
    Missing(Vec<&'static str>),
}

/// The module without the exports that are not used and the imports that are never called, and without all
/// that only they could reach.
///
/// # Errors
///
/// [`InvalidModule`] when it is not the filter.
pub fn trim(wasm: &[u8]) -> Result<Vec<u8>, InvalidModule> {
    let mut module = parsed(wasm)?;
    let missing: Vec<&str> = EXPORTS
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
        .filter(|export| !EXPORTS.iter().any(|names| names.contains(&export.name.as_str())))
        .map(|export| export.id())
        .collect();
    for export in unused {
        module.exports.delete(export);
    }
    gc::run(&mut module);
    forget_calls(&mut module)?;
    gc::run(&mut module);
    merged(module.emit_wasm())
}

/// The module with every function once. Each round finds those that differed by whom they called alone.
fn merged(mut wasm: Vec<u8>) -> Result<Vec<u8>, InvalidModule> {
    loop {
        let mut module = parsed(&wasm)?;
        if merge(&mut module, &wasm) == 0 {
            return Ok(wasm);
        }
        gc::run(&mut module);
        wasm = module.emit_wasm();
    }
}

/// The names of everything that a module imports.
///
/// # Errors
///
/// [`InvalidModule`] when it is none.
pub fn imports(wasm: &[u8]) -> Result<BTreeSet<String>, InvalidModule> {
    Ok(parsed(wasm)?.imports.iter().map(|import| import.name.clone()).collect())
}

fn parsed(wasm: &[u8]) -> Result<Module, InvalidModule> {
    Module::from_buffer(wasm).map_err(|error| InvalidModule::Malformed(error.to_string()))
}

/// Puts a trap in the place of every imported function that the filter never calls. They are methods of the
/// SDK's traits, so tables of functions name them, and nothing can prove that nobody looks them up there. A
/// call that was made all the same would end the VM, as one does that the host does not allow.
fn forget_calls(module: &mut Module) -> Result<(), InvalidModule> {
    let never_called: Vec<FunctionId> = module
        .imports
        .iter()
        .filter(|import| !IMPORTS.contains(&import.name.as_str()))
        .filter_map(|import| match import.kind {
            ImportKind::Function(function) => Some(function),
            _ => None,
        })
        .collect();
    for function in never_called {
        module
            .replace_imported_func(function, |(body, _)| {
                body.unreachable();
            })
            .map_err(|error| InvalidModule::Malformed(error.to_string()))?;
    }
    Ok(())
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
    use super::*;

    /// A module with an export for every name, and functions that some of them call.
    fn module(exports: &[&str]) -> Vec<u8> {
        let functions: String = exports
            .iter()
            .filter(|name| **name != "memory")
            .map(|name| match *name {
                "proxy_on_tick" => {
                    format!("(func (export {name:?}) call $used call $log (call_indirect (i32.const 0)))")
                }
                "proxy_on_log" => format!("(func (export {name:?}) call $unused call $time)"),
                _ => format!("(func (export {name:?}))"),
            })
            .collect();
        let memory = if exports.contains(&"memory") { "(memory (export \"memory\") 1)" } else { "" };
        let text = format!(
            "(module
               (import \"env\" \"proxy_log\" (func $log))
               (import \"wasi_snapshot_preview1\" \"clock_time_get\" (func $time))
               (import \"env\" \"proxy_grpc_call\" (func $grpc (param i32) (result i32)))
               (table 1 funcref) (elem (i32.const 0) func $grpc)
               {memory}
               (global $unused_global (export \"__heap_base\") i32 (i32.const 1))
               (func $used) (func $unused) {functions})"
        );
        wat::parse_str(text).unwrap()
    }

    /// The first name of each use.
    fn used() -> Vec<&'static str> {
        EXPORTS.iter().map(|names| names[0]).collect()
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
        let imports: Vec<String> = imports(&trimmed).unwrap().into_iter().collect();
        assert_eq!(imports, ["proxy_log"], "neither what only a callback used nor what only a table names");
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
        assert!(matches!(refusal, InvalidModule::Missing(names) if names.len() == EXPORTS.len() - 1));
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

//! How functions that do the same become one.
//!
//! The compiler makes a copy of a generic function for each type and for each crate, and copies often come
//! out alike: a list of one kind of number grows as a list of another does. It does not merge what was built
//! at different optimization levels. Nothing in the filter compares functions by their place.

use std::collections::HashMap;
use std::ops::Range;

use walrus::ir::{VisitorMut, dfs_pre_order_mut};
use walrus::{ConstExpr, ElementItems, ExportItem, FunctionId, FunctionKind, Module, TypeId};

/// The magic number and the version.
const PREAMBLE_LEN: usize = 8;

const CODE_SECTION: u8 = 10;

/// Whoever meant a function that went means the one that stayed.
struct Merged(HashMap<FunctionId, FunctionId>);

/// Makes one function of all that have the same type and the same code, and says how many that leaves without
/// a use. `wasm` is what the module was read from. Functions that differ by whom they call alone are alike
/// only when it is read again.
pub(super) fn merge(module: &mut Module, wasm: &[u8]) -> usize {
    let Some(section) = code_section(wasm) else { return 0 };
    let mut kept: HashMap<(TypeId, &[u8]), FunctionId> = HashMap::new();
    let mut merged = HashMap::new();
    for function in module.funcs.iter() {
        let FunctionKind::Local(local) = &function.kind else { continue };
        let Some(code) = local.original_range.clone().and_then(|range: Range<usize>| section.get(range))
        else {
            continue;
        };
        let stays = *kept.entry((function.ty(), code)).or_insert(function.id());
        if stays != function.id() {
            merged.insert(function.id(), stays);
        }
    }
    let mut merged = Merged(merged);
    for (_, function) in module.funcs.iter_local_mut() {
        let entry = function.entry_block();
        dfs_pre_order_mut(&mut merged, function, entry);
    }
    merged.replace_outside(module);
    merged.0.len()
}

/// What stands in the section of code (WebAssembly 2.0, section 5.5.13), in which the places of functions are
/// counted.
fn code_section(wasm: &[u8]) -> Option<&[u8]> {
    let mut rest = wasm.get(PREAMBLE_LEN..)?;
    while let [id, after @ ..] = rest {
        let len_len = after.iter().position(|byte| byte & 0x80 == 0)? + 1;
        let (len, contents) = after.split_at_checked(len_len)?;
        let len = len.iter().rev().fold(0, |len, byte| len << 7 | usize::from(byte & 0x7f));
        let (section, others) = contents.split_at_checked(len)?;
        if *id == CODE_SECTION {
            return Some(section);
        }
        rest = others;
    }
    None
}

impl Merged {
    fn replace(&self, function: &mut FunctionId) {
        if let Some(stays) = self.0.get(function) {
            *function = *stays;
        }
    }

    /// What means a function and is no code.
    fn replace_outside(&self, module: &mut Module) {
        for export in module.exports.iter_mut() {
            if let ExportItem::Function(function) = &mut export.item {
                self.replace(function);
            }
        }
        for element in module.elements.iter_mut() {
            match &mut element.items {
                ElementItems::Functions(functions) => {
                    functions.iter_mut().for_each(|function| self.replace(function));
                }
                ElementItems::Expressions(_, expressions) => {
                    for expression in expressions {
                        if let ConstExpr::RefFunc(function) = expression {
                            self.replace(function);
                        }
                    }
                }
            }
        }
        if let Some(function) = &mut module.start {
            self.replace(function);
        }
    }
}

impl VisitorMut for Merged {
    fn visit_function_id_mut(&mut self, function: &mut FunctionId) {
        self.replace(function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many functions are left.
    fn left(text: &str) -> usize {
        let mut wasm = wat::parse_str(text).unwrap();
        loop {
            let mut module = Module::from_buffer(&wasm).unwrap();
            if merge(&mut module, &wasm) == 0 {
                return module.funcs.iter_local().count();
            }
            walrus::passes::gc::run(&mut module);
            wasm = module.emit_wasm();
        }
    }

    #[test]
    fn functions_of_the_same_code_become_one() {
        let left = left(
            "(module (func (export \"a\") (result i32) i32.const 1) (func (export \"b\") (result i32) i32.const 1)
                     (func (export \"c\") (result i32) i32.const 2))",
        );
        assert_eq!(left, 2);
    }

    #[test]
    fn functions_of_another_type_stay_apart() {
        let left =
            left("(module (func (export \"a\") unreachable) (func (export \"b\") (param i32) unreachable))");
        assert_eq!(left, 2);
    }

    #[test]
    fn callers_of_functions_that_became_one_become_one_too() {
        let left = left(
            "(module (table 2 funcref) (elem (i32.const 0) func $c $d)
                     (func $a (result i32) i32.const 1) (func $b (result i32) i32.const 1)
                     (func $c (result i32) call $a) (func $d (result i32) call $b)
                     (func (export \"run\") (result i32) i32.const 0 call_indirect (result i32)))",
        );
        assert_eq!(left, 3);
    }

    #[test]
    fn nothing_is_found_where_there_is_no_code() {
        assert_eq!(code_section(b"\0asm\x01\0\0\0"), None);
        assert_eq!(code_section(b"\0asm\x01\0\0\0\x0a\x02\x01"), None);
        assert_eq!(left("(module)"), 0);
    }
}

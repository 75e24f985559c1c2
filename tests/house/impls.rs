//! Where the `impl` blocks of a type stand.

use std::collections::{BTreeMap, BTreeSet};

use crate::code;
use crate::rooms::is_of_tests;

/// Types with `impl` blocks in several files, by crate, and why.
const EXCEPTIONS: [(&str, &str, &str); 23] = [
    ("crates/edge-ledger", "EdgeLedger", "each part of what is known of edges has a file with its rules"),
    ("crates/edge-ledger", "EdgeProgress", "as for the ledger"),
    ("crates/key-service", "Authentication", "what may end an authentication is checked in one file"),
    ("crates/key-service", "Authenticator", "each scheme has a file"),
    ("crates/key-service", "EdgeRegister", "the list of edges for operators has a file"),
    ("crates/key-service", "KeyUpdate", "all lengths are counted in one file"),
    ("crates/key-service", "Query", "what the audit log keeps of an actor is bound in one place"),
    ("crates/key-service", "StoreError", "what errors of databases mean is known only below the store"),
    ("crates/key-service", "StoredKey", "the model does not know the limits of the store"),
    ("crates/key-service", "Subject", "what may end an authentication is checked in one file"),
    ("crates/privileges", "EffectivePermission", "each kind of question has a file"),
    ("crates/query", "AggregationKind", "only the parser asks it"),
    ("crates/query", "BoolQuery", "only one parser builds it so"),
    ("crates/query", "Search", "what a store can do by itself has a file"),
    ("crates/sim", "World", "what can happen, asking edges and the end have a file each"),
    ("src", "Config", "the metadata of routes is read in one file"),
    ("src", "CredentialSources", "finding and stripping are two things"),
    ("src", "Filter", "each kind of work of the filter has a file"),
    ("src", "Follower", "answers to the follower have a file"),
    ("src", "Found", "the format of records is known in one file"),
    ("src", "Page", "the format of pages is known in one file, and attachments have another"),
    ("src", "Replies", "what is chosen and what is answered are two things"),
    ("src", "TableWriter", "each kind of writing has a file"),
];

#[test]
fn the_impl_blocks_of_a_type_stand_in_one_file() {
    let mut files: BTreeMap<(String, String), Vec<bool>> = BTreeMap::new();
    for (path, text) in code() {
        let path = path.display().to_string();
        if is_of_tests(&path) {
            continue;
        }
        let of_crate = path.split("/src/").next().filter(|of| path.len() > of.len()).unwrap_or("src");
        for name in types_with_impls(&text) {
            let is_defined_here = defines(&text, &name);
            files.entry((of_crate.to_owned(), name)).or_default().push(is_defined_here);
        }
    }
    // Types of one name that are each defined in their file are several types.
    let is_spread = |files: &[bool]| files.len() > 1 && files.contains(&false);
    let spread: BTreeSet<_> = files.iter().filter(|(_, files)| is_spread(files)).map(|(it, _)| it).collect();
    let excepted: BTreeSet<_> =
        EXCEPTIONS.iter().map(|(of, name, _)| ((*of).to_owned(), (*name).to_owned())).collect();
    let excepted: BTreeSet<_> = excepted.iter().collect();
    let new: Vec<_> = spread.difference(&excepted).collect();
    assert!(new.is_empty(), "these types have inherent impl blocks in several files: {new:?}");
    let mended: Vec<_> = excepted.difference(&spread).collect();
    assert!(mended.is_empty(), "these types are no exceptions any more: {mended:?}");
}

#[test]
fn impl_blocks_are_found() {
    let text = "struct A;\nimpl A {}\nimpl<F: Fn() -> Vec<u8>> b::B<F> where F: Send {}\nimpl From<A> for C {}\n\
                #[cfg(test)]\nimpl D {}\n#[cfg(test)]\nmod tests {\n}\nimpl E {}\n";
    assert_eq!(types_with_impls(text), ["A", "B"].map(str::to_owned).into());
    assert!(defines(text, "A") && !defines(text, "B"));
}

/// The types with inherent `impl` blocks, without those of tests.
fn types_with_impls(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let blocks = code.match_indices("\nimpl").filter(|(at, _)| !code[..*at].ends_with("#[cfg(test)]"));
    let heads = blocks.filter_map(|(at, word)| code[at + word.len()..].split('{').next());
    heads.filter_map(inherent).collect()
}

/// The type of the head of an inherent `impl` block, without its path.
fn inherent(head: &str) -> Option<String> {
    let head = head.split(" where ").next()?;
    let mut depth = 0_usize;
    let mut last = ' ';
    let begin = head.find(|letter| {
        match letter {
            '<' => depth += 1,
            '>' if last != '-' => depth -= 1,
            _ => {}
        }
        last = letter;
        depth == 0 && letter == ' '
    })?;
    let named = head[begin..].trim();
    let path = named.split(['<', ' ', '\n']).next()?;
    (!named.contains(" for ")).then(|| path.rsplit("::").next().unwrap_or(path).to_owned())
}

/// Whether the type is defined in this text.
fn defines(text: &str, name: &str) -> bool {
    let words: Vec<_> = text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').collect();
    words.windows(2).any(|two| ["struct", "enum", "union"].iter().any(|kind| two == [*kind, name]))
}

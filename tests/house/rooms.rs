//! Who may import whom: the tables of ARCHITECTURE.md, held against the code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::{code, root};

/// What each crate or room may import, by name.
type MayImport = BTreeMap<String, BTreeSet<String>>;

/// The rooms of the two large crates: where they are, and under which heading their table stands.
const HOUSES: [(&str, &str); 2] =
    [("src/", "### Rooms of the filter"), ("crates/key-service/src/", "### Rooms of the key service")];

#[test]
fn crates_import_only_what_the_table_allows() {
    let allowed = table("### Crates");
    for (path, manifest) in manifests() {
        let may = allowed.get(&path).unwrap_or_else(|| panic!("{path} is not in the table of crates"));
        let dependencies = manifest.split("\n[dependencies]").nth(1).unwrap_or_default();
        let dependencies = dependencies.split("\n[dev-dependencies]").next().unwrap_or_default();
        for line in dependencies.lines() {
            let Some(name) = line.strip_prefix("latchkey-") else { continue };
            let name = name.split(['.', ' ', '=']).next().unwrap();
            assert!(may.contains(name), "{path} imports {name}, which the table does not allow");
        }
    }
    assert_eq!(circle(&allowed), None, "a circle of crates");
}

#[test]
fn rooms_import_only_what_the_table_allows() {
    for (house, heading) in HOUSES {
        let allowed = table(heading);
        let mut seen = BTreeSet::new();
        for (path, text) in code() {
            let path = path.display().to_string();
            let Some(inside) = path.strip_prefix(house) else { continue };
            let room = inside.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
            if ["lib", "main"].contains(&room.as_str()) || is_of_tests(inside) {
                continue;
            }
            let may = allowed.get(&room).unwrap_or_else(|| panic!("{path}: {room} is not in the table"));
            for other in imports(&text).filter(|other| *other != room) {
                assert!(may.contains(&other), "{path} imports {other}, which the table does not allow");
            }
            seen.insert(room);
        }
        let told: BTreeSet<_> = allowed.keys().cloned().collect();
        assert_eq!(told, seen, "the table under {heading} and the folder differ");
        assert_eq!(circle(&allowed), None, "a circle of rooms under {heading}");
    }
}

/// The rooms below take the types of `http`, so that another server could stand above them.
#[test]
fn only_the_interface_the_console_and_the_server_name_axum() {
    for (path, text) in code() {
        let path = path.display().to_string();
        let Some(inside) = path.strip_prefix("crates/key-service/src/") else { continue };
        let may = ["api.rs", "api/", "console.rs", "server.rs", "server/"]
            .iter()
            .any(|room| inside.starts_with(room));
        assert!(may || !text.contains("axum::"), "{path} names axum");
    }
}

#[test]
fn imports_and_circles_are_found() {
    let text = "use crate::limits::A;\nuse crate::{feed::Feed, store};\n// crate::api\nfn f() { crate::clock::now() }\n\
                #[cfg(test)]\nmod tests {\n    use crate::cli::x;\n}\n";
    assert_eq!(imports(text).collect::<Vec<_>>(), ["limits", "feed", "store", "clock"]);
    let graph = |edges: &[(&str, &str)]| {
        let mut graph = MayImport::new();
        for (from, to) in edges {
            graph.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        graph
    };
    assert_eq!(circle(&graph(&[("a", "b"), ("b", "c"), ("a", "c")])), None);
    assert!(circle(&graph(&[("a", "b"), ("b", "c"), ("c", "a")])).is_some());
}

/// The table under a heading of ARCHITECTURE.md. Its first column names who imports, its last column whom.
fn table(heading: &str) -> MayImport {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let after = page.split(&format!("\n{heading}\n")).nth(1);
    let section =
        after.unwrap_or_else(|| panic!("ARCHITECTURE.md has no {heading}")).split("\n#").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let rows: MayImport = rows
        .flat_map(|row| {
            let cells: Vec<_> = row.trim().trim_end_matches('|').split(" | ").collect();
            let [first, .., last] = cells.as_slice() else { panic!("{row}") };
            let may: BTreeSet<_> = ticked(last).collect();
            ticked(first).map(move |importer| (importer, may.clone())).collect::<Vec<_>>()
        })
        .collect();
    assert!(rows.len() > 5, "{heading} has only {} rows", rows.len());
    rows
}

/// The names in backticks.
fn ticked(cell: &str) -> impl Iterator<Item = String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned)
}

/// The manifests of all crates, by the folder of the crate; the root package is `src`.
fn manifests() -> Vec<(String, String)> {
    let listed = crate::tracked().filter(|(path, _)| path.ends_with("Cargo.toml"));
    listed
        .map(|(path, text)| {
            let folder = path.parent().unwrap().display().to_string();
            (if folder.is_empty() { "src".to_owned() } else { folder }, text)
        })
        .collect()
}

pub(crate) fn is_of_tests(path: &str) -> bool {
    path.split('/').any(|part| ["tests", "testing"].contains(&part.trim_end_matches(".rs")))
}

/// The rooms that a file names, without comments and the tests at its end.
fn imports(text: &str) -> impl Iterator<Item = String> {
    let code = ["", "pub(crate) "].iter().fold(text, |code, vis| {
        code.split(&format!("#[cfg(test)]\n{vis}mod tests {{")).next().unwrap_or_default()
    });
    let code: String =
        code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut rooms = Vec::new();
    for after in code.split("crate::").skip(1) {
        match after.strip_prefix('{') {
            Some(group) => {
                let group = group.split('}').next().unwrap_or_default();
                rooms.extend(group.split(',').map(|path| first_word(path.trim())));
            }
            None => rooms.push(first_word(after)),
        }
    }
    rooms.into_iter().filter(|room| room.starts_with(char::is_lowercase) && room != "testing")
}

fn first_word(path: &str) -> String {
    path.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// A chain of imports that comes back to where it began, if there is one.
fn circle(graph: &MayImport) -> Option<Vec<String>> {
    fn walk(graph: &MayImport, chain: &mut Vec<String>, done: &mut BTreeSet<String>) -> bool {
        let Some(last) = chain.last().cloned() else { return false };
        for next in graph.get(&last).into_iter().flatten() {
            // A crate is listed by its folder and imported by its name.
            let next = graph.keys().find(|key| key.rsplit('/').next() == Some(next)).unwrap_or(next);
            if chain.contains(next) {
                chain.push(next.clone());
                return true;
            }
            if done.contains(next) {
                continue;
            }
            chain.push(next.clone());
            if walk(graph, chain, done) {
                return true;
            }
            chain.pop();
        }
        done.insert(last);
        false
    }
    let mut done = BTreeSet::new();
    graph.keys().find_map(|room| {
        let mut chain = vec![room.clone()];
        walk(graph, &mut chain, &mut done).then_some(chain)
    })
}

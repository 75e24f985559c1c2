//! `docs/api.md`, command by command, with curl against a real service.
//!
//! A block of the language `console` holds commands, each after a `$`, and under each what it prints. In what
//! is shown, `…` stands for anything, and at the end of a list for more of it; a number of milliseconds for
//! any time; and `$NAME` for a value that later commands have in a variable of that name.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use latchkey_local_stack::secrecy;
use serde_json::Value;

use crate::service::Service;

/// Numbers from here on are times: milliseconds since 1970, of after 2001.
const FIRST_TIME: u64 = 1_000_000_000_000;

/// A command, and what the page says that it prints.
#[derive(Debug, Default, PartialEq)]
struct Example {
    command: String,
    shown: String,
}

/// What the names in the page stand for.
type Names = BTreeMap<String, String>;

#[test]
fn every_command_of_the_page_prints_what_the_page_shows() {
    let service = Service::dev();
    let mut names = Names::from([
        ("URL".to_owned(), service.url.clone()),
        ("PASSWORD".to_owned(), service.password.clone()),
    ]);
    let examples = examples(&page());
    assert!(examples.len() > 40, "{} commands are not the whole page", examples.len());
    for Example { command, shown } in &examples {
        let output = Command::new("bash").args(["-c", command]).envs(&names).output().unwrap();
        // Its arguments show the page's own passwords, and its output what was asked for.
        secrecy::search("what a command of the page complains of", &output.stderr).unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        secrecy::watch_answer(&serde_json::from_str(&printed).unwrap_or_default());
        let trouble = String::from_utf8_lossy(&output.stderr);
        let told = format!("$ {command}\n{printed}{trouble}\nthe page shows:\n{shown}");
        assert!(output.status.success(), "{told}");
        if let Err(difference) = compare(shown, &printed, &mut names) {
            panic!("{told}\n{difference}");
        }
    }
}

#[test]
fn the_page_names_every_route() {
    let page = page();
    let routes = routes(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(routes.contains(&"/_security/api_key".to_owned()), "{routes:?}");
    for route in routes {
        assert!(page.contains(&format!("{route}`")), "the page says nothing of {route}");
    }
}

#[test]
fn what_is_shown_stands_for_what_is_printed_or_does_not() {
    for (shown, printed, same) in [
        (r#"{"a":1}"#, r#"{ "a": 1 }"#, true),
        (r#"{"a":1}"#, r#"{"a":2}"#, false),
        (r#"{"a":1}"#, r#"{"a":1,"b":2}"#, false),
        (r#"{"a":1,"b":2}"#, r#"{"a":1}"#, false),
        (r#"{"a":"…"}"#, r#"{"a":"b"}"#, true),
        (r#"{"a":"…"}"#, r#"{"a":{"b":1}}"#, true),
        (r#"{"a":"…"}"#, r#"{}"#, false),
        (r#"["…"]"#, r#"[1,2]"#, true),
        (r#"{"a":"b … c"}"#, r#"{"a":"b x c"}"#, true),
        (r#"{"a":"b … c"}"#, r#"{"a":"b x d"}"#, false),
        (r#"["a","…"]"#, r#"["a","b","c"]"#, true),
        (r#"["a","…"]"#, r#"["b","a"]"#, false),
        (r#"["a"]"#, r#"["a","b"]"#, false),
        (r#"{"at":1767225600000}"#, r#"{"at":1800000000000}"#, true),
        (r#"{"at":1767225600000}"#, r#"{"at":5}"#, false),
        (r#"["$ID","$ID"]"#, r#"["a","a"]"#, true),
        (r#"["$ID","$ID"]"#, r#"["a","b"]"#, false),
        ("HTTP/1.1 200 OK\n…", "HTTP/1.1 200 OK\r\na: b\r\n\r\n", true),
        ("HTTP/1.1 200 OK\n…", "HTTP/1.1 404 Not Found\r\n", false),
        ("", "", true),
        ("", "text", false),
    ] {
        let compared = compare(shown, printed, &mut Names::new());
        assert_eq!(compared.is_ok(), same, "{shown} {printed} {compared:?}");
    }
}

#[test]
fn a_command_ends_where_its_line_and_its_quotes_end() {
    let page = "```console\n$ a \\\n    b\nshown\n$ c '{\n}'\n```\n$ not\n```json\n$ not\n```\n";
    let example =
        |command: &str, shown: &str| Example { command: command.to_owned(), shown: shown.to_owned() };
    assert_eq!(examples(page), [example("a \\\n    b", "shown\n"), example("c '{\n}'", "")]);
}

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/api.md")).unwrap()
}

fn examples(page: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut inside = false;
    let mut open = false;
    for line in page.lines() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if open && let Some(example) = examples.last_mut() {
            example.command.push('\n');
            example.command.push_str(line);
            open = goes_on(&example.command);
        } else if let (true, Some(command)) = (inside, line.strip_prefix("$ ")) {
            examples.push(Example { command: command.to_owned(), shown: String::new() });
            open = goes_on(command);
        } else if let (true, Some(example)) = (inside, examples.last_mut()) {
            example.shown.push_str(line);
            example.shown.push('\n');
        }
    }
    examples
}

/// Whether a command ends with a backslash or inside quotes.
fn goes_on(command: &str) -> bool {
    command.ends_with('\\') || command.matches('\'').count() % 2 == 1
}

/// The paths of all routes, as the source has them.
fn routes(directory: &Path) -> Vec<String> {
    let mut routes = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        if path.is_dir() {
            routes.extend(self::routes(&path));
        } else if !path.ends_with("tests.rs") {
            let text = fs::read_to_string(&path).unwrap();
            let calls = text.split(".route(").skip(1);
            let paths = calls.filter_map(|call| call.trim_start().strip_prefix('"')?.split('"').next());
            routes.extend(paths.filter(|path| path.starts_with('/')).map(str::to_owned));
        }
    }
    routes
}

/// Whether what is printed is what is shown. Names that are shown for the first time get their values.
fn compare(shown: &str, printed: &str, names: &mut Names) -> Result<(), String> {
    match (serde_json::from_str(shown), serde_json::from_str(printed)) {
        (Ok(shown), Ok(printed)) => compare_values(&shown, &printed, names),
        _ => compare_text(shown.trim_end(), printed.replace('\r', "").trim_end(), names),
    }
}

fn compare_values(shown: &Value, printed: &Value, names: &mut Names) -> Result<(), String> {
    match (shown, printed) {
        (Value::Object(shown), Value::Object(printed)) if shown.keys().eq(printed.keys()) => {
            let mut pairs = shown.iter().zip(printed);
            pairs.try_for_each(|((_, shown), (_, printed))| compare_values(shown, printed, names))
        }
        (Value::Array(shown), Value::Array(printed)) => compare_lists(shown, printed, names),
        (Value::String(shown), Value::String(printed)) => compare_text(shown, printed, names),
        (Value::Number(shown), Value::Number(printed)) if is_time(shown) && is_time(printed) => Ok(()),
        _ if shown == "…" || shown == printed => Ok(()),
        _ => Err(format!("{printed} is not {shown}")),
    }
}

fn compare_lists(shown: &[Value], printed: &[Value], names: &mut Names) -> Result<(), String> {
    let (shown, more) = match shown.split_last() {
        Some((last, before)) if last == "…" => (before, true),
        _ => (shown, false),
    };
    if printed.len() < shown.len() || (printed.len() > shown.len() && !more) {
        return Err(format!("{} members are not {}", printed.len(), shown.len()));
    }
    let mut pairs = shown.iter().zip(printed);
    pairs.try_for_each(|(shown, printed)| compare_values(shown, printed, names))
}

fn compare_text(shown: &str, printed: &str, names: &mut Names) -> Result<(), String> {
    if let Some(name) = shown.strip_prefix('$')
        && !names.contains_key(name)
    {
        names.insert(name.to_owned(), printed.to_owned());
        return Ok(());
    }
    // Longer names first, since one may begin with another.
    let mut text = shown.to_owned();
    for (name, value) in names.iter().rev() {
        text = text.replace(&format!("${name}"), value);
    }
    if stands_for(&text, printed) { Ok(()) } else { Err(format!("{printed} is not {text}")) }
}

/// Whether each `…` of the pattern can stand for something so that the text comes out.
fn stands_for(pattern: &str, text: &str) -> bool {
    let Some((before, after)) = pattern.split_once('…') else { return pattern == text };
    text.strip_prefix(before).is_some_and(|rest| {
        let starts = rest.char_indices().map(|(start, _)| start).chain([rest.len()]);
        starts.into_iter().any(|start| rest.get(start..).is_some_and(|rest| stands_for(after, rest)))
    })
}

fn is_time(number: &serde_json::Number) -> bool {
    number.as_u64().is_some_and(|number| number >= FIRST_TIME)
}

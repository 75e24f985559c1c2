//! The secrets of a run, and whether anything that is written shows one.
//!
//! Whoever makes or presents a secret says so ([`watch`]). What processes write, count and answer, and what they are
//! started with, is searched for all of them: as they are, in Base64, and as they stand in a URL.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::Value;

/// Shortest secret, in bytes, that is searched for. A shorter one is a word that may stand anywhere.
const SECRET_LEN_MIN: usize = 8;

/// What is looked for of a longer secret, in bytes: its beginning tells it from everything else.
const SECRET_LEN_MAX: usize = 64;

/// What is shown of a text around a secret that was found, in bytes before and after.
const AROUND_LEN: usize = 60;

/// Every way in which a secret may be written, by its first bytes. So a text is searched for all of them at once, and
/// one more costs nothing.
static SECRETS: Mutex<BTreeMap<Beginning, Vec<Vec<u8>>>> = Mutex::new(BTreeMap::new());

/// How a form of a secret begins.
type Beginning = [u8; SECRET_LEN_MIN];

/// From now on this is a secret: nothing that is searched may show it.
pub fn watch(secret: impl AsRef<[u8]>) {
    let secret = secret.as_ref();
    let secret = secret.get(..SECRET_LEN_MAX).unwrap_or(secret);
    if secret.len() < SECRET_LEN_MIN {
        return;
    }
    let mut secrets = SECRETS.lock().unwrap_or_else(PoisonError::into_inner);
    for form in forms(secret) {
        let Some(beginning) = form.first_chunk() else { continue };
        let alike = secrets.entry(*beginning).or_default();
        if !alike.contains(&form) {
            alike.push(form);
        }
    }
}

/// The same of a credential of the form `base64(id:secret)`, and of the secret in it.
pub fn watch_credential(encoded: &str) {
    watch(encoded.trim_end_matches('='));
    let decoded = STANDARD.decode(encoded).unwrap_or_default();
    if let Some(colon) = decoded.iter().position(|byte| *byte == b':') {
        watch(decoded.get(colon + 1..).unwrap_or_default());
    }
}

/// The same of the value of an `Authorization` header.
pub fn watch_authorization(value: &str) {
    if let Some((_, credential)) = value.split_once(' ') {
        watch_credential(credential.trim());
    }
}

/// The same of every secret in an answer of the key service, by the names of its fields.
pub fn watch_answer(answer: &Value) {
    match answer {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| match (name.as_str(), value) {
            ("encoded", Value::String(credential)) => watch_credential(credential),
            ("access_token" | "api_key" | "password" | "refresh_token", Value::String(secret)) => {
                watch(secret)
            }
            _ => watch_answer(value),
        }),
        Value::Array(values) => values.iter().for_each(watch_answer),
        _ => {}
    }
}

/// Looks for every secret in a text.
///
/// # Errors
///
/// When one is there; the message says in which `place` and shows it.
pub fn search(place: &str, text: &[u8]) -> Result<()> {
    let secrets = SECRETS.lock().unwrap_or_else(PoisonError::into_inner);
    let found = (0..text.len()).find_map(|start| {
        let rest = text.get(start..)?;
        let form = secrets.get(rest.first_chunk()?)?.iter().find(|form| rest.starts_with(form))?;
        Some(start..start + form.len())
    });
    let around = found.map(|found| {
        let around = found.start.saturating_sub(AROUND_LEN)..text.len().min(found.end + AROUND_LEN);
        text.get(around).unwrap_or_default().escape_ascii().to_string()
    });
    ensure!(around.is_none(), "a secret stands in {place}: …{}…", around.unwrap_or_default());
    Ok(())
}

/// The same in what a process was started with, its environment left out: that is where secrets belong.
///
/// # Errors
///
/// As [`search`].
pub fn search_arguments(place: &str, command: &Command) -> Result<()> {
    let arguments: Vec<&[u8]> = command.get_args().map(OsStr::as_bytes).collect();
    search(place, &arguments.join(&b' '))
}

/// The same, and in all that the process wrote: a command that has ended, and that nobody asked for a secret.
///
/// # Errors
///
/// As [`search`].
pub fn search_output(place: &str, command: &Command, output: &Output) -> Result<()> {
    search_arguments(&format!("the arguments of {place}"), command)?;
    search(&format!("the standard output of {place}"), &output.stdout)?;
    search(&format!("the standard error of {place}"), &output.stderr)
}

/// Runs a command to its end, and looks for secrets in what it was started with and in all that it wrote.
///
/// # Errors
///
/// As [`search`], and when it cannot be run.
pub fn searched_output(place: &str, command: &mut Command) -> Result<Output> {
    let output = command.output().with_context(|| format!("running {place}"))?;
    search_output(place, command, &output)?;
    Ok(output)
}

/// Ends a test that has found a secret. Told where a process ends, since nobody takes a result there.
///
/// # Panics
///
/// When one was found.
#[track_caller]
#[expect(clippy::panic, reason = "a test fails, wherever its processes end")]
pub fn insist(searched: Result<()>) {
    if let Err(shown) = searched {
        panic!("{shown:#}");
    }
}

/// Every way in which a secret may be written.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    // Without the brackets: it may be a part of a longer list.
    let numbers = format!("{secret:?}").trim_matches(['[', ']']).as_bytes().to_vec();
    let mut forms = vec![secret.to_vec(), in_url(secret), numbers];
    for before in 0..3 {
        forms.extend([STANDARD, URL_SAFE].map(|engine| {
            let whole = [vec![0; before], secret.to_vec()].concat();
            let text = engine.encode(whole).into_bytes();
            // Digits that only the secret decides: what stands before and after it is not known.
            let digits = (before * 8).div_ceil(6)..(before + secret.len()) * 8 / 6;
            text.get(digits).unwrap_or_default().to_vec()
        }));
    }
    forms
}

fn in_url(secret: &[u8]) -> Vec<u8> {
    secret
        .iter()
        .flat_map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => vec![*byte],
            other => format!("%{other:02X}").into_bytes(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLANTED: &str = "plänted/secret?+5d0e";

    fn is_found(text: impl AsRef<[u8]>) -> bool {
        search("a text", text.as_ref()).is_err()
    }

    #[test]
    fn a_secret_is_found_however_it_is_written() {
        watch(PLANTED);
        let error =
            search("a log", format!("{} {PLANTED} b", "a".repeat(500)).as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("a secret stands in a log: …aaa") && error.len() < 400, "{error}");
        assert!(is_found(format!(
            "\"url\":\"/?key={}\"",
            String::from_utf8(in_url(PLANTED.as_bytes())).unwrap()
        )));
        assert!(is_found(format!("{:?}", [b"id:", PLANTED.as_bytes(), b"!"].concat())));
        for id in ["", "a:", "ab:", "abc:", "abcd:"] {
            for engine in [STANDARD, URL_SAFE] {
                let encoded = engine.encode(format!("{id}{PLANTED}"));
                assert!(is_found(&encoded), "{encoded}");
                assert!(is_found(engine.encode(format!("{id}{PLANTED}, and more"))), "{id}");
            }
        }
        for text in ["", "pl\u{e4}nted", "another secret", "cGzDpG50ZWQ="] {
            assert!(!is_found(text), "{text}");
        }
    }

    #[test]
    fn the_secret_of_a_credential_is_one_too() {
        watch_credential(&STANDARD.encode("some-id:planted-in-a-credential"));
        assert!(is_found("x planted-in-a-credential x"));
        assert!(is_found(STANDARD.encode("some-id:planted-in-a-credential")));
        assert!(!is_found("some-id"));
    }

    #[test]
    fn the_secrets_of_an_answer_are_secrets() {
        let encoded = STANDARD.encode("an-id:planted-in-an-answer-1");
        watch_answer(&serde_json::json!({
            "id": "an-id-that-is-long",
            "created": [{"encoded": encoded}, {"access_token": "planted-in-an-answer-2"}],
            "api_key": "planted-in-an-answer-3",
            "api_keys": [{"name": "a-name-that-is-long"}],
        }));
        for number in 1..=3 {
            assert!(is_found(format!("planted-in-an-answer-{number}")), "{number}");
        }
        assert!(!is_found("an-id-that-is-long, a-name-that-is-long"));
    }

    #[test]
    fn a_short_word_is_no_secret() {
        watch("short");
        assert!(!is_found("a short text"));
    }

    #[test]
    fn what_a_command_wrote_is_searched() {
        watch("planted-in-an-output");
        for (script, place) in [
            ("printf planted-in; echo -an-output", "output"),
            ("printf 'planted%s' -in-an-output >&2", "error"),
        ] {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            let error = searched_output("sh", &mut command).unwrap_err().to_string();
            assert!(error.contains(&format!("the standard {place} of sh")), "{error}");
        }
    }

    #[test]
    fn arguments_are_searched() {
        watch("planted-in-an-argument");
        let mut command = Command::new("true");
        command.env("SECRET", "planted-in-an-argument");
        assert!(search_arguments("the arguments", &command).is_ok());
        command.arg("--password=planted-in-an-argument");
        assert!(search_arguments("the arguments", &command).is_err());
    }
}

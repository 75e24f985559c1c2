//! What a service on SQLite does when its disk, its file or its database fails it. The faults are real.

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use latchkey_local_stack::secrecy;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::{DevProcess, complaint, http_client, latchkey};
use crate::other_process::OtherProcess;

/// A user who is not the super-user, whom no file permission holds back.
const NOBODY: u32 = 65_534;

/// Bound of every wait: what takes so long has failed.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// A directory with a store in which a service has run, and the file of the store.
fn used_store() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    DevProcess::start(directory.path()).terminate();
    let file = directory.path().join("latchkey.db");
    (directory, file)
}

/// A service that will not start, and is killed if it does.
fn failing_dev(data: &Path) -> Command {
    let dev = dev(data);
    let mut command = Command::new("timeout");
    command.arg("--signal=KILL").arg(WAIT_MAX.as_secs().to_string());
    command.arg(dev.get_program()).args(dev.get_args());
    command
}

pub(super) fn dev(data: &Path) -> Command {
    let mut command = latchkey();
    command.args(["dev", "--json", "--listen", "127.0.0.1:0", "--data"]).arg(data);
    command
}

/// The same, by somebody whom permissions hold back.
fn dev_of_nobody(data: &Path) -> Command {
    let mut command = failing_dev(data);
    if fs::metadata(data).unwrap().uid() == 0 {
        for path in fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path()).chain([data.to_owned()]) {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        command.uid(NOBODY).gid(NOBODY).current_dir("/");
    }
    command
}

pub(super) async fn create(service: &DevProcess, name: &str) -> Response {
    let password = service.password.as_ref().unwrap();
    let request = service.request(&http_client(), Method::POST, "/_security/api_key", password);
    request.json(&json!({"name": name})).send().await.unwrap()
}

pub(super) async fn listed(service: &DevProcess) -> Vec<String> {
    let password = service.password.as_ref().unwrap();
    let request = service.request(&http_client(), Method::GET, "/_security/api_key", password);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let keys: Value = answer.json().await.unwrap();
    keys["api_keys"].as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap().to_owned()).collect()
}

pub(super) async fn readiness(service: &DevProcess) -> Response {
    http_client().get(format!("{}/healthz", service.url)).send().await.unwrap()
}

pub(super) fn assert_unavailable(answer: &Response) {
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "2");
}

#[test]
fn a_file_that_is_no_database_is_refused_in_one_line() {
    let (directory, file) = used_store();
    for rest in ["db-wal", "db-shm"] {
        let _ = fs::remove_file(file.with_extension(rest));
    }
    fs::write(&file, [b'x'; 8_192]).unwrap();
    let refused = complaint(&mut failing_dev(directory.path()), &[], "");
    assert!(refused.ends_with("latchkey.db: it is not a store of Latchkey"), "{refused}");
    let refused = complaint(latchkey().arg("check").arg("--data").arg(directory.path()), &[], "");
    assert!(refused.ends_with("latchkey.db: it is not a store of Latchkey"), "{refused}");
    assert_eq!(fs::read(&file).unwrap(), [b'x'; 8_192]);
}

#[tokio::test]
async fn a_store_of_another_version_is_refused_in_one_line() {
    let (directory, file) = used_store();
    let mut connection = OtherProcess::with(&file).await;
    connection.make_it_newer().await;
    let mut commands = ["check", "export"].map(|verb| {
        let mut command = latchkey();
        command.arg(verb).arg("--data").arg(directory.path());
        command
    });
    for command in commands.iter_mut().chain([&mut failing_dev(directory.path())]) {
        let refused = complaint(command, &[], "");
        assert!(refused.contains("it was made by a newer version of Latchkey"), "{refused}");
    }
    connection.make_it_older().await;
    connection.close().await;
    let refused = complaint(latchkey().arg("check").arg("--data").arg(directory.path()), &[], "");
    assert!(refused.contains("it is of an older version of Latchkey"), "{refused}");
}

#[test]
fn a_file_that_may_not_be_written_is_refused_in_one_line() {
    let (directory, file) = used_store();
    let mut command = dev_of_nobody(directory.path());
    fs::set_permissions(&file, Permissions::from_mode(0o400)).unwrap();
    let refused = complaint(&mut command, &[], "");
    assert!(refused.contains("latchkey.db: Permission denied"), "{refused}");
}

#[tokio::test]
async fn a_directory_that_may_not_be_written_is_refused_in_one_line() {
    let (directory, file) = used_store();
    // The last connection to a store deletes its write-ahead log when it closes. While that log exists, no
    // new file is needed in the directory.
    let mut connection = OtherProcess::with(&file).await;
    connection.run("pragma wal_checkpoint(truncate)").await;
    connection.close().await;
    assert!(!file.with_extension("db-wal").exists());
    let mut command = dev_of_nobody(directory.path());
    fs::set_permissions(directory.path(), Permissions::from_mode(0o500)).unwrap();
    let refused = complaint(&mut command, &[], "");
    assert!(refused.contains("could not open the store"), "{refused}");
    assert!(refused.ends_with("attempt to write a readonly database"), "{refused}");
}

#[test]
fn a_database_that_is_out_of_reach_is_refused_in_one_line_without_the_password() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("latchkey.toml");
    fs::write(directory.path().join("users.toml"), "").unwrap();
    // Nobody listens at port 1.
    let url = "postgres://u:hunter2@127.0.0.1:1/keys";
    fs::write(&config, format!("users = \"users.toml\"\nstore.url = \"{url}\"\n")).unwrap();
    let refused = complaint(latchkey().arg("serve").arg("--config").arg(&config), &[], "");
    assert!(refused.contains("could not open the store postgres://u@127.0.0.1:1/keys: "), "{refused}");
    assert!(refused.contains("Connection refused"), "{refused}");
    assert!(!refused.contains("hunter2"), "{refused}");
}

#[tokio::test]
async fn while_another_process_holds_the_lock_changes_are_refused_and_reads_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let service = DevProcess::start(directory.path());
    assert_eq!(create(&service, "before").await.status(), 200);
    let mut other = OtherProcess::with(&directory.path().join("latchkey.db")).await;
    other.run("begin exclusive").await;
    let (refused, names) = tokio::join!(create(&service, "refused"), listed(&service));
    assert_unavailable(&refused);
    assert_eq!(names, ["before"]);
    other.run("rollback").await;
    assert_eq!(create(&service, "after").await.status(), 200);
    assert_eq!(readiness(&service).await.status(), 200);
    assert_eq!(listed(&service).await, ["before", "after"]);
}

/// A service whose data is on a disk of its own, of so many bytes. `None` where the system does not allow to
/// mount one.
fn service_on_a_small_disk(data: &Path, len: u64) -> Option<(DevProcess, PathBuf)> {
    let may_mount = Command::new("unshare").args(["-rm", "mount", "-t", "tmpfs", "tmpfs"]).arg(data).status();
    if !may_mount.is_ok_and(|status| status.success()) {
        return None;
    }
    let program = dev(data);
    let mut command = Command::new("unshare");
    command.args([
        "-rm",
        "sh",
        "-ec",
        "mount -t tmpfs -o \"mode=0700,size=$1\" tmpfs \"$2\"; shift 2; exec \"$@\"",
        "sh",
    ]);
    command.arg(len.to_string()).arg(data).arg(program.get_program()).args(program.get_args());
    let service = DevProcess::start_by(command);
    let seen = PathBuf::from(format!("/proc/{}/root{}", service.id(), data.display()));
    Some((service, seen))
}

/// Fills the disk to its last byte.
fn fill(ballast: &Path) {
    let mut file = File::create(ballast).unwrap();
    for len in [65_536, 4_096, 1] {
        while file.write_all(&vec![0; len]).is_ok() {}
    }
}

#[tokio::test]
async fn a_full_disk_refuses_changes_loses_nothing_and_heals_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let Some((service, disk)) = service_on_a_small_disk(directory.path(), 4 << 20) else { return };
    assert!(disk.join("latchkey.db").exists());
    let mut acknowledged = Vec::new();
    let ballast = disk.join("ballast");
    let mut number = 0;
    for heals_unasked in [false, true] {
        fill(&ballast);
        let refused = loop {
            let name = format!("k{number}");
            number += 1;
            let answer = create(&service, &name).await;
            if answer.status() != 200 {
                break answer;
            }
            acknowledged.push(name);
            assert!(number < 10_000, "the disk is never full");
        };
        assert_unavailable(&refused);
        assert_unavailable(&readiness(&service).await);
        assert_eq!(listed(&service).await, acknowledged);
        fs::remove_file(&ballast).unwrap();
        let began = Instant::now();
        while heals_unasked && readiness(&service).await.status() != 200 {
            assert!(began.elapsed() < WAIT_MAX, "it does not recover");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let name = format!("healed{number}");
        assert_eq!(create(&service, &name).await.status(), 200);
        assert_eq!(readiness(&service).await.status(), 200);
        acknowledged.push(name);
        assert_eq!(listed(&service).await, acknowledged);
    }
}

#[test]
fn a_full_disk_at_the_start_is_told_in_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    let program = failing_dev(data);
    let mut command = Command::new("unshare");
    let script = "mount -t tmpfs -o mode=0700,size=65536 tmpfs \"$1\" || exit 42; shift; exec \"$@\"";
    command
        .args(["-rm", "sh", "-c", script, "sh"])
        .arg(data)
        .arg(program.get_program())
        .args(program.get_args());
    let output = secrecy::searched_output("a command", command.stdin(Stdio::null())).unwrap();
    if output.status.code() == Some(42) {
        return;
    }
    let complaint = super::text(&output.stderr);
    assert!(!output.status.success(), "{complaint}");
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
    assert!(complaint.contains("could not open the store"), "{complaint}");
    assert!(complaint.contains("database or disk is full"), "{complaint}");
}

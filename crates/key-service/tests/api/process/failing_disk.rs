//! What a service on SQLite does when the disk under it refuses to write, or to keep what it has taken. The calls of the
//! running service fail, by a library that is preloaded into it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use reqwest::StatusCode;

use super::DevProcess;
use super::faults::{assert_unavailable, create, dev, listed, readiness};

/// A service, and the file that says what its disk does.
struct Fixture {
    service: DevProcess,
    disk: PathBuf,
    _library: tempfile::TempDir,
}

impl Fixture {
    fn start(data: &Path) -> Self {
        let library = tempfile::tempdir().unwrap();
        let (disk, object) = (library.path().join("disk"), library.path().join("disk.so"));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/process/failing_disk/disk.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(&object).arg(source);
        assert!(compiler.arg("-ldl").status().unwrap().success());
        let mut command = dev(data);
        command.env("LD_PRELOAD", &object).env("LATCHKEY_TEST_DISK", &disk);
        Self { service: DevProcess::start_by(command), disk, _library: library }
    }

    /// From now on this fails: `write`, `sync` or nothing.
    fn fail(&self, what: &str) {
        fs::write(&self.disk, what).unwrap();
    }
}

#[tokio::test]
async fn a_disk_that_does_not_write_or_does_not_keep_refuses_changes_loses_nothing_and_heals_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let fixture = Fixture::start(directory.path());
    let mut acknowledged = Vec::new();
    for fault in ["write", "sync"] {
        let before = format!("before-{fault}");
        assert_eq!(create(&fixture.service, &before).await.status(), StatusCode::OK);
        acknowledged.push(before);

        fixture.fail(fault);
        for number in 0..3 {
            assert_unavailable(&create(&fixture.service, &format!("refused-{fault}-{number}")).await);
            assert_eq!(listed(&fixture.service).await, acknowledged, "{fault}");
        }
        assert_unavailable(&readiness(&fixture.service).await);

        fixture.fail("");
        let after = format!("after-{fault}");
        assert_eq!(create(&fixture.service, &after).await.status(), StatusCode::OK, "{fault}");
        assert_eq!(readiness(&fixture.service).await.status(), StatusCode::OK, "{fault}");
        acknowledged.push(after);
        assert_eq!(listed(&fixture.service).await, acknowledged, "{fault}");
    }
    let password = fixture.service.password.clone();
    fixture.service.kill();
    let mut again = DevProcess::start(directory.path());
    again.password = password;
    assert_eq!(listed(&again).await, acknowledged);
}

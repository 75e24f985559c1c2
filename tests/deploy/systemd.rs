//! `deploy/systemd`.

use std::fs;

use latchkey_local_stack::places;
use latchkey_local_stack::scratch_directory::ScratchDirectory;

use crate::{checker, output, printed, service, text};

/// The most that systemd may find exposed of the unit, in tenths: 10.0 is a service without any protection.
const EXPOSURE_MAX: &str = "20";

const UNIT: &str = "deploy/systemd/latchkey.service";

/// The unit, with the service that was built here in the place of the one that is installed.
fn unit(change: impl Fn(String) -> String) -> (ScratchDirectory, std::path::PathBuf) {
    let program = places::latchkey().unwrap();
    let text = text(UNIT);
    assert!(text.contains("ExecStart=/usr/local/bin/latchkey serve "));
    let scratch = ScratchDirectory::new("latchkey-unit").unwrap();
    let file = scratch.path().join("latchkey.service");
    let text = text.replace("/usr/local/bin/latchkey", &program.display().to_string());
    fs::write(&file, change(text)).unwrap();
    (scratch, file)
}

#[test]
fn systemd_understands_the_unit() {
    let (_scratch, file) = unit(|text| text);
    let output = output(checker("systemd-analyze").args(["verify", "--man=no"]).arg(&file));
    let said = String::from_utf8_lossy(&output.stderr);
    let of_unit: Vec<_> = said.lines().filter(|line| line.contains("latchkey")).collect();
    assert!(output.status.success() && of_unit.is_empty(), "{said}");

    let (_scratch, file) = unit(|text| text.replace("ProtectHome=", "ProtectHouse="));
    let output = self::output(checker("systemd-analyze").args(["verify", "--man=no"]).arg(&file));
    assert!(String::from_utf8_lossy(&output.stderr).contains("ProtectHouse"), "a mistake is not told");
}

#[test]
fn the_user_of_the_unit_is_the_one_that_is_made() {
    assert!(text(UNIT).contains("\nUser=latchkey\nGroup=latchkey\n"));
    assert!(text("deploy/systemd/latchkey.sysusers").contains("\nu latchkey - "));
}

#[test]
fn the_unit_exposes_little() {
    let (_scratch, file) = unit(|text| text);
    let mut command = checker("systemd-analyze");
    command.args(["security", "--offline=true", "--no-pager", "--threshold", EXPOSURE_MAX]);
    printed(command.arg(&file));
}

#[test]
fn the_service_takes_the_settings_of_the_machine() {
    let settings = text("deploy/systemd/latchkey.toml");
    assert!(
        settings.contains("data = \"/var/lib/latchkey\"") && text(UNIT).contains("StateDirectory=latchkey\n")
    );
    service::assert_understood(&settings);
    service::assert_serves(&settings);
}

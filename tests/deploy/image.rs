//! `deploy/Dockerfile`, and the images that `make release` packs: both are of the same files, and run in the same way.
//!
//! There is no container engine here. hadolint reads the file in `make release`, and its own commands are run there too.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use latchkey_local_stack::scratch_directory::ScratchDirectory;

use crate::{document, path, printed, text};

const FILE: &str = "deploy/Dockerfile";

/// Who runs what is in the image, and owns its volume.
const USER: &str = "65532:65532";

/// The instructions of a Dockerfile, with what is continued on the next line.
fn instructions() -> Vec<String> {
    let text = text(FILE).replace("\\\n", "");
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

#[test]
fn the_dockerfile_builds_with_the_compiler_of_everybody_and_with_our_own_tools() {
    let toolchain = text("rust-toolchain.toml");
    let channel =
        toolchain.lines().find_map(|line| line.strip_prefix("channel = ")).unwrap().trim_matches('"');
    let instructions = instructions();
    assert_eq!(instructions[0], format!("FROM rust:{channel}-bookworm AS build"));
    let tools: Vec<&str> = instructions
        .iter()
        .filter(|instruction| instruction.starts_with("RUN "))
        .flat_map(|instruction| instruction.split([' ', '"']))
        .filter(|word| word.starts_with("tools/"))
        .collect();
    assert_eq!(tools, ["tools/build-service", "tools/image-root", "tools/build-module", "tools/image-root"]);
    for tool in tools {
        assert!(fs::metadata(path(tool)).unwrap().permissions().mode() & 0o111 != 0, "{tool} is no program");
    }
}

#[test]
fn both_ways_to_an_image_say_the_same_of_how_it_runs() {
    let instructions = instructions();
    let packed = text("tools/release-images").replace("\\\n", "");
    for (instruction, flag) in [
        (format!("USER {USER}"), format!("--config.user {USER}")),
        ("WORKDIR /".to_owned(), "--config.workingdir /".to_owned()),
        ("EXPOSE 9200".to_owned(), "--config.exposedports 9200/tcp".to_owned()),
        ("ENTRYPOINT [\"/usr/bin/latchkey\"]".to_owned(), "--config.entrypoint /usr/bin/latchkey".to_owned()),
    ] {
        assert!(instructions.contains(&instruction), "{FILE} does not say {instruction}");
        assert!(packed.contains(&flag), "tools/release-images does not say {flag}");
    }
    assert!(instructions.contains(&format!("COPY --from=build-service --chown={USER} /state/ /var/lib/")));
    assert_eq!(document("deploy/compose.yaml")["services"]["latchkey"]["user"], USER);
}

#[test]
fn an_image_has_the_program_the_authorities_and_a_volume_and_no_shell() {
    let scratch = ScratchDirectory::new("latchkey-image").unwrap();
    let [program, documents, image] = ["program", "documents", "image"].map(|name| scratch.path().join(name));
    fs::write(&program, "a program").unwrap();
    fs::create_dir(&documents).unwrap();
    fs::write(documents.join("LICENSE"), "a licence").unwrap();
    let laid_out = |kind: &str| {
        let _ = fs::remove_dir_all(&image);
        let mut tool = Command::new(path("tools/image-root"));
        printed(tool.arg(kind).args([&image, &program, &documents, &program]));
        let mut find = Command::new("find");
        let found = printed(find.arg(&image).args([
            "-not",
            "-path",
            "*/usr*",
            "-mindepth",
            "1",
            "-printf",
            "%m %P\n",
        ]));
        let mut lines: Vec<String> = found.lines().map(str::to_owned).collect();
        lines.sort_by_key(|line| line.split_once(' ').unwrap().1.to_owned());
        lines
    };
    let service = laid_out("service");
    assert_eq!(
        service,
        [
            "755 etc",
            "644 etc/group",
            "644 etc/passwd",
            "755 etc/ssl",
            "755 etc/ssl/certs",
            "644 etc/ssl/certs/ca-certificates.crt",
            "1777 tmp",
            "755 var",
            "755 var/lib",
            "700 var/lib/latchkey",
        ]
    );
    assert!(
        image.join("usr/bin/latchkey").is_file() && image.join("usr/share/doc/latchkey/LICENSE").is_file()
    );
    assert_eq!(laid_out("module"), ["755 liblatchkey_filter.so"]);
    assert!(image.join("usr/share/doc/latchkey/LICENSE").is_file());
}

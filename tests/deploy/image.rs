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
fn each_stage_begins_with_one_before_it_and_takes_files_that_this_has_made() {
    let (mut stages, mut made) = (Vec::<String>::new(), std::collections::BTreeMap::<String, String>::new());
    for instruction in instructions() {
        let words: Vec<&str> = instruction.split_whitespace().collect();
        match words[0] {
            "FROM" => {
                let outside = words[1] == "scratch" || words[1].contains(':');
                assert!(outside || stages.iter().any(|stage| stage == words[1]), "{instruction}");
                assert_eq!(words[2], "AS", "{instruction}");
                stages.push(words[3].to_owned());
            }
            "RUN" => made.entry(stages.last().unwrap().clone()).or_default().push_str(&instruction),
            "COPY" if words[1].starts_with("--from=") => {
                let (stage, file) = (&words[1]["--from=".len()..], words[words.len() - 2].trim_matches('/'));
                assert!(
                    made.get(stage).is_some_and(|run| run.contains(&format!("/{file}"))),
                    "{instruction}"
                );
            }
            "COPY" => assert_eq!(words, ["COPY", ".", "."], "it takes a part of the clone"),
            _ => {}
        }
    }
    assert_eq!(stages, ["build", "build-service", "build-module", "module", "service"]);
    for page in [FILE, "docs/install.md"] {
        let text = text(page);
        let targets: Vec<&str> =
            text.split("--target ").skip(1).filter_map(|rest| rest.split_whitespace().next()).collect();
        assert!(!targets.is_empty(), "{page}");
        assert!(targets.iter().all(|target| ["module", "service"].contains(target)), "{page}: {targets:?}");
    }
    // What is built and fetched here stays here, and nothing else: the stage `build` needs all of the clone.
    let ignored = text(".dockerignore");
    let ignored: Vec<&str> = ignored.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(ignored, ["/target", "/.tools", "/.git"]);
    assert!(path("LICENSE").is_file());
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
        find.arg(&image).args(["-mindepth", "1", "-not", "-path", "*/usr*", "-printf", "%m %P\n"]);
        let found = printed(&mut find);
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

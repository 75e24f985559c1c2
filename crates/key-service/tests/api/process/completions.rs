use std::process::Command;

use super::{latchkey, run, told};

#[test]
fn writes_completions_for_three_shells_and_no_other() {
    for (shell, mark) in
        [("bash", "complete -F _latchkey"), ("fish", "complete -c latchkey"), ("zsh", "#compdef latchkey")]
    {
        let script = told(&mut latchkey(), &["completions", shell], "");
        assert!(script.contains(mark), "{shell}");
        for word in ["invalidate", "passwd", "api-key-file"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    assert!(!run(latchkey().args(["completions", "powershell"]), "").status.success());
}

#[test]
fn bash_completes_a_verb() {
    let script = told(&mut latchkey(), &["completions", "bash"], "");
    let typed =
        "COMP_WORDS=(latchkey key inv); COMP_CWORD=2; _latchkey latchkey inv key; echo \"${COMPREPLY[*]}\"";
    let mut bash = Command::new("bash");
    let offered = told(&mut bash, &["--norc", "-s"], &format!("{script}\n{typed}\n"));
    assert_eq!(offered.trim(), "invalidate");
}

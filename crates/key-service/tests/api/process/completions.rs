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

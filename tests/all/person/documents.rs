//! Help, manual, completions and documentation agree with the program.

use std::{fs, path::Path};

use super::{run, source, stdout};

fn read(path: &str) -> String {
    let path = source().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every Rust file below the folder, in one text.
fn code(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            code(&path, text);
        } else if path.extension().is_some_and(|end| end == "rs") {
            *text += &fs::read_to_string(&path).expect("text");
        }
    }
}

#[test]
fn e_the_runbook_quotes_log_lines_that_are_written() {
    let mut written = String::new();
    code(&source().join("src"), &mut written);
    for entry in fs::read_dir(source().join("crates")).expect("a folder") {
        code(&entry.expect("an entry").path().join("src"), &mut written);
    }
    let mut quoted = 0;
    for page in [
        "docs/runbook.md",
        "docs/operations.md",
        "docs/backup.md",
        "docs/watching.md",
    ] {
        let text = read(page);
        for after in text.split("log line `").skip(1) {
            let line = after.split('`').next().expect("a quote");
            quoted += 1;
            assert!(
                written.contains(&format!("\"{line}")),
                "{page} sends people to the log line `{line}`, which nothing writes"
            );
        }
    }
    assert!(quoted >= 5, "{quoted}");
    // People who are sent to the log must know what to look for.
    for line in read("docs/runbook.md").lines() {
        let says_log = ["the log has", "in the log", "the log before"];
        let vague = says_log.iter().any(|words| line.contains(words));
        assert!(!vague || line.contains("log line `"), "{line}");
    }
}

#[test]
fn e_help_names_the_token_and_the_exit_codes() {
    let here = source();
    for verb in [
        "",
        "status",
        "evidence",
        "drift",
        "history",
        "versions",
        "promote",
        "rollback",
        "load",
        "delete",
        "upload",
        "split",
        "teacher",
        "canary start",
        "canary share",
        "canary abort",
    ] {
        let help = run(here, &format!("{verb} --help"));
        assert_eq!(help.status.code(), Some(0), "{verb}");
        let help = stdout(&help);
        assert!(help.contains("STILLHOUSE_TOKEN"), "{verb}: {help}");
        assert!(help.contains("Exit codes:"), "{verb}: {help}");
    }
    for verb in [
        "serve",
        "models check",
        "doctor",
        "import",
        "config check",
        "audit verify",
    ] {
        let help = stdout(&run(here, &format!("{verb} --help")));
        assert!(help.contains("Exit codes:"), "{verb}: {help}");
    }
    assert!(stdout(&run(here, "serve --help")).contains("STILLHOUSE_OPERATOR_TOKEN"));
    let start = stdout(&run(here, "canary start --help"));
    assert!(
        start.contains("  3  ") && start.contains("  4  "),
        "{start}"
    );
}

#[test]
fn e_exit_codes_stand_in_help_manual_and_documentation() {
    let help = stdout(&run(source(), "--help"));
    let manual = stdout(&run(source(), "man"));
    let page = read("docs/operations.md");
    for code in ["0", "1", "2", "3", "4", "130"] {
        assert!(help.contains(&format!("\n  {code}  ")), "{code}: {help}");
        assert!(
            manual.contains(&format!("\n\\fB{code}\\fR\n")),
            "{code}: {manual}"
        );
        assert!(page.contains(&format!("\n| {code} | ")), "{code}");
    }
}

#[test]
fn e_every_verb_has_a_manual_page() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(run(folder.path(), "man --out pages").status.code(), Some(0));
    let page = |name: &str| {
        let path = folder.path().join("pages").join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    for (name, words) in [
        ("stillhouse.1", "doctor"),
        ("stillhouse-serve.1", "admin\\-listen"),
        ("stillhouse-canary-start.1", "wait\\-timeout\\-seconds"),
        ("stillhouse-models-check.1", "engine"),
    ] {
        let text = page(name);
        assert!(text.contains(words), "{name}: {text}");
        for section in ["EXIT STATUS", "STILLHOUSE_TOKEN", ".TH"] {
            assert!(text.contains(section), "{name} lacks {section}");
        }
    }
    assert!(!folder.path().join("pages/stillhouse-validate.1").exists());
    let one = stdout(&run(folder.path(), "man canary start"));
    assert_eq!(one, page("stillhouse-canary-start.1"));
    assert_eq!(run(folder.path(), "man no such").status.code(), Some(1));
}

#[test]
fn e_every_shell_has_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(source(), &format!("completions {shell}"));
        assert_eq!(script.status.code(), Some(0), "{shell}");
        let script = stdout(&script);
        for word in ["stillhouse", "canary", "doctor", "completions"] {
            assert!(script.contains(word), "{shell} doesn't complete {word}");
        }
    }
    assert_eq!(run(source(), "completions csh").status.code(), Some(2));
}

#[test]
fn e_importing_here_and_uploading_there_is_described() {
    let page = read("docs/bring-your-own.md");
    let at = |words: &str| {
        let found = page.find(words);
        found.unwrap_or_else(|| panic!("docs/bring-your-own.md must say `{words}`"))
    };
    let heading = at("Import here, upload there");
    assert!(heading < at("stillhouse upload v1 made/pets/v1"));
    assert!(read("docs/backup.md").contains("audit.jsonl"));
}

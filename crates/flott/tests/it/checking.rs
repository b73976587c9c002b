//! Mistakes are shown where they are; options, help and completions.

use crate::flott::{run, run_with_input};

#[test]
fn a_mistake_is_shown_with_file_line_and_caret() {
    let ran = run_with_input(&["run", "-"], "SELECT 1;\nSELECT 1,\n  nope;\n");
    assert_eq!(ran.code, Some(2));
    let shown: Vec<&str> = ran.stderr.lines().skip(1).take(4).collect();
    assert_eq!(shown, ["  --> <stdin>:3:3", "   |", " 3 |   nope;", "   |   ^"], "{ran:?}");
    assert!(ran.stderr.starts_with("error: column 'nope' "), "{ran:?}");
    assert!(ran.stdout.contains("1 row in set"), "what comes before is executed: {ran:?}");
}

#[test]
fn a_typing_error_has_no_effect() {
    let ran = run_with_input(&["run", "-"], "SELECT 1;\nSELEC 2;\n");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
    assert!(ran.stderr.contains("  --> <stdin>:2:1\n"), "{ran:?}");
}

#[test]
fn check_plans_and_runs_nothing() {
    let sql = "CREATE TABLE t (a INT) WITH ('connector' = 'print'); INSERT INTO t VALUES (1); SELECT 1;";
    let ran = run(&["check", "-e", sql]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "OK: 3 statements\n"), "{ran:?}");
    let ran = run(&["check", "-e", "SELECT a; SELECT 1; SELECT b"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
    assert_eq!(ran.stderr.matches("error: ").count(), 2, "every mistake is reported: {ran:?}");
}

#[test]
fn the_configuration_comes_from_file_and_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    std::fs::write(&file, "parallelism:\n  default: 2\ntable.local-time-zone: Asia/Tokyo\n").unwrap();
    let ran = run(&["options", "--config", file.to_str().unwrap(), "-D", "parallelism.default=3"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
    let words = |key: &str| -> Vec<&str> {
        let line = ran.stdout.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().skip(1).take(3).collect()
    };
    assert_eq!(words("parallelism.default "), ["3", "command", "line"]);
    assert_eq!(words("table.local-time-zone "), ["Asia/Tokyo", "configuration", "file"]);
    assert_eq!(words("table.dml-sync ")[..2], ["false", "default"]);
}

#[test]
fn a_key_without_effect_is_warned_of_and_an_unknown_one_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    std::fs::write(&file, "taskmanager.memory.process.size: 4g\n").unwrap();
    let file = file.to_str().unwrap();
    let ran = run(&["run", "--config", file, "-e", "SELECT 1"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.starts_with("warning: option 'taskmanager.memory.process.size' has no effect"), "{ran:?}");
    std::fs::write(file, "paralelism.default: 4\n").unwrap();
    let ran = run(&["run", "--config", file, "-e", "SELECT 1"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    assert!(ran.stderr.contains("hint: Did you mean 'parallelism.default'?"), "{ran:?}");
    let ran = run(&["run", "-D", "parallelism.default", "-e", "SELECT 1"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("hint: Write -D key=value."), "{ran:?}");
}

#[test]
fn help_version_and_usage() {
    let ran = run(&["--version"]);
    assert_eq!((ran.code, ran.stdout), (Some(0), format!("flott {}\n", env!("CARGO_PKG_VERSION"))));
    let ran = run(&["--help"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    for word in ["run", "check", "sql", "options", "completions", "Exit status"] {
        assert!(ran.stdout.contains(word), "{word}");
    }
    let ran = run(&["run", "x.sql", "-e", "SELECT 1"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    let ran = run(&["frobnicate"]);
    assert_eq!(ran.code, Some(2));
}

#[test]
fn completions_are_scripts() {
    for (shell, mark) in [("bash", "_flott()"), ("zsh", "#compdef flott"), ("fish", "complete -c flott")] {
        let ran = run(&["completions", shell]);
        assert_eq!(ran.code, Some(0));
        assert!(ran.stdout.contains(mark), "{shell}");
    }
}

#[test]
fn what_is_logged_is_an_environment_variable() {
    let with = |value: &str| -> crate::flott::Ran {
        let mut command = crate::flott::flott(&["run", "-e", "SELECT 1"]);
        command.env("FLOTT_LOG", value).output().unwrap().into()
    };
    let ran = with("info");
    assert_eq!(ran.code, Some(0));
    assert!(ran.stderr.contains("INFO"), "{ran:?}");
    assert!(ran.stdout.ends_with("1 row in set\n"), "{ran:?}");
    let ran = with("flott=nonsense");
    assert_eq!(ran.code, Some(2));
    let wrong = "error: environment variable 'FLOTT_LOG' has the value 'flott=nonsense': ";
    assert!(ran.stderr.starts_with(wrong), "{ran:?}");
}

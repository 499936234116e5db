//! Each example of the ladder runs to its end and shows what its first lines promise.

use std::path::PathBuf;
use std::process::Command;

/// Each example, with a text that its output has. `None`: it is tests, which cargo builds and runs by itself.
const LADDER: [(&str, Option<&str>); 10] = [
    ("01_offline", Some("- ")),
    ("02_own_runbook", Some("The chart is in")),
    ("03_data_gap", Some("why?")),
    ("04_approve_act_resume", Some("only reported")),
    ("05_certificate_lifecycle", Some("retire the old one")),
    ("06_daily_sweep", Some("no page")),
    ("07_dedup", Some("rows stored")),
    ("08_deadband", Some("The picture is in")),
    ("09_lag", Some("the group")),
    ("10_mocks_and_rehearsals", None),
];

/// The folder into which cargo builds examples, beside that of the running test.
fn folder() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().parent().unwrap().join("examples")
}

#[test]
fn each_example_runs_to_its_end() {
    let picture = std::env::temp_dir().join(format!("iot-runbook-{}.svg", std::process::id()));
    for (name, shows) in LADDER {
        let Some(shows) = shows else { continue };
        let program = folder().join(name).with_extension(std::env::consts::EXE_EXTENSION);
        assert!(
            program.exists(),
            "{name} is not built: run `cargo build --examples`, or `cargo test` as a whole"
        );
        let mut command = Command::new(program);
        // The texts are looked for as they are, and not wrapped.
        command.current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("COLUMNS");
        if name == "08_deadband" {
            command.arg(&picture);
        }
        let ran = command.output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        assert!(ran.status.success(), "{name}: {err}\n{out}");
        assert!(out.contains(shows), "{name} does not show {shows:?}:\n{out}");
    }
    let _ = std::fs::remove_file(picture);
}

#[test]
fn examples_are_a_ladder_of_short_files() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    let mut found: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".rs").map(str::to_owned))
        .collect();
    found.sort_unstable();
    assert_eq!(found, LADDER.map(|(name, _)| name));
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    for name in found {
        let lines = std::fs::read_to_string(format!("{folder}/{name}.rs")).unwrap().lines().count();
        assert!(lines < 120, "{name} has {lines} lines; keep it under 120");
        assert!(readme.contains(&format!("`{name}`")), "README.md does not name {name}");
    }
}

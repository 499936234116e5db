//! The commands of the README and of the guides.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Files, Run, command};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The documents of the repository that people read.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(ROOT);
    let mut documents = vec![root.join("README.md"), root.join("cli/README.md")];
    let entries = |folder: &str| fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
    documents.extend(entries("docs").filter(|path| path.extension().is_some_and(|end| end == "md")));
    documents.extend(entries("examples").map(|path| path.join("README.md")).filter(|path| path.exists()));
    documents.sort();
    documents
}

/// The command lines of a document: those of its blocks, and those in backticks, where the program may be left out.
fn command_lines(text: &str) -> BTreeSet<String> {
    const IN_TEXT: [&str; 6] =
        ["report BUNDLE", "redact BUNDLE", "replay BUNDLE", "diff OLD", "lag FILE", "gap FILE"];
    let mut lines = BTreeSet::new();
    let mut is_block = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_block = !is_block;
        } else if is_block {
            let line = line.trim().trim_start_matches("$ ");
            // The same name begins a dependency in TOML.
            if let Some(rest) = line.strip_prefix("iot-runbook ").filter(|rest| !rest.starts_with('=')) {
                lines.insert(rest.split(" #").next().unwrap().trim().to_owned());
            }
        }
    }
    // A table or a sentence may have a span that goes over a line.
    for span in text.replace('\n', " ").split('`').skip(1).step_by(2) {
        match span.strip_prefix("iot-runbook ") {
            Some(rest) if !rest.starts_with('=') => lines.insert(rest.to_owned()),
            None if IN_TEXT.iter().any(|line| span.starts_with(line)) => lines.insert(span.to_owned()),
            _ => false,
        };
    }
    lines
}

/// The arguments of a command line, with a file in the place of each word in capitals.
fn arguments(line: &str, files: &Files) -> Vec<String> {
    let bundle = || files.write("bundle.json", super::replay::undetermined());
    let mut words = line.split_whitespace().map(|word| word.trim_end_matches('…'));
    let first = words.next().unwrap();
    let mut arguments = vec![first.to_owned()];
    let mut last = first;
    for word in words {
        let word_for = match (first, word) {
            (_, "[STEP]") => continue,
            (_, "BUNDLE") => bundle(),
            (_, "FILE") if last == "--runbook" => "src/catalog/device-offline.toml".to_owned(),
            (_, "FILE" | "OLD" | "NEW" | "RUNBOOK" | "runbook.toml") => "catalog:data-gap".to_owned(),
            (_, "DOCUMENT" | "architecture.md") => "cli/tests/it/files/drift/architecture.md".to_owned(),
            (_, "TESTS") => "tests/it/rehearsals/data-gap.toml".to_owned(),
            ("gap", "FILE.csv") => "examples/03_data_gap.csv".to_owned(),
            (_, "FILE.csv") => files.write("lag.csv", super::lag::samples()),
            (_, "FILE.pem") => "examples/05_certificate_lifecycle_old.pem".to_owned(),
            (_, "SHELL") => "bash".to_owned(),
            (_, "COMMAND") => "drift".to_owned(),
            (_, other) => {
                let is_name = other.len() > 1 && other.chars().all(|c| c.is_ascii_uppercase());
                assert!(!is_name, "{line}: nothing is known for {other}");
                other.to_owned()
            }
        };
        arguments.push(word_for);
        last = word;
    }
    arguments
}

#[test]
fn every_command_of_the_documents_runs() {
    let files = Files::new();
    let mut seen = BTreeSet::new();
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for line in command_lines(&text) {
            let arguments = arguments(&line, &files);
            let ended = command(&arguments).current_dir(ROOT).output().unwrap();
            let ended = Run {
                code: ended.status.code().unwrap(),
                out: String::from_utf8(ended.stdout).unwrap(),
                err: String::from_utf8(ended.stderr).unwrap(),
            };
            let place = document.display();
            // What is compared here differs, and the series, the group and the certificate are not well.
            let found = matches!(arguments[0].as_str(), "gap" | "lag" | "cert" | "drift");
            assert!(
                ended.code == 0 || (ended.code == 1 && found),
                "{place}: {line}: {} {}",
                ended.code,
                ended.err
            );
            assert!(ended.err.is_empty() && !ended.out.is_empty(), "{place}: {line}: {}", ended.err);
            seen.insert(arguments[0].clone());
        }
    }
    for known in [
        "check", "explain", "draw", "rehearse", "replay", "report", "redact", "diff", "drift", "gap", "lag",
        "cert",
    ] {
        assert!(seen.contains(known), "no document shows {known}");
    }
}

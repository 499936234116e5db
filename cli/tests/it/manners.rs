//! What holds for every command: exit codes, wrong input, pipes, colours, widths.

use std::io::Read as _;
use std::process::Stdio;

use super::{Files, OWN, PUMP, command, pump, run, run_with};

/// Each command that reads a file, with what else it needs.
fn reading(file: &str) -> Vec<Vec<&str>> {
    vec![
        vec!["check", file],
        vec!["explain", file],
        vec!["draw", file],
        vec!["rehearse", "catalog:data-gap", file],
        vec!["replay", file],
        vec!["diff", "catalog:data-gap", file],
        vec!["drift", file, "catalog:data-gap"],
        vec!["gap", file],
        vec!["lag", file],
        vec!["cert", file],
    ]
}

#[test]
fn unreadable_inputs_end_with_two_and_say_why() {
    let files = Files::new();
    let directory = files.0.to_str().unwrap().to_owned();
    for (file, input, why) in [
        ("no-such-file", &b""[..], "no-such-file: "),
        (directory.as_str(), b"", "is a directory; name the files in it"),
        ("-", b"", "empty"),
        ("-", b" \n\n", ""),
        ("-", b"name = \"\xff\xfe\"\n", ""),
        ("-", b"\xff\xfen\0", ""),
    ] {
        for arguments in reading(file) {
            let refused = run_with(&arguments, input, 80);
            assert_eq!((refused.code, refused.out.as_str()), (2, ""), "{arguments:?} {input:?}");
            assert!(refused.err.starts_with("iot-runbook: "), "{arguments:?}: {}", refused.err);
            // Certificates may be in DER, so that no bytes are wrong by themselves.
            assert!(arguments[0] == "cert" || refused.err.contains(why), "{arguments:?}: {}", refused.err);
        }
    }
}

#[test]
fn text_that_is_not_utf8_is_located() {
    let refused = run_with(&["check", "-"], b"name = \"a\"\ntitle = \"\xfc\"\n", 80);
    assert!(refused.err.contains("line 2, byte 10: the text is not UTF-8"), "{}", refused.err);
    let wide = run_with(&["check", "-"], b"\xff\xfen\0a\0", 80);
    assert!(wide.err.contains("is UTF-16; save it as UTF-8"), "{}", wide.err);
}

#[test]
fn byte_order_mark_and_windows_lines_are_read() {
    let text = format!("\u{feff}{}", PUMP.replace('\n', "\r\n"));
    let checked = run_with(&["check", "-", OWN], text.as_bytes(), 80);
    assert_eq!(checked.code, 0, "{}", checked.out);
    let wrong = text.replace("\"settle\" }", "\"setle\" }");
    let checked = run_with(&["check", "-", OWN], wrong.as_bytes(), 80);
    assert!(checked.out.contains("--> standard input:24:29"), "{}", checked.out);
}

#[test]
fn huge_text_is_refused_in_time() {
    let comment = "# A line of a comment that says nothing.\n".repeat(1_700_000);
    let refused = run_with(&["check", "-"], format!("{comment}{PUMP}").as_bytes(), 80);
    assert_eq!(refused.code, 1);
    assert!(refused.out.contains("are more than the 67108864 that a runbook may have"), "{}", refused.out);
}

#[test]
fn deeply_nested_text_is_a_fault() {
    let checked = run_with(&["check", "-"], format!("a = {}", "[".repeat(100_000)).as_bytes(), 80);
    assert_eq!(checked.code, 1, "{}", checked.err);
}

#[test]
fn standard_input_is_named_once() {
    let refused = run_with(&["diff", "-", "-"], PUMP.as_bytes(), 80);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("standard input was named twice"), "{}", refused.err);
}

#[test]
fn wrong_usage_ends_with_two() {
    for arguments in [vec![], vec!["chek"], vec!["check"], vec!["check", "--jsn", "x"], vec!["diff", "one"]] {
        let refused = run(&arguments);
        assert_eq!((refused.code, refused.out.as_str()), (2, ""), "{arguments:?}");
        assert!(!refused.err.is_empty());
    }
    assert!(run(&["chek"]).err.contains("'check'"), "a similar command is named");
}

#[test]
fn help_and_version_end_well_and_state_the_exit_codes() {
    let help = run(&["--help"]);
    assert_eq!((help.code, help.err.as_str()), (0, ""));
    assert!(help.out.contains("Exit codes: 0 all is well; 1 something is wrong"), "{}", help.out);
    assert_eq!(run(&["--version"]).out, concat!("iot-runbook ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn closed_pipe_ends_quietly() {
    let mut child = command(&["explain", "catalog:device-offline", "--json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The reader takes some bytes and goes: the rest is more than a pipe holds.
    let mut first = [0; 10];
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut first).unwrap();
    drop(out);
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(0), &b""[..]));
}

// Only Linux has a device that is always full.
#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_an_error() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ended =
        command(&["explain", "catalog:data-gap"]).stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(ended.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("standard output"), "{ended:?}");
}

#[test]
fn colours_are_for_terminals_or_on_demand() {
    let text = pump("from = 3", "from = 4");
    let check = |more: &[&str]| {
        let mut arguments = vec!["check", "-", OWN];
        arguments.extend(more);
        run_with(&arguments, text.as_bytes(), 80).out
    };
    let plain = check(&[]);
    assert!(!plain.contains('\u{1b}'), "a pipe gets none");
    let coloured = check(&["--color", "always"]);
    assert!(coloured.contains("\u{1b}[1;31m"), "{coloured:?}");
    assert_eq!(check(&["--color", "never"]), plain);
}

#[test]
fn no_line_is_wider_than_the_page() {
    let text = pump("from = 3", "from = 4").replace("$recent", "$recnt").replace("\"settle\"", "\"setle\"");
    for width in [40, 80] {
        for (arguments, input) in [
            (vec!["check", "-", OWN], text.as_bytes()),
            (vec!["explain", "catalog:device-offline", "power"], b""),
            (vec!["replay", "-"], super::replay::undetermined().as_bytes()),
        ] {
            let shown = run_with(&arguments, input, width);
            let widest = shown.out.lines().max_by_key(|line| line.chars().count()).unwrap();
            assert!(widest.chars().count() <= width, "{arguments:?}: {widest}");
        }
    }
}

#[test]
fn every_shell_has_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let completions = run(&["completions", shell]);
        assert_eq!(completions.code, 0);
        assert!(
            completions.out.contains("rehearse") && completions.out.contains("least-coverage"),
            "{shell}"
        );
    }
}

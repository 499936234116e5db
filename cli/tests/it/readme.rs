//! The commands of the README.

use super::command;

#[test]
fn commands_of_the_readme_run() {
    let readme = include_str!("../../../README.md");
    let block = readme.split_once("## The command\n").unwrap().1.split_once("```sh\n").unwrap().1;
    let block = block.split_once("```").unwrap().0;
    assert!(block.lines().count() >= 5, "{block}");
    for line in block.lines() {
        let words: Vec<&str> = line.split(" #").next().unwrap().split_whitespace().collect();
        let [program, arguments @ ..] = words.as_slice() else { panic!("{line}") };
        assert_eq!(*program, "iot-runbook");
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let ended = command(arguments).current_dir(root).output().unwrap();
        // The series has gaps, and the certificate ends some day.
        let found_something = matches!(arguments.first(), Some(&"gap" | &"cert"));
        let code = ended.status.code().unwrap();
        assert!(code == 0 || (code == 1 && found_something), "{line}: {code}");
        assert!(ended.stderr.is_empty() && !ended.stdout.is_empty(), "{line}");
    }
}

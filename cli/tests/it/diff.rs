//! `diff`.

use super::{Files, PUMP, Run, pump, run, run_with};

/// The pump's runbook beside one with a part of it replaced.
fn diff(from: &str, to: &str, more: &[&str]) -> Run {
    let files = Files::new();
    let old = files.write("old.toml", PUMP);
    let mut arguments = vec!["diff", &old, "-"];
    arguments.extend(more);
    run_with(&arguments, pump(from, to).as_bytes(), 80)
}

/// What differs, without the line that names the files.
fn differences(from: &str, to: &str) -> String {
    let differs = diff(from, to, &[]);
    assert_eq!(differs.code, 1, "{}{}", differs.out, differs.err);
    differs.out.split_once("\n\n").unwrap().1.to_owned()
}

#[test]
fn order_comments_and_format_mean_nothing() {
    let files = Files::new();
    let toml = files.write("a.toml", format!("# A comment.\n{PUMP}"));
    let document: toml::Value = toml::from_str(PUMP).unwrap();
    let json = files.write("a.json", serde_json::to_string(&document).unwrap());
    let same = run(&["diff", &toml, &json]);
    assert_eq!(same.code, 0, "{}", same.out);
    // The names are as long as the place of the build, so the line may be wrapped anywhere.
    let words = same.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("mean the same"), "{words}");
}

#[test]
fn threshold_is_one_change_with_its_users() {
    assert_eq!(
        differences("recent = \"10m\"", "recent = \"20m\""),
        "Thresholds\n  ~ recent: 10m, now 20m (used by starts)\n"
    );
}

#[test]
fn branch_that_leads_elsewhere_is_changed() {
    assert_eq!(
        differences("{ is = \"jammed\", to = \"jammed\" }", "{ is = \"jammed\", to = \"blackout\" }"),
        "Steps\n~ state: What does the pump do?\n    ~ on jammed: -> jammed, now -> blackout\n"
    );
}

#[test]
fn guard_that_moved_is_one_branch_less_and_one_more() {
    let text = pump("up_to = 2", "up_to = 3").replace("from = 3", "from = 4");
    let files = Files::new();
    let old = files.write("old.toml", PUMP);
    let differs = run_with(&["diff", &old, "-"], text.as_bytes(), 80);
    assert_eq!(
        differs.out.split_once("\n\n").unwrap().1,
        "\
Steps
~ starts
    - on up to 2: -> runs
    - on from 3: -> jammed, note
    + on up to 3: -> runs
    + on from 4: -> jammed, note
"
    );
}

#[test]
fn steps_and_conclusions_come_and_go() {
    let differs = diff(
        "[conclusions.runs]",
        "[conclusions.other]\ntitle = \"Another end\"\nseverity = \"info\"\n\n[conclusions.runs]",
        &[],
    );
    assert_eq!(differs.code, 2, "an end that nothing leads to is a fault");
    let text = pump("to = \"runs\"", "to = \"works\"").replace("[conclusions.runs]", "[conclusions.works]");
    let files = Files::new();
    let old = files.write("old.toml", PUMP);
    let differs = run_with(&["diff", &old, "-"], text.as_bytes(), 120);
    let first = differs.out.split_once("\n\n").unwrap().0.replace("\n ", "");
    assert!(first.ends_with("1 step changed, 1 conclusion added, 1 conclusion removed"), "{first}");
    assert!(differs.out.contains("- runs: It runs\n+ works: It runs\n"), "{}", differs.out);
}

#[test]
fn better_words_differ_only_if_asked() {
    let (from, to) = ("advice = [\"Free the impeller.\"]", "advice = [\"Free the wheel.\"]");
    let quiet = diff(from, to, &[]);
    assert_eq!(quiet.code, 0);
    assert!(quiet.out.contains("1 text (titles, advice, notes) differs"), "{}", quiet.out);
    let loud = diff(from, to, &["--words"]);
    assert_eq!(loud.code, 1);
    assert!(!loud.out.contains("`--words`"), "{}", loud.out);
    assert!(loud.out.contains("~ advice 1: Free the impeller., now Free the wheel."), "{}", loud.out);
}

#[test]
fn version_and_start_are_of_the_runbook() {
    assert_eq!(differences("version = 1", "version = 2"), "Runbook\n  ~ version: 1, now 2\n");
    let json = diff("version = 1", "version = 2", &["--json"]).json();
    assert_eq!(json["same"], false);
    assert_eq!(json["differences"]["runbook"][0]["new"], "2");
}

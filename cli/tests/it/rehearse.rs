//! `rehearse`.

use super::{Files, PUMP, pump, run, run_with};

const TESTS: &str = r#"
[[rehearsal]]
name = "a jammed pump"
runbook = "pump-stopped"
facts = { state = "jammed" }
expect = { conclusion = "jammed" }

[[rehearsal]]
name = "it runs again after a while"
runbook = "pump-stopped"
facts = { state = "running", starts = 2 }
expect = { steps = ["state", "settle", "starts", "runs"], conclusion = "runs" }
"#;

#[test]
fn rehearsals_that_hold_are_counted() {
    let files = Files::new();
    let (runbook, tests) = (files.write("pump.toml", PUMP), files.write("tests.toml", TESTS));
    let held = run(&["rehearse", &runbook, &tests]);
    assert_eq!(
        (held.code, held.out.as_str()),
        (0, "2 of 2 rehearsals come out as expected\n"),
        "{}",
        held.err
    );
}

#[test]
fn coverage_lists_what_nobody_took() {
    let files = Files::new();
    let runbook = files.write("pump.toml", PUMP);
    let arguments = ["rehearse", &runbook, "-", "--coverage"];
    let covered = run_with(&arguments, TESTS.as_bytes(), 80);
    assert_eq!(covered.code, 0);
    assert_eq!(
        covered.out,
        "\
2 of 2 rehearsals come out as expected

4 of 8 branches of pump-stopped are taken (50 %)
No rehearsal takes:
  starts [from 3]
  starts [unknown]
  state [unknown]
  state [dark]
"
    );
    let least = |percent: &str| {
        run_with(&["rehearse", &runbook, "-", "--least-coverage", percent], TESTS.as_bytes(), 80).code
    };
    assert_eq!((least("50"), least("51")), (0, 1));
}

#[test]
fn failed_rehearsal_says_what_came_out_and_where_it_is() {
    let files = Files::new();
    let runbook = files.write("pump.toml", PUMP);
    let wrong = TESTS
        .replace("conclusion = \"jammed\"", "conclusion = \"blackout\"")
        .replace("\"settle\", \"starts\", \"runs\"", "\"settle\", \"runs\"");
    let failed = run_with(&["rehearse", &runbook, "-"], wrong.as_bytes(), 80);
    assert_eq!(failed.code, 1);
    assert_eq!(
        failed.out,
        "\
0 of 2 rehearsals come out as expected

FAILED: a jammed pump
  standard input:3
  the conclusion should be:
      blackout
  and came out as:
      jammed

FAILED: it runs again after a while
  standard input:9
  the path should be:
      state > settle > runs
  and came out as:
      state > settle > starts > runs
  they part after settle
"
    );
}

#[test]
fn trace_of_a_failed_rehearsal_is_shown_on_request() {
    let files = Files::new();
    let runbook = files.write("pump.toml", PUMP);
    let wrong = TESTS.replace("conclusion = \"jammed\"", "conclusion = \"blackout\"");
    let failed = run_with(&["rehearse", &runbook, "-", "--trace"], wrong.as_bytes(), 80);
    let trace =
        "  trace:\n2027-01-15\n08:00:00  state: jammed (rehearsal) -> jammed\n08:00:00  jammed: concluded\n";
    assert!(failed.out.ends_with(trace), "{}", failed.out);
}

#[test]
fn trace_has_the_facts_of_notes_and_alerts_in_place() {
    let files = Files::new();
    let text = pump("It starts again and again.", "It started {value} times, and is {pump-state}.")
        .replace("A pump has no power.", "The pump is {pump-state}.");
    let runbook = files.write("pump.toml", text);
    let rehearsal = |facts: &str| {
        let tests = format!(
            "[[rehearsal]]\nname = \"m\"\nrunbook = \"pump-stopped\"\nfacts = {{ {facts} }}\n\
             expect = {{ conclusion = \"runs\" }}\n"
        );
        run_with(&["rehearse", &runbook, "-", "--trace"], tests.as_bytes(), 80)
    };
    let noted = rehearsal("state = \"running\", starts = 7");
    assert!(noted.out.contains("jammed (It started 7 times, and is running.)"), "{}", noted.out);
    let alerted = rehearsal("state = \"dark\"");
    assert!(alerted.out.contains("alert (critical): The pump is dark."), "{}", alerted.out);
}

#[test]
fn misspelt_conclusion_of_a_rehearsal_is_named() {
    let files = Files::new();
    let runbook = files.write("pump.toml", PUMP);
    let typo = TESTS.replace("conclusion = \"jammed\"", "conclusion = \"jamed\"");
    let failed = run_with(&["rehearse", &runbook, "-"], typo.as_bytes(), 80);
    assert_eq!(failed.code, 1);
    assert!(failed.out.contains("there is no conclusion `jamed` (did you mean `jammed`?)"), "{}", failed.out);
}

#[test]
fn facts_that_nobody_asked_for_are_a_warning() {
    let files = Files::new();
    let runbook = files.write("pump.toml", PUMP);
    let more = TESTS.replace("{ state = \"jammed\" }", "{ state = \"jammed\", starts = 2 }");
    let held = run_with(&["rehearse", &runbook, "-"], more.as_bytes(), 80);
    assert_eq!(held.code, 0);
    assert_eq!(
        held.out,
        "\
2 of 2 rehearsals come out as expected

WARNING: a jammed pump
  standard input:3
  no step asked for starts: leave it out, or look at the path
"
    );
    let strict = |text: &str| run_with(&["rehearse", &runbook, "-", "--strict"], text.as_bytes(), 80).code;
    assert_eq!((strict(&more), strict(TESTS)), (1, 0));
    let json = run_with(&["rehearse", &runbook, "-", "--json"], more.as_bytes(), 80).json();
    assert_eq!(json["rehearsals"][0]["unused"], serde_json::json!(["starts"]));
    assert_eq!(json["rehearsals"][1]["unused"], serde_json::json!([]));
}

#[test]
fn rehearsal_that_expects_nothing_fails() {
    let files = Files::new();
    let runbook = files.write("pump.toml", PUMP);
    let nothing = TESTS.replace("{ conclusion = \"jammed\" }", "{}");
    let failed = run_with(&["rehearse", &runbook, "-"], nothing.as_bytes(), 80);
    assert_eq!(failed.code, 1);
    assert!(failed.out.contains("expects nothing"), "{}", failed.out);
}

#[test]
fn misspelt_step_of_a_rehearsal_is_named() {
    let files = Files::new();
    let runbook = files.write("pump.toml", PUMP);
    let typo = TESTS.replace("starts = 2", "strats = 2");
    let failed = run_with(&["rehearse", &runbook, "-"], typo.as_bytes(), 80);
    assert_eq!(failed.code, 1);
    assert!(failed.out.contains("there is no step `strats` (did you mean `starts`?)"), "{}", failed.out);
}

#[test]
fn rehearsals_in_json_and_one_alone_are_read() {
    let files = Files::new();
    let runbook = files.write("pump.toml", PUMP);
    let table: toml::Value = toml::from_str(TESTS).unwrap();
    let list = serde_json::to_string(&table["rehearsal"]).unwrap();
    let one = TESTS.split("[[rehearsal]]").nth(1).unwrap().to_owned();
    let whole = serde_json::to_string(&table).unwrap();
    for (text, count) in [(list, "2 of 2"), (one, "1 of 1"), (whole, "2 of 2")] {
        let held = run_with(&["rehearse", &runbook, "-"], text.as_bytes(), 80);
        assert!(held.code == 0 && held.out.starts_with(count), "{text}: {}{}", held.out, held.err);
    }
}

#[test]
fn file_that_is_no_rehearsal_is_refused_with_its_line() {
    let files = Files::new();
    let runbook = files.write("pump.toml", PUMP);
    let refuse = |text: String| {
        let refused = run_with(&["rehearse", &runbook, "-"], text.as_bytes(), 80);
        assert_eq!(refused.code, 2, "{}", refused.out);
        refused.err
    };
    let key = refuse(TESTS.replace("facts = { state = \"jammed\" }", "fact = { state = \"jammed\" }"));
    assert!(key.contains("line 5") && key.contains("fact"), "{key}");
    let cue = refuse(TESTS.replace("starts = 2", "starts = { maybe = 2 }"));
    for part in ["line 11", "step \"starts\"", "`maybe`", "`unknown`"] {
        assert!(cue.contains(part), "{part}: {cue}");
    }
    let reason = refuse(TESTS.replace("starts = 2", "starts = { unknown = \"dunno\" }"));
    for part in ["line 11", "step \"starts\"", "`dunno`", "`no-adapter`", "`timeout`"] {
        assert!(reason.contains(part), "{part}: {reason}");
    }
    assert!(refuse("name = 3".to_owned()).contains("rehearsal"));
}

#[test]
fn callees_of_the_catalog_are_there() {
    let tests = "[[rehearsal]]\nname = \"m\"\nrunbook = \"device-offline\"\n\
                 facts = { service-state = \"maintenance\" }\nexpect = { conclusion = \"expected-offline\" }\n";
    let held = run_with(&["rehearse", "catalog:device-offline", "-", "--json"], tests.as_bytes(), 80);
    assert_eq!(held.code, 0, "{}", held.err);
    assert_eq!(held.json()["rehearsals"][0]["conclusion"], "expected-offline");
}

/// The rehearsals of the built-in runbooks hold none of their facts back: a walk that ends early would leave some.
#[test]
fn rehearsals_of_the_catalog_hold_strictly() {
    for name in ["device-offline", "data-gap", "certificate-expiry"] {
        let tests = format!("{}/../tests/it/rehearsals/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        let held = run(&["rehearse", &format!("catalog:{name}"), &tests, "--strict"]);
        assert_eq!(held.code, 0, "{name}: {}{}", held.out, held.err);
    }
}

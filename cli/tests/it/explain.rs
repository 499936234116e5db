//! `explain`.

use super::{Files, PUMP, run, run_with};

#[test]
fn whole_runbook_is_told_in_words() {
    let explained = run_with(&["explain", "-"], PUMP.as_bytes(), 80);
    assert_eq!(explained.code, 0, "{}", explained.err);
    assert_eq!(
        explained.out,
        "\
pump-stopped: A pump has stopped
Version 1, 3 steps and 3 conclusions, fingerprint 11fd15fc3aac.
  begins at: state
  longest: 30d
  clock tolerance: 30s
  likeliest causes: jam, blackout

Thresholds
NAME    VALUE  USED BY
recent  10m    starts

Steps

state: What does the pump do?
  asks pump-state of the device
    running -> settle
    jammed -> jammed
    dark -> blackout [alert: critical]
    unknown: every answer stays possible

settle
  waits 2m
    over -> starts

starts
  asks starts of the device; within 10m
    up to 2 -> runs
    from 3 -> jammed
    unknown -> jammed

Conclusions

jammed: It is jammed
  severity warning; root cause jam
    - Free the impeller.

blackout: It has no power
  severity critical; root cause blackout

runs: It runs
  severity info; recovered yes
"
    );
}

#[test]
fn one_step_is_told_in_full() {
    let step = run_with(&["explain", "-", "state"], PUMP.as_bytes(), 80);
    assert_eq!(
        step.out,
        "\
state: What does the pump do?
  asks pump-state of the device
  answers choice of running | jammed | dark

Where it leads
  running -> settle
  jammed -> jammed
  dark -> blackout
      alert (critical): A pump has no power.
  unknown: every answer stays possible

Advice
  - Look at its panel.
"
    );
    let end = run_with(&["explain", "-", "jammed"], PUMP.as_bytes(), 80);
    assert!(
        end.out.ends_with("What leads here\n  starts, on from 3\n  starts, on unknown\n  state, on jammed\n")
    );
}

#[test]
fn every_built_in_step_fits_the_page() {
    for name in ["catalog:device-offline", "catalog:data-gap", "catalog:certificate-expiry"] {
        for width in [40, 80] {
            let whole = run_with(&["explain", name], b"", width);
            assert_eq!(whole.code, 0);
            let widest = whole.out.lines().max_by_key(|line| line.chars().count()).unwrap();
            assert!(widest.chars().count() <= width, "{widest}");
        }
    }
}

#[test]
fn every_step_is_in_the_json_once() {
    let json = run(&["explain", "catalog:device-offline", "--json"]).json();
    let mut ids: Vec<&str> =
        json["steps"].as_array().unwrap().iter().map(|step| step["id"].as_str().unwrap()).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    let runbook = iot_runbook::catalog::device_offline().unwrap().validate().unwrap();
    assert_eq!((ids.len(), count), (runbook.steps().len(), runbook.steps().len()));
    assert_eq!(json["fingerprint"], runbook.fingerprint().to_string());
}

#[test]
fn override_is_shown() {
    let shown = run(&["explain", "catalog:device-offline", "watch", "--threshold", "monitor_for=17m"]);
    assert!(shown.out.contains("17m"), "{}", shown.out);
    let approval =
        ["explain", "catalog:device-offline", "restart-gateway", "--approval", "restart-gateway=never"];
    assert!(run(&approval).out.contains("approval never"));
}

#[test]
fn unknown_names_are_answered_with_what_was_meant() {
    let step = run(&["explain", "catalog:device-offline", "pwoer"]);
    assert_eq!((step.code, step.out.as_str()), (2, ""));
    assert!(step.err.contains("did you mean `power`?"), "{}", step.err);
    let runbook = run(&["explain", "catalog:device-ofline"]);
    assert_eq!(runbook.code, 2);
    assert!(runbook.err.contains("did you mean `device-offline`?"), "{}", runbook.err);
}

#[test]
fn bare_word_is_no_file_but_perhaps_built_in() {
    for word in ["catalog", "device-offline"] {
        let missing = run(&["explain", word]);
        assert_eq!(missing.code, 2);
        let expected = format!(
            "{word}: there is no such file; a built-in runbook is `catalog:NAME`, and NAME one of device-offline, data-gap, "
        );
        assert!(missing.err.contains(&expected), "{}", missing.err);
    }
    for path in ["nowhere/pump", "pump-of-nobody.toml"] {
        let missing = run(&["explain", path]);
        assert!(missing.err.contains("give a file that can be read"), "{}", missing.err);
    }
}

#[test]
fn faulty_runbook_is_not_explained() {
    let files = Files::new();
    let path = files.write("bad.toml", super::pump("from = 3", "from = 4"));
    let refused = run(&["explain", &path]);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("guards leave a hole: 3"), "{}", refused.err);
    assert!(refused.err.contains("iot-runbook check"), "{}", refused.err);
}

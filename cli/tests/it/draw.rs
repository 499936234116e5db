//! `draw`.

use iot_runbook::report::RunbookChart;

use super::{Files, PUMP, run, run_with};

#[test]
fn chart_is_that_of_the_library() {
    let runbook = iot_runbook::Document::from_toml(PUMP).unwrap().validate().unwrap();
    assert_eq!(run_with(&["draw", "-"], PUMP.as_bytes(), 80).out, runbook.to_mermaid(None));
    let dot = run_with(&["draw", "-", "--format", "dot"], PUMP.as_bytes(), 80);
    assert_eq!((dot.code, dot.out), (0, runbook.to_dot(None)));
    let svg = run_with(&["draw", "-", "--format", "svg"], PUMP.as_bytes(), 80);
    assert_eq!((svg.code, svg.out), (0, RunbookChart::new(&runbook).to_string()));
}

#[test]
fn path_of_saved_evidence_is_drawn_thick() {
    let files = Files::new();
    let bundle = files.write("bundle.json", super::replay::undetermined());
    let plain = run(&["draw", "catalog:device-offline"]);
    let path = run(&["draw", "catalog:device-offline", "--path", &bundle]);
    assert_eq!(path.code, 0, "{}", path.err);
    assert!(!plain.out.contains("linkStyle"));
    assert!(path.out.starts_with(&plain.out) && path.out.contains("linkStyle"));
    let svg = run(&["draw", "catalog:device-offline", "--path", &bundle, "--format", "svg"]);
    assert!(svg.out.starts_with("<svg ") && svg.out.contains("arrow lit"), "{}", svg.out);
}

#[test]
fn unknown_format_is_wrong_usage() {
    let refused = run(&["draw", "catalog:data-gap", "--format", "svgg"]);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("mermaid, dot, svg"), "{}", refused.err);
}

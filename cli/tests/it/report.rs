//! `report`.

use iot_runbook::Diagnosis;
use iot_runbook::catalog;
use iot_runbook::diagnosis::Bundle;
use iot_runbook::report::Report;

use super::{Files, run_with};

fn of_the_library(bundle: &str) -> Report {
    let bundle: Bundle = serde_json::from_str(bundle).unwrap();
    Report::of(&Diagnosis::resume(&bundle, &catalog::set().unwrap()).unwrap())
}

#[test]
fn every_format_is_that_of_the_library() {
    let bundle = super::replay::undetermined();
    let expected = of_the_library(&bundle);
    for (format, text) in [
        ("text", expected.to_text(40)),
        ("markdown", expected.to_markdown()),
        ("html", expected.to_html()),
        ("post-mortem", expected.to_post_mortem()),
    ] {
        let report = run_with(&["report", "-", "--format", format], bundle.as_bytes(), 40);
        assert_eq!((report.code, report.out), (0, text), "{}", report.err);
    }
    assert_eq!(run_with(&["report", "-"], bundle.as_bytes(), 80).out, expected.to_markdown());
}

#[test]
fn evidence_that_leads_elsewhere_is_not_reported() {
    let files = Files::new();
    let edited = super::replay::undetermined().replace("\"in-service\"", "\"maintenance\"");
    let path = files.write("edited.json", edited);
    let report = run_with(&["report", &path], b"", 80);
    assert_eq!((report.code, report.out.as_str()), (2, ""));
    assert!(report.err.contains("damaged or edited"), "{}", report.err);
    assert!(report.err.contains("iot-runbook replay"), "{}", report.err);
}

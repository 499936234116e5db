//! The chart of a report: all of the path, and nothing else lit.

use std::collections::{BTreeMap, BTreeSet};

use iot_runbook::Diagnosis;
use iot_runbook::catalog;
use iot_runbook::diagnosis::Bundle;
use iot_runbook::report::{Report, RunbookChart};
use iot_runbook::runbook::Runbook;
use iot_runbook::runbook::document::Document;

use super::page;

fn corpus() -> BTreeMap<String, Bundle> {
    serde_json::from_str(include_str!("../case/corpus/device-offline.json")).unwrap()
}

/// The transitions that the records of a bundle name, each once: read without the code that draws.
fn taken(bundle: &Bundle, runbook: &str) -> BTreeSet<(String, String)> {
    let records = bundle.records.iter().filter(|record| *record.runbook == *runbook);
    let took = records.filter_map(|record| {
        Some((record.step.to_string(), record.what.took()?.to.to_string())).filter(|(_, to)| !to.is_empty())
    });
    took.collect()
}

/// An SVG as a page has it.
fn is_well_formed(svg: &str) {
    page::is_well_formed(&format!("<!DOCTYPE html>{svg}")).unwrap_or_else(|error| panic!("{error}: {svg}"));
}

#[test]
fn chart_lights_what_was_taken() {
    let set = catalog::set().unwrap();
    let (mut several, mut lit) = (0, 0);
    for (place, bundle) in corpus() {
        let diagnosis = Diagnosis::resume(&bundle, &set).unwrap();
        let charts = Report::of(&diagnosis).charts;
        several += usize::from(charts.len() > 1);
        assert_eq!(charts.len(), diagnosis.walked().len(), "{place}");
        for (chart, runbook) in charts.iter().zip(diagnosis.walked()) {
            let (path, whole) = (chart.to_path_svg(), chart.to_string());
            is_well_formed(&path);
            is_well_formed(&whole);
            let is_unless = |step: &str| runbook.find(step).is_none();
            let taken = taken(&bundle, runbook.name());
            let arrows = whole.matches("<path class=\"arrow lit\"").count();
            // What the recheck of the whole runbook takes has no step of its own to begin at.
            assert!(
                arrows == taken.iter().filter(|(from, _)| !is_unless(from)).count(),
                "{place}: {taken:?}"
            );
            lit += arrows;
            for record in bundle.records.iter().filter(|record| *record.runbook == *runbook.name()) {
                let title = format!("<title>{}</title>", record.step);
                assert!(path.contains(&title) && whole.contains(&title), "{place}: {}", record.step);
            }
        }
    }
    assert!(several > 3 && lit > 250, "{several} {lit}");
}

#[test]
fn every_step_is_in_the_whole_chart() {
    for document in [catalog::device_offline(), catalog::data_gap(), catalog::certificate_expiry()] {
        let runbook = document.unwrap().validate().unwrap();
        let chart = RunbookChart::new(&runbook);
        let svg = chart.to_string();
        is_well_formed(&svg);
        assert!(!chart.has_path() && chart.to_path_svg() == svg);
        for step in runbook.steps() {
            assert!(svg.contains(&format!("<title>{}</title>", step.id)), "{}", step.id);
        }
        let heads = svg.matches("l-4 -8h8z").count()
            + svg.matches("l-4 8h8z").count()
            + svg.matches("l-8 -4v8z").count();
        assert_eq!(heads, svg.matches("<path class=\"arrow").count());
    }
}

#[test]
fn what_is_still_possible_is_not_grey() {
    let set = catalog::set().unwrap();
    let diagnosis = Diagnosis::resume(&corpus()["undetermined"], &set).unwrap();
    let chart = &RunbookChart::of_diagnosis(&diagnosis)[0];
    let whole = chart.to_string();
    for one in diagnosis.finding().unwrap().hypotheses() {
        for conclusion in &one.conclusions {
            let before = whole.split_once(&format!("<title>{conclusion}</title>")).unwrap().0;
            assert!(before.rsplit_once("<g class=\"").unwrap().1.starts_with("box possible"), "{conclusion}");
        }
    }
}

/// WCAG 2.2, 1.4.11: 3 to 1 for what is drawn lit; the colours of texts are those of the page.
#[test]
fn path_is_seen_in_light_and_dark() {
    let diagnosis = Diagnosis::resume(&corpus()["undetermined"], &catalog::set().unwrap()).unwrap();
    let html = Report::of(&diagnosis).to_html();
    for scheme in page::schemes(&html) {
        for ground in ["page", "panel"] {
            assert!(page::contrast(&scheme["link"], &scheme[ground]) >= 4.5, "{scheme:?}");
        }
    }
}

#[test]
fn no_title_leaves_the_chart() {
    let text = super::BOILER.replace("It leaks", "</svg><script>alert(1)</script> 温度計 & \\u0007");
    let runbook: Runbook = Document::from_toml(&text).unwrap().validate().unwrap();
    let svg = RunbookChart::new(&runbook).to_string();
    is_well_formed(&svg);
    assert!(!svg.contains("<script") && svg.contains("&lt;script&gt;"), "{svg}");
}

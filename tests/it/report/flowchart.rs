//! The flowchart of a ticket: the path that the records name is thick, the rest of its branches dashed, nothing dropped.

use std::collections::{BTreeMap, BTreeSet};

use iot_runbook::catalog;
use iot_runbook::diagnosis::{Bundle, Diagnosis, Output};
use iot_runbook::fact::{Observation, Value};
use iot_runbook::report::Report;
use iot_runbook::runbook::document::Document;
use iot_runbook::runbook::step::{Step, StepKind};
use iot_runbook::runbook::{Runbook, RunbookSet};
use iot_runbook::subject::{Subject, Trigger};
use ulid::Ulid;

use crate::deepest::NOW;

/// The blocks of a ticket, each with what is written between it and the next.
fn blocks(markdown: &str) -> Vec<(&str, &str)> {
    let parts = markdown.split("```mermaid\n").skip(1);
    parts.map(|part| part.split_once("```\n").expect("the end of the block")).collect()
}

/// The arrows of that kind, by the ids of their steps.
fn arrows(block: &str, line: &str, runbook: &Runbook) -> BTreeSet<(String, String)> {
    let id = |node: &str| {
        let at: usize = node.trim().strip_prefix('s').unwrap().parse().unwrap();
        runbook.steps().get(at).map_or_else(|| "unless".to_owned(), |step| step.id.to_string())
    };
    let split = block.lines().filter_map(|text| text.split_once(&format!(" {line}")));
    split.map(|(from, to)| (id(from), id(to.rsplit('|').next().unwrap()))).collect()
}

/// The transitions that the records name, read without the code that draws.
fn taken(bundle: &Bundle, runbook: &str) -> BTreeSet<(String, String)> {
    let records = bundle.records.iter().filter(|record| *record.runbook == *runbook);
    let took =
        records.filter_map(|record| Some((record.step.to_string(), record.what.took()?.to.to_string())));
    took.filter(|(_, to)| !to.is_empty()).collect()
}

#[test]
fn ticket_draws_the_path_taken() {
    let set = catalog::set().unwrap();
    let (mut lit, mut dashed) = (0, 0);
    for text in [
        include_str!("../case/corpus/certificate-expiry.json"),
        include_str!("../case/corpus/data-gap.json"),
        include_str!("../case/corpus/device-offline.json"),
    ] {
        let bundles: BTreeMap<String, Bundle> = serde_json::from_str(text).unwrap();
        for (place, bundle) in bundles {
            let diagnosis = Diagnosis::resume(&bundle, &set).unwrap();
            let markdown = Report::of(&diagnosis).to_markdown();
            let walked = diagnosis.walked();
            let blocks = blocks(&markdown);
            assert_eq!(blocks.len(), walked.len(), "{place}: {markdown}");
            for ((block, behind), runbook) in blocks.into_iter().zip(walked) {
                // What is asked again last has an arrow of its own.
                let (taken, again): (BTreeSet<_>, BTreeSet<_>) =
                    taken(&bundle, runbook.name()).into_iter().partition(|way| ways(runbook).contains(way));
                let (thick, of_again): (BTreeSet<_>, BTreeSet<_>) =
                    arrows(block, "==>", runbook).into_iter().partition(|(from, _)| from != "unless");
                assert_eq!(thick, taken, "{place}: {block}");
                let ends =
                    |ways: BTreeSet<(String, String)>| ways.into_iter().map(|(_, to)| to).collect::<Vec<_>>();
                assert_eq!(ends(of_again), ends(again), "{place}: {block}");
                lit += thick.len();
                let others = others(&bundle, runbook, &taken);
                let drawn = arrows(block, "-.->", runbook);
                assert!(drawn.is_subset(&others), "{place}: {drawn:?} {others:?}");
                dashed += drawn.len();
                let left_out = others.len() - drawn.len();
                let says = behind.lines().nth(1).unwrap_or_default().starts_with(&format!("{left_out} more"));
                assert!(says || left_out == 0, "{place}: {left_out}: {behind}");
            }
        }
    }
    assert!(lit > 400 && dashed > 1_000, "{lit} {dashed}");
}

/// Every way of the runbook, by the ids of its steps.
fn ways(runbook: &Runbook) -> BTreeSet<(String, String)> {
    let id = |at| runbook.step(at).map_or_else(String::new, |step| step.id.to_string());
    let of = |step: &Step| {
        step.kind.exits().map(|(_, exit)| (step.id.to_string(), id(exit.to))).collect::<Vec<_>>()
    };
    runbook.steps().iter().flat_map(of).collect()
}

/// Where the steps of the path could have led otherwise.
fn others(
    bundle: &Bundle,
    runbook: &Runbook,
    taken: &BTreeSet<(String, String)>,
) -> BTreeSet<(String, String)> {
    let records = bundle.records.iter().filter(|record| *record.runbook == *runbook.name());
    let walked: BTreeSet<&str> = records.map(|record| &*record.step).collect();
    let is_asking = |id: &str| {
        let step = runbook.find(id).and_then(|at| runbook.step(at));
        walked.contains(id) && step.is_some_and(|step| !matches!(step.kind, StepKind::Conclude(_)))
    };
    ways(runbook).into_iter().filter(|way| is_asking(&way.0) && !taken.contains(way)).collect()
}

#[test]
fn no_title_ends_the_block() {
    for title in
        ["```\n# x", "<script>alert(1)</script>", "\"]:::x", "a --> b;", "%%{init: {}}%%", "direction TD"]
    {
        let name = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let text = super::BOILER
            .replace("It leaks", &name(title))
            .replace("Does it have power?", &name(title))
            .replace("{value:%} lost", &name(title).replace('{', "{{").replace('}', "}}"));
        let set = RunbookSet::new([Document::from_toml(&text).unwrap().validate().unwrap()]).unwrap();
        let bundle = super::leaking(0.5).bundle();
        let markdown = Report::of(&Diagnosis::resume(&bundle, &set).unwrap()).to_markdown();
        let [(block, behind)] = blocks(&markdown)[..] else { panic!("{title}: {markdown}") };
        assert!(behind.contains("## Evidence"), "{title}: {markdown}");
        for line in block.lines().filter(|line| line.contains('"')) {
            let label = line.split('"').nth(1).unwrap().replace("<br/>", "");
            assert_eq!(line.matches('"').count(), 2, "{line}");
            let is_plain = |c: char| c.is_alphanumeric() || " ,-._#;".contains(c);
            assert!(label.chars().all(is_plain), "{title}: {line}");
        }
    }
}

/// A chain of so many questions.
fn chain(steps: usize) -> Report {
    let mut text = "name = \"chain\"\nversion = 1\ntitle = \"A chain\"\nstart = \"s1\"\n".to_owned();
    text += "[conclusions.end]\ntitle = \"The end\"\nseverity = \"info\"\n";
    for at in 1..=steps {
        let to = if at == steps { "end".to_owned() } else { format!("s{}", at + 1) };
        text += &format!("[checks.c{at}]\nscope = \"device\"\ndomain = \"flag\"\n");
        text += &format!("[steps.s{at}]\ncheck = \"c{at}\"\nunknown = \"explore\"\n");
        text += &format!("branches = [{{ any = true, to = \"{to}\" }}]\n");
    }
    let set = RunbookSet::new([Document::from_toml(&text).unwrap().validate().unwrap()]).unwrap();
    let trigger = Trigger::new("alert", NOW);
    let mut diagnosis = Diagnosis::new(Ulid(1), &set, "chain", Subject::device("d"), trigger, NOW).unwrap();
    while let Output::Probe(request) = diagnosis.poll(NOW) {
        diagnosis.answer(request.id, Observation::known(Value::Flag(true), NOW, "meter"), NOW).unwrap();
    }
    Report::of(&diagnosis)
}

#[test]
fn long_path_is_named_and_not_drawn() {
    assert!(chain(39).to_markdown().contains("```mermaid\n"));
    let long = chain(40).to_markdown();
    assert!(!long.contains("```"), "{long}");
    assert!(long.contains("It has 41 steps, too many for a ticket"), "{long}");
    let mut without = chain(3);
    without.charts.clear();
    assert!(!without.to_markdown().contains("## Path"));
}

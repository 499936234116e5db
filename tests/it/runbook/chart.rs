//! The step graph for petgraph, and the charts: what they draw, and that no text breaks out of its label.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use iot_runbook::catalog;
use iot_runbook::diagnosis::{Diagnosis, Output};
use iot_runbook::fact::Observation;
use iot_runbook::runbook::document::Document;
use iot_runbook::runbook::step::StepKind;
use iot_runbook::runbook::{Highlight, Runbook, RunbookSet};
use iot_runbook::subject::{Subject, Trigger};
use petgraph::Direction::Outgoing;
use petgraph::algo::{dijkstra, kosaraju_scc};
use petgraph::graph::NodeIndex;
use petgraph::visit::{EdgeRef as _, NodeFiltered};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use ulid::Ulid;

use super::{PUMP, pump};

fn runbook(text: &str) -> Runbook {
    Document::from_toml(text).unwrap().validate().unwrap()
}

fn built_in() -> Vec<Runbook> {
    catalog::documents().unwrap().iter().map(|document| document.validate().unwrap()).collect()
}

#[test]
fn graph_has_each_step_and_each_transition() {
    for runbook in built_in() {
        let graph = runbook.graph();
        let ids: Vec<_> = graph.node_weights().map(|step| &step.id).collect();
        assert_eq!(ids, runbook.steps().iter().map(|step| &step.id).collect::<Vec<_>>());
        for (at, step) in graph.node_indices().zip(runbook.steps()) {
            let mut drawn: Vec<_> =
                graph.edges(at).map(|edge| (edge.weight().position, edge.target())).collect();
            drawn.sort_unstable();
            let exits: Vec<_> =
                step.kind.exits().map(|(position, exit)| (position, exit.to.into())).collect();
            assert_eq!(drawn, exits, "{}/{}", runbook.name(), step.id);
        }
    }
}

#[test]
fn transition_has_the_guard_as_label() {
    let runbook = runbook(PUMP);
    let graph = runbook.graph();
    let load = runbook.find("load").unwrap();
    let labels: BTreeSet<_> = graph.edges(load.into()).map(|edge| edge.weight().label()).collect();
    assert_eq!(labels, BTreeSet::from(["below 0.9".into(), "from 0.9".into(), "unknown".into()]));
}

/// What validation proves, read off the graph by petgraph's algorithms alone.
#[test]
fn petgraph_finds_what_validation_proves() {
    for runbook in built_in() {
        let graph = runbook.graph();
        let mut reached = dijkstra(&graph, runbook.start().into(), None, |_| 1);
        for branch in runbook.unless().iter().flat_map(|recheck| recheck.branches.as_slice()) {
            reached.extend(dijkstra(&graph, branch.exit.to.into(), None, |_| 1));
        }
        assert_eq!(reached.len(), runbook.steps().len(), "{}: every step is reached", runbook.name());
        let is_end = |step: &StepKind| matches!(step, StepKind::Conclude(_));
        for at in graph.node_indices().filter(|at| graph.neighbors_directed(*at, Outgoing).count() == 0) {
            assert!(is_end(&graph[at].kind), "{}: {} has no exit", runbook.name(), graph[at].id);
        }
        let pauses = |at: NodeIndex| match &graph[at].kind {
            StepKind::Check(check) => check.after.is_some(),
            StepKind::Conclude(_) | StepKind::Wait(_) => true,
            _ => false,
        };
        let restless = NodeFiltered::from_fn(&graph, |at| !pauses(at));
        assert!(kosaraju_scc(&restless).iter().all(|component| component.len() == 1), "{}", runbook.name());
    }
}

/// A line of a flowchart as a strict reader takes it; what is not one of these forms is refused.
#[derive(Debug, PartialEq)]
enum Line {
    Node { id: String, label: Vec<String> },
    Edge { from: String, to: String, label: String },
    Subgraph(String),
    End,
    Style(String),
}

fn mermaid(text: &str) -> Vec<Line> {
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("flowchart TD"));
    lines
        .map(|line| mermaid_line(line).unwrap_or_else(|| panic!("not a line of a flowchart: {line}")))
        .collect()
}

fn is_id(text: &str) -> bool {
    text.strip_prefix('s').is_some_and(|number| number.parse::<u32>().is_ok())
}

fn mermaid_line(line: &str) -> Option<Line> {
    if line == "end" {
        return Some(Line::End);
    }
    if line.starts_with("class ") || line.starts_with("classDef ") || line.starts_with("linkStyle ") {
        return line
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || " ,:-".contains(c))
            .then(|| Line::Style(line.into()));
    }
    // Everything else has exactly one quoted text.
    let [before, quoted, after]: [&str; 3] = line.split('"').collect::<Vec<_>>().try_into().ok()?;
    if let Some(number) = before.strip_prefix("subgraph g") {
        number.strip_suffix('[')?.parse::<u32>().ok()?;
        return (after == "]").then(|| Line::Subgraph(decode(quoted)));
    }
    if let Some(from) = before.strip_suffix(" -->|") {
        let to = after.strip_prefix("| ")?;
        let line = Line::Edge { from: from.into(), to: to.into(), label: decode(quoted) };
        return (is_id(from) && is_id(to)).then_some(line);
    }
    let open = before.find(|c: char| !c.is_ascii_alphanumeric())?;
    let (id, open) = before.split_at(open);
    let pairs = [("{{", "}}"), ("[/", "/]"), ("[", "]"), (">", "]"), ("[[", "]]"), ("([", "])"), ("(", ")")];
    (is_id(id) && pairs.contains(&(open, after)))
        .then(|| Line::Node { id: id.into(), label: quoted.split("<br/>").map(decode).collect() })
}

/// Character codes back into characters; nothing else with a meaning may be there.
fn decode(text: &str) -> String {
    let mut decoded = String::new();
    let mut rest = text;
    while let Some((plain, code)) = rest.split_once('#') {
        assert_plain(plain);
        decoded.push_str(plain);
        let (number, after) = code.split_once(';').unwrap();
        decoded.push(char::from_u32(number.parse().unwrap()).unwrap());
        rest = after;
    }
    assert_plain(rest);
    decoded + rest
}

fn assert_plain(text: &str) {
    let meaning = "\"<>&`%{}[]()|\\/;:*~@$^=!'";
    assert!(!text.contains(|c: char| meaning.contains(c) || c.is_control()), "{text:?}");
}

#[test]
fn mermaid_draws_each_step_transition_and_group() {
    for runbook in built_in() {
        let lines = mermaid(&runbook.to_mermaid(None));
        let nodes = lines.iter().filter(|line| matches!(line, Line::Node { .. })).count();
        assert_eq!(nodes, runbook.steps().len() + usize::from(runbook.unless().is_some()));
        let edges = lines.iter().filter(|line| matches!(line, Line::Edge { .. })).count();
        let unless = runbook.unless().map_or(0, |recheck| recheck.branches.as_slice().len());
        assert_eq!(edges, runbook.graph().edge_count() + unless);
        let groups: BTreeSet<_> = runbook.steps().iter().filter_map(|step| step.group.as_deref()).collect();
        let drawn: Vec<_> = lines
            .iter()
            .filter_map(|line| match line {
                Line::Subgraph(name) => Some(name.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(drawn, groups.into_iter().collect::<Vec<_>>(), "each group once, in order");
        assert_eq!(lines.iter().filter(|line| **line == Line::End).count(), drawn.len());
        assert!(!lines.iter().any(|line| matches!(line, Line::Style(_))), "nothing is highlighted");
    }
}

#[test]
fn guard_and_action_are_drawn() {
    let lines = mermaid(&runbook(PUMP).to_mermaid(None));
    let node = |first: &str| {
        lines.iter().find_map(|line| match line {
            Line::Node { id, label } if label.first().is_some_and(|id| id == first) => {
                Some((id.clone(), label.clone()))
            }
            _ => None,
        })
    };
    let (restart, label) = node("restart").unwrap();
    assert_eq!(label, ["restart", "act restart, approval required"]);
    assert_eq!(node("jammed").unwrap().1, ["jammed", "It is jammed", "critical, root cause jam"]);
    let (verify, _) = node("verify").unwrap();
    assert!(lines.contains(&Line::Edge { from: restart, to: verify, label: "done".into() }));
}

#[test]
fn highlight_marks_the_path_of_a_diagnosis() {
    let set = catalog::set().unwrap();
    let runbook = set.find("device-offline").unwrap();
    let now = DateTime::<Utc>::UNIX_EPOCH;
    let trigger = Trigger::new("offline alert", now);
    let mut diagnosis =
        Diagnosis::new(Ulid(1), &set, "device-offline", Subject::device("d"), trigger, now).unwrap();
    let Output::Probe(request) = diagnosis.poll(now) else { panic!("it asks first") };
    let value = request.query().domain.find_choice("maintenance").unwrap();
    diagnosis.answer(request.id, Observation::known(value, now, "registry"), now).unwrap();
    let _ = diagnosis.poll(now);

    let highlight = diagnosis.highlight(runbook);
    let steps: Vec<_> = (runbook.steps().iter())
        .filter(|step| highlight.has_step(runbook.find(&step.id).unwrap()))
        .map(|step| &*step.id)
        .collect();
    assert_eq!(steps, ["expected-offline", "service-state"]);
    let chart = runbook.to_mermaid(Some(&highlight));
    assert_ne!(chart, runbook.to_mermaid(None));
    let (from, end) = (runbook.start(), runbook.find("expected-offline").unwrap());
    assert!(chart.contains(&format!("class s{},s{} taken", end.position(), from.position())), "{chart}");
    let dot = runbook.to_dot(Some(&highlight));
    assert_eq!(dot.matches("penwidth").count(), 3, "two steps and one transition");
    let other = set.find("data-gap").unwrap();
    assert_eq!(diagnosis.highlight(other), Highlight::default());
}

#[test]
fn highlight_of_what_is_not_there_is_ignored() {
    let runbook = runbook(PUMP);
    let longer = &built_in()[0];
    let last = longer.find(&longer.steps().last().unwrap().id).unwrap();
    assert!(last.position() > runbook.steps().len());
    let mut highlight = Highlight::default();
    highlight.add_step(last);
    highlight.add_transition(last, 3);
    highlight.add_unless(9);
    assert_eq!(runbook.to_mermaid(Some(&highlight)), runbook.to_mermaid(None));
    assert_eq!(runbook.to_dot(Some(&highlight)), runbook.to_dot(None));
}

/// The quoted strings of a DOT text, and what lies between them, by the grammar of Graphviz.
fn dot_strings(text: &str) -> (Vec<String>, String) {
    let (mut strings, mut between) = (Vec::new(), String::new());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '"' {
            between.push(c);
            continue;
        }
        let mut string = String::new();
        loop {
            match chars.next().expect("the string ends") {
                '"' => break,
                '\\' => match chars.next().unwrap() {
                    'n' => string.push('\n'),
                    escaped @ ('"' | '\\') => string.push(escaped),
                    other => panic!("no escape that is written: {other}"),
                },
                c => string.push(c),
            }
        }
        strings.push(string.replace("&amp;", "&"));
        between.push('_');
    }
    (strings, between)
}

/// Texts that break a chart if anything does.
fn any_text() -> impl Strategy<Value = String> {
    let nasty = prop::sample::select(vec![
        "\"]; end",
        "<script>alert(1)</script>",
        "%%{init: {}}%%",
        "1. list",
        "- item",
        "`code`",
        "style x:#1; y",
        "#quot;",
        "#35;",
        "&amp;",
        "\\N",
        "\\",
        "a|b",
        "end",
        "graph",
        "]]>",
        "-->",
        "{{x}}",
        "ä\u{0}\u{7}\u{2028}",
        "click s0 href",
        "direction TD",
    ]);
    let part = prop_oneof![nasty.prop_map(str::to_owned), any::<String>(), "[ -~\\n\\r\\t]{0,12}"];
    prop::collection::vec(part, 1..4)
        .prop_map(|parts| parts.concat())
        .prop_filter("a text is not blank", |text| !text.trim().is_empty())
}

/// A title line as a chart shows it.
fn shown(line: &str) -> String {
    line.chars()
        .map(|c| match c {
            '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}

#[test]
fn no_text_breaks_out_of_its_label() {
    let config =
        Config { cases: 256, rng_seed: RngSeed::Fixed(15), failure_persistence: None, ..Config::default() };
    let plain = pump("title = \"When was it seen?\"", "title = 'TITLE'");
    let (_, expected_dot) = dot_strings(&runbook(&plain).to_dot(None));
    proptest!(config, |(title in any_text(), question in any_text())| {
        let mut document: serde_json::Value = toml::from_str(&plain).unwrap();
        document["steps"]["seen"]["title"] = title.clone().into();
        document["steps"]["by-hand"]["ask"] = question.clone().into();
        let document: Document = serde_json::from_value(document).unwrap();
        let runbook = document.validate().unwrap();

        let lines = mermaid(&runbook.to_mermaid(None));
        let labels: Vec<Vec<String>> = lines.into_iter().filter_map(|line| match line {
            Line::Node { label, .. } => Some(label),
            _ => None,
        }).collect();
        prop_assert_eq!(labels.len(), runbook.steps().len());
        let label = |id: &str| labels.iter().find(|label| label[0] == id).unwrap();
        let mut expected = vec!["seen".to_owned()];
        expected.extend(title.split('\n').filter(|line| !line.trim().is_empty()).map(shown));
        expected.push("check seen".to_owned());
        prop_assert_eq!(label("seen"), &expected);
        let mut expected = vec!["by-hand".to_owned()];
        expected.extend(question.split('\n').filter(|line| !line.trim().is_empty()).map(shown));
        prop_assert_eq!(label("by-hand"), &expected);

        let (_, between) = dot_strings(&runbook.to_dot(None));
        prop_assert_eq!(&between, &expected_dot);
    });
}

#[test]
fn dot_has_the_same_nodes_edges_and_groups() {
    for runbook in built_in() {
        let (strings, between) = dot_strings(&runbook.to_dot(None));
        assert_eq!(strings[0], runbook.name());
        let unless = runbook.unless().map_or(0, |recheck| recheck.branches.as_slice().len());
        assert_eq!(between.matches(" -> ").count(), runbook.graph().edge_count() + unless);
        let nodes = between.matches("shape=").count();
        assert_eq!(nodes, runbook.steps().len() + usize::from(runbook.unless().is_some()));
        let groups: BTreeSet<_> = runbook.steps().iter().filter_map(|step| step.group.as_deref()).collect();
        assert_eq!(between.matches("subgraph cluster_").count(), groups.len());
        assert_eq!(between.matches('{').count(), between.matches('}').count());
    }
}

/// The pages of the catalog's functions: thresholds, actions, conclusions and the chart. With `UPDATE_CATALOG_DOCS=1` in
/// the environment they are written anew.
#[test]
fn catalog_pages_show_what_the_documents_hold() {
    for runbook in RunbookSet::new(built_in()).unwrap().runbooks() {
        let file = format!("{}/src/catalog/{}.md", env!("CARGO_MANIFEST_DIR"), runbook.name());
        let source = std::fs::read_to_string(file.replace(".md", ".toml")).unwrap();
        let expected = page(runbook, &toml::from_str(&source).unwrap());
        if std::env::var_os("UPDATE_CATALOG_DOCS").is_some() {
            std::fs::write(&file, &expected).unwrap();
        }
        let found = std::fs::read_to_string(&file).unwrap_or_default();
        let advice = "run `UPDATE_CATALOG_DOCS=1 cargo test --test it catalog_pages`";
        assert!(found == expected, "{file} is out of date: {advice}");
    }
}

fn page(runbook: &Runbook, document: &toml::Table) -> String {
    let mut page = String::from("# Thresholds\n| threshold | default |\n|---|---|\n");
    for (name, value) in document["thresholds"].as_table().unwrap() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        page += &format!("| `{name}` | {value} |\n");
    }
    page += "\n# Actions\n";
    let acts: BTreeSet<_> = (runbook.steps().iter())
        .filter_map(|step| match &step.kind {
            StepKind::Act(act) => Some((&*step.id, &*act.action, act.scope.name(), act.approval.name())),
            _ => None,
        })
        .collect();
    if acts.is_empty() {
        page += "None: it only finds out.\n";
    } else {
        page += "| step | action | acts on | approval |\n|---|---|---|---|\n";
    }
    for (step, action, scope, approval) in acts {
        page += &format!("| `{step}` | `{action}` | {scope} | {approval} |\n");
    }
    page += "\n# Conclusions\n| conclusion | root cause | severity | what it means |\n|---|---|---|---|\n";
    for (id, at) in runbook.conclusions() {
        let step = runbook.step(at).unwrap();
        let StepKind::Conclude(conclusion) = &step.kind else { panic!("{id} is a conclusion") };
        let cause = conclusion.root_cause.as_deref().map_or_else(String::new, |cause| format!("`{cause}`"));
        page +=
            &format!("| `{id}` | {cause} | {} | {} |\n", conclusion.severity, step.title.replace('|', "\\|"));
    }
    page + "\n# Chart\n```mermaid\n" + &runbook.to_mermaid(None) + "```\n"
}

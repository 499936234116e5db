//! `drift`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Files, PUMP, run, run_with};

const DOCUMENT: &str = "tests/it/files/drift/architecture.md";
const CATALOG: [&str; 3] = ["catalog:device-offline", "catalog:data-gap", "catalog:certificate-expiry"];

/// A small runbook, and a chart that says what it does.
const PRESS: &str = r#"
name = "press"
version = 1
title = "A press is silent"
start = "seen"
[thresholds]
late = "5m"
patience = "10m"
[checks.last-seen]
scope = "device"
domain = "duration"
[steps.seen]
title = "When was it seen?"
check = "last-seen"
unknown = "explore"
branches = [{ below = "$late", to = "settle" }, { from = "$late", to = "power" }]
[steps.settle]
title = "Let it settle"
wait = { for = "$patience" }
to = "well"
[steps.power]
title = "Has it power?"
ask = "Is the lamp on?"
domain = "flag"
answer_within = "30m"
expired = "lost"
branches = [{ is = true, to = "well" }, { is = false, to = "lost" }]
[conclusions.well]
title = "It is well"
severity = "info"
[conclusions.lost]
title = "It has no power"
root_cause = "power"
severity = "critical"
"#;
const CHART: &str = r#"flowchart LR
    begin([Alert]) --> S{When was it seen?}
    S -->|less than 5 min ago| W[Let it settle<br/>for 10 min]
    S -- 5 minutes or more --> P["Has it power?"]
    W --> well & lost_
    P -->|yes| well
    P ==>|no| lost_[It has no power]
"#;

fn chart() -> String {
    CHART.replace(" & lost_", "")
}

struct Press {
    files: Files,
    runbook: String,
}

impl Press {
    fn new() -> Self {
        let files = Files::new();
        let runbook = files.write("press.toml", PRESS);
        Self { files, runbook }
    }

    /// The differences of that chart, each by its kind and what it is about.
    fn drift(&self, chart: &str, more: &[&str]) -> (i32, BTreeSet<String>) {
        let document = self.files.write("chart.mmd", chart);
        let mut arguments = vec!["drift", &document, &self.runbook, "--json"];
        arguments.extend(more);
        let ended = run(&arguments);
        assert_eq!(ended.err, "", "{chart}");
        let shown = ended.json()["drift"].as_array().unwrap().iter().map(short).collect();
        (ended.code, shown)
    }
}

fn short(difference: &Value) -> String {
    let text = |key: &str| match &difference[key] {
        Value::Array(items) => items.iter().map(|item| item.as_str().unwrap()).collect::<Vec<_>>().join(", "),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match difference["kind"].as_str().unwrap() {
        "step-of-document" => format!("node {}:{}", text("line"), text("node")),
        "step-of-runbook" => format!("step {}", text("step")),
        "transition-of-document" => format!("arrow {}:{} -> {}", text("line"), text("from"), text("to")),
        "transition-of-runbook" => format!("{} -> {} on {}", text("from"), text("to"), text("on")),
        "by-way-of" => format!("{} -> {} by {}", text("from"), text("to"), text("by")),
        "guard" => format!("guard {} -> {}: {}", text("from"), text("to"), text("runbook")),
        "threshold" => format!("{} at {}, not {}", text("says"), text("at"), text("runbook")),
        other => panic!("{other}"),
    }
}

fn set(lines: &[&str]) -> BTreeSet<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

#[test]
fn charts_drift_by_the_marked_rows_alone() {
    #[derive(serde::Deserialize)]
    struct Expected {
        runbook: BTreeMap<String, String>,
        transitions: BTreeMap<String, String>,
        detours: BTreeMap<String, String>,
    }
    for (runbook, expected) in [
        ("catalog:device-offline", include_str!("files/drift/device-offline.toml")),
        ("catalog:data-gap", include_str!("files/drift/data-gap.toml")),
    ] {
        let expected: Expected = toml::from_str(expected).unwrap();
        let all = [&expected.runbook, &expected.transitions, &expected.detours];
        for (what, row) in all.into_iter().flatten() {
            assert!(row.ends_with(" +") || row.ends_with(" 2"), "{what}: the row {row} has no mark");
        }
        let mut lines: BTreeSet<String> =
            expected.runbook.keys().map(|step| format!("step {step}")).collect();
        lines.extend(expected.transitions.keys().map(|line| {
            let (from, rest) = line.split_once(" -> ").unwrap();
            let (to, on) = rest.split_once(" on ").unwrap();
            format!("{from} -> {to} on {on}")
        }));
        lines.extend(expected.detours.into_keys());
        let ended = run(&["drift", DOCUMENT, runbook, "--json"]);
        assert_eq!((ended.code, ended.err.as_str()), (1, ""), "{runbook}");
        let found: BTreeSet<String> = ended.json()["drift"].as_array().unwrap().iter().map(short).collect();
        let unexpected: Vec<_> = found.difference(&lines).collect();
        let missing: Vec<_> = lines.difference(&found).collect();
        assert!(unexpected.is_empty() && missing.is_empty(), "{unexpected:#?} {missing:#?}");
    }
}

#[test]
fn drawn_runbook_has_no_drift() {
    let files = Files::new();
    let own = [PUMP, PRESS, include_str!("../../../examples/02_own_runbook.toml")];
    let own = own.iter().enumerate().map(|(at, text)| files.write(&format!("own-{at}.toml"), text));
    let random = (1..=24).map(|seed| files.write(&format!("{seed}.json"), random_runbook(seed).to_string()));
    let mut all: Vec<String> = CATALOG.iter().map(|name| (*name).to_owned()).collect();
    all.extend(own.chain(random));
    for runbook in &all {
        let drawn = run(&["draw", runbook]);
        assert_eq!(drawn.code, 0, "{}", drawn.err);
        let compared = run_with(&["drift", "-", runbook, "--json"], drawn.out.as_bytes(), 80);
        assert_eq!(compared.err, "", "{runbook}: {}", drawn.out);
        assert_eq!(compared.json()["drift"], json!([]), "{runbook}: {}", drawn.out);
        assert_eq!(compared.code, 0);
        let by = |node: &Value| node["by"] == "id" && node["steps"].as_array().unwrap().len() == 1;
        assert!(compared.json()["nodes"].as_array().unwrap().iter().all(by), "{runbook}");
    }
}

/// A drawing differs from any other runbook of the catalog, and from its own with one arrow less or more.
#[test]
fn drawn_runbook_drifts_from_any_other() {
    for one in CATALOG {
        let drawn = run(&["draw", one]).out;
        for other in CATALOG.into_iter().filter(|other| *other != one) {
            assert_eq!(run_with(&["drift", "-", other], drawn.as_bytes(), 80).code, 1, "{one} {other}");
        }
        let arrows: Vec<&str> = drawn.lines().filter(|line| line.contains("-->|")).collect();
        for arrow in arrows.iter().step_by(arrows.len() / 5) {
            let less = drawn.replacen(&format!("{arrow}\n"), "", 1);
            let label = arrow.split('|').nth(1).unwrap();
            // A chart for people has no arrow for an unknown answer where another leads the same way.
            if !matches!(label, "\"unknown\"" | "\"not named\"" | "\"no answer\"") {
                assert_eq!(
                    run_with(&["drift", "-", one], less.as_bytes(), 80).code,
                    1,
                    "{one}: without {arrow}"
                );
            }
        }
        let more = format!("{drawn}s1 -->|\"and more\"| s1\n");
        assert_eq!(run_with(&["drift", "-", one], more.as_bytes(), 80).code, 1, "{one}");
    }
}

#[test]
fn chart_that_says_the_same_does_not_drift() {
    let press = Press::new();
    assert_eq!(press.drift(&chart(), &[]), (0, set(&[])));
    let markdown = press.files.write("press.md", format!("# Press\n\n```mermaid\n{}```\n", chart()));
    let same = run(&["drift", &markdown, &press.runbook]);
    assert_eq!(same.code, 0, "{}{}", same.out, same.err);
    assert!(same.out.contains("says what"), "{}", same.out);
    assert!(same.out.contains("begin \"Alert\": trigger"), "a guess is shown: {}", same.out);
}

#[test]
fn each_difference_is_named_with_its_line() {
    let press = Press::new();
    for (from, to, expected) in [
        ("less than 5 min", "less than 7 min", &["7m at seen, not 5m (late)"][..]),
        ("less than 5 min", "more than 6 min", &["guard seen -> settle: below 5m"]),
        ("for 10 min", "for 15 min", &["15m at settle, not 10m (patience)"]),
        ("P -->|yes| well", "P -->|yes| well\nP --> Z[Call somebody]", &["node 7:Z"]),
        ("P -->|yes| well\n", "", &["power -> well on yes"]),
        ("S -- 5 minutes or more -->", "S -->", &[]),
        ("P -->|yes| well", "P -->|yes| well\nwell --> S", &["arrow 7:well -> seen"]),
        (
            "W[Let it settle<br/>for 10 min]",
            "well",
            &["step settle", "seen -> well by settle", "arrow 4:well -> well"],
        ),
    ] {
        let changed = chart().replacen(from, to, 1);
        assert_ne!(changed, chart(), "{from}");
        let (_, found) = press.drift(&changed, &[]);
        if to == "well" {
            assert!(found.contains("step settle") && found.contains("seen -> well by settle"), "{found:?}");
            continue;
        }
        assert_eq!(found, set(expected), "{from}: {to}");
    }
}

#[test]
fn mapping_decides_before_the_words() {
    let press = Press::new();
    let renamed = chart().replace("[It has no power]", "[No feed]").replace("Has it power?", "Feed?");
    let (code, found) = press.drift(&renamed, &[]);
    assert_eq!(code, 1);
    assert!(found.contains("node 7:lost_") && found.contains("step lost"), "{found:?}");
    let maps = ["--map", "lost_=lost", "--map=P=power"];
    assert_eq!(press.drift(&renamed, &maps), (0, set(&[])));
    let comments = format!("{renamed}%% step: lost_ = lost\n  %% step: P = power\n");
    assert_eq!(press.drift(&comments, &[]), (0, set(&[])));
    let refused = |chart: &str, more: &[&str]| {
        let document = press.files.write("wrong.mmd", chart);
        let mut arguments = vec!["drift", document.as_str(), press.runbook.as_str()];
        arguments.extend(more);
        let ended = run(&arguments);
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{chart}");
        ended.err
    };
    let wrong = refused(&format!("{renamed}%% step: lost_ = losst\n"), &[]);
    assert!(
        wrong.contains("wrong.mmd:8:1: the runbook has no step or conclusion `losst` (did you mean `lost`?)"),
        "{wrong}"
    );
    assert!(refused(&chart(), &["--map", "Q=lost"]).contains("names the node `Q`"));
    assert!(
        refused(&format!("{renamed}%% step: Q = lost\n"), &[])
            .contains("8:1: this comment names the node `Q`")
    );
    assert!(refused(&format!("{renamed}%% step: lost\n"), &[]).contains("maps no node to a step"));
}

#[test]
fn chart_of_the_runbook_is_chosen() {
    let press = Press::new();
    let two = format!(
        "```mermaid\nsequenceDiagram\n  A->>B: x\n```\n\n```mermaid\nflowchart TD\n A --> B\n```\n\n```mermaid\n{}```\n",
        chart()
    );
    let document = press.files.write("two.md", &two);
    let refused = run(&["drift", &document, &press.runbook]);
    assert_eq!(refused.code, 2);
    assert!(
        refused.err.contains("it has 2 flowcharts (lines 7, 12), and none names `press`"),
        "{}",
        refused.err
    );
    let second = run(&["drift", &document, &press.runbook, "--chart", "2"]);
    assert_eq!(second.code, 0, "{}", second.err);
    assert!(second.out.contains("sequenceDiagram (line 2)"), "{}", second.out);
    assert_eq!(run(&["drift", &document, &press.runbook, "--chart", "3"]).code, 2);
    let named =
        press.files.write("named.md", two.replace("flowchart LR\n", "flowchart LR\n%% runbook: press\n"));
    assert_eq!(run(&["drift", &named, &press.runbook]).code, 0);
    let none = press.files.write("none.md", "# No chart\n");
    assert!(run(&["drift", &none, &press.runbook]).err.contains("it has no flowchart"));
}

#[test]
fn what_is_not_read_is_an_error_with_its_place() {
    let press = Press::new();
    for (line, column, why) in [
        ("A --- B", 3, "a line without this head is not read"),
        ("A <--> B", 3, "an arrow with this head is not read"),
        ("A --x B", 3, "a line without this head is not read"),
        ("A ~~~ B", 3, "an invisible line is not read"),
        ("A@{ shape: rect }", 2, "`@` is not read"),
        ("A[one <b>two</b>]", 7, "HTML in a label is not read"),
        ("A[\"`**one**`\"]", 3, "Markdown in a label is not read"),
        ("A[f(x)]", 4, "the label should end here"),
        ("A[one", 6, "the label should end here"),
        ("A[\"one]", 3, "this quote is not closed"),
        ("A --> end", 7, "`end` is a word of Mermaid"),
        ("end", 1, "no subgraph is open here"),
        ("subgraph x", 1, "this subgraph has no end"),
        ("A --> B %% why", 9, "a comment behind a statement is not read"),
        ("A -- B", 6, "the arrow of this label has no end"),
        ("A -->", 6, "a node is expected here"),
        ("A[]", 3, "the label is empty"),
        ("A[go direction LR]", 6, "Mermaid takes `direction`"),
        ("é --> B", 1, "a node is expected here"),
        ("A B", 3, "this is not read here"),
    ] {
        let document = press.files.write("chart.mmd", format!("flowchart TD\nX --> Y\n{line}"));
        let refused = run(&["drift", &document, &press.runbook]);
        assert_eq!((refused.code, refused.out.as_str()), (2, ""), "{line}");
        let place = format!("chart.mmd:3:{column}: ");
        assert!(refused.err.contains(&place) && refused.err.contains(why), "{line}: {}", refused.err);
    }
    let both = run_with(&["drift", "-", &press.runbook], b"flowchart TD\nA --- B\nC ~~~ D\n", 80);
    assert_eq!(both.err.lines().filter(|line| line.contains("standard input:")).count(), 2, "{}", both.err);
}

/// Documents that are damaged anywhere end with one of the three exit codes, and with a place where they are refused.
#[test]
fn damaged_documents_are_refused_in_their_place() {
    let whole = include_str!("files/drift/architecture.md");
    let mut random = Random(11);
    for _ in 0..60 {
        let mut text: Vec<char> = whole.chars().collect();
        for _ in 0..=random.below(3) {
            let at = random.below(text.len());
            match random.below(3) {
                0 => drop(text.remove(at)),
                1 => text[at] = *random.one(&['[', '"', '|', '\n', '-', '>', '%', '&', ';', 'x']),
                _ => text.truncate(at.max(1)),
            }
        }
        let text: String = text.into_iter().collect();
        let ended = run_with(&["drift", "-", "catalog:device-offline"], text.as_bytes(), 80);
        assert!(matches!(ended.code, 0..=2), "{}: {}", ended.code, ended.err);
        if ended.code == 2 {
            assert!(
                ended.err.lines().all(|line| line.starts_with("iot-runbook: standard input")),
                "{}",
                ended.err
            );
        }
    }
}

#[test]
fn page_of_the_differences_is_narrow_and_says_where() {
    for width in [40, 80] {
        let shown = run_with(&["drift", DOCUMENT, "catalog:device-offline"], b"", width);
        assert!(shown.out.lines().all(|line| line.chars().count() <= width), "{}", shown.out);
        assert!(shown.out.contains("+ watch: Silent for longer"), "{}", shown.out);
    }
    let help = run(&["help", "drift"]);
    assert!(help.out.contains("Read of a chart") && help.out.contains("--map"), "{}", help.out);
}

struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// A valid runbook of any shape, with titles that break a chart if anything does.
fn random_runbook(seed: u64) -> Value {
    const TITLES: [&str; 12] = [
        "plain words",
        "\"]; end",
        "<script>alert(1)</script>",
        "%%{init: {}}%%",
        "1. list\n- item",
        "`code` **x**",
        "style x:#1; y",
        "#quot; &amp; &lt",
        "a|b [c] (d) {e}",
        "direction TD",
        "--> 5 min or more",
        "ä \u{7} \\n 12 %",
    ];
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let (steps, ends) = (2 + random.below(8), 1 + random.below(4));
    let mut document = json!({
        "name": "random", "version": 1, "title": "Any shape", "start": "s0", "steps": {}, "conclusions": {}, "checks": {},
        "thresholds": { "late": "7m" },
    });
    for at in 0..steps {
        let next = if at + 1 == steps { "e0".to_owned() } else { format!("s{}", at + 1) };
        let any = |random: &mut Random| {
            let to = at + 1 + random.below(steps + ends - at - 1);
            if to < steps { format!("s{to}") } else { format!("e{}", to - steps) }
        };
        let title = *random.one(&TITLES);
        let id = format!("s{at}");
        // One step at least uses the threshold.
        let kind = if at + 1 == steps {
            0
        } else if at == 0 {
            1
        } else {
            random.below(4)
        };
        let mut step = match kind {
            0 => {
                let values: Vec<String> = (0..ends.max(2)).map(|value| format!("value-{value}")).collect();
                document["checks"][&id] = json!({ "scope": "device", "domain": values });
                let branches: Vec<Value> = values
                    .iter()
                    .enumerate()
                    .map(|(value, name)| {
                        let to = match value {
                            _ if at + 1 == steps => format!("e{}", value.min(ends - 1)),
                            0 => next.clone(),
                            _ => any(&mut random),
                        };
                        json!({ "is": name, "to": to })
                    })
                    .collect();
                let unknown = if random.below(2) == 0 { json!("explore") } else { json!(any(&mut random)) };
                json!({ "check": id, "unknown": unknown, "branches": branches })
            }
            1 => {
                document["checks"][&id] = json!({ "scope": "device", "domain": "duration" });
                let to = any(&mut random);
                let branches = json!([{ "below": "$late", "to": next }, { "from": "$late", "to": to }]);
                json!({ "check": id, "unknown": "explore", "branches": branches })
            }
            2 => json!({ "wait": { "for": "$late" }, "to": next }),
            _ => {
                let to = any(&mut random);
                json!({
                    "ask": *random.one(&TITLES), "domain": "flag", "answer_within": "9m", "expired": to,
                    "branches": [{ "is": true, "to": next }, { "is": false, "to": any(&mut random) }],
                })
            }
        };
        step["title"] = json!(title);
        if random.below(3) == 0 {
            step["group"] = json!(*random.one(&["network", "field"]));
        }
        document["steps"][&id] = step;
    }
    for end in 0..ends {
        document["conclusions"][format!("e{end}")] =
            json!({ "title": *random.one(&TITLES), "severity": "info" });
    }
    document
}

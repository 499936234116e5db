//! Long charts and long nonsense: an answer, quickly, and no deeper stack for a longer chart.

use std::fmt::Write as _;

use iot_runbook::runbook::document::{Document, LoadError};
use iot_runbook::runbook::fault::FaultKind;

/// A runbook of `count` check steps in a row and the waits among them, each with branches of its own.
fn long(count: usize) -> String {
    let mut text = String::from(
        r#"
name = "long"
version = 1
title = "A long chart"
start = "s0"
[thresholds]
window = "5m"
[checks.seen]
scope = "device"
domain = "instant"
optional = true
[checks.state]
scope = "device"
domain = ["up", "down", "odd"]
[conclusions.end]
title = "The end"
severity = "info"
"#,
    );
    for at in 0..count {
        let next = if at + 1 < count { format!("s{}", at + 1) } else { "end".to_owned() };
        match at % 10 {
            0 => write!(
                text,
                "\n[steps.s{at}]\ncheck = \"seen\"\nunknown = \"explore\"\nbranches = [\n    \
                 {{ below = \"$window\", to = \"{next}\" }},\n    {{ from = \"$window\", to = \"{next}\", note = \"Quiet.\" }},\n    \
                 {{ absent = true, to = \"end\" }},\n]\n"
            ),
            1 => write!(
                text,
                "\n[steps.s{at}]\nwait = {{ until = {{ fact = \"s{}\", plus = \"$window\" }}, every = \"1m\" }}\nto = \"{next}\"\n",
                at - 1
            ),
            _ => write!(
                text,
                "\n[steps.s{at}]\ntitle = \"Step {at}\"\nadvice = [\"Look at it.\"]\ncheck = \"state\"\nparams = {{ round = {at} }}\n\
                 unknown = \"explore\"\nbranches = [\n    {{ is = \"up\", to = \"{next}\" }},\n    {{ is = [\"down\", \"odd\"], to = \"end\" }},\n]\n"
            ),
        }
        .unwrap();
    }
    text
}

/// `count` steps of the kind that is shortest to write, in a row.
fn row(count: usize) -> String {
    let mut text = String::from(
        "name = \"row\"\nversion = 1\ntitle = \"A row\"\nstart = \"s0\"\n\
         [conclusions.end]\ntitle = \"The end\"\nseverity = \"info\"\n[steps]\n",
    );
    for at in 0..count {
        let next = if at + 1 < count { format!("s{}", at + 1) } else { "end".to_owned() };
        writeln!(text, "s{at} = {{ wait = {{ for = \"1m\" }}, to = \"{next}\" }}").unwrap();
    }
    text
}

#[test]
fn memory_of_a_long_document_grows_linearly() {
    let bytes = [1_000, 10_000].map(|count| {
        let text = long(count);
        let memory = allocation_counter::measure(|| {
            assert!(Document::from_toml(&text).unwrap().validate().is_ok());
        });
        memory.bytes_total
    });
    assert!(bytes[1] < bytes[0] * 15, "{bytes:?}");
}

#[test]
fn hundred_thousand_steps_load() {
    let runbook = Document::from_toml(&row(100_000)).unwrap().validate().unwrap();
    assert_eq!(runbook.steps().len(), 100_001);
}

#[test]
fn cycle_of_thirty_thousand_steps_is_one_fault() {
    let mut text =
        row(0).replace("[steps]\n", "[checks.up]\nscope = \"device\"\ndomain = \"flag\"\n[steps]\n");
    let count = 30_000;
    for at in 0..count {
        let (next, end) =
            ((at + 1) % count, if at == 0 { "end".to_owned() } else { format!("s{}", (at + 1) % count) });
        writeln!(
            text,
            "s{at} = {{ check = \"up\", unknown = \"explore\", branches = [{{ is = true, to = \"s{next}\" }}, {{ is = false, to = \"{end}\" }}] }}"
        )
        .unwrap();
    }
    let faults = Document::from_toml(&text).unwrap().validate().unwrap_err();
    let [fault] = faults.as_slice() else { panic!("{faults}") };
    let FaultKind::Cycle { steps } = &fault.kind else { panic!("{faults}") };
    assert_eq!(steps.len(), count);
    assert!(fault.to_string().len() < 400, "{fault}");
}

#[test]
fn a_megabyte_of_nonsense_is_refused() {
    let megabyte = |part: &str| part.repeat((1 << 20) / part.len());
    for nonsense in [
        megabyte("nonsense "),
        megabyte("= = =\n"),
        megabyte("["),
        megabyte("a.") + "a = 1",
        format!("a = {}", megabyte("[")),
        format!("a = {}1{}", megabyte("["), megabyte("]")),
        format!("a = {}", megabyte("{a=")),
        format!("a = \"{}", megabyte("x")),
        megabyte("\u{0}"),
        megabyte("\u{feff}"),
        megabyte("\n"),
        format!("name = \"{}\"", megabyte("x")),
        format!("start = \"{}\"", megabyte("$")),
        (0..60_000).map(|n| format!("k{n} = {n}\n")).collect(),
        (0..60_000).map(|n| format!("[steps.s{n}]\n")).collect(),
        format!("[checks.a]\ndomain = [{}]", (0..90_000).map(|n| format!("\"c{n}\",")).collect::<String>()),
    ] {
        let mut refused = String::new();
        let memory = allocation_counter::measure(|| {
            refused = match Document::from_toml(&nonsense) {
                Ok(document) => document.validate().unwrap_err().to_string(),
                Err(error) => error.to_string(),
            };
        });
        let start: String = nonsense.chars().take(12).collect();
        assert!(refused.len() < 16_384, "{start:?}: {} bytes of error", refused.len());
        // What grows with the square of a megabyte takes a terabyte.
        assert!(memory.bytes_max < 400 << 20, "{start:?} took {} bytes", memory.bytes_max);
    }
}

/// Many branches over many choices: the product of the two must never be built.
#[test]
fn branches_times_choices_are_not_multiplied() {
    let choices: String = (0..4096).map(|n| format!("\"c{n}\",")).collect();
    let head = |branches: String| {
        format!(
            "name = \"wide\"\nversion = 1\ntitle = \"Wide\"\nstart = \"ask\"\n\
             [checks.ask]\nscope = \"device\"\ndomain = [{choices}]\n\
             [conclusions.end]\ntitle = \"The end\"\nseverity = \"info\"\n\
             [steps.ask]\ncheck = \"ask\"\nunknown = \"explore\"\nbranches = [{branches}]\n"
        )
    };
    for branches in [
        "{any=true,to=\"end\"},".repeat(20_000),
        "{is=\"no\",to=\"end\"},".repeat(20_000),
        "{is=\"c7\",to=\"end\"},".repeat(20_000),
        format!("{{is=[{choices}],to=\"end\"}},").repeat(12),
    ] {
        let memory = allocation_counter::measure(|| {
            let faults = Document::from_toml(&head(branches)).unwrap().validate().unwrap_err();
            assert!(!faults.as_slice().is_empty());
        });
        assert!(memory.count_total < 4_000_000, "{} allocations", memory.count_total);
    }
}

/// Every step leads to one wait for an instant that the first step asks: to prove that it is known there, no way
/// may be walked once for each step.
#[test]
fn proof_of_a_shared_wait_grows_linearly() {
    let mut bytes = Vec::new();
    for count in [1_500, 15_000] {
        let mut text = String::from(
            "name = \"fan\"\nversion = 1\ntitle = \"A fan\"\nstart = \"seen\"\n\
             [checks.seen]\nscope = \"device\"\ndomain = \"instant\"\n\
             [checks.up]\nscope = \"device\"\ndomain = \"flag\"\n\
             [conclusions.end]\ntitle = \"The end\"\nseverity = \"info\"\n[steps]\n\
             seen = { check = \"seen\", unknown = \"explore\", branches = [{ any = true, to = \"s0\" }] }\n\
             hold = { wait = { until = { fact = \"seen\" } }, to = \"end\" }\n",
        );
        for at in 0..count {
            let next = if at + 1 < count { format!("s{}", at + 1) } else { "hold".to_owned() };
            writeln!(
                text,
                "s{at} = {{ check = \"up\", unknown = \"explore\", branches = [{{ is = true, to = \"{next}\" }}, {{ is = false, to = \"hold\" }}] }}"
            )
            .unwrap();
        }
        let document = Document::from_toml(&text).unwrap();
        let memory = allocation_counter::measure(|| {
            let runbook = document.validate().unwrap();
            assert_eq!(runbook.steps().len(), count + 3);
        });
        bytes.push(memory.bytes_total);
    }
    // Ten times as many: ten times as much and a margin, where a square would take a hundred times.
    assert!(bytes[1] < bytes[0] * 15, "{bytes:?}");
}

#[test]
fn nesting_too_deep_is_refused_in_every_format() {
    let deep = format!("a = {}1{}", "[".repeat(20), "]".repeat(20));
    assert!(matches!(Document::from_toml(&deep), Err(LoadError::TooDeep { line: 1, depth: 16 })));
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(20), "]".repeat(20));
    let refused = serde_json::from_str::<Document>(&deep).unwrap_err().to_string();
    assert!(refused.contains("more than 16 deep"), "{refused}");
}

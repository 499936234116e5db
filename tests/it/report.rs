//! Reports: complete, in the words of an operator, and safe whatever the names are.

mod chart;
mod exits;
mod flowchart;
pub(crate) mod page;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::catalog;
use iot_runbook::diagnosis::{Bundle, Diagnosis, Output};
use iot_runbook::fact::{Details, Observation, UnknownReason, Value};
use iot_runbook::report::{Report, TextStyle, Tone};
use iot_runbook::runbook::RunbookSet;
use iot_runbook::runbook::document::Document;
use iot_runbook::runbook::step::Severity;
use iot_runbook::subject::{Subject, Trigger};
use ulid::Ulid;

use crate::deepest::NOW;

const BOILER: &str = r#"
name = "boiler"
version = 1
title = "A boiler that is cold"
start = "power"

[checks.power]
scope = "device"
domain = ["fed", "cut"]

[checks.lost]
scope = "device"
domain = "number"

[checks.seen]
scope = "device"
domain = "instant"

[checks.paused]
scope = "device"
domain = "duration"

[steps.power]
title = "Does it have power?"
check = "power"
unknown = "explore"
branches = [{ is = "fed", to = "lost" }, { is = "cut", to = "no-power" }]

[steps.lost]
title = "How much of its heat is lost?"
check = "lost"
unknown = "explore"
branches = [
    { up_to = 0.0, to = "seen", says = "none lost" },
    { above = 0.0, to = "seen", says = "{value:%} lost", note = "It loses heat." },
]

[steps.seen]
title = "When was it last hot?"
check = "seen"
unknown = { to = "paused", note = "Nobody knows when it was hot." }
branches = [{ any = true, to = "paused" }]

[steps.paused]
check = "paused"
unknown = "explore"
branches = [{ any = true, to = "leaks" }]

[conclusions.no-power]
title = "It has no power"
root_cause = "power"
severity = "critical"
advice = [
    { text = "Close the breaker, which is {power.breaker}.", when = { check = "power", detail = "breaker" } },
    { text = "Close the breaker.", unless = { check = "power", is = "cut", detail = "breaker" } },
    { text = "It lost {lost:%} before.", when = { check = "lost", above = 0.0 } },
    { text = "Nobody measured its heat.", unless = { check = "lost", any = true } },
]

[conclusions.leaks]
title = "It leaks"
root_cause = "leak"
severity = "warning"
advice = [
    "It lost {lost:%} ({lost}), paused for {paused}, and was hot at {seen}.",
    { text = "Shut the valve.", when = { check = "lost", above = 0.1 } },
    { text = "Tighten the valve.", unless = { check = "lost", above = 0.1 } },
    "Its breaker is {power.breaker}, its {{fuse}} is {power.fuse}.",
]
"#;

fn boiler() -> RunbookSet {
    RunbookSet::new([Document::from_toml(BOILER).unwrap().validate().unwrap()]).unwrap()
}

fn known(value: Value, at: DateTime<Utc>) -> Observation {
    Observation::known(value, at, "meter")
}

/// A diagnosis with these answers, in order; the answer of a check that was not foreseen is unknown.
fn diagnosed(subject: Subject, answers: &[(&str, Observation)]) -> Diagnosis {
    let set = boiler();
    let trigger = Trigger::new("cold alert", NOW);
    let mut diagnosis = Diagnosis::new(Ulid(1), &set, "boiler", subject, trigger, NOW).unwrap();
    loop {
        match diagnosis.poll(NOW) {
            Output::Probe(request) => {
                let answer = answers.iter().find(|(check, _)| **check == *request.query().check);
                let unknown = || Observation::unknown(UnknownReason::NoAdapter, "meter", "");
                diagnosis
                    .answer(request.id, answer.map_or_else(unknown, |(_, given)| given.clone()), NOW)
                    .unwrap();
            }
            Output::Concluded(_) => return diagnosis,
            other => panic!("{other:?}"),
        }
    }
}

fn choice(name: &str) -> Value {
    let set = boiler();
    let query = set.queries().iter().find(|query| &*query.check == "power").unwrap();
    query.domain.find_choice(name).unwrap()
}

/// Power with a breaker, and a leak of that share.
fn leaking(share: f64) -> Diagnosis {
    let breaker = Details::one("breaker", "closed");
    let fed = known(choice("fed"), NOW).with_details(breaker.iter().cloned());
    let answers = [
        ("power", fed),
        ("lost", known(Value::Number(share), NOW)),
        ("seen", known(Value::Instant(NOW - TimeDelta::hours(2)), NOW)),
        ("paused", known(Value::Duration(TimeDelta::microseconds(2_074_535)), NOW)),
    ];
    diagnosed(Subject::device("boiler-3"), &answers)
}

#[test]
fn advice_knows_what_was_found() {
    let advice =
        |diagnosis: &Diagnosis| diagnosis.finding().unwrap().advice().map(str::to_owned).collect::<Vec<_>>();
    let hot = (NOW - TimeDelta::hours(2)).format("%Y-%m-%d %H:%M:%S UTC");
    assert_eq!(
        advice(&leaking(0.25)),
        [
            &*format!("It lost 25 % (0.25), paused for 2.1 s, and was hot at {hot}."),
            "Shut the valve.",
            "Its breaker is closed, its {fuse} is not known.",
        ]
    );
    assert_eq!(advice(&leaking(0.1))[1], "Tighten the valve.");
    let cut = diagnosed(Subject::device("boiler-3"), &[("power", known(choice("cut"), NOW))]);
    assert_eq!(advice(&cut), ["Close the breaker.", "Nobody measured its heat."]);
    let open = known(choice("cut"), NOW).with_details(Details::one("breaker", "open").iter().cloned());
    let cut = diagnosed(Subject::device("boiler-3"), &[("power", open)]);
    assert_eq!(advice(&cut), ["Close the breaker, which is open.", "Nobody measured its heat."]);
}

#[test]
fn condition_on_a_detail_is_proven() {
    let fault = |condition: &str| {
        let text = BOILER.replace("{ check = \"power\", detail = \"breaker\" }", condition);
        Document::from_toml(&text).unwrap().validate().unwrap_err().to_string()
    };
    for (condition, said) in [
        ("{ check = \"power\", detail = \" \" }", "detail"),
        ("{ check = \"power\", detail = 3 }", "detail"),
        ("{ check = \"pwer\", detail = \"breaker\" }", "pwer"),
        ("{ detail = \"breaker\" }", "check"),
        ("{ check = \"power\" }", "guard is missing"),
        ("{ check = \"power\", detail = \"breaker\", is = \"off\" }", "off"),
    ] {
        let fault = fault(condition);
        assert!(fault.contains(said), "{condition}: {fault}");
    }
}

#[test]
fn answers_are_in_words() {
    let said = |diagnosis: &Diagnosis| {
        let answers = diagnosis.answers().into_iter();
        answers.map(|answer| format!("{} {}", answer.question, answer.answer)).collect::<Vec<_>>()
    };
    let hot = (NOW - TimeDelta::hours(2)).format("%Y-%m-%d %H:%M:%S UTC");
    let expected = [
        "Does it have power? fed",
        "How much of its heat is lost? 4 % lost",
        &format!("When was it last hot? {hot}"),
        "paused 2.1 s",
    ];
    assert_eq!(said(&leaking(1.0 / 23.0)), expected);
    assert_eq!(said(&leaking(0.0))[1], "How much of its heat is lost? none lost");
    let unknown = diagnosed(Subject::device("boiler-3"), &[("power", known(choice("fed"), NOW))]);
    assert_eq!(said(&unknown)[1], "How much of its heat is lost? unknown: no adapter");
    let first = &leaking(0.5).answers()[1];
    assert_eq!((first.leads_to.as_deref(), first.note.as_deref()), (Some("seen"), Some("It loses heat.")));
    assert_eq!(first.source.as_deref(), Some("meter"));
}

/// Written by hand before the code.
#[test]
fn text_has_the_conclusion_first() {
    let text = Report::of(&leaking(0.25)).to_text(60);
    let expected = "\
It leaks
  Device      boiler-3
  Alert       cold alert, 2027-01-15 08:00:00 UTC
  At fault    device boiler-3
  Severity    warning
  Root cause  leak
  Decided by  Does it have power? fed
  Ended       2027-01-15 08:00:00 UTC

Do first
  - It lost 25 % (0.25), paused for 2.1 s, and was hot at
    2027-01-15 06:00:00 UTC.
  - Shut the valve.
  - Its breaker is closed, its {fuse} is not known.

Why
  Does it have power? fed
      meter; breaker: closed
  How much of its heat is lost? 25 % lost
      meter
  When was it last hot? 2027-01-15 06:00:00 UTC
      meter
  paused: 2.1 s
      meter

Found on the way
  - It loses heat.

Timeline (UTC)
  2027-01-15
    08:00:00  Alert: cold alert
    08:00:00  Does it have power? fed
    08:00:00  How much of its heat is lost? 25 % lost
    08:00:00  When was it last hot? 2027-01-15 06:00:00 UTC
    08:00:00  paused: 2.1 s
    08:00:00  Concluded

Evidence
  Diagnosis    00000000000000000000000001
";
    assert!(text.starts_with(expected), "{text}");
}

/// The boiler's breaker was measured at an instant, as adapters write one.
#[test]
fn instants_of_details_are_to_the_second() {
    let at = "2027-01-15T06:00:00.743405455Z, by its own clock";
    let fed = known(choice("fed"), NOW).with_details(Details::one("hot", at).iter().cloned());
    let answers = [("power", fed), ("lost", known(Value::Number(0.5), NOW))];
    let report = Report::of(&diagnosed(Subject::device("boiler-3"), &answers));
    for page in [report.to_text(120), report.to_markdown(), report.to_html()] {
        assert!(page.contains("2027-01-15 06:00:00 UTC, by its own clock"), "{page}");
        assert!(!page.contains("06:00:00.7"), "{page}");
    }
}

/// What merely confirms rules no other cause out, and a device that is back ends the search.
#[test]
fn answers_that_decided_come_first() {
    let head = |report: &Report, name: &str| {
        report.about.iter().find(|(at, _)| *at == name).map(|(_, value)| value.clone())
    };
    let report = Report::of(&leaking(0.5));
    assert_eq!(head(&report, "Decided by").as_deref(), Some("Does it have power? fed"));
    assert_eq!(head(&report, "and by"), None);
    let html = report.to_html();
    assert_eq!(html.matches(">decided<").count(), 1);
    let marked = html.split(">decided<").next().unwrap();
    assert!(marked.ends_with("<span class=\"answer\">fed</span> <span class=\"label\""), "{marked}");
    let open = Report::of(&diagnosed(Subject::device("boiler-3"), &[]));
    assert_eq!(head(&open, "Decided by"), None, "nothing is decided while it is not certain");

    let set = catalog::set().unwrap();
    let bundles: BTreeMap<String, Bundle> =
        serde_json::from_str(include_str!("case/corpus/device-offline.json")).unwrap();
    let decided = |conclusion: &str| {
        let bundle = &bundles[&format!("concluded device-offline/{conclusion}")];
        let report = Report::of(&Diagnosis::resume(bundle, &set).unwrap());
        [head(&report, "Decided by"), head(&report, "and by")].map(Option::unwrap_or_default)
    };
    for (conclusion, said) in [
        ("site-power-fault", ["does its site answer by another way? no", "is it fed? not fed"]),
        ("carrier-fault", ["whose session is it? device", "answer on the OT network? carrier holds"]),
        (
            "gateway-fault",
            ["go away before the device did? yes", "has the device behind it power, as measured? confirmed"],
        ),
        ("expected-offline", ["meant to be online? maintenance", ""]),
        ("recovered-meanwhile", ["Asked again, device back: back", ""]),
        (
            "ot-network-fault",
            ["answer it? port silent", "has the device itself power, as measured? confirmed"],
        ),
    ] {
        let decided = decided(conclusion);
        assert!(decided.iter().zip(said).all(|(one, said)| one.ends_with(said)), "{conclusion}: {decided:?}");
    }
    for place in bundles.keys().filter_map(|place| place.strip_prefix("concluded device-offline/")) {
        assert_ne!(decided(place)[0], "", "{place}");
    }
}

/// A title such as "Restart the pump" alone would read as an order.
#[test]
fn a_case_that_waits_for_a_person_says_so() {
    let document = r#"
        name = "pump"
        version = 1
        title = "A pump that stands"
        start = "restart"
        [steps.restart]
        title = "Restart the pump"
        act = "restart-pump"
        scope = "device"
        approval = "required"
        answer_within = "30m"
        on = { done = "runs", refused = "ask", failed = "ask", expired = "ask" }
        [steps.ask]
        title = "Does it run?"
        ask = "Does it run?"
        domain = "flag"
        answer_within = "30m"
        expired = "unknown"
        branches = [{ is = true, to = "runs" }, { is = false, to = "unknown" }]
        [conclusions.runs]
        title = "It runs"
        severity = "info"
        [conclusions.unknown]
        title = "Nobody knows"
        severity = "warning"
    "#;
    let set = RunbookSet::new([Document::from_toml(document).unwrap().validate().unwrap()]).unwrap();
    let trigger = Trigger::new("it stands", NOW);
    let mut diagnosis =
        Diagnosis::new(Ulid(1), &set, "pump", Subject::device("pump-1"), trigger, NOW).unwrap();
    let Output::Approve(request) = diagnosis.poll(NOW) else { panic!("no approval is asked for") };
    assert_eq!(Report::of(&diagnosis).headline, "Waits for an approval: Restart the pump");
    diagnosis.approve(request.decline("ann", "somebody works at it"), NOW).unwrap();
    assert!(matches!(diagnosis.poll(NOW), Output::Ask(_)));
    assert_eq!(Report::of(&diagnosis).headline, "Waits for a person's answer: Does it run?");
}

#[test]
fn colour_adds_no_meaning() {
    let report = Report::of(&leaking(0.25));
    let coloured = report.to_styled_text(TextStyle::new(60).with_color(true));
    assert!(coloured.starts_with("\u{1b}[1;33mIt leaks\u{1b}[0m\n"), "{coloured}");
    let mut plain = coloured;
    for code in ["1;33", "1", "0"] {
        plain = plain.replace(&format!("\u{1b}[{code}m"), "");
    }
    assert_eq!(plain, report.to_text(60));
    let brief = report.to_styled_text(TextStyle::new(60).brief());
    assert!(brief.contains("\nDo first\n") && brief.contains("\nEvidence\n"), "{brief}");
    assert!(!brief.contains("\nWhy\n") && !brief.contains("Timeline"), "{brief}");
}

/// A diagnosis that began on an older version is read in the words of that version.
#[test]
fn titles_are_of_the_version_walked() {
    let old = Document::from_toml(BOILER).unwrap().validate().unwrap();
    let newer = BOILER
        .replace("version = 1", "version = 2")
        .replace("It leaks", "It drips")
        .replace("It has no power", "No current")
        .replace("It lost {lost:%}", "Gone: {lost:%}");
    let new = Document::from_toml(&newer).unwrap().validate().unwrap();
    let both = RunbookSet::new([new, old]).unwrap();
    for answers in [vec![], vec![("power", known(choice("fed"), NOW))]] {
        let bundle = diagnosed(Subject::device("boiler-3"), &answers).bundle();
        let report = Report::of(&Diagnosis::resume(&bundle, &both).unwrap());
        let page = format!("{} {}", report.to_text(80), report.to_html());
        assert!(page.contains("It leaks"), "{page}");
        for newer in ["It drips", "No current", "Gone"] {
            assert!(!page.contains(newer), "{newer}: {page}");
        }
        assert_eq!(report.charts[0].title(), "boiler, version 1");
    }
}

#[test]
fn unknown_is_shown_as_unknown() {
    let report = Report::of(&diagnosed(Subject::device("boiler-3"), &[]));
    assert_eq!(report.tone, Tone::Undetermined);
    assert!(report.headline.starts_with("Not certain. Most likely: "), "{}", report.headline);
    assert_eq!(report.likely.len(), 2);
    let shares: f64 = report.likely.iter().map(|one| one.share).sum();
    assert!((shares - 1.0).abs() < 1e-9);
    for page in [report.to_text(80), report.to_markdown(), report.to_html()] {
        for words in ["Still possible", "It leaks", "It has no power", "unknown: no adapter"] {
            assert!(page.contains(words), "{words}: {page}");
        }
    }
    // A single survivor is a hypothesis too.
    let one = Report::of(&diagnosed(Subject::device("boiler-3"), &[("power", known(choice("fed"), NOW))]));
    assert_eq!(one.likely.len(), 1);
    assert_eq!(one.headline, "Not certain. Of what was considered, only this is left: leak");
    let running = Diagnosis::new(
        Ulid(1),
        &boiler(),
        "boiler",
        Subject::device("boiler-3"),
        Trigger::new("cold alert", NOW),
        NOW,
    );
    let report = Report::of(&running.unwrap());
    assert_eq!((report.tone, &*report.headline), (Tone::Open, "Not finished: Does it have power?"));
}

/// Every place of the built-in runbooks at which a diagnosis can be, in every format.
#[test]
fn every_bundle_of_the_corpus_has_a_report() {
    let set = catalog::set().unwrap();
    let mut critical = 0;
    for text in [
        include_str!("case/corpus/certificate-expiry.json"),
        include_str!("case/corpus/data-gap.json"),
        include_str!("case/corpus/device-offline.json"),
    ] {
        let bundles: BTreeMap<String, Bundle> = serde_json::from_str(text).unwrap();
        for (place, bundle) in bundles {
            let diagnosis = Diagnosis::resume(&bundle, &set).unwrap();
            let report = Report::of(&diagnosis);
            critical += usize::from(report.tone == Tone::Concluded(Severity::Critical));
            for width in [0, 40, 80] {
                let text = report.to_text(width);
                assert!(text.lines().all(|line| line.chars().count() <= width.max(30)), "{place}: {text}");
                assert!(report.headline.starts_with(text.split_whitespace().next().unwrap()), "{place}");
            }
            page::is_well_formed(&report.to_html()).unwrap_or_else(|error| panic!("{place}: {error}"));
            let (markdown, skeleton) = (report.to_markdown(), report.to_post_mortem());
            for page in [&markdown, &skeleton] {
                page::has_whole_tables(page).unwrap_or_else(|error| panic!("{place}: {error}\n{page}"));
            }
            // Nothing is left out: what a person asks first is in each.
            let (html, text) = (report.to_html(), report.to_text(10_000));
            for answer in &report.answers {
                let escaped = page::escaped(&answer.answer);
                assert!(
                    html.contains(&escaped) && text.contains(&*answer.answer),
                    "{place}: {}",
                    answer.answer
                );
            }
            for advice in &report.advice {
                assert!(text.contains(advice) && html.contains(&page::escaped(advice)), "{place}: {advice}");
                assert!(!advice.contains("{{"), "{place}: {advice}");
            }
        }
    }
    assert!(critical > 10);
}

#[test]
fn no_name_leaves_its_place() {
    for name in [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "</title></style><b>",
        "| a | b |\n# c",
        "![x](http://example.org/x) [y](javascript:z)",
        "`a` **b** __c__ ~~d~~ $e$",
        "@team https://example.org www.example.org",
        "\u{1b}[31mred\u{7}\r\n\u{0}",
        "- 1. + &lt; \\",
    ] {
        let breaker = Details::one("breaker", name);
        let power = known(choice("fed"), NOW).with_details(breaker.iter().cloned());
        let answers = [
            ("power", power),
            ("lost", known(Value::Number(0.5), NOW)),
            ("paused", known(Value::Duration(TimeDelta::zero()), NOW)),
        ];
        let report =
            Report::of(&diagnosed(Subject::device(name).with_gateway(name).with_site(name), &answers));
        let html = report.to_html();
        page::is_well_formed(&html).unwrap_or_else(|error| panic!("{name}: {error}"));
        for tag in ["<script", "<img", "<b>"] {
            assert!(!html.contains(tag), "{name}: {html}");
        }
        assert!(
            html.contains(&page::escaped(name).replace(['\u{1b}', '\u{7}', '\r', '\u{0}'], "\u{fffd}")),
            "{name}"
        );
        for page in [report.to_markdown(), report.to_post_mortem()] {
            page::has_whole_tables(&page).unwrap_or_else(|error| panic!("{name}: {error}\n{page}"));
            for raw in ["<script", "<img", "](", "![", "`a`", "**b**", "@team", "https://", "www.example"] {
                assert!(!page::without_escapes(&page).contains(raw), "{raw}: {page}");
            }
        }
        let text = report.to_text(80);
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        assert!(!text.contains("\n#"), "{text}");
    }
}

/// WCAG 2.2, 1.4.3: 4.5 to 1 for text, in light and in dark.
#[test]
fn colours_have_enough_contrast() {
    let html = Report::of(&leaking(0.5)).to_html();
    let mut pairs = 0;
    for scheme in page::schemes(&html) {
        for (ink, ground) in
            [("ink", "page"), ("soft", "page"), ("soft", "panel"), ("link", "page"), ("ink", "panel")]
        {
            let ratio = page::contrast(&scheme[ink], &scheme[ground]);
            assert!(ratio >= 4.5, "{ink} on {ground}: {ratio:.2}");
            pairs += 1;
        }
    }
    for tone in page::tones(&html) {
        let ratio = page::contrast("#fff", &tone);
        assert!(ratio >= 4.5, "white on {tone}: {ratio:.2}");
        pairs += 1;
    }
    assert_eq!(pairs, 2 * 5 + 6);
}

/// Written where a browser can open it: `target/tmp/report-*.html`.
#[test]
fn pages_lie_where_a_browser_finds_them() {
    let set = catalog::set().unwrap();
    let bundles: BTreeMap<String, Bundle> =
        serde_json::from_str(include_str!("case/corpus/device-offline.json")).unwrap();
    for (name, place) in [
        ("conclusion", "concluded device-offline/gateway-fault"),
        ("hypotheses", "undetermined"),
        ("recovered", "concluded device-offline/recovered-meanwhile"),
    ] {
        let report = Report::of(&Diagnosis::resume(&bundles[place], &set).unwrap());
        let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("report-{name}.html"));
        std::fs::write(&file, report.to_html()).unwrap();
        assert!(std::fs::metadata(&file).unwrap().len() < 145_000, "a report is a small file");
        std::fs::write(file.with_extension("md"), report.to_markdown()).unwrap();
        std::fs::write(file.with_extension("txt"), report.to_text(80)).unwrap();
    }
}

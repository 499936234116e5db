use std::collections::BTreeSet;

use iot_runbook::catalog;
use iot_runbook::runbook::Fingerprint;
use iot_runbook::runbook::document::Document;

use super::{PUMP, pump};

fn of(text: &str) -> Fingerprint {
    match Document::from_toml(text).unwrap().validate() {
        Ok(runbook) => runbook.fingerprint(),
        Err(faults) => panic!("{faults}"),
    }
}

/// A change here orphans every diagnosis that runs on the built-in runbooks: meant, or not at all.
#[test]
fn those_of_the_catalog_are_pinned() {
    let found: Vec<(String, String)> = catalog::documents()
        .unwrap()
        .iter()
        .map(|document| document.validate().unwrap())
        .map(|runbook| (runbook.name().to_owned(), runbook.fingerprint().to_string()))
        .collect();
    let expected = [
        ("device-offline", "57cfaaf9856e92a4a54930633f87e2ac0dc23ee2823d9e7ce384ee1e3a5d34db"),
        ("data-gap", "90abaed23074f2e9355fbb6aecd2576fb4432a6d58c30ad286b40d4285be2ef3"),
        ("certificate-expiry", "02b825c84ab78ef1d34091780561df692ce96619a06fd34f45f273775b5cdb47"),
    ]
    .map(|(name, fingerprint)| (name.to_owned(), fingerprint.to_owned()));
    assert_eq!(found, expected);
}

/// The branches of the recheck of the pump's runbook, and what follows.
const FREED: &str = "branches = [{ is = true, to = \"fine\" }]\n\n[steps.seen]";

#[test]
fn each_change_of_meaning_has_a_new_fingerprint() {
    let changes = [
        ("name = \"pump\"", "name = \"pumps\""),
        ("version = 1", "version = 2"),
        ("prior = [\"jam\", \"blackout\"]", "prior = [\"blackout\", \"jam\"]"),
        ("prior = [\"jam\", \"blackout\"]", "prior = [\"jam\"]"),
        ("window = \"5m\"", "window = \"6m\""),
        ("hot = 0.9", "hot = 0.8"),
        (
            "domain = \"instant\"\noptional = true\nstale_after = \"$pause\"",
            "domain = \"instant\"\noptional = true",
        ),
        ("[checks.state]\nscope = \"device\"", "[checks.state]\nscope = \"tag\""),
        ("[\"running\", \"jammed\", \"dark\"]", "[\"running\", \"dark\", \"jammed\"]"),
        ("about = \"period\"", "about = \"now\""),
        (
            "{ below = \"$window\", to = \"hold\" }",
            "{ below = \"$window\", to = \"hold\", note = \"Seen.\" }",
        ),
        (", note = \"Quiet.\"", ""),
        (", alert = { severity = \"warning\", text = \"Offline.\" }", ""),
        ("alert = { severity = \"warning\"", "alert = { severity = \"critical\""),
        (
            "{ below = \"$window\", to = \"hold\" },\n    { from = \"$window\"",
            "{ up_to = \"$window\", to = \"hold\" },\n    { above = \"$window\"",
        ),
        ("{ absent = true, to = \"state\" }", "{ absent = true, to = \"fine\" }"),
        ("plus = \"$offline\"", "plus = \"29m\""),
        ("every = \"$pause\"", "every = \"2m\""),
        (
            "wait = { until = { fact = \"seen\", plus = \"$offline\" }, every = \"$pause\" }",
            "wait = { for = \"$offline\" }",
        ),
        ("unknown = { ask = \"What does it do?\", answer_within = \"$offline\" }", "unknown = \"explore\""),
        ("\"What does it do?\"", "\"What does it do now?\""),
        ("answer_within = \"$offline\" }", "answer_within = \"31m\" }"),
        ("mode = \"mean\"", "mode = \"peak\""),
        ("mode = \"mean\"", "mode = true"),
        ("mode = \"mean\"", "mode = 1"),
        ("mode = \"mean\"", "mode = 1.0"),
        ("mode = \"mean\"", "kind = \"mean\""),
        ("over = \"10m\"", "over = \"600001ms\""),
        ("unknown = \"by-hand\"", "unknown = \"jammed\""),
        ("act = \"restart\"", "act = \"reset\""),
        ("act = \"restart\"\nscope = \"gateway\"", "act = \"restart\"\nscope = \"device\""),
        ("approval = \"required\"", "approval = \"automatic\""),
        ("approval = \"required\"", "approval = \"never\""),
        ("refused = \"by-hand\"", "refused = \"jammed\""),
        ("failed = { to = \"by-hand\", note = \"Failed.\" }", "failed = \"by-hand\""),
        (
            "[rechecks.freed]\ncheck = \"back\"",
            "[rechecks.freed]\ncheck = \"back\"\nparams = { within = \"1m\" }",
        ),
        (FREED, "branches = [{ is = true, to = \"jammed\" }]\n\n[steps.seen]"),
        (FREED, "branches = [{ any = true, to = \"fine\" }]\n\n[steps.seen]"),
        (FREED, "branches = [{ is = false, to = \"fine\" }]\n\n[steps.seen]"),
        ("start = \"seen\"", "start = \"seen\"\nunless = \"freed\""),
        ("start = \"seen\"", "start = \"seen\"\nclock_tolerance = \"$window\""),
        ("start = \"seen\"", "start = \"seen\"\nlongest = \"7d\""),
        ("root_cause = \"blackout\"", "root_cause = \"blackout\"\nunless = \"freed\""),
        ("stale_after = \"$pause\"", "stale_after = \"$pause\"\nfuture = \"value\""),
        ("unknown = \"by-hand\"", "unknown = \"by-hand\"\nnot_named = \"by-hand\""),
        ("answer_within = \"$offline\" }", "answer_within = \"$offline\", expired = \"jammed\" }"),
        ("{ from = \"$hot\", to = \"jammed\" }", "{ from = \"$hot\", to = \"jammed\", supports = [] }"),
        (
            "{ from = \"$hot\", to = \"jammed\" }",
            "{ from = \"$hot\", to = \"jammed\", supports = [\"jam\"] }",
        ),
        ("after = \"$window\"", "# at once"),
        ("\"Was it freed by hand?\"", "\"Is it free?\""),
        ("handover = \"power-loss\"", "handover = \"power\""),
        ("is = [\"restored\"]", "is = [\"restored\", \"back\"]"),
        (", { any = true, to = \"dark\" }", ""),
        ("prior = [\"jam\", \"blackout\"]\n", ""),
        ("severity = \"critical\"", "severity = \"warning\""),
        ("recovered = true", "recovered = false"),
    ];
    let mut seen = BTreeSet::from([of(PUMP)]);
    for (from, to) in changes {
        assert!(seen.insert(of(&pump(from, to))), "{from:?} → {to:?}");
    }
}

#[test]
fn no_change_of_words_or_form_changes_it() {
    for (from, to) in [
        ("title = \"A pump that stopped\"", "title = \"A pump stands\""),
        ("title = \"When was it seen?\"", "title = \"Seen?\""),
        ("advice = [\"Look at the log.\"]", ""),
        ("title = \"It is jammed\"", "title = \"It is jammed\"\ngroup = \"field\""),
        ("act = \"restart\"", "group = \"gateway\"\nact = \"restart\""),
        ("advice = [\"Free it.\"]", "advice = [\"Free it.\", \"Oil it.\"]"),
        (
            "advice = [\"Free it.\"]",
            "advice = [{ text = \"Free it: {load}.\", when = { check = \"load\", any = true } }]",
        ),
        (
            "{ from = \"$hot\", to = \"jammed\" }",
            "{ from = \"$hot\", to = \"jammed\", says = \"{value:%}\" }",
        ),
        ("note = \"Quiet.\"", "note = \"Rather quiet: {value}, {load}.\""),
        ("text = \"Offline.\"", "text = \"It is offline.\""),
        ("window = \"5m\"", "window = \"300s\""),
        ("up_to = 9", "below = \"$many\""),
        ("below = \"$hot\"", "below = 0.9"),
        ("plus = \"$offline\"", "plus = \"30m\""),
        ("about = \"period\"\n", "about = 'period' # of the subject\n"),
        ("is = \"running\"", "is = [\"running\"]"),
        ("{ is = [\"jammed\", \"dark\"]", "{ is = [\"dark\", \"jammed\"]"),
        (
            "{ is = true, to = \"fine\" }, { is = false, to = \"power\" }",
            "{ is = false, to = \"power\" }, { is = true, to = \"fine\" }",
        ),
        ("approval = \"required\"\n", ""),
        ("severity = \"info\"\nrecovered = true", "recovered = true\nseverity = \"info\""),
        (
            "    { below = \"$window\", to = \"hold\" },\n    { from = \"$window\", below = \"$offline\", to = \"state\", note = \"Quiet.\" },\n",
            "    { from = \"$window\", below = \"$offline\", to = \"state\", note = \"Quiet.\" },\n    { below = \"$window\", to = \"hold\" },\n",
        ),
    ] {
        assert_eq!(of(&pump(from, to)), of(PUMP), "{from:?} → {to:?}");
    }
    // Thresholds by another name.
    let renamed = PUMP.replace("$window", "$span").replace("window = \"5m\"", "span = \"5m\"");
    assert_eq!(of(&renamed), of(PUMP));
    // An unused one would be a fault; steps in another order are none.
    let (head, dark) = PUMP.split_once("[conclusions.dark]").unwrap();
    let (head, rest) = head.split_once("[steps.seen]").unwrap();
    assert_eq!(of(&format!("{head}[conclusions.dark]{dark}\n[steps.seen]{rest}")), of(PUMP));
}

#[test]
fn it_is_the_same_from_json() {
    for document in catalog::documents().unwrap() {
        let json = serde_json::to_string(&document).unwrap();
        let again: Document = serde_json::from_str(&json).unwrap();
        assert_eq!(again.validate().unwrap().fingerprint(), document.validate().unwrap().fingerprint());
    }
    let value: toml::Table = toml::from_str(PUMP).unwrap();
    let json = serde_json::to_string(&value).unwrap();
    let pump: Document = serde_json::from_str(&json).unwrap();
    assert_eq!(pump.validate().unwrap().fingerprint(), of(PUMP));
    // And through another deserializer of the same text.
    let pump: Document = toml::from_str(PUMP).unwrap();
    assert_eq!(pump.validate().unwrap().fingerprint(), of(PUMP));
}

#[test]
fn it_is_written_as_hexadecimal_and_read_back() {
    let fingerprint = of(PUMP);
    let text = fingerprint.to_string();
    assert_eq!(text.len(), 64);
    assert_eq!(text.parse(), Ok(fingerprint));
    assert_eq!(text.to_uppercase().parse(), Ok(fingerprint));
    let json = serde_json::to_string(&fingerprint).unwrap();
    assert_eq!(json, format!("\"{text}\""));
    assert_eq!(serde_json::from_str::<Fingerprint>(&json).unwrap(), fingerprint);
    for wrong in
        ["", "00", &text[1..], &format!("{text}0"), &format!("g{}", &text[1..]), &format!("+{}", &text[1..])]
    {
        assert!(wrong.parse::<Fingerprint>().is_err(), "{wrong}");
    }
}

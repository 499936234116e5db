//! Bundles for strangers: no name is left, and each replays to the same end.

use std::collections::BTreeMap;

use iot_runbook::catalog;
use iot_runbook::diagnosis::{Bundle, Diagnosis, DiagnosisId, Output, Redaction, Reply};
use iot_runbook::fact::{Detail, Details, Observation, UnknownReason};
use iot_runbook::subject::{Subject, Trigger};

use crate::deepest::NOW;

fn key() -> Redaction {
    Redaction::new([9; 32])
}

#[test]
fn every_redacted_bundle_replays_to_the_same_end() {
    let set = catalog::set().unwrap();
    let mut count = 0;
    for text in [
        include_str!("case/corpus/certificate-expiry.json"),
        include_str!("case/corpus/data-gap.json"),
        include_str!("case/corpus/device-offline.json"),
    ] {
        let bundles: BTreeMap<String, Bundle> = serde_json::from_str(text).unwrap();
        for (place, bundle) in bundles {
            let redacted = bundle.redacted(&key());
            let there = serde_json::to_string(&redacted).unwrap();
            for name in ["press-07", "gw-2", "\"north\"", "\"temperature\"", "\"ingest\""] {
                assert!(!there.contains(name), "{place} shows {name}: {there}");
            }
            let (before, after) =
                [&bundle, &redacted].map(|bundle| Diagnosis::resume(bundle, &set).unwrap()).into();
            let end = |diagnosis: &Diagnosis| {
                let finding = diagnosis.finding()?;
                Some((finding.conclusion().map(str::to_owned), finding.hypotheses().len()))
            };
            assert_eq!(end(&after), end(&before), "{place}");
            assert_eq!(after.bundle(), redacted, "{place}");
            assert_eq!(redacted.records.len(), bundle.records.len());
            count += 1;
        }
    }
    assert!(count > 80, "{count}");
}

#[test]
fn free_text_of_adapters_and_people_is_redacted() {
    let set = catalog::set().unwrap();
    let subject = Subject::device("Press-07").with_gateway("gw-2").with_site("Nordhalle");
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap();
    let trigger = Trigger::new("press-07 (10.1.2.3) behind GW-2 is offline", NOW).with_trace_parent(parent);
    let id = DiagnosisId::new(ulid::Ulid(1));
    let mut diagnosis = Diagnosis::new(id, &set, "device-offline", subject, trigger, NOW)
        .unwrap()
        .with_incident("INC-4711 at Nordhalle");
    let details: Details = [
        Detail::new("why", "no route to press-07.plant.example.org:502, ask anna@example.org or Miller Ltd"),
        Detail::new("serial", "77"),
        Detail::new("last contact of gw-2", "3 min ago"),
    ]
    .into_iter()
    .collect();
    let mut now = NOW;
    let bundle = loop {
        match diagnosis.poll(now) {
            Output::Probe(request) => {
                let unknown = Observation::unknown(UnknownReason::Refused, "scada 10.1.2.4", "");
                diagnosis.answer(request.id, unknown.with_details(details.iter().cloned()), now).unwrap();
            }
            Output::Ask(ask) => {
                let reply = Reply::does_not_know("Anna Miller").with_remark("Miller Ltd may know: 10.1.2.5");
                diagnosis.reply(ask.id, reply, now).unwrap();
            }
            Output::Alert(alert) => diagnosis.alert_delivered(alert.number()),
            Output::Pending { until: Some(until) } => now = until,
            _ => break diagnosis.bundle(),
        }
    };
    let redacted = bundle.redacted(&Redaction::new([9; 32]).with_name("Miller Ltd"));
    let there = serde_json::to_string(&redacted).unwrap();
    let lower = there.to_lowercase();
    for name in [
        "press-07",
        "gw-2",
        "nordhalle",
        "10.1.2.",
        "example.org",
        "anna",
        "miller",
        "4711",
        "\"77\"",
        "4bf92f3577b3",
    ] {
        assert!(!lower.contains(name), "{name}: {there}");
    }
    // What is not a name stays.
    for words in ["is offline", "no route to", "3 min ago", "scada"] {
        assert!(there.contains(words), "{words}: {there}");
    }
    assert!(Diagnosis::resume(&redacted, &set).is_ok());
}

#[test]
fn one_name_has_one_pseudonym_under_one_key() {
    let set = catalog::set().unwrap();
    let bundle = |device: &str| {
        let trigger = Trigger::new("alert", NOW);
        let id = DiagnosisId::new(ulid::Ulid(1));
        Diagnosis::new(id, &set, "device-offline", Subject::device(device), trigger, NOW).unwrap().bundle()
    };
    let device = |bundle: &Bundle, key: &Redaction| bundle.redacted(key).subject.device;
    let (one, other) = (bundle("press-07"), bundle("press-08"));
    assert_eq!(device(&one, &key()), device(&one, &key()));
    assert_ne!(device(&one, &key()), device(&other, &key()));
    assert_ne!(device(&one, &key()), device(&one, &Redaction::new([8; 32])));
    assert!(!format!("{:?}", key()).contains('9'), "the key is not shown");
    assert!(one.redacted(&key()).redacted(&key()) != one);
}

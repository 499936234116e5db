//! The machine over the built-in runbooks, held against the model and against itself.

use std::sync::LazyLock;

use chrono::TimeDelta;
use iot_runbook::catalog;
use iot_runbook::diagnosis::rehearsal::{Rehearsal, every_way};
use iot_runbook::diagnosis::{Bundle, Diagnosis, Record, Recorded};
use iot_runbook::runbook::RunbookSet;
use iot_runbook::runbook::document::Document;
use proptest::prelude::*;

use crate::deepest::NOW;
use crate::model::{Model, World};
use crate::player;

mod left;

mod every_way_of {
    use super::*;

    fn all(runbook: &str) {
        all_but(runbook, &[]);
    }

    /// Takes all ways but those that only a fact opens which is pushed in between two steps.
    fn all_but(runbook: &str, by_news: &[String]) {
        let set = catalog::set().unwrap();
        let every = every_way(&set, runbook).unwrap();
        assert!(!every.cut_off);
        let untaken: Vec<_> = every.untaken.iter().map(ToString::to_string).collect();
        assert_eq!(untaken, by_news, "never taken");
        for walk in &every.walks {
            let again = Diagnosis::resume(&walk.bundle, &set).unwrap();
            assert_eq!(again.bundle(), walk.bundle);
            walk.bundle.records.iter().for_each(its_branch_and_its_words);
            assert_eq!(
                serde_json::to_value(again.finding()).unwrap(),
                serde_json::to_value(&walk.finding).unwrap()
            );
        }
    }

    /// What a record tells of its branch is what is written, and without its words nothing else is gone.
    fn its_branch_and_its_words(record: &Record) {
        let json = |record: &Record| serde_json::to_value(record).unwrap();
        let mut written = json(record);
        let what = written["what"].as_object_mut().and_then(|what| what.values_mut().next());
        let took =
            what.as_ref().and_then(|fields| fields.get("took")).filter(|took| !took.is_null()).cloned();
        assert_eq!(record.what.took().map(|took| serde_json::to_value(took).unwrap()), took);
        if let Some(fields) = what {
            fields.get_mut("took").and_then(|took| took.as_object_mut()?.remove("note"));
            if matches!(record.what, Recorded::Alerted { .. }) {
                fields["text"] = "".into();
            }
        }
        assert_eq!(json(&record.without_words()), written);
    }

    #[test]
    fn device_offline_is_walked_and_replays() {
        // What was published, and whether there is a session, is known already where it decides between collector and client.
        let asked_before = [
            "client-session [refused]",
            "client-session [unknown]",
            "collector-or-client [refused-by-acl]",
            "collector-or-client [dropped-by-quota]",
            "collector-or-client [this-device]",
            "collector-or-client [unknown]",
        ];
        all_but("device-offline", &asked_before.map(|way| format!("device-offline/{way}")));
    }

    #[test]
    fn data_gap_is_walked_and_replays() {
        all("data-gap");
    }

    #[test]
    fn certificate_expiry_is_walked_and_replays() {
        all("certificate-expiry");
    }
}

/// Loaded once: thousands of cases walk in it.
static SET: LazyLock<RunbookSet> = LazyLock::new(|| catalog::set().unwrap());

proptest! {
    #![proptest_config(crate::random::cases(2_000))]

    #[test]
    fn the_machine_walks_as_the_model_does(
        runbook in prop::sample::select(catalog::names()),
        seed: u64,
        unknowns in 0..6_u64,
        ago in 0..4_000_i64,
    ) {
        let set = &*SET;
        let world = World { seed, unknowns, news: 0 };
        let triggered_at = NOW - TimeDelta::seconds(ago);
        let expected = Model::walk(set, runbook, player::subject(), world, triggered_at, NOW);
        let diagnosis = player::play(player::begin(set, runbook, triggered_at), world, |same| same);
        prop_assert_eq!(player::walk(&diagnosis), expected);
    }
}

proptest! {
    #![proptest_config(crate::random::cases(200))]

    #[test]
    fn resumed_at_each_step_it_takes_the_same_path(
        runbook in prop::sample::select(catalog::names()),
        seed: u64,
        unknowns in 0..4_u64,
    ) {
        let set = &*SET;
        let world = World { seed, unknowns, news: 0 };
        let straight = player::play(player::begin(set, runbook, NOW), world, |same| same);
        let stopped = player::play(player::begin(set, runbook, NOW), world, |diagnosis| {
            let text = serde_json::to_string(&diagnosis.bundle()).unwrap();
            let bundle: Bundle = serde_json::from_str(&text).unwrap();
            Diagnosis::resume(&bundle, set).unwrap()
        });
        prop_assert_eq!(straight.bundle(), stopped.bundle());
    }
}

/// The device was seen a minute ago, and nobody can tell what it did since: it may be silent for good, so nothing
/// that the runbook looks for once it counts as offline is ruled out.
#[test]
fn what_a_further_wait_may_bring_stays_possible() {
    let rehearsal = Rehearsal::new("no broker adapter", "device-offline")
        .tell("service-state", "in-service")
        .tell("last-seen", ["1m", "11m"])
        .tell("gateway-health", "oom");
    let rehearsed = rehearsal.run(&catalog::set().unwrap()).unwrap();
    let left: Vec<_> = rehearsed.finding.hypotheses().iter().map(|left| &*left.cause).collect();
    for possible in ["gateway-crash-or-oom", "power-loss", "network-change", "plc-communication"] {
        assert!(left.contains(&possible), "{possible} is not among {left:?}");
    }
    let hypotheses = rehearsed.finding.hypotheses();
    let is_open = |conclusion| hypotheses.iter().any(|left| left.conclusions.contains(conclusion));
    assert!(rehearsed.finding.refuted().iter().all(|refuted| !is_open(&refuted.conclusion)));
}

/// A check that is put off takes its way out when it is answered, not when its time has come.
#[test]
fn deferred_check_waits_for_its_answer() {
    let rehearsal = Rehearsal::new("not back", "device-offline")
        .tell("service-state", "in-service")
        .tell("last-seen", "1h")
        .tell("broker-connect", "none")
        .tell("gateway-health", "offline")
        .tell("restart-gateway", "done")
        .tell("restart-gateway.recheck", "needed")
        .tell("verify-reconnect", false)
        .tell("gateway-after-restart", "unreachable");
    let rehearsed = rehearsal.run(&SET).unwrap();
    let at = |record: &&Record| &*record.step == "verify-reconnect";
    let tooks: Vec<_> = rehearsed
        .bundle
        .records
        .iter()
        .filter(at)
        .filter_map(|record| match &record.what {
            Recorded::WaitEnded { took, .. } => Some(("waited", took.is_some())),
            Recorded::Answered { took, .. } => Some(("answered", took.is_some())),
            _ => None,
        })
        .collect();
    assert_eq!(tooks, [("waited", false), ("answered", true)]);
}

/// What is found on the way and is not the end of it is kept.
#[test]
fn what_was_noted_on_the_way_contributes() {
    let rehearsal = Rehearsal::new("a degraded gateway", "device-offline")
        .tell("service-state", "in-service")
        .tell("last-seen", "-1h")
        .tell("broker-connect", "none")
        .tell("gateway-health", "degraded")
        .tell("broker-path", "closed");
    let finding = rehearsal.run(&SET).unwrap().finding;
    let noted: Vec<_> =
        finding.contributing().iter().map(|noted| (&*noted.step, noted.fact.is_some())).collect();
    assert_eq!(noted[..3], [("last-seen", true), ("platform-health", true), ("gateway-health", true)]);
    assert_eq!(finding.contributing()[2].fact.as_ref().map(|fact| &*fact.value), Some("degraded"));
}

/// What another runbook was asked and could not tell is told with its hypotheses.
#[test]
fn undetermined_handover_leaves_its_hypotheses() {
    let rehearsal = Rehearsal::new("expired", "device-offline")
        .tell("service-state", "in-service")
        .tell("last-seen", "1h")
        .tell("broker-connect", "refused")
        .tell("refused-certificate", "expired")
        .tell("certificate-expiry/stage", "expired")
        .tell("certificate-expiry/re-provision", "done");
    let finding = rehearsal.run(&SET).unwrap().finding;
    assert_eq!(finding.conclusion(), Some("certificate-expired"));
    let [called] = finding.called() else { panic!("{:?}", finding.called()) };
    assert_eq!((&*called.runbook, called.conclusion.as_deref()), ("certificate-expiry", None));
    assert!(
        called
            .hypotheses
            .iter()
            .any(|left| left.outcomes.iter().any(|outcome| &**outcome == "recovery-failed"))
    );
}

/// Nothing is measured: the weights of the causes are those of the runbook's `prior`, as the documentation says.
#[test]
fn prior_weighs_five_to_one_and_a_half() {
    let causes = ["a", "b", "c", "d", "e", "f", "g"];
    let mut text = "name = \"pump\"\nversion = 1\ntitle = \"A pump\"\nstart = \"state\"\n".to_owned();
    text += "prior = [\"a\", \"b\", \"c\", \"d\", \"e\", \"f\"]\n\n[checks.state]\nscope = \"device\"\n";
    text += &format!("domain = {causes:?}\n\n[steps.state]\ntitle = \"Which?\"\ncheck = \"state\"\n");
    text += "unknown = \"explore\"\nbranches = [\n";
    causes.iter().for_each(|cause| text += &format!("    {{ is = \"{cause}\", to = \"{cause}\" }},\n"));
    text += "]\n";
    for cause in causes {
        text += &format!("\n[conclusions.{cause}]\ntitle = \"Cause {cause}\"\nroot_cause = \"{cause}\"\n");
        text += "severity = \"warning\"\nadvice = [\"Look.\"]\n";
    }
    let set = RunbookSet::new([Document::from_toml(&text).unwrap().validate().unwrap()]).unwrap();
    let finding = Rehearsal::new("nothing is known", "pump").run(&set).unwrap().finding;
    let ranked: Vec<_> = finding.hypotheses().iter().map(|left| (&*left.cause, left.share * 16.5)).collect();
    let weights = [5.0, 4.0, 3.0, 2.0, 1.0, 1.0, 0.5];
    for ((cause, share), (expected, weight)) in ranked.iter().zip(causes.iter().zip(weights)) {
        assert!(cause == expected && (share - weight).abs() < 1e-9, "{ranked:?}");
    }
    assert_eq!(ranked.len(), causes.len());
}

//! Whole runs of small fleets: what must hold holds for each seed, and the same seed is the same run.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use chrono::TimeDelta;
use fleet::endings::{Ending, broken, endings};
use fleet::export::{to_csv, to_json};
use fleet::options::Options;
use fleet::renewals::Became;
use fleet::report::{View, report};
use fleet::roster::Kind;
use fleet::simulation::{Run, Simulation};
use fleet::world::lock;
use iot_runbook::certificate::Stage;
use iot_runbook::certificate::checklist::Check;
use iot_runbook::certificate::lifecycle::AlertKind;
use iot_runbook::report::Report;

fn options(devices: u32, days: u32, seed: u64) -> Options {
    let mut options = Options::default();
    (options.devices, options.days, options.seed) = (devices, days, seed);
    options
}

async fn run(devices: u32, days: u32, seed: u64) -> Run {
    Simulation::run(options(devices, days, seed)).await.unwrap()
}

#[tokio::test]
async fn runs_repeat_with_the_seed() {
    let text = report(&run(60, 4, 7).await, View::default());
    assert_eq!(text, report(&run(60, 4, 7).await, View::default()));
    assert_ne!(text, report(&run(60, 4, 8).await, View::default()));
}

#[tokio::test]
async fn lists_are_whole_on_request_and_fit_the_width() {
    let run = run(300, 3, 7).await;
    let short = report(&run, View::default());
    assert!(short.contains("more: --list names them"));
    let whole = report(&run, View { width: None, is_whole: true, color: false });
    assert!(!whole.contains("--list"));
    let digest = &run.operations.days.last().unwrap().digest;
    for due in digest.due() {
        assert!(whole.contains(&format!("{}: end", due.device)), "{}", due.device);
    }
    for width in [40, 80] {
        let text = report(&run, View { width: Some(width), is_whole: true, color: false });
        let long = text.lines().filter(|line| line.chars().count() > width);
        assert_eq!(long.collect::<Vec<_>>(), Vec::<&str>::new());
    }
}

#[tokio::test]
async fn conclusion_comes_first_and_in_words() {
    let run = run(300, 14, 1).await;
    let text = report(&run, View::default());
    let first: Vec<&str> = text.lines().take(3).collect();
    assert!(first[1].ends_with("of 300 devices have a certificate that works"), "{first:?}");
    assert_eq!(first[2], "All that must hold does");
    // Alerts and entries that have no words yet.
    assert!(!text.contains("something else") && !text.contains("Fingerprint("), "{text}");
}

/// The table counts what the lists name, and the exports have each certificate once.
#[tokio::test]
async fn digest_and_table_agree() {
    let run = run(300, 3, 7).await;
    let digest = &run.operations.days.last().unwrap().digest;
    let text = report(&run, View::default());
    let row = text.lines().rfind(|line| line.starts_with(&digest.at.format("%Y-%m-%d").to_string()));
    let counts: Vec<usize> =
        row.unwrap().split_whitespace().skip(1).map(|count| count.parse().unwrap()).collect();
    let morning = text.split_once("The last morning").unwrap().1;
    for (list, column) in [("To know (awareness)", 0), ("To renew", 1), ("Offline: plan for them", 5)] {
        let line = morning.lines().find(|line| line.starts_with(list)).unwrap();
        let count = line.rsplit_once(": ").unwrap().1.parse().unwrap_or(0);
        assert_eq!(count, counts[column], "{list}");
    }
    let csv = to_csv(digest);
    assert_eq!(csv.lines().count(), 1 + digest.due().len());
    let json: serde_json::Value = serde_json::from_str(&to_json(digest).unwrap()).unwrap();
    for (due, (line, json)) in
        digest.due().iter().zip(csv.lines().skip(1).zip(json["due"].as_array().unwrap()))
    {
        let left = due.days_left(digest.at);
        assert_eq!((line.split(',').nth(3).unwrap(), &json["days_left"]), (&*left.to_string(), &left.into()));
    }
}

#[tokio::test]
async fn report_of_the_digest_names_all_that_is_due() {
    let run = run(300, 3, 7).await;
    let digest = &run.operations.days.last().unwrap().digest;
    let report = Report::of_digest(digest);
    let (text, html) = (report.to_text(80), report.to_html());
    for due in digest.due().iter().filter(|due| due.pages()) {
        let device = due.device.to_string();
        assert!(text.contains(&device) && html.contains(&device), "{device}");
    }
    assert!(html.contains("<svg ") && report.headline.starts_with("Certificates: "), "{text}");
    // One is not many, and an issuer that is not there is not named.
    assert!(report.affected.iter().any(|group| group.devices.len() == 1), "the run has no list of one");
    for group in &report.affected {
        let verb = group.why.split(' ').next().unwrap();
        let is_one = group.devices.len() == 1;
        assert!(
            !(if is_one { ["have", "are", "end"] } else { ["has", "is", "ends"] }).contains(&verb),
            "{text}"
        );
    }
    assert!(!text.contains(" 0 issuers") && !text.contains("1 certificates"), "{text}");
}

#[tokio::test]
async fn invariants_hold_for_any_seed() {
    for seed in 0..6 {
        let run = run(100, 12, seed).await;
        assert_eq!(broken(&run), Vec::<String>::new(), "seed {seed}");
    }
}

#[tokio::test]
async fn smallest_and_shortest_run_ends() {
    for devices in 1..4 {
        let run = run(devices, 1, 3).await;
        assert_eq!(endings(&run).len(), usize::try_from(devices).unwrap());
        assert!(report(&run, View::default()).contains("Prevention checklist"));
        assert!(broken(&run).is_empty());
    }
}

/// Each works, or is listed with the reason that its kind has.
#[tokio::test]
async fn every_device_works_or_is_listed() {
    let run = run(200, 12, 5).await;
    let world = lock(&run.world);
    let kinds: Vec<_> = world.devices.iter().map(|device| device.kind).collect();
    drop(world);
    for (kind, ending) in kinds.into_iter().zip(endings(&run)) {
        match (kind, ending) {
            (Kind::Lost, Ending::Listed(reason)) => {
                assert!(reason.contains("the cabinet is gone") || reason.contains("no round"), "{reason}");
            }
            (Kind::Revoked, Ending::Listed(reason)) => assert!(reason.contains("is revoked"), "{reason}"),
            (kind, ending) => assert_eq!(ending, Ending::Works, "{kind:?}"),
        }
    }
}

#[tokio::test]
async fn first_digest_has_every_stage() {
    let run = run(200, 3, 2).await;
    let digest = &run.operations.days[0].digest;
    for stage in [
        Stage::Awareness,
        Stage::Renewal,
        Stage::FollowUp,
        Stage::Expired,
        Stage::NotYetValid,
        Stage::Revoked,
    ] {
        assert!(digest.due().iter().any(|due| due.stage == stage), "{stage}");
    }
    assert!(digest.due().len() < 200, "some are `ok`");
    let [issuer] = digest.issuers() else { panic!("{:?}", digest.issuers()) };
    assert_eq!((issuer.leaves, issuer.stage), (16, Stage::Renewal));
    // It was replaced on the third day, and each of its leaves was renewed under the new one.
    let world = lock(&run.world);
    let told = world.notices.values().filter(|one| matches!(one.alert.what, AlertKind::IssuerBinds { .. }));
    assert_eq!(told.count(), 1, "one alert for all leaves");
    assert!(run.operations.days.last().unwrap().digest.issuers().is_empty());
}

#[tokio::test]
async fn every_way_of_a_renewal_is_taken() {
    let run = run(300, 14, 1).await;
    for became in [
        Became::AtFirstGo,
        Became::AfterFailures,
        Became::ByHand,
        Became::ReProvisioned,
        Became::Emergency,
        Became::Overtaken,
    ] {
        assert!(run.became.contains_key(&became), "{became:?} is not among {:?}", run.became);
    }
    let world = lock(&run.world);
    let did = world.mishaps;
    assert!(did.lost_answers > 0 && did.lost_messages > 0 && did.twice > 0 && did.late > 0, "{did:?}");
    assert!(world.post_mortems.values().all(|record| !record.timeline.is_empty()));
    let ended = |kind| matches!(kind, Kind::Ended | Kind::EndedUnknown | Kind::Compromised);
    let of_the_ended = world.devices.iter().filter(|device| ended(device.kind));
    for device in of_the_ended {
        assert!(
            world.post_mortems.values().any(|record| record.device == device.name.as_str()),
            "{}",
            device.name
        );
    }
    let checklist = run.operations.checklist(&world, run.now);
    assert!(checklist.passes(), "{checklist:#?}");
    // A day after the last run of the job and a little more, nobody can tell.
    let later = run.operations.checklist(&world, run.now + TimeDelta::hours(27));
    let monitoring = later.item(Check::DailyMonitoringPagesBelow30d);
    assert_eq!(monitoring.because, "its evidence is stale");
}

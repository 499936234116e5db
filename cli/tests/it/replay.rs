//! `replay`.

use chrono::{DateTime, Utc};
use iot_runbook::catalog;
use iot_runbook::diagnosis::DiagnosisId;
use iot_runbook::diagnosis::rehearsal::Rehearsal;
use iot_runbook::{Diagnosis, Document, RunbookSet, Subject, Trigger};

use super::{Files, PUMP, run, run_with};

/// Saved evidence that does not say why a device is silent.
pub(crate) fn undetermined() -> String {
    let rehearsal = Rehearsal::new("silent", "device-offline")
        .tell("service-state", "in-service")
        .tell("last-seen", "45m")
        .tell("power", "uncertain");
    serde_json::to_string(&rehearsal.run(&catalog::set().unwrap()).unwrap().bundle).unwrap()
}

fn maintenance() -> String {
    let rehearsal = Rehearsal::new("m", "device-offline").tell("service-state", "maintenance");
    serde_json::to_string(&rehearsal.run(&catalog::set().unwrap()).unwrap().bundle).unwrap()
}

#[test]
fn conclusion_comes_before_the_trace() {
    let replayed = run_with(&["replay", "-"], maintenance().as_bytes(), 80);
    assert_eq!(replayed.code, 0, "{}", replayed.err);
    let runbook = catalog::device_offline().unwrap().validate().unwrap();
    let end = runbook.step(runbook.find("expected-offline").unwrap()).unwrap();
    let words = replayed.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.starts_with(&*end.title), "{}", replayed.out);
    assert!(words.contains("Evidence Diagnosis") && words.contains("Conclusion expected-offline"), "{words}");
    let rest = "
Trace
2027-01-15
08:00:00  service-state: maintenance (rehearsal) -> expected-offline
08:00:00  expected-offline: concluded

The replay takes the same path: 3 records.
";
    assert!(replayed.out.ends_with(rest), "{}", replayed.out);
}

#[test]
fn undetermined_end_ranks_what_is_possible() {
    let replayed = run_with(&["replay", "-", "--no-trace"], undetermined().as_bytes(), 80);
    assert_eq!(replayed.code, 0);
    let json = run_with(&["replay", "-", "--json"], undetermined().as_bytes(), 80).json();
    assert_eq!(json["same"], true);
    let hypotheses = json["finding"]["hypotheses"].as_array().unwrap();
    let cause = hypotheses[0]["cause"].as_str().unwrap();
    assert!(replayed.out.starts_with("Not certain."), "{}", replayed.out);
    let ranked = replayed.out.split_once("Still possible\n").unwrap().1;
    assert!(ranked.lines().next().unwrap().contains(&cause.replace('-', " ")), "{}", replayed.out);
    assert!(!replayed.out.contains("Trace"));
}

#[test]
fn damaged_bundle_differs() {
    let edited = maintenance().replace("\"maintenance\"", "\"decommissioned\"");
    let replayed = run_with(&["replay", "-"], edited.as_bytes(), 80);
    assert_eq!(replayed.code, 1);
    assert!(replayed.out.starts_with("standard input: the replay differs\n"), "{}", replayed.out);
    assert!(replayed.out.contains("damaged or edited"), "{}", replayed.out);
    let json = run_with(&["replay", "-", "--json"], edited.as_bytes(), 80);
    assert_eq!((json.code, &json.json()["same"]), (1, &false.into()));
}

#[test]
fn changed_runbook_differs() {
    let files = Files::new();
    let set = RunbookSet::new([Document::from_toml(PUMP).unwrap().validate().unwrap()]).unwrap();
    let rehearsal = Rehearsal::new("jam", "pump-stopped").tell("state", "jammed");
    let bundle = serde_json::to_string(&rehearsal.run(&set).unwrap().bundle).unwrap();
    let bundle = files.write("bundle.json", bundle);
    let same = files.write("pump.toml", PUMP);
    let other = files.write("other.toml", super::pump("recent = \"10m\"", "recent = \"20m\""));

    let absent = run(&["replay", &bundle]);
    assert_eq!(absent.code, 2);
    assert!(absent.err.contains("name its file with `--runbook`"), "{}", absent.err);
    let replay = |runbook: &str, more: &[&str]| {
        let mut arguments = vec!["replay", &bundle, "--runbook", runbook];
        arguments.extend(more);
        run(&arguments).code
    };
    assert_eq!((replay(&same, &[]), replay(&other, &[])), (0, 1));
    assert_eq!(
        replay(&other, &["--threshold", "recent=10m"]),
        0,
        "with the threshold that it was begun with"
    );
}

#[test]
fn what_is_no_bundle_is_refused() {
    for text in ["{}", "[1, 2]", "name = 3", "{\"format\": 99}"] {
        let refused = run_with(&["replay", "-"], text.as_bytes(), 80);
        assert_eq!((refused.code, refused.out.as_str()), (2, ""), "{text}");
        assert!(refused.err.contains("not the bundle of a diagnosis"), "{}", refused.err);
    }
    let old = maintenance().replacen("\"format\":2", "\"format\":1", 1);
    let refused = run_with(&["replay", "-"], old.as_bytes(), 80);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("format 1"), "{}", refused.err);
}

#[test]
fn name_of_a_device_cannot_steer_the_terminal() {
    let now: DateTime<Utc> = "2026-11-23T08:00:00Z".parse().unwrap();
    let id: DiagnosisId = "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
    let subject = Subject::device("press\u{1b}[2J-7");
    let set = catalog::set().unwrap();
    let mut diagnosis =
        Diagnosis::new(id, &set, "device-offline", subject, Trigger::new("alert", now), now).unwrap();
    diagnosis.poll(now);
    let bundle = serde_json::to_string(&diagnosis.bundle()).unwrap();
    let replayed = run_with(&["replay", "-", "--color", "never"], bundle.as_bytes(), 80);
    assert_eq!(replayed.code, 0, "{}", replayed.err);
    assert!(replayed.out.starts_with("Not finished: "), "{}", replayed.out);
    assert!(
        replayed.out.contains("press\u{fffd}[2J-7") && !replayed.out.contains('\u{1b}'),
        "{}",
        replayed.out
    );
}

#[derive(serde::Deserialize)]
struct Rehearsals {
    rehearsal: Vec<Rehearsal>,
}

#[test]
fn same_answers_lead_a_renamed_version_to_the_same_end() {
    let files = Files::new();
    let set = catalog::set().unwrap();
    let mut compared = 0;
    for (name, text, rehearsals) in [
        (
            "device-offline",
            include_str!("../../../src/catalog/device-offline.toml"),
            include_str!("../../../tests/it/rehearsals/device-offline.toml"),
        ),
        (
            "data-gap",
            include_str!("../../../src/catalog/data-gap.toml"),
            include_str!("../../../tests/it/rehearsals/data-gap.toml"),
        ),
    ] {
        let version = catalog::set().unwrap().find(name).unwrap().version();
        let text = text.replacen(&format!("version = {version}\n"), "version = 4000\n", 1);
        let runbook = files.write(&format!("{name}.toml"), text);
        let rehearsals: Rehearsals = toml::from_str(rehearsals).unwrap();
        // Every so many: each is a run of the command.
        for rehearsal in rehearsals.rehearsal.iter().filter(|one| one.runbook == name).step_by(9) {
            let bundle = rehearsal.run(&set).unwrap().bundle;
            let text = serde_json::to_string(&bundle).unwrap();
            let arguments = ["replay", "-", "--runbook", &runbook, "--json"];
            let replayed = run_with(&arguments, text.as_bytes(), 80);
            let json = replayed.json();
            assert_eq!(
                (replayed.code, &json["same"]),
                (1, &false.into()),
                "another version is another runbook"
            );
            assert_eq!(json["now"]["parts_after"], serde_json::Value::Null, "{}", rehearsal.name);
            assert_eq!(json["now"]["finding"]["conclusion"], json["conclusion"], "{}", rehearsal.name);
            compared += 1;
        }
    }
    assert!(compared > 15, "{compared}");
}

#[test]
fn changed_branch_shows_the_other_end_and_where_paths_part() {
    let files = Files::new();
    let set = RunbookSet::new([Document::from_toml(PUMP).unwrap().validate().unwrap()]).unwrap();
    let rehearsal = Rehearsal::new("starts", "pump-stopped").tell("state", "running").tell("starts", 3_u64);
    let bundle = serde_json::to_string(&rehearsal.run(&set).unwrap().bundle).unwrap();
    let lenient = super::pump("up_to = 2", "up_to = 4").replace("from = 3", "from = 5");
    let changed = files.write("changed.toml", lenient);
    let replayed = run_with(&["replay", "-", "--runbook", &changed, "--no-trace"], bundle.as_bytes(), 80);
    assert_eq!(replayed.code, 1);
    let expected = "\
The runbook as it is now, with the same answers
Another end: runs, before jammed
It runs
The paths part after pump-stopped/starts.
";
    assert!(replayed.out.contains(expected), "{}", replayed.out);

    let asks_more = super::pump("{ is = \"running\", to = \"settle\" }", "{ is = \"running\", to = \"more\" }").replacen(
        "[steps.settle]",
        "[checks.more]\nscope = \"device\"\ndomain = \"flag\"\n\n[steps.more]\ncheck = \"more\"\nunknown = \"settle\"\n\
         branches = [{ any = true, to = \"settle\" }]\n\n[steps.settle]",
        1,
    );
    let changed = files.write("more.toml", asks_more);
    let replayed = run_with(&["replay", "-", "--runbook", &changed, "--no-trace"], bundle.as_bytes(), 80);
    assert!(replayed.out.contains("The same end: jammed"), "{}", replayed.out);
    assert!(replayed.out.contains("It asks what the evidence does not answer: more."), "{}", replayed.out);
}

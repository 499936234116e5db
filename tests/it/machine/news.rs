//! Facts that are pushed in, withdrawals, and going on.

use chrono::{DateTime, Utc};
use iot_runbook::diagnosis::{
    ActReport, Anomaly, AnswerError, Diagnosis, Ending, NewsError, Output, Recorded, Reply,
};
use iot_runbook::fact::{Detail, Observation, UnknownReason, Value};

use super::*;

/// At the first request that is no probe, with these answers to the checks on the way.
fn at(answers: &[(&str, Value)], parts: u8) -> (Diagnosis, Output) {
    let mut diagnosis = player::begin_of(&SET, "press", player::subject_with(parts), NOW);
    let mut answers = answers.iter();
    loop {
        match diagnosis.poll(NOW) {
            Output::Probe(request) => {
                let (check, value) =
                    answers.next().unwrap_or_else(|| panic!("asks {}", request.query().check));
                assert_eq!(*check, &*request.query().check);
                diagnosis.answer(request.id, Observation::known(*value, NOW, "test"), NOW).unwrap();
            }
            output => {
                assert!(answers.next().is_none());
                return (diagnosis, output);
            }
        }
    }
}

fn choice(check: &str, name: &str) -> Value {
    let query = SET.queries().iter().find(|query| &*query.check == check).unwrap();
    query.domain.find_choice(name).unwrap()
}

fn known(value: Value) -> Observation {
    Observation::known(value, NOW, "broker eu-1")
}

/// Waits for the approval of a restart.
fn approving() -> (Diagnosis, iot_runbook::diagnosis::ApprovalRequest) {
    let answers = [("state", choice("state", "stands")), ("link", Value::Flag(false))];
    let (diagnosis, Output::Approve(request)) = at(&answers, 15) else { panic!() };
    (diagnosis, request)
}

/// The act is under way.
fn acting() -> (Diagnosis, iot_runbook::diagnosis::ActRequest) {
    let (mut diagnosis, request) = approving();
    diagnosis.approve(request.grant("ann"), NOW).unwrap();
    let Output::Probe(recheck) = diagnosis.poll(NOW) else { panic!() };
    diagnosis.answer(recheck.id, known(choice("state", "stands")), NOW).unwrap();
    let Output::Act(request) = diagnosis.poll(NOW) else { panic!() };
    (diagnosis, request)
}

/// The same after a restart of the service, with the same result.
fn replays(diagnosis: &Diagnosis) {
    let again = saved(diagnosis);
    assert_eq!(again.bundle(), diagnosis.bundle());
    assert_eq!(again.finding(), diagnosis.finding());
}

#[test]
fn news_takes_the_branch_of_a_recheck() {
    let (mut diagnosis, request) = approving();
    diagnosis.inform("state", known(choice("state", "runs")), NOW).unwrap();
    assert_eq!(diagnosis.finding().unwrap().conclusion(), Some("recovered"));
    assert!(!diagnosis.is_open(request.id));
    replays(&diagnosis);
    // A value that no branch takes leaves it as it is.
    let (mut diagnosis, request) = approving();
    diagnosis.inform("state", known(choice("state", "stands")), NOW).unwrap();
    assert!(diagnosis.is_open(request.id));
    replays(&diagnosis);
}

#[test]
fn news_ends_a_called_runbook() {
    let answers = [
        ("state", choice("state", "stands")),
        ("mains", choice("mains", "fed")),
        ("store", Value::Count(11)),
        ("back", Value::Flag(false)),
    ];
    // Without a gateway; `feed` asks it for its level, and explores.
    let (diagnosis, Output::Concluded(finding)) = at(&answers, 14) else { panic!() };
    assert_eq!(finding.conclusion(), Some("cut"));
    drop(diagnosis);

    let mut diagnosis = player::begin_of(&SET, "press", player::subject_with(15), NOW);
    let values = [
        choice("state", "odd"),
        Value::Instant(NOW - TimeDelta::hours(1)),
        Value::Flag(true),
        Value::Instant(NOW - TimeDelta::hours(2)),
        choice("mains", "fed"),
        Value::Count(11),
        Value::Number(0.1),
    ];
    for value in values {
        let Output::Probe(request) = diagnosis.poll(NOW) else { panic!() };
        diagnosis.answer(request.id, known(value), NOW).unwrap();
    }
    assert_eq!(diagnosis.step(), "rest");
    diagnosis.inform("back", known(Value::Flag(true)), NOW).unwrap();
    let finding = diagnosis.finding().unwrap();
    assert_eq!((finding.runbook(), finding.conclusion()), ("press", Some("recovered")));
    assert_eq!(finding.called(), []);
    assert!(diagnosis.trace().any(|record| record.what == Recorded::Left));
    assert!(finding.contributing().iter().any(|noted| &*noted.note == "It came back by itself."));
    replays(&diagnosis);
}

#[test]
fn news_leaves_an_act_that_is_under_way_alone() {
    let (mut diagnosis, request) = acting();
    diagnosis.inform("back", known(Value::Flag(true)), NOW).unwrap();
    diagnosis.inform("state", known(choice("state", "runs")), NOW).unwrap();
    assert!(diagnosis.is_open(request.id));
    diagnosis.report_act(request.id, ActReport::done("actuator"), NOW).unwrap();
    assert_eq!(diagnosis.step(), "slow");
    replays(&diagnosis);
}

#[test]
fn withdrawal_names_the_act_that_is_under_way() {
    let (mut diagnosis, request) = acting();
    diagnosis.withdraw("alertmanager", "the alert cleared", NOW).unwrap();
    let Ending::Withdrawn { why, under_way: Some(act), .. } = diagnosis.finding().unwrap().ending() else {
        panic!()
    };
    assert_eq!((&*why, &*act.action, act.target.as_deref()), ("the alert cleared", "restart", Some("gw-2")));
    assert!(diagnosis.report_act(request.id, ActReport::done("actuator"), NOW).is_err());
    replays(&diagnosis);
    // Before it is begun there is none.
    let (mut diagnosis, _) = approving();
    diagnosis.withdraw("ann", "false alarm", NOW).unwrap();
    let Ending::Withdrawn { under_way: None, .. } = diagnosis.finding().unwrap().ending() else { panic!() };
    assert_eq!(diagnosis.withdraw("ann", "again", NOW), Err(NewsError::Ended));
    assert_eq!(diagnosis.inform("back", known(Value::Flag(true)), NOW), Err(NewsError::Ended));
    replays(&diagnosis);
}

#[test]
fn wrong_news_is_refused_and_changes_nothing() {
    let (mut diagnosis, _) = approving();
    let before = diagnosis.bundle();
    let unknown = Observation::unknown(UnknownReason::Timeout, "broker", "");
    for (check, observation) in [
        ("nothing", known(Value::Flag(true))),
        ("back", known(Value::Count(1))),
        ("back", known(Value::Absent)),
        ("back", unknown),
    ] {
        let refused = diagnosis.inform(check, observation, NOW + TimeDelta::minutes(1)).unwrap_err();
        assert!(refused.to_string().contains(check), "{refused}");
        assert_eq!(diagnosis.bundle(), before);
    }
}

#[test]
fn future_news_is_kept_and_decides_nothing() {
    let (mut diagnosis, request) = approving();
    let ahead = NOW + TimeDelta::seconds(31);
    diagnosis.inform("state", Observation::known(choice("state", "runs"), ahead, "broker"), NOW).unwrap();
    assert!(diagnosis.is_open(request.id));
    let trace: Vec<_> = diagnosis.trace().map(|record| record.to_string()).collect();
    assert!(trace.iter().any(|line| line.contains("news: state = unknown (future)")), "{trace:#?}");
    assert!(diagnosis.trace().any(|record| record.what == Recorded::Anomaly(Anomaly::Future)));
    replays(&diagnosis);
}

#[test]
fn person_in_place_of_a_check_is_named() {
    // Seen in the future, session unknown: a person is asked.
    let ask = || {
        let (mut diagnosis, output) = {
            let mut diagnosis = player::begin_of(&SET, "press", player::subject_with(15), NOW);
            for value in [choice("state", "odd"), Value::Absent] {
                let Output::Probe(request) = diagnosis.poll(NOW) else { panic!() };
                diagnosis.answer(request.id, known(value), NOW).unwrap();
            }
            let Output::Probe(request) = diagnosis.poll(NOW) else { panic!() };
            let refused = Observation::unknown(UnknownReason::Refused, "broker", "");
            diagnosis.answer(request.id, refused, NOW).unwrap();
            let output = diagnosis.poll(NOW);
            (diagnosis, output)
        };
        let Output::Ask(request) = output else { panic!("{output:?}") };
        assert_eq!(diagnosis.step(), "session");
        let _ = &mut diagnosis;
        (diagnosis, request)
    };
    let (mut diagnosis, request) = ask();
    diagnosis.inform("session", known(choice("session", "down")), NOW).unwrap();
    assert!(!diagnosis.is_open(request.id));
    assert_eq!(diagnosis.step(), "restart");
    replays(&diagnosis);

    let (mut diagnosis, request) = ask();
    diagnosis.reply(request.id, Reply::new(choice("session", "down"), "bob"), NOW).unwrap();
    let Output::Approve(request) = diagnosis.poll(NOW) else { panic!() };
    let facts = &request.situation().facts;
    let said = facts.iter().find(|fact| &*fact.check == "session").unwrap();
    assert_eq!((&*said.value, &*said.source, said.observed_at), ("down", "person bob", None));

    let (mut diagnosis, request) = ask();
    let Output::Probe(back) = diagnosis.poll(request.expires_at()) else { panic!() };
    assert_eq!((back.step(), &*back.query().check), ("worn", "back"));
}

#[test]
fn unknown_recheck_keeps_the_conclusion() {
    let answers = [("state", choice("state", "runs")), ("share", Value::Number(0.1))];
    let mut diagnosis = player::begin_of(&SET, "press", player::subject_with(15), NOW);
    for (_, value) in answers {
        let Output::Probe(request) = diagnosis.poll(NOW) else { panic!() };
        diagnosis.answer(request.id, known(value), NOW).unwrap();
    }
    for (answer, conclusion, noted) in [
        (
            Observation::unknown(UnknownReason::Refused, "broker", ""),
            "worn",
            Some("back could not be asked again: refused"),
        ),
        (known(Value::Flag(false)), "worn", None),
        (known(Value::Flag(true)), "recovered", Some("It came back by itself.")),
    ] {
        let mut diagnosis = diagnosis.clone();
        let Output::Probe(request) = diagnosis.poll(NOW) else { panic!() };
        assert_eq!(request.step(), "worn");
        diagnosis.answer(request.id, answer, NOW).unwrap();
        let finding = diagnosis.finding().unwrap();
        assert_eq!(finding.conclusion(), Some(conclusion));
        let notes: Vec<&str> = finding.contributing().iter().map(|noted| &*noted.note).collect();
        assert_eq!(notes, noted.into_iter().collect::<Vec<_>>());
        replays(&diagnosis);
    }
}

#[test]
fn unnamed_parts_are_listed_and_not_needed() {
    // No gateway, no site, no pipeline: what comes after the store is explored, and nothing of the gateway is asked.
    let answers =
        [("state", choice("state", "stands")), ("share", Value::Number(0.1)), ("back", Value::Flag(false))];
    let (diagnosis, Output::Concluded(finding)) = at(&answers, 8) else { panic!() };
    assert_eq!(finding.ending(), Ending::Undetermined);
    let unasked: Vec<_> = finding.unasked().iter().map(|unasked| (&*unasked.step, &*unasked.part)).collect();
    assert_eq!(unasked[..3], [("link", "gateway"), ("mains", "site"), ("store", "pipeline")]);
    let needed: Vec<_> = finding.hypotheses().iter().flat_map(|left| &left.needs).collect();
    assert!(!needed.iter().any(|step| ["link", "mains", "store"].contains(&&***step)), "{needed:?}");
    replays(&diagnosis);
}

#[test]
fn only_failures_of_the_moment_let_it_go_on() {
    let ends = |reason| {
        let mut diagnosis = player::begin_of(&SET, "press", player::subject_with(15), NOW);
        let mut now = NOW;
        loop {
            match diagnosis.poll(now) {
                Output::Probe(request) => {
                    let answer = match &*request.query().check {
                        "state" => known(choice("state", "odd")),
                        _ => Observation::unknown(reason, "test", ""),
                    };
                    let answer = match answer {
                        Observation::Known(evidence) => Observation::known(evidence.value, now, "test"),
                        unknown => unknown,
                    };
                    diagnosis.answer(request.id, answer, now).unwrap();
                }
                Output::Pending { until: Some(until) } => now = until,
                Output::Concluded(_) => return (diagnosis, now),
                other => panic!("{other:?}"),
            }
        }
    };
    let (mut refused, now) = ends(UnknownReason::Refused);
    assert_eq!(now, NOW);
    assert!(refused.go_on(now).is_err());
    let (mut diagnosis, now) = ends(UnknownReason::Timeout);
    assert!(diagnosis.can_go_on().contains(&"seen"), "{:?}", diagnosis.can_go_on());
    // Days later: no anomaly, and everything is asked afresh.
    let now = now + TimeDelta::hours(20);
    diagnosis.go_on(now).unwrap();
    assert!(diagnosis.go_on(now).is_err());
    let Output::Probe(request) = diagnosis.poll(now) else { panic!() };
    assert_eq!(request.step(), "seen");
    let _ = diagnosis.answer(request.id, Observation::known(Value::Absent, now, "test"), now);
    assert_eq!(diagnosis.step(), "session");
    assert!(!diagnosis.trace().any(|record| matches!(record.what, Recorded::Anomaly(_))));
    replays(&diagnosis);
}

/// It may take two days. What was found is kept where that is over.
#[test]
fn nobody_goes_on_after_the_longest_time() {
    let mut diagnosis = player::begin_of(&SET, "press", player::subject_with(15), NOW);
    let mut now = NOW;
    let finding = loop {
        match diagnosis.poll(now) {
            Output::Probe(request) => {
                let timeout = Observation::unknown(UnknownReason::Timeout, "test", "");
                diagnosis.answer(request.id, timeout, now).unwrap();
            }
            Output::Pending { until: Some(until) } => now = until,
            Output::Concluded(finding) => break finding,
            other => panic!("{other:?}"),
        }
    };
    assert!(!finding.hypotheses().is_empty());
    let over = NOW + TimeDelta::days(2);
    assert!(diagnosis.clone().go_on(over - TimeDelta::nanoseconds(1)).is_ok());
    assert!(diagnosis.go_on(over).is_err());
    let _ = diagnosis.poll(over);
    assert_eq!(diagnosis.finding(), Some(*finding));
    replays(&diagnosis);
}

#[test]
fn late_and_long_waits_are_anomalies() {
    let waiting = || {
        let mut diagnosis = player::begin_of(&SET, "press", player::subject_with(15), NOW);
        for value in [choice("state", "odd"), Value::Instant(NOW)] {
            let Output::Probe(request) = diagnosis.poll(NOW) else { panic!() };
            diagnosis.answer(request.id, known(value), NOW).unwrap();
        }
        assert_eq!(diagnosis.step(), "pause");
        diagnosis
    };
    // It waits four minutes: more than twice that, and over a minute, is too long.
    for (seconds, long) in [(240, false), (480, false), (481, true)] {
        let mut diagnosis = waiting();
        let _ = diagnosis.poll(NOW + TimeDelta::seconds(seconds));
        let found = diagnosis.trace().any(|record| record.what == Recorded::Anomaly(Anomaly::LongWait));
        assert_eq!(found, long, "{seconds} s");
        replays(&diagnosis);
    }
    // It may take two days, and what the clock jumped does not count.
    let mut diagnosis = waiting();
    let _ = diagnosis.poll(NOW + TimeDelta::days(400));
    assert!(!diagnosis.is_ended());
    replays(&diagnosis);
}

/// One step that asks itself again each second, and never comes to an end.
const SELF: &str = r#"
    name = "self"
    version = 1
    title = "Itself"
    start = "look"
    longest = "1h"
    [checks.door]
    scope = "device"
    domain = "flag"
    [steps.look]
    check = "door"
    after = "1s"
    unknown = "explore"
    branches = [{ is = true, to = "look" }, { is = false, to = "end" }]
    [conclusions.end]
    title = "The end"
    severity = "info"
"#;

#[test]
fn loops_are_bounded_in_time_and_number() {
    for (longest, after, anomaly, waits) in
        [("1h", "1s", Anomaly::TooLong, 3_600), ("1d", "1s", Anomaly::TooManyWaits, 10_001)]
    {
        let text = SELF.replace("\"1h\"", &format!("{longest:?}")).replace("\"1s\"", &format!("{after:?}"));
        let set = RunbookSet::new([Document::from_toml(&text).unwrap().validate().unwrap()]).unwrap();
        let mut diagnosis = player::begin(&set, "self", NOW);
        let (mut now, mut asked) = (NOW, 0);
        let finding = loop {
            match diagnosis.poll(now) {
                Output::Probe(request) => {
                    asked += 1;
                    diagnosis
                        .answer(request.id, Observation::known(Value::Flag(true), now, "test"), now)
                        .unwrap();
                }
                Output::Pending { until: Some(until) } => now = until,
                Output::Concluded(finding) => break finding,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(finding.ending(), Ending::Aborted(anomaly));
        assert_eq!(asked, waits - 1);
        let again = Diagnosis::resume(&diagnosis.bundle(), &set).unwrap();
        assert_eq!(again.bundle(), diagnosis.bundle());
    }
}

#[test]
fn requests_and_results_travel_as_json() {
    fn travels<T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) {
        let text = serde_json::to_string(value).unwrap();
        assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), value, "{text}");
    }
    let (mut diagnosis, request) = approving();
    travels(&request);
    let facts: Vec<_> = request.situation().facts.iter().map(|fact| (&*fact.check, &*fact.value)).collect();
    assert_eq!(facts, [("state", "stands"), ("link", "no")]);
    assert_eq!(request.situation().facts[0].observed_at, Some(NOW));
    assert_eq!(request.target(), Some("gw-2"));
    travels(&request.grant("ann"));
    // The binding survives the way there and back.
    let text = serde_json::to_string(&request).unwrap();
    let read: iot_runbook::diagnosis::ApprovalRequest = serde_json::from_str(&text).unwrap();
    diagnosis.approve(read.grant("ann"), NOW).unwrap();
    let (mut diagnosis, request) = acting();
    travels(&request);
    travels(&ActReport::failed("actuator", "no power"));
    diagnosis.report_act(request.id, ActReport::refused("actuator", "not safe"), NOW).unwrap();
    let Output::Ask(request) = diagnosis.poll(NOW) else { panic!() };
    assert_eq!((request.step(), request.question()), ("by-hand", "Was it restarted by hand?"));
    travels(&request);
    let Output::Probe(request) = diagnosis.poll(NOW + TimeDelta::minutes(10)) else { panic!() };
    let back = Observation::unknown(UnknownReason::Refused, "broker", "");
    diagnosis.answer(request.id, back, NOW + TimeDelta::minutes(10)).unwrap();
    travels(&diagnosis.finding().unwrap());
    for query in SET.queries() {
        travels(&query.domain);
    }
}

#[test]
fn act_keys_name_target_and_incident() {
    /// On to the next act, with these answers.
    fn next(diagnosis: &mut Diagnosis, mut now: DateTime<Utc>) -> (String, DateTime<Utc>) {
        loop {
            match diagnosis.poll(now) {
                Output::Probe(request) => {
                    let value = match &*request.query().check {
                        "state" => choice("state", "stands"),
                        _ => Value::Flag(false),
                    };
                    diagnosis.answer(request.id, Observation::known(value, now, "test"), now).unwrap();
                }
                Output::Approve(request) => {
                    diagnosis.approve(request.grant("ann"), now).unwrap();
                    *diagnosis = saved(diagnosis);
                }
                Output::Act(request) => {
                    let key = request.idempotency_key();
                    diagnosis.report_act(request.id, ActReport::done("actuator"), now).unwrap();
                    return (key, now);
                }
                Output::Pending { until: Some(until) } => now = until,
                other => panic!("{other:?}"),
            }
        }
    }
    for (incident, named) in [(None, "00000000000000000000000007"), (Some("site/9"), "site%2F9")] {
        let mut diagnosis = player::begin_of(&SET, "press", player::subject_with(15), NOW);
        if let Some(incident) = incident {
            diagnosis = diagnosis.with_incident(incident);
        }
        let (first, now) = next(&mut diagnosis, NOW);
        let (second, _) = next(&mut diagnosis, now);
        assert_eq!(first, format!("restart/gateway:gw-2/{named}/0"));
        assert_eq!(second, format!("restart/gateway:gw-2/{named}/1"));
    }
}

#[test]
fn short_waits_may_be_late_by_a_minute() {
    let set = RunbookSet::new([Document::from_toml(SELF).unwrap().validate().unwrap()]).unwrap();
    for (seconds, long) in [(2, false), (61, false), (62, true)] {
        let mut diagnosis = player::begin(&set, "self", NOW);
        let _ = diagnosis.poll(NOW + TimeDelta::seconds(seconds));
        let found = diagnosis.trace().any(|record| record.what == Recorded::Anomaly(Anomaly::LongWait));
        assert_eq!(found, long, "{seconds} s");
    }
}

#[test]
fn future_is_a_value_only_where_it_is_declared() {
    let press = include_str!("press.toml");
    let tolerant = press.replace("longest = \"2d\"", "longest = \"2d\"\nclock_tolerance = \"10m\"");
    assert_ne!(tolerant, press);
    for (text, ahead, seen_to, heard_known) in [
        (press, TimeDelta::seconds(30), "pause", true),
        (press, TimeDelta::seconds(31), "session", false),
        (&*tolerant, TimeDelta::minutes(10), "session", true),
        (&*tolerant, TimeDelta::seconds(601), "session", false),
    ] {
        let runbooks = [text, include_str!("feed.toml")];
        let set =
            RunbookSet::new(runbooks.map(|text| Document::from_toml(text).unwrap().validate().unwrap()))
                .unwrap();
        let future = Value::Instant(NOW + ahead);
        // `seen` declares it: a branch takes it, and the anomaly is recorded beyond the tolerance.
        let mut diagnosis = player::begin(&set, "press", NOW);
        for value in [choice("state", "odd"), future] {
            let Output::Probe(request) = diagnosis.poll(NOW) else { panic!() };
            assert_eq!(request.clock_tolerance(), set.find("press").unwrap().clock_tolerance());
            diagnosis.answer(request.id, known(value), NOW).unwrap();
        }
        assert_eq!(diagnosis.step(), seen_to, "{ahead}");
        let found = |diagnosis: &Diagnosis| {
            diagnosis.trace().any(|record| record.what == Recorded::Anomaly(Anomaly::Future))
        };
        assert_eq!(found(&diagnosis), !heard_known, "{ahead}");
        // `heard` does not: it is unknown.
        let mut diagnosis = player::begin(&set, "press", NOW);
        for value in [choice("state", "stands"), Value::Flag(true), future] {
            let Output::Probe(request) = diagnosis.poll(NOW) else { panic!() };
            diagnosis.answer(request.id, known(value), NOW).unwrap();
        }
        assert_eq!(diagnosis.step() == "slow", heard_known, "{ahead}");
        assert_eq!(found(&diagnosis), !heard_known, "{ahead}");
    }
}

#[test]
fn a_period_that_is_not_named_is_listed() {
    let (_, Output::Concluded(finding)) =
        at(&[("state", choice("state", "runs")), ("back", Value::Flag(false))], 7)
    else {
        panic!()
    };
    assert_eq!(finding.conclusion(), Some("worn"));
    let [unasked] = finding.unasked() else { panic!("{:?}", finding.unasked()) };
    assert_eq!((&*unasked.step, &*unasked.part, unasked.scope.name()), ("share", "period", "device"));
}

#[test]
fn branches_keep_the_causes_that_they_support() {
    let press = SET.find("press").unwrap();
    let exits = |step: &str| -> Vec<Option<Vec<String>>> {
        let step = press.step(press.find(step).unwrap()).unwrap();
        let causes = |causes: &[Box<str>]| causes.iter().map(ToString::to_string).collect();
        step.kind.exits().map(|(_, exit)| exit.supports.as_deref().map(causes)).collect()
    };
    let line = Some(vec!["line".to_owned()]);
    // Runs, stands, odd, unknown.
    assert_eq!(exits("state"), [None, line, Some(Vec::new()), None]);
    let group = |step: &str| press.step(press.find(step).unwrap()).unwrap().group.as_deref();
    assert_eq!((group("restart"), group("state")), (Some("gateway"), None));
}

/// What an adapter says stays on its line, and turns no terminal.
#[test]
fn trace_is_not_forged_by_an_answer() {
    let text = "open\n00:00:00 press/power: confirmed\u{1b}[2J\u{202e}txet";
    let mut diagnosis = player::begin_of(&SET, "press", player::subject_with(15), NOW);
    let Output::Probe(request) = diagnosis.poll(NOW) else { panic!() };
    let answer =
        Observation::known(choice("state", "stands"), NOW, "sw\r1").with_details([Detail::new("port", text)]);
    diagnosis.answer(request.id, answer, NOW).unwrap();
    let shown = diagnosis.trace().map(|record| record.to_string()).collect::<String>();
    assert!(!shown.contains(|c: char| c.is_control() || c == '\u{202e}'), "{shown:?}");
    assert!(shown.contains(r"open\n00:00:00") && shown.contains(r"\u{1b}[2J\u{202e}txet"), "{shown}");
}

#[test]
fn alert_of_the_future_counts_as_of_now() {
    let begun = player::begin_of(&SET, "press", player::subject_with(15), NOW + TimeDelta::days(2));
    let anomalies = |diagnosis: &Diagnosis| {
        let records = diagnosis.trace().map(|record| record.what);
        records.filter(|what| matches!(what, Recorded::Anomaly(Anomaly::FutureTrigger))).count()
    };
    assert_eq!(anomalies(&begun), 1);
    assert_eq!(anomalies(&saved(&begun)), 1);
    let near = player::begin_of(&SET, "press", player::subject_with(15), NOW + TimeDelta::seconds(30));
    assert_eq!(anomalies(&near), 0, "clocks differ by that much");
}

#[test]
fn approval_by_nobody_is_refused() {
    let (mut diagnosis, request) = approving();
    for nobody in ["", "  "] {
        assert_eq!(diagnosis.approve(request.grant(nobody), NOW), Err(AnswerError::Nameless));
    }
    diagnosis.approve(request.grant("ann"), NOW).unwrap();
}

/// One cause is left, and the end that is no cause is still possible: the question that tells them apart comes next.
#[test]
fn sole_survivor_names_what_could_rule_it_out() {
    let text = r#"
name = "pump-stopped"
version = 1
title = "A pump has stopped"
start = "pressure"
checks.pressure = { scope = "device", domain = ["low", "fine"] }

[steps.pressure]
check = "pressure"
unknown = "explore"
branches = [{ is = "low", to = "leak" }, { is = "fine", to = "fine" }]

[conclusions]
leak = { title = "It leaks", severity = "critical", root_cause = "leak" }
fine = { title = "It works", severity = "info", recovered = true }
"#;
    let set = RunbookSet::new([Document::from_toml(text).unwrap().validate().unwrap()]).unwrap();
    for (reason, next) in [(UnknownReason::Undetermined, Some("pressure")), (UnknownReason::NoAdapter, None)]
    {
        let mut diagnosis = player::begin_of(&set, "pump-stopped", player::subject_with(0), NOW);
        let Output::Probe(request) = diagnosis.poll(NOW) else { panic!() };
        let unknown = Observation::unknown(reason, "meter", "nobody could say");
        diagnosis.answer(request.id, unknown, NOW).unwrap();
        let Output::Concluded(finding) = diagnosis.poll(NOW) else { panic!() };
        assert_eq!(finding.hypotheses().len(), 1);
        assert_eq!(finding.next_probe().map(|next| (&*next.step, next.bits)), next.map(|step| (step, 0.0)));
    }
}

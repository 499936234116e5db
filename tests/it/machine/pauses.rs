//! What waits, pauses and clocks mean: since when a check asks, which loops go on, what is asked again, what is noted.

use chrono::{DateTime, Utc};
use iot_runbook::diagnosis::{
    ActReport, Anomaly, Ending, NewsError, Output, ProbeRequest, Recorded, Reply, RequestId,
};
use iot_runbook::fact::{Observation, UnknownReason, Value};

use super::*;

/// A runbook `hatch` that has these steps. A recheck leads to `recheck_to`.
fn hatch_with(steps: &str, recheck_to: &str) -> RunbookSet {
    let recheck =
        format!("again = {{ check = \"door\", branches = [{{ is = true, to = \"{recheck_to}\" }}] }}");
    let recheck = if steps.contains("recheck = ") { recheck } else { String::new() };
    // Nothing may be declared that no step uses.
    let used = |name: &str, line: &'static str| {
        let name = format!("\"{name}\"");
        if steps.contains(&name) || recheck.contains(&name) { line } else { "" }
    };
    let text = format!(
        r#"
        name = "hatch"
        version = 1
        title = "A hatch"
        start = "look"
        longest = "10d"
        [checks]
        {door}
        {seen}
        [rechecks]
        {recheck}
        [steps]
        {steps}
        [conclusions]
        {end}
        {other}
        "#,
        door = used("door", r#"door = { scope = "device", domain = "flag" }"#),
        seen = used("seen", r#"seen = { scope = "device", domain = "instant", optional = true }"#),
        end = used("end", r#"end = { title = "The end", severity = "info" }"#),
        other = used("other", r#"other = { title = "Another end", severity = "info" }"#),
    );
    match Document::from_toml(&text).unwrap().validate() {
        Ok(runbook) => RunbookSet::new([runbook]).unwrap(),
        Err(faults) => panic!("{faults}"),
    }
}

fn hatch(steps: &str) -> RunbookSet {
    hatch_with(steps, "end")
}

fn begin(set: &RunbookSet) -> Diagnosis {
    player::begin_of(set, "hatch", player::subject_with(15), NOW)
}

fn after(seconds: i64) -> DateTime<Utc> {
    NOW + TimeDelta::seconds(seconds)
}

fn probe(diagnosis: &mut Diagnosis, now: DateTime<Utc>) -> ProbeRequest {
    match diagnosis.poll(now) {
        Output::Probe(request) => request,
        other => panic!("{other:?}"),
    }
}

/// Answers the next question.
fn answer(diagnosis: &mut Diagnosis, value: Value, now: DateTime<Utc>) {
    let request = probe(diagnosis, now);
    diagnosis.answer(request.id, Observation::known(value, now, "test"), now).unwrap();
}

fn times_out(diagnosis: &mut Diagnosis, request: RequestId, now: DateTime<Utc>) {
    let timeout = Observation::unknown(UnknownReason::Timeout, "test", "");
    diagnosis.answer(request, timeout, now).unwrap();
}

fn notes(diagnosis: &Diagnosis, anomaly: Anomaly) -> bool {
    diagnosis.trace().any(|record| record.what == Recorded::Anomaly(anomaly))
}

const NO: Value = Value::Flag(false);
const YES: Value = Value::Flag(true);

#[test]
fn checks_ask_since_the_last_pause_began() {
    let set = hatch(
        r#"
        look = { check = "door", unknown = "end", branches = [{ is = true, to = "rest" }, { is = false, to = "end" }] }
        rest = { wait = { for = "1m" }, to = "second" }
        second = { check = "door", unknown = "end", branches = [{ is = true, to = "push" }, { is = false, to = "end" }] }
        push = { act = "push", scope = "device", answer_within = "1h", recheck = "again", on = { done = "third", refused = "end", failed = "end", expired = "end" } }
        third = { check = "door", unknown = "end", branches = [{ is = true, to = "end" }, { is = false, to = "other" }] }
        "#,
    );
    let mut diagnosis = begin(&set);
    assert_eq!(probe(&mut diagnosis.clone(), NOW).since(), NOW);
    answer(&mut diagnosis, YES, after(10));
    assert_eq!(probe(&mut diagnosis.clone(), after(70)).since(), after(10), "the wait began then");
    answer(&mut diagnosis, YES, after(80));
    let Output::Approve(request) = diagnosis.poll(after(80)) else { panic!() };
    diagnosis.approve(request.grant("ann"), after(100)).unwrap();
    assert_eq!(
        probe(&mut diagnosis.clone(), after(105)).since(),
        after(80),
        "its approval was asked for then"
    );
    answer(&mut diagnosis, NO, after(110));
    let Output::Act(request) = diagnosis.poll(after(110)) else { panic!() };
    diagnosis.report_act(request.id, ActReport::done("actuator"), after(120)).unwrap();
    assert_eq!(probe(&mut diagnosis, after(120)).since(), after(110), "the act began then");
}

#[test]
fn wait_without_an_instant_is_over_and_noted() {
    let set = hatch(
        r#"
        look = { check = "seen", unknown = "end", branches = [{ below = "1h", to = "second" }, { from = "1h", to = "second" }, { absent = true, to = "end" }] }
        second = { check = "door", unknown = "rest", branches = [{ is = true, to = "rest" }, { is = false, to = "end" }] }
        rest = { wait = { until = { fact = "look", plus = "10m" } }, to = "end" }
        "#,
    );
    for (ago, news, is_over, is_noted) in [
        (601, None, true, false),
        (600, None, true, false),
        (599, None, false, false),
        (599, Some(Value::Absent), true, true),
    ] {
        let mut diagnosis = begin(&set);
        answer(&mut diagnosis, Value::Instant(after(-ago)), NOW);
        if let Some(value) = news {
            diagnosis.inform("seen", Observation::known(value, NOW, "test"), NOW).unwrap();
        }
        answer(&mut diagnosis, YES, NOW);
        assert_eq!(diagnosis.is_ended(), is_over, "{ago} {news:?}");
        assert_eq!(notes(&diagnosis, Anomaly::NoInstant), is_noted, "{ago} {news:?}");
        let idle =
            diagnosis.trace().any(|record| matches!(record.what, Recorded::WaitEnded { idle: true, .. }));
        assert_eq!(idle, is_over, "{ago} {news:?}");
    }
}

/// Around and around by a wait that is over at once: it goes on as long as something else takes time.
#[test]
fn loop_goes_on_while_anything_takes_time() {
    let back = "done = \"look\", refused = \"look\", failed = \"look\", expired = \"look\"";
    let act = |more: &str| {
        format!("act = \"push\", scope = \"device\", answer_within = \"1m\", {more} on = {{ {back} }}")
    };
    let branches = "[{ is = true, to = \"look\" }, { is = false, to = \"look\" }]";
    for (name, between, goes_on) in [
        ("nothing", "check = \"door\", unknown = \"look\", branches = ".to_owned() + branches, false),
        ("wait", "wait = { for = \"1s\" }, to = \"look\"".to_owned(), true),
        (
            "person",
            format!(
                "ask = \"?\", domain = \"flag\", answer_within = \"1m\", expired = \"look\", branches = {branches}"
            ),
            true,
        ),
        (
            "silence",
            format!(
                "ask = \"?\", domain = \"flag\", answer_within = \"1m\", expired = \"look\", branches = {branches}"
            ),
            true,
        ),
        ("act", act("approval = \"automatic\","), true),
        ("late act", act("approval = \"automatic\","), true),
        ("decline", act(""), true),
        ("needless act", act("recheck = \"again\","), true),
    ] {
        let set = hatch_with(
            &format!(
                r#"
            look = {{ check = "seen", unknown = "end", branches = [{{ below = "1h", to = "rest" }}, {{ from = "1h", to = "rest" }}, {{ absent = true, to = "end" }}] }}
            rest = {{ wait = {{ until = {{ fact = "look", plus = "10m" }} }}, to = "between" }}
            between = {{ {between} }}
            "#
            ),
            "look",
        );
        let (mut diagnosis, mut now) = (begin(&set), NOW);
        for _ in 0..30 {
            match diagnosis.poll(now) {
                Output::Probe(request) => {
                    let seen = &*request.query().check == "seen";
                    let value = if seen { Value::Instant(after(-7_200)) } else { YES };
                    diagnosis.answer(request.id, Observation::known(value, now, "test"), now).unwrap();
                }
                Output::Ask(request) if name == "person" => {
                    diagnosis.reply(request.id, Reply::new(YES, "ann"), now).unwrap();
                }
                Output::Act(request) if name == "act" => {
                    diagnosis.report_act(request.id, ActReport::done("actuator"), now).unwrap();
                }
                Output::Approve(request) if name == "decline" => {
                    diagnosis.approve(request.decline("ann", "no"), now).unwrap();
                }
                Output::Approve(request) => diagnosis.approve(request.grant("ann"), now).unwrap(),
                Output::Pending { until } => now = until.unwrap(),
                Output::Concluded(_) => break,
                _ => {}
            }
        }
        let ending = diagnosis.finding().map(|finding| finding.ending());
        assert_eq!(ending, (!goes_on).then_some(Ending::Aborted(Anomaly::IdleLoop)), "{name}");
        let again = Diagnosis::resume(&diagnosis.bundle(), &set).unwrap();
        assert_eq!(again.bundle(), diagnosis.bundle(), "{name}");
    }
}

/// Two waits in a row that are over at once are no loop.
#[test]
fn two_idle_waits_are_no_loop() {
    let set = hatch(
        r#"
        look = { check = "seen", unknown = "end", branches = [{ below = "1h", to = "rest" }, { from = "1h", to = "rest" }, { absent = true, to = "end" }] }
        rest = { wait = { until = { fact = "look", plus = "10m" } }, to = "second" }
        second = { wait = { until = { fact = "look", plus = "20m" } }, to = "other" }
        "#,
    );
    let mut diagnosis = begin(&set);
    answer(&mut diagnosis, Value::Instant(after(-7_200)), NOW);
    assert_eq!(diagnosis.finding().unwrap().conclusion(), Some("other"));
}

/// A loop wakes somebody once for each branch, whatever step it is of.
#[test]
fn loop_raises_each_alert_once() {
    let set = hatch(
        r#"
        look = { check = "door", unknown = "end", branches = [{ is = true, to = "second", alert = { severity = "info", text = "open" } }, { is = false, to = "second", alert = { severity = "info", text = "shut" } }] }
        second = { check = "door", unknown = "end", branches = [{ is = true, to = "rest", alert = { severity = "info", text = "open still" } }, { is = false, to = "rest" }] }
        rest = { wait = { for = "1m" }, to = "look" }
        "#,
    );
    let (mut diagnosis, mut now, mut alerts) = (begin(&set), NOW, Vec::new());
    let mut values = [YES, YES, NO, NO].into_iter();
    loop {
        match diagnosis.poll(now) {
            Output::Alert(alert) => alerts.push(alert.text().to_owned()),
            Output::Probe(request) => {
                let Some(value) = values.next() else { break };
                diagnosis.answer(request.id, Observation::known(value, now, "test"), now).unwrap();
            }
            Output::Pending { until } => now = until.unwrap(),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(alerts, ["open", "open still", "shut"]);
}

const LOOK: &str = r#"
    look = { check = "door", unknown = "explore", branches = [{ is = true, to = "end" }, { is = false, to = "when" }] }
    when = { check = "seen", unknown = "explore", branches = [{ below = "1h", to = "end" }, { from = "1h", to = "other" }, { absent = true, to = "end" }] }
"#;

/// A probe that never answers is given up, whoever speaks first then.
#[test]
fn hanging_probe_ends_with_the_longest_time() {
    let mut diagnosis = begin(&hatch(LOOK));
    let request = probe(&mut diagnosis, NOW);
    assert!(matches!(diagnosis.poll(NOW), Output::Pending { until: None }));
    let aborted = |diagnosis: &Diagnosis| {
        assert_eq!(diagnosis.finding().unwrap().ending(), Ending::Aborted(Anomaly::TooLong));
        assert!(!diagnosis.is_open(request.id));
    };
    // It may hang for a day at a time; what is more counts as a jump of the clock.
    for day in 1..10 {
        let day = NOW + TimeDelta::days(day);
        diagnosis.inform("seen", Observation::known(Value::Instant(day), day, "test"), day).unwrap();
    }
    let over = NOW + TimeDelta::days(10);
    let mut polled = diagnosis.clone();
    let _ = polled.poll(over);
    aborted(&polled);
    let mut informed = diagnosis.clone();
    let late = Observation::known(YES, over, "test");
    assert_eq!(informed.inform("door", late, over), Err(NewsError::Ended));
    aborted(&informed);
    assert_eq!(diagnosis.withdraw("ann", "enough", over), Err(NewsError::Ended));
    aborted(&diagnosis);
}

/// Two questions that failed at two moments are asked again at two moments.
#[test]
fn each_question_rests_for_its_own_pause() {
    let set = hatch(
        r#"
        look = { check = "door", unknown = "explore", branches = [{ is = true, to = "when" }, { is = false, to = "third" }] }
        when = { check = "seen", unknown = "explore", branches = [{ below = "1h", to = "end" }, { from = "1h", to = "other" }, { absent = true, to = "end" }] }
        third = { check = "door", params = { third = true }, unknown = "explore", branches = [{ is = true, to = "end" }, { is = false, to = "other" }] }
        "#,
    );
    let mut diagnosis = begin(&set);
    let request = probe(&mut diagnosis, NOW);
    let refused = Observation::unknown(UnknownReason::Refused, "test", "");
    diagnosis.answer(request.id, refused, NOW).unwrap();
    let (first, second) = (probe(&mut diagnosis, NOW), probe(&mut diagnosis, NOW));
    times_out(&mut diagnosis, first.id, NOW);
    let half = NOW + TimeDelta::milliseconds(500);
    times_out(&mut diagnosis, second.id, half);
    assert_eq!(diagnosis.due_at(), Some(after(1)));
    let again = probe(&mut diagnosis, after(1));
    assert_eq!(again.query().check, first.query().check);
    assert!(matches!(diagnosis.poll(after(1)), Output::Pending { .. }), "the other one rests still");
    let later = probe(&mut diagnosis, half + TimeDelta::seconds(1));
    assert_eq!(later.query().check, second.query().check);
}

/// What was due first comes first, however late it is polled; the expiry names the question that was open last.
#[test]
fn expiry_that_was_due_first_comes_first() {
    let set = hatch(
        r#"
        look = { check = "seen", unknown = "end", branches = [{ below = "1h", to = "push" }, { from = "1h", to = "push" }, { absent = true, to = "push" }] }
        push = { act = "push", scope = "device", answer_within = "2s", approval = "automatic", recheck = "again", on = { done = "end", refused = "end", failed = "end", expired = "other" } }
        "#,
    );
    let mut diagnosis = begin(&set);
    answer(&mut diagnosis, Value::Absent, NOW);
    let first = probe(&mut diagnosis, NOW);
    times_out(&mut diagnosis, first.id, NOW);
    let second = probe(&mut diagnosis, after(1));
    times_out(&mut diagnosis, second.id, after(1));
    let _ = diagnosis.poll(after(10));
    assert_eq!(diagnosis.finding().unwrap().conclusion(), Some("other"));
    let asked = diagnosis.trace().filter(|record| matches!(record.what, Recorded::Asked { .. })).count();
    assert_eq!(asked, 3, "nothing is asked after the expiry");
    let expired = diagnosis.trace().find_map(|record| match record.what {
        Recorded::Expired { request, .. } => Some(request),
        _ => None,
    });
    assert_eq!(expired, Some(second.id));
}

#[test]
fn silence_of_over_a_day_is_noted() {
    let looking = hatch(LOOK);
    let resting = hatch(
        r#"
        look = { check = "door", unknown = "end", branches = [{ is = true, to = "rest" }, { is = false, to = "end" }] }
        rest = { wait = { for = "2d" }, to = "end" }
        "#,
    );
    let day = 86_400;
    for (set, polls, is_noted) in [
        (&looking, &[day][..], false),
        (&looking, &[day + 1], true),
        (&looking, &[50_000, day], false),
        // It is the silence that counts, not the pause between two polls.
        (&looking, &[50_000, day + 1], true),
        (&resting, &[2 * day], false),
        (&resting, &[3 * day], false),
        (&resting, &[3 * day + 1], true),
    ] {
        let mut diagnosis = begin(set);
        if std::ptr::eq(set, &raw const resting) {
            answer(&mut diagnosis, YES, NOW);
        }
        for seconds in polls {
            let _ = diagnosis.poll(after(*seconds));
        }
        assert_eq!(notes(&diagnosis, Anomaly::ClockForward), is_noted, "{polls:?}");
        let again = Diagnosis::resume(&diagnosis.bundle(), set).unwrap();
        assert_eq!(again.bundle(), diagnosis.bundle());
    }
}

/// It ended since answers timed out, before a wait and after it.
#[test]
fn going_on_asks_what_failed_since_the_pause() {
    let set = hatch(
        r#"
        look = { check = "seen", unknown = "rest", branches = [{ below = "1h", to = "rest" }, { from = "1h", to = "rest" }, { absent = true, to = "rest" }] }
        rest = { wait = { for = "1m" }, to = "door" }
        door = { check = "door", unknown = "explore", branches = [{ is = true, to = "second" }, { is = false, to = "other" }] }
        second = { check = "door", params = { side = "left" }, unknown = "explore", branches = [{ is = true, to = "end" }, { is = false, to = "other" }] }
        "#,
    );
    let (mut diagnosis, mut now) = (begin(&set), NOW);
    loop {
        match diagnosis.poll(now) {
            Output::Probe(request) => times_out(&mut diagnosis, request.id, now),
            Output::Pending { until } => now = until.unwrap(),
            Output::Concluded(_) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(diagnosis.can_go_on(), ["door"], "each check once, and not what failed before the wait");
    // Days were nobody's wait, and are no jump of the clock.
    now += TimeDelta::days(3);
    diagnosis.go_on(now).unwrap();
    assert_eq!(probe(&mut diagnosis, now + TimeDelta::seconds(1)).step(), "door");
    assert!(!notes(&diagnosis, Anomaly::ClockForward));
}

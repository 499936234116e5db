//! What a caller, a clock, a probe or an editor can get wrong: refused with an error, or recorded as an anomaly.

use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::catalog;
use iot_runbook::diagnosis::{
    ActReport, Anomaly, AnswerError, Bundle, Diagnosis, DiagnosisId, Ending, Output, ProbeRequest, RequestId,
    ResumeError,
};
use iot_runbook::fact::{Choice, Observation, UnknownReason, Value};
use iot_runbook::runbook::RunbookSet;
use iot_runbook::runbook::document::Document;
use iot_runbook::subject::{Subject, Trigger};
use ulid::Ulid;

use crate::deepest::NOW;
use crate::player::{begin, subject};

fn set() -> RunbookSet {
    catalog::set().unwrap()
}

fn of(text: &str) -> RunbookSet {
    RunbookSet::new([Document::from_toml(text).unwrap().validate().unwrap()]).unwrap()
}

fn start(set: &RunbookSet, runbook: &str) -> Diagnosis {
    Diagnosis::new(Ulid(1), set, runbook, subject(), Trigger::new("test", NOW), NOW).unwrap()
}

fn probe(diagnosis: &mut Diagnosis, now: DateTime<Utc>) -> ProbeRequest {
    loop {
        match diagnosis.poll(now) {
            Output::Probe(request) => return request,
            Output::Alert(alert) => diagnosis.alert_delivered(alert.number()),
            other => panic!("{other:?}"),
        }
    }
}

fn tell(diagnosis: &mut Diagnosis, choice: &str, now: DateTime<Utc>) {
    let request = probe(diagnosis, now);
    let value = request.query().domain.find_choice(choice).unwrap();
    diagnosis.answer(request.id, Observation::known(value, now, "test"), now).unwrap();
}

fn tell_value(diagnosis: &mut Diagnosis, value: Value, now: DateTime<Utc>) {
    let request = probe(diagnosis, now);
    diagnosis.answer(request.id, Observation::known(value, now, "test"), now).unwrap();
}

/// A device that was last seen so long ago.
fn seen(ago: TimeDelta, now: DateTime<Utc>) -> Value {
    Value::Instant(now - ago)
}

mod answers {
    use super::*;

    #[test]
    fn requests_come_once_and_again_after_a_resume() {
        let set = set();
        let mut diagnosis = begin(&set, "device-offline", NOW);
        let request = probe(&mut diagnosis, NOW);
        assert!(matches!(diagnosis.poll(NOW), Output::Pending { until: None }));
        let mut resumed = Diagnosis::resume(&diagnosis.bundle(), &set).unwrap();
        assert_eq!(probe(&mut resumed, NOW).id, request.id);
    }

    #[test]
    fn an_answer_outside_its_domain_is_explained() {
        let set = of(
            "name = \"n\"\nversion = 1\ntitle = \"t\"\nstart = \"s\"\n[checks.c]\nscope = \"device\"\ndomain = \"number\"\n\
                      [steps.s]\ncheck = \"c\"\nunknown = \"e\"\nbranches = [{ any = true, to = \"e\" }]\n\
                      [conclusions.e]\ntitle = \"e\"\nseverity = \"info\"\n",
        );
        for (value, text) in [
            (Value::Number(f64::NAN), "number NaN is not a value of the domain number: give one"),
            (Value::Flag(true), "flag yes is not a value of the domain number: give one"),
            (Value::Choice(Choice::new(9)), "choice 9 is not a value of the domain number: give one"),
            (Value::Absent, "absent is not a value of the domain number: give one"),
        ] {
            let mut diagnosis = start(&set, "n");
            tell_value(&mut diagnosis, value, NOW);
            let trace: Vec<String> = diagnosis.trace().map(|record| record.to_string()).collect();
            let recorded = format!("{:?}", diagnosis.bundle());
            assert!(recorded.contains(text), "{text}: {trace:?} {recorded}");
        }
    }

    #[test]
    fn wrong_answers_change_nothing() {
        let set = set();
        let mut diagnosis = begin(&set, "device-offline", NOW);
        let first = probe(&mut diagnosis, NOW);
        tell_again(&mut diagnosis, &first);
        let before = diagnosis.bundle();
        // Twice.
        let value = first.query().domain.find_choice("maintenance").unwrap();
        let again = diagnosis.answer(first.id, Observation::known(value, NOW, "test"), NOW);
        assert_eq!(again, Err(AnswerError::NotOpen(first.id)));
        // Never made.
        let never: RequestId = serde_json::from_str("4711").unwrap();
        let unknown =
            diagnosis.answer(never, Observation::known(value, NOW, "test"), NOW + TimeDelta::days(1));
        assert_eq!(unknown, Err(AnswerError::NotOpen(never)));
        // Of the wrong kind.
        let open = probe(&mut diagnosis, NOW);
        let wrong = diagnosis.report_act(open.id, ActReport::done("test"), NOW + TimeDelta::days(1));
        assert!(matches!(wrong, Err(AnswerError::WrongKind { .. })), "{wrong:?}");
        assert_eq!(diagnosis.bundle(), before);
    }

    fn tell_again(diagnosis: &mut Diagnosis, request: &ProbeRequest) {
        let value = request.query().domain.find_choice("in-service").unwrap();
        diagnosis.answer(request.id, Observation::known(value, NOW, "test"), NOW).unwrap();
    }

    #[test]
    fn of_another_type_they_are_unknown() {
        let set = set();
        for value in [
            Value::Flag(true),
            Value::Number(f64::NAN),
            Value::Choice(Choice::new(999)),
            Value::Absent,
            Value::Count(1),
        ] {
            let mut diagnosis = begin(&set, "device-offline", NOW);
            tell_value(&mut diagnosis, value, NOW);
            let unknown = UnknownReason::NotInDomain.name();
            let last = diagnosis.trace().find(|record| record.to_string().contains(unknown));
            assert!(last.is_some(), "{value:?}");
        }
    }

    #[test]
    fn stale_and_future_answers_are_unknown() {
        let set = set();
        let (bound, tolerance) = (TimeDelta::minutes(5), TimeDelta::seconds(30));
        let tick = TimeDelta::nanoseconds(1);
        for (observed_at, reason) in [
            (NOW - bound, None),
            (NOW - bound - tick, Some("stale")),
            (NOW + tolerance, None),
            (NOW + tolerance + tick, Some("future")),
            (DateTime::<Utc>::MAX_UTC, Some("future")),
            (DateTime::<Utc>::MIN_UTC, Some("stale")),
        ] {
            let mut diagnosis = begin(&set, "device-offline", NOW);
            tell(&mut diagnosis, "in-service", NOW);
            let request = probe(&mut diagnosis, NOW);
            let value = seen(TimeDelta::hours(1), NOW);
            diagnosis.answer(request.id, Observation::known(value, observed_at, "test"), NOW).unwrap();
            let trace: Vec<_> = diagnosis.trace().map(|record| record.to_string()).collect();
            let is = |reason| trace.iter().any(|line| line.contains(&format!("unknown ({reason})")));
            assert_eq!(is("stale"), reason == Some("stale"), "{observed_at}");
            assert_eq!(is("future"), reason == Some("future"), "{observed_at}");
            let anomaly = trace.iter().any(|line| line.contains("dated in the future"));
            assert_eq!(anomaly, reason == Some("future"), "{observed_at}");
            let resumed = Diagnosis::resume(&diagnosis.bundle(), &set).unwrap();
            assert_eq!(resumed.bundle(), diagnosis.bundle());
        }
    }

    #[test]
    fn person_who_says_something_else_is_asked_on() {
        let set = set();
        let mut diagnosis = at_power(&set);
        let request = loop {
            match diagnosis.poll(NOW) {
                Output::Ask(request) => break request,
                Output::Alert(_) => {}
                other => panic!("{other:?}"),
            }
        };
        let reply = iot_runbook::diagnosis::Reply::new(Value::Count(3), "operator");
        let refused = diagnosis.reply(request.id, reply, NOW);
        assert!(matches!(refused, Err(AnswerError::NotInDomain { .. })), "{refused:?}");
        let value = request.domain().find_choice("confirmed").unwrap();
        let reply = iot_runbook::diagnosis::Reply::new(value, "operator");
        diagnosis.reply(request.id, reply, NOW).unwrap();
        // It is asked again before somebody is sent.
        tell(&mut diagnosis, "link-up", NOW);
        tell(&mut diagnosis, "silent", NOW);
        assert_eq!(diagnosis.finding().unwrap().conclusion(), Some("dispatch-technician"));
    }

    /// At `power`, which nobody can tell.
    fn at_power(set: &RunbookSet) -> Diagnosis {
        let mut diagnosis = begin(set, "device-offline", NOW);
        tell(&mut diagnosis, "in-service", NOW);
        tell_value(&mut diagnosis, seen(TimeDelta::hours(1), NOW), NOW);
        for choice in ["well", "none", "healthy", "open", "device", "link-up"] {
            tell(&mut diagnosis, choice, NOW);
        }
        let request = probe(&mut diagnosis, NOW);
        let unknown = Observation::unknown(UnknownReason::NoAdapter, "test", "");
        diagnosis.answer(request.id, unknown, NOW).unwrap();
        tell(&mut diagnosis, "valid", NOW);
        diagnosis
    }

    #[test]
    fn an_answer_at_the_last_moment_is_late() {
        let set = set();
        for (late_by, taken) in [(-1, true), (0, false), (1, false)] {
            let mut diagnosis = at_power(&set);
            let (request, until) = loop {
                match diagnosis.poll(NOW) {
                    Output::Ask(request) => break (request.clone(), request.expires_at()),
                    Output::Alert(_) => {}
                    other => panic!("{other:?}"),
                }
            };
            let at = until + TimeDelta::nanoseconds(late_by);
            let value = request.domain().find_choice("confirmed").unwrap();
            let reply = iot_runbook::diagnosis::Reply::new(value, "operator");
            assert_eq!(diagnosis.reply(request.id, reply, at).is_ok(), taken, "{late_by} ns");
        }
    }
}

mod names {
    use super::*;

    #[test]
    fn unknown_runbook_is_named_with_the_known_ones() {
        let set = set();
        let trigger = Trigger::new("test", NOW);
        let error = Diagnosis::new(Ulid(1), &set, "device-offlien", subject(), trigger, NOW).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("device-offlien") && text.contains("device-offline, data-gap"), "{text}");
    }

    #[test]
    fn part_without_a_name_is_unknown() {
        let set = set();
        let trigger = Trigger::new("test", NOW);
        let only = Subject::device("press-07");
        let mut diagnosis = Diagnosis::new(Ulid(1), &set, "device-offline", only, trigger, NOW).unwrap();
        tell(&mut diagnosis, "in-service", NOW);
        tell_value(&mut diagnosis, seen(TimeDelta::hours(1), NOW), NOW);
        tell(&mut diagnosis, "well", NOW);
        tell(&mut diagnosis, "none", NOW);
        // `gateway-health` is of the gateway: what is left to ask is asked of the device and its session.
        while let Output::Probe(request) = diagnosis.poll(NOW) {
            assert!(request.query().scope.is_always_named(), "{}", request.query().check);
            let unknown = Observation::unknown(UnknownReason::NoAdapter, "test", "");
            diagnosis.answer(request.id, unknown, NOW).unwrap();
        }
        let finding = diagnosis.finding().unwrap();
        assert_eq!(finding.ending(), Ending::Undetermined);
        assert!(finding.hypotheses().len() > 3);
    }

    #[test]
    fn identity_that_overflows_is_no_identity() {
        assert!("7ZZZZZZZZZZZZZZZZZZZZZZZZZ".parse::<DiagnosisId>().is_ok());
        for text in [
            "8ZZZZZZZZZZZZZZZZZZZZZZZZZ",
            "ZZZZZZZZZZZZZZZZZZZZZZZZZZ",
            "",
            "01",
            "01arz3ndektsv4rrffq69g5fav",
        ] {
            assert!(text.parse::<DiagnosisId>().is_err(), "{text}");
        }
    }
}

mod clocks {
    use super::*;

    /// Waiting out a flap of ten minutes.
    fn waiting(set: &RunbookSet) -> Diagnosis {
        let mut diagnosis = begin(set, "device-offline", NOW);
        tell(&mut diagnosis, "in-service", NOW);
        tell_value(&mut diagnosis, seen(TimeDelta::minutes(1), NOW), NOW);
        assert_eq!(diagnosis.step(), "flap");
        diagnosis
    }

    fn anomalies(diagnosis: &Diagnosis) -> Vec<Anomaly> {
        diagnosis
            .trace()
            .filter_map(|record| match record.what {
                iot_runbook::diagnosis::Recorded::Anomaly(anomaly) => Some(anomaly),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn a_day_back_the_wait_keeps_its_length() {
        let set = set();
        let mut diagnosis = waiting(&set);
        let minutes = TimeDelta::minutes;
        assert!(matches!(diagnosis.poll(NOW + minutes(4)), Output::Pending { .. }));
        let back = NOW - TimeDelta::days(1);
        let Output::Pending { until: Some(until) } = diagnosis.poll(back) else { panic!() };
        assert_eq!(until, back + minutes(6));
        assert_eq!(anomalies(&diagnosis), [Anomaly::ClockBack { to: back }]);
        assert!(matches!(diagnosis.poll(until - TimeDelta::nanoseconds(1)), Output::Pending { .. }));
        assert_eq!(probe(&mut diagnosis, until).query().check.as_ref(), "presence");
        // And it replays.
        let again = Diagnosis::resume(&diagnosis.bundle(), &set).unwrap();
        assert_eq!(again.bundle(), diagnosis.bundle());
    }

    #[test]
    fn jump_forward_makes_old_answers_stale() {
        let set = set();
        let mut diagnosis = waiting(&set);
        let forward = NOW + TimeDelta::days(3653);
        let request = probe(&mut diagnosis, forward);
        assert_eq!(anomalies(&diagnosis), [Anomaly::ClockForward, Anomaly::LongWait]);
        // The adapter's clock is right: what it observed now is ten years old by the diagnosis's.
        let value = request.query().domain.find_choice("steady").unwrap();
        diagnosis.answer(request.id, Observation::known(value, NOW, "test"), forward).unwrap();
        assert!(diagnosis.trace().any(|record| record.to_string().contains("unknown (stale)")));
        let again = Diagnosis::resume(&diagnosis.bundle(), &set).unwrap();
        assert_eq!(again.bundle(), diagnosis.bundle());
    }

    #[test]
    fn forward_and_back_again_no_wait_is_skipped() {
        let set = set();
        let mut diagnosis = waiting(&set);
        let forward = NOW + TimeDelta::days(3653);
        // The wait is over by the clock that is given; the next one begins on that clock.
        tell(&mut diagnosis, "flapping", forward);
        let mut other = waiting(&set);
        tell(&mut other, "flapping", NOW + TimeDelta::minutes(10));
        // Elapsed since the trigger: ten years against ten minutes.
        assert!(diagnosis.is_ended());
        assert_eq!(other.step(), "flap");
        let back = NOW + TimeDelta::minutes(11);
        let Output::Pending { until: Some(until) } = other.poll(back) else { panic!() };
        assert_eq!(until, NOW + TimeDelta::minutes(20));
    }

    #[test]
    fn less_than_a_second_back_is_no_anomaly() {
        let set = set();
        let mut diagnosis = waiting(&set);
        let _ = diagnosis.poll(NOW + TimeDelta::seconds(5));
        for _ in 0..10_000 {
            let _ = diagnosis.poll(NOW + TimeDelta::seconds(4));
        }
        assert!(anomalies(&diagnosis).is_empty());
        let Output::Pending { until: Some(until) } = diagnosis.poll(NOW + TimeDelta::seconds(5)) else {
            panic!()
        };
        assert_eq!(until, NOW + TimeDelta::minutes(10));
    }

    #[test]
    fn clock_that_swings_without_end_is_given_up() {
        let set = set();
        let mut diagnosis = waiting(&set);
        for n in 0..4_000 {
            let _ = diagnosis.poll(NOW + TimeDelta::seconds(if n % 2 == 0 { 2 } else { 0 }));
            if diagnosis.is_ended() {
                break;
            }
        }
        let finding = diagnosis.finding().unwrap();
        assert_eq!(finding.ending(), Ending::Aborted(Anomaly::ClockUnusable));
        assert_eq!(finding.conclusion(), None);
        assert!(diagnosis.trace_len() < 1_100, "{}", diagnosis.trace_len());
        let again = Diagnosis::resume(&diagnosis.bundle(), &set).unwrap();
        assert_eq!(again.bundle(), diagnosis.bundle());
    }

    #[test]
    fn ends_of_the_calendar_are_no_trouble() {
        let set = set();
        for at in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
            let mut diagnosis = waiting(&set);
            let _ = diagnosis.poll(at);
            let _ = diagnosis.poll(NOW);
            let _ = diagnosis.poll(at);
            let text = serde_json::to_string(&diagnosis.bundle()).unwrap();
            let bundle: Bundle = serde_json::from_str(&text).unwrap();
            assert_eq!(Diagnosis::resume(&bundle, &set).unwrap().bundle(), diagnosis.bundle());
        }
    }
}

mod alerts {
    use super::*;

    /// At `broker-connect`, with the alert that the device counts as offline handed out.
    fn alerted(set: &RunbookSet) -> (Diagnosis, u32) {
        let mut diagnosis = begin(set, "device-offline", NOW);
        tell(&mut diagnosis, "in-service", NOW);
        tell_value(&mut diagnosis, seen(TimeDelta::hours(1), NOW), NOW);
        let Output::Alert(alert) = diagnosis.poll(NOW) else { panic!() };
        (diagnosis, alert.number())
    }

    #[test]
    fn undelivered_alert_comes_again_after_a_crash() {
        let set = set();
        let (mut diagnosis, number) = alerted(&set);
        let mut resumed = Diagnosis::resume(&diagnosis.bundle(), &set).unwrap();
        assert!(matches!(resumed.poll(NOW), Output::Alert(_)));
        assert!(matches!(diagnosis.poll(NOW), Output::Probe(_)), "it was handed out twice");
        diagnosis.alert_delivered(number);
        let mut resumed = Diagnosis::resume(&diagnosis.bundle(), &set).unwrap();
        assert!(matches!(resumed.poll(NOW), Output::Probe(_)));
    }

    #[test]
    fn alert_must_be_handed_out_before_delivery() {
        let set = set();
        let (mut diagnosis, number) = alerted(&set);
        diagnosis.alert_delivered(number + 1);
        diagnosis.alert_delivered(u32::MAX);
        assert_eq!(diagnosis.bundle().alerts_told, 0);
        diagnosis.alert_delivered(number);
        diagnosis.alert_delivered(number);
        assert_eq!(diagnosis.bundle().alerts_told, 1);
    }
}

mod approvals {
    use super::*;

    fn asked(set: &RunbookSet, id: u128) -> (Diagnosis, iot_runbook::diagnosis::ApprovalRequest) {
        let trigger = Trigger::new("test", NOW);
        let mut diagnosis = Diagnosis::new(Ulid(id), set, "device-offline", subject(), trigger, NOW).unwrap();
        tell(&mut diagnosis, "in-service", NOW);
        tell_value(&mut diagnosis, seen(TimeDelta::hours(1), NOW), NOW);
        tell(&mut diagnosis, "well", NOW);
        tell(&mut diagnosis, "none", NOW);
        tell(&mut diagnosis, "offline", NOW);
        let Output::Approve(request) = diagnosis.poll(NOW) else { panic!() };
        (diagnosis, request)
    }

    #[test]
    fn one_of_another_diagnosis_is_refused() {
        let set = set();
        let (mut one, _) = asked(&set, 1);
        let (_, of_the_other) = asked(&set, 2);
        let refused = one.approve(of_the_other.grant("operator"), NOW);
        assert_eq!(refused, Err(AnswerError::OtherState { differs: "diagnosis" }));
    }

    #[test]
    fn act_without_its_recheck_is_not_done() {
        let set = set();
        let (mut diagnosis, request) = asked(&set, 1);
        diagnosis.approve(request.grant("operator"), NOW).unwrap();
        let recheck = probe(&mut diagnosis, NOW);
        assert_eq!(recheck.query().check.as_ref(), "restart-needed");
        let Output::Pending { until: Some(until) } = diagnosis.poll(NOW) else { panic!() };
        assert_eq!(until, NOW + TimeDelta::minutes(15));
        let mut resumed = Diagnosis::resume(&diagnosis.bundle(), &set).unwrap();
        let late = NOW + TimeDelta::days(3);
        let back = Observation::known(Value::Flag(false), late, "test");
        assert_eq!(resumed.answer(recheck.id, back, late), Err(AnswerError::NotOpen(recheck.id)));
        assert_eq!(resumed.step(), "restarted-by-hand");
    }

    #[test]
    fn new_wording_keeps_saved_diagnoses() {
        let text = include_str!("../../src/catalog/device-offline.toml");
        let old = "The device has been silent for longer than the offline threshold.";
        assert!(text.contains(old));
        let reworded = Document::from_toml(&text.replace(old, "It is offline.")).unwrap().validate().unwrap();
        let expiry = catalog::certificate_expiry().unwrap().validate().unwrap();
        let better = RunbookSet::new([reworded, expiry]).unwrap();
        let (diagnosis, request) = asked(&set(), 1);
        let mut resumed = Diagnosis::resume(&diagnosis.bundle(), &better).unwrap();
        resumed.approve(request.grant("operator"), NOW).unwrap();
    }
}

mod loops {
    use super::*;

    /// It waits until long after something that lies in the past, and looks again.
    pub(super) const IDLE: &str = r#"
        name = "idle"
        version = 1
        title = "Idle"
        start = "look"
        [checks.seen]
        scope = "device"
        domain = "instant"
        [steps.look]
        check = "seen"
        unknown = "explore"
        branches = [{ below = "1h", to = "end" }, { from = "1h", to = "pause" }]
        [steps.pause]
        wait = { until = { fact = "look", plus = "30m" } }
        to = "look"
        [conclusions.end]
        title = "The end"
        severity = "info"
    "#;

    #[test]
    fn waits_all_over_end_as_an_anomaly() {
        let set = of(IDLE);
        let mut diagnosis = start(&set, "idle");
        let old = NOW - TimeDelta::hours(2);
        for n in 0..10 {
            if diagnosis.is_ended() {
                break;
            }
            // A probe that takes a while each time, and always tells the same.
            tell_value(&mut diagnosis, Value::Instant(old), NOW + TimeDelta::seconds(n));
        }
        let finding = diagnosis.finding().unwrap();
        assert_eq!(finding.ending(), Ending::Aborted(Anomaly::IdleLoop));
        let again = Diagnosis::resume(&diagnosis.bundle(), &set).unwrap();
        assert_eq!(again.bundle(), diagnosis.bundle());
    }

    /// A person who takes their time each time around is no idle loop.
    #[test]
    fn one_in_which_a_person_is_asked_goes_on() {
        let text = IDLE
            .replace("to = \"look\"", "to = \"ask\"")
            .replace("start = \"look\"", "start = \"look\"\n[steps.ask]\nask = \"Go on?\"\ndomain = \"flag\"\nanswer_within = \"1h\"\nexpired = \"end\"\nbranches = [{ is = true, to = \"look\" }, { is = false, to = \"end\" }]");
        let set = of(&text);
        let mut diagnosis = start(&set, "idle");
        let mut now = NOW;
        for _ in 0..5 {
            tell_value(&mut diagnosis, Value::Instant(NOW - TimeDelta::hours(2)), now);
            let Output::Ask(request) = diagnosis.poll(now) else { panic!("{:?}", diagnosis.finding()) };
            now += TimeDelta::minutes(20);
            let reply = iot_runbook::diagnosis::Reply::new(Value::Flag(true), "operator");
            diagnosis.reply(request.id, reply, now).unwrap();
        }
        assert!(!diagnosis.is_ended());
    }

    #[test]
    fn one_that_waits_for_ever_is_given_up() {
        let text =
            IDLE.replace("wait = { until = { fact = \"look\", plus = \"30m\" } }", "wait = { for = \"1s\" }");
        let set = of(&text);
        let mut diagnosis = start(&set, "idle");
        let mut now = NOW;
        while !diagnosis.is_ended() {
            match diagnosis.poll(now) {
                Output::Probe(request) => {
                    let value = Value::Instant(NOW - TimeDelta::hours(2));
                    diagnosis.answer(request.id, Observation::known(value, now, "test"), now).unwrap();
                }
                Output::Pending { until: Some(until) } => now = until,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(diagnosis.finding().unwrap().ending(), Ending::Aborted(Anomaly::TooManyWaits));
    }
}

mod scale {
    use super::*;

    /// So many checks in a row; each unknown is explored.
    fn chain(steps: usize) -> String {
        let mut text = String::from(
            "name = \"chain\"\nversion = 1\ntitle = \"Chain\"\nstart = \"s0\"\n\
             [checks.fine]\nscope = \"device\"\ndomain = \"flag\"\n\
             [conclusions.end]\ntitle = \"The end\"\nseverity = \"info\"\n\
             [conclusions.out]\ntitle = \"Out\"\nseverity = \"info\"\n",
        );
        for n in 0..steps {
            let next = if n + 1 == steps { "end".to_owned() } else { format!("s{}", n + 1) };
            let _ = write!(
                text,
                "[steps.s{n}]\ncheck = \"fine\"\nparams = {{ n = {n} }}\nunknown = \"explore\"\n\
                 branches = [{{ is = true, to = \"{next}\" }}, {{ is = false, to = \"out\" }}]\n"
            );
        }
        text
    }

    #[test]
    fn five_thousand_steps_are_walked() {
        let set = of(&chain(5_000));
        let mut diagnosis = start(&set, "chain");
        while let Output::Probe(request) = diagnosis.poll(NOW) {
            diagnosis.answer(request.id, Observation::known(Value::Flag(true), NOW, "test"), NOW).unwrap();
        }
        assert_eq!(diagnosis.finding().unwrap().conclusion(), Some("end"));

        let mut diagnosis = start(&set, "chain");
        while let Output::Probe(request) = diagnosis.poll(NOW) {
            let unknown = Observation::unknown(UnknownReason::NoAdapter, "test", "");
            diagnosis.answer(request.id, unknown, NOW).unwrap();
        }
        let finding = diagnosis.finding().unwrap();
        assert_eq!(finding.hypotheses().len(), 2);
    }
}

mod saved {
    use super::*;

    fn half_way(set: &RunbookSet) -> Bundle {
        let mut diagnosis = begin(set, "device-offline", NOW);
        tell(&mut diagnosis, "in-service", NOW);
        tell_value(&mut diagnosis, seen(TimeDelta::hours(1), NOW), NOW);
        tell(&mut diagnosis, "well", NOW);
        tell(&mut diagnosis, "none", NOW);
        diagnosis.bundle()
    }

    #[test]
    fn edited_by_hand_it_is_refused() {
        let set = set();
        let good = serde_json::to_string(&half_way(&set)).unwrap();
        for (from, to) in [
            ("\"in-service\"", "\"maintenance\""),
            ("press-07", "press-08"),
            ("broker-connect", "gateway-health"),
            ("\"alerts_told\":1", "\"alerts_told\":0"),
            ("\"exploring\":false", "\"exploring\":true"),
        ] {
            let text = good.replacen(from, to, 1);
            assert_ne!(text, good, "{from} is not there");
            let bundle: Bundle = serde_json::from_str(&text).unwrap();
            assert_eq!(Diagnosis::resume(&bundle, &set).unwrap_err(), ResumeError::Damaged, "{from}");
        }
    }

    #[test]
    fn reordered_bundle_is_refused() {
        let set = set();
        let bundle = half_way(&set);
        let mut cut = bundle.clone();
        cut.records.pop();
        assert!(Diagnosis::resume(&cut, &set).is_err());
        let mut swapped = bundle.clone();
        swapped.records.swap(0, 1);
        assert!(Diagnosis::resume(&swapped, &set).is_err());
        let mut newer = bundle;
        newer.format = 3;
        assert_eq!(Diagnosis::resume(&newer, &set).unwrap_err(), ResumeError::Format { found: 3 });
    }

    #[test]
    fn with_other_thresholds_it_is_refused() {
        let bundle = half_way(&set());
        let offline = catalog::device_offline().unwrap().threshold("monitor_for", "11m").validate().unwrap();
        let expiry = catalog::certificate_expiry().unwrap().validate().unwrap();
        let other = RunbookSet::new([offline, expiry]).unwrap();
        let error = Diagnosis::resume(&bundle, &other).unwrap_err();
        assert!(matches!(error, ResumeError::OtherRunbook { .. }), "{error}");
        // So is one whose callee means something else.
        let offline = catalog::device_offline().unwrap().validate().unwrap();
        let document = catalog::certificate_expiry().unwrap().threshold("contact_within", "25h");
        let other = RunbookSet::new([offline, document.validate().unwrap()]).unwrap();
        let error = Diagnosis::resume(&bundle, &other).unwrap_err();
        assert!(matches!(error, ResumeError::OtherRunbook { .. }), "{error}");
        // And one of a set without it.
        let only = catalog::certificate_expiry().unwrap().validate().unwrap();
        let error = Diagnosis::resume(&bundle, &RunbookSet::new([only]).unwrap()).unwrap_err();
        assert!(matches!(error, ResumeError::NoSuchRunbook(_)), "{error}");
    }

    /// The digest is over the records' debug form: this test holds it still, so that what an earlier version
    /// saved is not refused by a later one.
    #[test]
    fn its_digest_stays_what_it_is() {
        let set = of(loops::IDLE);
        let mut diagnosis = start(&set, "idle");
        tell_value(&mut diagnosis, Value::Instant(NOW - TimeDelta::hours(1)), NOW);
        assert_eq!(
            diagnosis.bundle().digest,
            "03a2c1acf36203d2edcf0fae58b1665c9425ad85fb935af32298d138c6959a19"
        );
    }

    #[test]
    fn it_reads_back_from_other_formats() {
        let set = set();
        let bundle = half_way(&set);
        let text = toml::to_string(&bundle).unwrap();
        let read: Bundle = toml::from_str(&text).unwrap();
        assert_eq!(read, bundle);
    }
}

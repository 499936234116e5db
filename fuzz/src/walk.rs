//! Runbooks and diagnoses made of choices.

use std::sync::LazyLock;

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::catalog;
use iot_runbook::diagnosis::{Bundle, Diagnosis, Output, Reply};
use iot_runbook::fact::{Choice, Domain, Kind, Observation, UnknownReason, Value};
use iot_runbook::runbook::RunbookSet;
use iot_runbook::runbook::document::ThresholdValue;
use iot_runbook::runbook::step::ApprovalPolicy;
use iot_runbook::subject::{Subject, Trigger};
use ulid::Ulid;

use crate::choices::Choices;
use crate::model::{Model, World};
use crate::player;

/// When every diagnosis begins.
pub const NOW: DateTime<Utc> = crate::deepest::NOW;

static CATALOG: LazyLock<RunbookSet> = LazyLock::new(|| catalog::set().expect("the catalog is valid"));

const LENGTHS: [&str; 8] = ["1ns", "1ms", "5s", "4m59s", "5m", "30m", "24h", "3650d"];

/// The catalog; now and then with other thresholds and approvals, where they are valid.
pub fn runbooks(choices: &mut Choices<'_>) -> RunbookSet {
    if !choices.one_in(4) {
        return CATALOG.clone();
    }
    let mut runbooks = Vec::new();
    for document in catalog::documents().expect("the catalog reads") {
        let mut other = document.clone();
        for name in ["flap_window", "offline_after", "monitor_for", "reconnect_within", "lag_age"] {
            if choices.one_in(2) {
                other = other.threshold(name, ThresholdValue::Text(choices.pick(&LENGTHS).into()));
            }
        }
        let policy = [ApprovalPolicy::Automatic, ApprovalPolicy::Never, ApprovalPolicy::Required];
        other = other.approval("restart-gateway", choices.pick(&policy));
        // An override of what the one runbook lacks is a fault of it: then it stays as it is.
        let runbook = other.validate().or_else(|_| document.validate());
        runbooks.push(runbook.expect("the catalog is valid"));
    }
    RunbookSet::new(runbooks).expect("the catalog is a set")
}

pub fn begin(choices: &mut Choices<'_>, set: &RunbookSet) -> Diagnosis {
    let runbook = choices.pick(catalog::names());
    let subject = if choices.one_in(4) { Subject::device("press-07") } else { player::subject() };
    let ago = TimeDelta::seconds(choices.pick(&[0, 1, 299, 300, 1_800, 86_400, -60, -86_400, 4_000_000_000]));
    let trigger = Trigger::new("alert", NOW - ago);
    Diagnosis::new(Ulid(7), set, runbook, subject, trigger, NOW).expect("the catalog has it")
}

/// The model walks it as the machine does.
pub fn against_the_model(choices: &mut Choices<'_>) {
    let set = runbooks(choices);
    let runbook = choices.pick(catalog::names());
    let triggered_at = NOW - TimeDelta::seconds(choices.pick(&[0, 1, 299, 300, 600, 1_800, 3_999]));
    let world = World { unknowns: choices.below(6) as u64, seed: choices.long(), news: choices.below(4) };
    let resume = choices.one_in(4);
    let expected = Model::walk(&set, runbook, player::subject(), world, triggered_at, NOW);
    let diagnosis = player::play(player::begin(&set, runbook, triggered_at), world, |diagnosis| {
        if resume { saved_and_resumed(&diagnosis, &set) } else { diagnosis }
    });
    assert_eq!(player::walk(&diagnosis), expected);
}

/// Saves it as text, reads that, and resumes: the same diagnosis.
pub fn saved_and_resumed(diagnosis: &Diagnosis, set: &RunbookSet) -> Diagnosis {
    let saved = diagnosis.bundle();
    let text = serde_json::to_string(&saved).expect("a bundle is written");
    let read: Bundle = serde_json::from_str(&text).expect("what was written is read");
    assert_eq!(read, saved, "the text holds the bundle");
    let resumed = match Diagnosis::resume(&read, set) {
        Ok(resumed) => resumed,
        Err(error) => panic!("it does not resume: {error}\n{text}"),
    };
    assert_eq!(resumed.bundle(), saved, "what was resumed is what was saved");
    assert_eq!((resumed.step(), resumed.is_ended()), (diagnosis.step(), diagnosis.is_ended()));
    assert_eq!(resumed.due_at(), diagnosis.due_at());
    resumed
}

/// Goes on with nobody answering anything until it ends; it must.
pub fn to_the_end(diagnosis: &mut Diagnosis, mut now: DateTime<Utc>) {
    for _ in 0..100_000 {
        match diagnosis.poll(now) {
            Output::Probe(request) => {
                let unknown = Observation::unknown(UnknownReason::NoAdapter, "nobody", "");
                diagnosis.answer(request.id, unknown, now).expect("it was asked just now");
            }
            Output::Ask(request) => {
                diagnosis
                    .reply(request.id, Reply::does_not_know("nobody"), now)
                    .expect("it was asked just now");
            }
            // At the end of the calendar no clock goes on: somebody sets it right.
            Output::Pending { until: Some(until) } => now = if until > now { until } else { NOW },
            Output::Pending { until: None } => {
                // Requests handed out before are waited for: they are asked again.
                diagnosis.hand_out_again();
            }
            Output::Concluded(finding) => {
                assert!(diagnosis.is_ended());
                serde_json::to_string(&finding).expect("a finding is written");
                return;
            }
            _ => {}
        }
    }
    panic!("it does not end: {}", serde_json::to_string(&diagnosis.bundle()).unwrap_or_default());
}

/// Any value; mostly one of the domain.
pub fn value(choices: &mut Choices<'_>, domain: &Domain, now: DateTime<Utc>) -> Value {
    const SECONDS: [i64; 14] =
        [0, 1, 29, 30, 299, 300, 301, 600, 1_799, 1_800, 86_400, -31, -86_400, 4_000_000_000];
    let kind = match choices.byte() {
        0..=223 => match domain.kind() {
            _ if domain.is_optional() && choices.one_in(8) => 6,
            Kind::Duration => 0,
            Kind::Instant => 1,
            Kind::Number => 2,
            Kind::Count => 3,
            Kind::Flag => 4,
            _ => 5,
        },
        other => other % 7,
    };
    match kind {
        0 if choices.one_in(16) => Value::Duration(choices.pick(&[TimeDelta::MIN, TimeDelta::MAX])),
        0 => Value::Duration(TimeDelta::seconds(choices.pick(&SECONDS))),
        1 if choices.one_in(16) => {
            Value::Instant(choices.pick(&[DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC]))
        }
        1 => {
            let ago = TimeDelta::seconds(choices.pick(&SECONDS));
            Value::Instant(now.checked_sub_signed(ago).unwrap_or(now))
        }
        2 => Value::Number(choices.pick(&[
            0.0,
            -0.0,
            0.5,
            0.95,
            1.0,
            0.1 + 0.2,
            f64::MIN_POSITIVE,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ])),
        3 => Value::Count(choices.pick(&[0, 1, 9, 10, 11, 9_999, 10_000, u64::MAX])),
        4 => Value::Flag(choices.one_in(2)),
        5 => {
            let names = match domain.kind() {
                Kind::Choice(names) => names.len(),
                _ => 3,
            };
            let past = usize::from(choices.one_in(64));
            Value::Choice(Choice::new((choices.below(names) + past * names) as u16))
        }
        _ => Value::Absent,
    }
}

pub fn observation(choices: &mut Choices<'_>, domain: &Domain, now: DateTime<Utc>) -> Observation {
    use UnknownReason as Reason;
    if choices.one_in(8) {
        let reason = choices.pick(&[Reason::Timeout, Reason::Failed, Reason::NoAdapter, Reason::NotInDomain]);
        return Observation::unknown(reason, "fuzz", choices.pick(&["", "down", "\"\n\u{0}"]));
    }
    let ago = TimeDelta::seconds(choices.pick(&[0, 0, 0, 1, 299, 301, -301, 86_400]));
    let observed_at = now.checked_sub_signed(ago).unwrap_or(now);
    Observation::known(value(choices, domain, now), observed_at, "fuzz")
}

/// Another time: mostly a little later, at times far off or back.
pub fn time_after(choices: &mut Choices<'_>, diagnosis: &Diagnosis, now: DateTime<Utc>) -> DateTime<Utc> {
    const DAY: i64 = 86_400;
    let by = match choices.byte() {
        0..=95 => TimeDelta::zero(),
        96..=159 => return diagnosis.due_at().unwrap_or(now),
        160..=223 => TimeDelta::seconds(choices.pick(&[1, 30, 299, 300, 301, 1_800])),
        224..=239 => {
            TimeDelta::seconds(choices.pick(&[-1, -2, -DAY, DAY, DAY + 1, 3_650 * DAY, -3_650 * DAY]))
        }
        240..=249 => {
            TimeDelta::nanoseconds(choices.pick(&[1, -1, 999_999_999, 1_000_000_001, -1_000_000_001]))
        }
        250..=253 => return NOW,
        254 => return DateTime::<Utc>::MAX_UTC,
        255 => return DateTime::<Utc>::MIN_UTC,
    };
    now.checked_add_signed(by).unwrap_or(now)
}

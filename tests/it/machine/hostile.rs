//! A hostile world: clocks that jump, answers that lie, come late or come twice, news and withdrawals at any moment, and a
//! restart after every call.

use chrono::{DateTime, Utc};
use iot_runbook::diagnosis::{ActReport, Approval, Output, Reply, RequestId};
use iot_runbook::fact::{Choice, Domain, Kind, Observation, UnknownReason, Value};

use super::*;

/// Draws what happens next.
#[derive(Clone, Copy)]
struct Draws(u64);

impl Draws {
    fn below(&mut self, count: usize) -> usize {
        // SplitMix64: any mixing would do.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((bits ^ (bits >> 31)) % count as u64).unwrap()
    }

    fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }

    /// A value of that domain, but for one in eight.
    fn value(&mut self, domain: &Domain, now: DateTime<Utc>) -> Value {
        if self.below(8) == 0 {
            return self.one_of(&[Value::Absent, Value::Number(f64::NAN), Value::Choice(Choice::new(9))]);
        }
        match domain.kind() {
            Kind::Instant => {
                Value::Instant(now - TimeDelta::seconds(self.one_of(&[-31, -30, 0, 700, 90_000])))
            }
            Kind::Number => Value::Number(self.one_of(&[0.2, 0.5])),
            Kind::Count => Value::Count(self.one_of(&[10, 11])),
            Kind::Choice(choices) => {
                Value::Choice(Choice::new(u16::try_from(self.below(choices.len())).unwrap()))
            }
            _ => Value::Flag(self.below(2) == 0),
        }
    }

    fn observation(&mut self, domain: &Domain, now: DateTime<Utc>) -> Observation {
        if self.below(4) == 0 {
            let reason =
                self.one_of(&[UnknownReason::Timeout, UnknownReason::Refused, UnknownReason::Future]);
            return Observation::unknown(reason, "world", "");
        }
        let age = TimeDelta::seconds(self.one_of(&[0, 0, 0, 0, -31, 301, 86_400]));
        Observation::known(self.value(domain, now), now - age, "world")
    }
}

/// Everything that was handed out, answered or not.
#[derive(Default)]
struct Requests {
    probes: Vec<(RequestId, Domain)>,
    questions: Vec<(RequestId, Domain)>,
    acts: Vec<RequestId>,
    approvals: Vec<Approval>,
}

impl Requests {
    /// Takes what the diagnosis wants at that time.
    fn take(&mut self, diagnosis: &mut Diagnosis, now: DateTime<Utc>) {
        loop {
            match diagnosis.poll(now) {
                Output::Probe(request) => self.probes.push((request.id, request.query().domain.clone())),
                Output::Ask(request) => self.questions.push((request.id, request.domain().clone())),
                Output::Act(request) => self.acts.push(request.id),
                Output::Approve(request) => {
                    self.approvals.extend([request.grant("ann"), request.decline("bob", "no")]);
                }
                Output::Alert(_) => {}
                _ => return,
            }
        }
    }
}

/// One of the last three of them, or of all.
fn recent<T: Clone>(all: &[T], draws: &mut Draws) -> Option<T> {
    let from = if draws.below(8) == 0 { 0 } else { all.len().saturating_sub(3) };
    (!all.is_empty()).then(|| draws.one_of(&all[from..]))
}

/// Something happens to the diagnosis; what it says of it.
fn strike(diagnosis: &mut Diagnosis, requests: &Requests, mut draws: Draws, now: DateTime<Utc>) -> String {
    let draws = &mut draws;
    match draws.below(60) {
        0..34 => recent(&requests.probes, draws).map_or_else(String::new, |(request, domain)| {
            format!("{:?}", diagnosis.answer(request, draws.observation(&domain, now), now))
        }),
        34..40 => recent(&requests.approvals, draws)
            .map_or_else(String::new, |approval| format!("{:?}", diagnosis.approve(approval, now))),
        40..44 => recent(&requests.acts, draws).map_or_else(String::new, |request| {
            format!("{:?}", diagnosis.report_act(request, ActReport::done("world"), now))
        }),
        44..48 => recent(&requests.questions, draws).map_or_else(String::new, |(request, domain)| {
            format!("{:?}", diagnosis.reply(request, Reply::new(draws.value(&domain, now), "world"), now))
        }),
        48..54 => {
            let query = draws.one_of(SET.queries());
            let observation = draws.observation(&query.domain, now);
            format!("{:?}", diagnosis.inform(&query.check, observation, now))
        }
        54 => format!("{:?}", diagnosis.withdraw("ann", "enough", now)),
        55..57 => format!("{:?}", diagnosis.go_on(now)),
        _ => {
            diagnosis.alert_delivered(u32::try_from(draws.below(2)).unwrap());
            String::new()
        }
    }
}

const STEPS: [i64; 16] =
    [0, 0, 0, 0, 1, 1, 2, 30, 60, 300, 3_600, 200_000, 40_000_000, -1, -3_600, -40_000_000];

proptest! {
    #![proptest_config(crate::random::cases(12))]

    #[test]
    fn restarts_change_nothing_in_a_hostile_world(parts in 0..16_u8, seed: u64) {
        let mut draws = Draws(seed);
        let mut straight = player::begin_of(&SET, "press", player::subject_with(parts), NOW);
        let mut restarted = straight.clone();
        let (mut requests, mut now) = (Requests::default(), NOW);
        for _ in 0..40 {
            now += TimeDelta::milliseconds(draws.one_of(&STEPS) * 1_000 + draws.one_of(&[0, 0, -900, 400]));
            requests.take(&mut straight, now);
            Requests::default().take(&mut restarted, now);
            restarted = saved(&restarted);
            prop_assert_eq!(straight.bundle(), restarted.bundle());
            let said = strike(&mut straight, &requests, draws, now);
            prop_assert_eq!(strike(&mut restarted, &requests, draws, now), said);
            restarted = saved(&restarted);
            prop_assert_eq!(straight.bundle(), restarted.bundle());
            prop_assert_eq!(straight.due_at(), restarted.due_at());
            draws.below(2);
        }
        // Nobody answers any more: time alone brings it to an end.
        for _ in 0..200 {
            if straight.is_ended() {
                break;
            }
            // A probe that hangs is given up after the longest time, a day at a time.
            now = straight.due_at().map_or(now + TimeDelta::days(1), |due| due.max(now));
            let _ = straight.poll(now);
        }
        prop_assert!(straight.is_ended(), "at {}", straight.step());
        prop_assert!(!requests.probes.iter().any(|(request, _)| straight.is_open(*request)));
        prop_assert_eq!(saved(&straight).finding(), straight.finding());
    }
}

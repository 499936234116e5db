use chrono::TimeDelta;

use super::share::{Answers, Gap, OfTag as _, count, judge_missing, percent};
use crate::check::prelude::*;
use crate::probe::{Acquisition as Answer, AcquisitionRequest};
use crate::time::format_duration;

choices! {
    State {
        NotAcquired = "not-acquired",
        NotPassedOn = "not-passed-on",
        PassedOn = "passed-on",
    }
}

check! {
    /// Did the gateway get samples of the device, and pass them on?
    Acquisition = "acquisition", Gateway, Period, State::VALUES;
    explains: f64,
}

impl Builtin for Acquisition {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let probe = adapter(probes.gateway(), "gateway probe")?;
        let gateway = request.gateway(probe.source())?;
        let ask = |period| {
            let asked = AcquisitionRequest::new(gateway.clone(), request.device(), period).of_tag(request);
            async move { probe.acquisition(&asked).await }
        };
        judge_missing(request, probes, probe.source(), ask, |answers, gap| judge(answers, gap, self.explains))
            .await
    }
}

/// What of the rows due had no sample, and what had one that was not passed on: each a part of the period's samples.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Parts {
    not_acquired: f64,
    not_passed_on: f64,
}

/// The parts in the unit of the polls: a poll may be made more often than a row is due.
fn parts(answers: &Answers<Answer>) -> Result<Parts, String> {
    let sum = |count: fn(&Answer) -> Option<u64>| answers.sum_known(count);
    let (answered, withheld, passed_on) = (
        sum(|answer| answer.answered),
        sum(|answer| answer.withheld).unwrap_or_default(),
        sum(|answer| answer.passed_on),
    );
    let (due, made, failed) =
        (sum(|answer| answer.due), sum(|answer| answer.made), sum(|answer| answer.failed));
    let not_acquired = match due.or(made) {
        Some(0) => return Err("no poll was due, and no subscription is known".to_owned()),
        Some(due) => {
            let answered = match (answered, made, failed) {
                (Some(answered), ..) => answered,
                (None, Some(made), Some(failed)) => made.saturating_sub(failed),
                _ => return Err("nobody knows how many polls were answered".to_owned()),
            };
            due.saturating_sub(answered) as f64 / due as f64
        }
        None => {
            let down = answers.iter().try_fold(TimeDelta::zero(), |sum, answer| {
                sum.checked_add(&answer.subscription_down?.max(TimeDelta::zero()))
            });
            let Some(down) = down else {
                return Err("nobody knows whether the device was polled or its subscription lived".to_owned());
            };
            let length = answers.length().as_seconds_f64();
            if length <= 0.0 { 0.0 } else { (down.as_seconds_f64() / length).min(1.0) }
        }
    };
    let not_passed_on = match (answered, passed_on) {
        (Some(0), _) => 0.0,
        (Some(answered), Some(passed_on)) => {
            let lost = answered.saturating_sub(passed_on.saturating_add(withheld)) as f64 / answered as f64;
            lost * (1.0 - not_acquired)
        }
        // What came was all that was due: none of it can be lost.
        _ if not_acquired >= 1.0 => 0.0,
        _ => return Err("nobody knows how many of the samples were passed on".to_owned()),
    };
    Ok(Parts { not_acquired, not_passed_on })
}

/// In this order: not acquired, not passed on, passed on. What a deadband withheld is passed on, and a subscription that
/// lives is answered. A part of the samples is the same part of the rows that were due, at most those that are missing.
fn judge(answers: &Answers<Answer>, gap: &Gap, explains: f64) -> Verdict {
    let sum = |count: fn(&Answer) -> Option<u64>| answers.sum_known(count);
    let mut details = vec![
        count("polls due", sum(|answer| answer.due)),
        count("made", sum(|answer| answer.made)),
        count("failed", sum(|answer| answer.failed)),
        count("answered", sum(|answer| answer.answered)),
        count("withheld by a deadband", sum(|answer| answer.withheld)),
        count("passed on", sum(|answer| answer.passed_on)),
    ];
    let down = answers.iter().filter_map(|answer| answer.subscription_down).max();
    details.extend(down.map(|down| Detail::new("subscription down for", format_duration(down))));
    details.extend(answers.text("error", |answer| answer.error.as_deref()));
    details.extend(gap.notes());
    if let Some(missing) = answers.not_covered() {
        return Verdict::stale(missing).with(details);
    }
    let parts = match parts(answers) {
        Ok(parts) => parts,
        Err(why) => return Verdict::undetermined(why).with(details),
    };
    let share = |part: f64| gap.share_of_rows(part * gap.expected() as f64);
    let (not_acquired, not_passed_on) = (share(parts.not_acquired), share(parts.not_passed_on));
    let is_cause = |share: f64| share >= explains && share > 0.0;
    let state = if is_cause(not_acquired) {
        State::NotAcquired
    } else if is_cause(not_passed_on) {
        State::NotPassedOn
    } else {
        State::PassedOn
    };
    Verdict::known(state, answers.observed_at(gap))
        .accounting_for(not_acquired + not_passed_on)
        .with([
            Detail::new("not acquired", percent(not_acquired)),
            Detail::new("not passed on", percent(not_passed_on)),
        ])
        .with(details)
}

#[cfg(test)]
mod tests {
    use super::super::share::testing::{gap, whole};
    use super::*;
    use crate::check::testing::*;

    fn answer() -> Answer {
        Answer::new(at(NOW), period(0, 100))
    }

    fn polls(due: u64, answered: u64, passed_on: u64) -> Answer {
        answer().with_due(due).with_answered(answered).with_passed_on(passed_on)
    }

    /// Of 100 expected rows 60 are missing.
    fn judged(answer: Answer) -> Verdict {
        judge(&whole(answer), &gap(100, 40), 0.5)
    }

    #[test]
    fn each_state_by_its_share_of_the_missing_rows() {
        for (answer, state, share) in [
            (polls(1000, 1000, 1000), State::PassedOn, 0.0),
            (polls(1000, 400, 400), State::NotAcquired, 1.0),
            (polls(1000, 700, 700), State::NotAcquired, 0.5),
            (polls(1000, 701, 701), State::PassedOn, 29.9 / 60.0),
            (polls(1000, 1000, 700), State::NotPassedOn, 0.5),
            (polls(1000, 0, 0), State::NotAcquired, 1.0),
            // What the deadband withheld is passed on.
            (polls(1000, 1000, 400).with_withheld(600), State::PassedOn, 0.0),
            // Polls that were not made are not acquired either.
            (
                answer().with_due(10).with_made(4).with_failed(0).with_passed_on(4).with_answered(4),
                State::NotAcquired,
                1.0,
            ),
            (
                answer().with_made(10).with_failed(3).with_answered(7).with_passed_on(7),
                State::NotAcquired,
                0.5,
            ),
        ] {
            let judged = judged(answer.clone());
            judged.expect_of(&answer, state);
            assert!((judged.accounts_for().unwrap() - share).abs() < 1e-9, "{answer:?} {judged:?}");
        }
    }

    #[test]
    fn live_subscription_is_answered() {
        let with = |down| answer().with_subscription_down(TimeDelta::seconds(down));
        let silent = judged(with(0).with_answered(0));
        silent.expect_share(State::PassedOn, 0.0);
        judged(with(30).with_answered(0)).expect(State::NotAcquired);
        judged(with(29).with_answered(0)).expect(State::PassedOn);
        let stopped = judged(with(0).with_answered(10).with_passed_on(7));
        stopped.expect(State::NotPassedOn);
    }

    #[test]
    fn counts_that_are_not_known_decide_nothing() {
        for answer in [
            answer(),
            answer().with_due(10),
            answer().with_due(10).with_answered(10),
            answer().with_answered(10).with_passed_on(10),
            polls(0, 0, 0),
        ] {
            judged(answer.clone()).expect_of(&answer, Undetermined);
        }
        let short = Answer { covers: period(0, 99), ..polls(10, 10, 10) };
        judged(short).expect(Stale);
    }
}

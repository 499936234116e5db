use super::share::{Answers, Gap, OfTag as _, count, judge_missing, percent};
use crate::check::prelude::*;
use crate::probe::{Elsewhere, ElsewhereRequest};
use crate::time::format_duration;

choices! {
    State {
        OtherTimes = "other-times",
        OutOfSight = "out-of-sight",
        Nowhere = "nowhere",
    }
}

check! {
    /// Did the database take the missing rows under another time, or in another place?
    StoredElsewhere = "stored-elsewhere", Device, Period, State::VALUES;
    explains: f64,
}

impl Builtin for StoredElsewhere {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let probe = adapter(probes.telemetry(), "telemetry probe")?;
        let ask = |period| {
            let asked = ElsewhereRequest::new(request.device(), period).of_tag(request);
            async move { probe.elsewhere(&asked).await }
        };
        judge_missing(request, probes, probe.source(), ask, |answers, gap| judge(answers, gap, self.explains))
            .await
    }
}

/// In this order: other times, out of sight, nowhere. The backfill of an earlier gap is where it belongs; where far more rows
/// are under other times than are missing, and by none of them it is known how far they are off, some may be such a backfill.
fn judge(answers: &Answers<Elsewhere>, gap: &Gap, explains: f64) -> Verdict {
    let sum = |count: fn(&Elsewhere) -> Option<u64>| answers.sum_known(count);
    let other_times = sum(|answer| answer.other_times.map(|rows| rows.saturating_sub(answer.backfill)));
    let places = [
        ("under another name", sum(|answer| answer.other_name)),
        ("replaced by a row of the same key", sum(|answer| answer.replaced)),
        ("thinned or deleted by a retention rule", sum(|answer| answer.retention)),
        ("not applied yet", sum(|answer| answer.not_applied)),
    ];
    let out_of_sight = places.iter().filter_map(|(_, rows)| *rows).fold(0, u64::saturating_add);
    let mut details = vec![count("under other times", other_times)];
    details.extend(places.iter().map(|(name, rows)| count(name, *rows)));
    let off_by = answers.iter().find_map(|answer| answer.off_by);
    details.extend(off_by.map(|length| Detail::new("times are off by", format_duration(length))));
    details.extend(answers.text("example", |answer| answer.example.as_deref()));
    details.extend(gap.notes());
    if answers.iter().any(|answer| answer.other_times.is_some_and(|rows| answer.backfill > rows)) {
        let why = "more rows fill an earlier gap than are stored under other times";
        return Verdict::undetermined(why).with(details);
    }

    let beyond = other_times.is_some_and(|rows| rows / 2 >= gap.missing());
    if beyond && off_by.is_none() {
        let why = "far more rows are under other times than are missing: say which are a backfill, or how far they are off";
        return Verdict::undetermined(why).with(details);
    }

    let times = gap.share_of_rows(other_times.unwrap_or_default() as f64);
    let sight = gap.share_of_rows(out_of_sight as f64);
    let is_cause = |share: f64| share >= explains && share > 0.0;
    let known = |state: State| Verdict::known(state, answers.observed_at(gap)).accounting_for(times + sight);
    let judged = if is_cause(times) {
        known(State::OtherTimes)
    } else if is_cause(sight) {
        known(State::OutOfSight)
    } else if let Some(missing) = answers.not_covered() {
        Verdict::stale(missing)
    } else if other_times.is_none() || places.iter().any(|(_, rows)| rows.is_none()) {
        Verdict::undetermined("nobody looked in each of the places")
    } else {
        known(State::Nowhere)
    };
    judged
        .with([Detail::new("other times", percent(times)), Detail::new("out of sight", percent(sight))])
        .with(details)
}

#[cfg(test)]
mod tests {
    use super::super::share::testing::{gap, whole};
    use super::*;
    use crate::check::testing::*;

    fn looked() -> Elsewhere {
        Elsewhere::new(at(NOW), period(0, 100))
            .with_other_times(0)
            .with_other_name(0)
            .with_replaced(0)
            .with_retention(0)
            .with_not_applied(0)
    }

    fn judged(answer: Elsewhere) -> Verdict {
        judge(&whole(answer), &gap(20, 10), 0.5)
    }

    #[test]
    fn each_place_by_its_share() {
        for (answer, state, share) in [
            (looked(), State::Nowhere, 0.0),
            (looked().with_other_times(4), State::Nowhere, 0.4),
            (looked().with_other_times(5), State::OtherTimes, 0.5),
            (looked().with_other_times(5).with_backfill(1), State::Nowhere, 0.4),
            (looked().with_other_name(5), State::OutOfSight, 0.5),
            (looked().with_replaced(5), State::OutOfSight, 0.5),
            (looked().with_retention(5), State::OutOfSight, 0.5),
            (looked().with_not_applied(5), State::OutOfSight, 0.5),
            (
                looked().with_other_name(2).with_replaced(1).with_retention(1).with_not_applied(1),
                State::OutOfSight,
                0.5,
            ),
            (looked().with_other_times(5).with_replaced(5), State::OtherTimes, 1.0),
            (looked().with_other_times(3).with_replaced(3), State::Nowhere, 0.6),
        ] {
            judged(answer.clone()).expect_share_of(&answer, state, share);
        }
    }

    #[test]
    fn backfill_that_nobody_marked_explains_nothing() {
        for rows in [20, 5_000, u64::MAX] {
            let found = looked().with_other_times(rows);
            judged(found.clone()).expect_of(&rows, Undetermined);
            let off = found.with_off_by(secs(3600));
            judged(off).expect_of(&rows, State::OtherTimes);
        }
        judged(looked().with_other_times(19)).expect(State::OtherTimes);
    }

    #[test]
    fn place_that_nobody_looked_in_leaves_it_open() {
        for place in 0..5 {
            let mut answer = looked();
            *[
                &mut answer.other_times,
                &mut answer.other_name,
                &mut answer.replaced,
                &mut answer.retention,
                &mut answer.not_applied,
            ][place] = None;
            judged(answer.clone()).expect_of(&answer, Undetermined);
            // What was found elsewhere is there all the same.
            let found = if place == 0 { answer.with_replaced(5) } else { answer.with_other_times(5) };
            assert!(judged(found.clone()).value().is_some(), "{found:?}");
        }
        judged(looked().with_backfill(1)).expect(Undetermined);
        let short = Elsewhere { covers: period(0, 99), ..looked() };
        judged(short.clone()).expect(Stale);
        judged(short.with_replaced(5)).expect(State::OutOfSight);
    }
}

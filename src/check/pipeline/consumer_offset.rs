use super::share::{Answers, Gap, OfTag as _, judge_missing, percent};
use crate::check::prelude::*;
use crate::probe::{
    Offsets, OffsetsRequest, OpenTransaction, ResetCause, StuckRecord, StuckState, TransactionState,
};

choices! {
    State {
        Skipped = "skipped",
        HeldBack = "held-back",
        PoisonRecord = "poison-record",
        None = "none",
    }
}

check! {
    /// Where did the ingestion group stop or skip, and why?
    ConsumerOffset = "consumer-offset", Pipeline, Period, State::VALUES;
    explains: f64,
}

impl Builtin for ConsumerOffset {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let probe = adapter(probes.kafka(), "kafka probe")?;
        let pipeline = request.pipeline(probe.source())?;
        let ask = |period| {
            let asked = OffsetsRequest::new(pipeline.clone(), request.device(), period).of_tag(request);
            async move { probe.offsets(&asked).await }
        };
        judge_missing(request, probes, probe.source(), ask, |answers, gap| judge(answers, gap, self.explains))
            .await
    }
}

/// How many messages a cause accounts for, with what the trace says of it; `None` where nobody knows.
type Found = Option<(u64, Vec<Detail>)>;

/// Messages that a reset of the offset skipped.
fn skipped(answers: &Answers<Offsets>) -> Found {
    let count = answers.sum_known(|answer| {
        let resets = answer.resets.as_ref()?;
        Some(resets.iter().map(|reset| reset.skipped).fold(0, u64::saturating_add))
    })?;
    let resets = answers.iter().flat_map(|answer| answer.resets.iter().flatten());
    let details = resets.map(|reset| {
        let cause = match reset.cause {
            ResetCause::Position => "set to a position",
            ResetCause::Newest => "reset to the newest message",
            ResetCause::NotKnown => "moved by an unknown cause",
        };
        let text = format!(
            "{cause} at {}: from offset {} to {}, {} messages of the device skipped",
            moment(reset.at),
            reset.from,
            reset.to,
            reset.skipped
        );
        Detail::new("offset reset", text)
    });
    Some((count, details.collect()))
}

/// Messages that an open transaction holds back from consumers that read committed records alone. The head must have
/// moved on: a last stable offset at the head holds nothing back.
fn held_back(answers: &Answers<Offsets>) -> Result<Found, String> {
    let mut count = 0_u64;
    let mut details = Vec::new();
    for answer in answers.iter() {
        let open = match &answer.transaction {
            TransactionState::NotOpen => continue,
            TransactionState::NotKnown => return Ok(None),
            TransactionState::Open(open) => open,
        };
        let OpenTransaction { last_stable_offset, high_watermark, held_back, .. } = open;
        if last_stable_offset > high_watermark {
            return Err(format!(
                "the last stable offset {last_stable_offset} is beyond the head {high_watermark}"
            ));
        }
        let text = format!("from offset {last_stable_offset}, the head is at {high_watermark}");
        details.push(Detail::new("open transaction", text));
        details.extend(open.unmoved_since.map(|at| when("last stable offset unmoved since", at)));
        details.extend(open.producer.as_deref().map(|producer| Detail::new("producer", producer)));
        match open.reads_committed {
            _ if last_stable_offset == high_watermark => {}
            Some(true) => count = count.saturating_add(*held_back),
            Some(false) => details.push(Detail::new("consumers", "read uncommitted records too")),
            None if *held_back == 0 => {}
            None => return Ok(None),
        }
    }
    Ok(Some((count, details)))
}

/// Messages at or behind a record that failed more than once.
fn behind_record(answers: &Answers<Offsets>) -> Found {
    let mut count = 0_u64;
    let mut details = Vec::new();
    for answer in answers.iter() {
        match &answer.stuck {
            StuckState::NotStuck => {}
            StuckState::NotKnown => return None,
            StuckState::Stuck(StuckRecord { offset, failures, behind, since, example }) => {
                if *failures > 1 {
                    count = count.saturating_add(*behind);
                }
                details.push(Detail::new(
                    "record that fails",
                    format!("offset {offset}, failed {failures} times"),
                ));
                details.extend(since.map(|at| when("position unmoved since", at)));
                details.extend(example.as_deref().map(|text| Detail::new("example", text)));
            }
        }
    }
    Some((count, details))
}

/// In this order: skipped, held back, one record, none; each by its own share. Below `explains`, what is held back or
/// behind a record is unread, and counted as such by `consumer-lag`: here only what was skipped counts then.
fn judge(answers: &Answers<Offsets>, gap: &Gap, explains: f64) -> Verdict {
    let held = match held_back(answers) {
        Ok(held) => held,
        Err(why) => return Verdict::undetermined(why).with(gap.notes()),
    };
    let found = [
        (State::Skipped, "skipped", skipped(answers)),
        (State::HeldBack, "held back", held),
        (State::PoisonRecord, "behind one record", behind_record(answers)),
    ];
    let mut details = Vec::new();
    let mut shares = [None; 3];
    for ((_, name, found), share) in found.iter().zip(&mut shares) {
        let Some((count, told)) = found else {
            details.push(Detail::new(*name, "not known"));
            continue;
        };
        let of_missing = gap.share_of_messages(*count);
        *share = Some(of_missing);
        details.push(Detail::new(*name, format!("{count} messages, {}", percent(of_missing))));
        details.extend(told.iter().cloned());
    }
    let details = details.into_iter().chain(gap.notes());
    let observed_at = answers.observed_at(gap);
    let known = |state: State, share: f64| Verdict::known(state, observed_at).accounting_for(share);
    let [skipped, ..] = shares;
    let skipped = skipped.unwrap_or_default();
    let cause = found.iter().zip(shares).find_map(|((state, ..), share)| {
        let share = share.filter(|share| *share >= explains && *share > 0.0)?;
        // What was skipped counts as read: it is never among what waits.
        Some(known(*state, if *state == State::Skipped { share } else { share + skipped }))
    });
    let judged = match cause {
        Some(judged) => judged,
        None if shares.contains(&None) => Verdict::undetermined(
            "nobody knows whether the group skipped messages, is held back, or stops at one record",
        ),
        None => match answers.not_covered() {
            Some(missing) => Verdict::stale(missing),
            None => known(State::None, skipped),
        },
    };
    judged.with(details)
}

#[cfg(test)]
mod tests {
    use super::super::share::testing::{gap, whole};
    use super::*;
    use crate::check::testing::*;
    use crate::probe::OffsetReset;

    fn well() -> Offsets {
        Offsets::new(at(NOW), period(0, 100))
            .with_resets(vec![])
            .with_transaction(TransactionState::NotOpen)
            .with_stuck(StuckState::NotStuck)
    }

    fn reset(skipped: u64) -> Vec<OffsetReset> {
        vec![OffsetReset::new(at(50), 10, 90, skipped).with_cause(ResetCause::Newest)]
    }

    fn open(held_back: u64) -> OpenTransaction {
        OpenTransaction::new(10, 90, held_back).with_reads_committed(true)
    }

    fn stuck(failures: u64, behind: u64) -> StuckState {
        StuckState::Stuck(StuckRecord::new(10, failures, behind))
    }

    /// 10 rows are missing.
    fn judged(answer: Offsets) -> Verdict {
        judge(&whole(answer), &gap(20, 10), 0.5)
    }

    #[test]
    fn each_kind_by_its_own_share() {
        let held = |count| well().with_transaction(TransactionState::Open(open(count)));
        for (answer, state, share) in [
            (well(), State::None, 0.0),
            (well().with_resets(reset(4)), State::None, 0.4),
            (well().with_resets(reset(5)), State::Skipped, 0.5),
            (held(4), State::None, 0.0),
            (held(5), State::HeldBack, 0.5),
            (well().with_stuck(stuck(9, 4)), State::None, 0.0),
            (well().with_stuck(stuck(9, 5)), State::PoisonRecord, 0.5),
            // Each below the bound: the shares of different kinds do not make a cause.
            (held(4).with_stuck(stuck(9, 4)).with_resets(reset(4)), State::None, 0.4),
            // All at once: in this order.
            (held(9).with_stuck(stuck(9, 9)).with_resets(reset(5)), State::Skipped, 0.5),
            (held(9).with_stuck(stuck(9, 9)), State::HeldBack, 0.9),
            (held(5).with_resets(reset(4)), State::HeldBack, 0.9),
        ] {
            judged(answer.clone()).expect_share_of(&answer, state, share);
        }
    }

    #[test]
    fn transaction_holds_back_committed_readers() {
        let with = |open: OpenTransaction| judged(well().with_transaction(TransactionState::Open(open)));
        with(open(9)).expect(State::HeldBack);
        with(open(9).with_reads_committed(false)).expect(State::None);
        let at_head = OpenTransaction::new(90, 90, 9).with_reads_committed(true);
        with(at_head).expect(State::None);
        with(OpenTransaction::new(10, 90, 9)).expect(Undetermined);
        with(OpenTransaction::new(91, 90, 9)).expect(Undetermined);
    }

    #[test]
    fn one_failure_makes_no_poison_record() {
        judged(well().with_stuck(stuck(1, 9))).expect(State::None);
        judged(well().with_stuck(stuck(2, 9))).expect(State::PoisonRecord);
    }

    #[test]
    fn unknown_is_open_unless_a_cause_is_found() {
        let no_resets = || Offsets { resets: None, ..well() };
        for answer in [
            no_resets(),
            well().with_transaction(TransactionState::NotKnown),
            well().with_stuck(StuckState::NotKnown),
        ] {
            judged(answer.clone()).expect_of(&answer, Undetermined);
        }
        judged(no_resets().with_stuck(stuck(9, 9))).expect(State::PoisonRecord);
        let short = Offsets { covers: period(0, 99), ..well() };
        judged(short).expect(Stale);
    }

    #[test]
    fn the_reset_is_named() {
        let judged = judged(well().with_resets(reset(5)));
        assert!(
            judged.detail("offset reset").is_some_and(|text| text.starts_with("reset to the newest message"))
        );
    }
}

use chrono::{DateTime, TimeDelta};

use super::share::{Answers, Gap, OfTag as _, count, judge_missing};
use crate::check::prelude::*;
use crate::lag::{self, GroupState, Judge, Report, Rule, Sample, Settings, Window};
use crate::probe::{LagFacts, LagRequest, LagSample, PartitionLag};
use crate::time::{Period, format_duration, saturating_add};

choices! {
    #[derive(PartialOrd, Ord)]
    Lag {
        PastRetention = "past-retention",
        Stopped = "stopped",
        Stalled = "stalled",
        OverThreshold = "over-threshold",
        Unread = "unread",
        Drained = "drained",
        Normal = "normal",
    }
}

check! {
    /// Has the ingestion group read the messages of the period?
    ConsumerLag = "consumer-lag", Pipeline, Period, Lag::VALUES;
    lag_age: TimeDelta,
    lag_messages: u64,
    explains: f64,
}

impl Builtin for ConsumerLag {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let probe = adapter(probes.kafka(), "kafka probe")?;
        let pipeline = request.pipeline(probe.source())?;
        let ask = |period| {
            let asked =
                LagRequest::new(pipeline.clone(), period).with_device(request.device()).of_tag(request);
            async move { probe.lag(&asked).await }
        };
        judge_missing(request, probes, probe.source(), ask, |answers, gap| judge(answers, gap, self)).await
    }
}

/// The messages of the period that are not read decide, each lag of the group beside them only says which: a lag that
/// has drained explains no missing row.
fn judge(answers: &Answers<LagFacts>, gap: &Gap, bounds: &ConsumerLag) -> Verdict {
    let lags: Vec<_> = answers.0.iter().map(|(period, facts)| lag_over(facts, bounds, *period)).collect();
    let worst = lags.iter().map(|over| over.lag).min().unwrap_or(Lag::Normal);
    let doubt = lags.iter().find_map(|over| over.doubt.clone());
    let unread = answers.sum_known(|facts| facts.messages_unread);
    let gone = answers.sum_known(|facts| facts.messages_gone);
    let mut details: Vec<_> = lags.into_iter().flat_map(|over| over.details).collect();
    details.push(count("messages not read yet", unread));
    details.push(count("messages gone unread", gone));
    details.extend(gap.notes());
    let details = details.into_iter().chain(doubt.clone().map(|why| Detail::new("lag not known", why)));

    let waiting = unread.zip(gone).map(|(unread, gone)| unread.saturating_add(gone));
    // At least, where one of the two is not known.
    let least = unread.unwrap_or_default().saturating_add(gone.unwrap_or_default());
    let share = gap.share_of_messages(least);
    let observed_at = answers.observed_at(gap);
    let known = |lag: Lag| Verdict::known(lag, observed_at).accounting_for(share);
    if share >= bounds.explains && share > 0.0 {
        let which = if gone > unread { Lag::PastRetention } else { worst.min(Lag::Unread) };
        return known(which).with(details);
    }
    let judged = match (waiting, worst, doubt) {
        // Nobody counted: what the offsets leave open may be enough, or the offsets are not known themselves.
        (None, _, Some(why)) => match answers.not_covered() {
            Some(missing) => Verdict::stale(missing),
            None => Verdict::undetermined(why),
        },
        (None, Lag::PastRetention, None) => {
            Verdict::undetermined("nobody counted the messages of the device that are gone unread")
        }
        (None, lag, None) => {
            let most = answers.sum(behind_at_end);
            let most = gap.share_of_messages(most);
            match (answers.not_covered(), most >= bounds.explains && most > 0.0) {
                (Some(missing), _) => Verdict::stale(missing),
                (None, true) => {
                    Verdict::undetermined("nobody counted the messages of the device that are not read")
                }
                (None, false) => known(if lag < Lag::Normal { Lag::Drained } else { Lag::Normal }),
            }
        }
        (Some(_), lag, _) if lag < Lag::Normal => known(Lag::Drained),
        (Some(_), ..) => known(Lag::Normal),
    };
    judged.with(details)
}

/// How many messages the group was behind at the last sample of each partition: of any device.
fn behind_at_end(facts: &LagFacts) -> u64 {
    let behind = facts.partitions.iter().map(|partition| {
        let last = partition.samples.iter().max_by_key(|sample| sample.at);
        last.filter(|last| !last.nothing_unread).map_or(0, |last| {
            last.high_watermark.saturating_sub(last.committed.unwrap_or(last.low_watermark))
        })
    });
    behind.fold(0, u64::saturating_add)
}

/// How the group did over a period.
struct LagOver {
    /// The worst of the partitions; normal where none is known to be bad.
    lag: Lag,
    /// Why it may have been worse.
    doubt: Option<String>,
    details: Vec<Detail>,
}

/// The worst of the partitions, in the order of the choices. A partition of which nothing is known leaves a doubt, unless
/// another is bad.
fn lag_over(facts: &LagFacts, bounds: &ConsumerLag, asked: Period) -> LagOver {
    let mut worst = (Lag::Normal, None);
    let (group, mut doubt) = match group_state(facts) {
        Ok(group) => (group, None),
        Err(why) => (GroupState::NotAsked, Some(why)),
    };
    if facts.partitions.is_empty() && doubt.is_none() {
        doubt = Some("no partition is reported: the topic may not exist".to_owned());
    }
    // What a share group has committed is not its position.
    let partitions = if facts.is_share_group { &[][..] } else { &facts.partitions };
    for partition in partitions {
        let of_it = match (of_partition(partition, group, bounds), &partition.unread) {
            // What is known of it is not all, so it may not be taken for healthy.
            (Ok((Lag::Normal, _)), Some(why)) => Err(unread(why)),
            (Ok((Lag::Normal, text)), None) => match silent_at_end(&partition.samples, bounds, asked) {
                Some(why) => Err(why),
                None => Ok((Lag::Normal, text)),
            },
            (of_it, _) => of_it,
        };
        match of_it {
            Ok((lag, text)) if lag < worst.0 => worst = (lag, Some((partition.partition, text))),
            Ok((_, text)) if !text.is_empty() && worst.1.is_none() => {
                worst.1 = Some((partition.partition, text));
            }
            Ok(_) => {}
            Err(why) => doubt = doubt.or(Some(format!("partition {}: {why}", partition.partition))),
        }
    }
    let (lag, text) = worst;
    let text = text.map(|(partition, text)| Detail::new("lag", format!("partition {partition}: {text}")));
    let members = facts.members.map(|members| Detail::new("consumers", members.to_string()));
    let state = facts.state.as_deref().map(|state| Detail::new("group state", state));
    LagOver { lag, doubt, details: text.into_iter().chain(members).chain(state).collect() }
}

/// The state of the group, by its name where that is reported, else by its members; an error where no lag can be judged.
fn group_state(facts: &LagFacts) -> Result<GroupState, String> {
    if facts.is_share_group {
        return Err(Rule::ShareGroup.to_string());
    }
    let by_members = GroupState::from(facts.members);
    let Some(name) = facts.state.as_deref() else { return Ok(by_members) };
    let by_name = name.parse::<GroupState>().map_err(|error| error.to_string())?;
    match (by_name, by_members) {
        (GroupState::NotAsked, _) => Ok(by_members),
        (GroupState::Empty, GroupState::Stable) | (GroupState::Stable, GroupState::Empty) => Err(format!(
            "the group is `{name}` and has {} members: ask for both at one time",
            facts.members.unwrap_or_default()
        )),
        _ => Ok(by_name),
    }
}

/// Why the samples do not cover the end of the period: what came after the last may by then have waited for longer
/// than it may.
fn silent_at_end(samples: &[LagSample], bounds: &ConsumerLag, asked: Period) -> Option<String> {
    let last = samples.iter().map(|sample| sample.at).max()?;
    let silent = asked.end().signed_duration_since(last);
    (silent > bounds.lag_age.max(TimeDelta::zero()))
        .then(|| format!("its last sample is {} before the end of the period", format_duration(silent)))
}

/// How one partition is, with what says so; an error where its samples cannot say.
fn of_partition(
    partition: &PartitionLag,
    group: GroupState,
    bounds: &ConsumerLag,
) -> Result<(Lag, String), String> {
    if partition.samples.is_empty() {
        let why = partition.unread.as_ref();
        return Err(
            why.map_or_else(|| "no sample".to_owned(), |why| format!("its lag could not be read: {why}"))
        );
    }
    if partition.samples.iter().any(contradicts) {
        return Err("offsets that contradict each other".to_owned());
    }
    let report = by_engine(&partition.samples, group, bounds)?;
    let told = || report.to_string();
    // A member that does not commit is there, and its offsets do not move.
    let is_there = matches!(group, GroupState::Stable | GroupState::Rebalancing);
    match report.rule {
        Rule::PastRetention { .. } => return Ok((Lag::PastRetention, told())),
        Rule::NothingWritten => return Ok((Lag::Normal, String::new())),
        Rule::NeverCommitted { waiting: 0 } if !has_moved(&partition.samples) => {
            return Ok((Lag::Normal, String::new()));
        }
        // What was written in the period is gone, and nobody knows whether it was read.
        Rule::NeverCommitted { waiting: 0 } => return Err(told()),
        Rule::NeverCommitted { .. } if group == GroupState::Empty => return Ok((Lag::Stopped, told())),
        rule => match rule.verdict() {
            lag::Verdict::Stop if is_there => return Ok((Lag::Stalled, told())),
            lag::Verdict::Stop => return Ok((Lag::Stopped, told())),
            lag::Verdict::Stall => return Ok((Lag::Stalled, told())),
            _ => {}
        },
    }
    if let Some(over) = partition.samples.iter().find_map(|sample| over_threshold(sample, bounds)) {
        return Ok((Lag::OverThreshold, over));
    }
    match report.verdict() {
        lag::Verdict::OverThreshold => Ok((Lag::OverThreshold, told())),
        // What an open transaction holds back is not read, and that is not the group's doing.
        lag::Verdict::Unknown
        | lag::Verdict::NeverCommitted
        | lag::Verdict::OffsetGone
        | lag::Verdict::TransactionOpen => Err(told()),
        lag::Verdict::Warn | lag::Verdict::Growing | lag::Verdict::Rewind => Ok((Lag::Normal, told())),
        _ => Ok((Lag::Normal, String::new())),
    }
}

/// What the engine says at the last sample. Two samples are a whole window here, and a period that is over is never
/// stale. Its bound in time is the runbook's; that in messages is for samples whose age is not known.
fn by_engine(samples: &[LagSample], group: GroupState, bounds: &ConsumerLag) -> Result<Report, String> {
    let mut settings = Settings::default().with_min_samples(Window::FEWEST).with_stale_after(TimeDelta::MAX);
    if bounds.lag_age > TimeDelta::zero() {
        settings = settings
            .with_stop_after(bounds.lag_age)
            .with_slowest_commit(bounds.lag_age)
            .with_max_age(bounds.lag_age);
    }
    let judge = Judge::new(settings).map_err(|error| error.to_string())?;
    let capacity = samples.len().clamp(Window::FEWEST, Window::MOST);
    let mut window = Window::new(capacity).map_err(|error| error.to_string())?;
    let mut samples: Vec<_> = samples.iter().map(sampled).collect();
    samples.sort_unstable();
    let last = samples.last().map_or(DateTime::UNIX_EPOCH, |sample| sample.at);
    samples.into_iter().for_each(|sample| window.observe(sample));
    Ok(judge.partition(last, group, &window))
}

fn sampled(told: &LagSample) -> Sample {
    let mut sample = Sample::new(told.at, told.low_watermark, told.high_watermark);
    (sample.committed, sample.committed_at) = (told.committed, told.committed_at);
    sample.oldest_at = told.age.map(|age| saturating_add(told.at, -age));
    (sample.last_stable_offset, sample.nothing_unread) = (told.last_stable_offset, told.nothing_unread);
    sample
}

fn unread(why: &str) -> String {
    format!("its lag could not be read: {why}")
}

fn contradicts(sample: &LagSample) -> bool {
    let beyond = |offset: Option<u64>| offset.is_some_and(|offset| offset > sample.high_watermark);
    sample.low_watermark > sample.high_watermark
        || beyond(sample.committed)
        || beyond(sample.last_stable_offset)
}

/// Whether messages came between two samples.
fn has_moved(samples: &[LagSample]) -> bool {
    let heads = || samples.iter().map(|sample| sample.high_watermark);
    heads().min() != heads().max()
}

/// At any time of the period: in time where that is known, else in messages.
fn over_threshold(sample: &LagSample, bounds: &ConsumerLag) -> Option<String> {
    let behind = sampled(sample).lag()?;
    match sample.age {
        Some(age) if age > bounds.lag_age => {
            Some(format!("{} behind ({behind} messages)", format_duration(age)))
        }
        None if behind > bounds.lag_messages => Some(format!("{behind} messages behind")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::share::testing::{gap, whole};
    use super::*;
    use crate::check::testing::*;

    fn sample(seconds: i64, committed: u64, high: u64) -> LagSample {
        LagSample::new(at(seconds), 0, high).with_committed(committed)
    }

    fn facts(samples: Vec<LagSample>) -> LagFacts {
        let partition = PartitionLag::new(3).with_samples(samples);
        LagFacts::new(at(NOW), period(0, 100)).with_partitions(vec![partition])
    }

    const BOUNDS: ConsumerLag =
        ConsumerLag { lag_age: TimeDelta::seconds(300), lag_messages: 10_000, explains: 0.5 };

    /// With so many messages of the device unread and gone; 10 rows are missing.
    fn with(facts: &LagFacts, unread: u64, gone: u64) -> Verdict {
        let facts = facts.clone().with_messages_unread(unread).with_messages_gone(gone);
        judge(&whole(facts), &gap(20, 10), &BOUNDS)
    }

    /// How the group did: where all is unread, a lag that is not normal names it.
    fn judged(facts: &LagFacts) -> Verdict {
        with(facts, 10, 0)
    }

    /// Without a count of the device's messages.
    fn uncounted(facts: &LagFacts) -> Verdict {
        judge(&whole(facts.clone()), &gap(20, 10), &BOUNDS)
    }

    #[test]
    fn lag_explains_only_waiting_rows() {
        let drained = facts(vec![sample(0, 10, 10), sample(10, 10, 60_000), sample(90, 60_000, 60_000)]);
        let steady = facts(vec![sample(0, 10, 10), sample(90, 20, 20)]);
        let stalled = facts(vec![sample(0, 5, 10), sample(300, 5, 20)]);
        for (facts, unread, gone, lag, share) in [
            (&drained, 0, 0, Lag::Drained, 0.0),
            (&drained, 4, 0, Lag::Drained, 0.4),
            (&drained, 5, 0, Lag::OverThreshold, 0.5),
            (&steady, 0, 0, Lag::Normal, 0.0),
            (&steady, 5, 0, Lag::Unread, 0.5),
            (&steady, 2, 3, Lag::PastRetention, 0.5),
            (&steady, 3, 2, Lag::Unread, 0.5),
            (&stalled, 4, 0, Lag::Drained, 0.4),
            (&stalled, 900, 0, Lag::Stalled, 1.0),
        ] {
            let judged = with(facts, unread, gone);
            judged.expect_share_of(&(unread, gone, facts), lag, share);
        }
    }

    #[test]
    fn few_messages_left_need_no_count() {
        let drained = facts(vec![sample(0, 10, 10), sample(10, 10, 60_000), sample(90, 60_000, 60_000)]);
        let nearly = facts(vec![sample(0, 10, 10), sample(10, 10, 60_000), sample(90, 59_996, 60_000)]);
        let behind = facts(vec![sample(0, 10, 10), sample(10, 10, 60_000), sample(90, 59_995, 60_000)]);
        uncounted(&drained).expect(Lag::Drained);
        uncounted(&nearly).expect(Lag::Drained);
        uncounted(&behind).expect(Undetermined);
        uncounted(&facts(vec![sample(0, 10, 10), sample(90, 20, 20)])).expect(Lag::Normal);
    }

    #[test]
    fn each_state_has_its_facts() {
        let deleted = LagSample { low_watermark: 6, ..sample(10, 5, 50) };
        let kept = LagSample { low_watermark: 5, ..sample(10, 5, 50) };
        for (facts, lag) in [
            (facts(vec![sample(0, 10, 10)]), Lag::Unread),
            (facts(vec![sample(0, 5, 10), sample(90, 10, 20)]), Lag::Unread),
            (facts(vec![sample(0, 5, 5), sample(90, 5, 10)]), Lag::Unread),
            (facts(vec![deleted]), Lag::PastRetention),
            (facts(vec![kept, sample(90, 50, 50)]), Lag::Unread),
            (facts(vec![sample(0, 5, 10), sample(300, 5, 20)]), Lag::Stalled),
            (facts(vec![sample(0, 5, 10)]).with_members(0), Lag::Stopped),
            (facts(vec![LagSample::new(at(0), 0, 9)]).with_members(0), Lag::Stopped),
            (facts(vec![LagSample::new(at(0), 9, 9)]), Lag::Unread),
            (facts(vec![sample(90, 1, 10_001), sample(0, 0, 10_000)]), Lag::Unread),
            (facts(vec![sample(90, 1, 10_002), sample(0, 0, 10_000)]), Lag::OverThreshold),
        ] {
            judged(&facts).expect_of(&facts, lag);
        }
    }

    #[test]
    fn age_counts_where_it_is_known_and_is_strict() {
        let aged = |age| facts(vec![sample(0, 0, 1).with_age(secs(0)), sample(90, 5, 90_000).with_age(age)]);
        judged(&aged(secs(300))).expect(Lag::Unread);
        judged(&aged(secs(300) + NANO)).expect(Lag::OverThreshold);
    }

    #[test]
    fn no_count_and_no_offsets_is_unknown() {
        let contradicting = LagSample { low_watermark: 11, ..sample(0, 10, 10) };
        for facts in [
            facts(vec![]),
            facts(vec![sample(0, 11, 10)]),
            facts(vec![sample(0, 11, 10), sample(90, 20, 20)]),
            facts(vec![contradicting, sample(90, 20, 20)]),
            facts(vec![sample(0, 5, 10)]),
            // A group that commits each five minutes looks like this.
            facts(vec![sample(0, 5, 10), sample(299, 5, 20)]),
            facts(vec![LagSample::new(at(0), 0, 9)]),
            LagFacts::new(at(NOW), period(0, 100)),
        ] {
            uncounted(&facts).expect_of(&facts, Undetermined);
            // A count decides, and the doubt is in the details.
            let counted = with(&facts, 0, 0);
            counted.expect_of(&facts, Lag::Normal);
            assert!(counted.detail("lag not known").is_some(), "{facts:?}");
            with(&facts, 10, 0).expect_of(&facts, Lag::Unread);
        }
        let short = LagFacts { covers: period(0, 99), ..facts(vec![sample(0, 10, 10)]) };
        uncounted(&short).expect(Stale);
    }

    #[test]
    fn deleted_unread_is_not_normal() {
        let empty = |seconds, head| LagSample::new(at(seconds), head, head);
        uncounted(&facts(vec![empty(0, 9), empty(90, 9)])).expect(Lag::Normal);
        let gone = uncounted(&facts(vec![empty(0, 9), empty(90, 12)]));
        gone.expect(Undetermined);
    }

    #[test]
    fn samples_must_reach_the_end() {
        let by = |age| {
            let bounds = ConsumerLag { lag_age: age, ..BOUNDS };
            judge(&whole(facts(vec![sample(40, 10, 10)])), &gap(20, 10), &bounds)
        };
        by(secs(60)).expect(Lag::Normal);
        let silent = by(secs(60) - NANO);
        silent.expect(Undetermined);
        let why = silent.detail("why").unwrap();
        assert!(why.ends_with("its last sample is 1m before the end of the period"), "{why}");
    }

    #[test]
    fn one_bad_partition_is_enough() {
        let mut two = facts(vec![sample(0, 10, 10)]);
        two.partitions.push(PartitionLag::new(4));
        uncounted(&two).expect(Undetermined);
        let stalled = vec![sample(0, 5, 10), sample(300, 5, 20)];
        two.partitions.push(PartitionLag::new(5).with_samples(stalled));
        let judged = judged(&two);
        judged.expect(Lag::Stalled);
        assert!(judged.detail("lag").is_some_and(|text| text.starts_with("partition 5")));
    }

    #[test]
    fn a_window_is_judged_by_the_engine() {
        let moved = [sample(0, 10, 12), sample(10, 20, 22), sample(20, 30, 40)];
        let left = |last| facts([&moved[..], &[sample(last, 30, 50)]].concat());
        let committing = |second, at_second| {
            sample(second, 5, 40 + second.unsigned_abs()).with_committed_at(at(at_second))
        };
        let silent = vec![sample(0, 1, 39).with_committed_at(at(0)), committing(5, 5), committing(305, 5)];
        for (facts, lag, word) in [
            (left(320), Lag::Stopped, "partition 3: stop: messages have waited 5 min"),
            (left(319), Lag::Unread, ""),
            (left(320).with_members(2), Lag::Stalled, "stop"),
            (left(320).with_members(0), Lag::Stopped, "no consumer"),
            (facts(silent), Lag::Stopped, "waited 5 min without a commit"),
            (facts(vec![sample(0, 9, 10), sample(90, 8, 10)]), Lag::Unread, "rewind"),
            (facts(vec![sample(0, 8, 10), sample(90, 9, 11)]), Lag::Unread, "warn"),
            // The messages at offsets 28 and 29 came between second 10 and 20.
            (
                facts(vec![sample(10, 10, 10), sample(20, 20, 30), sample(321, 28, 30)]),
                Lag::OverThreshold,
                "5 min",
            ),
            (facts(vec![sample(10, 10, 10), sample(20, 20, 30), sample(320, 28, 30)]), Lag::Unread, ""),
        ] {
            let judged = judged(&facts);
            judged.expect_of(&facts, lag);
            assert!(judged.detail("lag").unwrap_or_default().contains(word), "{judged:?}");
        }
    }

    #[test]
    fn what_a_transaction_holds_back_is_not_normal() {
        let held =
            |second, stable| sample(second, 10, 10 + second.unsigned_abs()).with_last_stable_offset(stable);
        let open = uncounted(&facts(vec![held(1, 10), held(950, 10)]));
        open.expect(Undetermined);
        assert!(open.detail("why").is_some_and(|why| why.contains("open transaction")));
        // The messages behind it may be those that are missing.
        uncounted(&facts(vec![held(1, 10), held(60, 10)])).expect(Undetermined);
        uncounted(&facts(vec![held(0, 11)])).expect(Undetermined);
        let markers = vec![sample(0, 5, 7), sample(300, 5, 7).with_nothing_unread(true)];
        uncounted(&facts(markers)).expect(Lag::Normal);
    }

    #[test]
    fn unread_partition_is_unknown_with_reason() {
        let fine = PartitionLag::new(1).with_samples(vec![sample(0, 10, 10)]);
        let unread = PartitionLag::new(2).with_unread("not leader for partition");
        let facts = |partitions| LagFacts::new(at(NOW), period(0, 100)).with_partitions(partitions);
        for partial in [unread.clone(), fine.clone().with_unread("not leader for partition")] {
            let judged = uncounted(&facts(vec![fine.clone(), partial]));
            judged.expect(Undetermined);
            let why = judged.detail("why").unwrap();
            assert!(why.ends_with("its lag could not be read: not leader for partition"), "{why}");
        }
        let stalled = PartitionLag::new(5).with_samples(vec![sample(0, 5, 10), sample(300, 5, 20)]);
        let judged = judged(&facts(vec![unread, stalled]));
        judged.expect(Lag::Stalled);
        assert!(judged.detail("lag not known").is_some_and(|text| text.starts_with("partition 2")));
    }

    #[test]
    fn group_state_decides_and_is_evidence() {
        let behind = || facts(vec![sample(0, 5, 10)]);
        let silent = || facts(vec![sample(0, 5, 10), sample(300, 5, 20)]);
        for (facts, state, lag) in [
            (behind(), "Dead", Lag::Stopped),
            (behind(), "EMPTY", Lag::Stopped),
            (behind(), "Reconciling", Lag::Unread),
            // A rebalance is no excuse for five minutes.
            (silent(), "Reconciling", Lag::Stalled),
            (silent(), "PreparingRebalance", Lag::Stalled),
            (silent(), "Unknown", Lag::Stalled),
            (facts(vec![LagSample::new(at(0), 0, 9)]), "Empty", Lag::Stopped),
            (facts(vec![LagSample::new(at(0), 0, 9)]), "Stable", Lag::Unread),
        ] {
            let judged = judged(&facts.clone().with_state(state));
            judged.expect_of(&(state, facts), lag);
            assert_eq!(judged.detail("group state"), Some(state));
        }
        // By its members where the coordinator did not know the state.
        let unknown = behind().with_state("Unknown").with_members(0);
        judged(&unknown).expect(Lag::Stopped);
    }

    #[test]
    fn impossible_state_leaves_lag_unknown() {
        let healthy = || facts(vec![sample(0, 10, 10)]);
        for (facts, why) in [
            (healthy().with_share_group(true), "share groups commit no offset"),
            (LagFacts::new(at(NOW), period(0, 100)).with_share_group(true), "share groups commit no offset"),
            (healthy().with_state("Stalled"), "`Stalled` is not a state"),
            (healthy().with_state("Empty").with_members(2), "the group is `Empty` and has 2 members"),
            (healthy().with_state("Stable").with_members(0), "the group is `Stable` and has 0 members"),
        ] {
            let judged = uncounted(&facts);
            judged.expect_of(&facts, Undetermined);
            assert!(judged.detail("why").is_some_and(|text| text.starts_with(why)), "{judged:?}");
        }
        for state in ["Stable", "Empty", "Dead", "Assigning"] {
            let facts = healthy().with_state(state);
            uncounted(&facts).expect_of(&state, Lag::Normal);
        }
    }
}

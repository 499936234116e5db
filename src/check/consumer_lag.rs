use chrono::{DateTime, TimeDelta};

use super::CheckRequest;
use super::builtin::Builtin;
use super::param::{Given, ParamKind, ParamSpec};
use super::verdict::{Verdict, choices, no_adapter, no_period, no_subject};
use super::window::not_covered;
use crate::fact::{ChoicesError, Detail, Details, Domain, Observation};
use crate::lag::{self, Judge, Report, Rule, Sample, Settings, Window};
use crate::probe::{LagFacts, LagRequest, LagSample, PartitionLag, ProbeError, Probes};
use crate::runbook::step::About;
use crate::subject::Scope;
use crate::time::{Period, format_duration, saturating_add};

choices! {
    #[derive(PartialOrd, Ord)]
    Lag {
        PastRetention = "past-retention",
        Stopped = "stopped",
        Stalled = "stalled",
        OverThreshold = "over-threshold",
        Normal = "normal",
    }
}

/// Did the ingestion keep up over the gap?
pub(super) struct ConsumerLag {
    age: TimeDelta,
    messages: u64,
}

impl Builtin for ConsumerLag {
    const ID: &'static str = "consumer-lag";
    const SCOPE: Scope = Scope::Pipeline;
    const ABOUT: About = About::Period;
    const PARAMS: &'static [ParamSpec] = &[
        ParamSpec::required("lag_age", ParamKind::Duration),
        ParamSpec::required("lag_messages", ParamKind::Count),
    ];

    fn domain() -> Result<Domain, ChoicesError> {
        Lag::domain()
    }

    fn bind(params: &Given<'_>) -> Option<Self> {
        Some(Self { age: params.duration("lag_age")?, messages: params.count("lag_messages")? })
    }

    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Result<Observation, ProbeError> {
        let Some(probe) = probes.kafka() else { return Ok(no_adapter("kafka probe")) };
        let subject = request.subject();
        let Some(period) = subject.period else { return Ok(no_period(probe.source())) };
        let Some(pipeline) = &subject.pipeline else { return Ok(no_subject("pipeline", probe.source())) };
        let asked = LagRequest::new(pipeline.clone(), period).with_device(subject.device.clone());
        Ok(judge(&probe.lag(&asked).await.map_err(|error| error.by(probe.source()))?, self, period)
            .by(probe.source()))
    }
}

/// One partition of the answer of a [`KafkaProbe`](crate::probe::KafkaProbe) that a window gives: its samples within
/// the period, that the check `consumer-lag` judges as [`lag`](crate::lag) does. A window without one in the period
/// says so.
///
/// ```
/// use chrono::{TimeZone, Utc};
/// use iot_runbook::check::partition_lag;
/// use iot_runbook::lag::{Sample, Window};
/// use iot_runbook::probe::LagFacts;
/// use iot_runbook::time::Period;
///
/// let (eight, nine) = (Utc.timestamp_opt(28_800, 0).unwrap(), Utc.timestamp_opt(32_400, 0).unwrap());
/// let mut window = Window::default();
/// window.observe(Sample::new(eight, 0, 500).with_committed(Some(480)));
/// let covers = Period::new(eight, nine)?;
/// let partitions = vec![partition_lag(0, &window, covers), partition_lag(1, &Window::default(), covers)];
/// let facts = LagFacts::new(nine, covers).with_partitions(partitions);
/// assert_eq!(facts.partitions[0].samples[0].committed, Some(480));
/// assert_eq!(facts.partitions[1].unread.as_deref(), Some("no sample in the period"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn partition_lag(partition: i32, window: &Window, period: Period) -> PartitionLag {
    let told = |sample: &Sample| {
        let mut told = LagSample::new(sample.at, sample.log_start, sample.high_watermark);
        (told.committed, told.committed_at) = (sample.committed, sample.committed_at);
        told.age = sample.oldest_at.map(|oldest| (sample.at - oldest).max(TimeDelta::zero()));
        (told.last_stable_offset, told.nothing_unread) = (sample.last_stable_offset, sample.nothing_unread);
        told
    };
    // The end of a period is no part of it, but a sample of that moment tells how it ended.
    let is_within = |sample: &&Sample| period.start() <= sample.at && sample.at <= period.end();
    let samples: Vec<_> = window.samples().filter(is_within).map(told).collect();
    match samples.is_empty() {
        true => PartitionLag::new(partition).with_unread("no sample in the period"),
        false => PartitionLag::new(partition).with_samples(samples),
    }
}

/// The worst of the partitions, in the order of the choices. A partition that nobody can tell of leaves the answer
/// undetermined, unless another is bad.
fn judge(facts: &LagFacts, bounds: &ConsumerLag, asked: Period) -> Verdict {
    if facts.partitions.is_empty() {
        return Verdict::undetermined("no partition is told: the topic may not exist");
    }
    let mut worst = (Lag::Normal, None);
    let mut untold = None;
    for partition in &facts.partitions {
        let told = match (of_partition(partition, facts.members, bounds), &partition.unread) {
            // What was told of it before is not all, so it may not be taken for healthy.
            (Ok((Lag::Normal, _)), Some(why)) => Err(unread(why)),
            (Ok((Lag::Normal, text)), None) => match silent_at_end(&partition.samples, bounds, asked) {
                Some(why) => Err(why),
                None => Ok((Lag::Normal, text)),
            },
            (told, _) => told,
        };
        match told {
            Ok((lag, text)) if lag < worst.0 => worst = (lag, Some((partition.partition, text))),
            Ok((_, text)) if !text.is_empty() && worst.1.is_none() => {
                worst.1 = Some((partition.partition, text));
            }
            Ok(_) => {}
            Err(why) => untold = untold.or(Some(format!("partition {}: {why}", partition.partition))),
        }
    }
    let (lag, told) = worst;
    let told = told.map(|(partition, text)| Detail::new("lag", format!("partition {partition}: {text}")));
    let members = facts.members.map(|members| Detail::new("consumers", members.to_string()));
    let details = || told.iter().chain(&members).cloned();
    if lag != Lag::Normal {
        let untold = untold.map(|why| Detail::new("not told", why));
        return Verdict::known(lag.value(), facts.observed_at, details().chain(untold).collect());
    }
    if let Some(why) = untold {
        return Verdict::undetermined(why).with(details());
    }
    match not_covered(asked, facts.covers) {
        Some(missing) => Verdict::stale(missing).with(details()),
        None => Verdict::known(Lag::Normal.value(), facts.observed_at, details().collect::<Details>()),
    }
}

/// Why the samples do not tell of the end of the period: what came after the last may by then have waited for longer
/// than it may.
fn silent_at_end(samples: &[LagSample], bounds: &ConsumerLag, asked: Period) -> Option<String> {
    let last = samples.iter().map(|sample| sample.at).max()?;
    let silent = asked.end().signed_duration_since(last);
    (silent > bounds.age.max(TimeDelta::zero()))
        .then(|| format!("its last sample is {} before the end of the period", format_duration(silent)))
}

/// How one partition is, with what says so; an error where its samples cannot say.
fn of_partition(
    partition: &PartitionLag,
    members: Option<u32>,
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
    let report = by_engine(&partition.samples, members, bounds)?;
    let told = || report.to_string();
    // A member that does not commit is there, and its offsets do not move.
    let is_there = members.is_some_and(|members| members > 0);
    match report.rule {
        Rule::PastRetention { .. } => return Ok((Lag::PastRetention, told())),
        Rule::NothingWritten => return Ok((Lag::Normal, String::new())),
        Rule::NeverCommitted { waiting: 0 } if !has_moved(&partition.samples) => {
            return Ok((Lag::Normal, String::new()));
        }
        // What was written in the period is gone, and nobody knows whether it was read.
        Rule::NeverCommitted { waiting: 0 } => return Err(told()),
        Rule::NeverCommitted { .. } if members == Some(0) => return Ok((Lag::Stopped, told())),
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
/// stale. Its bound in time is the runbook's; that in messages stands for samples whose age is not told.
fn by_engine(samples: &[LagSample], members: Option<u32>, bounds: &ConsumerLag) -> Result<Report, String> {
    let mut settings = Settings::default().with_min_samples(Window::FEWEST).with_stale_after(TimeDelta::MAX);
    if bounds.age > TimeDelta::zero() {
        settings =
            settings.with_stop_after(bounds.age).with_slowest_commit(bounds.age).with_max_age(bounds.age);
    }
    let judge = Judge::new(settings).map_err(|error| error.to_string())?;
    let capacity = samples.len().clamp(Window::FEWEST, Window::MOST);
    let mut window = Window::new(capacity).map_err(|error| error.to_string())?;
    let mut samples: Vec<_> = samples.iter().map(sampled).collect();
    samples.sort_unstable();
    let last = samples.last().map_or(DateTime::UNIX_EPOCH, |sample| sample.at);
    samples.into_iter().for_each(|sample| window.observe(sample));
    Ok(judge.partition(last, members, &window))
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

/// At any time of the period: in time where that is told, else in messages.
fn over_threshold(sample: &LagSample, bounds: &ConsumerLag) -> Option<String> {
    let behind = sampled(sample).lag()?;
    match sample.age {
        Some(age) if age > bounds.age => Some(format!("{} behind ({behind} messages)", format_duration(age))),
        None if behind > bounds.messages => Some(format!("{behind} messages behind")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{NANO, NOW, at, period, secs};
    use crate::fact::UnknownReason;

    fn sample(seconds: i64, committed: u64, high: u64) -> LagSample {
        LagSample::new(at(seconds), 0, high).with_committed(committed)
    }

    fn facts(samples: Vec<LagSample>) -> LagFacts {
        let partition = PartitionLag::new(3).with_samples(samples);
        LagFacts::new(at(NOW), period(0, 100)).with_partitions(vec![partition])
    }

    fn judged(facts: &LagFacts) -> Verdict {
        judge(facts, &ConsumerLag { age: secs(300), messages: 10_000 }, period(0, 100))
    }

    #[test]
    fn each_state_has_its_facts() {
        let mut deleted = sample(10, 5, 50);
        deleted.low_watermark = 6;
        let mut kept = sample(10, 5, 50);
        kept.low_watermark = 5;
        for (facts, lag) in [
            (facts(vec![sample(0, 10, 10)]), Lag::Normal),
            (facts(vec![sample(0, 5, 10), sample(90, 10, 20)]), Lag::Normal),
            (facts(vec![sample(0, 5, 5), sample(90, 5, 10)]), Lag::Normal),
            (facts(vec![deleted]), Lag::PastRetention),
            (facts(vec![kept, sample(90, 50, 50)]), Lag::Normal),
            (facts(vec![sample(0, 5, 10), sample(300, 5, 20)]), Lag::Stalled),
            (facts(vec![sample(0, 5, 10)]).with_members(0), Lag::Stopped),
            (facts(vec![LagSample::new(at(0), 0, 9)]).with_members(0), Lag::Stopped),
            (facts(vec![LagSample::new(at(0), 9, 9)]), Lag::Normal),
            (facts(vec![sample(90, 1, 10_001), sample(0, 0, 10_000)]), Lag::Normal),
            (facts(vec![sample(90, 1, 10_002), sample(0, 0, 10_000)]), Lag::OverThreshold),
        ] {
            assert_eq!(judged(&facts).value(), Some(lag.value()), "{facts:?}");
        }
    }

    #[test]
    fn the_age_counts_where_it_is_known_and_is_strict() {
        let aged = |age| facts(vec![sample(0, 0, 1).with_age(secs(0)), sample(90, 5, 90_000).with_age(age)]);
        assert_eq!(judged(&aged(secs(300))).value(), Some(Lag::Normal.value()));
        assert_eq!(judged(&aged(secs(300) + NANO)).value(), Some(Lag::OverThreshold.value()));
    }

    #[test]
    fn what_cannot_be_told_is_unknown() {
        let mut contradicting = sample(0, 10, 10);
        contradicting.low_watermark = 11;
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
            assert_eq!(judged(&facts).reason(), Some(UnknownReason::Undetermined), "{facts:?}");
        }
        let mut short = facts(vec![sample(0, 10, 10)]);
        short.covers = period(0, 99);
        assert_eq!(judged(&short).reason(), Some(UnknownReason::Stale));
    }

    #[test]
    fn messages_that_were_deleted_and_never_read_are_not_normal() {
        let empty = |seconds, head| LagSample::new(at(seconds), head, head);
        assert_eq!(judged(&facts(vec![empty(0, 9), empty(90, 9)])).value(), Some(Lag::Normal.value()));
        let gone = judged(&facts(vec![empty(0, 9), empty(90, 12)]));
        assert_eq!(gone.reason(), Some(UnknownReason::Undetermined));
    }

    #[test]
    fn samples_that_stop_long_before_the_end_do_not_tell_how_it_ended() {
        let by = |age| {
            let bounds = ConsumerLag { age, messages: 10_000 };
            judge(&facts(vec![sample(40, 10, 10)]), &bounds, period(0, 100))
        };
        assert_eq!(by(secs(60)).value(), Some(Lag::Normal.value()));
        let silent = by(secs(60) - NANO);
        assert_eq!(silent.reason(), Some(UnknownReason::Undetermined));
        let why = silent.details().find("why").unwrap();
        assert!(why.ends_with("its last sample is 1m before the end of the period"), "{why}");
    }

    #[test]
    fn one_bad_partition_is_enough() {
        let mut two = facts(vec![sample(0, 10, 10)]);
        two.partitions.push(PartitionLag::new(4));
        assert_eq!(judged(&two).reason(), Some(UnknownReason::Undetermined));
        let stalled = vec![sample(0, 5, 10), sample(300, 5, 20)];
        two.partitions.push(PartitionLag::new(5).with_samples(stalled));
        let verdict = judged(&two);
        assert_eq!(verdict.value(), Some(Lag::Stalled.value()));
        assert!(verdict.details().find("lag").is_some_and(|text| text.starts_with("partition 5")));
    }

    /// What it came to, and what it says of the lag.
    fn told(facts: &LagFacts) -> (Option<crate::fact::Value>, String) {
        let verdict = judged(facts);
        (verdict.value(), verdict.details().find("lag").unwrap_or_default().to_owned())
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
            (left(320), Lag::Stopped, "partition 3: stop: messages have waited 5m"),
            (left(319), Lag::Normal, ""),
            (left(320).with_members(2), Lag::Stalled, "stop"),
            (left(320).with_members(0), Lag::Stopped, "no consumer"),
            (facts(silent), Lag::Stopped, "waited 5m without a commit"),
            (facts(vec![sample(0, 9, 10), sample(90, 8, 10)]), Lag::Normal, "rewind"),
            (facts(vec![sample(0, 8, 10), sample(90, 9, 11)]), Lag::Normal, "warn"),
            // The messages at offsets 28 and 29 came between second 10 and 20.
            (
                facts(vec![sample(10, 10, 10), sample(20, 20, 30), sample(321, 28, 30)]),
                Lag::OverThreshold,
                "5m1s",
            ),
            (facts(vec![sample(10, 10, 10), sample(20, 20, 30), sample(320, 28, 30)]), Lag::Normal, ""),
        ] {
            let (value, text) = told(&facts);
            assert_eq!(value, Some(lag.value()), "{text} {facts:?}");
            assert!(text.contains(word), "{text}");
        }
    }

    #[test]
    fn what_a_transaction_holds_back_is_not_normal() {
        let held =
            |second, stable| sample(second, 10, 10 + second.unsigned_abs()).with_last_stable_offset(stable);
        let open = judged(&facts(vec![held(1, 10), held(950, 10)]));
        assert_eq!(open.reason(), Some(UnknownReason::Undetermined));
        assert!(open.details().find("why").is_some_and(|why| why.contains("open transaction")));
        assert_eq!(judged(&facts(vec![held(1, 10), held(60, 10)])).value(), Some(Lag::Normal.value()));
        assert_eq!(judged(&facts(vec![held(0, 11)])).reason(), Some(UnknownReason::Undetermined));
        let markers = vec![sample(0, 5, 7), sample(300, 5, 7).with_nothing_unread(true)];
        assert_eq!(judged(&facts(markers)).value(), Some(Lag::Normal.value()));
    }

    #[test]
    fn a_partition_that_could_not_be_read_is_unknown_and_says_why() {
        let fine = PartitionLag::new(1).with_samples(vec![sample(0, 10, 10)]);
        let unread = PartitionLag::new(2).with_unread("not leader for partition");
        let facts = |partitions| LagFacts::new(at(NOW), period(0, 100)).with_partitions(partitions);
        for partial in [unread.clone(), fine.clone().with_unread("not leader for partition")] {
            let verdict = judged(&facts(vec![fine.clone(), partial]));
            assert_eq!(verdict.reason(), Some(UnknownReason::Undetermined));
            let why = verdict.details().find("why").unwrap();
            assert!(why.ends_with("its lag could not be read: not leader for partition"), "{why}");
        }
        let stalled = PartitionLag::new(5).with_samples(vec![sample(0, 5, 10), sample(300, 5, 20)]);
        let verdict = judged(&facts(vec![unread, stalled]));
        assert_eq!(verdict.value(), Some(Lag::Stalled.value()));
        assert!(verdict.details().find("not told").is_some_and(|text| text.starts_with("partition 2")));
    }

    #[test]
    fn a_window_becomes_an_answer_of_the_period() {
        let mut window = Window::default();
        for second in [-1, 0, 60, 100, 101] {
            let told = Sample::new(at(second), 1, 9).with_committed(Some(5)).with_committed_at(at(-3));
            window.observe(told.with_oldest_at(at(60)));
        }
        let partition = partition_lag(7, &window, period(0, 100));
        let told: Vec<_> = partition.samples.iter().map(|sample| (sample.at, sample.age)).collect();
        assert_eq!(told, [(at(0), Some(secs(0))), (at(60), Some(secs(0))), (at(100), Some(secs(40)))]);
        assert!(partition.samples.iter().all(|sample| sample.committed_at == Some(at(-3))
            && (sample.low_watermark, sample.committed, sample.high_watermark) == (1, Some(5), 9)));
        assert_eq!(partition.unread, None);
        assert!(partition_lag(7, &window, period(102, 200)).unread.is_some());
    }
}

use chrono::TimeDelta;

use super::CheckRequest;
use super::builtin::Builtin;
use super::param::{Given, ParamKind, ParamSpec};
use super::verdict::{Verdict, choices, no_adapter, no_period, no_subject};
use super::window::not_covered;
use crate::fact::{ChoicesError, Detail, Details, Domain, Observation};
use crate::probe::{LagFacts, LagRequest, LagSample, PartitionLag, ProbeError, Probes};
use crate::runbook::step::About;
use crate::subject::Scope;
use crate::time::{Period, format_duration};

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

/// The worst of the partitions, in the order of the choices. A partition that nobody can tell of leaves the answer
/// undetermined, unless another is bad.
fn judge(facts: &LagFacts, bounds: &ConsumerLag, asked: Period) -> Verdict {
    if facts.partitions.is_empty() {
        return Verdict::undetermined("no partition is told: the topic may not exist");
    }
    let mut worst = (Lag::Normal, None);
    let mut untold = None;
    for partition in &facts.partitions {
        match of_partition(partition, facts.members, bounds) {
            Ok((lag, text)) if lag < worst.0 => worst = (lag, Some((partition.partition, text))),
            Ok(_) => {}
            Err(why) => untold = untold.or(Some(format!("partition {}: {why}", partition.partition))),
        }
    }
    let members = facts.members.map(|members| Detail::new("consumers", members.to_string()));
    if let (lag, Some((partition, text))) = worst {
        let told = Detail::new("lag", format!("partition {partition}: {text}"));
        let details = [told].into_iter().chain(members).collect();
        return Verdict::known(lag.value(), facts.observed_at, details);
    }
    if let Some(why) = untold {
        return Verdict::undetermined(why).with(members);
    }
    match not_covered(asked, facts.covers) {
        Some(missing) => Verdict::stale(missing).with(members),
        None => {
            Verdict::known(Lag::Normal.value(), facts.observed_at, members.into_iter().collect::<Details>())
        }
    }
}

/// How one partition is, with what says so; an error where its samples cannot say.
fn of_partition(
    partition: &PartitionLag,
    members: Option<u32>,
    bounds: &ConsumerLag,
) -> Result<(Lag, String), &'static str> {
    let mut samples: Vec<&LagSample> = partition.samples.iter().collect();
    samples.sort_by_key(|sample| (sample.at, sample.committed, sample.high_watermark));
    samples.dedup_by_key(|sample| sample.at);
    let Some(last) = samples.last() else { return Err("no sample") };
    if samples.iter().any(|sample| sample.low_watermark > sample.high_watermark || ahead(sample)) {
        return Err("offsets that contradict each other");
    }
    if let Some(lost) = samples.iter().find_map(|sample| past_retention(sample)) {
        return Ok((Lag::PastRetention, format!("{lost} messages were deleted before they were read")));
    }
    let Some(committed) = last.committed else {
        return match (last.high_watermark > last.low_watermark, members) {
            (false, _) => Ok((Lag::Normal, String::new())),
            (true, Some(0)) => Ok((Lag::Stopped, "the group never committed and has no consumer".to_owned())),
            (true, _) => Err("the group never committed"),
        };
    };
    let behind = last.high_watermark - committed;
    if behind > 0 && members == Some(0) {
        return Ok((Lag::Stopped, format!("{behind} messages behind, and no consumer")));
    }
    let waited =
        samples.iter().all(|sample| sample.committed.is_some_and(|done| done < sample.high_watermark));
    let moved = samples.first().is_none_or(|first| first.committed != Some(committed));
    if behind > 0 && samples.len() > 1 && waited && !moved {
        return Ok((Lag::Stalled, format!("{behind} messages behind, and nothing was read in the period")));
    }
    for sample in &samples {
        let Some(behind) = sample.committed.map(|done| sample.high_watermark - done) else { continue };
        match sample.age {
            Some(age) if age > bounds.age => {
                return Ok((
                    Lag::OverThreshold,
                    format!("{} behind ({behind} messages)", format_duration(age)),
                ));
            }
            None if behind > bounds.messages => {
                return Ok((Lag::OverThreshold, format!("{behind} messages behind")));
            }
            _ => {}
        }
    }
    if behind > 0 && samples.len() < 2 {
        return Err("one sample cannot say whether the group moves");
    }
    Ok((Lag::Normal, String::new()))
}

fn ahead(sample: &LagSample) -> bool {
    sample.committed.is_some_and(|committed| committed > sample.high_watermark)
}

/// How many messages were deleted before the group read them.
fn past_retention(sample: &LagSample) -> Option<u64> {
    sample.low_watermark.checked_sub(sample.committed?).filter(|lost| *lost > 0)
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
            (facts(vec![sample(0, 5, 10), sample(90, 5, 20)]), Lag::Stalled),
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
        for facts in [
            facts(vec![]),
            facts(vec![sample(0, 11, 10)]),
            facts(vec![sample(0, 5, 10)]),
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
    fn one_bad_partition_is_enough() {
        let mut two = facts(vec![sample(0, 10, 10)]);
        two.partitions.push(PartitionLag::new(4));
        assert_eq!(judged(&two).reason(), Some(UnknownReason::Undetermined));
        let stalled = vec![sample(0, 5, 10), sample(90, 5, 20)];
        two.partitions.push(PartitionLag::new(5).with_samples(stalled));
        let verdict = judged(&two);
        assert_eq!(verdict.value(), Some(Lag::Stalled.value()));
        assert!(verdict.details().find("lag").is_some_and(|text| text.starts_with("partition 5")));
    }
}

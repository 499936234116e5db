use std::fmt;

use chrono::{DateTime, Utc};

use super::judge::{Judge, Report};
use super::rule::{Rule, Verdict};
use super::state::GroupState;
use super::window::Window;

/// The verdict of a group, from those of its partitions. `K` names a partition: its number, or topic and number.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct GroupReport<K> {
    /// The worst partition, with why: by verdict, then by lag, then the first; `None` where there is no partition.
    pub worst: Option<(K, Report)>,
    /// The partition with the largest lag, and that lag; `None` where no lag is known.
    pub most_lag: Option<(K, u64)>,
    /// The lag of all whose lag is known together, held at the largest number.
    pub total_lag: u64,
    /// How many partitions there are.
    pub partitions: usize,
    /// How many have another verdict than unknown.
    pub known: usize,
    /// How many had samples enough.
    pub complete: usize,
}

impl<K> GroupReport<K> {
    /// The rule that decided the worst partition.
    #[must_use]
    pub fn rule(&self) -> Rule {
        self.worst.as_ref().map_or(Rule::NoPartition, |(_, report)| report.rule)
    }

    /// The verdict of the worst partition. A group without a partition is unknown.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.rule().verdict()
    }
}

impl<K: fmt::Display> fmt::Display for GroupReport<K> {
    /// `stall: partition 3: messages wait, and …; 40 behind (1 min at least); 3 of 4 partitions known`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((name, report)) = &self.worst else {
            return write!(f, "{}: {}", self.verdict(), Rule::NoPartition);
        };
        let partitions = if self.partitions == 1 { "partition" } else { "partitions" };
        write!(f, "partition {name}: {report}; {} of {} {partitions} known", self.known, self.partitions)
    }
}

impl Judge {
    /// Judges a group by its worst partition. Name every partition of the topic: one that gave no answer has an
    /// empty window, and makes the group unknown at best.
    #[must_use]
    pub fn group<'a, K: Clone>(
        &self,
        now: DateTime<Utc>,
        group: impl Into<GroupState>,
        partitions: impl IntoIterator<Item = (K, &'a Window)>,
    ) -> GroupReport<K> {
        let state = group.into();
        let mut group =
            GroupReport { worst: None, most_lag: None, total_lag: 0, partitions: 0, known: 0, complete: 0 };
        for (name, window) in partitions {
            let report = self.partition(now, state, window);
            group.partitions += 1;
            group.known += usize::from(report.verdict() != Verdict::Unknown);
            group.complete += usize::from(report.is_complete());
            if let Some(lag) = report.lag {
                group.total_lag = group.total_lag.saturating_add(lag);
                if group.most_lag.as_ref().is_none_or(|(_, most)| lag > *most) {
                    group.most_lag = Some((name.clone(), lag));
                }
            }
            let badness = |report: &Report| (report.verdict(), report.lag);
            if group.worst.as_ref().is_none_or(|(_, worst)| badness(&report) > badness(worst)) {
                group.worst = Some((name, report));
            }
        }
        group
    }
}

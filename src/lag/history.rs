use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::backlog::Backlog;
use super::pace::{Interval, Pace};
use super::sample::{Sample, ago};

/// What a partition's samples show one after the other, in constant space.
///
/// A window feeds it the samples that leave it, and the judge feeds a copy those that are left. So what takes longer
/// than a window is not forgotten: the interval between commits, since when messages wait, how far the group once was.
///
/// Nothing is known to the moment: an event that a look shows happened after the look before. Each is kept with both
/// bounds, and a length is taken by the bound that errs to the safe side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct History {
    last: Option<Last>,
    /// The last sample with offsets that fit each other.
    trusted_at: Option<DateTime<Utc>>,
    /// The commit that was current then.
    commit: Option<CommitId>,
    /// When it was made, and when the offset last changed; `None` where no look saw it happen.
    committed: Option<Event>,
    moved: Option<Event>,
    /// The pace of commits, and of those that moved the offset. They differ only where commits carry their time.
    commits: Pace,
    moves: Pace,
    wait: Option<Wait>,
    /// Since when a single offset that may be no message is all that is unread.
    lone_since: Option<DateTime<Utc>>,
    furthest: u64,
    /// When a committed offset was last seen.
    seen: Option<DateTime<Utc>>,
    /// An offset of a log that was replaced: the group has not committed in this one.
    foreign: Option<u64>,
    backlog: Backlog,
    open: Option<OpenTransaction>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Last {
    at: DateTime<Utc>,
    high_watermark: u64,
    committed: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct CommitId {
    offset: u64,
    at: Option<DateTime<Utc>>,
}

/// Something that happened after one moment and no later than another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Event {
    after: DateTime<Utc>,
    by: DateTime<Utc>,
    /// Whether messages waited at the look that showed it.
    leaves_unread: bool,
}

/// How many rises of the lag are kept. A wait is then taken for no less than a third of what it is, up to waits some
/// 2 000 times as long as the time between rises.
const RISES: usize = 16;

/// Messages that wait under one committed offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Wait {
    after: DateTime<Utc>,
    /// Lags, rising, and the first look that showed each. Which lag is allowed is not known here, so that all count.
    rises: [(u64, DateTime<Utc>); RISES],
    len: usize,
}

/// A stable offset below the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct OpenTransaction {
    stable: u64,
    since: DateTime<Utc>,
}

impl History {
    /// Takes the next sample. One that is not later than the one before is passed over.
    pub(super) fn observe(&mut self, sample: &Sample) {
        let next = Last { at: sample.at, high_watermark: sample.high_watermark, committed: sample.committed };
        if let Some(last) = self.last {
            if sample.at <= last.at {
                return;
            }
            if sample.high_watermark < last.high_watermark {
                self.begin_log(sample, last.committed);
            }
        }
        self.last = Some(next);
        self.observe_stable(sample);
        if sample.contradicts() {
            return;
        }
        let Some(offset) = sample.committed else {
            *self = Self { seen: self.seen, furthest: self.furthest, ..self.without_group() };
            self.trusted_at = Some(sample.at);
            return;
        };
        if self.foreign == Some(offset) {
            return;
        }
        self.foreign = None;
        self.seen = Some(sample.at);
        let before = self.trusted_at.replace(sample.at).unwrap_or(sample.at);
        self.observe_commit(sample, offset, before);
    }

    fn observe_commit(&mut self, sample: &Sample, offset: u64, before: DateTime<Utc>) {
        let committed_at = sample.committed_at.map(|at| at.min(sample.at));
        let commit = CommitId { offset, at: sample.committed_at };
        let previous = self.commit.replace(commit);
        let leaves_unread = sample.has_unread();
        let has_moved = previous.is_some_and(|previous| previous.offset != offset);
        // By its own time where that is known, else by the looks.
        let made = match committed_at {
            Some(at) => Some(Event { after: at, by: at, leaves_unread }),
            None => previous.map(|_| Event { after: before, by: sample.at, leaves_unread }),
        };
        if previous != Some(commit)
            && let Some(made) = made
        {
            observe_event(&mut self.commits, &mut self.committed, made);
        }
        if has_moved {
            let by = committed_at.unwrap_or(sample.at);
            let moved = Event { after: before.min(by), by, leaves_unread };
            if let Some(wait) = self.wait.take() {
                let waited = wait.until(&moved);
                self.commits.observe_wait(waited);
                self.moves.observe_wait(waited);
            }
            observe_event(&mut self.moves, &mut self.moved, moved);
        }
        self.furthest = self.furthest.max(offset);
        let lag = sample.lag().unwrap_or_default();
        self.wait = leaves_unread.then(|| {
            let mut wait = self.wait.unwrap_or(Wait { after: before, rises: Default::default(), len: 0 });
            wait.observe(lag, sample.at);
            wait
        });
        let is_lone = lag > 0 && !leaves_unread;
        self.lone_since = is_lone.then(|| self.lone_since.filter(|_| !has_moved).unwrap_or(sample.at));
        self.backlog.observe(sample, lag, has_moved, self.moves.longest());
    }

    fn observe_stable(&mut self, sample: &Sample) {
        let is_open = |stable: &u64| *stable < sample.high_watermark;
        self.open = sample.last_stable_offset.filter(is_open).map(|stable| match self.open {
            Some(open) if open.stable == stable => open,
            _ => OpenTransaction { stable, since: sample.at },
        });
    }

    /// The head fell: the topic was made anew, or cut. The group's habits are what stays.
    fn begin_log(&mut self, sample: &Sample, committed: Option<u64>) {
        // An offset beyond the new head is that of the old log, until the group commits another.
        let foreign = committed.filter(|offset| *offset > sample.high_watermark);
        *self = Self { commits: self.commits, moves: self.moves, foreign, ..Self::default() };
    }

    fn without_group(&self) -> Self {
        Self {
            last: self.last,
            open: self.open,
            commits: self.commits,
            moves: self.moves,
            foreign: self.foreign,
            ..Self::default()
        }
    }

    /// Forgets what hangs on a clock that was set back; lengths stay.
    pub(super) fn restart_clock(&mut self) {
        *self = Self {
            commits: self.commits,
            moves: self.moves,
            furthest: self.furthest,
            foreign: self.foreign,
            ..Self::default()
        };
    }

    /// The time of the last sample it took.
    pub(super) fn until(&self) -> Option<DateTime<Utc>> {
        self.last.map(|last| last.at)
    }

    /// The longest interval between commits, and between commits that moved the offset.
    pub(super) fn longest_interval(&self, of: Of) -> Option<TimeDelta> {
        self.pace(of).longest()
    }

    /// How many such intervals were seen, up to as many as it takes.
    pub(super) fn intervals_seen(&self, of: Of) -> usize {
        self.pace(of).seen()
    }

    const fn pace(&self, of: Of) -> &Pace {
        match of {
            Of::Commits => &self.commits,
            Of::Moves => &self.moves,
        }
    }

    /// Whether the offset was seen to change.
    pub(super) fn has_moved(&self) -> bool {
        self.moved.is_some() || self.moves.seen() > 0
    }

    /// Since when more than `allowed` offsets are unread under the last committed one, as a look showed it.
    pub(super) fn waits_since(&self, allowed: u64) -> Option<DateTime<Utc>> {
        self.wait.and_then(|wait| wait.since(allowed))
    }

    /// By when the second offset that is unread had come, as a look showed it: this long its messages have waited.
    pub(super) fn came_by(&self, committed: u64) -> Option<DateTime<Utc>> {
        self.waits_since(1).into_iter().chain(self.backlog.came_by(committed.saturating_add(1))).min()
    }

    /// Since when one offset is all that is unread, and may be no message.
    pub(super) const fn lone_since(&self) -> Option<DateTime<Utc>> {
        self.lone_since
    }

    /// The largest offset that the group committed in this log.
    pub(super) const fn furthest(&self) -> u64 {
        self.furthest
    }

    /// When a committed offset was last seen.
    pub(super) const fn seen(&self) -> Option<DateTime<Utc>> {
        self.seen
    }

    /// Whether the group's offset is of a log that was replaced.
    pub(super) const fn is_foreign(&self) -> bool {
        self.foreign.is_some()
    }

    /// The sample at which the lag began to grow without an end in sight.
    pub(super) fn grows_since(&self) -> Option<&Sample> {
        self.backlog.grows_since()
    }

    /// Since when the stable offset has not moved, below the head.
    pub(super) fn open_since(&self) -> Option<DateTime<Utc>> {
        self.open.map(|open| open.since)
    }
}

/// Which commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Commits,
    Moves,
}

fn observe_event(pace: &mut Pace, last: &mut Option<Event>, event: Event) {
    if let Some(before) = last.replace(event) {
        let interval =
            Interval { at_least: ago(event.after, before.by), at_most: ago(event.by, before.after) };
        pace.observe(interval, before.leaves_unread);
    }
}

impl Wait {
    fn observe(&mut self, lag: u64, at: DateTime<Utc>) {
        if self.rises().last().is_some_and(|(highest, _)| lag <= *highest) {
            return;
        }
        if self.len >= RISES {
            self.make_room(at);
        }
        if let Some(slot) = self.rises.get_mut(self.len) {
            *slot = (lag, at);
            self.len += 1;
        }
    }

    /// Drops the rise whose two neighbours are nearest to each other, beside how long ago they were; never the first two,
    /// which say since when anything is unread.
    fn make_room(&mut self, now: DateTime<Utc>) {
        const FIXED: usize = 2;
        let ages = self.rises.map(|(_, at)| ago(now, at).as_seconds_f64());
        let befores = ages.iter().skip(FIXED - 1);
        let nexts = ages.iter().skip(FIXED + 1).chain([&0.0]);
        let nearness = befores.zip(nexts).map(|(before, next)| next / before);
        if let Some((place, _)) = nearness.enumerate().max_by(|(_, one), (_, other)| one.total_cmp(other))
            && let Some(later) = self.rises.get_mut(place + FIXED..)
        {
            later.rotate_left(1);
            self.len = RISES - 1;
        }
    }

    fn rises(&self) -> &[(u64, DateTime<Utc>)] {
        self.rises.get(..self.len).unwrap_or(&self.rises)
    }

    fn since(&self, allowed: u64) -> Option<DateTime<Utc>> {
        self.rises().iter().find(|(lag, _)| *lag > allowed).map(|(_, at)| *at)
    }

    fn until(&self, event: &Event) -> Interval {
        let first = self.rises().first().map_or(self.after, |(_, at)| *at);
        Interval { at_least: ago(event.after, first), at_most: ago(event.by, self.after) }
    }
}

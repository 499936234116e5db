use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};

use super::age::Age;
use super::burrow;
use super::history::{History, Of};
use super::pace::{INTERVALS_NEEDED, twice};
use super::ring::Ring;
use super::rule::{Rule, Verdict};
use super::sample::{Commit, Sample, ago};
use super::settings::{Settings, SettingsError};
use super::state::GroupState;
use super::trend::Trend;
use super::window::Window;
use crate::time::saturating_add;

/// Two clocks of one platform may differ by this much: a sample further in the future is passed over.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::seconds(30);

/// Judges windows by settings. [The module](super) has the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judge {
    settings: Settings,
}

/// The verdict of a window, with its reason and figures.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// The first rule that held.
    pub rule: Rule,
    /// The time of the last sample; `None` where none counts.
    pub at: Option<DateTime<Utc>>,
    /// How many offsets the group is behind, at the last sample; `None` where that is not known.
    pub lag: Option<u64>,
    /// How many offsets behind the last stable one exist, which the group cannot read yet; `None` where the last
    /// stable offset is not given.
    pub held_back: Option<u64>,
    /// How far it is behind in time.
    pub age: Option<Age>,
    /// Where the lag goes.
    pub trend: Option<Trend>,
    /// How many samples counted: without those from the future, and those of a log that was replaced.
    pub samples: usize,
    /// How many it takes for the rules that need a whole window.
    pub needed: usize,
}

impl Report {
    /// The verdict of the rule.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        self.rule.verdict()
    }

    /// Whether the window was whole.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.samples >= self.needed
    }
}

impl fmt::Display for Report {
    /// `stall: messages wait, and …; 40 behind (1 min at least)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.verdict(), self.rule)?;
        if let Some(lag) = self.lag {
            write!(f, "; {lag} behind")?;
        }
        if let Some(age) = self.age {
            write!(f, " ({age})")?;
        }
        Ok(())
    }
}

impl Default for Judge {
    /// A judge by the default [`Settings`].
    fn default() -> Self {
        Self { settings: Settings::default() }
    }
}

impl Judge {
    /// A judge by these settings; [`Judge::default`] takes the default ones.
    ///
    /// # Errors
    /// [`SettingsError`], which names the field.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        settings.check()?;
        Ok(Self { settings })
    }

    /// The settings.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Judges one partition. `group` is what the coordinator says of the group: a [`GroupState`], or `Some(members)`,
    /// or `None` where it was not asked.
    ///
    /// It takes time in proportion to the samples, and allocates nothing.
    #[must_use]
    pub fn partition(&self, now: DateTime<Utc>, group: impl Into<GroupState>, window: &Window) -> Report {
        self.report(now, group.into(), window)
    }

    /// Judges one partition by the rules of Burrow alone, as [`burrow`] has them. With fewer samples than
    /// [`min_samples`](Settings::min_samples) it is OK there.
    #[must_use]
    pub fn burrow(&self, now: DateTime<Utc>, window: &Window) -> burrow::Status {
        let Some(lag) = window.samples().next_back().and_then(Sample::lag) else { return burrow::Status::Ok };
        if window.len() < self.needed(window) {
            return burrow::Status::Ok;
        }
        let heads: Vec<_> = window.samples().map(Sample::end).collect();
        burrow::evaluate(&window.commits(), &heads, lag, now, self.settings.allowed_lag)
    }

    fn needed(&self, window: &Window) -> usize {
        self.settings.min_samples.min(window.capacity())
    }

    fn report(&self, now: DateTime<Utc>, group: GroupState, window: &Window) -> Report {
        let view = View::new(window, now);
        let mut report = Report {
            rule: Rule::NoSample,
            at: None,
            lag: None,
            held_back: None,
            age: None,
            trend: None,
            samples: view.len(),
            needed: self.needed(window),
        };
        if group == GroupState::Share {
            report.rule = Rule::ShareGroup;
            return report;
        }
        let (Some(first), Some(last)) = (view.samples().next(), view.samples().next_back()) else {
            if !window.is_empty() {
                report.rule = Rule::FromTheFuture;
            }
            return report;
        };
        report.at = Some(last.at);
        let stale = ago(now, last.at);
        if stale > self.settings.stale_after {
            report.rule = Rule::Stale { age: stale };
            return report;
        }
        if last.contradicts() {
            let Sample { committed, high_watermark, log_start, .. } = *last;
            report.rule = Rule::Contradiction { committed, high_watermark, log_start };
            return report;
        }
        let history = view.history(window.past(), last.at);
        report.held_back = last.last_stable_offset.map(|stable| last.high_watermark.saturating_sub(stable));
        if let Some(committed) = last.committed.filter(|_| history.is_foreign()) {
            report.rule = Rule::OldLog { committed };
            return report;
        }
        report.lag = last.lag();
        report.age = Age::of(view.samples(), last.committed.and_then(|committed| history.came_by(committed)));
        report.trend = report.age.and_then(|age| Trend::of(first, last, &age, self.settings.retention));
        report.rule = self.first_rule(&view, &history, last, group, &report);
        report
    }

    /// The rules in their order, of a last sample that can be believed.
    fn first_rule(
        &self,
        view: &View<'_>,
        history: &History,
        last: &Sample,
        group: GroupState,
        report: &Report,
    ) -> Rule {
        let lost = view.lost();
        if lost > 0 {
            return Rule::PastRetention { lost };
        }
        let (Some(lag), Some(age), Some(committed)) = (report.lag, report.age, last.committed) else {
            return match history.seen() {
                Some(seen) => Rule::OffsetGone { seen },
                None if last.high_watermark == 0 => Rule::NothingWritten,
                None => Rule::NeverCommitted { waiting: last.high_watermark.saturating_sub(last.log_start) },
            };
        };
        let allowed = self.settings.allowed_lag;
        let open = self.open_transaction(history, last, report);
        if lag <= allowed {
            return open.unwrap_or(Rule::CaughtUp);
        }
        if group == GroupState::Empty {
            return Rule::NoConsumer;
        }
        let waiting = view.waiting(history, last, allowed);
        if let Some(rule) = waiting.and_then(|waiting| self.standstill(history, last, waiting)) {
            return rule;
        }
        if committed < history.furthest() {
            return Rule::Rewound { from: history.furthest(), to: committed };
        }
        if let Some(open) = open {
            return open;
        }
        if let Some(max) = self.settings.max_lag.filter(|max| lag > *max) {
            return Rule::OverMessages { lag, max };
        }
        if let Some(max) = self.settings.max_age.filter(|max| age.at_least > *max) {
            return Rule::OverAge { at_least: age.at_least, max };
        }
        if let Some(rule) = self.growing(history, last, &age) {
            return rule;
        }
        self.course(view, history, waiting, report)
    }

    fn open_transaction(&self, history: &History, last: &Sample, report: &Report) -> Option<Rule> {
        let open = ago(last.at, history.open_since()?);
        let held_back = report.held_back?;
        (open > self.settings.transaction_after).then_some(Rule::TransactionOpen { open, held_back })
    }

    /// Messages wait for too long under one offset: a stop, or a stall where the group still commits.
    fn standstill(&self, history: &History, last: &Sample, waiting: TimeDelta) -> Option<Rule> {
        if let Some(committed_at) = last.committed_at {
            let waiting = waiting.min(ago(last.at, committed_at));
            if self.is_too_long(waiting, history, Of::Commits) {
                return Some(Rule::Stopped { waiting, usual: history.longest_interval(Of::Commits) });
            }
        }
        if !self.is_too_long(waiting, history, Of::Moves) {
            return None;
        }
        // Without the times of commits, a group that had been moving is taken for stopped.
        Some(if last.committed_at.is_none() && history.has_moved() {
            Rule::Stopped { waiting, usual: history.longest_interval(Of::Moves) }
        } else {
            Rule::Unmoved { waiting }
        })
    }

    /// Over twice the longest interval, and over any pause that is allowed.
    fn is_too_long(&self, waiting: TimeDelta, history: &History, of: Of) -> bool {
        waiting >= self.settings.stop_after
            && match history.longest_interval(of) {
                Some(usual) => waiting > twice(usual),
                None => waiting >= self.settings.slowest_commit,
            }
    }

    fn growing(&self, history: &History, last: &Sample, age: &Age) -> Option<Rule> {
        let since = history.grows_since()?;
        let trend = Trend::of(since, last, age, self.settings.retention);
        Some(Rule::Growing {
            from: since.lag().unwrap_or_default(),
            over: ago(last.at, since.at),
            lost_in: trend.and_then(|trend| trend.overrun_in),
        })
    }

    /// How a group does that is behind and not found at fault.
    fn course(
        &self,
        view: &View<'_>,
        history: &History,
        waiting: Option<TimeDelta>,
        report: &Report,
    ) -> Rule {
        let commits = Commits::of(view, self.settings.allowed_lag);
        let waiting = waiting.unwrap_or_default();
        let have = history.intervals_seen(Of::Moves);
        let has_been_idle = !history.has_moved() && !commits.was_caught_up;
        if have < INTERVALS_NEEDED
            && (waiting >= self.settings.stop_after || has_been_idle && waiting > TimeDelta::zero())
        {
            return Rule::Undecided { waiting, have, need: INTERVALS_NEEDED };
        }
        if let (Some(since), Some(at)) = (history.lone_since(), report.at) {
            let waiting = ago(at, since);
            let patience = history.longest_interval(Of::Moves).map_or(TimeDelta::zero(), twice);
            if waiting > patience.max(self.settings.stop_after) {
                return Rule::LoneOffset { waiting };
            }
        }
        match () {
            () if !report.is_complete() => Rule::Incomplete { have: report.samples, need: report.needed },
            () if commits.was_caught_up => Rule::WasCaughtUp,
            () if commits.never_fell => Rule::NotDecreasing,
            () => Rule::Decreasing,
        }
    }
}

/// What of a window counts: no sample from the future, and none from before the head last fell, since that is
/// another log.
pub(super) struct View<'a> {
    samples: &'a Ring<Sample>,
    commits: &'a Ring<Commit>,
    from: usize,
    to: usize,
    commits_from: usize,
    horizon: DateTime<Utc>,
}

impl<'a> View<'a> {
    pub(super) fn new(window: &'a Window, now: DateTime<Utc>) -> Self {
        let (samples, commits) = (window.sample_ring(), window.commit_ring());
        let horizon = saturating_add(now, CLOCK_TOLERANCE);
        let ahead = samples.iter().rev().take_while(|sample| sample.at > horizon).count();
        let to = samples.len() - ahead;
        let mut from = to;
        let mut head = u64::MAX;
        for sample in samples.range(0, to).rev() {
            if sample.high_watermark > head {
                break;
            }
            head = sample.high_watermark;
            from -= 1;
        }
        let mut view = Self { samples, commits, from, to, commits_from: 0, horizon };
        view.commits_from = view.first_commit(head);
        view
    }

    /// Where the commits of this log begin: from there on none was seen before its first sample, unless it left the
    /// window; of those before, the heads that were seen with them must lead up to the first one here.
    fn first_commit(&self, mut head: u64) -> usize {
        let Some(first) = self.samples().next() else { return self.commits.len() };
        let mut place = self.commits.len();
        for commit in self.commits.iter().rev() {
            if commit.seen < first.at {
                if self.from > 0 || commit.head > head {
                    break;
                }
                head = commit.head;
            }
            place -= 1;
        }
        place
    }

    fn len(&self) -> usize {
        self.to - self.from
    }

    pub(super) fn samples(&self) -> impl DoubleEndedIterator<Item = &'a Sample> + ExactSizeIterator + Clone {
        self.samples.range(self.from, self.to)
    }

    fn commits(&self) -> impl DoubleEndedIterator<Item = &'a Commit> + Clone {
        let horizon = self.horizon;
        self.commits.range(self.commits_from, self.commits.len()).filter(move |commit| commit.seen <= horizon)
    }

    /// How many offsets were deleted before they were read: all that lay between a committed offset and a log's
    /// start beyond it, each once.
    fn lost(&self) -> u64 {
        let mut lost = 0_u64;
        let mut gone = 0;
        for sample in self.samples().filter(|sample| !sample.contradicts()) {
            let Some(committed) = sample.committed.filter(|committed| *committed < sample.log_start) else {
                continue;
            };
            lost = lost.saturating_add(sample.log_start.saturating_sub(gone.max(committed)));
            gone = gone.max(sample.log_start);
        }
        lost
    }

    /// All that is known: of the samples that have left, and of these.
    pub(super) fn history(&self, past: &History, last: DateTime<Utc>) -> History {
        let mut history = *past;
        if history.until().is_some_and(|until| until >= last) {
            history.restart_clock();
        }
        self.samples.range(0, self.to).for_each(|sample| history.observe(sample));
        history
    }

    /// For how long more than `allowed` offsets have been unread under the last commit, at least.
    pub(super) fn waiting(&self, history: &History, last: &Sample, allowed: u64) -> Option<TimeDelta> {
        let is_same = |sample: &&Sample| {
            sample.committed == last.committed
                && sample.has_unread()
                && sample.lag().is_some_and(|lag| lag > allowed)
        };
        let seen = self.samples().rev().take_while(is_same).last().map(|sample| sample.at);
        let since = seen.into_iter().chain(history.waits_since(allowed)).min()?;
        Some(ago(last.at, since))
    }
}

/// What one pass over the commits shows.
struct Commits {
    was_caught_up: bool,
    never_fell: bool,
}

impl Commits {
    fn of(view: &View<'_>, allowed: u64) -> Self {
        let mut shown = Self { was_caught_up: false, never_fell: true };
        let mut before = None;
        for lag in view.commits().map(Commit::lag) {
            shown.was_caught_up |= lag <= allowed;
            shown.never_fell &= before.replace(lag).is_none_or(|before| lag >= before);
        }
        shown
    }
}

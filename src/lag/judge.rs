use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};

use super::age::Age;
use super::ring::Ring;
use super::rule::{Rule, Verdict};
use super::sample::{Commit, Sample, ago};
use super::settings::{Settings, SettingsError};
use super::trend::Trend;
use super::window::Window;
use crate::time::saturating_add;

/// Two clocks of one platform may differ by this much: a sample further in the future is passed over.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::seconds(30);

/// One commit alone shows no movement.
const FEWEST_COMMITS: usize = 2;

/// Judges windows by settings. [The module](super) says how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judge {
    settings: Settings,
}

/// What a window comes to, and why.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// The first rule that held.
    pub rule: Rule,
    /// The time of the last sample; `None` where none counts.
    pub at: Option<DateTime<Utc>>,
    /// How many offsets the group is behind, at the last sample; `None` where that cannot be told.
    pub lag: Option<u64>,
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
    /// What the rule comes to.
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
    /// `stall: messages wait, and …; 40 behind (1m at least)`.
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

impl Judge {
    /// A judge by these settings.
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

    /// Judges one partition at a time. `members` is how many consumers the group has, where that is known.
    ///
    /// It takes time in proportion to the samples, and allocates nothing.
    #[must_use]
    pub fn partition(&self, now: DateTime<Utc>, members: Option<u32>, window: &Window) -> Report {
        let view = View::new(window, now);
        let needed = self.settings.min_samples.min(window.capacity());
        let mut report = Report {
            rule: Rule::NoSample,
            at: None,
            lag: None,
            age: None,
            trend: None,
            samples: view.len(),
            needed,
        };
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
        report.lag = last.lag();
        report.age = Age::of(view.samples());
        report.trend = report.age.and_then(|age| Trend::of(first, last, &age, self.settings.retention));
        report.rule = self.first_rule(&view, last, members, &report);
        report
    }

    /// The rules in their order, of a last sample that can be believed.
    fn first_rule(&self, view: &View<'_>, last: &Sample, members: Option<u32>, report: &Report) -> Rule {
        let lost = view.lost();
        if lost > 0 {
            return Rule::PastRetention { lost };
        }
        let (Some(lag), Some(age)) = (report.lag, report.age) else { return view.uncommitted(last) };
        let allowed = self.settings.allowed_lag;
        if lag <= allowed {
            return Rule::CaughtUp;
        }
        if members == Some(0) {
            return Rule::NoConsumer;
        }
        let is_complete = report.is_complete();
        if let Some(rule) = view.commits_stopped(last).filter(|_| is_complete) {
            return rule;
        }
        if let Some(rule) = view.head_left_behind(last, allowed, self.settings.stop_after) {
            return rule;
        }
        if let Some(rule) = view.rewound() {
            return rule;
        }
        let commits = Commits::of(view, allowed);
        let is_complete = is_complete && commits.count >= FEWEST_COMMITS;
        if is_complete && !commits.was_caught_up && commits.is_unmoved {
            return Rule::Unmoved { span: commits.span };
        }
        if let Some(max) = self.settings.max_lag.filter(|max| lag > *max) {
            return Rule::OverMessages { lag, max };
        }
        if let Some(max) = self.settings.max_age.filter(|max| age.at_least > *max) {
            return Rule::OverAge { at_least: age.at_least, max };
        }
        match () {
            () if !report.is_complete() => {
                Rule::Incomplete { what: "samples", have: report.samples, need: report.needed }
            }
            () if !is_complete => {
                Rule::Incomplete { what: "commits", have: commits.count, need: FEWEST_COMMITS }
            }
            () if commits.was_caught_up => Rule::WasCaughtUp,
            () if commits.never_fell => Rule::NotDecreasing,
            () => Rule::Decreasing,
        }
    }
}

/// What of a window counts: no sample from the future, and none from before the head last fell, since that is
/// another log.
struct View<'a> {
    samples: &'a Ring<Sample>,
    commits: &'a Ring<Commit>,
    from: usize,
    to: usize,
    commits_from: usize,
    horizon: DateTime<Utc>,
}

impl<'a> View<'a> {
    fn new(window: &'a Window, now: DateTime<Utc>) -> Self {
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

    fn samples(&self) -> impl DoubleEndedIterator<Item = &'a Sample> + ExactSizeIterator + Clone {
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

    /// Of a last sample without a commit.
    fn uncommitted(&self, last: &Sample) -> Rule {
        let seen = self.samples().rev().find(|sample| sample.committed.is_some());
        match seen {
            Some(sample) => Rule::CommitVanished { seen: sample.at },
            None if last.high_watermark == 0 => Rule::NothingWritten,
            None => Rule::NeverCommitted { waiting: last.high_watermark.saturating_sub(last.log_start) },
        }
    }

    /// Burrow's stop. A single commit has no span of its own: it is measured by that of the samples.
    fn commits_stopped(&self, last: &Sample) -> Option<Rule> {
        let (from, to) = (self.commits().next()?, self.commits().next_back()?);
        let begin = if from == to { self.samples().next()?.at } else { from.at };
        let end = if from == to { last.at } else { to.at };
        let (silent, span) = (ago(last.at, to.at), ago(end, begin));
        if silent <= span || self.samples().any(|sample| sample.high_watermark <= to.offset) {
            return None;
        }
        Some(Rule::CommitsStopped { silent, span })
    }

    fn head_left_behind(&self, last: &Sample, allowed: u64, stop_after: TimeDelta) -> Option<Rule> {
        let waited = self
            .samples()
            .rev()
            .take_while(|sample| {
                sample.is_of_one_commit(last) && sample.lag().is_some_and(|lag| lag > allowed)
            })
            .last()?;
        let waiting = ago(last.at, waited.at);
        if last.high_watermark <= waited.high_watermark || waiting < stop_after {
            return None;
        }
        let usual = self.longest_between_moves()?;
        let patience = usual.checked_mul(2).unwrap_or(TimeDelta::MAX);
        (waiting > patience).then_some(Rule::HeadLeftBehind { waiting, usual })
    }

    /// The longest time between two commits that moved the offset, the first of the window taken for one; `None`
    /// where none moved it.
    fn longest_between_moves(&self) -> Option<TimeDelta> {
        let mut commits = self.commits();
        let mut moved = commits.next()?;
        let mut longest = None;
        for commit in commits {
            if commit.offset != moved.offset {
                longest = longest.max(Some(ago(commit.at, moved.at)));
                moved = commit;
            }
        }
        longest
    }

    /// The group went back if it stands below where it was.
    fn rewound(&self) -> Option<Rule> {
        let to = self.commits().next_back()?.offset;
        let from = self.commits().map(|commit| commit.offset).max()?;
        (to < from).then_some(Rule::Rewound { from, to })
    }
}

/// What one pass over the commits shows.
struct Commits {
    count: usize,
    span: TimeDelta,
    was_caught_up: bool,
    is_unmoved: bool,
    never_fell: bool,
}

impl Commits {
    fn of(view: &View<'_>, allowed: u64) -> Self {
        let mut commits = view.commits();
        let mut shown = Self {
            count: 0,
            span: TimeDelta::zero(),
            was_caught_up: false,
            is_unmoved: true,
            never_fell: true,
        };
        let Some(first) = commits.next() else { return shown };
        let mut before = first;
        shown.count = 1;
        shown.was_caught_up = first.lag() <= allowed;
        for commit in commits {
            shown.count += 1;
            shown.was_caught_up |= commit.lag() <= allowed;
            shown.is_unmoved &= commit.offset == before.offset;
            shown.never_fell &= commit.lag() >= before.lag();
            before = commit;
        }
        shown.span = ago(before.at, first.at);
        shown
    }
}

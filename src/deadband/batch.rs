//! Many tags at once: the values of a scan in, a bitmask of what to report out.
//!
//! # What holds
//! A [`FilterBank`] reports what one [`Filter`](super::filter::Filter) for each tag would report. Two things differ: its
//! clock is that of its scans (a scan that is not later than the last is out of time order as a whole, except its
//! duplicates; a sparse scan may be of the same moment), and a gap lies between two scans.
//!
//! Profiles: [`Exact`](super::profile::Profile::Exact) and [`OpcUa`](super::profile::Profile::OpcUa) for status and
//! value. Shortest intervals, previous samples and limits on how far ahead a sample may be need a filter of their own.
//!
//! # How
//! Three arrays are read for each scan: the values, the last reported values, and a bound for each tag. A bound is the
//! width of the band, or a little less, so that one subtraction and one comparison prove that a tag is within; this
//! is done 64 tags at a time, in a form that compilers turn into vector instructions. What is left is decided exactly.
//! Qualities and times of reports have arrays where they are used, and a word for each 64 tags says when one of them is
//! due.

mod block;
mod passed;
mod scan;

pub use passed::{Passed, PassedTags};
pub use scan::ScanError;

use block::{BLOCK, Block};

use super::filter::{
    Band, Counts, Hold, Order, RestoreError, Rule, Saved, Settings, SettingsError, State, Widths, width_at,
};
use super::profile::{Anchor, Profile, Trigger};
use super::sample::{Number, Quality};

/// The filters of many tags, in a structure of arrays.
///
/// ```
/// use iot_runbook::deadband::batch::FilterBank;
/// use iot_runbook::deadband::filter::{Extent, Settings};
///
/// let mut bank = FilterBank::<f64>::new(Settings::new(Extent::Absolute(0.5)))?;
/// for band in [0.5, 1.0, 2.0] {
///     bank.add_tag(Extent::Absolute(band))?;
/// }
/// assert_eq!(bank.scan(1, &[20.0, 20.0, 20.0])?.len(), 3);
/// let passed = bank.scan(2, &[21.5, 21.5, 21.5])?;
/// assert_eq!(passed.words(), [0b011]);
/// assert_eq!(passed.iter().collect::<Vec<_>>(), [0, 1]);
/// // Only the tags that came, by their number.
/// assert_eq!(bank.scan_some(3, &[2, 0], &[22.5, 21.5])?.iter().collect::<Vec<_>>(), [0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct FilterBank<V: Number = f64> {
    rule: Rule<V>,
    tags: usize,
    /// The last reported value and the bound of each tag, filled up to whole blocks.
    last: Vec<V>,
    bounds: Vec<V::Width>,
    blocks: Vec<Block>,
    /// When each tag was last reported; empty without a longest interval.
    reported_at: Vec<i64>,
    /// The quality of each last report; empty until one is not good.
    qualities: Vec<Quality>,
    /// The band of each tag, for what one subtraction does not decide.
    widths: Vec<Widths>,
    /// When the last scan in order was.
    newest: Option<i64>,
    passed: Vec<u64>,
    reasons: Vec<passed::Reasons>,
    counts: Counts,
}

impl<V: Number> FilterBank<V> {
    /// A bank without tags. The band of the settings is not used: each tag brings its own.
    ///
    /// # Errors
    /// [`SettingsError`], which names the field: for settings that make no sense, and for those that need a filter of
    /// their own.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        // One subtraction for each tag decides these two alone. The others keep more than a last value,
        // and a bank that kept it would be a filter for each tag, only slower.
        let foreign = match settings.profile {
            Profile::Exact | Profile::OpcUa(Trigger::StatusValue) => None,
            _ => Some("profile"),
        };
        let field = foreign
            .or(settings.min_interval.map(|_| "min_interval"))
            .or(settings.ahead.map(|_| "ahead"))
            .or(settings.previous.then_some("previous"));
        if let Some(field) = field {
            return Err(SettingsError::Bank { field });
        }
        Ok(Self {
            rule: Rule::new(settings)?,
            tags: 0,
            last: Vec::new(),
            bounds: Vec::new(),
            blocks: Vec::new(),
            reported_at: Vec::new(),
            qualities: Vec::new(),
            widths: Vec::new(),
            newest: None,
            passed: Vec::new(),
            reasons: Vec::new(),
            counts: Counts::default(),
        })
    }

    /// Adds a tag and returns its number. Numbers begin at zero.
    ///
    /// # Errors
    /// [`SettingsError`] for a band that makes no sense, or that the profile does not have.
    pub fn add_tag(&mut self, band: impl Into<Band>) -> Result<usize, SettingsError> {
        // As a rule of its own it would be proven the same way.
        let settings = Settings { band: band.into(), ..self.rule.settings().clone() };
        let widths = Widths::new(settings.band, &settings.profile)?;
        Rule::<V>::new(settings)?;
        let tag = self.tags;
        if tag.is_multiple_of(BLOCK) {
            self.last.resize(tag + BLOCK, V::default());
            self.bounds.resize(tag + BLOCK, V::Width::default());
            // Eight bytes a tag, written with each report: only where heartbeats were asked for.
            if self.is_timed() {
                self.reported_at.resize(tag + BLOCK, 0);
            }
            // Most banks never see another quality than good. Until the first, there is no array to keep
            // or read.
            if !self.qualities.is_empty() {
                self.qualities.resize(tag + BLOCK, Quality::GOOD);
            }
            self.blocks.push(Block::default());
            self.passed.push(0);
            self.reasons.push(passed::Reasons::default());
        }
        if let Some(block) = self.blocks.last_mut() {
            block.add(tag % BLOCK, !widths.is_constant());
        }
        if let Some(bound) = self.bounds.get_mut(tag) {
            *bound = V::bound(width_at(widths, V::default()));
        }
        self.widths.push(widths);
        self.tags += 1;
        Ok(tag)
    }

    /// How many tags it has.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.tags
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.tags == 0
    }

    /// The last reported value of each tag; the default for those without a report.
    #[must_use]
    pub fn last(&self) -> &[V] {
        self.last.get(..self.tags).unwrap_or_default()
    }

    /// How many samples were reported and suppressed over all tags, by reason.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// What it remembers of a tag, in the form of a [`Filter`](super::filter::Filter). `None` for a number that is no
    /// tag's. Without a longest interval a bank does not remember when a tag was reported, and says: with the last scan.
    #[must_use]
    pub fn state(&self, tag: usize) -> Option<State<V>> {
        let started = tag < self.tags && self.blocks.get(tag / BLOCK)?.is_started(tag % BLOCK);
        let newest = self.newest.unwrap_or_default();
        if !started {
            return (tag < self.tags).then(State::default);
        }
        let last = *self.last.get(tag)?;
        Some(State {
            last,
            width: width_at(*self.widths.get(tag)?, last),
            reported_at: self.reported_at.get(tag).copied().unwrap_or(newest),
            newest,
            quality: self.qualities.get(tag).copied().unwrap_or_default(),
            anchor: Anchor::Value,
            ..State::default()
        })
    }

    /// The same with the profile that it was under, to be written by any serde format: for
    /// [`restore`](Self::restore), or for a filter of its own. Counts are of the bank as a whole, and not in it.
    #[must_use]
    pub fn save(&self, tag: usize) -> Option<Saved<V>> {
        let state = self.state(tag)?;
        Some(Saved::new(self.rule.profile(), state, Hold::default(), Counts::default()))
    }

    /// Has a tag go on where it was saved, in a bank or in a filter of its own. Band and longest interval may differ:
    /// from now on, those of the bank hold.
    ///
    /// ```
    /// use iot_runbook::deadband::batch::FilterBank;
    /// use iot_runbook::deadband::filter::{Extent, Settings};
    ///
    /// let bank = || -> Result<_, Box<dyn std::error::Error>> {
    ///     let mut bank = FilterBank::<f64>::new(Settings::new(Extent::Absolute(0.5)))?;
    ///     bank.add_tag(Extent::Absolute(0.5))?;
    ///     Ok(bank)
    /// };
    /// let mut before = bank()?;
    /// before.scan(1, &[20.0])?;
    /// let mut after = bank()?;
    /// if let Some(saved) = before.save(0) {
    ///     after.restore(0, &saved)?;
    /// }
    /// assert!(after.scan(2, &[20.1])?.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`RestoreError`], which names the field: for a state of another profile or version, for one that no filter could
    /// be in, for one that holds samples back, and for a number that is no tag's. Nothing has changed then.
    pub fn restore(&mut self, tag: usize, saved: &Saved<V>) -> Result<(), RestoreError> {
        // All is checked before the first write, so that a refused state leaves the bank as it was.
        let state = saved.open_state(&self.rule)?;
        let tags = self.tags;
        let (true, Some(last), Some(bound), Some(block), Some(widths)) = (
            tag < tags,
            self.last.get_mut(tag),
            self.bounds.get_mut(tag),
            self.blocks.get_mut(tag / BLOCK),
            self.widths.get(tag),
        ) else {
            return Err(RestoreError::Tag { tag, tags });
        };
        *last = state.last;
        *bound = V::bound(width_at(*widths, state.last));
        block.restore(
            tag % BLOCK,
            state.anchor == Anchor::Value,
            state.reported_at.saturating_add(self.rule.max),
        );
        if let Some(at) = self.reported_at.get_mut(tag) {
            *at = state.reported_at;
        }
        if state.quality != Quality::GOOD {
            self.need_qualities();
        }
        if let Some(quality) = self.qualities.get_mut(tag) {
            *quality = state.quality;
        }
        self.newest = self.newest.max(state.newest());
        Ok(())
    }

    /// Accepts a clock that was set back: a scan after `now`, in nanoseconds since the Unix epoch, is in order again.
    /// Changes nothing if no scan was later than `now`.
    ///
    /// As [`Filter::accept_clock`](super::filter::Filter::accept_clock): until then every scan is late, and
    /// [`Counts::out_of_order`] rises with every value.
    ///
    /// ```
    /// use iot_runbook::deadband::batch::FilterBank;
    /// use iot_runbook::deadband::filter::{Extent, Settings};
    ///
    /// let mut bank = FilterBank::<f64>::new(Settings::new(Extent::Absolute(0.5)))?;
    /// bank.add_tag(Extent::Absolute(0.5))?;
    /// for at in [0, i64::MAX, 1] {
    ///     bank.scan(at, &[20.0])?;
    /// }
    /// assert_eq!(bank.counts().out_of_order(), 1);
    /// bank.accept_clock(1);
    /// assert!(bank.scan(2, &[20.0])?.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn accept_clock(&mut self, now: i64) {
        if self.newest.is_none_or(|newest| newest <= now) {
            return;
        }
        self.newest = Some(now);
        // Or a heartbeat would be due only once the clock is where it wrongly was.
        self.reported_at.iter_mut().for_each(|at| *at = now.min(*at));
        // No later than any that was reported ahead is due now.
        let due = now.saturating_add(self.rule.max);
        self.blocks.iter_mut().for_each(|block| block.due = block.due.min(due));
    }

    const fn is_timed(&self) -> bool {
        self.rule.max != i64::MAX
    }

    fn need_qualities(&mut self) {
        self.qualities.resize(self.last.len(), Quality::GOOD);
    }

    /// Whether a scan at this moment is in time order; an error where it is not and such are refused.
    fn in_order(&self, at: i64, same_moment: bool) -> Result<bool, ScanError> {
        let Some(newest) = self.newest else { return Ok(true) };
        if !self.rule.profile().is_ordered() || at > newest || (at == newest && same_moment) {
            return Ok(true);
        }
        match self.rule.settings().order {
            Order::Refuse => Err(ScanError::Order { at, newest }),
            _ => Ok(false),
        }
    }
}

//! The decision itself: one sample against the state of its tag.

use chrono::TimeDelta;

use super::fast_path::{FastPath, Semantics};
use super::hold::Held;
use super::{
    Band, Disorder, Extent, Hold, Order, OrderError, Reason, Report, Settings, SettingsError, State,
    Suppression, Verdict, Widths, vendor,
};
use crate::deadband::profile::{Anchor, Mode, Profile};
use crate::deadband::sample::{Class, Number, Sample};

/// Checked settings. Tags with the same settings share one rule.
#[derive(Clone, Debug)]
pub struct Rule<V: Number = f64> {
    settings: Settings,
    widths: Widths,
    /// The width, where it does not depend on the last value.
    pub(in crate::deadband) constant: Option<V::Width>,
    /// In nanoseconds; the largest where there is none.
    pub(in crate::deadband) max: i64,
    /// In nanoseconds; zero where there is none.
    pub(super) min: i64,
    /// What a sample may be ahead of its reception.
    ahead: Option<i64>,
    /// Whether the suppressed sample before a report goes first.
    pub(super) previous: bool,
    /// Whether what came too soon is dropped, not held.
    drops_soon: bool,
    is_ordered: bool,
    pub(super) semantics: Semantics,
}

impl<V: Number> Rule<V> {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`SettingsError`], which names the field and what to do about it.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        let profile = settings.profile;
        let widths = Widths::new(settings.band, &profile)?;
        let max = interval("max_interval", settings.max_interval)?;
        let min = interval("min_interval", settings.min_interval)?;
        if min.zip(max).is_some_and(|(min, max)| min >= max) {
            return Err(SettingsError::Intervals);
        }
        let ahead = interval("ahead", settings.ahead)?;
        fits(&settings)?;
        // Converted here, or each report would convert it again.
        let constant = widths.is_constant().then(|| V::width(widths.at(0.0)));
        let previous = settings.previous || profile == Profile::Pi;
        Ok(Self {
            constant,
            widths,
            // Without a longest interval the largest number takes its place: the fast path then needs one
            // comparison, and no branch on whether there is one.
            max: max.unwrap_or(match profile {
                Profile::Telegraf => vendor::DEDUP_INTERVAL,
                _ => i64::MAX,
            }),
            min: min.unwrap_or(0),
            ahead,
            previous,
            drops_soon: profile == Profile::Pi,
            is_ordered: profile.is_ordered(),
            semantics: Semantics::of::<V>(&profile, settings.band),
            settings,
        })
    }

    /// What it was made from.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whose semantics it has.
    #[must_use]
    pub const fn profile(&self) -> &Profile {
        &self.settings.profile
    }

    /// How wide the band is while `last` is the last reported value, in the unit of the tag and in its type: for
    /// integers it is a whole number.
    #[must_use]
    pub fn width_at(&self, last: V) -> f64 {
        V::width_to_f64(self.width(last))
    }

    /// Decides about a sample and updates the state of its tag. What is to be reported goes to `out`, in time order. `received` is when the sample was received, in nanoseconds since the Unix epoch, where that
    /// is known.
    ///
    /// [`Filter`](super::Filter) bundles this with the state, and counts; call this where states lie elsewhere. A state
    /// goes with one rule: under another it keeps this one's band and longest interval until the next report.
    ///
    /// # Errors
    /// [`OrderError`] for a sample out of time order, where such are refused. Nothing has changed then.
    #[inline]
    pub fn observe(
        &self,
        state: &mut State<V>,
        hold: &mut Hold<V>,
        sample: Sample<V>,
        received: Option<i64>,
        out: &mut impl FnMut(Report<V>),
    ) -> Result<Verdict, OrderError> {
        match self.fast_path(state, &sample, received) {
            FastPath::Within => {
                self.suppress(state, hold, sample);
                Ok(Verdict::Suppressed(Suppression::Band))
            }
            FastPath::Outside => {
                if let Some(sample) = self.report(state, hold, sample) {
                    out(Report { sample, reason: Reason::Previous });
                }
                out(Report { sample, reason: Reason::Value });
                Ok(Verdict::Reported(Reason::Value))
            }
            FastPath::Undecided => self.observe_fully(state, hold, sample, received, out),
        }
    }

    /// Decides about every sample that the fast path leaves undecided.
    pub(super) fn observe_fully(
        &self,
        state: &mut State<V>,
        hold: &mut Hold<V>,
        sample: Sample<V>,
        received: Option<i64>,
        out: &mut impl FnMut(Report<V>),
    ) -> Result<Verdict, OrderError> {
        // What vendors do otherwise has a path of its own, so that none of their exceptions is tested for
        // common filters.
        if self.semantics != Semantics::Common {
            return Ok(vendor::observe(self, state, sample, received, out));
        }
        if self.is_ordered
            && let Some(error) = self.disorder(state, sample.at, received)
        {
            return self.out_of_order(state, hold, sample, error, out);
        }
        let elapsed = sample.at.saturating_sub(state.reported_at);
        // Before the sample is judged: what is held becomes the last report, and that is what the sample
        // is compared with.
        if hold.held.is_some() && elapsed >= self.min {
            self.release(state, hold, out);
        }
        Ok(self.judge(state, hold, sample, out))
    }

    fn judge(
        &self,
        state: &mut State<V>,
        hold: &mut Hold<V>,
        sample: Sample<V>,
        out: &mut impl FnMut(Report<V>),
    ) -> Verdict {
        let elapsed = sample.at.saturating_sub(state.reported_at);
        let silence = sample.at.saturating_sub(state.newest);
        state.newest = sample.at;
        let reason = if state.anchor == Anchor::Nothing {
            Reason::First
        } else if sample.quality != state.quality {
            Reason::Quality
        } else if moved(sample.value, state.last, state.width) {
            // A number that becomes NaN, or the reverse, is a change of state and not a quick movement:
            // it does not wait. Below zero only after a clock was set back under a profile that ignores
            // the order of time.
            if elapsed.max(0) < self.min && sample.value.class() == state.last.class() {
                return self.too_soon(state, hold, sample);
            }
            Reason::Value
        } else if elapsed >= self.max && self.max != i64::MAX {
            // With a sample in between, the signal was merely calm; without one, nobody knows what it
            // did.
            if silence > self.max { Reason::Gap } else { Reason::Heartbeat }
        } else {
            return self.in_band(hold, sample);
        };
        // Whatever is reported now is later than all that is held, and reports leave in the order of
        // time.
        if hold.held.is_some() {
            self.release(state, hold, out);
        }
        self.report_as(state, hold, sample, reason, out);
        Verdict::Reported(reason)
    }

    /// Within the band. While others are held it is held too: it may be the last of them.
    fn in_band(&self, hold: &mut Hold<V>, sample: Sample<V>) -> Verdict {
        // Back within the band, but the excursion is held still: this sample may be its last value.
        if self.min > 0
            && let Some(held) = &mut hold.held
        {
            held.join(sample);
            return Verdict::Held;
        }
        self.keep(hold, sample);
        Verdict::Suppressed(Suppression::Band)
    }

    /// Keeps it as the previous one of the next report.
    #[inline]
    pub(super) fn keep(&self, hold: &mut Hold<V>, sample: Sample<V>) {
        hold.previous = self.previous.then(|| sample.into());
    }

    fn too_soon(&self, state: &mut State<V>, hold: &mut Hold<V>, sample: Sample<V>) -> Verdict {
        if self.drops_soon {
            self.keep(hold, sample);
            return Verdict::Suppressed(Suppression::MinInterval);
        }
        match &mut hold.held {
            Some(held) => held.join(sample),
            none => *none = Some(Held::new(sample)),
        }
        // The fast path does not know of what is held: the next sample must go the full way, which
        // releases it in time.
        state.disable_fast_path();
        Verdict::Held
    }

    #[inline]
    fn report_as(
        &self,
        state: &mut State<V>,
        hold: &mut Hold<V>,
        sample: Sample<V>,
        reason: Reason,
        out: &mut impl FnMut(Report<V>),
    ) {
        if let Some(previous) = hold.previous.take() {
            out(Report { sample: previous.into(), reason: Reason::Previous });
        }
        self.anchor(state, sample);
        out(Report { sample, reason });
    }

    /// Makes this sample the one that later ones are compared with.
    #[inline]
    pub(in crate::deadband) fn anchor(&self, state: &mut State<V>, sample: Sample<V>) {
        state.last = sample.value;
        state.width = self.width(sample.value);
        state.reported_at = sample.at;
        state.quality = sample.quality;
        state.anchor = Anchor::Value;
        self.enable_fast_path(state);
    }

    /// Enables the fast path, if there is a last report and nothing is held.
    #[inline]
    pub(super) fn enable_fast_path(&self, state: &mut State<V>) {
        // Before the first report there is nothing to subtract from. Zero disables it with the comparison
        // that is made anyhow.
        if self.semantics != Semantics::Foreign && state.anchor == Anchor::Value {
            state.fast_until = self.max.cast_unsigned();
        } else {
            state.disable_fast_path();
        }
    }

    /// The width while this is the last reported value.
    #[inline]
    pub(in crate::deadband) fn width(&self, last: V) -> V::Width {
        match self.constant {
            Some(width) => width,
            None => self.relative_width(last),
        }
    }

    /// The same, where it depends on that value.
    #[inline(never)]
    pub(super) fn relative_width(&self, last: V) -> V::Width {
        width_at(self.widths, last)
    }

    /// When what is held leaves.
    pub(in crate::deadband) fn due(&self, state: &State<V>, hold: &Hold<V>) -> Option<i64> {
        hold.held.is_some().then(|| state.reported_at.saturating_add(self.min))
    }

    /// Reports what is held, and holds what follows against the last of it.
    #[cold]
    pub(in crate::deadband) fn release(
        &self,
        state: &mut State<V>,
        hold: &mut Hold<V>,
        out: &mut impl FnMut(Report<V>),
    ) {
        let Some(held) = hold.held.take() else { return };
        if let Some(previous) = hold.previous.take() {
            out(Report { sample: previous.into(), reason: Reason::Previous });
        }
        held.report(out);
        self.anchor(state, held.last.into());
    }

    /// Returns how the sample is out of time order, if it is.
    #[inline]
    pub(in crate::deadband) fn disorder(
        &self,
        state: &State<V>,
        at: i64,
        received: Option<i64>,
    ) -> Option<OrderError> {
        // Late before ahead: a late sample is late whatever clock received it.
        if state.anchor != Anchor::Nothing && at <= state.newest {
            let disorder = if at < state.newest { Disorder::Late } else { Disorder::Duplicate };
            return Some(OrderError { at, against: state.newest, disorder });
        }
        let against = received.filter(|received| self.is_ahead(at, *received))?;
        Some(OrderError { at, against, disorder: Disorder::Ahead })
    }

    /// Whether it is too far ahead of its reception.
    #[inline]
    pub(super) fn is_ahead(&self, at: i64, received: i64) -> bool {
        self.ahead.is_some_and(|ahead| at.saturating_sub(received) > ahead)
    }

    #[cold]
    fn out_of_order(
        &self,
        state: &State<V>,
        hold: &Hold<V>,
        sample: Sample<V>,
        error: OrderError,
        out: &mut impl FnMut(Report<V>),
    ) -> Result<Verdict, OrderError> {
        match self.settings.order {
            Order::DropDuplicates if is_duplicate(state, hold, &sample) => {
                Ok(Verdict::Suppressed(Suppression::Duplicate))
            }
            Order::DropDuplicates | Order::Pass => {
                out(Report { sample, reason: Reason::Order });
                Ok(Verdict::Reported(Reason::Order))
            }
            Order::Drop => Ok(Verdict::Suppressed(Suppression::Order)),
            Order::Refuse => Err(error),
        }
    }
}

/// Whether the sample is of a time that was there already, and adds nothing to what is known of it.
fn is_duplicate<V: Number>(state: &State<V>, hold: &Hold<V>, sample: &Sample<V>) -> bool {
    if sample.quality != state.quality {
        return false;
    }
    // All that is held is finite and of that quality.
    let is_held = hold.held.is_some_and(|held| held.last.at == sample.at && held.last.value == sample.value);
    is_held
        || (sample.at == state.newest || sample.at == state.reported_at)
            && !moved(sample.value, state.last, state.width)
}

/// Whether a value left the band around another, or is a number where the other is none, or the reverse.
#[inline]
pub(in crate::deadband) fn moved<V: Number>(value: V, last: V, width: V::Width) -> bool {
    match (value.class(), last.class()) {
        // NaN is not equal to itself in floats. Compared by its class it is one state, reported once when
        // it begins.
        (Class::Finite, Class::Finite) => value.exceeds(last, width),
        (value, last) => value != last,
    }
}

/// The width of a band around this value. Around what is no number it does not matter, but for bands that are the same
/// everywhere.
#[inline]
pub(in crate::deadband) fn width_at<V: Number>(widths: Widths, last: V) -> V::Width {
    let last = match last.class() {
        Class::Finite => last.to_f64(),
        _ => 0.0,
    };
    V::width(widths.at(last))
}

fn interval(field: &'static str, length: Option<TimeDelta>) -> Result<Option<i64>, SettingsError> {
    length
        .map(|length| {
            let nanoseconds = length.num_nanoseconds().filter(|length| (1..i64::MAX).contains(length));
            nanoseconds.ok_or(SettingsError::Interval { field })
        })
        .transpose()
}

/// Whether the profile has all that is set.
fn fits(settings: &Settings) -> Result<(), SettingsError> {
    let profile = settings.profile;
    let refuse = |field, remedy| Err(SettingsError::Profile { field, profile: profile.name(), remedy });
    let (intervals, ordered) = (
        settings.max_interval.is_some() || settings.min_interval.is_some(),
        matches!(settings.order, Order::DropDuplicates | Order::Pass) && settings.ahead.is_none(),
    );
    match profile {
        Profile::Exact => return Ok(()),
        Profile::Pi => {
            return match settings.band {
                Band::Of(Extent::Absolute(_) | Extent::PercentOfSpan { .. }) => Ok(()),
                _ => refuse("band", "give ExcDev (absolute) or ExcDevPercent (percent of span)"),
            };
        }
        Profile::OpcUa(_) => match settings.band {
            Band::None | Band::Of(Extent::Absolute(_)) => {}
            Band::Of(Extent::PercentOfSpan { percent, .. }) if percent <= 100.0 => {}
            Band::Of(Extent::PercentOfSpan { .. }) => {
                return refuse("band.percent", "give 0 to 100: a server refuses more");
            }
            _ => return refuse("band", "give an absolute one or one in percent of the span"),
        },
        Profile::NodeRed(node) => match settings.band {
            Band::None if !node.mode.has_gap() => {}
            _ if !node.mode.has_gap() => return refuse("band", "the modes rbe and rbei have none"),
            Band::Of(Extent::Absolute(_)) => {}
            // The node's own code has no floor: with one, what it does could not be claimed.
            Band::Of(Extent::PercentOfLast { floor: 0.0, .. }) => {}
            _ => return refuse("band", "give an absolute gap, or percent of the last value with floor 0"),
        },
        Profile::Telegraf => {
            if settings.band != Band::None {
                return refuse("band", "it compares for equality: take Band::None");
            }
        }
    }
    if settings.previous {
        return refuse("previous", "leave it out, or take the profile exact");
    }
    if !ordered {
        return refuse(
            "order",
            "it does not look at the order of time: leave `order` and `ahead` as they are",
        );
    }
    match profile {
        Profile::Telegraf if settings.min_interval.is_none() => Ok(()),
        Profile::NodeRed(node) if node.start.is_some_and(|start| !start.is_finite()) => {
            refuse("profile.start", "give a finite start value")
        }
        Profile::NodeRed(node) if node.start.is_some() && matches!(node.mode, Mode::Rbe | Mode::Rbei) => {
            refuse("profile.start", "only the narrowbands have one")
        }
        _ if intervals => refuse("max_interval, min_interval", "it has none: leave them out"),
        _ => Ok(()),
    }
}

//! The inlined fast path: one subtraction decides almost every sample; the rest go to `Rule::observe_fully`.
//!
//! A sample that is reported costs about as much as one that is suppressed. Settings that a tag does not use cost next to
//! nothing.

use super::{Band, Extent, Hold, Rule, State};
use crate::deadband::profile::{Compare, Mode, Profile, Trigger};
use crate::deadband::sample::{Number, Sample};

/// How a rule decides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Semantics {
    /// `|v − last| > d`, decided exactly, in time order.
    Common,
    /// `deadband` or `deadbandEq` of Node-RED, compared with the last output: for samples in time order and of one
    /// quality, the fast path decides as for the common ones.
    NodeDeadband,
    /// Anything else a vendor does.
    Foreign,
}

/// What the fast path decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::deadband) enum FastPath {
    /// Within the band, and nothing is due.
    Within,
    /// Outside the band, and may be reported at once.
    Outside,
    /// The full path must decide.
    Undecided,
}

impl Semantics {
    pub(super) fn of<V: Number>(profile: &Profile, band: Band) -> Self {
        match (profile, band) {
            (Profile::Exact | Profile::Pi | Profile::OpcUa(Trigger::StatusValue), _) => Self::Common,
            (Profile::NodeRed(node), Band::Of(Extent::Absolute(_)))
                if matches!(node.mode, Mode::Deadband | Mode::DeadbandEq)
                    && node.compare == Compare::LastOutput
                    && V::COMPARES_AS_F64 =>
            {
                Self::NodeDeadband
            }
            _ => Self::Foreign,
        }
    }
}

impl<V: Number> Rule<V> {
    /// Decides about a sample after the first, where one subtraction is enough.
    #[inline(always)]
    pub(in crate::deadband) fn fast_path(
        &self,
        state: &State<V>,
        sample: &Sample<V>,
        received: Option<i64>,
    ) -> FastPath {
        // Not negative, unless the profile does not look at time; as unsigned, that is longer than any interval.
        let elapsed = sample.at.wrapping_sub(state.reported_at).cast_unsigned();
        let is_usual = elapsed < state.fast_until
            && sample.at > state.newest
            && sample.quality == state.quality
            && received.is_none_or(|received| !self.is_ahead(sample.at, received));
        if !is_usual {
            FastPath::Undecided
        } else if sample.value.is_near(state.last, state.width) {
            FastPath::Within
        } else if elapsed >= self.min.cast_unsigned() && sample.value.is_far(state.last, state.width) {
            FastPath::Outside
        } else {
            FastPath::Undecided
        }
    }

    /// Suppresses a sample that is [`FastPath::Within`].
    #[inline(always)]
    pub(in crate::deadband) fn suppress(&self, state: &mut State<V>, hold: &mut Hold<V>, sample: Sample<V>) {
        state.newest = sample.at;
        self.keep(hold, sample);
    }

    /// Makes a sample that is [`FastPath::Outside`] the last report. Returns the previous sample, if it is to be reported
    /// first.
    #[inline(always)]
    pub(in crate::deadband) fn report(
        &self,
        state: &mut State<V>,
        hold: &mut Hold<V>,
        sample: Sample<V>,
    ) -> Option<Sample<V>> {
        // The quality is the same, and so is the width where it is constant.
        (state.newest, state.reported_at, state.last) = (sample.at, sample.at, sample.value);
        if self.constant.is_none() {
            state.width = self.relative_width(sample.value);
        }
        hold.previous.take().map(Sample::from)
    }
}

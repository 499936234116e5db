//! What one subtraction tells of a sample: all there is to decide of nearly every one.
//!
//! It stands in the caller's code, and what it does not tell is told elsewhere: so a sample that passes and one that
//! does not cost about the same, and what a tag does not use costs it next to nothing.

use super::{Band, Extent, Hold, Rule, State};
use crate::deadband::profile::{Compare, Mode, Profile, Trigger};
use crate::deadband::sample::{Number, Sample};

/// By what a rule decides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Semantics {
    /// `|v − last| > d`, decided exactly, in time order.
    Common,
    /// `deadband` or `deadbandEq` of Node-RED, compared with the last output: of samples in time order and of one
    /// quality, a glance tells the same as for the common ones.
    NodeDeadband,
    /// Anything else a vendor does.
    Foreign,
}

/// What there is to be done with a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Glance {
    /// It is within the band, and nothing is due.
    Within,
    /// It is outside, and may be reported at once.
    Outside,
    /// More is to be looked at.
    Unsure,
}

impl Semantics {
    pub(super) fn of<V: Number>(profile: &Profile, band: Band) -> Self {
        match (profile, band) {
            (Profile::Exact | Profile::Pi | Profile::OpcUa(Trigger::StatusValue), _) => Self::Common,
            (Profile::NodeRed(node), Band::Of(Extent::Absolute(_)))
                if matches!(node.mode, Mode::Deadband | Mode::DeadbandEq)
                    && node.compare == Compare::LastOutput
                    && V::TELLS_AS_F64 =>
            {
                Self::NodeDeadband
            }
            _ => Self::Foreign,
        }
    }
}

impl<V: Number> Rule<V> {
    /// What to do with a sample that came after the first.
    #[inline(always)]
    pub(super) fn glance(&self, state: &State<V>, sample: &Sample<V>, received: Option<i64>) -> Glance {
        // Not negative, unless the profile does not look at time; as unsigned, that is longer than any interval.
        let elapsed = sample.at.wrapping_sub(state.reported_at).cast_unsigned();
        let is_usual = elapsed < state.glance_for
            && sample.at > state.newest
            && sample.quality == state.quality
            && received.is_none_or(|received| !self.is_ahead(sample.at, received));
        if !is_usual {
            Glance::Unsure
        } else if sample.value.is_near(state.last, state.width) {
            Glance::Within
        } else if elapsed >= self.min.cast_unsigned() && sample.value.is_far(state.last, state.width) {
            Glance::Outside
        } else {
            Glance::Unsure
        }
    }

    /// What follows on [`Glance::Within`].
    #[inline(always)]
    pub(super) fn hold_off(&self, state: &mut State<V>, hold: &mut Hold<V>, sample: Sample<V>) {
        state.newest = sample.at;
        self.keep(hold, sample);
    }

    /// What follows on [`Glance::Outside`]: the previous sample, if it is to go first, and the sample is what the
    /// next is held against.
    #[inline(always)]
    pub(super) fn move_on(
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

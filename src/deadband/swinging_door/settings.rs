use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::cone::WIDEST;
use crate::deadband::filter::Order;

/// How a [`SwingingDoor`](super::SwingingDoor) is set.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// How far what is drawn between kept samples may lie from a dropped one, in the unit of the tag. From zero,
    /// which drops only what the line or the held value gives back exactly, to 1e270.
    pub deviation: f64,
    /// The longest line, as long as samples come within it; `None`: no limit. Above zero, at most 292 years.
    pub max_interval: Option<TimeDelta>,
    /// Within it after a kept sample none is kept for its value, and none has the guarantee. Zero is none; at
    /// most the max interval.
    pub min_interval: TimeDelta,
    /// What is drawn between kept samples.
    pub mode: Mode,
    /// How many samples a kept one may wait for those after it, from 1 to [`MOST_AHEAD`](Self::MOST_AHEAD). The more,
    /// the fewer are kept. With [`Mode::Step`] nothing waits.
    pub look_ahead: u16,
    /// What becomes of samples out of time order. They take no part in any line. A duplicate equals the newest sample,
    /// or the last that was kept, in time, value and quality.
    pub order: Order,
    /// A sample further ahead of its reception than this has a wrong clock, and is out of time order. At least
    /// zero, at most 292 years. Only [`observe_received`](super::SwingingDoor::observe_received) knows the reception.
    pub ahead: Option<TimeDelta>,
}

impl Settings {
    /// The longest [`look_ahead`](Self::look_ahead).
    pub const MOST_AHEAD: u16 = 4_096;

    /// Lines within `deviation` of each dropped sample, of any length. Late samples pass, and duplicates do not.
    #[must_use]
    pub const fn new(deviation: f64) -> Self {
        Self {
            deviation,
            max_interval: None,
            min_interval: TimeDelta::zero(),
            mode: Mode::Linear,
            look_ahead: 64,
            order: Order::DropDuplicates,
            ahead: None,
        }
    }

    setters! {
        /// The same with [`max_interval`](Self::max_interval) set.
        const with_max_interval(longest: TimeDelta) => max_interval = Some(longest);
        /// The same with [`min_interval`](Self::min_interval) set.
        const with_min_interval(shortest: TimeDelta) => min_interval = shortest;
        /// The same with [`mode`](Self::mode) set.
        const with_mode(mode: Mode) => mode = mode;
        /// The same with [`look_ahead`](Self::look_ahead) set.
        const with_look_ahead(samples: u16) => look_ahead = samples;
        /// The same with [`order`](Self::order) set.
        const with_order(order: Order) => order = order;
        /// The same with [`ahead`](Self::ahead) set.
        const with_ahead(ahead: TimeDelta) => ahead = Some(ahead);
    }

    /// The intervals in nanoseconds, where all is well.
    pub(super) fn check(&self) -> Result<Checked, SettingsError> {
        let deviation = self.deviation;
        if !(0.0..=WIDEST).contains(&deviation) {
            return Err(SettingsError::Deviation { deviation });
        }
        let nanos = |length: TimeDelta| length.num_nanoseconds().and_then(|nanos| u64::try_from(nanos).ok());
        let max_interval = match self.max_interval {
            None => u64::MAX,
            Some(given) => nanos(given)
                .filter(|nanos| *nanos > 0)
                .ok_or(SettingsError::MaxInterval { max_interval: given })?,
        };
        let min_interval = nanos(self.min_interval)
            .filter(|nanos| *nanos <= max_interval)
            .ok_or(SettingsError::MinInterval { min_interval: self.min_interval })?;
        let ahead = match self.ahead {
            None => u64::MAX,
            Some(given) => nanos(given).ok_or(SettingsError::Ahead { ahead: given })?,
        };
        let look_ahead = self.look_ahead;
        if !(1..=Self::MOST_AHEAD).contains(&look_ahead) {
            return Err(SettingsError::LookAhead { look_ahead });
        }
        let (mode, order, look_ahead) = (self.mode, self.order, look_ahead.into());
        Ok(Checked { deviation, max_interval, min_interval, ahead, mode, order, look_ahead })
    }
}

/// Settings that are proven to make sense.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Checked {
    pub(super) deviation: f64,
    /// In nanoseconds; `u64::MAX` where there is none.
    pub(super) max_interval: u64,
    /// In nanoseconds.
    pub(super) min_interval: u64,
    /// In nanoseconds; `u64::MAX` where there is no limit.
    pub(super) ahead: u64,
    pub(super) mode: Mode,
    pub(super) order: Order,
    pub(super) look_ahead: u64,
}

/// What is drawn between kept samples.
///
/// Exhaustive: a signal that is sampled either moves between its samples or steps at them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// A straight line: for what moves, such as a temperature.
    #[default]
    Linear,
    /// The first value holds until the next: for what steps, such as a state, a counter or a set point. A change
    /// beyond the deviation is kept when it comes, and nothing is held back for it.
    Step,
}

/// A door cannot be set like that.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The deviation is negative, too large or no number.
    #[error("a `deviation` of {deviation} is no distance: give one from 0 to 1e270 in the unit of the tag")]
    Deviation {
        /// What was given.
        deviation: f64,
    },
    /// The max interval is zero, negative or too long.
    #[error("a `max_interval` of {max_interval} is no limit: give a length above zero and up to 292 years")]
    MaxInterval {
        /// What was given.
        max_interval: TimeDelta,
    },
    /// The min interval is negative, too long, or longer than the max interval.
    #[error("a `min_interval` of {min_interval} cannot be kept: give zero, or a length up to `max_interval`")]
    MinInterval {
        /// What was given.
        min_interval: TimeDelta,
    },
    /// The look-ahead is zero or too long.
    #[error("`look_ahead` is {look_ahead}: give 1 to {} samples", Settings::MOST_AHEAD)]
    LookAhead {
        /// What was given.
        look_ahead: u16,
    },
    /// The limit ahead of the reception is negative or too long.
    #[error("an `ahead` of {ahead} is no limit: give a length from zero up to 292 years")]
    Ahead {
        /// What was given.
        ahead: TimeDelta,
    },
}

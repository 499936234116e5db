use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::cone::Cone;
use super::{Counts, Line, Mode, Settings, SettingsError, SwingingDoor};
use crate::deadband::filter::Order;
use crate::deadband::sample::{Quality, Sample};

/// A door as it is written. Floats are their bits: text formats write no NaN, and some readers round.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Saved {
    version: u32,
    deviation: u64,
    max_interval: Option<u64>,
    min_interval: u64,
    ahead: Option<u64>,
    mode: Mode,
    order: Order,
    line: Option<SavedLine>,
    counts: Counts,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedLine {
    anchor: SavedSample,
    newest: SavedSample,
    held: u64,
    unbounded: u64,
    /// The samples that bound the cone from below and from above.
    cone: Option<[(u64, u64); 2]>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedSample {
    at: i64,
    value: u64,
    quality: Quality,
}

/// What was saved is no state of a door.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SavedError {
    /// Another version of the library wrote it.
    #[error(
        "a door was saved in version {found}, and this library reads version {}: start a new door",
        VERSION
    )]
    Version {
        /// What it says.
        found: u32,
    },
    /// Its settings are none.
    #[error("the saved settings of a door cannot be")]
    Settings(#[from] SettingsError),
    /// Its line contradicts itself.
    #[error("the saved `{field}` of a door contradicts the rest: it was changed, and a new door must start")]
    Line {
        /// The field.
        field: &'static str,
    },
}

const VERSION: u32 = 1;

impl From<SwingingDoor> for Saved {
    fn from(door: SwingingDoor) -> Self {
        Self {
            version: VERSION,
            deviation: door.deviation.to_bits(),
            max_interval: (door.max_interval != u64::MAX).then_some(door.max_interval),
            min_interval: door.min_interval,
            mode: door.mode,
            ahead: (door.ahead != u64::MAX).then_some(door.ahead),
            order: door.order,
            line: door.line.map(|line| SavedLine {
                anchor: line.anchor.into(),
                newest: line.newest.into(),
                held: line.held,
                unbounded: line.unbounded,
                cone: line.cone.edges().map(|edges| edges.map(|(value, after)| (value.to_bits(), after))),
            }),
            counts: door.counts,
        }
    }
}

impl TryFrom<Saved> for SwingingDoor {
    type Error = SavedError;

    fn try_from(saved: Saved) -> Result<Self, SavedError> {
        if saved.version != VERSION {
            return Err(SavedError::Version { found: saved.version });
        }
        // Too long is told by the check.
        let length = |nanos: u64| i64::try_from(nanos).map_or(TimeDelta::MAX, TimeDelta::nanoseconds);
        let settings = Settings {
            deviation: f64::from_bits(saved.deviation),
            max_interval: saved.max_interval.map(length),
            min_interval: length(saved.min_interval),
            mode: saved.mode,
            order: saved.order,
            ahead: saved.ahead.map(length),
        };
        let mut door = Self::new(&settings)?;
        door.line = saved.line.map(|line| line.restore(&settings)).transpose()?;
        door.counts = saved.counts;
        Ok(door)
    }
}

impl SavedLine {
    fn restore(self, settings: &Settings) -> Result<Line, SavedError> {
        let wrong = |field| Err(SavedError::Line { field });
        let (anchor, newest) = (Sample::from(self.anchor), Sample::from(self.newest));
        let mut line = Line { newest, held: self.held, unbounded: self.unbounded, ..Line::from(anchor) };
        let is_at_anchor = anchor.at == newest.at && anchor.value.to_bits() == newest.value.to_bits();
        if anchor.at > newest.at
            || anchor.quality != newest.quality
            || anchor.value.is_finite() != newest.value.is_finite()
            || (line.held == 0) != is_at_anchor
        {
            return wrong("newest");
        }
        // Moments are whole nanoseconds, so that no more samples than those lie between.
        if line.held > line.after_anchor(&newest) {
            return wrong("held");
        }
        if line.unbounded > line.held.saturating_sub(1) {
            return wrong("unbounded");
        }
        let has_cone = settings.mode == Mode::Linear && anchor.value.is_finite() && line.held > 0;
        if has_cone != self.cone.is_some() {
            return wrong("cone");
        }
        if let Some(edges) = self.cone {
            let longest = line.after_anchor(&newest);
            let [low, high] = edges.map(|(value, after)| (f64::from_bits(value), after));
            if low.1 > longest || high.1 > longest {
                return wrong("cone");
            }
            let Some(cone) = Cone::of(anchor.value, settings.deviation, low, high) else {
                return wrong("cone");
            };
            line.cone = cone;
        }
        Ok(line)
    }
}

impl From<Sample> for SavedSample {
    fn from(sample: Sample) -> Self {
        Self { at: sample.at, value: sample.value.to_bits(), quality: sample.quality }
    }
}

impl From<SavedSample> for Sample {
    fn from(saved: SavedSample) -> Self {
        Self { at: saved.at, value: f64::from_bits(saved.value), quality: saved.quality }
    }
}

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::candidates::{Candidates, MOST, Point};
use super::cone::Cone;
use super::line::{LONGEST_MEAN, Line};
use super::settings::Checked;
use super::{Counts, Mode, Settings, SettingsError, SwingingDoor};
use crate::deadband::filter::Order;
use crate::deadband::sample::{Class, Number, Quality, Sample};

/// A door as it is written. Values are their bits: text formats write no NaN, and some readers round.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Saved {
    version: u32,
    number: String,
    deviation: u64,
    max_interval: Option<u64>,
    min_interval: u64,
    ahead: Option<u64>,
    mode: Mode,
    look_ahead: u16,
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
    mean_length: u64,
    /// The samples that bound the cone from below and from above: values, and how long after the anchor.
    cone: Option<[(u64, u64); 2]>,
    /// Times and values of all samples from the first candidate on.
    points: Vec<(i64, u64)>,
    /// Which of the points are candidates.
    candidates: Vec<usize>,
    has_trials: bool,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedSample {
    at: i64,
    value: u64,
    quality: Quality,
}

/// A saved door cannot be restored.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// Another version of the library wrote it.
    #[error(
        "the door was saved in version {found}, and this library reads version {}: start a new door",
        VERSION
    )]
    Version {
        /// The saved version.
        found: u32,
    },
    /// Its values are of another type.
    #[error(
        "the door was saved for values of type {saved}, not {expected}: restore it as SwingingDoor<{saved}>"
    )]
    Number {
        /// The saved type.
        saved: String,
        /// The type of the door.
        expected: &'static str,
    },
    /// Its settings make no sense.
    #[error("the saved door is corrupt: invalid settings; start a new door")]
    Settings(#[from] SettingsError),
    /// A field contradicts the rest.
    #[error("the saved door is corrupt: invalid `{field}`; start a new door")]
    Line {
        /// The field.
        field: &'static str,
    },
}

/// Version 2 has a look-ahead, and says of which type the values are.
const VERSION: u32 = 2;

impl<V: Number> From<SwingingDoor<V>> for Saved {
    fn from(door: SwingingDoor<V>) -> Self {
        let set = door.set;
        Self {
            version: VERSION,
            number: V::NAME.to_owned(),
            deviation: set.deviation.to_bits(),
            max_interval: (set.max_interval != u64::MAX).then_some(set.max_interval),
            min_interval: set.min_interval,
            mode: set.mode,
            look_ahead: u16::try_from(set.look_ahead).unwrap_or(u16::MAX),
            ahead: (set.ahead != u64::MAX).then_some(set.ahead),
            order: set.order,
            line: door.is_started.then(|| SavedLine::of(&door.line)),
            counts: door.counts,
        }
    }
}

impl<V: Number> TryFrom<Saved> for SwingingDoor<V> {
    type Error = RestoreError;

    fn try_from(saved: Saved) -> Result<Self, RestoreError> {
        if saved.version != VERSION {
            return Err(RestoreError::Version { found: saved.version });
        }
        if saved.number != V::NAME {
            return Err(RestoreError::Number { saved: saved.number, expected: V::NAME });
        }
        // The check refuses what is too long.
        let length = |nanos: u64| i64::try_from(nanos).map_or(TimeDelta::MAX, TimeDelta::nanoseconds);
        let settings = Settings {
            deviation: f64::from_bits(saved.deviation),
            max_interval: saved.max_interval.map(length),
            min_interval: length(saved.min_interval),
            mode: saved.mode,
            look_ahead: saved.look_ahead,
            order: saved.order,
            ahead: saved.ahead.map(length),
        };
        let mut door = Self::new(&settings)?;
        if let Some(line) = saved.line {
            line.restore(&mut door.line, &door.set)?;
            door.is_started = true;
        }
        door.counts = saved.counts;
        Ok(door)
    }
}

impl SavedLine {
    fn of<V: Number>(line: &Line<V>) -> Self {
        Self {
            anchor: line.anchor.into(),
            newest: line.newest.into(),
            held: line.held,
            unbounded: line.unbounded,
            mean_length: line.mean_length,
            cone: line.cone_edges().map(|edges| edges.map(|(value, after)| (value.into_bits(), after))),
            points: line
                .candidates
                .points()
                .iter()
                .map(|point| (point.at, point.value.into_bits()))
                .collect(),
            candidates: line.candidates.places().collect(),
            has_trials: line.candidates.has_trials(),
        }
    }

    fn restore<V: Number>(self, line: &mut Line<V>, set: &Checked) -> Result<(), RestoreError> {
        let wrong = |field| RestoreError::Line { field };
        let (Some(anchor), Some(newest)) = (self.anchor.sample(), self.newest.sample::<V>()) else {
            return Err(wrong("value"));
        };
        line.start(anchor, set.mode);
        (line.newest, line.held, line.unbounded) = (newest, self.held, self.unbounded);
        line.mean_length = self.mean_length;
        if line.mean_length > LONGEST_MEAN {
            return Err(wrong("mean_length"));
        }
        let is_at_anchor = anchor.at == newest.at && anchor.value.into_bits() == newest.value.into_bits();
        if anchor.at > newest.at
            || anchor.quality != newest.quality
            || anchor.value.class() != newest.value.class()
            || (line.held == 0) != is_at_anchor
        {
            return Err(wrong("newest"));
        }
        // Moments are whole nanoseconds, so that no more samples than those lie between.
        let longest = line.after_anchor(newest.at);
        if line.held > longest {
            return Err(wrong("held"));
        }
        if line.unbounded > line.held.saturating_sub(1) {
            return Err(wrong("unbounded"));
        }
        let goes_on = line.is_straight && line.held > 0;
        if (goes_on && !self.has_trials) != self.cone.is_some() {
            return Err(wrong("cone"));
        }
        if let Some([low, high]) = self.cone {
            let edge = |(value, after)| Some((V::of_bits(value)?, after)).filter(|_| after <= longest);
            let edges = edge(low).zip(edge(high));
            line.cone = edges
                .and_then(|(low, high)| Cone::of(anchor.value, set.deviation, low, high))
                .ok_or_else(|| wrong("cone"))?;
        }
        let points = self.points(line, set).filter(|points| goes_on || points.is_empty());
        let points = points.ok_or_else(|| wrong("points"))?;
        let is_whole = self.candidates.len() <= MOST
            && self.candidates.is_sorted_by(|one, other| one < other)
            && self.candidates.first().copied() == (!points.is_empty()).then_some(0)
            && self.candidates.last().is_none_or(|last| *last < points.len());
        if !is_whole || (self.has_trials && self.candidates.len() < 2) {
            return Err(wrong("candidates"));
        }
        line.candidates = Candidates::restore(points, line.held, &self.candidates, set);
        if self.has_trials {
            line.candidates.try_all(set.deviation);
        }
        Ok(())
    }

    /// The points, where those could be of the line.
    fn points<V: Number>(&self, line: &Line<V>, set: &Checked) -> Option<Vec<Point<V>>> {
        if self.points.len() as u64 > line.held.min(set.look_ahead) {
            return None;
        }
        let mut newest = (line.anchor.at, line.newest.value);
        let mut points = Vec::with_capacity(self.points.len());
        for (at, value) in &self.points {
            let point = Point { at: *at, value: V::of_bits(*value)? };
            if point.at <= newest.0 || point.value.class() != Class::Finite {
                return None;
            }
            newest = (point.at, point.value);
            points.push(point);
        }
        let is_last = newest.0 == line.newest.at && newest.1.into_bits() == line.newest.value.into_bits();
        (points.is_empty() || is_last).then_some(points)
    }
}

impl<V: Number> From<Sample<V>> for SavedSample {
    fn from(sample: Sample<V>) -> Self {
        Self { at: sample.at, value: sample.value.into_bits(), quality: sample.quality }
    }
}

impl SavedSample {
    fn sample<V: Number>(self) -> Option<Sample<V>> {
        Some(Sample { at: self.at, value: V::of_bits(self.value)?, quality: self.quality })
    }
}

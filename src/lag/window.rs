use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::burrow;
use super::history::History;
use super::ring::Ring;
use super::sample::{Commit, Sample};

/// A window cannot have this size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WindowError {
    /// It would hold too few samples, or too many.
    #[error("`capacity` is {given}: a window holds from {} to {} samples", Window::FEWEST, Window::MOST)]
    Capacity {
        /// The size that was given.
        given: usize,
    },
}

/// The last samples of one partition and its last commits, and what those that left have shown.
///
/// Samples may come twice, out of order, and from a clock that was set. Each takes its place by its time; where the
/// window is full, the one that *came* first leaves, so that a sample from a wrong clock leaves as every other does.
/// Of two samples of one time the one that is further behind is kept.
///
/// What leaves is not forgotten: the interval between commits, since when messages wait under the last one, how far the
/// group once was, and whether the lag grows are kept in constant space.
///
/// Memory: at most some 180 bytes for each of `capacity`, taken as it fills, and some 1 000 bytes.
///
/// Saved by serde and read back it goes on as if nothing had been; of a saved one that holds more than it may, the last
/// are read. One that was saved by an earlier version is read, with no memory beyond its samples.
///
/// ```
/// use chrono::{TimeZone, Utc};
/// use iot_runbook::lag::{Sample, Window};
///
/// let mut window = Window::new(10)?;
/// for minute in 0..15 {
///     let at = Utc.timestamp_opt(1_800_000_000 + minute * 60, 0).unwrap();
///     window.observe(Sample::new(at, 0, 100).with_committed(Some(80)));
/// }
/// assert_eq!(window.len(), 10);
/// # Ok::<(), iot_runbook::lag::WindowError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub struct Window {
    samples: Ring<Sample>,
    commits: Ring<Commit>,
    /// What the samples that have left showed.
    past: History,
}

impl Window {
    /// The fewest samples that show whether anything moves.
    pub const FEWEST: usize = 2;
    /// The most samples of one window.
    pub const MOST: usize = 1 << 16;

    /// An empty window of `capacity` samples.
    ///
    /// # Errors
    /// [`WindowError`] where that is below [`FEWEST`](Self::FEWEST) or above [`MOST`](Self::MOST).
    pub fn new(capacity: usize) -> Result<Self, WindowError> {
        if !(Self::FEWEST..=Self::MOST).contains(&capacity) {
            return Err(WindowError::Capacity { given: capacity });
        }
        Ok(Self::empty(capacity))
    }

    fn empty(capacity: usize) -> Self {
        Self { samples: Ring::new(capacity), commits: Ring::new(capacity), past: History::default() }
    }

    /// Takes a sample.
    pub fn observe(&mut self, sample: Sample) {
        self.insert(sample);
        if let Some(commit) = sample.commit() {
            self.commits.insert(commit);
        }
    }

    fn insert(&mut self, sample: Sample) {
        let Some(left) = self.samples.insert(sample) else { return };
        if self.samples.iter().next_back().is_some_and(|last| Some(last.at) <= self.past.until()) {
            // All are earlier than what was seen before: the clock was set back.
            self.past.restart_clock();
        }
        let until = self.past.until();
        let has_earlier = self.samples.iter().any(|sample| Some(sample.at) > until && sample.at < left.at);
        // A sample from a clock that runs ahead leaves before those that are earlier: it is no part of the history.
        if !has_earlier {
            self.past.observe(&left);
        }
    }

    /// How many samples it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many it may hold.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.samples.capacity()
    }

    /// Its samples, in the order of their times.
    pub fn samples(&self) -> impl DoubleEndedIterator<Item = &Sample> + ExactSizeIterator {
        self.samples.iter()
    }

    /// The commits it knows of, in the order of their times, as [`burrow`] takes them. A look without the time of the
    /// commit counts as one.
    #[must_use]
    pub fn commits(&self) -> Vec<burrow::Commit> {
        self.commits
            .iter()
            .map(|commit| burrow::Commit::new(commit.at, commit.offset, commit.lag()))
            .collect()
    }

    pub(super) const fn past(&self) -> &History {
        &self.past
    }

    pub(super) const fn sample_ring(&self) -> &Ring<Sample> {
        &self.samples
    }

    pub(super) const fn commit_ring(&self) -> &Ring<Commit> {
        &self.commits
    }
}

impl Default for Window {
    /// A window of ten samples, as Burrow has by default (`intervals`).
    fn default() -> Self {
        Self::empty(10)
    }
}

/// What is saved: the items in the order in which they came.
#[derive(Serialize, Deserialize)]
struct Saved {
    capacity: usize,
    samples: Vec<Sample>,
    commits: Vec<Commit>,
    /// Earlier versions saved none.
    #[serde(default)]
    past: History,
}

impl From<Window> for Saved {
    fn from(window: Window) -> Self {
        Self {
            capacity: window.capacity(),
            samples: window.samples.by_arrival(),
            commits: window.commits.by_arrival(),
            past: window.past,
        }
    }
}

impl TryFrom<Saved> for Window {
    type Error = WindowError;

    fn try_from(saved: Saved) -> Result<Self, WindowError> {
        let mut window = Self::new(saved.capacity)?;
        window.past = saved.past;
        saved.samples.into_iter().for_each(|sample| window.insert(sample));
        saved.commits.into_iter().for_each(|commit| {
            window.commits.insert(commit);
        });
        Ok(window)
    }
}

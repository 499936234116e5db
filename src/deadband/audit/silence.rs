//! What the process did between two reports, and how much of it no report shows.
//!
//! A silence lasts from a report whose value left the band to the next such. What is shown meanwhile is what was
//! reported: both ends, and heartbeats between. The level of the process is read from blocks of eight samples, of which
//! the lowest and the highest are left out, so that neither noise nor a lone outlier passes for it. What lies beyond
//! all that was shown is hidden.

use serde::{Deserialize, Serialize};

use super::bits::{self, Bits};
use super::sketch::Sketch;

/// What lasts for fewer samples is no excursion of the process.
pub(super) const BLOCK: u32 = 8;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Silences {
    /// What is before the first report; none until that.
    head: Option<Silence>,
    /// The silence that has not ended.
    open: Silence,
    /// How far the process moved in a silence, and how much of that was hidden; each as often as it had samples.
    moved: Sketch,
    hidden: Sketch,
    #[serde(with = "bits")]
    most_hidden: f64,
    /// How many samples the longest silence that ended had.
    longest: u64,
    /// The value that is shown.
    held: Option<Bits>,
    block: Block,
    /// All levels.
    levels: Option<Span>,
    /// How far a level was from the value that was shown at that time.
    #[serde(with = "bits")]
    off: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Silence {
    samples: u64,
    shown: Option<Span>,
    levels: Option<Span>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Span {
    #[serde(with = "bits")]
    pub(super) low: f64,
    #[serde(with = "bits")]
    pub(super) high: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Block {
    count: u32,
    #[serde(with = "bits")]
    sum: f64,
    #[serde(with = "bits")]
    low: f64,
    #[serde(with = "bits")]
    high: f64,
}

/// What the silences amount to, with those at both ends where they are the longest.
pub(super) struct Whole {
    moved: Sketch,
    hidden: Sketch,
    pub(super) most_hidden: f64,
    pub(super) levels: f64,
    pub(super) off: f64,
}

impl Silences {
    pub(super) fn new() -> Self {
        Self {
            head: None,
            open: Silence::default(),
            moved: Sketch::new(),
            hidden: Sketch::new(),
            most_hidden: 0.0,
            longest: 0,
            held: None,
            block: Block::EMPTY,
            levels: None,
            off: 0.0,
        }
    }

    pub(super) fn observe(&mut self, value: f64, is_reported: bool, band: f64) {
        if is_reported {
            let is_beyond = self.held.is_none_or(|Bits(held)| (value - held).abs() > band);
            if is_beyond {
                self.end(value);
            }
            Span::take(&mut self.open.shown, value);
            self.held = Some(Bits(value));
        }
        self.open.samples = self.open.samples.saturating_add(1);
        self.block.add(value);
        if self.block.count == BLOCK {
            let level = self.block.level();
            self.block = Block::EMPTY;
            Span::take(&mut self.open.levels, level);
            Span::take(&mut self.levels, level);
            if let Some(Bits(held)) = self.held {
                self.off = self.off.max((level - held).abs());
            }
        }
    }

    /// What comes next is no neighbour of what came.
    pub(super) const fn break_off(&mut self) {
        self.block = Block::EMPTY;
    }

    /// A report of a value that left the band.
    fn end(&mut self, value: f64) {
        self.block = Block::EMPTY;
        let mut ended = std::mem::take(&mut self.open);
        Span::take(&mut ended.shown, value);
        if self.head.is_none() {
            self.head = Some(ended);
        } else {
            self.close(ended);
        }
    }

    fn close(&mut self, ended: Silence) {
        self.longest = self.longest.max(ended.samples);
        self.most_hidden = self.most_hidden.max(ended.hidden());
        ended.count(&mut self.moved, &mut self.hidden);
    }

    pub(super) fn join(&mut self, later: &Self) {
        // Only this record knows what was shown until the first report of the later one.
        let unreported = later.head.unwrap_or(later.open);
        if let (Some(Bits(held)), Some(levels)) = (self.held, unreported.levels) {
            self.off = self.off.max((levels.high - held).abs()).max((levels.low - held).abs());
        }
        if let Some(head) = later.head {
            self.open = self.open.join(head);
            let ended = std::mem::take(&mut self.open);
            if self.head.is_none() {
                self.head = Some(ended);
            } else {
                self.close(ended);
            }
            self.open = later.open;
            self.held = later.held;
        } else {
            self.open = self.open.join(later.open);
        }
        self.block = later.block;
        self.moved.join(&later.moved);
        self.hidden.join(&later.hidden);
        self.most_hidden = self.most_hidden.max(later.most_hidden);
        self.longest = self.longest.max(later.longest);
        self.levels = Span::join(self.levels, later.levels);
        self.off = self.off.max(later.off);
    }

    pub(super) fn whole(&self) -> Whole {
        let mut whole = Whole {
            moved: self.moved.clone(),
            hidden: self.hidden.clone(),
            most_hidden: self.most_hidden,
            levels: self.levels.map_or(0.0, Span::width),
            off: self.off,
        };
        // One that was cut off by the ends of the record may go on: it counts where it is already the longest.
        let ends = self.head.into_iter().chain([self.open]);
        for silence in ends.filter(|silence| silence.samples > self.longest) {
            whole.most_hidden = whole.most_hidden.max(silence.hidden());
            silence.count(&mut whole.moved, &mut whole.hidden);
        }
        whole
    }

    pub(super) fn is_possible(&self) -> bool {
        let spans = [self.levels, self.open.shown, self.open.levels];
        let heads = self.head.iter().flat_map(|head| [head.shown, head.levels]);
        let sums = [self.most_hidden, self.off];
        spans.into_iter().chain(heads).flatten().all(|span| span.is_possible())
            && sums.iter().all(|sum| *sum >= 0.0 && sum.is_finite())
            && self.held.is_none_or(|Bits(held)| held.abs() <= super::LARGEST)
            && self.block.is_possible()
    }
}

impl Whole {
    /// In which share of the time that moved by more than `size` more than that was hidden.
    pub(super) fn share_hidden(&self, size: f64) -> f64 {
        let moving = self.moved.above(size);
        if moving > 0.0 { (self.hidden.above(size) / moving).min(1.0) } else { 0.0 }
    }
}

impl Silence {
    fn hidden(&self) -> f64 {
        let Some(levels) = self.levels else { return 0.0 };
        let beyond = self
            .shown
            .map_or(f64::INFINITY, |shown| (levels.high - shown.high).max(shown.low - levels.low).max(0.0));
        // A report may itself be an outlier: then the level is far from it, and did not move.
        beyond.min(levels.width())
    }

    fn count(&self, moved: &mut Sketch, hidden: &mut Sketch) {
        let span = Span::join(self.levels, self.shown);
        moved.add_many(span.map_or(0.0, Span::width), self.samples);
        hidden.add_many(self.hidden(), self.samples);
    }

    fn join(self, later: Self) -> Self {
        Self {
            samples: self.samples.saturating_add(later.samples),
            shown: Span::join(self.shown, later.shown),
            levels: Span::join(self.levels, later.levels),
        }
    }
}

impl Span {
    pub(super) fn take(span: &mut Option<Self>, value: f64) {
        *span = Self::join(*span, Some(Self { low: value, high: value }));
    }

    pub(super) fn join(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) => {
                Some(Self { low: one.low.min(other.low), high: one.high.max(other.high) })
            }
            (one, other) => one.or(other),
        }
    }

    pub(super) const fn width(self) -> f64 {
        self.high - self.low
    }

    pub(super) fn is_possible(self) -> bool {
        self.low <= self.high && self.low >= -super::LARGEST && self.high <= super::LARGEST
    }
}

impl Block {
    const EMPTY: Self = Self { count: 0, sum: 0.0, low: f64::INFINITY, high: f64::NEG_INFINITY };

    fn add(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
        self.low = self.low.min(value);
        self.high = self.high.max(value);
    }

    fn level(&self) -> f64 {
        let mean = (self.sum - self.low - self.high) / f64::from(BLOCK - 2);
        mean.clamp(self.low, self.high)
    }

    fn is_possible(&self) -> bool {
        *self == Self::EMPTY
            || ((1..BLOCK).contains(&self.count)
                && self.sum.abs() <= f64::from(BLOCK) * super::LARGEST
                && Span { low: self.low, high: self.high }.is_possible())
    }
}

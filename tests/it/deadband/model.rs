//! The filter again, slow and obvious: it keeps all that came, and looks through it afresh each time.

use iot_runbook::deadband::filter::{Band, Extent, Order, Reason, Report, Settings};
use iot_runbook::deadband::sample::Sample;

use super::exact;

pub(super) struct Model {
    settings: Settings,
    /// What came in order.
    came: Vec<Sample>,
    /// What was reported in order, the previous ones left out.
    sent: Vec<Sample>,
    /// What came since the first that is held, that one included.
    pending: Vec<Sample>,
    /// What was suppressed since the last report.
    suppressed: Vec<Sample>,
}

impl Model {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, came: vec![], sent: vec![], pending: vec![], suppressed: vec![] }
    }

    /// What is reported for it; none where it is refused.
    pub(super) fn observe(&mut self, sample: Sample, received: Option<i64>) -> Option<Vec<Report>> {
        let behind = self.came.iter().any(|before| before.at >= sample.at);
        let ahead = match (received, self.settings.ahead) {
            (Some(received), Some(ahead)) => {
                i128::from(sample.at) - i128::from(received) > i128::from(ahead.num_nanoseconds().unwrap())
            }
            _ => false,
        };
        if behind || ahead {
            return match self.settings.order {
                Order::DropDuplicates if self.is_duplicate(sample) => Some(vec![]),
                Order::DropDuplicates | Order::Pass => Some(vec![Report { sample, reason: Reason::Order }]),
                Order::Drop => Some(vec![]),
                _ => None,
            };
        }
        let mut out = vec![];
        if self.since(sample.at) >= self.min() {
            self.release(&mut out);
        }
        let before = self.came.last().copied();
        self.came.push(sample);
        let (max, silence) = (self.max(), before.map(|before| gap(sample.at, before.at)));
        let reason = match self.sent.last() {
            None => Reason::First,
            Some(last) if last.quality != sample.quality => Reason::Quality,
            Some(last) if self.moved(last.value, sample.value) => {
                if self.since(sample.at) < self.min() && last.value.is_finite() && sample.value.is_finite() {
                    self.pending.push(sample);
                    return Some(out);
                }
                Reason::Value
            }
            Some(last) if max.is_some_and(|max| gap(sample.at, last.at) >= max) => {
                if silence > max {
                    Reason::Gap
                } else {
                    Reason::Heartbeat
                }
            }
            Some(_) if !self.pending.is_empty() => {
                self.pending.push(sample);
                return Some(out);
            }
            Some(_) => {
                self.suppressed.push(sample);
                return Some(out);
            }
        };
        self.release(&mut out);
        self.previous(&mut out);
        self.sent.push(sample);
        out.push(Report { sample, reason });
        Some(out)
    }

    /// Of the moment of the newest sample or of the last report, and nothing that is not known from it.
    fn is_duplicate(&self, sample: Sample) -> bool {
        let Some(last) = self.sent.last() else { return false };
        let held = self.pending.last();
        let is_held = held.is_some_and(|held| held.at == sample.at && held.value == sample.value);
        let is_known = self.came.last().is_some_and(|newest| newest.at == sample.at) || last.at == sample.at;
        sample.quality == last.quality && (is_held || is_known && !self.moved(last.value, sample.value))
    }

    pub(super) fn poll(&mut self, now: i64) -> Vec<Report> {
        let mut out = vec![];
        if self.since(now) >= self.min() {
            self.release(&mut out);
        }
        out
    }

    pub(super) fn release(&mut self, out: &mut Vec<Report>) {
        if self.pending.is_empty() {
            return;
        }
        self.previous(out);
        let pending = std::mem::take(&mut self.pending);
        let values = || pending.iter().map(|sample| sample.value);
        let (low, high) = (values().fold(f64::MAX, f64::min), values().fold(f64::MIN, f64::max));
        let lowest = pending.iter().position(|sample| sample.value == low).unwrap();
        let highest = pending.iter().position(|sample| sample.value == high).unwrap();
        for (position, sample) in pending.iter().enumerate() {
            if [lowest, highest, pending.len() - 1].contains(&position) {
                out.push(Report { sample: *sample, reason: Reason::Held });
                self.sent.push(*sample);
            }
        }
    }

    fn previous(&mut self, out: &mut Vec<Report>) {
        if let Some(sample) = self.suppressed.pop()
            && self.settings.previous
        {
            out.push(Report { sample, reason: Reason::Previous });
        }
        self.suppressed.clear();
    }

    fn moved(&self, last: f64, value: f64) -> bool {
        if last.is_finite() && value.is_finite() {
            return exact::exceeds(value, last, width(self.settings.band, last));
        }
        !(last == value || (last.is_nan() && value.is_nan()))
    }

    fn since(&self, now: i64) -> i128 {
        self.sent.last().map_or(0, |last| gap(now, last.at))
    }

    fn min(&self) -> i128 {
        self.settings.min_interval.map_or(0, |min| min.num_nanoseconds().unwrap().into())
    }

    fn max(&self) -> Option<i128> {
        self.settings.max_interval.map(|max| max.num_nanoseconds().unwrap().into())
    }
}

fn gap(later: i64, earlier: i64) -> i128 {
    i128::from(later) - i128::from(earlier)
}

pub(super) fn width(band: Band, last: f64) -> f64 {
    let of = |extent| match extent {
        Extent::Absolute(width) => width,
        Extent::PercentOfSpan { percent, low, high } => percent * (high - low) / 100.0,
        Extent::PercentOfLast { percent, floor } if last.abs() > 1e300 => {
            f64::max(floor, last.abs() / 100.0 * percent)
        }
        Extent::PercentOfLast { percent, floor } => f64::max(floor, percent * last.abs() / 100.0),
        _ => unreachable!(),
    };
    match band {
        Band::None => 0.0,
        Band::Of(extent) => of(extent),
        Band::Larger(a, b) => f64::max(of(a), of(b)),
        Band::Smaller(a, b) => f64::min(of(a), of(b)),
        _ => unreachable!(),
    }
}

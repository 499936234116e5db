//! The door as one would write it on paper: all samples since the last kept one are compared again, in whole
//! numbers, each time.

use iot_runbook::deadband::filter::Order;
use iot_runbook::deadband::sample::Sample;
use iot_runbook::deadband::swinging_door::{Mode, Reason, Report, Settings, SwingingDoor};

/// Values as whole multiples of a power of two.
pub(super) struct Exact {
    exponent: i32,
    deviation: i128,
}

impl Exact {
    pub(super) fn of(samples: &[Sample], deviation: f64) -> Self {
        let values = samples.iter().map(|sample| sample.value).filter(|value| value.is_finite());
        let exponent = values.chain([deviation]).map(lowest_bit).min().unwrap();
        Self { exponent, deviation: whole(deviation, exponent) }
    }

    fn whole(&self, sample: &Sample) -> i128 {
        whole(sample.value, self.exponent)
    }

    /// Whether the line, or what holds, passes the sample within the deviation.
    pub(super) fn is_drawn(&self, mode: Mode, before: &Sample, after: &Sample, sample: &Sample) -> bool {
        let rise = self.whole(sample) - self.whole(before);
        if mode == Mode::Step {
            return rise.abs() <= self.deviation;
        }
        let run = i128::from(after.at) - i128::from(before.at);
        let part = i128::from(sample.at) - i128::from(before.at);
        let drawn = (self.whole(after) - self.whole(before)).checked_mul(part).unwrap();
        (drawn - rise.checked_mul(run).unwrap()).abs() <= self.deviation.checked_mul(run).unwrap()
    }
}

/// The weight of the lowest bit that is set.
fn lowest_bit(value: f64) -> i32 {
    if value == 0.0 {
        return i32::MAX;
    }
    let mut exponent = 0;
    let mut value = value;
    while value.fract() != 0.0 {
        value *= 2.0;
        exponent -= 1;
    }
    exponent
}

fn whole(value: f64, exponent: i32) -> i128 {
    let exponent = exponent.min(0);
    let scaled = value * 2.0_f64.powi(-exponent);
    assert!(scaled.fract() == 0.0 && scaled.abs() < 2.0_f64.powi(84), "{value} is too fine for the model");
    scaled as i128
}

/// What is kept, and how many are dropped without the guarantee.
pub(super) fn run(settings: &Settings, samples: &[Sample]) -> (Vec<Report>, u64) {
    let exact = Exact::of(samples, settings.deviation);
    let longest = settings.max_interval.map_or(i64::MAX, |max| max.num_nanoseconds().unwrap());
    let shortest = settings.min_interval.num_nanoseconds().unwrap();
    let mut kept = Vec::new();
    // Since the last that was kept, that one first; and from which of them on the line is bound.
    let mut since: Vec<Sample> = Vec::new();
    let mut bound = 1;
    let mut unbounded = 0;
    let dropped = |since: &[Sample], bound: usize, keeps_newest: bool| {
        let dropped = &since[1..since.len() - usize::from(keeps_newest)];
        let is_outside = |sample: &&Sample| {
            sample.value.is_finite() && !exact.is_drawn(Mode::Step, &since[0], &since[0], sample)
        };
        match settings.mode {
            Mode::Linear => dropped.len().min(bound - 1) as u64,
            Mode::Step => dropped.iter().filter(is_outside).count() as u64,
        }
    };
    for sample in samples {
        let Some((anchor, newest)) = since.first().copied().zip(since.last().copied()) else {
            kept.push(report(sample, Reason::First));
            since.push(*sample);
            continue;
        };
        if sample.at <= newest.at {
            let equals = |known: &Sample| {
                let is_same = known.value == sample.value || known.value.is_nan() && sample.value.is_nan();
                (known.at, known.quality) == (sample.at, sample.quality) && is_same
            };
            let is_duplicate = equals(&newest) || equals(&anchor);
            if settings.order == Order::Pass || (settings.order == Order::DropDuplicates && !is_duplicate) {
                kept.push(report(sample, Reason::Order));
            }
            continue;
        }
        let is_like = |one: f64, other: f64| {
            (one.is_nan() && other.is_nan()) || one == other || (one.is_finite() && other.is_finite())
        };
        let is_held = since.len() > 1;
        if sample.quality != newest.quality || !is_like(sample.value, newest.value) {
            let is_line = settings.mode == Mode::Linear && newest.value.is_finite();
            let is_too_long = sample.at - anchor.at > longest;
            let has_end = is_held && (is_line || is_too_long);
            if has_end {
                kept.push(report(&newest, if is_line { Reason::Last } else { Reason::MaxInterval }));
            }
            unbounded += dropped(&since, bound, has_end);
            let is_other = sample.quality != newest.quality;
            kept.push(report(sample, if is_other { Reason::Quality } else { Reason::NotFinite }));
            (since, bound) = (vec![*sample], 1);
            continue;
        }
        if is_held && sample.at - anchor.at > longest {
            kept.push(report(&newest, Reason::MaxInterval));
            unbounded += dropped(&since, bound, true);
            (since, bound) = (vec![newest], 1);
        }
        let anchor = since[0];
        let is_number = sample.value.is_finite();
        if is_number && settings.mode == Mode::Step {
            if !exact.is_drawn(Mode::Step, &anchor, &anchor, sample) && sample.at - anchor.at >= shortest {
                kept.push(report(sample, Reason::Value));
                unbounded += dropped(&since, bound, false);
                (since, bound) = (vec![*sample], 1);
                continue;
            }
        } else if is_number
            && since.iter().skip(bound).any(|held| !exact.is_drawn(Mode::Linear, &anchor, sample, held))
        {
            if newest.at - anchor.at >= shortest {
                kept.push(report(&newest, Reason::Line));
                unbounded += dropped(&since, bound, true);
                (since, bound) = (vec![newest], 1);
            } else {
                bound = since.len();
            }
        }
        since.push(*sample);
    }
    if let [_, .., newest] = &since[..] {
        kept.push(report(newest, Reason::Last));
        unbounded += dropped(&since, bound, true);
    }
    (kept, unbounded)
}

/// A report is the library's to make: one like it comes from a door of its own.
fn report(sample: &Sample, reason: Reason) -> Report {
    let mut door = SwingingDoor::new(&Settings::new(0.0)).unwrap();
    let mut report = None;
    door.observe(*sample, |first| report = Some(first)).unwrap();
    let mut report: Report = report.unwrap();
    report.reason = reason;
    report
}

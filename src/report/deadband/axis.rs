//! Where values and moments stand, and the ticks beside them.

use std::fmt;

use chrono::DateTime;

use crate::deadband::sample::Sample;

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;

/// How far apart ticks may stand.
const STEPS: [u64; 18] = [
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    30 * MINUTE,
    60 * MINUTE,
    2 * 60 * MINUTE,
    6 * 60 * MINUTE,
    12 * 60 * MINUTE,
    24 * 60 * MINUTE,
    2 * 24 * 60 * MINUTE,
    7 * 24 * 60 * MINUTE,
    14 * 24 * 60 * MINUTE,
];

/// From where to where an axis runs, in pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) from: f64,
    pub(super) to: f64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    first: i64,
    /// In nanoseconds; at least one.
    length: u64,
    span: Span,
}

impl Times {
    pub(super) fn of(samples: impl Iterator<Item = Sample>, span: Span) -> Self {
        let (first, last) = samples
            .map(|sample| sample.at)
            .fold((i64::MAX, i64::MIN), |(first, last), at| (first.min(at), last.max(at)));
        let (first, last) = if first > last { (0, 0) } else { (first, last) };
        Self { first, length: last.abs_diff(first).max(1), span }
    }

    /// When it begins, with the day and the zone that the ticks leave out.
    pub(super) fn begin(&self) -> impl fmt::Display {
        DateTime::from_timestamp_nanos(self.first).format("from %Y-%m-%d %H:%M:%S UTC")
    }

    pub(super) fn x(&self, at: i64) -> f64 {
        let part = at.saturating_sub(self.first).max(0) as f64 / self.length as f64;
        (self.span.to - self.span.from).mul_add(part.min(1.0), self.span.from)
    }

    pub(super) fn write_axis(&self, f: &mut fmt::Formatter<'_>, foot: f64) -> fmt::Result {
        const MOST: u64 = 8;
        // Below a second, powers of ten; above a month, months of thirty days.
        let powers = (0..9).map(|power| 10_u64.pow(power));
        let months = (1..=200).map(|months| months * 30 * 24 * 60 * MINUTE);
        let mut steps = powers.chain(STEPS).chain(months);
        let Some(step) = steps.find(|step| self.length / step <= MOST) else { return Ok(()) };
        // As many digits as two ticks differ by.
        let form = match (self.length, step) {
            (length, _) if length >= 24 * 60 * MINUTE => "%Y-%m-%d %H:%M",
            (_, step) if step >= SECOND => "%H:%M:%S",
            (_, step) if step >= SECOND / 1_000 => "%H:%M:%S%.3f",
            (_, step) if step >= SECOND / 1_000_000 => "%H:%M:%S%.6f",
            _ => "%H:%M:%S%.9f",
        };
        let step = step.cast_signed();
        let after = self.first.rem_euclid(step);
        let mut at = if after == 0 { Some(self.first) } else { self.first.checked_add(step - after) };
        while let Some(tick) = at.filter(|at| at.abs_diff(self.first) <= self.length) {
            let x = self.x(tick);
            // Near an end a text would be cut off.
            let anchor = match x {
                x if x < self.span.from + 30.0 => "start",
                x if x > self.span.to - 30.0 => "end",
                _ => "middle",
            };
            writeln!(
                f,
                "<path class=\"grid\" d=\"M{x:.1} {foot:.1}v6\"/>\
                 <text class=\"small\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
                foot + 20.0,
                DateTime::from_timestamp_nanos(tick).format(form)
            )?;
            at = tick.checked_add(step);
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Values {
    lowest: f64,
    highest: f64,
    span: Span,
}

impl Values {
    /// For these samples, and for a band of this width about what is held: as much of it as leaves the samples a third
    /// of the height.
    pub(super) fn of(
        samples: impl Iterator<Item = Sample>,
        held: impl Iterator<Item = Sample>,
        band: f64,
        span: Span,
    ) -> Self {
        let (lowest, highest) = ends(samples).unwrap_or((0.0, 0.0));
        let (held_lowest, held_highest) = ends(held).unwrap_or((lowest, highest));
        let most = if highest > lowest { highest - lowest } else { f64::INFINITY };
        let (lowest, highest) = (
            lowest.min((held_lowest - band).max(lowest - most)).max(f64::MIN),
            highest.max((held_highest + band).min(highest + most)).min(f64::MAX),
        );
        // A margin, also about a signal that stands still; halved first, so that nothing overflows.
        let half = highest / 2.0 - lowest / 2.0;
        let margin = if half > 0.0 { half * 0.12 } else { (lowest.abs() * 1e-3).max(1.0) };
        Self { lowest: (lowest - margin).max(f64::MIN), highest: (highest + margin).min(f64::MAX), span }
    }

    /// Held within the plot.
    pub(super) fn y(&self, value: f64) -> f64 {
        let part = (value / 2.0 - self.lowest / 2.0) / (self.highest / 2.0 - self.lowest / 2.0);
        (self.span.to - self.span.from).mul_add(part.clamp(0.0, 1.0), self.span.from)
    }

    pub(super) fn write_axis(&self, f: &mut fmt::Formatter<'_>, left: f64, right: f64) -> fmt::Result {
        const MOST: u32 = 12;
        let length = self.highest / 2.0 - self.lowest / 2.0;
        // The power of ten, times one, two or five, that gives some five ticks.
        let about = length / 2.5;
        let power = about.log10().floor();
        let unit = 10.0_f64.powf(power);
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|times| times * unit).find(|step| *step >= about);
        let step = step.filter(|step| step.is_finite() && *step > 0.0).unwrap_or(length);
        // Digits enough that two ticks are two texts.
        let digits = if (-9.0..6.0).contains(&power) { Some((-power).max(0.0) as usize) } else { None };
        let first = (self.lowest / step).ceil();
        for tick in 0..MOST {
            let value = (first + f64::from(tick)) * step;
            if value.is_nan() || value > self.highest {
                break;
            }
            let y = self.y(value);
            write!(
                f,
                "<path class=\"grid\" d=\"M{left:.1} {y:.1}H{right:.1}\"/>\
                 <text class=\"small\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">",
                left - 8.0,
                y + 4.0
            )?;
            match digits {
                Some(digits) => writeln!(f, "{value:.digits$}</text>")?,
                None => writeln!(f, "{value:.3e}</text>")?,
            }
        }
        Ok(())
    }
}

/// The lowest and the highest of the finite values, if there are any.
fn ends(samples: impl Iterator<Item = Sample>) -> Option<(f64, f64)> {
    let finite = samples.map(|sample| sample.value).filter(|value| value.is_finite());
    finite
        .map(|value| (value, value))
        .reduce(|(lowest, highest), (value, _)| (value.min(lowest), value.max(highest)))
}

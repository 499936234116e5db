//! A mark for each report, by its reason, and the legend that counts them.

use std::fmt;

use super::axis::{Times, Values};
use crate::deadband::filter::{Reason, Report};

/// Colour, shape about the origin, and name of each reason.
const SHAPES: [(&str, &str, &str); 8] = [
    ("#1a1a1a", "M-4 -4h8v8h-8z", "first"),
    ("#762a83", "M0 -5l5 9h-10z", "quality"),
    ("#2166ac", "M-3 0a3 3 0 1 0 6 0a3 3 0 1 0 -6 0z", "value"),
    ("#1b7837", "M0 -4.5l4.5 4.5l-4.5 4.5l-4.5 -4.5z", "heartbeat"),
    ("#bf812d", "M-3 -3h6v6h-6z", "previous"),
    ("#b2182b", "M0 5l5 -9h-10z", "gap"),
    ("#5aae61", "M-4 -1.5h8v3h-8z", "held"),
    ("#d6604d", "M-1.5 -4h3v8h-3z", "out of order"),
];

const fn shape(reason: Reason) -> usize {
    match reason {
        Reason::First => 0,
        Reason::Quality => 1,
        Reason::Value => 2,
        Reason::Heartbeat => 3,
        Reason::Previous => 4,
        Reason::Gap => 5,
        Reason::Held => 6,
        Reason::Order => 7,
    }
}

/// How often each reason came.
pub(super) struct Marks([usize; SHAPES.len()]);

impl Marks {
    pub(super) fn of(reported: &[Report]) -> Self {
        let mut counts = [0; SHAPES.len()];
        for report in reported {
            if let Some(count) = counts.get_mut(shape(report.reason)) {
                *count += 1;
            }
        }
        Self(counts)
    }

    /// One mark a column for each reason at most. What is not finite is at the foot.
    pub(super) fn write(
        &self,
        f: &mut fmt::Formatter<'_>,
        reported: &[Report],
        times: &Times,
        values: &Values,
        foot: f64,
    ) -> fmt::Result {
        let mut drawn = [f64::NEG_INFINITY; SHAPES.len()];
        for report in reported {
            let reason = shape(report.reason);
            let x = times.x(report.sample.at);
            let (Some(drawn), Some((color, path, _))) = (drawn.get_mut(reason), SHAPES.get(reason)) else {
                continue;
            };
            // Reports out of order go back, and are few.
            if x.floor() == *drawn {
                continue;
            }
            *drawn = x.floor();
            let value = report.sample.value;
            let y = if value.is_finite() { values.y(value) } else { foot };
            writeln!(f, "<path fill=\"{color}\" transform=\"translate({x:.1} {y:.1})\" d=\"{path}\"/>")?;
        }
        Ok(())
    }

    pub(super) fn write_legend(
        &self,
        f: &mut fmt::Formatter<'_>,
        left: f64,
        y: f64,
        has_band: bool,
        has_line: bool,
    ) -> fmt::Result {
        let mut x = left;
        let mut entry = |f: &mut fmt::Formatter<'_>, mark: &str, text: &str| {
            let width = 7.0_f64.mul_add(text.chars().count() as f64, 44.0);
            writeln!(
                f,
                "<g transform=\"translate({x:.1} {:.1})\">{mark}</g>\
                 <text class=\"small\" x=\"{:.1}\" y=\"{y:.1}\">{text}</text>",
                y - 4.0,
                x + 14.0
            )?;
            x += width;
            Ok(())
        };
        entry(f, "<path class=\"raw\" d=\"M-8 0h16\"/>", "raw")?;
        entry(f, "<path class=\"held\" d=\"M-8 0h16\"/>", "held")?;
        if has_band {
            entry(f, "<path class=\"band\" d=\"M-8 -6h16v12h-16z\"/>", "band")?;
        }
        if has_line {
            entry(f, "<path class=\"door\" d=\"M-8 0h16\"/>", "swinging door")?;
        }
        for ((color, path, name), count) in SHAPES.iter().zip(self.0) {
            if count > 0 {
                entry(f, &format!("<path fill=\"{color}\" d=\"{path}\"/>"), &format!("{name} {count}"))?;
            }
        }
        Ok(())
    }
}

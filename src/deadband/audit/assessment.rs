use std::fmt;

use serde::{Deserialize, Serialize};

use super::fmt::{Exact, Rounded};
use super::{Audit, Figures, Limits, Recommendation, Verdict};

/// The verdict of an audit, its figures, and what it recommends. Its [`Display`](fmt::Display) is text for a person.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Assessment {
    /// What was measured.
    pub figures: Figures,
    /// Whether the band is right.
    pub verdict: Verdict,
    /// What to set; none where the verdict is stuck or undetermined.
    pub recommendation: Option<Recommendation>,
    /// What was asked of the band.
    pub limits: Limits,
}

impl Audit {
    /// Judges what it has observed.
    #[must_use]
    pub fn assess(&self, limits: &Limits) -> Assessment {
        self.figures(limits).assess(limits)
    }

    /// Judges this period with what `before`, the audit of the record before it, knows of the noise. A sensor that is
    /// dead for the whole period is found in this way only.
    #[must_use]
    pub fn assess_after(&self, before: &Self, limits: &Limits) -> Assessment {
        self.figures_after(before, limits).assess(limits)
    }
}

impl Figures {
    /// Judges these figures.
    #[must_use]
    pub fn assess(&self, limits: &Limits) -> Assessment {
        Assessment {
            figures: *self,
            verdict: self.judge(limits),
            recommendation: self.recommend(limits),
            limits: *limits,
        }
    }
}

impl fmt::Display for Assessment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = &self.figures;
        writeln!(f, "A band of {} is {}.", Exact(figures.band), self.verdict)?;
        writeln!(
            f,
            "Suppressed {:.2} % of {} samples; the shown value was off by {} (root mean square) and {} at most.",
            100.0 * figures.suppressed(),
            figures.samples,
            Rounded(figures.error),
            Rounded(figures.error_max)
        )?;
        writeln!(
            f,
            "The process moved by {}. The largest excursion that no report shows is {}; excursions beyond the noise \
             were hidden in {:.0} to {:.0} % of the time in which it moved.",
            Rounded(figures.movement),
            Rounded(figures.hidden),
            100.0 * figures.hidden_time.min(figures.hidden_time_most),
            100.0 * figures.hidden_time_most
        )?;
        writeln!(
            f,
            "Noise {} (standard deviation; {} if damped; resolution {}), over a range of {}.",
            Rounded(figures.noise),
            Rounded(figures.damped_noise),
            Rounded(figures.quantum),
            Rounded(figures.range)
        )?;
        if figures.constant > 1 {
            writeln!(f, "The last {} samples are equal.", figures.constant)?;
        }
        match &self.recommendation {
            Some(recommendation) => write!(
                f,
                "For noise to report at most {} % of the samples, {recommendation}.",
                100.0 * self.limits.noise_reports
            ),
            None => f.write_str("No band is recommended."),
        }
    }
}

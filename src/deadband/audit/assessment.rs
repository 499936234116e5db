use std::fmt;

use super::shown::{Given, Measured};
use super::{Audit, Figures, Limits, Recommendation, Verdict};

/// The verdict of an audit with its figures and what it recommends. Printed, it is what a person reads.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Assessment {
    /// What was measured.
    pub figures: Figures,
    /// Whether the band is right.
    pub verdict: Verdict,
    /// What to set; none where the noise is not known.
    pub recommendation: Option<Recommendation>,
    /// What was asked of the band.
    pub limits: Limits,
}

impl Audit {
    /// Judges what it has measured.
    #[must_use]
    pub fn assess(&self, limits: &Limits) -> Assessment {
        self.figures().assess(limits)
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
        let band = Given(figures.band);
        match self.verdict {
            Verdict::ProcessStable => writeln!(f, "Under a band of {band}, {}.", self.verdict)?,
            _ => writeln!(f, "A band of {band} is {}.", self.verdict)?,
        }
        writeln!(
            f,
            "Suppressed {:.2} % of {} samples; the held value was off by {} (root mean square) and {} at most, and \
             hid a range of {}.",
            100.0 * figures.suppressed(),
            figures.samples,
            Measured(figures.error),
            Measured(figures.error_max),
            Measured(figures.hidden_range)
        )?;
        writeln!(
            f,
            "Noise {} (standard deviation; quantum {}), of which this band reports about {:.2} %. The signal spread \
             {} over a range of {}.",
            Measured(figures.noise),
            Measured(figures.quantum),
            100.0 * figures.noise_reports(),
            Measured(figures.spread),
            Measured(figures.range)
        )?;
        writeln!(
            f,
            "Movement is {} % of the signal's variance ({:.1} standard deviations from none) and {} % of what was \
             suppressed; {} % of it was hidden.",
            percent(figures.movement),
            figures.significance,
            percent(figures.structure),
            percent(figures.hidden())
        )?;
        match &self.recommendation {
            Some(recommendation) => write!(
                f,
                "To have noise report at most {} % of the samples: {recommendation}.",
                100.0 * self.limits.noise_reports
            ),
            None => f.write_str("No band is recommended."),
        }
    }
}

/// Whole percent, and never a minus before zero.
fn percent(share: f64) -> f64 {
    (100.0 * share).round() + 0.0
}

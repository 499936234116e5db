use std::fmt;

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
        writeln!(f, "A band of {} is {}.", figures.band, self.verdict)?;
        writeln!(
            f,
            "Suppressed {:.2} % of {} samples; the held value was off by {:.4} on average and {:.4} at most, and \
             hid a range of {:.4}.",
            100.0 * figures.suppressed(),
            figures.samples,
            figures.error,
            figures.error_max,
            figures.hidden_range
        )?;
        writeln!(
            f,
            "Noise {:.4} (standard deviation; quantum {:.4}), of which this band reports about {:.2} %. The signal \
             spread {:.4} over a range of {:.4}.",
            figures.noise,
            figures.quantum,
            100.0 * figures.noise_reports(),
            figures.spread,
            figures.range
        )?;
        writeln!(
            f,
            "Movement is {:.0} % of the signal's variance ({:.1} standard deviations from none) and {:.0} % of what \
             was suppressed; {:.0} % of it was hidden.",
            100.0 * figures.movement,
            figures.significance,
            100.0 * figures.structure,
            100.0 * figures.hidden()
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

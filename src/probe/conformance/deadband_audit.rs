//! What the figures of a deadband's audit must be, and how they go with the rest of the answer.

use super::{Found, Rule};
use crate::probe::DeadbandFacts;

const METHOD: &str = "deadband";

impl Found {
    /// Checks the figures of the audit, if they are told.
    pub(super) fn deadband_audit(&mut self, facts: &DeadbandFacts) {
        let Some(audit) = &facts.audit else { return };
        for (name, number) in [
            ("band", Some(audit.band)),
            ("noise", audit.noise),
            ("spread", audit.spread),
            ("colour", audit.colour),
            ("slowness", audit.slowness),
            ("error", audit.error),
            ("hidden_range", audit.hidden_range),
        ] {
            if let Some(number) = number.filter(|number| !(number.is_finite() && *number >= 0.0)) {
                self.add(METHOD, Rule::Number, format!("the audit's {name} of {number} is no number from 0"));
            }
        }
        // One less half a ratio that is never negative.
        for (name, share) in [("movement", audit.movement), ("structure", audit.structure)] {
            if let Some(share) = share.filter(|share| !(share.is_finite() && *share <= 1.0)) {
                self.add(METHOD, Rule::Number, format!("the audit's {name} of {share} is no share up to 1"));
            }
        }
        if let Some(significance) = audit.significance.filter(|deviations| !deviations.is_finite()) {
            let text = format!("the audit's significance of {significance} is no number");
            self.add(METHOD, Rule::Number, text);
        }
        if audit.reported > audit.samples {
            let text = format!("{} of {} samples were reported", audit.reported, audit.samples);
            self.add(METHOD, Rule::Contradiction, text);
        }
        if facts.width.is_none_or(|width| width.to_bits() != audit.band.to_bits()) {
            let width = facts.width.map_or_else(|| "none".to_owned(), |width| width.to_string());
            let text = format!("a band of {} was audited, and the width in force is {width}", audit.band);
            self.add(METHOD, Rule::Contradiction, text);
        }
        let Some(range) = facts.movement else { return };
        for (name, length) in
            [("spread", audit.spread), ("error", audit.error), ("hidden_range", audit.hidden_range)]
        {
            if let Some(length) = length.filter(|length| *length > range) {
                let text = format!("the audit's {name} of {length} is beyond the movement of {range}");
                self.add(METHOD, Rule::Contradiction, text);
            }
        }
    }
}

//! What the figures of a deadband's audit must be, and how they go with the rest of the answer.

use super::{Found, Rule};
use crate::probe::DeadbandFacts;

impl Found {
    /// Checks the figures of the audit, if there are any.
    pub(super) fn deadband_audit(&mut self, facts: &DeadbandFacts) {
        let Some(audit) = &facts.audit else { return };
        for (name, number) in [
            ("band", Some(audit.band)),
            ("noise", audit.noise),
            ("damped_noise", audit.damped_noise),
            ("quantum", audit.quantum),
            ("noise_band", audit.noise_band),
            ("noise_band_least", audit.noise_band_least),
            ("range", audit.range),
            ("movement", audit.movement),
            ("off", audit.off),
            ("hidden", audit.hidden),
        ] {
            if let Some(number) = number.filter(|number| !(number.is_finite() && *number >= 0.0)) {
                self.add(Rule::Number, format!("the audit's {name} is {number}: give a length from 0"));
            }
        }
        let shares = [
            ("ties", audit.ties),
            ("hidden_time", audit.hidden_time),
            ("hidden_time_most", audit.hidden_time_most),
        ];
        for (name, share) in shares {
            if let Some(share) = share.filter(|share| !(0.0..=1.0).contains(share)) {
                self.add(Rule::Number, format!("the audit's {name} is {share}: give a share from 0 to 1"));
            }
        }
        if let Some(constant) = audit.constant.filter(|constant| *constant > audit.samples) {
            let text = format!("the last {constant} of {} samples were equal", audit.samples);
            self.add(Rule::Contradiction, text);
        }
        if audit.reported > audit.samples {
            let text = format!("{} of {} samples were reported", audit.reported, audit.samples);
            self.add(Rule::Contradiction, text);
        }
        if facts.width.is_none_or(|width| width.to_bits() != audit.band.to_bits()) {
            let width = facts.width.map_or_else(|| "none".to_owned(), |width| width.to_string());
            let text = format!("a band of {} was audited, and the width in force is {width}", audit.band);
            self.add(Rule::Contradiction, text);
        }
        let Some(range) = facts.movement else { return };
        for (name, length) in [("movement", audit.movement), ("hidden", audit.hidden)] {
            if let Some(length) = length.filter(|length| *length > range) {
                let text = format!("the audit's {name} of {length} is beyond the movement of {range}");
                self.add(Rule::Contradiction, text);
            }
        }
    }
}

//! The path of a diagnosis in a chart of its runbook.

use super::Diagnosis;
use super::log::ExitIndex;
use crate::runbook::{Highlight, Runbook};

impl Diagnosis {
    /// The steps and transitions of `runbook` that this diagnosis took so far, for [`Runbook::to_mermaid`] and
    /// [`Runbook::to_dot`]. Empty for a runbook that it did not walk.
    #[must_use]
    pub fn highlight(&self, runbook: &Runbook) -> Highlight {
        let mut highlight = Highlight::default();
        let walked = |position| {
            let walked = self.context.set.runbook(position);
            walked.is_some_and(|walked| {
                walked.name() == runbook.name() && walked.fingerprint() == runbook.fingerprint()
            })
        };
        for entry in self.log.entries().iter().filter(|entry| walked(entry.place.runbook)) {
            let step = entry.place.step;
            highlight.add_step(step);
            match entry.event.exit() {
                Some(ExitIndex::Step(position)) => highlight.add_transition(step, position),
                Some(ExitIndex::Unless(position)) => highlight.add_unless(position),
                None => {}
            }
        }
        if walked(self.place.runbook) {
            highlight.add_step(self.place.step);
        }
        highlight
    }
}

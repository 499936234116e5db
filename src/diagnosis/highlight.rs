//! The path of a diagnosis in a chart of its runbook.

use super::Diagnosis;
use super::log::ExitIndex;
use crate::runbook::{Highlight, Runbook};

impl Diagnosis {
    /// Returns the runbooks that it walked so far, in the order in which it came to them: the one it began with, then those
    /// that were handed over to. Each is in the version walked, which [`RunbookSet::find`](crate::RunbookSet::find), that
    /// finds the newest, may not give.
    #[must_use]
    pub fn walked(&self) -> Vec<&Runbook> {
        let entries = self.log.entries().iter().map(|entry| entry.place.runbook);
        let mut positions = vec![self.context.entry];
        for position in entries.chain([self.place.runbook]) {
            if !positions.contains(&position) {
                positions.push(position);
            }
        }
        positions.into_iter().filter_map(|position| self.context.set.runbook(position)).collect()
    }

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

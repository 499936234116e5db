use async_trait::async_trait;

use crate::diagnosis::Diagnosis;

/// Keeps what a diagnosis has come to while it runs: saves its [`bundle`](Diagnosis::bundle), or shows its trace.
///
/// A run may take as long as people do; a service that must survive a restart in the middle saves here.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Called whenever the diagnosis may have moved, and once more when it has ended, always before anything that
    /// it asked for last is begun: an act that is done is in the journal first. The driver waits for it.
    ///
    /// What is new since the last call is [`Diagnosis::increment_since`] the last save point: append it. Who writes the whole
    /// bundle each time writes it aside and puts it in the place of the old one, so that a restart in the middle finds one
    /// or the other.
    ///
    /// # Errors
    /// [`NotKept`] ends the run with [`RunError::NotKept`](super::RunError::NotKept), and nothing is begun that is not saved;
    /// the diagnosis is whole. Try again inside for as long as that may help: the diagnosis waits meanwhile, and its deadline
    /// passes. Return `Ok` where what is lost does not matter. A panic ends the run too.
    async fn keep(&self, diagnosis: &Diagnosis) -> Result<(), NotKept>;
}

/// What a diagnosis has come to could not be saved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the diagnosis could not be saved, so nothing more was begun: {reason}")]
#[non_exhaustive]
pub struct NotKept {
    /// Why.
    pub reason: String,
}

impl NotKept {
    /// For that reason.
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

const _: Option<&dyn Journal> = None;

#[cfg(all(test, feature = "toml"))]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use async_trait::async_trait;
    use chrono::DateTime;
    use ulid::Ulid;

    use super::{Journal, NotKept};
    use crate::catalog;
    use crate::check::Checks;
    use crate::diagnosis::Diagnosis;
    use crate::driver::{Driver, SimulatedTimer};
    use crate::probe::Probes;
    use crate::subject::{Subject, Trigger};
    use crate::time::{Clock, ManualClock};

    #[derive(Default)]
    struct Kept(Mutex<Vec<(usize, bool)>>);

    #[async_trait]
    impl Journal for Kept {
        async fn keep(&self, diagnosis: &Diagnosis) -> Result<(), NotKept> {
            let entry = (diagnosis.trace_len(), diagnosis.is_ended());
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
            Ok(())
        }
    }

    #[tokio::test]
    async fn journal_sees_the_trace_grow_and_the_end_once() {
        let clock = Arc::new(ManualClock::new(DateTime::UNIX_EPOCH));
        let set = catalog::set().unwrap();
        let kept = Arc::new(Kept::default());
        let timer = SimulatedTimer::new(Arc::clone(&clock));
        let journal: Arc<dyn Journal> = Arc::<Kept>::clone(&kept);
        let driver = Driver::new(&set, &Checks::builtin(), Probes::new(), Arc::new(timer))
            .unwrap()
            .with_clock(Arc::<ManualClock>::clone(&clock))
            .with_journal(journal);
        let (subject, trigger) = (Subject::device("press-07"), Trigger::new("offline alert", clock.now()));
        let mut diagnosis =
            Diagnosis::new(Ulid(1), &set, "device-offline", subject, trigger, clock.now()).unwrap();
        driver.run(&mut diagnosis).await.unwrap();

        let kept = kept.0.lock().unwrap();
        assert!(kept.len() > 2, "{kept:?}");
        assert!(kept.is_sorted());
        assert_eq!(kept.iter().filter(|(_, ended)| *ended).count(), 1);
        assert_eq!(kept.last(), Some(&(diagnosis.trace_len(), true)));
    }
}

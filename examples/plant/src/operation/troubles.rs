//! Troubles of the platform's adapters.

use std::{
    collections::HashMap,
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use iot_runbook::probe::{
    ProbeError,
    layer::{Answer, Inner, Layer, Question},
};

/// What is the matter with an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It never answers.
    Hangs,
    /// Its system lets it ask no more.
    Refuses,
    /// Its rows are mixed up: it reports of another part than it was asked about.
    Lies,
}

/// The troubles of all adapters, by the names of the library's probes. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Troubles(Arc<Mutex<HashMap<String, Trouble>>>);

impl Troubles {
    /// Gives an adapter a trouble, or takes it away. Part names have `-` where probes have `_`.
    pub fn set(&self, part: &str, trouble: Option<Trouble>) {
        let probe = part.replace('-', "_");
        match trouble {
            Some(trouble) => self.lock().insert(probe, trouble),
            None => self.lock().remove(&probe),
        };
    }

    /// The trouble of an adapter.
    pub fn of(&self, probe: &str) -> Option<Trouble> {
        self.lock().get(probe).copied()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Trouble>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Layer for Troubles {
    async fn around(&self, question: &Question, inner: Inner<'_>) -> Result<Answer, ProbeError> {
        match self.of(question.method().probe()) {
            Some(Trouble::Hangs) => pending().await,
            Some(Trouble::Refuses) => Err(ProbeError::refused("the account of the adapter is locked")),
            // Who lies was asked about another part, which the adapter itself sees to.
            Some(Trouble::Lies) | None => inner.ask().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use iot_runbook::probe::layer::METHODS;

    use super::*;
    use crate::operation::{ADAPTERS, Effect};

    #[test]
    fn every_adapter_word_names_a_probe() {
        for word in ADAPTERS {
            let troubles = Troubles::default();
            troubles.set(word.part, Some(Trouble::Hangs));
            let named = METHODS.iter().filter(|method| troubles.of(method.probe()).is_some()).count();
            assert!(named > 0, "{}", word.part);
            troubles.set(word.part, None);
            assert!(METHODS.iter().all(|method| troubles.of(method.probe()).is_none()), "{}", word.part);
            assert!(matches!(word.effect, Effect::Trouble(_)));
        }
    }
}

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use iot_runbook::{
    diagnosis::Diagnosis,
    driver::{Journal, NotKept},
};

use crate::{operation::Performance, story::Story};

/// Follows a walk, and has done what waits for a step: after the step begins, and before it asks anything.
#[derive(Debug)]
pub struct Cues {
    performance: Arc<Performance>,
    story: Arc<Story>,
    followed: AtomicUsize,
}

impl Cues {
    /// For the operations of this performance.
    pub fn new(performance: Arc<Performance>, story: Arc<Story>) -> Self {
        Self { performance, story, followed: AtomicUsize::new(0) }
    }
}

#[async_trait]
impl Journal for Cues {
    async fn keep(&self, diagnosis: &Diagnosis) -> Result<(), NotKept> {
        self.story.keep(diagnosis).await?;
        let mut followed = self.followed.load(Ordering::SeqCst);
        while let Some(record) = diagnosis.record(followed) {
            followed += 1;
            self.performance.reached(&record.step).await;
        }
        self.followed.store(followed, Ordering::SeqCst);
        Ok(())
    }
}

//! A spawned task that ends with its owner.

use tokio::task::{AbortHandle, JoinHandle};

/// A spawned task that is aborted when its owner drops it: no part of the plant outlives the plant.
#[derive(Debug)]
pub struct Task(AbortHandle);

impl Task {
    /// Spawns `future` on the current runtime.
    pub fn spawn<F>(future: F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::adopt(&tokio::spawn(future))
    }

    /// Takes over a task that is spawned already.
    pub fn adopt<T>(handle: &JoinHandle<T>) -> Self {
        Self(handle.abort_handle())
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

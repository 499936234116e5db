//! Waiting for a condition, with a generous deadline.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::error::{Error, Result};

/// How long [`until`] waits before it gives up: long enough for a slow and noisy machine.
pub const DEADLINE: Duration = Duration::from_secs(30);

const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Waits until `condition` holds.
///
/// # Errors
/// When it does not within [`DEADLINE`].
pub async fn until<C, F>(what: &'static str, condition: C) -> Result<()>
where
    C: Fn() -> F,
    F: Future<Output = bool>,
{
    until_within(what, DEADLINE, condition).await
}

/// Waits until `condition` holds, for at most `limit`.
///
/// # Errors
/// When it does not within `limit`.
pub async fn until_within<C, F>(what: &'static str, limit: Duration, condition: C) -> Result<()>
where
    C: Fn() -> F,
    F: Future<Output = bool>,
{
    let looking = async {
        while !condition().await {
            sleep(LOOK_EVERY).await;
        }
    };
    timeout(limit, looking).await.map_err(|_| Error::TimedOut(what))
}

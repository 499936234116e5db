use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::time::Clock;

/// The clock of the host that renews certificates and monitors them. It can be set wrong.
#[derive(Clone, Debug)]
pub struct ServiceClock {
    ahead: Arc<Mutex<TimeDelta>>,
}

impl Default for ServiceClock {
    fn default() -> Self {
        Self { ahead: Arc::new(Mutex::new(TimeDelta::zero())) }
    }
}

impl ServiceClock {
    /// Sets it so far ahead of the true time; zero sets it right.
    pub fn set_ahead(&self, ahead: TimeDelta) {
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) = ahead;
    }
}

impl Clock for ServiceClock {
    fn now(&self) -> DateTime<Utc> {
        let ahead = *self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Utc::now();
        now.checked_add_signed(ahead).unwrap_or(now)
    }
}

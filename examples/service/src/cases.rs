//! From an alert to the case of its device.

use std::sync::Arc;

use iot_runbook::case::{CaseStore, Message, NewCase, StoreError};
use iot_runbook::diagnosis::{DiagnosisId, RecordedValue};
use iot_runbook::fleet::{DeviceAlert, Notice};
use iot_runbook::time::{Clock as _, SystemClock};
use iot_runbook::{Diagnosis, RunbookSet};
use iot_runbook_postgres::PostgresCases;

use crate::database::Database;
use crate::plant::{Plant, PlantError};

/// The runbook that every alert begins.
pub(crate) const RUNBOOK: &str = "device-offline";

/// Opens cases and brings news to them.
pub(crate) struct Cases {
    pub(crate) store: Arc<PostgresCases>,
    pub(crate) database: Arc<Database>,
    pub(crate) runbooks: RunbookSet,
    pub(crate) plant: Plant,
}

/// What became of one alert of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// A case was opened.
    Opened,
    /// The device has a case for it.
    Known,
    /// The end of the alert was passed on to the case.
    Resolved,
    /// The end of an alert that has no open case.
    NothingOpen,
}

/// An alert that could not be taken. The sender must send it again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TakeError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Plant(#[from] PlantError),
    #[error("no case can be made: {0}")]
    NoCase(String),
}

impl Cases {
    /// Takes what a webhook says of a device. What has returned `Ok` is saved.
    pub(crate) async fn take(&self, notice: Notice) -> Result<Taken, TakeError> {
        match notice {
            Notice::Raised(alert) => self.open(&alert).await,
            Notice::Resolved { device, at } => {
                let Some(id) = self.database.case_of(RUNBOOK, device.as_str()).await? else {
                    return Ok(Taken::NothingOpen);
                };
                // The alert ends when the device sends again.
                let back = RecordedValue::Choice("back".into());
                let news = Message::news("device-back", back, at, "alert was resolved");
                match self.store.deliver(id, news, SystemClock.now()).await {
                    Ok(_) => Ok(Taken::Resolved),
                    Err(StoreError::Ended(_) | StoreError::NoSuchCase(_)) => Ok(Taken::NothingOpen),
                    Err(error) => Err(error.into()),
                }
            }
            _ => Ok(Taken::NothingOpen),
        }
    }

    /// Opens a case, unless the device has one for this alert. The device is claimed first: of two replicas that take the
    /// same alert one wins, and where it stops before the case is inserted, the next alert inserts it under the same id.
    async fn open(&self, alert: &DeviceAlert) -> Result<Taken, TakeError> {
        let now = SystemClock.now();
        let new = DiagnosisId::random(now).map_err(|error| TakeError::NoCase(error.to_string()))?;
        let device = alert.device.as_str();
        let claimed = self.database.claim_device(RUNBOOK, device, new, alert.trigger.at).await?;
        if claimed.is_stored {
            return Ok(Taken::Known);
        }
        let subject = self.plant.read()?.subject(device);
        let (id, trigger) = (claimed.id.ulid(), alert.trigger.clone());
        let diagnosis = Diagnosis::new(id, &self.runbooks, RUNBOOK, subject, trigger, now);
        let diagnosis = diagnosis.map_err(|error| TakeError::NoCase(error.to_string()))?;
        match self.store.insert(NewCase::of(&diagnosis), now).await {
            Ok(()) => Ok(Taken::Opened),
            Err(StoreError::AlreadyThere(_)) => Ok(Taken::Known),
            Err(error) => Err(error.into()),
        }
    }
}

impl Taken {
    /// Its name in answers and metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Known => "known",
            Self::Resolved => "resolved",
            Self::NothingOpen => "nothing-open",
        }
    }
}

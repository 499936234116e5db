//! The bounded queue between those who hear of alerts and the runner.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use chrono::{DateTime, Utc};

use super::alert::DeviceAlert;
use super::change::{Change, Maintenance};
use crate::subject::{BlankName, DeviceId};

/// What comes in from outside.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Incoming {
    /// An alert: [`Fleet::observe_alert`](super::Fleet::observe_alert).
    Alert(DeviceAlert),
    /// A message of a device, as [`Fleet::observe_seen`](super::Fleet::observe_seen) takes it.
    Seen {
        /// The device.
        device: DeviceId,
        /// When the platform received it.
        at: DateTime<Utc>,
    },
    /// The end of an alert: [`Fleet::observe_resolved`](super::Fleet::observe_resolved).
    Resolved {
        /// The runbook of the alert.
        runbook: Box<str>,
        /// The device.
        device: DeviceId,
        /// When it ended.
        at: DateTime<Utc>,
    },
    /// A change that somebody made.
    Change(Change),
    /// A maintenance window.
    Maintenance(Maintenance),
}

impl Incoming {
    fn check_name(&self) -> Result<(), BlankName> {
        let part = match self {
            Self::Alert(alert) => return alert.device.check(),
            Self::Seen { device, .. } | Self::Resolved { device, .. } => return device.check(),
            Self::Change(change) => &change.part,
            Self::Maintenance(window) => &window.part,
        };
        if part.is_blank() { Err(BlankName { kind: part.scope().name() }) } else { Ok(()) }
    }
}

/// The way into a fleet that is run. Cheap to clone: give each task that hears something one.
#[derive(Clone, Debug)]
pub struct Intake(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    runbooks: Vec<Box<str>>,
    capacity: usize,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Incoming>,
    is_closed: bool,
    waker: Option<Waker>,
}

/// What was not taken. It is in the error: keep it, and offer it again.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum IntakeError {
    /// As much waits as may.
    #[error("{capacity} alerts and sightings wait already: offer this one again once fewer do")]
    Full {
        /// What was offered.
        offered: Box<Incoming>,
        /// How much may wait.
        capacity: usize,
    },
    /// The driver has no runbook of that name.
    #[error("no runbook of the driver is called `{runbook}`: name one of {known}")]
    NoSuchRunbook {
        /// What was offered.
        offered: Box<Incoming>,
        /// The name.
        runbook: Box<str>,
        /// Those that there are.
        known: String,
    },
    /// What it is about has a blank name.
    #[error("{blank}")]
    BlankName {
        /// What was offered.
        offered: Box<Incoming>,
        /// What the name would have named.
        blank: BlankName,
    },
    /// The intake was closed.
    #[error("the intake is closed: the fleet is being stopped")]
    Closed {
        /// What was offered.
        offered: Box<Incoming>,
    },
}

impl Intake {
    pub(super) fn new(runbooks: Vec<Box<str>>, capacity: usize) -> Self {
        Self(Arc::new(Shared { runbooks, capacity, queue: Mutex::default() }))
    }

    /// Hands something in. It is taken in the order of the calls.
    ///
    /// # Errors
    /// [`IntakeError`], with what was offered: nothing is dropped.
    pub fn offer(&self, incoming: Incoming) -> Result<(), IntakeError> {
        let Shared { runbooks, capacity, .. } = &*self.0;
        if let Incoming::Alert(alert) = &incoming
            && !runbooks.iter().any(|known| **known == *alert.runbook)
        {
            let (runbook, known) = (Box::from(&*alert.runbook), runbooks.join(", "));
            return Err(IntakeError::NoSuchRunbook { offered: Box::new(incoming), runbook, known });
        }
        if let Err(blank) = incoming.check_name() {
            return Err(IntakeError::BlankName { offered: Box::new(incoming), blank });
        }
        let mut queue = self.lock();
        if queue.is_closed {
            return Err(IntakeError::Closed { offered: Box::new(incoming) });
        }
        if queue.waiting.len() >= *capacity {
            return Err(IntakeError::Full { offered: Box::new(incoming), capacity: *capacity });
        }
        queue.waiting.push_back(incoming);
        let waker = queue.waker.take();
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// How much waits to be taken.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Takes nothing more. The run ends once what waits here is taken and the diagnoses that run have ended; an alert that the
    /// fleet still holds back stays in the fleet, see [`FleetRunner::run`](super::FleetRunner::run).
    pub fn close(&self) {
        let mut queue = self.lock();
        queue.is_closed = true;
        let waker = queue.waker.take();
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The next; without one, whom to wake when there is.
    pub(super) fn next(&self, waker: &Waker) -> Next {
        let mut queue = self.lock();
        match queue.waiting.pop_front() {
            Some(incoming) => Next::Incoming(incoming),
            None if queue.is_closed => Next::Closed,
            None => {
                queue.waker = Some(waker.clone());
                Next::Nothing
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) enum Next {
    Incoming(Incoming),
    Nothing,
    Closed,
}

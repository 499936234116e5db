//! Runs the diagnoses that a fleet wants, and delivers its pages.

use std::future::poll_fn;
use std::pin::Pin;
#[cfg(feature = "tracing")]
use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::Fleet;
use super::incident::Incident;
use super::intake::{Incoming, Intake, Next};
use super::output::{Job, JobId, Output, Page};
use crate::diagnosis::{Diagnosis, DiagnosisId, Finding};
use crate::driver::{Driver, Handle, Sleep};
use crate::fact::{Observation, Value};

/// The check that a sighting answers.
const DEVICE_BACK: &str = "device-back";

/// Who hears of incidents.
#[async_trait]
pub trait Pager: Send + Sync {
    /// Wakes somebody. `incidents` are those of the page, as they are now. Try again yourself where that fails: it is
    /// called once for each page, and again only if the run was dropped before it returned.
    async fn page(&self, page: &Page, incidents: &[Incident]);

    /// An incident has ended, or was merged into another. It is not in the fleet any more: keep it here.
    async fn closed(&self, incident: &Incident);
}

const _: Option<&dyn Pager> = None;

/// Runs a [`Fleet`] with a [`Driver`]: at most [`FleetSettings::most_running`](super::FleetSettings::most_running) diagnoses
/// at a time, each on the driver's adapters, operator and actuator. It needs no runtime of its own.
///
/// Give the driver the layers and limits that the services behind its adapters need, and a
/// [`LocalActs`](crate::driver::LocalActs), so that devices behind one gateway share its restart.
pub struct FleetRunner<P> {
    driver: Driver,
    fleet: Mutex<Fleet>,
    intake: Intake,
    pager: P,
}

type Work<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

struct Running<'a> {
    handle: Handle,
    job: JobId,
    work: Work<'a, Option<Box<Finding>>>,
}

enum Event {
    Incoming(Incoming),
    Found(JobId, Option<Box<Finding>>),
    Due,
    Over,
}

impl<P: Pager> FleetRunner<P> {
    /// A runner of `fleet`. At most `capacity` alerts and sightings wait in its [`Intake`].
    pub fn new(driver: Driver, fleet: Fleet, pager: P, capacity: usize) -> Self {
        let runbooks = driver.runbooks().runbooks().map(|runbook| runbook.name().into()).collect();
        Self { driver, fleet: Mutex::new(fleet), intake: Intake::new(runbooks, capacity), pager }
    }

    /// The way in.
    #[must_use]
    pub fn intake(&self) -> Intake {
        self.intake.clone()
    }

    /// Looks at the fleet, or saves it: it serialises.
    pub fn with_fleet<T>(&self, look: impl FnOnce(&Fleet) -> T) -> T {
        look(&self.lock())
    }

    /// Runs until the intake is closed, and the diagnoses and pages that were under way have ended.
    ///
    /// Incidents may be open then, and alerts may wait that no diagnosis was begun for: the first alert behind a part is held
    /// for [`FleetSettings::hold`](super::FleetSettings::hold), and an incident is paged only
    /// [`page_after`](super::FleetSettings::page_after) it was opened. Save the fleet: the next run goes on with them.
    ///
    /// The future may be dropped at any point: the next run begins the diagnoses that were under way anew.
    pub async fn run(&self) {
        let (mut running, mut pages) = (Vec::new(), Vec::new());
        self.lock().hand_out_again();
        loop {
            let until = self.take_up(&mut running, &mut pages);
            match self.wait(&mut running, &mut pages, until).await {
                Event::Incoming(incoming) => self.take_in(incoming),
                Event::Found(job, finding) => self.found(job, finding),
                Event::Due => {}
                Event::Over => return,
            }
        }
    }

    /// Waits for what happens next.
    async fn wait<'a>(
        &self,
        running: &mut Vec<Running<'a>>,
        pages: &mut Vec<Work<'a, ()>>,
        until: Option<DateTime<Utc>>,
    ) -> Event {
        // Made only when nothing is ready at once.
        let mut sleep: Option<Sleep> = None;
        poll_fn(|context| {
            let mut is_closed = false;
            match self.intake.next(context.waker()) {
                Next::Incoming(incoming) => return Poll::Ready(Event::Incoming(incoming)),
                Next::Closed => is_closed = true,
                Next::Nothing => {}
            }
            for at in 0..running.len() {
                if let Some(one) = running.get_mut(at)
                    && let Poll::Ready(finding) = one.work.as_mut().poll(context)
                {
                    return Poll::Ready(Event::Found(running.swap_remove(at).job, finding));
                }
            }
            pages.retain_mut(|page| page.as_mut().poll(context).is_pending());
            if is_closed && running.is_empty() && pages.is_empty() {
                return Poll::Ready(Event::Over);
            }
            let Some(until) = until else { return Poll::Pending };
            let sleep = sleep.get_or_insert_with(|| {
                let left = until.signed_duration_since(self.driver.clock().now());
                self.driver.sleep(left.to_std().unwrap_or_default())
            });
            sleep.as_mut().poll(context).map(|()| Event::Due)
        })
        .await
    }

    fn take_in(&self, incoming: Incoming) {
        let now = self.driver.clock().now();
        let mut fleet = self.lock();
        match incoming {
            #[cfg(feature = "tracing")]
            Incoming::Alert(alert) => {
                let (runbook, device) = (Arc::clone(&alert.runbook), alert.device.clone());
                let taken = fleet.observe_alert(alert, now);
                tracing::debug!(device = device.as_str(), runbook = &*runbook, ?taken, "alert");
            }
            #[cfg(not(feature = "tracing"))]
            Incoming::Alert(alert) => drop(fleet.observe_alert(alert, now)),
            Incoming::Seen { device, at } => fleet.observe_seen(&device, at, now),
            Incoming::Resolved { runbook, device, at } => fleet.observe_resolved(&runbook, &device, at, now),
            Incoming::Change(change) => fleet.observe_change(change, now),
            Incoming::Maintenance(window) => fleet.observe_maintenance(window, now),
        }
    }

    /// Takes up all that the fleet wants now; when it wants to be asked again.
    fn take_up<'a>(
        &'a self,
        running: &mut Vec<Running<'a>>,
        pages: &mut Vec<Work<'a, ()>>,
    ) -> Option<DateTime<Utc>> {
        loop {
            let mut fleet = self.lock();
            let output = fleet.poll(self.driver.clock().now());
            match output {
                Output::Diagnose(job) => {
                    drop(fleet);
                    #[cfg(feature = "tracing")]
                    {
                        let incident = job.incident.map(tracing::field::display);
                        tracing::debug!(
                            job = job.id.0,
                            device = job.subject.device.as_str(),
                            incident,
                            "diagnose"
                        );
                    }
                    let handle = Handle::new();
                    let work = Box::pin(self.diagnose(job.clone(), handle.clone()));
                    running.push(Running { handle, job: job.id, work });
                }
                Output::Back { job, at } => {
                    // A runbook without that check goes on as it would.
                    if let Some(back) = self.back()
                        && let Some(one) = running.iter().find(|one| one.job == job)
                    {
                        one.handle.inform(DEVICE_BACK, Observation::known(back, at, "fleet"));
                    }
                }
                Output::Page(page) => {
                    #[cfg(feature = "tracing")]
                    {
                        let severity = page.severity.map(crate::runbook::step::Severity::name);
                        tracing::warn!(severity, incidents = page.incidents.len(), %page, "page");
                    }
                    let incidents: Vec<Incident> =
                        page.incidents.iter().filter_map(|id| fleet.incident(*id)).cloned().collect();
                    pages.push(Box::pin(async move { self.pager.page(&page, &incidents).await }));
                }
                Output::Closed(incident) => {
                    #[cfg(feature = "tracing")]
                    tracing::info!(incident = %incident.id, members = incident.members.len(), "incident closed");
                    pages.push(Box::pin(async move { self.pager.closed(&incident).await }));
                }
                Output::Pending { until } => return until,
            }
        }
    }

    /// The value of the check that says that a device is back.
    fn back(&self) -> Option<Value> {
        let mut queries = self.driver.runbooks().queries().iter();
        queries.find(|query| &*query.check == DEVICE_BACK)?.domain.find_choice("back")
    }

    async fn diagnose(&self, job: Job, handle: Handle) -> Option<Box<Finding>> {
        let now = self.driver.clock().now();
        // Without randomness the id is made of the job and the time: no two jobs of one fleet have the same.
        let id = DiagnosisId::random(now).unwrap_or_else(|_| {
            let millis = u128::try_from(now.timestamp_millis()).unwrap_or_default();
            DiagnosisId::new(ulid::Ulid(millis << 80 | u128::from(job.id.0)))
        });
        let runbooks = self.driver.runbooks();
        let mut diagnosis = Diagnosis::new(id, runbooks, &job.runbook, job.subject, job.trigger, now).ok()?;
        if let Some(incident) = job.incident {
            diagnosis = diagnosis.with_incident(incident.to_string());
        }
        loop {
            // At the driver's deadline it goes on: a diagnosis is bounded by its runbook.
            if let Ok(finding) = self.driver.run_with(&mut diagnosis, &handle).await {
                return Some(Box::new(finding));
            }
        }
    }

    fn found(&self, job: JobId, finding: Option<Box<Finding>>) {
        let now = self.driver.clock().now();
        let mut fleet = self.lock();
        #[cfg(feature = "tracing")]
        {
            let conclusion = finding.as_ref().and_then(|finding| finding.conclusion());
            tracing::debug!(job = job.0, conclusion, "found");
        }
        match finding {
            Some(finding) => fleet.observe_finding(job, &finding, now),
            None => fleet.give_up(job, now),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Fleet> {
        self.fleet.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P> std::fmt::Debug for FleetRunner<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FleetRunner").field("driver", &self.driver).finish_non_exhaustive()
    }
}

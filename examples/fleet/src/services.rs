//! The services that the lifecycles need, over the world in memory. Each does what it is asked once for a key, and some
//! answers are lost.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::certificate::lifecycle::{Event, Issued, SubjectKey, VisitKind};
use iot_runbook::certificate::message::Reported;
use iot_runbook::certificate::service::{
    ConfigChannel, ContactRequest, IssueRequest, Notice, OpsNotifier, PostMortemRequest, ProvisioningService,
    PublishRequest, ReportedRequest, RetireRequest, Scheduler, ServiceError, StandDownRequest, TestEndpoint,
    TestOutcome, TestRequest, VisitRequest, Worker,
};
use iot_runbook::time::{Clock as _, ManualClock};

use crate::agenda::DeviceHappening;
use crate::error::FleetError;
use crate::mint::PublicKey;
use crate::world::{Planned, Shared, World, lock};

/// All of the services: they share the world.
#[derive(Clone, Debug)]
pub struct Services {
    world: Shared,
    clock: Arc<ManualClock>,
}

impl Services {
    /// A worker over the services of this world.
    #[must_use]
    pub fn worker(world: &Shared, clock: &Arc<ManualClock>) -> Worker {
        let services = Arc::new(Self { world: Arc::clone(world), clock: Arc::clone(clock) });
        Worker::new(services.clone(), services.clone(), services.clone(), services.clone())
            .with_test_endpoint(services)
    }

    /// Does something to a device of the world, and may lose the answer.
    fn act<T>(
        &self,
        device: &str,
        act: impl FnOnce(&mut World, u32, DateTime<Utc>) -> Result<T, ServiceError>,
    ) -> Result<T, ServiceError> {
        let mut world = lock(&self.world);
        let number = known(&world, device)?;
        let done = act(&mut world, number, self.clock.now())?;
        if world.loses_the_answer() {
            return Err(ServiceError::transient("the answer was lost"));
        }
        Ok(done)
    }
}

fn known(world: &World, device: &str) -> Result<u32, ServiceError> {
    world.number_of(device).ok_or_else(|| ServiceError::refused("there is no such device"))
}

fn refused(error: FleetError) -> ServiceError {
    ServiceError::refused("nothing was issued").with_cause(error)
}

/// Has the device make a new key, where one is asked for.
fn new_key(
    world: &mut World,
    number: u32,
    asked: &SubjectKey,
    now: DateTime<Utc>,
) -> Result<(), ServiceError> {
    if !matches!(asked, SubjectKey::Fresh { .. }) {
        return Ok(());
    }
    let device = world.device_mut(number).ok_or_else(|| ServiceError::refused("there is no such device"))?;
    if !device.is_online(now) {
        return Err(ServiceError::transient("the device is not there to make a key"));
    }
    device.key = PublicKey::new(&mut device.random).map_err(refused)?;
    Ok(())
}

#[async_trait]
impl ProvisioningService for Services {
    async fn issue(&self, request: &IssueRequest) -> Result<Issued, ServiceError> {
        self.act(request.device.as_str(), |world, number, now| {
            if world.ledger.issued(&request.key).is_none() {
                if request.issue.urgent {
                    world.turns.begin(number);
                }
                world.turns.take(number, now).map_err(|until| {
                    ServiceError::postponed(until, "others end sooner, or its window is later")
                })?;
                new_key(world, number, &request.issue.key, now)?;
            }
            let issued = world.issue(number, &request.key, request.issue.generation, now).map_err(refused)?;
            issued.ok_or_else(|| ServiceError::refused("there is no such device"))
        })
    }

    async fn last_contact(&self, request: &ContactRequest) -> Result<Option<DateTime<Utc>>, ServiceError> {
        let world = lock(&self.world);
        let number = known(&world, request.device.as_str())?;
        Ok(world.device(number).and_then(|device| device.contact))
    }

    async fn re_provision(&self, request: &IssueRequest) -> Result<Issued, ServiceError> {
        let mut world = lock(&self.world);
        let (number, now) = (known(&world, request.device.as_str())?, self.clock.now());
        if let Some(known) = world.ledger.issued(&request.key) {
            return Ok(known.clone());
        }
        let is_there =
            world.device(number).is_some_and(|one| one.is_online(now) && one.is_known_to_provisioning);
        if !is_there {
            return Err(ServiceError::refused("the device did not show its manufacturing certificate"));
        }
        new_key(&mut world, number, &request.issue.key, now)?;
        let generation = request.issue.generation;
        let issued = world.issue(number, &request.key, generation, now).map_err(refused)?;
        let issued = issued.ok_or_else(|| ServiceError::refused("there is no such device"))?;
        if let Some(device) = world.device_mut(number) {
            device.take_up(&issued);
        }
        world.re_provisioned_at = Some(now);
        let back = now + world.some_minutes(1, 4);
        world.later(number, back, DeviceHappening::Connect { goes_on: false });
        if world.loses_the_answer() {
            // The device has it: that is heard a little later.
            let event = Event::ReProvisioned { generation, certificate: issued };
            world.hear(number, now + TimeDelta::minutes(1), event);
            return Err(ServiceError::transient("the answer was lost"));
        }
        Ok(issued)
    }

    async fn retire(&self, request: &RetireRequest) -> Result<(), ServiceError> {
        self.act(request.device.as_str(), |world, number, now| {
            let World { devices, ledger, .. } = world;
            if let Some(device) = usize::try_from(number).ok().and_then(|at| devices.get(at)) {
                ledger.retire(device, &request.retire, now);
            }
            Ok(())
        })
    }
}

#[async_trait]
impl ConfigChannel for Services {
    async fn publish(&self, request: &PublishRequest) -> Result<(), ServiceError> {
        self.act(request.device.as_str(), |world, number, now| {
            if let Some(device) = world.device_mut(number) {
                device.desired = Some(request.desired.clone());
                // What it said before is not of this message.
                (device.reported, device.tested) = (None, None);
            }
            let read = now + world.some_minutes(1, 20);
            world.later(number, read, DeviceHappening::Read);
            Ok(())
        })
    }

    /// What the device said since the last message to it.
    async fn reported(&self, request: &ReportedRequest) -> Result<Option<Reported>, ServiceError> {
        let mut world = lock(&self.world);
        let number = known(&world, request.device.as_str())?;
        if world.happens(5) {
            return Err(ServiceError::transient("the broker did not answer"));
        }
        Ok(world.device(number).and_then(|device| device.reported.clone()))
    }
}

#[async_trait]
impl TestEndpoint for Services {
    async fn outcome(&self, request: &TestRequest) -> Result<Option<TestOutcome>, ServiceError> {
        let world = lock(&self.world);
        let number = known(&world, request.device.as_str())?;
        let tested = world.device(number).and_then(|device| device.tested.clone());
        Ok(tested.filter(|(fingerprint, _)| *fingerprint == request.fingerprint).map(|(_, outcome)| outcome))
    }
}

#[async_trait]
impl OpsNotifier for Services {
    async fn notify(&self, notice: &Notice) -> Result<(), ServiceError> {
        self.act(notice.device.as_str(), |world, _, _| {
            world.notices.entry(notice.key.clone()).or_insert_with(|| notice.clone());
            Ok(())
        })
    }

    async fn open_post_mortem(&self, request: &PostMortemRequest) -> Result<(), ServiceError> {
        self.act(request.device.as_str(), |world, _, _| {
            world.post_mortems.entry(request.key.clone()).or_insert_with(|| request.record.clone());
            Ok(())
        })
    }
}

#[async_trait]
impl Scheduler for Services {
    async fn schedule(&self, request: &VisitRequest) -> Result<(), ServiceError> {
        self.act(request.device.as_str(), |world, number, now| {
            let goes_there = request.visit.kind == VisitKind::Technician;
            let planned =
                Planned { device: number, goes_there, is_emergency: request.load_emergency_certificate };
            if world.asked_for.insert(request.key.clone()) {
                world.visits.insert(request.key.clone(), planned);
                let waits = world.some_minutes(24 * 60, 3 * 24 * 60);
                // In time for the end, where that is ahead.
                let left = request.visit.by.map(|by| by - now).filter(|left| *left > TimeDelta::zero());
                let at = now + left.map_or(waits, |left| waits.min(left / 2));
                world.later(number, at, DeviceHappening::Visit(request.key.clone()));
            }
            Ok(())
        })
    }

    async fn stand_down(&self, request: &StandDownRequest) -> Result<(), ServiceError> {
        self.act(request.device.as_str(), |world, _, _| {
            world.called_off += u32::from(world.visits.remove(&request.visit).is_some());
            Ok(())
        })
    }
}

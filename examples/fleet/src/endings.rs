//! How each device stands at the end: with a certificate that works, or on a list with a reason. Otherwise it is lost.

use chrono::{DateTime, Utc};
use iot_runbook::certificate::lifecycle::{Happening, Lifecycle};

use crate::device::Device;
use crate::simulation::Run;
use crate::world::{World, lock};

/// How a device stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It has a certificate that works.
    Works,
    /// It has none, and somebody knows why.
    Listed(String),
    /// It has none, and nothing is going to happen.
    Lost,
}

/// How each device stands, by number.
#[must_use]
pub fn endings(run: &Run) -> Vec<Ending> {
    let world = lock(&run.world);
    world
        .devices
        .iter()
        .zip(&run.lifecycles)
        .map(|(device, lifecycle)| ending(&world, device, lifecycle, run))
        .collect()
}

/// What was broken: of what is watched over while it runs, and of the endings.
#[must_use]
pub fn broken(run: &Run) -> Vec<String> {
    let mut broken = lock(&run.world).ledger.broken().to_vec();
    for (lifecycle, ending) in run.lifecycles.iter().zip(endings(run)) {
        if ending == Ending::Lost {
            broken.push(format!(
                "{} is lost: it cannot connect, and nothing is going to happen",
                lifecycle.device()
            ));
        }
    }
    broken
}

fn ending(world: &World, device: &Device, lifecycle: &Lifecycle, run: &Run) -> Ending {
    let is_watched = lifecycle.wake_at(&run.rules).is_some()
        && run.operations.index.get(&device.name.as_str().into()).is_some();
    if !is_watched {
        return Ending::Lost;
    }
    if world.has_a_working_certificate(device.number, run.now) {
        return Ending::Works;
    }
    match reason(world, device, lifecycle, run.now) {
        Some(reason) => Ending::Listed(reason),
        None => Ending::Lost,
    }
}

fn reason(world: &World, device: &Device, lifecycle: &Lifecycle, now: DateTime<Utc>) -> Option<String> {
    let in_use = lifecycle.in_use();
    if lifecycle.in_recovery() {
        let failed = lifecycle.timeline().iter().rev().find_map(|entry| match &entry.what {
            Happening::RecoveryFailed(reason) => Some(reason.as_str()),
            _ => None,
        });
        let round =
            failed.map_or_else(|| "no round is over yet".to_owned(), |why| format!("last round: {why}"));
        return Some(format!("being recovered; {round}"));
    }
    if let Some(at) = lifecycle.cut_off_at() {
        return Some(format!("its certificate was retired at {at}; its recovery is about to begin"));
    }
    if world.ledger.is_retired(in_use.fingerprint) {
        return Some("its certificate is revoked; a person decides whether it gets another".to_owned());
    }
    (in_use.not_before > now)
        .then(|| format!("its certificate is not valid before {}", in_use.not_before))
        .filter(|_| device.holds.iter().all(|held| held.credential.not_before > now))
}

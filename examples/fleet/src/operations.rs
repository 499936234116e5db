//! The daily job: the index, the sweep, the plan of the renewals, and what the people of operations look at.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike as _, TimeDelta, Timelike as _, Utc, Weekday};
use iot_runbook::certificate::checklist::{
    AutoRenewal, Checklist, EmergencyLook, Evidence, MonitoringRun, ProvisioningDrill,
};
use iot_runbook::certificate::lifecycle::{Credential, Lifecycle, Status};
use iot_runbook::certificate::schedule::{self, Forecast, Pending, Scheduler};
use iot_runbook::certificate::sweep::{
    Contact, Digest, Due, Entry, ExpiryIndex, Metrics, Renewal, Settings, Sweep,
};
use iot_runbook::certificate::validity::Chain;
use iot_runbook::certificate::{Policy, Stage};
use iot_runbook::subject::DeviceId;

use crate::error::FleetError;
use crate::world::World;

/// The hour at which the digest goes out.
pub const HOUR: u32 = 6;

/// One day, as the digest of its morning tells it.
#[derive(Clone, Debug)]
pub struct Day {
    /// The digest.
    pub digest: Digest,
    /// How many certificates operations was paged for until the next morning.
    pub paged: usize,
    /// How many renewals were started until the next morning.
    pub started: usize,
    /// How many new certificates were seen on connections until the next morning.
    pub confirmed: usize,
}

/// The daily job, and what it keeps.
#[derive(Debug)]
pub struct Operations {
    /// The certificates in use, by their ends.
    pub index: ExpiryIndex,
    /// The days, the first one first.
    pub days: Vec<Day>,
    /// What the plan of the first morning comes to.
    pub forecast: Option<Forecast>,
    settings: Settings,
    sweep: Sweep,
    scheduler: Scheduler,
    /// How many renewals had been started when the last digest went out.
    started_before: usize,
    /// Those that a digest named before they had ended.
    warned: BTreeSet<DeviceId>,
    last_run: Option<MonitoringRun>,
    reviewed_at: Option<DateTime<Utc>>,
}

impl Operations {
    /// The job over an empty index.
    ///
    /// # Errors
    /// [`FleetError`] where an issuer is refused.
    pub fn new(policy: Policy, world: &World) -> Result<Self, FleetError> {
        let mut index = ExpiryIndex::new(policy);
        for (number, issuer) in world.mint.issuers() {
            index.insert_issuer(*number, issuer.dates.0, issuer.dates.1)?;
        }
        let mut spread = schedule::Settings::default();
        (spread.spread, spread.lead) = (TimeDelta::hours(2), TimeDelta::hours(1));
        let settings = Settings::default();
        Ok(Self {
            index,
            days: Vec::new(),
            forecast: None,
            settings,
            sweep: Sweep::new(settings),
            scheduler: Scheduler::new(spread)?,
            started_before: 0,
            warned: BTreeSet::new(),
            last_run: None,
            reviewed_at: None,
        })
    }

    /// Enters the first certificate of a device, from its chain.
    ///
    /// # Errors
    /// [`FleetError`] where it is refused.
    pub fn enroll(&mut self, world: &World, number: u32, pem: &str) -> Result<Credential, FleetError> {
        let chain = Chain::from_pem(pem.as_bytes())?;
        let credential = Credential::from(&chain);
        let device = world.device(number);
        let entry = self
            .entry(world, number, &credential, 0)
            .with_auto_renewal(device.is_none_or(|device| device.kind.renews_by_itself()))
            .with_revoked(world.ledger.is_retired(credential.fingerprint));
        self.index.insert(&entry)?;
        Ok(credential)
    }

    /// Enters what a lifecycle has in use now, which replaces what the device had.
    ///
    /// # Errors
    /// [`FleetError`] where it is refused.
    pub fn replace(&mut self, world: &World, number: u32, lifecycle: &Lifecycle) -> Result<(), FleetError> {
        let entry = self
            .entry(world, number, lifecycle.in_use(), lifecycle.generation())
            .with_auto_renewal(lifecycle.auto_renewal())
            .with_revoked(world.ledger.is_retired(lifecycle.in_use().fingerprint));
        // It may have gone back to an older one.
        self.index.remove(&entry.device);
        self.index.insert(&entry)?;
        if let Some(day) = self.days.last_mut() {
            day.confirmed += 1;
        }
        Ok(())
    }

    fn entry(&self, world: &World, number: u32, credential: &Credential, generation: u64) -> Entry {
        let issuer = credential.issuer.and_then(|issuer| world.mint.number_of(issuer.fingerprint));
        Entry::new(world.name(number), credential.not_before, credential.not_after.written())
            .with_issuer(issuer)
            .with_generation(u32::try_from(generation).unwrap_or(u32::MAX))
    }

    /// Says how far the renewal of a device has come.
    pub fn renewal_is(&mut self, lifecycle: &Lifecycle, has_started: bool) {
        let renewal = match lifecycle.status() {
            _ if !has_started => Renewal::None,
            Status::Failing => Renewal::Failed,
            Status::Renewing | Status::Recovering => Renewal::Running,
            _ => Renewal::None,
        };
        let device = lifecycle.device();
        self.index.set_renewal(device, renewal);
        // Its key was in other hands: it is revoked, though it is in use still.
        if lifecycle.cut_off_at().is_some() {
            self.index.set_revoked(device, true);
        }
    }

    /// The successor of an issuer is in use.
    ///
    /// # Errors
    /// [`FleetError`] where it is refused.
    pub fn issuer_replaced(&mut self, world: &World, old: u64, new: u64) -> Result<(), FleetError> {
        if let Some(issuer) = world.mint.issuers().get(&new) {
            self.index.insert_issuer(new, issuer.dates.0, issuer.dates.1)?;
        }
        self.index.issuer_replaced(old);
        Ok(())
    }

    /// Runs the job: it plans which renewals start when. Where certificates live for a day it runs each hour; the digest
    /// of the morning goes out.
    ///
    /// # Errors
    /// [`FleetError`] where the clock cannot be trusted.
    pub fn run(&mut self, world: &mut World, now: DateTime<Utc>) -> Result<(), FleetError> {
        if let Some(day) = self.days.last_mut() {
            day.started = world.turns.count() - self.started_before;
        }
        let digest = self.sweep.run(&self.index, now, |name| {
            let device = world.device(world.number(name)?)?;
            Some(Contact::new(device.last_seen).with_back_at(device.expected_at(now)))
        })?;
        for due in digest.due() {
            if due.stage != Stage::Expired {
                self.warned.insert(due.device.clone());
            } else if due.end > world.start && !self.warned.contains(&due.device) {
                world.ledger.breaks(format!(
                    "device {} ended at {}, and no digest had named it",
                    due.device, due.end
                ));
                self.warned.insert(due.device.clone());
            }
        }
        let pending: Vec<_> = digest.to_renew().filter_map(|due| self.pending(due, now)).collect();
        if self.forecast.is_none() {
            self.forecast = Some(self.scheduler.forecast(pending.clone(), world.turns.bucket(), now));
        }
        let plan = self.scheduler.plan(pending, world.turns.bucket(), now);
        let starts = plan.starts.iter().filter_map(|start| Some((world.number(&start.device)?, start.at)));
        let starts: Vec<_> = starts.collect();
        world.turns.plan(starts);
        let paged = digest.page().map_or(0, |page| page.due.len());
        self.last_run = Some(MonitoringRun::new(now, true));
        if now.hour() == HOUR || self.days.is_empty() {
            if now.weekday() == Weekday::Mon {
                self.reviewed_at = Some(now);
            }
            self.started_before = world.turns.count();
            self.days.push(Day { digest, paged, started: 0, confirmed: 0 });
        } else if let Some(day) = self.days.last_mut() {
            day.paged += paged;
        }
        Ok(())
    }

    fn pending(&self, due: &Due, now: DateTime<Utc>) -> Option<Pending> {
        let metrics = self.metrics(&due.device, now)?;
        Some(Pending::new(due.device.clone(), due.generation, metrics.renewal_at?, due.end))
    }

    /// The metrics of the certificate that a device uses.
    #[must_use]
    pub fn metrics(&self, device: &DeviceId, now: DateTime<Utc>) -> Option<Metrics> {
        let entry = self.index.get(device)?;
        let issuer = self.index.issuer_not_after(entry);
        let policy = self.index.policy();
        Some(Metrics::of(policy, self.settings.grace, entry.not_before, entry.not_after, issuer, now))
    }

    /// Goes on from what was saved, as after a restart.
    ///
    /// # Errors
    /// [`FleetError::Saved`].
    pub fn restart(&mut self) -> Result<(), FleetError> {
        let saved = serde_json::to_string(self.sweep.state())?;
        self.sweep = Sweep::resume(self.settings, serde_json::from_str(&saved)?);
        Ok(())
    }

    /// The prevention checklist, from what this run knows.
    #[must_use]
    pub fn checklist(&self, world: &World, now: DateTime<Utc>) -> Checklist {
        let supporting: BTreeSet<_> = world
            .devices
            .iter()
            .filter(|one| one.kind.renews_by_itself())
            .map(|one| one.kind.model())
            .collect();
        let supporting = u32::try_from(supporting.len()).unwrap_or(u32::MAX);
        let evidence = Evidence {
            monitoring: self.last_run,
            auto_renewal: Some(AutoRenewal::new(now, supporting, supporting)),
            backlog_reviewed_at: self.reviewed_at,
            provisioning: world
                .re_provisioned_at
                .map(|at| ProvisioningDrill::new(at, true, world.manufacturing_not_after())),
            emergency: Some(EmergencyLook::new(world.start, Some(world.emergency_not_after()))),
        };
        Checklist::judge(&evidence, now)
    }
}

//! The run: the time goes on from one happening to the next, and each is handed to whom it concerns.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::adapter::Lifecycles;
use iot_runbook::certificate::lifecycle::{Event, Lifecycle, Rules, Status};
use iot_runbook::certificate::service::Worker;
use iot_runbook::certificate::validity::Fingerprint;
use iot_runbook::time::ManualClock;

use crate::agenda::{DeviceHappening, Happening};
use crate::error::FleetError;
use crate::operations::{HOUR, Operations};
use crate::options::Options;
use crate::renewals::{Became, Renewals};
use crate::roster::{NEW_CA, OLD_CA};
use crate::services::Services;
use crate::world::{Shared, World, lock};

/// Monday the 2nd of March 2026, at the hour of the digest.
const START: i64 = 1_772_409_600 + HOUR as i64 * 3_600;

/// What is kept of a device beside its lifecycle.
#[derive(Clone, Debug)]
struct Kept {
    lifecycle: Lifecycle,
    /// What the index knows it by.
    in_use: Fingerprint,
    /// When it is to be woken.
    wake_at: Option<DateTime<Utc>>,
}

/// A fleet, its services, and the job over it.
pub struct Simulation {
    rules: Rules,
    clock: Arc<ManualClock>,
    world: Shared,
    worker: Worker,
    operations: Operations,
    fleet: Vec<Kept>,
    /// The lifecycles as they were saved last: what a restart goes on from.
    saved: Lifecycles,
    renewals: Renewals,
    ignored: u32,
    until: DateTime<Utc>,
}

/// What a run came to, to be read.
pub struct Run {
    /// What was asked for.
    pub options: Options,
    /// The rules that the lifecycles went by.
    pub rules: Rules,
    /// When it ended.
    pub now: DateTime<Utc>,
    /// The world at the end.
    pub world: Shared,
    /// The job at the end.
    pub operations: Operations,
    /// The lifecycles at the end, by number.
    pub lifecycles: Vec<Lifecycle>,
    /// What became of the renewals.
    pub became: BTreeMap<Became, usize>,
    /// How many events told nothing new: late, twice, or of something else.
    pub ignored: u32,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// So many devices have their first certificate.
    Minted(u32),
    /// So many hours have passed.
    Hours(i64),
}

impl Simulation {
    /// Runs all of it.
    ///
    /// # Errors
    /// [`FleetError`] where the run cannot go on.
    pub async fn run(options: Options) -> Result<Run, FleetError> {
        Self::run_with(options, |_| {}).await
    }

    /// The same; `progress` hears how far it is.
    ///
    /// # Errors
    /// [`FleetError`] where the run cannot go on.
    pub async fn run_with(options: Options, mut progress: impl FnMut(Progress)) -> Result<Run, FleetError> {
        let mut simulation = Self::new(options, |minted| progress(Progress::Minted(minted)))?;
        let start = simulation.until - TimeDelta::days(i64::from(options.days));
        while let Some((at, what)) = simulation.next() {
            simulation.clock.set(at);
            if matches!(what, Happening::Sweep) {
                progress(Progress::Hours((at - start).num_hours()));
            }
            match what {
                Happening::Sweep => simulation.sweep(at)?,
                Happening::IssuerReplaced => simulation.issuer_replaced(at)?,
                Happening::Restart => simulation.restart()?,
                Happening::Of(number, what) => simulation.happens(number, what, at).await?,
            }
        }
        Ok(simulation.end(options))
    }

    fn new(options: Options, minted: impl FnMut(u32)) -> Result<Self, FleetError> {
        let start = DateTime::from_timestamp(START, 0).unwrap_or(DateTime::UNIX_EPOCH);
        let until = start + TimeDelta::days(i64::from(options.days));
        let (mut world, certificates) = World::new(options.devices, options.seed, start, minted)?;
        let rules = Rules::default();
        let mut operations = Operations::new(*rules.policy(), &world)?;
        let (mut fleet, saved) = (Vec::new(), Lifecycles::default());
        for (number, issued) in (0..).zip(&certificates) {
            let credential = operations.enroll(&world, number, issued.pem())?;
            let Some(device) = world.device(number) else { continue };
            let lifecycle = Lifecycle::new(device.name.as_str(), credential, start)?
                .with_auto_renewal(device.kind.renews_by_itself());
            saved.insert(lifecycle.clone());
            fleet.push(Kept { lifecycle, in_use: credential.fingerprint, wake_at: Some(start) });
        }
        for hour in 0..=i64::from(options.days) * 24 {
            world.agenda.add(start + TimeDelta::hours(hour), Happening::Sweep);
        }
        for number in 0..options.devices {
            world.later(number, start, DeviceHappening::Wake);
        }
        world.agenda.add(start + TimeDelta::hours(53), Happening::IssuerReplaced);
        world.agenda.add(start + TimeDelta::hours(13), Happening::Restart);
        let clock = Arc::new(ManualClock::new(start));
        let world = Arc::new(Mutex::new(world));
        let worker = Services::worker(&world, &clock);
        let renewals = Renewals::default();
        Ok(Self { rules, clock, world, worker, operations, fleet, saved, renewals, ignored: 0, until })
    }

    fn next(&self) -> Option<(DateTime<Utc>, Happening)> {
        lock(&self.world).agenda.next(self.until)
    }

    fn sweep(&mut self, now: DateTime<Utc>) -> Result<(), FleetError> {
        self.operations.run(&mut lock(&self.world), now)
    }

    fn issuer_replaced(&mut self, now: DateTime<Utc>) -> Result<(), FleetError> {
        let mut world = lock(&self.world);
        world.replace_issuer(now)?;
        // Whoever replaces an issuer tells the lifecycles of its leaves, due or not.
        for (number, kept) in (0..).zip(&self.fleet) {
            let issuer = kept.lifecycle.in_use().issuer;
            if issuer.and_then(|issuer| world.mint.number_of(issuer.fingerprint)) == Some(OLD_CA) {
                world.hear(number, now, Event::IssuerReplaced);
            }
        }
        self.operations.issuer_replaced(&world, OLD_CA, NEW_CA)
    }

    /// The service goes on from what it saved.
    fn restart(&mut self) -> Result<(), FleetError> {
        for kept in &mut self.fleet {
            // What was heard since the last turn was not saved: nothing was done by it, and it is heard again.
            let last = self.saved.get(kept.lifecycle.device().as_str());
            let saved = serde_json::to_string(&last)?;
            let restored: Lifecycle = serde_json::from_str(&saved)?;
            if serde_json::to_string(&restored)? != saved {
                let what = format!("{} was not restored as it was saved", restored.device());
                lock(&self.world).ledger.breaks(what);
            }
            kept.lifecycle = restored;
        }
        self.operations.restart()
    }

    async fn happens(
        &mut self,
        number: u32,
        what: DeviceHappening,
        now: DateTime<Utc>,
    ) -> Result<(), FleetError> {
        let Some(kept) = usize::try_from(number).ok().and_then(|at| self.fleet.get_mut(at)) else {
            return Ok(());
        };
        match what {
            DeviceHappening::Connect { goes_on } => lock(&self.world).connect(number, goes_on, now),
            DeviceHappening::Read => lock(&self.world).read(number, now),
            DeviceHappening::Test => lock(&self.world).test(number, now),
            DeviceHappening::RollBack => lock(&self.world).roll_back(number, now),
            DeviceHappening::Visit(key) => lock(&self.world).visit(number, &key, now)?,
            DeviceHappening::Wake if kept.wake_at != Some(now) => {}
            DeviceHappening::Wake => return self.turn(number, now).await,
            DeviceHappening::Hear(event) => {
                self.ignored += u32::from(kept.lifecycle.handle(&self.rules, *event, now).is_err());
                return self.turn(number, now).await;
            }
        }
        Ok(())
    }

    /// Carries out what a lifecycle wants done.
    async fn turn(&mut self, number: u32, now: DateTime<Utc>) -> Result<(), FleetError> {
        let Some(kept) = usize::try_from(number).ok().and_then(|at| self.fleet.get_mut(at)) else {
            return Ok(());
        };
        let turn = self.worker.turn(&mut kept.lifecycle, &self.rules, &*self.clock, &self.saved).await?;
        self.ignored += u32::try_from(turn.ignored.len()).unwrap_or(u32::MAX);
        kept.wake_at = turn.wake_at.map(|at| at.max(now + TimeDelta::seconds(1)));
        let mut world = lock(&self.world);
        if let Some(at) = kept.wake_at {
            world.later(number, at, DeviceHappening::Wake);
        }
        self.renewals.note(number, &kept.lifecycle);
        if kept.lifecycle.in_use().fingerprint != kept.in_use {
            kept.in_use = kept.lifecycle.in_use().fingerprint;
            if kept.lifecycle.status() != Status::Renewing {
                world.turns.end(number);
            }
            self.operations.replace(&world, number, &kept.lifecycle)?;
        }
        self.operations.renewal_is(&kept.lifecycle, world.turns.has_come(number));
        Ok(())
    }

    fn end(self, options: Options) -> Run {
        let Self { rules, world, operations, fleet, renewals, ignored, until, .. } = self;
        let turns = lock(&world);
        let became = renewals.counts(|number| {
            let kept = fleet.get(usize::try_from(number).ok()?)?;
            Some((&kept.lifecycle, turns.turns.has_come(number)))
        });
        drop(turns);
        let lifecycles = fleet.into_iter().map(|kept| kept.lifecycle).collect();
        Run { options, rules, now: until, world, operations, lifecycles, became, ignored }
    }
}

//! What devices and technicians do when their time has come.

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::certificate::lifecycle::{CommandKey, Event, Issued, Reachability};
use iot_runbook::certificate::message::{Desired, Outcome, Reason, Reported};
use iot_runbook::certificate::service::TestOutcome;

use crate::agenda::DeviceHappening;
use crate::error::FleetError;
use crate::roster::Kind;
use crate::world::World;

impl World {
    /// The device tries to connect.
    pub fn connect(&mut self, number: u32, goes_on: bool, now: DateTime<Utc>) {
        let Some(device) = self.device_mut(number) else { return };
        if !device.is_online(now) {
            if let Some(back) = device.expected_at(now)
                && goes_on
            {
                self.later(number, back, DeviceHappening::Connect { goes_on });
            }
            return;
        }
        let heartbeat = device.kind.heartbeat();
        if device.back_at.take().is_some() {
            self.hear(number, now, Event::Reachability(Reachability::Online));
        }
        let Self { devices, ledger, .. } = self;
        let Some(device) = usize::try_from(number).ok().and_then(|at| devices.get_mut(at)) else { return };
        if let Some(fingerprint) = device.connect(now, |one| ledger.is_retired(one)) {
            let unread = device.desired.is_some() && device.reported.is_none();
            self.hear_perhaps(number, now, Event::Connected { fingerprint, at: now });
            if unread {
                self.later(number, now, DeviceHappening::Read);
            }
        } else if device.kind != Kind::Revoked && device.is_known_to_provisioning {
            // The broker refuses it: it asks the provisioning service by its manufacturing certificate.
            device.contact = Some(now);
            self.hear_perhaps(number, now, Event::ProvisioningContact { last: Some(now) });
        }
        if goes_on {
            self.later(number, now + heartbeat, DeviceHappening::Connect { goes_on });
        }
    }

    /// The device reads what is retained for it, if it can connect.
    pub fn read(&mut self, number: u32, now: DateTime<Utc>) {
        let is_there = self.device(number).is_some_and(|device| device.is_online(now));
        if !is_there || !self.has_a_working_certificate(number, now) {
            return;
        }
        let Some(device) = self.device_mut(number) else { return };
        let Some(desired) = device.desired.clone() else { return };
        let next = now + device.moment();
        if uses(&desired).is_some_and(|issued| issued.credential().fingerprint == device.uses) {
            // It has it already: the message came twice.
            self.report(number, &desired, Outcome::Switched, now);
        } else {
            self.report(number, &desired, Outcome::Downloaded, now);
            self.later(number, next, DeviceHappening::Test);
        }
    }

    /// The device tries the certificate at the test endpoint, and takes it up where that went well.
    pub fn test(&mut self, number: u32, now: DateTime<Utc>) {
        let Some(device) = self.device_mut(number) else { return };
        let Some((desired, issued)) = device.desired.clone().and_then(|one| Some((one.clone(), uses(&one)?)))
        else {
            return;
        };
        let fingerprint = issued.credential().fingerprint;
        if device.failing_tests > 0 {
            device.failing_tests = device.failing_tests.saturating_sub(1);
            let reason = Reason::new("no route to the test endpoint");
            device.tested = Some((fingerprint, TestOutcome::failed(now, reason.clone())));
            return self.report(number, &desired, Outcome::TestFailed { reason }, now);
        }
        device.tested = Some((fingerprint, TestOutcome::passed(now)));
        device.take_up(&issued);
        let (reconnects, loses) = (now + device.moment(), device.loses_the_next);
        device.loses_the_next = false;
        self.report(number, &desired, Outcome::TestPassed, now);
        self.report(number, &desired, Outcome::Switched, now);
        self.later(number, reconnects, DeviceHappening::Connect { goes_on: false });
        if loses {
            self.later(number, now + TimeDelta::hours(30), DeviceHappening::RollBack);
        }
    }

    /// A faulty update takes the newest certificate from the device.
    pub fn roll_back(&mut self, number: u32, now: DateTime<Utc>) {
        let Some(device) = self.device_mut(number) else { return };
        device.lose_what_is_new();
        // It reads all that is retained once more.
        device.reported = None;
        self.later(number, now, DeviceHappening::Connect { goes_on: false });
    }

    /// A visit takes place.
    ///
    /// # Errors
    /// [`FleetError`] where a certificate is not made.
    pub fn visit(&mut self, number: u32, key: &CommandKey, now: DateTime<Utc>) -> Result<(), FleetError> {
        let Some(planned) = self.visits.get(key).copied() else { return Ok(()) };
        let Some(device) = self.device(number) else { return Ok(()) };
        let (kind, is_online) = (device.kind, device.is_online(now));
        if kind == Kind::Lost {
            self.visits.remove(key);
            let reason = Reason::new("the cabinet is gone, and nobody knows where to");
            self.hear(number, now, Event::VisitFailed { reason });
            return Ok(());
        }
        if !planned.goes_there && !is_online {
            self.later(number, now + TimeDelta::days(1), DeviceHappening::Visit(key.clone()));
            return Ok(());
        }
        if planned.is_emergency && self.happens(15) {
            self.visits.remove(key);
            let reason = Reason::new("the console did not answer");
            self.hear(number, now, Event::VisitFailed { reason });
            return Ok(());
        }
        self.visits.remove(key);
        let brought = if planned.is_emergency {
            self.emergency_certificate(number)?
        } else {
            let generation = u64::MAX - u64::try_from(self.ledger.count()).unwrap_or(0);
            self.issue(number, key, generation, now)?
        };
        let Some(certificate) = brought else { return Ok(()) };
        let Some(device) = self.device_mut(number) else { return Ok(()) };
        device.take_up(&certificate);
        // Whoever is there sees to the network and the firewall too.
        device.failing_tests = 0;
        device.back_at = device.back_at.map(|_| now);
        let back = now + device.moment();
        self.later(number, back, DeviceHappening::Connect { goes_on: !is_online });
        let event = match planned.is_emergency {
            true => Event::EmergencyLoaded { certificate },
            false => Event::Installed { certificate },
        };
        self.hear(number, now, event);
        Ok(())
    }

    fn report(&mut self, number: u32, desired: &Desired, outcome: Outcome, now: DateTime<Utc>) {
        let reported = Reported::new(desired, outcome);
        if let Some(device) = self.device_mut(number) {
            device.reported = Some(reported.clone());
        }
        self.hear_perhaps(number, now, Event::Reported(reported));
    }
}

/// What a device makes of the certificate that it is told to use.
fn uses(desired: &Desired) -> Option<Issued> {
    Issued::from_pem(desired.certificate.clone()).ok()
}

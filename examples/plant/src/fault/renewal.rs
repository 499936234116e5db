//! Faults of a renewal: each leaves the job, the device or the clock in a state that the daily monitoring finds.

use chrono::{TimeDelta, Utc};
use iot_runbook::certificate::lifecycle::Lifecycle;

use super::scene::{Damage, Scene};
use crate::{
    device::Condition,
    door::EventKind,
    error::Result,
    pki::{Identity, Validity},
    renewal::fingerprint,
    wait,
};

/// In the stage of renewal, and far from the one in which people follow up.
const DUE: i64 = 45;
/// Further than the policy lets a clock jump.
const JUMPED: TimeDelta = TimeDelta::days(31);
/// As far as a clock may jump, and then some days less.
const BELIEVED: TimeDelta = TimeDelta::days(20);

/// What is the matter with a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Renewal {
    /// The firewall closes the way to the test endpoint: the test of the new certificate fails.
    TestFails,
    /// The job is halted, and the certificate has been due for long.
    NeverBegins,
    /// It is through, and somebody puts the old certificate back.
    RolledBack,
    /// The job is halted, and goes on while the platform looks into it.
    BeginsLate,
    /// The clock of the service jumps ahead, further than is believable.
    ClockAhead,
    /// The clock of the service was ahead, was believed, and is set right.
    ClockSetBack,
}

impl Scene<'_> {
    pub(super) async fn renew(&self, how: Renewal) -> Result<()> {
        let renewals = self.factory.renewals();
        match how {
            Renewal::NeverBegins | Renewal::BeginsLate => {
                renewals.halt();
                self.enroll_due().await?;
            }
            Renewal::TestFails => {
                self.site.test_rule().cut();
                self.enroll_due().await?;
                self.comes_to("a test that fails", |lifecycle| {
                    lifecycle.progress().is_some_and(|progress| progress.failed_at.is_some())
                })
                .await?;
            }
            Renewal::RolledBack => {
                let old = self.enroll_due().await?;
                let before = fingerprint(old.certificate());
                self.comes_to("a renewal that is confirmed", |lifecycle| {
                    lifecycle.in_use().fingerprint != before
                })
                .await?;
                // From a backup, of when its configuration client was not set up yet.
                self.device()?.change(|device| {
                    device.renews = false;
                    device.identity = Some(old);
                });
                self.comes_to("a device that is back with its old certificate", |lifecycle| {
                    lifecycle.in_use().fingerprint == before
                })
                .await?;
            }
            Renewal::ClockAhead => renewals.clock().set_ahead(JUMPED),
            Renewal::ClockSetBack => {
                renewals.clock().set_ahead(BELIEVED);
                let believed = Utc::now() + BELIEVED - TimeDelta::days(1);
                self.comes_to("a job that believes its clock", |lifecycle| lifecycle.high_water() > believed)
                    .await?;
                renewals.clock().set_ahead(TimeDelta::zero());
            }
        }
        Ok(())
    }

    /// Gives the device a certificate that is due, as one that was issued long ago, and waits until it is seen with it.
    async fn enroll_due(&self) -> Result<Identity> {
        let identity = self.factory.authority().issue(self.id(), Validity::ending_in(DUE))?;
        // The device first: the job offers the next one as soon as it knows of this.
        self.device()?.change(|device| device.identity = Some(identity.clone()));
        wait::until("a device with its new certificate", || async {
            let presented = self.factory.door().last_presented(self.id());
            presented.is_some_and(|(_, presented)| presented.der == **identity.certificate())
                && self.is_connected()
        })
        .await?;
        self.factory.renewals().enroll(self.id(), &identity).await?;
        Ok(identity)
    }

    /// Whether the last that the door has of the device is that it was let in.
    fn is_connected(&self) -> bool {
        let events = self.factory.door().events(self.id(), chrono::DateTime::<Utc>::MIN_UTC);
        events.last().is_some_and(|event| matches!(event.kind, EventKind::Accepted(_)))
            && self.factory.broker().session_since(self.id()).is_some()
    }

    async fn comes_to(&self, what: &'static str, holds: impl Fn(&Lifecycle) -> bool) -> Result<()> {
        let lifecycles = self.factory.renewals().lifecycles();
        wait::until(what, || async { lifecycles.get(self.id()).is_some_and(|lifecycle| holds(&lifecycle)) })
            .await
    }

    /// Sets clock and job right, and has the device watched with the certificate that it had before.
    pub(super) async fn mend_renewal(&self, before: &Condition) -> Result<()> {
        if let (Damage::Renewal(_), Some(identity)) = (self.damage, &before.identity) {
            let renewals = self.factory.renewals();
            renewals.clock().set_ahead(TimeDelta::zero());
            renewals.enroll(self.id(), identity).await?;
            renewals.go_on();
        }
        Ok(())
    }
}

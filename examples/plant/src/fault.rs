//! The faults that can be put into the factory.
//!
//! Each breaks real parts: it kills a process, cuts a network, swaps a certificate. None of them speaks to the
//! diagnosis, which sees the parts and nothing else. A fault's id is the conclusion that it should lead to, with a
//! variant after a slash where there are several ways there.

mod catalog;
mod renewal;
mod scene;

use tokio::sync::Notify;

use self::{
    renewal::Renewal,
    scene::{Damage, Found, Help, Scene},
};
use crate::{
    device::{Condition, Device},
    error::{Error, Result},
    factory::Factory,
    task::Task,
};

/// A fault.
#[derive(Debug)]
pub struct Fault {
    /// Its id.
    pub id: &'static str,
    /// The device whose offline alert it sets off.
    pub device: &'static str,
    /// What is done to the plant, for a reader.
    pub story: &'static str,
    damage: Damage,
}

impl Fault {
    /// All faults.
    pub const ALL: &'static [Self] = catalog::ALL;

    /// The fault of this id.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(id: &str) -> Result<&'static Self> {
        Self::ALL
            .iter()
            .find(|fault| fault.id == id)
            .ok_or_else(|| Error::Unknown { kind: "fault", id: id.to_owned() })
    }

    /// The conclusion that it should lead to.
    pub fn conclusion(&self) -> &'static str {
        self.id.split_once('/').map_or(self.id, |(conclusion, _)| conclusion)
    }

    /// True if the daily monitoring of certificates raises its alert, not the offline alarm.
    pub fn is_found_by_monitoring(&self) -> bool {
        matches!(self.damage, Damage::Certificate(_) | Damage::Renewal(_))
    }

    /// Breaks the parts.
    ///
    /// # Errors
    /// When a part does not break, or the factory lacks it.
    pub async fn inject(&'static self, factory: &Factory) -> Result<Injected> {
        let scene = Scene::of(self, factory)?;
        let before = scene.device.map(Device::condition);
        let goes_on = scene.damage().await?;
        Ok(Injected { fault: self, before, _goes_on: goes_on })
    }
}

/// A fault that is in the factory, until it is mended.
#[derive(Debug)]
pub struct Injected {
    fault: &'static Fault,
    before: Option<Condition>,
    _goes_on: Option<Task>,
}

impl Injected {
    /// The fault.
    pub fn fault(&self) -> &'static Fault {
        self.fault
    }

    /// What somebody on the site does by themselves while the platform waits for leave to act: mostly nothing.
    /// Gives whether anything was done.
    ///
    /// # Errors
    /// When it can't be done.
    pub async fn meanwhile(&self, factory: &Factory) -> Result<bool> {
        let scene = Scene::of(self.fault, factory)?;
        if self.fault.conclusion() == "recovered-meanwhile" {
            scene.mend_gateway().await?;
            return Ok(true);
        }
        scene.certify_by_hand()
    }

    /// What happens during the diagnosis: mostly nothing. `asked` is notified when the platform asks about a
    /// certificate.
    pub async fn during(&self, factory: &Factory, asked: &Notify) {
        if self.fault.damage == Damage::Renewal(Renewal::BeginsLate) {
            asked.notified().await;
            factory.renewals().go_on();
        }
    }

    /// Puts the parts in order again, and waits until the factory is healthy.
    ///
    /// # Errors
    /// When a part can't be mended, or the factory does not become healthy in time.
    pub async fn mend(self, factory: &Factory) -> Result<()> {
        self.repair(factory).await?;
        factory.healthy().await
    }

    /// Puts the parts in order again. Where several faults are in the factory, the last is repaired first.
    ///
    /// # Errors
    /// When a part can't be mended.
    pub async fn repair(self, factory: &Factory) -> Result<()> {
        let Self { fault, before, _goes_on: goes_on } = self;
        drop(goes_on);
        let scene = Scene::of(fault, factory)?;
        scene.mend_site()?;
        scene.mend_gateway().await?;
        if let (Some(device), Some(before)) = (scene.device, before) {
            scene.mend_renewal(&before).await?;
            scene.mend_device(device, before)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn faults_are_found_by_their_ids() {
        let ids = Fault::ALL.iter().map(|fault| fault.id).collect::<HashSet<_>>();
        assert_eq!(ids.len(), Fault::ALL.len());
        for id in ids {
            assert_eq!(Fault::find(id).unwrap().id, id);
        }
        assert!(Fault::find("no-such-fault").is_err());
    }

    #[test]
    fn conclusions_that_parts_can_show_have_faults() {
        let reached = Fault::ALL.iter().map(Fault::conclusion).collect::<HashSet<_>>();
        for conclusion in [
            "broker-fault",
            "broker-path-fault",
            "certificate-expired",
            "certificate-missing",
            "certificate-not-yet-valid",
            "certificate-renewed",
            "certificate-revoked",
            "client-or-clock",
            "clock-suspect",
            "connection-refused",
            "connectivity-flap",
            "device-client-fault",
            "dispatch-technician",
            "expected-offline",
            "field-protocol-fault",
            "follow-up-required",
            "gateway-client-fault",
            "gateway-fault",
            "gateway-recovered",
            "ingestion-fault",
            "never-provisioned",
            "not-yet-valid",
            "nothing-due",
            "ot-network-fault",
            "persistent-flapping",
            "power-fault",
            "recovered-meanwhile",
            "renewal-in-progress",
            "renewal-stalled",
            "renewed",
            "revoked",
            "site-uplink-fault",
            "trust-chain-fault",
        ] {
            assert!(reached.contains(conclusion), "{conclusion}");
        }
    }
}

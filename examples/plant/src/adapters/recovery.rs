//! The acts that bring back a session holder whose certificate has expired.

use std::time::Duration;

use chrono::Utc;
use iot_runbook::diagnosis::ActReport;

use crate::{error::Result, factory::Factory, wait};

pub(super) const RE_PROVISION: &str = "re-provision";
pub(super) const RESTART_HOLDER: &str = "restart-holder";
pub(super) const OPEN_FOLLOW_UP: &str = "open-follow-up";
pub(super) const LOAD_EMERGENCY: &str = "load-emergency-certificate";

const SERVICE: &str = "provisioning service";
const OPERATIONS: &str = "list of the operations team";
const TECHNICIAN: &str = "technician at the device's console";
/// How long a device may take to fetch what was granted to it.
const FETCHED_WITHIN: Duration = Duration::from_secs(5);

/// Whose certificate it is.
pub(super) enum Holder {
    /// The device's own, behind this gateway.
    Device { gateway: String },
    /// Its gateway's.
    Gateway(String),
}

pub(super) fn holder(factory: &Factory, device: &str) -> Result<Holder> {
    let unknown = || crate::error::Error::Unknown { kind: "device", id: device.to_owned() };
    let registered = factory.registry().device(device)?.ok_or_else(unknown)?;
    let gateway = registered.gateway;
    Ok(if registered.own_session { Holder::Device { gateway } } else { Holder::Gateway(gateway) })
}

/// Grants a fresh certificate, and waits until the device has fetched it.
pub(super) async fn re_provision(factory: &Factory, device: &str) -> ActReport {
    if !matches!(holder(factory, device), Ok(Holder::Device { .. })) {
        return ActReport::refused(
            SERVICE,
            format!("it provisions devices with a session of their own, not {device}"),
        );
    }
    let (service, since) = (factory.provisioning(), Utc::now());
    service.grant(device);
    let is_fetched = || async { service.newest(device).is_some_and(|(at, _)| at >= since) };
    match wait::until_within("a device that fetches its certificate", FETCHED_WITHIN, is_fetched).await {
        Ok(()) => ActReport::done(SERVICE),
        Err(error) => {
            service.withdraw(device);
            ActReport::failed(SERVICE, error.to_string())
        }
    }
}

/// Restarts the device's provisioning client, which its gateway reaches; what it then asks for is granted.
pub(super) async fn restart_client(factory: &Factory, gateway: &str, device: &str) -> ActReport {
    let host = match factory.gateway(gateway) {
        Ok(host) => host,
        Err(error) => return ActReport::refused("plant", error.to_string()),
    };
    match host.restart_client(device).await {
        Ok(()) => {
            factory.provisioning().grant(device);
            ActReport::done(gateway)
        }
        Err(error) => ActReport::refused(gateway, format!("{device} is not reached: {error}")),
    }
}

/// Enters the device into the list of certificates that the operations team renews by hand.
pub(super) fn open_follow_up(factory: &Factory, device: &str) -> ActReport {
    match factory.registry().open_follow_up(device) {
        Ok(()) => ActReport::done(OPERATIONS),
        Err(error) => ActReport::failed(OPERATIONS, error.to_string()),
    }
}

/// Loads the emergency certificate that was prepared for the device.
pub(super) fn load_emergency(factory: &Factory, device: &str) -> ActReport {
    if !matches!(holder(factory, device), Ok(Holder::Device { .. })) {
        return ActReport::refused(
            TECHNICIAN,
            format!("no emergency certificate is kept for the gateway of {device}"),
        );
    }
    let found = match factory.device(device) {
        Ok(found) => found,
        Err(error) => return ActReport::refused(TECHNICIAN, error.to_string()),
    };
    let Some(identity) = factory.take_emergency(device) else {
        return ActReport::failed(TECHNICIAN, format!("no emergency certificate was prepared for {device}"));
    };
    factory.provisioning().note_newest(device, identity.certificate());
    found.change(|condition| condition.identity = Some(identity));
    ActReport::done(TECHNICIAN)
}

//! What the library's values are called in the report.

use iot_runbook::certificate::lifecycle::{AlertKind, Cause, Happening, Outcome};
use iot_runbook::certificate::validity::Fingerprint;

/// How a device came back.
#[must_use]
pub const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Renewed => "by the renewal, late",
        Outcome::ReProvisioned => "re-provisioned",
        Outcome::EmergencyCertificate => "emergency certificate",
        Outcome::InstalledByHand => "installed by hand",
        Outcome::WentBack => "went back to an older one",
        _ => "out of service",
    }
}

/// Why an automatic renewal failed.
#[must_use]
pub fn cause(cause: &Cause) -> String {
    match cause {
        Cause::NoAutoRenewal => "no auto-renewal".to_owned(),
        Cause::NotBegun => "no renewal was begun".to_owned(),
        Cause::IssuerBinds => "its issuer was not replaced".to_owned(),
        Cause::NotIssued { .. } => "nothing was issued".to_owned(),
        Cause::Refused { why } => format!("what was issued was refused: {why}"),
        Cause::NotPublished => "not published".to_owned(),
        Cause::DeviceSilent => "the device said nothing".to_owned(),
        Cause::DeviceFailed { reason } => format!("the device failed: {}", reason.as_str()),
        Cause::NotConfirmed => "it was not seen with the new certificate".to_owned(),
        Cause::Retired => {
            "it was retired: its key was in other hands, or the device went back to it".to_owned()
        }
        other => format!("{other:?}"),
    }
}

/// What people are told.
#[must_use]
pub const fn alert(what: &AlertKind) -> &'static str {
    match what {
        AlertKind::RenewalFailed { .. } => "a renewal failed again and again",
        AlertKind::CertificateRefused { .. } => "what was issued was refused",
        AlertKind::IssuerBinds { .. } => "an issuer ends before its leaves",
        AlertKind::NotConfirmed => "a device took its certificate, and was not seen with it",
        AlertKind::FollowUp => "a person must see to a certificate",
        AlertKind::RolledBack => "a device went back to an older certificate",
        AlertKind::FailedAfterConfirmation { .. } => {
            "a device's test failed after its new certificate was confirmed"
        }
        AlertKind::RetiredInUse { .. } => "a retired certificate was used on a connection",
        AlertKind::NotRetired { .. } => "a replaced certificate is still valid long after its overlap",
        AlertKind::KeyCompromised => "a key is in other hands",
        AlertKind::Expired => "a certificate has ended, or was retired, and the device is offline",
        AlertKind::RecoveryFailed { .. } => "a round of a recovery failed",
        AlertKind::ClockSuspect { .. } => "the clock is suspect",
        AlertKind::CommandFails { .. } => "a command fails again and again",
        _ => "something else",
    }
}

/// An entry of a timeline.
#[must_use]
pub fn happening(what: &Happening) -> String {
    match what {
        Happening::RenewalBegan { generation } => format!("renewal {generation} begins"),
        Happening::HeldByIssuer => "it waits for its issuer to be replaced".to_owned(),
        Happening::Issued(print) => format!("{} is issued", short(*print)),
        Happening::Refused(why) => format!("what was issued is refused: {why}"),
        Happening::CommandFailed { key, reason } => format!("{key} failed: {}", reason.as_str()),
        Happening::Postponed { until } => {
            format!("it waits for its turn until {}", until.format("%Y-%m-%d %H:%M"))
        }
        Happening::Published => "published".to_owned(),
        Happening::Downloaded => "the device has it".to_owned(),
        Happening::TestPassed => "the device's test passed".to_owned(),
        Happening::DeviceFailed(reason) => format!("the device failed: {}", reason.as_str()),
        Happening::SaidSwitched => "the device says that it switched".to_owned(),
        Happening::FollowedUp => "a person is asked to see to it".to_owned(),
        Happening::Confirmed(print) => format!("the device is seen with {}", short(*print)),
        Happening::RolledBack(print) => format!("the device went back to {}", short(*print)),
        Happening::Retired(print) => format!("{} is to be retired", short(*print)),
        Happening::RetiredInUse(print) => {
            format!("{} was used on a connection, and is retired", short(*print))
        }
        Happening::KeyCompromised(print) => format!("the key of {} is in other hands", short(*print)),
        Happening::Expired => "the certificate is of no use any more".to_owned(),
        Happening::ReachedProvisioning => "the device reaches the provisioning service".to_owned(),
        Happening::NoContact => "the provisioning service has not seen it lately".to_owned(),
        Happening::ReProvisioning => "re-provisioning is asked for".to_owned(),
        Happening::PhysicalAccess => "a technician is sent".to_owned(),
        Happening::Installed(print) => format!("{} is brought to the device", short(*print)),
        Happening::NotBack => "the device is not back in time".to_owned(),
        Happening::RecoveryFailed(reason) => format!("this round failed: {}", reason.as_str()),
        Happening::ClockSuspect => "the clock cannot be trusted".to_owned(),
        Happening::ClockAccepted => "the clock is accepted as right".to_owned(),
        other => format!("{other:?}"),
    }
}

/// The first digits of a fingerprint, by which a person knows it again.
fn short(print: Fingerprint) -> String {
    print.to_string().chars().take(8).collect()
}

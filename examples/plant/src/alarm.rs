//! The platform's offline alarm: what raises the alert that a diagnosis begins with.
//!
//! It watches receipts and the broker's log, as a real one does, and so it comes up by itself some time after
//! something broke.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::{
    certificate::{Facts, Policy, Stage},
    subject::Trigger,
    time::Clock,
};

use crate::{
    broker::{EventKind, Reason},
    error::{Error, Result},
    factory::Factory,
    gateway::field::Held,
    pki::Presented,
    wait,
};

/// A device that is silent for so long is reported as offline.
const SILENT_FOR: TimeDelta = TimeDelta::seconds(1);
/// A device whose session ends so often within [`UNSTABLE_WITHIN`] is reported as well.
const UNSTABLE_AT: usize = 3;
const UNSTABLE_WITHIN: TimeDelta = TimeDelta::seconds(5);

/// Waits until an alert about this device is raised, for something that happened from `since` on.
///
/// # Errors
/// When none is raised in time.
pub async fn raised(factory: &Factory, device: &str, since: DateTime<Utc>) -> Result<Trigger> {
    let raised = raised_within(factory, device, since, wait::DEADLINE).await;
    raised.ok_or(Error::TimedOut("an offline alert"))
}

/// Waits for at most `limit` until an alert about this device is raised, for something that happened from `since` on;
/// none where there is no alert by then.
pub async fn raised_within(
    factory: &Factory,
    device: &str,
    since: DateTime<Utc>,
    limit: Duration,
) -> Option<Trigger> {
    let look = || {
        let receipts = factory.platform().receipts(device).at;
        let ends = factory.broker().events(device, since).into_iter().filter_map(|event| match event.kind {
            EventKind::Disconnected(reason) => Some((event.at, reason)),
            _ => None,
        });
        silent(receipts, since, Utc::now())
            .into_iter()
            .chain(unstable(&ends.collect::<Vec<_>>()))
            .min_by_key(|trigger| trigger.at)
    };
    wait::until_within("an offline alert", limit, || async { look().is_some() }).await.ok();
    look()
}

/// Waits until the daily monitoring of certificates finds the device's certificate at a stage to report.
///
/// # Errors
/// When it finds none in time.
pub async fn certificate_reported(factory: &Factory, device: &str) -> Result<Trigger> {
    let is_reported = || async { !matches!(stage(factory, device).await, Ok(Stage::Ok) | Err(_)) };
    wait::until("a certificate to report", is_reported).await?;
    let stage = stage(factory, device).await?;
    let now = factory.renewals().clock().now();
    Ok(Trigger::new(format!("daily monitoring of certificates: {stage:?}"), now))
}

/// The stage of the certificate that the device presents to its gateway, by the clock of the monitoring's host and the
/// latest time that it knows.
async fn stage(factory: &Factory, device: &str) -> Result<Stage> {
    let unknown = || Error::Unknown { kind: "device", id: device.to_owned() };
    let registered = factory.registry().device(device)?.ok_or_else(unknown)?;
    let held = factory.gateway(&registered.gateway)?.certificate(device).await?;
    let Held::Presented { der } = held else {
        return Err(Error::UnreadableCertificate("the device presents none".to_owned()));
    };
    let presented = Presented::parse(&der)?;
    let mut facts = Facts::new(presented.validity.not_before, presented.validity.not_after);
    facts.revoked = factory.authority().has_revoked(&presented.serial);
    let renewals = factory.renewals();
    let mark = renewals.lifecycles().get(device).map(|lifecycle| lifecycle.high_water());
    // Read after the mark, which rises all the time.
    Ok(Policy::default().stage(&facts, renewals.clock().now(), mark))
}

/// The first silence that was long enough, whether it is over by now or not.
fn silent(
    receipts: impl IntoIterator<Item = DateTime<Utc>>,
    since: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Option<Trigger> {
    let mut last = None;
    for at in receipts {
        let from = last.unwrap_or(since);
        if at > since && at - from >= SILENT_FOR {
            return Some(offline(from));
        }
        last = Some(at);
    }
    let from = last.unwrap_or(since);
    (now - from >= SILENT_FOR).then(|| offline(from))
}

fn offline(from: DateTime<Utc>) -> Trigger {
    Trigger::new(format!("offline alert: silent for {} s", SILENT_FOR.num_seconds()), from + SILENT_FOR)
}

fn unstable(ends: &[(DateTime<Utc>, Reason)]) -> Option<Trigger> {
    ends.windows(UNSTABLE_AT).find_map(|run| {
        let [(first, _), .., (last, reason)] = run else { return None };
        let text = format!("offline alert: its session ended {UNSTABLE_AT} times, the last time: {reason:?}");
        (*last - *first <= UNSTABLE_WITHIN).then(|| Trigger::new(text, *last))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::milliseconds(millis)
    }

    #[test]
    fn silence_is_found_while_it_lasts_and_after_it() {
        let seen = [0, 300, 600, 2100, 2400].map(at);
        let raised = silent(seen, at(500), at(2500)).map(|trigger| trigger.at);
        assert_eq!(raised, Some(at(1600)));
        assert_eq!(silent(seen, at(2200), at(3000)), None);
        let raised = silent(seen, at(2200), at(3500)).map(|trigger| trigger.at);
        assert_eq!(raised, Some(at(3400)));
    }

    #[test]
    fn never_seen_is_silent_since_first_look() {
        assert_eq!(silent([], at(0), at(900)), None);
        assert_eq!(silent([], at(0), at(1000)).map(|trigger| trigger.at), Some(at(1000)));
    }

    #[test]
    fn repeated_session_ends_are_unstable() {
        let ends =
            |seconds: [i64; 4]| seconds.map(|at_second| (at(at_second * 1000), Reason::ConnectionLost));
        let raised = unstable(&ends([0, 10, 12, 14])).map(|trigger| trigger.at);
        assert_eq!(raised, Some(at(14_000)));
        assert_eq!(unstable(&ends([0, 10, 20, 30])), None);
    }
}

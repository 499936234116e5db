//! How a service unit-tests what it makes of the library: mocked adapters, and time that it moves itself.
//!
//! `cargo test --example 03_mocked_probes --features mock`, or `cargo run` to see the trace.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::catalog;
use iot_runbook::check::Checks;
use iot_runbook::diagnosis::Diagnosis;
use iot_runbook::driver::{Driver, SimulatedTimer};
use iot_runbook::fact::Source;
use iot_runbook::mock::{MockBrokerProbe, MockDeviceProbe};
use iot_runbook::probe::{
    ConnectionEvent, ConnectionLog, DisconnectReason, LastSeenAnswer, ProbeError, Probes, Receipts,
    ServiceState, ServiceStateAnswer, SessionState,
};
use iot_runbook::subject::{Subject, Trigger};
use iot_runbook::time::{Clock as _, ManualClock};
use ulid::Ulid;

/// The part of a service that is tested: it diagnoses one device with the adapters it is given.
async fn diagnose(probes: Probes, clock: Arc<ManualClock>) -> Result<Diagnosis, Box<dyn Error>> {
    let runbooks = catalog::set()?;
    let timer = Arc::new(SimulatedTimer::new(Arc::clone(&clock)));
    let now = clock.now();
    let driver = Driver::new(&runbooks, &Checks::builtin(), probes, timer)?.with_clock(clock);
    let (subject, trigger) = (Subject::device("press-07"), Trigger::new("offline alert", now));
    let mut diagnosis = Diagnosis::new(Ulid(1), &runbooks, "device-offline", subject, trigger, now)?;
    driver.run(&mut diagnosis).await?;
    Ok(diagnosis)
}

/// A device that was seen a minute ago and comes back as soon as somebody looks again.
fn flapping_once(clock: &Arc<ManualClock>) -> Probes {
    let began = clock.now();
    let mut device = MockDeviceProbe::new();
    device.expect_source().return_const(Source::new("registry"));
    device
        .expect_service_state()
        .times(1)
        .returning(move |_| Ok(ServiceStateAnswer::new(began).with_state(ServiceState::InService)));
    let at = Arc::clone(clock);
    device.expect_last_seen().times(1..).returning(move |_| {
        let now = at.now();
        let silent_for = if now == began { TimeDelta::minutes(1) } else { TimeDelta::seconds(5) };
        Ok(LastSeenAnswer::new(now).with_last_receipt(now - silent_for))
    });
    let at = Arc::clone(clock);
    device
        .expect_receipts()
        .returning(move |request| Ok(Receipts::new(at.now(), request.period).with_live(at.now())));

    let mut broker = MockBrokerProbe::new();
    broker.expect_source().return_const(Source::new("broker"));
    let at = Arc::clone(clock);
    broker.expect_connection_log().times(1..).returning(move |request| {
        let lost = ConnectionEvent::disconnected(began, DisconnectReason::ConnectionLost);
        let back = ConnectionEvent::accepted(began + TimeDelta::seconds(20));
        let events = [lost, back].into_iter().filter(|event| request.period.contains(event.at)).collect();
        let log = ConnectionLog::new(at.now(), request.period).with_events(events);
        Ok(Some(log.with_now(SessionState::Up)))
    });
    // This broker does not say who else was disconnected.
    broker.expect_disconnected_together().returning(|_| Err(ProbeError::unsupported()));
    Probes::new().with_device(Arc::new(device)).with_broker(Arc::new(broker))
}

/// A registry and a broker that are down, and nothing else.
fn nobody_tells() -> Probes {
    let mut device = MockDeviceProbe::new();
    device.expect_source().return_const(Source::new("registry"));
    let down = || ProbeError::transient("the registry is down");
    // Asked three times at least: the error says that trying again may help.
    device.expect_service_state().times(3..).returning(move |_| Err(down()));
    device.expect_last_seen().times(3..).returning(move |_| Err(down()));
    device.expect_receipts().times(3..).returning(move |_| Err(down()));

    let mut broker = MockBrokerProbe::new();
    broker.expect_source().return_const(Source::new("broker"));
    let down = || ProbeError::transient("the broker is down");
    broker.expect_connection_log().times(3..).returning(move |_| Err(down()));
    broker.expect_publishing().returning(move |_| Err(down()));
    broker.expect_clock_readings().returning(move |_| Err(down()));
    Probes::new().with_device(Arc::new(device)).with_broker(Arc::new(broker))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let clock = Arc::new(ManualClock::new(DateTime::<Utc>::UNIX_EPOCH));
    for probes in [flapping_once(&clock), nobody_tells()] {
        let diagnosis = diagnose(probes, Arc::clone(&clock)).await?;
        diagnosis.trace().for_each(|record| println!("{record}"));
        println!();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use iot_runbook::diagnosis::Ending;

    use super::*;

    #[tokio::test]
    async fn a_device_that_comes_back_was_a_flap() {
        let clock = Arc::new(ManualClock::new(DateTime::<Utc>::UNIX_EPOCH));
        let diagnosis = diagnose(flapping_once(&clock), Arc::clone(&clock)).await.unwrap();
        let finding = diagnosis.finding().unwrap();
        assert_eq!(finding.conclusion(), Some("connectivity-flap"));
        assert_eq!(clock.now() - DateTime::<Utc>::UNIX_EPOCH, TimeDelta::minutes(10));
    }

    #[tokio::test]
    async fn what_nobody_can_tell_is_never_concluded() {
        let clock = Arc::new(ManualClock::new(DateTime::<Utc>::UNIX_EPOCH));
        let finding = diagnose(nobody_tells(), clock).await.unwrap().finding().unwrap();
        assert_eq!(finding.ending(), Ending::Undetermined);
        assert!(finding.hypotheses().len() > 1);
        assert!(finding.next_probe().is_some());
    }
}

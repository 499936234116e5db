//! How a service tests what it builds on the library: rehearsals of a runbook, mocked adapters, and simulated time.
//!
//! `cargo test --example 10_mocks_and_rehearsals --features mock`, or `cargo run`.
#[path = "page/page.rs"]
mod page;
use std::{error::Error, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::diagnosis::{DiagnosisId, rehearsal::Coverage, rehearsal::Rehearsal};
use iot_runbook::driver::SimulatedTimer;
use iot_runbook::fact::Source;
use iot_runbook::mock::{MockBrokerProbe, MockDeviceProbe};
use iot_runbook::probe::*;
use iot_runbook::time::{Clock as _, ManualClock};
use iot_runbook::{Checks, Diagnosis, Driver, Subject, Trigger, catalog};

/// The part of a service that is tested: it diagnoses one device with the adapters it is given.
async fn diagnose(probes: Probes, clock: Arc<ManualClock>) -> Result<Diagnosis, Box<dyn Error>> {
    let runbooks = catalog::set()?;
    let (now, timer) = (clock.now(), Arc::new(SimulatedTimer::new(Arc::clone(&clock))));
    let driver = Driver::new(&runbooks, &Checks::builtin(), probes, timer)?.with_clock(clock);
    let (press, alert) = (Subject::device("press-07"), Trigger::new("offline alert", now));
    let mut diagnosis =
        Diagnosis::new(DiagnosisId::random(now)?, &runbooks, "device-offline", press, alert, now)?;
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
    broker.expect_disconnected_together().returning(|_| Err(ProbeError::unsupported()));
    Probes::new().with_device(Arc::new(device)).with_broker(Arc::new(broker))
}

/// A registry and a broker that are down, and nothing else.
fn all_down() -> Probes {
    let mut device = MockDeviceProbe::new();
    device.expect_source().return_const(Source::new("registry"));
    let down = || ProbeError::transient("it is down");
    // Asked three times at least: the error says that trying again may help.
    device.expect_service_state().times(3..).returning(move |_| Err(down()));
    device.expect_last_seen().times(3..).returning(move |_| Err(down()));
    device.expect_receipts().times(3..).returning(move |_| Err(down()));

    let mut broker = MockBrokerProbe::new();
    broker.expect_source().return_const(Source::new("broker"));
    broker.expect_connection_log().times(3..).returning(move |_| Err(down()));
    broker.expect_publishing().returning(move |_| Err(down()));
    broker.expect_clock_readings().returning(move |_| Err(down()));
    Probes::new().with_device(Arc::new(device)).with_broker(Arc::new(broker))
}

/// Tests of a runbook are data: answers by step, and the conclusion that is expected.
fn rehearse() -> Result<(), Box<dyn Error>> {
    let runbooks = catalog::set()?;
    let maintenance = Rehearsal::new("a device in maintenance is no incident", "device-offline")
        .tell("service-state", "maintenance")
        .expect_conclusion("expected-offline");
    let rehearsed = [maintenance.check(&runbooks)?];
    let share = 100.0 * Coverage::of(&runbooks, &rehearsed).share();
    page::say(format_args!("rehearsed: {}, {share:.1} % of all transitions\n", maintenance.name));
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    rehearse()?;
    let clock = Arc::new(ManualClock::new(DateTime::<Utc>::UNIX_EPOCH));
    for probes in [flapping_once(&clock), all_down()] {
        let diagnosis = diagnose(probes, Arc::clone(&clock)).await?;
        let finding = diagnosis.finding().ok_or("the driver ends what it runs")?;
        let title = finding.title().unwrap_or("not certain; it may be");
        page::say(format_args!("after {} records: {title}", diagnosis.trace_len()));
        for hypothesis in finding.hypotheses().iter().take(5) {
            page::say(format_args!("  {:>3.0} %  {}", hypothesis.share * 100.0, hypothesis.cause));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn device_that_comes_back_was_a_flap() {
        let clock = Arc::new(ManualClock::new(DateTime::<Utc>::UNIX_EPOCH));
        let finding = diagnose(flapping_once(&clock), clock).await.unwrap().finding().unwrap();
        assert_eq!(finding.conclusion(), Some("connectivity-flap"));
    }
}

//! The actuator: what it refuses, and that it does nothing twice.

use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use iot_runbook::{
    catalog,
    diagnosis::{ActOutcome, ActRequest, Diagnosis, Output},
    driver::Actuator,
    fact::{Domain, Kind, Observation, Value},
    subject::{Subject, Trigger},
};
use plant::{adapters::Restart, factory::Plan, wait};
use ulid::Ulid;

use crate::start;

/// The order to restart gw-north-1 for press-1, as a diagnosis gives it.
fn order() -> Option<ActRequest> {
    let (set, now) = (catalog::set().unwrap(), Utc::now());
    let subject = Subject::device("press-1").with_gateway("gw-north-1").with_site("north");
    let trigger = Trigger::new("offline alert", now);
    let mut diagnosis = Diagnosis::new(Ulid(1), &set, "device-offline", subject, trigger, now).unwrap();
    let value = |check: &str, domain: &Domain| match (check, domain.kind()) {
        ("last-seen", _) => Value::Instant(now - TimeDelta::days(1)),
        ("broker-connect", _) => domain.find_choice("none").unwrap(),
        ("gateway-health", _) => domain.find_choice("offline").unwrap(),
        ("platform-health", _) => domain.find_choice("well").unwrap(),
        ("restart-needed", _) => domain.find_choice("needed").unwrap(),
        ("device-back", _) => domain.find_choice("silent").unwrap(),
        (_, Kind::Flag) => Value::Flag(false),
        _ => domain.find_choice("in-service").unwrap(),
    };
    loop {
        match diagnosis.poll(now) {
            Output::Probe(request) => {
                let query = request.query();
                let found = Observation::known(value(&query.check, &query.domain), now, "test");
                diagnosis.answer(request.id, found, now).unwrap();
            }
            Output::Approve(request) => diagnosis.approve(request.grant("test"), now).unwrap(),
            Output::Act(request) => return Some(request),
            Output::Alert(_) => {}
            _ => return None,
        }
    }
}

#[tokio::test]
async fn shared_gateway_is_not_restarted() {
    let factory = Arc::new(start(Plan::SMALL).await);
    let report = Restart::of(&factory).act(&order().unwrap()).await;
    assert_eq!(report.outcome, ActOutcome::Refused);
    assert!(report.details.find("why").unwrap().contains("oven-1"), "{report:?}");
    assert_eq!(factory.gateway("gw-north-1").unwrap().supervisor().status().starts, 1);
    Arc::into_inner(factory).unwrap().stop().await.unwrap();
}

#[tokio::test]
async fn repeated_order_is_not_followed_again() {
    let factory = Arc::new(start(Plan::SMALL).await);
    let supervisor = factory.gateway("gw-north-1").unwrap().supervisor();
    supervisor.kill().await.unwrap();
    wait::until("silence", || async {
        let seen = factory.platform().last_seen("oven-1");
        seen.is_some_and(|at| Utc::now() - at > TimeDelta::seconds(3))
    })
    .await
    .unwrap();
    let actuator = Restart::of(&factory);
    let order = order().unwrap();
    let (first, second) = tokio::join!(actuator.act(&order), actuator.act(&order));
    let third = actuator.act(&order).await;
    assert_eq!(first.outcome, ActOutcome::Done, "{first:?}");
    assert_eq!((&first, &first), (&second, &third));
    assert_eq!(supervisor.status().starts, 2);
    drop(actuator);
    Arc::into_inner(factory).unwrap().stop().await.unwrap();
}

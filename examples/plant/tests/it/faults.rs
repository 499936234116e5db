//! The faults: each leaves its traces in the parts, and each can be mended.

use chrono::Utc;
use plant::{
    broker::{EventKind, Reason, Refusal},
    door,
    error::Error,
    factory::{Factory, Plan},
    fault::Fault,
    supervisor::How,
    wait,
};

use crate::start;

/// Puts a fault in, waits until the broker's log of its device shows `kind`, and mends it.
async fn leaves_in_the_broker(factory: &Factory, id: &str, kind: EventKind) {
    let since = Utc::now();
    let fault = Fault::find(id).unwrap();
    let injected = fault.inject(factory).await.unwrap();
    wait::until("an event at the broker", || async {
        let events = factory.broker().events(fault.device, since);
        events.iter().any(|event| event.kind == kind)
    })
    .await
    .unwrap();
    injected.mend(factory).await.unwrap();
}

/// Puts a fault in, waits until the door's log of its device shows the refusal, and mends it.
async fn is_refused_at_the_door(factory: &Factory, id: &str, refusal: door::Refusal) {
    let since = Utc::now();
    let fault = Fault::find(id).unwrap();
    let injected = fault.inject(factory).await.unwrap();
    wait::until("a refusal at the door", || async {
        let events = factory.door().events(fault.device, since);
        let refused = door::EventKind::Refused(refusal);
        events.iter().any(|event| event.kind == refused)
    })
    .await
    .unwrap();
    injected.mend(factory).await.unwrap();
}

#[tokio::test]
async fn a_refusal_at_the_door_says_why() {
    let factory = start(Plan::SMALL).await;
    for (id, refusal) in [
        ("certificate-expired/refused", door::Refusal::Expired),
        ("certificate-not-yet-valid/refused", door::Refusal::NotYetValid),
        ("certificate-revoked", door::Refusal::Revoked),
        ("trust-chain-fault", door::Refusal::UnknownAuthority),
    ] {
        is_refused_at_the_door(&factory, id, refusal).await;
    }
    factory.stop().await.unwrap();
}

#[tokio::test]
async fn a_refusal_at_the_broker_says_why() {
    let factory = start(Plan::SMALL).await;
    for (id, refusal) in [
        ("connection-refused", Refusal::BadCredentials),
        ("connection-refused/not-authorized", Refusal::NotAuthorized),
    ] {
        leaves_in_the_broker(&factory, id, EventKind::Refused(refusal)).await;
    }
    factory.stop().await.unwrap();
}

#[tokio::test]
async fn an_end_of_a_session_says_why() {
    let factory = start(Plan::WHOLE).await;
    for (id, reason) in [
        ("connectivity-flap", Reason::ConnectionLost),
        ("persistent-flapping/duplicate-client-id", Reason::DuplicateClientId),
    ] {
        leaves_in_the_broker(&factory, id, EventKind::Disconnected(reason)).await;
    }
    factory.stop().await.unwrap();
}

#[tokio::test]
async fn expired_device_does_not_dial() {
    let factory = start(Plan::SMALL).await;
    let fault = Fault::find("certificate-expired").unwrap();
    let injected = fault.inject(&factory).await.unwrap();
    wait::until("the end of a session", || async { factory.broker().session_since("press-1").is_none() })
        .await
        .unwrap();
    let since = Utc::now();
    // Long enough for three attempts; that there is none can't be waited for.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let knocked = factory
        .door()
        .events("press-1", since)
        .into_iter()
        .filter(|event| !matches!(event.kind, door::EventKind::Closed(_)))
        .count();
    assert_eq!(knocked, 0);
    injected.mend(&factory).await.unwrap();
    factory.stop().await.unwrap();
}

#[tokio::test]
async fn every_fault_can_be_mended() {
    let factory = start(Plan::WHOLE).await;
    for fault in Fault::ALL {
        let injected = fault.inject(&factory).await;
        let injected = injected.unwrap_or_else(|error| panic!("{}: {error}", fault.id));
        let mended = injected.mend(&factory).await;
        mended.unwrap_or_else(|error| panic!("{}: {error}", fault.id));
    }
    factory.stop().await.unwrap();
}

#[tokio::test]
async fn broken_outbox_ends_each_restart() {
    let factory = start(Plan::SMALL).await;
    let fault = Fault::find("gateway-fault").unwrap();
    let injected = fault.inject(&factory).await.unwrap();
    let gateway = factory.gateway("gw-north-1").unwrap();
    let restarted = gateway.restart().await;
    assert!(matches!(restarted, Err(Error::Refused(_))), "{restarted:?}");
    let status = gateway.process().await.unwrap();
    assert_eq!(status.last_end.unwrap().how, How::Exited(1));
    assert!(gateway.outbox().await.is_err());
    injected.mend(&factory).await.unwrap();
    factory.stop().await.unwrap();
}

#[tokio::test]
async fn low_memory_ends_each_restart() {
    let factory = start(Plan::SMALL).await;
    let fault = Fault::find("gateway-fault/memory-limit").unwrap();
    let injected = fault.inject(&factory).await.unwrap();
    let gateway = factory.gateway("gw-north-1").unwrap();
    // It may come up for a moment.
    gateway.restart().await.ok();
    wait::until("a second death", || async { gateway.supervisor().status().oom_kills == 2 }).await.unwrap();
    injected.mend(&factory).await.unwrap();
    factory.stop().await.unwrap();
}

#[tokio::test]
async fn a_restart_does_not_mend_a_cut_cable() {
    let factory = start(Plan::SMALL).await;
    let fault = Fault::find("gateway-fault/cable").unwrap();
    let injected = fault.inject(&factory).await.unwrap();
    let gateway = factory.gateway("gw-north-1").unwrap();
    gateway.restart().await.unwrap();
    wait::until("a second start", || async { gateway.supervisor().status().starts == 2 }).await.unwrap();
    assert!(gateway.health().await.is_err());
    assert!(gateway.process().await.is_err());
    injected.mend(&factory).await.unwrap();
    factory.stop().await.unwrap();
}

#[tokio::test]
async fn site_staff_may_mend_it_first() {
    let factory = start(Plan::SMALL).await;
    let fault = Fault::find("recovered-meanwhile").unwrap();
    let injected = fault.inject(&factory).await.unwrap();
    let gateway = factory.gateway("gw-north-1").unwrap();
    assert!(!gateway.process().await.unwrap().is_running());
    let since = Utc::now();
    injected.meanwhile(&factory).await.unwrap();
    wait::until("a message", || async {
        let seen = factory.platform().last_seen(fault.device);
        seen.is_some_and(|at| at > since)
    })
    .await
    .unwrap();
    injected.mend(&factory).await.unwrap();
    factory.stop().await.unwrap();
}

//! The adapters, against a whole factory: what they report of parts that are well, and that they do not guess.

use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use iot_runbook::{
    probe::{
        CertificateRequest, Client, ConnectionEventKind, ConnectionLogRequest, DevicePathRequest,
        FieldPollsRequest, HealthRequest, LastSeenRequest, PlatformRequest, PortReply, PowerRequest,
        ProcessState, PublishingRequest, ReceiptsRequest, RenewalRequest, Revocation, ServiceStateRequest,
        SessionState, SitePathsRequest, Vantage, WhichCertificate, conformance,
    },
    time::Period,
};
use plant::{adapters::Adapters, factory::Plan, wait};

use crate::start;

#[tokio::test]
async fn parts_that_are_well_are_reported_as_such() {
    let factory = Arc::new(start(Plan::WHOLE).await);
    let adapters = Adapters::of(&factory);
    let lately = || Period::ending(Utc::now(), TimeDelta::days(1));
    let device = || "press-1".into();

    let log = ConnectionLogRequest::new(Client::Device(device()), lately());
    let log = adapters.broker.connection_log(&log).await.unwrap().unwrap();
    assert_eq!((log.now, log.at_start), (SessionState::Up, SessionState::Down));
    assert_eq!(
        log.events.iter().map(|event| event.kind).collect::<Vec<_>>(),
        [ConnectionEventKind::Accepted]
    );
    // Nothing was before the broker was made: a day is covered.
    assert!(log.covers.length() > TimeDelta::hours(23));
    let log = ConnectionLogRequest::new(Client::Device("oven-1".into()), lately());
    assert!(adapters.broker.connection_log(&log).await.unwrap().is_none());

    let seen = adapters.device.last_seen(&LastSeenRequest::new(device())).await.unwrap();
    let receipts = adapters.device.receipts(&ReceiptsRequest::new(device(), lately())).await.unwrap();
    let last = receipts.messages.iter().map(|message| message.at).max();
    assert!(last.is_some() && last >= seen.last_receipt, "{last:?} {seen:?}");
    assert_eq!(receipts.covers.end(), receipts.observed_at.min(receipts.covers.end()));

    let gateway = || "gw-north-1".into();
    let health = adapters.gateway.health(&HealthRequest::new(gateway())).await.unwrap();
    assert_eq!(health.process, ProcessState::Running);
    assert!(health.paths.iter().all(|path| path.answered));
    assert!([health.memory, health.cpu].into_iter().flatten().all(|share| (0.0..=1.0).contains(&share)));
    let last_seconds = Period::ending(Utc::now(), TimeDelta::seconds(10));
    let asked = PublishingRequest::new(Client::Gateway(gateway()), "mill-1".into(), last_seconds);
    let published = adapters.broker.publishing(&asked).await.unwrap();
    assert!(published.device.unwrap().last_accepted.is_some());
    let asked = FieldPollsRequest::new(gateway(), "mill-1".into(), last_seconds);
    let polls = adapters.gateway.field_polls(&asked).await.unwrap();
    assert!(polls.made > Some(0) && polls.answered == polls.made, "{polls:?}");

    let mut asked = SitePathsRequest::new("north".into());
    asked.except = Some(gateway());
    let tried = adapters.network.site_paths(&asked).await.unwrap().paths;
    assert_eq!(tried.iter().filter(|path| path.answered).count(), 2);
    let asked = DevicePathRequest::new(Vantage::Gateway(gateway()), device());
    let tried = adapters.network.device_path(&asked).await.unwrap();
    // It dials by itself: no port of it is open, and it is there.
    assert_eq!((tried.port, tried.otherwise), (PortReply::ListensNowhere, Some(true)));
    let asked = DevicePathRequest::new(Vantage::Gateway(gateway()), "mill-1".into());
    assert_eq!(adapters.network.device_path(&asked).await.unwrap().port, PortReply::Answered);
    assert!(adapters.platform.broker_health(&PlatformRequest::new(device())).await.is_ok());

    for which in [WhichCertificate::InUse, WhichCertificate::Presented] {
        let found = adapters
            .cert_store
            .certificate(&CertificateRequest::new(Client::Device(device()), which))
            .await
            .unwrap();
        let certificate = found.certificate.unwrap();
        assert_eq!(certificate.revocation, Revocation::NotRevoked);
        assert!(certificate.last_used.is_some());
    }
    let power = adapters.power.power(&PowerRequest::new(device())).await.unwrap();
    assert_eq!((power.feed_live, power.drawing), (Some(true), Some(true)));
    drop(adapters);
    Arc::into_inner(factory).unwrap().stop().await.unwrap();
}

#[tokio::test]
async fn every_answer_keeps_the_rules_of_its_trait() {
    let factory = Arc::new(start(Plan::WHOLE).await);
    let Adapters { device, broker, gateway, network, cert_store, power, platform } = Adapters::of(&factory);
    for period in [TimeDelta::seconds(1), TimeDelta::days(1)].map(|length| Period::ending(Utc::now(), length))
    {
        for (id, behind, site) in [
            ("press-1", "gw-north-1", "north"),
            ("tank-1", "gw-south-1", "south"),
            ("spare-1", "gw-south-1", "south"),
        ] {
            let mut violations = conformance::device(&*device, id, period, Utc::now()).await;
            for client in [Client::Device(id.into()), Client::Gateway(behind.into())] {
                violations.extend(conformance::broker(&*broker, client, period, Utc::now()).await);
            }
            violations.extend(conformance::gateway(&*gateway, behind, id, period, Utc::now()).await);
            violations.extend(conformance::network(&*network, site, behind, id, Utc::now()).await);
            for holder in [Client::Device(id.into()), Client::Gateway(behind.into())] {
                violations.extend(conformance::cert_store(&*cert_store, holder, period, Utc::now()).await);
            }
            violations.extend(conformance::platform(&*platform, id, Utc::now()).await);
            violations.extend(conformance::power(&*power, id, Utc::now()).await);
            assert_eq!(violations, [], "{id}");
        }
    }
}

#[tokio::test]
async fn unknown_is_an_error_absent_an_answer() {
    let factory = Arc::new(start(Plan::WHOLE).await);
    let adapters = Adapters::of(&factory);
    let asked = ServiceStateRequest::new("nobody".into());
    assert_eq!(adapters.device.service_state(&asked).await.unwrap().state, None);
    let asked = LastSeenRequest::new("spare-1".into());
    assert_eq!(adapters.device.last_seen(&asked).await.unwrap().last_receipt, None);
    assert!(adapters.power.power(&PowerRequest::new("nobody".into())).await.is_err());
    // The certificates of gateways are renewed by hand.
    let asked = RenewalRequest::new(Client::Gateway("gw-north-1".into()));
    assert!(adapters.cert_store.renewal(&asked).await.is_err());
    let asked = RenewalRequest::new(Client::Device("press-1".into()));
    let renewal = adapters.cert_store.renewal(&asked).await.unwrap();
    assert_eq!((renewal.supported, renewal.latest), (true, None));

    let site = factory.site("north").unwrap();
    site.uplink().cut();
    assert!(adapters.power.power(&PowerRequest::new("press-1".into())).await.is_err());
    let asked = DevicePathRequest::new(Vantage::Gateway("gw-north-1".into()), "press-1".into());
    assert!(adapters.network.device_path(&asked).await.is_err());
    // That it cannot be reached is the answer here.
    let health = adapters.gateway.health(&HealthRequest::new("gw-north-1".into())).await.unwrap();
    assert_eq!(health.process, ProcessState::NotKnown);
    assert!(health.paths.iter().all(|path| !path.answered));
    drop(adapters);
    Arc::into_inner(factory).unwrap().stop().await.unwrap();
}

#[tokio::test]
async fn poll_counters_restart_with_the_process() {
    let factory = Arc::new(start(Plan::SMALL).await);
    let adapters = Adapters::of(&factory);
    let gateway = factory.gateway("gw-north-1").unwrap();
    gateway.restart().await.unwrap();
    wait::until("a gateway that publishes", || async {
        gateway.health().await.is_ok_and(|health| health.last_publish.is_some())
    })
    .await
    .unwrap();
    let last_hour = Period::ending(Utc::now(), TimeDelta::hours(1));
    let asked = FieldPollsRequest::new("gw-north-1".into(), "oven-1".into(), last_hour);
    let polls = adapters.gateway.field_polls(&asked).await.unwrap();
    assert!(polls.covers.length() < TimeDelta::minutes(1), "{:?}", polls.covers);
    drop(adapters);
    Arc::into_inner(factory).unwrap().stop().await.unwrap();
}

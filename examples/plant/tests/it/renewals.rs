//! Renewals: a device whose certificate is due is given another one, and takes it up by itself.

use std::sync::Arc;

use iot_runbook::probe::{CertificateRequest, Client, RenewalRequest, WhichCertificate};
use plant::{adapters::Adapters, factory::Plan, pki::Validity, renewal::fingerprint, wait};

use crate::start;

#[tokio::test]
async fn due_certificate_is_replaced_for_the_same_key() {
    let factory = Arc::new(start(Plan::SMALL).await);
    let device = factory.device("press-1").unwrap();
    let old = factory.authority().issue("press-1", Validity::ending_in(45)).unwrap();
    device.change(|condition| condition.identity = Some(old.clone()));
    factory.renewals().enroll("press-1", &old).await.unwrap();

    let renewed = || factory.renewals().lifecycles().get("press-1").unwrap().in_use().fingerprint;
    wait::until("a renewal that is confirmed", || async { renewed() != fingerprint(old.certificate()) })
        .await
        .unwrap();
    let held = device.condition().identity.unwrap();
    assert_eq!(fingerprint(held.certificate()), renewed());
    assert_eq!(held.key_der(), old.key_der());

    let adapters = Adapters::of(&factory);
    let holder = || Client::Device("press-1".into());
    let renewal = adapters.cert_store.renewal(&RenewalRequest::new(holder())).await.unwrap();
    let latest = renewal.latest.unwrap();
    assert!(latest.reported_at.is_some() && latest.confirmed_at >= latest.reported_at, "{latest:?}");
    for which in [WhichCertificate::InUse, WhichCertificate::NewlyIssued] {
        let asked = CertificateRequest::new(holder(), which);
        let found = adapters.cert_store.certificate(&asked).await.unwrap().certificate.unwrap();
        // The job and the inventory name it alike.
        assert_eq!(Some(found.fingerprint), latest.fingerprint, "{which}");
    }
    drop(adapters);
    Arc::into_inner(factory).unwrap().stop().await.unwrap();
}

#[tokio::test]
async fn halted_job_offers_nothing() {
    let factory = start(Plan::SMALL).await;
    let device = factory.device("press-1").unwrap();
    let due = factory.authority().issue("press-1", Validity::ending_in(45)).unwrap();
    factory.renewals().halt();
    device.change(|condition| condition.identity = Some(due.clone()));
    factory.renewals().enroll("press-1", &due).await.unwrap();
    wait::until("a device with its new certificate", || async {
        let presented = factory.door().last_presented("press-1");
        presented.is_some_and(|(_, presented)| presented.der == **due.certificate())
    })
    .await
    .unwrap();
    let lifecycle = || factory.renewals().lifecycles().get("press-1").unwrap();
    assert_eq!(lifecycle().progress(), None);
    factory.renewals().go_on();
    wait::until("a renewal", || async { lifecycle().progress().is_some() }).await.unwrap();
    factory.stop().await.unwrap();
}

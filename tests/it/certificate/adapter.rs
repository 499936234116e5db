//! The library's own certificate probe over a store of lifecycles.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::adapter::{LifecycleProbe, Lifecycles};
use iot_runbook::certificate::lifecycle::{Event, Lifecycle, Rules};
use iot_runbook::certificate::sweep::{Entry, Renewal};
use iot_runbook::certificate::validity::Fingerprint;
use iot_runbook::mock::{MockLifecycleStore, MockRevocationList};
use iot_runbook::probe::conformance;
use iot_runbook::probe::{
    Authentication, CertStoreProbe as _, CertificateRequest, Client, ProbeError, ProbeErrorKind,
    ProvisioningContactRequest, RenewalRequest, Revocation, WhichCertificate,
};
use iot_runbook::time::{ManualClock, Period};

use super::lifecycle::{Bench, NOW, certificate, day, with_left};

fn pump() -> Client {
    Client::Device("pump-7".into())
}

/// Of a device whose renewal is issued.
fn issued() -> Lifecycle {
    let mut bench = Bench::new(&with_left(19));
    bench.order();
    bench.issue(1, &certificate(1, 2, NOW, NOW + day(60))).unwrap();
    bench.machine
}

fn probe(lifecycle: Lifecycle) -> LifecycleProbe {
    let store: Lifecycles = [lifecycle].into_iter().collect();
    LifecycleProbe::new(Arc::new(store)).with_clock(Arc::new(ManualClock::new(NOW)))
}

async fn revocation(probe: &LifecycleProbe, which: WhichCertificate) -> Revocation {
    let asked = CertificateRequest::new(pump(), which);
    probe.certificate(&asked).await.unwrap().certificate.unwrap().revocation
}

#[tokio::test]
async fn no_lifecycle_no_guess() {
    let probe = probe(issued());
    let other = Client::Device("pump-8".into());
    let answer = probe.certificate(&CertificateRequest::new(other.clone(), WhichCertificate::InUse)).await;
    let answer = answer.unwrap();
    assert_eq!((answer.certificate, answer.authentication), (None, Authentication::NotKnown));
    let renewal = probe.renewal(&RenewalRequest::new(other.clone())).await.unwrap_err();
    assert_eq!(renewal.kind(), ProbeErrorKind::Unsupported);
    let period = Period::ending(NOW, day(1));
    let contact = probe.provisioning_contact(&ProvisioningContactRequest::new(other, period)).await;
    assert_eq!(contact.unwrap_err().kind(), ProbeErrorKind::Unsupported);
}

#[tokio::test]
async fn store_that_cannot_be_read_is_an_error() {
    let mut store = MockLifecycleStore::new();
    store.expect_read().times(3).returning(|_| Err(ProbeError::transient("the database is away")));
    let probe = LifecycleProbe::new(Arc::new(store));
    let asked = CertificateRequest::new(pump(), WhichCertificate::InUse);
    assert!(probe.certificate(&asked).await.unwrap_err().is_transient());
    assert!(probe.renewal(&RenewalRequest::new(pump())).await.unwrap_err().is_transient());
    let contact = ProvisioningContactRequest::new(pump(), Period::ending(NOW, day(1)));
    assert!(probe.provisioning_contact(&contact).await.unwrap_err().is_transient());
}

#[tokio::test]
async fn a_gateway_has_a_lifecycle_of_its_own() {
    let gateway = Lifecycle::new("gw-2", *with_left(50).credential(), NOW).unwrap();
    let asked = CertificateRequest::new(Client::Gateway("gw-2".into()), WhichCertificate::InUse);
    let answer = probe(gateway).certificate(&asked).await.unwrap();
    assert_eq!(answer.certificate.unwrap().not_after, NOW + day(50));
    assert_eq!((answer.observed_at, answer.authentication), (NOW, Authentication::Certificate));
}

#[tokio::test]
async fn a_saved_turn_is_what_is_answered_next() {
    let store = Lifecycles::default();
    let probe = LifecycleProbe::new(Arc::new(store.clone())).with_clock(Arc::new(ManualClock::new(NOW)));
    store.insert(Bench::new(&with_left(50)).machine);
    assert_eq!(probe.renewal(&RenewalRequest::new(pump())).await.unwrap().latest, None);
    store.insert(issued());
    let latest = probe.renewal(&RenewalRequest::new(pump())).await.unwrap().latest.unwrap();
    assert_eq!(latest.generation, 1);
    assert_eq!(store.get("pump-7"), Some(issued()));
}

#[tokio::test]
async fn revocation_is_what_the_list_says() {
    use WhichCertificate::{InUse, NewlyIssued};
    let old = with_left(19).credential().fingerprint;
    assert_eq!(revocation(&probe(issued()), InUse).await, Revocation::NotChecked);
    let none = probe(issued()).with_no_revocation();
    assert_eq!(revocation(&none, InUse).await, Revocation::NoRevocation);
    let mut list = MockRevocationList::new();
    list.expect_revocation().returning(move |asked: Fingerprint| match asked == old {
        true => Ok(Revocation::Revoked(None)),
        false => Ok(Revocation::NotRevoked),
    });
    let listed = probe(issued()).with_revocation_list(Arc::new(list));
    assert_eq!(revocation(&listed, InUse).await, Revocation::Revoked(None));
    assert_eq!(revocation(&listed, NewlyIssued).await, Revocation::NotRevoked);

    let mut away = MockRevocationList::new();
    away.expect_revocation().returning(|_| Err(ProbeError::timeout("the responder")));
    let away = probe(issued()).with_revocation_list(Arc::new(away));
    let error = away.certificate(&CertificateRequest::new(pump(), InUse)).await.unwrap_err();
    assert_eq!(error.kind(), ProbeErrorKind::Timeout);
}

#[tokio::test]
async fn silence_proves_only_with_every_contact() {
    let machine = |contact: Option<DateTime<Utc>>| {
        let mut bench = Bench::new(&with_left(50));
        if contact.is_some() {
            bench.tell(Event::ProvisioningContact { last: contact }).unwrap();
        }
        bench.machine
    };
    let asked = ProvisioningContactRequest::new(pump(), Period::ending(NOW, day(1)));
    let hour = TimeDelta::hours(1);
    for (contact, since, covers) in [
        (None, None, TimeDelta::zero()),
        (None, Some(NOW - hour), hour),
        (None, Some(NOW - day(9)), day(1)),
        (None, Some(NOW + hour), TimeDelta::zero()),
        (Some(NOW - hour * 2), None, TimeDelta::zero()),
        (Some(NOW - hour * 2), Some(NOW - hour), hour),
    ] {
        let mut probe = probe(machine(contact));
        if let Some(since) = since {
            probe = probe.with_contacts_since(since);
        }
        let answer = probe.provisioning_contact(&asked).await.unwrap();
        assert_eq!(answer.last, contact, "{since:?}");
        assert_eq!(answer.covers, Period::ending(NOW, covers), "{contact:?} {since:?}");
    }
}

#[tokio::test]
async fn its_answers_conform() {
    for lifecycle in [issued(), Bench::new(&with_left(50)).machine] {
        let probe = probe(lifecycle).with_contacts_since(NOW - day(9));
        let violations = conformance::cert_store(&probe, pump(), Period::ending(NOW, day(1)), NOW).await;
        assert!(violations.is_empty(), "{violations:?}");
    }
}

/// The entry of a lifecycle in the daily sweep, step by step.
#[test]
fn a_lifecycle_is_one_entry_of_the_sweep() {
    let entry = |machine: &Lifecycle| Entry::from(machine);
    let mut bench = Bench::new(&with_left(19));
    let fresh = entry(&bench.machine);
    assert_eq!(fresh, Entry::new("pump-7", NOW - day(41), NOW + day(19)));
    for failures in 0..3 {
        let order = bench.orders().remove(0);
        assert_eq!(entry(&bench.machine).renewal, Renewal::Running, "{failures}");
        bench.fail(&order, "busy");
        bench.settle();
        bench.wake();
    }
    assert_eq!(entry(&bench.machine).renewal, Renewal::Failed);
    bench.orders();
    let new = certificate(1, 2, NOW, NOW + day(60));
    bench.issue(1, &new).unwrap();
    bench.settle();
    bench.pass(TimeDelta::minutes(1)).connect(&new).unwrap();
    let renewed = entry(&bench.machine);
    assert_eq!(renewed, Entry::new("pump-7", NOW, NOW + day(60)).with_generation(1));
    // It went back: the successor is on its way again.
    bench.pass(TimeDelta::hours(1)).connect(&with_left(19)).unwrap();
    let back = entry(&bench.machine);
    assert_eq!((back.not_after, back.renewal), (NOW + day(19), Renewal::Running));
    let public_key = with_left(19).credential().public_key;
    bench.machine.handle(&Rules::default(), Event::KeyCompromised { public_key }, bench.now).unwrap();
    assert!(entry(&bench.machine).revoked);
    assert!(!entry(&bench.machine.clone().with_auto_renewal(false)).auto_renewal);
}

//! The checklist never passes on what nobody knows.

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::certificate::checklist::{
    AutoRenewal, Check, Checklist, EmergencyLook, Evidence, MonitoringRun, ProvisioningDrill, Verdict,
};

const NANO: TimeDelta = TimeDelta::nanoseconds(1);

fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
}

fn at(age: TimeDelta) -> DateTime<Utc> {
    now() - age
}

fn good(age: TimeDelta) -> Evidence {
    let end = now() + TimeDelta::days(90);
    Evidence {
        monitoring: Some(MonitoringRun::new(at(age), true)),
        auto_renewal: Some(AutoRenewal::new(at(age), 3, 3)),
        backlog_reviewed_at: Some(at(age)),
        provisioning: Some(ProvisioningDrill::new(at(age), true, end)),
        emergency: Some(EmergencyLook::new(at(age), Some(end))),
    }
}

fn bad(age: TimeDelta) -> Evidence {
    Evidence {
        monitoring: Some(MonitoringRun::new(at(age), false)),
        auto_renewal: Some(AutoRenewal::new(at(age), 3, 2)),
        backlog_reviewed_at: None,
        provisioning: Some(ProvisioningDrill::new(at(age), false, now() + TimeDelta::days(900))),
        emergency: Some(EmergencyLook::new(at(age), None)),
    }
}

fn verdicts(evidence: &Evidence) -> [Verdict; 5] {
    Checklist::judge(evidence, now()).items().map(|item| item.verdict)
}

#[test]
fn nothing_passes_without_evidence() {
    assert_eq!(verdicts(&Evidence::default()), [Verdict::Unknown; 5]);
    assert!(!Checklist::judge(&Evidence::default(), now()).passes());
}

#[test]
fn evidence_counts_up_to_its_age() {
    for check in Check::ALL {
        for (age, expected) in [
            (-NANO, Verdict::Unknown),
            (TimeDelta::zero(), Verdict::Pass),
            (check.max_age(), Verdict::Pass),
            (check.max_age() + NANO, Verdict::Unknown),
        ] {
            let item = *Checklist::judge(&good(age), now()).item(check);
            assert_eq!((item.check, item.verdict, item.age), (check, expected, Some(age)), "{check} {age}");
            assert_eq!(item.observed_at, Some(at(age)));
        }
    }
    assert!(Checklist::judge(&good(TimeDelta::zero()), now()).passes());
}

#[test]
fn recent_fault_fails_stale_is_unknown() {
    let mut expected = [Verdict::Fail; 5];
    expected[2] = Verdict::Unknown;
    assert_eq!(verdicts(&bad(TimeDelta::hours(1))), expected);
    assert_eq!(verdicts(&bad(TimeDelta::days(100))), [Verdict::Unknown; 5]);
    assert_eq!(verdicts(&bad(-TimeDelta::days(100))), [Verdict::Unknown; 5]);
}

#[test]
fn last_resort_certificates_have_own_ends() {
    let soon = now() + TimeDelta::days(90) - NANO;
    let mut evidence = good(TimeDelta::zero());
    evidence.provisioning = Some(ProvisioningDrill::new(now(), true, soon));
    evidence.emergency = Some(EmergencyLook::new(now(), Some(soon)));
    assert_eq!(verdicts(&evidence)[3..], [Verdict::Fail; 2]);
}

#[test]
fn evidence_that_contradicts_itself_is_unknown() {
    let evidence = Evidence { auto_renewal: Some(AutoRenewal::new(now(), 2, 3)), ..Evidence::default() };
    assert_eq!(verdicts(&evidence)[1], Verdict::Unknown);
}

#[test]
fn ids_are_those_of_the_contract() {
    let ids = Check::ALL.map(|check| serde_json::to_value(check).unwrap());
    assert_eq!(ids, Check::ALL.map(|check| check.id()));
    assert_eq!(
        Check::ALL.map(Check::id),
        [
            "daily-monitoring-pages-below-30d",
            "auto-renewal-for-every-supporting-type",
            "offline-backlog-reviewed-weekly",
            "provisioning-accepts-manufacturing-certificate-after-expiry",
            "emergency-certificate-ready",
        ]
    );
}

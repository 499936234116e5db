//! Any bytes are a webhook whose alerts are each taken or refused with a reason, or are no webhook.
#![no_main]

use iot_runbook::fleet::{Fleet, FleetSettings, Notice, Output, Topology, Webhook};
use iot_runbook::subject::Subject;
use iot_runbook_fuzz::walk::NOW;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(webhook) = serde_json::from_slice::<Webhook>(data) else { return };
    let subjects = ["press-07", "press-08"].map(|name| Subject::device(name).with_gateway("gw-2"));
    let mut fleet = Fleet::new(subjects.into_iter().collect::<Topology>(), FleetSettings::default(), NOW);
    let (mut taken, mut count) = (0_u64, 0_u64);
    for notice in webhook.notices("device-offline", "device") {
        count += 1;
        match notice {
            Ok(Notice::Raised(alert)) => {
                taken += 1;
                fleet.observe_alert(alert, NOW);
            }
            Ok(Notice::Resolved { device, at }) => fleet.observe_resolved("device-offline", &device, at, NOW),
            Ok(_) => {}
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    assert!(taken <= count);
    let counts = fleet.counts();
    assert_eq!(counts.alerts, taken, "no alert is lost: {counts:?}");
    // What it wants done is bounded by what came.
    for _ in 0..=4 * count + 4 {
        if matches!(fleet.poll(NOW), Output::Pending { .. }) {
            return;
        }
    }
    panic!("a fleet that never waits");
});

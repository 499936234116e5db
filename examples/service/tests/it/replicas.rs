//! Two replicas on one database.

use std::thread;

use crate::service::{Service, wait_for};
use crate::world::{RAISED, World, approvals, ended, recovered, webhook};
use serde_json::json;

/// Both get every alert and every approval at the same time, and one is killed in the middle.
#[test]
fn two_replicas_open_and_act_once() {
    const GATEWAYS: u32 = 4;
    const DEVICES: u32 = 5;
    let world = World::new(GATEWAYS, DEVICES, 300);
    let (one, two) = (Service::start(&world, "one"), Service::start(&world, "two"));
    let devices: Vec<String> = (1..=GATEWAYS)
        .flat_map(|gateway| (1..=DEVICES).map(move |device| format!("gw-{gateway}-dev-{device}")))
        .collect();
    let names: Vec<&str> = devices.iter().map(String::as_str).collect();
    let alerts = webhook("firing", RAISED, &names);
    let answers = thread::scope(|scope| {
        let posting = [&one, &two].map(|service| scope.spawn(|| service.post("/alerts", &alerts)));
        posting.map(|posted| posted.join().unwrap())
    });
    let opened: u64 = answers.iter().map(|(_, answer)| answer["opened"].as_u64().unwrap()).sum();
    assert_eq!(opened, u64::from(GATEWAYS * DEVICES), "{answers:?}");

    let shown = wait_for("each case in an approval", || {
        let shown = approvals(&one, GATEWAYS as usize);
        let cases: usize = shown.iter().map(|one| one["cases"].as_object().unwrap().len()).sum();
        (cases == devices.len()).then_some(shown)
    });
    thread::scope(|scope| {
        for approval in &shown {
            for service in [&one, &two] {
                scope.spawn(move || {
                    let path = format!("/approvals/{}", approval["id"].as_str().unwrap());
                    let (status, answer) = service.post(&path, &json!({ "approve": true, "by": "ann" }));
                    // The other may have been faster.
                    assert!(matches!(status, 202 | 409), "{answer}");
                });
            }
        }
    });
    wait_for("the first restart", || (!world.restarts().is_empty()).then_some(()));
    one.kill();
    for device in &devices {
        recovered(&ended(&two, device));
    }
    assert_eq!(world.restarts(), ["gw-1", "gw-2", "gw-3", "gw-4"]);
    assert_eq!(world.sql("SELECT count(*) FROM runbook_cases"), ["20"]);
}

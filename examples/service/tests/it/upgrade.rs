//! A changed runbook is deployed while cases run.

use std::fs;

use crate::service::{Service, wait_for};
use crate::world::{World, approvals, approve, ended, raise};

#[test]
fn a_case_ends_on_the_version_it_began_with() {
    let world = World::new(2, 1, 0);
    let service = Service::start(&world, "one");
    raise(&service, &["gw-1-dev-1"]);
    let shown = approvals(&service, 1).remove(0);
    assert_eq!(shown["title"], "Restart the gateway, if that is safe");
    assert!(service.terminate().0.success());

    let old = world.runbooks().join("device-offline-2.toml");
    let text = fs::read_to_string(&old).unwrap();
    let new = text
        .replace("\nversion = 2\n", "\nversion = 3\n")
        .replace("approval_within = \"15m\"", "approval_within = \"20m\"");
    assert_ne!(new, text);
    world.add_runbook("device-offline-3.toml", &new);
    let service = Service::start(&world, "two");
    raise(&service, &["gw-2-dev-1"]);
    for approval in approvals(&service, 2) {
        approve(&service, &approval);
    }
    for device in ["gw-1-dev-1", "gw-2-dev-1"] {
        assert_eq!(ended(&service, device)["finding"]["conclusion"], "gateway-recovered");
    }
    let versions = "SELECT opening::json->>'version' FROM runbook_cases ORDER BY id";
    assert_eq!(world.sql(versions), ["2", "3"]);
}

#[test]
fn a_case_without_its_version_waits_for_it() {
    let world = World::new(1, 1, 0);
    let service = Service::start(&world, "one");
    raise(&service, &["gw-1-dev-1"]);
    let shown = approvals(&service, 1).remove(0);
    assert!(service.terminate().0.success());

    // Replaced, and not added beside it.
    let file = world.runbooks().join("device-offline-2.toml");
    let text = fs::read_to_string(&file).unwrap();
    world.add_runbook(
        "device-offline-2.toml",
        &text.replace("approval_within = \"15m\"", "approval_within = \"20m\""),
    );
    let service = Service::start(&world, "two");
    approve(&service, &shown);
    let why = wait_for("the case to be stuck", || {
        let (_, cases) = service.get("/cases?state=stuck");
        let id = cases.as_array()?.first()?["id"].as_str()?.to_owned();
        service.get(&format!("/cases/{id}")).1["stuck"].as_str().map(str::to_owned)
    });
    assert!(why.contains("add the version and thresholds that it was begun with"), "{why}");
    assert!(world.restarts().is_empty());
}

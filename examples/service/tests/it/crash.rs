//! `kill -9`, wherever it hurts.

use serde_json::Value;

use crate::service::{Service, wait_for};
use crate::world::{World, approvals, approve, ended, raise, recovered};

/// Two devices want one restart. Killed while a person is asked, before the restart is done, and after it is done and before it is reported.
#[test]
fn a_killed_service_goes_on_and_acts_once() {
    let world = World::new(1, 2, 2_000);
    let service = Service::start(&world, "one");
    raise(&service, &["gw-1-dev-1", "gw-1-dev-2"]);
    let both = |shown: &Value| shown["cases"].as_object().unwrap().len() == 2;
    let before = wait_for("both to ask", || approvals(&service, 1).pop().filter(both));
    service.kill();

    let service = Service::start(&world, "two");
    let shown = approvals(&service, 1).remove(0);
    assert_eq!((&shown["id"], &shown["expires_at"]), (&before["id"], &before["expires_at"]));
    approve(&service, &shown);
    wait_for("the act to be noted", || (!world.sql("SELECT key FROM service_acts").is_empty()).then_some(()));
    service.kill();
    assert!(world.restarts().is_empty(), "it was killed before the restart");

    let service = Service::start(&world, "three");
    wait_for("the restart", || (!world.restarts().is_empty()).then_some(()));
    service.kill();
    assert_eq!(world.sql("SELECT count(*) FROM service_acts WHERE report IS NOT NULL"), ["0"]);

    let service = Service::start(&world, "four");
    let mut traces = String::new();
    for device in ["gw-1-dev-1", "gw-1-dev-2"] {
        let case = ended(&service, device);
        recovered(&case);
        traces += &case["trace"].to_string();
    }
    assert!(traces.contains("before this replica took over"), "{traces}");
    assert_eq!(world.restarts(), ["gw-1"]);
}

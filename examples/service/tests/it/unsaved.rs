//! What could not be saved is not acted on.

use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::service::{Service, wait_for};
use crate::world::{RAISED, World, approvals, approve, ended, raise, webhook};

/// Makes a write of the database fail, until the trigger is dropped.
fn fail(world: &World, table: &str, when: &str) {
    world.sql(&format!(
        "CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN RAISE EXCEPTION 'the disk is full'; END $$; \
         CREATE TRIGGER fail BEFORE {when} ON {table} FOR EACH ROW {} EXECUTE FUNCTION fail();",
        if table == "runbook_cases" && when == "UPDATE" { "WHEN (NEW.version > OLD.version)" } else { "" },
    ));
}

/// First the case can't be saved, then the note of the act.
#[test]
fn an_act_waits_until_it_can_be_saved() {
    let world = World::new(1, 1, 0);
    let service = Service::start(&world, "one");
    raise(&service, &["gw-1-dev-1"]);
    let shown = approvals(&service, 1).remove(0);
    fail(&world, "runbook_cases", "UPDATE");
    approve(&service, &shown);
    thread::sleep(Duration::from_secs(2));
    assert!(world.restarts().is_empty(), "the case is not saved");
    fail(&world, "service_acts", "INSERT");
    world.sql("DROP TRIGGER fail ON runbook_cases");
    wait_for("the act to begin", || {
        let begun = "SELECT record FROM runbook_records WHERE record LIKE '%act-began%'";
        (!world.sql(begun).is_empty()).then_some(())
    });
    thread::sleep(Duration::from_secs(1));
    assert!(world.restarts().is_empty(), "the act is not noted");
    world.sql("DROP TRIGGER fail ON service_acts");
    assert_eq!(ended(&service, "gw-1-dev-1")["finding"]["conclusion"], "gateway-recovered");
    assert_eq!(world.restarts(), ["gw-1"]);
}

#[test]
fn a_report_that_is_not_kept_repeats_no_act() {
    let world = World::new(1, 1, 0);
    let service = Service::start(&world, "one");
    raise(&service, &["gw-1-dev-1"]);
    fail(&world, "service_acts", "UPDATE");
    approve(&service, &approvals(&service, 1).remove(0));
    assert_eq!(ended(&service, "gw-1-dev-1")["finding"]["conclusion"], "gateway-recovered");
    assert_eq!(world.restarts(), ["gw-1"]);
    assert_eq!(world.sql("SELECT count(*) FROM service_acts WHERE report IS NULL"), ["1"]);
}

#[test]
fn an_alert_that_is_not_saved_is_refused() {
    let world = World::new(1, 2, 0);
    let service = Service::start(&world, "one");
    fail(&world, "runbook_cases", "INSERT");
    let alerts = webhook("firing", RAISED, &["gw-1-dev-1", "gw-1-dev-2"]);
    let (status, answer) = service.post("/alerts", &alerts);
    assert_eq!(status, 503, "{answer}");
    assert_eq!(answer["error"], "the store is not available: insert a case");
    world.sql("DROP TRIGGER fail ON runbook_cases");
    // The sender tries again: the devices were claimed, and get the cases that were meant for them.
    let claimed = world.sql("SELECT case_id FROM service_devices ORDER BY device");
    let (status, answer) = service.post("/alerts", &alerts);
    assert_eq!((status, &answer["opened"]), (200, &json!(2)), "{answer}");
    assert_eq!(world.sql("SELECT case_id FROM service_devices ORDER BY device"), claimed);
    assert_eq!(world.sql("SELECT count(*) FROM runbook_cases"), ["2"]);
}

#[test]
fn a_restarted_database_is_found_again() {
    let mut world = World::new(1, 1, 0);
    let service = Service::start(&world, "one");
    raise(&service, &["gw-1-dev-1"]);
    let shown = approvals(&service, 1).remove(0);
    world.server.restart().unwrap();
    wait_for("the service to be ready", || (service.get("/readyz").0 == 200).then_some(()));
    let path = format!("/approvals/{}", shown["id"].as_str().unwrap());
    let word = json!({ "approve": true, "by": "ann" });
    // Each connection reports its loss once.
    wait_for("the approval", || (service.post(&path, &word).0 == 202).then_some(()));
    assert_eq!(ended(&service, "gw-1-dev-1")["finding"]["conclusion"], "gateway-recovered");
    assert_eq!(world.restarts(), ["gw-1"]);
}

//! A graceful stop.

use std::process::Command;
use std::time::Duration;

use crate::service::{Service, wait_for};
use crate::world::{World, approvals, approve, ended, raise};

#[test]
fn a_stop_ends_what_runs_and_saves_it() {
    let world = World::new(1, 1, 1_000);
    let service = Service::start(&world, "one");
    raise(&service, &["gw-1-dev-1"]);
    approve(&service, &approvals(&service, 1).remove(0));
    wait_for("the act to be noted", || (!world.sql("SELECT key FROM service_acts").is_empty()).then_some(()));
    let (status, took) = service.terminate();
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(15), "{took:?}");
    // The act that was under way has ended and is reported, and no lease is held.
    assert_eq!(world.restarts(), ["gw-1"]);
    assert_eq!(world.sql("SELECT count(*) FROM service_acts WHERE is_done"), ["1"]);
    assert_eq!(world.sql("SELECT count(*) FROM runbook_cases WHERE leased_until IS NOT NULL"), ["0"]);

    let service = Service::start(&world, "two");
    assert_eq!(ended(&service, "gw-1-dev-1")["finding"]["conclusion"], "gateway-recovered");
    assert_eq!(world.restarts(), ["gw-1"]);
}

#[test]
fn an_idle_service_stops_at_once() {
    let world = World::new(0, 0, 0);
    let service = Service::start(&world, "one");
    assert_eq!(service.get("/healthz"), (200, "ok\n".into()));
    assert_eq!(service.get("/readyz"), (200, "ready\n".into()));
    let (status, took) = service.terminate();
    assert!(status.success() && took < Duration::from_secs(5), "{status} after {took:?}");
}

#[test]
fn wrong_settings_end_it_with_the_reason() {
    let none = "host=/nowhere user=fleet";
    for (variable, value, has) in [
        ("OTHER", "", "`DATABASE_URL` is not set"),
        ("DATABASE_URL", none, "the store is not available: connect"),
        ("PLANT", "/nowhere.json", "/nowhere.json: No such file"),
        ("RUNBOOKS", "/nowhere", "`RUNBOOKS`: /nowhere: No such file"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_service"));
        command.env_clear().env("PLANT", concat!(env!("CARGO_MANIFEST_DIR"), "/plant.json"));
        if variable != "OTHER" {
            command.env("DATABASE_URL", none);
        }
        let output = command.env(variable, value).output().unwrap();
        let log = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{log}");
        assert!(log.contains("\"level\":\"ERROR\"") && log.contains(has), "{variable}: {log}");
    }
}

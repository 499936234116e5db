//! A PostgreSQL, a plant and runbooks of a test's own.

use std::fs;
use std::path::PathBuf;

use private::Postgres;
use serde_json::{Value, json};
use tokio_postgres::{NoTls, SimpleQueryMessage};

use crate::service::{Service, wait_for};

/// Removed when it is dropped.
pub(crate) struct World {
    pub(crate) server: Postgres,
    folder: tempfile::TempDir,
    /// Settings of the service that a test changes.
    pub(crate) settings: Vec<(&'static str, &'static str)>,
}

/// The built-in runbook, with a short wait after a restart.
const DEVICE_OFFLINE: &str = include_str!("../../../../src/catalog/device-offline.toml");
const CERTIFICATE_EXPIRY: &str = include_str!("../../../../src/catalog/certificate-expiry.toml");

/// Long ago, and before every alert of the tests.
pub(crate) const DOWN_SINCE: &str = "2026-01-01T00:00:00Z";

impl World {
    /// A plant with `gateways` dead gateways `gw-1`…, and behind each `devices` devices such as `gw-1-dev-1`. `pump` is behind
    /// a gateway that works and is silent; nobody measures its power.
    pub(crate) fn new(gateways: u32, devices: u32, restart_takes_ms: u64) -> Self {
        let world = Self {
            server: Postgres::start().unwrap(),
            folder: tempfile::tempdir().unwrap(),
            settings: vec![("ACTS_PER_HOUR", "10000")],
        };
        let mut plant = json!({
            "restart_takes_ms": restart_takes_ms,
            "sites": { "north": {} },
            "gateways": { "gw-ok": { "site": "north" } },
            "devices": { "pump": { "gateway": "gw-ok", "silent_since": DOWN_SINCE } },
        });
        for gateway in 1..=gateways {
            plant["gateways"][format!("gw-{gateway}")] = json!({ "site": "north", "down_since": DOWN_SINCE });
            for device in 1..=devices {
                plant["devices"][format!("gw-{gateway}-dev-{device}")] =
                    json!({ "gateway": format!("gw-{gateway}") });
            }
        }
        fs::write(world.plant_file(), plant.to_string()).unwrap();
        fs::create_dir(world.runbooks()).unwrap();
        let fast = DEVICE_OFFLINE.replace("reconnect_within = \"5m\"", "reconnect_within = \"1s\"");
        assert_ne!(fast, DEVICE_OFFLINE);
        world.add_runbook("device-offline-2.toml", &fast);
        world.add_runbook("certificate-expiry.toml", CERTIFICATE_EXPIRY);
        world
    }

    pub(crate) fn add_runbook(&self, file: &str, text: &str) {
        fs::write(self.runbooks().join(file), text).unwrap();
    }

    pub(crate) fn plant_file(&self) -> PathBuf {
        self.folder.path().join("plant.json")
    }

    pub(crate) fn runbooks(&self) -> PathBuf {
        self.folder.path().join("runbooks")
    }

    pub(crate) fn database_url(&self) -> String {
        self.server.url()
    }

    /// Runs SQL beside the service, and returns the first column of the last statement.
    pub(crate) fn sql(&self, text: &str) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(&self.server.url(), NoTls).await.unwrap();
            tokio::spawn(connection);
            let messages = client.simple_query(text).await.unwrap();
            let rows = messages.iter().filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            });
            rows.collect()
        })
    }

    /// The gateways that were restarted, each as often as it was.
    pub(crate) fn restarts(&self) -> Vec<String> {
        let mut file = self.plant_file().into_os_string();
        file.push(".restarts");
        let lines = fs::read_to_string(file).unwrap_or_default();
        let gateway = |line: &str| {
            let restart: Value = serde_json::from_str(line).unwrap();
            restart["gateway"].as_str().unwrap().to_owned()
        };
        let mut gateways: Vec<_> = lines.lines().map(gateway).collect();
        gateways.sort();
        gateways
    }
}

/// A webhook about devices, raised at that time.
pub(crate) fn webhook(status: &str, at: &str, devices: &[&str]) -> Value {
    let alert = |device: &&str| {
        json!({
            "status": status,
            "labels": { "alertname": "DeviceSilent", "device": device },
            "annotations": { "summary": "no message for 30 min" },
            "startsAt": at,
            "endsAt": if status == "resolved" { now() } else { "0001-01-01T00:00:00Z".to_owned() },
            "fingerprint": "9f2c",
        })
    };
    let alerts: Vec<_> = devices.iter().map(alert).collect();
    json!({ "version": "4", "receiver": "iot", "status": status, "truncatedAlerts": 0, "alerts": alerts })
}

/// When the first alerts of the tests were raised.
pub(crate) const RAISED: &str = "2026-01-01T00:30:00Z";

pub(crate) fn now() -> String {
    let now = std::time::SystemTime::now();
    chrono::DateTime::<chrono::Utc>::from(now).to_rfc3339()
}

/// Opens cases for devices, as Alertmanager does.
pub(crate) fn raise(service: &Service, devices: &[&str]) {
    let (status, answer) = service.post("/alerts", &webhook("firing", RAISED, devices));
    assert_eq!((status, &answer["opened"]), (200, &json!(devices.len())), "{answer}");
}

/// What is to be approved, once there are so many.
pub(crate) fn approvals(service: &Service, count: usize) -> Vec<Value> {
    wait_for("approvals", || {
        let (_, open) = service.get("/approvals");
        let open: Vec<Value> =
            open.as_array()?.iter().filter(|one| one["is_answered"] == false).cloned().collect();
        (open.len() == count).then_some(open)
    })
}

pub(crate) fn approve(service: &Service, approval: &Value) {
    let path = format!("/approvals/{}", approval["id"].as_str().unwrap());
    let (status, answer) = service.post(&path, &json!({ "approve": true, "by": "ann" }));
    assert_eq!(status, 202, "{answer}");
}

/// The case of a device, once it has ended.
pub(crate) fn ended(service: &Service, device: &str) -> Value {
    wait_for(&format!("{device} to end"), || {
        let (_, cases) = service.get("/cases?limit=500");
        let line =
            cases.as_array()?.iter().find(|case| case["device"] == device && case["state"] == "ended")?;
        let (status, case) = service.get(&format!("/cases/{}", line["id"].as_str()?));
        (status == 200).then_some(case)
    })
}

/// Checks that a device behind a gateway that was restarted is back. Of several the last may be back before its own case would
/// have acted.
pub(crate) fn recovered(case: &Value) {
    let conclusion = case["finding"]["conclusion"].as_str().unwrap_or_default();
    assert!(
        matches!(conclusion, "gateway-recovered" | "recovered-meanwhile"),
        "{conclusion}: {}",
        case["trace"]
    );
}

//! What a user of the plant sees of it: who was heard, and when.

use chrono::{DateTime, Utc};

use crate::factory::{Factory, site::Site};

/// A line for each gateway of the factory, or of one of its sites alone: its last heartbeat, and when each device
/// behind it was last seen.
pub fn overview(factory: &Factory, site: Option<&str>) -> Vec<String> {
    let now = Utc::now();
    let sites = factory.sites().iter().filter(|known| site.is_none_or(|site| site == known.id()));
    sites.flat_map(|site| gateways(factory, site, now)).collect()
}

fn gateways(factory: &Factory, site: &Site, now: DateTime<Utc>) -> Vec<String> {
    let line = |gateway: &str| {
        let beat = factory.platform().last_heartbeat(gateway).map(|(at, _)| at);
        let behind = site.devices().iter().map(|device| device.spec()).filter(|spec| spec.gateway == gateway);
        let devices = behind
            .map(|spec| format!("{} seen {}", spec.id, age(factory.platform().last_seen(&spec.id), now)))
            .collect::<Vec<_>>();
        format!("{:<6} {gateway:<11} beat {:<10}  {}", site.id(), age(beat, now), devices.join(", "))
    };
    site.gateways().iter().map(|gateway| line(gateway.id())).collect()
}

fn age(at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> String {
    at.map_or_else(|| "never".to_owned(), |at| format!("{:.1} s ago", (now - at).as_seconds_f64()))
}

//! The daily job over the certificates of a fleet: what is due, what is overdue, whom to send, and one page a day.
//!
//! `cargo run --example 06_daily_sweep`
#[path = "page/page.rs"]
mod page;

use std::error::Error;

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::DeviceId;
use iot_runbook::certificate::Policy;
use iot_runbook::certificate::sweep::{Contact, Entry, ExpiryIndex, Settings, Sweep};
use page::say;

fn main() -> Result<(), Box<dyn Error>> {
    let mut now: DateTime<Utc> = "2026-03-01T06:00:00Z".parse()?;

    // The index is filled once, and then follows each issued certificate. A run looks only at what is due.
    let mut index = ExpiryIndex::new(Policy::default());
    for number in 0..10_000_i64 {
        let end = now + TimeDelta::days(number % 250 + 100);
        index.insert(&Entry::new(format!("press-{number}"), end - TimeDelta::days(365), end))?;
    }
    for (device, days_left) in [("pump-1", 300), ("pump-2", 45), ("pump-3", 20), ("pump-4", -1)] {
        let end = now + TimeDelta::days(days_left);
        index.insert(&Entry::new(device, end - TimeDelta::days(365), end))?;
    }

    // Your device registry says who was seen when. Nobody has seen pump-3 for a week.
    let contact = move |device: &DeviceId| match device.as_str() {
        "pump-3" => {
            Some(Contact::new(Some(now - TimeDelta::days(7))).with_back_at(Some(now + TimeDelta::days(40))))
        }
        _ => Some(Contact::new(Some(now))),
    };

    let mut sweep = Sweep::new(Settings::default());
    for _ in 0..2 {
        let digest = sweep.run(&index, now, contact)?;
        say(format_args!(
            "{}: {} due, {} to renew, {} expired",
            now.format("%d %B %Y, %H:%M"),
            digest.due().len(),
            digest.to_renew().count(),
            digest.expired().count(),
        ));
        for due in digest.due().iter().filter(|due| due.device.as_str().starts_with("pump")) {
            // As text it says all that a person needs; its fields hold the same for a program.
            say(format_args!("  {due}"));
            if let left @ 0.. = due.days_left(now) {
                say(format_args!("      days left: {left}"));
            }
        }
        match digest.page() {
            Some(page) => say(format_args!("  paged for {} certificates", page.due.len())),
            None => say("  no page: everything was paged today"),
        }
        // A restart within the day pages nobody twice: the state is saved.
        let saved = serde_json::to_string(sweep.state())?;
        sweep = Sweep::resume(Settings::default(), serde_json::from_str(&saved)?);
        now += TimeDelta::hours(1);
    }
    Ok(())
}

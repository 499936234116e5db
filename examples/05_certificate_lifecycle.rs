//! The renewal of one device's certificate: issued, published, tested, seen on a connection; then the old one is retired.
//!
//! `cargo run --example 05_certificate_lifecycle`

#[path = "page/page.rs"]
mod page;

use std::error::Error;

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::certificate::lifecycle::{Command, Event, Issued, Lifecycle, Rules};
use iot_runbook::certificate::message::{Desired, Outcome, Reported};
use page::say;

/// Two certificates for the same key: one for 2026, one from November 2026 on. Your CA issues the second.
const OLD: &str = include_str!("05_certificate_lifecycle_old.pem");
const NEW: &str = include_str!("05_certificate_lifecycle_new.pem");

fn main() -> Result<(), Box<dyn Error>> {
    let (old, new) = (Issued::from_pem(OLD)?, Issued::from_pem(NEW)?);
    let rules = Rules::default();
    let mut now: DateTime<Utc> = "2026-10-28T06:00:00Z".parse()?;
    let mut pump = Lifecycle::new("pump-7", *old.credential(), now)?;

    // A service keeps a lifecycle for each device and looks at it once a day, and whenever something happens. This loop
    // plays the CA, the device and the broker too.
    for _ in 0..30 {
        while let Some(order) = pump.poll(&rules, now) {
            say(format_args!("{}  {}", now.format("%d %b"), order.key.as_str()));
            match order.command {
                Command::Issue(issue) => {
                    say(format_args!("        ask the CA for generation {}", issue.generation));
                    let issued = Event::Issued { generation: issue.generation, certificate: new.clone() };
                    pump.handle(&rules, issued, now)?;
                }
                Command::Publish(_) => {
                    say("        publish it to the device");
                    pump.handle(&rules, Event::Done { key: order.key }, now)?;
                    // The device tests it, says so, and connects with it.
                    let passed = Reported::new(&Desired::new(1, new.pem()), Outcome::TestPassed);
                    pump.handle(&rules, Event::Reported(passed), now)?;
                    let fingerprint = new.credential().fingerprint;
                    pump.handle(&rules, Event::Connected { fingerprint, at: now }, now)?;
                    say("        the device is connected with the new certificate");
                }
                Command::Retire(_) => {
                    say("        the overlap is over: retire the old one");
                    pump.handle(&rules, Event::Done { key: order.key }, now)?;
                }
                other => say(format_args!("        {other:?}")),
            }
            // After each step it is saved: a crash loses nothing, and asks for nothing twice.
            pump = serde_json::from_str(&serde_json::to_string(&pump)?)?;
        }
        now += TimeDelta::days(1);
    }

    say(format_args!("\n{} is {} on {}", pump.device(), pump.stage(&rules, now), now.format("%d %b %Y")));
    Ok(())
}

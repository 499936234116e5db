//! What the parts say about one device, raw.

use std::fmt::{self, Debug, Display};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{broker, door, error::Result, factory::Factory, gateway::field::Held, pki::Presented};

/// What every part says about a device, in the order in which an operator would look.
#[derive(Debug)]
pub struct Readings(Vec<(&'static str, String)>);

impl Readings {
    /// Reads everything about `device` now, with the logs from `since` on.
    ///
    /// # Errors
    /// When the registry has no such device. A part that does not answer is a reading, not an error.
    pub async fn take(factory: &Factory, device: &str, since: DateTime<Utc>) -> Result<Self> {
        let registered = factory.registry().device(device)?;
        let Some(registered) = registered else {
            return Ok(Self(vec![("registry", "no such device".to_owned())]));
        };
        let site = factory.site(&registered.site)?;
        let gateway = factory.gateway(&registered.gateway)?;
        let client = if registered.own_session { device } else { gateway.id() };
        let beat = factory.platform().last_heartbeat(gateway.id());
        let held = gateway.certificate(device).await;
        let revoked = |presented: &Presented| factory.authority().has_revoked(&presented.serial);
        Ok(Self(vec![
            ("service state", show(registered.state)),
            ("last seen", age(factory.platform().last_seen(device))),
            ("session up", age(factory.broker().session_since(client))),
            ("broker log", broker_log(&factory.broker().events(client, since))),
            ("door log", door_log(&factory.door().events(client, since))),
            (
                "gateway's last publish, by the broker",
                age(factory.broker().last_publish(gateway.id()).map(|(at, _)| at)),
            ),
            (
                "gateway's last publish, by its own log",
                match gateway.health().await {
                    Ok(health) => age(health.last_publish),
                    Err(error) => error.to_string(),
                },
            ),
            ("gateway's heartbeat", age(beat.map(|(at, _)| at))),
            ("gateway's process", answer(gateway.process().await)),
            ("gateway's health", answer(gateway.health().await)),
            ("gateway's outbox", answer(gateway.outbox().await)),
            ("site's other paths", show(site.try_paths(gateway.id()).await)),
            ("OT network", answer(gateway.reach(device).await)),
            (
                "certificate in use",
                match held {
                    Ok(Held::Presented { der }) => match Presented::parse(&der) {
                        Ok(presented) => certificate(&presented, revoked(&presented)),
                        Err(error) => error.to_string(),
                    },
                    held => answer(held),
                },
            ),
            (
                "certificate at the door",
                match factory.door().last_presented(device) {
                    Some((at, presented)) => {
                        format!("{}, {}", certificate(&presented, revoked(&presented)), age(Some(at)))
                    }
                    None => "never".to_owned(),
                },
            ),
            ("site's feed", answer(site.feed().await)),
            ("device's outlet", answer(site.outlet(device).await)),
        ]))
    }
}

impl Display for Readings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, reading) in &self.0 {
            writeln!(f, "  {name:<38}  {reading}")?;
        }
        Ok(())
    }
}

fn show(value: impl Debug) -> String {
    format!("{value:?}")
}

fn answer<T: Debug>(answered: Result<T>) -> String {
    answered.map_or_else(|error| error.to_string(), show)
}

fn age(at: Option<DateTime<Utc>>) -> String {
    at.map_or_else(|| "never".to_owned(), |at| ago(Utc::now() - at))
}

fn ago(age: TimeDelta) -> String {
    format!("{:.1} s ago", age.as_seconds_f64())
}

fn certificate(presented: &Presented, revoked: bool) -> String {
    format!(
        "of {} by {}, serial {}, {} to {}{}",
        presented.common_name,
        presented.issuer,
        presented.serial,
        presented.validity.not_before.date_naive(),
        presented.validity.not_after.date_naive(),
        if revoked { ", revoked" } else { "" }
    )
}

fn broker_log(events: &[broker::Event]) -> String {
    last(events.iter().map(|event| format!("{:?} {}", event.kind, age(Some(event.at)))))
}

fn door_log(events: &[door::Event]) -> String {
    last(events.iter().map(|event| format!("{:?} {}", event.kind, age(Some(event.at)))))
}

/// The last few of a log's lines, and how many there are.
fn last(lines: impl ExactSizeIterator<Item = String>) -> String {
    let count = lines.len();
    let shown = lines.skip(count.saturating_sub(4)).collect::<Vec<_>>();
    format!("{count} events: {}", shown.join("; "))
}

//! The same messages through both ways of deduplication, and what each lost.

use std::fmt::Write as _;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::dedup::store::{StoreDeduplicator, StoreSettings};
use iot_runbook::dedup::ulid_health::{UlidRules, UlidWatch};
use iot_runbook::dedup::{Devices, Message, MessageId, Position, Secret, Verdict};
use iot_runbook::probe::{DedupLogProbe, DroppedRequest};
use iot_runbook::subject::DeviceId;
use iot_runbook::time::{ManualClock, Period};

use crate::id_only::IdOnly;
use crate::link::Link;
use crate::redis_store::RedisStore;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// A message on its way in, as the broker hands it over.
struct Arrival {
    offset: u64,
    device: &'static str,
    id: u128,
    payload: &'static str,
    /// What really happened.
    really: &'static str,
    /// Whether it is a measurement that did not come before.
    new: bool,
}

const fn arrival(
    offset: u64,
    device: &'static str,
    id: u128,
    payload: &'static str,
    really: &'static str,
    new: bool,
) -> Arrival {
    Arrival { offset, device, id, payload, really, new }
}

/// An id as presses with firmware 2.3 make them: their random generator begins with the same seed at each boot, and
/// so do their clocks.
const fn id(ms: u64, random: u128) -> u128 {
    ((1_800_000_000_000 + ms as u128) << 80) | (random << 20) | 0x5EED
}

const ARRIVALS: &[Arrival] = &[
    arrival(100, "press-4", id(0, 0xA1B2_C3D4), "21.5 °C", "a measurement", true),
    arrival(101, "press-4", id(1000, 0x5566_7788), "21.6 °C", "the next one", true),
    arrival(
        102,
        "press-4",
        id(1000, 0x5566_7788),
        "21.6 °C",
        "sent again: the broker's answer was lost",
        false,
    ),
    arrival(103, "press-7", id(0, 0xA1B2_C3D4), "88.0 °C", "another press, of the same seed", true),
    arrival(104, "press-7", id(1000, 0x5566_7788), "93.5 °C", "and its next: it runs hot", true),
    arrival(101, "press-4", id(1000, 0x5566_7788), "21.6 °C", "the consumer restarts and reads again", false),
    arrival(104, "press-7", id(1000, 0x5566_7788), "93.5 °C", "and this too", false),
    arrival(105, "press-7", id(2000, 0x9900_AABB), "97.1 °C", "an id that nobody else has", true),
];

/// What a way of deduplication did to the measurements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// Measurements that were dropped.
    pub lost: u64,
    /// Copies that were passed on.
    pub twice: u64,
}

impl Outcome {
    fn count(&mut self, dropped: bool, new: bool) {
        self.lost += u64::from(dropped && new);
        self.twice += u64::from(!dropped && !new);
    }
}

/// What came of the story.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Told {
    /// As a person reads it.
    pub text: String,
    /// What the id alone came to.
    pub by_id: Outcome,
    /// What the library's verdicts came to.
    pub by_verdict: Outcome,
    /// How many the log of the id-only deduplication says were no copies.
    pub collided: u64,
}

/// Sends the messages through both, in the Redis that `link` leads to.
///
/// # Errors
/// Where Redis cannot be asked.
pub async fn tell(link: Arc<Link>) -> Result<Told, Error> {
    let start = DateTime::from_timestamp(1_800_000_003, 0).unwrap_or_default();
    let clock = Arc::new(ManualClock::new(start));
    let id_only = IdOnly::begin(Arc::clone(&link), clock.clone(), TimeDelta::hours(6)).await?;
    let settings = StoreSettings::new(TimeDelta::hours(6));
    let dedup = StoreDeduplicator::new(RedisStore::new(link, "dedup:"), settings)?;
    let secret = Secret::from_bytes(*b"a story's secret");
    let mut devices = Devices::default();
    let mut watch = UlidWatch::new(UlidRules::default());
    let mut told =
        Told { text: String::new(), by_id: Outcome::default(), by_verdict: Outcome::default(), collided: 0 };
    let rule = "-".repeat(96);
    writeln!(told.text, "{:<8}{:<9}{:<42}{:<10}the library's verdict", "", "", "", "SET NX")?;
    writeln!(told.text, "{rule}")?;
    for (second, arrival) in (0..).zip(ARRIVALS) {
        let now = start + TimeDelta::seconds(second);
        clock.set(now);
        let payload = secret.fingerprint(arrival.payload.as_bytes());
        let message_id = MessageId::from_u128(arrival.id);
        let device = devices.number(arrival.device)?;
        watch.observe(message_id, device, now);
        let dropped = id_only.drops(message_id, &DeviceId::from(arrival.device), payload).await?;
        let message =
            Message::new(message_id, device, payload).with_position(Position::new(0, arrival.offset));
        // Processed at once here; a consumer that may crash reserves and commits.
        let verdict = dedup.observe(&message, now).await?;
        told.by_id.count(dropped, arrival.new);
        told.by_verdict.count(verdict.drops(), arrival.new);
        let shown = match (dropped, arrival.new) {
            (false, _) => "passed on",
            (true, true) => "LOST",
            (true, false) => "dropped",
        };
        let Arrival { device, payload, really, .. } = arrival;
        let said = said(verdict, &devices);
        writeln!(told.text, "{device:<8}{payload:<9}{really:<42}{shown:<10}{said}")?;
    }
    writeln!(told.text, "{rule}")?;
    let end = start + TimeDelta::minutes(1);
    clock.set(end);
    told.collided = report(&mut told.text, &id_only, start, end).await?;
    let (by_id, by_verdict) = (told.by_id, told.by_verdict);
    writeln!(told.text, "\n{:<27}{:>9}{:>15}", "", "SET NX", "the verdicts")?;
    writeln!(told.text, "{:<27}{:>9}{:>15}", "measurements lost", by_id.lost, by_verdict.lost)?;
    writeln!(told.text, "{:<27}{:>9}{:>15}", "copies counted twice", by_id.twice, by_verdict.twice)?;
    writeln!(
        told.text,
        "(A message whose id is another's is passed on each time: it cannot be known again by its id.)"
    )?;
    writeln!(told.text, "\nWhy ids collide, from the ids alone:\n  {}", watch.report())?;
    Ok(told)
}

fn said(verdict: Verdict, devices: &Devices) -> String {
    match verdict {
        Verdict::Collision { first } => {
            let name = devices.name(first.device).unwrap_or("another device");
            format!("collision with {name}: passed on")
        }
        verdict if verdict.drops() => format!("{}: dropped", verdict.kind()),
        verdict => format!("{}: passed on", verdict.kind()),
    }
}

/// What the probe of the runbooks is told of each press.
async fn report(
    text: &mut String,
    id_only: &IdOnly,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<u64, Error> {
    let period = Period::new(from, to)?;
    let mut collided = 0;
    for device in ["press-4", "press-7"] {
        let answer = id_only.dropped(&DroppedRequest::new(device.into(), period)).await?;
        collided += answer.collided;
        writeln!(
            text,
            "dedup-log of {device}: {} dropped by the id alone, {} of them no copies",
            answer.dropped, answer.collided
        )?;
    }
    Ok(collided)
}

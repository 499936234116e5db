//! A small ingest loop: messages in, verdicts, the audit, and the health of the ids that devices generate.
//!
//! `cargo run --example 07_dedup`
#[path = "page/page.rs"]
mod page;
use std::error::Error;

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::dedup::ulid_health::{UlidRules, UlidWatches};
use iot_runbook::dedup::verdict::Kind;
use iot_runbook::dedup::{Deduplicator, Devices, MessageId, Position, Secret, Settings};
use page::say;

/// A message as it comes from the broker.
#[derive(Clone)]
struct Incoming {
    device: &'static str,
    /// A ULID's text, most of the time.
    id: String,
    payload: String,
    offset: u64,
    received_at: DateTime<Utc>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let secret = Secret::random();
    let settings = Settings::new(TimeDelta::minutes(30)).with_positions(true).with_secret(secret);
    let mut engine = Deduplicator::with_settings(&settings)?;
    let mut devices = Devices::default();
    let mut ids = UlidWatches::new(UlidRules::default(), 1000);
    let (mut stored, mut shown) = (0, 0);

    for incoming in night_shift()? {
        let device = devices.number(incoming.device)?;
        let id = match MessageId::from_ulid_text(&incoming.id) {
            Ok(id) => {
                ids.observe(incoming.device, id, device, incoming.received_at);
                id
            }
            // Not a ULID: any bytes will do, and the text says why.
            Err(error) => {
                say(format_args!("{}: {error}", incoming.device));
                secret.id(incoming.id.as_bytes())
            }
        };
        let message = engine.message(id, device, incoming.payload.as_bytes());
        let message = message.with_position(Position::new(0, incoming.offset));

        // In flight until the row is safe: a crash in between loses nothing.
        let (verdict, reservation) = engine.reserve(&message, incoming.received_at);
        if verdict.passes() {
            stored += 1; // Here the row is written.
        }
        if let Some(reservation) = reservation {
            engine.commit(reservation)?;
        }
        if !matches!(verdict.kind(), Kind::Fresh | Kind::Duplicate | Kind::Replay) && shown < 3 {
            shown += 1;
            say(format_args!("{} {}: {verdict}", incoming.received_at, incoming.device));
        }
    }

    say(format_args!("\n{stored} rows stored\n\n{}\n", engine.audit()));
    for colliding in engine.audit().colliding {
        say(format_args!("most collisions: {}", devices.name(colliding.device).unwrap_or("?")));
    }
    for (device, health) in ids.reports() {
        say(format_args!("\n{device}: {health}"));
    }
    Ok(())
}

/// What three devices sent: `press-4` as it should be, with copies after a reconnect and a partition read again;
/// `oven-2`, whose clock and random generator begin anew at each boot; `scale-9`, whose copies come late.
fn night_shift() -> Result<Vec<Incoming>, Box<dyn Error>> {
    let start: DateTime<Utc> = "2026-03-01T22:00:00Z".parse()?;
    let mut messages = Vec::new();
    let mut random = 0x9E37_79B9_7F4A_7C15_u128;
    let mut send = |device, id: u128, payload: String, received_at| {
        let offset = messages.len() as u64;
        let id = MessageId::from_u128(id).to_string();
        messages.push(Incoming { device, id, payload, offset, received_at });
    };
    for second in 0..7200_i64 {
        let at = start + TimeDelta::seconds(second);
        random = random
            .wrapping_mul(0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645)
            .wrapping_add(0x1234_5678_9ABC_DEF1);
        let id = (u128::from(at.timestamp_millis().unsigned_abs()) << 80) | (random >> 48);
        send("press-4", id, format!("{}", second % 97), at);
        if second % 600 < 20 {
            // Sent again after a reconnect.
            send("press-4", id, format!("{}", second % 97), at + TimeDelta::seconds(2));
        }
        if second % 10 == 0 {
            // Twenty minutes after each boot it boots again: 1970, and the same random bits.
            let since_boot = u128::from(second.unsigned_abs() % 1200);
            send("oven-2", ((since_boot * 1000) << 80) | (since_boot * 7919 + 13), format!("{second}"), at);
        }
        if second % 300 == 0 {
            let id = id ^ 0xFFFF;
            send("scale-9", id, "12.5".to_owned(), at);
            send("scale-9", id, "12.5".to_owned(), at + TimeDelta::minutes(32));
        }
    }
    messages.sort_by_key(|message| message.received_at);
    for (offset, message) in (0..).zip(&mut messages) {
        message.offset = offset;
    }
    // After an update of its firmware, the scale numbers its messages.
    if let Some(last) = messages.last_mut() {
        last.id = "scale-9/000001".to_owned();
    }
    // The consumer was restarted and reads its last hundred messages again.
    let mut restarted = messages.get(messages.len().saturating_sub(100)..).unwrap_or_default().to_vec();
    restarted.iter_mut().for_each(|message| message.received_at = start + TimeDelta::minutes(148));
    messages.extend(restarted);
    Ok(messages)
}

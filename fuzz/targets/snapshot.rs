//! Any bytes are a snapshot or are refused with a reason; what an engine wrote is read again, and read the same.
#![no_main]

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::dedup::{
    Deduplicator, Device, Devices, Fingerprint, Limit, Message, MessageId, Position, Secret, Settings,
    SharedDeduplicator, Window,
};
use libfuzzer_sys::fuzz_target;

const NOW: DateTime<Utc> = DateTime::<Utc>::UNIX_EPOCH;

fuzz_target!(|data: &[u8]| {
    let [kind, data @ ..] = data else { return };
    let settings = Settings::new(TimeDelta::milliseconds(50))
        .with_positions(kind & 1 == 0)
        .with_window(if kind & 2 == 0 { Window::FixedFromFirst } else { Window::Sliding })
        .with_limit(Limit::Ids(40))
        .with_secret(Secret::from_bytes([*kind; 16]));
    look_at(&settings, data);

    // An engine driven by the bytes: saved, damaged in one place, and restored.
    let mut engine = Deduplicator::with_settings(&settings).expect("the settings hold");
    let mut now = NOW;
    for chunk in data.chunks_exact(3) {
        now += TimeDelta::milliseconds(i64::from(chunk[0] >> 5));
        let device = Device::new(u32::from(chunk[2] & 1)).expect("it is small");
        let message =
            Message::new(MessageId::from_u128(u128::from(chunk[1])), device, Fingerprint::from_u64(0))
                .with_position(Position::new(0, u64::from(chunk[2] >> 4)));
        if chunk[0] & 1 == 0 {
            engine.observe(&message, now);
        } else {
            let _ = engine.reserve(&message, now);
        }
    }
    let mut bytes = Vec::new();
    let saved = engine.snapshot(&Devices::default(), &mut bytes).expect("a vector takes it");
    let (again, restored) = Deduplicator::restore(&settings, &mut Devices::default(), &bytes[..], now)
        .expect("what was written is read");
    assert_eq!((saved.ids, saved.in_flight), (restored.ids, restored.in_flight));
    let mut twice = Vec::new();
    again.snapshot(&Devices::default(), &mut twice).expect("a vector takes it");
    assert_eq!(bytes.len() - twice.len(), 0);
    if let [at, flip, ..] = data {
        let place = usize::from(*at) % bytes.len();
        bytes[place] ^= flip;
        if *flip != 0 {
            Deduplicator::restore(&settings, &mut Devices::default(), &bytes[..], now)
                .expect_err("a byte differs");
        }
    }
});

fn look_at(settings: &Settings, data: &[u8]) {
    if let Err(error) = Deduplicator::restore(settings, &mut Devices::default(), data, NOW) {
        assert!(!error.to_string().is_empty());
    }
    let _ = SharedDeduplicator::restore(settings, 3, &mut Devices::default(), data, NOW);
}

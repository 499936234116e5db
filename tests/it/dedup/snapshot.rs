//! Snapshots: whole, or refused with a reason.

use std::io::{self, Read};

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::dedup::{
    Deduplicator, Device, Devices, Fingerprint, Limit, Message, MessageId, Position, RestoreError, Restored,
    Secret, Settings, SharedDeduplicator, Verdict, Window,
};

fn at(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_800_000_000_000 + ms).unwrap()
}

fn message(id: u128) -> Message {
    Message::new(MessageId::from_u128(id), Device::MAX, Fingerprint::from_u64(7))
        .with_position(Position::new(2, 3))
}

fn settings() -> Settings {
    Settings::new(TimeDelta::seconds(10)).with_secret(Secret::from_bytes([5; 16]))
}

fn saved(engine: &Deduplicator) -> Vec<u8> {
    let mut bytes = Vec::new();
    engine.snapshot(&Devices::default(), &mut bytes).unwrap();
    bytes
}

fn filled(settings: &Settings, ids: u128) -> Deduplicator {
    let mut engine = Deduplicator::with_settings(settings).unwrap();
    for id in 0..ids {
        engine.observe(&message(id), at(id as i64));
    }
    engine
}

fn restored(settings: &Settings, bytes: &[u8]) -> Result<(Deduplicator, Restored), RestoreError> {
    Deduplicator::restore(settings, &mut Devices::default(), bytes, at(5000))
}

#[test]
fn restore_keeps_every_detail() {
    for window in [Window::FixedFromFirst, Window::Sliding] {
        let settings = settings().with_window(window).with_positions(true);
        let mut engine = filled(&settings, 5000);
        engine.observe(&message(17), at(5000));
        let (mut again, told) = restored(&settings.with_secret(Secret::random()), &saved(&engine)).unwrap();
        assert_eq!(
            (told.ids, told.in_flight, told.expired, told.over_limit, told.repeated),
            (5000, 0, 0, 0, 0)
        );
        assert_eq!(told.saved_at, Some(at(5000)));
        assert_eq!(again.settings(), engine.settings(), "the secret is that of the snapshot");
        for id in [0, 17, 4999] {
            let mut moved = message(id).with_position(Position::new(2, 4));
            assert_eq!(again.observe(&message(id), at(5001)), Verdict::Replay);
            assert_eq!(again.observe(&moved, at(5001)), Verdict::Duplicate { first_seen: at(id as i64) });
            moved.device = Device::new(0).unwrap();
            assert_eq!(again.observe(&moved, at(5001)), engine.observe(&moved, at(5001)));
        }
        assert_eq!(saved(&engine).len(), saved(&again).len());
    }
}

#[test]
fn in_flight_is_processed_after_restart() {
    let mut engine = Deduplicator::with_settings(&settings()).unwrap();
    let (_, kept) = engine.reserve(&message(1), at(0));
    let (_, open) = engine.reserve(&message(2), at(0));
    let (_, given_up) = engine.reserve(&message(3), at(0));
    engine.commit(kept.unwrap()).unwrap();
    engine.abort(given_up.unwrap()).unwrap();
    let (mut again, told) = restored(&settings(), &saved(&engine)).unwrap();
    assert_eq!((told.ids, told.in_flight), (1, 1));
    assert!(again.observe(&message(1), at(5000)).drops());
    assert_eq!(again.observe(&message(2), at(5000)), Verdict::Fresh);
    assert_eq!(again.observe(&message(3), at(5000)), Verdict::Fresh);
    assert!(again.commit(open.unwrap()).is_err());
}

#[test]
fn stream_that_is_cut_off_anywhere_says_so() {
    let bytes = saved(&filled(&settings().with_positions(true), 10));
    for length in 0..bytes.len() {
        match restored(&settings(), &bytes[..length]) {
            Err(RestoreError::Truncated { bytes }) => assert_eq!(bytes, length as u64),
            other => panic!("{length}: {other:?}"),
        }
    }
}

#[test]
fn a_byte_that_changed_anywhere_is_found() {
    let bytes = saved(&filled(&settings(), 10));
    for place in 0..bytes.len() {
        for flip in [1, 0x80, 0xFF] {
            let mut bytes = bytes.clone();
            bytes[place] ^= flip;
            let error = restored(&settings(), &bytes).unwrap_err();
            let what = error.to_string();
            match place {
                0..8 => assert!(matches!(error, RestoreError::NotASnapshot { .. }), "{what}"),
                8..10 => assert!(
                    matches!(error, RestoreError::Newer { .. } | RestoreError::Damaged { .. }),
                    "{what}"
                ),
                _ => assert!(
                    matches!(error, RestoreError::Damaged { .. } | RestoreError::Truncated { .. }),
                    "{what}"
                ),
            }
        }
    }
    let mut newer = bytes;
    newer[8] = 3;
    let error = restored(&settings(), &newer).unwrap_err().to_string();
    assert!(error.starts_with("the snapshot has format version 3, and this library reads 2"), "{error}");
}

#[test]
fn bytes_after_the_end_are_refused() {
    for engine in [filled(&settings(), 3), Deduplicator::with_settings(&settings()).unwrap()] {
        let mut bytes = saved(&engine);
        let end = bytes.len() as u64;
        bytes.push(0);
        let error = restored(&settings(), &bytes).unwrap_err();
        assert!(matches!(error, RestoreError::Trailing { at } if at == end), "{error}");
    }
}

/// A device of each list by its name, and its message.
fn named(devices: &Devices, name: &str) -> Message {
    let device = devices.find(name).unwrap();
    Message::new(MessageId::from_u128(u128::from(device.number())), device, Fingerprint::from_u64(7))
}

#[test]
fn window_is_right_beside_another_device_list() {
    let mut devices: Devices = ["press", "oven", "saw"].into_iter().collect();
    let mut engine = Deduplicator::with_settings(&settings()).unwrap();
    let messages = ["press", "oven", "saw"].map(|name| (name, named(&devices, name)));
    messages.iter().for_each(|(_, message)| assert!(engine.observe(message, at(0)).passes()));
    let shared = SharedDeduplicator::new(&settings(), 2).unwrap();
    messages.iter().for_each(|(_, message)| assert!(shared.observe(message, at(0)).passes()));
    for shared_by in [false, true] {
        let mut bytes = Vec::new();
        if shared_by {
            shared.snapshot(&devices, &mut bytes).unwrap();
        } else {
            engine.snapshot(&devices, &mut bytes).unwrap();
        }
        for names in [&[][..], &["press", "oven", "saw"], &["saw", "lathe", "press"], &["a", "b", "c", "d"]] {
            let mut others: Devices = names.iter().copied().collect();
            let (mut again, told) =
                Deduplicator::restore(&settings(), &mut others, &bytes[..], at(1)).unwrap();
            assert_eq!(told.ids, 3);
            let (from_shared, _) =
                SharedDeduplicator::restore(&settings(), 3, &mut others, &bytes[..], at(1)).unwrap();
            for (name, message) in &messages {
                let mut message = *message;
                message.device = others.find(name).unwrap();
                assert!(again.observe(&message, at(1)).drops(), "{names:?} {name}");
                assert!(from_shared.observe(&message, at(1)).drops(), "{names:?} {name}");
                message.device = others.number("another").unwrap();
                assert!(
                    matches!(again.observe(&message, at(1)), Verdict::Collision { .. }),
                    "{names:?} {name}"
                );
            }
        }
        // A list that lacks a device of the window is not the right one.
        let few: Devices = ["press", "oven"].into_iter().collect();
        let error = engine.snapshot(&few, Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().starts_with("device 2 is not in the device list"), "{error}");
        assert!(shared.snapshot(&few, Vec::new()).is_ok(), "it was seen just now");
    }
    // Numbers without names beside a list with names could be anybody's.
    let bytes = saved(&engine);
    let error = Deduplicator::restore(&settings(), &mut devices, &bytes[..], at(1)).unwrap_err();
    assert!(matches!(error, RestoreError::WithoutNames { names: 3 }), "{error}");
}

#[test]
fn damaged_or_long_names_are_refused() {
    let devices: Devices = (0..9_000).map(|number| format!("device {number}")).collect();
    let engine = filled(&settings(), 0);
    let mut bytes = Vec::new();
    engine.snapshot(&devices, &mut bytes).unwrap();
    let restore = |bytes: &[u8]| {
        let mut devices = Devices::default();
        Deduplicator::restore(&settings(), &mut devices, bytes, at(0)).map(|_| devices.names().len())
    };
    assert_eq!(restore(&bytes).unwrap(), 9_000);
    for place in (45..bytes.len()).step_by(977) {
        assert!(matches!(restore(&bytes[..place]), Err(RestoreError::Truncated { .. })));
        let mut bytes = bytes.clone();
        bytes[place] ^= 0x20;
        let error = restore(&bytes).unwrap_err();
        assert!(matches!(error, RestoreError::Damaged { .. } | RestoreError::Truncated { .. }), "{error}");
    }
    let long: Devices = ["x".repeat(65_535), "y".repeat(65_535)].into_iter().collect();
    let mut bytes = Vec::new();
    engine.snapshot(&long, &mut bytes).unwrap();
    assert_eq!(restore(&bytes).unwrap(), 2);
    let longer: Devices = ["x".repeat(65_536)].into_iter().collect();
    assert_eq!(engine.snapshot(&longer, Vec::new()).unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn snapshot_of_version_1_is_read() {
    // Written by the first version: one id of device 0xFFFFFFF, with its position.
    let mut bytes = b"IRDEDUP\0\x01\0\x02\0".to_vec();
    let now = 1_800_000_000_000_i64.to_le_bytes();
    bytes.extend([5; 16]);
    bytes.push(1);
    bytes.extend(now);
    bytes.extend([207, 14, 139, 23, 218, 111, 175, 20]);
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(1_u128.to_le_bytes());
    bytes.extend(Device::MAX.number().to_le_bytes());
    bytes.extend(7_u64.to_le_bytes());
    bytes.extend(now);
    bytes.push(1);
    bytes.extend(2_u32.to_le_bytes());
    bytes.extend(3_u64.to_le_bytes());
    let header = u64::from_le_bytes([207, 14, 139, 23, 218, 111, 175, 20]);
    let magic = u64::from_le_bytes(*b"IRDEDUP\0");
    let checksum = siphasher::sip::SipHasher13::new_with_keys(header, magic).hash(&bytes[45..]);
    bytes.extend(checksum.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend([1_u64, 0].map(u64::to_le_bytes).concat());
    bytes.extend([227, 144, 233, 113, 167, 255, 62, 143]);
    let settings = settings().with_positions(true);
    let (mut engine, told) = restored(&settings, &bytes).unwrap();
    assert_eq!(told.ids, 1);
    assert_eq!(engine.observe(&message(1), at(5)), Verdict::Replay);
}

#[test]
fn other_settings_count_what_they_leave_out() {
    let bytes = saved(&filled(&settings(), 1000));
    let shorter = Settings::new(TimeDelta::milliseconds(100)).with_grace(TimeDelta::zero());
    let (engine, told) = restored(&shorter, &bytes).unwrap();
    assert_eq!((told.ids, told.expired, engine.len()), (100, 900, 100));
    let (mut engine, told) = restored(&settings().with_limit(Limit::Ids(300)), &bytes).unwrap();
    assert_eq!((told.ids, told.over_limit, engine.len()), (300, 700, 300));
    assert!(engine.observe(&message(999), at(5000)).drops());
    assert!(!engine.observe(&message(0), at(5000)).drops(), "the oldest were left out");
}

#[test]
fn suspect_clock_after_restart_is_audited() {
    let bytes = saved(&filled(&settings(), 1000));
    let (mut engine, _) =
        Deduplicator::restore(&settings(), &mut Devices::default(), &bytes[..], at(-60_000)).unwrap();
    assert_eq!(engine.audit().clock.behind_by_at_most, TimeDelta::milliseconds(60_999));
    assert!(engine.observe(&message(5), at(-60_000)).drops());
    let far = at(999) + TimeDelta::days(2);
    let (mut engine, _) =
        Deduplicator::restore(&settings(), &mut Devices::default(), &bytes[..], far).unwrap();
    assert!(engine.audit().clock.holding.is_some());
    let late = engine.observe(&message(5), far);
    assert!(matches!(late, Verdict::Late { .. }), "a new measurement, or a copy: it passes: {late:?}");
    assert!(engine.observe(&message(5), far).drops());
    engine.accept_clock(far);
    assert_eq!(engine.observe(&message(5), far), Verdict::Fresh);
}

#[test]
fn empty_engine_and_bad_settings_restore() {
    let (engine, told) =
        restored(&settings(), &saved(&Deduplicator::with_settings(&settings()).unwrap())).unwrap();
    assert!(engine.is_empty());
    assert_eq!((told.ids, told.saved_at), (0, None));
    let error = restored(&Settings::new(TimeDelta::zero()), b"").unwrap_err();
    assert!(matches!(error, RestoreError::Settings(_)));
    assert!(std::error::Error::source(&error).is_some());
    assert!(SharedDeduplicator::restore(&settings(), 0, &mut Devices::default(), &b""[..], at(0)).is_err());
}

#[test]
fn io_errors_name_their_cause() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    impl io::Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is full"))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let error = Deduplicator::restore(&settings(), &mut Devices::default(), Broken, at(0)).unwrap_err();
    assert!(matches!(error, RestoreError::Read { bytes: 0, .. }));
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "the disk is gone");
    assert_eq!(
        filled(&settings(), 3).snapshot(&Devices::default(), Broken).unwrap_err().to_string(),
        "the disk is full"
    );
}

#[test]
fn the_format_is_the_documented_one() {
    let settings = settings().with_positions(true);
    let mut engine = Deduplicator::with_settings(&settings).unwrap();
    engine.observe(&message(1), at(0));
    let bytes = saved(&engine);
    let now = (1_800_000_000_000_i64).to_le_bytes();
    let mut expected = b"IRDEDUP\0\x02\0\x02\0".to_vec();
    expected.extend([5; 16]);
    expected.push(1);
    expected.extend(now);
    assert_eq!(bytes[..37], expected);
    let mut record = 1_u128.to_le_bytes().to_vec();
    record.extend(Device::MAX.number().to_le_bytes());
    record.extend(7_u64.to_le_bytes());
    record.extend(now);
    record.push(1);
    record.extend(2_u32.to_le_bytes());
    record.extend(3_u64.to_le_bytes());
    assert_eq!(bytes[45..49], 1_u32.to_le_bytes());
    assert_eq!(bytes[49..98], record);
    assert_eq!(bytes[106..110], [0; 4]);
    assert_eq!(bytes[110..126], [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bytes.len(), 134);
    // So that a window saved by one version is read by the next.
    assert_eq!(bytes[37..45], [103, 169, 41, 125, 172, 150, 88, 155]);
    assert_eq!(bytes[126..], [172, 176, 50, 232, 219, 171, 82, 222]);
}

use std::hash::Hasher as _;

use chrono::{DateTime, TimeDelta, Utc};
use siphasher::sip::SipHasher24;

use crate::subject::DeviceId;

const SECOND: i128 = 1_000_000_000;

/// How far into `spread` a renewal is put, from zero up to but not including `spread`: always the same for the same
/// device and generation, on every platform and after every restart, and evenly spread over a fleet.
///
/// It is ⌊h · spread / 2⁶⁴⌋ in nanoseconds, where h is the SipHash-2-4, under the key of sixteen zero bytes, of the bytes
/// of the device's id and the generation in four bytes, little-endian. No secret is in it: it spreads load, and hides
/// nothing. Zero where `spread` is not above zero.
///
/// ```
/// use chrono::TimeDelta;
/// use iot_runbook::certificate::schedule::jitter;
///
/// let day = TimeDelta::days(1);
/// let pump = "pump-7".into();
/// assert_eq!(jitter(&pump, 1, day), jitter(&pump, 1, day));
/// assert_ne!(jitter(&pump, 1, day), jitter(&pump, 2, day));
/// assert!(jitter(&pump, 1, day) < day);
/// ```
#[must_use]
pub fn jitter(device: &DeviceId, generation: u32, spread: TimeDelta) -> TimeDelta {
    length(jitter_nanos(device, generation, nanos_of(spread)))
}

/// The same in nanoseconds.
pub(super) fn jitter_nanos(device: &DeviceId, generation: u32, spread: i128) -> i128 {
    if spread <= 0 {
        return 0;
    }
    let mut hasher = SipHasher24::new();
    hasher.write(device.as_str().as_bytes());
    hasher.write(&generation.to_le_bytes());
    let hash = i128::from(hasher.finish());
    // In two halves: a length of time may take 84 bits, and the product would take 148.
    let (high, low) = (spread >> 32, spread & 0xffff_ffff);
    (hash * high + ((hash * low) >> 32)) >> 32
}

pub(super) fn nanos_of(length: TimeDelta) -> i128 {
    i128::from(length.num_seconds()) * SECOND + i128::from(length.subsec_nanos())
}

/// Held at the ends of what a length of time can be.
pub(super) fn length(nanos: i128) -> TimeDelta {
    let ends = if nanos < 0 { TimeDelta::MIN } else { TimeDelta::MAX };
    i64::try_from(nanos.div_euclid(SECOND))
        .ok()
        .zip(u32::try_from(nanos.rem_euclid(SECOND)).ok())
        .and_then(|(seconds, nanos)| TimeDelta::new(seconds, nanos))
        .unwrap_or(ends)
}

/// Nanoseconds since 1970.
pub(super) fn nanos_at(at: DateTime<Utc>) -> i128 {
    i128::from(at.timestamp()) * SECOND + i128::from(at.timestamp_subsec_nanos())
}

/// Held at the ends of the calendar.
pub(super) fn moment(nanos: i128) -> DateTime<Utc> {
    let ends = if nanos < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC };
    i64::try_from(nanos.div_euclid(SECOND))
        .ok()
        .zip(u32::try_from(nanos.rem_euclid(SECOND)).ok())
        .and_then(|(seconds, nanos)| DateTime::from_timestamp(seconds, nanos))
        .unwrap_or(ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_documented_hash_on_every_platform() {
        // Of an implementation apart, from the paper on SipHash.
        let whole = TimeDelta::nanoseconds(i64::MAX);
        for (device, generation, expected) in [
            ("", 0, 4_466_074_570_466_904_907),
            ("pump-7", 1, 8_468_368_612_391_803_195),
            ("pump-7", 2, 2_958_081_997_047_257_121),
            ("Presse-Süd/1", u32::MAX, 9_117_409_300_042_277_997),
        ] {
            assert_eq!(jitter(&device.into(), generation, whole).num_nanoseconds(), Some(expected));
        }
    }

    #[test]
    fn it_stays_below_any_spread() {
        for nanos in [1, 2, 999, i128::from(u64::MAX), nanos_of(TimeDelta::MAX)] {
            for device in ["", "a", "pump-7"] {
                let told = jitter_nanos(&device.into(), 3, nanos);
                assert!((0..nanos).contains(&told), "{told} of {nanos}");
            }
        }
        assert_eq!(jitter(&"a".into(), 1, TimeDelta::zero()), TimeDelta::zero());
        assert_eq!(jitter(&"a".into(), 1, TimeDelta::MIN), TimeDelta::zero());
    }

    #[test]
    fn fleet_is_spread_evenly() {
        let mut tenths = [0; 10];
        for device in 0..10_000 {
            let tenth = jitter(&format!("pump-{device}").into(), 1, TimeDelta::hours(10)).num_hours();
            tenths[usize::try_from(tenth).unwrap()] += 1;
        }
        assert!(tenths.iter().all(|count| (900..1_100).contains(count)), "{tenths:?}");
    }

    #[test]
    fn moments_and_lengths_stop_at_their_ends() {
        for at in [DateTime::<Utc>::MIN_UTC, DateTime::UNIX_EPOCH, DateTime::<Utc>::MAX_UTC] {
            assert_eq!(moment(nanos_at(at)), at);
        }
        assert_eq!(moment(i128::MAX), DateTime::<Utc>::MAX_UTC);
        assert_eq!(moment(i128::MIN), DateTime::<Utc>::MIN_UTC);
        assert_eq!(length(nanos_of(TimeDelta::MIN)), TimeDelta::MIN);
        assert_eq!(length(nanos_of(TimeDelta::MAX)), TimeDelta::MAX);
        assert_eq!(length(i128::MAX), TimeDelta::MAX);
        assert_eq!(length(i128::MIN), TimeDelta::MIN);
    }
}

//! The devices with most collisions, in bounded memory.

use serde::{Deserialize, Serialize};

use crate::dedup::Device;

/// How many devices are counted at a time.
const COUNTED: usize = 32;

/// How often the messages of a device had the id of another message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Colliding {
    /// The device.
    pub device: Device,
    /// How often, at most.
    pub collisions: u64,
    /// By how much that may be too many: 0 unless more than 32 devices collide.
    pub over_by_at_most: u64,
}

/// The Space-Saving summary (Metwally, Agrawal and El Abbadi, 2005): a device that is not counted takes the place of the one
/// with fewest, and its count. Each device with more than 1/32 of all collisions is in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Top(Vec<Colliding>);

impl Top {
    pub(super) fn count(&mut self, device: Device) {
        if let Some(known) = self.0.iter_mut().find(|known| known.device == device) {
            known.collisions += 1;
        } else if self.0.len() < COUNTED {
            self.0.push(Colliding { device, collisions: 1, over_by_at_most: 0 });
        } else if let Some(fewest) = self.0.iter_mut().min_by_key(|known| known.collisions) {
            let over_by_at_most = fewest.collisions;
            *fewest = Colliding { device, collisions: over_by_at_most + 1, over_by_at_most };
        }
    }

    /// The devices, that with most first.
    pub(super) fn first(&self) -> Vec<Colliding> {
        sorted(self.0.clone())
    }
}

/// Two summaries of different messages, as one.
pub(super) fn merge(mut one: Vec<Colliding>, other: Vec<Colliding>) -> Vec<Colliding> {
    let unseen = |summary: &[Colliding]| {
        if summary.len() < COUNTED {
            0
        } else {
            summary.iter().map(|known| known.collisions).min().unwrap_or(0)
        }
    };
    let (unseen_in_one, unseen_in_other) = (unseen(&one), unseen(&other));
    for known in &mut one {
        let more = other.iter().find(|more| more.device == known.device);
        let counted = more.map_or(unseen_in_other, |more| more.collisions);
        known.collisions = known.collisions.saturating_add(counted);
        let over = more.map_or(unseen_in_other, |more| more.over_by_at_most);
        known.over_by_at_most = known.over_by_at_most.saturating_add(over);
    }
    for mut more in other {
        if one.iter().all(|known| known.device != more.device) {
            more.collisions = more.collisions.saturating_add(unseen_in_one);
            more.over_by_at_most = more.over_by_at_most.saturating_add(unseen_in_one);
            one.push(more);
        }
    }
    let mut all = sorted(one);
    all.truncate(COUNTED);
    all
}

fn sorted(mut all: Vec<Colliding>) -> Vec<Colliding> {
    all.sort_by_key(|known| (std::cmp::Reverse(known.collisions), known.device));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(devices: impl IntoIterator<Item = u32>) -> Top {
        let mut top = Top::default();
        devices.into_iter().for_each(|device| top.count(Device::new(device).unwrap()));
        top
    }

    #[test]
    fn few_devices_are_counted_exactly() {
        let counted = summary((0..32).chain(0..16).chain([3])).first();
        assert_eq!(counted.len(), 32);
        assert_eq!((counted[0].device.number(), counted[0].collisions), (3, 3));
        assert_eq!(counted.iter().map(|known| known.collisions).sum::<u64>(), 49);
        assert!(counted.iter().all(|known| known.over_by_at_most == 0));
    }

    #[test]
    fn frequent_device_is_found_and_bounded() {
        let stream = || (0..3200).map(|turn| if turn % 10 == 0 { 7 } else { 1000 + turn });
        let check = |counted: &[Colliding], truly: u64| {
            let known = counted[0];
            assert_eq!(known.device.number(), 7);
            assert!((truly..=truly + known.over_by_at_most).contains(&known.collisions), "{known:?}");
            assert!(counted.len() <= COUNTED);
        };
        check(&summary(stream()).first(), 320);
        check(&merge(summary(stream()).first(), summary(stream().map(|device| device.max(7))).first()), 640);
        check(&merge(summary(stream()).first(), Vec::new()), 320);
    }
}

//! What is where: device, gateway, site.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de};

use crate::subject::{DeviceId, Part, Scope, Subject};

/// The devices of a fleet and their places, as far as they are known. A device that is not in it is a device of which
/// nothing else is known; what is not known explains no silence.
///
/// ```
/// use iot_runbook::fleet::Topology;
/// use iot_runbook::subject::{Scope, Subject};
///
/// let mut topology = Topology::default();
/// topology.insert(Subject::device("press-07").with_gateway("gw-2").with_site("plant-north"));
/// let subject = topology.subject(&"press-07".into());
/// assert_eq!(subject.part(Scope::Gateway).map(|part| part.to_string()).as_deref(), Some("gateway gw-2"));
/// assert_eq!(topology.subject(&"unheard-of".into()).part(Scope::Gateway), None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    devices: BTreeMap<DeviceId, Subject>,
    /// How many devices there are behind a gateway or at a site.
    counts: BTreeMap<Part, u64>,
}

/// The parts that devices share, the smallest first.
const SHARED: [Scope; 2] = [Scope::Gateway, Scope::Site];

impl Topology {
    /// Adds a device, or puts it in the place of what was known of it. A period or tag of the subject is left out, and so is
    /// a part of a [blank name](crate::subject#blank-names).
    pub fn insert(&mut self, subject: Subject) {
        let mut subject = subject.without_blank_parts();
        (subject.tag, subject.period) = (None, None);
        self.remove(&subject.device);
        for part in shared(&subject) {
            *self.counts.entry(part).or_default() += 1;
        }
        self.devices.insert(subject.device.clone(), subject);
    }

    /// Removes a device; nothing where it is not there.
    pub fn remove(&mut self, device: &DeviceId) {
        let Some(subject) = self.devices.remove(device) else { return };
        for part in shared(&subject) {
            if let Some(count) = self.counts.get_mut(&part) {
                *count -= 1;
            }
        }
        self.counts.retain(|_, count| *count > 0);
    }

    /// What is known of a device.
    #[must_use]
    pub fn subject(&self, device: &DeviceId) -> Subject {
        self.devices.get(device).cloned().unwrap_or_else(|| Subject::device(device.clone()))
    }

    /// How many devices there are behind that gateway, at that site, or in all.
    #[must_use]
    pub fn count(&self, part: &Part) -> u64 {
        match part {
            Part::Platform => self.devices.len() as u64,
            Part::Device(device) => u64::from(self.devices.contains_key(device)),
            part => self.counts.get(part).copied().unwrap_or(0),
        }
    }

    /// All devices, by name.
    pub fn subjects(&self) -> impl Iterator<Item = &Subject> {
        self.devices.values()
    }
}

fn shared(subject: &Subject) -> impl Iterator<Item = Part> + '_ {
    SHARED.into_iter().filter_map(|scope| subject.part(scope))
}

impl FromIterator<Subject> for Topology {
    fn from_iter<I: IntoIterator<Item = Subject>>(subjects: I) -> Self {
        let mut topology = Self::default();
        subjects.into_iter().for_each(|subject| topology.insert(subject));
        topology
    }
}

impl Serialize for Topology {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.devices.values())
    }
}

impl<'de> Deserialize<'de> for Topology {
    /// Refuses a device of a blank name: two of them would be one.
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let subjects = Vec::<Subject>::deserialize(from)?;
        for (position, subject) in subjects.iter().enumerate() {
            let named = subject.device.check();
            named
                .map_err(|error| de::Error::custom(format!("device {position} of the topology: {error}")))?;
        }
        Ok(subjects.into_iter().collect())
    }
}

/// Reads the topology of a saved fleet. An earlier release may have saved a device of a blank name: it stays, and no alert is
/// about it.
pub(super) fn saved<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Topology, D::Error> {
    Ok(Vec::<Subject>::deserialize(from)?.into_iter().collect())
}

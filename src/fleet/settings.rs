use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

/// How a fleet waits, groups and pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct FleetSettings {
    /// How long the first alert behind a part waits for others, and for a cause that comes after its symptoms.
    /// Default 30 s.
    pub hold: Duration,
    /// The most diagnoses that run at one time. Default 64.
    pub most_running: usize,
    /// How long a site waits for the first diagnosis of it before more of its gateways are asked about. Default 30 s.
    pub patience: Duration,
    /// For how long what was found about a site says that nobody need wait for a first diagnosis. Default 10 min.
    pub forget_after: Duration,
    /// How far apart two silences of one cause may begin, beside the reporting intervals of both devices. Default 2 min.
    pub margin: TimeDelta,
    /// The same where the time of the alert is all that is known. Default 15 min.
    pub alert_margin: TimeDelta,
    /// How long after it was opened an incident is paged, so that the page says how many devices it has. Default 30 s.
    pub page_after: Duration,
    /// At most so many pages go out within `pages_within`; what is more goes out together with the last. Default 10.
    pub most_pages: usize,
    /// Default 10 min.
    pub pages_within: Duration,
    /// How long after it was opened an incident is measured again; each time that confirms it doubles the pause, up to
    /// an hour. Default 5 min.
    pub recheck_after: Duration,
    /// So many devices of a place that come back undiagnosed within `hold` make one short outage. Default 3.
    pub short_outage_of: usize,
    /// After so many diagnoses behind one gateway that came to nothing for the same reason, those beside them are not
    /// diagnosed each. Default 3.
    pub undetermined_enough: u32,
    /// For how long before an incident a change counts as evidence. Default 24 h.
    pub changes_within: TimeDelta,
    /// The runbooks whose alert is over once the device is seen. Default `device-offline`.
    pub ended_by_a_sighting: BTreeSet<Box<str>>,
    /// How far the clocks of the platform may differ. Default 30 s.
    pub clock_tolerance: TimeDelta,
}

impl Default for FleetSettings {
    fn default() -> Self {
        Self {
            hold: Duration::from_secs(30),
            most_running: 64,
            patience: Duration::from_secs(30),
            forget_after: Duration::from_secs(600),
            margin: TimeDelta::minutes(2),
            alert_margin: TimeDelta::minutes(15),
            page_after: Duration::from_secs(30),
            most_pages: 10,
            pages_within: Duration::from_secs(600),
            recheck_after: Duration::from_secs(300),
            short_outage_of: 3,
            undetermined_enough: 3,
            changes_within: TimeDelta::hours(24),
            ended_by_a_sighting: BTreeSet::from(["device-offline".into()]),
            clock_tolerance: TimeDelta::seconds(30),
        }
    }
}

/// The longest pause between two measurements of an open incident.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

//! An incident as the parts of a report, in words.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::finding::{Affected, Report, Titles, Tone, likely, moment, words};
use super::timeline::Moment;
use crate::fact::duration_in_words;
use crate::fleet::{Cause, Incident, Member, Proof};
use crate::runbook::RunbookSet;
use crate::subject::{DeviceId, Part};

impl Report {
    /// The report of an incident, as it is now: its cause, every device of it with the reason why it belongs to it, what was
    /// changed before, and when what happened. `runbooks` gives the titles of steps.
    #[must_use]
    pub fn of_incident(incident: &Incident, runbooks: &RunbookSet) -> Self {
        let urgency = incident.severity.map_or(Tone::Undetermined, Tone::Concluded);
        let tone = match (&incident.closed, &incident.cause) {
            _ if incident.is_recovered => Tone::Recovered,
            (Some(closed), _) if closed.still_out == 0 => Tone::Recovered,
            (_, Cause::ShortOutage) => Tone::Recovered,
            _ => urgency,
        };
        let titles = Titles { walked: Vec::new(), runbooks, runbook: &incident.runbook };
        Self {
            about: about(incident),
            advice: incident.advice.iter().map(ToString::to_string).collect(),
            likely: incident.hypotheses.iter().map(|one| likely(one, &titles)).collect(),
            notes: incident
                .changes
                .iter()
                .map(|change| {
                    format!(
                        "Changed before it began: {} ({}, {})",
                        change.text,
                        change.part,
                        moment(change.at)
                    )
                })
                .collect(),
            affected: affected(&incident.members),
            timeline: timeline(incident),
            evidence: evidence(incident),
            ..Self::blank(tone, incident.to_string())
        }
    }
}

fn about(incident: &Incident) -> Vec<(&'static str, String)> {
    let parts: Vec<_> = incident
        .parts
        .iter()
        .map(|(part, blamed)| match blamed.ended_at {
            Some(at) => format!("{part} (works again since {})", moment(at)),
            None => format!("{part} ({} silent)", blamed.silent),
        })
        .collect();
    let mut about = vec![
        ("Devices", format!("{} of {} silent", incident.silent(), incident.members.len())),
        ("At fault", parts.join(", ")),
        ("Place", incident.place.to_string()),
        ("Began", moment(incident.began)),
        ("Confirmed", moment(incident.confirmed_at)),
    ];
    let cause = incident.root_cause.as_deref().map(words);
    about.extend(cause.map(|cause| ("Root cause", cause)));
    about.extend(incident.severity.map(|severity| ("Severity", severity.to_string())));
    about
}

fn affected(members: &BTreeMap<DeviceId, Member>) -> Vec<Affected> {
    // The silent ones first: they are what is left to do.
    let mut groups: BTreeMap<(bool, &Part, u8), (TimeDelta, Vec<String>)> = BTreeMap::new();
    for (device, member) in members {
        let (kind, apart) = match &member.proof {
            Proof::Diagnosed { .. } => (DIAGNOSED, TimeDelta::zero()),
            Proof::Shares { apart, .. } => (SHARES, apart.abs()),
            Proof::LikeOthers { .. } => (LIKE_OTHERS, TimeDelta::zero()),
            Proof::CameBack => (CAME_BACK, TimeDelta::zero()),
        };
        let group = groups.entry((member.back_at.is_some(), &member.part, kind)).or_default();
        group.0 = group.0.max(apart);
        group.1.push(device.to_string());
    }
    let groups = groups.into_iter();
    groups
        .map(|((is_back, part, kind), (apart, devices))| {
            let state = if is_back { "Back" } else { "Silent" };
            let is_one = devices.len() == 1;
            let why = match kind {
                DIAGNOSED if is_one => "found by its own diagnosis".to_owned(),
                DIAGNOSED => "each found by its own diagnosis".to_owned(),
                SHARES => {
                    let (they, apart) =
                        (if is_one { "it depends" } else { "they depend" }, duration_in_words(apart));
                    format!(
                        "not diagnosed; {they} on it and fell silent with the others, at most {apart} apart"
                    )
                }
                LIKE_OTHERS => {
                    let them = if is_one { "it" } else { "them" };
                    format!("not diagnosed; diagnoses beside {them} came to nothing, for the same reason")
                }
                _ if is_one => "back before anybody had diagnosed it".to_owned(),
                _ => "back before anybody had diagnosed them".to_owned(),
            };
            Affected { why: format!("{state}, {part}: {why}"), devices }
        })
        .collect()
}

const DIAGNOSED: u8 = 0;
const SHARES: u8 = 1;
const LIKE_OTHERS: u8 = 2;
const CAME_BACK: u8 = 3;

fn timeline(incident: &Incident) -> Vec<Moment> {
    let mut moments: Vec<_> = incident
        .changes
        .iter()
        .map(|change| Moment { at: change.at, what: format!("Changed, {}: {}", change.part, change.text) })
        .collect();
    let mut add = |at, what: String| moments.push(Moment { at, what });
    add(incident.began, "The first device fell silent".to_owned());
    add(incident.opened_at, "The incident was opened".to_owned());
    if let Some(at) = incident.paged_at {
        add(at, "Somebody was paged".to_owned());
    }
    for (part, blamed) in &incident.parts {
        if let Some(at) = blamed.ended_at {
            add(at, format!("Works again: {part}"));
        }
    }
    if let Some(closed) = &incident.closed {
        add(
            closed.at,
            match (closed.merged_into, closed.still_out) {
                (Some(into), _) => format!("Merged into {into}"),
                (None, 0) => "Closed: all devices are back".to_owned(),
                (None, 1) => "Closed: 1 device is still silent, and is diagnosed for itself".to_owned(),
                (None, out) => {
                    format!("Closed: {out} devices are still silent, and are diagnosed each for itself")
                }
            },
        );
    }
    // Stable: what happened at one moment stays in the order above.
    moments.sort_by_key(|one| one.at);
    moments
}

fn evidence(incident: &Incident) -> Vec<(&'static str, String)> {
    let mut evidence = vec![("Incident", incident.id.to_string()), ("Runbook", incident.runbook.to_string())];
    for (part, blamed) in &incident.parts {
        let by = blamed.measured.iter().map(|one| format!("{} of {}", one.by, one.device));
        evidence.push(("Diagnoses", format!("{part}: {}", by.collect::<Vec<_>>().join(", "))));
    }
    evidence
}

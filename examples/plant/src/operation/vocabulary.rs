//! The vocabulary itself.

mod adapters;
mod pipeline;

use std::fmt::Write;

pub use self::{adapters::ADAPTERS, pipeline::PIPELINE};
use super::{
    Effect::{self, *},
    Given, Owner, Place, Setting, Word, owners,
};
use crate::{device::Application, platform::ServiceState};

use Owner::{Device, Gateway, Platform, Site};

/// Every word that a scenario file can use.
pub fn all_words() -> impl Iterator<Item = &'static Word> + Clone {
    VOCABULARY.iter().chain(PIPELINE).chain(ADAPTERS)
}

/// Every operation on every kind of part of the factory.
pub const VOCABULARY: &[Word] = &[
    breaks(Site, "uplink", "cut", "mend", Cut(Place::Uplink), "cuts its way to the platform"),
    breaks(Site, "uplink", "slow", "mend", Slow(Place::Uplink), "delays what crosses it by 1.6 s each way"),
    breaks(Site, "uplink", "flap", "mend", Flap(Place::Uplink), "makes it come and go"),
    mends(Site, "uplink", "mend", Mend(Place::Uplink), "lets traffic through at full speed"),
    breaks(
        Site,
        "broker-rule",
        "cut",
        "mend",
        Cut(Place::BrokerRule),
        "has the firewall close the broker's port",
    ),
    breaks(
        Site,
        "broker-rule",
        "slow",
        "mend",
        Slow(Place::BrokerRule),
        "delays traffic to the broker alone",
    ),
    mends(Site, "broker-rule", "mend", Mend(Place::BrokerRule), "opens the broker's port"),
    breaks(Site, "ot-network", "cut", "mend", Cut(Place::OtNetwork), "cuts gateways from devices"),
    breaks(
        Site,
        "ot-network",
        "slow",
        "mend",
        Slow(Place::OtNetwork),
        "delays what crosses it by 1.6 s each way",
    ),
    breaks(Site, "ot-network", "flap", "mend", Flap(Place::OtNetwork), "makes it come and go"),
    mends(Site, "ot-network", "mend", Mend(Place::OtNetwork), "lets traffic through at full speed"),
    breaks(
        Site,
        "feed",
        "cut",
        "restore",
        Feed { mains: false, ups_charged: false },
        "takes the mains away, with the UPS empty; gateways have batteries",
    ),
    breaks(
        Site,
        "feed",
        "use-ups",
        "restore",
        Feed { mains: false, ups_charged: true },
        "takes the mains away; the UPS carries the site",
    ),
    mends(Site, "feed", "restore", Feed { mains: true, ups_charged: true }, "gives the mains back"),
    breaks(Gateway, "process", "kill", "start", KillProcess, "kills it"),
    mends(Gateway, "process", "start", StartProcess, "starts it where it does not run"),
    breaks(Gateway, "process", "stop", "continue", StopProcess, "stops it with SIGSTOP: it hangs"),
    mends(Gateway, "process", "continue", ContinueProcess, "lets it go on with SIGCONT"),
    breaks(Gateway, "memory", "leak", "restore", LeakMemory, "leaks until it is killed for its memory"),
    breaks(Gateway, "memory", "limit", "restore", LimitMemory, "allows too little for any start"),
    mends(Gateway, "memory", "restore", RestoreMemory, "allows the usual amount, and starts the process"),
    breaks(Gateway, "outbox", "break", "mend", BreakOutbox, "kills the process and breaks its outbox's file"),
    mends(Gateway, "outbox", "mend", MendOutbox, "puts the file back, and starts the process"),
    breaks(Gateway, "client", "stall", "resume", StallClient, "hangs its MQTT client; its session stays up"),
    mends(Gateway, "client", "resume", ResumeClient, "lets its MQTT client publish again"),
    breaks(Gateway, "cable", "cut", "mend", Cut(Place::Cable), "cuts it from the site's network"),
    breaks(Gateway, "cable", "slow", "mend", Slow(Place::Cable), "delays what crosses it by 1.6 s each way"),
    mends(Gateway, "cable", "mend", Mend(Place::Cable), "plugs it in again"),
    breaks(Gateway, "module", "hang", "mend", Cut(Place::GatewayModule), "hangs until a power cycle"),
    mends(Gateway, "module", "mend", Mend(Place::GatewayModule), "resets it"),
    breaks(Gateway, "breaker", "trip", "close", Breaker { closed: false }, "takes the gateway's power away"),
    mends(Gateway, "breaker", "close", Breaker { closed: true }, "gives the gateway power"),
    breaks(
        Gateway,
        "certificate",
        "expire",
        "renew",
        Certificate(Given::Expired { dials: true }),
        "replaces it by one that has expired, and restarts the process",
    ),
    breaks(
        Gateway,
        "certificate",
        "postdate",
        "renew",
        Certificate(Given::NotYetValid { dials: true }),
        "replaces it by one that is valid from tomorrow, and restarts the process",
    ),
    breaks(Gateway, "certificate", "revoke", "renew", Certificate(Given::Revoked), "revokes it"),
    breaks(
        Gateway,
        "certificate",
        "swap",
        "renew",
        Certificate(Given::Foreign),
        "replaces it by one of an unknown authority, and restarts the process",
    ),
    mends(
        Gateway,
        "certificate",
        "renew",
        Certificate(Given::Current),
        "issues a good one, and restarts the process",
    ),
    breaks(Gateway, "account", "forbid", "allow", Forbid, "takes it off the broker's access list"),
    mends(Gateway, "account", "allow", Allow, "puts it back on the access list"),
    breaks(Device, "port", "cut", "mend", Cut(Place::Port), "cuts it from the OT network"),
    breaks(Device, "port", "slow", "mend", Slow(Place::Port), "delays what crosses it by 1.6 s each way"),
    breaks(Device, "port", "flap", "mend", Flap(Place::Port), "makes it come and go"),
    mends(Device, "port", "mend", Mend(Place::Port), "lets traffic through at full speed"),
    breaks(Device, "breaker", "trip", "close", Breaker { closed: false }, "takes the device's power away"),
    mends(Device, "breaker", "close", Breaker { closed: true }, "gives the device power"),
    breaks(Device, "application", "hang", "start", Run(Application::Hung), "hangs it; its sessions stay up"),
    breaks(Device, "application", "crash", "start", Run(Application::Crashed), "ends it for good"),
    mends(Device, "application", "start", Run(Application::Running), "starts it"),
    breaks(Device, "module", "break", "mend", BreakModule, "ends its network module, under power"),
    mends(Device, "module", "mend", MendModule, "replaces its network module"),
    identity(
        "certificate",
        "expire",
        "renew",
        Certificate(Given::Expired { dials: true }),
        "replaces it by one that has expired; the device dials, and is refused",
    ),
    identity(
        "certificate",
        "expire-known",
        "renew",
        Certificate(Given::Expired { dials: false }),
        "the same, and the device knows: it does not dial",
    ),
    identity(
        "certificate",
        "postdate",
        "renew",
        Certificate(Given::NotYetValid { dials: true }),
        "replaces it by one that is valid from tomorrow; the device dials, and is refused",
    ),
    identity(
        "certificate",
        "postdate-known",
        "renew",
        Certificate(Given::NotYetValid { dials: false }),
        "the same, and the device knows: it does not dial",
    ),
    identity(
        "certificate",
        "revoke",
        "renew",
        Certificate(Given::Revoked),
        "revokes it, and ends the session",
    ),
    identity(
        "certificate",
        "swap",
        "renew",
        Certificate(Given::Foreign),
        "replaces it by one of an unknown authority",
    ),
    identity("certificate", "remove", "renew", Certificate(Given::Nothing), "resets the device: it has none"),
    restores("certificate", "renew", Certificate(Given::Current), "issues a good one"),
    identity("account", "forbid", "allow", Forbid, "takes it off the broker's access list"),
    restores("account", "allow", Allow, "puts it back on the access list"),
    identity("password", "spoil", "restore", SpoilPassword, "gives the device a wrong one"),
    restores("password", "restore", RestorePassword, "gives the device the right one"),
    identity("twin", "add", "remove", AddTwin, "plugs in a second device with the same identity"),
    restores("twin", "remove", RemoveTwin, "takes the second device away"),
    identity(
        "clock",
        "set",
        "correct",
        SetClock,
        "sets it `by` so much, and ends the session a moment later",
    ),
    restores("clock", "correct", CorrectClock, "sets it right"),
    breaks(
        Device,
        "registry",
        "maintain",
        "put-in-service",
        Register(ServiceState::InMaintenance),
        "enters it as in maintenance",
    ),
    breaks(
        Device,
        "registry",
        "decommission",
        "put-in-service",
        Register(ServiceState::Decommissioned),
        "enters it as decommissioned",
    ),
    breaks(
        Device,
        "registry",
        "unprovision",
        "put-in-service",
        Register(ServiceState::NeverProvisioned),
        "enters it as never provisioned",
    ),
    mends(Device, "registry", "put-in-service", Register(ServiceState::InService), "enters it as in service"),
    breaks(
        Platform,
        "broker-host",
        "cut",
        "mend",
        Cut(Place::BrokerHost),
        "takes the broker away; the door answers",
    ),
    mends(Platform, "broker-host", "mend", Mend(Place::BrokerHost), "brings the broker back"),
    breaks(Platform, "ingestion", "stop", "start", StopIngestion, "takes messages and stores nothing"),
    mends(Platform, "ingestion", "start", StartIngestion, "stores messages again"),
];

const fn breaks(
    owner: Owner,
    part: &'static str,
    verb: &'static str,
    undone_by: &'static str,
    effect: Effect,
    does: &'static str,
) -> Word {
    let only_in = Some(Setting::Factory);
    Word { owner, part, verb, undone_by: Some(undone_by), needs_session: false, only_in, does, effect }
}

const fn mends(
    owner: Owner,
    part: &'static str,
    verb: &'static str,
    effect: Effect,
    does: &'static str,
) -> Word {
    let only_in = Some(Setting::Factory);
    Word { owner, part, verb, undone_by: None, needs_session: false, only_in, does, effect }
}

/// Breaks a part of a device that only matters with an MQTT session of its own.
const fn identity(
    part: &'static str,
    verb: &'static str,
    undone_by: &'static str,
    effect: Effect,
    does: &'static str,
) -> Word {
    Word { needs_session: true, ..breaks(Device, part, verb, undone_by, effect, does) }
}

/// Mends a part of a device that only matters with an MQTT session of its own.
const fn restores(part: &'static str, verb: &'static str, effect: Effect, does: &'static str) -> Word {
    Word { needs_session: true, ..mends(Device, part, verb, effect, does) }
}

/// The vocabulary as text: each owner, and each part with what can be done to it.
pub fn words() -> String {
    let mut text = String::new();
    for owner in Owner::ALL {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}: {}", owner.name(), owners(owner).join(", "));
        for word in all_words().filter(|word| word.owner == owner) {
            let undone = word.undone_by.map_or_else(String::new, |verb| format!("; undone by `{verb}`"));
            let session = if word.needs_session { "; needs a session of its own" } else { "" };
            let asked = match (owner, word.only_in) {
                (Owner::Adapters, Some(setting)) => format!("; in the {} alone", setting.name()),
                _ => String::new(),
            };
            let _ = writeln!(
                text,
                "  .{:<12} {:<15} {}{undone}{session}{asked}",
                word.part, word.verb, word.does
            );
        }
    }
    text.truncate(text.trim_end().len());
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_break_has_an_undo_in_its_part() {
        for word in all_words() {
            let Some(verb) = word.undone_by else { continue };
            let undoes =
                |other: &&Word| other.owner == word.owner && other.part == word.part && other.verb == verb;
            let undo = all_words().find(undoes).unwrap();
            assert_eq!(undo.undone_by, None, "{} {}", word.verb, word.part);
            assert_eq!(undo.needs_session, word.needs_session, "{} {}", word.verb, word.part);
        }
    }

    #[test]
    fn no_word_is_in_the_vocabulary_twice() {
        let mut seen = HashSet::new();
        for word in all_words() {
            assert!(seen.insert((word.owner.name(), word.part, word.verb)), "{} {}", word.verb, word.part);
        }
    }
}

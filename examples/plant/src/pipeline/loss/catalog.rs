//! The faults of the pipeline, in the order in which `data-gap` can conclude them.

use chrono::TimeDelta;

use super::{Damage, Loss};
use crate::pipeline::{Plan, dedup::How, machine::Signal, message::Firmware};

/// As long as an audit of the raw samples needs, and then some; a dozen rows are missing by then.
const LASTS: TimeDelta = TimeDelta::milliseconds(2600);

/// No deadband: what is not there was not suppressed.
const PLAIN: Plan = Plan { deadband: false, ..Plan::QUIET };

pub(super) const ALL: &[Loss] = &[
    loss(
        "expected-offline/gap",
        "press-9 is entered as in maintenance, and unplugged for it",
        Plan::QUIET,
        Damage::Maintained,
    ),
    loss(
        "disconnected-catching-up",
        "the site's uplink is cut, and its gateway's outbox fills",
        Plan::QUIET,
        Damage::Uplink,
    ),
    loss(
        "disconnected-caught-up",
        "the site's uplink is cut, and back before anybody looks; the outbox has drained",
        Plan::QUIET,
        Damage::UplinkForAWhile { full_disk: false },
    ),
    loss(
        "disconnected-data-lost",
        "press-9 is unplugged: nobody reads it, and nothing keeps what it measures",
        Plan::QUIET,
        Damage::Port,
    ),
    loss(
        "disconnected-data-lost/outbox-overrun",
        "the site's uplink is cut for longer than the gateway's full disk can bear; what was left has drained",
        Plan::QUIET,
        Damage::UplinkForAWhile { full_disk: true },
    ),
    Loss {
        lasts: TimeDelta::milliseconds(5400),
        ..loss(
            "split-by-presence",
            "press-9 is unplugged for its firmware update, and comes back with messages of another schema",
            Plan::QUIET,
            Damage::Both {
                first: &Damage::Port,
                lasts: TimeDelta::milliseconds(2200),
                second: &Damage::Flashed(Firmware::NewSchema),
            },
        )
    },
    loss(
        "broker-dropped",
        "the broker's access list takes from the gateway the right to publish: each message is acknowledged and dropped",
        Plan::QUIET,
        Damage::PublishForbidden,
    ),
    loss(
        "buffer-overrun",
        "the gateway's cable is pulled, and something fills its disk: the outbox drops messages",
        Plan::QUIET,
        Damage::CableAndDisk,
    ),
    loss(
        "gateway-uplink-fault",
        "the broker's access list lets the gateway in no more, and its outbox fills",
        Plan::QUIET,
        Damage::Forbidden,
    ),
    loss(
        "acquisition-fault",
        "the application of press-9 hangs while its session stays up: no read of its gateway is answered",
        PLAIN,
        Damage::Hung,
    ),
    loss(
        "gateway-collector-fault",
        "somebody misspells the tag of press-9 in the gateway's converter, which drops what it can't map",
        Plan::QUIET,
        Damage::NotConverted,
    ),
    loss(
        "bridge-fault",
        "Kafka takes nothing from the bridge any more, which drops it",
        Plan::QUIET,
        Damage::ProduceRefused,
    ),
    loss(
        "bridge-fault/killed",
        "the bridge is killed; its session was clean, and nobody kept its messages",
        Plan::QUIET,
        Damage::BridgeKilled,
    ),
    loss(
        "messages-skipped",
        "while the ingestion is stopped, somebody sets its group to the newest messages",
        Plan::QUIET,
        Damage::OffsetSet,
    ),
    loss(
        "producer-transaction-open",
        "another producer leaves a transaction open, and the ingestion reads committed records alone",
        Plan { reads_committed: true, ..Plan::QUIET },
        Damage::TransactionOpen,
    ),
    loss(
        "poison-record",
        "another publisher writes a record without payload: the ingestion's decoder fails at it, again and again",
        Plan::QUIET,
        Damage::Tombstone,
    ),
    loss("ingestion-overloaded", "the ingestion's consumer pauses", Plan::QUIET, Damage::Paused),
    loss(
        "ingestion-overloaded/slow-writes",
        "each write of the ingestion waits behind a slow query",
        Plan::QUIET,
        Damage::Slowed,
    ),
    loss("ingestion-overloaded/stopped", "the ingestion's consumer is stopped", Plan::QUIET, Damage::Stopped),
    loss(
        "ingestion-overloaded/past-retention",
        "the ingestion is stopped while a camera floods the topic: Kafka deletes what was not read",
        Plan::QUIET,
        Damage::Flooded,
    ),
    loss(
        "schema-mismatch",
        "press-9 gets a firmware whose messages have another schema",
        Plan::QUIET,
        Damage::Flashed(Firmware::NewSchema),
    ),
    loss(
        "dedup-false-positive",
        "press-9 gets a firmware whose ids come again, and the deduplication goes by the id alone",
        Plan { dedup: How::ById, ..Plan::QUIET },
        Damage::Flashed(Firmware::ShortCounter),
    ),
    loss(
        "dedup-false-positive/blind-log",
        "the same, and the log of the deduplication keeps no contents",
        Plan { dedup: How::Blind, ..Plan::QUIET },
        Damage::Flashed(Firmware::ShortCounter),
    ),
    loss(
        "no-gap/dedup-engine",
        "the same firmware, and the deduplication is the library's engine",
        Plan::QUIET,
        Damage::Flashed(Firmware::ShortCounter),
    ),
    loss(
        "storage-write-fault",
        "somebody's open transaction locks the time-series database",
        Plan::QUIET,
        Damage::Locked,
    ),
    loss(
        "storage-write-fault/disk-full",
        "the disk of the time-series database is full",
        Plan::QUIET,
        Damage::DiskFull,
    ),
    loss(
        "timestamps-wrong",
        "the clock of press-9 lost its battery, and is 83 minutes behind",
        PLAIN,
        Damage::Clock(-83),
    ),
    loss(
        "stored-out-of-sight",
        "a rule in the ingestion writes the rows of press-9 into a series of another name",
        Plan::QUIET,
        Damage::Renamed,
    ),
    Loss {
        // The swing reports much until then, and what is on its way then counts.
        lasts: TimeDelta::milliseconds(4500),
        ..loss(
            "deadband-too-wide",
            "somebody sets a deadband that no swing of the process leaves, and a heartbeat of an hour",
            Plan { signal: Signal::Swinging, ..Plan::QUIET },
            Damage::HeartbeatAndBand,
        )
    },
    loss(
        "process-stable",
        "the process stands still, and somebody sets a heartbeat of an hour",
        Plan::QUIET,
        Damage::HeartbeatAndBand,
    ),
    loss(
        "sensor-stuck",
        "somebody sets a heartbeat of an hour, and the sensor of press-9 freezes at one value",
        Plan { signal: Signal::Rising, ..Plan::QUIET },
        Damage::StuckAndHeartbeat,
    ),
    loss(
        "unexplained-gap",
        "somebody gives the gateway a topic for press-9 that nobody knows",
        PLAIN,
        Damage::WrongTopic,
    ),
    loss(
        "unexplained-gap/passed-over",
        "a rule in the ingestion passes over the rows of press-9, and tells nobody",
        PLAIN,
        Damage::PassedOver,
    ),
    Loss {
        lasts: TimeDelta::milliseconds(5600),
        ..loss(
            "several-causes",
            "the bridge drops for a while, then press-9 gets a firmware of another schema, and then a rule passes over \
             its rows",
            PLAIN,
            Damage::Both {
                first: &Damage::Both {
                    first: &Damage::ProduceRefused,
                    lasts: TimeDelta::milliseconds(1200),
                    second: &Damage::Flashed(Firmware::NewSchema),
                },
                lasts: TimeDelta::milliseconds(3600),
                second: &Damage::PassedOver,
            },
        )
    },
    loss(
        "recovered-meanwhile/gap",
        "the ingestion's consumer pauses, and is resumed while the platform looks into it",
        Plan::QUIET,
        Damage::PausedMeanwhile,
    ),
    Loss {
        lasts: TimeDelta::milliseconds(6500),
        ..loss(
            "combined/bridge-then-schema",
            "the bridge drops for a moment, and then press-9 gets a firmware of another schema",
            Plan::QUIET,
            Damage::Both {
                first: &Damage::ProduceRefused,
                lasts: TimeDelta::milliseconds(700),
                second: &Damage::Flashed(Firmware::NewSchema),
            },
        )
    },
];

const fn loss(id: &'static str, story: &'static str, plan: Plan, damage: Damage) -> Loss {
    Loss { id, story, plan, lasts: LASTS, damage }
}

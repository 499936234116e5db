//! The scenarios of the data pipeline: each fault by itself, in the order in which `data-gap` can conclude them; then
//! two faults in one gap, and what cannot be known.
//!
//! Shares are of a dozen rows or more, so bounds leave room for one or two that were on their way.

use super::{Broken, Evidence, Expected, Obstacle, People, Rows, Scenario, Seen};

pub(super) const ALL: &[Scenario] = &[
    gap(
        "expected-offline/gap",
        "expected-offline",
        &["service-state"],
        &[choice("service-history", "out-of-service")],
    ),
    late(
        "disconnected-catching-up",
        "disconnected-catching-up",
        &["online-during-gap", "catch-up"],
        &[choice("online-during-gap", "offline"), choice("catch-up", "pending")],
    ),
    late(
        "disconnected-caught-up",
        "disconnected-caught-up",
        &["online-during-gap", "catch-up"],
        &[
            choice("online-during-gap", "offline"),
            choice("catch-up", "arrived"),
            detail("catch-up", "dropped", "0"),
        ],
    ),
    gap(
        "disconnected-data-lost",
        "disconnected-data-lost",
        &["online-during-gap", "catch-up"],
        &[
            choice("online-during-gap", "offline"),
            choice("catch-up", "lost"),
            detail("catch-up", "delivered later", "0"),
            detail("catch-up", "dropped", "0"),
        ],
    ),
    gap(
        "disconnected-data-lost/outbox-overrun",
        "disconnected-data-lost",
        &["online-during-gap", "catch-up"],
        &[
            choice("online-during-gap", "offline"),
            choice("catch-up", "lost"),
            detail("catch-up", "unsent", "0"),
        ],
    ),
    Scenario {
        expected: Expected::Parts(&["disconnected-data-lost", "schema-mismatch"]),
        ..gap(
            "split-by-presence",
            "split-by-presence",
            &["online-during-gap"],
            &[
                choice("online-during-gap", "part"),
                choice("online-during-gap", "offline"),
                choice("online-during-gap", "online"),
                share("schema-rejections", 0.8, 1.0),
                detail("schema-rejections", "firmware", "2.0.0"),
            ],
        )
    },
    gap(
        "broker-dropped",
        "broker-dropped",
        &["service-state", "online-during-gap", "broker-messages"],
        &[choice("online-during-gap", "online"), choice("broker-messages", "dropped")],
    ),
    gap(
        "buffer-overrun",
        "buffer-overrun",
        &["online-during-gap", "broker-messages", "edge-buffer"],
        &[choice("broker-messages", "not-reached"), choice("edge-buffer", "dropped")],
    ),
    late(
        "gateway-uplink-fault",
        "gateway-uplink-fault",
        &["online-during-gap", "broker-messages", "edge-buffer"],
        &[
            choice("online-during-gap", "online"),
            choice("broker-messages", "not-reached"),
            choice("edge-buffer", "unsent"),
            detail("edge-buffer", "dropped of the device", "0"),
        ],
    ),
    gap(
        "acquisition-fault",
        "acquisition-fault",
        &["broker-messages", "edge-buffer", "acquisition"],
        &[
            choice("online-during-gap", "online"),
            choice("broker-messages", "not-reached"),
            choice("edge-buffer", "neither"),
            choice("acquisition", "not-acquired"),
        ],
    ),
    gap(
        "gateway-collector-fault",
        "gateway-collector-fault",
        &["broker-messages", "edge-buffer", "acquisition"],
        &[
            choice("broker-messages", "not-reached"),
            choice("edge-buffer", "neither"),
            choice("acquisition", "not-passed-on"),
            detail("acquisition", "error", "no mapping for the tag \"pressure\""),
        ],
    ),
    gap(
        "bridge-fault",
        "bridge-fault",
        &["online-during-gap", "broker-messages", "bridge"],
        &[choice("broker-messages", "reached"), share("bridge-lost", 0.8, 1.0)],
    ),
    gap(
        "bridge-fault/killed",
        "bridge-fault",
        &["online-during-gap", "broker-messages", "bridge"],
        &[choice("broker-messages", "reached"), share("bridge-lost", 0.8, 1.0)],
    ),
    late(
        "messages-skipped",
        "messages-skipped",
        &["broker-messages", "bridge", "consumer-offset"],
        &[
            choice("broker-messages", "reached"),
            share("bridge-lost", 0.0, 0.0),
            choice("consumer-offset", "skipped"),
        ],
    ),
    late(
        "producer-transaction-open",
        "producer-transaction-open",
        &["broker-messages", "bridge", "consumer-offset"],
        &[
            choice("broker-messages", "reached"),
            share("bridge-lost", 0.0, 0.0),
            choice("consumer-offset", "held-back"),
            detail("consumer-offset", "producer", "recipes"),
        ],
    ),
    late(
        "poison-record",
        "poison-record",
        &["broker-messages", "bridge", "consumer-offset"],
        &[
            choice("broker-messages", "reached"),
            share("bridge-lost", 0.0, 0.0),
            choice("consumer-offset", "poison-record"),
            detail("consumer-offset", "example", "the decoder fails at a record without payload"),
        ],
    ),
    Scenario {
        contributing: &["consumer-lag"],
        // Stalled where a sample of the period still saw it move: else nothing tells how often it did.
        ..late(
            "ingestion-overloaded",
            "ingestion-overloaded",
            &["broker-messages", "bridge", "consumer-lag"],
            &[share("bridge-lost", 0.0, 0.0), one_of("consumer-lag", &["stalled", "over-threshold"])],
        )
    },
    Scenario {
        contributing: &["consumer-lag"],
        ..late(
            "ingestion-overloaded/slow-writes",
            "ingestion-overloaded",
            &["broker-messages", "bridge", "consumer-lag"],
            &[share("bridge-lost", 0.0, 0.0), choice("consumer-lag", "over-threshold")],
        )
    },
    Scenario {
        contributing: &["consumer-lag"],
        ..late(
            "ingestion-overloaded/stopped",
            "ingestion-overloaded",
            &["broker-messages", "bridge", "consumer-lag"],
            &[choice("consumer-lag", "stopped"), detail("consumer-lag", "consumers", "0")],
        )
    },
    Scenario {
        contributing: &["consumer-lag"],
        ..gap(
            "ingestion-overloaded/past-retention",
            "ingestion-overloaded",
            &["broker-messages", "bridge", "consumer-lag"],
            &[choice("consumer-lag", "past-retention")],
        )
    },
    gap(
        "schema-mismatch",
        "schema-mismatch",
        &["broker-messages", "bridge", "consumer-lag", "schema-rejections"],
        &[
            choice("broker-messages", "reached"),
            share("bridge-lost", 0.0, 0.0),
            choice("consumer-lag", "normal"),
            share("schema-rejections", 0.8, 1.0),
            detail("schema-rejections", "firmware", "2.0.0"),
            detail("schema-rejections", "schema", "1"),
        ],
    ),
    gap(
        "dedup-false-positive",
        "dedup-false-positive",
        &["consumer-lag", "schema-rejections", "dedup-log"],
        &[share("schema-rejections", 0.0, 0.0), share("dedup-drops", 0.8, 1.0)],
    ),
    gap(
        "dedup-false-positive/blind-log",
        "dedup-false-positive",
        &["consumer-lag", "schema-rejections", "dedup-log"],
        &[share("schema-rejections", 0.0, 0.0), share("dedup-drops", 0.8, 1.0)],
    ),
    Scenario { expected: Expected::NoGap, ..gap("no-gap/dedup-engine", "no-gap", &[], &[]) },
    gap(
        "storage-write-fault",
        "storage-write-fault",
        &["schema-rejections", "dedup-log", "storage-write"],
        &[
            share("dedup-drops", 0.0, 0.0),
            share("storage-refusals", 0.8, 1.0),
            detail("storage-refusals", "example", "database is locked"),
        ],
    ),
    gap(
        "storage-write-fault/disk-full",
        "storage-write-fault",
        &["schema-rejections", "dedup-log", "storage-write"],
        &[
            share("storage-refusals", 0.8, 1.0),
            detail("storage-refusals", "example", "database or disk is full"),
        ],
    ),
    gap(
        "timestamps-wrong",
        "timestamps-wrong",
        &["schema-rejections", "dedup-log", "storage-write", "stored-elsewhere"],
        &[
            share("storage-refusals", 0.0, 0.0),
            choice("stored-elsewhere", "other-times"),
            detail("stored-elsewhere", "times are off by", "-1h23m"),
        ],
    ),
    late(
        "stored-out-of-sight",
        "stored-out-of-sight",
        &["schema-rejections", "dedup-log", "storage-write", "stored-elsewhere"],
        &[
            share("storage-refusals", 0.0, 0.0),
            choice("stored-elsewhere", "out-of-sight"),
            detail("stored-elsewhere", "example", "series line-9/press"),
        ],
    ),
    gap(
        "deadband-too-wide",
        "deadband-too-wide",
        &["broker-messages", "edge-buffer", "acquisition", "edge-deadband"],
        &[
            choice("broker-messages", "not-reached"),
            choice("edge-buffer", "neither"),
            choice("acquisition", "passed-on"),
            choice("deadband", "too-wide"),
            detail("deadband", "width", "60"),
        ],
    ),
    gap(
        "process-stable",
        "process-stable",
        &["broker-messages", "edge-buffer", "acquisition", "edge-deadband"],
        &[
            choice("broker-messages", "not-reached"),
            choice("edge-buffer", "neither"),
            choice("acquisition", "passed-on"),
            choice("deadband", "stable"),
        ],
    ),
    gap(
        "sensor-stuck",
        "sensor-stuck",
        &["broker-messages", "edge-buffer", "acquisition", "edge-deadband"],
        &[
            choice("broker-messages", "not-reached"),
            choice("edge-buffer", "neither"),
            choice("acquisition", "passed-on"),
            choice("deadband", "sensor-stuck"),
        ],
    ),
    gap(
        "unexplained-gap",
        "unexplained-gap",
        &["broker-messages", "edge-buffer", "acquisition", "edge-deadband", "altogether"],
        &[
            choice("broker-messages", "not-reached"),
            choice("edge-buffer", "neither"),
            choice("acquisition", "passed-on"),
            choice("deadband", "none"),
        ],
    ),
    gap(
        "unexplained-gap/passed-over",
        "unexplained-gap",
        &[
            "broker-messages",
            "bridge",
            "consumer-lag",
            "schema-rejections",
            "dedup-log",
            "storage-write",
            "stored-elsewhere",
            "deadband",
            "altogether",
        ],
        &[
            choice("broker-messages", "reached"),
            share("bridge-lost", 0.0, 0.0),
            choice("consumer-offset", "none"),
            share("schema-rejections", 0.0, 0.0),
            share("dedup-drops", 0.0, 0.0),
            share("storage-refusals", 0.0, 0.0),
            choice("stored-elsewhere", "nowhere"),
            choice("deadband", "none"),
        ],
    ),
    Scenario {
        contributing: &["bridge", "schema-rejections"],
        ..gap(
            "several-causes",
            "several-causes",
            &[
                "bridge",
                "consumer-offset",
                "consumer-lag",
                "schema-rejections",
                "dedup-log",
                "storage-write",
                "stored-elsewhere",
                "deadband",
                "altogether",
            ],
            &[
                share("bridge-lost", 0.2, 0.49),
                share("schema-rejections", 0.2, 0.49),
                share("dedup-drops", 0.0, 0.0),
                share("storage-refusals", 0.0, 0.0),
                choice("stored-elsewhere", "nowhere"),
                choice("deadband", "none"),
            ],
        )
    },
    Scenario {
        obstacle: Obstacle::LagProbeSlow,
        contributing: &["consumer-lag"],
        ..late(
            "recovered-meanwhile/gap",
            "recovered-meanwhile",
            &["broker-messages", "bridge", "consumer-offset", "consumer-lag"],
            &[
                share("bridge-lost", 0.0, 0.0),
                choice("consumer-offset", "none"),
                one_of("consumer-lag", &["stalled", "over-threshold"]),
            ],
        )
    },
    Scenario {
        expected: Expected::Conclusion("schema-mismatch"),
        contributing: &["bridge"],
        ..gap(
            "combined/bridge-then-schema",
            "combined",
            &["bridge", "consumer-lag", "schema-rejections"],
            &[share("bridge-lost", 0.1, 0.49), share("schema-rejections", 0.5, 0.9)],
        )
    },
    Scenario {
        id: "unknown/lag-probe-hangs",
        obstacle: Obstacle::LagProbeHangs,
        expected: Expected::Hypotheses {
            all: &["consumer-lag", "schema-rejection"],
            first: "schema-rejection",
        },
        ..gap(
            "schema-mismatch",
            "schema-mismatch",
            &["bridge", "consumer-lag"],
            &[share("schema-rejections", 0.8, 1.0)],
        )
    },
];

/// One fault of the pipeline by itself.
const fn gap(
    id: &'static str,
    conclusion: &'static str,
    through: &'static [&'static str],
    evidence: &'static [Evidence],
) -> Scenario {
    Scenario {
        id,
        broken: Broken::Pipeline(id),
        obstacle: Obstacle::None,
        people: People::Attentive,
        expected: Expected::Conclusion(conclusion),
        through,
        evidence,
        contributing: &[],
        rows: Some(Rows::Lost),
    }
}

/// The same, where all rows come late.
const fn late(
    id: &'static str,
    conclusion: &'static str,
    through: &'static [&'static str],
    evidence: &'static [Evidence],
) -> Scenario {
    Scenario { rows: Some(Rows::ComeLate), ..gap(id, conclusion, through, evidence) }
}

const fn choice(check: &'static str, choice: &'static str) -> Evidence {
    Evidence { check, is: Seen::Choice(choice) }
}

const fn one_of(check: &'static str, choices: &'static [&'static str]) -> Evidence {
    Evidence { check, is: Seen::OneOf(choices) }
}

const fn share(check: &'static str, from: f64, to: f64) -> Evidence {
    Evidence { check, is: Seen::Share { from, to } }
}

const fn detail(check: &'static str, name: &'static str, text: &'static str) -> Evidence {
    Evidence { check, is: Seen::Detail { name, text } }
}

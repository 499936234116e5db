//! The scenarios: each fault by itself, in the order in which the runbook can conclude them; then people who do not
//! play along, two faults at a time, and what cannot be known.

use super::{Broken, Evidence, Expected, Obstacle, People, Rows, Scenario, Seen};

pub(super) const ALL: &[Scenario] = &[
    single(&["connectivity-flap"], "connectivity-flap", &["recheck", "flap-history"]),
    single(&["persistent-flapping"], "persistent-flapping", &["flap", "recheck", "flapping-for"]),
    single(
        &["persistent-flapping/duplicate-client-id"],
        "persistent-flapping",
        &["flap", "recheck", "flapping-for"],
    ),
    single(&["persistent-flapping/history"], "persistent-flapping", &["recheck", "flap-history"]),
    single(&["expected-offline"], "expected-offline", &["service-state"]),
    single(&["expected-offline/decommissioned"], "expected-offline", &["service-state"]),
    single(&["never-provisioned"], "never-provisioned", &["service-state"]),
    single(
        &["never-provisioned/no-certificate"],
        "never-provisioned",
        &["broker-connect", "gateway-health", "ot-network", "certificate"],
    ),
    single(&["field-protocol-fault"], "field-protocol-fault", &["broker-connect", "gateway-publishing"]),
    single(
        &["field-protocol-fault/session-up"],
        "field-protocol-fault",
        &["broker-connect", "gateway-publishing"],
    ),
    single(&["gateway-client-fault"], "gateway-client-fault", &["broker-connect", "gateway-publishing"]),
    single(&["connection-refused"], "connection-refused", &["broker-connect", "refused-certificate"]),
    single(
        &["connection-refused/not-authorized"],
        "connection-refused",
        &["broker-connect", "refused-certificate"],
    ),
    single(
        &["connection-refused/unknown-authority"],
        "connection-refused",
        &["broker-connect", "refused-certificate"],
    ),
    single(
        &["gateway-recovered"],
        "gateway-recovered",
        &["gateway-health", "restart-gateway", "verify-reconnect"],
    ),
    single(
        &["gateway-recovered/out-of-memory"],
        "gateway-recovered",
        &["gateway-health", "restart-gateway", "verify-reconnect"],
    ),
    single(
        &["gateway-recovered/network-module"],
        "gateway-recovered",
        &["gateway-health", "site-uplink", "restart-gateway", "verify-reconnect"],
    ),
    single(&["recovered-meanwhile"], "recovered-meanwhile", &["gateway-health", "restart-gateway"]),
    single(&["gateway-fault"], "gateway-fault", &["gateway-health", "restart-gateway", "restarted-by-hand"]),
    single(&["gateway-fault/memory-limit"], "gateway-fault", &["gateway-health", "restart-gateway"]),
    single(
        &["gateway-fault/cable"],
        "gateway-fault",
        &["gateway-health", "site-uplink", "restart-gateway", "verify-reconnect", "gateway-after-restart"],
    ),
    single(&["ot-network-fault"], "ot-network-fault", &["gateway-health", "ot-network"]),
    single(&["ot-network-fault/port"], "ot-network-fault", &["gateway-health", "ot-network"]),
    single(&["ot-network-fault/site-uplink"], "ot-network-fault", &["gateway-health", "site-uplink"]),
    single(
        &["certificate-expired"],
        "certificate-expired",
        &["gateway-health", "ot-network", "certificate", "renew-certificate"],
    ),
    single(
        &["certificate-expired/refused"],
        "certificate-expired",
        &["broker-connect", "refused-certificate", "renew-certificate"],
    ),
    single(&["certificate-revoked"], "certificate-revoked", &["broker-connect", "refused-certificate"]),
    single(
        &["certificate-not-yet-valid"],
        "certificate-not-yet-valid",
        &["gateway-health", "ot-network", "certificate"],
    ),
    single(
        &["certificate-not-yet-valid/refused"],
        "certificate-not-yet-valid",
        &["broker-connect", "refused-certificate"],
    ),
    single(
        &["dispatch-technician"],
        "dispatch-technician",
        &["gateway-health", "ot-network", "certificate", "power"],
    ),
    single(&["power-fault"], "power-fault", &["gateway-health", "ot-network", "certificate", "power"]),
    single(&["power-fault/feed"], "power-fault", &["gateway-health", "ot-network", "certificate", "power"]),
    Scenario {
        id: "people/declined",
        broken: Broken::Factory(&["gateway-recovered"]),
        obstacle: Obstacle::None,
        people: People::Declining,
        expected: Expected::Conclusion("gateway-fault"),
        through: &["restart-gateway", "restarted-by-hand"],
        evidence: &[],
        contributing: &[],
        rows: None,
    },
    Scenario {
        id: "people/by-hand",
        broken: Broken::Factory(&["gateway-recovered"]),
        obstacle: Obstacle::None,
        people: People::HandsOn,
        expected: Expected::Conclusion("gateway-recovered"),
        through: &["restart-gateway", "restarted-by-hand", "verify-reconnect"],
        evidence: &[],
        contributing: &[],
        rows: None,
    },
    Scenario {
        id: "people/absent",
        broken: Broken::Factory(&["gateway-recovered"]),
        obstacle: Obstacle::None,
        people: People::Absent,
        expected: Expected::Conclusion("gateway-fault"),
        through: &["restart-gateway", "restarted-by-hand"],
        evidence: &[],
        contributing: &[],
        rows: None,
    },
    Scenario {
        id: "combined/gateway-and-power",
        broken: Broken::Factory(&["gateway-recovered", "power-fault"]),
        obstacle: Obstacle::None,
        people: People::Attentive,
        expected: Expected::Conclusion("power-fault"),
        through: &[
            "gateway-health",
            "restart-gateway",
            "verify-reconnect",
            "gateway-after-restart",
            "ot-network",
            "certificate",
            "power",
        ],
        evidence: &[],
        contributing: &[],
        rows: None,
    },
    Scenario {
        id: "combined/certificate-and-network",
        broken: Broken::Factory(&["certificate-expired", "ot-network-fault"]),
        obstacle: Obstacle::None,
        people: People::Attentive,
        expected: Expected::Conclusion("ot-network-fault"),
        through: &["gateway-health", "ot-network"],
        evidence: &[],
        contributing: &[],
        rows: None,
    },
    Scenario {
        id: "combined/cable-and-feed",
        broken: Broken::Factory(&["gateway-fault/cable", "power-fault/feed"]),
        obstacle: Obstacle::None,
        people: People::Attentive,
        expected: Expected::Conclusion("gateway-fault"),
        through: &["site-uplink", "restart-gateway", "verify-reconnect", "gateway-after-restart"],
        evidence: &[],
        contributing: &[],
        rows: None,
    },
    Scenario {
        id: "combined/gateway-and-uplink",
        broken: Broken::Factory(&["gateway-recovered", "ot-network-fault/site-uplink"]),
        obstacle: Obstacle::None,
        people: People::Attentive,
        expected: Expected::Conclusion("ot-network-fault"),
        through: &["gateway-health", "site-uplink"],
        evidence: &[],
        contributing: &[],
        rows: None,
    },
    Scenario {
        id: "combined/restart-not-safe",
        broken: Broken::Factory(&["recovered-meanwhile", "ot-network-fault/port"]),
        obstacle: Obstacle::None,
        people: People::Attentive,
        expected: Expected::Conclusion("ot-network-fault"),
        through: &[
            "restart-gateway",
            "restarted-by-hand",
            "verify-reconnect",
            "gateway-after-restart",
            "ot-network",
        ],
        evidence: &[],
        contributing: &[],
        rows: None,
    },
    Scenario {
        id: "unknown/power-probe-missing",
        broken: Broken::Factory(&["dispatch-technician"]),
        obstacle: Obstacle::NoPowerProbe,
        people: People::Attentive,
        expected: Expected::Conclusion("dispatch-technician"),
        through: &["certificate", "power"],
        evidence: &[],
        contributing: &[],
        rows: None,
    },
    Scenario {
        id: "unknown/nobody-knows-power",
        broken: Broken::Factory(&["power-fault"]),
        obstacle: Obstacle::NoPowerProbe,
        people: People::Absent,
        expected: Expected::Hypotheses { all: &["dispatch-technician", "power-fault"], first: "power-loss" },
        through: &["certificate", "power"],
        evidence: &[],
        contributing: &[],
        rows: None,
    },
    Scenario {
        id: "unknown/certificate-probe-missing",
        broken: Broken::Factory(&["certificate-expired/refused"]),
        obstacle: Obstacle::NoCertificateProbe,
        people: People::Attentive,
        expected: Expected::Hypotheses {
            all: &[
                "certificate-expired",
                "certificate-not-yet-valid",
                "certificate-revoked",
                "connection-refused",
                "never-provisioned",
            ],
            first: "certificate-expiry",
        },
        through: &["broker-connect", "refused-certificate"],
        evidence: &[],
        contributing: &[],
        rows: None,
    },
    Scenario {
        id: "unknown/gateway-probe-hangs",
        broken: Broken::Factory(&["power-fault"]),
        obstacle: Obstacle::GatewayProbeHangs,
        people: People::Attentive,
        expected: Expected::Hypotheses {
            all: &["gateway-fault", "gateway-recovered", "power-fault", "recovered-meanwhile"],
            first: "gateway-crash-or-oom",
        },
        through: &["broker-connect", "gateway-health"],
        evidence: &[],
        contributing: &[],
        rows: None,
    },
    Scenario {
        id: "unknown/network-probe-fails",
        broken: Broken::Factory(&["ot-network-fault/port"]),
        obstacle: Obstacle::NetworkProbeFails,
        people: People::Attentive,
        expected: Expected::Hypotheses {
            all: &[
                "certificate-expired",
                "certificate-not-yet-valid",
                "certificate-revoked",
                "dispatch-technician",
                "never-provisioned",
                "ot-network-fault",
            ],
            first: "network-change",
        },
        through: &["gateway-health", "ot-network"],
        evidence: &[],
        contributing: &[],
        rows: None,
    },
    Scenario {
        id: "unknown/registry-fails",
        broken: Broken::Factory(&["power-fault"]),
        obstacle: Obstacle::RegistryFails,
        people: People::Attentive,
        expected: Expected::Conclusion("power-fault"),
        through: &["service-state", "last-seen", "gateway-health", "ot-network", "certificate", "power"],
        evidence: &[],
        contributing: &[],
        rows: None,
    },
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
            choice("catch-up", "none"),
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
            choice("catch-up", "none"),
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
        "buffer-overrun",
        "buffer-overrun",
        &["online-during-gap", "broker-messages", "edge-buffer"],
        &[share("broker-messages", 0.0, 0.2), choice("edge-buffer", "full")],
    ),
    late(
        "gateway-uplink-fault",
        "gateway-uplink-fault",
        &["online-during-gap", "broker-messages", "edge-buffer"],
        &[
            choice("online-during-gap", "online"),
            share("broker-messages", 0.0, 0.2),
            choice("edge-buffer", "unsent"),
            detail("edge-buffer", "dropped", "0"),
        ],
    ),
    gap(
        "bridge-fault",
        "bridge-fault",
        &["online-during-gap", "broker-messages", "bridge"],
        &[share("broker-messages", 0.8, 1.0), share("bridge-lost", 0.8, 1.0)],
    ),
    gap(
        "bridge-fault/killed",
        "bridge-fault",
        &["online-during-gap", "broker-messages", "bridge"],
        &[share("broker-messages", 0.8, 1.0), share("bridge-lost", 0.8, 1.0)],
    ),
    Scenario {
        contributing: &["consumer-lag"],
        ..late(
            "ingestion-overloaded",
            "ingestion-overloaded",
            &["broker-messages", "bridge", "consumer-lag"],
            &[share("bridge-lost", 0.0, 0.0), choice("consumer-lag", "stalled")],
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
            share("broker-messages", 0.8, 1.0),
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
        &[share("schema-rejections", 0.0, 0.0), share("dedup-collisions", 0.8, 1.0)],
    ),
    Scenario { expected: Expected::NoGap, ..gap("no-gap/dedup-engine", "no-gap", &[], &[]) },
    gap(
        "storage-write-fault",
        "storage-write-fault",
        &["schema-rejections", "dedup-log", "storage-write"],
        &[
            share("dedup-collisions", 0.0, 0.0),
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
        "deadband-too-wide",
        "deadband-too-wide",
        &["broker-messages", "edge-buffer", "edge-deadband"],
        &[
            share("broker-messages", 0.0, 0.45),
            choice("edge-buffer", "empty"),
            choice("deadband", "too-wide"),
            detail("deadband", "width", "60"),
        ],
    ),
    gap(
        "process-stable",
        "process-stable",
        &["broker-messages", "edge-buffer", "edge-deadband"],
        &[share("broker-messages", 0.0, 0.2), choice("edge-buffer", "empty"), choice("deadband", "stable")],
    ),
    gap(
        "unexplained-gap",
        "unexplained-gap",
        &["broker-messages", "edge-buffer", "edge-deadband"],
        &[share("broker-messages", 0.0, 0.2), choice("edge-buffer", "empty"), choice("deadband", "none")],
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
            "deadband",
        ],
        &[
            share("broker-messages", 0.8, 1.0),
            share("bridge-lost", 0.0, 0.0),
            share("schema-rejections", 0.0, 0.0),
            share("dedup-collisions", 0.0, 0.0),
            share("storage-refusals", 0.0, 0.0),
            choice("deadband", "none"),
        ],
    ),
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
            all: &["ingestion-overloaded", "schema-mismatch"],
            first: "consumer-lag",
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

const fn share(check: &'static str, from: f64, to: f64) -> Evidence {
    Evidence { check, is: Seen::Share { from, to } }
}

const fn detail(check: &'static str, name: &'static str, text: &'static str) -> Evidence {
    Evidence { check, is: Seen::Detail { name, text } }
}

/// One fault by itself, with everybody at their place.
const fn single(
    fault: &'static [&'static str; 1],
    conclusion: &'static str,
    through: &'static [&'static str],
) -> Scenario {
    Scenario {
        id: fault[0],
        broken: Broken::Factory(fault),
        obstacle: Obstacle::None,
        people: People::Attentive,
        expected: Expected::Conclusion(conclusion),
        through,
        evidence: &[],
        contributing: &[],
        rows: None,
    }
}

//! The faults, in the order in which the runbook can conclude them.

use super::{Damage, Fault, Found, Help, Renewal};
use crate::platform::ServiceState;

pub(super) const ALL: &[Fault] = &[
    Fault {
        id: "connectivity-flap",
        device: "robot-1",
        story: "robot-1's network port drops out for a moment",
        damage: Damage::ShortInterruption,
    },
    Fault {
        id: "persistent-flapping",
        device: "mixer-1",
        story: "mixer-1's network port comes and goes, and does not stop",
        damage: Damage::FlappingPort,
    },
    Fault {
        id: "persistent-flapping/duplicate-client-id",
        device: "mixer-1",
        story: "a second device with mixer-1's identity is plugged in",
        damage: Damage::Twin,
    },
    Fault {
        id: "persistent-flapping/history",
        device: "mixer-1",
        story: "mixer-1's session has dropped twelve times today, each time shortly",
        damage: Damage::ManyInterruptions,
    },
    Fault {
        id: "expected-offline",
        device: "robot-1",
        story: "robot-1 is in maintenance, and switched off",
        damage: Damage::TakenOut(ServiceState::InMaintenance),
    },
    Fault {
        id: "expected-offline/decommissioned",
        device: "robot-1",
        story: "robot-1 is decommissioned, and switched off",
        damage: Damage::TakenOut(ServiceState::Decommissioned),
    },
    Fault {
        id: "never-provisioned",
        device: "spare-1",
        story: "spare-1 is in the registry, and was never given an identity",
        damage: Damage::Nothing,
    },
    Fault {
        id: "certificate-missing",
        device: "press-1",
        story: "press-1 was reset, and holds no certificate any more",
        damage: Damage::NoIdentity,
    },
    Fault {
        id: "field-protocol-fault",
        device: "oven-1",
        story: "oven-1's PLC program hangs: its network module answers, its protocol does not",
        damage: Damage::Hung,
    },
    Fault {
        id: "device-client-fault/session-up",
        device: "press-1",
        story: "press-1's application hangs while its MQTT session stays up",
        damage: Damage::Hung,
    },
    Fault {
        id: "gateway-client-fault",
        device: "oven-1",
        story: "gw-north-1's MQTT client hangs: its session stays up, and it publishes nothing",
        damage: Damage::StalledGateway,
    },
    Fault {
        id: "connection-refused",
        device: "press-1",
        story: "press-1 has a wrong password for the broker",
        damage: Damage::WrongPassword,
    },
    Fault {
        id: "connection-refused/not-authorized",
        device: "press-1",
        story: "press-1 is taken off the broker's access list",
        damage: Damage::Forbidden,
    },
    Fault {
        id: "trust-chain-fault",
        device: "press-1",
        story: "press-1 is given a certificate of an authority that nobody here knows",
        damage: Damage::Stranger,
    },
    Fault {
        id: "gateway-recovered",
        device: "press-1",
        story: "gw-north-1's process is killed",
        damage: Damage::KilledGateway,
    },
    Fault {
        id: "gateway-recovered/out-of-memory",
        device: "press-1",
        story: "gw-north-1 leaks memory until it is killed for it",
        damage: Damage::LeakingGateway,
    },
    Fault {
        id: "gateway-recovered/network-module",
        device: "press-1",
        story: "gw-north-1's network module hangs until its power is switched off and on",
        damage: Damage::WedgedModule,
    },
    Fault {
        id: "recovered-meanwhile",
        device: "press-1",
        story: "gw-north-1's process is killed, and someone on the site starts it again",
        damage: Damage::KilledGateway,
    },
    Fault {
        id: "gateway-fault",
        device: "press-1",
        story: "gw-north-1 dies, and can't start again: its outbox is broken",
        damage: Damage::BrokenOutbox,
    },
    Fault {
        id: "gateway-fault/memory-limit",
        device: "press-1",
        story: "gw-north-1 is given too little memory, and is killed after each start",
        damage: Damage::MemoryLimit,
    },
    Fault {
        id: "gateway-fault/cable",
        device: "press-1",
        story: "gw-north-1's network cable is cut",
        damage: Damage::Cable,
    },
    Fault {
        id: "ot-network-fault",
        device: "press-1",
        story: "a firewall rule cuts the OT network of site north",
        damage: Damage::OtNetwork,
    },
    Fault {
        id: "ot-network-fault/port",
        device: "press-1",
        story: "press-1's port is moved to another VLAN",
        damage: Damage::Port,
    },
    Fault {
        id: "site-uplink-fault",
        device: "press-1",
        story: "the uplink of site north is cut",
        damage: Damage::Uplink,
    },
    Fault {
        id: "certificate-expired",
        device: "press-1",
        story: "press-1's certificate has expired; it knows, and does not dial. The firewall closes the way to the \
                provisioning service, and nobody prepared an emergency certificate",
        damage: Damage::OutOfTime { expired: true, dials: false },
    },
    Fault {
        id: "certificate-expired/refused",
        device: "press-1",
        story: "press-1's certificate has expired; it dials, and is refused. The firewall closes the way to the \
                provisioning service, and nobody prepared an emergency certificate",
        damage: Damage::OutOfTime { expired: true, dials: true },
    },
    Fault {
        id: "certificate-renewed",
        device: "press-1",
        story: "press-1's certificate has expired; it asks the provisioning service for a new one",
        damage: Damage::Lapsed(Help::Asks),
    },
    Fault {
        id: "certificate-renewed/restarted",
        device: "press-1",
        story: "press-1's certificate has expired, and its provisioning client hangs",
        damage: Damage::Lapsed(Help::Restart),
    },
    Fault {
        id: "certificate-renewed/emergency",
        device: "press-1",
        story: "press-1's certificate has expired, and the firewall closes the way to the provisioning service; an \
                emergency certificate is in the safe",
        damage: Damage::Lapsed(Help::Emergency),
    },
    Fault {
        id: "renewed-and-silent",
        device: "press-1",
        story: "press-1's certificate has expired, and the firewall closes the way to the provisioning service; the \
                emergency certificate in the safe is of an authority that the broker no longer trusts",
        damage: Damage::Lapsed(Help::Untrusted),
    },
    Fault {
        id: "certificate-renewed/by-hand",
        device: "press-1",
        story: "press-1's certificate has expired, and its provisioning client hangs; someone on the site loads a new \
                certificate",
        damage: Damage::Lapsed(Help::ByHand),
    },
    Fault {
        id: "certificate-revoked",
        device: "press-1",
        story: "press-1's certificate is revoked",
        damage: Damage::Revoked,
    },
    Fault {
        id: "certificate-not-yet-valid",
        device: "press-1",
        story: "press-1's certificate is valid from tomorrow; it knows, and does not dial",
        damage: Damage::OutOfTime { expired: false, dials: false },
    },
    Fault {
        id: "certificate-not-yet-valid/refused",
        device: "press-1",
        story: "press-1's certificate is valid from tomorrow; it dials, and is refused",
        damage: Damage::OutOfTime { expired: false, dials: true },
    },
    Fault {
        id: "client-or-clock",
        device: "press-1",
        story: "press-1's application crashes for good, under power",
        damage: Damage::Crashed,
    },
    Fault { id: "power-fault", device: "press-1", story: "press-1's breaker trips", damage: Damage::Breaker },
    Fault {
        id: "power-fault/feed",
        device: "press-1",
        story: "site north loses its mains, and its UPS is empty",
        damage: Damage::Feed,
    },
    Fault {
        id: "dispatch-technician",
        device: "press-1",
        story: "press-1's network module dies, under power",
        damage: Damage::DeadModule,
    },
    Fault {
        id: "gateway-recovered/hung",
        device: "press-1",
        story: "gw-north-1's process hangs: it exists, and answers nothing",
        damage: Damage::FrozenGateway,
    },
    Fault {
        id: "broker-path-fault",
        device: "press-1",
        story: "a firewall rule closes the broker's port for site north; gateways and devices are well",
        damage: Damage::BrokerRule,
    },
    Fault {
        id: "broker-fault",
        device: "press-1",
        story: "the broker's host is gone; every device falls silent",
        damage: Damage::BrokerHost,
    },
    Fault {
        id: "ingestion-fault",
        device: "press-1",
        story: "the ingestion takes messages and stores nothing; every device falls silent",
        damage: Damage::Storage,
    },
    Fault {
        id: "certificate-expired/gateway",
        device: "oven-1",
        story: "gw-north-1's own certificate has expired; oven-1 travels in its session",
        damage: Damage::GatewayCertificate,
    },
    Fault {
        id: "nothing-due",
        device: "press-1",
        story: "press-1's certificate ends in 80 days",
        damage: Damage::Certificate(Found::EndsIn(80)),
    },
    Fault {
        id: "follow-up-required",
        device: "press-1",
        story: "press-1's certificate ends in 10 days, and nobody has renewed it",
        damage: Damage::Certificate(Found::EndsIn(10)),
    },
    Fault {
        id: "not-yet-valid",
        device: "press-1",
        story: "the daily monitoring finds that press-1's certificate is valid from tomorrow",
        damage: Damage::Certificate(Found::NotYetValid),
    },
    Fault {
        id: "revoked",
        device: "press-1",
        story: "the daily monitoring finds press-1's certificate on the revocation list",
        damage: Damage::Certificate(Found::Revoked),
    },
    Fault {
        id: "renewal-in-progress",
        device: "press-1",
        story: "press-1's certificate is due; the firewall closes the way to the test endpoint, and the test of the new one \
                fails",
        damage: Damage::Renewal(Renewal::TestFails),
    },
    Fault {
        id: "renewal-stalled",
        device: "press-1",
        story: "press-1's certificate has been due for two weeks, and the renewal job never began",
        damage: Damage::Renewal(Renewal::NeverBegins),
    },
    Fault {
        id: "renewed",
        device: "press-1",
        story: "press-1's certificate is due, and is renewed while the daily monitoring looks into it",
        damage: Damage::Renewal(Renewal::BeginsLate),
    },
    Fault {
        id: "follow-up-required/rolled-back",
        device: "press-1",
        story: "press-1's certificate is renewed, and somebody restores a backup with the old one",
        damage: Damage::Renewal(Renewal::RolledBack),
    },
    Fault {
        id: "clock-suspect",
        device: "press-1",
        story: "the clock of the service that renews and monitors certificates jumps 31 days ahead",
        damage: Damage::Renewal(Renewal::ClockAhead),
    },
    Fault {
        id: "clock-suspect/set-back",
        device: "press-1",
        story: "the clock of the service that renews and monitors certificates was 20 days ahead, and is set right",
        damage: Damage::Renewal(Renewal::ClockSetBack),
    },
];

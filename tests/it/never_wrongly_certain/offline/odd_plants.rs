//! What plants do that no table of faults has: parts that look alike from outside, and facts that are true and mislead.
//! What an expert accepts was written before any of it was run; `OPEN` is an end without a conclusion.

use chrono::TimeDelta;
use iot_runbook::probe::*;

use super::world::{Fault, NOW, Plant, World, minutes};
use super::{causes, refused_gateway};

const OPEN: &str = "open";

/// A name, what an expert accepts, and what is broken.
type Row = (&'static str, &'static [&'static str], Fault);

fn check(rows: &[Row]) {
    let mut wrong = Vec::new();
    for (name, accepted, fault) in rows {
        let (diagnosis, finding) = Plant::new(*fault).diagnose();
        let came = finding.conclusion().unwrap_or(OPEN);
        if !accepted.contains(&came) {
            let steps: Vec<_> = diagnosis.trace().map(|record| record.step).collect();
            wrong.push(format!("{name}: {came}, {:?} after {steps:?}", causes(&finding)));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

/// The firewall of the plant closes the broker's port.
fn firewall(world: &mut World) {
    world.session_down();
    world.broker_path = BrokerPath::new(NOW, true).with_name(true).with_port(PortReply::Silent);
}

/// The device answers nothing though its neighbours do, and its breaker is measured open.
fn breaker_open(world: &mut World) {
    world.path_silent(Some(true));
    world.power = PowerFacts::new(NOW).with_breaker_closed(false);
}

/// A message each minute after the alert, labelled live, that was made so long before.
fn labelled_live(world: &mut World, made_before: impl Fn(i64) -> TimeDelta) {
    world.extra = (1..200)
        .map(|minute| {
            let at = NOW + minutes(minute);
            Receipt::new(at, MessageKind::Live).with_made_at(at - made_before(minute))
        })
        .collect();
}

#[test]
fn what_looks_like_a_dead_gateway_is_none() {
    check(&[
        ("out of memory last night and restarted since, and a firewall", &["broker-path-fault"], |world| {
            firewall(world);
            world.health = Some(|now| {
                GatewayHealth::new(now)
                    .with_process(ProcessState::Running)
                    .with_endpoint(Endpoint::Answers)
                    .with_last_oom_kill(NOW - minutes(600))
                    .with_started_at(NOW - minutes(599))
            });
        }),
        ("its processor is busy with compaction, and a firewall", &["broker-path-fault"], |world| {
            firewall(world);
            world.health = Some(|now| {
                GatewayHealth::new(now)
                    .with_process(ProcessState::Running)
                    .with_endpoint(Endpoint::Answers)
                    .with_cpu(0.97)
            });
        }),
        ("its host answers by SSH, nobody knows its process", &[OPEN, "gateway-fault"], |world| {
            world.session_down();
            world.approves = false;
            world.health = Some(|now| {
                GatewayHealth::new(now)
                    .with_last_heartbeat(NOW - minutes(120))
                    .with_heartbeat_path(HeartbeatPath::Supervisor)
                    .with_paths(vec![PathTried::new("SSH".into(), true)])
            });
        }),
        (
            "the provider works on the line, the meter has a radio of its own",
            &["site-uplink-fault"],
            |world| {
                world.gateway_unreachable();
                world.site_answers = false;
                world.site_feed = Some(true);
            },
        ),
        (
            "connected for a minute 25 minutes ago, and a firewall since",
            &["broker-path-fault", "changed-meanwhile", OPEN],
            |world| {
                firewall(world);
                world.events.push(ConnectionEvent::accepted(NOW - minutes(25)));
                let end = DisconnectReason::KeepAliveTimeout;
                world.events.push(ConnectionEvent::disconnected(NOW - minutes(24), end));
                world.counts =
                    Some(|now, period| ClientPublishing::new(now, period).with_all(MessageCounts::new(0)));
                world.fails.insert("device-path");
                world.power = PowerFacts::new(NOW);
            },
        ),
    ]);
}

#[test]
fn refusals_are_laid_to_whoever_refuses() {
    check(&[
        ("TLS inspection since today, its clock is right", &["trust-chain-fault"], |world| {
            refused_gateway(world, RefusalReason::ServerCertificateRejected);
            let at = NOW - minutes(4);
            world.readings = vec![ClockReading::new(at, at, ClockSource::TimeRequest)];
        }),
        (
            "the tenant's quota is used up, another tenant's test client connects",
            &["broker-fault", "connection-refused", OPEN],
            |world| refused_gateway(world, RefusalReason::QuotaExceeded),
        ),
        (
            "the gateway's certificate has ended, its session lasts, the PLC is off",
            &["power-fault"],
            |world| {
                world.certificate(-1, Revocation::NotRevoked);
                breaker_open(world);
            },
        ),
    ]);
}

#[test]
fn what_was_kept_somewhere_is_no_return() {
    check(&[
        ("a buffer labels yesterday as live, faster than it was made", &["power-fault"], |world| {
            labelled_live(world, |minute| minutes(24 * 60 - 2 * minute));
            breaker_open(world);
        }),
        ("a buffer labels yesterday as live, at its own pace", &["power-fault", OPEN], |world| {
            labelled_live(world, |_| minutes(24 * 60));
            breaker_open(world);
        }),
        ("a will, a death and a retained message", &["power-fault"], |world| {
            let kinds = [MessageKind::Will, MessageKind::Death, MessageKind::Retained];
            world.extra = kinds.map(|kind| Receipt::new(NOW + minutes(1), kind)).into();
            breaker_open(world);
        }),
        ("back, and its clock is two hours behind", &["recovered-meanwhile", "connectivity-flap"], |world| {
            labelled_live(world, |_| minutes(120));
            world.path_silent(Some(true));
            world.power = PowerFacts::new(NOW);
            world.people = false;
        }),
    ]);
}

#[test]
fn sleep_and_silence_look_the_same() {
    check(&[
        ("sleeps, and nobody knows for how long", &[OPEN], |world| {
            world.own_session();
            (world.interval, world.last_receipt) = (TimeDelta::zero(), Some(NOW - minutes(40)));
            let end = DisconnectReason::ClientInitiated;
            world.events = vec![ConnectionEvent::disconnected(NOW - minutes(40), end)];
            world.names_gateway = false;
            world.broker_path.same_way = false;
            world.path_silent(None);
            world.power = PowerFacts::new(NOW).with_on_battery(true);
        }),
        ("sleeps for an hour each time, and is silent for four", &[OPEN], |world| {
            world.own_session();
            (world.interval, world.last_receipt) = (minutes(60), Some(NOW - minutes(240)));
            let end = DisconnectReason::ClientInitiated;
            world.events = vec![ConnectionEvent::disconnected(NOW - minutes(240), end)];
            world.names_gateway = false;
            world.broker_path.same_way = false;
            world.path_silent(None);
            world.power = PowerFacts::new(NOW);
        }),
        (
            "runs on its battery behind a dead feed, and answers nothing",
            &[OPEN, "not-reachable", "power-uncertain"],
            |world| {
                world.path_silent(Some(true));
                world.power = PowerFacts::new(NOW).with_feed_live(false).with_on_battery(true);
            },
        ),
        ("exchanged for another type under its address", &["field-protocol-fault", OPEN], |world| {
            let polls = world.polls.clone().with_made(60).with_answered(0).with_passed_on(0);
            world.polls = polls.with_error("illegal data address");
        }),
    ]);
}

#[test]
fn a_session_that_counts_as_up_shows_nothing() {
    check(&[
        (
            "no keep-alive, cut off for two hours",
            &["ot-network-fault", "not-reachable", "changed-meanwhile", OPEN],
            |world| {
                world.own_session();
                world.session = SessionState::Up;
                world.events.clear();
                (world.keep_alive, world.last_packet) = (Some(TimeDelta::zero()), Some(NOW - minutes(120)));
                world.path_silent(None);
                world.power = PowerFacts::new(NOW);
            },
        ),
        ("keep-alive of 18 hours, cut off for two", &["not-reachable", "changed-meanwhile", OPEN], |world| {
            world.own_session();
            world.session = SessionState::Up;
            world.events.clear();
            (world.keep_alive, world.last_packet) = (Some(minutes(18 * 60)), Some(NOW - minutes(120)));
            world.path_silent(Some(true));
            world.power = PowerFacts::new(NOW);
        }),
        (
            "the broker tells neither keep-alive nor last packet",
            &["not-reachable", "changed-meanwhile", OPEN],
            |world| {
                world.own_session();
                world.session = SessionState::Up;
                world.events.clear();
                (world.keep_alive, world.last_packet) = (None, None);
                world.path_silent(Some(true));
                world.power = PowerFacts::new(NOW);
            },
        ),
        (
            "gateway without power, its session lasts",
            &["gateway-fault", "site-power-fault", "changed-meanwhile", OPEN],
            |world| {
                world.gateway_unreachable();
                world.session = SessionState::Up;
                world.events.clear();
                (world.keep_alive, world.last_packet) = (Some(TimeDelta::zero()), Some(NOW - minutes(120)));
            },
        ),
        (
            "gateway's process stopped, its session lasts",
            &["gateway-fault", "gateway-recovered", "changed-meanwhile", OPEN],
            |world| {
                world.gateway_dead();
                world.session = SessionState::Up;
                world.events.clear();
                (world.keep_alive, world.last_packet) = (None, None);
            },
        ),
        (
            "connected for a minute 25 minutes ago, a firewall since, the outbox fills",
            &["broker-path-fault", "changed-meanwhile", OPEN],
            |world| {
                firewall(world);
                world.events.push(ConnectionEvent::accepted(NOW - minutes(25)));
                world.events.push(ConnectionEvent::disconnected(
                    NOW - minutes(24),
                    DisconnectReason::KeepAliveTimeout,
                ));
                world.counts =
                    Some(|now, period| ClientPublishing::new(now, period).with_all(MessageCounts::new(0)));
                world.polls =
                    world.polls.clone().with_made(60).with_answered(60).with_withheld(0).with_passed_on(60);
            },
        ),
    ]);
}

fn thrown_out(world: &mut World, reason: DisconnectReason) {
    world.events = (0..60)
        .flat_map(|nth| {
            let session = format!("s{nth}");
            [
                ConnectionEvent::accepted(NOW - minutes(2 * nth + 3)).with_session(session.clone()),
                ConnectionEvent::disconnected(NOW - minutes(2 * nth + 2), reason).with_session(session),
            ]
        })
        .collect();
}

/// It has nothing due for most of an hour, whatever is waited for.
#[test]
fn who_reports_each_hour_may_be_back_too() {
    check(&[
        ("back with its next report", &["recovered-meanwhile"], |world| {
            world.interval = minutes(60);
            world.published = [50, 400, 10];
            world.extra =
                (0..24).map(|hour| Receipt::new(NOW + minutes(30 + 60 * hour), MessageKind::Live)).collect();
        }),
        ("back for two reports, and silent since", &["back-and-gone", "ingestion-fault", OPEN], |world| {
            world.interval = minutes(60);
            world.published = [50, 400, 10];
            world.extra =
                [5, 20].map(|minute| Receipt::new(NOW + minutes(minute), MessageKind::Live)).to_vec();
        }),
    ]);
}

#[test]
fn who_is_thrown_out_is_refused() {
    check(&[
        ("its policy forbids its topic", &["connection-refused", "persistent-flapping", OPEN], |world| {
            world.own_session();
            thrown_out(world, DisconnectReason::Forbidden);
        }),
        (
            "its birth is too large since the firmware",
            &["connection-refused", "persistent-flapping", OPEN],
            |world| {
                world.own_session();
                thrown_out(world, DisconnectReason::PacketTooLarge);
            },
        ),
        (
            "the gateway's policy forbids its topic",
            &["connection-refused", "persistent-flapping", OPEN],
            |world| {
                world.session_down();
                thrown_out(world, DisconnectReason::Forbidden);
                world.counts =
                    Some(|now, period| ClientPublishing::new(now, period).with_all(MessageCounts::new(0)));
                world.polls =
                    world.polls.clone().with_made(60).with_answered(60).with_withheld(0).with_passed_on(60);
            },
        ),
        (
            "the gateway's policy forbids its topic, it sends heartbeats when well",
            &["connection-refused", "persistent-flapping", OPEN],
            |world| {
                world.session_down();
                thrown_out(world, DisconnectReason::Forbidden);
            },
        ),
    ]);
}

#[test]
fn a_gateway_that_is_well_is_not_restarted() {
    check(&[
        (
            "only a late heartbeat, nobody knows its way, and a firewall",
            &["broker-path-fault", OPEN],
            |world| {
                firewall(world);
                world.health = Some(|now| GatewayHealth::new(now).with_last_heartbeat(NOW - minutes(120)));
            },
        ),
        ("its supervisor watches the old unit, and a firewall", &["broker-path-fault", OPEN], |world| {
            firewall(world);
            world.approves = false;
            world.health = Some(|now| {
                GatewayHealth::new(now)
                    .with_process(ProcessState::NotRunning)
                    .with_endpoint(Endpoint::Answers)
            });
        }),
        ("half the plant without feed, the router on its UPS", &["power-fault", OPEN], |world| {
            world.gateway_unreachable();
            world.approves = false;
            world.path_silent(None);
            world.power = PowerFacts::new(NOW).with_feed_live(false);
        }),
    ]);
}

fn counted(
    now: chrono::DateTime<chrono::Utc>,
    period: iot_runbook::time::Period,
    acl: u64,
    quota: u64,
) -> ClientPublishing {
    let device =
        MessageCounts::new(290).with_refused_by_acl(acl).with_dropped_by_quota(quota).with_last_accepted(now);
    ClientPublishing::new(now, period)
        .with_device(device)
        .with_others(MessageCounts::new(400))
        .with_itself(MessageCounts::new(10))
}

#[test]
fn what_is_counted_must_be_live_and_must_explain() {
    check(&[
        (
            "copies with bad quality, breaker open",
            &["power-fault", "field-protocol-fault", "not-reachable", OPEN],
            |world| {
                breaker_open(world);
                world.counts = Some(|now, period| counted(now, period, 0, 0));
                world.others = vec![
                    Receipt::new(NOW + minutes(60), MessageKind::BadQuality),
                    Receipt::new(NOW, MessageKind::BadQuality),
                ];
            },
        ),
        ("a replay of yesterday, breaker open", &["power-fault", OPEN], |world| {
            breaker_open(world);
            world.counts = Some(|now, period| counted(now, period, 0, 0));
            world.others = vec![Receipt::new(NOW, MessageKind::Replayed)];
        }),
        (
            "status messages of the client's library, application crashed",
            &["device-client-fault", OPEN],
            |world| {
                world.own_session();
                world.session = SessionState::Up;
                world.events.clear();
                world.counts = Some(|now, period| {
                    ClientPublishing::new(now, period).with_all(MessageCounts::new(5).with_last_accepted(now))
                });
                world.others = vec![Receipt::new(NOW + minutes(30), MessageKind::GatewayHeartbeat)];
            },
        ),
        ("one of 291 refused on a side topic", &["ingestion-fault"], |world| {
            world.counts = Some(|now, period| counted(now, period, 1, 0));
        }),
        ("one of 291 dropped", &["ingestion-fault"], |world| {
            world.counts = Some(|now, period| counted(now, period, 0, 1));
        }),
        ("copies with bad quality passed on, no poll answered", &["field-protocol-fault", OPEN], |world| {
            world.polls = world.polls.clone().with_made(60).with_answered(0).with_passed_on(60);
        }),
    ]);
}

#[test]
fn who_answers_need_not_be_well() {
    check(&[
        ("PLC in STOP, its image frozen", &["no-new-values", OPEN], |world| {
            world.polls =
                world.polls.clone().with_made(60).with_answered(60).with_withheld(60).with_passed_on(0);
        }),
        ("OPC UA server well, the driver behind it dead", &["no-new-values", OPEN], |world| {
            world.polls =
                world.polls.clone().with_subscription(Subscription::Alive).with_answered(0).with_passed_on(0);
        }),
        ("a router answers the ping of a PLC whose breaker is open", &["power-fault"], |world| {
            world.path = DevicePath::new(NOW).with_port(PortReply::Silent).with_otherwise(true);
            world.power = PowerFacts::new(NOW).with_breaker_closed(false);
        }),
        ("nobody counts polls", &[OPEN], |world| {
            world.polls = world.polls.clone().with_subscription(Subscription::Alive);
        }),
    ]);
}

#[test]
fn certificates_that_are_not_the_cause() {
    check(&[
        ("ended two days ago, dark for three weeks, breaker open", &["power-fault", OPEN], |world| {
            world.own_session();
            world.last_receipt = Some(NOW - TimeDelta::days(21));
            world.certificate(-2, Revocation::NotRevoked);
            breaker_open(world);
        }),
        (
            "refused as revoked: the broker has no list",
            &["trust-chain-fault", "broker-fault", OPEN],
            |world| {
                refused_gateway(world, RefusalReason::CertificateRevoked);
            },
        ),
        ("refused as expired: the broker's clock", &["trust-chain-fault", "broker-fault", OPEN], |world| {
            refused_gateway(world, RefusalReason::CertificateExpired);
        }),
        (
            "begins 20 seconds from now by the issuer's clock",
            &["gateway-client-fault", "gateway-uplink-fault", OPEN],
            |world| {
                world.session_down();
                let from = NOW + TimeDelta::seconds(20);
                let fresh = Certificate::new(
                    "ab:cd".into(),
                    from,
                    from + TimeDelta::days(90),
                    Revocation::NotRevoked,
                );
                world.certificate.certificate = Some(fresh);
                world.broker_path.same_way = false;
            },
        ),
        ("never connected by the inventory, seen two hours ago", &["certificate-missing", OPEN], |world| {
            world.own_session();
            (world.certificate.certificate, world.certificate.has_connected) = (None, Some(false));
        }),
    ]);
}

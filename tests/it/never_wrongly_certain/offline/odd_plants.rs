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

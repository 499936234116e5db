//! Of `device-offline` and its certificates: one thing or two are broken in a plant that is well, and the diagnosis must
//! find them or say that it cannot know. Each expected answer was written before it was run.

mod odd_plants;
mod world;

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use chrono::TimeDelta;
use iot_runbook::diagnosis::{Diagnosis, Ending, Finding};
use iot_runbook::driver::LocalActs;
use iot_runbook::probe::*;

use world::{Fault, Idle, NOW, Plant, World, minutes};

/// What an expert says.
#[derive(Debug)]
enum Answer {
    Concludes(&'static str),
    /// Nobody can know: of the hypotheses these come first, in this order.
    Leads(&'static [&'static str]),
    /// Nobody can know, and this is no hypothesis of any weight: it does not lead.
    NeverLeads(&'static str),
    /// Whatever the end is, it is not this.
    NeverConcludes(&'static str),
}

use Answer::{Concludes, Leads, NeverConcludes, NeverLeads};

type Row = (&'static str, Answer, Fault);

fn causes(finding: &Finding) -> Vec<&str> {
    finding.hypotheses().iter().map(|left| &*left.cause).collect()
}

/// How the finding differs from what the expert says.
fn differs(finding: &Finding, expected: &Answer) -> Option<String> {
    let leading = causes(finding);
    let is_right = match expected {
        Concludes(conclusion) => finding.conclusion() == Some(*conclusion),
        Leads(causes) => finding.ending() == Ending::Undetermined && leading.starts_with(causes),
        NeverLeads(cause) => finding.ending() == Ending::Undetermined && leading.first() != Some(cause),
        NeverConcludes(conclusion) => finding.conclusion() != Some(*conclusion),
    };
    (!is_right).then(|| format!("{:?}, {leading:?}: expected {expected:?}", finding.conclusion()))
}

fn check(rows: &[Row]) {
    let wrong: Vec<_> = rows
        .iter()
        .filter_map(|(name, expected, fault)| {
            let (diagnosis, finding) = Plant::new(*fault).diagnose();
            let differs = differs(&finding, expected)?;
            let steps: Vec<_> = diagnosis.trace().map(|record| record.step).collect();
            Some(format!("{name}: {differs} after {steps:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

/// The gateway's own session is down, and this is what the broker logged last.
fn refused_gateway(world: &mut World, reason: RefusalReason) {
    world.session_down();
    world.events.push(ConnectionEvent::refused(NOW - minutes(5), reason));
}

#[test]
fn issue_rows_are_answered_by_the_expert() {
    check(&[
        ("gateway's own certificate expired", Concludes("certificate-expired"), |world| {
            refused_gateway(world, RefusalReason::CertificateExpired);
            world.certificate(-1, Revocation::NotRevoked);
        }),
        ("gateway's own certificate revoked", Concludes("certificate-revoked"), |world| {
            refused_gateway(world, RefusalReason::CertificateRevoked);
            world.certificate(100, Revocation::Revoked(None));
        }),
        ("gateway taken off the ACL", Concludes("connection-refused"), |world| {
            refused_gateway(world, RefusalReason::Forbidden);
        }),
        (
            "PLC without a certificate, gateway without a session",
            Concludes("gateway-uplink-fault"),
            |world| {
                world.session_down();
                world.broker_path.same_way = false;
            },
        ),
        ("device that uses no certificate", Concludes("client-or-clock"), |world| {
            world.own_session();
            world.certificate.certificate = None;
            world.certificate.authentication = Authentication::WithoutCertificate;
        }),
        ("broker stopped", Concludes("broker-fault"), |world| {
            world.session_down();
            world.broker_takes = false;
        }),
        ("feed dead and breaker open, device alone", Concludes("power-fault"), |world| {
            world.own_session();
            world.path_silent(Some(true));
            world.power = PowerFacts::new(NOW).with_feed_live(false).with_breaker_closed(false);
        }),
        ("cabinet without feed", Concludes("power-fault"), |world| {
            world.path_silent(Some(false));
            world.power = PowerFacts::new(NOW).with_feed_live(false);
        }),
        ("breaker open behind a gateway that publishes forty others", Concludes("power-fault"), |world| {
            world.path_silent(Some(true));
            world.power = PowerFacts::new(NOW).with_breaker_closed(false);
        }),
        ("gateway stopped with SIGSTOP", Concludes("gateway-recovered"), |world| {
            world.gateway_hangs();
            world.restart = World::gateway_back;
        }),
        ("device comes back while a person is asked", Concludes("recovered-meanwhile"), |world| {
            world.path_silent(Some(true));
            world.power = PowerFacts::new(NOW);
            world.changes.push((minutes(10), World::device_back));
        }),
        ("device comes back while an approval lapses", Concludes("recovered-meanwhile"), |world| {
            world.gateway_dead();
            world.people = false;
            world.changes.push((minutes(12), World::device_back));
        }),
        ("broker's clock one minute ahead", NeverLeads("device-fault"), |world| {
            world.own_session();
            world.session = SessionState::NotKnown;
            world.events.push(ConnectionEvent::accepted(NOW + minutes(1)));
        }),
        ("clock a month back, certificate ended", Concludes("certificate-expired"), |world| {
            world.own_session();
            world.certificate(20, Revocation::NotRevoked);
            world.certificate.high_water = Some(NOW + TimeDelta::days(30));
        }),
        ("power measured dead, certificate store down", Concludes("power-fault"), |world| {
            world.own_session();
            world.path_silent(Some(true));
            world.power = PowerFacts::new(NOW).with_feed_live(false);
            world.fails.insert("certificate");
        }),
        ("firewall closes the broker's port", Concludes("broker-path-fault"), |world| {
            world.session_down();
            world.broker_path = BrokerPath::new(NOW, true).with_name(true).with_port(PortReply::Silent);
        }),
    ]);
}

/// What plants do beside the table.
#[test]
fn plant_rows_are_answered_by_the_expert() {
    check(&[
        ("moved behind another gateway", Concludes("behind-other-gateway"), |world| {
            world.path_silent(Some(true));
            world.path.link = Some(false);
            let sighting = Sighting::new("gw-3".into(), NOW - minutes(2)).with_by("switch 4, port 12");
            world.sightings = Some(vec![sighting]);
        }),
        ("switch port dead, power not known", Leads(&["network-change", "power-loss"]), |world| {
            world.path_silent(Some(true));
            world.path.link = Some(false);
            world.power = PowerFacts::new(NOW);
            world.people = false;
        }),
        ("address taken by another host", Concludes("address-taken"), |world| {
            world.path.identity = Some(Identity::new("00:1b:1b:0a:42:07".into(), "00:1b:1b:0a:42:99".into()));
            world.polls = world.polls.clone().with_made(60).with_answered(0).with_passed_on(0);
        }),
        ("gateway hung and breaker of the PLC open", Concludes("power-fault"), |world| {
            world.gateway_hangs();
            world.restart = World::gateway_back_alone;
            world.path_silent(Some(true));
            world.power = PowerFacts::new(NOW).with_breaker_closed(false);
        }),
        ("gateway restarted by hand while approval is pending", Concludes("gateway-recovered"), |world| {
            world.gateway_dead();
            world.approves_after = minutes(8);
            world.changes.push((minutes(4), World::gateway_restarted_by_hand));
            world.changes.push((minutes(10), World::device_back));
        }),
        ("registry hangs and gateway dead", Concludes("gateway-recovered"), |world| {
            world.hangs.insert("service-state");
            world.gateway_dead();
            world.restart = World::gateway_back;
        }),
        ("broker shows a session that is dead", Concludes("gateway-recovered"), |world| {
            world.gateway_hangs();
            world.session = SessionState::Up;
            world.last_packet = Some(NOW - minutes(60));
            world.restart = World::gateway_back;
        }),
        ("proxy on the way swallows TLS", Concludes("broker-path-fault"), |world| {
            world.session_down();
            world.broker_path.tls = TlsOutcome::TimedOut;
        }),
        ("network comes back while a flap is watched", Concludes("connectivity-flap"), |world| {
            world.last_receipt = Some(NOW - minutes(3));
            world.changes.push((minutes(2), World::device_back));
        }),
        ("clock of the service a day forward in between", Concludes("gateway-fault"), |world| {
            world.gateway_dead();
            world.people = false;
            world.clock_jump = Some((minutes(5), TimeDelta::days(1)));
        }),
        ("clock of the service an hour back in between", Concludes("power-fault"), |world| {
            world.own_session();
            world.path_silent(Some(true));
            world.power = PowerFacts::new(NOW).with_breaker_closed(false);
            world.clock_jump = Some((TimeDelta::zero(), TimeDelta::hours(-1)));
        }),
        ("deadband withholds what does not change", Concludes("no-new-values"), |world| {
            world.polls =
                world.polls.clone().with_made(60).with_answered(60).with_withheld(60).with_passed_on(0);
        }),
        ("ingestion partition stands still", Concludes("ingestion-fault"), |world| {
            world.published = [50, 400, 10];
        }),
        ("clock battery of the gateway flat", Concludes("clock-wrong"), |world| {
            refused_gateway(world, RefusalReason::ServerCertificateRejected);
            let shown = NOW - TimeDelta::days(900);
            world.readings = vec![ClockReading::new(NOW - minutes(10), shown, ClockSource::TimeRequest)];
        }),
        ("PLC dark for two hours, gateway dead for one", Concludes("power-fault"), |world| {
            world.gateway_dead();
            world.last_receipt = Some(NOW - minutes(120));
            world.heartbeat = Some(NOW - minutes(60));
            world.endpoint = Endpoint::SilentSince(NOW - minutes(60));
            world.approves = false;
            world.path_silent(Some(true));
            world.power = PowerFacts::new(NOW).with_breaker_closed(false);
        }),
        ("taken into maintenance while diagnosed", Concludes("expected-offline"), |world| {
            world.path_silent(Some(true));
            world.power = PowerFacts::new(NOW);
            world.changes.push((minutes(10), |world, _| world.service = ServiceState::Maintenance));
        }),
        ("network probe hangs, power measured", Leads(&["power-loss"]), |world| {
            // Nobody knows of the way, and the breaker is measured open.
            world.own_session();
            world.hangs.insert("device-path");
            world.hangs.insert("broker-path");
            world.hangs.insert("certificate");
            world.power = PowerFacts::new(NOW).with_breaker_closed(false);
        }),
        ("site without power, gateway with it", Concludes("site-power-fault"), |world| {
            world.gateway_unreachable();
            world.site_answers = false;
            world.site_feed = Some(false);
        }),
    ]);
}

/// What one random plant or another showed: what was true before is not true now.
#[test]
fn what_is_true_no_more_is_not_concluded() {
    check(&[
        ("device breaks right after the restart", NeverConcludes("gateway-recovered"), |world| {
            world.gateway_dead();
            world.restart = World::gateway_back_for_a_moment;
        }),
        ("gateway dies behind a network that heals", Concludes("gateway-fault"), |world| {
            // Alive for an hour after the device fell silent; nobody tries the network but through it.
            world.gateway_dead();
            world.heartbeat = Some(NOW - minutes(60));
            world.endpoint = Endpoint::SilentSince(NOW - minutes(60));
            world.approves = false;
            world.fails.insert("device-path");
        }),
        ("gateway dies after some flaps", Concludes("gateway-recovered"), |world| {
            world.last_receipt = Some(NOW - minutes(3));
            world.changes.push((minutes(1), World::device_back));
            for minute in [5, 9, 14, 18, 21] {
                world.changes.push((minutes(minute), World::session_lost));
            }
            world.changes.push((minutes(22), World::gateway_dies));
            world.restart = |world, at| {
                world.silent_again = None;
                world.gateway_back(at);
            };
        }),
        ("PLC without supply behind a fed module", Concludes("power-fault"), |world| {
            world.path = world.path.clone().with_replier(Replier::FedOtherwise);
            world.polls = world.polls.clone().with_made(60).with_answered(0).with_passed_on(0);
            world.power = PowerFacts::new(NOW).with_feed_live(false);
        }),
        ("PLC with supply behind a fed module", Concludes("field-protocol-fault"), |world| {
            world.path = world.path.clone().with_replier(Replier::FedOtherwise);
            world.polls = world.polls.clone().with_made(60).with_answered(0).with_passed_on(0);
        }),
        ("dead PLC whose fed module refuses its port", Concludes("power-fault"), |world| {
            world.path = DevicePath::new(NOW).with_port(PortReply::Refused);
            world.path = world.path.clone().with_replier(Replier::FedOtherwise);
            world.power = PowerFacts::new(NOW).with_feed_live(false);
        }),
    ]);
}

/// A hundred diagnoses, each with a driver of its own that shares the acts.
#[test]
fn hundred_devices_share_one_restart() {
    let plant = Plant::new(|world| {
        world.gateway_dead();
        world.restart = World::gateway_back;
    });
    let acts = Arc::new(LocalActs::default());
    let mut running: Vec<_> = (0..100_u128)
        .map(|id| {
            let driver = plant.driver().with_acts(acts.clone());
            let mut diagnosis = plant.diagnosis_of(&format!("press-{id}"), id + 1);
            Some(Box::pin(async move { driver.run(&mut diagnosis).await.unwrap() }))
        })
        .collect();
    let mut context = Context::from_waker(Waker::noop());
    let mut ended = Vec::new();
    let mut idle = Idle::default();
    while ended.len() < 100 {
        plant.let_time_pass(&mut idle);
        for slot in &mut running {
            if let Some(work) = slot
                && let Poll::Ready(finding) = work.as_mut().poll(&mut context)
            {
                ended.push(finding);
                *slot = None;
            }
        }
    }
    // One that looks again after the restart may find its device back already.
    for finding in ended {
        assert!(finding.is_recovered(), "{finding:?}");
    }
    assert_eq!((plant.approvals(), plant.restarts()), (1, 1));
}

/// The service stops after each number of turns, saves, and goes on in a new process.
#[test]
fn restart_of_the_service_changes_no_answer() {
    let cases: [(&str, Fault); 2] = [
        ("power-fault", |world| {
            world.own_session();
            world.path_silent(Some(true));
            world.power = PowerFacts::new(NOW).with_breaker_closed(false);
        }),
        ("gateway-recovered", |world| {
            world.gateway_dead();
            world.restart = World::gateway_back;
        }),
    ];
    for (expected, fault) in cases {
        for turns in 1.. {
            let plant = Plant::new(fault);
            let mut diagnosis = plant.diagnosis();
            if plant.run_for(&mut diagnosis, turns).is_some() {
                assert!(turns > 10, "nothing was ever under way");
                break;
            }
            let saved = serde_json::to_string(&diagnosis.bundle()).unwrap();
            drop(diagnosis);
            let mut resumed = Diagnosis::resume(&serde_json::from_str(&saved).unwrap(), plant.set()).unwrap();
            let finding = plant.run(&mut resumed);
            assert_eq!(finding.conclusion(), Some(expected), "after {turns} turns");
            assert!(plant.restarts() <= 1, "{} restarts", plant.restarts());
        }
    }
}

#[test]
fn evidence_has_what_the_expert_needs() {
    let (diagnosis, _) = Plant::new(|world| {
        world.path.identity = Some(Identity::new("AA-01".into(), "aa:02".into()));
        world.polls = world.polls.clone().with_made(60).with_answered(0).with_passed_on(0);
    })
    .diagnose();
    let trace: Vec<_> = diagnosis.trace().map(|record| record.to_string()).collect();
    let named = "aa:02, registered is AA-01";
    assert!(trace.iter().any(|line| line.contains(named)), "{trace:#?}");
}

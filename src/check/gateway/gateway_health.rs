use chrono::{DateTime, TimeDelta, Utc};

use crate::check::device::path::paths;
use crate::check::judge::share;
use crate::check::prelude::*;
use crate::check::window::{ONE_DAY, sum};
use crate::probe::{Endpoint, GatewayHealth as Facts, HealthRequest, HeartbeatPath, ProcessState};

choices! {
    Health {
        Healthy = "healthy",
        Degraded = "degraded",
        Hung = "hung",
        Offline = "offline",
        Oom = "oom",
        Unreachable = "unreachable",
    }
}

check! {
    /// How is the device's gateway?
    GatewayHealth = "gateway-health", Gateway, Now, Health::VALUES;
    heartbeat_within: TimeDelta,
    memory_at: f64,
    cpu_at: f64,
    disk_at: f64,
}

impl Builtin for GatewayHealth {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let probe = adapter(probes.gateway(), "gateway probe")?;
        let gateway = request.gateway(probe.source())?;
        let facts = probe.health(&HealthRequest::new(gateway.clone())).await.by(probe.source())?;
        Ok(judge(&facts, self, request).by(probe.source()))
    }
}

/// - oom, offline: its process is known not to run, and its endpoint does not answer; oom where memory ran out since it
///   last started;
/// - hung: its process runs and answers nothing: its endpoint has been silent for two bounds, or it has none and the
///   heartbeat that its supervisor receives is that old;
/// - degraded: it works, and a resource is at its bound, or memory ran out within a day, or its heartbeat is late;
/// - healthy: it works (its endpoint or a way to it answers while its process runs, or its heartbeat is in time), and
///   none of that; undetermined where a resource is no share from 0 to 1. One that is not known does not prevent it;
/// - unreachable: nothing shows that it lives, and every way to it was tried in vain, or the heartbeat that its supervisor
///   receives has been late for two bounds;
/// - undetermined: nothing shows one or the other. A process that is listed exists; that it works is another thing.
///
/// Resources are no sign of life: a supervisor reports those of a gateway that is cut off, too. A heartbeat over the
/// session in question is none of death: it ends with the session, and so may one whose way nobody knows.
fn judge(facts: &Facts, bounds: &GatewayHealth, request: &CheckRequest<'_>) -> Verdict {
    let now = request.now();
    let of =
        |believe: &dyn Fn(DateTime<Utc>) -> Option<DateTime<Utc>>| judge_at(facts, bounds, believe, request);
    let believed = of(&|at| request.has_happened(at).then_some(at));
    let counted = of(&|at| Some(if request.has_happened(at) { at } else { now }));
    let ahead = [
        ("last heartbeat", facts.last_heartbeat),
        ("last OOM kill", facts.last_oom_kill),
        ("start", facts.started_at),
    ];
    let ahead = ahead.into_iter().filter_map(|(name, at)| Some((name, at?)));
    Verdict::despite_future(believed, &counted, ahead.filter(|(_, at)| !request.has_happened(*at)))
}

fn judge_at(
    facts: &Facts,
    bounds: &GatewayHealth,
    believe: &dyn Fn(DateTime<Utc>) -> Option<DateTime<Utc>>,
    request: &CheckRequest<'_>,
) -> Verdict {
    let now = request.now();
    let age = |at: DateTime<Utc>| now.signed_duration_since(at);
    let oom = facts.last_oom_kill.and_then(believe);
    let heartbeat = facts.last_heartbeat.and_then(believe);
    let in_time = heartbeat.is_some_and(|at| age(at) <= bounds.heartbeat_within);
    let late = heartbeat.is_some() && !in_time && facts.heartbeat_path != HeartbeatPath::Session;
    let mut details = Vec::new();
    details.extend(heartbeat.map(|at| when("last heartbeat", at)));
    details.extend(oom.map(|at| when("last OOM kill", at)));
    let known =
        |health: Health, details: Vec<Detail>| Verdict::known(health, facts.observed_at).with(details);

    if facts.process == ProcessState::NotRunning {
        details.push(Detail::new("process", "does not run"));
        if facts.endpoint == Endpoint::Answers {
            let why = "its supervisor says that its process does not run, and its endpoint answers";
            return Verdict::undetermined(why).with(details);
        }
        let started = facts.started_at.and_then(believe);
        let by_oom = oom.is_some_and(|at| started.is_none_or(|started| at >= started));
        return known(if by_oom { Health::Oom } else { Health::Offline }, details);
    }

    let runs = facts.process == ProcessState::Running;
    let two_bounds = sum(bounds.heartbeat_within, bounds.heartbeat_within);
    let supervised_in_vain = facts.heartbeat_path == HeartbeatPath::Supervisor
        && heartbeat.is_some_and(|at| age(at) >= two_bounds);
    let silent = match facts.endpoint {
        Endpoint::SilentSince(since) => {
            details.push(when("endpoint silent since", since));
            age(since) >= two_bounds
        }
        Endpoint::Absent => supervised_in_vain,
        _ => false,
    };
    if runs && silent {
        details.push(Detail::new("process", "runs, and answers nothing"));
        return known(Health::Hung, details);
    }

    let (mut over, mut told, mut impossible) = (false, false, false);
    for (name, used, bound) in [
        ("memory", facts.memory, bounds.memory_at),
        ("cpu", facts.cpu, bounds.cpu_at),
        ("disk", facts.disk, bounds.disk_at),
    ] {
        match used.map(|used| share(name, used)) {
            None => {}
            Some(Err(refused)) => {
                impossible = true;
                details.push(refused);
            }
            Some(Ok(used)) => {
                told = true;
                if used >= bound {
                    over = true;
                    let text = format!("{:.1} % used, bound {:.1} %", used * 100.0, bound * 100.0);
                    details.push(Detail::new(name, text));
                }
            }
        }
    }
    details.extend(paths(&facts.paths));

    let answers = facts.endpoint == Endpoint::Answers || runs && facts.paths.iter().any(|path| path.answered);
    if answers || in_time {
        let ran_out = oom.is_some_and(|at| age(at) <= ONE_DAY);
        // A figure that cannot be hides what it stands for: 99.0 may well be 99 per cent.
        return match (over || ran_out || late, impossible) {
            (true, _) => known(Health::Degraded, details),
            (false, true) => {
                Verdict::undetermined("it works, and one of its resources is no share").with(details)
            }
            (false, false) => known(Health::Healthy, details),
        };
    }
    if runs {
        return Verdict::undetermined("its process runs, and nothing shows that it works").with(details);
    }
    if facts.paths.iter().any(|path| path.answered) {
        return Verdict::undetermined("it answers, and nothing is known of its process").with(details);
    }
    if !facts.paths.is_empty() || supervised_in_vain {
        return known(Health::Unreachable, details);
    }
    let why = if late {
        "its heartbeat is late, which may be the session's fault, and no other way to it was tried"
    } else if told {
        "its resources are known, and not whether its process runs"
    } else {
        "nothing is known of the gateway"
    };
    Verdict::undetermined(why).with(details)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::*;
    use crate::probe::PathTried;

    fn facts() -> Facts {
        Facts::new(at(NOW))
    }

    /// It runs, and a way to it answers.
    fn running() -> Facts {
        facts().with_process(ProcessState::Running).with_paths(paths(&[true]))
    }

    fn listed() -> Facts {
        facts().with_process(ProcessState::Running)
    }

    fn stopped() -> Facts {
        facts().with_process(ProcessState::NotRunning)
    }

    fn supervised(last_heartbeat: DateTime<Utc>) -> Facts {
        facts().with_last_heartbeat(last_heartbeat).with_heartbeat_path(HeartbeatPath::Supervisor)
    }

    fn paths(answers: &[bool]) -> Vec<PathTried> {
        answers.iter().map(|answered| PathTried::new("agent".into(), *answered)).collect()
    }

    fn judged(facts: &Facts) -> Verdict {
        let bounds = GatewayHealth { heartbeat_within: secs(60), memory_at: 0.9, cpu_at: 0.9, disk_at: 0.9 };
        judge(facts, &bounds, &Asked::new().request())
    }

    #[test]
    fn facts_decide_in_the_order_of_the_rules() {
        for (facts, health) in [
            (running(), Health::Healthy),
            (facts().with_last_heartbeat(at(NOW - 60)), Health::Healthy),
            (running().with_memory(0.9 - f64::EPSILON).with_cpu(0.0).with_disk(0.5), Health::Healthy),
            (running().with_last_oom_kill(at(NOW - 86_400) - NANO), Health::Healthy),
            (running().with_memory(0.9), Health::Degraded),
            (running().with_cpu(1.0), Health::Degraded),
            (facts().with_last_heartbeat(at(NOW - 60)).with_disk(0.95), Health::Degraded),
            (running().with_last_oom_kill(at(NOW - 86_400)), Health::Degraded),
            (running().with_last_heartbeat(at(NOW - 60) - NANO), Health::Degraded),
            (stopped(), Health::Offline),
            (stopped().with_memory(0.99).with_paths(paths(&[false])), Health::Offline),
            (stopped().with_last_oom_kill(at(NOW - 500)), Health::Oom),
            (stopped().with_last_oom_kill(at(NOW - 500)).with_started_at(at(NOW - 500)), Health::Oom),
            (stopped().with_last_oom_kill(at(NOW - 500)).with_started_at(at(NOW - 499)), Health::Offline),
            (facts().with_paths(paths(&[false, false])), Health::Unreachable),
            (supervised(at(NOW - 120)), Health::Unreachable),
            (facts().with_last_heartbeat(at(NOW - 61)).with_paths(paths(&[false])), Health::Unreachable),
        ] {
            judged(&facts).expect_of(&facts, health);
        }
    }

    #[test]
    fn what_says_neither_is_undetermined() {
        for facts in [
            facts(),
            facts().with_paths(paths(&[true])),
            facts().with_memory(0.5),
            facts().with_memory(0.99).with_cpu(1.0).with_disk(1.0),
            facts().with_memory(0.99).with_last_oom_kill(at(NOW - 5)),
            facts().with_memory(0.5).with_last_heartbeat(at(NOW - 61)).with_paths(paths(&[false, true])),
            facts().with_last_oom_kill(at(NOW - 5)),
            // It exists; that it works nobody has seen.
            listed(),
            listed().with_memory(0.5),
            listed().with_paths(paths(&[false])),
            listed().with_last_heartbeat(at(NOW - 61)),
            listed().with_endpoint(Endpoint::SilentSince(at(NOW - 119))),
            // One lost heartbeat; and nobody knows whether it travels over the session that is down.
            supervised(at(NOW - 120) + NANO),
            facts().with_last_heartbeat(at(NOW - 61)),
            facts().with_last_heartbeat(at(NOW - 9000)).with_memory(0.4),
            // Its supervisor looks after an old name of it.
            stopped().with_endpoint(Endpoint::Answers),
            stopped().with_endpoint(Endpoint::Answers).with_last_oom_kill(at(NOW - 5)),
            // Its heartbeat ends with the session.
            facts().with_last_heartbeat(at(NOW - 9000)).with_heartbeat_path(HeartbeatPath::Session),
        ] {
            judged(&facts).expect_of(&facts, Undetermined);
        }
    }

    #[test]
    fn resources_show_neither_life_nor_death() {
        let late = || facts().with_last_heartbeat(at(NOW - 86_400));
        let vain = || paths(&[false, false]);
        for facts in [
            late().with_paths(vain()),
            late().with_memory(0.4).with_paths(vain()),
            late().with_memory(0.99).with_cpu(1.0).with_disk(1.0).with_paths(vain()),
            late().with_memory(0.4).with_heartbeat_path(HeartbeatPath::Supervisor),
            facts().with_memory(0.99).with_paths(vain()),
            late().with_last_oom_kill(at(NOW - 500)).with_paths(vain()),
            late().with_memory(0.4).with_last_oom_kill(at(NOW - 500)).with_paths(vain()),
            facts().with_last_oom_kill(at(NOW - 500)).with_paths(vain()),
        ] {
            let verdict = judged(&facts);
            verdict.expect_of(&facts, Health::Unreachable);
            // Whether its process runs is not known: the kill is shown to the reader, and decides nothing.
            assert_eq!(verdict.detail("last OOM kill").is_some(), facts.last_oom_kill.is_some());
        }
    }

    #[test]
    fn shares_that_are_none_are_not_believed() {
        for lie in [f64::NAN, -0.1, 1.1, f64::INFINITY, f64::NEG_INFINITY] {
            let verdict = judged(&running().with_memory(lie));
            // 99 may be 99 per cent.
            verdict.expect(Undetermined);
            let full = running().with_memory(lie).with_disk(0.99);
            // What is known is bad enough.
            judged(&full).expect(Health::Degraded);
            judged(&stopped().with_memory(lie)).expect(Health::Offline);
            let told = verdict.detail("memory").map(str::to_owned);
            assert_eq!(told, Some(format!("a share must be from 0 to 1, got {lie}")));
            judged(&facts().with_cpu(lie)).expect(Undetermined);
        }
    }

    /// The bound of a heartbeat is 60 s.
    #[test]
    fn silent_process_is_hung_at_two_bounds() {
        let silent = |since| listed().with_endpoint(Endpoint::SilentSince(since));
        let beat = |at, path| {
            listed().with_endpoint(Endpoint::Absent).with_last_heartbeat(at).with_heartbeat_path(path)
        };
        for (facts, health) in [
            (silent(at(NOW - 120)), Some(Health::Hung)),
            (silent(at(NOW - 120) + NANO), None),
            // Its supervisor lists it, and SSH answers: the gateway's own software does not.
            (silent(at(NOW - 120)).with_paths(paths(&[true])), Some(Health::Hung)),
            (beat(at(NOW - 120), HeartbeatPath::Supervisor), Some(Health::Hung)),
            (beat(at(NOW - 120) + NANO, HeartbeatPath::Supervisor), None),
            // Over the session in question: it ends with the session.
            (beat(at(NOW - 9000), HeartbeatPath::Session), None),
            (beat(at(NOW - 9000), HeartbeatPath::NotKnown), None),
            (listed().with_endpoint(Endpoint::Answers), Some(Health::Healthy)),
            (
                listed().with_endpoint(Endpoint::Answers).with_last_heartbeat(at(NOW - 9000)),
                Some(Health::Degraded),
            ),
            (
                listed()
                    .with_endpoint(Endpoint::Answers)
                    .with_last_heartbeat(at(NOW - 9000))
                    .with_heartbeat_path(HeartbeatPath::Session),
                Some(Health::Healthy),
            ),
            (stopped().with_endpoint(Endpoint::SilentSince(at(NOW - 500))), Some(Health::Offline)),
        ] {
            judged(&facts).expect_of(&facts, health);
        }
    }

    #[test]
    fn future_fact_is_unknown_if_it_decides() {
        let beat = |path| facts().with_last_heartbeat(at(NOW + 31)).with_heartbeat_path(path);
        judged(&beat(HeartbeatPath::NotKnown)).expect(Future);
        judged(&stopped().with_last_oom_kill(at(NOW + 31))).expect(Future);
        let beside = judged(&stopped().with_last_heartbeat(at(NOW + 31)));
        beside.expect(Health::Offline);
        assert!(beside.detail("dated in the future").is_some());
    }
}

use chrono::TimeDelta;

use super::site_uplink::paths;
use crate::check::CheckRequest;
use crate::check::builtin::Builtin;
use crate::check::judge::{Verdict, choices, no_adapter, no_subject, when};
use crate::check::param::{Given, ParamKind, ParamSpec};
use crate::check::window::{ONE_DAY, has_happened};
use crate::fact::{ChoicesError, Detail, Details, Domain, Observation};
use crate::probe::{GatewayHealth as Facts, HealthRequest, ProbeError, Probes, ProcessState};
use crate::runbook::step::About;
use crate::subject::Scope;

choices! {
    Health {
        Healthy = "healthy",
        Degraded = "degraded",
        Offline = "offline",
        Oom = "oom",
        Unreachable = "unreachable",
    }
}

/// How is the device's gateway?
pub(in crate::check) struct GatewayHealth {
    heartbeat_within: TimeDelta,
    memory_at: f64,
    cpu_at: f64,
    disk_at: f64,
}

impl Builtin for GatewayHealth {
    const ID: &'static str = "gateway-health";
    const SCOPE: Scope = Scope::Gateway;
    const ABOUT: About = About::Now;
    const PARAMS: &'static [ParamSpec] = &[
        ParamSpec::required("heartbeat_within", ParamKind::Duration),
        ParamSpec::required("memory_at", ParamKind::Share),
        ParamSpec::required("cpu_at", ParamKind::Share),
        ParamSpec::required("disk_at", ParamKind::Share),
    ];

    fn domain() -> Result<Domain, ChoicesError> {
        Health::domain()
    }

    fn bind(params: &Given<'_>) -> Option<Self> {
        Some(Self {
            heartbeat_within: params.duration("heartbeat_within")?,
            memory_at: params.share("memory_at")?,
            cpu_at: params.share("cpu_at")?,
            disk_at: params.share("disk_at")?,
        })
    }

    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Result<Observation, ProbeError> {
        let Some(probe) = probes.gateway() else { return Ok(no_adapter("gateway probe")) };
        let Some(gateway) = &request.subject().gateway else {
            return Ok(no_subject("gateway", probe.source()));
        };
        let asked = HealthRequest::new(gateway.clone());
        Ok(judge(&probe.health(&asked).await.map_err(|error| error.by(probe.source()))?, self, request)
            .by(probe.source()))
    }
}

/// - oom, offline: its process is known not to run; oom where memory ran out since it last started;
/// - degraded: it lives, and a resource is at its bound, or memory ran out within a day, or its heartbeat is late;
/// - healthy: it lives (its process runs, or its heartbeat is in time), and none of that;
/// - unreachable: nothing tells that it lives, and every way to it was tried in vain, or its heartbeat is late;
/// - undetermined: nothing is told that says one or the other.
///
/// Resources that are told are no sign of life: a supervisor tells those of a gateway that is cut off, too.
fn judge(facts: &Facts, bounds: &GatewayHealth, request: &CheckRequest<'_>) -> Verdict {
    let now = request.now();
    let oom = facts.last_oom_kill.filter(|at| has_happened(*at, now));
    let heartbeat = facts.last_heartbeat.filter(|at| has_happened(*at, now));
    let in_time = heartbeat.is_some_and(|at| now.signed_duration_since(at) <= bounds.heartbeat_within);
    let mut details = Vec::new();
    details.extend(heartbeat.map(|at| when("last heartbeat", at)));
    details.extend(oom.map(|at| when("last OOM kill", at)));
    let known = |health: Health, details: Vec<Detail>| {
        Verdict::known(health.value(), facts.observed_at, Details::from_iter(details))
    };

    if facts.process == ProcessState::NotRunning {
        details.push(Detail::new("process", "does not run"));
        let by_oom = oom.is_some_and(|at| facts.started_at.is_none_or(|started| at >= started));
        return known(if by_oom { Health::Oom } else { Health::Offline }, details);
    }

    let mut over = false;
    let mut told = false;
    for (name, share, bound) in [
        ("memory", facts.memory, bounds.memory_at),
        ("cpu", facts.cpu, bounds.cpu_at),
        ("disk", facts.disk, bounds.disk_at),
    ] {
        let Some(share) = share else { continue };
        if !(0.0..=1.0).contains(&share) {
            details.push(Detail::new(name, format!("{share} is no share: not believed")));
            continue;
        }
        told = true;
        if share >= bound {
            over = true;
            details.push(Detail::new(
                name,
                format!("{:.1} % used, bound {:.1} %", share * 100.0, bound * 100.0),
            ));
        }
    }
    details.extend(paths(&facts.paths));

    let runs = facts.process == ProcessState::Running;
    if runs || in_time {
        let ran_out = oom.is_some_and(|at| now.signed_duration_since(at) <= ONE_DAY);
        let late = heartbeat.is_some() && !in_time;
        if over || ran_out || late {
            return known(Health::Degraded, details);
        }
        return known(Health::Healthy, details);
    }
    if facts.paths.iter().any(|path| path.answered) {
        return Verdict::undetermined("it answers, and tells nothing of its process").with(details);
    }
    if !facts.paths.is_empty() || heartbeat.is_some() {
        return known(Health::Unreachable, details);
    }
    let why = if told {
        "its resources are told, and not whether its process runs"
    } else {
        "nothing is known of the gateway"
    };
    Verdict::undetermined(why).with(details)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{Asked, NANO, NOW, at, secs};
    use crate::fact::UnknownReason;
    use crate::probe::PathTried;

    fn facts() -> Facts {
        Facts::new(at(NOW))
    }

    fn running() -> Facts {
        facts().with_process(ProcessState::Running)
    }

    fn stopped() -> Facts {
        facts().with_process(ProcessState::NotRunning)
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
            (running().with_last_oom_kill(at(NOW + 31)), Health::Healthy),
            (stopped().with_last_oom_kill(at(NOW + 31)), Health::Offline),
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
            (facts().with_last_heartbeat(at(NOW - 61)), Health::Unreachable),
            (facts().with_last_heartbeat(at(NOW - 61)).with_paths(paths(&[false])), Health::Unreachable),
        ] {
            assert_eq!(judged(&facts).value(), Some(health.value()), "{facts:?}");
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
            facts().with_last_heartbeat(at(NOW + 31)),
        ] {
            assert_eq!(judged(&facts).reason(), Some(UnknownReason::Undetermined), "{facts:?}");
        }
    }

    #[test]
    fn resources_are_no_sign_of_life_and_more_evidence_of_death_is_none_either() {
        let late = || facts().with_last_heartbeat(at(NOW - 86_400));
        let vain = || paths(&[false, false]);
        for facts in [
            late().with_paths(vain()),
            late().with_memory(0.4).with_paths(vain()),
            late().with_memory(0.99).with_cpu(1.0).with_disk(1.0).with_paths(vain()),
            late().with_memory(0.4),
            facts().with_memory(0.99).with_paths(vain()),
            late().with_last_oom_kill(at(NOW - 500)).with_paths(vain()),
            late().with_memory(0.4).with_last_oom_kill(at(NOW - 500)).with_paths(vain()),
            facts().with_last_oom_kill(at(NOW - 500)).with_paths(vain()),
        ] {
            let verdict = judged(&facts);
            assert_eq!(verdict.value(), Some(Health::Unreachable.value()), "{facts:?}");
            // Whether its process runs is not told: the kill is told to the reader, and no verdict.
            assert_eq!(verdict.details().find("last OOM kill").is_some(), facts.last_oom_kill.is_some());
        }
    }

    #[test]
    fn shares_that_are_none_are_not_believed() {
        for lie in [f64::NAN, -0.1, 1.1, f64::INFINITY, f64::NEG_INFINITY] {
            let verdict = judged(&running().with_memory(lie));
            assert_eq!(verdict.value(), Some(Health::Healthy.value()));
            assert!(verdict.details().find("memory").is_some_and(|text| text.contains("not believed")));
            assert_eq!(judged(&facts().with_cpu(lie)).reason(), Some(UnknownReason::Undetermined));
        }
    }
}

use chrono::TimeDelta;

use crate::check::CheckRequest;
use crate::check::builtin::Builtin;
use crate::check::judge::{Verdict, choices, moment, no_adapter, no_subject, when};
use crate::check::param::{Given, ParamKind, ParamSpec};
use crate::check::window::{has_happened, not_covered};
use crate::fact::{ChoicesError, Detail, Details, Domain, Observation};
use crate::probe::{ProbeError, Probes, PublishingLog, PublishingRequest};
use crate::runbook::step::About;
use crate::subject::Scope;

choices! {
    State {
        Publishing = "publishing",
        Silent = "silent",
    }
}

/// Does the device's gateway still publish?
pub(in crate::check) struct GatewayPublishing {
    within: TimeDelta,
}

impl Builtin for GatewayPublishing {
    const ID: &'static str = "gateway-publishing";
    const SCOPE: Scope = Scope::Gateway;
    const ABOUT: About = About::Now;
    const PARAMS: &'static [ParamSpec] = &[ParamSpec::required("within", ParamKind::Duration)];

    fn domain() -> Result<Domain, ChoicesError> {
        State::domain()
    }

    fn bind(params: &Given<'_>) -> Option<Self> {
        Some(Self { within: params.duration("within")? })
    }

    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Result<Observation, ProbeError> {
        let Some(probe) = probes.gateway() else { return Ok(no_adapter("gateway probe")) };
        let Some(gateway) = &request.subject().gateway else {
            return Ok(no_subject("gateway", probe.source()));
        };
        let asked = PublishingRequest::new(gateway.clone(), request.last(self.within));
        Ok(judge(
            &probe.publishing(&asked).await.map_err(|error| error.by(probe.source()))?,
            self.within,
            request,
        )
        .by(probe.source()))
    }
}

/// Publishing: its last message is at most `within` old. A message is proof where the log is short; silence is not.
/// A last message of the future is neither: something was published, and nobody can tell when.
fn judge(log: &PublishingLog, within: TimeDelta, request: &CheckRequest<'_>) -> Verdict {
    let asked = request.last(within);
    let published = log.last_publish.filter(|at| *at >= asked.start() && has_happened(*at, request.now()));
    if let Some(at) = published {
        let counted = log.published.map(|count| Detail::new("messages", count.to_string()));
        let details = [when("last publish", at)].into_iter().chain(counted).collect();
        return Verdict::known(State::Publishing.value(), log.observed_at, details);
    }
    if let Some(missing) = not_covered(asked, log.covers) {
        return Verdict::stale(missing);
    }
    if let Some(last) = log.last_publish.filter(|at| !has_happened(*at, request.now())) {
        return Verdict::undetermined(format!("the last publish is of the future: {}", moment(last)));
    }
    if log.published.is_some_and(|count| count > 0) {
        return Verdict::undetermined(
            "the log counts messages and tells no time of the last one in the period",
        );
    }
    let details = Details::one("last publish", "none in the period");
    Verdict::known(State::Silent.value(), log.observed_at, details)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{Asked, NANO, NOW, at, period, secs};
    use crate::fact::UnknownReason;

    fn log() -> PublishingLog {
        PublishingLog::new(at(NOW), period(NOW - 300, NOW))
    }

    fn judged(log: &PublishingLog) -> Verdict {
        judge(log, secs(300), &Asked::new().request())
    }

    #[test]
    fn the_bound_is_judged_to_the_nanosecond() {
        for (last, state) in [
            (at(NOW - 300) - NANO, State::Silent),
            (at(NOW - 300), State::Publishing),
            (at(NOW - 300) + NANO, State::Publishing),
            (at(NOW + 30), State::Publishing),
        ] {
            assert_eq!(judged(&log().with_last_publish(last)).value(), Some(state.value()), "{last}");
        }
        // Of the future it is no proof, and no silence either.
        let verdict = judged(&log().with_last_publish(at(NOW + 31)));
        assert_eq!(verdict.reason(), Some(UnknownReason::Undetermined));
    }

    #[test]
    fn an_empty_log_is_silent_and_a_short_one_is_stale_unless_it_holds_a_message() {
        assert_eq!(judged(&log()).value(), Some(State::Silent.value()));
        let mut short = log();
        short.covers = period(NOW - 300, NOW - 1);
        assert_eq!(judged(&short).reason(), Some(UnknownReason::Stale));
        let verdict = judged(&short.with_last_publish(at(NOW - 200)));
        assert_eq!(verdict.value(), Some(State::Publishing.value()));
    }

    #[test]
    fn a_log_that_contradicts_itself_decides_nothing() {
        assert_eq!(judged(&log().with_published(1)).reason(), Some(UnknownReason::Undetermined));
        assert_eq!(judged(&log().with_published(0)).value(), Some(State::Silent.value()));
    }
}

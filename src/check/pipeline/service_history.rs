use chrono::{DateTime, TimeDelta, Utc};

use crate::check::prelude::*;
use crate::probe::{ServiceHistory as Answer, ServiceHistoryRequest, ServiceState};
use crate::time::{Period, format_duration, saturating_add};

choices! {
    State {
        In = "in-service",
        Out = "out-of-service",
        Partly = "partly-in-service",
    }
}

check! {
    /// Was the device in service over the period?
    ServiceHistory = "service-history", Device, Period, State::VALUES;
}

impl Builtin for ServiceHistory {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let probe = adapter(probes.device(), "device probe")?;
        let period = request.period(probe.source())?;
        let asked = ServiceHistoryRequest::new(request.device(), period);
        let answer = probe.service_history(&asked).await.by(probe.source())?;
        Ok(judge(&answer, request, period).by(probe.source()))
    }
}

/// The period by the state of the device in the registry.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Service {
    /// The times in service, in order.
    pub(super) parts: Vec<Period>,
    /// How long it was out of service.
    pub(super) out: TimeDelta,
    /// The longest stretch out of service, for the person who reads it.
    longest: Option<(Period, &'static str)>,
}

/// The times of the period in which the device was in service.
///
/// # Errors
/// Why nobody can say: the history does not cover the period, contradicts itself, or has changes dated in the future
/// within the period.
pub(super) fn parts(
    history: &Answer,
    request: &CheckRequest<'_>,
    period: Period,
) -> Result<Service, Verdict> {
    if let Some(missing) = not_covered(period, history.covers) {
        return Err(Verdict::stale(missing));
    }
    let mut changes: Vec<_> = history.changes.iter().map(|change| (change.at, change.state)).collect();
    changes.sort_by_key(|(at, _)| *at);
    changes.dedup();
    if let Some(pair) = changes.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        let why = format!("the registry has two states from {} on", moment(pair[0].0));
        return Err(Verdict::undetermined(why));
    }
    let latest = saturating_add(request.now(), request.clock_tolerance());
    let is_future = |at: DateTime<Utc>| at > latest && at < period.end();
    if let Some((at, _)) = changes.iter().find(|(at, _)| is_future(*at)) {
        return Err(Verdict::future(format!(
            "a change of its state is dated in the future: {}",
            moment(*at)
        )));
    }
    let mut service = Service { parts: Vec::new(), out: TimeDelta::zero(), longest: None };
    let (mut from, mut state) = (period.start(), history.at_start);
    for (at, next) in changes {
        if at >= period.end() {
            break;
        }
        if at > from {
            service.add(from, at, state);
            from = at;
        }
        state = next;
    }
    service.add(from, period.end(), state);
    Ok(service)
}

impl Service {
    fn add(&mut self, from: DateTime<Utc>, to: DateTime<Utc>, state: Option<ServiceState>) {
        let part = Period::ending(to, to.signed_duration_since(from));
        if state == Some(ServiceState::InService) {
            match self.parts.last_mut() {
                Some(last) if last.end() == from => {
                    *last = Period::ending(to, to.signed_duration_since(last.start()));
                }
                _ => self.parts.push(part),
            }
            return;
        }
        self.out = self.out.checked_add(&part.length()).unwrap_or(TimeDelta::MAX);
        if self.longest.is_none_or(|(longest, _)| part.length() > longest.length()) {
            self.longest = Some((part, state.map_or("not in the registry", ServiceState::name)));
        }
    }
}

/// Out of service: over more than nine tenths of the period. Anything less than all of it in service is a part.
fn judge(history: &Answer, request: &CheckRequest<'_>, period: Period) -> Verdict {
    if period.length().is_zero() {
        return Verdict::undetermined("the period is empty");
    }
    let service = match parts(history, request, period) {
        Ok(service) => service,
        Err(unknown) => return unknown,
    };
    let rest = period.length().checked_sub(&service.out).unwrap_or_default();
    let state = if service.out.is_zero() {
        State::In
    } else if rest < period.length() / 10 {
        State::Out
    } else {
        State::Partly
    };
    let longest = service.longest.iter().map(|(part, state)| {
        Detail::new(
            "longest out of service",
            format!("{state}, {} to {}", moment(part.start()), moment(part.end())),
        )
    });
    let out =
        (!service.out.is_zero()).then(|| Detail::new("out of service for", format_duration(service.out)));
    Verdict::known(state, history.observed_at).with(out.into_iter().chain(longest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::*;
    use crate::probe::ServiceChange;

    const IN: Option<ServiceState> = Some(ServiceState::InService);
    const OUT: Option<ServiceState> = Some(ServiceState::Maintenance);

    fn history(at_start: Option<ServiceState>, changes: &[(i64, Option<ServiceState>)]) -> Answer {
        let changes = changes.iter().map(|(second, state)| ServiceChange::new(at(*second), *state)).collect();
        Answer::new(at(NOW), period(0, 1000), at_start).with_changes(changes)
    }

    fn judged(history: &Answer) -> Verdict {
        judge(history, &Asked::new().request(), period(0, 1000))
    }

    #[test]
    fn nine_tenths_out_of_service_are_still_a_part() {
        for (history, state) in [
            (history(IN, &[]), State::In),
            (history(OUT, &[]), State::Out),
            (history(None, &[]), State::Out),
            (history(Some(ServiceState::Decommissioned), &[]), State::Out),
            (history(Some(ServiceState::NeverProvisioned), &[]), State::Out),
            (history(OUT, &[(900, IN)]), State::Partly),
            (history(OUT, &[(901, IN)]), State::Out),
            (history(IN, &[(999, OUT)]), State::Partly),
            // Changes at the ends change nothing within.
            (history(IN, &[(1000, OUT)]), State::In),
            (history(OUT, &[(0, IN)]), State::In),
            // Out of order, twice, and by way of another state out of service.
            (history(IN, &[(600, IN), (500, OUT), (500, OUT)]), State::Partly),
            (history(OUT, &[(500, Some(ServiceState::Decommissioned))]), State::Out),
        ] {
            judged(&history).expect_of(&history, state);
        }
    }

    #[test]
    fn the_times_in_service_are_what_is_left() {
        let history = history(IN, &[(100, OUT), (200, IN), (300, IN), (400, OUT)]);
        let service = parts(&history, &Asked::new().request(), period(0, 1000)).unwrap();
        assert_eq!(service.parts, [period(0, 100), period(200, 400)]);
        assert_eq!(service.out, TimeDelta::seconds(700));
    }

    #[test]
    fn future_change_decides_nothing() {
        let about = period(NOW - 100, NOW + 100);
        let with = |second| {
            let history = Answer { covers: about, ..history(IN, &[(second, OUT)]) };
            judge(&history, &Asked::new().request(), about)
        };
        with(NOW + 30).expect(State::Partly);
        with(NOW + 31).expect(Future);
        // After the period.
        with(NOW + 100).expect(State::In);
    }

    #[test]
    fn history_that_cannot_decide_is_unknown() {
        let two = history(IN, &[(500, OUT), (500, IN)]);
        judged(&two).expect(Undetermined);
        let short = Answer { covers: period(1, 1000), ..history(IN, &[]) };
        judged(&short).expect(Stale);
        let empty = judge(&history(IN, &[]), &Asked::new().request(), period(5, 5));
        empty.expect(Undetermined);
    }
}

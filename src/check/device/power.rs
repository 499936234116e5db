use super::path;
use crate::check::prelude::*;
use crate::check::spec::Values;
use crate::fact::{Choice, Source};
use crate::probe::{DevicePath, PowerFacts, PowerRequest, ProbeError, ProbeErrorKind};

/// A measurement confirms power or says that it is lost. `uncertain` is a person's answer only: measurements that do not
/// decide are an unknown value instead.
const STATES: [&str; 3] = ["confirmed", "lost", "uncertain"];
const CONFIRMED: Value = Value::Choice(Choice::new(0));
const LOST: Value = Value::Choice(Choice::new(1));

check! {
    /// Does the device have power?
    Power = "power", Device, Now, Values::OneOf(&STATES);
}

impl Builtin for Power {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let measured = match probes.power() {
            Some(probe) => {
                let answer = probe.power(&PowerRequest::new(request.device())).await.by(probe.source());
                Some((answer, probe.source()))
            }
            None => None,
        };
        // A reply of the device itself proves power, where nobody measures it.
        let path = match probes.network() {
            Some(probe) if !measured.as_ref().is_some_and(|(answer, _)| decides(answer)) => {
                let path = path::device_path(probe.as_ref(), path::vantage(request), request).await;
                path.ok().map(|path| (path, probe.source()))
            }
            _ => None,
        };
        match (measured, path) {
            (_, Some((path, source))) if path::proves_power(&path) => Ok(by_reply(&path).by(source)),
            (Some((answer, source)), _) => Ok(judge(&answer?).by(source)),
            (None, _) => Err(ProbeError::missing(Source::from_static("power probe")).into()),
        }
    }
}

/// True if the measurement needs nothing beside it. One that failed for a moment is asked again instead.
fn decides(answer: &Result<PowerFacts, ProbeError>) -> bool {
    match answer {
        Ok(facts) => judge(facts).value().is_some(),
        Err(error) => matches!(error.kind(), ProbeErrorKind::Transient { .. } | ProbeErrorKind::Timeout),
    }
}

fn by_reply(path: &DevicePath) -> Verdict {
    Verdict::known(CONFIRMED, path.observed_at).with(path::details(path))
}

/// Lost where a measurement says that power does not arrive; confirmed where one says that it does and none that it does
/// not. Measurements that contradict each other do not decide, and a person may.
fn judge(facts: &PowerFacts) -> Verdict {
    let told = [
        either("feed", facts.feed_live, ["live", "dead"]),
        either("breaker", facts.breaker_closed, ["closed", "open"]),
        either("device", facts.drawing, ["draws power", "draws no power"]),
        either("UPS", facts.on_battery, ["on battery", "on mains"]),
    ];
    let details: Vec<_> = told.into_iter().flatten().collect();
    if details.is_empty() {
        return Verdict::undetermined("the power unit reports nothing of this device");
    }
    let state = match (facts.drawing, facts.feed_live, facts.breaker_closed, facts.on_battery) {
        // It runs on its battery: the dead feed is known, and the device has power.
        (Some(true), Some(false), _, Some(true)) => CONFIRMED,
        (Some(true), Some(false), _, _) | (Some(true), _, Some(false), _) => {
            let why = "the device is seen to draw power, and its feed or its breaker says that it cannot";
            return Verdict::undetermined(why).with(details);
        }
        (None, Some(false), Some(true) | None, Some(true)) => {
            let why = "its feed is dead, and its UPS runs on battery: nothing shows whether power arrives";
            return Verdict::undetermined(why).with(details);
        }
        (Some(false), ..) | (_, Some(false), ..) | (_, _, Some(false), _) => LOST,
        (Some(true), ..) | (_, Some(true), ..) => CONFIRMED,
        // A closed breaker passes on what may not be there, and a UPS may feed a cable that is cut.
        (None, None, ..) => {
            return Verdict::undetermined("nothing shows whether power arrives at the device").with(details);
        }
    };
    Verdict::known(state, facts.observed_at).with(details)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::*;

    #[test]
    fn only_facts_that_say_so_confirm_or_deny_power() {
        let facts = || PowerFacts::new(at(NOW));
        for (facts, state) in [
            (facts().with_feed_live(true), CONFIRMED),
            (facts().with_drawing(true), CONFIRMED),
            (facts().with_feed_live(true).with_breaker_closed(true).with_on_battery(true), CONFIRMED),
            (facts().with_drawing(true).with_feed_live(false).with_on_battery(true), CONFIRMED),
            (facts().with_breaker_closed(false), LOST),
            (facts().with_drawing(false).with_breaker_closed(true).with_on_battery(false), LOST),
            (facts().with_feed_live(false), LOST),
            (facts().with_feed_live(false).with_on_battery(false), LOST),
            (facts().with_feed_live(false).with_breaker_closed(false).with_on_battery(true), LOST),
            (facts().with_feed_live(true).with_breaker_closed(false), LOST),
            // The feed is live, and the fuse behind it is not measured.
            (facts().with_feed_live(true).with_drawing(false), LOST),
        ] {
            judge(&facts).expect_of(&facts, state);
        }
    }

    #[test]
    fn facts_that_do_not_decide_are_undetermined() {
        let facts = || PowerFacts::new(at(NOW));
        for facts in [
            facts(),
            facts().with_breaker_closed(true),
            facts().with_on_battery(false),
            facts().with_on_battery(true),
            facts().with_breaker_closed(true).with_on_battery(false),
            facts().with_feed_live(false).with_on_battery(true),
            facts().with_drawing(true).with_feed_live(false),
            facts().with_drawing(true).with_feed_live(false).with_on_battery(false),
            facts().with_drawing(true).with_breaker_closed(false),
        ] {
            judge(&facts).expect_of(&facts, Undetermined);
        }
        assert_eq!(judge(&facts().with_breaker_closed(true)).detail("breaker"), Some("closed"));
    }
}

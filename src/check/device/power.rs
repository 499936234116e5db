use super::path;
use crate::check::CheckRequest;
use crate::check::judge::Verdict;
use crate::check::spec::{Builtin, Observed, Values, check};
use crate::fact::{Choice, Detail, Details, Source, Value};
use crate::probe::{DevicePath, PowerFacts, PowerRequest, ProbeError, ProbeErrorKind, Probes};

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
                let asked = PowerRequest::new(request.subject().device.clone());
                let answer = probe.power(&asked).await.map_err(|error| error.by(probe.source()));
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
        Ok(facts) => judge(facts).is_known(),
        Err(error) => matches!(error.kind(), ProbeErrorKind::Transient { .. } | ProbeErrorKind::Timeout),
    }
}

fn by_reply(path: &DevicePath) -> Verdict {
    let details = Details::from_iter(path::details(path));
    Verdict::known(CONFIRMED, path.observed_at, details)
}

/// Lost where a measurement says that power does not arrive; confirmed where one says that it does and none that it does
/// not. Measurements that contradict each other do not decide, and a person may.
fn judge(facts: &PowerFacts) -> Verdict {
    let told = [
        ("feed", facts.feed_live, "live", "dead"),
        ("breaker", facts.breaker_closed, "closed", "open"),
        ("device", facts.drawing, "draws power", "draws no power"),
    ];
    let mut details: Vec<_> = told
        .iter()
        .filter_map(|(name, fact, yes, no)| {
            fact.map(|fact| Detail::new(*name, if fact { *yes } else { *no }))
        })
        .collect();
    if let Some(on_battery) = facts.on_battery {
        details.push(Detail::new("UPS", if on_battery { "on battery" } else { "on mains" }));
    }
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
    Verdict::known(state, facts.observed_at, Details::from_iter(details))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{NOW, at};
    use crate::fact::UnknownReason;

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
            assert_eq!(judge(&facts).value(), Some(state), "{facts:?}");
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
            assert_eq!(judge(&facts).reason(), Some(UnknownReason::Undetermined), "{facts:?}");
        }
        assert_eq!(judge(&facts().with_breaker_closed(true)).details().find("breaker"), Some("closed"));
    }
}

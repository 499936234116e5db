use chrono::TimeDelta;

use crate::check::prelude::*;
use crate::probe::{FieldPolls as Facts, FieldPollsRequest, Subscription};

/// An answer may be on its way through the gateway while the others are counted.
const IN_FLIGHT: u64 = 1;

choices! {
    State {
        Withheld = "withheld",
        Failing = "failing",
        NotMade = "not-made",
        SubscriptionLost = "subscription-lost",
        NotPassedOn = "not-passed-on",
        NotAtBroker = "not-at-broker",
    }
}

check! {
    /// What do the gateway's polls or its subscription of the device return? Asked where the broker has no message of
    /// the device.
    FieldPolls = "field-polls", Gateway, Now, State::VALUES;
    within: TimeDelta,
}

impl Builtin for FieldPolls {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let probe = adapter(probes.gateway(), "gateway probe")?;
        let gateway = request.gateway(probe.source())?;
        let device = request.device();
        let asked = FieldPollsRequest::new(gateway.clone(), device, request.last(self.within));
        let facts = probe.field_polls(&asked).await.by(probe.source())?;
        Ok(judge(&facts, self.within, request).by(probe.source()))
    }
}

/// In this order: the connection cannot be opened, or most polls are not answered: failing, whatever a gateway passes on in
/// their place; the subscription is lost; no poll is made; passed on; all withheld, or a subscription that lives and has nothing to report; answered and not passed on.
fn judge(facts: &Facts, within: TimeDelta, request: &CheckRequest<'_>) -> Verdict {
    let counts = [
        ("made", facts.made),
        ("answered", facts.answered),
        ("withheld", facts.withheld),
        ("passed on", facts.passed_on),
    ];
    let mut details: Vec<_> =
        counts.into_iter().filter_map(|(name, count)| Some(Detail::new(name, count?.to_string()))).collect();
    details.extend(facts.error.as_deref().map(|error| Detail::new("last error", error)));
    let known = |state: State, details: Vec<Detail>| Verdict::known(state, facts.observed_at).with(details);
    if facts.connected == Some(false) {
        details.push(Detail::new("connection", "cannot be opened"));
        return known(State::Failing, details);
    }
    if facts.subscription == Some(Subscription::Lost) {
        return known(State::SubscriptionLost, details);
    }
    let subscribed = facts.subscription == Some(Subscription::Alive);
    // A gateway may repeat the last value, marked as bad, for each poll that fails.
    let fails = |made: u64, answered: u64| {
        let answered = if answered == 0 { 0 } else { answered.saturating_add(IN_FLIGHT) };
        made > IN_FLIGHT && answered.saturating_mul(2) < made
    };
    let more = |part: Option<u64>, whole: Option<u64>| matches!((part, whole), (Some(part), Some(whole)) if part > whole);
    if !subscribed
        && !more(facts.withheld, facts.answered)
        && facts.made.zip(facts.answered).is_some_and(|(made, answered)| fails(made, answered))
        && not_covered(request.last(within), facts.covers).is_none()
    {
        return known(State::Failing, details);
    }
    if facts.passed_on.is_some_and(|count| count > 0) {
        return known(State::NotAtBroker, details);
    }
    // From here on it must be certain that nothing came.
    if let Some(missing) = not_covered(request.last(within), facts.covers) {
        return Verdict::stale(missing).with(details);
    }
    if !subscribed && more(facts.answered, facts.made) || more(facts.withheld, facts.answered) {
        return Verdict::undetermined("the counts of the gateway contradict each other").with(details);
    }
    let state = match (facts.made, facts.answered, facts.withheld, facts.passed_on) {
        (Some(0), ..) if !subscribed => State::NotMade,
        (_, Some(0), ..) if subscribed => State::Withheld,
        (Some(1..), Some(0), ..) => State::Failing,
        (_, Some(answered @ 1..), Some(withheld @ 1..), Some(0))
            if answered == withheld || withheld > IN_FLIGHT && answered - withheld <= IN_FLIGHT =>
        {
            State::Withheld
        }
        (_, Some(1..), _, Some(0)) => State::NotPassedOn,
        _ => {
            return Verdict::undetermined("the gateway does not count its polls of this device")
                .with(details);
        }
    };
    known(state, details)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::*;

    fn facts() -> Facts {
        Facts::new(at(NOW), period(NOW - 300, NOW))
    }

    fn counts(made: u64, answered: u64, withheld: u64, passed_on: u64) -> Facts {
        facts().with_made(made).with_answered(answered).with_withheld(withheld).with_passed_on(passed_on)
    }

    fn judged(facts: &Facts) -> Verdict {
        judge(facts, secs(300), &Asked::new().request())
    }

    #[test]
    fn the_polls_decide_in_their_order() {
        let alive = |facts: Facts| facts.with_subscription(Subscription::Alive);
        for (facts, state) in [
            (counts(60, 60, 0, 60).with_connected(false), State::Failing),
            (facts().with_connected(false), State::Failing),
            (facts().with_subscription(Subscription::Lost), State::SubscriptionLost),
            (counts(0, 0, 0, 0), State::NotMade),
            (facts().with_made(0), State::NotMade),
            (counts(60, 0, 0, 0), State::Failing),
            (counts(60, 60, 0, 60), State::NotAtBroker),
            (counts(60, 31, 0, 31), State::NotAtBroker),
            (counts(60, 29, 0, 29), State::NotAtBroker),
            (counts(2, 1, 0, 1), State::NotAtBroker),
            (counts(1, 0, 0, 1), State::NotAtBroker),
            // What it passes on in their place are repetitions; a few that are answered are few.
            (counts(60, 0, 0, 60), State::Failing),
            (counts(60, 1, 0, 1), State::Failing),
            (counts(60, 28, 0, 28), State::Failing),
            (counts(60, 60, 60, 0), State::Withheld),
            (counts(60, 60, 59, 0), State::Withheld),
            (counts(60, 60, 58, 0), State::NotPassedOn),
            // Of a device that is polled rarely one of two is half of all.
            (counts(2, 2, 1, 0), State::NotPassedOn),
            (counts(3, 3, 2, 0), State::Withheld),
            (counts(1, 1, 1, 0), State::Withheld),
            (counts(60, 60, 0, 0), State::NotPassedOn),
            // A subscription that lives and has nothing to report.
            (alive(facts().with_answered(0)), State::Withheld),
            (alive(facts().with_answered(7).with_passed_on(0)), State::NotPassedOn),
            (
                alive(facts().with_made(0).with_answered(3).with_withheld(3).with_passed_on(0)),
                State::Withheld,
            ),
        ] {
            judged(&facts).expect_of(&facts, state);
        }
    }

    #[test]
    fn uncounted_or_contradictory_is_unknown() {
        for facts in [
            facts(),
            facts().with_connected(true),
            facts().with_made(60),
            facts().with_answered(60),
            counts(10, 60, 0, 0),
            counts(60, 10, 60, 0),
            facts().with_subscription(Subscription::Alive),
        ] {
            judged(&facts).expect_of(&facts, Undetermined);
        }
    }

    #[test]
    fn nothing_needs_counts_that_cover() {
        let mut short = Facts { covers: period(NOW - 299, NOW), ..counts(0, 0, 0, 0) };
        judged(&short).expect(Stale);
        short.passed_on = Some(1);
        judged(&short).expect(State::NotAtBroker);
    }
}

use crate::check::broker::holder::{Holder, holder};
use crate::check::prelude::*;
use crate::probe::{BrokerPath as Facts, BrokerPathRequest, PortReply, TlsOutcome};

choices! {
    State {
        Open = "open",
        Closed = "closed",
        TlsTimeout = "tls-timeout",
        TlsAlert = "tls-alert",
    }
}

check! {
    /// Can the session holder reach the broker: name, port, TLS?
    BrokerPath = "broker-path", Session, Now, State::VALUES;
}

impl Builtin for BrokerPath {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let probe = adapter(probes.network(), "network probe")?;
        let holder = holder(request, probes).await?;
        let asked = BrokerPathRequest::new(holder.client.clone());
        let facts = probe.broker_path(&asked).await.by(probe.source())?;
        Ok(judge(&facts, &holder).by(probe.source()))
    }
}

/// The furthest that the try came decides. One that did not go the way of the holder's messages shows nothing, whatever
/// it found.
fn judge(facts: &Facts, holder: &Holder) -> Verdict {
    let mut details = vec![holder.detail()];
    details.extend(either("name", facts.name, ["resolves", "does not resolve"]));
    details.extend(facts.error.as_deref().map(|error| Detail::new("error", error)));
    if !facts.same_way {
        let why = "the broker was tried over another way than the holder's messages take";
        return Verdict::undetermined(why).with(details);
    }
    let state = match (facts.name, facts.port, facts.tls) {
        (_, _, TlsOutcome::Completed) => State::Open,
        (_, _, TlsOutcome::TimedOut) => State::TlsTimeout,
        (_, _, TlsOutcome::Alert) => State::TlsAlert,
        (_, PortReply::Answered, TlsOutcome::NotUsed) => State::Open,
        (_, PortReply::Refused | PortReply::Silent, _) | (Some(false), _, _) => State::Closed,
        (_, PortReply::Answered, TlsOutcome::NotTried) => {
            return Verdict::undetermined("the broker's port answers, and nobody tried TLS").with(details);
        }
        _ => return Verdict::undetermined("nobody tried the broker's port").with(details),
    };
    Verdict::known(state, facts.observed_at).with(details)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::*;

    fn facts() -> Facts {
        Facts::new(at(NOW), true)
    }

    fn judged(facts: &Facts) -> Verdict {
        judge(facts, &Holder::of_test(false))
    }

    #[test]
    fn the_furthest_step_decides() {
        use PortReply::{Answered, Refused, Silent};
        use TlsOutcome::{Alert, Completed, NotUsed, TimedOut};
        for (facts, state) in [
            (facts().with_name(true).with_port(Answered).with_tls(Completed), State::Open),
            (facts().with_port(Answered).with_tls(NotUsed), State::Open),
            (facts().with_name(false), State::Closed),
            (facts().with_name(true).with_port(Refused), State::Closed),
            (facts().with_name(true).with_port(Silent), State::Closed),
            (facts().with_port(Answered).with_tls(TimedOut), State::TlsTimeout),
            (facts().with_port(Answered).with_tls(Alert), State::TlsAlert),
        ] {
            judged(&facts).expect_of(&facts, state);
        }
    }

    #[test]
    fn other_or_unfinished_try_shows_nothing() {
        let another = Facts::new(at(NOW), false);
        for facts in [
            facts(),
            facts().with_name(true),
            facts().with_port(PortReply::Answered),
            facts().with_tls(TlsOutcome::NotUsed),
            another.clone().with_tls(TlsOutcome::Completed),
            another.with_port(PortReply::Silent),
        ] {
            judged(&facts).expect_of(&facts, Undetermined);
        }
    }
}

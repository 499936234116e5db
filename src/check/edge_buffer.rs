use super::CheckRequest;
use super::builtin::Builtin;
use super::judge::{Verdict, choices, no_adapter, no_period, no_subject, when};
use super::param::{Given, ParamKind, ParamSpec};
use super::window::not_covered;
use crate::fact::{ChoicesError, Detail, Details, Domain, Observation};
use crate::probe::{Outbox, OutboxRequest, ProbeError, Probes};
use crate::runbook::step::About;
use crate::subject::Scope;
use crate::time::Period;

choices! {
    Buffer {
        Full = "full",
        Unsent = "unsent",
        Empty = "empty",
    }
}

/// How did the gateway's outbox do over the gap?
pub(super) struct EdgeBuffer {
    full_at: f64,
}

impl Builtin for EdgeBuffer {
    const ID: &'static str = "edge-buffer";
    const SCOPE: Scope = Scope::Gateway;
    const ABOUT: About = About::Period;
    const PARAMS: &'static [ParamSpec] = &[ParamSpec::required("full_at", ParamKind::Share)];

    fn domain() -> Result<Domain, ChoicesError> {
        Buffer::domain()
    }

    fn bind(params: &Given<'_>) -> Option<Self> {
        Some(Self { full_at: params.share("full_at")? })
    }

    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Result<Observation, ProbeError> {
        let Some(probe) = probes.edge_buffer() else { return Ok(no_adapter("edge buffer probe")) };
        let subject = request.subject();
        let Some(period) = subject.period else { return Ok(no_period(probe.source())) };
        let Some(gateway) = &subject.gateway else { return Ok(no_subject("gateway", probe.source())) };
        let asked = OutboxRequest::new(gateway.clone(), subject.device.clone(), period);
        Ok(judge(
            &probe.outbox(&asked).await.map_err(|error| error.by(probe.source()))?,
            self.full_at,
            period,
        )
        .by(probe.source()))
    }
}

/// In this order: full (at its bound, or messages dropped), unsent, empty. What was found is proof where the log is
/// short, or a count is not told; that nothing was found is not.
fn judge(outbox: &Outbox, full_at: f64, asked: Period) -> Verdict {
    let mut details = Vec::with_capacity(4);
    let used = match (outbox.peak_used, outbox.capacity) {
        (Some(used), Some(capacity)) if capacity > 0 => {
            details.push(Detail::new("most used", format!("{used} of {capacity}")));
            Some(used as f64 / capacity as f64)
        }
        _ => None,
    };
    details.push(count("dropped", outbox.dropped));
    details.push(count("unsent", outbox.unsent));
    details.extend(outbox.oldest_unsent.map(|at| when("oldest unsent", at)));

    let buffer =
        if outbox.dropped.is_some_and(|dropped| dropped > 0) || used.is_some_and(|used| used >= full_at) {
            Buffer::Full
        } else if outbox.unsent.is_some_and(|unsent| unsent > 0) {
            Buffer::Unsent
        } else if let Some(missing) = not_covered(asked, outbox.covers) {
            return Verdict::stale(missing).with(details);
        } else if outbox.dropped.is_none() || outbox.unsent.is_none() {
            return Verdict::undetermined("the outbox does not tell what it dropped and still holds")
                .with(details);
        } else {
            Buffer::Empty
        };
    Verdict::known(buffer.value(), outbox.observed_at, Details::from_iter(details))
}

/// A count for the person who reads it.
pub(super) fn count(name: &'static str, count: Option<u64>) -> Detail {
    Detail::new(name, count.map_or_else(|| "not told".to_owned(), |count| count.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{NOW, at, period};
    use crate::fact::UnknownReason;

    fn outbox() -> Outbox {
        Outbox::new(at(NOW), period(0, 100)).with_dropped(0).with_unsent(0)
    }

    fn judged(outbox: &Outbox) -> Verdict {
        judge(outbox, 0.95, period(0, 100))
    }

    #[test]
    fn full_comes_before_unsent_and_unsent_before_empty() {
        let used = |used| outbox().with_capacity(100).with_peak_used(used);
        for (outbox, buffer) in [
            (outbox(), Buffer::Empty),
            (outbox().with_unsent(1), Buffer::Unsent),
            (outbox().with_dropped(1).with_unsent(1), Buffer::Full),
            (used(94), Buffer::Empty),
            (used(95), Buffer::Full),
            (used(94).with_unsent(5), Buffer::Unsent),
            (used(200), Buffer::Full),
            (outbox().with_capacity(1).with_peak_used(1), Buffer::Full),
            (outbox().with_capacity(0).with_peak_used(5), Buffer::Empty),
            (outbox().with_peak_used(5), Buffer::Empty),
        ] {
            assert_eq!(judged(&outbox).value(), Some(buffer.value()), "{outbox:?}");
        }
    }

    #[test]
    fn counts_that_are_not_told_are_not_none() {
        let told = || Outbox::new(at(NOW), period(0, 100));
        for outbox in [told(), told().with_dropped(0), told().with_unsent(0), told().with_delivered(5)] {
            assert_eq!(judged(&outbox).reason(), Some(UnknownReason::Undetermined), "{outbox:?}");
        }
        assert_eq!(judged(&told().with_unsent(1)).value(), Some(Buffer::Unsent.value()));
        assert_eq!(judged(&told().with_dropped(1)).value(), Some(Buffer::Full.value()));
        assert_eq!(judged(&told()).details().find("dropped"), Some("not told"));
    }

    #[test]
    fn a_short_log_proves_what_it_holds_and_nothing_else() {
        let mut short = outbox();
        short.covers = period(0, 99);
        assert_eq!(judged(&short).reason(), Some(UnknownReason::Stale));
        assert_eq!(judged(&short.with_dropped(1)).value(), Some(Buffer::Full.value()));
    }
}

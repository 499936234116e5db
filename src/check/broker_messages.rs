use super::CheckRequest;
use super::builtin::Builtin;
use super::judge::{Verdict, no_adapter, no_period};
use super::param::{Given, ParamSpec};
use super::share::share;
use super::window::not_covered;
use crate::fact::{ChoicesError, Detail, Details, Domain, Kind, Observation};
use crate::probe::{Messages, MessagesRequest, ProbeError, Probes, Rows, RowsRequest};
use crate::runbook::step::About;
use crate::subject::Scope;
use crate::time::Period;

/// Which share of the expected messages reached the broker?
pub(super) struct BrokerMessages;

impl Builtin for BrokerMessages {
    const ID: &'static str = "broker-messages";
    const SCOPE: Scope = Scope::Device;
    const ABOUT: About = About::Period;
    const PARAMS: &'static [ParamSpec] = &[];

    fn domain() -> Result<Domain, ChoicesError> {
        Ok(Domain::new(Kind::Number))
    }

    fn bind(_: &Given<'_>) -> Option<Self> {
        Some(Self)
    }

    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Result<Observation, ProbeError> {
        let Some(broker) = probes.broker() else { return Ok(no_adapter("broker probe")) };
        let Some(telemetry) = probes.telemetry() else { return Ok(no_adapter("telemetry probe")) };
        let subject = request.subject();
        let Some(period) = subject.period else { return Ok(no_period(broker.source())) };
        let mut asked = MessagesRequest::new(subject.device.clone(), period);
        asked.tag.clone_from(&subject.tag);
        let messages = broker.messages(&asked).await.map_err(|error| error.by(broker.source()))?;
        let mut rows = RowsRequest::new(subject.device.clone(), period);
        rows.tag.clone_from(&subject.tag);
        let rows = telemetry.rows(&rows).await.map_err(|error| error.by(telemetry.source()))?;
        Ok(judge(&messages, &rows, period).by(broker.source()))
    }
}

fn judge(messages: &Messages, rows: &Rows, asked: Period) -> Verdict {
    if let Some(missing) = not_covered(asked, messages.covers) {
        return Verdict::stale(missing);
    }
    match share(messages.arrived, rows.expected) {
        Some(share) => {
            let details =
                [Detail::new("messages", format!("{} of {} expected", messages.arrived, rows.expected))];
            let observed_at = messages.observed_at.min(rows.observed_at);
            Verdict::known(share, observed_at, Details::from_iter(details))
        }
        None => Verdict::undetermined("no message is expected in the period"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{NOW, at, period};
    use crate::fact::{UnknownReason, Value};

    fn judged(arrived: u64, expected: u64, covers: (i64, i64)) -> Verdict {
        let messages = Messages::new(at(NOW), period(covers.0, covers.1), arrived);
        judge(&messages, &Rows::new(at(NOW), expected, 0), period(0, 100))
    }

    #[test]
    fn the_share_is_of_what_was_expected_and_never_more_than_all() {
        for (arrived, share) in [(0, 0.0), (49, 0.49), (50, 0.5), (100, 1.0), (250, 1.0), (u64::MAX, 1.0)] {
            assert_eq!(judged(arrived, 100, (0, 100)).value(), Some(Value::Number(share)));
        }
    }

    #[test]
    fn nothing_expected_is_undetermined_and_a_short_log_is_stale() {
        assert_eq!(judged(5, 0, (0, 100)).reason(), Some(UnknownReason::Undetermined));
        assert_eq!(judged(5, 10, (0, 99)).reason(), Some(UnknownReason::Stale));
    }
}

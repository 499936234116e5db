use super::CheckRequest;
use super::builtin::Builtin;
use super::judge::{Verdict, no_adapter, no_period, no_subject};
use super::param::{Given, ParamSpec};
use super::share::of_missing;
use super::window::not_covered;
use crate::fact::{ChoicesError, Detail, Domain, Kind, Observation};
use crate::probe::{
    Bridged, BridgedRequest, Messages, MessagesRequest, ProbeError, Probes, Rows, RowsRequest,
};
use crate::runbook::step::About;
use crate::subject::Scope;
use crate::time::Period;

/// Which share of the missing rows reached the broker and is not in Kafka?
pub(super) struct BridgeLost;

impl Builtin for BridgeLost {
    const ID: &'static str = "bridge-lost";
    const SCOPE: Scope = Scope::Pipeline;
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
        let Some(kafka) = probes.kafka() else { return Ok(no_adapter("kafka probe")) };
        let Some(telemetry) = probes.telemetry() else { return Ok(no_adapter("telemetry probe")) };
        let subject = request.subject();
        let Some(period) = subject.period else { return Ok(no_period(kafka.source())) };
        let Some(pipeline) = &subject.pipeline else { return Ok(no_subject("pipeline", kafka.source())) };
        let mut asked = MessagesRequest::new(subject.device.clone(), period);
        asked.tag.clone_from(&subject.tag);
        let messages = broker.messages(&asked).await.map_err(|error| error.by(broker.source()))?;
        let mut asked = BridgedRequest::new(pipeline.clone(), subject.device.clone(), period);
        asked.tag.clone_from(&subject.tag);
        let bridged = kafka.bridged(&asked).await.map_err(|error| error.by(kafka.source()))?;
        let mut rows = RowsRequest::new(subject.device.clone(), period);
        rows.tag.clone_from(&subject.tag);
        let rows = telemetry.rows(&rows).await.map_err(|error| error.by(telemetry.source()))?;
        Ok(judge(&messages, &bridged, &rows, period).by(kafka.source()))
    }
}

fn judge(messages: &Messages, bridged: &Bridged, rows: &Rows, asked: Period) -> Verdict {
    let lost = messages.arrived.saturating_sub(bridged.in_kafka);
    let observed_at = messages.observed_at.min(bridged.observed_at);
    let details = [
        Detail::new("at the broker", messages.arrived.to_string()),
        Detail::new("in kafka", bridged.in_kafka.to_string()),
    ];
    if let Some(missing) = not_covered(asked, messages.covers) {
        return Verdict::stale(missing).with(details);
    }
    of_missing("lost", lost, rows, asked, bridged.covers, observed_at).with(details)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{NOW, at, period};
    use crate::fact::{UnknownReason, Value};

    fn judged(arrived: u64, in_kafka: u64, covers: (i64, i64)) -> Verdict {
        let asked = period(0, 100);
        let messages = Messages::new(at(NOW), period(covers.0, covers.1), arrived);
        judge(&messages, &Bridged::new(at(NOW), asked, in_kafka), &Rows::new(at(NOW), 20, 10), asked)
    }

    #[test]
    fn what_is_lost_on_the_way_is_the_difference_and_never_less_than_none() {
        for (arrived, in_kafka, share) in [(20, 15, 0.5), (20, 20, 0.0), (20, 0, 1.0), (10, 20, 0.0)] {
            assert_eq!(judged(arrived, in_kafka, (0, 100)).value(), Some(Value::Number(share)));
        }
        assert_eq!(judged(20, 15, (1, 100)).reason(), Some(UnknownReason::Stale));
    }
}

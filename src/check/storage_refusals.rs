use super::CheckRequest;
use super::builtin::Builtin;
use super::judge::{Verdict, no_adapter, no_period, no_subject};
use super::param::{Given, ParamSpec};
use super::share::of_missing;
use crate::fact::{ChoicesError, Detail, Domain, Kind, Observation};
use crate::probe::{
    ProbeError, Probes, Rows, RowsRequest, StorageRefusals as Answer, StorageRefusalsRequest,
};
use crate::runbook::step::About;
use crate::subject::Scope;
use crate::time::Period;

/// Which share of the missing rows did the database refuse or fail to write?
pub(super) struct StorageRefusals;

impl Builtin for StorageRefusals {
    const ID: &'static str = "storage-refusals";
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
        let Some(telemetry) = probes.telemetry() else { return Ok(no_adapter("telemetry probe")) };
        let subject = request.subject();
        let Some(period) = subject.period else { return Ok(no_period(telemetry.source())) };
        let Some(pipeline) = &subject.pipeline else { return Ok(no_subject("pipeline", telemetry.source())) };
        let mut asked = StorageRefusalsRequest::new(pipeline.clone(), subject.device.clone(), period);
        asked.tag.clone_from(&subject.tag);
        let answer =
            telemetry.storage_refusals(&asked).await.map_err(|error| error.by(telemetry.source()))?;
        let mut rows = RowsRequest::new(subject.device.clone(), period);
        rows.tag.clone_from(&subject.tag);
        let rows = telemetry.rows(&rows).await.map_err(|error| error.by(telemetry.source()))?;
        Ok(judge(&answer, &rows, period).by(telemetry.source()))
    }
}

fn judge(answer: &Answer, rows: &Rows, asked: Period) -> Verdict {
    let example = answer.example.as_deref().map(|text| Detail::new("example", text));
    of_missing("refused", answer.refused, rows, asked, answer.covers, answer.observed_at).with(example)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{NOW, at, period};
    use crate::fact::Value;

    #[test]
    fn what_the_database_said_stands_beside_the_share() {
        let asked = period(0, 100);
        let answer = Answer::new(at(NOW), asked, 10).with_example("disk full");
        let verdict = judge(&answer, &Rows::new(at(NOW), 20, 10), asked);
        assert_eq!(verdict.value(), Some(Value::Number(1.0)));
        assert_eq!(verdict.details().find("example"), Some("disk full"));
    }
}

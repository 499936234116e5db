use super::CheckRequest;
use super::builtin::Builtin;
use super::judge::{Verdict, no_adapter, no_period};
use super::param::{Given, ParamSpec};
use super::share::of_missing;
use crate::fact::{ChoicesError, Detail, Domain, Kind, Observation};
use crate::probe::{ProbeError, Probes, Rejections, RejectionsRequest, Rows, RowsRequest};
use crate::runbook::step::About;
use crate::subject::Scope;
use crate::time::Period;

/// Which share of the missing rows did the schema validation reject?
pub(super) struct SchemaRejections;

impl Builtin for SchemaRejections {
    const ID: &'static str = "schema-rejections";
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
        let Some(probe) = probes.schema() else { return Ok(no_adapter("schema probe")) };
        let Some(telemetry) = probes.telemetry() else { return Ok(no_adapter("telemetry probe")) };
        let subject = request.subject();
        let Some(period) = subject.period else { return Ok(no_period(probe.source())) };
        let mut asked = RejectionsRequest::new(subject.device.clone(), period);
        asked.tag.clone_from(&subject.tag);
        let answer = probe.rejections(&asked).await.map_err(|error| error.by(probe.source()))?;
        let mut rows = RowsRequest::new(subject.device.clone(), period);
        rows.tag.clone_from(&subject.tag);
        let rows = telemetry.rows(&rows).await.map_err(|error| error.by(telemetry.source()))?;
        Ok(judge(&answer, &rows, period).by(probe.source()))
    }
}

fn judge(answer: &Rejections, rows: &Rows, asked: Period) -> Verdict {
    let told = [("firmware", &answer.firmware), ("schema", &answer.schema), ("example", &answer.example)];
    let details =
        told.into_iter().filter_map(|(name, text)| text.as_deref().map(|text| Detail::new(name, text)));
    of_missing("rejected", answer.rejected, rows, asked, answer.covers, answer.observed_at).with(details)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{NOW, at, period};
    use crate::fact::Value;

    #[test]
    fn the_versions_stand_beside_the_share() {
        let asked = period(0, 100);
        let answer = Rejections::new(at(NOW), asked, 5).with_firmware("2.1").with_schema("2.0");
        let verdict = judge(&answer, &Rows::new(at(NOW), 20, 10), asked);
        assert_eq!(verdict.value(), Some(Value::Number(0.5)));
        assert_eq!(verdict.details().find("firmware"), Some("2.1"));
        assert_eq!(verdict.details().find("schema"), Some("2.0"));
    }
}

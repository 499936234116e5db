use super::share::{Answers, Gap, OfTag as _, judge_missing};
use crate::check::prelude::*;
use crate::probe::{StorageRefusals as Answer, StorageRefusalsRequest};

check! {
    /// Which share of the missing rows did the database refuse or fail to write?
    StorageRefusals = "storage-refusals", Pipeline, Period, NUMBER;
}

impl Builtin for StorageRefusals {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let probe = adapter(probes.telemetry(), "telemetry probe")?;
        let pipeline = request.pipeline(probe.source())?;
        let ask = |period| {
            let asked =
                StorageRefusalsRequest::new(pipeline.clone(), request.device(), period).of_tag(request);
            async move { probe.storage_refusals(&asked).await }
        };
        judge_missing(request, probes, probe.source(), ask, judge).await
    }
}

/// The database counts rows, not messages.
fn judge(answers: &Answers<Answer>, gap: &Gap) -> Verdict {
    let refused = answers.sum(|answer| answer.refused);
    let example = answers.text("example", |answer| answer.example.as_deref());
    let details = [Detail::new("rows refused", refused.to_string())].into_iter().chain(example);
    answers.share(gap.share_of_rows(refused as f64), gap).with(details)
}

#[cfg(test)]
mod tests {
    use super::super::share::testing::{gap_of, whole};
    use super::*;
    use crate::check::testing::*;
    use crate::fact::Value;

    #[test]
    fn database_counts_rows_not_messages() {
        let gap = gap_of(crate::probe::Rows::new(at(NOW), 20, 10).with_rows_per_message(10.0));
        let answer = Answer::new(at(NOW), period(0, 100), 5).with_example("disk full");
        let judged = judge(&whole(answer), &gap);
        judged.expect_share(Value::Number(0.5), 0.5);
        assert_eq!(judged.detail("example"), Some("disk full"));
    }
}

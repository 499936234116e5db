use super::share::{Answers, Gap, Judged, judge_missing};
use crate::check::CheckRequest;
use crate::check::judge::adapter;
use crate::check::spec::{Builtin, NUMBER, Observed, check};
use crate::fact::Detail;
use crate::probe::{Probes, StorageRefusals as Answer, StorageRefusalsRequest};

check! {
    /// Which share of the missing rows did the database refuse or fail to write?
    StorageRefusals = "storage-refusals", Pipeline, Period, NUMBER;
}

impl Builtin for StorageRefusals {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let probe = adapter(probes.telemetry(), "telemetry probe")?;
        let pipeline = request.pipeline(probe.source())?;
        let subject = request.subject();
        let ask = |period| {
            let mut asked = StorageRefusalsRequest::new(pipeline.clone(), subject.device.clone(), period);
            asked.tag.clone_from(&subject.tag);
            async move { probe.storage_refusals(&asked).await }
        };
        judge_missing(request, probes, probe.source(), ask, judge).await
    }
}

/// The database counts rows, not messages.
fn judge(answers: &Answers<Answer>, gap: &Gap) -> Judged {
    let refused = answers.sum(|answer| answer.refused);
    let example = answers.text("example", |answer| answer.example.as_deref());
    let details = [Detail::new("rows refused", refused.to_string())].into_iter().chain(example);
    answers.share(gap.share_of_rows(refused as f64), gap).with(details)
}

#[cfg(test)]
mod tests {
    use super::super::share::testing::{gap_of, whole};
    use super::*;
    use crate::check::testing::{NOW, at, period};
    use crate::fact::Value;

    #[test]
    fn database_counts_rows_not_messages() {
        let gap = gap_of(crate::probe::Rows::new(at(NOW), 20, 10).with_rows_per_message(10.0));
        let answer = Answer::new(at(NOW), period(0, 100), 5).with_example("disk full");
        let judged = judge(&whole(answer), &gap);
        assert_eq!((judged.value(), judged.accounts_for), (Some(Value::Number(0.5)), Some(0.5)));
        assert_eq!(judged.detail("example"), Some("disk full"));
    }
}

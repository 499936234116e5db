use super::share::{Answers, Gap, Judged, judge_missing};
use crate::check::CheckRequest;
use crate::check::judge::adapter;
use crate::check::spec::{Builtin, NUMBER, Observed, check};
use crate::fact::Detail;
use crate::probe::{Probes, Rejections, RejectionsRequest};

check! {
    /// Which share of the missing rows did the schema validation reject?
    SchemaRejections = "schema-rejections", Device, Period, NUMBER;
}

impl Builtin for SchemaRejections {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let probe = adapter(probes.schema(), "schema probe")?;
        let subject = request.subject();
        let ask = |period| {
            let mut asked = RejectionsRequest::new(subject.device.clone(), period);
            asked.tag.clone_from(&subject.tag);
            async move { probe.rejections(&asked).await }
        };
        judge_missing(request, probes, probe.source(), ask, judge).await
    }
}

fn judge(answers: &Answers<Rejections>, gap: &Gap) -> Judged {
    let rejected = answers.sum(|answer| answer.rejected);
    let texts = [
        answers.text("firmware", |answer| answer.firmware.as_deref()),
        answers.text("schema", |answer| answer.schema.as_deref()),
        answers.text("example", |answer| answer.example.as_deref()),
    ];
    let details =
        [Detail::new("rejected", rejected.to_string())].into_iter().chain(texts.into_iter().flatten());
    answers.share(gap.share_of_messages(rejected), gap).with(details)
}

#[cfg(test)]
mod tests {
    use super::super::share::testing::{gap, gap_of, whole};
    use super::*;
    use crate::check::testing::{NOW, at, period};
    use crate::fact::{UnknownReason, Value};

    fn judged(rejected: u64, covers: (i64, i64)) -> Judged {
        let answer = Rejections::new(at(NOW), period(covers.0, covers.1), rejected);
        judge(&whole(answer.with_firmware("2.1").with_schema("2.0")), &gap(20, 10))
    }

    #[test]
    fn rejected_messages_account_for_their_rows() {
        for (rejected, share) in [(0, 0.0), (4, 0.4), (5, 0.5), (10, 1.0), (900, 1.0)] {
            let judged = judged(rejected, (0, 100));
            assert_eq!(judged.value(), Some(Value::Number(share)));
            assert_eq!(judged.accounts_for, Some(share));
        }
        let ten_rows = gap_of(crate::probe::Rows::new(at(NOW), 200, 100).with_rows_per_message(10.0));
        let answer = whole(Rejections::new(at(NOW), period(0, 100), 5));
        assert_eq!(judge(&answer, &ten_rows).accounts_for, Some(0.5));
    }

    #[test]
    fn the_versions_stand_beside_the_share() {
        let judged = judged(5, (0, 100));
        assert_eq!((judged.detail("firmware"), judged.detail("schema")), (Some("2.1"), Some("2.0")));
        assert_eq!(judged.detail("rows missing"), Some("10 of 20 expected"));
    }

    /// What was found is there, whatever else the log has lost.
    #[test]
    fn short_log_proves_all_and_nothing_less() {
        assert_eq!(judged(9, (0, 99)).reason(), Some(UnknownReason::Stale));
        assert_eq!(judged(10, (0, 99)).value(), Some(Value::Number(1.0)));
    }
}

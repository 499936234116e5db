use super::share::{Answers, Gap, OfTag as _, judge_missing};
use crate::check::prelude::*;
use crate::probe::{Rejections, RejectionsRequest};

check! {
    /// Which share of the missing rows did the schema validation reject?
    SchemaRejections = "schema-rejections", Device, Period, NUMBER;
}

impl Builtin for SchemaRejections {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let probe = adapter(probes.schema(), "schema probe")?;
        let ask = |period| {
            let asked = RejectionsRequest::new(request.device(), period).of_tag(request);
            async move { probe.rejections(&asked).await }
        };
        judge_missing(request, probes, probe.source(), ask, judge).await
    }
}

fn judge(answers: &Answers<Rejections>, gap: &Gap) -> Verdict {
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
    use crate::check::testing::*;

    fn judged(rejected: u64, covers: (i64, i64)) -> Verdict {
        let answer = Rejections::new(at(NOW), period(covers.0, covers.1), rejected);
        judge(&whole(answer.with_firmware("2.1").with_schema("2.0")), &gap(20, 10))
    }

    #[test]
    fn rejected_messages_account_for_their_rows() {
        for (rejected, share) in [(0, 0.0), (4, 0.4), (5, 0.5), (10, 1.0), (900, 1.0)] {
            judged(rejected, (0, 100)).expect_share(share, share);
        }
        let ten_rows = gap_of(crate::probe::Rows::new(at(NOW), 200, 100).with_rows_per_message(10.0));
        let answer = whole(Rejections::new(at(NOW), period(0, 100), 5));
        assert_eq!(judge(&answer, &ten_rows).accounts_for(), Some(0.5));
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
        judged(9, (0, 99)).expect(Stale);
        judged(10, (0, 99)).expect(1.0);
    }
}

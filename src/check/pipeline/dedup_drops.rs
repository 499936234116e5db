use super::share::{Answers, Gap, OfTag as _, judge_missing};
use crate::check::prelude::*;
use crate::probe::{Dropped, DroppedRequest};
use crate::time::format_duration;

check! {
    /// Which share of the missing rows did the deduplication drop though they were no duplicates?
    DedupDrops = "dedup-drops", Device, Period, NUMBER;
}

impl Builtin for DedupDrops {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let probe = adapter(probes.dedup_log(), "dedup log probe")?;
        let ask = |period| {
            let asked = DroppedRequest::new(request.device(), period).of_tag(request);
            async move { probe.dropped(&asked).await }
        };
        judge_missing(request, probes, probe.source(), ask, judge).await
    }
}

/// A dropped message whose row is not stored was no duplicate. Where nobody looked for the rows, those are between the
/// collisions that the log knows and all that it dropped and did not compare.
fn judge(answers: &Answers<Dropped>, gap: &Gap) -> Verdict {
    let dropped = answers.sum(|answer| answer.dropped);
    let mut details = vec![Detail::new("dropped", dropped.to_string())];
    let mut between = (0_u64, 0_u64);
    for answer in answers.iter() {
        let (least, most) = match no_duplicates(answer) {
            Ok(bounds) => bounds,
            Err(why) => return Verdict::undetermined(why).with(details),
        };
        between = (between.0.saturating_add(least), between.1.saturating_add(most));
    }
    let (least, most) = between;
    let ttl = answers.iter().find_map(|answer| answer.ttl);
    if let Some(ttl) = ttl {
        details.push(Detail::new("ttl", format_duration(ttl)));
        let replay = answers.iter().filter_map(|answer| answer.replay).max();
        if let Some(replay) = replay.filter(|replay| ttl < *replay) {
            let text = format!("replays come up to {} later", format_duration(replay));
            details.push(Detail::new("ttl too short", text));
        }
    }
    if least < most {
        let text = format!("{least} to {most}: nobody looked whether their rows are stored");
        details.push(Detail::new("dropped, and no duplicate", text));
        if gap.share_of_messages(least) < 1.0 {
            let why = "the log does not say which of the dropped messages have no row";
            return Verdict::undetermined(why).with(details).with(gap.notes());
        }
    } else {
        details.push(Detail::new("dropped, and no duplicate", least.to_string()));
    }
    answers.share(gap.share_of_messages(least), gap).with(details)
}

/// How many of the dropped messages were no duplicates: at least, and at most. A copy of a message whose row the database
/// refused is a duplicate.
fn no_duplicates(answer: &Dropped) -> Result<(u64, u64), String> {
    let Dropped { dropped, collided, unstored, first_refused, identical, .. } = answer;
    let parts =
        [("collided", Some(*collided)), ("have no row", *unstored), ("are identical copies", *identical)];
    for (name, part) in parts {
        if let Some(part) = part.filter(|part| part > dropped) {
            return Err(format!("the log contradicts itself: {part} {name} of {dropped} dropped"));
        }
    }
    if unstored.is_some_and(|unstored| *first_refused > unstored) {
        return Err(format!(
            "the log contradicts itself: {first_refused} are copies of refused rows, more than have no row"
        ));
    }
    let different = dropped.saturating_sub(identical.unwrap_or_default());
    if *collided > different {
        return Err(format!(
            "the log contradicts itself: {collided} collided, and {different} are not identical"
        ));
    }
    Ok(match unstored {
        Some(unstored) => {
            let lost = unstored.saturating_sub(*first_refused).min(different);
            (lost, lost)
        }
        None => (*collided, different),
    })
}

#[cfg(test)]
mod tests {
    use super::super::share::testing::{gap, whole};
    use super::*;
    use crate::check::testing::*;

    fn dropped(dropped: u64, collided: u64) -> Dropped {
        Dropped::new(at(NOW), period(0, 100), dropped, collided)
    }

    fn judged(answer: Dropped) -> Verdict {
        judge(&whole(answer), &gap(20, 10))
    }

    #[test]
    fn drop_without_a_row_was_no_duplicate() {
        for (answer, share) in [
            (dropped(0, 0), 0.0),
            (dropped(9, 0).with_unstored(4), 0.4),
            // The log cannot tell a collision, or saw fewer of them.
            (dropped(9, 2).with_unstored(5), 0.5),
            // Its first copy was refused by the database.
            (dropped(9, 0).with_unstored(5).with_first_refused(5), 0.0),
            (dropped(9, 0).with_unstored(5).with_first_refused(1), 0.4),
            // Real duplicates, whatever became of the row.
            (dropped(9, 0).with_unstored(9).with_identical(9), 0.0),
            (dropped(9, 0).with_identical(9), 0.0),
            (dropped(9, 4).with_identical(5), 0.4),
        ] {
            let text = format!("{answer:?}");
            judged(answer).expect_share_of(&text, share, share);
        }
    }

    #[test]
    fn drops_that_nobody_looked_up_decide_nothing() {
        let unknown = judged(dropped(9, 4));
        unknown.expect(Undetermined);
        assert!(unknown.detail("dropped, and no duplicate").is_some_and(|text| text.starts_with("4 to 9")));
        // All the missing rows collided: what the rest was does not matter.
        judged(dropped(30, 10)).expect(1.0);
    }

    #[test]
    fn log_that_contradicts_itself_decides_nothing() {
        for answer in [
            dropped(3, 4),
            dropped(3, 0).with_unstored(4),
            dropped(3, 0).with_identical(4),
            dropped(3, 0).with_unstored(1).with_first_refused(2),
            dropped(3, 2).with_identical(2),
        ] {
            let text = format!("{answer:?}");
            judged(answer).expect_of(&text, Undetermined);
        }
    }

    #[test]
    fn a_ttl_shorter_than_the_replay_is_named() {
        let with = |ttl| judged(dropped(0, 0).with_ttl(secs(ttl)).with_replay(secs(60)));
        assert!(with(59).detail("ttl too short").is_some());
        assert!(with(60).detail("ttl too short").is_none());
    }
}

//! The rows that a gap lacks, and the share of them that a finding accounts for.
//!
//! Missing rows are the expected rows of the times in service, less those that are stored now. Each step counts what was
//! lost at its own stage, so that no row is counted twice:
//!
//! | stage | counts | leaves to others |
//! |---|---|---|
//! | `acquisition` | samples that the gateway did not get, or got and did not pass on | what a deadband withheld |
//! | `edge-buffer` | messages that its outbox dropped or still holds | what was never passed on to it |
//! | `broker-messages` | messages that the broker dropped or refused; on the way to `bridge`, those that never came | those that nobody was subscribed to |
//! | `bridge-lost` | messages that the broker passed on and that are not in Kafka | what the broker dropped |
//! | `consumer-offset` | messages that a reset skipped; where it concludes, those held back or behind a record | held back or behind a record below `explains`: they are unread |
//! | `consumer-lag` | messages that are not read, or gone unread | skipped ones: their offsets count as read |
//! | `schema-rejections` | messages that were read and rejected | |
//! | `dedup-drops` | messages that were dropped and have no row | copies of a message whose row the database refused: they count for `storage-refusals` |
//! | `storage-refusals` | rows that the database refused | |
//! | `stored-elsewhere` | rows that it took and does not show there | |
//! | `deadband` | samples that it withheld | |

use chrono::{DateTime, TimeDelta, Utc};

use super::service_history::{self, Service};
use crate::check::judge;
use crate::check::prelude::*;
use crate::check::spec::Stop;
use crate::fact::Source;
use crate::probe::*;
use crate::time::{Period, format_duration};

pub(super) use crate::check::judge::percent;

/// At most so many parts of a period are asked about one by one.
pub(super) const MOST_PARTS: usize = 64;

/// The expected and the stored rows of a period, and the parts of it in which the device was in service.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Gap {
    parts: Vec<Period>,
    rows: Rows,
    rows_per_message: f64,
    /// What the trace says of how the rows were counted.
    notes: Vec<Detail>,
}

impl Gap {
    /// Asks for the rows of the subject's period. Unknown where nobody can say what is missing, or nothing is.
    pub(super) async fn ask_missing(request: &CheckRequest<'_>, probes: &Probes) -> Result<Self, Stop> {
        let (gap, source) = Self::ask(request, probes).await?;
        if gap.missing() == 0 {
            let none = Verdict::undetermined("no row is missing in the period now");
            return Err(none.with(gap.notes()).by(source).into());
        }
        Ok(gap)
    }

    /// The same where no row may be missing any more; beside it, who counted the rows.
    pub(super) async fn ask(request: &CheckRequest<'_>, probes: &Probes) -> Result<(Self, Source), Stop> {
        let telemetry = adapter(probes.telemetry(), "telemetry probe")?;
        let source = telemetry.source();
        let (parts, note) = in_service(request, probes, request.period(source.clone())?).await;
        if parts.is_empty() || parts.len() > MOST_PARTS {
            let why = format!(
                "the device was in service in {} parts of the period; ask about a shorter one",
                parts.len()
            );
            return Err(Verdict::undetermined(why).with(note).by(source).into());
        }
        let mut rows = Vec::with_capacity(parts.len());
        for part in &parts {
            let asked = RowsRequest::new(request.device(), *part).of_tag(request);
            let asked = asked.with_since(request.triggered_at());
            rows.push(telemetry.rows(&asked).await.by(source.clone())?);
        }
        match Self::of(parts, &rows, note) {
            Ok(gap) => Ok((gap, source)),
            Err(verdict) => Err(verdict.by(source).into()),
        }
    }

    /// The sum of the rows of each part; an error where they cannot be.
    pub(super) fn of(
        parts: Vec<Period>,
        rows: &[Rows],
        note: impl IntoIterator<Item = Detail>,
    ) -> Result<Self, Verdict> {
        let sum = |count: fn(&Rows) -> u64| rows.iter().map(count).fold(0, u64::saturating_add);
        let (expected, stored) = (sum(|rows| rows.expected), sum(|rows| rows.present));
        let observed_at = rows.iter().map(|rows| rows.observed_at).min().unwrap_or_default();
        let mut total = Rows::new(observed_at, expected, stored);
        if rows.iter().all(|rows| rows.late.is_some()) {
            total.late = Some(sum(|rows| rows.late.unwrap_or_default()));
        }
        total.last_stored = rows.iter().filter_map(|rows| rows.last_stored).max();
        let mut notes =
            vec![Detail::new("rows missing", format!("{} of {expected} expected", total.missing()))];
        notes.extend(note);
        if expected == 0 {
            return Err(Verdict::undetermined("no row was due in the period").with(notes));
        }
        if let Some(rows) = rows.iter().find(|rows| rows.present > rows.expected) {
            let why = format!(
                "more rows are stored than the cadence promises: {} of {}; correct the cadence, or count the expected \
                 rows alone",
                rows.present, rows.expected
            );
            return Err(Verdict::undetermined(why).with(notes));
        }
        if let Some((late, stored)) =
            total.late.map(|late| (late, stored)).filter(|(late, stored)| late > stored)
        {
            let why = format!("{late} rows came late, and only {stored} are stored");
            return Err(Verdict::undetermined(why).with(notes));
        }
        // The parts are of one device or tag; where the averages differ, the one that makes the least of a message.
        let per_message = rows.iter().map(|rows| rows.rows_per_message.unwrap_or(1.0));
        let mut rows_per_message = f64::INFINITY;
        for per_message in per_message {
            if !(per_message > 0.0 && per_message.is_finite()) {
                let why = format!("rows per message must be a number above 0, got {per_message}");
                return Err(Verdict::undetermined(why).with(notes));
            }
            rows_per_message = rows_per_message.min(per_message);
        }
        if rows_per_message != 1.0 {
            notes.push(Detail::new("rows per message", rows_per_message.to_string()));
        }
        Ok(Self { parts, rows: total, rows_per_message, notes })
    }

    pub(super) const fn missing(&self) -> u64 {
        self.rows.missing()
    }

    pub(super) const fn expected(&self) -> u64 {
        self.rows.expected
    }

    pub(super) const fn stored(&self) -> u64 {
        self.rows.present
    }

    /// How many rows were stored since the diagnosis was triggered.
    pub(super) const fn late(&self) -> Option<u64> {
        self.rows.late
    }

    /// When the last row of the period was stored.
    pub(super) const fn last_stored(&self) -> Option<DateTime<Utc>> {
        self.rows.last_stored
    }

    pub(super) const fn observed_at(&self) -> DateTime<Utc> {
        self.rows.observed_at
    }

    /// How many rows so many messages make.
    pub(super) fn rows_of(&self, messages: u64) -> f64 {
        // Beyond 2^53 the product is off by a rounding, which no threshold sees.
        messages as f64 * self.rows_per_message
    }

    /// The share of the missing rows that so many messages account for.
    pub(super) fn share_of_messages(&self, messages: u64) -> f64 {
        self.share_of_rows(self.rows_of(messages))
    }

    /// Whether the expected rows come at least as often as each `interval`.
    #[cfg(feature = "deadband")]
    pub(super) fn rows_come_within(&self, interval: TimeDelta) -> bool {
        let length = self.parts.iter().fold(TimeDelta::zero(), |sum, part| sum + part.length());
        let expected = i32::try_from(self.rows.expected).unwrap_or(i32::MAX);
        // Up to an end of the period one row more may fit.
        interval.checked_mul(expected.saturating_sub(1)).is_some_and(|spanned| spanned <= length)
    }

    /// The share of the missing rows that so many rows are, from 0 to 1: more than all is all, as where a message was
    /// lost twice.
    pub(super) fn share_of_rows(&self, rows: f64) -> f64 {
        if self.missing() == 0 {
            return 0.0;
        }
        (rows / self.missing() as f64).clamp(0.0, 1.0)
    }

    /// The share of the missing rows whose messages came to a place that counted `messages` in all: those of the stored
    /// rows passed it too. An error where it counted fewer messages than rows are stored.
    pub(super) fn share_that_came(&self, messages: u64) -> Result<f64, String> {
        let rows = self.rows_of(messages);
        let beyond = rows - self.stored() as f64;
        if self.has_more_stored_than(messages) {
            return Err(format!(
                "{messages} messages make {rows} rows, and {} rows are stored: some messages were not counted",
                self.stored()
            ));
        }
        Ok(self.share_of_rows(beyond))
    }

    /// Whether so many messages make fewer rows than are stored, by a tenth of what is missing: a few may be counted on the
    /// other side of an end of the period.
    pub(super) fn has_more_stored_than(&self, messages: u64) -> bool {
        self.share_of_rows(self.stored() as f64 - self.rows_of(messages)) >= 0.1
    }

    /// What the trace says of the rows.
    pub(super) fn notes(&self) -> impl Iterator<Item = Detail> + '_ {
        self.notes.iter().cloned()
    }

    /// Asks about each part in which the device was in service.
    pub(super) async fn each<A, F: Future<Output = Result<A, ProbeError>>>(
        &self,
        source: Source,
        ask: impl Fn(Period) -> F,
    ) -> Result<Answers<A>, ProbeError> {
        let mut answers = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            answers.push((*part, ask(*part).await.by(source.clone())?));
        }
        Ok(Answers(answers))
    }
}

/// Asks about each part of a gap in which rows are missing, and judges the answers. Unknown where nobody can say what is
/// missing, or nothing is.
pub(super) async fn judge_missing<A, F: Future<Output = Result<A, ProbeError>>>(
    request: &CheckRequest<'_>,
    probes: &Probes,
    source: Source,
    ask: impl Fn(Period) -> F,
    judge: impl FnOnce(&Answers<A>, &Gap) -> Verdict,
) -> Observed {
    let gap = Gap::ask_missing(request, probes).await?;
    let answers = gap.each(source.clone(), ask).await?;
    Ok(judge(&answers, &gap).by(source))
}

/// The times of the period in which the device was in service, and what the trace says of them. Where nobody can say, the
/// whole period counts: the step before said so.
async fn in_service(
    request: &CheckRequest<'_>,
    probes: &Probes,
    period: Period,
) -> (Vec<Period>, Option<Detail>) {
    let not_known =
        |why: &str| Some(Detail::new("service", format!("not known ({why}); the whole period counts")));
    let Some(device) = probes.device() else { return (vec![period], not_known("no adapter is supplied")) };
    let asked = ServiceHistoryRequest::new(request.device(), period);
    match device.service_history(&asked).await {
        Ok(history) => match service_history::parts(&history, request, period) {
            Ok(Service { out, .. }) if out.is_zero() => (vec![period], None),
            Ok(service) => {
                let note = Detail::new("out of service for", format_duration(service.out));
                (service.parts, Some(note))
            }
            Err(_) => (vec![period], not_known("the history does not cover it")),
        },
        Err(error) => (vec![period], not_known(error.text())),
    }
}

/// The answers about the parts of a period.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answers<A>(pub(super) Vec<(Period, A)>);

impl<A: Log> Answers<A> {
    /// The sum of a count over the parts.
    pub(super) fn sum(&self, count: impl Fn(&A) -> u64) -> u64 {
        self.iter().map(count).fold(0, u64::saturating_add)
    }

    /// The same of a count that may not be known: then in no part.
    pub(super) fn sum_known(&self, count: impl Fn(&A) -> Option<u64>) -> Option<u64> {
        self.iter().try_fold(0_u64, |sum, answer| Some(sum.saturating_add(count(answer)?)))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &A> {
        self.0.iter().map(|(_, answer)| answer)
    }

    /// The first text of a kind that any answer carries.
    pub(super) fn text(&self, name: &'static str, text: impl Fn(&A) -> Option<&str>) -> Option<Detail> {
        self.iter().find_map(text).map(|text| Detail::new(name, text))
    }

    /// How long the parts are together.
    pub(super) fn length(&self) -> TimeDelta {
        self.0.iter().fold(TimeDelta::zero(), |sum, (part, _)| {
            sum.checked_add(&part.length()).unwrap_or(TimeDelta::MAX)
        })
    }

    /// What the answers do not cover, in words.
    pub(super) fn not_covered(&self) -> Option<String> {
        self.0.iter().find_map(|(part, answer)| not_covered(*part, answer.covers()))
    }

    /// The share that was found, as the value itself. A log that does not cover the period proves only that all is
    /// explained.
    pub(super) fn share(&self, share: f64, gap: &Gap) -> Verdict {
        let judged = match self.not_covered() {
            Some(missing) if share < 1.0 => Verdict::stale(missing),
            _ => Verdict::known(Value::Number(share), self.observed_at(gap)).accounting_for(share),
        };
        judged.with(gap.notes())
    }

    /// When the oldest of the answers and of the rows was looked up.
    pub(super) fn observed_at(&self, gap: &Gap) -> DateTime<Utc> {
        self.iter().map(Log::observed_at).fold(gap.observed_at(), DateTime::min)
    }
}

/// An answer that is complete for a period.
pub(super) trait Log {
    fn observed_at(&self) -> DateTime<Utc>;
    fn covers(&self) -> Period;
}

macro_rules! logs {
    ($($answer:ident)*) => {$(
        impl Log for $answer {
            fn observed_at(&self) -> DateTime<Utc> {
                self.observed_at
            }

            fn covers(&self) -> Period {
                self.covers
            }
        }
    )*};
}

logs! { Acquisition Bridged Dropped Elsewhere LagFacts Messages Offsets Outbox Rejections StorageRefusals }

/// A request that may be about one tag alone.
pub(super) trait OfTag: Sized {
    /// The same about the tag that the subject names.
    fn of_tag(self, request: &CheckRequest<'_>) -> Self;
}

macro_rules! of_tag {
    ($($asked:ident)*) => {$(
        impl OfTag for $asked {
            fn of_tag(mut self, request: &CheckRequest<'_>) -> Self {
                self.tag.clone_from(&request.subject().tag);
                self
            }
        }
    )*};
}

of_tag! {
    AcquisitionRequest BridgedRequest DeadbandRequest DroppedRequest ElsewhereRequest LagRequest MessagesRequest
    OffsetsRequest OutboxRequest RejectionsRequest RowsRequest StorageRefusalsRequest
}

/// A share that an adapter gave, if it is one.
pub(super) fn believed(name: &'static str, share: f64) -> Result<f64, String> {
    judge::share(name, share).map_err(|refused| format!("{}: {}", refused.name, refused.text))
}

/// A count for the person who reads it.
pub(super) fn count(name: &'static str, count: Option<u64>) -> Detail {
    Detail::new(name, count.map_or_else(|| "not known".to_owned(), |count| count.to_string()))
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use crate::check::testing::{NOW, at, period};

    /// The period that the tests of the judges ask about, in seconds.
    pub(in crate::check::pipeline) const ASKED: (i64, i64) = (0, 100);

    /// A gap of the whole period, one row for a message.
    pub(in crate::check::pipeline) fn gap(expected: u64, stored: u64) -> Gap {
        gap_of(Rows::new(at(NOW), expected, stored))
    }

    pub(in crate::check::pipeline) fn gap_of(rows: Rows) -> Gap {
        Gap::of(vec![period(ASKED.0, ASKED.1)], &[rows], None).unwrap()
    }

    /// The one answer about the whole period.
    pub(in crate::check::pipeline) fn whole<A>(answer: A) -> Answers<A> {
        Answers(vec![(period(ASKED.0, ASKED.1), answer)])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::testing::{gap, gap_of, whole};
    use super::*;
    use crate::check::testing::*;

    #[test]
    fn missing_is_expected_less_stored() {
        let gap = gap(20, 10);
        assert_eq!((gap.missing(), gap.share_of_messages(5), gap.share_of_messages(0)), (10, 0.5, 0.0));
        assert_eq!(gap.share_of_messages(u64::MAX), 1.0);
    }

    #[test]
    fn a_message_accounts_for_all_its_rows() {
        let gap = gap_of(Rows::new(at(NOW), 200, 100).with_rows_per_message(10.0));
        assert_eq!(gap.share_of_messages(5), 0.5);
        assert_eq!(gap.share_of_rows(5.0), 0.05);
    }

    #[test]
    fn rows_that_cannot_be_are_undetermined() {
        let rows = |expected, present| Rows::new(at(NOW), expected, present);
        for (rows, why) in [
            (rows(0, 0), "no row was due"),
            (rows(10, 11), "more rows are stored than the cadence promises: 11 of 10"),
            (rows(10, 5).with_rows_per_message(f64::NAN), "above 0, got NaN"),
            (rows(10, 5).with_rows_per_message(0.0), "above 0, got 0"),
            (rows(10, 5).with_rows_per_message(-1.0), "above 0, got -1"),
            (rows(10, 5).with_rows_per_message(f64::INFINITY), "above 0, got inf"),
            (rows(10, 5).with_late(6), "6 rows came late"),
        ] {
            let verdict = Gap::of(vec![period(0, 100)], &[rows], None).unwrap_err();
            verdict.expect(Undetermined);
            let text = verdict.detail("why").unwrap();
            assert!(text.contains(why), "{text}");
        }
    }

    #[test]
    fn surplus_in_one_part_hides_no_loss() {
        let rows = [Rows::new(at(NOW), 10, 12), Rows::new(at(NOW), 10, 0)];
        assert!(Gap::of(vec![period(0, 10), period(20, 30)], &rows, None).is_err());
    }

    #[test]
    fn stored_rows_came_past_the_broker_too() {
        let gap = gap(100, 40);
        for (messages, share) in [(40, 0.0), (70, 0.5), (100, 1.0), (250, 1.0), (35, 0.0)] {
            assert_eq!(gap.share_that_came(messages), Ok(share), "{messages}");
        }
        assert!(gap.share_that_came(34).is_err(), "a tenth of the missing rows is no matter of the ends");
    }

    #[test]
    fn joint_answer_has_oldest_age_and_overlap() {
        let answers = Answers(vec![
            (period(0, 10), Rejections::new(at(NOW - 7), period(0, 10), 1)),
            (period(20, 30), Rejections::new(at(NOW), period(20, 29), 2)),
        ]);
        assert_eq!(answers.observed_at(&gap(2, 1)), at(NOW - 7));
        assert_eq!(answers.sum(|answer| answer.rejected), 3);
        assert!(answers.not_covered().is_some_and(|text| text.contains("does not cover")));
        assert_eq!(whole(Rejections::new(at(NOW), period(0, 100), 1)).not_covered(), None);
    }

    #[test]
    fn share_beyond_one_is_refused_and_says_so() {
        assert_eq!(believed("part", 97.0).unwrap_err(), "part: a share must be from 0 to 1, got 97");
        assert_eq!(believed("part", f64::NAN).unwrap_err(), "part: a share must be from 0 to 1, got NaN");
        assert!(believed("part", -0.1).is_err());
        assert_eq!((believed("part", 0.0), believed("part", 1.0)), (Ok(0.0), Ok(1.0)));
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(14), ..ProptestConfig::default() })]

        /// Beside integers: the share is on the side of a bound on which the counts are.
        #[test]
        fn it_agrees_with_whole_numbers(count in 0u64..1000, missing in 1u64..1000, percent in 0u64..=100) {
            let share = gap(missing, 0).share_of_messages(count);
            prop_assert!((0.0..=1.0).contains(&share));
            let exact = count.min(missing) * 100;
            if exact > percent * missing {
                prop_assert!(share > percent as f64 / 100.0 - 1e-12);
            }
            if exact < percent * missing {
                prop_assert!(share < percent as f64 / 100.0);
            }
        }
    }
}

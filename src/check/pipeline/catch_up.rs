use chrono::{DateTime, TimeDelta, Utc};

use super::edge_buffer;
use super::share::{Answers, Gap, OfTag as _, count, percent};
use crate::check::prelude::*;
use crate::probe::{Outbox, ProbeError, RowsRequest};
use crate::time::Period;

choices! {
    State {
        Pending = "pending",
        Arrived = "arrived",
        Lost = "lost",
    }
}

check! {
    /// The device was offline: where are the rows of that time?
    CatchUp = "catch-up", Device, Period, State::VALUES;
    explains: f64,
    replay_still: TimeDelta,
}

/// Whether a buffer still delivers rows of the period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Replay {
    /// A row of it was stored lately.
    Moving(DateTime<Utc>),
    /// Nothing moves any more.
    Over,
    /// Nobody knows, and why.
    NotKnown(&'static str),
}

impl Builtin for CatchUp {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let (gap, source) = Gap::ask(request, probes).await?;
        let Some(gateway) = &request.subject().gateway else {
            let replay = self.replay_of_device(&gap, request, probes).await?;
            return Ok(judge(None, &gap, replay, self.explains).by(source));
        };
        let outboxes = edge_buffer::ask(&gap, gateway, request, probes).await?;
        let source = probes.edge_buffer().map_or(source, |probe| probe.source());
        // What is still to come is counted in the outbox.
        let replay = self.moving(&gap, request).unwrap_or(Replay::Over);
        Ok(judge(Some(&outboxes), &gap, replay, self.explains).by(source))
    }
}

impl CatchUp {
    /// From this time on a row that was stored shows that the replay moves.
    fn still_from(&self, request: &CheckRequest<'_>) -> DateTime<Utc> {
        request.now().checked_sub_signed(self.replay_still).unwrap_or(DateTime::<Utc>::MIN_UTC)
    }

    fn moving(&self, gap: &Gap, request: &CheckRequest<'_>) -> Option<Replay> {
        let last = gap.last_stored()?;
        if !request.has_happened(last) {
            return Some(Replay::NotKnown("the last row of the period was stored in the future"));
        }
        (last >= self.still_from(request)).then_some(Replay::Moving(last))
    }

    /// The replay of a device with a buffer of its own, which nobody can ask. It is over where rows that the device made
    /// after the gap show that it was there for `replay_still`, and none of the gap came in that time.
    async fn replay_of_device(
        &self,
        gap: &Gap,
        request: &CheckRequest<'_>,
        probes: &Probes,
    ) -> Result<Replay, ProbeError> {
        if let Some(replay) = self.moving(gap, request) {
            return Ok(replay);
        }
        if gap.last_stored().is_none() && gap.late() != Some(0) {
            return Ok(Replay::NotKnown("nobody knows when the last row of the period was stored"));
        }
        let window =
            request.subject().period.and_then(|gap| Period::new(gap.end(), self.still_from(request)).ok());
        let (Some(window), Some(telemetry)) = (window, probes.telemetry()) else {
            return Ok(Replay::NotKnown("the gap ended lately: what the device kept may still come"));
        };
        let asked = RowsRequest::new(request.device(), window).of_tag(request);
        let rows = telemetry.rows(&asked).await.by(telemetry.source())?;
        Ok(if rows.present > 0 {
            Replay::Over
        } else {
            Replay::NotKnown("nothing shows that the device is back for long: what it kept may still come")
        })
    }
}

/// The whole is what was missing when the gap was found: what is missing now, and what came since. Rows are lost only where
/// no replay moves any more, or the outbox counted them as dropped; while one moves they are pending.
///
/// Without outboxes (no gateway is named), what came since is all that can be counted.
fn judge(outboxes: Option<&Answers<Outbox>>, gap: &Gap, replay: Replay, explains: f64) -> Verdict {
    let sum = |count: fn(&Outbox) -> Option<u64>| outboxes.and_then(|outboxes| outboxes.sum_known(count));
    let unsent = sum(|outbox| outbox.unsent);
    let delivered = sum(|outbox| outbox.delivered);
    let dropped = sum(|outbox| outbox.device_dropped);
    let mut details = vec![count("rows that came since", gap.late())];
    match outboxes {
        Some(outboxes) => {
            details.push(count("unsent", unsent));
            details.push(count("delivered later", delivered));
            details.push(count("dropped", dropped));
            details.extend(
                outboxes.iter().find_map(|outbox| outbox.oldest_unsent).map(|at| when("oldest unsent", at)),
            );
        }
        None => details.push(Detail::new("gateway", "not named: only the rows that came since are counted")),
    }
    details.extend(gap.last_stored().map(|at| when("last row of it stored", at)));
    let observed_at = outboxes.map_or(gap.observed_at(), |outboxes| outboxes.observed_at(gap));
    let details = details.into_iter().chain(gap.notes());
    if gap.missing() == 0 {
        return Verdict::known(State::Arrived, observed_at).accounting_for(1.0).with(details);
    }
    // Rows that are stored prove more than messages that were sent; of those, no more than are stored.
    let arrived = match (gap.late(), delivered) {
        (Some(late), _) => Some(late as f64),
        (None, Some(delivered)) => Some(gap.rows_of(delivered).min(gap.stored() as f64)),
        (None, None) => None,
    };
    let missing = gap.missing() as f64;
    let pending = match outboxes {
        Some(_) => unsent.map(|unsent| gap.rows_of(unsent).min(missing)),
        None => Some(0.0),
    };
    let share = |rows: f64| rows / (missing + arrived.unwrap_or_default());
    let found = share(pending.unwrap_or_default() + arrived.unwrap_or_default());
    let known = |state: State, share| Verdict::known(state, observed_at).accounting_for(share);
    let is_dropped = dropped.is_some_and(|dropped| share(gap.rows_of(dropped)) >= explains);
    let judged = if found >= explains && found > 0.0 {
        match pending {
            Some(pending) if pending > 0.0 => known(State::Pending, found),
            Some(_) => known(State::Arrived, found),
            None => Verdict::undetermined("the outbox does not say what it still holds of the device"),
        }
    } else if let (Replay::Moving(_), false) = (replay, is_dropped) {
        known(State::Pending, found)
    } else if let Some(missing) = outboxes.and_then(Answers::not_covered) {
        Verdict::stale(missing)
    } else if pending.is_none() || arrived.is_none() {
        Verdict::undetermined("nobody can say what is still on the way and what came since")
    } else if let (Replay::NotKnown(why), false) = (replay, is_dropped) {
        Verdict::undetermined(why)
    } else {
        known(State::Lost, 1.0 - found)
    };
    let shares = pending.map(|rows| Detail::new("pending", percent(share(rows)))).into_iter();
    judged.with(shares.chain(arrived.map(|rows| Detail::new("arrived", percent(share(rows)))))).with(details)
}

#[cfg(test)]
mod tests {
    use super::super::share::testing::{gap_of, whole};
    use super::*;
    use crate::check::testing::*;
    use crate::probe::Rows;

    fn outbox(unsent: u64) -> Outbox {
        Outbox::new(at(NOW), period(0, 100)).with_unsent(unsent)
    }

    /// Of 100 expected rows `stored` are stored, `late` of them since.
    fn gap(stored: u64, late: u64) -> Gap {
        gap_of(Rows::new(at(NOW), 100, stored).with_late(late))
    }

    fn judged(outbox: Outbox, gap: &Gap) -> Verdict {
        judge(Some(&whole(outbox)), gap, Replay::Over, 0.5)
    }

    #[test]
    fn pending_and_arrived_count_together() {
        for (outbox, gap, state, share) in [
            (outbox(60), gap(40, 0), State::Pending, 1.0),
            (outbox(30), gap(40, 0), State::Pending, 0.5),
            (outbox(29), gap(40, 0), State::Lost, 1.0 - 29.0 / 60.0),
            // 20 came since: 80 were missing.
            (outbox(20), gap(40, 20), State::Pending, 0.5),
            (outbox(19), gap(40, 20), State::Lost, 1.0 - 39.0 / 80.0),
            (outbox(0), gap(60, 40), State::Arrived, 0.5),
            (outbox(0), gap(70, 30), State::Arrived, 0.5),
            (outbox(0), gap(70, 29), State::Lost, 1.0 - 29.0 / 59.0),
            (outbox(0), gap(40, 0), State::Lost, 1.0),
            (outbox(0), gap(100, 0), State::Arrived, 1.0),
            // More than are missing are on the way: of those that are not.
            (outbox(9000), gap(40, 0), State::Pending, 1.0),
        ] {
            judged(outbox.clone(), &gap).expect_share_of(&(outbox, gap), state, share);
        }
    }

    #[test]
    fn one_message_in_flight_explains_no_gap() {
        judged(outbox(1), &gap(0, 0)).expect(State::Lost);
    }

    #[test]
    fn without_gateway_new_rows_decide() {
        let without = |gap: &Gap| judge(None, gap, Replay::Over, 0.5);
        without(&gap(70, 30)).expect(State::Arrived);
        let lost = without(&gap(70, 29));
        lost.expect(State::Lost);
        assert!(lost.detail("gateway").is_some_and(|text| text.starts_with("not named")));
        let unknown = without(&gap_of(Rows::new(at(NOW), 100, 40)));
        unknown.expect(Undetermined);
    }

    #[test]
    fn rows_are_lost_only_when_no_replay_moves() {
        let (moving, not_known) = (Replay::Moving(at(NOW)), Replay::NotKnown("why"));
        for (outboxes, late, replay, state) in [
            (None, 1, moving, Some(State::Pending)),
            (None, 1, not_known, None),
            (None, 1, Replay::Over, Some(State::Lost)),
            // What came explains it, whether or not more comes.
            (None, 40, moving, Some(State::Arrived)),
            (Some(outbox(0)), 1, moving, Some(State::Pending)),
            (Some(outbox(0)), 1, Replay::Over, Some(State::Lost)),
            // Counted as dropped: the replay brings the rest.
            (Some(outbox(0).with_device_dropped(40)), 1, moving, Some(State::Lost)),
            (Some(outbox(0).with_device_dropped(40)), 1, not_known, Some(State::Lost)),
            (Some(outbox(0).with_device_dropped(5)), 1, moving, Some(State::Pending)),
        ] {
            let judged = judge(outboxes.clone().map(whole).as_ref(), &gap(60, late), replay, 0.5);
            judged.expect_of(&(outboxes, late, replay), state);
        }
    }

    /// The gap is of 0 to 100 s, and a replay that has not moved for 600 s is over.
    #[test]
    fn stored_row_shows_that_the_replay_moves() {
        let check = CatchUp { explains: 0.5, replay_still: secs(600) };
        let moving = |last: Option<DateTime<Utc>>| {
            let mut rows = Rows::new(at(NOW), 100, 40).with_late(1);
            rows.last_stored = last;
            check.moving(&gap_of(rows), &Asked::new().request())
        };
        for (last, expected) in [
            (None, None),
            (Some(at(NOW - 601)), None),
            (Some(at(NOW - 600)), Some(Replay::Moving(at(NOW - 600)))),
            (Some(at(NOW + 30)), Some(Replay::Moving(at(NOW + 30)))),
        ] {
            assert_eq!(moving(last), expected, "{last:?}");
        }
        assert!(matches!(moving(Some(at(NOW + 31))), Some(Replay::NotKnown(_))));
    }

    #[test]
    fn counts_that_are_not_known_are_not_zero() {
        let no_late = gap_of(Rows::new(at(NOW), 100, 40));
        let silent = Outbox::new(at(NOW), period(0, 100));
        for (outbox, gap) in [(outbox(29), &no_late), (silent.clone(), &gap(70, 30)), (silent, &gap(40, 0))] {
            judged(outbox.clone(), gap).expect_of(&outbox, Undetermined);
        }
        // Messages that were delivered later stand in for rows, as far as rows are stored.
        let delivered = judged(outbox(0).with_delivered(900), &no_late);
        // 40 of 100.
        delivered.expect(State::Lost);
    }

    #[test]
    fn a_short_log_proves_what_it_holds_alone() {
        let short = |outbox| judged(Outbox { covers: period(0, 99), ..outbox }, &gap(40, 0));
        short(outbox(0)).expect(Stale);
        short(outbox(60)).expect(State::Pending);
    }
}

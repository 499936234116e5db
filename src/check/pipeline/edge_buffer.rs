use super::share::{Answers, Gap, OfTag as _, believed, count, percent};
use crate::check::prelude::*;
use crate::probe::{Messages, MessagesRequest, Outbox, OutboxRequest, ProbeError, Rows, RowsRequest};
use crate::subject::GatewayId;
use crate::time::Period;

choices! {
    State {
        Dropped = "dropped",
        Unsent = "unsent",
        Neither = "neither",
    }
}

check! {
    /// What did the gateway's outbox drop and keep of the missing rows?
    EdgeBuffer = "edge-buffer", Gateway, Period, State::VALUES;
    full_at: f64,
    explains: f64,
}

impl Builtin for EdgeBuffer {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let probe = adapter(probes.edge_buffer(), "edge buffer probe")?;
        let gateway = request.gateway(probe.source())?;
        let gap = Gap::ask_missing(request, probes).await?;
        let outboxes = ask(&gap, gateway, request, probes).await?;
        let overrun = match overrun_period(&outboxes, self.full_at) {
            Some(period) => lost_in(period, request, probes).await?,
            None => None,
        };
        Ok(judge(&outboxes, &gap, self, overrun.as_ref()).by(probe.source()))
    }
}

/// Asks how the outbox did over each part of the gap.
pub(super) async fn ask(
    gap: &Gap,
    gateway: &GatewayId,
    request: &CheckRequest<'_>,
    probes: &Probes,
) -> Result<Answers<Outbox>, ProbeError> {
    let probe = adapter(probes.edge_buffer(), "edge buffer probe")?;
    let ask = |period| {
        let asked = OutboxRequest::new(gateway.clone(), request.device(), period).of_tag(request);
        async move { probe.outbox(&asked).await }
    };
    gap.each(probe.source(), ask).await
}

/// Where drops are not counted and the outbox was full: the times of the gap of which it holds nothing any more, as its
/// oldest message is younger.
fn overrun_period(outboxes: &Answers<Outbox>, full_at: f64) -> Option<Period> {
    let (first, _) = outboxes.0.first()?;
    let (last, outbox) = outboxes.0.last()?;
    if outboxes.iter().any(|outbox| outbox.device_dropped.is_some() || outbox.dropped_in_all.is_some()) {
        return None;
    }
    let until = outbox.oldest_held?.min(last.end());
    (is_full(outboxes, full_at) && until > first.start())
        .then(|| Period::ending(until, until.signed_duration_since(first.start())))
}

fn is_full(outboxes: &Answers<Outbox>, full_at: f64) -> bool {
    outboxes.iter().any(|outbox| match (outbox.peak_used, outbox.capacity) {
        (Some(used), Some(capacity)) if capacity > 0 => used as f64 / capacity as f64 >= full_at,
        _ => false,
    })
}

/// The rows of a period, and the messages of it that came to the broker.
struct Lost {
    rows: Rows,
    messages: Messages,
}

async fn lost_in(
    period: Period,
    request: &CheckRequest<'_>,
    probes: &Probes,
) -> Result<Option<Lost>, ProbeError> {
    let (Some(telemetry), Some(broker)) = (probes.telemetry(), probes.broker()) else { return Ok(None) };
    let asked = RowsRequest::new(request.device(), period).of_tag(request);
    let rows = telemetry.rows(&asked).await.by(telemetry.source())?;
    let asked = MessagesRequest::new(request.device(), period).of_tag(request);
    let messages = broker.messages(&asked).await.by(broker.source())?;
    Ok(Some(Lost { rows, messages }))
}

/// What of the missing rows an outbox dropped or holds: at least, and at most where that is known.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Share {
    least: f64,
    most: f64,
}

/// The share of one count: that of the device, else the device's usual part of all.
fn share(
    outboxes: &Answers<Outbox>,
    gap: &Gap,
    of_device: fn(&Outbox) -> Option<u64>,
    in_all: fn(&Outbox) -> Option<u64>,
) -> Result<(Share, Option<Detail>), String> {
    let (mut least, mut most, mut estimated) = (0.0, 0.0, None);
    for outbox in outboxes.iter() {
        let part = outbox.usual_part.map(|part| believed("usual part of the outbox", part)).transpose()?;
        match (of_device(outbox), in_all(outbox), part) {
            (Some(count), in_all, _) => {
                if let Some(all) = in_all.filter(|all| *all < count) {
                    return Err(format!(
                        "the outbox contradicts itself: {count} messages of the device, {all} in all"
                    ));
                }
                least += gap.rows_of(count);
                most += gap.rows_of(count);
            }
            (None, Some(all), Some(part)) => {
                least += gap.rows_of(all) * part;
                most += gap.rows_of(all) * part;
                let text = format!("{part} of {all}: the outbox does not tell devices apart");
                estimated = Some(Detail::new("usual part of the device", text));
            }
            (None, Some(all), None) => most += gap.rows_of(all),
            (None, None, _) => most = f64::INFINITY,
        }
    }
    Ok((Share { least: gap.share_of_rows(least), most: gap.share_of_rows(most) }, estimated))
}

/// In this order: dropped, unsent, neither. What was found is proof where the log is short; that nothing was found is
/// not.
fn judge(outboxes: &Answers<Outbox>, gap: &Gap, bounds: &EdgeBuffer, overrun: Option<&Lost>) -> Verdict {
    let sum = |count: fn(&Outbox) -> Option<u64>| outboxes.sum_known(count);
    let mut details = vec![
        count("dropped of the device", sum(|outbox| outbox.device_dropped)),
        count("dropped in all", sum(|outbox| outbox.dropped_in_all)),
        count("unsent of the device", sum(|outbox| outbox.unsent)),
        count("unsent in all", sum(|outbox| outbox.unsent_in_all)),
    ];
    let used = outboxes.iter().filter_map(|outbox| Some((outbox.peak_used?, outbox.capacity?)));
    details
        .extend(used.max().map(|(used, capacity)| Detail::new("most used", format!("{used} of {capacity}"))));
    if is_full(outboxes, bounds.full_at) {
        details.push(Detail::new("full", "it reached its bound"));
    }
    details
        .extend(outboxes.iter().find_map(|outbox| outbox.oldest_unsent).map(|at| when("oldest unsent", at)));
    let details = details.into_iter().chain(gap.notes());

    let (dropped, unsent, estimated) = match (
        share(outboxes, gap, |outbox| outbox.device_dropped, |outbox| outbox.dropped_in_all),
        share(outboxes, gap, |outbox| outbox.unsent, |outbox| outbox.unsent_in_all),
    ) {
        (Ok((dropped, one)), Ok((unsent, other))) => (dropped, unsent, one.into_iter().chain(other)),
        (Err(why), _) | (_, Err(why)) => return Verdict::undetermined(why).with(details),
    };
    let (dropped, by_overrun) = match overrun.map(|lost| gap.share_lost(lost)) {
        None => (dropped, None),
        Some(Ok(share)) => {
            let text = "drops are not counted; it was full, and its oldest message is younger";
            (Share { least: share, most: share }, Some(Detail::new("dropped by overrun", text)))
        }
        Some(Err(why)) => return Verdict::undetermined(why).with(details),
    };
    let details = details.chain(estimated).chain(by_overrun).chain([
        Detail::new("dropped", percent(dropped.least)),
        Detail::new("unsent", percent(unsent.least)),
    ]);
    let found = dropped.least + unsent.least;
    let observed_at = outboxes.observed_at(gap);
    let known = |state: State| Verdict::known(state, observed_at).accounting_for(found);
    let explains = |share: f64| share >= bounds.explains && share > 0.0;
    let judged = if explains(dropped.least) {
        known(State::Dropped)
    } else if explains(dropped.most) && !explains(unsent.least) {
        Verdict::undetermined("the outbox does not say how many messages of the device it dropped")
    } else if explains(unsent.least) {
        known(State::Unsent)
    } else if let Some(missing) = outboxes.not_covered() {
        Verdict::stale(missing)
    } else if explains(unsent.most) {
        Verdict::undetermined("the outbox does not say how many messages of the device it still holds")
    } else {
        known(State::Neither)
    };
    judged.with(details)
}

impl Gap {
    /// The share of the missing rows that were due in a part of the gap, are not stored, and never came to the broker.
    fn share_lost(&self, Lost { rows, messages }: &Lost) -> Result<f64, String> {
        if rows.present > rows.expected {
            return Err(format!("{} rows are stored where {} were due", rows.present, rows.expected));
        }
        let came = self.rows_of(messages.arrived).max(rows.present as f64);
        Ok(self.share_of_rows((rows.expected as f64 - came).max(0.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::share::testing::{gap, gap_of, whole};
    use super::*;
    use crate::check::testing::*;

    const BOUNDS: EdgeBuffer = EdgeBuffer { full_at: 0.95, explains: 0.5 };

    fn outbox() -> Outbox {
        Outbox::new(at(NOW), period(0, 100))
    }

    fn device(dropped: u64, unsent: u64) -> Outbox {
        outbox().with_device_dropped(dropped).with_unsent(unsent)
    }

    /// Of 20 expected rows 10 are missing.
    fn judged(outbox: Outbox) -> Verdict {
        judge(&whole(outbox), &gap(20, 10), &BOUNDS, None)
    }

    #[test]
    fn dropped_precedes_unsent() {
        for (outbox, state, share) in [
            (device(0, 0), State::Neither, 0.0),
            (device(4, 0), State::Neither, 0.4),
            (device(5, 0), State::Dropped, 0.5),
            (device(0, 4), State::Neither, 0.4),
            (device(0, 5), State::Unsent, 0.5),
            (device(5, 5), State::Dropped, 1.0),
            (device(4, 4), State::Neither, 0.8),
            (device(900, 0), State::Dropped, 1.0),
        ] {
            judged(outbox.clone()).expect_share_of(&outbox, state, share);
        }
    }

    #[test]
    fn other_devices_account_for_nothing() {
        let others = device(0, 0).with_dropped_in_all(10_000).with_unsent_in_all(10_000);
        assert_eq!(judged(others).accounts_for(), Some(0.0));
        // It cannot tell devices apart: one message in all is too few, whoever made it.
        let one = outbox().with_dropped_in_all(1).with_unsent_in_all(0);
        judged(one).expect_share(State::Neither, 0.0);
        // As many as would do, and nobody knows whose.
        let many = outbox().with_dropped_in_all(5).with_unsent_in_all(0);
        judged(many).expect(Undetermined);
    }

    #[test]
    fn the_usual_part_is_counted_and_said() {
        let with =
            |part| judged(outbox().with_dropped_in_all(100).with_unsent_in_all(0).with_usual_part(part));
        let half = with(0.05);
        half.expect_share(State::Dropped, 0.5);
        assert!(half.detail("usual part of the device").is_some_and(|text| text.starts_with("0.05 of 100")));
        with(0.04).expect(State::Neither);
        for part in [97.0, -0.1, f64::NAN] {
            let unknown = with(part);
            unknown.expect(Undetermined);
            assert!(unknown.detail("why").is_some_and(|why| why.contains("from 0 to 1")));
        }
    }

    #[test]
    fn counts_that_are_not_known_are_not_zero() {
        for outbox in
            [outbox(), outbox().with_device_dropped(0), outbox().with_unsent(0), outbox().with_unsent(4)]
        {
            judged(outbox.clone()).expect_of(&outbox, Undetermined);
        }
        judged(outbox().with_unsent(5)).expect(State::Unsent);
        judged(outbox().with_device_dropped(5)).expect(State::Dropped);
        let contradiction = outbox().with_device_dropped(5).with_dropped_in_all(4).with_unsent(0);
        judged(contradiction).expect(Undetermined);
    }

    #[test]
    fn short_log_proves_only_what_it_holds() {
        let short = |outbox| judged(Outbox { covers: period(0, 99), ..outbox });
        short(device(0, 0)).expect(Stale);
        short(device(5, 0)).expect(State::Dropped);
        short(device(0, 5)).expect(State::Unsent);
    }

    #[test]
    fn full_uncounted_outbox_lost_the_older() {
        let full =
            |oldest| whole(outbox().with_capacity(100).with_peak_used(95).with_oldest_held(at(oldest)));
        let until = |oldest| overrun_period(&full(oldest), 0.95);
        assert_eq!(until(0), None);
        assert_eq!(until(60), Some(period(0, 60)));
        assert_eq!(until(900), Some(period(0, 100)));
        let mut not_full = full(900);
        not_full.0[0].1.peak_used = Some(94);
        assert_eq!(overrun_period(&not_full, 0.95), None);
        let mut counted = full(900);
        counted.0[0].1.dropped_in_all = Some(0);
        assert_eq!(overrun_period(&counted, 0.95), None);

        let lost = |expected, present, arrived| Lost {
            rows: Rows::new(at(NOW), expected, present),
            messages: Messages::new(at(NOW), period(0, 60), arrived),
        };
        let mut outboxes = full(60);
        outboxes.0[0].1.unsent = Some(0);
        for (lost, state) in [
            (lost(12, 5, 5), State::Dropped),
            (lost(12, 5, 7), State::Dropped),
            (lost(12, 5, 8), State::Neither),
            (lost(12, 8, 0), State::Neither),
        ] {
            let judged = judge(&outboxes, &gap(20, 10), &BOUNDS, Some(&lost));
            judged.expect(state);
        }
        let impossible = judge(&outboxes, &gap(20, 10), &BOUNDS, Some(&lost(5, 6, 0)));
        impossible.expect(Undetermined);
    }

    #[test]
    fn a_message_makes_many_rows() {
        let gap = gap_of(Rows::new(at(NOW), 200, 100).with_rows_per_message(10.0));
        assert_eq!(judge(&whole(device(5, 0)), &gap, &BOUNDS, None).accounts_for(), Some(0.5));
    }
}

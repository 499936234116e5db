use super::share::{Answers, Gap, OfTag as _, count, judge_missing, percent};
use crate::check::prelude::*;
use crate::probe::{BrokerDrop, BrokerDropReason, Messages, MessagesRequest};

choices! {
    State {
        Dropped = "dropped",
        NotReached = "not-reached",
        Reached = "reached",
    }
}

check! {
    /// What share of the missing rows reached the broker, and what did it drop of them?
    BrokerMessages = "broker-messages", Device, Period, State::VALUES;
    explains: f64,
}

impl Builtin for BrokerMessages {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let broker = adapter(probes.broker(), "broker probe")?;
        let ask = |period| {
            let asked = MessagesRequest::new(request.device(), period).of_tag(request);
            async move { broker.messages(&asked).await }
        };
        judge_missing(request, probes, broker.source(), ask, |answers, gap| {
            judge(answers, gap, self.explains)
        })
        .await
    }
}

/// How many messages the broker dropped or refused itself. What nobody was subscribed to is the fault of whoever should
/// be, and is lost on the way from the broker.
pub(super) fn dropped_there(drops: &[BrokerDrop]) -> u64 {
    let counted = drops.iter().filter(|drop| drop.reason != BrokerDropReason::NoSubscriber);
    counted.map(|drop| drop.messages).fold(0, u64::saturating_add)
}

/// In this order: dropped there, not reached, reached. What the broker dropped counts as reached.
///
/// Reached, its share is of what this check leaves unexplained on the way to Kafka: what the broker dropped, and what
/// never came. What never came is no cause by itself, so alone it never adds up to `explains`.
fn judge(answers: &Answers<Messages>, gap: &Gap, explains: f64) -> Verdict {
    let arrived = answers.sum(|answer| answer.arrived);
    let dropped = answers.sum_known(|answer| answer.dropped.as_deref().map(dropped_there));
    let mut details = vec![Detail::new("messages at the broker", arrived.to_string())];
    details.push(count("dropped there", dropped));
    for answer in answers.iter() {
        let drops = answer.dropped.iter().flatten().filter(|drop| drop.messages > 0);
        details.extend(drops.map(|drop| Detail::new(drop.reason.name(), drop.messages.to_string())));
    }
    if dropped.is_some_and(|dropped| dropped > arrived) {
        let why = "the broker dropped more messages than came to it";
        return Verdict::undetermined(why).with(details);
    }
    let lost = gap.share_of_messages(dropped.unwrap_or_default());
    let observed_at = answers.observed_at(gap);
    let known = |state: State, share| Verdict::known(state, observed_at).accounting_for(share);
    let verdict = if lost >= explains && lost > 0.0 {
        known(State::Dropped, lost)
    } else if let Some(missing) = answers.not_covered() {
        Verdict::stale(missing)
    } else {
        match gap.share_that_came(arrived) {
            Err(why) => Verdict::undetermined(why),
            Ok(came) => {
                details.push(Detail::new("reached the broker", percent(came)));
                let never = 1.0 - came;
                let at_most = if lost > 0.0 { never } else { never.min(explains.next_down().max(0.0)) };
                if came < explains {
                    known(State::NotReached, lost)
                } else {
                    known(State::Reached, lost + at_most)
                }
            }
        }
    };
    verdict.with(details).with(gap.notes())
}

#[cfg(test)]
mod tests {
    use super::super::share::testing::{gap, gap_of, whole};
    use super::*;
    use crate::check::testing::*;
    use crate::probe::Rows;

    fn messages(arrived: u64) -> Messages {
        Messages::new(at(NOW), period(0, 100), arrived)
    }

    fn dropped(arrived: u64, reason: BrokerDropReason, count: u64) -> Messages {
        messages(arrived).with_dropped(vec![BrokerDrop::new(reason, count)])
    }

    /// Of 100 expected rows 40 are stored.
    fn judged(messages: Messages) -> Verdict {
        judge(&whole(messages), &gap(100, 40), 0.5)
    }

    #[test]
    fn the_share_is_of_the_missing_rows() {
        for (arrived, state, share) in [
            (40, State::NotReached, 0.0),
            (69, State::NotReached, 0.0),
            (70, State::Reached, 0.5_f64.next_down()),
            (85, State::Reached, 0.25),
            (100, State::Reached, 0.0),
            (250, State::Reached, 0.0),
        ] {
            judged(messages(arrived)).expect_share_of(&arrived, state, share);
        }
    }

    #[test]
    fn what_the_broker_dropped_came_to_it() {
        use BrokerDropReason::{Acl, NoSubscriber, QueueFull, Quota, Unspecified};
        for reason in [Acl, Quota, QueueFull, Unspecified] {
            let judged = judged(dropped(70, reason, 30));
            judged.expect_share(State::Dropped, 0.5);
            assert_eq!(judged.detail(reason.name()), Some("30"));
        }
        judged(dropped(70, NoSubscriber, 30)).expect(State::Reached);
        // Below the bound it contributes, beside what never came.
        let few = judged(dropped(70, Acl, 15));
        few.expect_share(State::Reached, 0.75);
        let fewer = judged(dropped(50, Acl, 6));
        fewer.expect_share(State::NotReached, 0.1);
    }

    #[test]
    fn a_message_makes_many_rows() {
        let gap = gap_of(Rows::new(at(NOW), 1000, 400).with_rows_per_message(10.0));
        judge(&whole(messages(70)), &gap, 0.5).expect(State::Reached);
        judge(&whole(messages(69)), &gap, 0.5).expect(State::NotReached);
    }

    #[test]
    fn impossible_counts_are_unknown() {
        judged(dropped(5, BrokerDropReason::Acl, 6)).expect(Undetermined);
        // 40 rows are stored.
        judged(messages(0)).expect(Undetermined);
        let short = |messages| judged(Messages { covers: period(0, 99), ..messages });
        short(messages(100)).expect(Stale);
        let proof = short(dropped(70, BrokerDropReason::Acl, 30));
        proof.expect(State::Dropped);
    }

    #[test]
    fn nothing_dropped_is_never_a_cause() {
        let judged = judge(&whole(messages(100).with_dropped(vec![])), &gap(100, 40), 0.0);
        judged.expect(State::Reached);
    }
}

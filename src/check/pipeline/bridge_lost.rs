use super::broker_messages::dropped_there;
use super::share::{Answers, Gap, OfTag as _, count};
use crate::check::prelude::*;
use crate::probe::{Bridged, BridgedRequest, Messages, MessagesRequest};

check! {
    /// Which share of the missing rows reached the broker and is not in Kafka?
    BridgeLost = "bridge-lost", Pipeline, Period, NUMBER;
}

impl Builtin for BridgeLost {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let broker = adapter(probes.broker(), "broker probe")?;
        let kafka = adapter(probes.kafka(), "kafka probe")?;
        let pipeline = request.pipeline(kafka.source())?;
        let gap = Gap::ask_missing(request, probes).await?;
        let ask_broker = |period| {
            let asked = MessagesRequest::new(request.device(), period).of_tag(request);
            async move { broker.messages(&asked).await }
        };
        let ask_kafka = |period| {
            let asked = BridgedRequest::new(pipeline.clone(), request.device(), period).of_tag(request);
            async move { kafka.bridged(&asked).await }
        };
        let messages = gap.each(broker.source(), ask_broker).await?;
        let bridged = gap.each(kafka.source(), ask_kafka).await?;
        Ok(judge(&messages, &bridged, &gap).by(kafka.source()))
    }
}

/// Lost on the way: what came to the broker, less what it dropped and what is in Kafka. What nobody was subscribed to
/// counts as lost on the way, and so does what the broker dropped without saying so. Undetermined where more rows are stored
/// than the messages in Kafka make: the topic no longer keeps what came through it, so what it lacks may have been there.
fn judge(messages: &Answers<Messages>, bridged: &Answers<Bridged>, gap: &Gap) -> Verdict {
    let (arrived, in_kafka) = (messages.sum(|answer| answer.arrived), bridged.sum(|answer| answer.in_kafka));
    let dropped = messages.sum_known(|answer| answer.dropped.as_deref().map(dropped_there));
    let details = [
        Detail::new("at the broker", arrived.to_string()),
        count("dropped by the broker", dropped),
        Detail::new("in kafka", in_kafka.to_string()),
    ];
    if let Some(missing) = messages.not_covered().or_else(|| bridged.not_covered()) {
        return Verdict::stale(missing).with(details);
    }
    let lost = arrived.saturating_sub(dropped.unwrap_or_default()).saturating_sub(in_kafka);
    if lost > 0 && gap.has_more_stored_than(in_kafka) {
        let why = "more rows are stored than the messages in Kafka make: its retention or compaction has removed some";
        return Verdict::undetermined(why).with(details);
    }
    let share = gap.share_of_messages(lost);
    let older = messages.observed_at(gap).min(bridged.observed_at(gap));
    Verdict::known(Value::Number(share), older).accounting_for(share).with(details).with(gap.notes())
}

#[cfg(test)]
mod tests {
    use super::super::share::testing::{gap, whole};
    use super::*;
    use crate::check::testing::*;
    use crate::probe::{BrokerDrop, BrokerDropReason};

    fn judged(messages: Messages, in_kafka: u64) -> Verdict {
        judge(&whole(messages), &whole(Bridged::new(at(NOW), period(0, 100), in_kafka)), &gap(20, 10))
    }

    fn messages(arrived: u64) -> Messages {
        Messages::new(at(NOW), period(0, 100), arrived)
    }

    #[test]
    fn what_is_lost_on_the_way_is_the_difference() {
        for (arrived, in_kafka, share) in [(20, 15, 0.5), (20, 20, 0.0), (20, 10, 1.0), (10, 20, 0.0)] {
            judged(messages(arrived), in_kafka).expect_share(share, share);
        }
        let short = Messages { covers: period(1, 100), ..messages(20) };
        judged(short, 15).expect(Stale);
    }

    /// Ten of thirty rows are stored: they came through the topic, whatever it still keeps.
    #[test]
    fn what_kafka_no_longer_keeps_is_not_lost_by_the_bridge() {
        let judged = |arrived, in_kafka| {
            let (messages, bridged) = (messages(arrived), Bridged::new(at(NOW), period(0, 100), in_kafka));
            judge(&whole(messages), &whole(bridged), &gap(30, 10))
        };
        judged(30, 10).expect_share(1.0, 1.0);
        // A few are beyond an end of the period.
        judged(30, 9).expect_share(1.0, 1.0);
        judged(30, 8).expect(Undetermined);
        judged(30, 0).expect(Undetermined);
    }

    #[test]
    fn broker_drops_are_not_the_bridges() {
        let with =
            |reason| judged(messages(20).with_dropped(vec![BrokerDrop::new(reason, 5)]), 15).accounts_for();
        assert_eq!(with(BrokerDropReason::QueueFull), Some(0.0));
        assert_eq!(with(BrokerDropReason::NoSubscriber), Some(0.5));
        assert_eq!(judged(messages(20), 15).detail("dropped by the broker"), Some("not known"));
    }
}

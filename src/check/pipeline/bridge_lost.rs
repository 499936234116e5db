use super::broker_messages::dropped_there;
use super::share::{Answers, Gap, Judged, count};
use crate::check::CheckRequest;
use crate::check::judge::adapter;
use crate::check::spec::{Builtin, NUMBER, Observed, check};
use crate::fact::Detail;
use crate::probe::{Bridged, BridgedRequest, Messages, MessagesRequest, Probes};

check! {
    /// Which share of the missing rows reached the broker and is not in Kafka?
    BridgeLost = "bridge-lost", Pipeline, Period, NUMBER;
}

impl Builtin for BridgeLost {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let broker = adapter(probes.broker(), "broker probe")?;
        let kafka = adapter(probes.kafka(), "kafka probe")?;
        let subject = request.subject();
        let pipeline = request.pipeline(kafka.source())?;
        let gap = Gap::ask_missing(request, probes).await?;
        let messages = gap
            .each(broker.source(), |period| {
                let mut asked = MessagesRequest::new(subject.device.clone(), period);
                asked.tag.clone_from(&subject.tag);
                async move { broker.messages(&asked).await }
            })
            .await?;
        let bridged = gap
            .each(kafka.source(), |period| {
                let mut asked = BridgedRequest::new(pipeline.clone(), subject.device.clone(), period);
                asked.tag.clone_from(&subject.tag);
                async move { kafka.bridged(&asked).await }
            })
            .await?;
        Ok(judge(&messages, &bridged, &gap).by(kafka.source()))
    }
}

/// Lost on the way: what came to the broker, less what it dropped and what is in Kafka. What nobody was subscribed to
/// counts as lost on the way, and so does what the broker dropped without saying so.
fn judge(messages: &Answers<Messages>, bridged: &Answers<Bridged>, gap: &Gap) -> Judged {
    let (arrived, in_kafka) = (messages.sum(|answer| answer.arrived), bridged.sum(|answer| answer.in_kafka));
    let dropped = messages.sum_known(|answer| answer.dropped.as_deref().map(dropped_there));
    let details = [
        Detail::new("at the broker", arrived.to_string()),
        count("dropped by the broker", dropped),
        Detail::new("in kafka", in_kafka.to_string()),
    ];
    if let Some(missing) = messages.not_covered() {
        return Judged::stale(missing).with(details);
    }
    let lost = arrived.saturating_sub(dropped.unwrap_or_default()).saturating_sub(in_kafka);
    let observed_at = messages.observed_at(gap);
    match bridged.not_covered() {
        Some(missing) => Judged::stale(missing).with(details),
        None => Judged::share(gap.share_of_messages(lost), bridged.observed_at(gap).min(observed_at))
            .with(details)
            .with(gap.notes()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::share::testing::{gap, whole};
    use super::*;
    use crate::check::testing::{NOW, at, period};
    use crate::fact::{UnknownReason, Value};
    use crate::probe::{BrokerDrop, BrokerDropReason};

    fn judged(messages: Messages, in_kafka: u64) -> Judged {
        judge(&whole(messages), &whole(Bridged::new(at(NOW), period(0, 100), in_kafka)), &gap(20, 10))
    }

    fn messages(arrived: u64) -> Messages {
        Messages::new(at(NOW), period(0, 100), arrived)
    }

    #[test]
    fn what_is_lost_on_the_way_is_the_difference() {
        for (arrived, in_kafka, share) in [(20, 15, 0.5), (20, 20, 0.0), (20, 0, 1.0), (10, 20, 0.0)] {
            let judged = judged(messages(arrived), in_kafka);
            assert_eq!((judged.value(), judged.accounts_for), (Some(Value::Number(share)), Some(share)));
        }
        let mut short = messages(20);
        short.covers = period(1, 100);
        assert_eq!(judged(short, 15).reason(), Some(UnknownReason::Stale));
    }

    #[test]
    fn broker_drops_are_not_the_bridges() {
        let with =
            |reason| judged(messages(20).with_dropped(vec![BrokerDrop::new(reason, 5)]), 15).accounts_for;
        assert_eq!(with(BrokerDropReason::QueueFull), Some(0.0));
        assert_eq!(with(BrokerDropReason::NoSubscriber), Some(0.5));
        assert_eq!(judged(messages(20), 15).detail("dropped by the broker"), Some("not known"));
    }
}

//! Which messages show that a device is there: those that it made now.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::check::CheckRequest;
use crate::check::window::sum;
use crate::fact::Detail;
use crate::probe::{MessageKind, Receipt, Receipts};

/// The live messages of a device since a moment, each once and in order.
pub(in crate::check) struct LiveMessages {
    at: Vec<DateTime<Utc>>,
    /// Those of the future, beyond what clocks may differ by; they are not in `at`.
    ahead: Vec<DateTime<Utc>>,
    /// How many were not counted, by kind.
    not_counted: BTreeMap<MessageKind, u64>,
}

impl LiveMessages {
    /// Reads the receipts since `since`.
    ///
    /// A message that was made before the alert and received after it was kept in a buffer, whatever its flags say. A
    /// device whose clock is behind makes such times too: its messages are all late by the same time, and count.
    pub(in crate::check) fn of(
        receipts: &Receipts,
        since: DateTime<Utc>,
        request: &CheckRequest<'_>,
    ) -> Self {
        let mut messages: Vec<_> = receipts.messages.iter().filter(|message| message.at >= since).collect();
        messages.sort_unstable_by_key(|message| (message.at, message.kind, message.made_at));
        messages.dedup();
        let clock_is_behind = has_steady_delay(&messages, request.clock_tolerance());
        let mut live = Self { at: Vec::new(), ahead: Vec::new(), not_counted: BTreeMap::new() };
        for message in messages {
            let kind = match message.kind {
                MessageKind::Live if !clock_is_behind && was_kept(message, request) => MessageKind::Replayed,
                kind => kind,
            };
            if kind != MessageKind::Live {
                *live.not_counted.entry(kind).or_default() += 1;
            } else if request.has_happened(message.at) {
                live.at.push(message.at);
            } else {
                live.ahead.push(message.at);
            }
        }
        live.at.dedup();
        live
    }

    /// The same with those of the future taken as of now.
    pub(in crate::check) fn with_future_as_now(&self, now: DateTime<Utc>) -> Self {
        let mut at = self.at.clone();
        if !self.ahead.is_empty() {
            at.push(now);
            at.sort_unstable();
            at.dedup();
        }
        Self { at, ahead: Vec::new(), not_counted: self.not_counted.clone() }
    }

    pub(in crate::check) fn first(&self) -> Option<DateTime<Utc>> {
        self.at.first().copied()
    }

    pub(in crate::check) fn last(&self) -> Option<DateTime<Utc>> {
        self.at.last().copied()
    }

    /// The longest time between two messages, and from the last to `now`.
    pub(in crate::check) fn longest_silence(&self, now: DateTime<Utc>) -> Option<TimeDelta> {
        let end = self.last()?.max(now);
        let next = self.at.iter().skip(1).copied().chain([end]);
        self.at.iter().zip(next).map(|(one, next)| next.signed_duration_since(*one)).max()
    }

    /// The longest time between two messages, and from `since` to the first.
    pub(in crate::check) fn longest_gap(&self, since: DateTime<Utc>) -> TimeDelta {
        let before = std::iter::once(&since).chain(&self.at);
        let gaps = before.zip(&self.at).map(|(one, next)| next.signed_duration_since(*one));
        gaps.max().unwrap_or_default()
    }

    pub(in crate::check) fn ahead(&self) -> impl Iterator<Item = (&'static str, DateTime<Utc>)> {
        self.ahead.iter().map(|at| ("message", *at))
    }

    /// What else came, and was not counted.
    pub(in crate::check) fn not_counted(&self) -> Option<Detail> {
        let kinds: Vec<_> = self.not_counted.iter().map(|(kind, count)| format!("{kind}: {count}")).collect();
        (!kinds.is_empty()).then(|| Detail::new("not counted", kinds.join(", ")))
    }
}

/// How late a message may be: `within` past its due time.
pub(in crate::check) fn bound(within: TimeDelta, request: &CheckRequest<'_>) -> TimeDelta {
    sum(within, request.subject().reporting_interval())
}

/// True if it was made before the alert and received after it.
fn was_kept(message: &Receipt, request: &CheckRequest<'_>) -> bool {
    let alert = request.triggered_at();
    message.made_at.is_some_and(|made| {
        made < alert
            && message.at >= alert
            && message.at.signed_duration_since(made) > request.clock_tolerance()
    })
}

/// True if two live messages, received apart, were late by the same time.
fn has_steady_delay(messages: &[&Receipt], tolerance: TimeDelta) -> bool {
    let delays: Vec<_> = messages
        .iter()
        .filter(|message| message.kind == MessageKind::Live)
        .filter_map(|message| Some((message.at, message.at.signed_duration_since(message.made_at?))))
        .collect();
    // The newest decides: a clock that was set right since is behind no more.
    let Some((newest, delay)) = delays.last().copied() else { return false };
    delays.iter().any(|(at, other)| {
        newest.signed_duration_since(*at) > tolerance && (delay - *other).abs() <= tolerance
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;
    use crate::check::testing::{Asked, NOW, at, period, secs};

    fn receipts(messages: Vec<Receipt>) -> Receipts {
        Receipts::new(at(NOW), period(0, NOW)).with_messages(messages)
    }

    fn live(seconds: i64) -> Receipt {
        Receipt::new(at(seconds), MessageKind::Live)
    }

    fn last(messages: Vec<Receipt>) -> Option<DateTime<Utc>> {
        let asked = Asked::new();
        LiveMessages::of(&receipts(messages), at(0), &asked.request()).last()
    }

    #[test]
    fn only_live_messages_count() {
        use MessageKind::{BadQuality, Death, GatewayHeartbeat, Live, Replayed, Retained, Will};
        for kind in [BadQuality, Death, GatewayHeartbeat, Replayed, Retained, Will] {
            assert_eq!(last(vec![Receipt::new(at(NOW - 5), kind)]), None, "{kind}");
            let asked = Asked::new();
            let messages = receipts(vec![Receipt::new(at(NOW - 5), kind)]);
            let messages = LiveMessages::of(&messages, at(0), &asked.request());
            assert_eq!(messages.not_counted().unwrap().text, format!("{kind}: 1"));
        }
        assert_eq!(last(vec![Receipt::new(at(NOW - 5), Live)]), Some(at(NOW - 5)));
    }

    /// The alert was at NOW - 900.
    #[test]
    fn message_made_before_alert_was_buffered() {
        for (received, made, counts) in [
            (NOW - 5, NOW - 901, false),
            (NOW - 5, NOW - 900, true),
            (NOW - 5, NOW + 9000, true),
            // Made just before the alert, and received just after it.
            (NOW - 880, NOW - 910, true),
            (NOW - 879, NOW - 910, false),
            // Received before the alert: nobody was silent yet.
            (NOW - 901, NOW - 2000, true),
        ] {
            let message = live(received).with_made_at(at(made));
            assert_eq!(last(vec![message]).is_some(), counts, "{received} {made}");
        }
    }

    #[test]
    fn clock_that_is_behind_does_not_make_a_replay() {
        let behind = |received: i64, by: i64| live(received).with_made_at(at(received - by));
        assert_eq!(last(vec![behind(NOW - 65, 3600), behind(NOW - 5, 3600)]), Some(at(NOW - 5)));
        assert_eq!(last(vec![behind(NOW - 65, 3600), behind(NOW - 5, 3630)]), Some(at(NOW - 5)));
        // A buffer is emptied faster than it was filled.
        assert_eq!(last(vec![behind(NOW - 65, 3600), behind(NOW - 5, 3569)]), None);
        assert_eq!(last(vec![behind(NOW - 65, 3600), behind(NOW - 64, 3541), behind(NOW - 63, 3482)]), None);
        assert_eq!(last(vec![behind(NOW - 35, 3600), behind(NOW - 5, 3600)]), None, "too near to tell");
    }

    #[test]
    fn the_longest_silence_runs_to_now() {
        let asked = Asked::new();
        let of = |messages: &[i64]| {
            let messages = receipts(messages.iter().map(|seconds| live(*seconds)).collect());
            LiveMessages::of(&messages, at(0), &asked.request()).longest_silence(at(NOW))
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[NOW - 7]), Some(secs(7)));
        assert_eq!(of(&[NOW - 7, NOW - 30]), Some(secs(23)));
        assert_eq!(of(&[NOW + 10]), Some(secs(0)), "within the tolerance");
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(14), ..ProptestConfig::default() })]

        #[test]
        fn order_and_duplicates_change_nothing(
            messages in prop::collection::vec((0i64..100_100, 0i64..100_100, 0u8..3), 0..8),
            keys in prop::collection::vec(any::<u64>(), 16),
        ) {
            let messages: Vec<_> = messages
                .into_iter()
                .map(|(seconds, made, kind)| match kind {
                    0 => live(seconds),
                    1 => live(seconds).with_made_at(at(made)),
                    _ => Receipt::new(at(seconds), MessageKind::Will),
                })
                .collect();
            let mut twice: Vec<_> = keys.into_iter().zip(messages.iter().chain(&messages).cloned()).collect();
            twice.sort_by_key(|(key, _)| *key);
            let asked = Asked::new();
            let one = LiveMessages::of(&receipts(messages), at(0), &asked.request());
            let twice = receipts(twice.into_iter().map(|(_, message)| message).collect());
            let other = LiveMessages::of(&twice, at(0), &asked.request());
            prop_assert_eq!((one.at, one.ahead, one.not_counted), (other.at, other.ahead, other.not_counted));
        }
    }
}

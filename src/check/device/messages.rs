//! Which messages show that a device is there: those that it made now.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::check::prelude::*;
use crate::check::window::sum;
use crate::probe::{MessageKind, Receipt, Receipts};

/// The live messages of a device since a moment, each once and in order.
pub(in crate::check) struct LiveMessages {
    /// When the first was received.
    first: Option<DateTime<Utc>>,
    /// When the device was there for each: its receipt, or for one that came late the moment it was made.
    at: Vec<DateTime<Utc>>,
    /// Those of the future, beyond what clocks may differ by; they are not in `at`.
    ahead: Vec<DateTime<Utc>>,
    /// How many were not counted, by kind.
    not_counted: BTreeMap<MessageKind, u64>,
}

impl LiveMessages {
    /// Reads the receipts since `since`.
    ///
    /// A message that was made before `since` or the alert and received after it was kept in a buffer, whatever its flags
    /// say. One that was made since then and came late shows that the device was there when it made it, not later. A
    /// device whose clock is behind makes such times too: its messages are all late by the same time, and count as they
    /// come.
    pub(in crate::check) fn of(
        receipts: &Receipts,
        since: DateTime<Utc>,
        request: &CheckRequest<'_>,
    ) -> Self {
        let mut messages: Vec<_> = receipts.messages.iter().filter(|message| message.at >= since).collect();
        messages.sort_unstable_by_key(|message| (message.at, message.kind, message.made_at));
        messages.dedup();
        let clock_is_behind = has_steady_delay(&messages, request.clock_tolerance());
        let mut live = Self { first: None, at: Vec::new(), ahead: Vec::new(), not_counted: BTreeMap::new() };
        for message in messages {
            let made = made_earlier(message, request).filter(|_| !clock_is_behind);
            let kind = match message.kind {
                MessageKind::Live if made.is_some_and(|made| made < since.max(request.triggered_at())) => {
                    MessageKind::Replayed
                }
                kind => kind,
            };
            if kind != MessageKind::Live {
                *live.not_counted.entry(kind).or_default() += 1;
            } else if request.has_happened(message.at) {
                live.first.get_or_insert(message.at);
                live.at.push(made.unwrap_or(message.at));
            } else {
                live.ahead.push(message.at);
            }
        }
        // A buffer need not be emptied in the order in which it was filled.
        live.at.sort_unstable();
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
        let ahead = (!self.ahead.is_empty()).then_some(now);
        let first = self.first.into_iter().chain(ahead).min();
        Self { first, at, ahead: Vec::new(), not_counted: self.not_counted.clone() }
    }

    /// When the first was received.
    pub(in crate::check) fn first(&self) -> Option<DateTime<Utc>> {
        self.first
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

/// When it was made, if it was received after the alert and long after that.
fn made_earlier(message: &Receipt, request: &CheckRequest<'_>) -> Option<DateTime<Utc>> {
    let made = message.made_at?;
    let late = message.at.signed_duration_since(made) > request.clock_tolerance();
    // Received before the alert: nobody was silent yet.
    (late && message.at >= request.triggered_at()).then_some(made)
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
    use crate::check::testing::*;

    fn receipts(messages: Vec<Receipt>) -> Receipts {
        Receipts::new(at(NOW), period(0, NOW)).with_messages(messages)
    }

    fn live(seconds: i64) -> Receipt {
        Receipt::new(at(seconds), MessageKind::Live)
    }

    fn last(messages: Vec<Receipt>) -> Option<DateTime<Utc>> {
        LiveMessages::of(&receipts(messages), at(0), &Asked::new().request()).last()
    }

    #[test]
    fn only_live_messages_count() {
        use MessageKind::{BadQuality, Death, GatewayHeartbeat, Live, Replayed, Retained, Will};
        for kind in [BadQuality, Death, GatewayHeartbeat, Replayed, Retained, Will] {
            assert_eq!(last(vec![Receipt::new(at(NOW - 5), kind)]), None, "{kind}");
            let messages = receipts(vec![Receipt::new(at(NOW - 5), kind)]);
            let messages = LiveMessages::of(&messages, at(0), &Asked::new().request());
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
            (NOW - 901, NOW - 932, true),
        ] {
            let message = live(received).with_made_at(at(made));
            assert_eq!(last(vec![message]).is_some(), counts, "{received} {made}");
        }
    }

    /// The alert was at NOW - 900, and the client sent at NOW - 5 what it had kept.
    #[test]
    fn late_message_counts_as_of_when_it_was_made() {
        let of = |since: i64, messages: &[(i64, i64)]| {
            let messages = messages.iter().map(|(received, made)| live(*received).with_made_at(at(*made)));
            LiveMessages::of(&receipts(messages.collect()), at(since), &Asked::new().request())
        };
        // Made after the alert, and before its device lost its power.
        let kept = of(NOW - 900, &[(NOW - 5, NOW - 850), (NOW - 4, NOW - 600), (NOW - 3, NOW - 700)]);
        assert_eq!(kept.last(), Some(at(NOW - 600)));
        assert_eq!(kept.longest_silence(at(NOW)), Some(secs(600)));
        assert_eq!(kept.longest_gap(at(NOW - 900)), secs(150));
        // The platform heard it again when the first came.
        assert_eq!(kept.first(), Some(at(NOW - 5)));
        assert!(kept.not_counted().is_none());
        // Those made before the wait or the act say nothing of what came after it.
        let later = of(NOW - 650, &[(NOW - 5, NOW - 850), (NOW - 4, NOW - 600), (NOW - 3, NOW - 651)]);
        assert_eq!(
            (later.last(), later.not_counted().unwrap().text),
            (Some(at(NOW - 600)), "replayed: 2".into())
        );
        // As late as clocks may differ is now.
        assert_eq!(of(NOW - 900, &[(NOW - 5, NOW - 35)]).last(), Some(at(NOW - 5)));
        assert_eq!(of(NOW - 900, &[(NOW - 5, NOW - 36)]).last(), Some(at(NOW - 36)));
        // Once live messages follow, the device is there.
        assert_eq!(of(NOW - 900, &[(NOW - 5, NOW - 850), (NOW - 4, NOW - 4)]).last(), Some(at(NOW - 4)));
    }

    #[test]
    fn future_message_is_heard_now() {
        for (heard, first) in [(vec![NOW + 31], at(NOW)), (vec![NOW - 5, NOW + 31], at(NOW - 5))] {
            let messages = receipts(heard.into_iter().map(live).collect());
            let messages = LiveMessages::of(&messages, at(0), &Asked::new().request());
            assert_eq!(messages.with_future_as_now(at(NOW)).first(), Some(first));
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
        let of = |messages: &[i64]| {
            let messages = receipts(messages.iter().map(|seconds| live(*seconds)).collect());
            LiveMessages::of(&messages, at(0), &Asked::new().request()).longest_silence(at(NOW))
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
            prop_assert_eq!(one.first, other.first);
            prop_assert_eq!((one.at, one.ahead, one.not_counted), (other.at, other.ahead, other.not_counted));
        }
    }
}

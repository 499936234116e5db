//! Sparkplug B: births and deaths of edge nodes and of the devices behind them.
//!
//! Source: Sparkplug Specification 3.0.0, 6.4 "Payload Message Types" (NBIRTH, DBIRTH, NDEATH, DDEATH, `bdSeq`),
//! <https://sparkplug.eclipse.org/specification/version/3.0/documents/sparkplug-specification-3.0.0.pdf>. An NDEATH counts
//! only where its `bdSeq` is that of the latest NBIRTH: an older one is the will of a session that a newer one replaced.

use chrono::{DateTime, Utc};

use crate::probe::{ConnectionEvent, DisconnectReason, MessageKind, Receipt};

/// A Sparkplug B message of an edge node, or of a device behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Sparkplug {
    /// The edge node began a session.
    NodeBirth {
        /// Its `bdSeq`, from 0 to 255.
        bd_seq: u64,
    },
    /// The edge node's session ended; the broker sends it as the node's will.
    NodeDeath {
        /// The `bdSeq` of the session that ended.
        bd_seq: u64,
    },
    /// The edge node has the device.
    DeviceBirth,
    /// The edge node has lost the device.
    DeviceDeath,
    /// Data of the edge node or of the device. Historical: a metric of it carries `is_historical`.
    Data {
        /// True if it was kept in a buffer.
        historical: bool,
    },
}

/// The births and deaths of one edge node, read in the order of their receipt.
///
/// ```
/// use chrono::DateTime;
/// use iot_runbook::probe::vocabulary::sparkplug::{Node, Sparkplug};
///
/// let mut node = Node::default();
/// let at = DateTime::UNIX_EPOCH;
/// assert!(node.session_event(&Sparkplug::NodeBirth { bd_seq: 4 }, at).is_some());
/// // The will of the session before comes late.
/// assert_eq!(node.session_event(&Sparkplug::NodeDeath { bd_seq: 3 }, at), None);
/// assert!(node.session_event(&Sparkplug::NodeDeath { bd_seq: 4 }, at).is_some());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// The `bdSeq` of the latest birth, while the session lasts.
    bd_seq: Option<u64>,
}

impl Node {
    /// What the message says of the edge node's session; `None`: nothing, as a stale death does, or one before any birth.
    pub fn session_event(&mut self, message: &Sparkplug, at: DateTime<Utc>) -> Option<ConnectionEvent> {
        match *message {
            Sparkplug::NodeBirth { bd_seq } => {
                // A rebirth on request repeats the number of the session that goes on.
                let is_new = self.bd_seq != Some(bd_seq);
                self.bd_seq = Some(bd_seq);
                is_new.then(|| ConnectionEvent::accepted(at).with_session(session(bd_seq)))
            }
            Sparkplug::NodeDeath { bd_seq } if self.bd_seq == Some(bd_seq) => {
                self.bd_seq = None;
                // Its will: the broker sent it, and the message does not say why.
                let lost = ConnectionEvent::disconnected(at, DisconnectReason::ConnectionLost);
                Some(lost.with_session(session(bd_seq)).with_text("NDEATH"))
            }
            Sparkplug::NodeDeath { .. }
            | Sparkplug::DeviceBirth
            | Sparkplug::DeviceDeath
            | Sparkplug::Data { .. } => None,
        }
    }
}

fn session(bd_seq: u64) -> String {
    format!("bdSeq {bd_seq}")
}

/// What the message shows of whom it is about: the edge node for NBIRTH and NDEATH, the device for DBIRTH and DDEATH.
/// `made_at` is the payload's timestamp.
#[must_use]
pub fn receipt(message: &Sparkplug, at: DateTime<Utc>, made_at: Option<DateTime<Utc>>) -> Receipt {
    let kind = match message {
        Sparkplug::NodeBirth { .. } | Sparkplug::DeviceBirth | Sparkplug::Data { historical: false } => {
            MessageKind::Live
        }
        Sparkplug::NodeDeath { .. } | Sparkplug::DeviceDeath => MessageKind::Death,
        Sparkplug::Data { historical: true } => MessageKind::Replayed,
    };
    let mut receipt = Receipt::new(at, kind);
    receipt.made_at = made_at;
    receipt
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn walk(messages: &[Sparkplug]) -> Vec<Option<bool>> {
        let mut node = Node::default();
        let events =
            messages.iter().zip(0..).map(|(message, second)| node.session_event(message, at(second)));
        // Up, down, or nothing.
        events
            .map(|event| {
                event.map(|event| {
                    event
                        == ConnectionEvent::accepted(event.at)
                            .with_session(event.session.clone().unwrap_or_default())
                })
            })
            .collect()
    }

    #[test]
    fn a_stale_death_changes_nothing() {
        let birth = |bd_seq| Sparkplug::NodeBirth { bd_seq };
        let death = |bd_seq| Sparkplug::NodeDeath { bd_seq };
        let (up, down) = (Some(true), Some(false));
        for (messages, events) in [
            (vec![birth(1), death(1)], vec![up, down]),
            (vec![birth(1), birth(2), death(1), death(2)], vec![up, up, None, down]),
            (vec![birth(1), death(0)], vec![up, None]),
            (vec![death(1)], vec![None]),
            (vec![birth(1), death(1), death(1)], vec![up, down, None]),
            // After 255 comes 0.
            (vec![birth(255), birth(0), death(255), death(0)], vec![up, up, None, down]),
            // A rebirth on request is no new session.
            (vec![birth(7), birth(7), death(7)], vec![up, None, down]),
            (
                vec![birth(1), Sparkplug::DeviceDeath, Sparkplug::Data { historical: false }],
                vec![up, None, None],
            ),
        ] {
            assert_eq!(walk(&messages), events, "{messages:?}");
        }
    }

    #[test]
    fn births_and_data_are_live_and_deaths_are_none() {
        for (message, kind) in [
            (Sparkplug::NodeBirth { bd_seq: 1 }, MessageKind::Live),
            (Sparkplug::DeviceBirth, MessageKind::Live),
            (Sparkplug::Data { historical: false }, MessageKind::Live),
            (Sparkplug::Data { historical: true }, MessageKind::Replayed),
            (Sparkplug::NodeDeath { bd_seq: 1 }, MessageKind::Death),
            (Sparkplug::DeviceDeath, MessageKind::Death),
        ] {
            assert_eq!(receipt(&message, at(0), Some(at(-5))).kind, kind, "{message:?}");
        }
        assert_eq!(receipt(&Sparkplug::DeviceBirth, at(0), Some(at(-5))).made_at, Some(at(-5)));
    }
}

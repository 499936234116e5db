//! The words of brokers for why a connection was refused or a session ended, as the reasons of this crate; and
//! Sparkplug B births and deaths as messages and session events.
//!
//! An adapter of a broker maps the name that it finds and keeps it as the event's [text](super::ConnectionEvent::text): a
//! name that is not known here becomes `unspecified`, and the text says what it was.
//!
//! ```
//! use chrono::DateTime;
//! use iot_runbook::probe::{ConnectionEvent, DisconnectReason, vocabulary};
//!
//! let name = "MQTT_KEEP_ALIVE_TIMEOUT";
//! let reason = vocabulary::aws_iot::disconnect_reason(name);
//! let event = ConnectionEvent::disconnected(DateTime::UNIX_EPOCH, reason).with_text(name);
//! assert_eq!(reason, DisconnectReason::KeepAliveTimeout);
//! assert_eq!(event.text.as_deref(), Some(name));
//! assert_eq!(vocabulary::aws_iot::disconnect_reason("A_NEW_NAME"), DisconnectReason::Unspecified);
//! ```
//!
//! Names are compared without regard to case and to the space around them.

pub mod aws_iot;
pub mod azure_iot_hub;
pub mod emqx;
pub mod hivemq;
pub mod mosquitto;
pub mod mqtt5;
pub mod sparkplug;

/// The reason of a name in a table; the fallback where the name is not in it.
fn find<R: Copy>(table: &[(&str, R)], name: &str, fallback: R) -> R {
    let name = name.trim();
    table.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or(fallback, |(_, reason)| *reason)
}

/// The reason of the first phrase of a table that a log line contains.
fn find_in<R: Copy>(table: &[(&str, R)], line: &str, fallback: R) -> R {
    let line = line.to_ascii_lowercase();
    table
        .iter()
        .find(|(phrase, _)| line.contains(&phrase.to_ascii_lowercase()))
        .map_or(fallback, |(_, reason)| *reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::{DisconnectReason, RefusalReason};

    #[test]
    fn unknown_name_is_unspecified_everywhere() {
        for name in ["", "  ", "A_NEW_NAME", "no such words", "\u{0}"] {
            assert_eq!(aws_iot::disconnect_reason(name), DisconnectReason::Unspecified);
            assert_eq!(aws_iot::refusal_reason(name), RefusalReason::Unspecified);
            assert_eq!(azure_iot_hub::disconnect_reason(name), DisconnectReason::Unspecified);
            assert_eq!(azure_iot_hub::refusal_reason(name), RefusalReason::Unspecified);
            assert_eq!(emqx::disconnect_reason(name), DisconnectReason::Unspecified);
            assert_eq!(emqx::refusal_reason(name), RefusalReason::Unspecified);
            assert_eq!(hivemq::disconnect_reason(name), DisconnectReason::Unspecified);
            assert_eq!(hivemq::refusal_reason(name), RefusalReason::Unspecified);
            assert_eq!(mosquitto::disconnect_reason(name), DisconnectReason::Unspecified);
            assert_eq!(mosquitto::refusal_reason(name), RefusalReason::Unspecified);
        }
    }

    #[test]
    fn case_and_space_do_not_matter() {
        assert_eq!(aws_iot::disconnect_reason(" connection_lost\n"), DisconnectReason::ConnectionLost);
        assert_eq!(emqx::disconnect_reason("TAKENOVER"), DisconnectReason::DuplicateClientId);
    }
}

//! The reason codes of MQTT 5.
//!
//! ```
//! use chrono::DateTime;
//! use iot_runbook::probe::{ConnectionEvent, vocabulary::mqtt5};
//!
//! let (at, connack) = (DateTime::UNIX_EPOCH, 0x87);
//! let event = match mqtt5::refusal_reason(connack) {
//!     None => ConnectionEvent::accepted(at),
//!     Some(reason) => ConnectionEvent::refused(at, reason),
//! };
//! # assert_eq!(event, ConnectionEvent::refused(at, iot_runbook::probe::RefusalReason::Forbidden));
//! ```
//!
//! Source: MQTT Version 5.0, OASIS Standard, 2.4 "Reason Code", 3.2.2.2 "Connect Reason Code" and 3.14.2.1 "Disconnect
//! Reason Code", <https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html>.

use crate::probe::{DisconnectReason, RefusalReason};

/// The reason of a DISCONNECT packet, whichever side sent it. A code that the standard does not give is unspecified.
#[must_use]
pub const fn disconnect_reason(code: u8) -> DisconnectReason {
    use DisconnectReason as D;
    match code {
        // Normal disconnection; the same with the will published: the client says goodbye.
        0x00 | 0x04 => D::ClientInitiated,
        // Malformed packet, protocol error, topic filter, topic name or topic alias invalid, payload format invalid.
        0x81 | 0x82 | 0x8F | 0x90 | 0x94 | 0x99 => D::ProtocolError,
        // Not authorized.
        0x87 => D::Forbidden,
        0x89 => D::ServerBusy,
        0x8B => D::ServerShuttingDown,
        // Bad authentication method.
        0x8C => D::AuthError,
        0x8D => D::KeepAliveTimeout,
        // Session taken over.
        0x8E => D::DuplicateClientId,
        // Receive maximum exceeded, message rate too high, connection rate exceeded.
        0x93 | 0x96 | 0x9F => D::Throttled,
        0x95 => D::PacketTooLarge,
        0x97 => D::QuotaExceeded,
        0x98 => D::Administrative,
        // Implementation specific error; retain, QoS, shared subscriptions, subscription identifiers or wildcard
        // subscriptions not supported.
        0x83 | 0x9A | 0x9B | 0x9E | 0xA1 | 0xA2 => D::NotSupported,
        // Use another server, server moved.
        0x9C | 0x9D => D::ServerMoved,
        // Maximum connect time.
        0xA0 => D::Expired,
        // 0x80 is the standard's own "unspecified error".
        _ => D::Unspecified,
    }
}

/// The reason of a CONNACK packet that refuses; `None` of one that accepts (0x00). A code that the standard does not give
/// is unspecified.
#[must_use]
pub const fn refusal_reason(code: u8) -> Option<RefusalReason> {
    use RefusalReason as R;
    Some(match code {
        0x00 => return None,
        // Malformed packet, protocol error, topic name invalid, payload format invalid.
        0x81 | 0x82 | 0x90 | 0x99 => R::ProtocolError,
        // Implementation specific error, unsupported protocol version, retain or QoS not supported.
        0x83 | 0x84 | 0x9A | 0x9B => R::NotSupported,
        0x85 => R::ClientIdRejected,
        // Bad user name or password, bad authentication method.
        0x86 | 0x8C => R::AuthError,
        // Not authorized, banned.
        0x87 | 0x8A => R::Forbidden,
        // Server unavailable, server busy.
        0x88 | 0x89 => R::ServerUnavailable,
        0x95 => R::PacketTooLarge,
        0x97 => R::QuotaExceeded,
        // Use another server, server moved.
        0x9C | 0x9D => R::ServerMoved,
        // Connection rate exceeded.
        0x9F => R::Throttled,
        _ => R::Unspecified,
    })
}

/// The reason of a CONNACK return code of MQTT 3.1.1 that refuses; `None` of one that accepts (0).
///
/// Source: MQTT Version 3.1.1, OASIS Standard, 3.2.2.3 "Connect Return code".
#[must_use]
pub const fn refusal_reason_of_v3(code: u8) -> Option<RefusalReason> {
    use RefusalReason as R;
    Some(match code {
        0 => return None,
        1 => R::NotSupported,
        2 => R::ClientIdRejected,
        3 => R::ServerUnavailable,
        4 => R::AuthError,
        5 => R::Forbidden,
        _ => R::Unspecified,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the standard, by name, as the oracle: each of its 30 codes, and what an operator calls it.
    const DISCONNECT: [(u8, &str, &str); 30] = [
        (0x00, "Normal disconnection", "client-initiated"),
        (0x04, "Disconnect with Will Message", "client-initiated"),
        (0x80, "Unspecified error", "unspecified"),
        (0x81, "Malformed Packet", "protocol-error"),
        (0x82, "Protocol Error", "protocol-error"),
        (0x83, "Implementation specific error", "not-supported"),
        (0x87, "Not authorized", "forbidden"),
        (0x89, "Server busy", "server-busy"),
        (0x8B, "Server shutting down", "server-shutting-down"),
        (0x8C, "Bad authentication method", "auth-error"),
        (0x8D, "Keep Alive timeout", "keep-alive-timeout"),
        (0x8E, "Session taken over", "duplicate-client-id"),
        (0x8F, "Topic Filter invalid", "protocol-error"),
        (0x90, "Topic Name invalid", "protocol-error"),
        (0x93, "Receive Maximum exceeded", "throttled"),
        (0x94, "Topic Alias invalid", "protocol-error"),
        (0x95, "Packet too large", "packet-too-large"),
        (0x96, "Message rate too high", "throttled"),
        (0x97, "Quota exceeded", "quota-exceeded"),
        (0x98, "Administrative action", "administrative-action"),
        (0x99, "Payload format invalid", "protocol-error"),
        (0x9A, "Retain not supported", "not-supported"),
        (0x9B, "QoS not supported", "not-supported"),
        (0x9C, "Use another server", "server-moved"),
        (0x9D, "Server moved", "server-moved"),
        (0x9E, "Shared Subscriptions not supported", "not-supported"),
        (0x9F, "Connection rate exceeded", "throttled"),
        (0xA0, "Maximum connect time", "expired"),
        (0xA1, "Subscription Identifiers not supported", "not-supported"),
        (0xA2, "Wildcard Subscriptions not supported", "not-supported"),
    ];

    #[test]
    fn all_30_disconnect_codes_have_reasons() {
        for (code, name, reason) in DISCONNECT {
            assert_eq!(disconnect_reason(code).name(), reason, "{code:#04x} {name}");
        }
        for code in 0..=u8::MAX {
            if !DISCONNECT.iter().any(|(known, ..)| *known == code) {
                assert_eq!(disconnect_reason(code), DisconnectReason::Unspecified, "{code:#04x}");
            }
        }
    }

    #[test]
    fn each_connack_code_has_its_reason() {
        let table: [(u8, &str); 22] = [
            (0x80, "unspecified"),
            (0x81, "protocol-error"),
            (0x82, "protocol-error"),
            (0x83, "not-supported"),
            (0x84, "not-supported"),
            (0x85, "client-id-rejected"),
            (0x86, "auth-error"),
            (0x87, "forbidden"),
            (0x88, "server-unavailable"),
            (0x89, "server-unavailable"),
            (0x8A, "forbidden"),
            (0x8C, "auth-error"),
            (0x90, "protocol-error"),
            (0x95, "packet-too-large"),
            (0x97, "quota-exceeded"),
            (0x99, "protocol-error"),
            (0x9A, "not-supported"),
            (0x9B, "not-supported"),
            (0x9C, "server-moved"),
            (0x9D, "server-moved"),
            (0x9F, "throttled"),
            (0xFF, "unspecified"),
        ];
        for (code, reason) in table {
            assert_eq!(refusal_reason(code).map(RefusalReason::name), Some(reason), "{code:#04x}");
        }
        assert_eq!(refusal_reason(0x00), None);
    }

    #[test]
    fn each_return_code_of_version_3_has_its_reason() {
        let names = ["not-supported", "client-id-rejected", "server-unavailable", "auth-error", "forbidden"];
        for (code, name) in (1..).zip(names) {
            assert_eq!(refusal_reason_of_v3(code).map(RefusalReason::name), Some(name), "{code}");
        }
        assert_eq!(refusal_reason_of_v3(0), None);
        assert_eq!(refusal_reason_of_v3(6), Some(RefusalReason::Unspecified));
    }
}

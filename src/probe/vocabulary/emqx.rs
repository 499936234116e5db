//! The names of EMQX.
//!
//! Sources: "SQL Data Sources and Fields", the field `reason` of the event `$events/client_disconnected`,
//! <https://docs.emqx.com/en/emqx/latest/data-integration/rule-sql-events-and-fields.html>, and of `$events/client_connack`
//! there, whose names are those of the CONNACK codes of MQTT 5.

use super::find;
use crate::probe::{DisconnectReason, RefusalReason};

const DISCONNECTS: &[(&str, DisconnectReason)] = &[
    ("normal", DisconnectReason::ClientInitiated),
    ("kicked", DisconnectReason::Administrative),
    ("keepalive_timeout", DisconnectReason::KeepAliveTimeout),
    ("not_authorized", DisconnectReason::Forbidden),
    ("tcp_closed", DisconnectReason::ConnectionLost),
    ("discarded", DisconnectReason::DuplicateClientId),
    ("takenover", DisconnectReason::DuplicateClientId),
    ("takeover", DisconnectReason::DuplicateClientId),
    ("internal_error", DisconnectReason::ProtocolError),
];

const REFUSALS: &[(&str, RefusalReason)] = &[
    ("malformed_packet", RefusalReason::ProtocolError),
    ("protocol_error", RefusalReason::ProtocolError),
    ("unsupported_protocol_version", RefusalReason::NotSupported),
    ("client_identifier_not_valid", RefusalReason::ClientIdRejected),
    ("bad_username_or_password", RefusalReason::AuthError),
    ("bad_authentication_method", RefusalReason::AuthError),
    ("not_authorized", RefusalReason::Forbidden),
    ("banned", RefusalReason::Forbidden),
    ("server_unavailable", RefusalReason::ServerUnavailable),
    ("server_busy", RefusalReason::ServerUnavailable),
    ("packet_too_large", RefusalReason::PacketTooLarge),
    ("quota_exceeded", RefusalReason::QuotaExceeded),
    ("use_another_server", RefusalReason::ServerMoved),
    ("server_moved", RefusalReason::ServerMoved),
    ("connection_rate_exceeded", RefusalReason::Throttled),
];

/// The reason of a session's end.
///
/// `internal_error` is what EMQX says of an improperly formatted message.
#[must_use]
pub fn disconnect_reason(name: &str) -> DisconnectReason {
    find(DISCONNECTS, name, DisconnectReason::Unspecified)
}

/// The reason of a refusal.
#[must_use]
pub fn refusal_reason(name: &str) -> RefusalReason {
    find(REFUSALS, name, RefusalReason::Unspecified)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_its_reason() {
        for (name, reason) in [
            ("normal", "client-initiated"),
            ("kicked", "administrative-action"),
            ("keepalive_timeout", "keep-alive-timeout"),
            ("not_authorized", "forbidden"),
            ("tcp_closed", "connection-lost"),
            ("discarded", "duplicate-client-id"),
            ("takenover", "duplicate-client-id"),
            ("internal_error", "protocol-error"),
        ] {
            assert_eq!(disconnect_reason(name).name(), reason, "{name}");
        }
        for (name, reason) in [
            ("bad_username_or_password", "auth-error"),
            ("not_authorized", "forbidden"),
            ("banned", "forbidden"),
            ("server_busy", "server-unavailable"),
            ("client_identifier_not_valid", "client-id-rejected"),
            ("connection_rate_exceeded", "throttled"),
        ] {
            assert_eq!(refusal_reason(name).name(), reason, "{name}");
        }
    }
}

//! The words of HiveMQ, as its `event.log` writes them after "reason:".
//!
//! Sources: "Disconnect reasons (event.log)", <https://hivemq.atlassian.net/wiki/spaces/KB/pages/733446532>; the names of
//! `DisconnectReasonCode` in the HiveMQ extension SDK.

use super::find_in;
use crate::probe::{DisconnectReason, RefusalReason};

const DISCONNECTS: &[(&str, DisconnectReason)] = &[
    ("Another client connected with the same clientId", DisconnectReason::DuplicateClientId),
    ("Client was idle for too long", DisconnectReason::KeepAliveTimeout),
    ("Sent too many concurrent PUBLISH messages", DisconnectReason::Throttled),
    ("Sent second CONNECT message", DisconnectReason::ProtocolError),
    ("TLS handshake not finished in time", DisconnectReason::TlsError),
    ("NORMAL_DISCONNECTION", DisconnectReason::ClientInitiated),
    ("DISCONNECT_WITH_WILL_MESSAGE", DisconnectReason::ClientInitiated),
    ("MALFORMED_PACKET", DisconnectReason::ProtocolError),
    ("PROTOCOL_ERROR", DisconnectReason::ProtocolError),
    ("NOT_AUTHORIZED", DisconnectReason::Forbidden),
    ("SERVER_BUSY", DisconnectReason::ServerBusy),
    ("SERVER_SHUTTING_DOWN", DisconnectReason::ServerShuttingDown),
    ("BAD_AUTHENTICATION_METHOD", DisconnectReason::AuthError),
    ("KEEP_ALIVE_TIMEOUT", DisconnectReason::KeepAliveTimeout),
    ("SESSION_TAKEN_OVER", DisconnectReason::DuplicateClientId),
    ("RECEIVE_MAXIMUM_EXCEEDED", DisconnectReason::Throttled),
    ("MESSAGE_RATE_TOO_HIGH", DisconnectReason::Throttled),
    ("CONNECTION_RATE_EXCEEDED", DisconnectReason::Throttled),
    ("PACKET_TOO_LARGE", DisconnectReason::PacketTooLarge),
    ("QUOTA_EXCEEDED", DisconnectReason::QuotaExceeded),
    ("ADMINISTRATIVE_ACTION", DisconnectReason::Administrative),
    ("USE_ANOTHER_SERVER", DisconnectReason::ServerMoved),
    ("SERVER_MOVED", DisconnectReason::ServerMoved),
    ("MAXIMUM_CONNECT_TIME", DisconnectReason::Expired),
    ("disconnected gracefully", DisconnectReason::ClientInitiated),
    ("disconnected ungracefully", DisconnectReason::ConnectionLost),
];

const REFUSALS: &[(&str, RefusalReason)] = &[
    ("BAD_USER_NAME_OR_PASSWORD", RefusalReason::AuthError),
    ("BAD_AUTHENTICATION_METHOD", RefusalReason::AuthError),
    ("NOT_AUTHORIZED", RefusalReason::Forbidden),
    ("BANNED", RefusalReason::Forbidden),
    ("CLIENT_IDENTIFIER_NOT_VALID", RefusalReason::ClientIdRejected),
    ("UNSUPPORTED_PROTOCOL_VERSION", RefusalReason::NotSupported),
    ("SERVER_UNAVAILABLE", RefusalReason::ServerUnavailable),
    ("SERVER_BUSY", RefusalReason::ServerUnavailable),
    ("PACKET_TOO_LARGE", RefusalReason::PacketTooLarge),
    ("QUOTA_EXCEEDED", RefusalReason::QuotaExceeded),
    ("CONNECTION_RATE_EXCEEDED", RefusalReason::Throttled),
    ("USE_ANOTHER_SERVER", RefusalReason::ServerMoved),
    ("SERVER_MOVED", RefusalReason::ServerMoved),
    ("PROTOCOL_ERROR", RefusalReason::ProtocolError),
    ("MALFORMED_PACKET", RefusalReason::ProtocolError),
    ("TLS handshake not finished in time", RefusalReason::TlsError),
];

/// The reason of a session's end. `line` is the words after "reason:", a whole line, or the name of a reason code.
///
/// HiveMQ writes two lines where it ended the session itself: pass it the one with the reason. "disconnected ungracefully"
/// alone means that the connection was lost.
#[must_use]
pub fn disconnect_reason(line: &str) -> DisconnectReason {
    find_in(DISCONNECTS, line, DisconnectReason::Unspecified)
}

/// The reason of a refusal. `line` is a whole line or the name of a reason code.
#[must_use]
pub fn refusal_reason(line: &str) -> RefusalReason {
    find_in(REFUSALS, line, RefusalReason::Unspecified)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_event_log_has_its_reason() {
        for (line, reason) in [
            (
                "Client ID: abc, IP:x was disconnected. reason: Client was idle for too long.",
                "keep-alive-timeout",
            ),
            (
                "Client ID: abc, IP:x was disconnected. reason: Another client connected with the same clientId.",
                "duplicate-client-id",
            ),
            ("Sent too many concurrent PUBLISH messages.", "throttled"),
            ("Sent second CONNECT message.", "protocol-error"),
            ("Client ID: abc, IP:x disconnected ungracefully.", "connection-lost"),
            ("Client ID: abc, IP:x disconnected gracefully.", "client-initiated"),
            ("SERVER_SHUTTING_DOWN", "server-shutting-down"),
            ("session_taken_over", "duplicate-client-id"),
        ] {
            assert_eq!(disconnect_reason(line).name(), reason, "{line}");
        }
        assert_eq!(refusal_reason("BAD_USER_NAME_OR_PASSWORD"), RefusalReason::AuthError);
    }
}

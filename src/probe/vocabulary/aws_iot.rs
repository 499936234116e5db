//! The names of AWS IoT Core.
//!
//! Sources: "Lifecycle events", Connect/Disconnect events and Connect attempt failure event,
//! <https://docs.aws.amazon.com/iot/latest/developerguide/life-cycle-events.html>; the values of `DisconnectReasonValue` in
//! the AWS IoT API.

use super::find;
use crate::probe::{DisconnectReason, RefusalReason};

const DISCONNECTS: &[(&str, DisconnectReason)] = &[
    ("AUTH_ERROR", DisconnectReason::AuthError),
    ("CLIENT_INITIATED_DISCONNECT", DisconnectReason::ClientInitiated),
    ("CLIENT_ERROR", DisconnectReason::ClientError),
    ("CONNECTION_LOST", DisconnectReason::ConnectionLost),
    ("DUPLICATE_CLIENTID", DisconnectReason::DuplicateClientId),
    ("FORBIDDEN_ACCESS", DisconnectReason::Forbidden),
    ("MQTT_KEEP_ALIVE_TIMEOUT", DisconnectReason::KeepAliveTimeout),
    ("SERVER_ERROR", DisconnectReason::ServerInitiated),
    ("SERVER_INITIATED_DISCONNECT", DisconnectReason::ServerInitiated),
    ("API_INITIATED_DISCONNECT", DisconnectReason::Administrative),
    ("THROTTLED", DisconnectReason::Throttled),
    ("WEBSOCKET_TTL_EXPIRATION", DisconnectReason::Expired),
    ("CUSTOMAUTH_TTL_EXPIRATION", DisconnectReason::Expired),
];

const REFUSALS: &[(&str, RefusalReason)] = &[
    ("AUTH_ERROR", RefusalReason::AuthError),
    ("AUTHORIZATION_FAILED", RefusalReason::Forbidden),
    ("FORBIDDEN_ACCESS", RefusalReason::Forbidden),
    ("THROTTLED", RefusalReason::Throttled),
    ("CLIENT_ERROR", RefusalReason::ProtocolError),
    ("DUPLICATE_CLIENTID", RefusalReason::DuplicateClientId),
    ("SERVER_ERROR", RefusalReason::ServerUnavailable),
];

/// The reason of a session's end.
///
/// `SERVER_INITIATED_DISCONNECT` is the service's own operation, and `SERVER_ERROR` a fault of it: both are server-initiated,
/// for AWS does not say that its broker restarted.
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
            ("AUTH_ERROR", "auth-error"),
            ("CLIENT_INITIATED_DISCONNECT", "client-initiated"),
            ("CLIENT_ERROR", "client-error"),
            ("CONNECTION_LOST", "connection-lost"),
            ("DUPLICATE_CLIENTID", "duplicate-client-id"),
            ("FORBIDDEN_ACCESS", "forbidden"),
            ("MQTT_KEEP_ALIVE_TIMEOUT", "keep-alive-timeout"),
            ("SERVER_ERROR", "server-initiated"),
            ("SERVER_INITIATED_DISCONNECT", "server-initiated"),
            ("API_INITIATED_DISCONNECT", "administrative-action"),
            ("THROTTLED", "throttled"),
            ("WEBSOCKET_TTL_EXPIRATION", "expired"),
            ("CUSTOMAUTH_TTL_EXPIRATION", "expired"),
            ("UNKNOWN", "unspecified"),
            ("NONE", "unspecified"),
        ] {
            assert_eq!(disconnect_reason(name).name(), reason, "{name}");
        }
        assert_eq!(refusal_reason("AUTHORIZATION_FAILED"), RefusalReason::Forbidden);
    }
}

//! The error codes and names of Azure IoT Hub.
//!
//! Sources: "Troubleshoot Azure IoT Hub error codes", <https://learn.microsoft.com/en-us/azure/iot-hub/troubleshoot-error-codes>;
//! "Common error codes", <https://learn.microsoft.com/en-us/rest/api/iothub/common-error-codes>.

use super::find;
use crate::probe::{DisconnectReason, RefusalReason};

const DISCONNECTS: &[(&str, DisconnectReason)] = &[
    ("400027", DisconnectReason::DuplicateClientId),
    ("ConnectionForcefullyClosedOnNewConnection", DisconnectReason::DuplicateClientId),
    ("409002", DisconnectReason::DuplicateClientId),
    ("LinkCreationConflict", DisconnectReason::DuplicateClientId),
    ("401003", DisconnectReason::Expired),
    ("IoTHubUnauthorized", DisconnectReason::Expired),
    ("401002", DisconnectReason::AuthError),
    ("404104", DisconnectReason::ConnectionLost),
    ("DeviceConnectionClosedRemotely", DisconnectReason::ConnectionLost),
    ("403002", DisconnectReason::QuotaExceeded),
    ("IoTHubQuotaExceeded", DisconnectReason::QuotaExceeded),
    ("413001", DisconnectReason::PacketTooLarge),
    ("429000", DisconnectReason::Throttled),
    ("GenericTooManyRequests", DisconnectReason::Throttled),
    ("429001", DisconnectReason::Throttled),
    ("ThrottlingException", DisconnectReason::Throttled),
    ("429002", DisconnectReason::Throttled),
    ("ThrottleBacklogLimitExceeded", DisconnectReason::Throttled),
    ("429003", DisconnectReason::Throttled),
    ("ThrottlingBacklogTimeout", DisconnectReason::Throttled),
    ("429005", DisconnectReason::Throttled),
    ("DeviceThrottlingLimitExceeded", DisconnectReason::Throttled),
    ("404001", DisconnectReason::Forbidden),
    ("DeviceNotFound", DisconnectReason::Forbidden),
    ("500001", DisconnectReason::ServerInitiated),
    ("ServerError", DisconnectReason::ServerInitiated),
    ("500008", DisconnectReason::ServerInitiated),
    ("GenericTimeout", DisconnectReason::ServerInitiated),
    ("503003", DisconnectReason::ServerBusy),
    ("PartitionNotFound", DisconnectReason::ServerBusy),
    ("503", DisconnectReason::ServerBusy),
    ("ServiceUnavailable", DisconnectReason::ServerBusy),
    ("InternalServerError", DisconnectReason::ServerInitiated),
];

const REFUSALS: &[(&str, RefusalReason)] = &[
    ("401003", RefusalReason::AuthError),
    ("IoTHubUnauthorized", RefusalReason::AuthError),
    ("401002", RefusalReason::AuthError),
    ("404001", RefusalReason::Forbidden),
    ("DeviceNotFound", RefusalReason::Forbidden),
    ("409002", RefusalReason::DuplicateClientId),
    ("LinkCreationConflict", RefusalReason::DuplicateClientId),
    ("403002", RefusalReason::QuotaExceeded),
    ("IoTHubQuotaExceeded", RefusalReason::QuotaExceeded),
    ("429000", RefusalReason::Throttled),
    ("GenericTooManyRequests", RefusalReason::Throttled),
    ("429001", RefusalReason::Throttled),
    ("ThrottlingException", RefusalReason::Throttled),
    ("429002", RefusalReason::Throttled),
    ("ThrottleBacklogLimitExceeded", RefusalReason::Throttled),
    ("429003", RefusalReason::Throttled),
    ("ThrottlingBacklogTimeout", RefusalReason::Throttled),
    ("429005", RefusalReason::Throttled),
    ("DeviceThrottlingLimitExceeded", RefusalReason::Throttled),
    ("500001", RefusalReason::ServerUnavailable),
    ("ServerError", RefusalReason::ServerUnavailable),
    ("500008", RefusalReason::ServerUnavailable),
    ("GenericTimeout", RefusalReason::ServerUnavailable),
    ("503003", RefusalReason::ServerUnavailable),
    ("PartitionNotFound", RefusalReason::ServerUnavailable),
    ("ServiceUnavailable", RefusalReason::ServerUnavailable),
    ("InternalServerError", RefusalReason::ServerUnavailable),
];

/// The reason of a session's end. `name` is the code or the name.
///
/// `401003` of a session that was up is the end of its token: many SDKs let the hub disconnect them then, each hour by default,
/// and come back with a new one. The hub logs `404104` right after it, which is no second break: see
/// [`Expired`](DisconnectReason::Expired). `404104` alone is a connection that was closed without a DISCONNECT. Where such ends
/// come at the interval of the token's lifetime, report them as `Expired` too.
#[must_use]
pub fn disconnect_reason(name: &str) -> DisconnectReason {
    find(DISCONNECTS, name, DisconnectReason::Unspecified)
}

/// The reason of a refusal. `name` is the code or the name.
#[must_use]
pub fn refusal_reason(name: &str) -> RefusalReason {
    find(REFUSALS, name, RefusalReason::Unspecified)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_have_the_same_reason() {
        for (code, name, reason) in [
            ("400027", "ConnectionForcefullyClosedOnNewConnection", "duplicate-client-id"),
            ("409002", "LinkCreationConflict", "duplicate-client-id"),
            ("401003", "IoTHubUnauthorized", "expired"),
            ("429003", "ThrottlingBacklogTimeout", "throttled"),
            ("500008", "GenericTimeout", "server-initiated"),
            ("404104", "DeviceConnectionClosedRemotely", "connection-lost"),
            ("403002", "IoTHubQuotaExceeded", "quota-exceeded"),
            ("429001", "ThrottlingException", "throttled"),
            ("404001", "DeviceNotFound", "forbidden"),
        ] {
            assert_eq!(disconnect_reason(code).name(), reason, "{code}");
            assert_eq!(disconnect_reason(name).name(), reason, "{name}");
        }
        // Of a CONNECT that it refuses: the token does not hold at all.
        assert_eq!(refusal_reason("401003"), RefusalReason::AuthError);
        assert_eq!(refusal_reason("500008"), RefusalReason::ServerUnavailable);
        assert_eq!(refusal_reason("503003"), RefusalReason::ServerUnavailable);
    }
}

//! The words of Eclipse Mosquitto, as its log writes them.
//!
//! Sources: the log lines of the broker's source, versions 2.0 and 2.1 (`src/loop.c`, `src/handle_connect.c`, `src/net.c`),
//! <https://github.com/eclipse-mosquitto/mosquitto>; the alerts of OpenSSL that it logs of a handshake,
//! <https://docs.openssl.org/3.0/man3/SSL_alert_type_string/>.

use super::find_in;
use crate::probe::{DisconnectReason, RefusalReason};

/// The phrases of version 2.1 ("disconnected: exceeded timeout.") and of those before it ("has exceeded timeout, disconnecting.").
const DISCONNECTS: &[(&str, DisconnectReason)] = &[
    ("exceeded timeout", DisconnectReason::KeepAliveTimeout),
    ("already connected, closing old connection", DisconnectReason::DuplicateClientId),
    ("session taken over", DisconnectReason::DuplicateClientId),
    ("disallowed feature", DisconnectReason::NotSupported),
    ("QoS too high or retain not supported", DisconnectReason::NotSupported),
    ("implementation specific error", DisconnectReason::NotSupported),
    ("not authorised", DisconnectReason::Forbidden),
    ("no longer authorised", DisconnectReason::Forbidden),
    ("client banned", DisconnectReason::Forbidden),
    ("client identifier not valid", DisconnectReason::Forbidden),
    ("non-matching http origin", DisconnectReason::Forbidden),
    ("bad username or password", DisconnectReason::AuthError),
    ("bad authentication method", DisconnectReason::AuthError),
    ("protocol error", DisconnectReason::ProtocolError),
    ("malformed packet", DisconnectReason::ProtocolError),
    ("topic alias invalid", DisconnectReason::ProtocolError),
    ("oversize packet", DisconnectReason::PacketTooLarge),
    ("oversize payload", DisconnectReason::PacketTooLarge),
    ("receive maximum exceeded", DisconnectReason::Throttled),
    ("connection rate exceeded", DisconnectReason::Throttled),
    ("quota exceeded", DisconnectReason::QuotaExceeded),
    ("out of memory", DisconnectReason::ServerBusy),
    ("server busy", DisconnectReason::ServerBusy),
    ("server unavailable", DisconnectReason::ServerBusy),
    ("administrative action", DisconnectReason::Administrative),
    ("server shutting down", DisconnectReason::ServerShuttingDown),
    ("closed by client", DisconnectReason::ConnectionLost),
    ("closed its connection", DisconnectReason::ConnectionLost),
    ("socket error", DisconnectReason::ConnectionLost),
    ("socket read/write", DisconnectReason::ConnectionLost),
    ("connection reset by peer", DisconnectReason::ConnectionLost),
    ("connection timed out", DisconnectReason::ConnectionLost),
    ("broken pipe", DisconnectReason::ConnectionLost),
    ("no route to host", DisconnectReason::ConnectionLost),
    ("received DISCONNECT", DisconnectReason::ClientInitiated),
];

const REFUSALS: &[(&str, RefusalReason)] = &[
    // An alert that the log shows came from the client: each of these says that it does not accept the broker's certificate.
    ("alert certificate expired", RefusalReason::ServerCertificateRejected),
    ("alert certificate revoked", RefusalReason::ServerCertificateRejected),
    ("alert certificate unknown", RefusalReason::ServerCertificateRejected),
    ("alert unsupported certificate", RefusalReason::ServerCertificateRejected),
    ("alert bad certificate", RefusalReason::ServerCertificateRejected),
    ("alert unknown ca", RefusalReason::ServerCertificateRejected),
    ("certificate has expired", RefusalReason::CertificateExpired),
    ("certificate revoked", RefusalReason::CertificateRevoked),
    ("certificate is not yet valid", RefusalReason::CertificateNotYetValid),
    ("did not return a certificate", RefusalReason::NoCertificate),
    ("self-signed certificate", RefusalReason::UnknownCa),
    ("self signed certificate", RefusalReason::UnknownCa),
    ("unable to get local issuer certificate", RefusalReason::UnknownCa),
    // OpenSSL logs this alone of an expired, a revoked and an untrusted certificate.
    ("certificate verify failed", RefusalReason::TlsError),
    ("not authorised", RefusalReason::Forbidden),
    ("client banned", RefusalReason::Forbidden),
    ("denied access by tcpd", RefusalReason::Forbidden),
    ("non-matching http origin", RefusalReason::Forbidden),
    ("bad username or password", RefusalReason::AuthError),
    ("bad authentication method", RefusalReason::AuthError),
    ("identifier rejected", RefusalReason::ClientIdRejected),
    ("identifier not valid", RefusalReason::ClientIdRejected),
    ("zero length clientid", RefusalReason::ClientIdRejected),
    ("unsupported protocol version", RefusalReason::NotSupported),
    ("unacceptable protocol version", RefusalReason::NotSupported),
    ("invalid protocol version", RefusalReason::NotSupported),
    ("disallowed feature", RefusalReason::NotSupported),
    ("too large will payload", RefusalReason::PacketTooLarge),
    ("protocol error", RefusalReason::ProtocolError),
    ("malformed packet", RefusalReason::ProtocolError),
    ("using TLS to connect to a non-TLS listener", RefusalReason::ProtocolError),
    ("max_connections", RefusalReason::QuotaExceeded),
    ("quota exceeded", RefusalReason::QuotaExceeded),
    ("connection rate exceeded", RefusalReason::Throttled),
    ("server unavailable", RefusalReason::ServerUnavailable),
    ("server busy", RefusalReason::ServerUnavailable),
    ("system socket count has been exceeded", RefusalReason::ServerUnavailable),
    ("ssl routines", RefusalReason::TlsError),
];

/// The reason of a session's end. `line` is the log line.
///
/// A client that sends a DISCONNECT and one that just closes its connection differ only by the line "Received
/// DISCONNECT", which Mosquitto logs at debug level. Without it a goodbye is "disconnected." and nothing else, which is the
/// same line as of other ends: it is unspecified.
#[must_use]
pub fn disconnect_reason(line: &str) -> DisconnectReason {
    find_in(DISCONNECTS, line, DisconnectReason::Unspecified)
}

/// The reason of a refusal. `line` is the log line.
///
/// Mosquitto says "not authorised" of wrong credentials and of a client that may not connect alike. An alert that it
/// received was sent by the client, which does not trust the broker's certificate.
#[must_use]
pub fn refusal_reason(line: &str) -> RefusalReason {
    find_in(REFUSALS, line, RefusalReason::Unspecified)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_log_has_its_reason() {
        for (line, reason) in [
            ("Client a has exceeded timeout, disconnecting.", "keep-alive-timeout"),
            ("Client a already connected, closing old connection.", "duplicate-client-id"),
            ("Client a disconnected due to protocol error.", "protocol-error"),
            ("Client a disconnected due to malformed packet.", "protocol-error"),
            ("Client a disconnected due to oversize packet.", "packet-too-large"),
            ("Client a been disconnected by administrative action.", "administrative-action"),
            ("Client a closed its connection.", "connection-lost"),
            ("Client a [10.0.0.7:51320] disconnected: exceeded timeout.", "keep-alive-timeout"),
            ("Client a [10.0.0.7:51320] disconnected: session taken over.", "duplicate-client-id"),
            ("Client a [10.0.0.7:51320] disconnected: connection closed by client.", "connection-lost"),
            ("Client a [10.0.0.7:51320] disconnected: Connection timed out.", "connection-lost"),
            ("Client a [10.0.0.7:51320] disconnected: not authorised.", "forbidden"),
            (
                "Client a [10.0.0.7:51320] disconnected: used disallowed feature (QoS too high, retain not supported, or bad \
                 AUTH method).",
                "not-supported",
            ),
            ("Client a [10.0.0.7:51320] disconnected: receive maximum exceeded.", "throttled"),
            ("Client a [10.0.0.7:51320] disconnected: server busy.", "server-busy"),
            ("Received DISCONNECT from a", "client-initiated"),
            ("Client a disconnected.", "unspecified"),
        ] {
            assert_eq!(disconnect_reason(line).name(), reason, "{line}");
        }
        for (line, reason) in [
            ("Client <unknown> disconnected, not authorised.", "forbidden"),
            (
                "OpenSSL Error[0]: error:1417C0C7:SSL routines:tls_process_client_certificate:peer did not return a \
                 certificate",
                "no-certificate",
            ),
            (
                "OpenSSL Error[0]: error:0A000418:SSL routines::tlsv1 alert unknown ca",
                "server-certificate-rejected",
            ),
            (
                "OpenSSL Error[0]: error:14094416:SSL routines:ssl3_read_bytes:sslv3 alert certificate unknown",
                "server-certificate-rejected",
            ),
            (
                "OpenSSL Error[0]: error:0A000414:SSL routines::sslv3 alert certificate revoked",
                "server-certificate-rejected",
            ),
            ("OpenSSL Error[0]: error:0A000086:SSL routines::certificate verify failed", "tls-error"),
            ("Client a [10.0.0.7:51320] disconnected: bad username or password.", "auth-error"),
            ("Client a [10.0.0.7:51320] disconnected: client identifier not valid.", "client-id-rejected"),
            (
                "Protocol error from 10.0.0.7:51320: CONNECT with invalid protocol version (6).",
                "not-supported",
            ),
            ("Protocol error from 10.0.0.7:51320: CONNECT with missing protocol string.", "protocol-error"),
            ("Client connection from 10.0.0.7 denied: max_connections exceeded.", "quota-exceeded"),
            (
                "Client a disconnected: certificate verify failed: certificate has expired",
                "certificate-expired",
            ),
            ("OpenSSL Error[0]: error:0A00010B:SSL routines::wrong version number", "tls-error"),
        ] {
            assert_eq!(refusal_reason(line).name(), reason, "{line}");
        }
    }
}

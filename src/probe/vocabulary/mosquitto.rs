//! The words of Eclipse Mosquitto, as its log writes them.
//!
//! Sources: the log lines of the broker's source (`src/loop.c`, `src/handle_connect.c`, `src/net.c`),
//! <https://github.com/eclipse-mosquitto/mosquitto>; the alerts of OpenSSL that it logs of a handshake,
//! <https://docs.openssl.org/3.0/man3/SSL_alert_type_string/>.

use super::find_in;
use crate::probe::{DisconnectReason, RefusalReason};

const DISCONNECTS: &[(&str, DisconnectReason)] = &[
    ("has exceeded timeout", DisconnectReason::KeepAliveTimeout),
    ("already connected, closing old connection", DisconnectReason::DuplicateClientId),
    ("session taken over", DisconnectReason::DuplicateClientId),
    ("not authorised", DisconnectReason::Forbidden),
    ("no longer authorised", DisconnectReason::Forbidden),
    ("due to protocol error", DisconnectReason::ProtocolError),
    ("due to malformed packet", DisconnectReason::ProtocolError),
    ("due to oversize packet", DisconnectReason::PacketTooLarge),
    ("due to oversize payload", DisconnectReason::PacketTooLarge),
    ("due to out of memory", DisconnectReason::ServerBusy),
    ("QoS too high or retain not supported", DisconnectReason::NotSupported),
    ("administrative action", DisconnectReason::Administrative),
    ("server shutting down", DisconnectReason::ServerShuttingDown),
    ("closed its connection", DisconnectReason::ConnectionLost),
    ("socket error", DisconnectReason::ConnectionLost),
    ("socket read/write", DisconnectReason::ConnectionLost),
    ("connection reset by peer", DisconnectReason::ConnectionLost),
    ("received DISCONNECT", DisconnectReason::ClientInitiated),
];

const REFUSALS: &[(&str, RefusalReason)] = &[
    ("certificate has expired", RefusalReason::CertificateExpired),
    ("alert certificate expired", RefusalReason::ServerCertificateRejected),
    ("certificate revoked", RefusalReason::CertificateRevoked),
    ("certificate is not yet valid", RefusalReason::CertificateNotYetValid),
    ("did not return a certificate", RefusalReason::NoCertificate),
    ("alert unknown ca", RefusalReason::ServerCertificateRejected),
    ("alert bad certificate", RefusalReason::ServerCertificateRejected),
    ("self-signed certificate", RefusalReason::UnknownCa),
    ("self signed certificate", RefusalReason::UnknownCa),
    ("unable to get local issuer certificate", RefusalReason::UnknownCa),
    ("certificate verify failed", RefusalReason::UnknownCa),
    ("not authorised", RefusalReason::Forbidden),
    ("bad username or password", RefusalReason::AuthError),
    ("identifier rejected", RefusalReason::ClientIdRejected),
    ("identifier not valid", RefusalReason::ClientIdRejected),
    ("unsupported protocol version", RefusalReason::NotSupported),
    ("unacceptable protocol version", RefusalReason::NotSupported),
    ("invalid protocol", RefusalReason::ProtocolError),
    ("max_connections", RefusalReason::QuotaExceeded),
    ("server unavailable", RefusalReason::ServerUnavailable),
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
            ("OpenSSL Error[0]: error:0A000086:SSL routines::certificate verify failed", "unknown-ca"),
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

use chrono::TimeDelta;

use super::broker_connect::{asked_period, last_seen};
use super::sessions::{self, Events, SessionLog};
use crate::check::prelude::*;
use crate::probe::{BrokerHealth, RefusalReason};

choices! {
    Why {
        Certificate = "certificate",
        Trust = "trust",
        Credentials = "credentials",
        NotAllowed = "not-allowed",
        Unavailable = "unavailable",
        UnavailableBefore = "unavailable-before",
        NoReason = "no-reason",
    }
}

check! {
    /// Why did the broker refuse the session holder?
    Refusal = "refusal", Session, Now, Why::VALUES;
    recent: TimeDelta,
}

impl Builtin for Refusal {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let broker = adapter(probes.broker(), "broker probe")?;
        let last_seen = last_seen(request, probes).await?;
        // The period of `broker-connect`, which found the refusal.
        let asked = asked_period(last_seen.as_ref(), self.recent, request);
        let sessions = sessions::require(broker, request, asked).await?;
        let health = match probes.platform() {
            Some(platform) if is_for_want_of_capacity(&sessions, request) => {
                Some(platform.broker_health(&request.of_platform()).await.by(platform.source())?)
            }
            _ => None,
        };
        Ok(judge(&sessions, health.as_ref(), request).by(sessions.source.clone()))
    }
}

/// What a refusal is about; `None`: it gives no reason.
const fn about(reason: RefusalReason) -> Option<Why> {
    use RefusalReason as R;
    Some(match reason {
        R::NoCertificate | R::CertificateExpired | R::CertificateRevoked | R::CertificateNotYetValid => {
            Why::Certificate
        }
        R::UnknownCa | R::ServerCertificateRejected => Why::Trust,
        R::AuthError => Why::Credentials,
        R::Forbidden
        | R::DuplicateClientId
        | R::ClientIdRejected
        | R::ProtocolError
        | R::NotSupported
        | R::PacketTooLarge => Why::NotAllowed,
        R::Throttled | R::ServerUnavailable | R::QuotaExceeded | R::ServerMoved => Why::Unavailable,
        R::TlsError | R::Unspecified => return None,
    })
}

fn is_for_want_of_capacity(sessions: &SessionLog, request: &CheckRequest<'_>) -> bool {
    let events = Events::with_future_as_now(&sessions.log, request);
    events.refusals().into_iter().find_map(|(_, reason)| about(reason)) == Some(Why::Unavailable)
}

/// The newest refusal that gives a reason decides: the TLS endpoint in front of a broker often knows it, and the broker
/// itself does not. Where the broker had no capacity, it is asked whether it takes connections now.
fn judge(sessions: &SessionLog, health: Option<&BrokerHealth>, request: &CheckRequest<'_>) -> Verdict {
    sessions.judge(request, |events| judge_events(events, sessions, health))
}

fn judge_events(events: &Events<'_>, sessions: &SessionLog, health: Option<&BrokerHealth>) -> Verdict {
    let mut details = vec![sessions.holder()];
    let refusals = events.refusals();
    let Some((newest, _)) = refusals.first() else {
        return Verdict::undetermined("no CONNECT was refused since the last that was accepted")
            .with(details);
    };
    details.push(when("last refused", newest.at));
    let told = refusals.iter().find_map(|(event, reason)| Some((*event, *reason, about(*reason)?)));
    let (event, reason, why) = told.unwrap_or((newest, RefusalReason::Unspecified, Why::NoReason));
    details.extend(event.text.as_deref().map(|text| Detail::new("broker's words", text)));
    details.push(Detail::new("refused with", reason.name()));
    let log_at = sessions.log.observed_at;
    let known = |why: Why, observed_at, details: Vec<Detail>| Verdict::known(why, observed_at).with(details);
    if why != Why::Unavailable {
        return known(why, log_at, details);
    }
    match health.and_then(|health| Some((health.observed_at, health.takes_connections?))) {
        Some((at, takes)) => {
            details.push(Detail::new("takes connections now", if takes { "yes" } else { "no" }));
            let why = if takes { Why::UnavailableBefore } else { Why::Unavailable };
            known(why, log_at.min(at), details)
        }
        None => {
            Verdict::undetermined("nobody could say whether the broker takes connections now").with(details)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::*;
    use crate::probe::{ConnectionEvent, ConnectionLog, DisconnectReason};

    fn refused(seconds: i64, reason: RefusalReason) -> ConnectionEvent {
        ConnectionEvent::refused(at(seconds), reason)
    }

    fn judged(events: Vec<ConnectionEvent>, takes: Option<bool>) -> Verdict {
        let log = ConnectionLog::new(at(NOW), period(NOW - 9000, NOW)).with_events(events);
        let sessions = SessionLog::of_test(true, log);
        let health = BrokerHealth { takes_connections: takes, ..BrokerHealth::new(at(NOW)) };
        judge(&sessions, Some(&health), &Asked::new().request())
    }

    #[test]
    fn each_reason_is_about_one_thing() {
        use RefusalReason as R;
        for (reason, why) in [
            (R::NoCertificate, Why::Certificate),
            (R::CertificateExpired, Why::Certificate),
            (R::CertificateRevoked, Why::Certificate),
            (R::CertificateNotYetValid, Why::Certificate),
            (R::UnknownCa, Why::Trust),
            (R::ServerCertificateRejected, Why::Trust),
            (R::AuthError, Why::Credentials),
            (R::Forbidden, Why::NotAllowed),
            (R::DuplicateClientId, Why::NotAllowed),
            (R::ClientIdRejected, Why::NotAllowed),
            (R::ProtocolError, Why::NotAllowed),
            (R::NotSupported, Why::NotAllowed),
            (R::PacketTooLarge, Why::NotAllowed),
            (R::Throttled, Why::Unavailable),
            (R::ServerUnavailable, Why::Unavailable),
            (R::QuotaExceeded, Why::Unavailable),
            (R::ServerMoved, Why::Unavailable),
            (R::TlsError, Why::NoReason),
            (R::Unspecified, Why::NoReason),
        ] {
            judged(vec![refused(NOW - 5, reason)], Some(false)).expect_of(&reason, why);
        }
    }

    #[test]
    fn capacity_is_as_old_as_the_older_answer() {
        for (log_at, health_at) in [(NOW - 7, NOW), (NOW, NOW - 7)] {
            for takes in [true, false] {
                let busy = vec![refused(NOW - 50, RefusalReason::ServerUnavailable)];
                let log = ConnectionLog::new(at(log_at), period(NOW - 9000, NOW)).with_events(busy);
                let sessions = SessionLog::of_test(true, log);
                let health = BrokerHealth::new(at(health_at)).with_takes_connections(takes);
                let verdict = judge(&sessions, Some(&health), &Asked::new().request());
                assert_eq!(verdict.observed_at(), Some(at(NOW - 7)), "{log_at} {health_at} {takes}");
            }
        }
    }

    #[test]
    fn accepting_broker_was_unavailable() {
        let busy = || vec![refused(NOW - 5, RefusalReason::ServerUnavailable)];
        judged(busy(), Some(true)).expect(Why::UnavailableBefore);
        judged(busy(), Some(false)).expect(Why::Unavailable);
        judged(busy(), None).expect(Undetermined);
    }

    #[test]
    fn newest_refusal_since_connect_decides() {
        use RefusalReason::{AuthError, CertificateExpired, Unspecified};
        for (events, why) in [
            (
                vec![refused(NOW - 5, Unspecified), refused(NOW - 6, CertificateExpired)],
                Some(Why::Certificate),
            ),
            (vec![refused(NOW - 6, AuthError), refused(NOW - 5, CertificateExpired)], Some(Why::Certificate)),
            (vec![refused(NOW - 5, AuthError), refused(NOW - 6, CertificateExpired)], Some(Why::Credentials)),
            (
                vec![
                    refused(NOW - 9, AuthError),
                    ConnectionEvent::accepted(at(NOW - 7)),
                    refused(NOW - 5, Unspecified),
                ],
                Some(Why::NoReason),
            ),
            (vec![refused(NOW - 9, AuthError), ConnectionEvent::accepted(at(NOW - 7))], None),
            (vec![], None),
        ] {
            judged(events.clone(), None).expect_of(&events, why);
        }
    }

    #[test]
    fn what_a_session_was_ended_for_at_once_is_a_refusal() {
        use DisconnectReason as D;
        for (reason, why) in [
            (D::AuthError, Some(Why::Credentials)),
            (D::Forbidden, Some(Why::NotAllowed)),
            (D::CertificateExpired, Some(Why::Certificate)),
            (D::CertificateRevoked, Some(Why::Certificate)),
            (D::CertificateNotYetValid, Some(Why::Certificate)),
            (D::UnknownCa, Some(Why::Trust)),
            (D::ProtocolError, Some(Why::NotAllowed)),
            (D::PacketTooLarge, Some(Why::NotAllowed)),
            (D::NotSupported, Some(Why::NotAllowed)),
            (D::QuotaExceeded, Some(Why::Unavailable)),
            (D::Throttled, Some(Why::Unavailable)),
            (D::ConnectionLost, None),
            (D::KeepAliveTimeout, None),
            (D::ClientInitiated, None),
            (D::ServerShuttingDown, None),
            (D::DuplicateClientId, None),
        ] {
            let events = vec![
                ConnectionEvent::accepted(at(NOW - 10)),
                ConnectionEvent::disconnected(at(NOW - 9), reason),
            ];
            judged(events, Some(false)).expect_of(&reason, why);
        }
        let lasted = vec![
            ConnectionEvent::accepted(at(NOW - 100)),
            ConnectionEvent::disconnected(at(NOW - 39), D::Forbidden),
        ];
        judged(lasted, None).expect(Undetermined);
    }

    #[test]
    fn the_brokers_own_words_are_kept() {
        let event = refused(NOW - 5, RefusalReason::AuthError).with_text("bad_username_or_password");
        let verdict = judged(vec![event], None);
        assert_eq!(verdict.detail("broker's words"), Some("bad_username_or_password"));
    }

    #[test]
    fn a_refusal_of_the_future_is_not_dropped() {
        judged(vec![refused(NOW + 31, RefusalReason::AuthError)], None).expect(Future);
    }
}

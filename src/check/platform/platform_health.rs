use crate::check::CheckRequest;
use crate::check::judge::{Verdict, adapter, choices, if_supported};
use crate::check::spec::{Builtin, Observed, check};
use crate::fact::{Detail, Details};
use crate::probe::{BrokerHealth, IngestionHealth, PlatformRequest, Probes, SilentPeers, SilentShare};

choices! {
    State {
        Well = "well",
        BrokerDown = "broker-down",
        IngestionDown = "ingestion-down",
    }
}

check! {
    /// Do the broker and the ingestion take and store messages now, on the parts that serve this device?
    PlatformHealth = "platform-health", Platform, Now, State::VALUES;
}

impl Builtin for PlatformHealth {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let probe = adapter(probes.platform(), "platform probe")?;
        let asked = asked(request);
        // A question that is not answered takes nothing from what another part shows.
        let broker = if_supported(probe.broker_health(&asked).await, || probe.source())?;
        let ingestion = if_supported(probe.ingestion_health(&asked).await, || probe.source())?;
        // Who else is silent is noted; it decides nothing here.
        let peers = probe.silent_peers(&asked).await.ok();
        Ok(judge(broker.as_ref(), ingestion.as_ref(), peers.as_ref()).by(probe.source()))
    }
}

fn asked(request: &CheckRequest<'_>) -> PlatformRequest {
    let subject = request.subject();
    let mut asked = PlatformRequest::new(subject.device.clone());
    asked.gateway.clone_from(&subject.gateway);
    asked.site.clone_from(&subject.site);
    asked
}

/// In this order: the broker takes no connections or no messages; the ingestion takes or stores none; well, where a
/// message went through both.
fn judge(
    broker: Option<&BrokerHealth>,
    ingestion: Option<&IngestionHealth>,
    peers: Option<&SilentPeers>,
) -> Verdict {
    let mut details = Vec::new();
    let facts = [
        ("broker takes connections", broker.and_then(|broker| broker.takes_connections)),
        ("broker takes messages", broker.and_then(|broker| broker.takes_messages)),
        ("ingestion takes messages", ingestion.and_then(|ingestion| ingestion.takes_messages)),
        ("ingestion stores rows", ingestion.and_then(|ingestion| ingestion.stores_rows)),
    ];
    for (name, fact) in facts {
        details.extend(fact.map(|fact| Detail::new(name, if fact { "yes" } else { "no" })));
    }
    details.extend(
        broker.and_then(|broker| broker.node.as_deref()).map(|node| Detail::new("broker node", node)),
    );
    let partition = ingestion.and_then(|ingestion| ingestion.partition.as_deref());
    details.extend(partition.map(|partition| Detail::new("ingestion partition", partition)));
    details.extend(peers.into_iter().flat_map(silent));
    let [connections, taken, ingested, stored] = facts.map(|(_, fact)| fact);
    match (broker, ingestion) {
        (Some(broker), _) if connections == Some(false) || taken == Some(false) => {
            Verdict::known(State::BrokerDown.value(), broker.observed_at, Details::from_iter(details))
        }
        (_, Some(ingestion)) if ingested == Some(false) || stored == Some(false) => {
            Verdict::known(State::IngestionDown.value(), ingestion.observed_at, Details::from_iter(details))
        }
        (Some(broker), Some(ingestion)) if taken == Some(true) && stored == Some(true) => {
            let older = broker.observed_at.min(ingestion.observed_at);
            Verdict::known(State::Well.value(), older, Details::from_iter(details))
        }
        _ => Verdict::undetermined("nobody saw a message go through the broker and into the database")
            .with(details),
    }
}

fn silent(peers: &SilentPeers) -> Vec<Detail> {
    let share = |name: &'static str, share: &Option<SilentShare>| {
        share.as_ref().map(|share| Detail::new(name, format!("{} of {}", share.silent, share.of)))
    };
    let mut details = Vec::new();
    details.extend(share("silent behind its gateway", &peers.gateway));
    details.extend(share("silent at its site", &peers.site));
    details.extend(peers.sites.map(|sites| Detail::new("sites with silent devices", sites.to_string())));
    details
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{NOW, at};
    use crate::fact::UnknownReason;

    fn broker(connections: Option<bool>, messages: Option<bool>) -> BrokerHealth {
        let mut health = BrokerHealth::new(at(NOW - 5));
        (health.takes_connections, health.takes_messages) = (connections, messages);
        health
    }

    fn ingestion(messages: Option<bool>, rows: Option<bool>) -> IngestionHealth {
        let mut health = IngestionHealth::new(at(NOW - 9));
        (health.takes_messages, health.stores_rows) = (messages, rows);
        health
    }

    #[test]
    fn broker_first_and_well_is_end_to_end() {
        let (yes, no) = (Some(true), Some(false));
        for (one, other, state) in [
            (broker(yes, yes), ingestion(yes, yes), Some(State::Well)),
            (broker(None, yes), ingestion(None, yes), Some(State::Well)),
            (broker(no, yes), ingestion(yes, yes), Some(State::BrokerDown)),
            (broker(yes, no), ingestion(no, no), Some(State::BrokerDown)),
            (broker(yes, yes), ingestion(no, None), Some(State::IngestionDown)),
            (broker(yes, yes), ingestion(yes, no), Some(State::IngestionDown)),
            (broker(None, None), ingestion(no, None), Some(State::IngestionDown)),
            (broker(yes, None), ingestion(yes, yes), None),
            (broker(yes, yes), ingestion(yes, None), None),
            (broker(None, None), ingestion(None, None), None),
        ] {
            let verdict = judge(Some(&one), Some(&other), None);
            assert_eq!(verdict.value(), state.map(State::value), "{one:?} {other:?}");
            if state.is_none() {
                assert_eq!(verdict.reason(), Some(UnknownReason::Undetermined));
            }
        }
        assert_eq!(judge(Some(&broker(yes, yes)), None, None).reason(), Some(UnknownReason::Undetermined));
        let down = judge(Some(&broker(no, None)), None, None);
        assert_eq!(down.value(), Some(State::BrokerDown.value()));
        let well = judge(Some(&broker(yes, yes)), Some(&ingestion(yes, yes)), None);
        assert_eq!(well.observed_at(), Some(at(NOW - 9)), "as old as the older answer");
    }

    #[test]
    fn other_silent_devices_decide_nothing() {
        let peers = SilentPeers::new(at(NOW))
            .with_gateway(SilentShare::new(40, 40))
            .with_site(SilentShare::new(41, 90))
            .with_sites(3);
        let (yes, one) = (Some(true), broker(Some(true), Some(true)));
        let verdict = judge(Some(&one), Some(&ingestion(yes, yes)), Some(&peers));
        assert_eq!(verdict.value(), Some(State::Well.value()));
        assert_eq!(verdict.details().find("silent behind its gateway"), Some("40 of 40"));
        assert_eq!(verdict.details().find("silent at its site"), Some("41 of 90"));
        assert_eq!(verdict.details().find("sites with silent devices"), Some("3"));
    }
}

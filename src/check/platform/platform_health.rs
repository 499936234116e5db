use crate::check::prelude::*;
use crate::probe::{BrokerHealth, IngestionHealth, SilentPeers, SilentShare};

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
        let asked = request.of_platform();
        // A question that is not answered takes nothing from what another part shows.
        let broker = probe.broker_health(&asked).await.by(probe.source()).if_supported()?;
        let ingestion = probe.ingestion_health(&asked).await.by(probe.source()).if_supported()?;
        // Who else is silent is noted; it decides nothing here.
        let peers = probe.silent_peers(&asked).await.ok();
        Ok(judge(broker.as_ref(), ingestion.as_ref(), peers.as_ref()).by(probe.source()))
    }
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
    details.extend(facts.into_iter().filter_map(|(name, fact)| either(name, fact, ["yes", "no"])));
    details.extend(
        broker.and_then(|broker| broker.node.as_deref()).map(|node| Detail::new("broker node", node)),
    );
    let partition = ingestion.and_then(|ingestion| ingestion.partition.as_deref());
    details.extend(partition.map(|partition| Detail::new("ingestion partition", partition)));
    details.extend(peers.into_iter().flat_map(silent));
    let [connections, taken, ingested, stored] = facts.map(|(_, fact)| fact);
    match (broker, ingestion) {
        (Some(broker), _) if connections == Some(false) || taken == Some(false) => {
            Verdict::known(State::BrokerDown, broker.observed_at).with(details)
        }
        (_, Some(ingestion)) if ingested == Some(false) || stored == Some(false) => {
            Verdict::known(State::IngestionDown, ingestion.observed_at).with(details)
        }
        (Some(broker), Some(ingestion)) if taken == Some(true) && stored == Some(true) => {
            let older = broker.observed_at.min(ingestion.observed_at);
            Verdict::known(State::Well, older).with(details)
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
    use crate::check::testing::*;

    fn broker(takes_connections: Option<bool>, takes_messages: Option<bool>) -> BrokerHealth {
        BrokerHealth { takes_connections, takes_messages, ..BrokerHealth::new(at(NOW - 5)) }
    }

    fn ingestion(takes_messages: Option<bool>, stores_rows: Option<bool>) -> IngestionHealth {
        IngestionHealth { takes_messages, stores_rows, ..IngestionHealth::new(at(NOW - 9)) }
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
            verdict.expect_of(&(one, other), state);
            if state.is_none() {
                verdict.expect(Undetermined);
            }
        }
        judge(Some(&broker(yes, yes)), None, None).expect(Undetermined);
        let down = judge(Some(&broker(no, None)), None, None);
        down.expect(State::BrokerDown);
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
        verdict.expect(State::Well);
        assert_eq!(verdict.detail("silent behind its gateway"), Some("40 of 40"));
        assert_eq!(verdict.detail("silent at its site"), Some("41 of 90"));
        assert_eq!(verdict.detail("sites with silent devices"), Some("3"));
    }
}

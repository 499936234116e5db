//! The floor: what the chart would be if someone wrote it down as code. No trace, no evidence, no reasons, no
//! waits; a change of the chart is a release.

use super::facts::{
    BrokerConnect, Certificate, Facts, GatewayHealth, OtNetwork, Power, Publishing, ServiceState,
};
use super::{Conclusion, Peer};
use crate::error::Error;
use crate::measure::Side;

/// The match.
pub(crate) struct HandWritten;

impl Peer for HandWritten {
    fn name(&self) -> &'static str {
        "hand-written"
    }

    fn conclude(&self, facts: &Facts) -> Result<Conclusion, Error> {
        Ok(conclude(facts).map_or(Conclusion::Undetermined(String::new()), Conclusion::at))
    }

    fn side<'a>(&'a self, facts: &Facts) -> Result<Side<'a>, Error> {
        let facts = *facts;
        Ok(Box::new(move |runs| {
            for _ in 0..runs {
                std::hint::black_box(conclude(std::hint::black_box(&facts)));
            }
        }))
    }
}

/// The end that the facts lead to, or none where one that is needed is unknown.
fn conclude(facts: &Facts) -> Option<&'static str> {
    // Not knowing is no reason to expect silence.
    match facts.service_state.known().unwrap_or(ServiceState::InService) {
        ServiceState::Maintenance | ServiceState::Decommissioned => return Some("expected-offline"),
        ServiceState::NeverProvisioned => return Some("never-provisioned"),
        ServiceState::InService => {}
    }
    match facts.last_seen.known()? {
        Some(-30..300) => return Some("flap"),
        Some(300..1_800) => return Some("watch"),
        Some(_) | None => {}
    }
    match facts.broker_connect.known()? {
        BrokerConnect::SessionUp | BrokerConnect::RecentConnect => {
            return Some(match facts.gateway_publishing.known()? {
                Publishing::Publishing => "field-protocol-fault",
                Publishing::Silent => "gateway-client-fault",
            });
        }
        BrokerConnect::Refused => {
            return Some(certificate_fault(facts.presented.known()?).unwrap_or("connection-refused"));
        }
        BrokerConnect::None => {}
    }
    match facts.gateway_health.known()? {
        GatewayHealth::Offline | GatewayHealth::Oom => return Some("restart-gateway"),
        GatewayHealth::Unreachable => {
            return Some(if facts.site_uplink.known()? { "restart-gateway" } else { "ot-network-fault" });
        }
        GatewayHealth::Healthy | GatewayHealth::Degraded => {}
    }
    if facts.ot_network.known()? == OtNetwork::Unreachable {
        return Some("ot-network-fault");
    }
    if let Some(fault) = certificate_fault(facts.certificate.known()?) {
        return Some(fault);
    }
    Some(match facts.power.known()? {
        Power::Confirmed => "dispatch-technician",
        Power::Uncertain => "power-fault",
    })
}

/// Where a certificate that is not in order leads.
const fn certificate_fault(certificate: Certificate) -> Option<&'static str> {
    match certificate {
        Certificate::None => Some("never-provisioned"),
        Certificate::Revoked => Some("certificate-revoked"),
        Certificate::NotYetValid => Some("certificate-not-yet-valid"),
        Certificate::Expired => Some("renew-certificate"),
        Certificate::Valid => None,
    }
}

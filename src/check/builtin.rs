use super::bridge_lost::BridgeLost;
use super::broker_connect::BrokerConnect;
use super::broker_messages::BrokerMessages;
use super::catch_up::CatchUp;
use super::certificate::Certificate;
use super::certificate_replaced::CertificateReplaced;
use super::certificate_stage::CertificateStage;
use super::consumer_lag::ConsumerLag;
use super::deadband::Deadband;
use super::dedup_collisions::DedupCollisions;
use super::device_back::DeviceBack;
use super::device_reconnected::DeviceReconnected;
use super::disconnect_count::DisconnectCount;
use super::edge_buffer::EdgeBuffer;
use super::gateway_health::GatewayHealth;
use super::gateway_publishing::GatewayPublishing;
use super::last_seen::LastSeen;
use super::online_during_gap::OnlineDuringGap;
use super::ot_network::OtNetwork;
use super::param::{Given, ParamSpec};
use super::power::Power;
use super::presence::Presence;
use super::provisioning_contact::ProvisioningContact;
use super::reconnected_with::ReconnectedWith;
use super::renewal_state::RenewalState;
use super::schema_rejections::SchemaRejections;
use super::service_state::ServiceState;
use super::site_uplink::SiteUplink;
use super::storage_refusals::StorageRefusals;
use super::{CheckRequest, CheckSpec};
use crate::fact::{ChoicesError, Domain, Observation};
use crate::probe::{ProbeError, Probes};
use crate::runbook::step::About;
use crate::subject::Scope;

/// A built-in check with its params parsed.
pub(super) trait Builtin: Sized {
    const ID: &'static str;
    const SCOPE: Scope;
    const ABOUT: About;
    const PARAMS: &'static [ParamSpec];

    fn domain() -> Result<Domain, ChoicesError>;

    /// Reads the params, which have been proven against [`Self::PARAMS`]; `None` only where they were not.
    fn bind(params: &Given<'_>) -> Option<Self>;

    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Result<Observation, ProbeError>;
}

/// Makes a bound check of what it is given.
pub(super) type Binder = fn(&Given<'_>) -> Option<Bound>;

macro_rules! builtins {
    ($($check:ident,)*) => {
        /// Any built-in check, bound.
        pub(super) enum Bound {
            $($check($check),)*
        }

        impl Bound {
            pub(super) async fn observe(
                &self,
                request: &CheckRequest<'_>,
                probes: &Probes,
            ) -> Result<Observation, ProbeError> {
                match self {
                    $(Self::$check(check) => check.observe(request, probes).await,)*
                }
            }
        }

        /// Each built-in check. A domain that could not be made would leave its check out; a test proves that none is.
        pub(super) fn all() -> impl Iterator<Item = (CheckSpec, Binder)> {
            let all: [(Option<CheckSpec>, Binder); _] = [$(
                (spec::<$check>(), |given| $check::bind(given).map(Bound::$check)),
            )*];
            all.into_iter().filter_map(|(spec, binder)| spec.map(|spec| (spec, binder)))
        }
    };
}

builtins! {
    ServiceState,
    LastSeen,
    Presence,
    DisconnectCount,
    BrokerConnect,
    GatewayPublishing,
    Certificate,
    GatewayHealth,
    SiteUplink,
    OtNetwork,
    Power,
    DeviceBack,
    DeviceReconnected,
    OnlineDuringGap,
    CatchUp,
    BrokerMessages,
    EdgeBuffer,
    BridgeLost,
    ConsumerLag,
    SchemaRejections,
    DedupCollisions,
    StorageRefusals,
    Deadband,
    CertificateStage,
    RenewalState,
    ProvisioningContact,
    ReconnectedWith,
    CertificateReplaced,
}

fn spec<C: Builtin>() -> Option<CheckSpec> {
    let domain = C::domain().ok()?;
    Some(CheckSpec {
        id: C::ID.into(),
        scope: C::SCOPE,
        about: Some(C::ABOUT),
        domain,
        params: Some(C::PARAMS),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ids are public and stable: what this table says, documents name.
    #[test]
    fn every_id_has_its_scope_time_domain_and_params() {
        let expected = "\
            bridge-lost pipeline period number\n\
            broker-connect device now choice of session-up | recent-connect | refused | none; recent\n\
            broker-messages device period number\n\
            catch-up gateway period choice of pending | arrived | none\n\
            certificate device now choice of none | revoked | not-yet-valid | expired | valid; which\n\
            certificate-replaced device now flag\n\
            certificate-stage device now choice of ok | awareness | renewal | follow-up | expired | not-yet-valid \
            | revoked | clock-suspect\n\
            consumer-lag pipeline period choice of past-retention | stopped | stalled | over-threshold | normal; \
            lag_age lag_messages\n\
            deadband device period choice of too-wide | stable | stuck | fine | too-narrow | none\n\
            dedup-collisions device period number\n\
            device-back device now flag; seen_within\n\
            device-reconnected device now flag\n\
            disconnect-count device now count; within\n\
            edge-buffer gateway period choice of full | unsent | empty; full_at\n\
            gateway-health gateway now choice of healthy | degraded | offline | oom | unreachable; \
            heartbeat_within memory_at cpu_at disk_at\n\
            gateway-publishing gateway now choice of publishing | silent; within\n\
            last-seen device now instant or absent\n\
            online-during-gap device period choice of offline | online | part\n\
            ot-network gateway now choice of reachable | unreachable\n\
            power device now choice of confirmed | uncertain\n\
            presence device now choice of silent | steady | flapping; flap_window\n\
            provisioning-contact device now flag; within\n\
            reconnected-with device now flag\n\
            renewal-state device now choice of confirmed | running | failed | unsupported\n\
            schema-rejections device period number\n\
            service-state device now choice of in-service | maintenance | decommissioned | never-provisioned\n\
            site-uplink site now flag\n\
            storage-refusals pipeline period number\n";
        let mut told = String::new();
        for spec in crate::check::Checks::builtin().specs() {
            let about = spec.about.map_or("any", About::name);
            told += &format!("{} {} {about} {}", spec.id, spec.scope, spec.domain);
            let params: Vec<_> = spec.params.unwrap_or_default().iter().map(|param| param.name).collect();
            if !params.is_empty() {
                told += &format!("; {}", params.join(" "));
            }
            told += "\n";
        }
        assert_eq!(told, expected);
    }
}

use super::bridge_lost::BridgeLost;
use super::broker::broker_connect::BrokerConnect;
use super::broker::flap_history::FlapHistory;
use super::broker::holder::SessionHolder;
use super::broker::holder_clock::HolderClock;
use super::broker::publishing::Publishing;
use super::broker::refusal::Refusal;
use super::broker_messages::BrokerMessages;
use super::catch_up::CatchUp;
use super::consumer_lag::ConsumerLag;
use super::credential::certificate::Certificate;
use super::credential::certificate_replaced::CertificateReplaced;
use super::credential::certificate_stage::CertificateStage;
use super::credential::provisioning_contact::ProvisioningContact;
use super::credential::reconnected_with::ReconnectedWith;
use super::credential::renewal_state::RenewalState;
use super::credential::revocation_known::RevocationKnown;
use super::deadband::Deadband;
use super::dedup_collisions::DedupCollisions;
use super::device::device_back::DeviceBack;
use super::device::device_reconnected::DeviceReconnected;
use super::device::last_seen::LastSeen;
use super::device::ot_network::OtNetwork;
use super::device::power::Power;
use super::device::presence::Presence;
use super::device::service_state::ServiceState;
use super::edge_buffer::EdgeBuffer;
use super::gateway::broker_path::BrokerPath;
use super::gateway::field_path::FieldPath;
use super::gateway::field_polls::FieldPolls;
use super::gateway::gateway_health::GatewayHealth;
use super::gateway::gateway_went_first::GatewayWentFirst;
use super::gateway::restart_needed::RestartNeeded;
use super::gateway::site_power::SitePower;
use super::gateway::site_uplink::SiteUplink;
use super::online_during_gap::OnlineDuringGap;
use super::param::{Given, ParamSpec};
use super::platform::platform_health::PlatformHealth;
use super::schema_rejections::SchemaRejections;
use super::storage_refusals::StorageRefusals;
use super::{CheckRequest, CheckSpec};
use crate::fact::{ChoicesError, Domain, Observation};
use crate::probe::{ProbeError, ProbeErrorKind, Probes};
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
                let observed = match self {
                    $(Self::$check(check) => check.observe(request, probes).await,)*
                };
                // Nobody answers this question: that is an unknown value, and no failure.
                observed.or_else(|error| match error.kind() {
                    ProbeErrorKind::Unsupported => Ok(error.into_observation("checks")),
                    _ => Err(error),
                })
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
    FlapHistory,
    PlatformHealth,
    SessionHolder,
    BrokerConnect,
    Publishing,
    FieldPath,
    FieldPolls,
    Refusal,
    HolderClock,
    Certificate,
    GatewayHealth,
    GatewayWentFirst,
    BrokerPath,
    SiteUplink,
    SitePower,
    OtNetwork,
    Power,
    DeviceBack,
    RestartNeeded,
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
    RevocationKnown,
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
        let expected = include_str!("builtin.txt");
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

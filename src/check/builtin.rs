use super::bridge_lost::BridgeLost;
use super::broker_connect::BrokerConnect;
use super::broker_messages::BrokerMessages;
use super::catch_up::CatchUp;
use super::certificate::Certificate;
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
use super::schema_rejections::SchemaRejections;
use super::service_state::ServiceState;
use super::site_uplink::SiteUplink;
use super::storage_refusals::StorageRefusals;
use super::{CheckRequest, CheckSpec};
use crate::fact::{ChoicesError, Domain, Observation};
use crate::probe::{ProbeError, Probes};
use crate::runbook::step::{About, Params};
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

/// Makes a bound check of proven params.
pub(super) type Binder = fn(&Params) -> Option<Bound>;

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
                (spec::<$check>(), |params| $check::bind(&Given(params)).map(Bound::$check)),
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

use super::param::Given;
use super::spec::{Builtin, Declared, Stop};
use super::{CheckRequest, CheckSpec};
use crate::fact::Observation;
use crate::probe::{ProbeError, ProbeErrorKind, Probes};

/// Makes a bound check of what it is given.
pub(super) type Binder = fn(&Given<'_>) -> Option<Bound>;

macro_rules! builtins {
    ($($(#[$when:meta])* $room:ident::$file:ident::$check:ident,)*) => {
        /// Any built-in check, bound.
        pub(super) enum Bound {
            $($(#[$when])* $check(super::$room::$file::$check),)*
        }

        impl Bound {
            pub(super) async fn observe(
                &self,
                request: &CheckRequest<'_>,
                probes: &Probes,
            ) -> Result<Observation, ProbeError> {
                let observed = match self {
                    $($(#[$when])* Self::$check(check) => check.observe(request, probes).await,)*
                };
                match observed {
                    Ok(observed) | Err(Stop::Unknown(observed)) => Ok(observed),
                    // Nobody answers this question: that is an unknown value, and no failure.
                    Err(Stop::Failed(error)) if error.kind() == ProbeErrorKind::Unsupported => {
                        Ok(error.into_observation("checks"))
                    }
                    Err(Stop::Failed(error)) => Err(error),
                }
            }
        }

        /// Each built-in check. A domain that could not be made would leave its check out; a test proves that none is.
        pub(super) fn all() -> impl Iterator<Item = (CheckSpec, Binder)> {
            let all: [(Option<CheckSpec>, Binder); _] = [$(
                $(#[$when])* (
                    spec::<super::$room::$file::$check>(),
                    |given| Declared::bind(given).map(Bound::$check),
                ),
            )*];
            all.into_iter().filter_map(|(spec, binder)| spec.map(|spec| (spec, binder)))
        }
    };
}

builtins! {
    device::service_state::ServiceState,
    device::last_seen::LastSeen,
    device::presence::Presence,
    broker::flap_history::FlapHistory,
    platform::platform_health::PlatformHealth,
    broker::holder::SessionHolder,
    broker::broker_connect::BrokerConnect,
    broker::publishing::Publishing,
    gateway::field_path::FieldPath,
    gateway::field_polls::FieldPolls,
    broker::refusal::Refusal,
    broker::holder_clock::HolderClock,
    #[cfg(feature = "certificate")]
    credential::certificate::Certificate,
    gateway::gateway_health::GatewayHealth,
    gateway::gateway_went_first::GatewayWentFirst,
    gateway::broker_path::BrokerPath,
    gateway::seen_elsewhere::SeenElsewhere,
    gateway::site_uplink::SiteUplink,
    gateway::site_power::SitePower,
    device::ot_network::OtNetwork,
    device::power::Power,
    device::device_back::DeviceBack,
    gateway::restart_needed::RestartNeeded,
    device::device_reconnected::DeviceReconnected,
    pipeline::service_history::ServiceHistory,
    pipeline::online_during_gap::OnlineDuringGap,
    pipeline::catch_up::CatchUp,
    pipeline::broker_messages::BrokerMessages,
    pipeline::edge_buffer::EdgeBuffer,
    pipeline::acquisition::Acquisition,
    pipeline::bridge_lost::BridgeLost,
    pipeline::consumer_offset::ConsumerOffset,
    #[cfg(feature = "lag")]
    pipeline::consumer_lag::ConsumerLag,
    pipeline::schema_rejections::SchemaRejections,
    pipeline::dedup_drops::DedupDrops,
    pipeline::storage_refusals::StorageRefusals,
    pipeline::stored_elsewhere::StoredElsewhere,
    #[cfg(feature = "deadband")]
    pipeline::deadband::Deadband,
    pipeline::rows_there::RowsThere,
    #[cfg(feature = "certificate")]
    credential::certificate_stage::CertificateStage,
    #[cfg(feature = "certificate")]
    credential::revocation_known::RevocationKnown,
    #[cfg(feature = "certificate")]
    credential::renewal_state::RenewalState,
    #[cfg(feature = "certificate")]
    credential::provisioning_contact::ProvisioningContact,
    #[cfg(feature = "certificate")]
    credential::reconnected_with::ReconnectedWith,
    #[cfg(feature = "certificate")]
    credential::certificate_replaced::CertificateReplaced,
}

/// The checks that need an engine: the feature, their ids, and whether it is built in.
const NEED_AN_ENGINE: [(&str, &[&str], bool); 3] = [
    (
        "certificate",
        &[
            "certificate",
            "certificate-replaced",
            "certificate-stage",
            "provisioning-contact",
            "reconnected-with",
            "renewal-state",
            "revocation-known",
        ],
        cfg!(feature = "certificate"),
    ),
    ("deadband", &["deadband"], cfg!(feature = "deadband")),
    ("lag", &["consumer-lag"], cfg!(feature = "lag")),
];

/// The feature that a built-in check needs and that is off.
pub(super) fn missing_feature(check: &str) -> Option<&'static str> {
    let missing = NEED_AN_ENGINE.iter().find(|(_, checks, on)| !on && checks.contains(&check));
    missing.map(|(feature, ..)| *feature)
}

fn spec<C: Declared>() -> Option<CheckSpec> {
    let domain = C::VALUES.domain().ok()?;
    Some(CheckSpec {
        id: C::ID.into(),
        scope: C::SCOPE,
        about: Some(C::ABOUT),
        domain,
        params: Some(C::PARAMS),
    })
}

#[cfg(test)]
mod needs {
    use super::*;

    #[test]
    fn check_is_absent_exactly_without_its_engine() {
        let checks = crate::check::Checks::builtin();
        for (feature, ids, on) in NEED_AN_ENGINE {
            for id in ids {
                assert_eq!(checks.find(id).is_some(), on, "{id}");
                assert_eq!(missing_feature(id), (!on).then_some(feature), "{id}");
            }
        }
        assert!(checks.find("service-state").is_some());
        assert_eq!(missing_feature("service-state"), None);
    }
}

#[cfg(all(test, feature = "certificate", feature = "deadband", feature = "lag"))]
mod tests {
    use crate::runbook::step::About;

    /// Ids are public and stable: what this table says, documents name.
    #[test]
    fn ids_have_scope_domain_and_params() {
        let expected = "\
            acquisition gateway period choice of not-acquired | not-passed-on | passed-on; explains\n\
            bridge-lost pipeline period number\n\
            broker-connect session now choice of session-up | recent-connect | refused | half-open \
            | none; recent\n\
            broker-messages device period choice of dropped | not-reached | reached; explains\n\
            broker-path session now choice of open | closed | tls-timeout | tls-alert\n\
            catch-up device period choice of pending | arrived | lost; explains replay_still\n\
            certificate session now choice of uses-none | never-connected | missing | revoked | \
            not-yet-valid | expired | valid; which\n\
            certificate-replaced session now flag\n\
            certificate-stage session now choice of ok | awareness | renewal | follow-up | issuer-due | overlap-overdue | expired | not-yet-valid | revoked | clock-suspect\n\
            consumer-lag pipeline period choice of past-retention | stopped | stalled | over-threshold | unread \
            | drained | normal; lag_age lag_messages explains\n\
            consumer-offset pipeline period choice of skipped | held-back | poison-record | none; explains\n\
            deadband device period choice of too-wide | stable | sensor-stuck | fine | too-narrow | little-withheld \
            | none; explains\n\
            dedup-drops device period number\n\
            device-back device now choice of back | out-of-service | silent; seen_within silent_after\n\
            device-reconnected device now flag; silent_after\n\
            edge-buffer gateway period choice of dropped | unsent | neither; full_at explains\n\
            field-path gateway now choice of answers | port-refused | port-silent | other-host | link-up | link-down | \
            segment-only | segment-unknown | nobody\n\
            field-polls gateway now choice of withheld | failing | not-made | subscription-lost | \
            not-passed-on | not-at-broker; within\n\
            flap-history session now choice of shared | rare | recurring; within recurring_at \
            together_within\n\
            gateway-health gateway now choice of healthy | degraded | hung | offline | oom | \
            unreachable; heartbeat_within memory_at cpu_at disk_at\n\
            gateway-went-first gateway now flag; margin\n\
            holder-clock session now choice of right | off | time-zone; off_from\n\
            last-seen device now instant or absent\n\
            online-during-gap device period choice of offline | online | part\n\
            ot-network device now choice of carrier-holds | answers | port-refused | port-silent | other-host | \
            link-up | link-down | segment-only | segment-unknown | nobody\n\
            platform-health platform now choice of well | broker-down | ingestion-down\n\
            power device now choice of confirmed | lost | uncertain\n\
            presence device now choice of silent | just-back | steady | flapping; flap_window\n\
            provisioning-contact session now flag; within\n\
            publishing session now choice of refused-by-acl | dropped-by-quota | this-device | \
            nothing-of-its-own | other-devices | only-itself | nothing | not-even-heartbeats; \
            within\n\
            reconnected-with session now flag\n\
            refusal session now choice of certificate | trust | credentials | not-allowed | \
            unavailable | unavailable-before | no-reason; recent\n\
            renewal-state session now choice of confirmed | rolled-back | running | retrying | due \
            | stalled | failed | unsupported; progress_within\n\
            restart-needed gateway now choice of needed | device-back | restarted; seen_within silent_after\n\
            revocation-known session now flag\n\
            rows-there device period flag\n\
            schema-rejections device period number\n\
            seen-elsewhere gateway now flag; within\n\
            service-history device period choice of in-service | out-of-service | partly-in-service\n\
            service-state device now choice of in-service | maintenance | decommissioned | never-provisioned\n\
            session-holder session now choice of device | gateway\n\
            site-power site now choice of fed | not-fed\n\
            site-uplink site now flag\n\
            storage-refusals pipeline period number\n\
            stored-elsewhere device period choice of other-times | out-of-sight | nowhere; explains\n";
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

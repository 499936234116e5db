//! The facts that both sides are given, one for each question of `device-offline` that needs no wait and no act
//! before it.

/// A fact as it is given to a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fact<T> {
    /// It is known.
    Known(T),
    /// Nobody could tell.
    Missing,
    /// What came is of another type: a number for a word, a word for a number.
    Mistyped,
}

impl<T> Fact<T> {
    /// The value where it is known.
    pub(crate) fn known(self) -> Option<T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Missing | Self::Mistyped => None,
        }
    }
}

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name { $($variant,)* }

        impl $name {
            /// Every one, in the order of the runbook's domain.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name in the runbook.
            pub(crate) const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    )*};
}

words! {
    /// Is the device meant to be online?
    ServiceState {
        InService = "in-service",
        Maintenance = "maintenance",
        Decommissioned = "decommissioned",
        NeverProvisioned = "never-provisioned",
    }
    /// What does the broker's connection log say?
    BrokerConnect {
        SessionUp = "session-up",
        RecentConnect = "recent-connect",
        Refused = "refused",
        None = "none",
    }
    /// Is the gateway publishing?
    Publishing {
        Publishing = "publishing",
        Silent = "silent",
    }
    /// How is a certificate?
    Certificate {
        None = "none",
        Revoked = "revoked",
        NotYetValid = "not-yet-valid",
        Expired = "expired",
        Valid = "valid",
    }
    /// How is the gateway?
    GatewayHealth {
        Healthy = "healthy",
        Degraded = "degraded",
        Offline = "offline",
        Oom = "oom",
        Unreachable = "unreachable",
    }
    /// Does the device answer its gateway over the OT network?
    OtNetwork {
        Reachable = "reachable",
        Unreachable = "unreachable",
    }
    /// Has the device power?
    Power {
        Confirmed = "confirmed",
        Uncertain = "uncertain",
    }
}

/// Everything that may be asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) service_state: Fact<ServiceState>,
    /// How many seconds ago the device was last seen, negative in the future; none where it never was.
    pub(crate) last_seen: Fact<Option<i64>>,
    pub(crate) broker_connect: Fact<BrokerConnect>,
    pub(crate) gateway_publishing: Fact<Publishing>,
    /// The certificate that the device presented at its last attempt to connect.
    pub(crate) presented: Fact<Certificate>,
    pub(crate) gateway_health: Fact<GatewayHealth>,
    /// Whether the site answers by another way than the gateway.
    pub(crate) site_uplink: Fact<bool>,
    pub(crate) ot_network: Fact<OtNetwork>,
    /// The certificate that the device uses.
    pub(crate) certificate: Fact<Certificate>,
    pub(crate) power: Fact<Power>,
}

/// The deepest walk: seven steps, and all is well up to the device.
pub(crate) const DEEP: Facts = Facts {
    service_state: Fact::Known(ServiceState::InService),
    last_seen: Fact::Known(Some(3_600)),
    broker_connect: Fact::Known(BrokerConnect::None),
    gateway_publishing: Fact::Known(Publishing::Silent),
    presented: Fact::Known(Certificate::Valid),
    gateway_health: Fact::Known(GatewayHealth::Healthy),
    site_uplink: Fact::Known(true),
    ot_network: Fact::Known(OtNetwork::Reachable),
    certificate: Fact::Known(Certificate::Valid),
    power: Fact::Known(Power::Confirmed),
};

/// The shallowest: the first step says that the device is meant to be offline.
pub(crate) const SHALLOW: Facts = Facts { service_state: Fact::Known(ServiceState::Maintenance), ..DEEP };

/// The ages at which `last-seen` branches, and those just below; never seen last.
const AGES: [Option<i64>; 10] = [
    Some(-3_600),
    Some(-31),
    Some(-30),
    Some(0),
    Some(299),
    Some(300),
    Some(1_799),
    Some(1_800),
    Some(86_400),
    None,
];

/// Draws a value of each list from a position in the product of all lists.
struct Draw(usize);

impl Draw {
    fn of<T: Copy>(&mut self, values: &[T], otherwise: T) -> Fact<T> {
        let at = self.0 % values.len();
        self.0 /= values.len();
        Fact::Known(values.get(at).copied().unwrap_or(otherwise))
    }
}

/// How many combinations of known facts there are.
pub(crate) const COMBINATIONS: usize = 4 * AGES.len() * 4 * 2 * 5 * 5 * 2 * 2 * 5 * 2;

/// The combination of known facts at that position.
pub(crate) fn combination(position: usize) -> Facts {
    let mut draw = Draw(position);
    Facts {
        service_state: draw.of(ServiceState::ALL, ServiceState::InService),
        last_seen: draw.of(&AGES, None),
        broker_connect: draw.of(BrokerConnect::ALL, BrokerConnect::None),
        gateway_publishing: draw.of(Publishing::ALL, Publishing::Silent),
        presented: draw.of(Certificate::ALL, Certificate::None),
        gateway_health: draw.of(GatewayHealth::ALL, GatewayHealth::Healthy),
        site_uplink: draw.of(&[true, false], true),
        ot_network: draw.of(OtNetwork::ALL, OtNetwork::Reachable),
        certificate: draw.of(Certificate::ALL, Certificate::None),
        power: draw.of(Power::ALL, Power::Confirmed),
    }
}

/// The deep facts with one of them missing or of another type, each with its name.
pub(crate) fn unknowns() -> Vec<(&'static str, Facts)> {
    vec![
        ("service-state missing", Facts { service_state: Fact::Missing, ..DEEP }),
        ("service-state mistyped", Facts { service_state: Fact::Mistyped, ..DEEP }),
        ("last-seen missing", Facts { last_seen: Fact::Missing, ..DEEP }),
        ("last-seen mistyped", Facts { last_seen: Fact::Mistyped, ..DEEP }),
        ("gateway-health missing", Facts { gateway_health: Fact::Missing, ..DEEP }),
        ("ot-network missing", Facts { ot_network: Fact::Missing, ..DEEP }),
        ("certificate missing", Facts { certificate: Fact::Missing, ..DEEP }),
        ("certificate mistyped", Facts { certificate: Fact::Mistyped, ..DEEP }),
        ("power missing", Facts { power: Fact::Missing, ..DEEP }),
        ("power mistyped", Facts { power: Fact::Mistyped, ..DEEP }),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_positions_are_the_same_combination() {
        let all: HashSet<String> =
            (0..COMBINATIONS).step_by(7).map(|position| format!("{:?}", combination(position))).collect();
        assert_eq!(all.len(), COMBINATIONS.div_ceil(7));
    }
}

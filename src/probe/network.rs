//! Which ways into a site and into its OT network answer.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::ProbeError;
use super::record::record;
use crate::fact::Source;
use crate::subject::{DeviceId, GatewayId, SiteId};

/// Tries ways to a site and from a gateway to a device, and tells which answered.
#[async_trait]
pub trait NetworkProbe: Send + Sync {
    /// Who answers, such as `network monitor`. Make it once and clone it.
    fn source(&self) -> Source;

    /// Tries to reach the site by ways that do not pass the gateway in question: another gateway of the site, its
    /// router. Devices of one site may share an answer for some seconds.
    ///
    /// # Errors
    /// [`ProbeError`] where the adapter itself could not try. A way that does not answer is an answer; a site
    /// without any way to try is an answer that tried none.
    async fn site_paths(&self, request: &SitePathsRequest) -> Result<PathsTried, ProbeError>;

    /// Tries to reach the device over the OT network from its gateway, such as by a ping or by connecting to
    /// the port of its field protocol. Ask afresh each time.
    ///
    /// # Errors
    /// [`ProbeError`] where the gateway could not be made to try. A device that does not answer is an answer.
    async fn ot_paths(&self, request: &OtPathsRequest) -> Result<PathsTried, ProbeError>;
}

const _: Option<&dyn NetworkProbe> = None;

record! {
    /// Does the site answer by another way than the gateway?
    SitePathsRequest {
        required {
            /// The site.
            site: SiteId,
        }
        optional {
            /// The gateway that is in question: leave it out.
            except: Option<GatewayId> = with_except(gateway: GatewayId) => Some(gateway),
        }
    }
}

record! {
    /// Does the device answer its gateway over the OT network?
    OtPathsRequest {
        required {
            /// The gateway to try from.
            gateway: GatewayId,
            /// The device to reach.
            device: DeviceId,
        }
        optional {}
    }
}

record! {
    /// The ways that were tried.
    PathsTried {
        required {
            /// When they were tried.
            observed_at: DateTime<Utc>,
        }
        optional {
            /// Each that was tried; empty: there is none to try.
            paths: Vec<PathTried> = with_paths(paths: Vec<PathTried>) => paths,
        }
    }
}

record! {
    /// One way that was tried.
    PathTried {
        required {
            /// Its name for a person, such as `router plant-north`.
            name: Box<str>,
            /// Whether it answered.
            answered: bool,
        }
        optional {}
    }
}

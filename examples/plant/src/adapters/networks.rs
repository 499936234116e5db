use std::sync::Arc;

use async_trait::async_trait;
use chrono::Utc;
use iot_runbook::{
    fact::Source,
    probe::{NetworkProbe, OtPathsRequest, PathTried, PathsTried, ProbeError, SitePathsRequest},
};

use super::unanswered;
use crate::{factory::Factory, gateway::field::Reach};

/// Networks, by connecting: to a site past one of its gateways, and from a gateway to a device.
#[derive(Debug)]
pub struct Networks {
    factory: Arc<Factory>,
    source: Source,
}

impl Networks {
    /// Those of this factory.
    pub fn of(factory: &Arc<Factory>) -> Self {
        Self { factory: Arc::clone(factory), source: Source::new("network, by connecting") }
    }
}

#[async_trait]
impl NetworkProbe for Networks {
    fn source(&self) -> Source {
        self.source.clone()
    }

    async fn site_paths(&self, request: &SitePathsRequest) -> Result<PathsTried, ProbeError> {
        let site = self.factory.site(request.site.as_str());
        let site = site.map_err(|error| unanswered("the plant", error))?;
        let except = request.except.as_ref().map_or("", |gateway| gateway.as_str());
        let tried = site.try_paths(except).await.into_iter();
        let paths =
            tried.map(|path| PathTried::new(format!("{} of {}", path.via, site.id()).into(), path.answered));
        Ok(PathsTried::new(Utc::now()).with_paths(paths.collect()))
    }

    async fn ot_paths(&self, request: &OtPathsRequest) -> Result<PathsTried, ProbeError> {
        let gateway = self.factory.gateway(request.gateway.as_str());
        let gateway = gateway.map_err(|error| unanswered("the plant", error))?;
        let reached = gateway.reach(request.device.as_str()).await;
        let reached = reached.map_err(|error| unanswered("the gateway that is to try", error))?;
        let name = format!("{} to {}", request.gateway, request.device);
        let path = PathTried::new(name.into(), reached == Reach::Reachable);
        Ok(PathsTried::new(Utc::now()).with_paths(vec![path]))
    }
}

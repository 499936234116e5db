use std::sync::Arc;

use async_trait::async_trait;
use chrono::Utc;
use iot_runbook::{
    fact::Source,
    probe::{FeedReading, PowerFacts, PowerProbe, PowerRequest, ProbeError, SitePower, SitePowerRequest},
};

use super::{registered, unanswered};
use crate::factory::Factory;

/// Power, as the power unit of a device's site tells of its feed and its outlets.
#[derive(Debug)]
pub struct Outlets {
    factory: Arc<Factory>,
    source: Source,
}

impl Outlets {
    /// Those of this factory.
    pub fn of(factory: &Arc<Factory>) -> Self {
        Self { factory: Arc::clone(factory), source: Source::new("power unit of the site") }
    }
}

#[async_trait]
impl PowerProbe for Outlets {
    fn source(&self) -> Source {
        self.source.clone()
    }

    async fn power(&self, request: &PowerRequest) -> Result<PowerFacts, ProbeError> {
        let device = request.device.as_str();
        let site = registered(&self.factory, device)?.site;
        let site = self.factory.site(&site).map_err(|error| unanswered("the plant", error))?;
        let asked = async { tokio::try_join!(site.feed(), site.outlet(device)) };
        let (feed, outlet) = asked.await.map_err(|error| unanswered("the power unit", error))?;
        Ok(PowerFacts::new(Utc::now())
            .with_feed_live(feed.supplies())
            .with_breaker_closed(outlet.breaker_closed)
            .with_drawing(outlet.draw_milliwatts > 0)
            .with_on_battery(!feed.mains && feed.ups_charged))
    }

    /// The power unit hangs on the site's own network: where the site is silent, it can't be read either.
    async fn site_power(&self, request: &SitePowerRequest) -> Result<SitePower, ProbeError> {
        let site = self.factory.site(request.site.as_str());
        let site = site.map_err(|error| unanswered("the plant", error))?;
        let feeds = match site.feed().await {
            Ok(feed) => vec![FeedReading::new("power unit".into(), feed.supplies(), true)],
            Err(_) => Vec::new(),
        };
        Ok(SitePower::new(Utc::now()).with_feeds(feeds))
    }
}

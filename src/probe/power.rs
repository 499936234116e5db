//! Whether a device, or its site, has power.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::ProbeError;
use super::record::records;
use crate::fact::Source;
use crate::subject::{DeviceId, SiteId};

/// The power supply of devices and sites, from a UPS, a breaker's contact or a smart feed.
#[async_trait]
pub trait PowerProbe: Send + Sync {
    /// Who answers, such as `power unit hall 3`. Make it once and clone it.
    fn source(&self) -> Source;

    /// What is known of the device's power now. Ask afresh each time.
    ///
    /// # Errors
    /// [`ProbeError`] where the power unit does not answer; a fact that it does not know is `None`.
    async fn power(&self, request: &PowerRequest) -> Result<PowerFacts, ProbeError>;

    /// What is known of a site's feeds now, from meters that do not depend on the site's network. Devices of one site may
    /// share an answer for a minute.
    ///
    /// # Errors
    /// [`ProbeError`] if no meter answers; the default does not answer.
    async fn site_power(&self, _request: &SitePowerRequest) -> Result<SitePower, ProbeError> {
        Err(ProbeError::unsupported())
    }
}

const _: Option<&dyn PowerProbe> = None;

records! {
    /// Does the device have power?
    #[derive(Eq, Hash)]
    PowerRequest {
        /// The device.
        device: DeviceId,
    }

    /// Facts about a device's power. Each that is `None` is not known; it is never taken for good.
    PowerFacts {
        /// When these facts held.
        observed_at: DateTime<Utc>,
        ..
        /// Whether the feed of the device is live.
        feed_live: Option<bool> = with_feed_live(live: bool) => Some(live),
        /// Whether its breaker is closed and its fuse whole.
        breaker_closed: Option<bool> = with_breaker_closed(closed: bool) => Some(closed),
        /// Whether the device itself is seen to draw power.
        drawing: Option<bool> = with_drawing(drawing: bool) => Some(drawing),
        /// Whether its UPS runs on its battery; that is still power.
        on_battery: Option<bool> = with_on_battery(on_battery: bool) => Some(on_battery),
    }

    /// Does the site have power?
    #[derive(Eq, Hash)]
    SitePowerRequest {
        /// The site.
        site: SiteId,
    }

    /// What is known of a site's feeds.
    SitePower {
        /// When these facts held.
        observed_at: DateTime<Utc>,
        ..
        /// Each feed that somebody measures; empty: nobody does.
        feeds: Vec<FeedReading> = with_feeds(feeds: Vec<FeedReading>) => feeds,
    }

    /// One feed of a site.
    FeedReading {
        /// Its name for a person, such as `utility meter`.
        name: Box<str>,
        /// Whether it is live.
        live: bool,
        /// True if the reading needs the site's own network: where the site is silent, it shows nothing.
        needs_site_network: bool,
    }
}

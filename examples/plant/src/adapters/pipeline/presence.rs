use std::{collections::HashSet, sync::Arc};

use async_trait::async_trait;
use chrono::{TimeDelta, Utc};
use iot_runbook::{
    fact::Source,
    probe::{
        BrokerDrop, BrokerDropReason, BrokerProbe, Client, ConnectionLog, ConnectionLogRequest, Messages,
        MessagesRequest, ProbeError,
    },
};

use super::{known, whole};
use crate::{
    adapters::{covered, sessions},
    mqtt,
    pipeline::{DEVICE, GATEWAY, KEEP_ALIVE, Pipeline, SITE},
};

/// Sessions and messages, as the broker's logs and the door's tell of them.
#[derive(Debug)]
pub struct Presence {
    pipeline: Arc<Pipeline>,
    source: Source,
}

impl Presence {
    /// Those at this pipeline's broker.
    pub fn of(pipeline: &Arc<Pipeline>) -> Self {
        Self { pipeline: Arc::clone(pipeline), source: Source::new("broker and its TLS door") }
    }
}

#[async_trait]
impl BrokerProbe for Presence {
    fn source(&self) -> Source {
        self.source.clone()
    }

    async fn connection_log(
        &self,
        request: &ConnectionLogRequest,
    ) -> Result<Option<ConnectionLog>, ProbeError> {
        let client = match &request.client {
            Client::Device(device) => {
                known("device", device.as_str(), DEVICE)?;
                DEVICE
            }
            Client::Gateway(gateway) => {
                known("gateway", gateway.as_str(), GATEWAY)?;
                GATEWAY
            }
            _ => return Err(ProbeError::unsupported()),
        };
        let log = sessions::log(self.pipeline.broker(), self.pipeline.door(), client, request.period);
        Ok(Some(log.with_keep_alive(TimeDelta::seconds(KEEP_ALIVE.into()))))
    }

    /// By the broker's own receipt time. A message that was delivered again has the payload of the first.
    async fn messages(&self, request: &MessagesRequest) -> Result<Messages, ProbeError> {
        whole(&request.device, request.tag.as_ref())?;
        let (broker, now) = (self.pipeline.broker(), Utc::now());
        let covers = covered(request.period, broker.messages_cover_from(), now);
        let messages = broker.all_messages(&mqtt::telemetry(SITE, request.device.as_str()));
        let within = || messages.iter().filter(|message| request.period.contains(message.at));
        let arrived = within().map(|message| &message.payload).collect::<HashSet<_>>();
        let passed_on = within().filter(|message| message.is_allowed);
        let passed_on = passed_on.map(|message| &message.payload).collect::<HashSet<_>>();
        let refused = (arrived.len() - passed_on.len()) as u64;
        let drops = (refused > 0).then(|| BrokerDrop::new(BrokerDropReason::Acl, refused));
        Ok(Messages::new(now, covers, arrived.len() as u64).with_dropped(drops.into_iter().collect()))
    }
}

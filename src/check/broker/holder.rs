//! Whose session carries the device's messages, where a question is asked of that holder alone.

use chrono::TimeDelta;

use crate::check::broker::sessions;
use crate::check::judge::no_subject;
use crate::check::prelude::*;
use crate::check::spec::Stop;
use crate::fact::{Observation, Source, UnknownReason};
use crate::probe::Client;
use crate::subject::SessionHolder as Named;

/// The session holder that a question is asked about.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::check) struct Holder {
    pub(in crate::check) client: Client,
    /// True if the device has a session of its own.
    pub(in crate::check) own: bool,
    /// Who said whose session it is.
    said_by: Source,
}

impl Holder {
    fn device(request: &CheckRequest<'_>, said_by: Source) -> Self {
        Self { client: Client::Device(request.device()), own: true, said_by }
    }

    #[cfg(test)]
    pub(in crate::check) fn of_test(own: bool) -> Self {
        let client = if own { Client::Device("press-07".into()) } else { Client::Gateway("gw-2".into()) };
        Self { client, own, said_by: Source::from_static("test") }
    }

    /// The holder, for the person who reads the trace.
    pub(in crate::check) fn detail(&self) -> Detail {
        let text = match &self.client {
            Client::Device(_) => "the device itself".to_owned(),
            Client::Gateway(gateway) => format!("its gateway {gateway}"),
        };
        Detail::new("session of", text)
    }
}

/// The session holder: as the subject says; where it does not say, as the broker's log shows.
pub(in crate::check) async fn holder(request: &CheckRequest<'_>, probes: &Probes) -> Result<Holder, Stop> {
    const TOPOLOGY: Source = Source::from_static("topology");
    let subject = request.subject();
    let gateways = |said_by: Source| match &subject.gateway {
        Some(gateway) => Ok(Holder { client: Client::Gateway(gateway.clone()), own: false, said_by }),
        None => Err(no_subject("gateway, and its gateway holds the session", said_by).into()),
    };
    match (subject.session, probes.broker()) {
        (Named::Own, _) => Ok(Holder::device(request, TOPOLOGY)),
        (Named::Gateway, _) => gateways(TOPOLOGY),
        // Without a gateway there is nobody else whose session it could be.
        (Named::NotKnown, None) if subject.gateway.is_none() => Ok(Holder::device(request, TOPOLOGY)),
        (Named::NotKnown, None) => Err(Stop::Unknown(Observation::unknown(
            UnknownReason::NoAdapter,
            "broker probe",
            "whose session carries the device is not known: the subject does not say, and no broker can be asked",
        ))),
        (Named::NotKnown, Some(broker)) => {
            let found = sessions::read(broker.as_ref(), request, request.last(TimeDelta::minutes(1))).await?;
            match found {
                Some(log) if log.own => Ok(Holder::device(request, log.source)),
                Some(log) => gateways(log.source),
                None => Err(sessions::nobody(request, broker.source()).into()),
            }
        }
    }
}

choices! {
    Whose {
        Device = "device",
        Gateway = "gateway",
    }
}

check! {
    /// Whose session carries the device's messages?
    SessionHolder = "session-holder", Session, Now, Whose::VALUES;
}

impl Builtin for SessionHolder {
    async fn observe(&self, request: &CheckRequest<'_>, probes: &Probes) -> Observed {
        let holder = holder(request, probes).await?;
        let whose = if holder.own { Whose::Device } else { Whose::Gateway };
        Ok(Verdict::known(whose, request.now()).with([holder.detail()]).by(holder.said_by))
    }
}

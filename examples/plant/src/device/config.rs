//! The configuration client of a device: it takes up a certificate that it is offered, once it has tested it.

use std::net::SocketAddr;

use bytes::Bytes;
use iot_runbook::certificate::message::{Desired, Outcome, Reason, Reported, reported_topic};
use rumqttc::{AsyncClient, PublishOptions};
use tokio::sync::mpsc::UnboundedReceiver;

use super::{Application, Shared};
use crate::{
    error::{Error, Result},
    pki::{Identity, certificate_of_pem},
    renewal::{channel::publish, trial::try_identity},
};

impl Shared {
    /// Takes up what comes on the device's topic, one after another.
    pub(super) async fn take_up_offers(
        &self,
        client: &AsyncClient,
        mut offers: UnboundedReceiver<Bytes>,
        test_endpoint: SocketAddr,
    ) {
        while let Some(offer) = offers.recv().await {
            // What was taken back is empty, and is no offer.
            if let (true, Ok(desired)) = (self.renews(), serde_json::from_slice::<Desired>(&offer)) {
                self.consider(client, &desired, test_endpoint).await;
            }
        }
    }

    fn renews(&self) -> bool {
        let condition = self.condition.borrow();
        condition.renews && condition.application == Application::Running
    }

    async fn consider(&self, client: &AsyncClient, desired: &Desired, test_endpoint: SocketAddr) {
        let Some(held) = self.condition.borrow().identity.clone() else { return };
        let report = |outcome| self.report(client, Reported::new(desired, outcome));
        let offered = match offered(&held, desired) {
            // It comes again with each session.
            Ok(offered) if offered.serial() == held.serial() => return report(Outcome::Switched).await,
            Ok(offered) => offered,
            Err(error) => {
                return report(Outcome::Refused { reason: reason(&error) }).await;
            }
        };
        report(Outcome::Downloaded).await;
        match try_identity(test_endpoint, &offered, self.roots.clone()).await {
            Ok(()) => {
                report(Outcome::TestPassed).await;
                // The session ends by it, and the next one is dialled with the new certificate.
                self.condition.send_modify(|condition| condition.identity = Some(offered));
            }
            Err(error) => report(Outcome::TestFailed { reason: reason(&error) }).await,
        }
    }

    /// A report that is lost is missed by nobody: the offer comes again.
    async fn report(&self, client: &AsyncClient, reported: Reported) {
        if let (Ok(topic), Ok(payload)) = (reported_topic(&self.spec.id), serde_json::to_vec(&reported)) {
            publish(client, topic, payload, PublishOptions::at_least_once()).await.ok();
        }
    }
}

/// An error with its cause, in the device's words.
fn reason(error: &Error) -> Reason {
    Reason::new(match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    })
}

fn offered(held: &Identity, desired: &Desired) -> Result<Identity> {
    held.with_certificate(certificate_of_pem(&desired.certificate)?)
}

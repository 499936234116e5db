//! A gateway's health endpoint: one line asked, one line of JSON answered.

use std::net::SocketAddr;

use serde::de::DeserializeOwned;

use super::{
    Gateway,
    field::{self, Held, Polls, Reach},
    health::{Health, LogEntry},
};
use crate::{
    error::{Error, Result},
    line,
};

/// Asks the gateway at `address` for its health.
///
/// # Errors
/// When it does not answer.
pub async fn health(address: SocketAddr) -> Result<Health> {
    ask(address, "health").await
}

/// Asks the gateway at `address` for the end of its MQTT log, oldest first.
///
/// # Errors
/// When it does not answer.
pub async fn mqtt_log(address: SocketAddr) -> Result<Vec<LogEntry>> {
    ask(address, "mqtt-log").await
}

/// Asks the gateway at `address` to reach a device over the OT network.
///
/// # Errors
/// When it does not answer, or has no such device.
pub async fn reach(address: SocketAddr, device: &str) -> Result<Reach> {
    ask(address, &format!("reach {device}")).await
}

/// Asks the gateway at `address` to read the certificate that a device presents.
///
/// # Errors
/// When it does not answer, or has no such device.
pub async fn certificate(address: SocketAddr, device: &str) -> Result<Held> {
    ask(address, &format!("certificate {device}")).await
}

/// Asks the gateway at `address` what its polls of a device returned.
///
/// # Errors
/// When it does not answer, or has no such device.
pub async fn polls(address: SocketAddr, device: &str) -> Result<Polls> {
    ask(address, &format!("polls {device}")).await
}

/// Has the gateway at `address` restart the provisioning client of a device behind it.
///
/// # Errors
/// When it does not answer, has no such device, or does not reach it.
pub async fn restart_client(address: SocketAddr, device: &str) -> Result<String> {
    ask(address, &format!("restart-client {device}")).await
}

async fn ask<T: DeserializeOwned>(address: SocketAddr, question: &str) -> Result<T> {
    // The gateway waits itself while it tries a device, and must have time to say that it tried in vain.
    line::ask_for(address, question, 2 * line::ANSWER_WITHIN).await
}

pub(super) async fn answer(gateway: &Gateway, question: &str) -> String {
    match question.split_once(' ') {
        None if question == "health" => line::reply(gateway.health()),
        None if question == "mqtt-log" => line::reply(Ok(gateway.mqtt_log.entries())),
        Some(("reach", device)) => match gateway.device(device) {
            Ok(device) => line::reply(Ok(field::reach(device).await)),
            Err(error) => line::reply::<Reach>(Err(error)),
        },
        Some(("certificate", device)) => match gateway.device(device) {
            Ok(device) => line::reply(Ok(field::held(device).await)),
            Err(error) => line::reply::<Held>(Err(error)),
        },
        Some(("restart-client", device)) => match gateway.device(device) {
            Ok(device) => line::reply(field::restart_client(device).await),
            Err(error) => line::reply::<String>(Err(error)),
        },
        Some(("polls", device)) => {
            line::reply(gateway.device(device).map(|device| gateway.polls_of(&device.id)))
        }
        _ => line::reply::<()>(Err(Error::Refused(format!("no such question: {question}")))),
    }
}

impl Gateway {
    pub(super) fn health(&self) -> Result<Health> {
        Ok(Health {
            gateway: self.config.id.clone(),
            memory_bytes: self.meter.memory_bytes(),
            memory_budget: self.config.memory_budget,
            cpu_percent: self.meter.cpu_percent(),
            disk_free_share: self.meter.disk_free_share(),
            uptime_seconds: self.meter.uptime().as_secs_f64(),
            mqtt_connected: self.mqtt_log.is_connected(),
            last_publish: self.mqtt_log.last_publish(),
            outbox: self.outbox.numbers()?,
        })
    }

    fn device(&self, id: &str) -> Result<&field::FieldDevice> {
        self.config
            .devices
            .iter()
            .find(|device| device.id == id)
            .ok_or_else(|| Error::Unknown { kind: "device", id: id.to_owned() })
    }
}

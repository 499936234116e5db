//! The machine at the beginning of the pipeline: a device with a fast signal, read by its gateway over the OT
//! network, and with an MQTT session of its own.
//!
//! The signal is simulated; its sockets, its session and its certificate are real.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use rumqttc::{AsyncClient, EventLoop};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::message::Firmware;
use crate::{
    error::Result,
    line,
    network::{Link, Switch},
    task::Task,
};

/// How often the signal is sampled.
pub const SAMPLED_EVERY: TimeDelta = TimeDelta::milliseconds(4);
/// For how long the machine keeps samples that nobody read.
const KEEPS: TimeDelta = TimeDelta::seconds(1);
const REDIAL_AFTER: Duration = Duration::from_millis(200);

/// What the process that a machine measures does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Signal {
    /// It stands still; all that is measured is noise.
    Quiet,
    /// It swings by [`SWING`] to either side, once in two seconds.
    Swinging,
    /// It rises steadily for ten seconds, and falls back at once.
    Rising,
}

/// How far a swinging process goes to either side.
pub const SWING: f64 = 10.0;
/// How far a rising process rises.
const RISE: f64 = 30.0;
const NOISE: f64 = 0.05;

impl Signal {
    /// The sample of this number since the Unix epoch.
    fn at(self, number: i64) -> f64 {
        let movement = match self {
            Self::Quiet => 0.0,
            Self::Swinging => {
                let seconds = (number.rem_euclid(500)) as f64 / 250.0;
                SWING * (seconds * std::f64::consts::PI).sin()
            }
            Self::Rising => RISE * (number.rem_euclid(2500)) as f64 / 2500.0,
        };
        50.0 + movement + NOISE * noise(number)
    }
}

/// White noise of a standard deviation of one: four even dice, by splitmix64.
fn noise(number: i64) -> f64 {
    let mut state = number.cast_unsigned().wrapping_mul(4);
    let mut sum = 0.0;
    for _ in 0..4 {
        state = state.wrapping_add(1);
        let mut bits = state.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        sum += ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64 - 0.5;
    }
    sum * 3.0_f64.sqrt()
}

/// The name of the measured value, in the machine's answers.
pub const TAG: &str = "pressure";

/// What a machine answers its gateway.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reading {
    /// The firmware that it runs.
    pub firmware: Firmware,
    /// What was measured.
    pub tag: String,
    /// Up to when samples were taken, in microseconds since the Unix epoch.
    pub until: i64,
    /// The samples since the last reading: when, and the value.
    pub samples: Vec<(i64, f64)>,
}

/// The condition of a machine.
#[derive(Clone, Copy, Debug)]
struct Condition {
    signal: Signal,
    firmware: Firmware,
    hung: bool,
    /// How far its clock is off.
    clock: TimeDelta,
    /// What its sensor shows, whatever the process does; none while the sensor is well.
    frozen: Option<f64>,
}

impl Condition {
    const fn well(signal: Signal) -> Self {
        let clock = TimeDelta::zero();
        Self { signal, firmware: Firmware::Stable, hung: false, clock, frozen: None }
    }
}

/// A machine.
pub struct Machine {
    condition: Arc<Mutex<Condition>>,
    port: Switch,
    ot: Link,
    _module: line::Server,
    _session: Task,
}

impl Machine {
    /// Starts a machine with what dials its session. `port` is where it is plugged into the OT network.
    ///
    /// # Errors
    /// When no loopback port is to be had.
    pub async fn start(signal: Signal, port: Switch, session: (AsyncClient, EventLoop)) -> Result<Self> {
        let condition = Arc::new(Mutex::new(Condition::well(signal)));
        let asked = Arc::clone(&condition);
        let module = line::Server::start(move |question| {
            let condition = *lock(&asked);
            async move { answer(condition, &question, Utc::now()) }
        })
        .await?;
        Ok(Self {
            ot: Link::open(Some(module.address()), vec![port.clone()]).await?,
            condition,
            port,
            _module: module,
            _session: Task::spawn(keep_session(session)),
        })
    }

    /// Its gateway's way to it.
    pub fn ot(&self) -> &Link {
        &self.ot
    }

    /// Where it is plugged in: cut, it is off every network.
    pub fn port(&self) -> &Switch {
        &self.port
    }

    /// Puts a firmware on it.
    pub fn flash(&self, firmware: Firmware) {
        lock(&self.condition).firmware = firmware;
    }

    /// Hangs its application, while its session stays up; or lets it go on.
    pub fn hang(&self, hung: bool) {
        lock(&self.condition).hung = hung;
    }

    /// Sets its clock off by this much. Its samples carry its own time.
    pub fn set_clock(&self, off: TimeDelta) {
        lock(&self.condition).clock = off;
    }

    /// Freezes its sensor at the value that it shows now, or frees it.
    pub fn freeze(&self, frozen: bool) {
        let mut condition = lock(&self.condition);
        let number = Utc::now().timestamp_micros() / SAMPLED_EVERY.num_microseconds().unwrap_or(1);
        condition.frozen = frozen.then(|| condition.signal.at(number));
    }
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine").field("condition", &self.condition).finish_non_exhaustive()
    }
}

fn lock(condition: &Mutex<Condition>) -> MutexGuard<'_, Condition> {
    condition.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers `read MICROSECONDS`: the samples after then.
fn answer(condition: Condition, question: &str, now: DateTime<Utc>) -> Option<String> {
    let after: i64 = question.strip_prefix("read ")?.parse().ok()?;
    if condition.hung {
        return None;
    }
    let now = now + condition.clock;
    let step = SAMPLED_EVERY.num_microseconds()?;
    let oldest = (now - KEEPS).timestamp_micros();
    let first = after.max(oldest).div_euclid(step) + 1;
    let until = now.timestamp_micros();
    let value = |number| condition.frozen.unwrap_or_else(|| condition.signal.at(number));
    let samples = (first..).map(|number| (number * step, value(number)));
    let samples = samples.take_while(|(at, _)| *at <= until).collect();
    let (firmware, tag) = (condition.firmware, TAG.to_owned());
    serde_json::to_string(&Reading { firmware, tag, until, samples }).ok()
}

/// Keeps the session up. It carries the machine's presence; samples go by way of the gateway.
async fn keep_session((_client, mut events): (AsyncClient, EventLoop)) {
    loop {
        if events.poll().await.is_err() {
            sleep(REDIAL_AFTER).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_resumes_and_forgets_the_old() {
        let condition = Condition::well(Signal::Quiet);
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let read = |after: DateTime<Utc>| {
            let question = format!("read {}", after.timestamp_micros());
            serde_json::from_str::<Reading>(&answer(condition, &question, now).unwrap()).unwrap()
        };
        assert_eq!(read(now).samples, []);
        assert_eq!(read(now - TimeDelta::milliseconds(40)).samples.len(), 10);
        assert_eq!(read(now - TimeDelta::hours(1)).samples.len(), 250);
        assert!(answer(condition, "what?", now).is_none());
        assert!(answer(Condition { hung: true, ..condition }, "read 0", now).is_none());
    }

    #[test]
    fn samples_carry_machine_time_and_value() {
        let hour = TimeDelta::hours(1);
        let condition = Condition { clock: -hour, frozen: Some(7.0), ..Condition::well(Signal::Quiet) };
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let answered = answer(condition, "read 0", now).unwrap();
        let reading = serde_json::from_str::<Reading>(&answered).unwrap();
        assert_eq!(reading.until, (now - hour).timestamp_micros());
        assert_eq!(reading.samples.len(), 250);
        assert!(reading.samples.iter().all(|(at, value)| *at <= reading.until && *value == 7.0));
    }

    #[test]
    fn the_noise_is_white_and_of_one() {
        let samples = (0..10_000).map(noise).collect::<Vec<_>>();
        let mean = samples.iter().sum::<f64>() / 1e4;
        let variance = samples.iter().map(|sample| sample * sample).sum::<f64>() / 1e4;
        let neighbours = samples.windows(2).map(|pair| pair[0] * pair[1]).sum::<f64>() / 1e4;
        assert!(mean.abs() < 0.05 && (variance - 1.0).abs() < 0.05 && neighbours.abs() < 0.05);
    }
}

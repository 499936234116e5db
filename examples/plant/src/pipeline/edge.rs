//! The gateway of the pipeline: it reads the machine, filters its signal by the library's `deadband`, and forwards
//! what is worth reporting through its outbox.
//!
//! It runs as a task here, not as a process: what this pipeline loses is data.

use std::{
    fmt,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use iot_runbook::{
    deadband::{
        filter::{Extent, Filter, Reason, Rule, Settings},
        sample::Sample,
    },
    time::Period,
};
use rumqttc::{AsyncClient, Event, EventLoop, Packet, PublishOptions};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::{
    kept::{Extract, Kept},
    machine::{Reading, TAG},
    outbox::{Outbox, Waiting},
};
use crate::{
    error::{Error, Result},
    line,
    task::Task,
};

const READ_EVERY: Duration = Duration::from_millis(50);
const READ_WITHIN: Duration = Duration::from_millis(500);
const SEND_EVERY: Duration = Duration::from_millis(20);
const SEND_AT_MOST: u32 = 32;
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(2);
const REDIAL_AFTER: Duration = Duration::from_millis(200);
/// A sample whose time is further off than this has it from a wrong clock.
const PLAUSIBLE: TimeDelta = TimeDelta::seconds(2);
/// How many raw samples are kept for an audit: more than a minute.
const RAW_KEPT: usize = 16_384;

/// Which samples of the tag are reported.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reporting {
    /// One each so often. There is no deadband.
    Every(TimeDelta),
    /// What leaves a band of this width, and a sign of life each so often.
    Deadband {
        /// Its width, in the unit of the tag.
        band: f64,
        /// The sign of life.
        heartbeat: TimeDelta,
    },
}

/// A raw sample, and what became of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Raw {
    /// Its value.
    pub value: f64,
    /// What became of it.
    pub fate: Fate,
    /// Why the deadband reported it; none where it did not, or where there is no deadband.
    pub reason: Option<Reason>,
}

/// What the gateway did with a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was passed on to the outbox.
    Reported,
    /// It was not worth a report, by the configuration in force.
    Withheld,
    /// The converter could not map its tag, and dropped it.
    NotConverted,
}

/// The gateway.
pub struct Edge {
    shared: Arc<Shared>,
    _tasks: [Task; 3],
}

struct Shared {
    device: String,
    machine: SocketAddr,
    client: AsyncClient,
    is_connected: AtomicBool,
    outbox: Outbox,
    state: Mutex<State>,
}

struct State {
    /// The tag that the converter maps. It drops what has another name.
    mapped: String,
    topic: String,
    /// Why samples were not read, or not converted, the last time.
    error: Option<String>,
    reporting: Reporting,
    filter: Option<Filter>,
    last_report: Option<DateTime<Utc>>,
    messages: u64,
    read_until: DateTime<Utc>,
    raw: Kept<Raw>,
}

impl Edge {
    /// Starts a gateway that reads the device at `machine` and reports under `topic`.
    ///
    /// # Errors
    /// When its outbox can't be opened, or there is no such deadband.
    pub fn start(
        device: &str,
        topic: String,
        machine: SocketAddr,
        (client, events): (AsyncClient, EventLoop),
        outbox: &Path,
        reporting: Reporting,
    ) -> Result<Self> {
        let state = State {
            mapped: TAG.to_owned(),
            topic,
            error: None,
            reporting,
            filter: filter(reporting)?,
            last_report: None,
            messages: 0,
            read_until: Utc::now(),
            raw: Kept::new(RAW_KEPT),
        };
        let shared = Arc::new(Shared {
            device: device.to_owned(),
            machine,
            client,
            is_connected: AtomicBool::new(false),
            outbox: Outbox::open(outbox)?,
            state: Mutex::new(state),
        });
        let tasks = [
            Task::spawn(Arc::clone(&shared).read()),
            Task::spawn(Arc::clone(&shared).converse(events)),
            Task::spawn(Arc::clone(&shared).forward()),
        ];
        Ok(Self { shared, _tasks: tasks })
    }

    /// Its outbox.
    pub fn outbox(&self) -> &Outbox {
        &self.shared.outbox
    }

    /// What is reported, by the configuration in force.
    pub fn reporting(&self) -> Reporting {
        self.shared.state().reporting
    }

    /// Puts another configuration in force.
    ///
    /// # Errors
    /// When there is no such deadband.
    pub fn configure(&self, reporting: Reporting) -> Result<()> {
        let filter = filter(reporting)?;
        let mut state = self.shared.state();
        state.reporting = reporting;
        state.filter = filter;
        Ok(())
    }

    /// Configures the converter: the tag that it maps.
    pub fn map(&self, tag: &str) {
        self.shared.state().mapped = tag.to_owned();
    }

    /// Configures the topic that it publishes on.
    pub fn publish_on(&self, topic: &str) {
        self.shared.state().topic = topic.to_owned();
    }

    /// Why samples were not read, or not converted, the last time; none where that never was.
    pub fn last_error(&self) -> Option<String> {
        self.shared.state().error.clone()
    }

    /// Up to when the machine's samples were read.
    pub fn read_until(&self) -> DateTime<Utc> {
        self.shared.state().read_until
    }

    /// The raw samples of a period. One whose time is off by more than the machine keeps samples counts when it was
    /// read.
    pub fn raw(&self, period: Period) -> Extract<Raw> {
        self.shared.state().raw.extract(period)
    }
}

impl fmt::Debug for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edge").field("device", &self.shared.device).finish_non_exhaustive()
    }
}

fn filter(reporting: Reporting) -> Result<Option<Filter>> {
    let Reporting::Deadband { band, heartbeat } = reporting else { return Ok(None) };
    let settings = Settings::new(Extent::Absolute(band)).with_max_interval(heartbeat);
    let rule = Rule::new(settings).map_err(|error| Error::Refused(error.to_string()))?;
    Ok(Some(Filter::new(Arc::new(rule))))
}

impl State {
    /// Whether a sample is reported.
    fn judge(&mut self, at: DateTime<Utc>, value: f64) -> bool {
        let mut reason = None;
        let is_reported = match (&mut self.filter, self.reporting) {
            (Some(filter), _) => {
                if let Ok(sample) = Sample::at_time(at, value) {
                    // Samples come in order of time, and the filter takes any order.
                    filter.observe(sample, |report| reason = Some(report.reason)).ok();
                }
                reason.is_some()
            }
            // A clock that was set back begins anew.
            (None, Reporting::Every(interval)) => {
                self.last_report.is_none_or(|last| (at - last).abs() >= interval)
            }
            (None, Reporting::Deadband { .. }) => false,
        };
        if is_reported {
            self.last_report = Some(at);
        }
        let fate = if is_reported { Fate::Reported } else { Fate::Withheld };
        self.keep(at, Raw { value, fate, reason });
        is_reported
    }
}

impl State {
    fn keep(&mut self, at: DateTime<Utc>, raw: Raw) {
        let now = Utc::now();
        let at = if (now - at).abs() <= PLAUSIBLE { at } else { now };
        self.raw.enter(at, raw);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read(self: Arc<Self>) {
        let mut tick = interval(READ_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let question = format!("read {}", self.state().read_until.timestamp_micros());
            let answer = match line::ask_within(self.machine, &question, READ_WITHIN).await {
                Ok(answer) => answer,
                Err(error) => {
                    self.state().error = Some(error.to_string());
                    continue;
                }
            };
            if let Ok(reading) = serde_json::from_str(&answer) {
                // What the outbox can't take is counted there.
                self.take(&reading).ok();
            }
        }
    }

    fn take(&self, reading: &Reading) -> Result<()> {
        let mut state = self.state();
        let until = DateTime::from_timestamp_micros(reading.until).unwrap_or_default();
        if reading.tag != state.mapped {
            state.error = Some(format!("no mapping for the tag {:?}", reading.tag));
            for (at, value) in &reading.samples {
                let at = DateTime::from_timestamp_micros(*at).unwrap_or_default();
                state.keep(at, Raw { value: *value, fate: Fate::NotConverted, reason: None });
            }
            state.read_until = until;
            return Ok(());
        }
        for (at, value) in &reading.samples {
            let at = DateTime::from_timestamp_micros(*at).unwrap_or_default();
            if state.judge(at, *value) {
                state.messages += 1;
                let payload = reading.firmware.write(&self.device, state.messages, at, *value)?;
                self.outbox.store(at, &state.topic, &payload)?;
            }
        }
        state.read_until = until;
        Ok(())
    }

    /// Keeps the MQTT session up.
    async fn converse(self: Arc<Self>, mut events: EventLoop) {
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => self.is_connected.store(true, Ordering::SeqCst),
                Ok(_) => {}
                Err(_) => {
                    self.is_connected.store(false, Ordering::SeqCst);
                    sleep(REDIAL_AFTER).await;
                }
            }
        }
    }

    /// Sends what is in the outbox, oldest first; a row goes only when the broker has acknowledged it.
    async fn forward(self: Arc<Self>) {
        loop {
            sleep(SEND_EVERY).await;
            if self.is_connected.load(Ordering::SeqCst) {
                // What was not sent stays in the outbox and is tried again.
                self.send_some().await.ok();
            }
        }
    }

    async fn send_some(&self) -> Result<()> {
        let mut notices = Vec::new();
        for message in self.outbox.oldest(SEND_AT_MOST)? {
            let Waiting { topic, payload, .. } = message.clone();
            let notice = self
                .client
                .publish_tracked(topic, payload, PublishOptions::at_least_once())
                .await
                .map_err(|error| Error::Mqtt(error.to_string()))?;
            notices.push((message, notice));
        }
        for (message, notice) in notices {
            timeout(ACKNOWLEDGED_WITHIN, notice.wait_completion_async())
                .await
                .map_err(|_| Error::TimedOut("an acknowledgement"))?
                .map_err(|error| Error::Mqtt(error.to_string()))?;
            self.outbox.sent(&message)?;
        }
        Ok(())
    }
}

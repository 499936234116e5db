//! The faults of the pipeline: each breaks one of its parts, as that breaks in the field. The diagnosis sees the parts
//! and nothing else.

mod catalog;

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use iot_runbook::time::Period;
use tokio::sync::Notify;

use super::{
    DEVICE, GATEWAY, Pipeline, Plan, SITE,
    edge::Reporting,
    machine::TAG,
    message::Firmware,
    stream::CAMERA,
    table::Locked,
    watch::{self, LATENESS},
};
use crate::{
    error::{Error, Result},
    mqtt,
    platform::ServiceState,
    wait,
};

/// How long each write takes while the database is slow: three times as long as lies between two messages.
pub(crate) const SLOW_WRITE: Duration = Duration::from_millis(600);
/// A band that no swing of the process leaves.
const FAR_TOO_WIDE: f64 = 60.0;
/// How long the messages that are skipped have waited.
const SKIPPED: TimeDelta = TimeDelta::milliseconds(3200);
/// How many messages an outbox has dropped before its loss counts as one.
const DROPS: u64 = 6;
/// And so many for each that it keeps, so that what it dropped explains most of the gap. How many it keeps depends on how
/// far it had grown while the machine was busy.
const DROPS_FOR_EACH_KEPT: u64 = 2;
/// How many pictures a flood has: more than the retention of a partition keeps.
const PICTURES: usize = 10;
/// So much longer a second fault is in before the first is mended, so that nothing gets through in between.
const OVERLAP: TimeDelta = TimeDelta::milliseconds(600);
/// The tag that a converter maps for which somebody misspelled it.
pub(crate) const MISSPELLED: &str = "presure";
/// The series that a rule of somebody's writes the rows of the device into.
pub(crate) const RENAMED: &str = "line-9/press";

/// A fault.
#[derive(Debug)]
pub struct Loss {
    /// Its id: the conclusion that it should lead to, with a variant after a slash.
    pub id: &'static str,
    /// What is done to the pipeline, for a reader.
    pub story: &'static str,
    /// The pipeline that it is put into.
    pub plan: Plan,
    /// How long the gap is at least before it is looked into.
    pub lasts: TimeDelta,
    damage: Damage,
}

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Damage {
    Uplink,
    /// The uplink, which somebody mends before the diagnosis begins.
    UplinkForAWhile {
        full_disk: bool,
    },
    Port,
    CableAndDisk,
    Forbidden,
    ProduceRefused,
    BridgeKilled,
    Paused,
    Slowed,
    Stopped,
    Flooded,
    Flashed(Firmware),
    Locked,
    DiskFull,
    HeartbeatAndBand,
    Hung,
    PassedOver,
    Maintained,
    PublishForbidden,
    NotConverted,
    WrongTopic,
    OffsetSet,
    TransactionOpen,
    Tombstone,
    /// The ingestion pauses, and goes on while the platform looks into it.
    PausedMeanwhile,
    /// The machine's clock is off by so many minutes.
    Clock(i64),
    Renamed,
    StuckAndHeartbeat,
    /// One for so long, and then another in its place.
    Both {
        first: &'static Self,
        lasts: TimeDelta,
        second: &'static Self,
    },
}

/// A fault that is in the pipeline, until it is mended.
#[derive(Debug)]
pub struct InForce {
    damage: Damage,
    _locked: Option<Locked>,
    /// Where the group stood before somebody set its offset: a partition, and the offset there.
    stood: Option<(i32, u64)>,
}

impl Loss {
    /// All faults.
    pub const ALL: &'static [Self] = catalog::ALL;

    /// The fault of this id, if there is one.
    pub fn find(id: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|loss| loss.id == id)
    }

    /// Breaks the parts.
    ///
    /// # Errors
    /// When a part does not break.
    pub async fn inject(&self, pipeline: &Pipeline) -> Result<InForce> {
        self.damage.inject(pipeline).await
    }
}

impl InForce {
    /// What happens between the alarm and the diagnosis: mostly nothing.
    ///
    /// # Errors
    /// When it does not come about in time.
    pub async fn meanwhile(&self, pipeline: &Pipeline) -> Result<()> {
        if let Damage::UplinkForAWhile { .. } = self.damage {
            pipeline.uplink().mend();
            wait::until("an outbox that has drained", || async {
                pipeline.edge().outbox().unsent().is_ok_and(|unsent| unsent == 0)
            })
            .await?;
            pipeline.flows().await?;
        }
        Ok(())
    }

    /// What happens during the diagnosis: mostly nothing. `asked` is notified when the platform asks Kafka about lag.
    pub async fn during(&self, pipeline: &Pipeline, asked: &Notify) {
        if self.damage == Damage::PausedMeanwhile {
            asked.notified().await;
            pipeline.ingestion().pause(false);
        }
    }

    /// Puts the parts in order again, and waits until rows come out at the end.
    ///
    /// # Errors
    /// When a part can't be mended, or no row comes in time.
    pub async fn mend(self, pipeline: &Pipeline) -> Result<()> {
        self.damage.mend(pipeline)?;
        match self.damage {
            Damage::TransactionOpen => pipeline.stream().abort_transaction().await?,
            Damage::Tombstone => skip_poison(pipeline).await?,
            // The topic has them still: they are read again.
            Damage::OffsetSet => {
                let (partition, offset) = self.stood.ok_or(Error::TimedOut("an offset"))?;
                set_offset(pipeline, partition, offset).await?;
            }
            _ => {}
        }
        drop(self);
        pipeline.flows().await
    }
}

impl Damage {
    async fn inject(self, pipeline: &Pipeline) -> Result<InForce> {
        let (mut locked, mut stood) = (None, None);
        match self {
            Self::Both { first, lasts, second } => {
                Box::pin(first.inject(pipeline)).await?;
                silent_for(pipeline, lasts).await?;
                Box::pin(second.inject(pipeline)).await?;
                silent_for(pipeline, lasts + OVERLAP).await?;
                first.mend(pipeline)?;
            }
            Self::UplinkForAWhile { full_disk: true } => {
                pipeline.edge().outbox().squeeze(1)?;
                pipeline.uplink().cut();
                drops(pipeline).await?;
            }
            Self::CableAndDisk => {
                pipeline.edge().outbox().squeeze(1)?;
                pipeline.cable().cut();
                drops(pipeline).await?;
            }
            Self::Uplink | Self::UplinkForAWhile { full_disk: false } => pipeline.uplink().cut(),
            Self::Port => pipeline.machine().port().cut(),
            Self::Forbidden => {
                pipeline.broker().forbid(GATEWAY);
                pipeline.cable().interrupt();
            }
            Self::ProduceRefused => pipeline.stream().refuse_produce(),
            Self::BridgeKilled => pipeline.bridge().kill(),
            Self::Paused => pipeline.ingestion().pause(true),
            Self::Slowed => pipeline.ingestion().slow_down(SLOW_WRITE),
            Self::Stopped => stop(pipeline).await?,
            Self::Flooded => {
                stop(pipeline).await?;
                flood(pipeline).await?;
            }
            Self::Flashed(firmware) => pipeline.machine().flash(firmware),
            Self::Locked => locked = Some(pipeline.table().lock_out()?),
            Self::DiskFull => pipeline.table().fill_disk()?,
            Self::HeartbeatAndBand => {
                let heartbeat = TimeDelta::hours(1);
                pipeline.edge().configure(Reporting::Deadband { band: FAR_TOO_WIDE, heartbeat })?;
            }
            Self::Hung => pipeline.machine().hang(true),
            Self::PassedOver => pipeline.ingestion().pass_over(Some(DEVICE)),
            Self::Maintained => {
                pipeline.registry().set_state(DEVICE, ServiceState::InMaintenance)?;
                // The gap begins after the last row: it must lie in the maintenance as a whole.
                let since = Utc::now();
                wait::until("a last row", || async {
                    pipeline.table().newest(DEVICE).is_ok_and(|newest| newest.is_some_and(|at| at > since))
                })
                .await?;
                pipeline.machine().port().cut();
            }
            Self::PublishForbidden => pipeline.broker().forbid_publishing(GATEWAY),
            Self::NotConverted => pipeline.edge().map(MISSPELLED),
            Self::WrongTopic => pipeline.edge().publish_on(&format!("{}-old", mqtt::telemetry(SITE, DEVICE))),
            Self::OffsetSet => stood = Some(skip(pipeline).await?),
            Self::TransactionOpen => {
                let partition = partition(pipeline)?;
                pipeline.stream().leave_transaction_open(partition, head(pipeline, partition)).await?;
            }
            Self::Tombstone => pipeline.stream().publish_tombstone(partition(pipeline)?).await?,
            Self::PausedMeanwhile => pipeline.ingestion().pause(true),
            Self::Clock(minutes) => pipeline.machine().set_clock(TimeDelta::minutes(minutes)),
            Self::Renamed => pipeline.ingestion().rename(Some((DEVICE, RENAMED))),
            Self::StuckAndHeartbeat => {
                let Reporting::Deadband { band, .. } = pipeline.plan().reporting() else {
                    return Err(Error::Refused("a stuck sensor shows behind a deadband alone".to_owned()));
                };
                let heartbeat = TimeDelta::hours(1);
                pipeline.edge().configure(Reporting::Deadband { band, heartbeat })?;
                // The process moves on, and is reported without the heartbeat.
                pipeline.flows().await?;
                pipeline.machine().freeze(true);
            }
        }
        Ok(InForce { damage: self, _locked: locked, stood })
    }

    fn mend(self, pipeline: &Pipeline) -> Result<()> {
        match self {
            Self::Both { first, second, .. } => {
                first.mend(pipeline)?;
                second.mend(pipeline)?;
            }
            Self::Uplink => pipeline.uplink().mend(),
            Self::UplinkForAWhile { .. } | Self::CableAndDisk => {
                pipeline.edge().outbox().release()?;
                pipeline.uplink().mend();
                pipeline.cable().mend();
            }
            Self::Port => pipeline.machine().port().mend(),
            Self::Forbidden => pipeline.broker().allow(GATEWAY),
            Self::ProduceRefused => pipeline.stream().allow_produce(),
            Self::BridgeKilled => pipeline.bridge().restart()?,
            Self::Paused => pipeline.ingestion().pause(false),
            Self::Slowed => pipeline.ingestion().slow_down(Duration::ZERO),
            Self::Stopped | Self::Flooded => pipeline.ingestion().restart()?,
            Self::Flashed(_) => pipeline.machine().flash(Firmware::Stable),
            // The lock goes with what holds it.
            Self::Locked => {}
            Self::DiskFull => pipeline.table().free_disk()?,
            Self::HeartbeatAndBand => pipeline.edge().configure(pipeline.plan().reporting())?,
            Self::Hung => pipeline.machine().hang(false),
            Self::PassedOver => pipeline.ingestion().pass_over(None),
            Self::Maintained => {
                pipeline.machine().port().mend();
                pipeline.registry().set_state(DEVICE, ServiceState::InService)?;
            }
            Self::PublishForbidden => pipeline.broker().allow_publishing(GATEWAY),
            Self::NotConverted => pipeline.edge().map(TAG),
            Self::WrongTopic => pipeline.edge().publish_on(&mqtt::telemetry(SITE, DEVICE)),
            Self::PausedMeanwhile => pipeline.ingestion().pause(false),
            Self::Clock(_) => pipeline.machine().set_clock(TimeDelta::zero()),
            Self::Renamed => {
                pipeline.ingestion().rename(None);
                pipeline.table().merge(RENAMED, DEVICE)?;
            }
            Self::StuckAndHeartbeat => {
                pipeline.machine().freeze(false);
                pipeline.edge().configure(pipeline.plan().reporting())?;
            }
            // By the group's offset, or the coordinator.
            Self::OffsetSet | Self::TransactionOpen | Self::Tombstone => {}
        }
        Ok(())
    }
}

/// Waits until the newest row is so old.
async fn silent_for(pipeline: &Pipeline, length: TimeDelta) -> Result<()> {
    wait::until("a silence", || async {
        pipeline.table().newest(DEVICE).is_ok_and(|newest| newest.is_some_and(|at| Utc::now() - at >= length))
    })
    .await
}

/// Waits until the outbox has dropped some messages, long enough ago to be judged.
async fn drops(pipeline: &Pipeline) -> Result<()> {
    wait::until("an outbox that drops messages", || async {
        let outbox = pipeline.edge().outbox();
        let lately = Period::ending(Utc::now() - LATENESS, TimeDelta::minutes(1));
        let (Ok(account), Ok(kept)) = (outbox.account(lately), outbox.unsent()) else { return false };
        account.dropped >= DROPS.max(DROPS_FOR_EACH_KEPT * kept)
    })
    .await
}

/// Stops the ingestion, and waits for the end of its consumer.
pub(crate) async fn stop(pipeline: &Pipeline) -> Result<()> {
    pipeline.ingestion().stop();
    wait::until("the end of the ingestion", || async { pipeline.ingestion().consumers() == 0 }).await
}

/// The partition that the device's messages are in.
pub(crate) fn partition(pipeline: &Pipeline) -> Result<i32> {
    let (messages, _) = pipeline.monitor().messages(DEVICE);
    messages.last().map(|message| message.partition).ok_or(Error::TimedOut("a message"))
}

/// The offset that the next message of a partition gets, as the monitor saw it last.
pub(crate) fn head(pipeline: &Pipeline, partition: i32) -> u64 {
    pipeline.monitor().window(partition).samples().last().map_or(0, |sample| sample.high_watermark)
}

/// Sets the ingestion past the record at which it fails, which somebody has put aside.
pub(crate) async fn skip_poison(pipeline: &Pipeline) -> Result<()> {
    let failed = || pipeline.ingestion().log().failed.iter().last().map(|(_, failed)| failed.clone());
    wait::until("a record that fails", || async { failed().is_some() }).await?;
    let failed = failed().ok_or(Error::TimedOut("a record that fails"))?;
    set_offset(pipeline, failed.partition, failed.offset + 1).await
}

/// Sets the group's offset while no consumer runs.
async fn set_offset(pipeline: &Pipeline, partition: i32, offset: u64) -> Result<()> {
    stop(pipeline).await?;
    pipeline.ingestion().set_offset(partition, offset)?;
    pipeline.ingestion().restart()
}

/// While the ingestion is stopped, messages wait; somebody sets the group to the newest, and starts it again. Gives
/// where the group stood.
async fn skip(pipeline: &Pipeline) -> Result<(i32, u64)> {
    stop(pipeline).await?;
    let partition = partition(pipeline)?;
    watch::found(pipeline, SKIPPED).await?;
    let stopped_at = |pipeline: &Pipeline| {
        pipeline.monitor().window(partition).samples().last().and_then(|sample| sample.committed)
    };
    let stood = stopped_at(pipeline).ok_or(Error::TimedOut("the offset of the group"))?;
    let newest = head(pipeline, partition);
    pipeline.ingestion().set_offset(partition, newest)?;
    // The monitor has to see it before the ingestion moves on.
    wait::until("the group at its new offset", || async { stopped_at(pipeline) == Some(newest) }).await?;
    pipeline.ingestion().restart()?;
    pipeline.flows().await?;
    Ok((partition, stood))
}

/// Another publisher fills the device's partition, until Kafka deletes what the group has not read.
async fn flood(pipeline: &Pipeline) -> Result<()> {
    let partition = partition(pipeline)?;
    // Something of the device's must be there to be deleted.
    watch::found(pipeline, TimeDelta::zero()).await?;
    let deleted = || {
        let window = pipeline.monitor().window(partition);
        let last = window.samples().next_back();
        last.is_some_and(|sample| sample.committed.is_some_and(|committed| committed < sample.log_start))
    };
    for pictures in 1..=PICTURES {
        pipeline.stream().publish_picture(partition).await?;
        // The monitor reads everything before it is deleted, or it could not tell what was there.
        wait::until("a picture", || async { pipeline.monitor().count(CAMERA) >= pictures }).await?;
    }
    wait::until("messages deleted unread", || async { deleted() }).await
}

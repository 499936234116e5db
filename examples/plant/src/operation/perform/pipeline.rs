//! Performing operations on the parts of the pipeline.

use std::time::Duration;

use chrono::TimeDelta;

use super::super::{Line, PipelineEffect};
use crate::{
    error::{Error, Result},
    network::Switch,
    pipeline::{
        DEVICE, GATEWAY, Pipeline,
        dedup::How,
        loss::{MISSPELLED, RENAMED, SLOW_WRITE, head, partition, skip_poison, stop},
        machine::TAG,
        table::Locked,
    },
};

/// What goes on in the pipeline until it is undone.
#[derive(Debug, Default)]
pub(super) struct GoingOn {
    locked: Option<Locked>,
}

impl GoingOn {
    pub(super) async fn perform(
        &mut self,
        pipeline: &Pipeline,
        effect: PipelineEffect,
        by: Option<TimeDelta>,
    ) -> Result<()> {
        let (machine, edge, ingestion) = (pipeline.machine(), pipeline.edge(), pipeline.ingestion());
        match effect {
            PipelineEffect::Cut(line) => switch(pipeline, line).cut(),
            PipelineEffect::Mend(line) => switch(pipeline, line).mend(),
            PipelineEffect::Hang(hung) => machine.hang(hung),
            PipelineEffect::Flash(firmware) => machine.flash(firmware),
            PipelineEffect::SetClock => machine.set_clock(by.unwrap_or_else(TimeDelta::zero)),
            PipelineEffect::CorrectClock => machine.set_clock(TimeDelta::zero()),
            PipelineEffect::FillOutbox(true) => edge.outbox().squeeze(1)?,
            PipelineEffect::FillOutbox(false) => edge.outbox().release()?,
            PipelineEffect::ForbidSession(true) => {
                pipeline.broker().forbid(GATEWAY);
                pipeline.cable().interrupt();
            }
            PipelineEffect::ForbidSession(false) => pipeline.broker().allow(GATEWAY),
            PipelineEffect::ForbidPublishing(true) => pipeline.broker().forbid_publishing(GATEWAY),
            PipelineEffect::ForbidPublishing(false) => pipeline.broker().allow_publishing(GATEWAY),
            PipelineEffect::Misspell(misspelled) => edge.map(if misspelled { MISSPELLED } else { TAG }),
            PipelineEffect::KillBridge => pipeline.bridge().kill(),
            PipelineEffect::RestartBridge => pipeline.bridge().restart()?,
            PipelineEffect::RefuseProduce(true) => pipeline.stream().refuse_produce(),
            PipelineEffect::RefuseProduce(false) => pipeline.stream().allow_produce(),
            PipelineEffect::Pause(paused) => ingestion.pause(paused),
            PipelineEffect::SlowDown(slow) => {
                ingestion.slow_down(if slow { SLOW_WRITE } else { Duration::ZERO });
            }
            PipelineEffect::StopConsumer => stop(pipeline).await?,
            PipelineEffect::StartConsumer => ingestion.restart()?,
            PipelineEffect::GoByIdAlone(alone) => {
                ingestion.deduplicate(if alone { How::Blind } else { How::Engine })?;
            }
            PipelineEffect::OpenTransaction => {
                let partition = partition(pipeline)?;
                pipeline.stream().leave_transaction_open(partition, head(pipeline, partition)).await?;
            }
            PipelineEffect::AbortTransaction => pipeline.stream().abort_transaction().await?,
            PipelineEffect::Poison => pipeline.stream().publish_tombstone(partition(pipeline)?).await?,
            PipelineEffect::SkipPoison => skip_poison(pipeline).await?,
            PipelineEffect::LockTable(true) if self.locked.is_some() => {
                return Err(Error::Refused("the table is locked already".to_owned()));
            }
            PipelineEffect::LockTable(locked) => {
                self.locked = None;
                if locked {
                    self.locked = Some(pipeline.table().lock_out()?);
                }
            }
            PipelineEffect::FillTable(true) => pipeline.table().fill_disk()?,
            PipelineEffect::FillTable(false) => pipeline.table().free_disk()?,
            PipelineEffect::PassOver(passes_over) => ingestion.pass_over(passes_over.then_some(DEVICE)),
            PipelineEffect::Rename(true) => ingestion.rename(Some((DEVICE, RENAMED))),
            PipelineEffect::Rename(false) => {
                ingestion.rename(None);
                pipeline.table().merge(RENAMED, DEVICE)?;
            }
        }
        Ok(())
    }
}

fn switch(pipeline: &Pipeline, line: Line) -> &Switch {
    match line {
        Line::Port => pipeline.machine().port(),
        Line::Cable => pipeline.cable(),
        Line::Uplink => pipeline.uplink(),
    }
}

//! How the deadband of a tag is set, and what its signal did.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::ProbeError;
use super::record::records;
use crate::fact::Source;
use crate::subject::{DeviceId, TagId};
use crate::time::Period;

/// The deadband that is in force for a tag, and how the raw signal moved before it was filtered.
#[async_trait]
pub trait DeadbandProbe: Send + Sync {
    /// Who answers, such as `edge configuration`. Make it once and clone it.
    fn source(&self) -> Source;

    /// The deadband of the tag and the movement of its raw signal over a period. About a period that is over an
    /// answer may be kept.
    ///
    /// # Errors
    /// [`ProbeError`] if the configuration is not known. No deadband is an answer without one.
    async fn deadband(&self, request: &DeadbandRequest) -> Result<DeadbandFacts, ProbeError>;
}

const _: Option<&dyn DeadbandProbe> = None;

records! {
    /// How is the deadband set, and how did the signal move?
    #[derive(Eq, Hash)]
    DeadbandRequest {
        /// The device.
        device: DeviceId,
        /// The period in question.
        period: Period,
        ..
        /// The tag; `None` where the device has one signal, or one setting for all.
        tag: Option<TagId> = with_tag(tag: TagId) => Some(tag),
    }

    /// A tag's deadband and its signal's movement, each in the unit of the tag (turn a deadband in percent
    /// into that unit). Each that is `None` is not known.
    DeadbandFacts {
        /// When this was looked up.
        observed_at: DateTime<Utc>,
        /// The period that the movement was measured in, and the audit made: the silence itself, not a longer record.
        covers: Period,
        ..
        /// The width: a change of at most this much is not sent. `None`: looked, and there is no deadband.
        width: Option<f64> = with_width(width: f64) => Some(width),
        /// How far the raw signal moved in the period: its highest less its lowest value.
        movement: Option<f64> = with_movement(movement: f64) => Some(movement),
        /// The smallest change that matters to the process.
        matters: Option<f64> = with_matters(change: f64) => Some(change),
        /// The noise of the signal: a change of this much means nothing.
        noise: Option<f64> = with_noise(noise: f64) => Some(noise),
        /// How long after the last report a row is sent whatever the signal does; `None`: looked, and there is no
        /// heartbeat.
        heartbeat: Option<TimeDelta> = with_heartbeat(length: TimeDelta) => Some(length),
        /// How many samples of the period the deadband withheld. `None` where nobody counted them; then the counts of
        /// the [audit](Self::audit) are taken.
        withheld: Option<u64> = with_withheld(count: u64) => Some(count),
        /// The lowest noise of any stretch as long as the period, in the record before it, in the unit of the tag. Zero
        /// for a signal that may rest: a counter, or the flow behind a closed valve.
        least_noise_before: Option<f64> = with_least_noise_before(noise: f64) => Some(noise),
        /// The smallest step that the signal can show, in the unit of the tag.
        resolution: Option<f64> = with_resolution(step: f64) => Some(step),
        /// What an audit of the raw signal measured over [`covers`](Self::covers). If it is there it decides, and not the movement and the
        /// noise above.
        audit: Option<DeadbandAudit> = with_audit(audit: DeadbandAudit) => Some(audit),
    }

    /// What an audit of a deadband measured, each length in the unit of the tag. The figures are those of
    /// [`deadband::audit::Figures`](crate::deadband::audit::Figures), where each is explained. If the check needs one
    /// that is `None`, its answer is unknown.
    ///
    /// [`DeadbandFacts::from_figures`] makes the whole answer from an audit of this library.
    DeadbandAudit {
        /// The width of the band that was audited.
        band: f64,
        /// How many usable samples there were.
        samples: u64,
        /// How many of them were reported.
        reported: u64,
        ..
        /// How many samples at the end were exactly equal.
        constant: Option<u64> = with_constant(samples: u64) => Some(samples),
        /// The share of neighbours that were equal before that.
        ties: Option<f64> = with_ties(share: f64) => Some(share),
        /// How many sets of three samples the noise was read from.
        noise_samples: Option<u64> = with_noise_samples(samples: u64) => Some(samples),
        /// The standard deviation of the noise between neighbours.
        noise: Option<f64> = with_noise(noise: f64) => Some(noise),
        /// The standard deviation of the noise with what a damping may have smeared.
        damped_noise: Option<f64> = with_damped_noise(noise: f64) => Some(noise),
        /// The smallest change between neighbours.
        quantum: Option<f64> = with_quantum(quantum: f64) => Some(quantum),
        /// The narrowest band that keeps the noise back.
        noise_band: Option<f64> = with_noise_band(width: f64) => Some(width),
        /// A band that is narrower surely lets noise through.
        noise_band_least: Option<f64> = with_noise_band_least(width: f64) => Some(width),
        /// Whether neighbours alternate.
        alternates: Option<bool> = with_alternates(alternates: bool) => Some(alternates),
        /// The highest less the lowest raw value.
        range: Option<f64> = with_range(range: f64) => Some(range),
        /// How far the process moved, without its noise.
        movement: Option<f64> = with_movement(movement: f64) => Some(movement),
        /// How far a level of the process was from the value that was shown.
        off: Option<f64> = with_off(off: f64) => Some(off),
        /// The largest excursion that no report shows.
        hidden: Option<f64> = with_hidden(excursion: f64) => Some(excursion),
        /// The share of the moving time that surely hid an excursion.
        hidden_time: Option<f64> = with_hidden_time(share: f64) => Some(share),
        /// The share of the moving time that may have hidden one.
        hidden_time_most: Option<f64> = with_hidden_time_most(share: f64) => Some(share),
    }
}

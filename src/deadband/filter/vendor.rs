//! The profiles that do not go by the common decision.

use super::{Band, Extent, Reason, Report, Rule, State, Suppression, Verdict};
use crate::deadband::profile::{Anchor, NodeRed, Profile, Trigger, node_red_verdict};
use crate::deadband::sample::{Class, Number, Sample};

/// Telegraf's `dedup_interval` where none is set: ten minutes.
pub(super) const DEDUP_INTERVAL: i64 = 600_000_000_000;

#[cold]
pub(super) fn observe<V: Number>(
    rule: &Rule<V>,
    state: &mut State<V>,
    sample: Sample<V>,
    received: Option<i64>,
    out: &mut impl FnMut(Report<V>),
) -> Verdict {
    let first = state.anchor == Anchor::Nothing;
    let reason = match *rule.profile() {
        Profile::NodeRed(node) => return node_red(rule, &node, state, sample, out),
        _ if first => Some(Reason::First),
        Profile::Telegraf => telegraf(rule, state, sample, received),
        Profile::OpcUa(trigger) => opc_ua(rule, trigger, state, sample),
        Profile::Exact | Profile::Pi => Some(Reason::Value),
    };
    state.newest = if first { sample.at } else { state.newest.max(sample.at) };
    let Some(reason) = reason else { return Verdict::Suppressed(Suppression::Band) };
    rule.anchor(state, sample);
    out(Report { sample, reason });
    Verdict::Reported(reason)
}

/// `value != f.Value` of Go: NaN is never the same. The age of what is cached goes by the clock of the processor.
fn telegraf<V: Number>(
    rule: &Rule<V>,
    state: &State<V>,
    sample: Sample<V>,
    received: Option<i64>,
) -> Option<Reason> {
    // Telegraf compares with the wall clock and not with the sample's time. Where nobody says when it
    // came, it came at once.
    let age = received.unwrap_or(sample.at).saturating_sub(state.reported_at);
    if sample.quality != state.quality {
        Some(Reason::Quality)
    } else if sample.value != state.last {
        Some(Reason::Value)
    } else {
        (age >= rule.max).then_some(Reason::Heartbeat)
    }
}

fn opc_ua<V: Number>(
    rule: &Rule<V>,
    trigger: Trigger,
    state: &State<V>,
    sample: Sample<V>,
) -> Option<Reason> {
    if sample.quality != state.quality {
        return Some(Reason::Quality);
    }
    let by_value = trigger != Trigger::Status && super::rule::moved(sample.value, state.last, state.width);
    let by_time = trigger == Trigger::StatusValueTimestamp
        && rule.settings().band == Band::None
        && sample.at != state.reported_at;
    (by_value || by_time).then_some(Reason::Value)
}

fn node_red<V: Number>(
    rule: &Rule<V>,
    node: &NodeRed,
    state: &mut State<V>,
    sample: Sample<V>,
    out: &mut impl FnMut(Report<V>),
) -> Verdict {
    let gap = match rule.settings().band {
        Band::Of(Extent::Absolute(gap)) => (false, gap),
        Band::Of(Extent::PercentOfLast { percent, .. }) => (true, percent),
        _ => (false, 0.0),
    };
    let first = state.anchor == Anchor::Nothing;
    let (sends, next) =
        node_red_verdict(node, gap, (state.anchor, state.last.to_f64()), sample.value.to_f64());
    if next.is_some() || !first {
        state.newest = if first { sample.at } else { state.newest.max(sample.at) };
    }
    if let Some(next) = next {
        (state.last, state.width) = (sample.value, rule.width(sample.value));
        state.quality = sample.quality;
        state.anchor = next;
    }
    if sends {
        state.reported_at = sample.at;
    }
    rule.enable_fast_path(state);
    if sends {
        let reason = if first { Reason::First } else { Reason::Value };
        out(Report { sample, reason });
        return Verdict::Reported(reason);
    }
    // The node drops these before it compares: counted as within the band, the audit would believe in a
    // band that never decided.
    let ignored = sample.value.class() == Class::NotANumber || (first && !node.mode.has_gap());
    Verdict::Suppressed(if ignored { Suppression::Ignored } else { Suppression::Band })
}

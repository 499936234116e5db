//! The `filter` node of Node-RED, with the arithmetic of its own code.

use serde::{Deserialize, Serialize};

/// How a `filter` node is set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NodeRed {
    /// What it does: `func`.
    pub mode: Mode,
    /// What a value is compared with: `inout`.
    pub compare: Compare,
    /// What a narrowband compares the first value with: `start`. `None`: with the value itself.
    pub start: Option<f64>,
}

impl NodeRed {
    /// A node in this mode, with its other properties as Node-RED has them: compared with the last output, no
    /// start value.
    #[must_use]
    pub const fn new(mode: Mode) -> Self {
        Self { mode, compare: Compare::LastOutput, start: None }
    }

    setters! {
        /// The same, compared with something else.
        const with_compare(compare: Compare) => compare = compare;
        /// The same with a start value.
        const with_start(start: f64) => start = Some(start);
    }
}

/// What a `filter` node does.
///
/// Exhaustive: the six of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// `rbe`: block unless the value changes.
    Rbe,
    /// `rbei`: the same, and the first value is blocked.
    Rbei,
    /// `deadband`: block unless the value changes by more than the gap.
    Deadband,
    /// `deadbandEq`: block unless it changes by the gap or more.
    DeadbandEq,
    /// `narrowband`: block if the value changes by more than the gap.
    Narrowband,
    /// `narrowbandEq`: block if it changes by the gap or more.
    NarrowbandEq,
}

impl Mode {
    const fn is_narrow(self) -> bool {
        matches!(self, Self::Narrowband | Self::NarrowbandEq)
    }

    /// Whether it compares with a gap.
    pub(in crate::deadband) const fn has_gap(self) -> bool {
        !matches!(self, Self::Rbe | Self::Rbei)
    }
}

/// What a `filter` node compares a value with.
///
/// Exhaustive: the two of the node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compare {
    /// `out`: with the last value that was sent.
    #[default]
    LastOutput,
    /// `in`: with the last value that came.
    LastInput,
}

/// What the next value is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::deadband) enum Anchor {
    /// With nothing yet.
    #[default]
    Nothing,
    /// With the last value.
    Value,
    /// With the start value of the node.
    Start,
    /// With a gap and one below the last value, which is how the node makes the first one pass.
    Below,
}

/// Whether the node sends `n`, and what it compares the next with; no anchor where that stays as it is. `last`
/// belongs to `anchor`. The gap is in percent of the previous value where `percent`.
pub(in crate::deadband) fn verdict(
    node: &NodeRed,
    (percent, gap): (bool, f64),
    (anchor, last): (Anchor, f64),
    n: f64,
) -> (bool, Option<Anchor>) {
    if !node.mode.has_gap() {
        let first = anchor == Anchor::Nothing;
        // `value !== previous`: NaN is never the same.
        let changed = first || n != last;
        let sends = changed && !(first && node.mode == Mode::Rbei);
        return (sends, changed.then_some(Anchor::Value));
    }
    if n.is_nan() {
        return (false, None);
    }
    let first_gap = if percent { 0.0 } else { gap };
    let (previous, mut next) = match anchor {
        Anchor::Value => (Some(last), None),
        Anchor::Start => (node.start, None),
        Anchor::Below => (Some(last - first_gap - 1.0), None),
        Anchor::Nothing if node.mode.is_narrow() => match node.start {
            None => (Some(n), Some(Anchor::Value)),
            start => (start, Some(Anchor::Start)),
        },
        Anchor::Nothing => (None, Some(Anchor::Below)),
    };
    let gap = match previous {
        Some(previous) if percent => {
            let gap = (previous * gap / 100.0).abs();
            if gap.is_nan() { 0.0 } else { gap }
        }
        _ => first_gap,
    };
    let previous = previous.unwrap_or(n - gap - 1.0);
    let change = (n - previous).abs();
    let sends = match node.mode {
        Mode::Deadband => change > gap,
        Mode::DeadbandEq => change >= gap,
        Mode::Narrowband => change <= gap,
        Mode::NarrowbandEq => change < gap,
        Mode::Rbe | Mode::Rbei => false,
    };
    if sends || node.compare == Compare::LastInput {
        next = Some(Anchor::Value);
    }
    (sends, next)
}

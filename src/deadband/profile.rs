#![doc = include_str!("profile/profiles.md")]

mod node_red;

use serde::{Deserialize, Serialize};

pub(super) use node_red::{Anchor, verdict as node_red_verdict};
pub use node_red::{Compare, Mode, NodeRed};

/// Whose semantics a filter has. The [module](self) holds them side by side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Profile {
    /// Ours: the value moved where `|v − last| > d`, without any rounding in between.
    #[default]
    Exact,
    /// A `DataChangeFilter` of OPC UA.
    OpcUa(Trigger),
    /// Exception reporting of the PI System.
    Pi,
    /// The `filter` node of Node-RED, which was `rbe`.
    NodeRed(NodeRed),
    /// The `dedup` processor of Telegraf.
    Telegraf,
}

/// What a notification of OPC UA is made for (OPC 10000-4, 7.10).
///
/// Exhaustive: the enumeration of the specification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// A change of the status alone.
    Status,
    /// A change of the status or of the value.
    #[default]
    StatusValue,
    /// The same, and where there is no band, a change of the timestamp too.
    StatusValueTimestamp,
}

impl Profile {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::OpcUa(_) => "opc-ua",
            Self::Pi => "pi",
            Self::NodeRed(_) => "node-red",
            Self::Telegraf => "telegraf",
        }
    }

    /// The version of these semantics in this crate. It is raised whenever one verdict of one profile changes; a
    /// state that was saved under another is refused.
    #[must_use]
    pub const fn version(&self) -> u32 {
        1
    }

    /// Whether samples are held to time order at all.
    pub(super) const fn is_ordered(&self) -> bool {
        matches!(self, Self::Exact | Self::Pi)
    }

    /// `percent` of `span`, by the profile's own formula.
    pub(super) fn share_of_span(&self, percent: f64, span: f64) -> f64 {
        let hundredfold = percent * span;
        match self {
            Self::OpcUa(_) => percent / 100.0 * span,
            _ if hundredfold.is_finite() => hundredfold / 100.0,
            _ => span / 100.0 * percent,
        }
    }
}

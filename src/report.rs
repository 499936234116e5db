//! What people look at: pictures of what the engines did, as text without any dependency (feature `report`).
//!
//! - [`DeadbandChart`]: a signal, what a deadband reported of it, and what the audit says, as an SVG.

mod deadband;
mod svg;

pub use deadband::DeadbandChart;

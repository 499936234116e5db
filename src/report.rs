//! What people look at (feature `report`): a diagnosis as a report for a terminal, a ticket or a browser, and pictures of
//! what the engines did.
//!
//! - [`Report`]: what was concluded and what to do first, then why: each question with its answer, what is still possible,
//!   what was ruled out, the timeline, the evidence. As [text](Report::to_text), [Markdown](Report::to_markdown) and
//!   [HTML](Report::to_html) in one file without scripts; and the [skeleton of a post-mortem](Report::to_post_mortem).
//!   With the feature `fleet` also of an incident (`Report::of_incident`), and with `certificate` of the
//!   digest of the daily job (`Report::of_digest`). [`Report::with_picture`] adds any of the pictures.
//! - [`RunbookChart`]: a runbook as an SVG, with the path that a diagnosis took.
//! - [`CertificateTimeline`]: when certificates end, as an SVG.
//! - [`DeadbandChart`]: a signal, what a deadband reported of it, and what the audit says, as an SVG.

mod chart;
mod deadband;
mod decisive;
#[cfg(feature = "certificate")]
mod digest;
mod finding;
mod html;
#[cfg(feature = "fleet")]
mod incident;
mod markdown;
mod svg;
mod terminal;
mod timeline;
mod validity;

pub use chart::RunbookChart;
pub use deadband::DeadbandChart;
pub use finding::{Affected, Likely, Picture, Report, RuledOut, Tone};
pub use terminal::TextStyle;
pub use timeline::Moment;
pub use validity::CertificateTimeline;

// The front page names every module, so it is whole only with the features that it shows.
#![cfg_attr(
    all(
        feature = "toml",
        feature = "tokio",
        feature = "certificate",
        feature = "dedup",
        feature = "deadband",
        feature = "gap",
        feature = "lag"
    ),
    doc = include_str!("front_page.md")
)]
#![cfg_attr(
    not(all(
        feature = "toml",
        feature = "tokio",
        feature = "certificate",
        feature = "dedup",
        feature = "deadband",
        feature = "gap",
        feature = "lag"
    )),
    doc = "Operational runbooks for industrial IoT fleets, as graphs in data that a platform service executes."
)]
#![cfg_attr(
    not(all(
        feature = "toml",
        feature = "certificate",
        feature = "dedup",
        feature = "deadband",
        feature = "gap",
        feature = "lag"
    )),
    allow(rustdoc::broken_intra_doc_links, reason = "documentation names what other features add")
)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[macro_use]
mod macros;

#[cfg(any(
    feature = "certificate",
    feature = "dedup",
    feature = "deadband",
    feature = "gap",
    feature = "lag"
))]
pub mod adapter;
#[cfg(feature = "case")]
pub mod case;
#[cfg(feature = "toml")]
pub mod catalog;
#[cfg(feature = "certificate")]
pub mod certificate;
pub mod check;
#[cfg(feature = "deadband")]
pub mod deadband;
#[cfg(feature = "dedup")]
pub mod dedup;
pub mod diagnosis;
pub mod driver;
pub mod fact;
#[cfg(feature = "fleet")]
pub mod fleet;
#[cfg(feature = "gap")]
pub mod gap;
#[cfg(any(doc, doctest))]
pub mod guide;
#[cfg(feature = "lag")]
pub mod lag;
#[cfg(feature = "mock")]
pub mod mock;
pub mod probe;
#[cfg(feature = "report")]
pub mod report;
pub mod runbook;
pub mod subject;
pub mod time;

// The names of the jobs. Everything else is found in its module.
#[cfg(feature = "certificate")]
pub use certificate::lifecycle::Lifecycle;
pub use check::Checks;
#[cfg(feature = "deadband")]
pub use deadband::filter::Filter;
#[cfg(feature = "dedup")]
pub use dedup::Deduplicator;
pub use diagnosis::{Diagnosis, Finding};
pub use driver::Driver;
#[cfg(feature = "gap")]
pub use gap::GapDetector;
pub use probe::Probes;
pub use runbook::document::Document;
pub use runbook::{Runbook, RunbookSet};
pub use subject::{DeviceId, Subject, Trigger};

#[cfg(all(doctest, feature = "toml"))]
#[doc = include_str!("../README.md")]
struct Readme;

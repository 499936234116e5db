//! What can go wrong on the way to a row.

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The command line makes no sense; the text says what would.
    #[error("{0}")]
    Usage(String),
    /// The two sides came to different conclusions, so that comparing their times would mean nothing.
    #[error("{0}")]
    Differs(String),
    /// One of the sides could not be set up, or failed.
    #[error("{0}")]
    Failed(String),
    /// The table could not be written.
    #[error("the table could not be written: {0}")]
    Write(#[from] std::io::Error),
}

impl Error {
    /// `what` failed with `why`.
    pub(crate) fn failed(what: &str, why: impl std::fmt::Display) -> Self {
        Self::Failed(format!("{what}: {why}"))
    }
}

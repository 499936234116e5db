//! The works: hot paths that are measured. A new one is a file beside these, and a line in [`all`].

mod certificates;
mod deadband;
mod dedup;
mod diagnosis;
mod gap;
mod lag;
mod load;
mod swinging_door;

use crate::error::Error;
use crate::measure::{self, Medians, Side};
use crate::report::{Report, Row};

/// One hot path, with its cases and its peers.
pub(crate) trait Work: Sync {
    /// Its name on the command line and in each row.
    fn name(&self) -> &'static str;

    /// What it measures, in a line.
    fn about(&self) -> &'static str;

    /// Proves that both sides do the same where that can be said, measures each case beside each peer, and
    /// reports a row for each.
    fn run(&self, report: &mut Report) -> Result<(), Error>;
}

/// Every work, in the order in which the help names them.
pub(crate) fn all() -> &'static [&'static dyn Work] {
    &[
        &certificates::Certificates,
        &deadband::Deadband,
        &dedup::Dedup,
        &dedup::Counted,
        &diagnosis::Diagnosis,
        &gap::Gap,
        &lag::Lag,
        &load::Load,
        &swinging_door::Door,
    ]
}

/// Measures one case beside one peer and reports the row.
fn compare(
    report: &mut Report,
    work: &'static str,
    case: &str,
    mut ours: Side<'_>,
    (peer, mut peer_side): (&'static str, Side<'_>),
) -> Result<Medians, Error> {
    let medians = measure::side_by_side(&mut ours, &mut peer_side);
    report.row(&Row { work, case: case.to_owned(), peer, medians, notes: Vec::new() })?;
    Ok(medians)
}

//! Rows as they come: a table for people, or one object a line.

use std::io::{Stdout, Write as _};

use crate::error::Error;
use crate::measure::Medians;

/// One case beside one peer.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// The name of the work.
    pub(crate) work: &'static str,
    /// The case.
    pub(crate) case: String,
    /// The peer.
    pub(crate) peer: &'static str,
    /// What was measured.
    pub(crate) medians: Medians,
    /// What else is known of the case: a name and a number each.
    pub(crate) notes: Vec<(&'static str, f64)>,
}

/// Where rows and remarks go, each the moment it is there.
#[derive(Debug)]
pub(crate) struct Report {
    out: Stdout,
    json: bool,
    has_rows: bool,
    /// What is said below the table.
    remarks: Vec<String>,
}

impl Report {
    /// A report on the standard output.
    pub(crate) fn new(json: bool) -> Self {
        Self { out: std::io::stdout(), json, has_rows: false, remarks: Vec::new() }
    }

    /// Writes a row.
    pub(crate) fn row(&mut self, row: &Row) -> Result<(), Error> {
        let Medians { ours_ns, peer_ns, .. } = row.medians;
        let ratio = peer_ns / ours_ns;
        if self.json {
            let mut object = serde_json::json!({
                "work": row.work,
                "case": row.case,
                "peer": row.peer,
                "ours_ns": round(ours_ns),
                "peer_ns": round(peer_ns),
                "ratio": (ratio * 1000.0).round() / 1000.0,
            });
            for (name, number) in &row.notes {
                object[*name] = (*number).into();
            }
            writeln!(self.out, "{object}")?;
        } else {
            if !self.has_rows {
                writeln!(
                    self.out,
                    "{:<14} {:<20} {:<22} {:>10} {:>10} {:>10}",
                    "work", "case", "peer", "ours", "peer", "peer/ours"
                )?;
            }
            write!(
                self.out,
                "{:<14} {:<20} {:<22} {:>10} {:>10} {:>10.3}",
                row.work,
                row.case,
                row.peer,
                shown(ours_ns),
                shown(peer_ns),
                ratio
            )?;
            for (name, number) in &row.notes {
                write!(self.out, "  {name} {number}")?;
            }
            writeln!(self.out)?;
        }
        self.has_rows = true;
        self.out.flush()?;
        Ok(())
    }

    /// Adds a line below the table; there is none in JSON.
    pub(crate) fn remark(&mut self, text: impl Into<String>) {
        self.remarks.push(text.into());
    }

    /// Adds a line that says whether `what` keeps its target, by its median round.
    pub(crate) fn target(&mut self, what: &str, measured: Medians, target_ns: f64) {
        let verdict = if measured.ours_ns <= target_ns { "met" } else { "MISSED" };
        self.remark(format!(
            "target {what}: at most {}, measured {} ({} in the fastest round): {verdict}",
            shown(target_ns),
            shown(measured.ours_ns),
            shown(measured.ours_fastest_ns)
        ));
    }

    /// Writes what stands below the table.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        if !self.json && !self.remarks.is_empty() {
            writeln!(self.out)?;
            for remark in &self.remarks {
                writeln!(self.out, "{remark}")?;
            }
        }
        Ok(())
    }
}

/// A time as a person reads it.
pub(crate) fn shown(ns: f64) -> String {
    match ns {
        ns if ns < 1e3 => format!("{ns:.1} ns"),
        ns if ns < 1e6 => format!("{:.2} µs", ns / 1e3),
        ns if ns < 1e9 => format!("{:.2} ms", ns / 1e6),
        ns => format!("{:.2} s", ns / 1e9),
    }
}

/// To a tenth of a nanosecond, which is more than a clock tells.
fn round(ns: f64) -> f64 {
    (ns * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_the_unit_they_are_read_in() {
        assert_eq!(shown(4.25), "4.2 ns");
        assert_eq!(shown(4_250.0), "4.25 µs");
        assert_eq!(shown(87_000_000.0), "87.00 ms");
        assert_eq!(shown(1.5e9), "1.50 s");
    }
}

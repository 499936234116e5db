//! Loading a runbook: from its text to a runbook that is proven to run.

mod synthetic;
#[cfg(feature = "zen")]
mod zen;

use iot_runbook::runbook::Runbook;
use iot_runbook::runbook::document::Document;

use super::{Work, compare};
use crate::error::Error;
use crate::measure::{Medians, Side};
use crate::report::{Report, shown};

/// The work.
pub(crate) struct Load;

const NAME: &str = "load";

/// The catalog's runbooks as they are written.
const CATALOG: [(&str, &str); 3] = [
    ("device-offline", include_str!("../../../../src/catalog/device-offline.toml")),
    ("data-gap", include_str!("../../../../src/catalog/data-gap.toml")),
    ("certificate-expiry", include_str!("../../../../src/catalog/certificate-expiry.toml")),
];

/// The lengths of the synthetic runbooks, and what the rows call them.
const LENGTHS: [(u32, &str); 3] =
    [(1_000, "1 000 steps"), (10_000, "10 000 steps"), (100_000, "100 000 steps")];

/// The targets, in nanoseconds.
const CATALOG_TARGET: f64 = 1e6;
const TEN_THOUSAND_TARGET: f64 = 1e8;

impl Work for Load {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "loading and validating: the catalog, and runbooks of 1 000, 10 000 and 100 000 steps"
    }

    fn run(&self, report: &mut Report) -> Result<(), Error> {
        for (name, text) in CATALOG {
            let steps = load(text)?.steps().len();
            let medians = beside_toml(report, name, text)?;
            report.target(&format!("{name}, {steps} steps"), medians, CATALOG_TARGET);
        }
        #[cfg(feature = "zen")]
        zen::device_offline(report, NAME, ours(CATALOG[0].1))?;

        for (steps, case) in LENGTHS {
            let text = synthetic::runbook(steps);
            load(&text)?;
            let medians = beside_toml(report, case, &text)?;
            if steps == 10_000 {
                report.target(case, medians, TEN_THOUSAND_TARGET);
            }
            report.remark(format!(
                "{case}: {} a step, {} bytes of text a step",
                shown(medians.ours_ns / f64::from(steps)),
                text.len() / usize::try_from(steps).unwrap_or(1)
            ));
            #[cfg(feature = "zen")]
            zen::synthetic(report, NAME, case, steps, ours(&text))?;
        }
        Ok(())
    }
}

/// Text to runbook, as a service does it.
fn load(text: &str) -> Result<Runbook, Error> {
    let document = Document::from_toml(text).map_err(|error| Error::failed("a document", error))?;
    document.validate().map_err(|error| Error::failed("a runbook", error))
}

fn ours(text: &str) -> Side<'_> {
    Box::new(move |runs| {
        for _ in 0..runs {
            let _ = std::hint::black_box(load(std::hint::black_box(text)));
        }
    })
}

/// The floor: the same text read into a tree of values, in which nothing is believed or proven.
fn beside_toml(report: &mut Report, case: &str, text: &str) -> Result<Medians, Error> {
    text.parse::<toml::Table>().map_err(|error| Error::failed("the text as TOML", error))?;
    let peer: Side<'_> = Box::new(move |runs| {
        for _ in 0..runs {
            let _ = std::hint::black_box(std::hint::black_box(text).parse::<toml::Table>());
        }
    });
    compare(report, NAME, case, ours(text), ("toml-parse", peer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_loaded_is_valid() {
        for (name, text) in CATALOG {
            assert_eq!(load(text).unwrap().name(), name);
        }
        assert_eq!(load(&synthetic::runbook(1_000)).unwrap().steps().len(), 1_000 + 3);
    }
}

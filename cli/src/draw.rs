//! `iot-runbook draw`: a runbook as a chart.

use iot_runbook::Diagnosis;
use iot_runbook::report::RunbookChart;
use iot_runbook::runbook::Highlight;

use crate::Outcome;
use crate::arguments::{Draw, Format};
use crate::failure::Failure;
use crate::input::Inputs;
use crate::replay;
use crate::runbooks::linked;
use crate::terminal::Terminal;

pub(crate) fn run(draw: &Draw, inputs: &mut Inputs, _: &Terminal) -> Result<Outcome, Failure> {
    let (loaded, highlight) = match &draw.path {
        None => (crate::runbooks::load(&draw.file, &draw.overrides, inputs)?, None),
        Some(path) => {
            let (loaded, set) = linked(&draw.file, &draw.overrides, &draw.with, inputs)?;
            let (name, bundle) = replay::read(path, inputs)?;
            let diagnosis = Diagnosis::resume(&bundle, &set)
                .map_err(|error| Failure::Format { name, reason: error.to_string() })?;
            let highlight = diagnosis.highlight(&loaded.runbook);
            (loaded, Some(highlight))
        }
    };
    let highlight: Option<&Highlight> = highlight.as_ref();
    let text = match draw.format {
        Format::Mermaid => loaded.runbook.to_mermaid(highlight),
        Format::Dot => loaded.runbook.to_dot(highlight),
        Format::Svg => match highlight {
            Some(highlight) => RunbookChart::with_highlight(&loaded.runbook, highlight).to_string(),
            None => RunbookChart::new(&loaded.runbook).to_string(),
        },
    };
    Ok(Outcome::new(text, false))
}

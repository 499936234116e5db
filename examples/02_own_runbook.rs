//! A runbook of your own in TOML, with checks of your own, drawn as a Mermaid chart with the path that was taken.
//!
//! `cargo run --example 02_own_runbook`
#[path = "page/page.rs"]
mod page;

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use iot_runbook::check::{CheckRequest, CustomCheck};
use iot_runbook::diagnosis::DiagnosisId;
use iot_runbook::diagnosis::rehearsal::{Coverage, Rehearsal};
use iot_runbook::driver::SimulatedTimer;
use iot_runbook::fact::{Domain, Kind, Observation, Value};
use iot_runbook::probe::ProbeError;
use iot_runbook::subject::Scope;
use iot_runbook::time::{Clock as _, ManualClock};
use iot_runbook::{Checks, Diagnosis, Document, Driver, Probes, RunbookSet, Subject, Trigger};
use page::say;

/// A check that reads a register of the chiller's controller. A real one holds its Modbus client.
struct Register {
    name: &'static str,
    value: Value,
}

#[async_trait]
impl CustomCheck for Register {
    async fn observe(&self, request: &CheckRequest<'_>) -> Result<Observation, ProbeError> {
        Ok(Observation::known(self.value, request.now(), self.name))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // Every fault of a document comes at once, with its line and what to do.
    let text = include_str!("02_own_runbook.toml");
    let holed = text.replace("below = \"$clogged_at\"", "below = 0.5");
    if let Err(faults) = Document::from_toml(&holed)?.validate() {
        say(format_args!("a document with a hole:\n{faults}\n"));
    }
    let runbooks = RunbookSet::new([Document::from_toml(text)?.threshold("clogged_at", 0.7).validate()?])?;

    // Its tests are data.
    let rehearsals = [
        Rehearsal::new("a stopped pump", "chiller-warm")
            .tell("pump", false)
            .expect_conclusion("pump-stopped"),
        Rehearsal::new("a clogged filter", "chiller-warm")
            .tell("pump", true)
            .tell("filter", 0.7)
            .expect_conclusion("filter-clogged"),
    ];
    let mut rehearsed = Vec::new();
    for rehearsal in &rehearsals {
        rehearsed.push(rehearsal.check(&runbooks)?);
    }
    let coverage = Coverage::of(&runbooks, &rehearsed);
    say(format_args!("rehearsed {:.0} % of all transitions; never taken:", coverage.share() * 100.0));
    coverage.untaken.iter().for_each(|way| say(format_args!("  {way}")));

    // Its checks are registered beside the built-in ones.
    let mut checks = Checks::builtin();
    let pump = Register { name: "controller, coil 3", value: Value::Flag(true) };
    checks.register("pump-running", Domain::new(Kind::Flag), Scope::Device, Arc::new(pump))?;
    let filter = Register { name: "controller, register 40017", value: Value::Number(0.91) };
    checks.register("filter-pressure", Domain::new(Kind::Number), Scope::Device, Arc::new(filter))?;

    let clock = Arc::new(ManualClock::new(DateTime::<Utc>::UNIX_EPOCH));
    let timer = Arc::new(SimulatedTimer::new(clock.clone()));
    let driver = Driver::new(&runbooks, &checks, Probes::new(), timer)?.with_clock(clock.clone());
    let subject = Subject::device("chiller-2");
    let trigger = Trigger::new("supply at 14 °C", clock.now());
    let mut diagnosis = Diagnosis::new(
        DiagnosisId::random(clock.now())?,
        &runbooks,
        "chiller-warm",
        subject,
        trigger,
        clock.now(),
    )?;
    driver.run(&mut diagnosis).await?;

    let finding = diagnosis.finding().ok_or("the driver ends what it runs")?;
    say(format_args!("\n{}", finding.title().unwrap_or_default()));
    finding.advice().for_each(|advice| say(format_args!("- {advice}")));
    say(format_args!("\nthe trace:"));
    diagnosis.trace().for_each(|record| say(format_args!("  {record}")));
    if let Some(runbook) = runbooks.find("chiller-warm") {
        std::fs::create_dir_all("target")?;
        std::fs::write("target/chiller-warm.mmd", runbook.to_mermaid(Some(&diagnosis.highlight(runbook))))?;
        say("\nThe chart is in target/chiller-warm.mmd, for any Mermaid viewer.");
    }
    Ok(())
}

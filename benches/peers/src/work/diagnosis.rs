//! A diagnosis of a device that went offline, from its facts to its conclusion.
//!
//! Both sides know the same facts and walk like graphs with the same thresholds. That they conclude the same of
//! generated combinations of known facts is proven before anything is timed.

mod driver;
mod facts;
mod hand_written;
mod machine;
#[cfg(feature = "zen")]
pub(crate) mod zen;

use std::fmt;

use iot_runbook::probe::ServiceState;

use super::{Work, compare};
use crate::error::Error;
use crate::measure::Side;
use crate::report::Report;
use driver::Driven;
use facts::{COMBINATIONS, DEEP, Facts, SHALLOW, combination, unknowns};
use machine::Machine;

/// The work.
pub(crate) struct Diagnosis;

const NAME: &str = "diagnosis";

/// The targets, in nanoseconds.
const MACHINE_TARGET: f64 = 1_000.0;
const DRIVER_TARGET: f64 = 10_000.0;

/// Every so many combinations of known facts one is compared: no length of a list of values divides it, so that
/// every value of every fact comes up beside every other.
const STRIDE: usize = 53;

/// What a side says of some facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Conclusion {
    /// The id of a conclusion, or of the step at which it would wait, act or hand over to another runbook.
    At(String),
    /// It could not tell; the text says what it tells instead.
    Undetermined(String),
}

impl Conclusion {
    fn at(id: &str) -> Self {
        Self::At(id.to_owned())
    }
}

impl fmt::Display for Conclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(id) => f.write_str(id),
            Self::Undetermined(why) if why.is_empty() => f.write_str("undetermined"),
            Self::Undetermined(why) => write!(f, "undetermined ({why})"),
        }
    }
}

/// Someone else who concludes of the same facts.
trait Peer {
    /// The name in the rows.
    fn name(&self) -> &'static str;

    /// What it says of them.
    fn conclude(&self, facts: &Facts) -> Result<Conclusion, Error>;

    /// The same, for timing, with everything prepared that a service would prepare once.
    fn side<'a>(&'a self, facts: &Facts) -> Result<Side<'a>, Error>;

    /// Whether it is timed; another is only asked of unknown facts.
    fn is_timed(&self) -> bool {
        true
    }

    /// Whether it is asked of unknown facts; another says what a peer beside it does.
    fn is_asked_of_unknowns(&self) -> bool {
        true
    }
}

impl Work for Diagnosis {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "device-offline from its facts to its conclusion, shallow and deep"
    }

    fn run(&self, report: &mut Report) -> Result<(), Error> {
        let machine = Machine::new()?;
        let peers = peers()?;
        let compared = prove_equal(&machine, &peers)?;
        report.remark(format!(
            "equal conclusions were proven first: {compared} combinations of known facts, each side the same"
        ));

        for (case, facts) in [("shallow", SHALLOW), ("deep", DEEP)] {
            for peer in peers.iter().filter(|peer| peer.is_timed()) {
                let medians =
                    compare(report, NAME, case, machine.side(&facts), (peer.name(), peer.side(&facts)?))?;
                if case == "deep" && peer.name() == "hand-written" {
                    report.target("deep, machine alone, trace on", medians, MACHINE_TARGET);
                }
            }
        }
        for (case, state, facts) in [
            ("shallow-driver", ServiceState::Maintenance, SHALLOW),
            ("deep-driver", ServiceState::InService, DEEP),
        ] {
            let driven = Driven::new(state)?;
            same(case, &driven.conclude()?, "the machine alone", &machine.conclude(&facts)?)?;
            let medians =
                compare(report, NAME, case, driven.side(), ("machine-alone", machine.side(&facts)))?;
            if case == "deep-driver" {
                report.target("deep, Arc<dyn> async probes and the driver", medians, DRIVER_TARGET);
            }
        }
        tell_unknowns(&machine, &peers, report)
    }
}

fn peers() -> Result<Vec<Box<dyn Peer>>, Error> {
    let hand_written: Box<dyn Peer> = Box::new(hand_written::HandWritten);
    let heavy = heavy_peers()?;
    Ok(std::iter::once(hand_written).chain(heavy).collect())
}

#[cfg(feature = "zen")]
fn heavy_peers() -> Result<Vec<Box<dyn Peer>>, Error> {
    zen::peers()
}

#[cfg(not(feature = "zen"))]
fn heavy_peers() -> Result<Vec<Box<dyn Peer>>, Error> {
    Ok(Vec::new())
}

/// Proves that every peer concludes what the machine does, where every fact is known. Gives how many
/// combinations were compared.
fn prove_equal(machine: &Machine, peers: &[Box<dyn Peer>]) -> Result<usize, Error> {
    let mut compared = 0;
    let positions = (0..COMBINATIONS).step_by(STRIDE).map(combination);
    for facts in positions.chain([SHALLOW, DEEP]) {
        let ours = machine.conclude(&facts)?;
        for peer in peers {
            same("ours", &ours, peer.name(), &peer.conclude(&facts)?)
                .map_err(|error| Error::Differs(format!("{error}, of {facts:?}")))?;
        }
        compared += 1;
    }
    Ok(compared)
}

fn same(one: &str, says: &Conclusion, other: &str, other_says: &Conclusion) -> Result<(), Error> {
    if says == other_says {
        return Ok(());
    }
    Err(Error::Differs(format!("{one} concludes {says}, {other} {other_says}")))
}

/// What each says where a fact of the deep walk is missing or of another type.
fn tell_unknowns(machine: &Machine, peers: &[Box<dyn Peer>], report: &mut Report) -> Result<(), Error> {
    report.remark("\nthe deep facts with one of them missing or of another type, and what each says then:");
    for (what, facts) in unknowns() {
        report.remark(format!("{what}\n  {:<18} {}", "ours", machine.conclude(&facts)?));
        for peer in peers.iter().filter(|peer| peer.is_asked_of_unknowns()) {
            let says = peer.conclude(&facts).map_or_else(|error| error.to_string(), |says| says.to_string());
            report.remark(format!("  {:<18} {says}", peer.name()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_side_concludes_the_same_of_known_facts() {
        prove_equal(&Machine::new().unwrap(), &peers().unwrap()).unwrap();
    }

    #[test]
    fn driver_concludes_what_the_machine_does() {
        let machine = Machine::new().unwrap();
        for (state, facts) in [(ServiceState::Maintenance, SHALLOW), (ServiceState::InService, DEEP)] {
            assert_eq!(Driven::new(state).unwrap().conclude().unwrap(), machine.conclude(&facts).unwrap());
        }
    }

    #[test]
    fn only_service_state_may_be_unknown() {
        let machine = Machine::new().unwrap();
        for (what, facts) in unknowns() {
            let is_undetermined = matches!(machine.conclude(&facts).unwrap(), Conclusion::Undetermined(_));
            assert_eq!(is_undetermined, !what.starts_with("service-state"), "{what}");
        }
    }
}

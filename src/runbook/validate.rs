//! From a document to a runbook: reads every part, proves what must hold, and collects all that does not.
//!
//! Reading resolves names and thresholds on the way, so that one pass over the document gives the steps, and
//! what is proven afterwards ([`control_flow`]) needs no document. A step that could not be read whole is left out
//! of the runbook that never comes to be, but the ways out that were readable still count for the proofs.

mod branches;
mod control_flow;
mod declared;
mod read;
mod rechecks;
mod steps;
mod texts;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::document::{Document, NOWHERE, shortened};
use super::fault::{Fault, FaultKind, Faults};
use super::step::{Query, QueryIndex, Step, StepIndex, StepKind, UNKNOWN_CAUSE};
use super::{CLOCK_TOLERANCE, Fingerprint, Graph, LONGEST, Runbook, fingerprint};
use control_flow::ControlFlow;
use declared::{Check, Threshold};
use read::{Fields, Key, Place, Spot};

/// How an id must be written, where this one breaks the rule.
pub(crate) fn malformed_id(id: &str) -> Option<&'static str> {
    read::ID.broken_by(id)
}

/// Proves a document to be a runbook that runs.
pub(super) fn validate(document: &Document) -> Result<Runbook, Faults> {
    let root = Place { up: None, key: Key::Root, at: NOWHERE, step: None };
    let fields = Fields::new(document.table(), root);
    let name = document.table().get("name").and_then(|entry| entry.node.as_text()).unwrap_or_default();
    let mut validator = Validator::new(document);
    let graph = validator.runbook(&fields);
    match (Faults::new(&shortened(name), validator.faults), graph) {
        (None, Some(graph)) => Ok(Runbook(Arc::new(graph))),
        (Some(faults), _) => Err(faults),
        // Whatever is not read has left its fault; this keeps the promise if one is ever forgotten.
        (None, None) => {
            let kind = FaultKind::StepCount;
            let fault = Fault { step: None, path: Box::default(), line: None, kind };
            Err(Faults::of_one(&shortened(name), fault))
        }
    }
}

/// What is known while a document is read.
struct Validator<'d> {
    document: &'d Document,
    faults: Vec<Fault>,
    thresholds: HashMap<&'d str, Threshold>,
    checks: HashMap<&'d str, Check<'d>>,
    /// Steps and conclusions, with where their keys stand, in the order of their ids.
    ids: Vec<(&'d str, u32)>,
    targets: HashMap<&'d str, StepIndex>,
    /// The rechecks by their ids.
    rechecks: HashMap<&'d str, rechecks::Declared>,
    /// The root causes that conclusions name; `None` where some conclusion could not be read.
    causes: Option<HashSet<Box<str>>>,
    queries: Vec<Query>,
    known_queries: HashMap<Vec<u8>, QueryIndex>,
    flow: ControlFlow,
}

impl<'d> Validator<'d> {
    fn new(document: &'d Document) -> Self {
        Self {
            document,
            faults: document.override_faults().to_vec(),
            thresholds: HashMap::new(),
            checks: HashMap::new(),
            ids: Vec::new(),
            targets: HashMap::new(),
            rechecks: HashMap::new(),
            causes: None,
            queries: Vec::new(),
            known_queries: HashMap::new(),
            flow: ControlFlow::default(),
        }
    }

    /// Reads all, proves all, and has the runbook where nothing is missing.
    fn runbook(&mut self, fields: &Fields<'d, '_>) -> Option<Graph> {
        self.only(
            fields,
            &[
                "name",
                "version",
                "title",
                "start",
                "prior",
                "clock_tolerance",
                "longest",
                "unless",
                "thresholds",
                "checks",
                "rechecks",
                "steps",
                "conclusions",
            ],
        );
        let name = self.required(fields, "name").and_then(|spot| self.id(spot));
        let version = self.required(fields, "version").and_then(|spot| self.version(spot));
        let title = self.required(fields, "title").and_then(|spot| self.text(spot));
        self.declare_thresholds(fields);
        let clock_tolerance =
            fields.get("clock_tolerance").map_or(Some(CLOCK_TOLERANCE), |spot| self.positive(spot));
        let longest = fields.get("longest").map_or(Some(LONGEST), |spot| self.positive(spot));
        self.declare_checks(fields);
        // Before the ids: without any of them nothing more is read, and it would be missing in the list.
        let start = self.required(fields, "start");
        let count = self.declare_ids(fields)?;
        let start = start.and_then(|spot| self.target(spot));
        self.read_rechecks(fields);
        let mut steps: Vec<Option<Step>> = Vec::new();
        steps.resize_with(count, || None);
        self.read_conclusions(fields, &mut steps);
        self.causes = self.conclusions_read(&steps).then(|| causes(&steps));
        let unless = match fields.get("unless") {
            Some(spot) => self.recheck(spot, start).map(Some),
            None => Some(None),
        };
        self.read_steps(fields, &mut steps);
        self.check_unless(fields, &steps);
        let prior = fields.get("prior").map_or(Some(Box::default()), |spot| self.prior(spot));
        self.report_unused(fields);
        if let Some(start) = start {
            self.prove(fields, start);
        }
        let steps: Box<[Step]> = steps.into_iter().collect::<Option<_>>()?;
        let mut graph = Graph {
            name: name?.into(),
            version: version?,
            title: title?.into(),
            fingerprint: Fingerprint::from_bytes([0; 32]),
            start: start?,
            steps,
            queries: std::mem::take(&mut self.queries).into(),
            prior: prior?,
            unless: unless?,
            clock_tolerance: clock_tolerance?,
            longest: longest?,
        };
        graph.fingerprint = fingerprint::of(&graph);
        Some(graph)
    }

    /// Gives each step and conclusion its position, and says how many there are.
    fn declare_ids(&mut self, fields: &Fields<'d, '_>) -> Option<usize> {
        for key in ["conclusions", "steps"] {
            let Some(spot) = fields.get(key) else { continue };
            let Some(table) = self.table(spot) else { continue };
            for (id, spot) in table.firsts() {
                if self.well_formed(id, read::ID, &spot.place) {
                    self.ids.push((id, spot.place.at));
                }
            }
        }
        self.ids.sort_by_key(|(id, _)| *id);
        let mut shared = Vec::new();
        self.ids.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                shared.push(*later);
            }
            same
        });
        for (id, at) in shared {
            let up = Place { up: Some(&fields.place), key: Key::Name("steps"), at, step: None };
            let place = Place { up: Some(&up), key: Key::Name(id), at, step: Some(id) };
            self.fault(&place, FaultKind::SharedId { id: id.into() });
        }
        if self.ids.is_empty() || u32::try_from(self.ids.len()).is_err() {
            self.fault(&fields.place, FaultKind::StepCount);
            return None;
        }
        self.targets = self.ids.iter().zip(0_u32..).map(|((id, _), at)| (*id, StepIndex(at))).collect();
        let rechecks = self.declare_rechecks(fields);
        self.flow = ControlFlow::new(self.ids.len(), rechecks);
        Some(self.ids.len())
    }

    /// Root causes, each of which some conclusion must name.
    fn prior(&mut self, spot: Spot<'d, '_>) -> Option<Box<[Box<str>]>> {
        self.named_causes(spot).map(Into::into)
    }

    /// A list of root causes, none twice, each of which some conclusion must name.
    fn named_causes(&mut self, spot: Spot<'d, '_>) -> Option<Vec<Box<str>>> {
        let mut seen = HashSet::new();
        let mut named = Vec::new();
        for spot in self.list(spot)?.each() {
            let place = spot.place;
            let Some(cause) = self.id(spot) else { continue };
            if !seen.insert(cause) {
                self.fault(&place, FaultKind::Twice { value: cause.into() });
            } else if self.causes.as_ref().is_some_and(|causes| !causes.contains(cause)) {
                self.fault(&place, FaultKind::UnnamedCause { cause: cause.into() });
            }
            named.push(cause.into());
        }
        Some(named)
    }

    /// Proves what can be proven of the graph as a whole.
    fn prove(&mut self, fields: &Fields<'d, '_>, start: StepIndex) {
        let Self { flow, ids, .. } = self;
        let found = flow.faults(start, |at| ids.get(at.position()).map_or("", |(id, _)| *id));
        for (at, kind) in found {
            let Some((id, place)) = self.ids.get(at.position()).copied() else { continue };
            let parent = if self.flow.is_conclusion(at) { "conclusions" } else { "steps" };
            let up = Place { up: Some(&fields.place), key: Key::Name(parent), at: place, step: None };
            let place = Place { up: Some(&up), key: Key::Name(id), at: place, step: Some(id) };
            self.fault(&place, kind);
        }
    }
}

/// The root causes that conclusions name; that it stays open is none.
fn causes(steps: &[Option<Step>]) -> HashSet<Box<str>> {
    let causes = steps.iter().flatten().filter_map(|step| match &step.kind {
        StepKind::Conclude(conclusion) => {
            conclusion.root_cause.clone().filter(|cause| **cause != *UNKNOWN_CAUSE)
        }
        _ => None,
    });
    causes.collect()
}

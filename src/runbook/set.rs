//! Runbooks that hand over to each other, linked.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use petgraph::algo::toposort;
use petgraph::graph::DiGraph;
use sha2::{Digest as _, Sha256};

use super::step::{Query, QueryIndex, Step, StepIndex, StepKind};
use super::{Fingerprint, Runbook};

/// Runbooks with every handover among them linked. Cheap to clone.
///
/// A set that exists is valid: names are unique, every handover leads to a runbook of the set and answers each
/// of its conclusions once, and no runbook comes to call itself.
#[derive(Clone, Debug)]
pub struct RunbookSet(Arc<Linked>);

#[derive(Debug)]
struct Linked {
    members: Box<[Member]>,
    /// In the [order](by_length) that names are sought in.
    by_name: Box<[(Box<str>, u32)]>,
    /// The queries of all members; two that ask the same thing are one.
    queries: Box<[Query]>,
}

#[derive(Debug)]
struct Member {
    runbook: Runbook,
    /// The set-wide query of each query of the runbook.
    queries: Box<[u32]>,
    links: HashMap<StepIndex, Link>,
    /// Over the runbook and all that it can hand over to.
    fingerprint: Fingerprint,
}

/// A handover, linked.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) callee: u32,
    /// The exit of the handover step for each conclusion of the callee.
    exits: HashMap<StepIndex, u16>,
}

impl Link {
    /// The position among [`HandoverStep::exits`] that answers the callee's conclusion.
    pub(crate) fn exit(&self, conclusion: StepIndex) -> Option<u16> {
        self.exits.get(&conclusion).copied()
    }
}

/// What keeps runbooks from being a set; one entry for each fault.
///
/// Printed with one line for each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", listed(.0))]
pub struct SetErrors(pub Vec<SetError>);

/// One fault of a set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetError {
    /// Two runbooks of one name.
    #[error("two runbooks are named \"{0}\": give each its own name")]
    NameTwice(String),
    /// More runbooks than are counted.
    #[error("{0} runbooks are more than the 1000 that a set may have")]
    TooMany(usize),
    /// A handover leads nowhere.
    #[error(
        "runbook \"{runbook}\", step \"{step}\": hands over to \"{callee}\", which is not in the set: add it"
    )]
    NoSuchRunbook {
        /// The runbook that hands over.
        runbook: String,
        /// Its step.
        step: String,
        /// Whom it names.
        callee: String,
    },
    /// A handover answers a conclusion that the other runbook does not have.
    #[error("runbook \"{runbook}\", step \"{step}\": \"{callee}\" has no conclusion \"{conclusion}\"")]
    NoSuchConclusion {
        /// The runbook that hands over.
        runbook: String,
        /// Its step.
        step: String,
        /// Whom it names.
        callee: String,
        /// The conclusion that is not there.
        conclusion: String,
    },
    /// A handover leaves a conclusion unanswered.
    #[error(
        "runbook \"{runbook}\", step \"{step}\": no branch for the conclusion \"{conclusion}\" of \"{callee}\"; \
         name it in one, or add a branch with `any = true`"
    )]
    Unanswered {
        /// The runbook that hands over.
        runbook: String,
        /// Its step.
        step: String,
        /// Whom it names.
        callee: String,
        /// The conclusion without a branch.
        conclusion: String,
    },
    /// Runbooks that hand over in a circle.
    #[error("runbook \"{0}\" comes to hand over to itself: break the circle")]
    Circle(String),
}

fn listed(errors: &[SetError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl RunbookSet {
    /// The most runbooks that a set may have.
    pub const MOST: usize = 1000;

    /// Links runbooks into a set.
    ///
    /// # Errors
    /// [`SetErrors`] with every fault.
    pub fn new(runbooks: impl IntoIterator<Item = Runbook>) -> Result<Self, SetErrors> {
        let runbooks: Vec<Runbook> = runbooks.into_iter().collect();
        if runbooks.len() > Self::MOST {
            return Err(SetErrors(vec![SetError::TooMany(runbooks.len())]));
        }
        let mut faults = Vec::new();
        let mut by_name: Vec<(Box<str>, u32)> =
            runbooks.iter().map(|runbook| runbook.name().into()).zip(0_u32..).collect();
        by_name.sort_unstable_by(|(a, _), (b, _)| by_length(a, b));
        for pair in by_name.windows(2) {
            if let [(one, _), (other, _)] = pair
                && one == other
            {
                faults.push(SetError::NameTwice(one.to_string()));
            }
        }
        let mut links = Vec::with_capacity(runbooks.len());
        for runbook in &runbooks {
            links.push(link(runbook, &runbooks, &by_name, &mut faults));
        }
        let order = callees_first(&links).unwrap_or_else(|at| {
            let name = runbooks.get(at).map_or_else(String::new, |runbook| runbook.name().to_owned());
            faults.push(SetError::Circle(name));
            Vec::new()
        });
        if !faults.is_empty() {
            return Err(SetErrors(faults));
        }
        let (queries, query_maps) = share_queries(&runbooks);
        let fingerprints = fingerprints(&runbooks, &links, &order);
        let members = runbooks
            .into_iter()
            .zip(query_maps)
            .zip(links)
            .zip(fingerprints)
            .map(|(((runbook, queries), links), fingerprint)| Member { runbook, queries, links, fingerprint })
            .collect();
        Ok(Self(Arc::new(Linked { members, by_name: by_name.into(), queries })))
    }

    /// Its runbooks, in the order in which they were given.
    pub fn runbooks(&self) -> impl ExactSizeIterator<Item = &Runbook> {
        self.0.members.iter().map(|member| &member.runbook)
    }

    /// The runbook of that name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Runbook> {
        self.position(name).and_then(|position| self.member(position)).map(|member| &member.runbook)
    }

    /// The queries of all its runbooks: what [`ProbeRequest::query`](crate::diagnosis::ProbeRequest::query)
    /// points into. Two that ask the same thing are one.
    #[must_use]
    pub fn queries(&self) -> &[Query] {
        &self.0.queries
    }

    /// The steps of its runbooks that ask the query at that position of [`RunbookSet::queries`], or wait for its
    /// instant.
    pub fn asking(&self, query: usize) -> impl Iterator<Item = (&Runbook, &Step)> {
        self.0.members.iter().flat_map(move |member| {
            let asks = move |step: &&Step| {
                let own = step.kind.query().and_then(|own| member.queries.get(own.position()));
                own.is_some_and(|own| *own as usize == query)
            };
            member.runbook.steps().iter().filter(asks).map(|step| (&member.runbook, step))
        })
    }

    /// The fingerprint of the named runbook together with all that it can hand over to: what a diagnosis that
    /// was saved must find again.
    #[must_use]
    pub fn fingerprint(&self, name: &str) -> Option<Fingerprint> {
        self.position(name).and_then(|position| self.member(position)).map(|member| member.fingerprint)
    }

    /// Whether the queries of `other` are the same at the same positions, so that checks bound to one serve both.
    pub(crate) fn asks_the_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.queries() == other.queries()
    }

    pub(crate) fn position(&self, name: &str) -> Option<u32> {
        position(&self.0.by_name, name)
    }

    pub(crate) fn runbook(&self, position: u32) -> Option<&Runbook> {
        self.member(position).map(|member| &member.runbook)
    }

    /// The set-wide position of a query of one runbook.
    pub(crate) fn query(&self, runbook: u32, query: QueryIndex) -> Option<u32> {
        self.member(runbook)?.queries.get(query.position()).copied()
    }

    pub(crate) fn link(&self, runbook: u32, step: StepIndex) -> Option<&Link> {
        self.member(runbook)?.links.get(&step)
    }

    fn member(&self, position: u32) -> Option<&Member> {
        self.0.members.get(position as usize)
    }
}

fn link(
    runbook: &Runbook,
    all: &[Runbook],
    by_name: &[(Box<str>, u32)],
    faults: &mut Vec<SetError>,
) -> HashMap<StepIndex, Link> {
    let mut links = HashMap::new();
    for (at, step) in (0_u32..).zip(runbook.steps()) {
        let StepKind::Handover(handover) = &step.kind else { continue };
        let place = || (runbook.name().to_owned(), step.id.to_string(), handover.runbook.to_string());
        let found = position(by_name, &handover.runbook).and_then(|at| Some((at, all.get(at as usize)?)));
        let Some((callee, callee_runbook)) = found else {
            let (runbook, step, callee) = place();
            faults.push(SetError::NoSuchRunbook { runbook, step, callee });
            continue;
        };
        let mut conclusions: BTreeMap<&str, StepIndex> = callee_runbook.conclusions().collect();
        let mut exits = HashMap::new();
        for (exit, branch) in (0_u16..).zip(&handover.branches) {
            for name in &branch.conclusions {
                match conclusions.remove(&**name) {
                    Some(conclusion) => {
                        exits.insert(conclusion, exit);
                    }
                    None => {
                        let (runbook, step, callee) = place();
                        let conclusion = name.to_string();
                        faults.push(SetError::NoSuchConclusion { runbook, step, callee, conclusion });
                    }
                }
            }
        }
        let otherwise = handover.otherwise.as_ref().and_then(|_| u16::try_from(handover.branches.len()).ok());
        for (name, conclusion) in conclusions {
            match otherwise {
                Some(exit) => {
                    exits.insert(conclusion, exit);
                }
                None => {
                    let (runbook, step, callee) = place();
                    faults.push(SetError::Unanswered { runbook, step, callee, conclusion: name.to_owned() });
                }
            }
        }
        links.insert(StepIndex(at), Link { callee, exits });
    }
    links
}

fn position(by_name: &[(Box<str>, u32)], name: &str) -> Option<u32> {
    /// As many names are looked through sooner than sought.
    const FEW: usize = 8;
    if by_name.len() <= FEW {
        return by_name.iter().find(|(known, _)| **known == *name).map(|(_, position)| *position);
    }
    let at = by_name.binary_search_by(|(known, _)| by_length(known, name)).ok()?;
    by_name.get(at).map(|(_, position)| *position)
}

/// Lengths first: names of different lengths are not read to be told apart.
fn by_length(a: &str, b: &str) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// The members so ordered that whoever is called comes before the caller, or one that is in a circle.
fn callees_first(links: &[HashMap<StepIndex, Link>]) -> Result<Vec<usize>, usize> {
    let mut calls = DiGraph::<(), ()>::new();
    let nodes: Vec<_> = links.iter().map(|_| calls.add_node(())).collect();
    for (caller, links) in nodes.iter().zip(links) {
        for callee in links.values().filter_map(|link| nodes.get(link.callee as usize)) {
            calls.add_edge(*callee, *caller, ());
        }
    }
    match toposort(&calls, None) {
        Ok(order) => Ok(order.into_iter().map(petgraph::graph::NodeIndex::index).collect()),
        Err(circle) => Err(circle.node_id().index()),
    }
}

/// Within a runbook queries are unique already, so only those of the runbooks before it are compared.
fn share_queries(runbooks: &[Runbook]) -> (Box<[Query]>, Vec<Box<[u32]>>) {
    let mut shared: Vec<Query> = Vec::new();
    let mut by_check: HashMap<&str, Vec<u32>> = HashMap::new();
    let mut maps = Vec::with_capacity(runbooks.len());
    for runbook in runbooks {
        let mut map = Vec::with_capacity(runbook.queries().len());
        let mut own = Vec::new();
        for query in runbook.queries() {
            let same = by_check.get(&*query.check).map_or(&[][..], Vec::as_slice);
            let found = same.iter().copied().find(|at| shared.get(*at as usize) == Some(query));
            map.push(found.unwrap_or_else(|| {
                let at = u32::try_from(shared.len()).unwrap_or(u32::MAX);
                shared.push(query.clone());
                own.push((&*query.check, at));
                at
            }));
        }
        for (check, at) in own {
            by_check.entry(check).or_default().push(at);
        }
        maps.push(map.into());
    }
    (shared.into(), maps)
}

fn fingerprints(
    runbooks: &[Runbook],
    links: &[HashMap<StepIndex, Link>],
    order: &[usize],
) -> Vec<Fingerprint> {
    let mut closed: Vec<Fingerprint> = runbooks.iter().map(Runbook::fingerprint).collect();
    for &at in order {
        let (Some(runbook), Some(links)) = (runbooks.get(at), links.get(at)) else { continue };
        let callees: HashSet<u32> = links.values().map(|link| link.callee).collect();
        if callees.is_empty() {
            continue;
        }
        let mut parts: Vec<_> =
            callees.iter().filter_map(|callee| closed.get(*callee as usize)).copied().collect();
        parts.sort_unstable();
        let mut hash = Sha256::new_with_prefix(b"iot-runbook/runbook-with-callees/1");
        hash.update(runbook.fingerprint().as_bytes());
        for part in &parts {
            hash.update(part.as_bytes());
        }
        if let Some(slot) = closed.get_mut(at) {
            *slot = Fingerprint::from_bytes(hash.finalize().into());
        }
    }
    closed
}

//! Runbooks that hand over to each other, linked.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use petgraph::algo::toposort;
use petgraph::graph::DiGraph;
use sha2::{Digest as _, Sha256};

use super::step::{Query, QueryIndex, Step, StepIndex, StepKind};
use super::{Fingerprint, Runbook};

/// Runbooks with every handover among them linked. Cheap to clone.
///
/// A set that exists is valid: every handover leads to a runbook of the set and has an exit for each of its conclusions,
/// and no runbook calls itself, directly or through others.
///
/// It may hold several versions of one runbook. The newest is started and called; the others are there for diagnoses that
/// were saved while they were the newest, and that end on what they began with.
#[derive(Clone, Debug)]
pub struct RunbookSet(Arc<Linked>);

#[derive(Debug)]
struct Linked {
    /// Those that were given, in that order, each with the newest runbooks to call. After them the same with older ones.
    members: Box<[Member]>,
    /// How many were given.
    given: usize,
    /// The queries of all members; two that ask the same thing are one.
    queries: Box<[Query]>,
}

#[derive(Clone, Debug)]
struct Member {
    runbook: Runbook,
    /// The set-wide query of each query of the runbook.
    queries: Box<[u32]>,
    links: HashMap<StepIndex, Link>,
    /// Over the runbook and all that it can hand over to.
    fingerprint: Fingerprint,
}

/// A handover, linked.
#[derive(Clone, Debug)]
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
    /// Two runbooks of one name and version.
    #[error("two runbooks are named \"{0}\" and have the same version: give each its own name or version")]
    NameTwice(String),
    /// More runbooks than are counted, or more ways to link their versions.
    #[error("{0} runbooks, older versions to call among them, are more than the 1000 that a set may have")]
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
        // The versions of each name, the newest first.
        let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, runbook) in runbooks.iter().enumerate() {
            by_name.entry(runbook.name()).or_default().push(at);
        }
        let version = |at: &usize| runbooks.get(*at).map_or(0, Runbook::version);
        for (name, versions) in &mut by_name {
            versions.sort_by_key(|at| std::cmp::Reverse(version(at)));
            if versions.windows(2).any(|pair| matches!(pair, [one, other] if version(one) == version(other)))
            {
                faults.push(SetError::NameTwice((*name).to_owned()));
            }
        }
        let order = callees_first(&runbooks, &by_name).unwrap_or_else(|circle| {
            faults.push(SetError::Circle(circle));
            Vec::new()
        });
        let (queries, query_maps) = share_queries(&runbooks);
        let mut linker = Linker {
            members: runbooks
                .iter()
                .zip(query_maps)
                .map(|(runbook, map)| Member::unlinked(runbook, map))
                .collect(),
            by_name: HashMap::new(),
        };
        for name in order {
            let versions = by_name.get(name).map_or(&[][..], Vec::as_slice);
            for (age, at) in versions.iter().enumerate() {
                linker.link(*at, age == 0, &mut faults);
                if linker.members.len() > Self::MOST {
                    faults.push(SetError::TooMany(linker.members.len()));
                    return Err(SetErrors(faults));
                }
            }
        }
        if !faults.is_empty() {
            return Err(SetErrors(faults));
        }
        Ok(Self(Arc::new(Linked { members: linker.members.into(), given: runbooks.len(), queries })))
    }

    /// Its runbooks, in the order in which they were given.
    pub fn runbooks(&self) -> impl ExactSizeIterator<Item = &Runbook> {
        self.given().iter().map(|member| &member.runbook)
    }

    /// The runbook of that name, the newest of several versions.
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
        self.given().iter().flat_map(move |member| {
            let asks = move |step: &&Step| {
                let own = step.kind.query().and_then(|own| member.queries.get(own.position()));
                own.is_some_and(|own| *own as usize == query)
            };
            member.runbook.steps().iter().filter(asks).map(|step| (&member.runbook, step))
        })
    }

    /// Its runbooks whose own `unless` asks the query at that position of [`RunbookSet::queries`].
    pub fn asking_before_the_end(&self, query: usize) -> impl Iterator<Item = &Runbook> {
        let asks = move |member: &&Member| {
            let own = member.runbook.unless().and_then(|unless| member.queries.get(unless.query.position()));
            own.is_some_and(|own| *own as usize == query)
        };
        self.given().iter().filter(asks).map(|member| &member.runbook)
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

    /// The position of the newest runbook of that name.
    pub(crate) fn position(&self, name: &str) -> Option<u32> {
        let named = self.given().iter().zip(0_u32..).filter(|(member, _)| member.runbook.name() == name);
        named.max_by_key(|(member, _)| member.runbook.version()).map(|(_, at)| at)
    }

    /// The position of the runbook that a diagnosis was saved with.
    ///
    /// # Errors
    /// The fingerprint of the newest runbook of that name, where none has the saved one; `None` where none has the name.
    pub(crate) fn saved(&self, name: &str, fingerprint: Fingerprint) -> Result<u32, Option<Fingerprint>> {
        let same = |member: &Member| member.runbook.name() == name && member.fingerprint == fingerprint;
        let found = self.0.members.iter().zip(0_u32..).find(|(member, _)| same(member));
        found.map(|(_, at)| at).ok_or_else(|| self.fingerprint(name))
    }

    /// The fingerprint of the runbook at that position, together with all that it can hand over to.
    pub(crate) fn fingerprint_at(&self, position: u32) -> Option<Fingerprint> {
        self.member(position).map(|member| member.fingerprint)
    }

    fn given(&self) -> &[Member] {
        self.0.members.get(..self.0.given).unwrap_or_default()
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

/// Links runbooks, those that are called first.
struct Linker {
    members: Vec<Member>,
    /// The members of each name that are linked, the preferred first.
    by_name: HashMap<Box<str>, Vec<u32>>,
}

impl Linker {
    /// Links the runbook at that position with each choice of versions that it can call, the newest first.
    fn link(&mut self, at: usize, is_newest: bool, faults: &mut Vec<SetError>) {
        let Some(unlinked) = self.members.get(at).cloned() else { return };
        let mut names: Vec<&str> = callees(&unlinked.runbook).collect();
        names.sort_unstable();
        names.dedup();
        let mut choices: Vec<HashMap<&str, u32>> = vec![HashMap::new()];
        for name in names {
            let versions = self.by_name.get(name).map_or(&[][..], Vec::as_slice);
            if versions.is_empty() || choices.len() * versions.len() > RunbookSet::MOST {
                // One that is not there is reported where its handover is linked.
                continue;
            }
            let with = |version: &u32| {
                let version = *version;
                choices.iter().cloned().map(move |mut choice| {
                    choice.insert(name, version);
                    choice
                })
            };
            choices = versions.iter().flat_map(with).collect();
        }
        let mut first_faults = None;
        let mut is_linked = false;
        for choice in &choices {
            let mut found = Vec::new();
            let links = self.links(&unlinked.runbook, choice, &mut found);
            if !found.is_empty() {
                first_faults.get_or_insert(found);
                // The newest runbooks must fit together; older ones that do not were never together.
                if is_newest && !is_linked {
                    break;
                }
                continue;
            }
            let fingerprint = self.fingerprint(&unlinked.runbook, &links);
            let member = Member { links, fingerprint, ..unlinked.clone() };
            let position = if is_linked { self.members.len() } else { at };
            match self.members.get_mut(position) {
                Some(slot) => *slot = member,
                None => self.members.push(member),
            }
            is_linked = true;
            let versions = self.by_name.entry(unlinked.runbook.name().into()).or_default();
            versions.extend(u32::try_from(position));
        }
        if !is_linked {
            faults.extend(first_faults.unwrap_or_default());
        }
    }

    fn links(
        &self,
        runbook: &Runbook,
        choice: &HashMap<&str, u32>,
        faults: &mut Vec<SetError>,
    ) -> HashMap<StepIndex, Link> {
        let mut links = HashMap::new();
        for (at, step) in (0_u32..).zip(runbook.steps()) {
            let StepKind::Handover(handover) = &step.kind else { continue };
            let place = || (runbook.name().to_owned(), step.id.to_string(), handover.runbook.to_string());
            let found = choice.get(&*handover.runbook);
            let found = found.and_then(|at| Some((*at, &self.members.get(*at as usize)?.runbook)));
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
            let otherwise = handover.otherwise.as_ref();
            let otherwise = otherwise.and_then(|_| u16::try_from(handover.branches.len()).ok());
            for (name, conclusion) in conclusions {
                match otherwise {
                    Some(exit) => {
                        exits.insert(conclusion, exit);
                    }
                    None => {
                        let (runbook, step, callee) = place();
                        let conclusion = name.to_owned();
                        faults.push(SetError::Unanswered { runbook, step, callee, conclusion });
                    }
                }
            }
            links.insert(StepIndex(at), Link { callee, exits });
        }
        links
    }

    /// The runbook's own, and over those of the runbooks that it calls, where it calls any.
    fn fingerprint(&self, runbook: &Runbook, links: &HashMap<StepIndex, Link>) -> Fingerprint {
        let callees: HashSet<u32> = links.values().map(|link| link.callee).collect();
        if callees.is_empty() {
            return runbook.fingerprint();
        }
        let of = |callee: &u32| self.members.get(*callee as usize).map(|member| member.fingerprint);
        let mut parts: Vec<Fingerprint> = callees.iter().filter_map(of).collect();
        parts.sort_unstable();
        let mut hash = Sha256::new_with_prefix(b"iot-runbook/runbook-with-callees/1");
        hash.update(runbook.fingerprint().as_bytes());
        for part in &parts {
            hash.update(part.as_bytes());
        }
        Fingerprint::from_bytes(hash.finalize().into())
    }
}

impl Member {
    fn unlinked(runbook: &Runbook, queries: Box<[u32]>) -> Self {
        let (runbook, fingerprint) = (runbook.clone(), runbook.fingerprint());
        Self { runbook, queries, links: HashMap::new(), fingerprint }
    }
}

/// The names of the runbooks that it hands over to.
fn callees(runbook: &Runbook) -> impl Iterator<Item = &str> {
    runbook.steps().iter().filter_map(|step| match &step.kind {
        StepKind::Handover(handover) => Some(&*handover.runbook),
        _ => None,
    })
}

/// The names so ordered that whoever is called comes before the caller.
///
/// # Errors
/// A name that is in a circle.
fn callees_first<'r>(
    runbooks: &'r [Runbook],
    by_name: &BTreeMap<&'r str, Vec<usize>>,
) -> Result<Vec<&'r str>, String> {
    let mut calls = DiGraph::<&str, ()>::new();
    let nodes: HashMap<&str, _> = by_name.keys().map(|name| (*name, calls.add_node(name))).collect();
    for runbook in runbooks {
        for callee in callees(runbook) {
            if let (Some(callee), Some(caller)) = (nodes.get(callee), nodes.get(runbook.name())) {
                calls.add_edge(*callee, *caller, ());
            }
        }
    }
    match toposort(&calls, None) {
        Ok(order) => Ok(order.into_iter().filter_map(|node| calls.node_weight(node).copied()).collect()),
        Err(circle) => {
            Err(calls.node_weight(circle.node_id()).map_or_else(String::new, |name| (*name).to_owned()))
        }
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

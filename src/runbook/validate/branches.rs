//! Guards and the ways out behind them, and the proof that one and only one branch takes each value.

use std::collections::{HashMap, HashSet};
use std::ops::Bound;

use super::super::fault::{FaultKind, Gap};
use super::super::guard::{Branch, Branches, Guard, Values as Taken};
use super::super::step::{AlertText, Exit, Severity, StepIndex};
use super::Validator;
use super::control_flow::EdgeValue;
use super::declared::Values;
use super::read::{Fields, Spot};
use crate::fact::{Choice, Choices, Domain, Kind};
use crate::runbook::cover::{self, Line, Span};
use crate::runbook::document::{Tree, shortened};

/// The keys of a guard.
pub(super) const GUARD: [&str; 7] = ["below", "up_to", "from", "above", "is", "absent", "any"];
/// Those that are bounds, the lower two first.
const BOUNDS: [&str; 4] = ["from", "above", "up_to", "below"];
/// The keys of a branch.
const BRANCH: [&str; 14] = [
    "below", "up_to", "from", "above", "is", "absent", "any", "to", "note", "alert", "unless", "supports",
    "against", "says",
];
/// Those of a branch of a recheck.
const RECHECK_BRANCH: &[&str] = BRANCH.split_at(10).0;
/// The keys of a way out.
const EXIT: [&str; 4] = ["to", "note", "alert", "unless"];
/// The most branches of one step.
pub(super) const MOST: usize = u16::MAX as usize - 1;

impl<'d> Validator<'d> {
    /// The branches under `branches`, proven to take each value of the domain once; ways out are noted as
    /// those of the step `from`. A domain that could not be read lets the ways out be read all the same.
    pub(super) fn branches(
        &mut self,
        fields: &Fields<'d, '_>,
        from: StepIndex,
        values: Option<&Values<'d>>,
    ) -> Option<Branches> {
        self.read_branches(fields, from, values, &BRANCH)
    }

    /// The same of a recheck: at least one, and values that no branch takes are no hole.
    pub(super) fn some_branches(
        &mut self,
        fields: &Fields<'d, '_>,
        from: StepIndex,
        values: Option<&Values<'d>>,
    ) -> Option<Branches> {
        let branches = self.read_branches(fields, from, values, RECHECK_BRANCH)?;
        if branches.as_slice().is_empty() {
            self.fault(&fields.place, FaultKind::NoBranches);
            return None;
        }
        Some(branches)
    }

    fn read_branches(
        &mut self,
        fields: &Fields<'d, '_>,
        from: StepIndex,
        values: Option<&Values<'d>>,
        keys: &[&'static str],
    ) -> Option<Branches> {
        let holes_count = keys == BRANCH;
        let Some((spot, items)) =
            self.required(fields, "branches").and_then(|spot| self.list(spot).map(|items| (spot, items)))
        else {
            self.flow.mark_lossy(from);
            return None;
        };
        if items.len() > MOST {
            self.fault(&spot.place, FaultKind::TooManyBranches(items.len()));
            self.flow.mark_lossy(from);
            return None;
        }
        let mut read: Vec<Option<(usize, Branch)>> = Vec::with_capacity(items.len());
        for (position, spot) in items.each().enumerate() {
            let branch = self.branch(spot, from, values, keys);
            read.push(branch.map(|branch| (position, branch)));
        }
        let values = values?;
        let whole = read.iter().all(Option::is_some);
        let mut branches: Vec<(usize, Branch)> = read.into_iter().flatten().collect();
        let before = self.faults.len();
        let guards = branches.iter().map(|(position, branch)| (*position, &branch.guard));
        for kind in proof(guards, values) {
            if matches!(kind, FaultKind::Hole(_)) {
                if !whole || !holes_count {
                    // A branch that could not be read may be the one that fills it.
                    continue;
                }
                // The branch that is missing may lead anywhere.
                self.flow.mark_lossy(from);
            }
            self.fault(&spot.place, kind);
        }
        if !whole || self.faults.len() > before {
            return None;
        }
        branches.sort_by_key(|(_, branch)| first(&branch.guard, values));
        let branches = branches.into_iter().map(|(_, branch)| branch).collect();
        Some(Branches::new(values.domain.clone(), branches))
    }

    fn branch(
        &mut self,
        spot: Spot<'d, '_>,
        from: StepIndex,
        values: Option<&Values<'d>>,
        keys: &[&'static str],
    ) -> Option<Branch> {
        let Some(fields) = self.table(spot) else {
            self.flow.mark_lossy(from);
            return None;
        };
        self.only(&fields, keys);
        let guard = match values {
            Some(values) => self.guard(&fields, values),
            None => {
                for bound in BOUNDS.iter().filter_map(|bound| fields.get(bound)) {
                    self.refers(&bound);
                }
                self.leave_unread(spot.node);
                None
            }
        };
        let carries = match &guard {
            Some(Guard { absent: true, values: Taken::None }) => EdgeValue::Unknown,
            Some(Guard { absent: true, .. }) => EdgeValue::Either,
            _ => EdgeValue::Known,
        };
        let exit = self.exit_of(&fields, from, carries, true);
        Some(Branch { guard: guard?, exit: exit? })
    }

    pub(super) fn guard(&mut self, fields: &Fields<'d, '_>, values: &Values<'d>) -> Option<Guard> {
        let parts @ [below, up_to, from, above, is, absent, any] = GUARD.map(|part| fields.get(part));
        if parts.iter().all(Option::is_none) {
            self.fault(&fields.place, FaultKind::NoGuard);
            return None;
        }
        let bounds = [from, above, up_to, below];
        let bounded = bounds.iter().any(Option::is_some);
        let mut clashes: Vec<(&str, &str)> = Vec::new();
        clashes.extend((from.is_some() && above.is_some()).then_some(("from", "above")));
        clashes.extend((below.is_some() && up_to.is_some()).then_some(("below", "up_to")));
        clashes.extend((any.is_some() && is.is_some()).then_some(("any", "is")));
        for (_, bound) in bounds.iter().zip(BOUNDS).filter(|(spot, _)| spot.is_some()) {
            clashes.extend(any.is_some().then_some(("any", bound)));
            clashes.extend(is.is_some().then_some(("is", bound)));
        }
        let mut ok = clashes.is_empty();
        for (one, other) in clashes {
            self.fault(&fields.place, FaultKind::Clash { one, other });
        }
        let any = self.only_true(any);
        let takes_absent = self.only_true(absent);
        if let (Some(spot), Some(true), false) = (absent, takes_absent, values.domain.is_optional()) {
            self.fault(&spot.place, FaultKind::NeverAbsent);
            ok = false;
        }
        let taken = if any == Some(true) {
            Some(Taken::All)
        } else if let Some(spot) = is {
            self.listed(spot, values)
        } else if bounded {
            self.interval(bounds, values)
        } else {
            Some(Taken::None)
        };
        let guard = Guard { absent: takes_absent?, values: taken? };
        let (true, Some(_)) = (ok, any) else { return None };
        let span = Line::of(values.domain.kind()).and_then(|line| line.span(&guard.values));
        if !matches!(guard.values, Taken::None) && span.is_some_and(Span::is_empty) {
            // It takes nothing, and the proof goes on without it.
            self.fault(&fields.place, FaultKind::EmptyGuard);
        }
        Some(guard)
    }

    /// A value that is `true` or left out.
    fn only_true(&mut self, spot: Option<Spot<'d, '_>>) -> Option<bool> {
        let Some(spot) = spot else { return Some(false) };
        let flag = self.flag(spot)?;
        if !flag {
            self.fault(&spot.place, FaultKind::OnlyTrue);
        }
        flag.then_some(true)
    }

    /// The values of an `is`: one, or a list of them.
    fn listed(&mut self, spot: Spot<'d, '_>, values: &Values<'d>) -> Option<Taken> {
        if matches!(&spot.node.tree, Tree::List(items) if items.is_empty()) {
            self.fault(&spot.place, FaultKind::EmptyGuard);
            return None;
        }
        match values.domain.kind() {
            Kind::Flag => {
                let (mut yes, mut no) = (false, false);
                let ok = self.one_or_list(spot, |this, item| {
                    let flag = this.flag(item)?;
                    if std::mem::replace(if flag { &mut yes } else { &mut no }, true) {
                        this.fault(&item.place, FaultKind::Twice { value: flag.to_string().into() });
                        return None;
                    }
                    Some(())
                });
                ok.then_some(Taken::Flags { yes, no })
            }
            Kind::Choice(choices) => {
                let mut taken: Vec<Choice> = Vec::new();
                let mut seen: HashSet<Choice> = HashSet::new();
                let ok = self.one_or_list(spot, |this, item| {
                    let name = this.text(item)?;
                    let Some(choice) = values.choices.get(name) else {
                        let choices = shown_choices(choices).into();
                        let kind = FaultKind::UnknownChoice { choice: shortened(name).into(), choices };
                        this.fault(&item.place, kind);
                        return None;
                    };
                    // A set pays for long lists only.
                    let few = taken.len() < 16;
                    if if few { taken.contains(choice) } else { seen.contains(choice) } {
                        this.fault(&item.place, FaultKind::Twice { value: name.into() });
                        return None;
                    }
                    taken.push(*choice);
                    if taken.len() >= 16 {
                        seen.extend(if few { taken.as_slice() } else { std::slice::from_ref(choice) });
                    }
                    Some(())
                });
                taken.sort_unstable();
                ok.then(|| Taken::Choices(taken.into()))
            }
            _ => {
                let domain = shown(&values.domain);
                self.fault(&spot.place, FaultKind::GuardUnfit { part: "is", domain });
                None
            }
        }
    }

    /// Reads each item of a list, or a single value; true if all could be read.
    pub(super) fn one_or_list(
        &mut self,
        spot: Spot<'d, '_>,
        mut read: impl FnMut(&mut Self, Spot<'d, '_>) -> Option<()>,
    ) -> bool {
        if !matches!(spot.node.tree, Tree::List(_)) {
            return read(self, spot).is_some();
        }
        let Some(items) = self.list(spot) else { return false };
        let mut ok = true;
        for item in items.each() {
            ok &= read(self, item).is_some();
        }
        ok
    }

    /// The values between `bounds`: from, above, up to, below.
    fn interval(&mut self, bounds: [Option<Spot<'d, '_>>; 4], values: &Values<'d>) -> Option<Taken> {
        match values.domain.kind() {
            Kind::Duration | Kind::Instant => {
                let (lower, upper) = self.bounds(bounds, Self::duration)?;
                Some(Taken::Durations(lower, upper))
            }
            Kind::Number => {
                let (lower, upper) = self.bounds(bounds, Self::number)?;
                Some(Taken::Numbers(lower, upper))
            }
            Kind::Count => {
                let (lower, upper) = self.bounds(bounds, Self::count)?;
                Some(Taken::Counts(lower, upper))
            }
            Kind::Flag | Kind::Choice(_) => {
                for (spot, part) in bounds.into_iter().zip(BOUNDS) {
                    if let Some(spot) = spot {
                        self.fault(
                            &spot.place,
                            FaultKind::GuardUnfit { part, domain: shown(&values.domain) },
                        );
                    }
                }
                None
            }
        }
    }

    fn bounds<T>(
        &mut self,
        [from, above, up_to, below]: [Option<Spot<'d, '_>>; 4],
        read: impl Fn(&mut Self, Spot<'d, '_>) -> Option<T>,
    ) -> Option<(Bound<T>, Bound<T>)> {
        let mut bound =
            |included: Option<Spot<'d, '_>>, excluded: Option<Spot<'d, '_>>| match (included, excluded) {
                (Some(spot), _) => read(self, spot).map(Bound::Included),
                (None, Some(spot)) => read(self, spot).map(Bound::Excluded),
                (None, None) => Some(Bound::Unbounded),
            };
        let (lower, upper) = (bound(from, above), bound(up_to, below));
        Some((lower?, upper?))
    }

    /// A way out in the form of a step's id, or of a table with `to`, `note` and `alert`.
    pub(super) fn exit(&mut self, spot: Spot<'d, '_>, from: StepIndex, carries: EdgeValue) -> Option<Exit> {
        match &spot.node.tree {
            Tree::Text(_) => match self.target(spot) {
                Some(to) => {
                    self.flow.add_edge(from, to, carries);
                    Some(Exit {
                        to,
                        note: None,
                        alert: None,
                        supports: None,
                        against: None,
                        says: None,
                        look_again: true,
                    })
                }
                None => {
                    self.flow.mark_lossy(from);
                    None
                }
            },
            Tree::Table(_) => {
                let fields = self.table(spot)?;
                self.only(&fields, &EXIT);
                self.exit_of(&fields, from, carries, false)
            }
            other => {
                let kind = FaultKind::WrongType {
                    expected: "the id of a step, or a table with `to`, `note` and `alert`",
                    found: other.name(),
                };
                self.fault(&spot.place, kind);
                self.flow.mark_lossy(from);
                None
            }
        }
    }

    /// A way out in a table that holds other keys too; of a branch its texts may name the value that takes it.
    pub(super) fn exit_of(
        &mut self,
        fields: &Fields<'d, '_>,
        from: StepIndex,
        carries: EdgeValue,
        has_value: bool,
    ) -> Option<Exit> {
        let to = self.required(fields, "to").and_then(|spot| self.target(spot));
        match to {
            Some(to) => self.flow.add_edge(from, to, carries),
            None => self.flow.mark_lossy(from),
        }
        let note = match fields.get("note") {
            Some(spot) => self.text_with_facts(spot, has_value).map(Some),
            None => Some(None),
        };
        let alert = match fields.get("alert") {
            Some(spot) => self.alert(spot, has_value).map(Some),
            None => Some(None),
        };
        let look_again = match fields.get("unless") {
            Some(spot) => self.flag(spot).and_then(|unless| {
                if unless {
                    self.fault(&spot.place, FaultKind::OnlyFalse);
                }
                (!unless).then_some(false)
            }),
            None => Some(true),
        };
        let says = match fields.get("says") {
            Some(spot) => self.text_with_facts(spot, has_value).map(Some),
            None => Some(None),
        };
        let [supports, against] = ["supports", "against"].map(|key| match fields.get(key) {
            Some(spot) => self.named_causes(spot).map(|mut causes| {
                causes.sort_unstable();
                Some(causes.into())
            }),
            None => Some(None),
        });
        Some(Exit {
            to: to?,
            note: note?,
            alert: alert?,
            supports: supports?,
            against: against?,
            says: says?,
            look_again: look_again?,
        })
    }

    fn alert(&mut self, spot: Spot<'d, '_>, has_value: bool) -> Option<AlertText> {
        let fields = self.table(spot)?;
        self.only(&fields, &["severity", "text"]);
        let severity = self.required(&fields, "severity").and_then(|spot| self.severity(spot));
        let text = self.required(&fields, "text");
        let text = text.and_then(|spot| self.text_with_facts(spot, has_value));
        Some(AlertText { severity: severity?, text: text? })
    }

    pub(super) fn severity(&mut self, spot: Spot<'d, '_>) -> Option<Severity> {
        self.name(spot, "severity", "info, warning or critical", Severity::from_name)
    }
}

/// All that keeps guards, each with its position, from taking each value once.
fn proof<'g>(guards: impl Iterator<Item = (usize, &'g Guard)>, values: &Values<'_>) -> Vec<FaultKind> {
    let mut faults = Vec::new();
    let mut absent: Option<usize> = None;
    let mut present: Vec<(usize, &Taken)> = Vec::new();
    for (position, guard) in guards {
        if guard.absent {
            match absent {
                Some(one) => faults.push(FaultKind::Overlap { values: Gap::Absent, one, other: position }),
                None => absent = Some(position),
            }
        }
        present.push((position, &guard.values));
    }
    match (values.domain.kind(), Line::of(values.domain.kind())) {
        (_, Some(line)) => on_line(line, &present, &mut faults),
        (Kind::Choice(choices), _) => {
            let gap = |at: &[usize]| {
                let names: Vec<&str> = choices.names().collect();
                Gap::Choices(at.iter().filter_map(|at| names.get(*at)).map(|name| (*name).into()).collect())
            };
            on_list(choices.len(), &present, gap, &mut faults);
        }
        _ => on_list(2, &present, |at| Gap::Flags(at.iter().map(|at| *at == 1).collect()), &mut faults),
    }
    if absent.is_none() && values.domain.is_optional() {
        faults.push(FaultKind::Hole(Gap::Absent));
    }
    faults
}

fn on_line(line: Line, present: &[(usize, &Taken)], faults: &mut Vec<FaultKind>) {
    let spans: Vec<Span> =
        present.iter().map(|(_, taken)| line.span(taken).unwrap_or(Span { begin: 0, end: 0 })).collect();
    let found = cover::survey(line.all(), &spans);
    // The points that the document itself writes: its bounds, taken in or not.
    let written: HashSet<i128> =
        present.iter().filter_map(|(_, taken)| line.written(taken)).flatten().flatten().collect();
    let gap = |span: Span| line.gap(span, &|point| written.contains(&point));
    faults.extend(found.holes.iter().map(|hole| FaultKind::Hole(gap(*hole))));
    faults.extend(found.overlaps.iter().filter_map(|(span, one, other)| {
        let (one, _) = present.get(*one)?;
        let (other, _) = present.get(*other)?;
        Some(FaultKind::Overlap { values: gap(*span), one: *one, other: *other })
    }));
}

fn on_list(
    count: usize,
    present: &[(usize, &Taken)],
    gap: impl Fn(&[usize]) -> Gap,
    faults: &mut Vec<FaultKind>,
) {
    let mut taken_by: Vec<Option<usize>> = vec![None; count];
    // In the order of the branches; each pair once, with all that it shares.
    let mut shared: HashMap<(usize, usize), Vec<usize>> = HashMap::new();
    let mut pairs = Vec::new();
    let mut everything: Option<usize> = None;
    for (position, taken) in present {
        if let Taken::All = taken {
            // All with all needs no list, which would grow with the product of branches and choices.
            if let Some(one) = everything {
                faults.push(FaultKind::Overlap { values: Gap::Everything, one, other: *position });
                continue;
            }
            everything = Some(*position);
        }
        let mut take = |at: usize| match taken_by.get_mut(at) {
            Some(by @ None) => *by = Some(*position),
            Some(Some(one)) => {
                let list = shared.entry((*one, *position)).or_insert_with(|| {
                    pairs.push((*one, *position));
                    Vec::new()
                });
                list.push(at);
            }
            None => {}
        };
        match taken {
            Taken::All => (0..count).for_each(take),
            Taken::Choices(listed) => listed.iter().for_each(|choice| take(choice.position().into())),
            // No is the first of the two, yes the second.
            Taken::Flags { yes, no } => {
                [(0, no), (1, yes)].into_iter().filter(|(_, is)| **is).for_each(|(at, _)| take(at));
            }
            _ => {}
        }
    }
    let holes: Vec<usize> =
        taken_by.iter().enumerate().filter(|(_, by)| by.is_none()).map(|(at, _)| at).collect();
    if !holes.is_empty() {
        faults.push(FaultKind::Hole(gap(&holes)));
    }
    for pair in pairs {
        let values = gap(shared.get(&pair).map_or(&[], Vec::as_slice));
        faults.push(FaultKind::Overlap { values, one: pair.0, other: pair.1 });
    }
}

/// The first value that a guard takes, as a place in its domain. Branches stand in this order, so that a
/// runbook does not depend on how its document orders them.
fn first(guard: &Guard, values: &Values<'_>) -> (bool, i128) {
    match &guard.values {
        Taken::None => (true, 0),
        Taken::Choices(choices) => (false, choices.first().map_or(0, |choice| choice.position().into())),
        Taken::Flags { yes, .. } => (false, i128::from(!*yes)),
        taken => (
            false,
            Line::of(values.domain.kind()).and_then(|line| line.span(taken)).map_or(0, |span| span.begin),
        ),
    }
}

/// A domain for an error: of a long list of choices, the first.
pub(super) fn shown(domain: &Domain) -> Box<str> {
    match domain.kind() {
        Kind::Choice(choices) => format!("choice of {}", shown_choices(choices)).into(),
        _ => domain.to_string().into(),
    }
}

fn shown_choices(choices: &Choices) -> String {
    const LISTED: usize = 12;
    let names: Vec<&str> = choices.names().take(LISTED).collect();
    let more = if choices.len() > LISTED { ", …" } else { "" };
    format!("{}{more}", names.join(", "))
}

//! One typo, one fault: a misspelt name is mended for a try. Faults that disappear with it are its consequences, and are not
//! reported.

use std::collections::BTreeMap;
use std::ops::Range;

use iot_runbook::Checks;
use iot_runbook::runbook::fault::{Fault, FaultKind};

use super::finding::Finding;
use super::known::{Known, built_in_choices};
use super::locate::Positions;
use crate::names::nearest;

/// A typo: what to show, and how to mend the text.
pub(super) struct Typo {
    /// Tells it from others, in any text.
    pub(super) key: String,
    pub(super) finding: Finding,
    pub(super) replacement: String,
    /// The other places of the same name, which are mended with it.
    pub(super) also: Vec<Range<usize>>,
}

/// What typos are looked for with.
pub(super) struct Look<'a> {
    pub(super) text: &'a str,
    pub(super) positions: &'a Positions<'a>,
    pub(super) known: &'a Known,
    pub(super) checks: &'a Checks,
    pub(super) faults: &'a [Fault],
}

/// Of more faults than this the rest have no suggestion: each costs a comparison with every known name.
pub(super) const MOST: usize = 300;

impl Look<'_> {
    /// The typos among the faults: those of keys first, since much may follow from one.
    pub(super) fn typos(&self) -> impl Iterator<Item = Typo> {
        let is_key = |kind: &FaultKind| {
            matches!(kind, FaultKind::UnknownKey { .. } | FaultKind::NoKind | FaultKind::Malformed { .. })
        };
        self.typos_that(is_key).chain(self.typos_that(move |kind| !is_key(kind)))
    }

    fn typos_that(&self, holds: impl Fn(&FaultKind) -> bool) -> impl Iterator<Item = Typo> {
        let mut named: BTreeMap<&str, usize> = BTreeMap::new();
        for name in self.faults.iter().filter_map(|fault| reference(&fault.kind)) {
            *named.entry(name).or_default() += 1;
        }
        self.faults.iter().take(MOST).filter(move |fault| holds(&fault.kind)).flat_map(move |fault| {
            let Some(meant) = meant(fault, self.known) else { return Vec::new() };
            if let FaultKind::NoKind = fault.kind {
                return self.kind(fault, &meant);
            }
            if let FaultKind::Malformed { name, .. } = &fault.kind {
                return self.malformed(fault, name, meant).into_iter().collect();
            }
            let at_declaration = self.at_declaration(fault, &meant, &named);
            at_declaration.or_else(|| self.at_fault(fault, meant)).into_iter().collect()
        })
    }

    /// The key that says what a step does is written wrong.
    fn kind(&self, fault: &Fault, meant: &str) -> Vec<Typo> {
        let Some(step) = fault.step.as_deref() else { return Vec::new() };
        match nearest(meant, self.known.step_keys(step)) {
            Some(wrong) => self.key(fault, wrong, meant).into_iter().collect(),
            // Either header may be the wrong one.
            None => {
                self.header(fault, step, meant).into_iter().chain(self.header(fault, meant, step)).collect()
            }
        }
    }

    fn key(&self, fault: &Fault, wrong: &str, meant: &str) -> Option<Typo> {
        let path = format!("{}.{wrong}", fault.path);
        let span = self.positions.name_in(self.text, &path, wrong, true)?;
        let mut finding = Finding::of_fault(fault);
        finding.code = "unknown-key".to_owned();
        finding.what = format!("unknown key `{wrong}`, and the step does not say what it does");
        finding.path = path;
        Some(self.typo(finding, span, meant.to_owned()))
    }

    /// A header misspells a step, so that one step becomes two: `[steps.pwoer.on]` does not belong to `[steps.power]`.
    fn header(&self, fault: &Fault, wrong: &str, meant: &str) -> Option<Typo> {
        let path = format!("steps.{wrong}");
        let span = self.positions.name_in(self.text, &path, wrong, true)?;
        let mut finding = Finding::of_fault(fault);
        finding.path = path;
        finding.what = format!("parts of one step are called `{wrong}` and `{meant}`");
        finding.step = None;
        finding.remedy.clear();
        Some(self.typo(finding, span, meant.to_owned()))
    }

    /// A name that is not written as names are, wherever it is used.
    fn malformed(&self, fault: &Fault, name: &str, meant: String) -> Option<Typo> {
        let place = |path: &str, in_key| self.positions.name_in(self.text, path, name, in_key);
        let span = place(&fault.path, true).or_else(|| place(&fault.path, false))?;
        let uses = self.faults.iter().filter(|fault| reference(&fault.kind) == Some(name));
        let also = uses.filter_map(|fault| place(&fault.path, false)).collect();
        Some(Typo { also, ..self.typo(Finding::of_fault(fault), span, meant) })
    }

    /// The name is written wrong where the fault is.
    fn at_fault(&self, fault: &Fault, meant: String) -> Option<Typo> {
        let (name, in_key) = written(&fault.kind)?;
        let span = self.positions.name_in(self.text, &fault.path, name, in_key)?;
        Some(self.typo(Finding::of_fault(fault), span, meant))
    }

    /// The name is written wrong where it is declared: it is used in several places as it should be, and nowhere as it
    /// is; or it is that of a built-in check, or of a choice of one.
    fn at_declaration(&self, fault: &Fault, declared: &str, named: &BTreeMap<&str, usize>) -> Option<Typo> {
        let used = reference(&fault.kind)?;
        if let FaultKind::UnknownChoice { choice, .. } = &fault.kind {
            let (check, choices) = self.known.choices(&fault.path)?;
            let built_in = built_in_choices(self.checks, check);
            let is_right = built_in.iter().any(|name| **name == **choice);
            let is_wrong = !built_in.iter().any(|name| name == declared);
            let (path, _) = choices.iter().find(|(_, name)| *name == declared)?;
            if !is_right || !is_wrong {
                return None;
            }
            let span = self.positions.name_in(self.text, path, declared, false)?;
            let mut finding = Finding::of_fault(fault);
            finding.code = "unknown-choice".to_owned();
            finding.step = None;
            finding.path.clone_from(path);
            finding.what = format!("the check `{check}` has no choice `{declared}`");
            finding.remedy.clear();
            return Some(self.typo(finding, span, used.to_owned()));
        }
        if let FaultKind::UnnamedCause { .. } = &fault.kind {
            return self.at_cause(fault, declared, used, named);
        }
        let unused = self
            .faults
            .iter()
            .find(|fault| declares(&fault.kind, fault.step.as_deref()) == Some(declared))?;
        let is_built_in =
            |name| matches!(fault.kind, FaultKind::UnknownCheck { .. }) && self.checks.find(name).is_some();
        let times = named.get(used).copied().unwrap_or_default();
        if times < 2 && (!is_built_in(used) || is_built_in(declared)) {
            return None;
        }
        let span = self.positions.name_in(self.text, &unused.path, declared, true)?;
        let mut finding = Finding::of_fault(unused);
        finding.step = None;
        let places = if times == 1 { "1 place names".to_owned() } else { format!("{times} places name") };
        finding.what = format!("nothing uses `{declared}`, and {places} `{used}`, which is not declared");
        finding.remedy.clear();
        Some(self.typo(finding, span, used.to_owned()))
    }

    /// The root cause is written wrong in the conclusion that names it: several places name it otherwise.
    fn at_cause(
        &self,
        fault: &Fault,
        declared: &str,
        used: &str,
        named: &BTreeMap<&str, usize>,
    ) -> Option<Typo> {
        let times = named.get(used).copied().filter(|times| *times > 1)?;
        let path = format!("conclusions.{}.root_cause", self.known.concluding(declared)?);
        let span = self.positions.name_in(self.text, &path, declared, false)?;
        let mut finding = Finding::of_fault(fault);
        finding.path = path;
        finding.step = None;
        finding.what = format!("no conclusion has the root cause `{used}`, which {times} places name");
        finding.remedy.clear();
        Some(self.typo(finding, span, used.to_owned()))
    }

    fn typo(&self, mut finding: Finding, span: Range<usize>, replacement: String) -> Typo {
        let key = format!("{}/{}/{replacement}", finding.path, finding.code);
        finding.span = Some(span);
        finding.meant = Some(replacement.clone());
        Typo { key, finding, replacement, also: Vec::new() }
    }
}

/// The keys that say what a step does.
const KINDS: [&str; 6] = ["check", "source", "wait", "act", "ask", "handover"];

/// The name that was meant, where one is near enough.
pub(super) fn meant(fault: &Fault, known: &Known) -> Option<String> {
    if let FaultKind::Malformed { name, rule } = &fault.kind {
        return well_formed(name, if rule.contains("`_`") { '_' } else { '-' });
    }
    let near = match &fault.kind {
        FaultKind::UnknownKey { key, known } => nearest(key, known.split(", ")),
        FaultKind::UnknownName { given, known, .. } => {
            let words = known.split([' ', ',']).map(|word| word.trim_matches('`'));
            nearest(given, words.filter(|word| word.len() > 2))
        }
        FaultKind::UnknownThreshold { name } => nearest(name, known.keys("thresholds")),
        FaultKind::UnknownCheck { check } | FaultKind::UnknownFact { fact: check } => {
            nearest(check, known.keys("checks"))
        }
        FaultKind::UnknownRecheck { recheck } => nearest(recheck, known.keys("rechecks")),
        // What an unknown answer means may be this word in the place of a step.
        FaultKind::UnknownTarget { target } if fault.path.ends_with(".unknown") => {
            nearest(target, known.targets().chain(["explore"]))
        }
        FaultKind::UnknownTarget { target } => nearest(target, known.targets()),
        FaultKind::UntilNoInstant { fact } => nearest(fact, known.keys("steps")),
        FaultKind::UnnamedCause { cause } => nearest(cause, known.causes()),
        FaultKind::NoKind => {
            let step = fault.step.as_deref()?;
            let by_key = known.step_keys(step).find_map(|key| nearest(key, KINDS));
            by_key.or_else(|| nearest(step, known.keys("steps")))
        }
        FaultKind::UnknownChoice { choice, choices } => {
            nearest(choice, choices.split([' ', ',', '|']).filter(|word| !word.is_empty()))
        }
        _ => None,
    };
    near.map(str::to_owned)
}

/// The name as names are written, with that sign between its words.
fn well_formed(name: &str, between: char) -> Option<String> {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut written = String::new();
    for word in words {
        if !written.is_empty() {
            written.push(between);
        }
        written.push_str(&word.to_ascii_lowercase());
    }
    Some(written).filter(|written| written.starts_with(|c: char| c.is_ascii_lowercase()) && written != name)
}

/// The name that a fault is about, and whether it is a key.
fn written(kind: &FaultKind) -> Option<(&str, bool)> {
    match kind {
        FaultKind::UnknownKey { key, .. } => Some((key, true)),
        FaultKind::UnknownName { given, .. } => Some((given, false)),
        other => reference(other).map(|name| (name, false)),
    }
}

/// The name that refers to nothing.
fn reference(kind: &FaultKind) -> Option<&str> {
    match kind {
        FaultKind::UnknownThreshold { name } => Some(name),
        FaultKind::UnknownCheck { check } => Some(check),
        FaultKind::UnknownFact { fact } => Some(fact),
        FaultKind::UnknownRecheck { recheck } => Some(recheck),
        FaultKind::UnknownTarget { target } => Some(target),
        FaultKind::UntilNoInstant { fact } => Some(fact),
        FaultKind::UnnamedCause { cause } => Some(cause),
        FaultKind::UnknownChoice { choice, .. } => Some(choice),
        _ => None,
    }
}

/// The name that is declared and that nothing refers to.
fn declares<'a>(kind: &'a FaultKind, step: Option<&'a str>) -> Option<&'a str> {
    match kind {
        FaultKind::UnusedThreshold { name } => Some(name),
        FaultKind::UnusedCheck { check } => Some(check),
        FaultKind::UnusedRecheck { recheck } => Some(recheck),
        FaultKind::Unreachable => step,
        _ => None,
    }
}

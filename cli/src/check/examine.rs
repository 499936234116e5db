//! What is wrong with one runbook's text.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use iot_runbook::runbook::fault::{Fault, FaultKind};
use iot_runbook::{Checks, Document, Runbook};

use super::finding::Finding;
use super::known::Known;
use super::locate::Positions;
use super::syntax;
use super::typos::{Look, MOST, Typo, meant};
use crate::arguments::Overrides;
use crate::source::{self, Source, Unreadable};
use crate::words::counted;

/// A runbook's text with what is wrong with it.
pub(super) struct Examined {
    pub(super) name: String,
    /// The text as it was written; empty for a built-in runbook.
    pub(super) text: String,
    pub(super) findings: Vec<Finding>,
    /// The name that the runbook gives itself.
    pub(super) runbook_name: String,
    /// The runbook, once its typos are mended; `None` where other faults remain.
    pub(super) runbook: Option<Runbook>,
    /// Where each line of the text begins.
    lines: Vec<usize>,
    /// The text with its typos mended, and how it was mended.
    mended: String,
    edits: Vec<Edit>,
}

/// A replacement in the text as the edits before it left it.
struct Edit {
    span: Range<usize>,
    length: usize,
}

/// A text with a typo mended.
struct Mended<'t> {
    typo: &'t Typo,
    text: String,
    document: Document,
    /// How many faults are left.
    left: usize,
}

/// So many typos are compared at once.
const AT_ONCE: usize = 8;

impl Examined {
    pub(super) fn of(source: &Source, overrides: &Overrides, checks: &Checks) -> Self {
        let (name, text) = match source {
            Source::Written(text) => (text.name.clone(), text.text.clone()),
            Source::Catalog(_) => (source.name(), String::new()),
        };
        let is_toml = matches!(source, Source::Written(text) if !text.is_json);
        let mut examined = Self {
            name,
            mended: text.clone(),
            lines: std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect(),
            text,
            findings: Vec::new(),
            runbook_name: String::new(),
            runbook: None,
            edits: Vec::new(),
        };
        match source.document() {
            Err(Unreadable { at, reason, is_syntax }) => {
                if is_syntax && is_toml {
                    examined.findings = syntax::errors(&examined.text);
                }
                // A text that could not be read never passes for one without faults.
                if examined.findings.is_empty() {
                    examined.findings.push(Finding::of_syntax(&reason, at));
                }
            }
            Ok(document) => examined.validate(document, overrides, checks, is_toml),
        }
        examined
    }

    fn validate(&mut self, document: Document, overrides: &Overrides, checks: &Checks, is_toml: bool) {
        let mut document = source::overridden(document, overrides);
        let mut refused = BTreeSet::new();
        let mut tries = tries(&self.text);
        loop {
            let faults = match document.validate() {
                Ok(runbook) => {
                    runbook.name().clone_into(&mut self.runbook_name);
                    self.runbook = Some(runbook);
                    return;
                }
                Err(faults) => faults,
            };
            faults.runbook().clone_into(&mut self.runbook_name);
            let known = Known::of(&document);
            if is_toml && tries > 0 {
                let positions = Positions::of(&self.mended);
                let look = Look {
                    text: &self.mended,
                    positions: &positions,
                    known: &known,
                    checks,
                    faults: faults.as_slice(),
                };
                let typos = look.typos().filter(|typo| !refused.contains(&typo.key));
                let typos: Vec<Typo> = typos.take(AT_ONCE.min(tries)).collect();
                drop(positions);
                tries -= typos.len();
                // Of several that would do, the one after which the fewest faults are left.
                let mended = typos.iter().filter_map(|typo| self.mend(typo, overrides));
                let best = mended.min_by_key(|mended| mended.left);
                match best.filter(|best| best.left < faults.as_slice().len()) {
                    Some(best) => {
                        document = best.document;
                        self.take(best.typo, best.text);
                        continue;
                    }
                    None if !typos.is_empty() => {
                        refused.extend(typos.into_iter().map(|typo| typo.key));
                        continue;
                    }
                    None => {}
                }
            }
            self.keep(faults.as_slice(), &known, is_toml);
            return;
        }
    }

    /// Mends a typo for a try; `None` where that breaks the text.
    fn mend<'t>(&self, typo: &'t Typo, overrides: &Overrides) -> Option<Mended<'t>> {
        let mut text = self.mended.clone();
        for span in spans(typo) {
            text.replace_range(span, &typo.replacement);
        }
        let document = source::overridden(source::from_toml(&text).ok()?, overrides);
        let left = document.validate().err().map_or(0, |faults| faults.as_slice().len());
        Some(Mended { typo, text, document, left })
    }

    /// Takes a typo for what it is: a fault, mended in the text for what follows.
    fn take(&mut self, typo: &Typo, mended: String) {
        let mut finding = typo.finding.clone();
        finding.span = finding.span.map(|span| self.original(&span));
        self.findings.push(finding);
        let edits = spans(typo).into_iter().map(|span| Edit { span, length: typo.replacement.len() });
        self.edits.extend(edits);
        self.mended = mended;
    }

    /// Keeps the faults that are not typos, each with its place.
    fn keep(&mut self, faults: &[Fault], known: &Known, is_toml: bool) {
        let mended = if is_toml { std::mem::take(&mut self.mended) } else { String::new() };
        let positions = Positions::of(&mended);
        let behind = behind(faults, known);
        for (number, fault) in faults.iter().enumerate() {
            let mut finding = Finding::of_fault(fault);
            if let (FaultKind::Unreachable, Some(step)) = (&fault.kind, fault.step.as_deref()) {
                match behind.get(step) {
                    // It is reached again once the way to the step before it is mended.
                    None => continue,
                    Some(0) => {}
                    Some(count) => {
                        finding.what =
                            format!("{}, nor to {} behind it", finding.what, counted(*count, "step"));
                    }
                }
            }
            if number < MOST {
                finding.meant = meant(fault, known);
            }
            let span = place(fault, &positions).or_else(|| line(&mended, fault.line?));
            finding.span = span.map(|span| self.original(&span));
            if let FaultKind::Overlap { one, other, .. } = &fault.kind {
                let branch = |at: &usize| {
                    positions.find(&format!("{}[{at}]", fault.path)).and_then(|place| place.value)
                };
                if let (Some(one), Some(other)) = (branch(one), branch(other)) {
                    finding.span = Some(self.original(&other));
                    finding.also.push((self.original(&one), "this takes it too".to_owned()));
                }
            }
            self.findings.push(finding);
        }
        drop(positions);
        self.mended = mended;
    }

    /// Adds something that was found of the mended text, at a path: in its key, or in its value.
    pub(super) fn add(&mut self, mut finding: Finding, path: &str, in_key: bool) {
        let positions = Positions::of(&self.mended);
        // What is left out has no place; what it is left out of has one.
        let ups = std::iter::successors(Some(path), |path| path.rsplit_once('.').map(|(up, _)| up));
        let place = ups.filter_map(|path| positions.find(path)).next();
        let span = place
            .and_then(|place| if in_key { place.key.or(place.value) } else { place.value.or(place.key) });
        finding.span = span.map(|span| self.original(&span));
        path.clone_into(&mut finding.path);
        let is_new = !self.findings.iter().any(|known| {
            known.code == finding.code && known.path == finding.path && known.what == finding.what
        });
        if is_new {
            self.findings.push(finding);
        }
    }

    /// Adds something that was found of the mended text, at a name in quotes behind a path.
    pub(super) fn add_at_name(&mut self, mut finding: Finding, path: &str, name: &str) {
        let positions = Positions::of(&self.mended);
        let place = positions.find(path).and_then(|place| place.value);
        let quoted = format!("\"{name}\"");
        let at = place.and_then(|span| Some(span.start + self.mended.get(span)?.find(&quoted)? + 1));
        match at {
            Some(at) => {
                finding.span = Some(self.original(&(at..at + name.len())));
                path.clone_into(&mut finding.path);
                self.findings.push(finding);
            }
            None => self.add(finding, path, false),
        }
    }

    /// The line and the column in characters of a place in bytes, both from one.
    pub(super) fn place_of(&self, at: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|begin| *begin <= at);
        let begin = self.lines.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let column = self.text.get(begin..at).map_or(0, |before| before.chars().count()) + 1;
        (line, column)
    }

    /// In the order of the text.
    pub(super) fn sort(&mut self) {
        self.findings.sort_by_key(|finding| finding.span.as_ref().map(|span| span.start));
    }

    /// A place of the mended text in the text as it was written.
    fn original(&self, span: &Range<usize>) -> Range<usize> {
        let back = |mut at: usize| {
            for edit in self.edits.iter().rev() {
                let end = edit.span.start + edit.length;
                if at >= end {
                    at = at - end + edit.span.end;
                } else if at > edit.span.start {
                    at = edit.span.start;
                }
            }
            at
        };
        let start = back(span.start);
        start..back(span.end).max(start)
    }
}

/// The places of a typo, the last first: so each stays where it is while those behind it are mended.
fn spans(typo: &Typo) -> Vec<Range<usize>> {
    let mut spans: Vec<_> = typo.finding.span.iter().chain(&typo.also).cloned().collect();
    spans.sort_by_key(|span| std::cmp::Reverse(span.start));
    spans.dedup();
    spans
}

/// The unreachable steps that are to be reported, each with how many more are unreachable for it alone. What is behind a
/// step that cannot be read is none of them.
fn behind<'a>(faults: &'a [Fault], known: &Known) -> BTreeMap<&'a str, usize> {
    let of = |is_kind: fn(&FaultKind) -> bool| {
        faults.iter().filter(move |fault| is_kind(&fault.kind)).filter_map(|fault| fault.step.as_deref())
    };
    let mut left: BTreeSet<&str> = of(|kind| matches!(kind, FaultKind::Unreachable)).collect();
    if left.len() > FOLDED {
        return left.into_iter().map(|step| (step, 0)).collect();
    }
    let unread = of(|kind| matches!(kind, FaultKind::NoKind | FaultKind::SeveralKinds { .. }));
    for step in unread {
        take_behind(step, known, &mut left);
    }
    let mut reported = BTreeMap::new();
    while let Some(first) = left.first().copied() {
        let entered: BTreeSet<&str> =
            left.iter().flat_map(|step| known.exits(step).into_iter().filter(move |to| to != step)).collect();
        // In a circle any step may be the first.
        let root = left.iter().copied().find(|step| !entered.contains(step)).unwrap_or(first);
        left.remove(root);
        reported.insert(root, take_behind(root, known, &mut left));
    }
    reported
}

/// Of more unreachable steps than this each is reported: to find who is behind whom takes time by the square.
const FOLDED: usize = 500;

/// Takes the steps behind one, and says how many they are.
fn take_behind(step: &str, known: &Known, left: &mut BTreeSet<&str>) -> usize {
    let before = left.len();
    let mut next: Vec<&str> = known.exits(step);
    while let Some(step) = next.pop() {
        if left.remove(step) {
            next.extend(known.exits(step));
        }
    }
    before - left.len()
}

/// How often a mended text is tried: each try reads it again.
const fn tries(text: &str) -> usize {
    match text.len() {
        0..100_000 => 128,
        100_000..1_000_000 => 16,
        _ => 4,
    }
}

/// Where a fault is to be pointed at: at the key of what is missing something, at the value of what is wrong.
fn place(fault: &Fault, positions: &Positions<'_>) -> Option<Range<usize>> {
    let place = positions.find(&fault.path)?;
    let in_key = matches!(
        fault.kind,
        FaultKind::UnknownKey { .. }
            | FaultKind::KeyTwice { .. }
            | FaultKind::MissingKey { .. }
            | FaultKind::UnusedThreshold { .. }
            | FaultKind::UnusedCheck { .. }
            | FaultKind::UnusedRecheck { .. }
            | FaultKind::Unreachable
            | FaultKind::NoConclusion
            | FaultKind::SharedId { .. }
            | FaultKind::NoKind
            | FaultKind::SeveralKinds { .. }
            | FaultKind::EndlessWait
            | FaultKind::Hole(_)
            | FaultKind::Cycle { .. }
            | FaultKind::Malformed { .. }
            | FaultKind::AlwaysNamed { .. }
            | FaultKind::FutureNoInstant
    );
    // The value of an id is its key.
    let is_key = in_key && place.key.is_some();
    if is_key { place.key } else { place.value.or(place.key) }
}

/// The text of a line, without the blanks around it.
fn line(text: &str, number: u32) -> Option<Range<usize>> {
    let line = text.split('\n').nth((number as usize).checked_sub(1)?)?;
    let start = line.as_ptr().addr() - text.as_ptr().addr() + (line.len() - line.trim_start().len());
    Some(start..start + line.trim().len())
}

//! What is wrong with a runbook's document: every [`Fault`] at once, each with its place and what to do.

use std::fmt;
use std::ops::Bound;

use chrono::TimeDelta;

use super::text::TextError;
use crate::fact::ChoicesError;
use crate::time::{DurationError, format_duration};

/// Everything that is wrong with a document, in the order of its lines; never empty.
///
/// `Display` prints the first [`Faults::PRINTED`]; the value holds all.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub struct Faults {
    runbook: Box<str>,
    faults: Vec<Fault>,
}

/// One thing that is wrong with a document.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Fault {
    /// The step (or conclusion) that it is in; `None` where it is in none.
    pub step: Option<Box<str>>,
    /// Its path in the document: keys and positions from zero, as in `steps.power.branches[1].below`.
    pub path: Box<str>,
    /// The line of the text, from one; `None` for a document in a format without lines.
    pub line: Option<u32>,
    /// What is wrong.
    pub kind: FaultKind,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FaultKind {
    /// A key that means nothing in its table.
    #[error("unknown key `{key}`; the keys here are {known}")]
    UnknownKey {
        /// The key.
        key: Box<str>,
        /// Those that mean something here, for a person.
        known: Box<str>,
    },
    /// A duplicate key in one table.
    #[error("duplicate key `{key}`; keep one")]
    KeyTwice {
        /// The key.
        key: Box<str>,
    },
    /// A key that must be there and is not.
    #[error("`{key}` is missing; add it")]
    MissingKey {
        /// The key.
        key: &'static str,
    },
    /// A value of another kind than belongs there.
    #[error("expected {expected}, found {found}")]
    WrongType {
        /// What belongs there.
        expected: &'static str,
        /// What was found.
        found: &'static str,
    },
    /// A name that is not one of those that are known there, such as a severity.
    #[error("`{given}` is no {what}; write {known}")]
    UnknownName {
        /// What it should be.
        what: &'static str,
        /// What was found, shortened where it is long.
        given: Box<str>,
        /// What may stand there, for a person.
        known: &'static str,
    },
    /// A name that is not written as names are.
    #[error("`{name}` is not a name: write {rule}")]
    Malformed {
        /// The name, shortened where it is long.
        name: Box<str>,
        /// How to write it.
        rule: &'static str,
    },
    /// A text that says nothing where something must be said.
    #[error("the text is empty; say something")]
    EmptyText,
    /// A text whose braces do not match or hold no fact.
    #[error(transparent)]
    Text(TextError),
    /// A text that names a fact of no check.
    #[error("the text names `{fact}`, and there is no such check; name one under [checks]")]
    UnknownFact {
        /// The name.
        fact: Box<str>,
    },
    /// A title or a question that names a fact: it would be read with its braces.
    #[error(
        "a title and a question are fixed texts, and this one names `{{{fact}}}`; name the fact in `advice` or in an alert"
    )]
    FactInTitle {
        /// What is between the braces.
        fact: Box<str>,
    },
    /// A table in a list of advice that has no condition.
    #[error("its condition is missing; give `when` or `unless`, or write the text alone")]
    NoCondition,
    /// A step of no kind.
    #[error("it does not say what it does; give one of check, source, wait, act, ask, handover")]
    NoKind,
    /// A step of several kinds.
    #[error("it is {kinds} at once; keep one and make steps of the others")]
    SeveralKinds {
        /// The kinds, for a person.
        kinds: Box<str>,
    },
    /// A step and a conclusion of one id.
    #[error("a step and a conclusion are both called `{id}`; rename one")]
    SharedId {
        /// The id.
        id: Box<str>,
    },
    /// No step and no conclusion, or more than are counted.
    #[error("a runbook has from 1 to 4294967295 steps and conclusions")]
    StepCount,
    /// A list of choices that is none.
    #[error(transparent)]
    Choices(ChoicesError),
    /// A text that is not a duration.
    #[error(transparent)]
    Duration(DurationError),
    /// A reference to a threshold that the document does not declare.
    #[error("there is no threshold `{name}`; declare it under [thresholds]")]
    UnknownThreshold {
        /// Its name.
        name: Box<str>,
    },
    /// A threshold that nothing refers to.
    #[error("nothing uses the threshold `{name}`; use it or remove it")]
    UnusedThreshold {
        /// Its name.
        name: Box<str>,
    },
    /// A value of the wrong unit, or of a kind that has no `-`.
    #[error("expected {expected}, and `{given}` is {found}")]
    WrongUnit {
        /// What was found.
        given: Box<str>,
        /// What belongs there.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// A duration that must be above zero.
    #[error("`{}` is not above zero; this must be", format_duration(*.given))]
    NotPositive {
        /// The duration.
        given: TimeDelta,
    },
    /// NaN or an infinity.
    #[error("a number must be finite")]
    NotFinite,
    /// A whole number below zero or above 2^64 - 1.
    #[error("`{given}` is not a count: write a whole number from 0 to 18446744073709551615")]
    NotCount {
        /// The number.
        given: i64,
    },
    /// An override of a threshold that the document does not declare.
    #[error("there is no threshold `{name}` to override; name one under [thresholds]")]
    OverrideOfNoThreshold {
        /// Its name.
        name: Box<str>,
    },
    /// An override of a threshold by a value of another unit.
    #[error("the threshold `{name}` is {expected}; `{given}` cannot stand for it")]
    OverrideUnit {
        /// Its name.
        name: Box<str>,
        /// What it is.
        expected: &'static str,
        /// The value that was to stand for it.
        given: Box<str>,
    },
    /// An override of the approval of a step that is not an act.
    #[error("there is no act `{name}` whose approval could be overridden")]
    OverrideOfNoAct {
        /// The id of the step.
        name: Box<str>,
    },
    /// A check that is not declared.
    #[error("there is no check `{check}`; declare it under [checks]")]
    UnknownCheck {
        /// Its id.
        check: Box<str>,
    },
    /// A check that no step asks.
    #[error("no step asks the check `{check}`; ask it or remove it")]
    UnusedCheck {
        /// Its id.
        check: Box<str>,
    },
    /// A way out that leads to no step and no conclusion.
    #[error("there is no step or conclusion `{target}`; name one that is there")]
    UnknownTarget {
        /// The id.
        target: Box<str>,
    },
    /// A branch that does not say which values take it.
    #[error("its guard is missing; give below, up_to, from, above, is, absent or any")]
    NoGuard,
    /// Two keys that contradict each other.
    #[error("`{one}` and `{other}` exclude each other; keep one")]
    Clash {
        /// One.
        one: &'static str,
        /// The other.
        other: &'static str,
    },
    /// A part of a guard that its domain has no use for.
    #[error("`{part}` cannot guard a {domain}")]
    GuardUnfit {
        /// The part.
        part: &'static str,
        /// The domain.
        domain: Box<str>,
    },
    /// `false` where only `true` says something.
    #[error("write `true` or leave it out")]
    OnlyTrue,
    /// `true` where only `false` changes anything.
    #[error("write `false` or leave it out")]
    OnlyFalse,
    /// A choice that the domain does not have.
    #[error("`{choice}` is none of {choices}")]
    UnknownChoice {
        /// What was found.
        choice: Box<str>,
        /// The choices, for a person.
        choices: Box<str>,
    },
    /// One value twice in one list.
    #[error("`{value}` is named twice; name it once")]
    Twice {
        /// The value.
        value: Box<str>,
    },
    /// A guard that takes no value.
    #[error("no value can take this branch; correct its bounds or remove it")]
    EmptyGuard,
    /// `absent` in a domain that is not declared optional.
    #[error("its value is never absent; remove `absent`, or declare the check optional")]
    NeverAbsent,
    /// Values that no branch takes.
    #[error("guards leave a hole: {0}; add a branch for it or name it in another")]
    Hole(Gap),
    /// Values that two branches take.
    #[error("branches[{one}] and branches[{other}] both take {values}; let one of them leave it out")]
    Overlap {
        /// The values.
        values: Gap,
        /// The position of one branch in the document, from zero.
        one: usize,
        /// The position of the other.
        other: usize,
    },
    /// More branches than are counted.
    #[error("{0} branches are more than the 65534 that a step may have")]
    TooManyBranches(usize),
    /// A wait without a length and an end.
    #[error("its length is missing; give `for`, or `until`")]
    EndlessWait,
    /// An `every` beside no `until`.
    #[error("`every` needs an `until` to wait for; add one, or give `for` alone")]
    EveryWithoutUntil,
    /// A wait until a fact that is no step which asks an instant.
    #[error("`{fact}` does not ask for an instant; name a step that does")]
    UntilNoInstant {
        /// What was found.
        fact: Box<str>,
    },
    /// A wait that can be reached without the instant that it waits for.
    #[error(
        "it can be reached without an instant from `{fact}`; lead every way here through it, and none by its absent or unknown"
    )]
    UntilNotKnown {
        /// The step that asks the instant.
        fact: Box<str>,
    },
    /// A recheck that is not declared.
    #[error("there is no recheck `{recheck}`; declare it under [rechecks]")]
    UnknownRecheck {
        /// Its id.
        recheck: Box<str>,
    },
    /// A recheck that nothing uses.
    #[error("nothing uses the recheck `{recheck}`; name it in a `recheck` or an `unless`, or remove it")]
    UnusedRecheck {
        /// Its id.
        recheck: Box<str>,
    },
    /// A list without any branch.
    #[error("a recheck needs at least one branch; add one")]
    NoBranches,
    /// A recheck of an `unless` that leads to something else than an end.
    #[error(
        "an `unless` uses it, so its branches must lead to conclusions without an `unless`, and `{target}` is none"
    )]
    UnlessTarget {
        /// The id of the step or conclusion.
        target: Box<str>,
    },
    /// An exit for a part that every subject names.
    #[error("every subject names a {scope}; remove `not_named`")]
    AlwaysNamed {
        /// What the check asks about.
        scope: crate::subject::Scope,
    },
    /// `future` on a check whose values are no instants.
    #[error("`future` is for instants only; remove it")]
    FutureNoInstant,
    /// A step that no way from the start leads to.
    #[error("no way from the start leads here; lead one here or remove it")]
    Unreachable,
    /// A step from which no way leads to a conclusion.
    #[error("no way from here leads to a conclusion; lead one to an end")]
    NoConclusion,
    /// A cycle that could be walked for ever without time passing.
    #[error("{} is a cycle without a wait; put a wait into it", shown_cycle(.steps))]
    Cycle {
        /// The ids along it, each once.
        steps: Vec<Box<str>>,
    },
    /// A root cause in `prior` that no conclusion names.
    #[error("no conclusion has the root cause `{cause}`; name it in one or remove it")]
    UnnamedCause {
        /// The root cause.
        cause: Box<str>,
    },
}

/// Some values of a step's domain, exactly.
///
/// Shown in the words of guards: `from` and `up to` take their bound in, `above` and `below` do not.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Gap {
    /// Durations, or ages of instants.
    Durations(Bound<TimeDelta>, Bound<TimeDelta>),
    /// Numbers.
    Numbers(Bound<f64>, Bound<f64>),
    /// Counts: both bounds are included, or unbounded.
    Counts(Bound<u64>, Bound<u64>),
    /// Yes and no, as far as they are listed.
    Flags(Vec<bool>),
    /// Choices by name, in the order of their domain; for a handover, conclusions.
    Choices(Vec<Box<str>>),
    /// "Looked, and there is none."
    Absent,
    /// Every value that is there.
    Everything,
}

impl Faults {
    /// How many faults `Display` prints at most.
    pub const PRINTED: usize = 25;

    /// `None` where there is no fault.
    pub(crate) fn new(runbook: &str, mut faults: Vec<Fault>) -> Option<Self> {
        // Stable: on one line they stay in the order in which they were found.
        faults.sort_by_key(|fault| fault.line);
        (!faults.is_empty()).then(|| Self { runbook: runbook.into(), faults })
    }

    pub(crate) fn of_one(runbook: &str, fault: Fault) -> Self {
        Self { runbook: runbook.into(), faults: vec![fault] }
    }

    /// The name of the runbook as the document gives it, shortened where it is long; empty where it gives none.
    #[must_use]
    pub fn runbook(&self) -> &str {
        &self.runbook
    }

    /// All of them, in the order of their lines.
    #[must_use]
    pub fn as_slice(&self) -> &[Fault] {
        &self.faults
    }

    /// Each in turn.
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.faults.iter()
    }
}

impl<'a> IntoIterator for &'a Faults {
    type Item = &'a Fault;
    type IntoIter = std::slice::Iter<'a, Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.faults.len();
        write!(f, "runbook \"{}\" has {count} fault{}:", self.runbook, if count == 1 { "" } else { "s" })?;
        for fault in self.faults.iter().take(Self::PRINTED) {
            write!(f, "\n  {fault}")?;
        }
        match count.checked_sub(Self::PRINTED) {
            Some(more @ 1..) => write!(f, "\n  and {more} more"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        match &self.step {
            Some(step) => {
                write!(f, "step \"{step}\": ")?;
                // What follows the step's own table, where the fault is not in all of it.
                let inner = self
                    .path
                    .split_once('.')
                    .and_then(|(_, rest)| rest.strip_prefix(&**step))
                    .map_or("", |rest| rest.trim_start_matches('.'));
                // Holes and overlaps are in no branch but between them.
                if !inner.is_empty() && !matches!(self.kind, FaultKind::Hole(_) | FaultKind::Overlap { .. }) {
                    write!(f, "{inner}: ")?;
                }
            }
            None if !self.path.is_empty() => write!(f, "{}: ", self.path)?,
            None => {}
        }
        self.kind.fmt(f)
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Durations(lower, upper) => {
                let (lower, upper) = (lower.map(format_duration), upper.map(format_duration));
                between(f, &lower, &upper, "every duration")
            }
            Self::Numbers(lower, upper) => between(f, lower, upper, "every number"),
            Self::Counts(Bound::Included(lower), Bound::Included(upper)) if lower == upper => {
                write!(f, "{lower}")
            }
            Self::Counts(lower, upper) => between(f, lower, upper, "every count"),
            Self::Flags(flags) => list(f, flags.iter().map(|flag| if *flag { "yes" } else { "no" })),
            Self::Choices(names) => list(f, names.iter().map(AsRef::as_ref)),
            Self::Absent => f.write_str("absent"),
            Self::Everything => f.write_str("every value"),
        }
    }
}

fn between<T: fmt::Display + PartialEq>(
    f: &mut fmt::Formatter<'_>,
    lower: &Bound<T>,
    upper: &Bound<T>,
    all: &str,
) -> fmt::Result {
    if let (Bound::Included(lower), Bound::Included(upper)) = (lower, upper)
        && lower == upper
    {
        return write!(f, "exactly {lower}");
    }
    match lower {
        Bound::Included(lower) => write!(f, "from {lower}")?,
        Bound::Excluded(lower) => write!(f, "above {lower}")?,
        Bound::Unbounded if matches!(upper, Bound::Unbounded) => return f.write_str(all),
        Bound::Unbounded => {}
    }
    let and = if matches!(lower, Bound::Unbounded) { "" } else { " " };
    match upper {
        Bound::Included(upper) => write!(f, "{and}up to {upper}"),
        Bound::Excluded(upper) => write!(f, "{and}below {upper}"),
        Bound::Unbounded => Ok(()),
    }
}

/// The most names that one list prints.
const LISTED: usize = 12;

fn list<'a>(f: &mut fmt::Formatter<'_>, names: impl ExactSizeIterator<Item = &'a str>) -> fmt::Result {
    let count = names.len();
    for (position, name) in names.take(LISTED).enumerate() {
        write!(f, "{}{name}", if position > 0 { ", " } else { "" })?;
    }
    match count.checked_sub(LISTED) {
        Some(more @ 1..) => write!(f, " and {more} more"),
        _ => Ok(()),
    }
}

fn shown_cycle(steps: &[Box<str>]) -> String {
    let mut shown: Vec<&str> = steps.iter().take(LISTED).map(AsRef::as_ref).collect();
    if steps.len() > LISTED {
        shown.push("…");
    }
    // It ends where it began.
    shown.extend(steps.first().map(AsRef::as_ref));
    shown.join(" → ")
}

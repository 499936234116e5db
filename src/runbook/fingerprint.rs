//! What a runbook means, in 32 bytes.
//!
//! The canonical form holds all that decides where a diagnosis goes, what it asks, and of whom: name and
//! version, start, prior, clock tolerance, longest duration, what is asked before an undetermined end, and each step
//! by its id with its check, params, guards, exits and the causes they support, waits, approval, rechecks, questions,
//! and each conclusion with its root cause, severity and whether it is a recovery. It holds the severity of alerts and
//! that there is a note or an alert.
//!
//! It leaves out what is only read: titles, advice, groups, the part that a conclusion blames, and the words of notes and alerts, so that a better word
//! orphans no running diagnosis. It leaves out how the same is written: the format, the order of keys, steps
//! and branches, the names of thresholds, and which of two equal guards is written (`up_to = 5` is
//! `below = 6` for a count).
//!
//! Every text and list is preceded by its length, every variant by a tag, and the whole by a name with the
//! version of the form, so that no two runbooks have one form.

use std::fmt;
use std::str::FromStr;

use chrono::TimeDelta;
use sha2::{Digest, Sha256};

use super::Graph;
use super::cover::{Line, Span};
use super::guard::{Branches, Guard, Values};
use super::step::{
    About, ApprovalPolicy, CheckSource, Exit, OnFuture, OnUnknown, Param, Query, QueryIndex, Recheck,
    StepKind,
};
use crate::fact::{Domain, Kind};

/// What a runbook means, in 32 bytes: SHA-256 over a canonical form of its semantics, thresholds resolved.
///
/// Two runbooks of one fingerprint walk the same way on the same facts. It does not change with titles,
/// advice, the words of notes and alerts, formatting, the order of keys and branches, or the format of the
/// document. It is written as 64 hexadecimal digits, in text and in serde.
///
/// ```
/// # #[cfg(feature = "toml")] {
/// use iot_runbook::{catalog, runbook::Fingerprint};
///
/// let fingerprint = catalog::device_offline()?.validate()?.fingerprint();
/// assert_eq!(fingerprint.to_string().parse::<Fingerprint>()?, fingerprint);
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

/// A text that is not a fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint is 64 hexadecimal digits")]
#[non_exhaustive]
pub struct FingerprintError;

impl Fingerprint {
    pub(crate) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let mut bytes = [0; 32];
        let digits = text.as_bytes();
        if digits.len() != 2 * bytes.len() {
            return Err(FingerprintError);
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            for digit in pair {
                let digit = char::from(*digit).to_digit(16).ok_or(FingerprintError)?;
                *byte = *byte << 4 | u8::try_from(digit).map_err(|_| FingerprintError)?;
            }
        }
        Ok(Self(bytes))
    }
}

as_text!(Fingerprint);

/// The fingerprint of a graph, whatever its own field holds.
pub(super) fn of(graph: &Graph) -> Fingerprint {
    let mut form = Form::default();
    form.text("iot-runbook fingerprint 2");
    form.text(&graph.name);
    form.whole(graph.version.into());
    form.whole(graph.start.0.into());
    form.length(graph.prior.len());
    graph.prior.iter().for_each(|cause| form.text(cause));
    form.duration(graph.clock_tolerance);
    form.duration(graph.longest);
    form.optional(graph.unless.as_deref(), |form, recheck| form.recheck(recheck, &graph.queries));
    form.length(graph.steps.len());
    let mut hash = Sha256::new();
    for step in &graph.steps {
        form.text(&step.id);
        form.step(&step.kind, &graph.queries);
        // The form is hashed as it grows, so that it is never whole in memory.
        hash.update(&form.0);
        form.0.clear();
    }
    Fingerprint(hash.finalize().into())
}

/// The canonical form of a query: equal for equal queries only.
pub(super) fn canonical(query: &Query) -> Vec<u8> {
    let mut form = Form::default();
    form.query(query);
    form.0
}

/// A canonical form as it grows.
#[derive(Default)]
struct Form(Vec<u8>);

impl Form {
    fn tag(&mut self, tag: u8) {
        self.0.push(tag);
    }

    fn whole(&mut self, whole: u64) {
        self.0.extend_from_slice(&whole.to_le_bytes());
    }

    fn length(&mut self, length: usize) {
        self.whole(length as u64);
    }

    fn text(&mut self, text: &str) {
        self.length(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    fn flag(&mut self, flag: bool) {
        self.tag(flag.into());
    }

    fn duration(&mut self, duration: TimeDelta) {
        self.0.extend_from_slice(&duration.num_seconds().to_le_bytes());
        self.0.extend_from_slice(&duration.subsec_nanos().to_le_bytes());
    }

    fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }

    fn step(&mut self, kind: &StepKind, queries: &[Query]) {
        match kind {
            StepKind::Check(check) => {
                self.tag(1);
                match check.source {
                    CheckSource::Query(query) => {
                        self.tag(1);
                        self.query_at(query, queries);
                    }
                    CheckSource::Elapsed => self.tag(2),
                    CheckSource::Accounted => self.tag(3),
                }
                self.optional(check.after, |form, after| {
                    form.duration(after.length);
                    form.flag(after.plus_reporting_interval);
                });
                self.branches(&check.branches);
                match &check.unknown {
                    OnUnknown::Explore => self.tag(1),
                    OnUnknown::Go(exit) => {
                        self.tag(2);
                        self.exit(exit);
                    }
                    OnUnknown::Ask { question, answer_within, expired } => {
                        self.tag(3);
                        self.text(question);
                        self.duration(*answer_within);
                        self.optional(expired.as_ref(), Self::exit);
                    }
                }
                self.optional(check.not_named.as_ref(), Self::exit);
            }
            StepKind::Wait(wait) => {
                self.tag(2);
                self.optional(wait.length, Self::duration);
                self.optional(wait.until, |form, until| {
                    form.query_at(until.fact, queries);
                    form.duration(until.plus);
                });
                self.exit(&wait.exit);
            }
            StepKind::Act(act) => {
                self.tag(3);
                self.text(&act.action);
                self.text(act.scope.name());
                self.tag(match act.approval {
                    ApprovalPolicy::Automatic => 1,
                    ApprovalPolicy::Required => 2,
                    ApprovalPolicy::Never => 3,
                });
                self.duration(act.answer_within);
                self.optional(act.recheck.as_deref(), |form, recheck| form.recheck(recheck, queries));
                for exit in [&act.done, &act.refused, &act.failed, &act.expired] {
                    self.exit(exit);
                }
            }
            StepKind::Ask(ask) => {
                self.tag(4);
                self.text(&ask.question);
                self.duration(ask.answer_within);
                self.branches(&ask.branches);
                self.exit(&ask.expired);
            }
            StepKind::Handover(handover) => {
                self.tag(5);
                self.text(&handover.runbook);
                self.length(handover.branches.len());
                for branch in &handover.branches {
                    self.length(branch.conclusions.len());
                    branch.conclusions.iter().for_each(|conclusion| self.text(conclusion));
                    self.exit(&branch.exit);
                }
                self.optional(handover.otherwise.as_ref(), Self::exit);
                self.exit(&handover.unknown);
            }
            StepKind::Conclude(conclusion) => {
                self.tag(6);
                self.optional(conclusion.root_cause.as_deref(), Self::text);
                self.text(conclusion.severity.name());
                self.flag(conclusion.recovered);
                self.optional(conclusion.unless.as_deref(), |form, recheck| form.recheck(recheck, queries));
            }
        }
    }

    /// A recheck by what it asks and where it leads; its id appears in the notes of a finding.
    fn recheck(&mut self, recheck: &Recheck, queries: &[Query]) {
        self.text(&recheck.id);
        self.query_at(recheck.query, queries);
        self.branches(&recheck.branches);
    }

    fn query_at(&mut self, index: QueryIndex, queries: &[Query]) {
        // Positions of queries are no part of the meaning; what they ask is.
        self.optional(queries.get(index.position()), Self::query);
    }

    fn query(&mut self, query: &Query) {
        self.text(&query.check);
        self.text(query.scope.name());
        self.domain(&query.domain);
        self.length(query.params.len());
        for (name, param) in &query.params {
            self.text(name);
            match param {
                Param::Duration(duration) => {
                    self.tag(1);
                    self.duration(*duration);
                }
                Param::Number(number) => {
                    self.tag(2);
                    // Both zeros are one number.
                    self.whole((number + 0.0).to_bits());
                }
                Param::Count(count) => {
                    self.tag(3);
                    self.whole(*count);
                }
                Param::Flag(flag) => {
                    self.tag(4);
                    self.flag(*flag);
                }
                Param::Text(text) => {
                    self.tag(5);
                    self.text(text);
                }
            }
        }
        self.tag(match query.about {
            About::Now => 1,
            About::Period => 2,
        });
        self.optional(query.stale_after, Self::duration);
        self.flag(query.future == OnFuture::Value);
    }

    fn domain(&mut self, domain: &Domain) {
        match domain.kind() {
            Kind::Duration => self.tag(1),
            Kind::Instant => self.tag(2),
            Kind::Number => self.tag(3),
            Kind::Count => self.tag(4),
            Kind::Flag => self.tag(5),
            Kind::Choice(choices) => {
                self.tag(6);
                self.length(choices.len());
                choices.names().for_each(|name| self.text(name));
            }
        }
        self.flag(domain.is_optional());
    }

    fn branches(&mut self, branches: &Branches) {
        self.domain(branches.domain());
        self.length(branches.as_slice().len());
        for branch in branches.as_slice() {
            self.guard(&branch.guard, branches.domain());
            self.exit(&branch.exit);
        }
    }

    /// A guard by the values it takes, however it is written.
    fn guard(&mut self, guard: &Guard, domain: &Domain) {
        self.flag(guard.absent);
        let span = Line::of(domain.kind()).and_then(|line| line.span(&guard.values));
        match (&guard.values, span, domain.kind()) {
            (Values::None, _, _) => self.tag(1),
            (_, Some(Span { begin, end }), _) => {
                self.tag(2);
                self.0.extend_from_slice(&begin.to_le_bytes());
                self.0.extend_from_slice(&end.to_le_bytes());
            }
            (Values::Flags { yes, no }, _, _) => {
                self.tag(3);
                self.flag(*yes);
                self.flag(*no);
            }
            (Values::Choices(taken), _, _) => {
                self.tag(4);
                self.length(taken.len());
                taken.iter().for_each(|choice| self.whole(choice.position().into()));
            }
            (_, _, Kind::Choice(choices)) => {
                self.tag(4);
                self.length(choices.len());
                (0..choices.len() as u64).for_each(|position| self.whole(position));
            }
            _ => {
                self.tag(3);
                self.flag(true);
                self.flag(true);
            }
        }
    }

    fn exit(&mut self, exit: &Exit) {
        self.whole(exit.to.0.into());
        self.flag(exit.note.is_some());
        self.optional(exit.alert.as_ref(), |form, alert| form.text(alert.severity.name()));
        self.flag(exit.look_again);
        for causes in [&exit.supports, &exit.against] {
            self.optional(causes.as_deref(), |form, causes| {
                form.length(causes.len());
                causes.iter().for_each(|cause| form.text(cause));
            });
        }
    }
}

//! Rehearsals: a runbook's tests, as data.
//!
//! A [`Rehearsal`] scripts the answer to each step and the expected result. Time is simulated: a wait is
//! over at once. [`Coverage`] reports which exits of which steps a set of rehearsals never took, and
//! [`every_way`] takes them all by itself.
//!
//! # In a file
//! A file of rehearsals is a list of them, in TOML or any other format of serde; take its text by `include_str!`. The command
//! `iot-runbook rehearse` runs the same file.
//!
//! ```
//! # #[cfg(feature = "toml")] {
//! use iot_runbook::catalog;
//! use iot_runbook::diagnosis::rehearsal::Rehearsal;
//!
//! let text = r#"
//! [[rehearsal]]
//! name = "a device in maintenance is no incident"
//! runbook = "device-offline"
//! facts = { service-state = "maintenance" }
//! expect = { steps = ["service-state", "expected-offline"], conclusion = "expected-offline" }
//!
//! [[rehearsal]]
//! name = "no registry answers: the alert is taken seriously"
//! runbook = "device-offline"
//! facts = { service-state = { unknown = "timeout" }, last-seen = "2h", platform-health = "broker-down" }
//! expect = { conclusion = "broker-fault" }
//! "#;
//!
//! #[derive(serde::Deserialize)]
//! struct File {
//!     rehearsal: Vec<Rehearsal>,
//! }
//!
//! let file: File = toml::from_str(text)?;
//! let runbooks = catalog::set()?;
//! for rehearsal in &file.rehearsal {
//!     let rehearsed = rehearsal.check(&runbooks)?;
//!     assert!(rehearsed.unused.is_empty(), "{}: nobody asked {:?}", rehearsal.name, rehearsed.unused);
//! }
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The keys are the fields of [`Rehearsal`], [`Push`] and [`Expected`]; the answers that a step may have are in the table of
//! [`Rehearsal`].

mod coverage;
mod cue;
mod exhaustive;
mod sample;
mod script;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::log::{Event, Place};
use super::{Bundle, Diagnosis, Ending, Finding, NoSuchRunbook};
use crate::runbook::suggest::nearest;
use crate::runbook::{Runbook, RunbookSet};
use crate::subject::{SessionHolder, Subject, Trigger};
use crate::time::saturating_add;

use coverage::ways_taken;
pub use coverage::{Coverage, Way};
pub use cue::{Cue, Cues, TimedCue};
pub use exhaustive::{EveryWay, every_way};

/// One test of a runbook: facts in, steps and conclusion out.
///
/// Facts are named by the step that asks (`last-seen`), with its runbook before it where it is another than the
/// one that began (`certificate-expiry/stage`). A list is used up in turn, its last item from then on:
///
/// | step | its answer |
/// |---|---|
/// | check | a choice, yes or no, a number, a count; a duration as text; an instant by its age (`35m`); `absent`; `{ unknown = "timeout" }`; any of these with the share that it accounts for, `{ value = "normal", accounts_for = 0.3 }` |
/// | check that asks a person then | the person's answer, named `STEP.person`; without it nobody answers |
/// | act | `done`, `refused`, `failed`, `expired`, or `declined` by the person who should approve; its recheck is named `STEP.recheck` |
/// | conclusion | the answer to its `unless`, named `CONCLUSION.unless`; that of the runbook is named `unless` |
/// | ask | an answer, or nothing |
///
/// A step without an answer is unknown (`no-adapter`), and nobody answers. A list of tables `{ from, value }` changes with time:
/// `power = [{ from = "0s", value = "lost" }, { from = "10m", value = "confirmed" }]`.
///
/// The subject names every part unless `names` says otherwise. `news` are facts that are pushed in while it runs, and a
/// withdrawal.
///
/// ```
/// # #[cfg(feature = "toml")] {
/// use iot_runbook::catalog;
/// use iot_runbook::diagnosis::rehearsal::Rehearsal;
///
/// let rehearsal: Rehearsal = serde_json::from_str(
///     r#"{
///         "name": "a device in maintenance is no incident",
///         "runbook": "device-offline",
///         "facts": { "service-state": "maintenance" },
///         "expect": { "steps": ["service-state", "expected-offline"], "conclusion": "expected-offline" }
///     }"#,
/// )?;
/// rehearsal.check(&catalog::set()?)?;
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Rehearsal {
    /// What it shows.
    pub name: String,
    /// The name of the runbook.
    pub runbook: String,
    /// The answers of each step.
    #[serde(default, deserialize_with = "cue::by_step")]
    pub facts: BTreeMap<String, Cues>,
    /// The parts that the subject names beside the device: `tag`, `gateway`, `site`, `pipeline`, `period`. Left out: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<Vec<Part>>,
    /// Who holds the session that carries its messages.
    #[serde(default)]
    pub session: SessionHolder,
    /// How long before the rehearsal begins the trigger was raised, such as `10m`. Left out: at its begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub triggered: Option<String>,
    /// What is pushed in while it runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub news: Vec<Push>,
    /// What must come of it; something must be expected.
    pub expect: Expected,
}

/// A part of a subject that it may leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Part {
    /// A tag of the device.
    Tag,
    /// Its gateway.
    Gateway,
    /// Its site.
    Site,
    /// The pipeline of its messages.
    Pipeline,
    /// The past period in question.
    Period,
}

/// Something that is pushed in while a rehearsal runs: a fact, `{ after = "10m", check = "device-back", value = true }`,
/// or a withdrawal, `{ after = "10m", withdrawn = "the alert cleared" }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Push {
    /// How long after the begin; the diagnosis must still be waiting for something then.
    pub after: String,
    /// The check whose value it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
    /// The value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Cue>,
    /// Why the diagnosis is withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<String>,
}

impl Push {
    /// A fact: the value of that check, so long after the begin.
    #[must_use]
    pub fn fact(after: impl Into<String>, check: impl Into<String>, value: Cue) -> Self {
        Self { after: after.into(), check: Some(check.into()), value: Some(value), withdrawn: None }
    }

    /// A withdrawal for that reason, so long after the begin.
    #[must_use]
    pub fn withdrawal(after: impl Into<String>, why: impl Into<String>) -> Self {
        Self { after: after.into(), check: None, value: None, withdrawn: Some(why.into()) }
    }
}

/// What must come of a rehearsal; what is left out is not checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Expected {
    /// The steps in order, the conclusion among them; those of another runbook with its name before them.
    #[serde(default)]
    pub steps: Option<Vec<String>>,
    /// The conclusion.
    #[serde(default)]
    pub conclusion: Option<String>,
    /// The causes of the hypotheses, the likeliest first, where it must end without a conclusion.
    #[serde(default)]
    pub hypotheses: Option<Vec<String>>,
    /// The steps whose part nobody asked about, since the subject does not name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unasked: Option<Vec<String>>,
    /// The reason for which it must end withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<String>,
}

/// What came of a rehearsal.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Rehearsed {
    /// The steps in order.
    pub steps: Vec<String>,
    /// The end.
    pub finding: Finding,
    /// The evidence.
    pub bundle: Bundle,
    /// The ways out that were taken.
    pub taken: BTreeSet<Way>,
    /// The facts that no step asked for: the walk may not be the one that was meant.
    pub unused: Vec<String>,
}

/// A rehearsal that can't be run, or came to something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RehearsalError {
    /// There is no such runbook.
    #[error(transparent)]
    NoSuchRunbook(#[from] NoSuchRunbook),
    /// It has an answer for a step that does not exist.
    #[error("rehearsal \"{rehearsal}\": its runbooks have no step \"{step}\"{}; name one that they have", did_you_mean(.meant.as_deref()))]
    NoSuchStep {
        /// The rehearsal.
        rehearsal: String,
        /// What it names.
        step: String,
        /// The nearest id that there is, where one is near.
        meant: Option<String>,
    },
    /// It expects a conclusion that no runbook has.
    #[error("rehearsal \"{rehearsal}\": its runbooks have no conclusion \"{conclusion}\"{}; name one that they have", did_you_mean(.meant.as_deref()))]
    NoSuchConclusion {
        /// The rehearsal.
        rehearsal: String,
        /// What it expects.
        conclusion: String,
        /// The nearest id that there is, where one is near.
        meant: Option<String>,
    },
    /// It expects nothing, so that it would hold whatever came of it.
    #[error("rehearsal \"{rehearsal}\" expects nothing: say in `expect` what must come out, or use `run`")]
    ExpectsNothing {
        /// The rehearsal.
        rehearsal: String,
    },
    /// It has an answer that does not fit its step.
    #[error("rehearsal \"{rehearsal}\", step \"{step}\": {why}")]
    WrongCue {
        /// The rehearsal.
        rehearsal: String,
        /// The step.
        step: String,
        /// What is wrong with it.
        why: String,
    },
    /// It came to something else.
    #[error("rehearsal \"{rehearsal}\": {what} should be {expected}, and came out as {came}")]
    Differs {
        /// The rehearsal.
        rehearsal: String,
        /// Which of the expectations.
        what: &'static str,
        /// What it should be.
        expected: String,
        /// What it was.
        came: String,
    },
}

impl Rehearsal {
    /// A rehearsal without answers and expectations yet.
    #[must_use]
    pub fn new(name: impl Into<String>, runbook: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            runbook: runbook.into(),
            facts: BTreeMap::new(),
            names: None,
            session: SessionHolder::NotKnown,
            triggered: None,
            news: Vec::new(),
            expect: Expected::default(),
        }
    }

    /// The same, with these answers of a step.
    #[must_use]
    pub fn tell(mut self, step: impl Into<String>, cues: impl Into<Cues>) -> Self {
        self.facts.insert(step.into(), cues.into());
        self
    }

    /// The same, of a subject that names only these parts beside the device.
    #[must_use]
    pub fn of_parts(mut self, parts: impl IntoIterator<Item = Part>) -> Self {
        self.names = Some(parts.into_iter().collect());
        self
    }

    /// The same, with this pushed in.
    #[must_use]
    pub fn push(mut self, news: Push) -> Self {
        self.news.push(news);
        self
    }

    /// The same, expecting this conclusion.
    #[must_use]
    pub fn expect_conclusion(mut self, conclusion: impl Into<String>) -> Self {
        self.expect.conclusion = Some(conclusion.into());
        self
    }

    /// Runs it and compares. Look at [`Rehearsed::unused`] too: a fact that no step asked for is often a walk that took
    /// another path than was meant.
    ///
    /// # Errors
    /// [`RehearsalError`], which says what differs; [`RehearsalError::ExpectsNothing`] where nothing is expected.
    pub fn check(&self, runbooks: &RunbookSet) -> Result<Rehearsed, RehearsalError> {
        let rehearsed = self.run(runbooks)?;
        // After the run: an answer that does not fit its step is the fault to mend first.
        if self.expect == Expected::default() {
            return Err(RehearsalError::ExpectsNothing { rehearsal: self.name.clone() });
        }
        if let Some(conclusion) = &self.expect.conclusion {
            // Of any runbook of the set: a conclusion of one that was handed over to is a mistake of another kind.
            let known = || runbooks.runbooks().flat_map(Runbook::conclusions).map(|(id, _)| id);
            if !known().any(|id| id == conclusion) {
                return Err(RehearsalError::NoSuchConclusion {
                    rehearsal: self.name.clone(),
                    conclusion: conclusion.clone(),
                    meant: nearest(conclusion, known()).map(str::to_owned),
                });
            }
        }
        let differs = |what, expected: String, came: String| {
            Err(RehearsalError::Differs { rehearsal: self.name.clone(), what, expected, came })
        };
        if let Some(steps) = &self.expect.steps
            && *steps != rehearsed.steps
        {
            return differs("the path", listed(steps, " > "), listed(&rehearsed.steps, " > "));
        }
        if let Some(conclusion) = &self.expect.conclusion
            && rehearsed.finding.conclusion() != Some(conclusion)
        {
            return differs("the conclusion", conclusion.clone(), end_of(&rehearsed.finding));
        }
        if let Some(hypotheses) = &self.expect.hypotheses {
            let came: Vec<_> = rehearsed.finding.hypotheses().iter().map(|left| &*left.cause).collect();
            if rehearsed.finding.ending() != Ending::Undetermined {
                return differs("the hypotheses", listed(hypotheses, ", "), end_of(&rehearsed.finding));
            }
            if *hypotheses != came {
                return differs("the hypotheses", listed(hypotheses, ", "), listed(&came, ", "));
            }
        }
        if let Some(unasked) = &self.expect.unasked {
            let came: Vec<_> = rehearsed.finding.unasked().iter().map(|unasked| &*unasked.step).collect();
            if *unasked != came {
                return differs("what nobody asked", listed(unasked, ", "), listed(&came, ", "));
            }
        }
        if let Some(why) = &self.expect.withdrawn {
            let came = match rehearsed.finding.ending() {
                Ending::Withdrawn { why, .. } => why.into(),
                _ => end_of(&rehearsed.finding),
            };
            if *why != came {
                return differs("the withdrawal", why.clone(), came);
            }
        }
        Ok(rehearsed)
    }

    /// Runs it.
    ///
    /// # Errors
    /// [`RehearsalError`] if it names a step that does not exist, or has an answer that does not fit its step.
    pub fn run(&self, runbooks: &RunbookSet) -> Result<Rehearsed, RehearsalError> {
        let ago = self
            .triggered
            .as_deref()
            .map(|text| script::length(&self.name, "triggered", text))
            .transpose()?;
        let triggered_at = saturating_add(STAGE_TIME, -ago.unwrap_or_default());
        let mut diagnosis = begin(runbooks, &self.runbook, self.subject(), triggered_at)?;
        let unused = script::Script::new(self, runbooks)?.play(&mut diagnosis)?;
        Ok(Rehearsed { unused, ..Rehearsed::of(&diagnosis) })
    }
}

impl Rehearsal {
    fn subject(&self) -> Subject {
        let mut subject = whole_subject();
        let names = |part| self.names.as_ref().is_none_or(|names| names.contains(&part));
        subject.tag = subject.tag.filter(|_| names(Part::Tag));
        subject.gateway = subject.gateway.filter(|_| names(Part::Gateway));
        subject.site = subject.site.filter(|_| names(Part::Site));
        subject.pipeline = subject.pipeline.filter(|_| names(Part::Pipeline));
        subject.period = subject.period.filter(|_| names(Part::Period));
        subject.session = self.session;
        subject
    }
}

/// ` (did you mean NAME?)`, or nothing.
fn did_you_mean(name: Option<&str>) -> String {
    name.map_or_else(String::new, |name| format!(" (did you mean \"{name}\"?)"))
}

/// Names with `between` them; `nothing` where there are none.
fn listed(names: &[impl AsRef<str>], between: &str) -> String {
    if names.is_empty() {
        return "nothing".to_owned();
    }
    names.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(between)
}

/// How a rehearsal ended, in words.
fn end_of(finding: &Finding) -> String {
    match (finding.conclusion(), finding.ending()) {
        (Some(conclusion), _) => conclusion.to_owned(),
        (None, Ending::Undetermined | Ending::Concluded) => "no conclusion".to_owned(),
        (None, Ending::Aborted(anomaly)) => format!("aborted ({anomaly})"),
        (None, Ending::Withdrawn { why, .. }) => format!("withdrawn ({why})"),
    }
}

/// When rehearsals take place; any instant would do.
const STAGE_TIME: DateTime<Utc> = DateTime::<Utc>::from_timestamp(1_800_000_000, 0).unwrap();

/// A subject that names everything, so that nothing is left out for want of a name.
fn whole_subject() -> Subject {
    let period = crate::time::Period::ending(STAGE_TIME, TimeDelta::hours(1));
    Subject::device("device")
        .with_tag("tag")
        .with_gateway("gateway")
        .with_site("site")
        .with_pipeline("pipeline")
        .with_period(period)
}

fn begin(
    runbooks: &RunbookSet,
    runbook: &str,
    subject: Subject,
    triggered_at: DateTime<Utc>,
) -> Result<Diagnosis, NoSuchRunbook> {
    let trigger = Trigger::new("rehearsal", triggered_at);
    let entry = runbooks.position(runbook).ok_or_else(|| NoSuchRunbook::of(runbook, runbooks))?;
    // The same identity and time in each run, so that a rehearsal's bundle can be compared to the letter.
    Ok(Diagnosis::begin_at(ulid::Ulid(0).into(), runbooks, entry, subject, trigger, STAGE_TIME))
}

impl Rehearsed {
    fn of(diagnosis: &Diagnosis) -> Self {
        let mut steps: Vec<(Place, String)> = Vec::new();
        for entry in diagnosis.log.entries() {
            // Exploring visits steps in no order that a reader could expect; its results are the
            // hypotheses.
            if matches!(entry.event, Event::Asked { exploring: true, .. } | Event::Explored { .. }) {
                continue;
            }
            if steps.last().is_none_or(|(place, _)| *place != entry.place) {
                let step = diagnosis.context.step_id(entry.place);
                let name = if entry.place.runbook == diagnosis.context.entry {
                    step.to_owned()
                } else {
                    format!("{}/{step}", diagnosis.context.runbook_name(entry.place))
                };
                steps.push((entry.place, name));
            }
        }
        Self {
            steps: steps.into_iter().map(|(_, name)| name).collect(),
            finding: Finding::of(diagnosis),
            bundle: diagnosis.bundle(),
            taken: ways_taken(diagnosis),
            unused: Vec::new(),
        }
    }
}

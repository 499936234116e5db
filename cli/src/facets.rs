//! What a step does, part by part, in words: for `explain`, which shows it, and for `diff`, which compares it.

use chrono::TimeDelta;
use iot_runbook::Runbook;
use iot_runbook::fact::Kind;
use iot_runbook::runbook::step::{
    About, CheckSource, Exit, OnFuture, OnUnknown, Query, QueryIndex, Recheck, Severity, Step, StepIndex,
    StepKind,
};
use iot_runbook::runbook::text::Advice;
use iot_runbook::time::format_duration;

use crate::words;

/// What a step does.
pub(crate) struct Facets {
    /// What it asks or does, with its settings: part of what the runbook means.
    pub(crate) facts: Vec<(String, String)>,
    /// Where it leads.
    pub(crate) ways: Vec<Way>,
    /// Texts for people, which do not change what the step does.
    pub(crate) words: Vec<(String, String)>,
}

/// A way out of a step.
pub(crate) struct Way {
    /// When it is taken.
    pub(crate) label: String,
    /// The id of the step that it leads to; `None` where every answer stays possible.
    pub(crate) to: Option<Box<str>>,
    pub(crate) note: Option<Box<str>>,
    pub(crate) alert: Option<(Severity, Box<str>)>,
    /// The answer in words, for reports.
    pub(crate) says: Option<Box<str>>,
    /// What else it means: the causes that it speaks for and against.
    pub(crate) besides: Vec<String>,
}

impl Way {
    /// What it means, in a line, without the words of notes and alerts.
    pub(crate) fn meaning(&self) -> String {
        let mut parts = vec![self.target()];
        parts.extend(self.alert.as_ref().map(|(severity, _)| format!("alert ({severity})")));
        parts.extend(self.note.as_ref().map(|_| "note".to_owned()));
        parts.extend(self.besides.iter().cloned());
        parts.join(", ")
    }

    /// The way in a line: `lost -> power-fault`.
    pub(crate) fn arrow(&self) -> String {
        match &self.to {
            Some(to) => format!("{} -> {to}", self.label),
            None => format!("{}: {}", self.label, self.target()),
        }
    }

    fn target(&self) -> String {
        match &self.to {
            Some(to) => format!("-> {to}"),
            None => "every answer stays possible".to_owned(),
        }
    }
}

/// What is known of a whole runbook beside its steps.
pub(crate) fn of_runbook(runbook: &Runbook) -> Vec<(String, String)> {
    let id = |at: StepIndex| runbook.step(at).map_or_else(String::new, |step| step.id.to_string());
    let mut facts = vec![
        ("name".to_owned(), runbook.name().to_owned()),
        ("version".to_owned(), runbook.version().to_string()),
        ("begins at".to_owned(), id(runbook.start())),
        ("longest".to_owned(), format_duration(runbook.longest())),
        ("clock tolerance".to_owned(), format_duration(runbook.clock_tolerance())),
    ];
    let prior: Vec<&str> = runbook.prior().collect();
    if !prior.is_empty() {
        facts.push(("likeliest causes".to_owned(), prior.join(", ")));
    }
    if let Some(unless) = runbook.unless() {
        facts.push(("before an undetermined end".to_owned(), recheck(runbook, unless)));
        for branch in unless.branches.as_slice() {
            let label = format!("{}: {}", unless.id, branch.guard.describe(unless.branches.domain()));
            facts
                .push((format!("before an undetermined end, {label}"), format!("-> {}", id(branch.exit.to))));
        }
    }
    facts
}

pub(crate) fn of_step(runbook: &Runbook, step: &Step) -> Facets {
    let mut facets = Facets { facts: Vec::new(), ways: Vec::new(), words: Vec::new() };
    facets.kind(runbook, &step.kind);
    facets.ways(runbook, &step.kind);
    let mut word = |name: &str, text: &str| {
        if !text.is_empty() {
            facets.words.push((name.to_owned(), text.to_owned()));
        }
    };
    word("title", &step.title);
    word("group", step.group.as_deref().unwrap_or_default());
    for (number, advice) in step.advice.iter().enumerate() {
        word(&format!("advice {}", number + 1), &advised(advice));
    }
    for way in &facets.ways {
        let alert = way.alert.iter().map(|(_, text)| ("alert", text));
        let says = way.says.iter().map(|says| ("answer in words", says));
        let texts = way.note.iter().map(|note| ("note", note)).chain(alert).chain(says);
        facets.words.extend(texts.map(|(name, text)| (format!("{name} on {}", way.label), text.to_string())));
    }
    facets
}

/// A piece of advice, and when it is given.
pub(crate) fn advised(advice: &Advice) -> String {
    advice.to_string()
}

impl Facets {
    fn fact(&mut self, name: &str, value: impl Into<String>) {
        self.facts.push((name.to_owned(), value.into()));
    }

    fn kind(&mut self, runbook: &Runbook, kind: &StepKind) {
        match kind {
            StepKind::Check(check) => {
                match check.source {
                    CheckSource::Query(at) => self.query(runbook, at),
                    CheckSource::Elapsed => self.fact("asks", "how long ago the trigger was raised"),
                    _ => self.fact("asks", "which share the answers account for together"),
                }
                if let Some(after) = check.after {
                    let more = if after.plus_reporting_interval { " and the reporting interval" } else { "" };
                    self.fact("asks after", format!("{}{more}", format_duration(after.length)));
                }
            }
            StepKind::Wait(wait) => {
                if let Some(length) = wait.length {
                    self.fact("waits", format_duration(length));
                }
                if let Some(until) = wait.until {
                    let check = query(runbook, until.fact).map_or("", |query| &query.check);
                    let plus = match until.plus {
                        plus if plus == TimeDelta::zero() => String::new(),
                        plus => format!("{} after ", format_duration(plus)),
                    };
                    self.fact("waits until", format!("{plus}the instant of {check}"));
                }
            }
            StepKind::Act(act) => {
                self.fact("does", format!("{}, to the {}", act.action, act.scope));
                self.fact("approval", act.approval.name());
                self.fact("has at most", format_duration(act.answer_within));
                if let Some(again) = &act.recheck {
                    self.fact("asks again before it acts", recheck(runbook, again));
                }
            }
            StepKind::Ask(ask) => {
                self.fact("asks a person", &*ask.question);
                self.fact("answers", ask.branches.domain().to_string());
                self.fact("has at most", format_duration(ask.answer_within));
            }
            StepKind::Handover(handover) => self.fact("runs the runbook", &*handover.runbook),
            StepKind::Conclude(conclusion) => {
                self.fact("severity", conclusion.severity.name());
                if let Some(cause) = &conclusion.root_cause {
                    self.fact("root cause", &**cause);
                }
                if conclusion.recovered {
                    self.fact("recovered", "yes");
                }
                if conclusion.part != iot_runbook::subject::Scope::Device {
                    self.words.push(("part at fault".to_owned(), conclusion.part.to_string()));
                }
                if let Some(again) = &conclusion.unless {
                    self.fact("asks again before it concludes", recheck(runbook, again));
                }
            }
            _ => self.fact("does", kind.name()),
        }
    }

    fn query(&mut self, runbook: &Runbook, at: QueryIndex) {
        let Some(query) = query(runbook, at) else { return };
        let about = if query.about == About::Period { " over the period" } else { "" };
        self.fact("asks", format!("{} of the {}{about}", query.check, query.scope));
        self.fact("answers", query.domain.to_string());
        for (name, param) in &query.params {
            self.fact(name, words::param(param));
        }
        if let Some(age) = query.stale_after {
            self.fact("stale after", format_duration(age));
        }
        if query.future == OnFuture::Value {
            self.fact("an instant in the future", "is a value");
        }
    }

    fn ways(&mut self, runbook: &Runbook, kind: &StepKind) {
        let domain = match kind {
            StepKind::Check(check) => Some(check.branches.domain()),
            StepKind::Ask(ask) => Some(ask.branches.domain()),
            _ => None,
        };
        let is_instant = domain.is_some_and(|domain| matches!(domain.kind(), Kind::Instant));
        let branches = match kind {
            StepKind::Check(check) => check.branches.as_slice().len(),
            StepKind::Ask(ask) => ask.branches.as_slice().len(),
            _ => 0,
        };
        for (position, exit) in kind.exits() {
            let mut label = kind.exit_name(position);
            // The guards of an instant are about its age.
            if is_instant && usize::from(position) < branches && label != "absent" {
                label = format!("age {label}");
            }
            self.ways.push(way(runbook, label, exit));
        }
        match kind {
            StepKind::Check(check) if !check.source.is_always_known() => match &check.unknown {
                OnUnknown::Explore => self.ways.push(open("unknown")),
                OnUnknown::Ask { question, answer_within, expired } => {
                    self.fact(
                        "unknown",
                        format!("asks a person within {}: {question}", format_duration(*answer_within)),
                    );
                    if expired.is_none() {
                        self.ways.push(open("no answer"));
                    }
                }
                _ => {}
            },
            _ => {}
        }
    }
}

fn open(label: &str) -> Way {
    Way { label: label.to_owned(), to: None, note: None, alert: None, says: None, besides: Vec::new() }
}

fn way(runbook: &Runbook, label: String, exit: &Exit) -> Way {
    let list = |causes: &[Box<str>]| {
        if causes.is_empty() { "no cause".to_owned() } else { causes.join(", ") }
    };
    let mut besides = Vec::new();
    besides.extend(exit.supports.as_ref().map(|causes| format!("speaks for {}", list(causes))));
    besides.extend(exit.against.as_ref().map(|causes| format!("speaks against {}", list(causes))));
    if !exit.look_again {
        besides.push("without asking again".to_owned());
    }
    Way {
        label,
        to: runbook.step(exit.to).map(|step| step.id.clone()),
        note: exit.note.as_ref().map(|note| note.as_str().into()),
        alert: exit.alert.as_ref().map(|alert| (alert.severity, alert.text.as_str().into())),
        says: exit.says.as_ref().map(|says| says.as_str().into()),
        besides,
    }
}

fn recheck(runbook: &Runbook, recheck: &Recheck) -> String {
    let Some(query) = query(runbook, recheck.query) else { return recheck.id.to_string() };
    let params: Vec<String> =
        query.params.iter().map(|(name, param)| format!("{name} {}", words::param(param))).collect();
    let params = if params.is_empty() { String::new() } else { format!(" ({})", params.join(", ")) };
    format!("{} of the {}{params}", query.check, query.scope)
}

fn query(runbook: &Runbook, at: QueryIndex) -> Option<&Query> {
    runbook.queries().get(at.position())
}

//! What a built-in runbook must be: the contract as data, typed by hand in the files beside this one, and its comparison
//! with a document.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use chrono::TimeDelta;
use iot_runbook::runbook::Runbook;
use iot_runbook::runbook::document::Document;
use iot_runbook::runbook::step::{
    CheckSource, Exit, OnUnknown, Param, QueryIndex, Recheck, Step, StepIndex, StepKind,
};
use iot_runbook::subject::Scope;
use iot_runbook::time::{format_duration, parse_duration};
use serde::Deserialize;

use super::described::{advice_text, branches, described, domain, param, question, sorted, ways};

/// A runbook, as the contract has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Contract {
    pub(super) name: String,
    version: u32,
    title: String,
    start: String,
    prior: Vec<String>,
    clock_tolerance: String,
    unless: String,
    thresholds: BTreeMap<String, toml::Value>,
    checks: BTreeMap<String, String>,
    rechecks: BTreeMap<String, Row>,
    steps: BTreeMap<String, Row>,
    conclusions: BTreeMap<String, End>,
}

/// A step or a recheck. Texts are given by the words that they must contain.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    group: Option<String>,
    #[serde(default)]
    title: String,
    #[serde(default)]
    advice: String,
    /// The check, `elapsed` or `accounted`.
    asks: Option<String>,
    #[serde(default)]
    with: BTreeMap<String, String>,
    after: Option<String>,
    waits: Option<String>,
    acts: Option<String>,
    scope: Option<String>,
    approval: Option<String>,
    recheck: Option<String>,
    /// What a person is asked.
    person: Option<String>,
    answers: Option<String>,
    within: Option<String>,
    hands_over: Option<String>,
    ways: Vec<String>,
}

/// A conclusion.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    /// Root cause, severity, and whether the subject has recovered.
    is: String,
    unless: Option<String>,
    group: String,
    title: String,
    advice: String,
}

/// One way out: `guard → target | note: words | alert severity: words | supports causes | against causes | says words | over`.
#[derive(Default)]
struct Way<'a> {
    to: &'a str,
    note: Option<&'a str>,
    alert: Option<(&'a str, &'a str)>,
    supports: Option<Vec<&'a str>>,
    against: Option<Vec<&'a str>>,
    says: Option<&'a str>,
    /// The fault is known to be over: nobody looks again.
    over: bool,
}

/// The values of thresholds.
type Thresholds = BTreeMap<String, Param>;

impl Contract {
    pub(super) fn read(text: &str) -> Self {
        toml::from_str(text).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Compares a document and its runbook with it: as they are, and with thresholds that all differ, so that one can't
    /// pass for another.
    ///
    /// # Errors
    /// All that differs, a line each.
    pub(super) fn check(&self, document: &Document, runbook: &Runbook) -> Result<(), String> {
        self.compare(runbook, &self.defaults())?;
        let (changed, thresholds) = self.apart(document);
        let changed = changed.validate().map_err(|faults| faults.to_string())?;
        self.compare(&changed, &thresholds).map_err(|differs| format!("with other thresholds, {differs}"))
    }

    /// The document with thresholds that all differ.
    pub(super) fn apart(&self, document: &Document) -> (Document, Thresholds) {
        let mut document = document.clone();
        let mut thresholds = self.defaults();
        for (nth, (name, value)) in (1_u8..).zip(&mut thresholds) {
            document = match value {
                Param::Duration(length) => {
                    *length += TimeDelta::milliseconds(nth.into());
                    document.threshold(name, *length)
                }
                Param::Number(number) => {
                    *number -= f64::from(nth) / 1024.0;
                    document.threshold(name, *number)
                }
                Param::Count(count) => {
                    *count += u64::from(nth);
                    document.threshold(name, *count)
                }
                other => panic!("{name}: {other:?}"),
            };
        }
        (document, thresholds)
    }

    fn defaults(&self) -> Thresholds {
        let value = |value: &toml::Value| match value {
            toml::Value::String(length) => Param::Duration(parse_duration(length).unwrap()),
            toml::Value::Float(number) => Param::Number(*number),
            toml::Value::Integer(count) => Param::Count(u64::try_from(*count).unwrap()),
            other => panic!("{other}"),
        };
        self.thresholds.iter().map(|(name, written)| (name.clone(), value(written))).collect()
    }

    fn compare(&self, runbook: &Runbook, thresholds: &Thresholds) -> Result<(), String> {
        let mut seen = Seen { runbook, thresholds, differs: Vec::new() };
        seen.same("name", &self.name, runbook.name());
        seen.same("version", &self.version.to_string(), &runbook.version().to_string());
        seen.says("title", &self.title, runbook.title());
        seen.same("start", &self.start, seen.id(runbook.start()));
        let prior: Vec<_> = runbook.prior().collect();
        seen.same("prior", &self.prior.join(" > "), &prior.join(" > "));
        let tolerance = format_duration(runbook.clock_tolerance());
        seen.same("clock tolerance", &seen.resolve(&self.clock_tolerance), &tolerance);
        seen.same("unless", &self.unless, runbook.unless().map_or("none", |recheck| &recheck.id));
        self.compare_checks(&mut seen);
        runbook.unless().into_iter().for_each(|recheck| self.compare_recheck(&mut seen, recheck));
        let contract = self.steps.keys().chain(self.conclusions.keys()).map(String::as_str);
        let ids = runbook.steps().iter().map(|step| &*step.id);
        seen.same_set("steps", contract, ids);
        for step in runbook.steps() {
            match (&step.kind, self.steps.get(&*step.id), self.conclusions.get(&*step.id)) {
                (StepKind::Conclude(_), _, Some(end)) => self.compare_end(&mut seen, step, end),
                (_, Some(row), _) => self.compare_step(&mut seen, step, row),
                _ => seen.differs.push(format!("{} is a {}", step.id, step.kind.name())),
            }
        }
        if seen.differs.is_empty() {
            Ok(())
        } else {
            Err(format!("{}: {}", self.name, seen.differs.join("\n")))
        }
    }

    fn compare_checks(&self, seen: &mut Seen<'_>) {
        let asked: BTreeSet<&str> = seen.runbook.queries().iter().map(|query| &*query.check).collect();
        seen.same_set("checks", self.checks.keys().map(String::as_str), asked.into_iter());
        for query in seen.runbook.queries() {
            let Some(row) = self.checks.get(&*query.check) else { continue };
            seen.same(&query.check, &seen.resolve(row), &described(query));
        }
    }

    fn compare_recheck(&self, seen: &mut Seen<'_>, recheck: &Recheck) {
        let Some(row) = self.rechecks.get(&*recheck.id) else {
            seen.differs.push(format!("recheck {} is not in the contract", recheck.id));
            return;
        };
        let asks = seen.asks(recheck.query);
        seen.same(&recheck.id, &seen.asked(row), &asks);
        seen.ways(&recheck.id, &row.ways, branches(&recheck.branches).collect());
    }

    fn compare_end(&self, seen: &mut Seen<'_>, step: &Step, end: &End) {
        let StepKind::Conclude(conclusion) = &step.kind else { return };
        let cause = conclusion.root_cause.as_deref().unwrap_or("-");
        let recovered = if conclusion.recovered { ", recovered" } else { "" };
        let part = match conclusion.part {
            Scope::Device => String::new(),
            part => format!(", {part}"),
        };
        let is = format!("{cause}, {}{recovered}{part}", conclusion.severity.name());
        seen.same(&step.id, &end.is, &is);
        let unless = conclusion.unless.as_ref().map(|recheck| &*recheck.id);
        seen.same(&step.id, end.unless.as_deref().unwrap_or("none"), unless.unwrap_or("none"));
        conclusion.unless.iter().for_each(|recheck| self.compare_recheck(seen, recheck));
        seen.texts(step, Some(&end.group), &end.title, &end.advice);
    }

    fn compare_step(&self, seen: &mut Seen<'_>, step: &Step, row: &Row) {
        seen.texts(step, row.group.as_ref(), &row.title, &row.advice);
        let contract = seen.does(row);
        let does = seen.done_by(&step.kind);
        seen.same(&step.id, &contract, &does);
        if let Some(question) = question(&step.kind) {
            seen.says(&step.id, row.person.as_deref().unwrap_or_default(), question);
        }
        if let StepKind::Act(act) = &step.kind {
            act.recheck.iter().for_each(|recheck| self.compare_recheck(seen, recheck));
        }
        seen.ways(&step.id, &row.ways, ways(&step.kind));
    }

    /// Pairs of texts of one kind that could be swapped: each has all words that the other must have.
    pub(super) fn mistakable(&self, runbook: &Runbook) -> Vec<String> {
        let thresholds = self.defaults();
        let seen = Seen { runbook, thresholds: &thresholds, differs: Vec::new() };
        let mut texts: Vec<(&str, &str, String)> = Vec::new();
        for step in runbook.steps() {
            let (title, advice) = match self.conclusions.get(&*step.id) {
                Some(end) => (&end.title, &end.advice),
                None => (&self.steps[&*step.id].title, &self.steps[&*step.id].advice),
            };
            texts.push(("title", title, step.title.to_string()));
            texts.push(("advice", advice, advice_text(step)));
            let Some(row) = self.steps.get(&*step.id) else { continue };
            let exits: BTreeMap<String, &Exit> = ways(&step.kind).into_iter().collect();
            for (guard, way) in row.ways.iter().map(|way| written(way)) {
                let exit = exits[&seen.resolve(&guard)];
                if let (Some(words), Some(note)) = (way.note, &exit.note) {
                    texts.push(("note", words, note.to_string()));
                }
                if let (Some((_, words)), Some(alert)) = (way.alert, &exit.alert) {
                    texts.push(("alert", words, alert.text.to_string()));
                }
            }
        }
        let fits = |words: &str, text: &str| !words.is_empty() && missing(words, text).is_none();
        let mut found = Vec::new();
        for (nth, (kind, words, text)) in texts.iter().enumerate() {
            for (_, other_words, other) in texts[nth + 1..].iter().filter(|(other, ..)| other == kind) {
                if text != other && fits(words, other) && fits(other_words, text) {
                    found.push(format!("{kind}: `{text}` and `{other}`"));
                }
            }
        }
        found
    }
}

/// A comparison as it goes on.
struct Seen<'r> {
    runbook: &'r Runbook,
    thresholds: &'r Thresholds,
    differs: Vec<String>,
}

impl<'r> Seen<'r> {
    fn same(&mut self, what: &str, contract: &str, found: &str) {
        if contract != found {
            self.differs.push(format!("{what}: the contract says `{contract}`, and it is `{found}`"));
        }
    }

    fn same_set<'a>(
        &mut self,
        what: &str,
        contract: impl Iterator<Item = &'a str>,
        found: impl Iterator<Item = &'a str>,
    ) {
        let (contract, found): (BTreeSet<_>, BTreeSet<_>) = (contract.collect(), found.collect());
        let one: Vec<_> = contract.symmetric_difference(&found).copied().collect();
        self.same(what, "", &one.join(", "));
    }

    fn says(&mut self, what: &str, words: &str, text: &str) {
        if words.is_empty() {
            self.differs.push(format!("{what}: the contract has no words for `{text}`"));
        } else if let Some(word) = missing(words, text) {
            self.differs.push(format!("{what} does not say `{word}`: {text}"));
        }
    }

    fn texts(&mut self, step: &Step, group: Option<&String>, title: &str, advice: &str) {
        self.same(&step.id, group.map_or("none", String::as_str), step.group.as_deref().unwrap_or("none"));
        self.says(&step.id, title, &step.title);
        if !advice.is_empty() {
            self.says(&step.id, advice, &advice_text(step));
        }
    }

    fn id(&self, at: StepIndex) -> &'r str {
        self.runbook.step(at).map_or("?", |step| &step.id)
    }

    /// The text with the values of thresholds in it, and numbers in one form.
    fn resolve(&self, text: &str) -> String {
        let value = |name: &str| self.thresholds.get(name).unwrap_or_else(|| panic!("no threshold {name}"));
        let word = |word: &str| match (word.strip_prefix("-$"), word.strip_prefix('$')) {
            (Some(name), _) => match value(name) {
                Param::Duration(length) => format_duration(-*length),
                other => panic!("{name}: {other:?}"),
            },
            (_, Some(name)) => param(value(name)),
            _ => word.parse::<f64>().map_or_else(|_| word.to_owned(), |number| number.to_string()),
        };
        let words = text.split(' ').map(|one| match one.strip_suffix(',') {
            Some(before) => format!("{},", word(before)),
            None => word(one),
        });
        words.collect::<Vec<_>>().join(" ")
    }

    fn asks(&self, query: QueryIndex) -> String {
        let Some(query) = self.runbook.queries().get(query.position()) else { return "?".to_owned() };
        let mut asks = query.check.to_string();
        for (name, value) in &query.params {
            let _ = write!(asks, " {name} = {}", param(value));
        }
        asks
    }

    fn asked(&self, row: &Row) -> String {
        let mut asks = row.asks.clone().unwrap_or_default();
        for (name, value) in &row.with {
            let _ = write!(asks, " {name} = {}", self.resolve(value));
        }
        asks
    }

    /// What the contract's step does.
    fn does(&self, row: &Row) -> String {
        let value = |of: &Option<String>| self.resolve(of.as_deref().unwrap_or("?"));
        match row {
            Row { asks: Some(_), .. } => {
                let after = row.after.as_ref().map(|after| format!(" after {}", self.resolve(after)));
                let person =
                    row.person.as_ref().map(|_| format!(", or a person within {}", value(&row.within)));
                format!("asks {}{}{}", self.asked(row), after.unwrap_or_default(), person.unwrap_or_default())
            }
            Row { waits: Some(_), .. } => format!("waits {}", value(&row.waits)),
            Row { acts: Some(act), .. } => {
                let (scope, approval) = (value(&row.scope), value(&row.approval));
                let (within, recheck) = (value(&row.within), value(&row.recheck));
                format!("{act} of the {scope}, approval {approval}, within {within}, recheck {recheck}")
            }
            Row { hands_over: Some(runbook), .. } => format!("hands over to {runbook}"),
            _ => format!("a person answers {} within {}", value(&row.answers), value(&row.within)),
        }
    }

    /// What the runbook's step does.
    fn done_by(&self, kind: &StepKind) -> String {
        match kind {
            StepKind::Check(check) => {
                let source = match check.source {
                    CheckSource::Query(query) => self.asks(query),
                    CheckSource::Elapsed => "elapsed".to_owned(),
                    CheckSource::Accounted => "accounted".to_owned(),
                    other => format!("{other:?}"),
                };
                let mut asks = format!("asks {source}");
                if let Some(after) = check.after {
                    let _ = write!(asks, " after {}", format_duration(after.length));
                    asks.push_str(if after.plus_reporting_interval { " + reporting interval" } else { "" });
                }
                if let OnUnknown::Ask { answer_within, .. } = &check.unknown {
                    let _ = write!(asks, ", or a person within {}", format_duration(*answer_within));
                }
                asks
            }
            StepKind::Wait(wait) => match (wait.until, wait.length) {
                (Some(until), length) => {
                    let (fact, plus) = (self.asks(until.fact), format_duration(until.plus));
                    let every = length.map(|length| format!(", every {}", format_duration(length)));
                    format!("waits until {fact} + {plus}{}", every.unwrap_or_default())
                }
                (None, length) => format!("waits {}", length.map_or("?".to_owned(), format_duration)),
            },
            StepKind::Act(act) => {
                let (scope, approval) = (act.scope.name(), act.approval.name());
                let within = format_duration(act.answer_within);
                let recheck = act.recheck.as_ref().map_or("none", |recheck| &recheck.id);
                let action = &act.action;
                format!("{action} of the {scope}, approval {approval}, within {within}, recheck {recheck}")
            }
            StepKind::Ask(ask) => {
                let within = format_duration(ask.answer_within);
                format!("a person answers {} within {within}", domain(ask.branches.domain()))
            }
            StepKind::Handover(handover) => format!("hands over to {}", handover.runbook),
            other => other.name().to_owned(),
        }
    }

    fn ways(&mut self, of: &str, contract: &[String], found: Vec<(String, &Exit)>) {
        let mut contract: BTreeMap<String, Way<'_>> =
            contract.iter().map(|way| written(way)).map(|(guard, way)| (self.resolve(&guard), way)).collect();
        for (guard, exit) in found {
            let at = format!("{of}: {guard}");
            let Some(way) = contract.remove(&guard) else {
                self.differs.push(format!("{at}: the contract has no such way"));
                continue;
            };
            self.same(&at, way.to, self.id(exit.to));
            match (way.note, &exit.note) {
                (Some(words), Some(note)) => self.says(&at, words, note.as_str()),
                (words, note) => {
                    let (words, note) =
                        (words.unwrap_or("no note"), note.as_ref().map_or("no note", |note| note.as_str()));
                    self.same(&at, words, note);
                }
            }
            let alert = exit.alert.as_ref().map_or("no alert", |alert| alert.severity.name());
            self.same(&at, way.alert.map_or("no alert", |(severity, _)| severity), alert);
            if let (Some((_, words)), Some(alert)) = (way.alert, &exit.alert) {
                self.says(&at, words, alert.text.as_str());
            }
            for (what, contract, found) in
                [("supports", way.supports, &exit.supports), ("against", way.against, &exit.against)]
            {
                let list = |causes: Option<Vec<&str>>| {
                    causes.map_or("not declared".to_owned(), |mut causes| {
                        causes.sort_unstable();
                        format!("[{}]", causes.join(", "))
                    })
                };
                let found = found.as_ref().map(|causes| causes.iter().map(AsRef::as_ref).collect());
                self.same(&format!("{at} {what}"), &list(contract), &list(found));
            }
            let says = exit.says.as_ref().map_or("nothing", |says| says.as_str());
            self.same(&format!("{at} says"), way.says.unwrap_or("nothing"), says);
            self.same(&at, &way.over.to_string(), &(!exit.look_again).to_string());
        }
        for guard in contract.keys() {
            self.differs.push(format!("{of} has no way for `{guard}`"));
        }
    }
}

/// The first of the words that the text does not contain.
fn missing<'a>(words: &'a str, text: &str) -> Option<&'a str> {
    let text = text.to_lowercase();
    words.split(", ").find(|word| !text.contains(&word.to_lowercase()))
}

/// A way of the contract, and its guard. Choices are sorted, so that their order is free.
fn written(way: &str) -> (String, Way<'_>) {
    let mut parts = way.split(" | ");
    let (guard, to) = parts.next().unwrap().split_once(" → ").unwrap_or_else(|| panic!("{way}"));
    let mut read = Way { to, ..Way::default() };
    for part in parts {
        if let Some(words) = part.strip_prefix("note: ") {
            read.note = Some(words);
        } else if let Some(alert) = part.strip_prefix("alert ") {
            read.alert = alert.split_once(": ");
        } else if let Some(list) = part.strip_prefix("supports ") {
            read.supports = Some(list.split(", ").filter(|cause| *cause != "none").collect());
        } else if let Some(list) = part.strip_prefix("against ") {
            read.against = Some(list.split(", ").collect());
        } else if let Some(says) = part.strip_prefix("says ") {
            read.says = Some(says);
        } else if part == "over" {
            read.over = true;
        } else {
            panic!("{way}: {part}");
        }
    }
    (sorted(guard.split(", ")), read)
}

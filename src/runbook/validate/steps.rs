//! Reading steps and conclusions.

use super::super::fault::FaultKind;
use super::super::step::{
    About, ActStep, After, ApprovalPolicy, AskStep, CheckSource, CheckStep, Conclusion, Exit, HandoverBranch,
    HandoverStep, OnUnknown, QueryIndex, Step, StepIndex, StepKind, Until, WaitStep,
};
use super::super::text::Advice;
use super::Validator;
use super::branches::MOST;
use super::control_flow::EdgeValue;
use super::declared::Values;
use super::read::{Fields, Spot};
use crate::fact::{Domain, Kind};
use crate::runbook::document::{Tree, shortened};
use crate::subject::Scope;

/// The keys that say what a step does, each with all the keys of its kind.
const KINDS: [(&str, &[&str]); 6] = [
    ("check", &["title", "advice", "group", "check", "params", "after", "branches", "unknown", "not_named"]),
    ("source", &["title", "advice", "group", "source", "after", "branches"]),
    ("wait", &["title", "advice", "group", "wait", "to"]),
    ("act", &["title", "advice", "group", "act", "scope", "approval", "answer_within", "recheck", "on"]),
    ("ask", &["title", "advice", "group", "ask", "domain", "answer_within", "branches", "expired"]),
    ("handover", &["title", "advice", "group", "handover", "branches", "unknown"]),
];

/// What a person reads of a step.
struct Words {
    title: Box<str>,
    advice: Box<[Advice]>,
    group: Option<Box<str>>,
}

impl<'d> Validator<'d> {
    pub(super) fn read_conclusions(&mut self, fields: &Fields<'d, '_>, steps: &mut [Option<Step>]) {
        let Some(table) = fields.get("conclusions").and_then(|spot| self.table(spot)) else { return };
        self.each_once(&table);
        for (id, mut spot) in table.firsts() {
            spot.place.step = Some(id);
            let Some(at) = self.targets.get(id).copied() else { continue };
            self.flow.mark_conclusion(at);
            let Some(fields) = self.table(spot) else { continue };
            self.only(
                &fields,
                &["title", "root_cause", "severity", "recovered", "part", "unless", "advice", "group"],
            );
            let text = self.words(&fields, true);
            let root_cause = match fields.get("root_cause") {
                Some(spot) => self.id(spot).map(|cause| Some(cause.into())),
                None => Some(None),
            };
            let severity = self.required(&fields, "severity").and_then(|spot| self.severity(spot));
            let recovered = fields.get("recovered").map_or(Some(false), |spot| self.flag(spot));
            let part = fields.get("part").map_or(Some(Scope::Device), |spot| self.scope(spot));
            let unless = match fields.get("unless") {
                Some(spot) => self.recheck(spot, Some(at)).map(Some),
                None => Some(None),
            };
            let kind = (|| {
                let (root_cause, severity, recovered, part) = (root_cause?, severity?, recovered?, part?);
                Some(StepKind::Conclude(Conclusion {
                    root_cause,
                    severity,
                    recovered,
                    part,
                    unless: unless?,
                }))
            })();
            put(steps, at, step(id, text, kind));
        }
    }

    /// Whether every conclusion is among the steps that were read.
    pub(super) fn conclusions_read(&self, steps: &[Option<Step>]) -> bool {
        (0_u32..).zip(steps).all(|(at, step)| step.is_some() || !self.flow.is_conclusion(StepIndex(at)))
    }

    pub(super) fn read_steps(&mut self, fields: &Fields<'d, '_>, steps: &mut [Option<Step>]) {
        let Some(table) = fields.get("steps").and_then(|spot| self.table(spot)) else { return };
        self.each_once(&table);
        // A wait may name a step that stands after it: what asks instants must be known before.
        for (id, spot) in table.firsts() {
            if let (Some(at), Tree::Table(inner)) = (self.targets.get(id).copied(), &spot.node.tree)
                && let Some(check) = inner.get("check").and_then(|entry| entry.node.as_text())
                && let Some(check) = self.checks.get(check)
                // A check that could not be read has a fault of its own, and may be an instant.
                && check.declared.as_ref().is_none_or(|check| matches!(check.values.domain.kind(), Kind::Instant))
            {
                self.flow.mark_asks_instant(at);
            }
        }
        let mut untils = Vec::new();
        for (id, mut spot) in table.firsts() {
            spot.place.step = Some(id);
            let Some(at) = self.targets.get(id).copied() else { continue };
            let Some(fields) = self.table(spot) else {
                self.flow.mark_lossy(at);
                continue;
            };
            let text = self.words(&fields, false);
            let kind = self.step_kind(&fields, at, &mut untils);
            put(steps, at, step(id, text, kind));
        }
        // The query of the step that a wait names is known only now.
        for (wait, fact) in untils {
            let query = match steps.get(fact.position()) {
                Some(Some(Step {
                    kind: StepKind::Check(CheckStep { source: CheckSource::Query(query), .. }),
                    ..
                })) => Some(*query),
                _ => None,
            };
            if let Some(slot) = steps.get_mut(wait.position()) {
                match (slot.as_mut().map(|step| &mut step.kind), query) {
                    (Some(StepKind::Wait(WaitStep { until: Some(until), .. })), Some(query)) => {
                        until.fact = query;
                    }
                    // The step it names has faults of its own.
                    _ => *slot = None,
                }
            }
        }
    }

    fn step_kind(
        &mut self,
        fields: &Fields<'d, '_>,
        at: StepIndex,
        untils: &mut Vec<(StepIndex, StepIndex)>,
    ) -> Option<StepKind> {
        let kinds: Vec<&(&str, &[&'static str])> =
            KINDS.iter().filter(|(kind, _)| fields.has(kind)).collect();
        let [(kind, keys)] = kinds.as_slice() else {
            let fault = if kinds.is_empty() {
                FaultKind::NoKind
            } else {
                let kinds: Vec<&str> = kinds.iter().map(|(kind, _)| *kind).collect();
                FaultKind::SeveralKinds { kinds: kinds.join(" and ").into() }
            };
            self.fault(&fields.place, fault);
            self.flow.mark_lossy(at);
            fields.each().for_each(|(_, spot)| self.leave_unread(spot.node));
            return None;
        };
        self.only(fields, keys);
        match *kind {
            "check" | "source" => self.check_step(fields, at).map(StepKind::Check),
            "wait" => self.wait_step(fields, at, untils).map(StepKind::Wait),
            "act" => self.act_step(fields, at).map(StepKind::Act),
            "ask" => self.ask_step(fields, at).map(StepKind::Ask),
            _ => self.handover_step(fields, at).map(StepKind::Handover),
        }
    }

    /// The way out under a key that must be there.
    fn way(&mut self, fields: &Fields<'d, '_>, key: &'static str, at: StepIndex) -> Option<Exit> {
        match self.required(fields, key) {
            Some(spot) => self.exit(spot, at, EdgeValue::Unknown),
            None => {
                self.flow.mark_lossy(at);
                None
            }
        }
    }

    fn check_step(&mut self, fields: &Fields<'d, '_>, at: StepIndex) -> Option<CheckStep> {
        let after = match fields.get("after") {
            Some(spot) => {
                self.flow.mark_pause(at);
                self.after(spot).map(Some)
            }
            None => Some(None),
        };
        let not_named = match fields.get("not_named") {
            Some(spot) => {
                self.may_be_unnamed(fields, &spot);
                self.exit(spot, at, EdgeValue::Unknown).map(Some)
            }
            None => Some(None),
        };
        let (source, values, unknown) = if let Some(spot) = fields.get("source") {
            let source = self.name(spot, "source", "elapsed or accounted", |name| match name {
                "elapsed" => Some(CheckSource::Elapsed),
                "accounted" => Some(CheckSource::Accounted),
                _ => None,
            });
            let kind = if source == Some(CheckSource::Accounted) { Kind::Number } else { Kind::Duration };
            let values = Values { domain: Domain::new(kind), choices: std::rc::Rc::default() };
            (source, source.map(|_| values), Some(OnUnknown::Explore))
        } else {
            let asked = self.query(fields);
            let unknown = self.required(fields, "unknown").and_then(|spot| self.on_unknown(spot, at));
            if unknown.is_none() {
                self.flow.mark_lossy(at);
            }
            let (query, values) = asked.map_or((None, None), |(query, values)| (Some(query), Some(values)));
            (query.map(CheckSource::Query), values, unknown)
        };
        let branches = self.branches(fields, at, values.as_ref());
        Some(CheckStep {
            source: source?,
            after: after?,
            branches: branches?,
            unknown: unknown?,
            not_named: not_named?,
        })
    }

    /// A positive duration, or `{ for, plus = "reporting-interval" }`.
    fn after(&mut self, spot: Spot<'d, '_>) -> Option<After> {
        if !matches!(&spot.node.tree, Tree::Table(_)) {
            return Some(After { length: self.positive(spot)?, plus_reporting_interval: false });
        }
        let fields = self.table(spot)?;
        self.only(&fields, &["for", "plus"]);
        let length = self.required(&fields, "for").and_then(|spot| self.positive(spot));
        let plus = self.required(&fields, "plus").and_then(|spot| {
            self.name(spot, "plus", "reporting-interval", |name| (name == "reporting-interval").then_some(()))
        });
        plus.and(length).map(|length| After { length, plus_reporting_interval: true })
    }

    /// An exit for a subject that does not name the part is of use only where a subject may leave the part out.
    fn may_be_unnamed(&mut self, fields: &Fields<'d, '_>, spot: &Spot<'d, '_>) {
        let check = fields.get("check").and_then(|spot| spot.node.as_text());
        let declared = check.and_then(|check| self.checks.get(check)?.declared.as_ref());
        if let Some(declared) = declared
            && declared.scope.is_always_named()
            && declared.about == About::Now
        {
            let scope = declared.scope;
            self.fault(&spot.place, FaultKind::AlwaysNamed { scope });
        }
    }

    /// `explore`, an exit, or `{ ask, answer_within, expired }`.
    fn on_unknown(&mut self, spot: Spot<'d, '_>, at: StepIndex) -> Option<OnUnknown> {
        match &spot.node.tree {
            Tree::Text(text) if &**text == "explore" => Some(OnUnknown::Explore),
            Tree::Table(table) if table.get("ask").is_some() => {
                let fields = self.table(spot)?;
                self.only(&fields, &["ask", "answer_within", "expired"]);
                let question = self.required(&fields, "ask").and_then(|spot| self.fixed_text(spot));
                let within = self.required(&fields, "answer_within").and_then(|spot| self.positive(spot));
                let expired = match fields.get("expired") {
                    Some(spot) => self.exit(spot, at, EdgeValue::Unknown).map(Some),
                    None => Some(None),
                };
                Some(OnUnknown::Ask { question: question?.into(), answer_within: within?, expired: expired? })
            }
            _ => self.exit(spot, at, EdgeValue::Unknown).map(OnUnknown::Go),
        }
    }

    fn wait_step(
        &mut self,
        fields: &Fields<'d, '_>,
        at: StepIndex,
        untils: &mut Vec<(StepIndex, StepIndex)>,
    ) -> Option<WaitStep> {
        self.flow.mark_pause(at);
        let exit = self.way(fields, "to", at);
        let wait = fields.get("wait")?;
        let fields = self.table(wait)?;
        self.only(&fields, &["for", "until", "every"]);
        let until = match fields.get("until") {
            Some(spot) => self.until(spot).map(Some),
            None => Some(None),
        };
        let mut ok = true;
        match (fields.has("until"), fields.has("for"), fields.get("every")) {
            (true, true, _) => {
                self.fault(&fields.place, FaultKind::Clash { one: "for", other: "until" });
                ok = false;
            }
            (false, _, Some(spot)) => {
                self.fault(&spot.place, FaultKind::EveryWithoutUntil);
                ok = false;
            }
            (false, false, None) => {
                self.fault(&fields.place, FaultKind::EndlessWait);
                ok = false;
            }
            _ => {}
        }
        let length = match fields.get("for").or_else(|| fields.get("every")) {
            Some(spot) => self.positive(spot).map(Some),
            None => Some(None),
        };
        let (true, Some(until), Some(length)) = (ok, until, length) else { return None };
        if let Some((fact, _)) = until {
            untils.push((at, fact));
            self.flow.add_wait_until(at, fact);
        }
        // The query is filled in when every step is read.
        let until = until.map(|(_, plus)| Until { fact: QueryIndex(0), plus });
        Some(WaitStep { length, until, exit: exit? })
    }

    fn until(&mut self, spot: Spot<'d, '_>) -> Option<(StepIndex, chrono::TimeDelta)> {
        let fields = self.table(spot)?;
        self.only(&fields, &["fact", "plus"]);
        let plus = match fields.get("plus") {
            Some(spot) => self.duration(spot),
            None => Some(chrono::TimeDelta::zero()),
        };
        let spot = self.required(&fields, "fact")?;
        let fact = self.target(spot)?;
        if !self.flow.asks_instant(fact) {
            let fact = shortened(spot.node.as_text().unwrap_or_default()).into();
            self.fault(&spot.place, FaultKind::UntilNoInstant { fact });
            return None;
        }
        Some((fact, plus?))
    }

    fn act_step(&mut self, fields: &Fields<'d, '_>, at: StepIndex) -> Option<ActStep> {
        let action = self.required(fields, "act").and_then(|spot| self.id(spot));
        let scope = self.required(fields, "scope").and_then(|spot| self.scope(spot));
        let approval = fields.get("approval").map_or(Some(ApprovalPolicy::Required), |spot| {
            self.name(spot, "approval", "automatic, required or never", ApprovalPolicy::from_name)
        });
        let within = self.required(fields, "answer_within").and_then(|spot| self.positive(spot));
        let recheck = match fields.get("recheck") {
            Some(spot) => self.act_recheck(spot, at).map(Some),
            None => Some(None),
        };
        let Some(on) = self.required(fields, "on").and_then(|spot| self.table(spot)) else {
            self.flow.mark_lossy(at);
            return None;
        };
        self.only(&on, &["done", "refused", "failed", "expired"]);
        let [done, refused, failed, expired] =
            ["done", "refused", "failed", "expired"].map(|key| self.way(&on, key, at));
        Some(ActStep {
            action: action?.into(),
            scope: scope?,
            approval: approval?,
            answer_within: within?,
            recheck: recheck?,
            done: done?,
            refused: refused?,
            failed: failed?,
            expired: expired?,
        })
    }

    fn ask_step(&mut self, fields: &Fields<'d, '_>, at: StepIndex) -> Option<AskStep> {
        let question = self.required(fields, "ask").and_then(|spot| self.fixed_text(spot));
        let values = self.required(fields, "domain").and_then(|spot| self.domain(spot));
        let within = self.required(fields, "answer_within").and_then(|spot| self.positive(spot));
        let branches = self.branches(fields, at, values.as_ref());
        let expired = self.way(fields, "expired", at);
        Some(AskStep {
            question: question?.into(),
            answer_within: within?,
            branches: branches?,
            expired: expired?,
        })
    }

    fn handover_step(&mut self, fields: &Fields<'d, '_>, at: StepIndex) -> Option<HandoverStep> {
        let runbook = self.required(fields, "handover").and_then(|spot| self.id(spot));
        let unknown = self.way(fields, "unknown", at);
        let branches = self.required(fields, "branches").and_then(|spot| self.handover_branches(spot, at));
        if branches.is_none() {
            self.flow.mark_lossy(at);
        }
        let (branches, otherwise) = branches?;
        Some(HandoverStep { runbook: runbook?.into(), branches, otherwise, unknown: unknown? })
    }

    fn handover_branches(
        &mut self,
        spot: Spot<'d, '_>,
        at: StepIndex,
    ) -> Option<(Box<[HandoverBranch]>, Option<Exit>)> {
        let items = self.list(spot)?;
        if items.len() > MOST {
            self.fault(&spot.place, FaultKind::TooManyBranches(items.len()));
            return None;
        }
        let mut branches: Vec<HandoverBranch> = Vec::with_capacity(items.len());
        let mut otherwise = None;
        let mut seen = std::collections::HashSet::new();
        let mut ok = true;
        for spot in items.each() {
            let Some(fields) = self.table(spot) else {
                ok = false;
                continue;
            };
            self.only(&fields, &["is", "any", "to", "note", "alert", "supports", "against", "unless"]);
            let exit = self.exit_of(&fields, at, EdgeValue::Unknown, false);
            match (fields.get("is"), fields.get("any")) {
                (Some(spot), None) => {
                    let mut names: Vec<Box<str>> = Vec::new();
                    ok &= self.one_or_list(spot, |this, spot| {
                        let name = this.id(spot)?;
                        if !seen.insert(name) {
                            this.fault(&spot.place, FaultKind::Twice { value: name.into() });
                            return None;
                        }
                        names.push(name.into());
                        Some(())
                    });
                    if names.is_empty() && ok {
                        self.fault(&spot.place, FaultKind::EmptyGuard);
                        ok = false;
                    }
                    names.sort_unstable();
                    match exit {
                        Some(exit) => branches.push(HandoverBranch { conclusions: names.into(), exit }),
                        None => ok = false,
                    }
                }
                (None, Some(spot)) => {
                    let any = self.flag(spot);
                    if any == Some(false) {
                        self.fault(&spot.place, FaultKind::OnlyTrue);
                    } else if otherwise.is_some() {
                        self.fault(&spot.place, FaultKind::Twice { value: "any".into() });
                        ok = false;
                    }
                    ok &= any == Some(true) && exit.is_some();
                    otherwise = exit;
                }
                (Some(_), Some(_)) => {
                    self.fault(&fields.place, FaultKind::Clash { one: "is", other: "any" });
                    ok = false;
                }
                (None, None) => {
                    self.fault(&fields.place, FaultKind::NoGuard);
                    ok = false;
                }
            }
        }
        branches.sort_by(|a, b| a.conclusions.cmp(&b.conclusions));
        ok.then(|| (branches.into(), otherwise))
    }

    fn words(&mut self, fields: &Fields<'d, '_>, title_required: bool) -> Option<Words> {
        let title = match fields.get("title") {
            Some(spot) => self.fixed_text(spot),
            None if title_required => self.required(fields, "title").and_then(|spot| self.fixed_text(spot)),
            None => Some(""),
        };
        let advice = fields.get("advice").map_or_else(|| Some(Box::default()), |spot| self.advice(spot));
        let group = match fields.get("group") {
            Some(spot) => self.id(spot).map(|group| Some(group.into())),
            None => Some(None),
        };
        Some(Words { title: title?.into(), advice: advice?, group: group? })
    }
}

fn step(id: &str, words: Option<Words>, kind: Option<StepKind>) -> Option<Step> {
    let Words { title, advice, group } = words?;
    Some(Step { id: id.into(), title, advice, group, kind: kind? })
}

fn put(steps: &mut [Option<Step>], at: StepIndex, step: Option<Step>) {
    if let Some(slot) = steps.get_mut(at.position()) {
        *slot = step;
    }
}

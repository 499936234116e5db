//! What steps refer to: thresholds and checks, each declared once and used at least once.

use std::collections::HashMap;

use chrono::TimeDelta;

use super::super::fault::FaultKind;
use super::super::step::{About, OnFuture, Param, Params, Query, QueryIndex};
use super::Validator;
use super::read::{Fields, ID, SNAKE, Spot};
use crate::fact::{Choice, Choices, Domain, Kind};
use crate::runbook::document::{Tree, shortened};
use crate::runbook::fingerprint;
use crate::subject::Scope;

/// A named value.
pub(super) struct Threshold {
    /// `None` where it could not be read.
    pub(super) value: Option<Param>,
    pub(super) used: bool,
}

/// A check as it is declared.
pub(super) struct Check<'d> {
    /// `None` where it could not be read.
    pub(super) declared: Option<Declared<'d>>,
    pub(super) used: bool,
}

#[derive(Clone)]
pub(super) struct Declared<'d> {
    pub(super) scope: Scope,
    pub(super) values: Values<'d>,
    pub(super) about: About,
    pub(super) stale_after: Option<TimeDelta>,
    pub(super) future: OnFuture,
}

/// A domain, with the positions of its choices.
#[derive(Clone)]
pub(super) struct Values<'d> {
    pub(super) domain: Domain,
    pub(super) choices: std::rc::Rc<HashMap<&'d str, Choice>>,
}

impl<'d> Validator<'d> {
    pub(super) fn declare_thresholds(&mut self, fields: &Fields<'d, '_>) {
        let Some(table) = fields.get("thresholds").and_then(|spot| self.table(spot)) else { return };
        self.each_once(&table);
        for (name, spot) in table.firsts() {
            self.well_formed(name, SNAKE, &spot.place);
            let value = match &spot.node.tree {
                Tree::Text(text) => self.duration_text(text, &spot.place).map(Param::Duration),
                Tree::Whole(_) | Tree::Large(_) | Tree::Number(_) => self.param(spot),
                other => {
                    let kind = FaultKind::WrongType {
                        expected: "a duration as a text, a number or a count",
                        found: other.name(),
                    };
                    self.fault(&spot.place, kind);
                    None
                }
            };
            self.thresholds.insert(name, Threshold { value, used: false });
        }
    }

    pub(super) fn declare_checks(&mut self, fields: &Fields<'d, '_>) {
        let Some(table) = fields.get("checks").and_then(|spot| self.table(spot)) else { return };
        self.each_once(&table);
        for (id, spot) in table.firsts() {
            let well_formed = self.well_formed(id, ID, &spot.place);
            let declared = self.table(spot).and_then(|fields| self.check(&fields)).filter(|_| well_formed);
            self.checks.insert(id, Check { declared, used: false });
        }
    }

    fn check(&mut self, fields: &Fields<'d, '_>) -> Option<Declared<'d>> {
        self.only(fields, &["scope", "domain", "optional", "about", "stale_after", "future"]);
        let scope = self.required(fields, "scope").and_then(|spot| self.scope(spot));
        let values = self.required(fields, "domain").and_then(|spot| self.domain(spot));
        let optional = fields.get("optional").map_or(Some(false), |spot| self.flag(spot));
        let about = fields.get("about").map_or(Some(About::Now), |spot| {
            self.name(spot, "time to ask about", "now or period", |name| {
                [About::Now, About::Period].into_iter().find(|about| about.name() == name)
            })
        });
        let stale_after = match fields.get("stale_after") {
            Some(spot) => Some(self.positive(spot)?),
            None => None,
        };
        let future = fields.get("future").map_or(Some(OnFuture::Unknown), |spot| {
            self.name(spot, "meaning of the future", "value", |name| {
                (name == "value").then_some(OnFuture::Value)
            })
        });
        if let (Some(spot), Some(values)) = (fields.get("future"), &values)
            && !matches!(values.domain.kind(), Kind::Instant)
        {
            self.fault(&spot.place, FaultKind::FutureNoInstant);
        }
        let mut values = values?;
        if optional? {
            values.domain = values.domain.optional();
        }
        Some(Declared { scope: scope?, values, about: about?, stale_after, future: future? })
    }

    pub(super) fn scope(&mut self, spot: Spot<'d, '_>) -> Option<Scope> {
        self.name(
            spot,
            "scope",
            "device, tag, session, gateway, site, pipeline or platform",
            Scope::from_name,
        )
    }

    /// A domain by its name, or a list of choices.
    pub(super) fn domain(&mut self, spot: Spot<'d, '_>) -> Option<Values<'d>> {
        if !matches!(spot.node.tree, Tree::List(_)) {
            let kind = self.name(
                spot,
                "domain",
                "duration, instant, number, count, flag or a list of choices",
                |name| match name {
                    "duration" => Some(Kind::Duration),
                    "instant" => Some(Kind::Instant),
                    "number" => Some(Kind::Number),
                    "count" => Some(Kind::Count),
                    "flag" => Some(Kind::Flag),
                    _ => None,
                },
            )?;
            return Some(Values { domain: Domain::new(kind), choices: std::rc::Rc::default() });
        }
        let items = self.list(spot)?;
        let names: Vec<Option<&'d str>> = items.each().map(|spot| self.id(spot)).collect();
        let names: Vec<&'d str> = names.into_iter().collect::<Option<_>>()?;
        let positions = names.iter().zip(0..=u16::MAX).map(|(name, at)| (*name, Choice::new(at))).collect();
        match Choices::new(names) {
            Ok(choices) => {
                Some(Values { domain: Domain::choice(choices), choices: std::rc::Rc::new(positions) })
            }
            Err(error) => {
                self.fault(&spot.place, FaultKind::Choices(error));
                None
            }
        }
    }

    /// The query that asks the check under `check` with the params under `params`; the same for all who ask
    /// the same.
    pub(super) fn query(&mut self, fields: &Fields<'d, '_>) -> Option<(QueryIndex, Values<'d>)> {
        let params = fields.get("params").map_or(Some(Params::new()), |spot| self.params(spot));
        let spot = self.required(fields, "check")?;
        let id = self.text(spot)?;
        let Some(check) = self.checks.get_mut(id) else {
            self.fault(&spot.place, FaultKind::UnknownCheck { check: shortened(id).into() });
            return None;
        };
        check.used = true;
        // One that could not be read has its fault where it is declared.
        let declared = check.declared.clone()?;
        let query = Query {
            check: id.into(),
            scope: declared.scope,
            domain: declared.values.domain.clone(),
            params: params?,
            about: declared.about,
            stale_after: declared.stale_after,
            future: declared.future,
        };
        let next = QueryIndex(u32::try_from(self.queries.len()).ok()?);
        let index = *self.known_queries.entry(fingerprint::canonical(&query)).or_insert(next);
        if index == next {
            self.queries.push(query);
        }
        Some((index, declared.values))
    }

    fn params(&mut self, spot: Spot<'d, '_>) -> Option<Params> {
        let table = self.table(spot)?;
        self.each_once(&table);
        let mut params = Params::new();
        let mut whole = true;
        for (name, spot) in table.firsts() {
            match self.well_formed(name, SNAKE, &spot.place).then(|| self.param(spot)).flatten() {
                Some(param) => drop(params.insert(name.into(), param)),
                None => whole = false,
            }
        }
        whole.then_some(params)
    }

    /// A threshold or a check that nothing uses is a slip somewhere else.
    pub(super) fn report_unused(&mut self, fields: &Fields<'d, '_>) {
        for key in ["thresholds", "checks"] {
            let Some(spot) = fields.get(key) else { continue };
            let Tree::Table(table) = &spot.node.tree else { continue };
            for (name, spot) in Fields::new(table, spot.place).firsts() {
                let shown = || shortened(name).into();
                if key == "thresholds" && self.thresholds.get(name).is_some_and(|threshold| !threshold.used) {
                    self.fault(&spot.place, FaultKind::UnusedThreshold { name: shown() });
                } else if key == "checks" && self.checks.get(name).is_some_and(|check| !check.used) {
                    self.fault(&spot.place, FaultKind::UnusedCheck { check: shown() });
                }
            }
        }
    }
}

//! Reading texts that name facts, and advice that depends on them.

use super::super::fault::FaultKind;
use super::super::guard::{Guard, Values as Taken};
use super::super::text::{Advice, Condition, FactRef, Text};
use super::Validator;
use super::branches::GUARD;
use super::read::Spot;
use crate::runbook::document::{Tree, shortened};

impl<'d> Validator<'d> {
    /// A list of advice: texts, or tables with `text` and a condition.
    pub(super) fn advice(&mut self, spot: Spot<'d, '_>) -> Option<Box<[Advice]>> {
        // All are read, so that each has its fault.
        let read: Vec<_> = self.list(spot)?.each().map(|spot| self.one_advice(spot)).collect();
        read.into_iter().collect()
    }

    fn one_advice(&mut self, spot: Spot<'d, '_>) -> Option<Advice> {
        if !matches!(spot.node.tree, Tree::Table(_)) {
            return Some(Advice { text: self.text_with_facts(spot, false)?, condition: None });
        }
        let fields = self.table(spot)?;
        self.only(&fields, &["text", "when", "unless"]);
        let text = self.required(&fields, "text").and_then(|spot| self.text_with_facts(spot, false));
        let condition = match (fields.get("when"), fields.get("unless")) {
            (Some(_), Some(_)) => {
                self.fault(&fields.place, FaultKind::Clash { one: "when", other: "unless" });
                None
            }
            (Some(spot), None) => self.condition(spot, true),
            (None, Some(spot)) => self.condition(spot, false),
            (None, None) => {
                self.fault(&fields.place, FaultKind::NoCondition);
                None
            }
        };
        Some(Advice { text: text?, condition: Some(condition?) })
    }

    /// `{ check = "power", is = "lost" }`: a check and a guard of its domain, or a detail of its answer, or both.
    fn condition(&mut self, spot: Spot<'d, '_>, holds: bool) -> Option<Condition> {
        let fields = self.table(spot)?;
        let known: Vec<&'static str> = ["check", "detail"].into_iter().chain(GUARD).collect();
        self.only(&fields, &known);
        let spot = self.required(&fields, "check")?;
        let id = self.text(spot)?;
        let Some(check) = self.checks.get(id) else {
            self.fault(&spot.place, FaultKind::UnknownCheck { check: shortened(id).into() });
            return None;
        };
        // One that could not be read has its fault where it is declared.
        let values = check.declared.as_ref()?.values.clone();
        let detail = match fields.get("detail") {
            Some(spot) => Some(self.text(spot)?),
            None => None,
        };
        let guard = match GUARD.iter().any(|part| fields.get(part).is_some()) || detail.is_none() {
            true => self.guard(&fields, &values)?,
            false => Guard { absent: values.domain.is_optional(), values: Taken::All },
        };
        Some(Condition {
            check: id.into(),
            domain: values.domain,
            guard,
            detail: detail.map(Into::into),
            holds,
        })
    }

    /// A text in which no fact is put: one that names a fact of a declared check was meant to have it. Other braces are the
    /// author's own.
    pub(super) fn fixed_text(&mut self, spot: Spot<'d, '_>) -> Option<&'d str> {
        let text = self.text(spot)?;
        let parsed = Text::parse(text).ok();
        let mut facts = parsed.iter().flat_map(Text::facts);
        if let Some(fact) = facts.find(|fact| self.checks.contains_key(&*fact.check)) {
            let detail = fact.detail.iter().map(|detail| format!(".{detail}"));
            let name: String = std::iter::once(fact.check.to_string()).chain(detail).collect();
            self.fault(&spot.place, FaultKind::FactInTitle { fact: shortened(&name).into() });
            return None;
        }
        Some(text)
    }

    /// A text whose facts are all of checks that are declared; of the branch's own `value` only where there is one.
    pub(super) fn text_with_facts(&mut self, spot: Spot<'d, '_>, has_value: bool) -> Option<Text> {
        let text = match Text::parse(self.text(spot)?) {
            Ok(text) => text,
            Err(error) => {
                self.fault(&spot.place, FaultKind::Text(error));
                return None;
            }
        };
        let is_known = |fact: &&FactRef| {
            self.checks.contains_key(&*fact.check)
                || has_value && &*fact.check == FactRef::VALUE && fact.detail.is_none()
        };
        if let Some(unknown) = text.facts().find(|fact| !is_known(fact)) {
            let fact = shortened(&unknown.check).into();
            self.fault(&spot.place, FaultKind::UnknownFact { fact });
            return None;
        }
        Some(text)
    }
}

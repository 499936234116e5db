//! Reading rechecks: what is asked again before an act or a conclusion.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::fault::FaultKind;
use super::super::step::{Conclusion, Recheck, Step, StepIndex, StepKind};
use super::Validator;
use super::read::{Fields, ID, Key, Place, Spot};
use crate::runbook::document::shortened;

/// A recheck as it is declared.
pub(super) struct Declared {
    /// Its node in the graph: a step that uses it leads there, and it leads to the targets of its branches.
    node: StepIndex,
    /// `None` where it could not be read.
    read: Option<Arc<Recheck>>,
    used: bool,
    /// An `unless` uses it.
    ends: bool,
}

impl<'d> Validator<'d> {
    /// Gives each recheck its node beyond the steps. Returns the number of rechecks.
    pub(super) fn declare_rechecks(&mut self, fields: &Fields<'d, '_>) -> usize {
        let Some(table) = fields.get("rechecks").and_then(|spot| self.table(spot)) else { return 0 };
        let mut next = u32::try_from(self.ids.len()).unwrap_or(u32::MAX);
        for (id, spot) in table.firsts() {
            self.well_formed(id, ID, &spot.place);
            let declared = Declared { node: StepIndex(next), read: None, used: false, ends: false };
            self.rechecks.insert(id, declared);
            next = next.saturating_add(1);
        }
        self.rechecks.len()
    }

    pub(super) fn read_rechecks(&mut self, fields: &Fields<'d, '_>) {
        let Some(spot) = fields.get("rechecks").filter(|_| !self.rechecks.is_empty()) else { return };
        let Some(table) = self.table(spot) else { return };
        self.each_once(&table);
        for (id, spot) in table.firsts() {
            let Some(node) = self.rechecks.get(id).map(|declared| declared.node) else { continue };
            let read = self.read_recheck(id, spot, node);
            if let Some(declared) = self.rechecks.get_mut(id) {
                declared.read = read.map(Arc::new);
            }
        }
    }

    fn read_recheck(&mut self, id: &'d str, spot: Spot<'d, '_>, node: StepIndex) -> Option<Recheck> {
        let Some(fields) = self.table(spot) else {
            self.flow.mark_lossy(node);
            return None;
        };
        self.only(&fields, &["check", "params", "branches"]);
        let asked = self.query(&fields);
        let (query, values) = asked.map_or((None, None), |(query, values)| (Some(query), Some(values)));
        let branches = self.some_branches(&fields, node, values.as_ref());
        Some(Recheck { id: id.into(), query: query?, branches: branches? })
    }

    /// The recheck that an act names.
    pub(super) fn act_recheck(&mut self, spot: Spot<'d, '_>, act: StepIndex) -> Option<Arc<Recheck>> {
        self.use_recheck(spot, Some(act), false)
    }

    /// The recheck that an `unless` names: of a conclusion, or of the document, which has it from its start.
    pub(super) fn recheck(&mut self, spot: Spot<'d, '_>, from: Option<StepIndex>) -> Option<Arc<Recheck>> {
        self.use_recheck(spot, from, true)
    }

    fn use_recheck(
        &mut self,
        spot: Spot<'d, '_>,
        from: Option<StepIndex>,
        ends: bool,
    ) -> Option<Arc<Recheck>> {
        let id = self.text(spot);
        let Some(declared) = id.and_then(|id| self.rechecks.get_mut(id)) else {
            if let Some(id) = id {
                self.fault(&spot.place, FaultKind::UnknownRecheck { recheck: shortened(id).into() });
            }
            from.into_iter().for_each(|from| self.flow.mark_lossy(from));
            return None;
        };
        declared.used = true;
        declared.ends |= ends;
        let (node, read) = (declared.node, declared.read.clone());
        from.into_iter()
            .for_each(|from| self.flow.add_edge(from, node, super::control_flow::EdgeValue::Unknown));
        read
    }

    /// Every recheck is used, and one that an `unless` uses leads to conclusions without an `unless`: so nothing is asked
    /// again without end.
    pub(super) fn check_unless(&mut self, fields: &Fields<'d, '_>, steps: &[Option<Step>]) {
        let Some(spot) = fields.get("rechecks").filter(|_| !self.rechecks.is_empty()) else { return };
        let plain = |to: StepIndex| match steps.get(to.position()) {
            Some(Some(Step { kind: StepKind::Conclude(Conclusion { unless, .. }), .. })) => unless.is_none(),
            // One that could not be read has faults of its own.
            Some(None) => true,
            _ => false,
        };
        let mut faults = Vec::new();
        for (id, declared) in &self.rechecks {
            if !declared.used {
                faults.push((*id, FaultKind::UnusedRecheck { recheck: shortened(id).into() }));
            }
            let Some(recheck) = declared.read.as_ref().filter(|_| declared.ends) else { continue };
            let targets: BTreeSet<StepIndex> =
                recheck.branches.as_slice().iter().map(|branch| branch.exit.to).collect();
            for to in targets.into_iter().filter(|to| !plain(*to)) {
                let target = self.ids.get(to.position()).map_or("", |(id, _)| *id).into();
                faults.push((*id, FaultKind::UnlessTarget { target }));
            }
        }
        faults.sort_by_key(|(id, _)| *id);
        let Some(table) = self.table(spot) else { return };
        for (id, kind) in faults {
            let at = table.get(id).map_or(spot.place.at, |spot| spot.place.at);
            let place = Place { up: Some(&spot.place), key: Key::Name(id), at, step: None };
            self.fault(&place, kind);
        }
    }
}
